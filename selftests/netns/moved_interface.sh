#!/bin/bash
# SPDX-License-Identifier: MIT
# Interfaces that are moved to other network namespaces after they were made: their sockets stay where
# they were made, and so does the outer traffic. Both ends of the tunnel are one daemon's.
#
#	A wg1 10.7.0.1, fd07::1      (made in N, moved to A; no other device there)
#	   |
#	N lo, UDP ports 51821 and 51822 on 127.0.0.1 and ::1
#	   |
#	B wg2 10.7.0.2, fd07::2      (made in N, moved to B; no other device there)
. "$(dirname "$0")/../lib.sh"
. "$SELFTESTS/netns/moved.inc"
require wg iperf3 jq socat
require_impl wgx

sockets() { # sockets N: UDP ports that are bound there
	on "$1" ss -Huln | awk '{ sub(/.*:/, "", $4); print $4 }' | sort -u | xargs
}

carries() { # carries label
	check "P-DT-11 $1: ping" ping_ok A 10.7.0.2
	check "P-DT-11 $1: ping back, IPv6" ping_ok B fd07::1
	check "$1: TCP" file_copy A B 10.7.0.2 20
	check "$1: TCP back, IPv6" file_copy B A fd07::1 20
}

check 'P-DT-11 make both interfaces, and move them' moved_pair || finish
for outer in 4 6; do
	moved_outer $outer
	carries "outer v$outer"
done
check_equal 'P-DT-11 the sockets are where the interfaces were made' "$(sockets N)" '51821 51822'
check_equal 'P-DT-11 none in A' "$(sockets A)" ''
check_equal 'P-DT-11 none in B' "$(sockets B)" ''
check_equal 'nothing but the interface in A' "$(on A ls /sys/class/net | grep -cE '^wg1$')" 1
daemon=$(daemon_pid N wg1)
check_equal 'one daemon' "$(daemon_pid N wg2)" "$daemon"

#--- what is set where it was made counts where it is
on N wg set wg1 listen-port 51823
check 'P-DT-11 a new port' ping_ok A 10.7.0.2
check_equal 'P-DT-11 is bound where it was made' "$(sockets N)" '51822 51823'
check 'an unknown destination is answered' sh -c "nsenter -t ${HOST_PID[A]} -n ping -c 3 -i 0.1 -w 5 10.7.0.9 |
	grep -qi unreachable"
on A ip link set wg1 mtu 1280
check 'an MTU that is set there counts' ping_ok A 10.7.0.2 -s 1252 -M do
check 'and is kept' not on A ping -q -c 1 -w 1 -s 1253 -M do 10.7.0.2
check 'down there is down' on A ip link set wg1 down
check 'nothing comes' not on B ping -q -c 2 -i 0.2 -w 1 10.7.0.1
check 'up there' on A ip link set wg1 up
on A ip addr replace fd07::1/64 dev wg1
on A ip link set wg1 mtu 1420
carries 'up again'

#--- on, and back
check 'from A to B' move_to B wg1 A
check 'from B back to A' move_to A wg1 B
moved_up A wg1 10.7.0.1/24 fd07::1/64
carries 'moved twice'
check 'back to where it was made' move_to N wg1 A
moved_up N wg1 10.7.0.1/24 fd07::1/64
check 'P-DT-11 one end at home: ping' ping_ok N 10.7.0.2
check 'P-DT-11 one end at home: ping back' ping_ok B fd07::1
check 'away again' move_to A wg1 N
moved_up A wg1 10.7.0.1/24 fd07::1/64
carries 'away again'
check_equal 'the daemon is the same' "$(daemon_pid N wg1)" "$daemon"

#--- a namespace that ends takes its interface along, and no other
host_del A
check 'the interface went with its namespace' wait_for 10 not on N test -e /run/wireguard/wg1.sock
check_equal 'the other one is there' "$(on N wg show interfaces)" wg2
check 'its socket alone' wait_for 10 eval '[ "$(sockets N)" = 51822 ]'
host_add A
check 'make it once more' impl_up N wg1 wgx
on N wg set wg1 listen-port 51821 private-key "$WORK/N.wg1.key"
wg_peer N wg1 N wg2 endpoint 127.0.0.1:51822 allowed-ips 10.7.0.2/32,fd07::2/128
wg_peer N wg2 N wg1 endpoint 127.0.0.1:51821
check 'and move it' move_to A wg1 N
moved_up A wg1 10.7.0.1/24 fd07::1/64
carries 'made anew'
check 'deleted where it is' on B ip link del wg2
check 'is deleted' wait_for 10 not on N test -e /run/wireguard/wg2.sock
host_del A
check 'the last one goes with its namespace' wait_for 10 not on N test -e /run/wireguard/wg1.sock
check 'and the daemon with it' wait_for 10 not on N kill -0 "$daemon"
finish
