#!/bin/bash
# SPDX-License-Identifier: MIT
# make bench: wgx against wireguard-go 0.0.20231211 in the same topology, in turn, round by round.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1, 2001:db8::1 ==== eth0 -- wg0 10.7.0.2 B
#
#	selftests/bench/tunnel.sh [--write] [--impls "wgx wireguard-go"] [--links "pass segment"]
#	                          [--tests "tcp1 tcp4 bidir fixed udp1392 lossless udp64 rr idle"]
#
# wgx-tx, not among the implementations by default, is wgx with `wgx attach eth0 --transmit`.
# ROUNDS (5) rounds of T (3) seconds a test; medians and ratios are printed, --write puts them into
# RESULTS.md as well. Links: `pass` is a veth that passes superframes; `segment` is one that cuts them
# at the sender and has GRO at the receiver, as a real NIC has. UDP is sent without a limit and counted
# where it comes out of wg0: IPv4 datagrams that reached a UDP socket or overflowed it. Those tests go
# over outer IPv6, so that the tunnel's own datagrams are not in that count. fixed: TCP held at 1 Gbit/s, and what both
# daemons take of processors for a byte. lossless: the highest rate of 1392 bytes of which 99.9 % arrive, by bisection.
# idle: the processor time of both daemons without traffic.
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/../lib.sh"
. "$HERE/bench.inc"

ROUNDS=${ROUNDS:-5}
export T=${T:-3}
IMPLS=(wgx wireguard-go)
LINKS=(pass segment)
TESTS_WANTED=(tcp1 tcp4 bidir fixed udp1392 lossless udp64 rr idle)
WRITE=no
COMMAND="ROUNDS=$ROUNDS T=$T selftests/bench/tunnel.sh $*"
while [ $# -gt 0 ]; do
	case $1 in
	--write) WRITE=yes ;;
	--impls) read -ra IMPLS <<<"$2" && shift ;;
	--links) read -ra LINKS <<<"$2" && shift ;;
	--tests) read -ra TESTS_WANTED <<<"$2" && shift ;;
	*) sed -n '3,20s/^# \{0,1\}//p' "$0" && exit 2 ;;
	esac
	shift
done

cpu_busy_idle() { awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 + $9, $5 + $6 }' /proc/stat; }

# cpu_since BUSY IDLE: cores in use since then
cpu_since() {
	local busy idle
	read -r busy idle < <(cpu_busy_idle)
	awk -v b=$((busy - $1)) -v i=$((idle - $2)) -v n="$(nproc)" 'BEGIN { printf "%.2f", b / (b + i + 1e-9) * n }'
}

tcp() { # tcp name [iperf3 arguments ...]
	local name=$1 start
	shift
	read -ra start < <(cpu_busy_idle)
	if ! iperf A 10.7.0.2 "$@" >"$WORK/iperf.err" 2>&1; then
		echo "    $IMPL $name: $(<"$WORK/iperf.err")" >&2
		return
	fi
	record "$name" cpu "$(cpu_since "${start[@]}")"
	record "$name" Gbit/s "$(iperf_get '[.end.sum_received, .end.sum_received_bidir_reverse]
		| map(select(. != null).bits_per_second) | add / 1e9')"
	record "$name" retransmits "$(iperf_get '[.end.sum_sent, .end.sum_sent_bidir_reverse]
		| map(select(. != null).retransmits // 0) | add')"
}

udp_in() { echo $(($(nstat_get B UdpInDatagrams) + $(nstat_get B UdpInErrors) - $(nstat_get B UdpInCsumErrors))); }

udp_over_ipv6() { # udp_over_ipv6 command ...: with the outer packets over IPv6
	wg_peer A wg0 B wg0 endpoint '[2001:db8::2]:51820'
	if ping_ok A 10.7.0.2 >"$WORK/ping.log"; then
		"$@"
	fi
	wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820
	ping_ok A 10.7.0.2 >"$WORK/ping.log"
}

# udp_send size rate: sets SENT and ARRIVED, in packets, and SECONDS_SENT
udp_send() {
	local before
	before=$(udp_in)
	if ! iperf A 10.7.0.2 -u -b "$2" -l "$1" >"$WORK/iperf.err" 2>&1; then
		echo "    $IMPL UDP: $(<"$WORK/iperf.err")" >&2
		return 1
	fi
	ARRIVED=$(($(udp_in) - before))
	SENT=$(iperf_get '.end.sum.packets')
	SECONDS_SENT=$(iperf_get '.end.sum.seconds')
}

udp() { # udp name size
	local start
	read -ra start < <(cpu_busy_idle)
	udp_send "$2" 0 || return
	record "$1" cpu "$(cpu_since "${start[@]}")"
	record "$1" kpps "$(awk -v n="$ARRIVED" -v s="$SECONDS_SENT" 'BEGIN { printf "%.1f", n / s / 1e3 }')"
	record "$1" sent-kpps "$(iperf_get '.end.sum | .packets / .seconds / 1e3')"
}

lossless() { # lossless name size: seven steps, each half of what is left
	local low=0 high=400000 rate sent step
	for step in 1 2 3 4 5 6 7; do
		rate=$(((low + high) / 2))
		T=1 udp_send "$2" $((rate * $2 * 8)) || return
		sent=$(awk -v n="$SENT" -v s="$SECONDS_SENT" 'BEGIN { printf "%d", n / s }')
		if [ $((ARRIVED * 1000)) -ge $((SENT * 999)) ]; then
			[ "$sent" -le "$low" ] || low=$sent
			# the sender gave no more than that
			[ $((sent * 100)) -ge $((rate * 97)) ] || high=$rate
		else
			high=$rate
		fi
	done
	record "$1" kpps "$(awk -v r="$low" 'BEGIN { printf "%.1f", r / 1e3 }')"
}

# daemons_ns: what both daemons have used of processors, in ns
daemons_ns() {
	local h
	for h in A B; do
		# shellcheck disable=SC2016
		on $h sh -c 'cat /proc/$1/task/*/schedstat' sh "$(daemon_pid $h wg0)"
	done | awk '{ s += $1 } END { printf "%.0f\n", s }'
}

# By the scheduler's account: ticks, as in /proc/stat, do not see bursts that are shorter and come by timers.
fixed() {
	local before used bytes
	before=$(daemons_ns)
	iperf A 10.7.0.2 -b 1G >"$WORK/iperf.err" 2>&1 || return
	used=$(($(daemons_ns) - before))
	bytes=$(iperf_get '.end.sum_received.bytes')
	record fixed Gbit/s "$(iperf_get '.end.sum_received.bits_per_second / 1e9')"
	record fixed daemons-ns/B "$(awk -v n="$used" -v b="$bytes" 'BEGIN { printf "%.2f", n / b }')"
}

idle() {
	local before
	sleep 1
	before=$(daemons_ns)
	sleep "$T"
	record idle ms/s "$((($(daemons_ns) - before) / 1000 / T))e-3"
}

latency() {
	local line start
	read -ra start < <(cpu_busy_idle)
	read -ra line < <(on A "$RR" client 10.7.0.2 7777 "$T")
	[ ${#line[@]} = 3 ] || return
	record rr cpu "$(cpu_since "${start[@]}")"
	record rr p50-us "${line[1]}"
	record rr p99-us "${line[2]}"
}

run_test() {
	case $1 in
	tcp1) tcp tcp1 ;;
	tcp4) tcp tcp4 -P 4 ;;
	bidir) tcp bidir --bidir ;;
	fixed) fixed ;;
	lossless) udp_over_ipv6 lossless lossless 1392 ;;
	idle) idle ;;
	udp*) udp_over_ipv6 udp "$1" "${1#udp}" ;;
	rr) latency ;;
	*) die "no test called $1" ;;
	esac
}

bench_up() {
	local h impl=${IMPL%-tx}
	[ "$IMPL" != wireguard-go ] || WGGO=$WGGO_BENCH
	tunnel_pair "$impl" "$impl" 4 no || die "$IMPL does not start"
	for h in A B; do
		link_as_named $h
	done
	attach_pair "$impl" "$impl" >"$WORK/attach.log" 2>&1 || die "$IMPL does not attach"
	if [ "$IMPL" = wgx-tx ]; then
		for h in A B; do
			wgx $h detach eth0 && wgx $h attach eth0 --transmit >"$WORK/attach.log" || die "$IMPL does not attach"
		done
	fi
	ping_ok A 10.7.0.2 >"$WORK/ping.log" || die "$IMPL: no ping: $(<"$WORK/ping.log")"
	iperf_server B
	spawn B rr "$RR" server 7777
	wait_for 10 sh -c "nsenter -t ${HOST_PID[B]} -n ss -Htln 'sport = :7777' | grep -q ."
}

one_round() {
	local t
	bench_up
	for t in "${TESTS_WANTED[@]}"; do
		run_test "$t"
	done
	if [ "$IMPL" = wgx ] && [ "$ROUND" = "$ROUNDS" ]; then
		echo "    wgx on A drops:" $(wgx_drops A wg0) "; on B:" $(wgx_drops B wg0)
	fi
	host_del A B
}

RR=$BUILD/selftests/tools/rr
need all "$RR"

for ((ROUND = 1; ROUND <= ROUNDS; ROUND++)); do
	for LINK in "${LINKS[@]}"; do
		for IMPL in $(in_turn); do
			echo "round $ROUND of $ROUNDS, link $LINK, $IMPL"
			one_round
		done
	done
done
report "$WRITE" 'wgx against wireguard-go' 'both ends, iperf3 and the tunnels share it.'
