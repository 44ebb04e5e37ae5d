#!/bin/bash
# SPDX-License-Identifier: MIT
# Three nodes come up from nothing on a real API server: all pods reach each other, and from the first agent on no packet
# of theirs is seen on the underlay.
#
#	PA 10.244.1.2 -- eth1 A eth0 192.0.2.1 ==+
#	PB 10.244.2.2 -- eth1 B eth0 192.0.2.2 ==+== br0 S      fd10:244:0:N::2 and 2001:db8::N as well
#	PC 10.244.3.2 -- eth1 C eth0 192.0.2.3 ==+
#	   K, the control plane  eth0 192.0.2.100 +
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/plane.inc"
require_plane

cluster_up A B C
underlay_begin
check 'without an agent, pods reach each other' pods_reach A B
check 'and in the clear' [ "$(underlay_plain)" -gt 0 ]

underlay_begin
strict_on() { grep -q '^10.244.0.0/16 dev wg0' <<<"$(on "$1" ip route show table all)"; }
# A's pod sends before there is a peer, and before B has an agent
agents_up A
check 'A: routes into wg0 stand' wait_for 60 strict_on A || why A
spawn PA first ping -q -i 0.1 10.244.2.2
spawn PA first6 ping -q -i 0.1 fd10:244:0:2::2
agents_up B C
ready A B C
stop first INT
stop first6 INT
for h in A B C; do
	check_equal "$h: there is nothing to do" "$(wgx $h agent plan)" ''
	check "$h: its Node has its public key" key_right $h
done
check_equal 'nothing was in the clear' "$(underlay_plain)" 0
finish
