#!/bin/bash
# SPDX-License-Identifier: MIT
# The router path by XDP in the LAN device's driver, wgx attach DEV --lan=native. A veth's other end leaves checksums
# unfinished, which XDP does not see.
#
#	P 10.1.0.2, fd01::2 -- eth1 A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== eth0 192.0.2.2 B wg0 10.7.0.2 -- eth1 -- Q 10.2.0.2
#	R 10.4.0.2 ----------- eth2   fd07::1         eth3 198.51.100.1 = eth0 .3 C        fd07::2                   fd02::2
#	                                                                        C wg0 10.7.0.3, 10.3.0.1
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lan.inc"
require wg jq tcpdump socat nft python3
require_wgx

#--- with, and what it does
check 'set up' setup || finish
check 'attach the underlays' attach_pair wgx wgx
check 'by the stacks' by_stack A ping_ok P 10.2.0.2
check_equal 'attach says so' "$(wgx A attach eth1 --lan=native | head -n 1)" 'eth1: attached, mode none, lan native'
check 'at the other end as well' wgx B attach eth1 --lan=native
check_equal 'show tells' "$(lan A eth1 way)" native
check 'IPv4: past both stacks' past 3 A past 3 B ping_ok P 10.2.0.2
check 'IPv6: past both stacks' past 3 A past 3 B ping_ok P fd02::2
check 'from the other end' past 3 A past 3 B ping_ok Q 10.1.0.2
check 'over IPv6' past 3 A past 3 B ping_ok Q fd01::2
check 'two peers: the other one' past 3 A ping_ok P 10.3.0.1
check_equal 'by XDP' "$(wgx_counter A wg0 lan_tcx_frames)" 0
wgx A show >"$WORK/show"
check 'show: of the device' grep -q '^  lan: native, [0-9]* packets, .* past the stack$' "$WORK/show"

#--- many bytes, their checksums left to P's device, and not
check '5 MB' past 20 A file_copy P Q 10.2.0.2 5
check 'back' past 20 A file_copy Q P 10.1.0.2 5
check '5 MB over IPv6' past 20 A file_copy P Q fd02::2 5
check 'back' past 20 A file_copy Q P fd01::2 5
iperf_server Q
check 'UDP' iperf P 10.2.0.2 -u -b 5M -l 1300
check 'it got there' test "$(iperf_get '.end.sum.packets - .end.sum.lost_packets')" -gt 100
on P ethtool -K eth0 tx off >/dev/null
check 'checksums done: 5 MB' past 20 A file_copy P Q 10.2.0.2 5
on P ethtool -K eth0 tx on >/dev/null
bad() { echo $(($(nstat_get Q TcpInCsumErrors) + $(nstat_get Q UdpInCsumErrors) + $(nstat_get Q Udp6InCsumErrors))); }
check_equal 'no checksum was wrong' "$(bad)" 0

#--- what the stack has to look at
capture Q ttl eth0 'icmp[icmptype] == icmp-echo or icmp6[icmp6type] == icmp6-echo'
check 'TTL 10' past 3 A ping_ok P 10.2.0.2 -t 10
check 'hop limit 10' past 3 A ping_ok P fd02::2 -t 10
capture_end ttl
check_equal 'each of two routers takes one' "$(ttls ttl)" 'hlim 8 ttl 8 '
check 'TTL 1: the first router tells' says 'From 10.1.0.1 .*Time to live exceeded' on P ping -c 2 -i 0.2 -W 5 -t 1 10.2.0.2
check 'hop limit 1' says 'From fd01::1 .*Time exceeded' on P ping -c 2 -i 0.2 -W 5 -t 1 fd02::2
on P ip route flush cache
on P ip -6 route flush cache
check 'DF: the router tells the MTU' says 'mtu = 1420\|mtu=1420' on P ping -c 1 -W 5 -M 'do' -s 1400 10.2.0.2
on P ip route flush cache
check 'fragments get there' ping_ok P 10.2.0.2 -M dont -s 3000
check 'and are counted' grown A eth1 passed.unusual on P ping -c 1 -W 5 -M dont -s 3000 10.2.0.2
capture Q mac eth0 'icmp[4:2] = 0x1234 and icmp[icmptype] == icmp-echo'
check "to another's MAC address" grown A eth1 passed.not_ours frame 02:12:34:56:78:9a
frame "$(on A cat /sys/class/net/eth1/address)"
check "to the router's" wait_for 20 seen_are mac 5
capture_end mac
check_equal 'only these got there' "$(seen mac)" 5
on A ip link set eth1 address 02:00:00:00:00:77
on P ip neigh flush dev eth0
check 'another MAC address' past 3 A ping_ok P 10.2.0.2
check "the router's own addresses" ping_ok P 10.1.0.1
check 'that of its wg0' ping_ok P 10.7.0.1
check 'another LAN' ping_ok P 10.4.0.2
on A ip route add 10.66.0.0/24 dev wg0
check 'routed into wg0, but nobody has it: told' says 'Destination Host Unreachable' on P ping -c 2 -W 5 10.66.0.1
check 'IP options' grown A eth1 passed.unusual on P ping -c 1 -W 5 -R 10.2.0.2
addr P eth0 203.0.113.9/32
check 'a source that is not behind this device' grown A eth1 passed.source on P ping -c 1 -W 1 -I 203.0.113.9 10.2.0.2

#--- an interface that goes, and comes
check 'wg1' wgx A wg1
on A ip link set wg1 up
on A ip route add 10.77.0.0/24 dev wg1
check 'of another interface: told that nobody has it' says 'Destination Host Unreachable' on P ping -c 2 -W 5 10.77.0.1
check 'delete it' on A ip link del wg1
check 'the first one goes on' past 3 A ping_ok P 10.2.0.2

#--- detach, and the end
check 'native twice is refused' not wgx A attach eth1 --lan=native
check 'detach' wgx A detach eth1
check 'by the stack' by_stack A ping_ok P 10.2.0.2
check 'XDP of another' on A ip link set dev eth1 xdpgeneric object "$BUILD/bpf/wgx_steer.bpf.o" section xdp
check 'is in the way' says 'router path: .*XDP program' wgx A attach eth1 --lan=native
on A ip link set dev eth1 xdpgeneric off
check 'nothing is attached' test "$(wgx_mode A eth1)" = none
check 'again, strict' wgx A attach eth1 --lan=native --strict --mode tcx
check 'past the stack' past 3 A ping_ok P 10.2.0.2
capture B plain eth0 'not udp port 51820'
kill_daemon() { on A kill -KILL "$(daemon_pid A wg0)"; }
check 'kill' kill_daemon
gone() { ! grep -q xdp <<<"$(on A ip link show eth1)"; }
check 'its program goes' wait_for 20 gone
check 'no packet gets through' not on P ping -c 3 -i 0.2 -W 1 10.2.0.2
capture_end plain
check_equal 'nothing went out in the clear' "$(captured B plain | grep -cE '10\.[12]\.0\.2|fd0[12]::2')" 0
check 'the next daemon' impl_up A wg0 wgx
check 'configured' configure_a
check 'the router path is off' by_stack A ping_ok P 10.2.0.2
finish
