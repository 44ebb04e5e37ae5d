#!/bin/bash
# SPDX-License-Identifier: MIT
# A peer that moves is followed: each authenticated packet tells where it is now. Addresses and ports
# change on either side, IPv4 and IPv6, and from one to the other; and nothing else moves a peer.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 192.0.2.1, 2001:db8::1
#	                             |                             C eth1 is A's eth1, an outsider's place:
#	B wg0 10.7.0.2, fd07::2 -- eth0 192.0.2.2, 2001:db8::2     203.0.113.3 ==== 203.0.113.2 B eth1
. "$(dirname "$0")/../lib.sh"
require wg jq socat python3 tcpdump bpftool
require_impl wgx

endpoint_is() { [ "$(on "$1" wg show wg0 endpoints | cut -f2)" = "$2" ]; }
followed() { wait_for 10 endpoint_is "$@" || { on "$1" wg show wg0 endpoints && return 1; }; }

# moves A 192.0.2.1/24 192.0.2.11/24: one address in place of another. wireguard-go goes on sending from the
# old one (it names the device, and then the kernel does not mind) until its mark changes.
MARK=0
moves() {
	on "$1" ip addr del "$2" dev eth0 && on "$1" ip addr add "$3" dev eth0 nodad
	[ "${IMPL_OF[$1]}" = wgx ] || on "$1" wg set wg0 fwmark $((++MARK))
}

# pings_from A: towards the other
pings_from() {
	case $1 in
	A) ping_ok A 10.7.0.2 ;;
	B) ping_ok B 10.7.0.1 ;;
	esac
}

# mapped A 192.0.2.2 51820: what BPF and its readers are told
mapped() {
	on "$1" bpftool -j map dump pinned /sys/fs/bpf/wgx/wg0/peers | python3 -c '
import ipaddress, json, sys
v = json.load(sys.stdin)[0]["formatted"]["value"]
a = ipaddress.ip_address(bytes(v["endpoint"]))
print(a.ipv4_mapped or a, v["port"])' | grep -Fx "$2 $3"
}

# steered A: data comes through AF_XDP, none through the socket
steered() {
	local xsk socket
	xsk=$(wgx_counter "$1" wg0 opened_xsk_packets) socket=$(wgx_counter "$1" wg0 opened_socket_packets)
	ping_ok A 10.7.0.2 || return
	[ "$(wgx_counter "$1" wg0 opened_xsk_packets)" -ge $((xsk + 3)) ] &&
		[ "$(wgx_counter "$1" wg0 opened_socket_packets)" = "$socket" ]
}

# moved LABEL mover other endpoint: the mover talks, the other follows, data takes the fast path again
moved() {
	local host=${4%:*} h
	host=${host#[} host=${host%]}
	check "P-DT-1 $1: traffic goes on" pings_from "$2"
	check "P-DT-1 $1: followed" followed "$3" "$4"
	for h in A B; do
		[ "${IMPL_OF[$h]}" = wgx ] || continue
		[ $h != "$3" ] || check "$1: $h's maps say so" wait_for 10 mapped $h "$host" "${4##*:}"
		check "$1: $h is steered to" wait_for 10 steered $h
	done
}

# quiet A: the last ping has arrived, also one that nobody waited for
quiet() {
	local before
	before=$(on "$1" cat /sys/class/net/wg0/statistics/rx_packets)
	sleep 0.2
	[ "$(on "$1" cat /sys/class/net/wg0/statistics/rx_packets)" = "$before" ]
}

# keepalive_moves LABEL mover other endpoint: a keepalive is enough
keepalive_moves() {
	local before
	wait_for 10 quiet "$3"
	before=$(on "$3" cat /sys/class/net/wg0/statistics/rx_packets)
	wg_peer "$2" wg0 "$3" wg0 persistent-keepalive 1
	check "P-DT-1 $1: followed" followed "$3" "$4"
	check_equal "$1: without a packet of data" "$(on "$3" cat /sys/class/net/wg0/statistics/rx_packets)" "$before"
	wg_peer "$2" wg0 "$3" wg0 persistent-keepalive 0
}

roams() { # roams implA implB
	local l="$1 and $2"
	declare -gA IMPL_OF=([A]=$1 [B]=$2)
	check "$l: set up" tunnel_pair "$1" "$2" 4 yes || finish
	check "$l: attach" attach_pair "$1" "$2"
	check "$l: ping" pings_from A
	moves A 192.0.2.1/24 192.0.2.11/24
	moved "$l: A's address" A B 192.0.2.11:51820
	moves B 192.0.2.2/24 192.0.2.12/24
	moved "$l: B's address" B A 192.0.2.12:51820
	on A wg set wg0 listen-port 51999
	moved "$l: A's port" A B 192.0.2.11:51999
	on B wg set wg0 listen-port 51998
	moved "$l: B's port" B A 192.0.2.12:51998
	moves A 192.0.2.11/24 192.0.2.1/24
	keepalive_moves "$l: A's keepalive" A B 192.0.2.1:51999
	moves B 192.0.2.12/24 192.0.2.2/24
	keepalive_moves "$l: B's keepalive" B A 192.0.2.2:51998
	wg_peer A wg0 B wg0 endpoint '[2001:db8::2]:51998'
	moved "$l: IPv4 to IPv6" A B '[2001:db8::1]:51999'
	moves A 2001:db8::1/64 2001:db8::11/64
	moved "$l: A's IPv6 address" A B '[2001:db8::11]:51999'
	moves B 2001:db8::2/64 2001:db8::12/64
	moved "$l: B's IPv6 address" B A '[2001:db8::12]:51998'
	on B wg set wg0 listen-port 51820
	keepalive_moves "$l: B's IPv6 keepalive, new port" B A '[2001:db8::12]:51820'
	wg_peer B wg0 A wg0 endpoint 192.0.2.1:51999
	moved "$l: IPv6 to IPv4" B A 192.0.2.2:51820
}

roams wgx wgx

#--- what does not authenticate moves nobody, nor does what comes a second time
host_add C
link B eth1 C eth1
addr B eth1 203.0.113.2/24
addr C eth1 203.0.113.3/24
check 'attach towards the outsider' wgx B attach eth1
rejected() { wgx_drops B wg0 | awk -v p="$1" '$1 ~ p { n += $2 } END { print n + 0 }'; }
rejects() { [ "$(rejected "$1")" -ge "$2" ]; }
endpoint=$(on B wg show wg0 endpoints)
capture B real eth0 udp
check 'data to replay' pings_from A
capture_end real
before=$(rejected open_replay)
sent=$(on C python3 "$SELFTESTS/netns/wire.py" resend "$WORK/real.pcap" 192.0.2.1 203.0.113.2 51820 3)
check_equal 'replayed from elsewhere' "$sent" 3
check 'counted as replays' wait_for 10 rejects open_replay $((before + 3))
check_equal 'P-DT-1 a replay moves nobody' "$(on B wg show wg0 endpoints)" "$endpoint"
before=$(rejected 'open_auth|unknown_receiver')
check 'forgeries from elsewhere' on C python3 -c '
import socket, sys
sys.path.insert(0, sys.argv[1])
import wire
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for m in wire.data_from(sys.argv[2], "192.0.2.1")[-3:]:
    s.sendto(m[:8] + b"\xff" * 6 + m[14:], ("203.0.113.2", 51820))' "$SELFTESTS/netns" "$WORK/real.pcap"
check 'counted as forged' wait_for 10 rejects 'open_auth|unknown_receiver' $((before + 3))
check_equal 'P-DT-1 a forgery moves nobody' "$(on B wg show wg0 endpoints)" "$endpoint"
host_del C

#--- in the middle of bulk traffic
restless() { # until $WORK/settled is there
	local n=0
	while [ ! -e "$WORK/settled" ]; do
		moves A 192.0.2.$((n % 2 * 10 + 1))/24 192.0.2.$(((n + 1) % 2 * 10 + 1))/24
		n=$((n + 1))
		sleep 0.3
	done
	echo "moved $n times"
	[ $n -gt 1 ]
}
copy_while_moving() {
	local status=0
	restless &
	local mover=$!
	file_copy A B 10.7.0.2 100 || status=1
	touch "$WORK/settled"
	wait $mover || status=1
	return $status
}
check 'P-DT-1 A moves while it sends: 100 MB, SHA-256' copy_while_moving
host_del A B

if command -v "$WGGO" >/dev/null && [ -c /dev/net/tun ]; then
	roams wgx wireguard-go
	host_del A B
	roams wireguard-go wgx
else
	skip 'with wireguard-go' 'needs wireguard-go'
fi
finish
