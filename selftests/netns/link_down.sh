#!/bin/bash
# SPDX-License-Identifier: MIT
# wg0 goes down and up, as the Linux driver's does: down, it closes its sockets, sends nothing and forgets
# its sessions; up, it shakes hands afresh, at once where there is a persistent keepalive.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 ==== eth0 -- wg0 10.7.0.2, fd07::2 B
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/outer.inc"
require wg jq nft ss socat
require_wgx

handshake_of() { on A wg show wg0 latest-handshakes | cut -f2; }
handshake_after() { [ "$(handshake_of)" -gt "$1" ]; }
receivers() { on A bpftool -j map dump pinned /sys/fs/bpf/wgx/wg0/receivers | jq length; }
none_of() { [ "$("$1")" = 0 ]; }

check 'set up' tunnel_pair wgx wgx 4 no || finish
check 'attach' attach_pair wgx wgx
check 'ping' ping_ok A 10.7.0.2

# Traffic both ways, until the end; ping tells of errors on stderr and goes on.
spawn A out ping -q -i 0.005 10.7.0.2
spawn B back ping -q -i 0.005 10.7.0.1
outer_count A
check 'traffic leaves' wait_for 10 outer_over A data 50

#--- down
check 'down' on A ip link set wg0 down
check 'down: the port is closed' wait_for 10 not open_port A
before=$(outer A out) came=$(outer A in)
check 'down: B goes on sending' wait_for 20 outer_over A in $((came + 100))
check_equal 'down: nothing leaves' "$(outer A out)" "$before"
check 'down: no session is left' wait_for 10 none_of receivers
check_equal 'down: the port stays configured' "$(on A wg show wg0 listen-port)" 51820
check 'down: the last handshake is still told' test "$(handshake_of)" -gt 0
check 'down: whoever sends hears so' test "$(nstat_get A IcmpOutDestUnreachs)" -gt 0
check 'down: another interface may have the port' impl_up A wg1 wgx
on A wg set wg1 listen-port 51820
on A ip link set wg1 up
check 'down: and has it' wait_for 10 open_port A
on A ip link del wg1
check 'down: until it goes' wait_for 10 not open_port A

#--- up
outer_count A
before=$(handshake_of)
check 'up' on A ip link set wg0 up
addr A wg0 fd07::1/64
check 'up: a handshake afresh' wait_for 20 handshake_after "$before"
check 'up: traffic leaves' wait_for 10 outer_over A data 50
check 'up: ping' ping_ok A 10.7.0.2
check 'up: IPv6' ping_ok A fd07::2

#--- down and up, again and again, under traffic
flap() {
	local n
	for n in 1 2 3 4 5 6 7 8 9 10; do
		on A ip link set wg0 down || return
		on A ip link set wg0 up || return
	done
}
check 'flapping' flap
addr A wg0 fd07::1/64
check 'after flapping: ping' wait_for 20 ping_ok A 10.7.0.2
check 'after flapping: IPv6' ping_ok A fd07::2
stop out
stop back

#--- P-TM-7, with an interval that cannot be what sends
check 'down once more' on A ip link set wg0 down
check 'B down, too, so that it has nothing to say' on B ip link set wg0 down
wait_for 10 not open_port A
outer_count A
on A ip link set wg0 up
on B ip link set wg0 up
wait_for 10 open_port A
wait_for 10 open_port B
check_equal 'up without a persistent keepalive: nothing is sent' "$(outer A out)" 0
wg_peer A wg0 B wg0 persistent-keepalive 3600
check 'P-TM-7 a keepalive at once when it is switched on' wait_for 10 outer_over A keepalive 0
check 'P-TM-7 after a handshake' outer_over A initiation 0
on A ip link set wg0 down
wait_for 10 not open_port A
outer_count A
on A ip link set wg0 up
check 'P-TM-7 a keepalive at once at link up' wait_for 10 outer_over A keepalive 0
check 'P-TM-7 after a handshake, anew' outer_over A initiation 0
check_equal 'P-TM-7 and no data' "$(outer A data)" "$(outer A keepalive)"
outer_count A
wg_peer A wg0 B wg0 persistent-keepalive 1
check 'P-TM-7 and each interval' wait_for 20 outer_over A keepalive 2
check_equal 'P-TM-7 in the same session' "$(outer A initiation)" 0
finish
