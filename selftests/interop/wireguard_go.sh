#!/bin/bash
# SPDX-License-Identifier: MIT
# wgx and wireguard-go: each as initiator and as responder, with and without a preshared key, IPv4
# and IPv6 inside and outside.
#
#	A (initiator) wg0 10.7.0.1, fd07::1 -- eth0 ==== eth0 -- wg0 10.7.0.2, fd07::2 B (responder)
. "$(dirname "$0")/../lib.sh"
. "$SELFTESTS/netns/traffic.inc"
require wg iperf3 jq socat
require_impl "$IMPL" wireguard-go

# Only A knows an endpoint, so B cannot be the initiator of the first handshake. A file goes from each of the two to the
# other as initiator over IPv4 and as responder over IPv6.
one() { # one initiator responder outer psk
	local label="$1 to $2, outer v$3, psk $4"
	check "$label: set up" tunnel_pair "$1" "$2" "$3" "$4" || finish
	check "$label: attach" attach_pair "$1" "$2"
	traffic "$label" "$1" "$2"
	[ "$3 $4" != '4 yes' ] || traffic_file "$label, inner v4" 10.7.0.2
	[ "$3 $4" != '6 no' ] || traffic_file "$label, inner v6, back" fd07::1 B A
	traffic_end "$label"
}

for outer in 4 6; do
	for psk in no yes; do
		one "$IMPL" wireguard-go $outer $psk
		one wireguard-go "$IMPL" $outer $psk
	done
done
finish
