#!/bin/bash
# SPDX-License-Identifier: MIT
# wg0 behaves as a WireGuard interface does towards ip, ifconfig, route and wg.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 ==== eth0 -- wg0 10.7.0.2, fd07::2 B
. "$(dirname "$0")/../lib.sh"
require wg iperf3 jq tcpdump ifconfig route
require_impl "$IMPL"

wg0_is() { grep -qE "$1" <<<"$(on A ip -d link show dev wg0)"; }
stat_of() { on "$1" cat "/sys/class/net/wg0/statistics/$2"; }
sock() { on A test -S /run/wireguard/wg0.sock; }

#--- a new interface
host_add C
forwarding C # a router's interfaces join more multicast groups, and so say more
check 'create' impl_up C wg0 "$IMPL" || finish
check_equal 'MTU 1420' "$(on C cat /sys/class/net/wg0/mtu)" 1420
check 'down at first' sh -c "! nsenter -t ${HOST_PID[C]} -n ip link show wg0 up | grep -q wg0"
check_equal 'listed by wg' "$(on C wg show interfaces)" wg0
if [ "$IMPL" = wgx ]; then
	capture C noise any
	on C ip link set wg0 up
	addr C wg0 10.9.0.1/24 fd09::1/64
	sleep 3
	check_equal 'no link-local address' "$(on C ip -6 addr show dev wg0 scope link)" ''
	on C ip link set wg0 down
	on C ip link set wg0 up
	sleep 1
	# What the capture must see, if it sees anything: a packet that is wanted.
	wg_peer_of_nobody=$(wg genkey | wg pubkey)
	on C wg set wg0 peer "$wg_peer_of_nobody" allowed-ips 10.9.0.2/32
	before=$(wgx_drops C wg0)
	on C ping -q -c 1 -w 1 10.9.0.2 >/dev/null
	capture_end noise
	check_equal 'no ARP, ND, DAD or MLD of its own' \
		"$(captured C noise | grep -w wg0 | grep -vE 'ICMP (echo request|host .* unreachable)')" ''
	check 'the capture sees what there is' \
		test "$(captured C noise icmp | grep -w wg0 | grep -c 'echo request')" -gt 0
	check_equal 'nor any that BPF dropped' "$before" ''
	check 'no ARP flag' sh -c "nsenter -t ${HOST_PID[C]} -n ip link show wg0 | grep -q NOARP"
	check_equal 'users see one interface' \
		"$(on C ls /sys/class/net | grep -vxE 'lo|sit0|ip6tnl0|tunl0|gre0|gretap0|erspan0|ip6gre0|ip_vti0|ip6_vti0' | xargs)" wg0
fi
host_del C

#--- in use
check 'set up a tunnel' tunnel_pair "$IMPL" "$IMPL" 4 no || finish
check 'attach' attach_pair "$IMPL" "$IMPL"
check 'ping' ping_ok A 10.7.0.2
check 'down' on A ip link set wg0 down
check 'no ping while down' not on A ping -q -c 2 -i 0.2 -w 1 10.7.0.2
check 'up' on A ip link set wg0 up
addr A wg0 fd07::1/64
check 'ping after up' ping_ok A 10.7.0.2
check 'IPv6 after up' ping_ok A fd07::2

check 'MTU 1280' on A ip link set wg0 mtu 1280
check 'a packet of 1280 bytes passes' ping_ok A 10.7.0.2 -s 1252 -M do
check 'a packet of 1281 bytes does not' not on A ping -q -c 1 -w 1 -s 1253 -M do 10.7.0.2
check 'MTU 1380' on A ip link set wg0 mtu 1380
check 'on the other side as well' on B ip link set wg0 mtu 1380
check 'a packet of 1380 bytes passes' ping_ok A 10.7.0.2 -s 1352 -M do
check 'and back' ping_ok B 10.7.0.1 -s 1352 -M do
iperf_server B
check 'TCP with that MTU' iperf A 10.7.0.2
check 'TCP back' iperf A 10.7.0.2 -R
check 'MTU 1500 and outer fragments' on A ip link set wg0 mtu 1500
on B ip link set wg0 mtu 1500
check 'a packet of 1500 bytes passes' ping_ok A 10.7.0.2 -s 1472 -M do
check 'TCP with outer fragments' iperf A 10.7.0.2
on A ip link set wg0 mtu 1420
on B ip link set wg0 mtu 1420

tx=$(stat_of A tx_bytes) rx=$(stat_of B rx_bytes)
on A ping -q -c 10 -i 0.01 -s 1000 10.7.0.2 >/dev/null
tx=$(($(stat_of A tx_bytes) - tx)) rx=$(($(stat_of B rx_bytes) - rx))
check "ip -s link counts: sent $tx, received $rx" test $tx -ge 10280 -a $rx -ge 10280 -a $tx -le 12000 -a $rx -le 12000
transfer=$(on A wg show wg0 transfer | cut -f3)
on A ping -q -c 10 -i 0.01 -s 1000 10.7.0.2 >/dev/null
check 'wg show transfer counts' wait_for 5 sh -c \
	"test \$(nsenter -t ${HOST_PID[A]} -m -n -p wg show wg0 transfer | cut -f3) -ge $((transfer + 10280))"

#--- old tools
check 'ifconfig shows it' on A ifconfig wg0
check 'ifconfig sets an address' on A ifconfig wg0 10.7.0.1 netmask 255.255.255.0 mtu 1400 up
check_equal 'and the MTU' "$(on A cat /sys/class/net/wg0/mtu)" 1400
check 'ping' ping_ok A 10.7.0.2
check 'route adds' on A route add -net 10.77.0.0 netmask 255.255.0.0 dev wg0
check 'ip sees it' sh -c "nsenter -t ${HOST_PID[A]} -n ip route show dev wg0 | grep -q 10.77.0.0/16"
check 'route deletes' on A route del -net 10.77.0.0 netmask 255.255.0.0 dev wg0

# No peer for the destination: an answer, not silence.
on A ip route add 10.66.0.0/16 dev wg0
[ "$IMPL" != wgx ] || check 'no peer: host unreachable' sh -c \
	"nsenter -t ${HOST_PID[A]} -n ping -c 2 -i 0.2 -w 2 10.66.0.1 | grep -qi unreachable"

#--- the end
daemon=$(daemon_pid A wg0)
check 'there is a daemon' test -n "$daemon"
check 'ip link del' on A ip link del wg0
check 'wg0 is gone' wait_for 10 not on A ip link show wg0
check 'its socket is gone' wait_for 10 not sock
check 'its daemon is gone' wait_for 10 not on A kill -0 "$daemon"
[ "$IMPL" != wgx ] || check 'its pins are gone' wait_for 10 not on A test -e /sys/fs/bpf/wgx/wg0
check 'create it again' impl_up A wg0 "$IMPL"
daemon=$(daemon_pid A wg0)
on A rm /run/wireguard/wg0.sock
check 'removing the socket ends the interface' wait_for 10 not on A ip link show wg0
check 'and the daemon' wait_for 10 not on A kill -0 "$daemon"

#--- a dead socket
if [ "$IMPL" = wgx ]; then
	check 'create it once more' impl_up A wg0 "$IMPL"
	daemon=$(daemon_pid A wg0)
	on A kill -KILL "$daemon"
	wait_for 10 not on A kill -0 "$daemon"
	check 'wg show fails on a dead socket' not on A wg show wg0
	check 'which ends nothing: wg0 is there' on A ip link show wg0
	check 'a new daemon takes it' impl_up A wg0 "$IMPL"
	check_equal 'and answers' "$(on A wg show interfaces)" wg0
fi
finish
