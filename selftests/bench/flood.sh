#!/bin/bash
# SPDX-License-Identifier: MIT
# make bench-flood: what is left of a tunnel during a flood of forged messages, wgx in each of its modes against
# wireguard-go 0.0.20231211, in the same topology, in turn, round by round.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ====== 192.0.2.2 eth0
#	C wg0 10.7.0.3 -- eth0 203.0.113.3 ==== 203.0.113.2 eth1  B wg0 10.7.0.2
#	F (flood) ------- eth0 198.51.100.4 === 198.51.100.2 eth2
#
#	selftests/bench/flood.sh [--write] [--into FILE] [--impls "wgx-tcx wgx-native wgx-socket wireguard-go"]
#	                         [--kinds "none badmac1 mac1 mac2 index tag replay"] [--rates "100000 300000 max"]
#
# B is what is measured; A and C are wgx, attached with tcx, in all cases. ROUNDS (5) rounds, T (2) seconds a test;
# medians are printed. --into: results are added to those in FILE, so that a long measurement can be made in parts;
# --write puts all of them into RESULTS.md. ROUNDS=0 measures nothing.
#
# Each flood comes twice. First alone: what it costs B, what became of each packet, and that none got in. Then, for
# initiations, with a tunnel: UDP from A to B at a fixed rate, TCP, and how long C takes that was not there before,
# with new keys, from its first packet until that is answered. The flood is bound to the last processor, where B's
# share of it in the kernel is done as well; nothing else is bound.
HERE=$(cd "$(dirname "$0")" && pwd)
COMMAND="ROUNDS=${ROUNDS:-5} T=${T:-2} selftests/bench/flood.sh $*"
. "$HERE/../lib.sh"
. "$HERE/../flood.inc"
. "$HERE/bench.inc"

ROUNDS=${ROUNDS:-5}
export T=${T:-2}
UDP_MBIT=200
CONNECT_LIMIT=15 # seconds
FLOOD_CPU=$(($(nproc) - 1))
IMPLS=(wgx-tcx wgx-native wgx-socket wireguard-go)
KINDS=(none badmac1 mac1 mac2 index tag replay)
RATES=(100000 300000 max)
WRITE=no
while [ $# -gt 0 ]; do
	case $1 in
	--write) WRITE=yes ;;
	--into) RESULTS=$2 && shift ;;
	--impls) read -ra IMPLS <<<"$2" && shift ;;
	--kinds) read -ra KINDS <<<"$2" && shift ;;
	--rates) read -ra RATES <<<"$2" && shift ;;
	*) sed -n '3,21s/^# \{0,1\}//p' "$0" && exit 2 ;;
	esac
	shift
done

#--- the hosts

b_is_wgx() { [ "$IMPL" != wireguard-go ]; }

new_key() { # new_key A: for its wg0, port 51820
	key_for "$1" wg0
	on "$1" wg set wg0 listen-port 51820 private-key "$WORK/$1.wg0.key"
}

bench_up() {
	local h
	WGGO=$WGGO_BENCH
	flood_hosts
	on F ping -q -c 1 -w 10 198.51.100.2 >"$WORK/ping.log" # neighbours
	# what F is told it drops at once: that is not B's work
	on F nft -f - <<<'table netdev f { chain in { type filter hook ingress device eth0 priority 0; udp sport 51820 drop; }; }' ||
		die 'nft'
	for h in A B C; do
		impl_up $h wg0 "$([ $h = B ] && [ "$IMPL" = wireguard-go ] && echo wireguard-go || echo wgx)" || die "$IMPL does not start"
		new_key $h || die 'wg set'
		on $h ip link set wg0 up
	done
	addr A wg0 10.7.0.1/24
	addr B wg0 10.7.0.2/24
	addr C wg0 10.7.0.3/24
	wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.0/24
	wg_peer B wg0 A wg0 allowed-ips 10.7.0.1/32
	{ impl_attach A eth0 wgx && impl_attach C eth0 wgx && attach_b; } >"$WORK/attach.log" 2>&1 ||
		die "attach: $(<"$WORK/attach.log")"
	on B ethtool -K eth2 gro on # NAPI, for the flood
	ping_ok A 10.7.0.2 >"$WORK/ping.log" || die "$IMPL: no ping: $(<"$WORK/ping.log")"
	iperf_server B
	DAEMON=$(daemon_pid B wg0)
}

attach_b() {
	local dev
	case $IMPL in
	wgx-tcx | wgx-native)
		for dev in eth0 eth1 eth2; do
			impl_attach B $dev wgx "${IMPL#wgx-}" || return
		done
		;;
	esac
}

#--- the flood

# For replays, and for the index of A's session, which changes every two minutes
listen() {
	capture A seen eth0 'src host 192.0.2.1 and udp src port 51820 and udp[8] = 4 and udp[4:2] > 40'
	on A ping -q -c 50 -i 0.01 -w 10 10.7.0.2 >"$WORK/ping.log"
	capture_end seen
}

FLOOD_OPTIONS=()
flood_options() { # flood_options KIND RATE: both known by their names
	FLOOD_OPTIONS=()
	case $1 in
	*mac*) FLOOD_OPTIONS+=(-k "$(pub_of B wg0)") ;;
	tag | replay)
		listen
		FLOOD_OPTIONS+=(-p "$WORK/seen.pcap")
		;;
	esac
	[ "$2" = max ] || FLOOD_OPTIONS+=(-r "$2")
}

#--- what it costs

# ticks: of the flood's processor in interrupts and in the kernel, of B's daemon, and of its protocol thread: 10 ms each
ticks() {
	awk -v cpu="cpu$FLOOD_CPU" '$1 == cpu { printf "%d %d ", $7 + $8, $4 }' /proc/stat
	on B sh -c 'sed "s/.*) //" "/proc/$1/stat" | awk "{ printf \"%d \", \$12 + \$13 }"
		for t in /proc/$1/task/*; do
			read -r name <"$t/comm"
			[ "$name" != wgx-protocol ] || sed "s/.*) //" "$t/stat" | awk "{ print \$12 + \$13 }"
		done' sh "$DAEMON"
	echo 0
}

# not_taken: frames that eth2 of B lost; with native XDP those are wgx's steer_no_ring
not_taken() {
	[ "$IMPL" = wgx-native ] && echo 0 && return
	on B ethtool -S eth2 | awk '/rx_queue_[0-9]+_drops:/ { n += $2 } END { print n + 0 }'
}

# books: "name packets", what became of packets that came to B's port
books() {
	echo "link $(($(link_refused F eth0) + $(not_taken)))"
	if b_is_wgx; then
		wgx_drops B wg0
	else
		echo "read $(nstat_get B UdpInDatagrams)"
		echo "UdpRcvbufErrors $(nstat_get B UdpRcvbufErrors)"
	fi
}

sum_since() { # sum_since FILE: of all entries of the books, less those in FILE
	books >"$WORK/books.now"
	awk 'NR == FNR { n -= $2; next } { n += $2 } END { print n + 0 }' "$1" "$WORK/books.now"
}
booked() { [ "$(sum_since "$1")" -ge "$2" ]; }

# equation FILE SENT
equation() {
	awk -v sent="$2" 'NR == FNR { was[$1] = $2; next }
		$2 - was[$1] { text = text (text ? " + " : "") $1 " " $2 - was[$1]; sum += $2 - was[$1] }
		END { printf "%d sent = %s", sent, text ? text : 0
			if (sent - sum) printf "; %d unexplained", sent - sum }' "$1" "$WORK/books.now"
}

got_in() { on B cat /sys/class/net/wg0/statistics/rx_packets; }

alone() { # alone KIND RATE NAME
	local before after sent kpps entered
	flood_options "$1" "$2"
	books >"$WORK/books.was"
	entered=$(got_in)
	read -ra before < <(ticks | tr '\n' ' ')
	flood F B eth2 198.51.100.2 51820 "$1" "${FLOOD_OPTIONS[@]}" -t "$T" >"$WORK/flood.log" 2>&1 || die "$(<"$WORK/flood.log")"
	read -ra after < <(ticks | tr '\n' ' ')
	read -r sent kpps < <(sed -nE 's/^sent ([0-9]+) in [0-9.]+ s, ([0-9.]+) kpps/\1 \2/p' "$WORK/flood.log")
	wait_for 5 booked "$WORK/books.was" "$sent"
	record "$3" kpps "$kpps"
	record "$3" equation "$(equation "$WORK/books.was" "$sent"); $(($(got_in) - entered)) got in"
	awk -v a="${after[*]}" -v b="${before[*]}" -v sent="$sent" -v kpps="$kpps" 'BEGIN {
		split(a, x); split(b, y)
		s = sent / kpps / 1e3
		printf "%.0f %.2f %.2f\n", (x[1] - y[1] + x[3] - y[3]) * 1e7 / sent, (x[3] - y[3]) / 100 / s,
			(x[4] - y[4]) / 100 / s }' >"$WORK/cost"
	read -r ns daemon protocol <"$WORK/cost"
	record "$3: a packet costs B" ns "$ns"
	record "$3: B's daemon" cores "$daemon"
	! b_is_wgx || record "$3: of that the protocol thread" cores "$protocol"
}

#--- what is left of the tunnel

udp() { # udp NAME
	local got=0
	if iperf A 10.7.0.2 -u -b ${UDP_MBIT}M -l 1392 >"$WORK/iperf.err" 2>&1; then
		got=$(iperf_get '.end.sum | (.packets - .lost_packets) * 1392 * 8 / .seconds / 1e6')
	else
		iperf_anew
	fi
	record "$1: UDP, $UDP_MBIT Mbit/s offered" Mbit/s "$got"
}

tcp() { # tcp NAME
	local got=0
	if iperf A 10.7.0.2 >"$WORK/iperf.err" 2>&1; then
		got=$(iperf_get '.end.sum_received.bits_per_second / 1e9')
	else
		iperf_anew
	fi
	record "$1: TCP" Gbit/s "$got"
}

iperf_anew() { # one that lost its client may wait for it
	echo "    $IMPL: $(<"$WORK/iperf.err")" >&2
	stop iperf3-B-5201 KILL
	iperf_server B
}

connect() { # connect NAME: C with new keys
	local begin took=$CONNECT_LIMIT
	on B wg set wg0 peer "$(pub_of C wg0)" remove
	on C wg set wg0 peer "$(pub_of B wg0)" remove
	new_key C
	wg_peer B wg0 C wg0 allowed-ips 10.7.0.3/32
	wg_peer C wg0 B wg0 endpoint 203.0.113.2:51820 allowed-ips 10.7.0.0/24
	begin=$EPOCHREALTIME
	if on C ping -q -c 1 -i 0.2 -w "$CONNECT_LIMIT" 10.7.0.2 >"$WORK/ping.log" 2>&1; then
		took=$(awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
	fi
	record "$1: a new peer" s "$took"
}

with_tunnel() { # with_tunnel KIND RATE NAME
	if [ "$1" != none ]; then
		flood_options "$1" "$2"
		flood_spawn F flood B eth2 198.51.100.2 51820 "$1" "${FLOOD_OPTIONS[@]}" -t 120
		sleep 0.5 # until it is made
	fi
	udp "$3"
	tcp "$3"
	connect "$3"
	[ "$1" = none ] || stop flood
}

one_case() { # one_case KIND RATE
	local name='full speed'
	[ "$2" = max ] || name="$(($2 / 1000)) kpps"
	LINK=$1
	case $1 in
	none)
		with_tunnel none 0 'no flood'
		return
		;;
	*) alone "$1" "$2" "$name" ;;
	esac
	case $1 in
	*mac*) with_tunnel "$1" "$2" "$name" ;;
	esac
}

one_round() {
	local kind rate
	bench_up
	for kind in "${KINDS[@]}"; do
		for rate in "${RATES[@]}"; do
			one_case "$kind" "$rate"
			[ "$kind" != none ] || break
		done
	done
	host_del A B C F
}

export IPERF_LIMIT=$((T + 10))
need all "$BUILD/selftests/tools/flood"
for ((ROUND = 1; ROUND <= ROUNDS; ROUND++)); do
	for IMPL in $(in_turn); do
		echo "round $ROUND of $ROUNDS, $IMPL"
		one_round
	done
done
report "$WRITE" 'Floods: wgx against wireguard-go' "the flood and all ends share it, the flood bound to processor $FLOOD_CPU."
