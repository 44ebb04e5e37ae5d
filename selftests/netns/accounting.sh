#!/bin/bash
# SPDX-License-Identifier: MIT
# Every packet is accounted for: a million small UDP datagrams go through a tunnel in which nearly everything
# goes wrong, and what does not arrive is found again, to the last packet, under a reason that wgx or the
# kernel names. Three books are kept, each of which begins with what the one before ended with:
#
#	book 1: sealed?               book 2: opened?                        book 3: received?
#	A udpload -> wg0 10.7.0.1 -> eth0 192.0.2.1 ==== 192.0.2.2 eth0 -> wg0 10.7.0.2 -> udpload B
#	                                              198.51.100.2 eth1 -+
#	      C eth0 198.51.100.3 ================================+
#	        sends copies of A's data to B, some of them changed
#
# The kernel's own counts are of frames, and it counts some losses more than once:
# - What wgx_egress drops are UdpSndbufErrors and IpOutDiscards on A, by superframe: not added, book 1 has them.
# - A full queue between two eth0 is tx_dropped of the sending one, and rx_dropped of the other where that is a
#   backlog: only the first is added. It is of packets, for these devices segment before they send.
# - What the listening socket has no room for are UdpRcvbufErrors and UdpInErrors on B, by superframe: not added,
#   book 2 has it as socket_overflow. In mode native B's eth0 counts steer_no_ring once more as rx_dropped.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/outer.inc"
require wg jq nft ethtool bpftool python3
require_wgx

LOAD=$BUILD/selftests/tools/udpload
FORGE=$SELFTESTS/netns/forge.py
PORT=7000

#--- hosts

# The link segments before it sends, and B makes superframes anew (GRO), as a network card does.
segmenting() { # segmenting A eth0 B eth0
	on "$1" ethtool -K "$2" tso off tx-udp-segmentation off >/dev/null
	on "$3" ethtool -K "$4" gro "${GRO:-on}" >/dev/null
}

hosts() {
	host_add A B C
	link A eth0 B eth0
	link C eth0 B eth1
	addr A eth0 192.0.2.1/24
	addr B eth0 192.0.2.2/24
	addr C eth0 198.51.100.3/24
	addr B eth1 198.51.100.2/24
	segmenting A eth0 B eth0
	segmenting C eth0 B eth1
	on A ip route add blackhole 203.0.113.0/24
}

# A knows two peers more: one without an endpoint, and one that cannot be reached.
tunnel() { # tunnel [features that B is not to use]
	local h
	for h in A B; do
		export WGX_DISABLE=
		[ $h = A ] || WGX_DISABLE=${1:-}
		impl_up $h wg0 wgx && key_for $h wg0 || return
		on $h wg set wg0 listen-port 51820 private-key "$WORK/$h.wg0.key"
	done
	key_for silent wg0
	key_for nowhere wg0
	wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32
	wg_peer A wg0 silent wg0 allowed-ips 10.7.0.9/32
	wg_peer A wg0 nowhere wg0 endpoint 203.0.113.1:51820 allowed-ips 10.7.0.8/32
	wg_peer B wg0 A wg0 allowed-ips 10.7.0.1/32
	on A ip link set wg0 up && on B ip link set wg0 mtu 1300 up || return
	addr A wg0 10.7.0.1/24
	addr B wg0 10.7.0.2/24
	on A ip addr add 10.8.0.1/32 dev lo
	on A ip route add 10.66.0.0/16 dev wg0
	on A ip route add 239.0.0.0/8 dev wg0
	ping_ok A 10.7.0.2
}

# handshake messages that A gives to its kernel, for B
count_handshakes() {
	on A nft -f - <<-'END'
		table ip books {
			counter handshakes { }
			chain output {
				type filter hook output priority filter;
				ip daddr 192.0.2.2 udp sport 51820 @th,64,8 { 1, 2, 3 } counter name handshakes
			}
		}
	END
}

#--- counts

# counts A: all that is counted there, one "name number" a line
counts() {
	wgx_json "$1" '(.interfaces[0].counters | to_entries[] | "\(.key) \(.value)"),
		([.interfaces[0].drops, .drops | to_entries[]] | group_by(.key)[] |
			"drop.\(.[0].key) \(map(.value) | add)")'
	on "$1" nstat -asz UdpNoPorts | awk '/^Udp/ { print $1, $2 }'
	on "$1" cat /sys/class/net/eth0/statistics/tx_dropped | sed 's/^/eth0_dropped /'
	[ "$1" != A ] || on A nft list counter ip books handshakes | awk '/packets/ { print "handshakes", $2 }'
}

declare -A BASE NOW
take() { # take BASE|NOW
	local -n into=$1
	local h name n
	into=()
	for h in A B; do
		while read -r name n; do
			into[$h.$name]=$n
		done < <(counts $h)
	done
	into[C.eth0_dropped]=$(on C cat /sys/class/net/eth0/statistics/tx_dropped)
}

# since A.name ...: the sum of what has been counted since BASE
since() {
	local k n=0
	for k; do
		n=$((n + ${NOW[$k]:-0} - ${BASE[$k]:-0}))
	done
	echo $n
}

# drops A PREFIX ...: packets dropped since then for the reasons whose names begin so
drops() {
	local h=$1 k p n=0
	shift
	for k in "${!NOW[@]}"; do
		for p; do
			[[ $k != $h.drop.$p* ]] || n=$((n + NOW[$k] - ${BASE[$k]:-0}))
		done
	done
	echo $n
}

# named A PREFIX ...: these reasons, for people
named() {
	local h=$1 k p n
	shift
	for k in "${!NOW[@]}"; do
		for p; do
			n=$((NOW[$k] - ${BASE[$k]:-0}))
			[[ $k != $h.drop.$p* ]] || [ $n = 0 ] || echo "$h ${k#*.drop.} $n"
		done
	done | sort
}

# drop A LABEL: in all
drop() { echo "${NOW[$1.drop.$2]:-0}"; }

#--- the three books: what went in, and what became of it

book1() { echo "$SENT" $(($(since A.sealed_packets) + $(drops A egress_ steer_ seal_))); }

book2() {
	echo $(($(since A.sealed_packets A.keepalives_sent A.handshakes) + FORGED - $(drops A send_))) \
		$(($(since B.opened_packets B.handshakes_queued) + $(drops B ingress_ steer_ socket_ handshake_queue \
			open_malformed open_unknown_receiver open_key_expired open_auth open_replay open_stray) +
			$(since B.UdpNoPorts A.eth0_dropped C.eth0_dropped)))
}

book3() {
	echo "$(since B.opened_packets)" $(($(since B.keepalives_received B.injected_segments) + \
		$(drops B open_inner_malformed open_source inject_)))
}

books() { # books N ...: these are even
	local n in out status=0
	take NOW
	for n; do
		read -r in out < <(book$n)
		echo "book$n: in $in, out $out"
		[ "$in" = "$out" ] || status=1
	done
	return $status
}

# And what was injected reached the application's socket, or found it full.
balanced() {
	local status=0
	books 1 2 3 || status=1
	[ "$(since B.injected_segments)" = $((RECEIVED + REFUSED)) ] || status=1
	echo "injected $(since B.injected_segments), received $RECEIVED, refused $REFUSED"
	[ "$SENT" -gt 0 ] && return $status
}

# The whole of it, for who reads the log
statement() {
	echo "sent $SENT"
	named A egress_ steer_ seal_ send_
	echo "sealed $(since A.sealed_packets)"
	echo "keepalives and handshakes $(since A.keepalives_sent A.handshakes), forged by C $FORGED"
	named B ingress_ steer_ socket_ open_
	echo "kernel: A eth0 $(since A.eth0_dropped), C eth0 $(since C.eth0_dropped), no port $(since B.UdpNoPorts)"
	echo "opened $(since B.opened_packets), of these keepalives $(since B.keepalives_received)"
	named B inject_
	echo "received $RECEIVED, refused by the application's socket $REFUSED"
}

#--- traffic

# load SOURCE DST SIZE COUNT [PAUSE [plain]]: from A, counted
load() {
	local n
	n=$(on A "$LOAD" send "$1" "$2" $PORT "${@:3}") || return
	SENT=$((SENT + n))
}

forged() { # forged KIND COUNT
	local n
	n=$(on C python3 "$FORGE" copies "$WORK/message" 198.51.100.2 51820 "$1" "$2") || return
	FORGED=$((FORGED + n))
}

# frozen A COUNT: its daemon stands still while so much is sent; B's until A has sealed it, a part after the other, of
# which not too much is lost before that
frozen() {
	local pid n
	pid=$(daemon_pid "$1" wg0)
	on "$1" kill -STOP "$pid"
	if [ "$1" = A ]; then
		load 10.7.0.1 10.7.0.2 32 "$2" 1000
	else
		for n in 1 2 3 4 5; do
			load 10.7.0.1 10.7.0.2 32 $(($2 / 5)) 1000
			wait_for 30 has_sealed
		done
	fi
	on "$1" kill -CONT "$pid"
}
has_sealed() {
	local before
	before=$(wgx_counter A wg0 sealed_packets)
	sleep 0.2
	[ "$(wgx_counter A wg0 sealed_packets)" = "$before" ]
}

# B's queues run full, which takes more where A has time to make larger superframes
overwhelmed() {
	local i
	for i in 1 2 3 4 5 6; do
		frozen B $((N / 4))
		calm
		take NOW
		[ "$(drop B steer_no_ring)" = 0 ] && [ "$(drop B socket_overflow)" = 0 ] || return 0
	done
}

# standing: nothing is on its way any more. That nothing moves for a while is not enough: on a busy machine the daemons
# may stand still with full queues. What waits in book 1 for a handshake stays there.
standing() { still && books 2 3; }
still() {
	local before
	before=$(moved)
	sleep 0.2
	[ "$(moved)" = "$before" ]
}
moved() {
	local h
	for h in A B; do
		wgx_json $h '.interfaces[0].counters | .sealed_packets, .opened_packets, .injected_segments'
	done
}

went_down() {
	calm
	on B ip link set wg0 down
	wait_for 10 not open_port B
	load 10.7.0.1 10.7.0.2 32 $((N / 20)) 1000
	sleep 0.2
	on B ip link set wg0 up
	# B begins a session anew, for A knows of nothing
	wg_peer B wg0 A wg0 persistent-keepalive 1
	wait_for 20 new_session
}
new_session() { [ "$(wgx_counter A wg0 keepalives_received)" -gt "$KEEPALIVES" ]; }

sniff() {
	rm -f "$WORK/message"
	spawn A sniff python3 "$FORGE" sniff eth0 51820 "$WORK/message"
	wait_for 10 grep -q ready "$WORK/sniff.log"
	load 10.7.0.1 10.7.0.2 32 1
	wait_for 10 test -s "$WORK/message"
}

calm() { wait_for 10 standing; }

# Where one kind of loss is wanted, what was sent before is gone.
lossy() {
	local kind
	check "$1: a message for C" sniff
	load 10.7.0.1 10.7.0.2 32 $((N * 2 / 5)) 1500
	load 10.7.0.1 10.7.0.2 32 $((N / 10)) # no pause: more than the workers take
	calm
	load 10.7.0.1 10.7.0.9 32 $((N / 20)) 1000
	load 10.7.0.1 10.7.0.8 32 $((N / 100)) 1000
	load 10.7.0.1 10.66.0.1 32 $((N / 20)) 1000
	load 10.7.0.1 239.1.1.1 32 $((N / 100))
	load 10.8.0.1 10.7.0.2 32 $((N / 25)) 1500
	calm
	load 10.7.0.1 10.7.0.2 1350 1000 1000 plain
	for kind in replay tag index short type; do
		forged $kind $((N / 100))
	done
	overwhelmed
	frozen A 50000
	KEEPALIVES=$(wgx_counter A wg0 keepalives_received)
	check "$1: B's wg0 down and up" went_down
	load 10.7.0.1 10.7.0.2 32 $((N / 20)) 1500
	on A wg set wg0 peer "$(pub_of nowhere wg0)" remove # what waits for it is lost
}

settled() { balanced >"$WORK/books"; }
accounted() {
	local status=0
	wait_for 30 settled || status=1
	cat "$WORK/books"
	return $status
}

# account LABEL N mode|none [features that B is not to use]
account() {
	local label=$1 mode=$3
	N=$2 SENT=0 FORGED=0 RECEIVED=0 REFUSED=0
	hosts
	check "$label: set up" tunnel "${4:-}" || finish
	count_handshakes
	if [ "$mode" != none ]; then
		check "$label: attach" wgx A attach eth0 --mode "$mode"
		check "$label: attach at B" wgx B attach eth0 --mode "$mode"
		check "$label: attach towards C" wgx B attach eth1 --mode "$mode"
	fi
	spawn B sink "$LOAD" recv $PORT
	wait_for 10 on B sh -c "ss -Huln 'sport = :$PORT' | grep -q ."
	check "$label: nothing is on its way" wait_for 30 still
	take BASE
	lossy "$label"
	calm
	wait_for 30 books 1 2 3
	stop sink
	read -r _ RECEIVED _ REFUSED <"$WORK/sink.log"
	check "P-DT-3 $label: every packet is accounted for" accounted
	statement | diag
	names "$label" "$mode"
	host_del A B C
}

#--- and each has its name, and its peer

of_peer() { # of_peer A B label
	wgx_json "$1" ".interfaces[0].peers[] | select(.public_key == \"$(pub_of "$2" wg0)\") | .drops.$3 // 0"
}

# line A PATTERN: a line of `wgx show --drops` there
line() {
	wgx "$1" show --drops >"$WORK/drops"
	grep -Eq "$2" "$WORK/drops" || { cat "$WORK/drops" && return 1; }
}

bpftool_names() { # what the pinned map says under that name is what was counted
	local n
	n=$(on A bpftool -j map dump pinned /sys/fs/bpf/wgx/wg0/drops |
		jq '[.[].formatted | select(.key == "WGX_DROP_EGRESS_CREDIT") | .values[].value] | add')
	echo "bpftool says $n"
	[ "$n" -gt 0 ] && [ "$n" = "$(drop A egress_credit)" ]
}

some() { # some LABEL A REASON ...
	local label=$1 h=$2 r
	shift 2
	for r; do
		check "$label: $r, some" test "$(drop "$h" "$r")" -gt 0
	done
}

names() { # names LABEL MODE
	local r=steer_no_ring forged='open_auth open_replay open_malformed'
	[ "$2" != none ] || r=socket_overflow
	# packet by packet BPF sees what is forged: of an old message, it is behind the window
	[ "$2" != native ] || forged='ingress_malformed ingress_unknown_receiver ingress_replay'
	some "$1" A egress_credit egress_no_peer seal_no_peer seal_no_endpoint seal_staged_full seal_staged_expired \
		handshake_send
	# shellcheck disable=SC2086
	some "$1" B $forged open_source inject_mtu $r
	check_equal "$1: seal_no_endpoint is of one peer" "$(of_peer A silent seal_no_endpoint)" \
		"$(drop A seal_no_endpoint)"
	check "$1: egress_credit is of B as well" test "$(of_peer A B egress_credit)" -gt 0
	for r in open_auth open_replay open_source inject_mtu; do
		check_equal "$1: $r is of A" "$(of_peer B A $r)" "$(drop B $r)"
	done
	check "$1: wgx show --drops has it" line A "^  egress_credit +$(drop A egress_credit)  wg0, outgoing "
	check "$1: and what is of a peer" line B "^  open_source +$(of_peer B A open_source)  open worker "
	check "$1: bpftool names what wgx_egress dropped" bpftool_names
}

account socket 1000000 none
account tcx 1000000 tcx
account native 200000 native
GRO=off account 'socket, without tracepoints' 200000 none frame_trace,socket_trace
finish
