#!/bin/bash
# SPDX-License-Identifier: MIT
# What can be the underlay: the kinds of devices, and what becomes of an attached one that is unplugged,
# renamed, or taken down. The tunnel lives by the UDP socket whatever happens to the device.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ======== 192.0.2.2 UNDERLAY -- wg0 10.7.0.2 B
#
# UNDERLAY is eth0, or what B makes of it: a bridge with eth0 as its port, a macvlan on it, a VLAN, a
# bond, a device in a VRF. What the kernel does not have is skipped.
. "$(dirname "$0")/../lib.sh"
require wg jq ethtool
require_wgx

check 'set up' tunnel_pair wgx wgx 4 no || finish
check 'attach' impl_attach A eth0 wgx
check 'ping' ping_ok A 10.7.0.2
# A device answers ARP requests for its own addresses only, not for those of another on top of it.
on B sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore'
TUNNEL=$(on B cat /sys/class/net/wg0/ifindex)

steered() { wgx_json B '[.attached[0].counters.steered_frames][0] // 0'; }
# accelerated: B gets packets by the attached device, and they are right
accelerated() {
	local before
	before=$(steered)
	file_copy A B 10.7.0.2 2 && echo "steered $before, then $(steered)" && [ "$(steered)" -gt "$before" ]
}
# attached DEV: in mode tcx; or awaited
attached() { [ "$(wgx_mode B "$1")" = tcx ]; }
awaited() { grep -qxF "$1" <<<"$(wgx_json B '.awaited | join(" ")')"; }
# socket_only: everything passes, and nothing by an attached device
socket_only() {
	file_copy A B 10.7.0.2 2 && [ "$(wgx_json B '.attached | length')" = 0 ]
}
same_tunnel() { [ "$(on B cat /sys/class/net/wg0/ifindex)" = "$TUNNEL" ]; }
# tried TYPE [argument ...]: whether B's kernel has this kind of device on eth0
tried() {
	on B ip link add link eth0 name probe0 type "$@" 2>"$WORK/tried" &&
		on B ip link del probe0
}

#--- eth0 itself, to be compared with
check 'eth0: attach' wgx B attach eth0
check 'eth0: accelerated' accelerated

#--- its address goes to another device on top of it
# over TYPE DEV: DEV is there, on eth0; the address moves onto it, and back at the end
over() {
	on B ip addr del 192.0.2.2/24 dev eth0
	on B ip link set "$2" up
	addr B "$2" 192.0.2.2/24
	wgx B detach eth0 >/dev/null 2>&1
	on A ip neigh flush dev eth0
	check "$1: the tunnel lives by the socket" socket_only
	check "$1: attach" wgx B attach "$2"
	check "$1: accelerated" accelerated
	check "$1: detach" wgx B detach "$2"
	check "$1: by the socket again" socket_only
	check "$1: the device below can be attached as well" wgx B attach eth0
	check "$1: and is accelerated" accelerated
	on B ip link del "$2"
	on B ip link set eth0 up
	addr B eth0 192.0.2.2/24
	on A ip neigh flush dev eth0
	check "$1: gone; eth0 is accelerated" accelerated
}

if tried bridge; then
	on B ip link add br0 type bridge
	on B ip link set eth0 master br0
	over bridge br0
	on B ip link add br0 type bridge
	on B ip link set eth0 master br0
	wgx B detach eth0 >/dev/null
	check 'bridge port: attach warns' sh -c "nsenter -t ${HOST_PID[B]} -m -n -p '$WGX' attach eth0 |
		grep 'eth0: it is a port of br0.*attach br0'"
	on B ip link del br0
else
	skip 'bridge' "$(tail -n 1 "$WORK/tried")"
fi

if tried macvlan mode bridge; then
	on B ip link add link eth0 name mv0 type macvlan mode bridge
	over macvlan mv0
else
	skip 'macvlan' "$(tail -n 1 "$WORK/tried")"
fi

if tried vlan id 7; then # on both hosts; on the device below, a tag is what wgx does not judge
	for h in A B; do
		on $h ip link add link eth0 name eth0.7 type vlan id 7
		on $h ip addr flush dev eth0
		on $h ip link set eth0.7 up
	done
	addr A eth0.7 192.0.2.1/24
	addr B eth0.7 192.0.2.2/24
	check 'vlan: with the device below attached, by the socket' file_copy A B 10.7.0.2 2
	wgx B detach eth0 >/dev/null
	check 'vlan: attach' wgx B attach eth0.7
	check 'vlan: accelerated' accelerated
	check 'vlan: detach' wgx B detach eth0.7
	for h in A B; do
		on $h ip link del eth0.7
	done
	addr A eth0 192.0.2.1/24
	addr B eth0 192.0.2.2/24
	check 'vlan: gone; eth0 attaches' wgx B attach eth0
	check 'vlan: gone; eth0 is accelerated' accelerated
else
	skip 'vlan' "$(tail -n 1 "$WORK/tried")"
fi

if on B ip link add bond0 type bond mode active-backup 2>"$WORK/tried"; then
	on B ip link set eth0 down
	on B ip link set eth0 master bond0
	on B ip link set eth0 up
	over bond bond0
else
	skip 'bond' "$(tail -n 1 "$WORK/tried")"
fi

# In a VRF: its routes are in a table of their own, which wg0's mark leads to.
if on B ip link add vrf0 type vrf table 10 2>"$WORK/tried"; then
	wgx B detach eth0 >/dev/null
	on B ip link set vrf0 up
	on B ip link set eth0 master vrf0
	on B sysctl -q net.ipv4.udp_l3mdev_accept=1
	on B ip rule add fwmark 77 table 10
	on B wg set wg0 fwmark 77
	check_equal 'vrf: no way to the peer in the main table' "$(on B ip route get 192.0.2.1 2>&1 | grep -c eth0)" 0
	check 'vrf: the tunnel lives by the socket' socket_only
	check 'vrf: attach' wgx B attach eth0
	check 'vrf: accelerated' accelerated
	check 'vrf: B speaks' ping_ok B 10.7.0.1
	on B wg set wg0 fwmark 0
	on B ip link del vrf0
	check 'vrf: gone; eth0 is accelerated' accelerated
else
	skip 'vrf' "$(tail -n 1 "$WORK/tried")"
fi

#--- the device goes down and comes up
on B ip link set eth0 down
check 'down: nothing comes' not on A ping -q -c 2 -i 0.2 -w 1 10.7.0.2
on B ip link set eth0 up
check 'up: attached still' attached eth0
check 'up: accelerated' accelerated

#--- it is renamed
on B ip link set eth0 down
on B ip link set eth0 name lan0
on B ip link set lan0 up
check 'renamed: the attachment goes with it' wait_for 10 attached lan0
check 'renamed: accelerated' accelerated
on B ip link property add dev lan0 altname lan-alt 2>/dev/null && {
	check 'it is found by an alternative name as well' not wgx B attach lan-alt
	check 'which detaches it' wgx B detach lan-alt
	check 'and attaches it' wgx B attach lan-alt
	check 'under its own name' attached lan0
}

#--- it is unplugged, and another takes its place
unplug() { # unplug DEV: B loses its cable, and A's end with it
	on B ip link del "$1"
}
plug() { # plug DEV
	link A eth0 B "$1"
	addr A eth0 192.0.2.1/24
	addr B "$1" 192.0.2.2/24
}
unplug lan0
check 'unplugged: awaited' wait_for 10 awaited lan0
check 'unplugged: show says so' sh -c "nsenter -t ${HOST_PID[B]} -m -n -p '$WGX' show | grep -x 'awaited: lan0'"
check 'unplugged: wg0 stays' same_tunnel
plug eth0
check 'plugged in under another name: by the socket' socket_only
check 'lan0 is awaited still' awaited lan0
on B ip link set eth0 down
on B ip link set eth0 name lan0
on B ip link set lan0 up
check 'renamed to what is awaited: attached' wait_for 10 attached lan0
check 'and nothing is awaited' awaited ''
check 'and accelerated' accelerated
for i in 1 2 3; do
	unplug lan0
	plug lan0
done
check 'unplugged and plugged in, three times: attached' wait_for 10 attached lan0
check 'accelerated' accelerated
check 'wg0 is the same as ever' same_tunnel

#--- as asked for: a mode, and an end
wgx B detach lan0 >/dev/null
check 'attach, native' wgx B attach lan0 --mode native
unplug lan0
check 'unplugged' wait_for 10 awaited lan0
plug lan0
native() { [ "$(wgx_mode B lan0)" = native ]; }
check 'back in the mode that was asked for' wait_for 10 native
check 'native: traffic' file_copy A B 10.7.0.2 2
unplug lan0
check 'unplugged again' wait_for 10 awaited lan0
check 'detach ends the waiting' wgx B detach lan0
check 'nothing is awaited' awaited ''
plug lan0
check 'back: by the socket' socket_only
check 'detach of what is not attached fails' not wgx B detach lan0

#--- moved to another namespace and back
check 'attach' wgx B attach lan0
host_add C
nsenter -t "${HOST_PID[B]}" -n ip link set lan0 netns "${HOST_PID[C]}"
check 'moved away: awaited' wait_for 10 awaited lan0
nsenter -t "${HOST_PID[C]}" -n ip link set lan0 netns "${HOST_PID[B]}"
on B ip link set lan0 up
addr B lan0 192.0.2.2/24
check 'moved back: attached' wait_for 10 attached lan0
check 'and accelerated' accelerated

#--- it takes no daemon down that it went
unplug lan0
wait_for 10 awaited lan0
pid=$(daemon_pid B wg0)
on B ip link del wg0
check 'the daemon ends while a device is awaited' wait_for 10 not on B kill -0 "$pid"
finish
