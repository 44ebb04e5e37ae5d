#!/bin/bash
# SPDX-License-Identifier: MIT
# Several workers for one interface (wgx wg0 --workers 2): two seal, and the open worker has a helper. Flows keep their
# order and their bytes, both ways, through a new key, a restart of the daemon and another peer's removal; what is sealed
# is what is opened.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 192.0.2.1 ==== eth0 192.0.2.2 -- wg0 10.7.0.2, fd07::2 B
#	  two workers                                                      one
. "$(dirname "$0")/../lib.sh"
HERE=$(cd "$(dirname "$0")" && pwd)
require wg jq iperf3 socat python3
require_wgx

sealers() { wgx_json A ".interfaces[] | select(.name == \"$1\") | .sealers"; }
threads() { wgx_json A '[.threads[].name | select(startswith("wgx-seal"))] | join(" ")'; }
openers() { wgx_json A '[.threads[].name | select(startswith("wgx-open"))] | join(" ")'; }
helped() { wgx_json A '.workers[] | select(.name == "wgx-open-2") | .helped'; }
has_helped() { [ "$(helped)" -gt 0 ]; }
# help_wanted: much waits for A while its daemon stands, so that there are long lists, until its helper has had a part in one
help_wanted() {
	on A kill -STOP "$(daemon_pid A wg0)"
	on B sh -c 'head -c 2000000 /dev/zero | socat -u -b 1300 STDIN UDP4-SENDTO:10.7.0.1:9'
	on A kill -CONT "$(daemon_pid A wg0)"
	sleep 0.2
	has_helped
}
queues() { wgx_json A '[.rings[] | select(.device == "wg0") | .queue] | join(" ")'; }
handshakes() { wgx_json B '.handshakes | .initiations + .responses'; }
more_handshakes() { [ "$(handshakes)" -gt "$1" ]; }
refused() { wgx_drops "$1" wg0 | awk '$1 == "open_replay" || $1 == "open_auth"'; }
chunks_home() { wgx_json A '[.rings[] | select(.device == "wg0") | .fill == .chunks] | all' | grep -q true; }
sealed() { echo $(($(wgx_counter "$1" wg0 sealed_packets) + $(wgx_counter "$1" wg0 keepalives_sent))); }
opened() { wgx_counter "$1" wg0 opened_packets; }
listening() { [ "$({ on A ss -Hlun && on B ss -Hlun; } | grep -c ':600[0-3] ')" = 4 ]; }
begin_balance() {
	was_sealed[A]=$(sealed A) was_sealed[B]=$(sealed B) was_opened[A]=$(opened A) was_opened[B]=$(opened B)
}
# balanced FROM TO
balanced() { [ $(($(sealed "$1") - was_sealed[$1])) = $(($(opened "$2") - was_opened[$2])) ]; }
# rounds: of those that seal, each; one that has nothing to do sleeps
rounds() { wgx_json A '[.workers[] | select(.name | startswith("wgx-seal")) | .rounds] | join(" ")'; }
busy_since() { # busy_since ROUNDS
	local was=($1) now=($(rounds)) i
	echo "$1, then ${now[*]}"
	for i in "${!was[@]}"; do
		[ $((now[i] - was[i])) -gt 500 ] || return
	done
}
# lost_pings: answers that are missing before the last one
lost_pings() {
	sed -n 's/.*icmp_seq=\([0-9]*\) .*/\1/p' "$WORK/ping.log" |
		awk '{ n++; last = $1 > last ? $1 : last } END { print last ? last - n : "all" }'
}

#--- a tunnel

declare -A was_sealed was_opened
clock_own A # to make its keys old
host_up() { # as tunnel_pair() would, with two workers at A
	underlay_pair
	wgx A --workers 2 wg0 && impl_up B wg0 wgx || return
	key_for A wg0 && key_for B wg0
	on A wg set wg0 listen-port 51820 private-key "$WORK/A.wg0.key" || return
	on B wg set wg0 listen-port 51820 private-key "$WORK/B.wg0.key" || return
	wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32,fd07::2/128 || return
	wg_peer B wg0 A wg0 allowed-ips 10.7.0.1/32,fd07::1/128 || return
	on A ip link set wg0 up && on B ip link set wg0 up || return
	addr A wg0 10.7.0.1/24 fd07::1/64
	addr B wg0 10.7.0.2/24 fd07::2/64
}
check 'set up' host_up || finish
check 'attach' attach_pair wgx wgx
check_equal 'two workers' "$(sealers wg0)" 2
check_equal 'their threads' "$(threads)" 'wgx-seal wgx-seal-2'
check_equal 'a ring for each' "$(queues)" '0 1'
check_equal 'and one that helps the open worker' "$(openers)" 'wgx-open wgx-open-2'
check 'ping' ping_ok A 10.7.0.2
check 'ping, IPv6' ping_ok A fd07::2
check 'TCP, A to B' file_copy A B 10.7.0.2 20
check 'TCP, B to A' file_copy B A 10.7.0.1 20
iperf_server B
before=$(rounds)
T=1 check 'TCP, eight flows' iperf A 10.7.0.2 -P 8
check 'both workers have worked' busy_since "$before"
T=1 check 'TCP, eight flows that come in' iperf A 10.7.0.2 -P 8 -R
check 'the helper has helped' wait_for 30 help_wanted

#--- order

sleep 0.5
begin_balance
spawn B recv4 "$HERE/order.py" recv 10.7.0.2 6000
spawn B recv6 "$HERE/order.py" recv fd07::2 6001
spawn A recv4in "$HERE/order.py" recv 10.7.0.1 6002
spawn A recv6in "$HERE/order.py" recv fd07::1 6003
wait_for 20 listening
spawn A send4 "$HERE/order.py" send 10.7.0.2 6000 24
spawn A send6 "$HERE/order.py" send fd07::2 6001 24
spawn B send4in "$HERE/order.py" send 10.7.0.1 6002 24
spawn B send6in "$HERE/order.py" send fd07::1 6003 24
spawn A ping ping -i 0.02 10.7.0.2
sleep 0.5
before=$(handshakes)
clock_jump A both 121 # as time passes: A's key is two minutes old
check 'a new key while they send' wait_for 20 more_handshakes "$before"
check 'a restart while they send' wgx A restart
check_equal 'two workers go on' "$(sealers wg0) $(threads)" '2 wgx-seal wgx-seal-2'
check_equal 'with their rings' "$(queues)" '0 1'
check_equal 'and the helper' "$(openers)" 'wgx-open wgx-open-2'
key_for C wg0
for i in 1 2 3; do
	on A wg set wg0 peer "$(pub_of C wg0)" allowed-ips 10.7.0.3/32 endpoint 192.0.2.3:1
	on A ping -q -c 1 -W 0.1 10.7.0.3 >/dev/null
	on A wg set wg0 peer "$(pub_of C wg0)" remove
done
sleep 0.5
for f in 4 6 4in 6in; do
	stop send$f
	wait_for 40 grep -q received "$WORK/recv$f.log"
	n=$(awk '/sent/ { print $1 }' "$WORK/send$f.log")
	check_equal "IPv$f: all arrive, in order" "$(cat "$WORK/recv$f.log")" \
		"$n received, 24 flows, 0 missing, 0 out of order"
	check "IPv$f: many" [ "${n:-0}" -gt 1000 ]
	stop recv$f
done
stop ping INT
check_equal 'pings lost' "$(lost_pings)" 0
check_equal 'nothing came twice, nothing was forged' "$(refused A)$(refused B)" ''

#--- accounts

check 'what was sealed has been opened' wait_for 20 balanced A B || diag <<<"$(sealed A) sealed, $(opened B) opened"
check 'the other way too' wait_for 20 balanced B A || diag <<<"$(sealed B) sealed, $(opened A) opened"
check 'no chunk is missing' wait_for 20 chunks_home
wgx_drops A wg0 | diag
check 'the helper of the new process helps' wait_for 30 help_wanted

#--- another interface, and one that a dead daemon left

check 'wg1, three workers' wgx A --workers 3 wg1
check_equal 'there are three' "$(sealers wg1) $(threads)" '3 wgx-seal wgx-seal-2 wgx-seal-3'
check_equal 'and two that help' "$(openers)" 'wgx-open wgx-open-2 wgx-open-3'
check 'ping' ping_ok A 10.7.0.2
on A ip link del wg1
on A kill -KILL "$(daemon_pid A wg0)"
check 'after a crash' wait_for 20 wgx A --workers 4 wg0
check_equal 'it has as many as it had' "$(sealers wg0) $(openers)" '2 wgx-open wgx-open-2'
on A wg set wg0 listen-port 51820 private-key "$WORK/A.wg0.key"
wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32,fd07::2/128
check 'ping' ping_ok A 10.7.0.2
check 'TCP' file_copy A B 10.7.0.2 5

finish
