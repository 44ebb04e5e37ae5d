#!/bin/bash
# SPDX-License-Identifier: MIT
# Each UDP datagram on the wire has a right checksum, over IPv4 as well: handshakes, keepalives, single
# packets and what was sent many at a time. The router's second device has no offloads, so what leaves it
# is what a network card would have put on the wire.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1, 2001:db8::1
#	                    |
#	                  eth0 192.0.2.254, ::fe  r  eth1 198.51.100.254, 2001:db8:1::fe (no offloads)
#	                                               |
#	                                  B wg0 -- eth0 198.51.100.2, 2001:db8:1::2
. "$(dirname "$0")/../lib.sh"
require wg jq socat python3 tcpdump ethtool
require_impl wgx

up() { # up host address
	impl_up "$1" wg0 wgx && key_for "$1" wg0 &&
		on "$1" wg set wg0 listen-port 51820 private-key "$WORK/$1.wg0.key" &&
		addr "$1" wg0 "$2" && on "$1" ip link set wg0 up
}

underlay_routed
on r ethtool -K eth1 tx off gso off tso off tx-udp-segmentation off >/dev/null 2>&1
on B ethtool -K eth0 tx off gso off tso off gro off tx-udp-segmentation off >/dev/null 2>&1
check 'set up' up A 10.7.0.1/24 || finish
check 'set up B' up B 10.7.0.2/24 || finish
wg_peer B wg0 A wg0 allowed-ips 10.7.0.1/32
check 'attach' attach_pair wgx wgx

right() { # right VERSION TYPE: there were some, with a right checksum
	awk -v v="$1" -v t="$2" '$1 == v && $2 == t && $3 == "good" { n = $4 } END { exit n < 1 }' "$WORK/sums"
}
wrong() { awk -v v="$1" '$1 == v && $3 != "good"' "$WORK/sums"; }

for outer in 4 6; do
	end=198.51.100.2
	[ $outer = 4 ] || end='[2001:db8:1::2]'
	capture B wire eth0 udp port 51820
	wg_peer A wg0 B wg0 remove
	wg_peer A wg0 B wg0 endpoint "$end:51820" allowed-ips 10.7.0.2/32
	check "outer v$outer: handshake, single packets" ping_ok A 10.7.0.2
	check "outer v$outer: of an odd length" ping_ok A 10.7.0.2 -s 1391
	before=$(wgx_counter A wg0 sends) sealed=$(wgx_counter A wg0 sealed_packets)
	check "outer v$outer: many at a time" file_copy A B 10.7.0.2 5
	check "outer v$outer: and they were" test $((($(wgx_counter A wg0 sealed_packets) - sealed) / 2)) -gt \
		$(($(wgx_counter A wg0 sends) - before))
	check "outer v$outer: back, without a device's help" file_copy B A 10.7.0.1 2
	capture_end wire
	python3 "$SELFTESTS/netns/wire.py" checksums "$WORK/wire.pcap" >"$WORK/sums"
	diag <"$WORK/sums"
	check "P-DT-9 outer v$outer: initiations have a checksum" right $outer 1
	check "P-DT-9 outer v$outer: responses have one" right $outer 2
	check "P-DT-9 outer v$outer: data has one" right $outer 4
	check_equal "P-DT-9 outer v$outer: none is wrong or missing" "$(wrong $outer)" ''
done
finish
