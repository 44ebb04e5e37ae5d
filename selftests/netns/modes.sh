#!/bin/bash
# SPDX-License-Identifier: MIT
# Every way in works and says its name: tcx, native XDP, and the socket alone.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 ==== eth0 -- wg0 10.7.0.2, fd07::2 B
. "$(dirname "$0")/../lib.sh"
require wg iperf3 jq
require_wgx

carries() { # carries label
	check "$1: ping, IPv4" ping_ok A 10.7.0.2
	check "$1: ping, IPv6" ping_ok A fd07::2
	check "$1: TCP" iperf A 10.7.0.2
	check "$1: TCP back" iperf A fd07::2 -R
	check "$1: UDP" iperf A 10.7.0.2 -u -b 100M -l 1300
}

opened_xsk() { wgx_counter B wg0 opened_xsk_packets; }

check 'set up' tunnel_pair wgx wgx 4 no || finish
iperf_server B
check_equal 'nothing attached: mode' "$(wgx_mode B eth0)" none
carries 'socket'
check_equal 'socket: nothing came through AF_XDP' "$(opened_xsk)" 0

for mode in tcx native auto; do
	check "$mode: attach" attach_pair wgx wgx $mode || continue
	shown=$mode
	[ $mode != auto ] || shown=tcx
	check_equal "$mode: shown" "$(wgx_mode B eth0)" $shown
	check "$mode: for people too" sh -c "nsenter -t ${HOST_PID[B]} -m -n -p $WGX show | grep -qw $shown"
	before=$(opened_xsk)
	carries $mode
	check "$mode: data came through AF_XDP" test "$(opened_xsk)" -gt "$before"
	check "$mode: detach" wgx A detach eth0
	check "$mode: detach the other" wgx B detach eth0
	check_equal "$mode: no program stays" \
		"$(on B bpftool -j net show dev eth0 | jq -c '[.[] | .xdp[]?, .tc[]?] | length')" 0
done
carries 'socket again'
finish
