#!/bin/bash
# SPDX-License-Identifier: MIT
# A tunnel inside a tunnel, both of one daemon: wg1's packets are wg0's traffic. Through the sockets, and with
# eth0 attached.
#
#	A wg1 10.8.0.1, fd08::1 -- wg0 10.7.0.1, fd07::1 -- eth0 ==== eth0 -- wg0 10.7.0.2, fd07::2 -- wg1 10.8.0.2, fd08::2 B
. "$(dirname "$0")/../lib.sh"
require wg jq socat
require_wgx

inner_tunnel() { # inner_tunnel ENDPOINT
	local h
	for h in A B; do
		impl_up $h wg1 wgx || return
		key_for $h wg1
		on $h wg set wg1 listen-port 51821 private-key "$WORK/$h.wg1.key" || return
	done
	wg_peer A wg1 B wg1 endpoint "$1" allowed-ips 10.8.0.2/32,fd08::2/128 || return
	wg_peer B wg1 A wg1 allowed-ips 10.8.0.1/32,fd08::1/128 || return
	for h in A B; do
		on $h ip link set wg1 mtu 1340 up || return
	done
	addr A wg1 10.8.0.1/24 fd08::1/64
	addr B wg1 10.8.0.2/24 fd08::2/64
}

carries() { # carries LABEL
	check "$1: ping" ping_ok A 10.8.0.2
	check "$1: IPv6 ping" ping_ok A fd08::2
	check "$1: ping with 1312 bytes" ping_ok A 10.8.0.2 -s 1312 -M do
	check "$1: ping in the outer tunnel" ping_ok A 10.7.0.2
	check "$1: 20 MB, SHA-256" file_copy A B 10.8.0.2 20
	check "$1: 20 MB back, IPv6, SHA-256" file_copy B A fd08::1 20
}

opened_xsk() { wgx_counter B "$1" opened_xsk_packets; }

for inner in 4 6; do
	end=10.7.0.2:51821
	[ $inner = 4 ] || end='[fd07::2]:51821'
	check "inner v$inner: set up the outer tunnel" tunnel_pair wgx wgx $inner no || finish
	check "inner v$inner: set up the inner tunnel" inner_tunnel $end || finish
	carries "inner v$inner, sockets"
	check "inner v$inner: attach eth0" attach_pair wgx wgx
	before=$(opened_xsk wg0)
	carries "inner v$inner, attached"
	check "inner v$inner: wg0 came through AF_XDP" test "$(opened_xsk wg0)" -gt $((before + 1000))
	check "inner v$inner: wg0 itself is not to be attached" not wgx A attach wg0
	check_equal "inner v$inner: nothing is taken for a loop" \
		"$(wgx_json A '[.interfaces[].drops.egress_loop] | add')" 0
	check "inner v$inner: the outer tunnel goes" on A ip link del wg0
	check "inner v$inner: and the inner one stays" on A wg show wg1
	host_del A B
done
finish
