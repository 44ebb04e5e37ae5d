#!/bin/bash
# SPDX-License-Identifier: MIT
# The underlay's next hop is lost: its entry is deleted, it does not answer for a while, it comes back with another MAC
# address. What waits for it in vain is counted; the tunnel goes on by itself, in the same session.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1, 2001:db8::1 ==== eth0 192.0.2.2, 2001:db8::2 -- wg0 10.7.0.2 B
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/pings.inc"
require wg jq tcpdump
require_wgx

unresolved() { wgx_drops A wg0 | awk '$1 == "send_unresolved" { n = $2 } END { print n + 0 }'; }
more_unresolved() { [ "$(unresolved)" -gt "$1" ]; }
next_hop() { on A ip neigh show to "$1" dev eth0 | grep -o 'lladdr [0-9a-f:]*'; }
handshake() { on A wg show wg0 latest-handshakes; }
answered() { grep -c 'bytes from' "$WORK/ping.log"; }
more_answered() { [ "$(answered)" -gt "$1" ]; }

# vanishes LABEL ROUTE NEXT-HOP: nobody is at NEXT-HOP, through which ROUTE goes for a while, under ping
vanishes() {
	local label=$1 route=$2 hop=$3 before lost family=-4
	[[ $hop != *:* ]] || family=-6
	before=$(unresolved)
	spawn A ping ping -i 0.05 10.7.0.2
	check "$label: ping" wait_for 20 more_answered 2
	check "$label: there is none" on A ip "$family" route add "$route" via "$hop"
	check "$label: what waits in vain is counted" wait_for 30 more_unresolved $((before + 3))
	check "$label: it is there" on A ip "$family" route del "$route" via "$hop"
	check "$label: the tunnel goes on" wait_for 30 more_answered $(($(answered) + 5))
	stop ping INT
	lost=$(lost_pings ping)
	# what still waits for it is given up a moment later
	check "$label: all $lost pings that are lost are counted" wait_for 20 more_unresolved $((before + lost - 1))
	# a keepalive or a handshake may be among them
	check "$label: and nothing else" test $(($(unresolved) - before)) -le $((lost + 8))
}

check 'a tunnel' tunnel_pair wgx wgx 4 no || finish
check 'attach' attach_pair wgx wgx
# the kernel gives up on a next hop after 3 questions, and looks after a silent one: sooner than in 40 s
on A sh -c 'for f in ipv4 ipv6; do
	cd /proc/sys/net/$f/neigh/eth0
	echo 200 >retrans_time_ms
	echo 1 >delay_first_probe_time
	echo 1000 >base_reachable_time_ms
done'
check 'ping' ping_ok A 10.7.0.2
shaken=$(handshake)
capture A plain eth0 'icmp or icmp6[0] == 128 or icmp6[0] == 129'

# ---- the entry is deleted ----

delete_often() {
	local i
	for ((i = 0; i < 8; i++)); do
		on A ip neigh flush dev eth0 || return
		sleep 0.1
	done
}
before=$(unresolved)
spawn A ping ping -i 0.02 10.7.0.2
check 'deleted: ping' wait_for 20 more_answered 2
check 'deleted, eight times' delete_often
sleep 0.3
stop ping INT
check_equal 'deleted: packets wait, none is lost' "$(lost_pings ping)" 0
check_equal 'deleted: none is counted' "$(unresolved)" "$before"

# ---- nobody answers ----

vanishes 'no answer' 192.0.2.2/32 192.0.2.99
check_equal 'no answer: the same session' "$(handshake)" "$shaken"

# ---- another MAC address ----

spawn A ping ping -i 0.05 10.7.0.2
check 'another MAC address: ping' wait_for 20 more_answered 2
on B ip link set eth0 address 02:00:00:00:00:99
check 'another MAC address: the kernel finds it' wait_for 40 sh -c "nsenter -t ${HOST_PID[A]} -n ip neigh show to 192.0.2.2 |
	grep 'lladdr 02:00:00:00:00:99'"
check 'another MAC address: the tunnel goes on' wait_for 30 more_answered $(($(answered) + 5))
stop ping INT
check_equal 'another MAC address: B took nothing that was for the old one twice' \
	"$(wgx_drops B wg0 | awk '$1 == "open_replay" || $1 == "open_auth"')" ''

# ---- IPv6 ----

over_ipv6() { # what was on its way over IPv4 may take either along once more
	wg_peer A wg0 B wg0 endpoint '[2001:db8::2]:51820'
	ping_ok A 10.7.0.2 && sleep 0.3 && ping_ok A 10.7.0.2 || return
	on A wg show wg0 endpoints | grep -F '[2001:db8::2]' && on B wg show wg0 endpoints | grep -F '[2001:db8::1]'
}
check 'IPv6: endpoint, ping' wait_for 30 over_ipv6
vanishes 'IPv6, no answer' 2001:db8::2/128 2001:db8::99
capture_end plain
check_equal 'nothing has left in the clear' "$(captured A plain | grep -c '10\.7\.')" 0
finish
