#!/bin/bash
# SPDX-License-Identifier: MIT
# What others do to wgx, and what it runs out of: another's XDP program on the device, links, pins and qdiscs taken
# away, no descriptors left, no room in /run, a daemon that is stopped for a while. Each is refused with a reason,
# or goes on, or is lost and counted; never half a configuration, never plaintext.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2 B
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/links.inc"
require wg jq bpftool ethtool prlimit tcpdump
require_wgx

XDP_PASS=$BUILD/bpf/xdp_pass.bpf.o
[ -e "$XDP_PASS" ] || bail 'tools are built' "$XDP_PASS is not there; run make tools"

check 'a tunnel' tunnel_pair wgx wgx 4 no || finish
check 'B: attach' impl_attach B eth0 wgx
check 'ping' ping_ok A 10.7.0.2
steered() { wgx_json A '[.attached[0].counters.steered_frames][0] // 0'; }
# accelerated: A gets packets by the attached device, and they are right
accelerated() {
	local before
	before=$(steered)
	file_copy B A 10.7.0.1 2 && echo "steered $before, then $(steered)" && [ "$(steered)" -gt "$before" ]
}
descriptors() { on A sh -c "ls /proc/$pid/fd | wc -l"; }
pid=$(daemon_pid A wg0)

# ---- another's XDP program ----

on A bpftool prog load "$XDP_PASS" /sys/fs/bpf/other type xdp
if on A bpftool net attach xdpdrv pinned /sys/fs/bpf/other dev eth0 2>"$WORK/xdp.log"; then
	id=$(on A bpftool -j prog show pinned /sys/fs/bpf/other | jq .id)
	check "another's XDP program: --mode native is refused" not wgx A attach eth0 --mode native
	wgx A attach eth0 --mode native 2>"$WORK/err"
	check "with its number, $id" grep -q "id $id\b" "$WORK/err"
	check 'and its name' grep -qw xdp_pass "$WORK/err"
	check_equal 'eth0 is not attached' "$(wgx_mode A eth0)" none
	check 'wgx attach takes another way' wgx A attach eth0
	check_equal 'which is tcx' "$(wgx_mode A eth0)" tcx
	check 'accelerated' accelerated
	check_equal "the other's program is there as before" \
		"$(on A bpftool -j net show dev eth0 | jq '[.[0].xdp[]?.id, .[0].xdp[]?.prog_id] | map(select(. != null))[0]')" "$id"
	on A bpftool net detach xdpdrv dev eth0
	check 'it goes: accelerated' accelerated
else
	skip "another's XDP program" "$(cat "$WORK/xdp.log")"
	check 'attach' wgx A attach eth0
fi
on A rm /sys/fs/bpf/other

# ---- pins ----

on A sh -c 'rm -r /sys/fs/bpf/wgx/wg0'
check 'pins deleted: accelerated' accelerated
check 'wgx show' wgx A show
check 'a peer can be configured' on A wg set wg0 peer "$(pub_of B wg0)" allowed-ips 10.7.0.2/32,10.7.9.0/24
check 'and its allowed IPs are in effect' ping_ok A 10.7.0.2

# ---- links of tcx ----

before=$(restored)
if detached eth0; then
	check "eth0's tcx link detached: packets come by the socket" file_copy B A 10.7.0.1 2
	check 'it is put back' wait_for 20 more_restored "$before"
	check 'accelerated' accelerated
else
	skip "eth0's tcx link detached" 'bpftool cannot'
fi
before=$(restored)
capture A plain eth0 'host 10.7.0.2'
if detached wg0; then
	drops=$(wgx_drops A wg0)
	on A ping -q -c 3 -i 0.1 -W 0.2 10.7.0.2 >/dev/null
	check "wg0's tcx link detached: it is put back" wait_for 20 more_restored "$before"
	check 'ping' wait_for 20 ping_ok A 10.7.0.2
	check_equal 'nothing has left in the clear' "$(capture_end plain; captured A plain | wc -l)" 0
	now=$(wgx_drops A wg0)
	check "drops before: ${drops//$'\n'/, }; now: ${now//$'\n'/, }" test "$drops" != "$now"
	check 'accelerated' accelerated
else
	skip "wg0's tcx link detached" 'bpftool cannot'
fi
# steer_links: those at the far ends, which are no devices of this namespace
steer_links() {
	on A sh -c 'cat /proc/$1/fdinfo/*' sh "$pid" | awk '$1 == "link_type:" { xdp = $2 == "xdp" }
		$1 == "link_id:" { id = $2 }
		$1 == "ifindex:" && xdp { print id; xdp = 0 }'
}
before=$(restored)
links=$(steer_links)
if [ -n "$links" ] && for l in $links; do on A bpftool link detach id "$l" || exit 1; done; then
	check 'the far ends have lost their programs: put back' wait_for 20 more_restored $((before + 1))
	check 'ping' wait_for 20 ping_ok A 10.7.0.2
	check 'accelerated' accelerated
else
	skip 'the far ends have lost their programs' 'bpftool cannot'
fi

# ---- strict mode's links and pins ----

check 'strict mode' wgx A detach eth0
check 'attach, strict' wgx A attach eth0 --strict
pinned() { on A find /sys/fs/bpf/wgx-strict -type f | wc -l; }
leaks() { # a packet that belongs into the tunnel, past wg0
	on A ip route add 10.7.0.2/32 via 192.0.2.2
	capture B leak eth0 'icmp and host 10.7.0.2'
	on A ping -q -c 2 -i 0.1 -W 0.2 10.7.0.2 >/dev/null
	capture_end leak
	on A ip route del 10.7.0.2/32 via 192.0.2.2
	[ "$(captured B leak | wc -l)" -gt 0 ]
}
check 'nothing leaks' not leaks
n=$(pinned)
before=$(restored)
check "strict mode's pins are removed" on A rm -r /sys/fs/bpf/wgx-strict
check 'they are put back' wait_for 20 more_restored "$before"
check_equal 'all of them' "$(pinned)" "$n"
check 'nothing leaks' not leaks
before=$(restored)
if on A sh -c 'for l in /sys/fs/bpf/wgx-strict/*/*gress_*; do bpftool link detach pinned "$l" || exit 1; done'; then
	check "strict mode's links are detached: put back" wait_for 20 more_restored "$before"
	check 'nothing leaks' not leaks
fi
# something is in the way of those who remove the pins
dir=$(on A sh -c 'echo /sys/fs/bpf/wgx-strict/*')
on A mount -t tmpfs none "$dir"
check 'not strict any more' wgx A detach eth0
on A umount "$dir"
check 'nothing is left of it, when that can be' wait_for 20 not on A test -e "$dir"
check 'without it the route leaks' leaks
check 'attach' wgx A attach eth0

# ---- a qdisc ----

on A tc qdisc replace dev wg0 root pfifo limit 100 2>/dev/null || on A tc qdisc replace dev wg0 root noqueue 2>/dev/null
check 'another root qdisc on wg0: accelerated' accelerated
on A tc qdisc del dev wg0 root 2>/dev/null
on A tc qdisc add dev eth0 clsact 2>/dev/null
on A tc qdisc del dev eth0 clsact 2>/dev/null
check "another's clsact came and went on eth0: accelerated" accelerated

# ---- descriptors ----

pid=$(daemon_pid A wg0)
before=$(descriptors)
on A prlimit --pid "$pid" --nofile=$((before + 3)):
check 'no descriptors left: wgx wg1 is refused' not wgx A wg1
check 'and leaves no device' not on A ip link show wg1
check 'nor a socket' not on A test -e /run/wireguard/wg1.sock
check 'wg0 goes on' ping_ok A 10.7.0.2
check 'and can be configured' wait_for 10 on A wg show wg0
on A prlimit --pid "$pid" --nofile=1024:
check 'no descriptor is lost' wait_for 20 eval '[ "$(descriptors)" -le '"$before"' ]'
check 'with descriptors wgx wg1 works' wgx A wg1
on A ip link del wg1
check 'and goes' wait_for 20 not on A test -e /run/wireguard/wg1.sock
check 'nothing is lost by that' wait_for 20 eval '[ "$(descriptors)" -le '"$before"' ]'

# ---- stopped for a while ----

on A kill -STOP "$pid"
capture A stopped eth0 'host 10.7.0.2'
check 'the daemon stopped: nothing passes' not ping_ok A 10.7.0.2 -w 2
sleep 5
on A kill -CONT "$pid"
check 'it goes on: ping' wait_for 30 ping_ok A 10.7.0.2
check 'accelerated' accelerated
check_equal 'nothing left in the clear' "$(capture_end stopped; captured A stopped | wc -l)" 0

# ---- bpffs goes ----

pid=$(daemon_pid A wg0)
on A umount /sys/fs/bpf
check 'bpffs unmounted: wgx wg1 is refused' not wgx A wg1
wgx A wg1 2>"$WORK/err"
check 'for that reason' grep -q '/sys/fs/bpf/wgx: No such file or directory' "$WORK/err"
check 'and leaves no device' not on A ip link show wg1
check 'strict mode is refused' not wgx A attach eth0 --strict
check_equal 'the daemon is there' "$(daemon_pid A wg0)" "$pid"
check 'ping' ping_ok A 10.7.0.2
on A mount -t bpf bpf /sys/fs/bpf
check 'mounted: wgx wg1 works' wgx A wg1
on A ip link del wg1
check 'and goes' wait_for 20 not on A test -e /run/wireguard/wg1.sock

# ---- no room in /run ----

host_add C
on C mount -t tmpfs -o size=64k,nr_inodes=1 tmpfs /run
check '/run is full: wgx wg0 is refused' not wgx C wg0
wgx C wg0 2>"$WORK/err"
check 'for that reason' grep -q 'No space left on device' "$WORK/err"
check 'no device is left' not on C ip link show wg0
check 'no process' not on C sh -c 'cat /proc/[0-9]*/comm | grep -q ^wgx'
on C umount /run
check 'with room it works' impl_up C wg0 wgx
finish
