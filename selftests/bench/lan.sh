#!/bin/bash
# SPDX-License-Identifier: MIT
# make bench-lan: what a gateway forwards from its LAN into a tunnel, by the router path (wgx attach DEV --lan, by tcx and
# by native XDP) against the stack and wg0, in the same topology, in turn, round by round.
#
#	S 10.1.0.2 -- lan0 R wg0 10.7.0.1 -- eth0 192.0.2.1 ==== eth0 192.0.2.2 -- wg0 10.7.0.2 D
#
#	selftests/bench/lan.sh [--write] [--impls "lan-native lan-tcx stack"] [--tests "udp64 udp64-flow udp64-opened tcp-in tcp-out"]
#
# ROUNDS (5) rounds, T (3) seconds a test; medians and ratios are printed, --write puts them into RESULTS.md as well.
# R is what is measured, eth0 attached with tcx each time. UDP comes from selftests/tools/flood.c, 64 bytes of payload
# (an IP packet of 92), as fast as one processor sends it and takes R's receive interrupt, which are bound to the last
# one. udp64: packets that R has sealed and sent, each of another flow; D drops them before its stack, so that no
# processor's time goes to their opening. udp64-flow: all of one flow. udp64-opened: as udp64, but D opens them, and drops
# what comes out of wg0. TCP is by iperf3, nothing bound.
HERE=$(cd "$(dirname "$0")" && pwd)
COMMAND="ROUNDS=${ROUNDS:-5} T=${T:-3} selftests/bench/lan.sh $*"
. "$HERE/../lib.sh"
. "$HERE/bench.inc"

ROUNDS=${ROUNDS:-5}
export T=${T:-3}
IMPLS=(lan-native lan-tcx stack)
TESTS_WANTED=(udp64 udp64-flow udp64-opened tcp-in tcp-out)
LINK=router
WRITE=no
while [ $# -gt 0 ]; do
	case $1 in
	--write) WRITE=yes ;;
	--impls) read -ra IMPLS <<<"$2" && shift ;;
	--tests) read -ra TESTS_WANTED <<<"$2" && shift ;;
	*) sed -n '3,16s/^# \{0,1\}//p' "$0" && exit 2 ;;
	esac
	shift
done

bench_up() {
	local h
	host_add S R D
	link R lan0 S eth0
	link R eth0 D eth0
	addr S eth0 10.1.0.2/24
	addr R lan0 10.1.0.1/24
	addr R eth0 192.0.2.1/24
	addr D eth0 192.0.2.2/24
	forwarding R
	on S ip route add default via 10.1.0.1
	for h in R D; do
		impl_up $h wg0 wgx || die 'wgx does not start'
		key_for $h wg0
		on $h wg set wg0 listen-port 51820 private-key "$WORK/$h.wg0.key" || die 'wg set'
		on $h ip link set wg0 up
		impl_attach $h eth0 wgx >"$WORK/attach.log" 2>&1 || die "attach: $(<"$WORK/attach.log")"
	done
	addr R wg0 10.7.0.1/24
	addr D wg0 10.7.0.2/24
	on D ip route add 10.1.0.0/24 dev wg0
	wg_peer R wg0 D wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32
	wg_peer D wg0 R wg0 allowed-ips 10.7.0.1/32,10.1.0.0/24
	[ "$IMPL" = stack ] || wgx R attach lan0 --lan="${IMPL#lan-}" >"$WORK/attach.log" 2>&1 || die "attach: $(<"$WORK/attach.log")"
	on R ethtool -K lan0 gro on # NAPI, which the flood needs
	ping_ok S 10.7.0.2 >"$WORK/ping.log" || die "$IMPL: no ping: $(<"$WORK/ping.log")"
	iperf_server D
}

# drop_at DEV: on D, UDP before its stack
drop_at() {
	on D nft -f - <<-END || die 'nft'
		table netdev bench {
			chain in { type filter hook ingress device $1 priority 0; meta l4proto udp drop; }
		}
	END
}

udp() { # udp NAME HOST COUNTER DEV KIND: what HOST has counted meanwhile, while D drops at DEV
	local before after begin
	drop_at "$4"
	before=$(wgx_counter "$2" wg0 "$3")
	begin=$EPOCHREALTIME
	on S taskset -c $(($(nproc) - 1)) "$FLOOD" -t "$T" -s 10.1.0.2 -n 1 eth0 "$(on R cat /sys/class/net/lan0/address)" \
		10.7.0.2 9 "$5" >"$WORK/flood.log" 2>&1 || die "$(<"$WORK/flood.log")"
	after=$(wgx_counter "$2" wg0 "$3")
	record "$1" kpps "$(awk -v n=$((after - before)) -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { print n / (b - a) / 1e3 }')"
	record "$1" sent-kpps "$(sed -nE 's/^sent .* ([0-9.]+) kpps$/\1/p' "$WORK/flood.log")"
	on D nft delete table netdev bench
}

tcp() { # tcp NAME [iperf3 arguments ...]
	if ! iperf S 10.7.0.2 "${@:2}" >"$WORK/iperf.err" 2>&1; then
		echo "    $IMPL $1: $(<"$WORK/iperf.err")" >&2
		return
	fi
	record "$1" Gbit/s "$(iperf_get '.end.sum_received.bits_per_second / 1e9')"
	record "$1" retransmits "$(iperf_get '.end.sum_sent.retransmits')"
}

# lan_share: of the packets that R sealed, those past its stack; and what it dropped
lan_share() {
	echo "    $IMPL: $(wgx_json R '.interfaces[0].counters | "\(.lan_tcx_frames) frames by tcx, \(.lan_xdp_frames) by XDP, \(.egress_frames - .lan_tcx_frames) by the stack"');" \
		"R drops $(wgx_drops R wg0 | tr '\n' ' ')"
}

one_round() {
	local t
	bench_up
	for t in "${TESTS_WANTED[@]}"; do
		case $t in
		udp64) udp udp64 R sealed_packets eth0 flows ;;
		udp64-flow) udp udp64-flow R sealed_packets eth0 plain ;;
		udp64-opened) udp udp64-opened D opened_packets wg0 flows ;;
		tcp-in) tcp tcp-in ;;
		tcp-out) tcp tcp-out -R ;;
		*) die "no test called $t" ;;
		esac
	done
	[ "$ROUND" != "$ROUNDS" ] || lan_share
	host_del S R D
}

FLOOD=$BUILD/selftests/tools/flood
export IPERF_LIMIT=$((T + 20))
need all "$FLOOD"
for ((ROUND = 1; ROUND <= ROUNDS; ROUND++)); do
	for IMPL in $(in_turn); do
		echo "round $ROUND of $ROUNDS, $IMPL"
		one_round
	done
done
report "$WRITE" 'The router path against the stack' "all hosts share it, the flood bound to processor $(($(nproc) - 1))."
