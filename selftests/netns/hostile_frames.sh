#!/bin/bash
# SPDX-License-Identifier: MIT
# Forged frames on wg0, forged messages from the network, superframes that mix message types, and
# protocols whose offloads nobody else understands: nothing crashes, nothing wrong is sent, all is
# counted, and traffic still works after.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2, fd07::2 B
#	                           eth1 198.51.100.1 ==== 198.51.100.3 eth0 C (an outsider, and a relay)
#	                                          B eth1 203.0.113.2 ==== 203.0.113.3 eth1 C
. "$(dirname "$0")/../lib.sh"
require wg iperf3 jq python3 tcpdump
require_impl "$IMPL"

forge() { on "$1" python3 "$SELFTESTS/netns/forge.py" "${@:2}"; }

check 'set up' tunnel_pair "$IMPL" "$IMPL" 4 yes || finish
check 'attach' attach_pair "$IMPL" "$IMPL"
host_add C
link A eth1 C eth0
link B eth1 C eth1
addr A eth1 198.51.100.1/24
addr C eth0 198.51.100.3/24
addr B eth1 203.0.113.2/24
addr C eth1 203.0.113.3/24
check 'attach towards C' impl_attach A eth1 "$IMPL"
check 'attach towards C' impl_attach B eth1 "$IMPL"
check 'ping' ping_ok A 10.7.0.2
daemon_a=$(daemon_pid A wg0) daemon_b=$(daemon_pid B wg0)

alive() { # alive label: the same daemons, and a tunnel that works
	check_equal "$1: A's daemon lives" "$(daemon_pid A wg0)" "$daemon_a"
	check_equal "$1: B's daemon lives" "$(daemon_pid B wg0)" "$daemon_b"
	check "$1: ping" ping_ok A 10.7.0.2
	check "$1: TCP" iperf A 10.7.0.2
}
iperf_server B

csum_errors() { echo $(($(nstat_get B TcpInCsumErrors) + $(nstat_get B UdpInCsumErrors))); }

drops() { # drops A [label pattern]
	wgx_drops "$1" wg0 | awk -v p="${2:-.}" '$1 ~ p { n += $2 } END { print n + 0 }'
}

#--- forged frames on wg0
counted_frames() { # counted_frames kind count: each one that was written is a drop with a name
	local before sent
	before=$(drops A)
	sent=$(forge A frames wg0 "$1" "$2") || return
	wait_for 10 eval "[ \$((\$(drops A) - $before)) -ge $sent ]"
	echo "sent $sent, dropped $(($(drops A) - before))"
	wgx_drops A wg0
	[ "$sent" -gt 0 ] && [ $(($(drops A) - before)) -ge "$sent" ]
}

if [ "$IMPL" = wgx ]; then
	capture B inside wg0 not tcp port 5201
	for kind in unstamped random short short-stamped bad-header nobody arp; do
		check "frames on wg0, $kind: all counted" counted_frames $kind 2000
	done
	csum=$(csum_errors)
	check 'frames on wg0, lying stamps' forge A frames wg0 lying 2000
	check 'frames on wg0, superframes with lying stamps' forge A frames wg0 gso 500
	alive 'after forged frames'
	check_equal 'what came out has right UDP and TCP checksums' "$(csum_errors)" "$csum"
	capture_end inside
	check_equal "B's wg0 saw A's packets only" \
		"$(captured B inside 'not net 10.7.0.0/24 and not net fd07::/64' | head -n 5)" ''
	check 'and it saw some' test "$(captured B inside | wc -l)" -gt 0
	# A stamp that asks for a checksum anywhere inside the frame spoils the forger's own packet: as
	# much as he could have written there himself. It must do no more than that.
	check 'frames on wg0, lying about checksums' forge A frames wg0 lying-partial 2000
	alive 'after lies about checksums'
else
	skip 'frames on wg0' 'a TUN device has no far end'
fi

#--- forged messages from the network
check 'superframes of forged messages, from a neighbour' forge B flood 192.0.2.1 51820 2000
check 'superframes of forged messages, from an outsider' forge C flood 198.51.100.1 51820 2000
if [ "$IMPL" = wgx ]; then
	check 'forged data is counted' test "$(drops A 'unknown_receiver|open_auth')" -gt 1000
	check 'forged lengths are counted' test "$(drops A 'malformed')" -gt 100
	check 'forged handshakes are counted' test "$(drops A 'handshake_')" -gt 100
fi
alive 'after forged messages'

#--- superframes that mix forgeries with real data: each segment is judged by itself
spawn C relay python3 "$SELFTESTS/netns/forge.py" relay 51820 203.0.113.2 51820
wait_for 10 grep -q relaying "$WORK/relay.log"
wg_peer A wg0 B wg0 endpoint 198.51.100.3:51820
every_ping() { on A ping -q -i 0.005 -c 400 -W 5 -s "$1" 10.7.0.2 | grep -E '\b(400|399) received'; }
check 'data among forgeries arrives' every_ping 100
check 'larger data among forgeries arrives' every_ping 1300
check 'the peer came through the relay' sh -c \
	"nsenter -t ${HOST_PID[B]} -m -n -p wg show wg0 endpoints | grep -q 203.0.113.3"
[ "$IMPL" != wgx ] || check 'the forgeries are counted' test "$(drops B)" -gt 1000
stop relay
wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820
alive 'after mixed superframes'

#--- handshakes in the middle of bulk traffic
last_handshake() { on B wg show wg0 latest-handshakes | cut -f2; }
rekey_in_bulk() {
	local before status
	before=$(last_handshake)
	(T=5 iperf A 10.7.0.2 --bidir) &
	for _ in 1 2 3; do
		sleep 1
		wg_peer A wg0 B wg0 remove
		wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 preshared-key "$WORK/psk" \
			allowed-ips 10.7.0.2/32,fd07::2/128
	done
	wait $!
	status=$?
	[ "$(last_handshake)" -gt "$before" ] || { echo 'no new handshake' && return 1; }
	return $status
}
check 'handshakes in the middle of bulk traffic' rekey_in_bulk
alive 'after handshakes in bulk'

#--- protocols whose offloads wg0 must not claim
raw() { # raw version dst protocol
	local sent
	spawn B raw python3 "$SELFTESTS/netns/forge.py" raw-recv "$1" "$3" 300
	wait_for 10 grep -q ready "$WORK/raw.log"
	sent=$(forge A raw-send "$2" "$3" 300) || return
	wait "${SPAWN_PID[raw]}"
	echo "sent $sent, received $(tail -n 1 "$WORK/raw.log")"
	[ "$sent" = "$(tail -n 1 "$WORK/raw.log")" ]
}
check 'GRE packets over IPv4' raw 4 10.7.0.2 47
check 'GRE packets over IPv6' raw 6 fd07::2 47
check 'SCTP packets over IPv4' raw 4 10.7.0.2 132
check 'SCTP packets over IPv6' raw 6 fd07::2 132
check 'a protocol without a name' raw 4 10.7.0.2 253
check 'inner fragments' ping_ok A 10.7.0.2 -s 6000
check 'inner fragments, IPv6' ping_ok A fd07::2 -s 6000

csum=$(csum_errors)
vxlan_up() { # vxlan_up host local remote address
	on "$1" ip link add vx0 type vxlan id 7 local "$2" remote "$3" dstport 4789 dev wg0 &&
		on "$1" ip link set vx0 mtu 1300 up && addr "$1" vx0 "$4"
}
if vxlan_up A 10.7.0.1 10.7.0.2 10.11.0.1/24 2>/dev/null && vxlan_up B 10.7.0.2 10.7.0.1 10.11.0.2/24; then
	check 'VXLAN over wg0: ping' ping_ok A 10.11.0.2
	check 'VXLAN over wg0: TCP' iperf A 10.11.0.2
	check 'VXLAN over wg0: TCP back' iperf A 10.11.0.2 -R
	check 'VXLAN over wg0: UDP' iperf A 10.11.0.2 -u -b 100M -l 1200
	check_equal 'VXLAN over wg0: checksum errors' "$(csum_errors)" "$csum"
else
	skip 'VXLAN over wg0' 'this kernel has no VXLAN'
fi
alive 'at the end'
finish
