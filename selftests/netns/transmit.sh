#!/bin/bash
# SPDX-License-Identifier: MIT
# Sealed packets by AF_XDP, wgx attach DEV --transmit: right on the wire, and at each change of routes, neighbours and
# devices no packet is lost that the stack would not have lost.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 192.0.2.1, 2001:db8::1 ==== eth0 .2 -- wg0 10.7.0.2, fd07::2 B
#	                           eth1 198.51.100.1 ============== eth1 .2
. "$(dirname "$0")/../lib.sh"
require wg jq tcpdump socat
require_wgx

sent() { wgx_counter "$1" wg0 xdp_tx_packets; }
passed() { wgx_counter "$1" wg0 "xdp_tx_$2"; }
# past A N command ...: it succeeds, and at least N packets of A went past the stack
past() {
	local h=$1 n=$2 before
	shift 2
	before=$(sent "$h")
	"$@" || return
	echo "$(($(sent "$h") - before)) past the stack"
	[ $(($(sent "$h") - before)) -ge "$n" ]
}
# by_socket A WHY command ...: it succeeds, nothing of A went past the stack, because of that
by_socket() {
	local h=$1 why=$2 before was
	shift 2
	before=$(sent "$h") was=$(passed "$h" "$why")
	"$@" || return
	echo "$(($(sent "$h") - before)) past the stack; $why $(($(passed "$h" "$why") - was))"
	[ "$(sent "$h")" = "$before" ] && [ "$(passed "$h" "$why")" -gt "$was" ]
}
# ready A: what A sends goes past the stack now: way and neighbour are known
ready() {
	wait_for 20 past "$1" 3 ping_ok "$1" 10.7.0.$([ "$1" = A ] && echo 2 || echo 1) && return
	wgx "$1" show
	on "$1" ip neigh
	return 1
}
# none_lost A N command ...: of N pings from A meanwhile
none_lost() {
	local h=$1 n=$2
	shift 2
	spawn "$h" pings ping -q -i 0.02 -c "$n" -W 5 10.7.0.2
	"$@" || return
	wait "${SPAWN_PID[pings]}"
	cat "$WORK/pings.log"
	grep -q "^$n packets transmitted, $n received" "$WORK/pings.log"
}
outer() { on A wg set wg0 peer "$(pub_of B wg0)" endpoint "$1"; }

#--- on, and what it says
check 'set up' tunnel_pair wgx wgx 4 no || finish
link A eth1 B eth1
addr A eth1 198.51.100.1/24
addr B eth1 198.51.100.2/24
for h in A B; do
	check_equal "$h: attach says so" "$(wgx $h attach eth0 --transmit)" 'eth0: attached, mode tcx, transmit'
done
check 'IPv4: past the stack' ready A
check 'from the other end' ready B
check_equal 'show, for programs' "$(wgx_json A '.attached[0].transmit | .packets > 0 and .bytes > 300 and .sends > 0')" true
check_equal 'and of the interface' "$(wgx_json A '.interfaces[0].mode_out')" 'AF_XDP, else UDP_SEGMENT'
wgx A show >"$WORK/show"
check 'show, for people: of the device' grep -q '^  transmit: on, [0-9]* packets, .* past the stack$' "$WORK/show"
check 'and of the interface' grep -q '^  transmitted: [0-9]* packets past the stack$' "$WORK/show"

#--- on the wire it is what the socket sends
# wire NAME FILTER: what B sees of five pings, with the fields that a stack chooses, checksums told by tcpdump
wire() {
	capture B "$1" eth0 "$2"
	on A ping -q -i 0.05 -c 5 -Q 0x02 10.7.0.2 >"$WORK/ping.log"
	capture_end "$1"
	on B tcpdump -nn -v -r "$WORK/$1.pcap" 2>/dev/null | tr -d '\n' | sed 's/ \{4,\}/ /g; s/[0-9:.]* IP/\nIP/g' |
		sed 's/, id [0-9]*,/,/; s/\[udp sum ok\] *//; s/\[bad udp cksum.*->/BAD /' | grep -o '^IP.*length' | sort | uniq -c
}
for v in 4 6; do
	filter='src host 192.0.2.1 and udp port 51820' to=192.0.2.2:51820
	[ $v = 4 ] || filter='src host 2001:db8::1 and udp port 51820' to='[2001:db8::2]:51820'
	outer "$to"
	check "outer v$v: past the stack" ready A
	past A 5 wire "xdp$v" "$filter" >"$WORK/xdp"
	check "outer v$v: five packets past the stack" grep -q 'past the stack' "$WORK/xdp"
	sed -i '/past the stack/d' "$WORK/xdp"
	check "outer v$v: seen" grep -q ' 5 ' "$WORK/xdp"
	check "outer v$v: ECN of the inner packet" grep -Eq 'tos 0x2|class 0x02' "$WORK/xdp"
	check "outer v$v: no checksum is wrong" not grep -q BAD "$WORK/xdp"
	wgx A detach eth0
	wire "socket$v" "$filter" >"$WORK/socket"
	# what a veth carries from a socket has no checksum yet
	sed -i 's/BAD *0x[0-9a-f]*!\] *//; s/^ *[0-9]* //' "$WORK/socket" "$WORK/xdp"
	sort -u -o "$WORK/socket" "$WORK/socket"
	check "outer v$v: as the socket's" diff -u "$WORK/socket" "$WORK/xdp"
	wgx A attach eth0 --transmit >"$WORK/attach.log"
	check "outer v$v: again" ready A
	check "outer v$v: 2 MB" past A 1000 file_copy A B 10.7.0.2 2
	check "outer v$v: 2 MB back" past B 1000 file_copy B A fd07::1 2
done
ids() { captured B xdp4 -v | sed -n 's/.*, id \([0-9]*\),.*/\1/p'; }
check_equal 'IPv4: each has a number of its own' "$(ids | sort -u | wc -l)" 5
check_equal 'IPv4: no checksum was wrong anywhere' \
	"$(($(nstat_get A UdpInCsumErrors) + $(nstat_get B UdpInCsumErrors) + $(nstat_get B Udp6InCsumErrors)))" 0
outer "[$(on B ip -j -6 addr show dev eth0 scope link | jq -r '[.[].addr_info[] | .local // empty][0]')%eth0]:51820"
check 'link-local: past the stack' ready A
outer 192.0.2.2:51820
check 'and back' ready A

#--- neighbours
flush() { for i in 1 2 3 4 5; do on A ip neigh flush dev eth0 && sleep 0.05; done; }
check 'neighbour deleted under ping: nothing lost' none_lost A 50 flush
check 'it is known again' ready A
on A ip neigh replace 192.0.2.2 lladdr 02:00:00:00:00:99 dev eth0 nud permanent
capture B wrong eth0 'ether dst 02:00:00:00:00:99'
check 'a neighbour that is set by hand is believed' ready A
capture_end wrong
check 'frames are to it' test "$(captured B wrong | wc -l)" -ge 3
on A ip neigh del 192.0.2.2 dev eth0
check 'and is right again' ready A
on B sysctl -qw net.ipv4.conf.eth0.arp_notify=1
on B ip link set eth0 address 02:00:00:00:00:77
check 'a new MAC address is told: past the stack' ready A
check_equal 'to it' "$(on A ip -j neigh show 192.0.2.2 dev eth0 | jq -r '.[0].lladdr')" 02:00:00:00:00:77
# the kernel believes a neighbour for a moment only: it has to be asked, though it sees no packet go there
on A sysctl -qw net.ipv4.neigh.eth0.base_reachable_time_ms=200 net.ipv4.neigh.eth0.delay_first_probe_time=1
on A ip neigh flush dev eth0 # what it believes now it would believe for longer
confirmed() { on A ip -s -j neigh show 192.0.2.2 dev eth0 | jq -e '.[0] | .confirmed < 2 and .state[0] == "REACHABLE"'; }
stale() { [ "$(passed A neighbour)" -gt "$before" ]; }
check 'a neighbour that is new' ready A
before=$(passed A neighbour)
spawn A pings ping -q -i 0.05 -W 5 10.7.0.2
on A ip neigh change 192.0.2.2 lladdr "$(on B cat /sys/class/net/eth0/address)" dev eth0 nud stale
check 'it gets old: the socket is asked' wait_for 20 stale
check 'and the kernel has confirmed it' wait_for 20 confirmed
check 'most go past the stack all the same' past A 10 sleep 1
# moved without a word: the kernel asks, gets no answer, and looks for it anew
on B sysctl -qw net.ipv4.conf.eth0.arp_notify=0
on B ip link set eth0 address 02:00:00:00:00:78
check 'a new MAC address, untold: found' wait_for 20 sh -c "nsenter -t ${HOST_PID[A]} -n ip neigh show 192.0.2.2 dev eth0 | grep -q 00:78"
check 'and past the stack' ready A
stop pings INT
on A sysctl -qw net.ipv4.neigh.eth0.base_reachable_time_ms=30000

#--- routes
move() { on A ip route add 192.0.2.2/32 via 198.51.100.2 dev eth1; }
check 'the route moves to another device: nothing lost' none_lost A 30 move
check 'by the socket' by_socket A elsewhere ping_ok A 10.7.0.2
back() { # B may have answered from the other address, and A have followed
	on A ip route del 192.0.2.2/32
	outer 192.0.2.2:51820
}
check 'and back: nothing lost' none_lost A 30 back
home() { # an answer that was on its way from there may have taken A along once more
	outer 192.0.2.2:51820
	past A 3 ping_ok A 10.7.0.2
}
check 'past the stack' wait_for 20 home
on A ip route add 192.0.2.2/32 nexthop via 198.51.100.2 dev eth1 nexthop dev eth0
check 'two ways: by the socket' by_socket A route ping_ok A 10.7.0.2
back
on A ip rule add fwmark 9 lookup 9
on A ip route add 192.0.2.2/32 via 198.51.100.2 dev eth1 table 9
check 'a mark that nobody has' wait_for 20 home
on A wg set wg0 fwmark 9
check 'the mark leads elsewhere' by_socket A elsewhere ping_ok A 10.7.0.2
on A wg set wg0 fwmark 0
check 'and not any more' wait_for 20 home
on A ip link set eth0 mtu 1300
on B ip link set eth0 mtu 1300
check 'over the MTU: by the socket' by_socket A mtu ping_ok A 10.7.0.2 -s 1350
check 'not over it: past the stack' past A 3 ping_ok A 10.7.0.2 -s 1200
on A ip link set eth0 mtu 1500
on B ip link set eth0 mtu 1500

#--- devices
check 'restart: nothing lost' none_lost A 50 wgx A restart
check 'it goes on past the stack' ready A
attached() { wgx A attach eth0 --transmit; }
check 'detach under ping: nothing lost' none_lost A 30 wgx A detach eth0
check_equal 'off' "$(wgx_json A '[(.attached | length), .interfaces[0].mode_out] | @csv')" '0,"UDP_SEGMENT"'
check 'attach under ping: nothing lost' none_lost A 30 attached
check 'twice is refused' not attached
wgx A detach eth0
wgx B detach eth0
for h in A B; do
	check "native, $h" wgx $h attach eth0 --transmit --mode native
done
check 'native: past the stack' ready A
check 'native: and back' ready B
check 'native: 2 MB' past A 1000 file_copy A B 10.7.0.2 2
wgx A detach eth0
check 'alone' wgx A attach eth0 --transmit --mode none
check 'alone: past the stack' ready A
on A ip link add br0 type bridge
check 'not on a bridge' fails_with 1 \
	'wgx: br0: --transmit: it is a bridge; only a device that has no other below it can' wgx A attach br0 --transmit
on A ip link set eth1 master br0
check 'not on a port of a bridge' fails_with 1 \
	'wgx: eth1: --transmit: it is a port of br0, by which packets leave' wgx A attach eth1 --transmit
on A ip link set eth1 nomaster
check_equal 'nothing of these is attached' "$(wgx_json A '[.attached[].device] | join(" ")')" eth0
check 'a second device' wgx A attach eth1 --transmit
move
check 'goes past the stack as well' ready A
on A ip link del eth1
gone() { wgx_json A '.awaited[]' | grep -qx eth1; }
check 'which goes: it is awaited' wait_for 20 gone
outer 192.0.2.2:51820
check 'and the first has all again' ready A
link A eth1 B eth1
back_again() { wgx_json A '.attached[] | select(.device == "eth1") | .transmit.packets' | grep -q .; }
check 'it comes back' wait_for 20 back_again
check_equal 'nothing was lost' "$(wgx_drops A wg0 | grep '^send_')" ''
finish
