#!/bin/bash
# SPDX-License-Identifier: MIT
# A router with wgx attached to both of its devices, and listening on port 51820 itself, forwards
# other hosts' WireGuard on that port untouched.
#
#	A wg0 10.7.0.1 -- 192.0.2.1 ---- eth0 .254 r .254 eth1 ---- 198.51.100.2 -- wg0 10.7.0.2 B
#	A wg1 10.8.0.1 .................... wg0 10.8.0.254 r         all ports are 51820, wg1's 51821
. "$(dirname "$0")/../lib.sh"
require wg iperf3 jq python3 socat tcpdump
require_impl "$IMPL" wireguard-go
FLOOD=$BUILD/selftests/tools/flood
[ -x "$FLOOD" ] || bail 'flood is built' "$FLOOD is not there; run make tools"

underlay_routed

up() { # up host interface impl address port
	impl_up "$1" "$2" "$3" && key_for "$1" "$2" &&
		on "$1" wg set "$2" private-key "$WORK/$1.$2.key" listen-port "$5" &&
		addr "$1" "$2" "$4/24" && on "$1" ip link set "$2" up
}
check 'A wg0' up A wg0 wireguard-go 10.7.0.1 51820 || finish
check 'A wg1' up A wg1 wireguard-go 10.8.0.1 51821 || finish
check 'B wg0' up B wg0 wireguard-go 10.7.0.2 51820 || finish
check 'r wg0' up r wg0 "$IMPL" 10.8.0.254 51820 || finish
wg_peer A wg0 B wg0 endpoint 198.51.100.2:51820 allowed-ips 10.7.0.2/32
wg_peer B wg0 A wg0 endpoint 192.0.2.1:51820 allowed-ips 10.7.0.1/32
wg_peer A wg1 r wg0 endpoint 192.0.2.254:51820 allowed-ips 10.8.0.254/32
wg_peer r wg0 A wg1 endpoint 192.0.2.1:51821 allowed-ips 10.8.0.1/32
check 'attach the router, eth0' impl_attach r eth0 "$IMPL"
check 'attach the router, eth1' impl_attach r eth1 "$IMPL"

check "the router's own tunnel" ping_ok A 10.8.0.254
drops_in() { wgx_drops r wg0 | grep -v ^egress_; }
before=0 after=0 drops=
[ "$IMPL" != wgx ] || { before=$(wgx_counter r wg0 opened_bytes) && drops=$(drops_in); }
check 'a foreign tunnel, ping' ping_ok A 10.7.0.2

# What would be dropped if it were the router's: it is B's to judge.
forwarded() { # forwarded N command ...: A sends N datagrams, and so many come to B
	local n=$1
	shift
	capture B came eth0 -s 64 'src host 192.0.2.1 and udp dst port 51820 and not udp src port 51820'
	on A "$@"
	wait_for 20 sh -c "[ \$(tcpdump -nn -q -r $WORK/came.pcap 2>/dev/null | wc -l) -ge $n ]"
	capture_end came
	echo "$(captured B came -q | wc -l) came"
	[ "$(captured B came -q | wc -l)" = "$n" ]
}
FORGE=(python3 "$SELFTESTS/netns/forge.py" single 198.51.100.2 51820)
on r ethtool -K eth0 gro on # NAPI, which the flood needs
R_MAC=$(on r cat /sys/class/net/eth0/address)
for k in mac1 badmac1; do
	check "P-HS-1 others' initiations to B, $k" forwarded 500 "$FLOOD" -k "$(pub_of B wg0)" -s 192.0.2.1 -n 1 \
		-c 500 -r 2000 -b 20 eth0 "$R_MAC" 198.51.100.2 51820 $k
done
for k in type length short initiation response cookie data; do
	check "others' forgeries: $k" forwarded 200 "${FORGE[@]}" $k 200
done

iperf_server B
check 'a foreign tunnel, TCP' iperf A 10.7.0.2
check 'a foreign tunnel, TCP back' iperf A 10.7.0.2 -R
check 'a foreign tunnel, 50 MB, SHA-256' file_copy A B 10.7.0.2 50
[ "$IMPL" != wgx ] || after=$(wgx_counter r wg0 opened_bytes)
check_equal 'none of it was opened by the router' "$before" "$after"
[ "$IMPL" != wgx ] || check_equal 'nothing was dropped by the router' "$(drops_in)" "$drops"

iperf_server r
check "both at once: the router's own" iperf A 10.8.0.254
check "both at once: the foreign one" ping_ok B 10.7.0.1
[ "$IMPL" != wgx ] || check "the router's own data was opened there" \
	test "$(wgx_counter r wg0 opened_bytes)" -gt "$after"
finish
