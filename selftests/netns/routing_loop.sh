#!/bin/bash
# SPDX-License-Identifier: MIT
# The endpoint of a peer is routed into wg0 itself: what wg0 has encrypted is dropped and counted, once for
# each packet, where it would be encrypted again and again; and wg0 works once the route is right.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2, fd07::2 B
#	  ^                         |
#	  '-- 192.0.2.2, 2001:db8::2 (the wrong route)
. "$(dirname "$0")/../lib.sh"
require wg jq socat
require_wgx

sealed() { wgx_counter A wg0 sealed_packets; }
looped() { wgx_drops A wg0 | awk '$1 == "egress_loop" { n = $2 } END { print n + 0 }'; }
of_the_peer() { [ "$(wgx_json A '.interfaces[0].peers[0].drops.egress_loop')" = "$(looped)" ]; }
looped_over() { [ "$(looped)" -gt "$1" ]; }

set_up() { # set_up outer(4|6): A sends all it has through wg0
	tunnel_pair wgx wgx "$1" no || return
	wg_peer A wg0 B wg0 allowed-ips 0.0.0.0/0,::/0
	attach_pair wgx wgx
}

# bounded: 200 packets into the loop
bounded() {
	local before_sealed before_looped
	before_sealed=$(sealed) before_looped=$(looped)
	on A ping -q -c 200 -i 0.002 -W 0.2 -s 1300 10.7.0.2 >/dev/null
	wait_for 10 looped_over "$before_looped"
	echo "sealed $(($(sealed) - before_sealed)), looped $(($(looped) - before_looped))"
	# a few more: handshakes and keepalives
	[ $(($(sealed) - before_sealed)) -le 220 ] && [ "$(looped)" -gt "$before_looped" ]
}

for v in 4 6; do
	end=192.0.2.2/32
	[ $v = 4 ] || end=2001:db8::2/128
	check "v$v: set up" set_up $v || continue
	check "v$v: ping" ping_ok A 10.7.0.2

	check "v$v: the wrong route" on A ip route add $end dev wg0
	check "v$v: each packet is encrypted once" bounded
	before=$(looped)
	check "v$v: a superframe's worth" sh -c \
		"head -c 200000 /dev/zero | nsenter -t ${HOST_PID[A]} -n timeout 5 socat -b 1300 -u STDIN UDP4:10.7.0.2:9"
	check "v$v: is counted" wait_for 10 looped_over "$before"
	check "v$v: also of the peer whose allowed IPs have the endpoint" wait_for 10 of_the_peer
	on B ip link set wg0 down
	on A ip link set wg0 down
	on A ip link set wg0 up
	addr A wg0 fd07::1/64
	on A ip route replace $end dev wg0
	before=$(looped)
	on A ping -q -c 1 -W 0.2 10.7.0.2 >/dev/null
	check "v$v: handshakes too" wait_for 10 looped_over "$before"
	on B ip link set wg0 up
	addr B wg0 fd07::2/64

	check "v$v: the right route again" on A ip route del $end dev wg0
	check "v$v: and wg0 works" wait_for 30 ping_ok A 10.7.0.2
	check "v$v: with IPv6" ping_ok A fd07::2
	before=$(looped)
	check "v$v: TCP" file_copy A B 10.7.0.2 5
	check_equal "v$v: nothing is taken for a loop any more" "$(looped)" "$before"
	host_del A B
done
finish
