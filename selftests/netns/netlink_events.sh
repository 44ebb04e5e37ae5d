#!/bin/bash
# SPDX-License-Identifier: MIT
# What netlink tells the daemon of addresses, links, MTU and routes shows in what it does.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ============ 192.0.2.2 eth0 -- wg0 10.7.0.2 B
#	                  eth1 198.51.100.1 ===== 198.51.100.2 eth1
#
# B is attached on both devices. Counters tell by which way packets came.
. "$(dirname "$0")/../lib.sh"
require wg jq tcpdump
require_wgx

steered() { wgx_json B '.attached[0].counters.steered_frames'; }
# by_xsk ADDRESS: what A sends to B at that address takes the accelerated way, and is right
by_xsk() { on_way "$1" -gt; }
# by_socket ADDRESS: what A sends there does not, and is right
by_socket() { on_way "$1" -eq; }
on_way() {
	local before
	wg_peer A wg0 B wg0 endpoint "$1"
	ping_ok A 10.7.0.2 || return # the handshake, which takes the socket anyway
	before=$(steered)
	file_copy A B 10.7.0.2 1 || return
	echo "steered $before, then $(steered)"
	[ "$(steered)" "$2" "$before" ]
}
endpoint_is() { [ "$(on "$1" wg show wg0 endpoints | cut -f2)" = "$2" ]; }

check 'set up' tunnel_pair wgx wgx 4 no || finish
link A eth1 B eth1
addr A eth1 198.51.100.1/24 2001:db8:1::1/64
addr B eth1 198.51.100.2/24 2001:db8:1::2/64
check 'attach' wgx B attach eth0
check 'attach' wgx B attach eth1
check 'accelerated at the first address' by_xsk 192.0.2.2:51820

#--- addresses: egress asks no map for those of others, and new ones are ours at once
addr B eth0 192.0.2.3/24 2001:db8::3/64
check 'a new address' by_xsk 192.0.2.3:51820
check 'a new IPv6 address' by_xsk '[2001:db8::3]:51820'
on B ip addr add 203.0.113.7/32 dev lo
on A ip route add 203.0.113.7/32 via 192.0.2.2
check 'an address of another device' by_xsk 203.0.113.7:51820
on B ip addr add 192.0.2.3/32 dev lo
on B ip addr del 192.0.2.3/24 dev eth0
check 'an address that two had, and one has left' by_xsk 192.0.2.3:51820
# What is for another host is not judged: a message of an unknown session to it is passed, not dropped.
MESSAGE='\4\0\0\0\252\252\252\252\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'
strangers() { wgx_json B '.drops.ingress_unknown_receiver'; }
on A ip neigh replace 192.0.2.3 lladdr "$(on B cat /sys/class/net/eth0/address)" dev eth0
send_strange() { printf "$MESSAGE" | on A socat -u STDIN UDP4:192.0.2.3:51820; }
more_strangers() { [ "$(strangers)" -gt "$1" ]; }
judged() { # one more than before?
	local before
	before=$(strangers)
	send_strange && try_for 2 more_strangers "$before"
}
check 'an address of ours: what no session knows is dropped' judged
on B ip addr del 192.0.2.3/32 dev lo
check 'an address that went: it is passed' wait_for 10 not judged
on A ip neigh del 192.0.2.3 dev eth0
check 'the first address again' by_xsk 192.0.2.2:51820
for i in $(seq 50); do
	echo "addr add 10.50.0.$i/32 dev lo"
done >"$WORK/batch"
on B ip -batch "$WORK/batch"
on A ip route add 10.50.0.0/24 via 192.0.2.2
check 'fifty addresses at once' by_xsk 10.50.0.50:51820
on B sh -c 'ip addr flush dev lo; ip link set lo up; ip addr add 10.50.0.9/32 dev lo'
check 'all away, one back' by_xsk 10.50.0.9:51820

#--- the host's own address changes: the peer follows
check 'the first address' by_xsk 192.0.2.2:51820
on A sh -c 'ip addr add 192.0.2.11/24 dev eth0; ip addr del 192.0.2.1/24 dev eth0'
grep -q 192.0.2.11 <<<"$(on A ip -4 -o addr show dev eth0)" || addr A eth0 192.0.2.11/24
check 'another address of ours: traffic goes on' ping_ok A 10.7.0.2
check 'another address of ours: the peer follows' wait_for 10 endpoint_is B 192.0.2.11:51820
check 'and answers there' ping_ok B 10.7.0.1
on A ip addr add 192.0.2.1/24 dev eth0

#--- the route moves to another device
on A ip route add 203.0.113.0/24 via 192.0.2.2
on B ip addr add 203.0.113.7/32 dev lo
on B ip addr add 203.0.113.7/32 dev eth1 2>/dev/null
check 'to a routed address' by_xsk 203.0.113.7:51820
on A ip route replace 203.0.113.7/32 via 198.51.100.2
capture B route eth1
check 'the route moved: traffic goes on' ping_ok A 10.7.0.2
capture_end route
check 'the route moved: by the other device' test "$(captured B route dst 203.0.113.7 and udp port 51820 | wc -l)" -ge 3
check 'accelerated there too' by_xsk 203.0.113.7:51820
on A ip route replace 203.0.113.7/32 via 192.0.2.2
check 'and back' by_xsk 203.0.113.7:51820
on A ip route replace unreachable 203.0.113.7/32
# B may have answered from its address on eth1 meanwhile, and A have followed it there.
wg_peer A wg0 B wg0 endpoint 203.0.113.7:51820
check 'no route: nothing comes' not on A ping -q -c 2 -i 0.2 -w 1 10.7.0.2
on A ip route replace 203.0.113.7/32 via 198.51.100.2
check 'a route again: traffic goes on' ping_ok A 10.7.0.2

#--- MTU of wg0
check 'the first address' by_xsk 192.0.2.2:51820
for mtu in 1280 9000 1420; do
	on A ip link set wg0 mtu $mtu && on B ip link set wg0 mtu $mtu
	size=$((mtu - 28))
	check "wg0's MTU $mtu: a packet of it" ping_ok A 10.7.0.2 -s $size -M do
	check "wg0's MTU $mtu: TCP" file_copy A B 10.7.0.2 1
	check "wg0's MTU $mtu: no larger one" \
		not on A ping -q -c 1 -w 1 -s $((size + 1)) -M do 10.7.0.2
done

#--- MTU of the underlay
for mtu in 1300 9000 1500; do
	on A ip link set eth0 mtu $mtu
	on B ip link set eth0 mtu $mtu
	check "the underlay's MTU $mtu: TCP" file_copy A B 10.7.0.2 1
	check "the underlay's MTU $mtu: TCP back" file_copy B A 10.7.0.1 1
done

#--- links
on B ip link set eth0 down
on B ip link set eth0 up
check 'underlay down and up: accelerated' by_xsk 192.0.2.2:51820
on B ip link set wg0 down
check 'wg0 down: its port is free' wait_for 10 sh -c \
	"! nsenter -t ${HOST_PID[B]} -n ss -Huln 'sport = :51820' | grep -q ."
check 'wg0 down: nothing passes' not on A ping -q -c 2 -i 0.2 -w 1 10.7.0.2
on B ip link set wg0 up
check 'wg0 up: a new session' ping_ok B 10.7.0.1 # which A has no reason to begin
check 'wg0 up: accelerated' by_xsk 192.0.2.2:51820

#--- more at once than a netlink socket holds: the daemon reads all anew
on B sh -c 'for i in $(seq 3000); do echo "link set eth1 alias a$i"; done >/run/flood
	kill -STOP "$1"; ip -batch /run/flood
	ip addr add 192.0.2.77/24 dev eth0; kill -CONT "$1"' sh "$(daemon_pid B wg0)"
check 'after a flood of events: a new address' by_xsk 192.0.2.77:51820
finish
