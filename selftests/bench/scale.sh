#!/bin/bash
# SPDX-License-Identifier: MIT
# make bench-scale: what PEERS (100,000) peers with 10 allowed IPs each cost, and the one among them that speaks.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== eth0 -- wg0 10.7.0.2 B
#	   PEERS peers that never speak
#
#	selftests/bench/scale.sh [--write] [--into FILE]
#
# ROUNDS (5) rounds, T (3) seconds of TCP; medians are printed. --into: results are added to those in FILE, so that a
# long measurement can be made in parts; --write puts all of them into RESULTS.md. ROUNDS=0 measures nothing.
#
# With one peer, that is B, the same is measured on a tunnel of its own, before the other one in even rounds. What goes
# on while they come and go: a ping each 2 ms and 100 Mbit/s of UDP through the tunnel, and 200 handshakes a
# second of other peers; with one peer as well, and then nothing else is done.
HERE=$(cd "$(dirname "$0")" && pwd)
COMMAND="PEERS=${PEERS:-100000} ROUNDS=${ROUNDS:-5} T=${T:-3} selftests/bench/scale.sh $*"
. "$HERE/../lib.sh"
. "$HERE/bench.inc"

PEERS=${PEERS:-100000}
ROUNDS=${ROUNDS:-5}
export T=${T:-3}
SHAKERS=1000 # peers that shake hands
SHAKE_RATE=200 # a second
WATCH=10 # seconds
SOCK=/run/wireguard/wg0.sock
MAPS=/sys/fs/bpf/wgx/wg0
BULK=$BUILD/selftests/tools/uapi_bulk
SHAKES=$BUILD/selftests/tools/handshakes
MANY="$PEERS peers"
WRITE=no
while [ $# -gt 0 ]; do
	case $1 in
	--write) WRITE=yes ;;
	--into) RESULTS=$2 && shift ;;
	*) sed -n '3,16s/^# \{0,1\}//p' "$0" && exit 2 ;;
	esac
	shift
done
LINK='Many peers'

#--- requests

make_requests() {
	"$BULK" table "$PEERS" 10 >"$WORK/all"
	"$BULK" table "$PEERS" 0 0 remove=true >"$WORK/none"
	"$BULK" table 1 10 "$PEERS" >"$WORK/one-more"
	"$BULK" table 1 0 "$PEERS" remove=true >"$WORK/one-less"
	"$SHAKES" peers $SHAKERS >"$WORK/shakers"
}

# The same for wg(8), with the interface's own settings and B
make_conf() {
	printf '[Interface]\nPrivateKey = %s\nListenPort = 51820\n' "$(<"$WORK/A.wg0.key")"
	printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.7.0.2/32, fd07::2/128\nEndpoint = 192.0.2.2:51820\n' "$(pub_of B wg0)"
	python3 -c 'if True:
		import base64, sys
		names = {"endpoint": "Endpoint", "allowed_ip": "AllowedIPs"}
		for line in sys.stdin:
		    name, _, value = line.strip().partition("=")
		    if name == "public_key":
		        print("[Peer]\nPublicKey =", base64.b64encode(bytes.fromhex(value)).decode())
		    elif name in names:
		        print(names[name], "=", value)' <"$WORK/all"
}

# ask REQUEST: its time in TOOK, the processor's for A's daemon in OWN
ask() {
	local before
	before=$(ticks)
	on A "$BULK" ask $SOCK <"$WORK/$1" >"$WORK/answer" && read -r TOOK _ <"$WORK/answer" || die "$1: $(<"$WORK/answer")"
	OWN=$(awk -v n=$(($(ticks) - before)) 'BEGIN { print n / 100 }')
}
ticks() { on A sed 's/.*) //' "/proc/$DAEMON/stat" | awk '{ print $12 + $13 }'; }
timed() { # timed command ...: its time in TOOK, its own processor's in OWN
	local TIMEFORMAT='%R %U %S' real user sys
	{ time "$@" >"$WORK/timed.out" 2>"$WORK/timed.err"; } 2>"$WORK/timed" || die "$*: $(<"$WORK/timed.err")"
	read -r real user sys <"$WORK/timed"
	TOOK=$real OWN=$(awk -v a="$user" -v b="$sys" 'BEGIN { print a + b }')
}

#--- what is measured

resident() { on A awk '$1 == "VmRSS:" { print $2 * 1024 }' "/proc/$DAEMON/status"; }
maps() {
	local m
	for m in allowed_ips4 allowed_ips6 peers peer_stats; do
		on A bpftool -j map show pinned "$MAPS/$m" | jq .bytes_memlock
	done | awk '{ n += $1 } END { printf "%.0f\n", n }'
}
a_peer() { awk -v a="$1" -v b="$2" -v n="$PEERS" 'BEGIN { printf "%.0f", (b - a) / n }'; }

throughput() {
	iperf A 10.7.0.2 >"$WORK/iperf.err" 2>&1 || die "iperf3: $(<"$WORK/iperf.err")"
	record tcp1 Gbit/s "$(iperf_get '.end.sum_received.bits_per_second / 1e9')"
	record tcp1 retransmits "$(iperf_get '.end.sum_sent.retransmits')"
}

one_more() {
	local n
	for ((n = 0; n < 30; n++)); do
		on A "$BULK" ask $SOCK <"$WORK/one-more" || die 'one more'
		on A "$BULK" ask $SOCK <"$WORK/one-less" >"$WORK/answer" || die 'one less'
	done | sort -n | awk '{ t[NR] = $1 } END { print t[int((NR + 1) / 2)] * 1e6 }'
}

shown() {
	timed on A wg show wg0 dump
	record 'wg show dump' s "$TOOK"
	timed wgx A show --json
	record 'wgx show --json' s "$TOOK"
	timed on A "$BULK" get $SOCK
	record 'read through the UAPI socket' s "$TOOK"
}

# watched NAME [request]: what goes on while the request is answered
watched() {
	spawn A ping ping -q -i 0.002 -w $WATCH 10.7.0.2
	spawn B shakes "$SHAKES" shake "$(pub_of A wg0)" 192.0.2.1 51820 $SHAKERS $WATCH 32 $SHAKE_RATE
	spawn A udp iperf3 -J -u -b 100M -l 1300 -t $WATCH -c 10.7.0.2
	sleep 1
	[ -z "${2:-}" ] || ask "$2"
	wait "${SPAWN_PID[ping]}" "${SPAWN_PID[shakes]}" "${SPAWN_PID[udp]}"
	record "$1, the longest ping" us "$(awk -F/ '/^rtt/ { print $6 * 1000 }' "$WORK/ping.log")"
	record "$1, pings of $((WATCH * 500))" lost "$(awk '/packets transmitted/ { print $1 - $4 }' "$WORK/ping.log")"
	record "$1, UDP datagrams of 100 Mbit/s" lost "$(jq .end.sum.lost_packets "$WORK/udp.log")"
	record "$1, the longest handshake" us "$(awk '{ print $5 }' "$WORK/shakes.log")"
	record "$1, handshakes" 'not answered' "$(awk '{ print $2 - $4 }' "$WORK/shakes.log")"
}

with_one() {
	IMPL='one peer'
	throughput
	record 'one more peer' us "$(one_more)"
	shown
	ask shakers
	watched 'while they come'
}

with_many() {
	local rss bpf
	IMPL=$MANY
	rss=$(resident) bpf=$(maps)
	ask all
	record 'configured through the UAPI socket' s "$TOOK"
	record 'of it the processor was at it' s "$OWN"
	record 'resident' 'bytes a peer' "$(a_peer "$rss" "$(resident)")"
	record "in BPF's maps" 'bytes a peer' "$(a_peer "$bpf" "$(maps)")"
	throughput
	record 'one more peer' us "$(one_more)"
	shown
	ask all
	record 'the same again' s "$TOOK"
	ask shakers
	watched 'while they go' none
	record 'removed, with all that' s "$TOOK"
	sleep 1 # a grace period, and what is freed after it
	record 'resident when they have gone' 'bytes a peer' "$(a_peer "$rss" "$(resident)")"
	watched 'while they come' all
	ask none
	record 'removed' s "$TOOK"
	record 'of that the processor was at it' s "$OWN"
	make_conf >"$WORK/conf"
	timed on A wg setconf wg0 "$WORK/conf"
	record 'configured by wg setconf' s "$TOOK"
	record "of it in wg itself, the processor's" s "$OWN"
	printf 'set=1\nreplace_peers=true\n\n' >"$WORK/replace"
	ask replace
	record 'all replaced by none' s "$TOOK"
}

bench_up() {
	tunnel_pair wgx wgx 4 no || die 'wgx does not start'
	attach_pair wgx wgx >"$WORK/attach.log" 2>&1 || die 'wgx does not attach'
	ping_ok A 10.7.0.2 >"$WORK/ping.log" || die "no ping: $(<"$WORK/ping.log")"
	iperf_server B
	DAEMON=$(daemon_pid A wg0)
}

need all "$BULK" "$SHAKES"
make_requests
for ((ROUND = 1; ROUND <= ROUNDS; ROUND++)); do
	for one_or_many in $([ $((ROUND % 2)) = 1 ] && echo many one || echo one many); do
		echo "round $ROUND of $ROUNDS, $one_or_many"
		bench_up
		"with_$one_or_many"
		host_del A B
	done
done
report $WRITE "$MANY with 10 allowed IPs each" 'both ends, iperf3 and the tunnels share it.'
