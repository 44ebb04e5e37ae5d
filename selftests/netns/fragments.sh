#!/bin/bash
# SPDX-License-Identifier: MIT
# What does not fit the path goes in fragments, which are put together again before they are opened:
# IPv4 and IPv6 outside, with and without AF_XDP, also where a link beyond the first is the narrow one.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 192.0.2.1, 2001:db8::1
#	                             |    MTU 1280; wg0's is 1420
#	B wg0 10.7.0.2, fd07::2 -- eth0 192.0.2.2, 2001:db8::2
#
#	A wg0 -- eth0 192.0.2.1, 2001:db8::1
#	           |    MTU 1500
#	         eth0 192.0.2.254, ::fe  r  eth1 198.51.100.254, 2001:db8:1::fe
#	                                      |    MTU 1280
#	                         B wg0 -- eth0 198.51.100.2, 2001:db8:1::2
. "$(dirname "$0")/../lib.sh"
require wg jq socat python3 tcpdump
require_impl wgx

# The first fragment of a message from A, and one that is not the first; in tcpdump's filter language.
FIRST4='src host 192.0.2.1 and ip[6:2] & 0x3fff = 0x2000' REST4='src host 192.0.2.1 and ip[6:2] & 0x1fff != 0'
WITH_DF='src host 192.0.2.1 and udp and ip[6] & 0x40 != 0'
FIRST6='ip6 src 2001:db8::1 and ip6[6] = 44 and ip6[42:2] & 0xfff9 = 1'
REST6='ip6 src 2001:db8::1 and ip6[6] = 44 and ip6[42:2] & 0xfff8 != 0'

seen() { captured A wire "$@" | wc -l; }
reassembled() { # by B's kernel
	if [ "$1" = 4 ]; then nstat_get B IpReasmOKs; else nstat_get B Ip6ReasmOKs; fi
}
socket_packets() { wgx_counter "$1" wg0 opened_socket_packets; }

# fragments LABEL outer mode implB here|router: full packets of A and B arrive, in fragments that are made by
# the sender or by the router; small ones need none
fragments() {
	local l=$1 v=$2 first rest before xsk
	before=$(reassembled "$v")
	capture A wire eth0
	check "P-DT-8 $l: full packets" ping_ok A 10.7.0.2 -M do -s 1392
	check "P-DT-8 $l: full packets, IPv6" ping_ok B fd07::1 -M do -s 1372
	capture_end wire
	if [ "$v" = 4 ]; then first=$FIRST4 rest=$REST4; else first=$FIRST6 rest=$REST6; fi
	if [ "$5" = here ]; then
		check "P-DT-8 $l: they leave in fragments" test "$(seen "$first")" -ge 3 -a "$(seen "$rest")" -ge 3
	else
		check_equal "$l: they leave whole, and a router splits them" "$(seen "$first")" 0
	fi
	[ "$v" = 6 ] || check_equal "P-DT-8 $l: DF is clear" "$(seen "$WITH_DF")" 0
	check "P-DT-8 $l: B's kernel puts them together" test "$(reassembled "$v")" -ge $((before + 6))
	before=$(socket_packets A)
	[ "$4" != wgx ] || before=$(socket_packets B)
	check "P-DT-8 $l: TCP, SHA-256" file_copy A B 10.7.0.2 5
	check "P-DT-8 $l: TCP back, IPv6, SHA-256" file_copy B A fd07::1 5
	check "P-DT-8 $l: UDP in fragments inside and outside" ping_ok A 10.7.0.2 -s 20000
	if [ "$4" = wgx ]; then
		check "$l: fragments come through the socket" test "$(socket_packets B)" -gt "$before"
		[ "$3" = no ] || {
			xsk=$(wgx_counter B wg0 opened_xsk_packets)
			check "$l: small packets" ping_ok A 10.7.0.2
			check "$l: take AF_XDP" test "$(wgx_counter B wg0 opened_xsk_packets)" -ge $((xsk + 3))
		}
	fi
}

attached() { if [ "$1" = no ]; then echo socket; else echo "mode $1"; fi; }

narrow_link() { # narrow_link implA implB outer mode(no|tcx|native)
	local l
	l="narrow link, $1 and $2, outer v$3, $(attached "$4")"
	check "$l: set up" tunnel_pair "$1" "$2" "$3" no || finish
	on A ip link set eth0 mtu 1280
	on B ip link set eth0 mtu 1280
	[ "$4" = no ] || check "$l: attach" attach_pair "$1" "$2" "$4"
	fragments "$l" "$3" "$4" "$2" here
	host_del A B
}

narrow_path() { # narrow_path outer mode(no|tcx)
	local l end=198.51.100.2 where=router
	l="narrow path, outer v$1, $(attached "$2")"
	[ "$1" = 4 ] || end='[2001:db8:1::2]' where=here
	underlay_routed
	on r ip link set eth1 mtu 1280
	on B ip link set eth0 mtu 1280
	check "$l: set up" up A 10.7.0.1/24 fd07::1/64 || finish
	check "$l: set up B" up B 10.7.0.2/24 fd07::2/64 || finish
	wg_peer A wg0 B wg0 endpoint "$end:51820" allowed-ips 10.7.0.2/32,fd07::2/128
	wg_peer B wg0 A wg0 allowed-ips 10.7.0.1/32,fd07::1/128
	[ "$2" = no ] || check "$l: attach" attach_pair wgx wgx "$2"
	check "$l: ping" ping_ok A 10.7.0.2
	# IPv6 routers split nothing: they tell the sender, whose kernel remembers
	[ "$1" = 4 ] || check "P-DT-8 $l: the sender learns the path's MTU" wait_for 10 \
		on A ping -q -c 1 -w 1 -M do -s 1392 10.7.0.2
	fragments "$l" "$1" "$2" wgx $where
	host_del A r B
}

up() { # up host address ...
	impl_up "$1" wg0 wgx && key_for "$1" wg0 &&
		on "$1" wg set wg0 listen-port 51820 private-key "$WORK/$1.wg0.key" &&
		addr "$1" wg0 "${@:2}" && on "$1" ip link set wg0 up
}

narrow_link wgx wgx 4 native
narrow_link wgx wgx 6 no
for outer in 4 6; do
	narrow_link wgx wgx $outer tcx
	narrow_path $outer tcx
done
if command -v "$WGGO" >/dev/null && [ -c /dev/net/tun ]; then
	narrow_link wgx wireguard-go 4 tcx
else
	skip 'with wireguard-go' 'needs wireguard-go'
fi
finish
