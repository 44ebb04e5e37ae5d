#!/bin/bash
# SPDX-License-Identifier: MIT
# make bench-transmit: sealed packets by AF_XDP (wgx attach --transmit) against the UDP socket with UDP_SEGMENT: what the
# sender's seal worker spends on a packet of a load that it can bear, and how many packets it sends when it is overloaded.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== eth0 -- wg0 10.7.0.2 B
#
#	selftests/bench/transmit.sh [--write]
#
# ROUNDS (5) rounds, in turn, of COUNT (300000) datagrams a test. Links as in tunnel.sh. The worker's time includes what the
# kernel does below it, as far as the veth's other end. Nobody listens at B: what arrives is dropped there.
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/../lib.sh"
. "$HERE/bench.inc"

ROUNDS=${ROUNDS:-5}
COUNT=${COUNT:-300000}
IMPLS=(wgx-tx wgx)
WRITE=no
COMMAND="ROUNDS=$ROUNDS COUNT=$COUNT selftests/bench/transmit.sh $*"
[ "${1:-}" != --write ] || WRITE=yes
UDPLOAD=$BUILD/selftests/tools/udpload

seal_ns() { wgx_json A '.threads[] | select(.name == "wgx-seal") | .cpu_ns'; }
sealed() { wgx_counter A wg0 sealed_packets; }

# load NAME SIZE PAUSE [plain]: as udpload has them
load() {
	local ns packets began
	ns=$(seal_ns) packets=$(sealed) began=$(date +%s%N)
	on A "$UDPLOAD" send 10.7.0.1 10.7.0.2 9 "$2" "$COUNT" "${@:3}" >"$WORK/load.log" 2>&1 ||
		die "udpload: $(<"$WORK/load.log")"
	began=$(($(date +%s%N) - began)) packets=$(($(sealed) - packets)) ns=$(($(seal_ns) - ns))
	record "$1" ns-packet "$(awk -v n=$ns -v p=$packets 'BEGIN { printf "%.0f", n / (p + 1e-9) }')"
	record "$1" kpps "$(awk -v p=$packets -v ns=$began 'BEGIN { printf "%.1f", p / ns * 1e6 }')"
}

one_round() {
	local h
	tunnel_pair wgx wgx 4 no || die 'no tunnel'
	for h in A B; do
		link_as_named $h
		wgx $h attach eth0 $([ $IMPL = wgx ] || echo --transmit) >"$WORK/attach.log" || die "$IMPL does not attach"
	done
	ping_ok A 10.7.0.2 >"$WORK/ping.log" || die "no ping: $(<"$WORK/ping.log")"
	load udp64-single 64 0 plain
	load udp64-trains 64 2000
	load udp1200-trains 1200 2000
	echo "    $IMPL: $(wgx_counter A wg0 sealed_packets) sealed, $(wgx_counter A wg0 xdp_tx_packets) past the stack"
	host_del A B
}

need all "$UDPLOAD"
for ((ROUND = 1; ROUND <= ROUNDS; ROUND++)); do
	for LINK in pass segment; do
		for IMPL in $(in_turn); do
			echo "round $ROUND of $ROUNDS, link $LINK, $IMPL"
			one_round
		done
	done
done
report "$WRITE" 'Transmission by AF_XDP' 'both ends share it.'
