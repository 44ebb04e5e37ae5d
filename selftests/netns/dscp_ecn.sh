#!/bin/bash
# SPDX-License-Identifier: MIT
# DSCP and ECN. Outwards: DSCP 0, the ECN field of the inner packet; handshake messages 0x88. Inwards: what
# a router marked on the outer packet is merged into the inner one; its DSCP stays. Through AF_XDP and
# through the socket, IPv4 and IPv6, inside and outside.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 == .254 eth0 r eth1 198.51.100.254 == .2 eth0 -- wg0 10.7.0.2 B
#	      fd07::1          2001:db8::1              (marks)       2001:db8:1::2                         fd07::2
. "$(dirname "$0")/../lib.sh"
require wg jq nft python3
require_wgx

inner() { on "$1" timeout 60 python3 "$SELFTESTS/netns/inner.py" "${@:2}"; }

# DSCP 0, EF, AF41, CS7, with each ECN field
VALUES=(00 01 02 03 b8 b9 ba bb 88 89 8a 8b e0 e1 e2 e3)

set_up() {
	underlay_routed
	impl_up A wg0 wgx && impl_up B wg0 wgx || return
	key_for A wg0
	key_for B wg0
	on A wg set wg0 listen-port 51820 private-key "$WORK/A.wg0.key" || return
	on B wg set wg0 listen-port 51820 private-key "$WORK/B.wg0.key" || return
	wg_peer A wg0 B wg0 endpoint "$1" allowed-ips 10.7.0.2/32,fd07::2/128 || return
	wg_peer B wg0 A wg0 allowed-ips 10.7.0.1/32,fd07::1/128 || return
	on A ip link set wg0 up
	on B ip link set wg0 up
	addr A wg0 10.7.0.1/24 fd07::1/64
	addr B wg0 10.7.0.2/24 fd07::2/64
}

# mark none|not-ect|ect0|ect1|ce: what r writes into the ECN field of data that it forwards
mark() {
	on r nft -f - <<-EOF
		table inet marking
		delete table inet marking
		table inet marking {
			chain forward {
				type filter hook forward priority filter;
				$([ "$1" = none ] || echo "udp dport 51820 meta nfproto ipv4 ip ecn set $1
				udp dport 51820 meta nfproto ipv6 ip6 ecn set $1")
			}
		}
	EOF
}

# tos_of HOST NAME FILTER: TOS or traffic class of each packet that the capture has, one a line, in hexadecimal
tos_of() {
	captured "$1" "$2" -v "${@:3}" | sed -nE '/ IP6? \(/!d
		s/.*\((tos|class) 0x([0-9a-f]+),.*/0\2/
		s/.* IP6 \(.*/00/
		s/.*(..)$/\1/p'
}
captured_are() { [ "$(captured "$1" "$2" "${@:4}" | wc -l)" -ge "$3" ]; }

# exchange INNER: A sends a packet of each of VALUES, which end up in OUTER_GOT and INNER_GOT
exchange() {
	local dst=10.7.0.2
	[ "$1" = 4 ] || dst=fd07::2
	capture B inner wg0 udp and dst port 9
	capture A outer eth0 "udp and (src host 192.0.2.1 or src host 2001:db8::1) and greater 90"
	inner A tos $dst "${VALUES[@]}"
	wait_for 10 captured_are B inner ${#VALUES[@]}
	wait_for 10 captured_are A outer ${#VALUES[@]}
	capture_end inner
	capture_end outer
	OUTER_GOT=$(tos_of A outer | xargs)
	INNER_GOT=$(tos_of B inner | xargs)
}

# merged OUTER: what VALUES become by RFC 6040, and as the Linux driver does where that would drop
merged() {
	local v ecn
	for v in "${VALUES[@]}"; do
		ecn=$((0x$v & 3))
		case $1.$ecn in
		ce.[12]) ecn=3 ;;
		ect1.2) ecn=1 ;;
		esac
		printf '%02x\n' $((0x$v & ~3 | ecn))
	done | xargs
}

copied() {
	local v
	for v in "${VALUES[@]}"; do
		printf '%02x\n' $((0x$v & 3))
	done | xargs
}

for outer in 4 6; do
	end=198.51.100.2:51820
	[ $outer = 4 ] || end='[2001:db8:1::2]:51820'
	check "outer v$outer: set up" set_up "$end" || finish
	capture A handshake eth0 'udp and port 51820'
	check "outer v$outer: ping" ping_ok A 10.7.0.2
	capture_end handshake
	check_equal "P-DT-7 outer v$outer: an initiation has 0x88" \
		"$(tos_of A handshake 'src port 51820 and udp[4:2] = 156 or ip6[44:2] = 156' | head -n 1)" 88
	check_equal "P-DT-7 outer v$outer: so has the response" \
		"$(tos_of A handshake 'udp[4:2] = 100 or ip6[44:2] = 100' | head -n 1)" 88
	check_equal "P-DT-7 outer v$outer: no other packet has" \
		"$(tos_of A handshake 'udp[4:2] = 136 or ip6[44:2] = 136' | sort -u)" 00
	for way in socket tcx; do
		[ $way = socket ] || check "outer v$outer: attach" impl_attach B eth0 wgx tcx
		for inner in 4 6; do
			label="outer v$outer, inner v$inner, $way"
			for m in none not-ect ect0 ect1 ce; do
				# the full table once, else what changes most
				[ $m = ce ] || [ "$outer$inner$way" = 44tcx ] || continue
				mark $m
				exchange $inner
				[ $m != ce ] || check_equal "P-DT-7 $label: DSCP 0 and ECN copied out" \
					"$OUTER_GOT" "$(copied)"
				check_equal "P-DT-7 $label: outer marked $m" "$INNER_GOT" "$(merged $m)"
			done
		done
	done
	check_equal "outer v$outer: nothing was dropped" "$(wgx_drops B wg0)" ''
	host_del A r B
done
finish
