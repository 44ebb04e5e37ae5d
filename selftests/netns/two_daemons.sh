#!/bin/bash
# SPDX-License-Identifier: MIT
# Daemons in several namespaces at once, each with an interface called wg0, do not see each other.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2 B       C wg0 (alone)
. "$(dirname "$0")/../lib.sh"
require wg jq
require_impl "$IMPL"

check 'wg0 on A and on B' tunnel_pair "$IMPL" "$IMPL" 4 no || finish
check 'attach both' attach_pair "$IMPL" "$IMPL"
host_add C
check 'wg0 on C' impl_up C wg0 "$IMPL"

outer_pid() { # of A's daemon, comparable between hosts: the socket's inode is unique
	on "$1" awk -v s=/run/wireguard/wg0.sock '$4 == "00010000" && index($8, s) { print $7 }' /proc/net/unix
}
check 'the sockets differ' test "$(outer_pid A)" != "$(outer_pid B)"
check_equal 'A knows one peer' "$(on A wg show wg0 peers | wc -l)" 1
check_equal 'C knows none' "$(on C wg show wg0 peers | wc -l)" 0
check 'ping' ping_ok A 10.7.0.2
check 'ping back' ping_ok B 10.7.0.1
if [ "$IMPL" = wgx ]; then
	key_a=$(on A bpftool -j map dump pinned /sys/fs/bpf/wgx/wg0/allowed_ips4)
	key_b=$(on B bpftool -j map dump pinned /sys/fs/bpf/wgx/wg0/allowed_ips4)
	check 'the pinned maps differ' test "$key_a" != "$key_b"
fi
on C ip link del wg0
check "C's wg0 is gone" wait_for 10 not on C wg show wg0
check "the others' is not" ping_ok A 10.7.0.2
finish
