#!/bin/bash
# SPDX-License-Identifier: MIT
# A tunnel carries everything: with and without a preshared key, IPv4 and IPv6 inside and outside.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 192.0.2.1, 2001:db8::1
#	                             |
#	B wg0 10.7.0.2, fd07::2 -- eth0 192.0.2.2, 2001:db8::2
. "$(dirname "$0")/../lib.sh"
. "$SELFTESTS/netns/traffic.inc"
require wg iperf3 jq socat
require_impl "$IMPL"

for outer in 4 6; do
	for psk in no yes; do
		label="outer v$outer, psk $psk"
		check "$label: set up" tunnel_pair "$IMPL" "$IMPL" $outer $psk || finish
		check "$label: attach" attach_pair "$IMPL" "$IMPL"
		traffic "$label" "$IMPL" "$IMPL"
		if [ $psk = yes ]; then
			[ $outer = 4 ] && traffic_file "$label, inner v4" 10.7.0.2
			[ $outer = 6 ] && traffic_file "$label, inner v6, back" fd07::1 B A
		fi
		traffic_end "$label"
	done
done
# The key is in the handshake: with another one there is none.
check 'different preshared keys: set up' tunnel_pair "$IMPL" "$IMPL" 4 yes || finish
(umask 077 && wg genpsk >"$WORK/psk")
wg_peer B wg0 A wg0 preshared-key "$WORK/psk"
check 'different preshared keys: no answer' not on A ping -q -c 3 -i 0.2 -w 2 10.7.0.2
check_equal 'different preshared keys: no handshake' "$(on A wg show wg0 latest-handshakes | cut -f2)" 0
wg_peer A wg0 B wg0 preshared-key "$WORK/psk"
check 'the same again: ping' ping_ok A 10.7.0.2
finish
