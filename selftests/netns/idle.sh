#!/bin/bash
# SPDX-License-Identifier: MIT
# Idle, the daemon uses no CPU: its workers spin for a bounded time and then sleep.
#
#	A wg0 10.7.0.1 -- eth0 ==== eth0 -- wg0 10.7.0.2 B
. "$(dirname "$0")/../lib.sh"
require wg iperf3 jq
require_impl "$IMPL"

# ticks A: user and system time of the daemon, all threads
ticks() {
	on "$1" awk '{ sub(/.*\) /, ""); n += $12 + $13 } END { print n }' "/proc/$(daemon_pid "$1" wg0)/stat"
}

quiet() { # quiet A: at most one tick of 10 ms in 5 s
	local before after
	before=$(ticks "$1")
	sleep 5
	after=$(ticks "$1")
	echo "used $((after - before)) ticks"
	[ -n "$before" ] && [ $((after - before)) -le 1 ]
}

check 'set up' tunnel_pair "$IMPL" "$IMPL" 4 no || finish
sleep 1
check 'idle before any traffic' quiet A
check 'attach' attach_pair "$IMPL" "$IMPL"
iperf_server B
check 'traffic' iperf A 10.7.0.2
stop iperf3-B-5201
check 'the daemon did work' test "$(ticks A)" -gt 1
sleep 2
check 'idle after traffic, sender' quiet A
check 'idle after traffic, receiver' quiet B
on A ip link set wg0 down
check 'idle while down' quiet A
finish
