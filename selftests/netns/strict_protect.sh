#!/bin/bash
# SPDX-License-Identifier: MIT
# Networks that strict mode protects whether a peer has them or not: before the first peer, without the daemon, and
# when it has ended in good order.
#
#	P 10.1.0.2, fd01::2 -- eth1 A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== eth0 192.0.2.2 -- wg0 10.7.0.2, 10.8.0.1 B
#	                              fd07::1            2001:db8::1        2001:db8::2         fd07::2, fd08::1
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/strict.inc"
require wg jq tcpdump socat
require_wgx

protected() { wgx_json A '[.attached[] | select(.device == "eth0") | .strict.protect[]] | join(" ")'; }
no_daemon() { not daemon_pid A wg0; }

life() { # life LABEL
	local label=$1
	check "$label: set up" setup 4 || return
	on A wg set wg0 peer "$(pub_of B wg0)" remove
	no_routes
	check "$label: attach, strict" wgx A attach eth0 --strict
	check "$label: without peers there is nothing to drop" all_leak "$label.open"
	check "$label: protect" wgx A attach eth0 --strict --protect 10.8.0.0/16 --protect fd08::/48
	check_equal "$label: show" "$(protected)" '10.8.0.0/16 fd08::/48'
	no_leak "$label, no peers"
	check "$label: plaintext elsewhere passes" ping_ok A 192.0.2.2
	check "$label: others" wgx A attach eth0 --strict --protect 10.8.0.0/24,fd08::/64,10.9.0.0/16
	check_equal "$label: in place of those of before" "$(protected)" '10.8.0.0/24 fd08::/64 10.9.0.0/16'
	no_leak "$label, other networks"

	configure
	routes
	check "$label: the tunnel works" ping_ok P 10.8.0.1
	no_routes
	on A kill -KILL "$(daemon_pid A wg0)"
	check "$label: the daemon is killed" wait_for 20 no_daemon
	no_leak "$label, killed"
	check "$label: the next daemon" impl_up A wg0 wgx
	no_leak "$label, not confirmed"
	on A ip link del wg0
	check "$label: it ends in good order" wait_for 20 no_daemon
	no_leak "$label, ended"
	check "$label: and plaintext elsewhere passes" ping_ok A 192.0.2.2
	check "$label: one more" impl_up A wg0 wgx
	check "$label: protect" wgx A attach eth0 --strict --protect 10.8.0.0/16,fd08::/48
	on A ip link del wg0
	check "$label: it ends in good order, too" wait_for 20 no_daemon
	no_leak "$label, ended again"
	check "$label: the last" impl_up A wg0 wgx
	check "$label: detach" wgx A detach eth0
	check "$label: all may leave" all_leak "$label.detached"
	check_equal "$label: nothing is left of it" "$(pins)" 0
	host_del A B P
}

life tcx
if [ $FAILED -eq 0 ]; then
	export WGX_DISABLE=tcx
	life clsact
fi
finish
