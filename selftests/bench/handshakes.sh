#!/bin/bash
# SPDX-License-Identifier: MIT
# make bench-handshakes: how many handshakes a second one core answers, wgx against wireguard-go 0.0.20231211.
#
#	A (handshakes) eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 B
#
#	selftests/bench/handshakes.sh [--write] [--into FILE] [--impls "wgx-tcx wgx-socket wireguard-go"]
#
# ROUNDS (7) rounds of T (3) seconds. PEERS (1000) peers, which B knows, initiate in turn; 32 initiations are under way at
# a time. Only right answers count. B's daemon, with all of its threads, has the first core, and the initiator the
# last. --into: results are added to those in FILE; --write puts all of them into RESULTS.md. ROUNDS=0 measures nothing.
HERE=$(cd "$(dirname "$0")" && pwd)
COMMAND="PEERS=${PEERS:-1000} ROUNDS=${ROUNDS:-7} T=${T:-3} selftests/bench/handshakes.sh $*"
. "$HERE/../lib.sh"
. "$HERE/bench.inc"

PEERS=${PEERS:-1000}
ROUNDS=${ROUNDS:-7}
T=${T:-3}
IMPLS=(wgx-tcx wgx-socket wireguard-go)
SHAKES=$BUILD/selftests/tools/handshakes
BULK=$BUILD/selftests/tools/uapi_bulk
LAST_CPU=$(($(nproc) - 1))
WRITE=no
while [ $# -gt 0 ]; do
	case $1 in
	--write) WRITE=yes ;;
	--into) RESULTS=$2 && shift ;;
	--impls) read -ra IMPLS <<<"$2" && shift ;;
	*) sed -n '3,11s/^# \{0,1\}//p' "$0" && exit 2 ;;
	esac
	shift
done
LINK='Handshakes, one core'

bench_up() {
	local impl=wgx
	[ "$IMPL" != wireguard-go ] || impl=$IMPL
	underlay_pair
	taskset -c -p 0 $$ >/dev/null
	WGGO=$WGGO_BENCH impl_up B wg0 "$impl" || die "$IMPL does not start"
	taskset -c -p "0-$LAST_CPU" $$ >/dev/null
	key_for B wg0
	on B wg set wg0 listen-port 51820 private-key "$WORK/B.wg0.key" || die 'wg set'
	on B ip link set wg0 up
	on B "$BULK" ask /run/wireguard/wg0.sock <"$WORK/peers" >"$WORK/answer" || die 'peers'
	[ "$IMPL" != wgx-tcx ] || wgx B attach eth0 >"$WORK/attach.log" || die 'attach'
	DAEMON=$(daemon_pid B wg0)
	on B taskset -a -c -p 0 "$DAEMON" >/dev/null # those that bound themselves too
	on A ping -q -c 1 -w 10 192.0.2.2 >/dev/null
}

ticks() { on B sed 's/.*) //' "/proc/$DAEMON/stat" | awk '{ print $12 + $13 }'; }

shake() {
	local before rate sent answered right longest cookies cores
	before=$(ticks)
	on A taskset -c "$LAST_CPU" "$SHAKES" shake "$(pub_of B wg0)" 192.0.2.2 51820 "$PEERS" "$1" >"$WORK/shakes" ||
		die 'handshakes'
	read -r rate sent answered right longest cookies <"$WORK/shakes"
	[ "$2" = record ] || return 0
	cores=$(awk -v n=$(($(ticks) - before)) -v t="$1" 'BEGIN { print n / 100 / t }')
	record 'answered' 'a second' "$rate"
	record 'answered' "a second of the daemon's on the processor" "$(awk -v r="$rate" -v c="$cores" 'BEGIN { print r / c }')"
	record 'not answered' 'of a thousand' "$(awk -v s="$sent" -v r="$right" 'BEGIN { print (s - r) / s * 1e3 }')"
	record 'told to come again' 'with a cookie' "$cookies"
	record 'the daemon' cores "$cores"
}

need all "$SHAKES" "$BULK"
"$SHAKES" peers "$PEERS" >"$WORK/peers"
for ((ROUND = 1; ROUND <= ROUNDS; ROUND++)); do
	for IMPL in $(in_turn); do
		echo "round $ROUND of $ROUNDS, $IMPL"
		bench_up
		shake 1 no # static-static is computed once for each peer
		shake "$T" record
		host_del A B
	done
done
report $WRITE 'Handshakes answered on one core' 'the initiator has the other core.'
