#!/bin/bash
# SPDX-License-Identifier: MIT
# What wgx restart takes along beside sessions: two interfaces, one of them down and in the hands of `wgx -f`; who
# watches; strict mode with all its networks; a device that is awaited; a handshake that has begun. And what it refuses.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== eth0 192.0.2.2 -- wg0 10.7.0.2 B
#	  wg1, down
. "$(dirname "$0")/../lib.sh"
require wg jq tcpdump
require_wgx

pid() { daemon_pid A wg0; }
# attached: devices, here and awaited, but for what is counted of them
attached() {
	wgx_json A '[.attached[], .awaited[] | if type == "object" then del(.counters, .strict.drops) else . end] | tojson'
}
awaits() { [ "$(wgx_json A '.awaited | length')" = "$1" ]; }
strict() { wgx_json A "[.attached[] | select(.device == \"eth0\") | .strict.drops.$1][0]"; }
restarted() { # restarted LABEL
	local before
	before=$(pid)
	check "$1: restart" wgx A restart
	check "$1: another daemon" not [ "$(pid)" = "$before" ]
}

check 'set up' tunnel_pair wgx wgx 4 no || finish
spawn A foreground "$WGX" -f wg1
check 'a second interface, in the foreground' wait_for 20 on A wg show wg1
key_for A wg1
on A wg set wg1 listen-port 51999 private-key "$WORK/A.wg1.key" peer "$(pub_of B wg0)" endpoint 192.0.2.9:1
on A ip link add spare0 type veth peer name spare1
check 'attach, strict' wgx A attach eth0 --strict --exempt 198.51.100.0/24 --protect 203.0.113.0/24
check 'attach another' wgx A attach spare0
on A ip link del spare0
check 'which goes away' wait_for 20 awaits 1
spawn A monitor "$WGX" monitor
check 'ping' ping_ok A 10.7.0.2
on A ip route add 203.0.113.0/24 via 192.0.2.2
on A ping -c 2 -i 0.2 -W 1 203.0.113.1 >/dev/null 2>&1
check 'strict mode drops' [ "$(strict strict_egress)" -ge 1 ]
dropped=$(strict strict_egress)
was=$(attached)
wg1=$(on A wg show wg1 dump)

capture B plain eth0 net 203.0.113.0/24
spawn A leak ping -i 0.02 -W 1 203.0.113.1
restarted 'strict mode'
stop leak INT
capture_end plain
check_equal 'strict mode: nothing leaks meanwhile' "$(captured B plain | wc -l)" 0
check_equal 'strict mode: devices are as before' "$(attached)" "$was"
check 'strict mode: its counts go on' [ "$(strict strict_egress)" -gt "$dropped" ]
check 'strict mode: ping' ping_ok A 10.7.0.2
check_equal 'the interface that is down is as before' "$(on A wg show wg1 dump)" "$wg1"
check 'it goes up' on A ip link set wg1 up
check 'and has its port' wait_for 20 on A sh -c 'ss -Hlun sport = 51999 | grep -q .'

restarted 'once more'
check_equal 'once more: devices are as before' "$(attached)" "$was"
before=$(pid)
check 'one that fails' not on A env WGX_HANDOVER_FAIL=late "$WGX" restart
check_equal 'one that fails: the same daemon' "$(pid)" "$before"
check_equal 'one that fails: devices are as before' "$(attached)" "$was"
dropped=$(strict strict_egress)
capture B plain2 eth0 net 203.0.113.0/24
on A ping -c 2 -i 0.2 -W 1 203.0.113.1 >/dev/null 2>&1
capture_end plain2
check_equal 'one that fails: nothing leaks' "$(captured B plain2 | wc -l)" 0
check 'one that fails: strict mode goes on' [ "$(strict strict_egress)" -gt "$dropped" ]
wgx A name wg0 "$(pub_of B wg0)" beta
check 'who watches goes on to watch' wait_for 20 grep -q beta "$WORK/monitor.log"
stop monitor
stop foreground INT
check 'who waits in the foreground ends its interface' wait_for 20 not on A ip link show wg1
check 'and leaves the other' ping_ok A 10.7.0.2

# A handshake is under way for as long as nobody answers.
on B ip link set eth0 down
on A wg set wg0 peer "$(pub_of B wg0)" remove
wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32
on A ping -c 1 -W 1 10.7.0.2 >/dev/null 2>&1
restarted 'in a handshake'
on B ip link set eth0 up
check 'in a handshake: it is completed' wait_for 30 ping_ok A 10.7.0.2

on A ip link add spare0 type veth peer name spare1
check 'the device that was awaited is back' wait_for 20 awaits 0
check 'and attached' [ "$(wgx_mode A spare0)" = tcx ]
check 'detach' wgx A detach eth0
check 'detach it' wgx A detach spare0
check_equal 'nothing of strict mode is left' "$(on A find /sys/fs/bpf -path '*strict*' | wc -l)" 0
restarted 'nothing attached'
check 'nothing attached: ping' ping_ok A 10.7.0.2
check_equal 'nothing attached: nothing is' "$(wgx_json A '.attached | length')" 0
check 'an operand is refused' not wgx A restart now
check 'the last interface goes' on A ip link del wg0
check 'and the daemon with it' wait_for 20 not on A pgrep -x wgx
check 'without a daemon there is nothing to restart' not wgx A restart
finish
