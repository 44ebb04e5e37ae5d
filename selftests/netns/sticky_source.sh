#!/bin/bash
# SPDX-License-Identifier: MIT
# Sticky source: a host with several addresses answers from the one that its peer reached, until that
# address goes, or the route to the peer leaves by another device.
#
#	A wg0 10.7.0.1 -- eth0 203.0.113.1 ---- .254 eth0 r
#	  fd07::1             2001:db8:a::1     ::fe    r eth1 .254 ---- eth0 192.0.2.2, .3, .4          B
#	                                                      2001:db8:b::fe -- ::2, ::3, ::4            B
#	                                                r eth2 .254 ---- eth1 198.51.100.2               B
#	                                                      2001:db8:c::fe -- ::2                      B
#	                                                                 wg0 10.7.0.2, fd07::2           B
. "$(dirname "$0")/../lib.sh"
require wg jq python3 tcpdump
require_impl wgx

endpoint_is() { [ "$(on A wg show wg0 endpoints | cut -f2)" = "$1:51820" ]; }
endpoint_becomes() { wait_for 10 endpoint_is "$1" || { on A wg show wg0 endpoints && return 1; }; }
aim() { wg_peer A wg0 B wg0 endpoint "$1:51820"; }

bare() { # bare [2001:db8::1]: without the brackets
	local a=${1#[}
	echo "${a%]}"
}

# answers_from LABEL address command ...: it succeeds, and once more; then all that comes is from that address
answers_from() {
	local label=$1 address=$2
	shift 2
	check "$label" "$@"
	capture A seen eth0 'dst host 203.0.113.1 or dst host 2001:db8:a::1'
	"$@" >/dev/null
	capture_end seen
	check_equal "P-DT-10 $label: from $address alone" \
		"$(python3 "$SELFTESTS/netns/wire.py" sources "$WORK/seen.pcap" | cut -d' ' -f1 | xargs)" \
		"$(bare "$address")"
}

topology() {
	host_add A r B
	link A eth0 r eth0
	link B eth0 r eth1
	link B eth1 r eth2
	addr A eth0 203.0.113.1/24 2001:db8:a::1/64
	addr r eth0 203.0.113.254/24 2001:db8:a::fe/64
	addr r eth1 192.0.2.254/24 2001:db8:b::fe/64
	addr r eth2 198.51.100.254/24 2001:db8:c::fe/64
	addr B eth0 192.0.2.2/24 192.0.2.3/24 192.0.2.4/24
	addr B eth0 2001:db8:b::2/64 2001:db8:b::3/64 2001:db8:b::4/64
	addr B eth1 198.51.100.2/24 2001:db8:c::2/64
	on A ip route add default via 203.0.113.254
	on A ip -6 route add default via 2001:db8:a::fe
	on B ip route add default via 192.0.2.254
	on B ip -6 route add default via 2001:db8:b::fe
	on B sysctl -q net.ipv4.conf.all.promote_secondaries=1 net.ipv4.conf.eth0.promote_secondaries=1
	forwarding r
}

up() { # up host impl address ...
	impl_up "$1" wg0 "$2" && key_for "$1" wg0 &&
		on "$1" wg set wg0 listen-port 51820 private-key "$WORK/$1.wg0.key" &&
		addr "$1" wg0 "${@:3}" && on "$1" ip link set wg0 up
}

sticky() { # sticky implA attach(yes|no) [4|6: outside]
	local l="B is asked by $1" n2='192.0.2.2' n3='192.0.2.3' n4='192.0.2.4' m='198.51.100.2' v del route
	[ "$2" = yes ] && l="$l, through AF_XDP" || l="$l, through the socket"
	topology
	check "$l: set up" up A "$1" 10.7.0.1/24 fd07::1/64 || finish
	check "$l: set up B" up B wgx 10.7.0.2/24 fd07::2/64 || finish
	wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32,fd07::2/128
	wg_peer B wg0 A wg0 allowed-ips 10.7.0.1/32,fd07::1/128
	if [ "$2" = yes ]; then
		check "$l: attach" wgx B attach eth0
		check "$l: attach the other device" wgx B attach eth1
	fi
	for v in ${3:-4 6}; do
		if [ $v = 6 ]; then
			n2='[2001:db8:b::2]' n3='[2001:db8:b::3]' n4='[2001:db8:b::4]' m='[2001:db8:c::2]'
			aim "$n2"
			check "$l: IPv6" ping_ok A 10.7.0.2
		fi
		answers_from "$l, outer v$v: the first address" $n2 ping_ok A 10.7.0.2
		aim $n3
		answers_from "$l, outer v$v: the second" $n3 ping_ok A 10.7.0.2
		aim $n4
		answers_from "$l, outer v$v: the third" $n4 ping_ok A fd07::2
		answers_from "$l, outer v$v: B speaks first" $n4 ping_ok B 10.7.0.1
		aim $n3
		answers_from "$l, outer v$v: a handshake too" $n3 new_handshake

		del=$(bare $n3)/24 route=(ip route replace default via 198.51.100.254 dev eth1)
		[ $v = 4 ] || del=$(bare $n3)/64 route=(ip -6 route replace default via 2001:db8:c::fe dev eth1)
		on B ip addr del "$del" dev eth0
		check "P-DT-10 $l, outer v$v: that address goes: B is still heard" ping_ok B 10.7.0.1
		check "P-DT-10 $l, outer v$v: from another one" not endpoint_is $n3
		check "$l, outer v$v: and reached" ping_ok A 10.7.0.2

		aim $n2
		check "$l, outer v$v: back to the first" ping_ok A 10.7.0.2
		on B "${route[@]}"
		if [ $v = 4 ]; then
			check "P-DT-10 $l, outer v$v: the route leaves by another device: heard" ping_ok B 10.7.0.1
			check "P-DT-10 $l, outer v$v: from that one's address" endpoint_becomes $m
		else
			# in IPv6 an address is kept while it is somebody's here, as the Linux driver does
			answers_from "$l, outer v$v: the route leaves by another device" $n2 ping_ok B 10.7.0.1
		fi
		check "$l, outer v$v: TCP-sized packets both ways" ping_ok A fd07::2 -s 1300
	done
	host_del A r B
}

# The device of B that A talks to is not the one by which B's route to A leaves.
asymmetric() { # asymmetric attach(yes|no)
	local l='two ways'
	[ "$1" = yes ] && l="$l, through AF_XDP" || l="$l, through the socket"
	topology
	check "$l: set up" up A wgx 10.7.0.1/24 || finish
	check "$l: set up B" up B wgx 10.7.0.2/24 || finish
	wg_peer A wg0 B wg0 endpoint 198.51.100.2:51820 allowed-ips 10.7.0.2/32,fd07::2/128
	wg_peer B wg0 A wg0 allowed-ips 10.7.0.1/32,fd07::1/128
	if [ "$1" = yes ]; then
		check "$l: attach" wgx B attach eth0
		check "$l: attach the other device" wgx B attach eth1
	fi
	check "P-DT-10 $l: reached by one device, answered by the other" ping_ok A 10.7.0.2
	check "P-DT-10 $l: from its address" endpoint_becomes 192.0.2.2
	# an address that is on no device of the way is kept
	on B ip addr add 192.0.2.77/32 dev lo
	on r ip route add 192.0.2.77/32 via 192.0.2.2
	aim 192.0.2.77
	answers_from "$l: an address of lo" 192.0.2.77 ping_ok A 10.7.0.2
	host_del A r B
}

new_handshake() {
	wg_peer A wg0 B wg0 remove
	wg_peer A wg0 B wg0 endpoint "$n3:51820" allowed-ips 10.7.0.2/32,fd07::2/128
	ping_ok A 10.7.0.2
}

sticky wgx yes
sticky wgx no 4
asymmetric yes
asymmetric no
if command -v "$WGGO" >/dev/null && [ -c /dev/net/tun ]; then
	sticky wireguard-go yes 4
else
	skip 'with wireguard-go' 'needs wireguard-go'
fi
finish
