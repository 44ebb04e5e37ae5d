#!/bin/bash
# SPDX-License-Identifier: MIT
# Packets that wait for a handshake: at most 128 a peer, the oldest dropped first; when the handshake
# completes, whoever begins it, the rest arrive in order.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 ==== eth0 -- wg0 10.7.0.2, fd07::2 B
. "$(dirname "$0")/../lib.sh"
require wg jq python3
require_wgx

inner() { on "$1" timeout 60 python3 "$SELFTESTS/netns/inner.py" "${@:2}"; }
staged() { wgx_counter A wg0 staged_packets; }
staged_are() { [ "$(staged)" = "$1" ]; }
full() { wgx_drops A wg0 | awk '$1 == "seal_staged_full" { n = $2 } END { print n + 0 }'; }
collected() { [ "$(grep -c '^[0-9]' "$WORK/collect.log")" -ge "$1" ]; }

# fill DST COUNT: one packet after another, none lost on the way to where they are staged
fill() {
	local before n
	before=$(staged)
	for ((n = 1; n <= $2; n += 100)); do
		inner A numbers "$1" 7000 $n $((n + 99)) || return
		wait_for 10 staged_are $((before + n + 99)) || return
	done
}

# all_arrive FIRST LAST: just these, in order
all_arrive() {
	wait_for 30 collected $(($2 - $1 + 1))
	grep '^[0-9]' "$WORK/collect.log" | diff - <(seq "$1" "$2")
}

# round LABEL DST COUNT BEGIN...: COUNT packets are staged; then `BEGIN` makes the handshake come about
round() {
	local label=$1 dst=$2 count=$3 first=1 before
	[ $count -le 128 ] || first=$((count - 127))
	on B ip link set wg0 down
	on A ip link set wg0 down
	on A ip link set wg0 up
	addr A wg0 fd07::1/64
	before=$(full)
	check "P-DT-12 $label: $count packets are staged" fill "$dst" "$count"
	check_equal "P-DT-12 $label: all but 128 are counted" "$(($(full) - before))" $((first - 1))
	spawn B collect python3 "$SELFTESTS/netns/inner.py" collect 7000 $((count - first + 1))
	wait_for 10 grep -q ready "$WORK/collect.log"
	on B ip link set wg0 up
	addr B wg0 fd07::2/64
	"${@:4}"
	check "P-DT-12 $label: $first to $count arrive, in order" all_arrive $first "$count"
	check_equal "P-DT-12 $label: no other is lost" "$(($(full) - before))" $((first - 1))
	stop collect
}

# with a keepalive: A's answer to anything else might be staged as well
b_begins() { wg_peer B wg0 A wg0 persistent-keepalive 3600; }

check 'set up' tunnel_pair wgx wgx 4 no || finish
check 'attach' attach_pair wgx wgx
# so that B can begin
wg_peer B wg0 A wg0 endpoint 192.0.2.1:51820
round 'the sender begins' 10.7.0.2 500 true
round 'the sender begins, few' 10.7.0.2 100 true
round 'the receiver begins, IPv6' fd07::2 500 b_begins
wg_peer B wg0 A wg0 persistent-keepalive 0
check 'ping' ping_ok A 10.7.0.2

#--- down: what waits is lost, and counted
expired() { wgx_drops A wg0 | awk '$1 == "seal_staged_expired" { n = $2 } END { print n + 0 }'; }
expired_are() { [ "$(expired)" = "$1" ]; }
on B ip link set wg0 down
on A ip link set wg0 down
on A ip link set wg0 up
before=$(expired)
check 'staged once more' fill 10.7.0.2 100
check 'down' on A ip link set wg0 down
check 'down: what was staged is dropped and counted' wait_for 10 expired_are $((before + 100))
finish
