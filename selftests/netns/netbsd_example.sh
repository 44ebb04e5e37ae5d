#!/bin/bash
# SPDX-License-Identifier: MIT
# The example of NetBSD's wg(4): a stationary server A with a LAN behind it, a roaming client B.
#
#	lan eth0 10.1.0.2, fd00:1::2
#	 |
#	 | 10.1.0.0/24, fd00:1::/64
#	 |
#	lan0 .1    A    wan0 192.0.2.123 ---- 192.0.2.1 r 198.51.100.1 ---- 198.51.100.45 eth0   B
#	           wg0 10.2.0.1, fd00:2::1                       10.2.0.42, fd00:2::42 wg0
#
# A listens on port 1234 and does not know where B is. Later B moves to 203.0.113.7.
. "$(dirname "$0")/../lib.sh"
. "$SELFTESTS/docs.inc"
require wg iperf3 jq socat
require_impl "$IMPL"

host_add lan A r B
link lan eth0 A lan0
link A wan0 r wan0
link B eth0 r eth0
addr lan eth0 10.1.0.2/24 fd00:1::2/64
addr A lan0 10.1.0.1/24 fd00:1::1/64
addr A wan0 192.0.2.123/24
addr r wan0 192.0.2.1/24
addr r eth0 198.51.100.1/24 203.0.113.1/24
addr B eth0 198.51.100.45/24
on lan ip route add default via 10.1.0.1
on lan ip -6 route add default via fd00:1::1
on A ip route add default via 192.0.2.1
on B ip route add default via 198.51.100.1
forwarding A r

# ---- as docs/netbsd.md has it, line by line ----

public() { on "$1" cat /etc/wg/wg0.pub; }
# The keys that the example has are those that were made here.
DOC_TEXT['N+B4Nelg+4ysvbLW3qenxIwrJVE9MdjMyqrIisH7V0Y=']='A cat /etc/wg/wg0.pub'
DOC_TEXT['X7EGm3T3IfodBcyilkaC89j0SH3XD6+/pwvp7Dgp5SU=']='B cat /etc/wg/wg0.pub'
doc_hook() {
	[ "$2" = 'wg-userspace 0 create' ] && on A test -e /etc/wg/wg0.A-B || return 0
	on A cat /etc/wg/wg0.A-B | on B sh -c 'umask 077; cat >/etc/wg/wg0.A-B'
}

by_doc() {
	local h
	doc_host A B
	run_doc "$TOP/docs/netbsd.md"
	check 'and the LAN' on B wg set wg0 peer "$(public A)" allowed-ips 10.2.0.1/32,fd00:2::1/128,10.1.0.0/24,fd00:1::/64
	check_equal 'the peers keep their names' "$(for h in A B; do wgx_json $h '.interfaces[].peers[].name'; done)" $'B\nA'
}

# ---- the same by wg, for implementations that are not wgx ----

by_wg() {
	check 'wg0 on the server' impl_up A wg0 "$IMPL" || finish
	check 'wg0 on the client' impl_up B wg0 "$IMPL" || finish
	key_for A wg0
	key_for B wg0
	(umask 077 && wg genpsk >"$WORK/psk")
	check 'configure the server' on A wg set wg0 private-key "$WORK/A.wg0.key" listen-port 1234 \
		peer "$(pub_of B wg0)" preshared-key "$WORK/psk" allowed-ips 10.2.0.42/32,fd00:2::42/128
	check 'configure the client' on B wg set wg0 private-key "$WORK/B.wg0.key" \
		peer "$(pub_of A wg0)" preshared-key "$WORK/psk" endpoint 192.0.2.123:1234 \
		allowed-ips 10.2.0.1/32,fd00:2::1/128,10.1.0.0/24,fd00:1::/64
	addr A wg0 10.2.0.1/24 fd00:2::1/64
	addr B wg0 10.2.0.42/24 fd00:2::42/64
	on A ip link set wg0 up
	on B ip link set wg0 up
	check 'attach the server' impl_attach A wan0 "$IMPL"
}

if [ "$IMPL" = wgx ]; then by_doc; else by_wg; fi
on B ip route add 10.1.0.0/24 dev wg0
on B ip -6 route add fd00:1::/64 dev wg0
check 'attach the client' impl_attach B eth0 "$IMPL"

endpoint_of_b() { on A wg show wg0 endpoints | cut -f2; }

check 'client to server, IPv4' ping_ok B 10.2.0.1
check 'client to server, IPv6' ping_ok B fd00:2::1
check_equal 'the server learned the endpoint' "$(endpoint_of_b | cut -d: -f1)" 198.51.100.45
check 'client to LAN host, IPv4' ping_ok B 10.1.0.2
check 'client to LAN host, IPv6' ping_ok B fd00:1::2
check 'LAN host to client, IPv4' ping_ok lan 10.2.0.42
check 'LAN host to client, IPv6' ping_ok lan fd00:2::42
iperf_server lan
check 'TCP from the client to the LAN host' iperf B 10.1.0.2
check 'TCP from the LAN host to the client' iperf B fd00:1::2 -R
check '20 MB through the server, SHA-256' file_copy lan B 10.2.0.42 20

# Forwarded traffic of an address that no peer owns must not enter the tunnel.
check 'the server refuses a source that is not the client' not \
	on B ping -q -c 2 -i 0.2 -w 1 -I 198.51.100.45 10.1.0.2

# wireguard-go keeps a source address that is gone until its next handshake, 15 s later.
wait=10
[ "$IMPL" = wgx ] || wait=25
on B ip addr del 198.51.100.45/24 dev eth0
addr B eth0 203.0.113.7/24
on B ip route replace default via 203.0.113.1
check 'client to LAN host after roaming' ping_ok B 10.1.0.2 -w $wait
check_equal 'the server follows' "$(endpoint_of_b | cut -d: -f1)" 203.0.113.7
check 'LAN host to client after roaming' ping_ok lan fd00:2::42
finish
