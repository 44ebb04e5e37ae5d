#!/bin/bash
# SPDX-License-Identifier: MIT
# The timers of minutes, by A's clocks that jump: rekeying, keys that are too old, zeroing, a suspend. Against
# wireguard-go and against wgx, whose clocks are right.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2 B
#	  (wgx; its clocks are its own)
. "$(dirname "$0")/../lib.sh"
require bpftool jq python3 socat tcpdump wg
require_impl wgx wireguard-go

INITIATION='udp[4:2] = 156' # its UDP length

set_up() { # set_up implB: A's daemon tells what it does, and it is A that initiates
	underlay_pair
	clock_own A
	wgx_logged A wg0 && impl_up B wg0 "$1" || return
	key_for A wg0
	key_for B wg0
	on A wg set wg0 listen-port 51820 private-key "$WORK/A.wg0.key" &&
		on B wg set wg0 listen-port 51820 private-key "$WORK/B.wg0.key" &&
		wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32 &&
		wg_peer B wg0 A wg0 allowed-ips 10.7.0.1/32 &&
		on A ip link set wg0 up && on B ip link set wg0 up || return
	addr A wg0 10.7.0.1/24
	addr B wg0 10.7.0.2/24
	ping_ok A 10.7.0.2
}

# indices A: the receiver indices that A answers to, one for each key and each handshake under way
indices() { on "$1" bpftool -j map dump pinned /sys/fs/bpf/wgx/wg0/receivers | jq length; }
has_keys() { [ "$(indices A)" -gt 0 ]; }
keys_gone() { wait_for 10 not has_keys; }

suspends() { grep -c suspended "$WORK/A.wg0.log"; }

# begun capture: an initiation was sent
begun() { [ "$(captured A "$1" "$INITIATION" | wc -l)" -gt 0 ]; }

# settle: all timers of A's that follow traffic are over, and the session's end is the next that is due.
settle() {
	local before
	ping_ok A 10.7.0.2 || return
	before=$(wgx_counter A wg0 keepalives_sent)
	clock_jump A both 11 # the keepalive for the answers
	wait_for 10 eval "[ \"\$(wgx_counter A wg0 keepalives_sent)\" -gt $before ]"
}

# over_jump SECONDS: a ping every 20 ms, with a jump among them
over_jump() {
	spawn A pings ping -q -i 0.02 -c 100 -W 10 10.7.0.2
	sleep 0.5
	clock_jump A both "$1"
	no_ping_lost
}

# over_stop: the daemon does not run for 3 s
over_stop() {
	local pid
	pid=$(<"$WORK/A.wg0.pid")
	spawn A pings ping -q -i 0.1 -c 40 -W 10 10.7.0.2
	sleep 0.5
	on A kill -STOP "$pid"
	sleep 3
	on A kill -CONT "$pid"
	kill -CONT "${SPAWN_PID[A.wg0]}" # nsenter stops with what it runs
	no_ping_lost
}

no_ping_lost() {
	wait "${SPAWN_PID[pings]}"
	cat "$WORK/pings.log"
	grep -q ' 0% packet loss' "$WORK/pings.log"
}

# unanswered reason: what B sends is dropped, and counted so
unanswered() {
	local before
	before=$(dropped "$1")
	not on B ping -q -c 2 -i 0.2 -W 1 10.7.0.1 || return
	wgx_drops A wg0
	[ "$(dropped "$1")" -ge $((before + 2)) ]
}
dropped() { wgx_drops A wg0 | awk -v r="$1" '$1 == r { n = $2 } END { print n + 0 }'; }

against() { # against implB
	check "$1: set up, first session" set_up "$1" || finish
	check "$1: the daemon goes by clocks of its own" \
		on A grep -q "$(basename "$CLOCKSHIFT")" "/proc/$(<"$WORK/A.wg0.pid")/maps"
	capture A rekey eth0 "$INITIATION"
	check "P-TM-2 $1: sending under a key of 121 s: nothing is lost" over_jump 121
	capture_end rekey
	check "P-TM-2 $1: and there is a new handshake" begun rekey

	# A listens and does not send
	spawn A sink socat -u UDP-RECV:9000 /dev/null
	check "$1: settle" settle
	clock_jump A both 156
	capture A fresh eth0 "$INITIATION"
	on B sh -c 'for i in 1 2 3; do echo "$i"; sleep 0.1; done | socat -u STDIN UDP-SENDTO:10.7.0.1:9000'
	check "P-TM-2 $1: receiving under a key of 167 s: a new handshake" wait_for 10 begun fresh
	capture_end fresh
	stop sink

	check "$1: settle" settle
	clock_jump A both 181
	check "P-TM-3 $1: what comes under a key of 181 s is not opened" unanswered open_key_expired
	capture A expired eth0 "$INITIATION"
	check "P-TM-3 $1: what is sent" ping_ok A 10.7.0.2
	capture_end expired
	check "P-TM-3 $1: waits for a new key" begun expired
	check "P-TM-3 $1: and back" ping_ok B 10.7.0.1

	check "$1: settle" settle
	clock_jump A both 470
	check "P-TM-6 $1: keys are there at 481 s" has_keys
	clock_jump A both 80
	check "P-TM-6 $1: all is wiped at 561 s" keys_gone
	check "P-TM-6 $1: B's key is of no use" unanswered open_unknown_receiver
	check "P-TM-6 $1: then a new session" ping_ok A 10.7.0.2

	[ "$1" = wgx ] || check "P-TM-8 $1: the daemon does not run for 3 s: nothing is lost" over_stop
	check "$1: settle" settle
	check_equal "P-TM-8 $1: none of this was a suspend" "$(suspends)" 0

	clock_jump A boot 200
	check "P-TM-8 $1: a suspend wipes the keys at once" keys_gone
	check_equal "P-TM-8 $1: as the log tells" "$(suspends)" 1
	check "P-TM-8 $1: B's key is of no use" unanswered open_unknown_receiver
	capture A resumed eth0 "$INITIATION"
	check "P-TM-8 $1: the next packet" ping_ok A 10.7.0.2
	capture_end resumed
	check "P-TM-8 $1: makes a new handshake" begun resumed
	check "P-TM-8 $1: and back" ping_ok B 10.7.0.1
	host_del A B
}

against wireguard-go
against wgx
finish
