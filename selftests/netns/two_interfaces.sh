#!/bin/bash
# SPDX-License-Identifier: MIT
# Two interfaces in one namespace, with a peer each, over one attached device.
#
#	      wg0 10.7.1.1 port 51820 ......... wg0 10.7.1.2 B
#	A eth0 192.0.2.1 ---- .254 r .254 ---- eth0 198.51.100.2 B, 203.0.113.2 C
#	      wg1 10.7.2.1 port 51821 ......... wg0 10.7.2.2 C
. "$(dirname "$0")/../lib.sh"
require wg iperf3 jq
require_impl "$IMPL"

host_add A r B C
link A eth0 r a0
link B eth0 r b0
link C eth0 r c0
addr A eth0 192.0.2.1/24
addr r a0 192.0.2.254/24
addr r b0 198.51.100.254/24
addr r c0 203.0.113.254/24
addr B eth0 198.51.100.2/24
addr C eth0 203.0.113.2/24
on A ip route add default via 192.0.2.254
on B ip route add default via 198.51.100.254
on C ip route add default via 203.0.113.254
forwarding r

up() { # up host interface address port
	impl_up "$1" "$2" "$IMPL" && key_for "$1" "$2" &&
		on "$1" wg set "$2" private-key "$WORK/$1.$2.key" listen-port "$4" &&
		addr "$1" "$2" "$3/24" && on "$1" ip link set "$2" up
}
check 'A wg0' up A wg0 10.7.1.1 51820 || finish
check 'A wg1' up A wg1 10.7.2.1 51821 || finish
check 'B wg0' up B wg0 10.7.1.2 51820 || finish
check 'C wg0' up C wg0 10.7.2.2 51820 || finish
wg_peer A wg0 B wg0 endpoint 198.51.100.2:51820 allowed-ips 10.7.1.2/32
wg_peer B wg0 A wg0 endpoint 192.0.2.1:51820 allowed-ips 10.7.1.1/32
wg_peer A wg1 C wg0 endpoint 203.0.113.2:51820 allowed-ips 10.7.2.2/32
wg_peer C wg0 A wg1 endpoint 192.0.2.1:51821 allowed-ips 10.7.2.1/32
check 'attach A' impl_attach A eth0 "$IMPL"
check 'attach B' impl_attach B eth0 "$IMPL"
check 'attach C' impl_attach C eth0 "$IMPL"

check_equal 'wg show lists both' "$(on A wg show interfaces | tr ' ' '\n' | sort | xargs)" 'wg0 wg1'
check 'ping through wg0' ping_ok A 10.7.1.2
check 'ping through wg1' ping_ok A 10.7.2.2
check 'ping from B' ping_ok B 10.7.1.1
check 'ping from C' ping_ok C 10.7.2.1
if [ "$IMPL" = wgx ]; then
	check_equal 'one daemon serves both' "$(daemon_pid A wg0)" "$(daemon_pid A wg1)"
	check 'pins of wg0' on A test -e /sys/fs/bpf/wgx/wg0/allowed_ips4
	check 'pins of wg1' on A test -e /sys/fs/bpf/wgx/wg1/allowed_ips4
fi

both_at_once() {
	on A timeout 30 iperf3 -t 2 -J -c 10.7.1.2 >"$WORK/one.json" &
	local one=$! status=0
	on A timeout 30 iperf3 -t 2 -J -c 10.7.2.2 >"$WORK/two.json" || status=1
	wait $one || status=1
	jq -s -r '.[] | .error // .end.sum_received.bits_per_second' "$WORK/one.json" "$WORK/two.json"
	return $status
}
iperf_server B
iperf_server C
check 'TCP through both at once' both_at_once

# wg1's keys are no use on wg0: the packets of one peer never come out of the other's interface.
wg_peer C wg0 A wg1 allowed-ips 10.7.2.1/32,10.7.1.1/32
on C ip route add 10.7.1.1/32 dev wg0
check 'each interface has its own allowed IPs' not on C ping -q -c 2 -i 0.2 -w 1 -I 10.7.9.9 10.7.1.1

on A ip link del wg1
check 'wg1 is gone' wait_for 10 not on A test -e /run/wireguard/wg1.sock
check 'wg0 goes on without it' ping_ok A 10.7.1.2
check 'TCP through wg0 without it' iperf A 10.7.1.2
check 'wg1 can come back' up A wg1 10.7.2.1 51821
wg_peer A wg1 C wg0 endpoint 203.0.113.2:51820 allowed-ips 10.7.2.2/32
wg_peer C wg0 A wg1 endpoint 192.0.2.1:51821 allowed-ips 10.7.2.1/32
check 'and carries traffic' ping_ok A 10.7.2.2
finish
