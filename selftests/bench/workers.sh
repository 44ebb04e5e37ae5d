#!/bin/bash
# SPDX-License-Identifier: MIT
# make bench-workers: what one end of a tunnel sends to one peer, and opens of what one sends, with one worker and with
# several (wgx --workers N wg0), bound to one processor and to several; in turn, round by round.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== eth0 192.0.2.2 -- wg0 10.7.0.2 B
#
#	selftests/bench/workers.sh [--write] [--workers "2 1"] [--processors "1 2"] [--tests "udp1300 udp64 open1300 open64"]
#
# ROUNDS (7) rounds, T (2) seconds a test; medians and ratios are printed, --write puts them into RESULTS.md as well. A is
# what is measured, its daemon and its senders bound to so many processors, the first ones. B answers handshakes, and
# drops data before its stack (nft), so that its end costs next to nothing. FLOWS (16) UDP sockets send
# superframes of 50 datagrams, more than one worker seals. kpps: what A has sealed and sent; sealing-ns: processor
# time of A's seal workers for a packet.
#
# open*: a peer that has sealed COUNT (500000) messages before (tools/sealed.c; it takes as much memory) sends them in
# superframes as fast as the kernel takes them, bound to the last processor, which takes them in at A's end as well. A
# drops what was opened before its stack (nft). kpps: what A has opened meanwhile; opening-ns: processor time of wgx-open
# and its helpers for a packet; helped: the part of the packets that helpers decrypted, in percent.
HERE=$(cd "$(dirname "$0")" && pwd)
COMMAND="ROUNDS=${ROUNDS:-7} T=${T:-2} selftests/bench/workers.sh $*"
. "$HERE/../lib.sh"
. "$HERE/bench.inc"

ROUNDS=${ROUNDS:-7}
T=${T:-2}
FLOWS=${FLOWS:-16}
WORKERS=(2 1)
PROCESSORS=(1 2)
TESTS_WANTED=(udp1300 udp64 open1300 open64)
COUNT=${COUNT:-500000}
WRITE=no
while [ $# -gt 0 ]; do
	case $1 in
	--write) WRITE=yes ;;
	--workers) read -ra WORKERS <<<"$2" && shift ;;
	--processors) read -ra PROCESSORS <<<"$2" && shift ;;
	--tests) read -ra TESTS_WANTED <<<"$2" && shift ;;
	*) sed -n '3,20s/^# \{0,1\}//p' "$0" && exit 2 ;;
	esac
	shift
done

bench_up() { # bench_up WORKERS
	local h
	underlay_pair
	for h in A B; do
		wgx $h --workers "$1" wg0 || die 'wgx does not start'
		key_for $h wg0
		on $h wg set wg0 listen-port 51820 private-key "$WORK/$h.wg0.key" || die 'wg set'
	done
	wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32
	wg_peer B wg0 A wg0 allowed-ips 10.7.0.1/32
	on A wg set wg0 peer "$("$SEALED" key)" allowed-ips 10.7.0.3/32
	on A ip link set wg0 up
	on B ip link set wg0 up
	addr A wg0 10.7.0.1/24
	addr B wg0 10.7.0.2/24
	ping_ok A 10.7.0.2 >"$WORK/ping.log" || die "no ping: $(<"$WORK/ping.log")"
	# messages of type 4
	on B nft -f - <<-'END' || die nft
		table netdev bench {
			chain in { type filter hook ingress device eth0 priority 0; udp dport 51820 @th,64,8 4 drop; }
		}
	END
}

# sent: packets that A has sealed and sent
sent() { wgx_json A '.interfaces[0] | .counters.sealed_packets - .drops.send_error - .drops.send_too_big'; }
seal_ns() { wgx_json A '[.threads[] | select(.name | startswith("wgx-seal")) | .cpu_ns] | add'; }

# open_up: A takes what comes by AF_XDP, and drops what it has opened
open_up() {
	wgx A attach eth0 || die 'wgx attach'
	on A nft -f - <<-'END' || die nft
		table netdev bench {
			chain in { type filter hook ingress device wg0 priority 0; udp dport 9 drop; }
		}
	END
}

open_ns() { wgx_json A '[.threads[] | select(.name | startswith("wgx-open")) | .cpu_ns] | add'; }
helped() { wgx_json A '[.workers[].helped] | add'; }
opened() { wgx_counter A wg0 opened_packets; }

open_sealed() { # open_sealed SIZE
	local before cpu help n
	spawn B sealed taskset -c "$(($(nproc) - 1))" "$SEALED" send "$(pub_of A wg0)" 192.0.2.1 51820 10.7.0.3 10.7.0.1 \
		"$1" "$FLOWS" "$COUNT"
	try_for 120 grep -q ready "$WORK/sealed.log" || die "sealed: $(<"$WORK/sealed.log")"
	before=$(opened) cpu=$(open_ns) help=$(helped)
	stop sealed USR1
	n=$(($(opened) - before))
	record "open$1" kpps "$(awk -v n=$n '/sent in/ { print n / $4 / 1e3 }' "$WORK/sealed.log")"
	record "open$1" opening-ns "$(awk -v n=$n -v t=$(($(open_ns) - cpu)) 'BEGIN { print n ? t / n : "-" }')"
	record "open$1" helped "$(awk -v n=$n -v h=$(($(helped) - help)) 'BEGIN { print n ? 100 * h / n : "-" }')"
}

# bind_daemon CPUS: A's
bind_daemon() { on A taskset -acp "$1" "$(daemon_pid A wg0)" >"$WORK/taskset.log" || die "$(<"$WORK/taskset.log")"; }

udp() { # udp SIZE CPUS
	local i before cpu begin after used
	# microseconds between ten superframes of a flow, such that all together offer about twice what a core seals
	local pause=$((FLOWS * ${OFFER:-350}))
	for ((i = 0; i < FLOWS; i++)); do
		spawn A "load$i" taskset -c "$2" "$LOAD" send 10.7.0.1 10.7.0.2 9 "$1" 100000000 "$pause"
	done
	sleep 0.2
	before=$(sent) cpu=$(seal_ns) begin=$EPOCHREALTIME
	sleep "$T"
	after=$(sent) used=$(seal_ns)
	record "udp$1" kpps "$(awk -v n=$((after - before)) -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { print n / (b - a) / 1e3 }')"
	record "udp$1" sealing-ns "$(awk -v n=$((after - before)) -v t=$((used - cpu)) 'BEGIN { print n ? t / n : "-" }')"
	for ((i = 0; i < FLOWS; i++)); do
		stop "load$i"
	done
}

one_round() {
	local p t
	bench_up "$1"
	for p in "${PROCESSORS[@]}"; do
		LINK="A on $p of $(nproc) processors"
		bind_daemon "0-$((p - 1))"
		for t in "${TESTS_WANTED[@]}"; do
			case $t in udp*) udp "${t#udp}" "0-$((p - 1))" ;; esac
		done
	done
	open_up
	for p in "${PROCESSORS[@]}"; do
		LINK="A on $p of $(nproc) processors"
		bind_daemon "0-$((p - 1))"
		for t in "${TESTS_WANTED[@]}"; do
			case $t in open*) open_sealed "${t#open}" ;; esac
		done
	done
	[ "$ROUND" != "$ROUNDS" ] || echo "    $IMPL: A drops $(wgx_drops A wg0 | tr '\n' ' ')"
	host_del A B
}

LOAD=$BUILD/selftests/tools/udpload
SEALED=$BUILD/selftests/tools/sealed
need all "$LOAD" "$SEALED"
IMPLS=()
for n in "${WORKERS[@]}"; do
	IMPLS+=("$n workers")
done
for ((ROUND = 1; ROUND <= ROUNDS; ROUND++)); do
	while read -r IMPL; do
		echo "round $ROUND of $ROUNDS, $IMPL"
		one_round "${IMPL% *}"
	done < <(in_turn)
done
report "$WRITE" 'One peer over several workers' 'all else shares it.'
