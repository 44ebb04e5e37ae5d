#!/bin/bash
# SPDX-License-Identifier: MIT
# Strict mode outlives the daemon: while there is none, nothing that belongs into the tunnel leaks, and all else
# passes. The next daemon takes it over, and keeps what the dead one protected until somebody asks for strict mode
# anew. With tcx, whose links are pinned, and with clsact filters.
#
#	P 10.1.0.2, fd01::2 -- eth1 A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== eth0 192.0.2.2 -- wg0 10.7.0.2, 10.8.0.1 B
#	                              fd07::1            2001:db8::1        2001:db8::2         fd07::2, fd08::1
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/strict.inc"
require wg jq tcpdump socat bpftool
require_wgx

kill_daemon() {
	local pid
	pid=$(daemon_pid A wg0) && on A kill -KILL "$pid" && wait_for 10 not on A kill -0 "$pid"
}
inherited() { wgx_json A '[.attached[] | select(.device == "eth0") | .strict.inherited][0]'; }
exempt() { wgx_json A '[.attached[] | select(.device == "eth0") | .strict.exempt[]] | join(" ")'; }
# plain_passes: what has nothing to do with the tunnel, neighbours found anew; and what is exempt
plain_passes() {
	on A ip neigh flush dev eth0
	ping_ok A 192.0.2.2 && ping_ok A 2001:db8::2 && ping_ok A 10.8.0.200 -I 192.0.2.1
}

life() { # life LABEL
	check "$1: set up" setup 4 || return
	addr B wg0 10.8.0.200/32
	check "$1: attach, strict" wgx A attach eth0 --strict --exempt 10.8.0.192/26
	check "$1: ping" ping_ok A 10.7.0.2
	no_routes
	check "$1: plaintext that may pass does" plain_passes
	no_leak "$1, alive"

	check "$1: the daemon is killed" kill_daemon
	no_leak "$1, dead"
	check "$1, dead: plaintext that may pass does" plain_passes
	spoof 10.8.0.1 192.0.2.1
	routes
	no_leak "$1, dead, with routes"
	no_routes

	check "$1: the next daemon" impl_up A wg0 wgx
	check_equal "$1: takes over" "$(inherited)" true
	check_equal "$1: with the exemptions" "$(exempt)" 10.8.0.192/26
	check_equal "$1: and the counts" "$(strict A strict_egress) $(strict A strict_ingress)" "$((4 * LEAKS)) 10"
	no_leak "$1, not configured"
	check_equal "$1: which go on" "$(strict A strict_egress)" $((6 * LEAKS))
	check "$1, not configured: plaintext that may pass does" plain_passes
	check "$1: configure, with fewer allowed IPs" on A wg set wg0 listen-port 51820 private-key "$WORK/A.wg0.key" \
		peer "$(pub_of B wg0)" endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32,fd07::2/128
	no_leak "$1, configured"
	check "$1: without --strict it is not attached" not wgx A attach eth0
	check_equal "$1: and goes on" "$(inherited) $(exempt)" 'true 10.8.0.192/26'
	check "$1: a mode that is none: not attached" not wgx A attach eth0 --strict --exempt 10.8.0.1 --mode bad
	check "$1: confirm" wgx A attach eth0 --strict
	check_equal "$1: confirmed" "$(inherited) $(exempt)" 'false '
	check "$1: ping" ping_ok A 10.7.0.2
	before=$(strict A strict_egress)
	on A ping -q -c 2 -i 0.1 -W 0.1 10.8.0.1 >/dev/null
	check_equal "$1: what is no more in allowed IPs passes now" "$(strict A strict_egress)" "$before"
	check "$1: configure as before" configure
	no_leak "$1, again"
	no_exemption() { not on A ping -q -c 1 -W 0.2 -w 1 -I 192.0.2.1 10.8.0.200; }
	check "$1: nothing is exempt any more" no_exemption

	#--- ends
	check "$1: killed" kill_daemon
	check "$1: a daemon that cannot start" not wgx A eth1
	no_leak "$1, after that"
	check "$1: another interface's daemon" impl_up A wg1 wgx
	check_equal "$1: takes over" "$(inherited)" true
	pid=$(daemon_pid A wg1)
	check "$1: that interface is deleted" on A ip link del wg1
	check "$1: its daemon ends" wait_for 10 not on A kill -0 "$pid"
	no_leak "$1, after its end"
	check "$1: wg0's daemon" impl_up A wg0 wgx
	pid=$(daemon_pid A wg0)
	check_equal "$1: takes over" "$(inherited)" true
	check "$1: wg0 is deleted" on A ip link del wg0
	check "$1: the daemon ends" wait_for 10 not on A kill -0 "$pid"
	check_equal "$1: nothing is left by it" "$(pins)" 0
	check "$1: wg0 again" impl_up A wg0 wgx
	addr A wg0 10.7.0.1/24 fd07::1/64
	on A ip link set wg0 up
	check "$1: configure" configure
	check "$1: attach, strict" wgx A attach eth0 --strict
	check "$1: ping" ping_ok A 10.7.0.2
	check "$1: killed again" kill_daemon
	check "$1: and started" impl_up A wg0 wgx
	check_equal "$1: taken over again" "$(inherited)" true
	check "$1: detach ends it" wgx A detach eth0
	check_equal "$1: nothing is left" "$(pins)" 0
	check "$1: and packets leak" all_leak "$1.off"
	check "$1: configure" configure
	check "$1: attach, strict" wgx A attach eth0 --strict
	pid=$(daemon_pid A wg0)
	check "$1: wg0 is deleted" on A ip link del wg0
	check "$1: the daemon ends" wait_for 10 not on A kill -0 "$pid"
	check_equal "$1: nothing is left by it" "$(pins)" 0
	on A tc filter show dev eth0 egress 2>/dev/null | grep wgx_strict && nok "$1: a filter is left"
}

life tcx
host_del A B P
export WGX_DISABLE=tcx
life clsact
unset WGX_DISABLE
host_del A B P

#--- what another version has pinned: it stays in force
check 'set up' setup 4 || finish
check 'attach, strict' wgx A attach eth0 --strict
no_routes
check 'killed' kill_daemon
config=$(on A find /sys/fs/bpf/wgx-strict -name config)
on A rm "$config"
on A bpftool map create "$config" type array key 4 value 64 entries 1 name config
check 'another version starts' impl_up A wg0 wgx
check 'it is configured' configure
no_leak 'another version'
check 'strict mode is refused' not wgx A attach eth0 --strict
check 'with a hint' sh -c "nsenter -t ${HOST_PID[A]} -m -n -p '$WGX' attach eth0 --strict 2>&1 |
	grep -q 'strict mode of another version.*remove /sys/fs/bpf/wgx-strict'"
check 'which helps' on A rm -r /sys/fs/bpf/wgx-strict
check 'packets leak then' all_leak 'another version gone'
check 'attach, strict' wgx A attach eth0 --strict
no_leak 'new'
host_del A B P

#--- the device goes, with a daemon and without
check 'set up' setup 4 || finish
check 'attach, strict' wgx A attach eth0 --strict --exempt 10.8.0.192/26
no_routes
plug() {
	link A eth0 B eth0
	addr A eth0 192.0.2.1/24 2001:db8::1/64
	addr B eth0 192.0.2.2/24 2001:db8::2/64
	on A ip route add default via 192.0.2.2
	on A ip -6 route add default via 2001:db8::2
}
back() { [ "$(strict A strict_egress)" != none ]; }
awaited() { grep -qxF eth0 <<<"$(wgx_json A '.awaited | join(" ")')"; }
on A ip link del eth0
check 'unplugged: awaited' wait_for 10 awaited
plug
check 'plugged in: strict again' wait_for 10 back
check_equal 'with its exemptions' "$(exempt)" 10.8.0.192/26
no_leak 'plugged in'
on A ip link set eth0 down
on A ip link set eth0 name lan0
on A ip link set lan0 up
renamed() { [ "$(wgx_json A '.attached[0].device')" = lan0 ]; }
check 'renamed' wait_for 10 renamed
check 'killed' kill_daemon
on A ip link del lan0
link A eth0 B eth0
check 'the next daemon' impl_up A wg0 wgx
check_equal 'it waits for the device by its last name' "$(wgx_json A '.awaited | join(" ")')" lan0
check 'killed while it waits' kill_daemon
on A ip link set eth0 down
on A ip link set eth0 name lan0
on A ip link set lan0 up
check 'the next daemon' impl_up A wg0 wgx
check_equal 'found it' "$(wgx_json A '[.attached[] | .device, .strict.inherited, .strict.exempt[0]] | join(" ")')" \
	'lan0 true 10.8.0.192/26'
on A ip link set lan0 down
on A ip link set lan0 name eth0
on A ip link set eth0 up
addr A eth0 192.0.2.1/24 2001:db8::1/64
addr B eth0 192.0.2.2/24 2001:db8::2/64
on A ip route add default via 192.0.2.2
on A ip -6 route add default via 2001:db8::2
no_leak 'found'
finish
