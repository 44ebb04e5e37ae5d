#!/bin/bash
# SPDX-License-Identifier: MIT
# Large tables, as the Linux driver's netns.sh has them: 130,560 allowed IPs on one peer, 40 peers with 52
# each, 30 peers with none. They read back whole, and packets find their way by them.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 ==== eth0 -- wg0 10.7.0.2, fd07::2 B
#	                                             lo 1.0.0.1, 200.200.0.1, 223.255.0.1
#	                                                1::, 200::200, 255::255
. "$(dirname "$0")/../lib.sh"
require wg jq
require_wgx

check 'set up' tunnel_pair wgx wgx 4 no || finish
check 'attach' attach_pair wgx wgx
check 'ping' ping_ok A 10.7.0.2

interface() {
	printf '[Interface]\nPrivateKey=%s\nListenPort=51820\n' "$(cat "$WORK/A.wg0.key")"
}
peer_b() { printf '[Peer]\nPublicKey=%s\nEndpoint=192.0.2.2:51820\n' "$(pub_of B wg0)"; }
# bpf_has HEX ...: the BPF map that wgx_egress asks has this prefix
bpf_has() { on A bpftool map lookup pinned "/sys/fs/bpf/wgx/wg0/$1" key hex "${@:2}"; }

#--- 130,560 on one peer
ips=(1.0.0.1 200.200.0.1 223.255.0.1 1:: 200::200 255::255)
{
	interface
	peer_b
	for a in {1..255}; do
		for b in {0..255}; do
			echo "AllowedIPs=$a.$b.0.0/16,$a::${b#0}/128"
		done
	done
} >"$WORK/one.conf"
for ip in "${ips[@]}"; do
	on B ip addr add "$ip" dev lo
	on A ip route add "$ip" dev wg0
done
check 'P-UA-5 130,560 allowed IPs on one peer' on A wg setconf wg0 "$WORK/one.conf"
sed -n 's/AllowedIPs=//p' "$WORK/one.conf" | tr , '\n' >"$WORK/sent"
on A wg show wg0 allowed-ips | cut -f2 | tr ' ' '\n' >"$WORK/got"
check_equal 'P-UA-5 wg show has as many' "$(wc -l <"$WORK/got")" 130560
check 'P-UA-5 the same, and in their order' cmp "$WORK/sent" "$WORK/got"
on A wg showconf wg0 | sed -n 's/AllowedIPs = //p' | sed 's/, /\n/g' >"$WORK/got"
check 'P-UA-5 wg showconf too' cmp "$WORK/sent" "$WORK/got"
check 'P-UA-5 BPF has the first' bpf_has allowed_ips4 10 0 0 0 1 0 0 0
check 'P-UA-5 and the last' bpf_has allowed_ips4 10 0 0 0 ff ff 0 0
check 'P-UA-5 and that of IPv6' bpf_has allowed_ips6 80 0 0 0 2 55 0 0 0 0 0 0 0 0 0 0 0 0 2 55
for ip in "${ips[@]}"; do
	check "P-UA-5 P-DT-4 ping $ip" ping_ok A "$ip"
done
check 'P-UA-5 all of them again' on A wg syncconf wg0 "$WORK/one.conf"
on A wg show wg0 allowed-ips | cut -f2 | tr ' ' '\n' >"$WORK/got"
check 'P-UA-5 no change' cmp "$WORK/sent" "$WORK/got"
check 'ping' ping_ok A 200.200.0.1

# What does not fit into BPF's map (it has room for 1,048,576) the seal worker finds in the model.
check 'a prefix leaves the map' on A bpftool map delete pinned /sys/fs/bpf/wgx/wg0/allowed_ips4 \
	key hex 10 0 0 0 c8 c8 0 0
check 'P-UA-5 a prefix that BPF does not have works' ping_ok A 200.200.0.1

other=$(wg genkey | wg pubkey)
check 'P-UA-5 one of them moves to another peer' on A wg set wg0 peer "$other" allowed-ips 200.200.0.0/16
check 'P-UA-5 P-DT-4 where packets go now' not ping_ok A 200.200.0.1 -w 1
check_equal 'P-UA-5 it is not there twice' "$(on A wg show wg0 allowed-ips | tr ' \t' '\n\n' | grep -cxF 200.200.0.0/16)" 1
check 'P-UA-5 its neighbour stays' ping_ok A 1.0.0.1
check 'P-UA-5 all of them go' on A wg set wg0 peer "$(pub_of B wg0)" allowed-ips ''
check_equal 'P-UA-5 none is left' "$(on A wg show wg0 allowed-ips | cut -f2 | grep -v '^200')" '(none)'
check 'P-UA-5 nor in BPF' not bpf_has allowed_ips4 10 0 0 0 1 0 0 0

#--- 40 peers with 52 each; one more is B
{
	interface
	for a in {1..40}; do
		printf '[Peer]\nPublicKey=%s\n' "$(head -c 32 /dev/urandom | base64)"
		for b in {1..52}; do
			echo "AllowedIPs=$a.$b.0.0/16"
		done
	done
	peer_b
	echo 'AllowedIPs=10.7.0.2/32, fd07::2/128'
} >"$WORK/forty.conf"
check 'P-UA-5 40 peers with 52 allowed IPs each' on A wg setconf wg0 "$WORK/forty.conf"
check_equal 'P-UA-5 they read back whole' "$(on A wg show wg0 allowed-ips | awk '{ print NF }' | sort | uniq -c | xargs)" \
	'1 3 40 53'
check_equal 'P-UA-5 in their order' "$(on A wg showconf wg0 | sed -n 's/AllowedIPs = //p' | sed 's/, /\n/g' | md5sum)" \
	"$(sed -n 's/AllowedIPs=//p' "$WORK/forty.conf" | sed 's/, /\n/g' | md5sum)"
check 'P-UA-5 P-DT-4 the longest prefix wins: ping' ping_ok A 10.7.0.2
check 'and IPv6' ping_ok A fd07::2

#--- 30 peers with none, but for the last
{
	interface
	for _ in {1..29}; do printf '[Peer]\nPublicKey=%s\n' "$(head -c 32 /dev/urandom | base64)"; done
	printf '[Peer]\nPublicKey=%s\nAllowedIPs=255.2.3.4/32,abcd::255/128\n' "$other"
} >"$WORK/thirty.conf"
check 'P-UA-5 30 peers, nearly all with none' on A wg setconf wg0 "$WORK/thirty.conf"
check_equal 'P-UA-5 all are there' "$(on A wg showconf wg0 | grep -c '^\[Peer\]')" 30
check_equal 'P-UA-5 with what they have' "$(on A wg show wg0 allowed-ips | cut -f2 | sort | uniq -c | xargs)" \
	'29 (none) 1 255.2.3.4/32 abcd::255/128'
check 'P-UA-5 BPF has this one' bpf_has allowed_ips4 20 0 0 0 ff 2 3 4
check 'P-UA-5 and no other' not bpf_has allowed_ips4 20 0 0 0 0a 7 0 2
finish
