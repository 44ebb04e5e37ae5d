#!/bin/bash
# SPDX-License-Identifier: MIT
# The data takes the path that it should: BPF, AF_XDP, worker. At least 99 % of the bytes in each
# direction come through XSK rings; after detach those counters stand still and traffic goes on.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 ==== eth0 -- wg0 10.7.0.2, fd07::2 B
. "$(dirname "$0")/../lib.sh"
require wg iperf3 jq
require_wgx

share() { # share part whole [percent]: at least 99 of 100, and something at all
	echo "$1 of $2"
	[ "$2" -gt 10000000 ] && [ $(($1 * 100)) -ge $(($2 * ${3:-99})) ]
}

take() { # take prefix: the counters of both hosts, and the bytes that the kernel saw on wg0
	local h c
	for h in A B; do
		for c in xsk_rx_bytes sealed_bytes opened_bytes opened_xsk_bytes opened_socket_bytes \
			opened_socket_packets; do
			printf -v "$1_${h}_$c" %s "$(wgx_counter $h wg0 $c)"
		done
		printf -v "$1_${h}_dev_tx" %s "$(on $h cat /sys/class/net/wg0/statistics/tx_bytes)"
		printf -v "$1_${h}_dev_rx" %s "$(on $h cat /sys/class/net/wg0/statistics/rx_bytes)"
	done
}

diff_of() { # diff_of A_sealed_bytes
	local from=before_$1 to=after_$1
	echo $((${!to} - ${!from}))
}

check 'set up' tunnel_pair wgx wgx 4 yes || finish
check 'attach' attach_pair wgx wgx
check 'handshake' ping_ok A 10.7.0.2
iperf_server B

take before
check 'TCP' iperf A 10.7.0.2
check 'TCP back' iperf A fd07::2 -R
check 'UDP' iperf A 10.7.0.2 -u -b 200M -l 1300
take after
for h in A B; do
	# The device and the ring count a superframe's headers once, sealing and opening each segment's:
	# up to 72 bytes in 1420 more.
	check "$h: AF_XDP brings what the stack sent on wg0" share "$(diff_of ${h}_xsk_rx_bytes)" "$(diff_of ${h}_dev_tx)"
	check "$h seals all of that" share "$(diff_of ${h}_sealed_bytes)" "$(diff_of ${h}_xsk_rx_bytes)"
	check "$h seals no more than that" share "$(diff_of ${h}_xsk_rx_bytes)" "$(diff_of ${h}_sealed_bytes)" 94
	check "$h opens what AF_XDP brings" share "$(diff_of ${h}_opened_xsk_bytes)" "$(diff_of ${h}_opened_bytes)"
	check "$h: wg0 receives what was opened" share "$(diff_of ${h}_dev_rx)" "$(diff_of ${h}_opened_bytes)" 94
done

check 'detach A' wgx A detach eth0
check 'detach B' wgx B detach eth0
take before
check 'TCP without AF_XDP on the underlay' iperf A 10.7.0.2
check 'TCP back' iperf A fd07::2 -R
take after
for h in A B; do
	check_equal "$h: the rings stand still" "$(diff_of ${h}_opened_xsk_bytes)" 0
	check "$h: the socket takes over" share "$(diff_of ${h}_opened_socket_bytes)" "$(diff_of ${h}_opened_bytes)"
done

check 'attach again' attach_pair wgx wgx
take before
check 'TCP through AF_XDP again' iperf A 10.7.0.2
take after
check 'B opens what AF_XDP brings, again' share "$(diff_of B_opened_xsk_bytes)" "$(diff_of B_opened_bytes)"
finish
