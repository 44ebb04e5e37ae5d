#!/bin/bash
# SPDX-License-Identifier: MIT
# The router path, wgx attach DEV --lan: what two gateways forward between their LANs goes past their stacks, both
# ways, IPv4 and IPv6; and what a router has to look at is still looked at, by the stack.
#
#	P 10.1.0.2, fd01::2 -- eth1 A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== eth0 192.0.2.2 B wg0 10.7.0.2 -- eth1 -- Q 10.2.0.2
#	R 10.4.0.2 ----------- eth2   fd07::1         eth3 198.51.100.1 = eth0 .3 C        fd07::2                   fd02::2
#	                                                                        C wg0 10.7.0.3, 10.3.0.1
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lan.inc"
require wg jq tcpdump socat nft python3
require_wgx

#--- without, and with
check 'set up' setup || finish
check 'attach the underlays' attach_pair wgx wgx
check 'by the stacks' by_stack A ping_ok P 10.2.0.2
check 'over IPv6' by_stack A ping_ok P fd02::2
check_equal 'attach says so' "$(wgx A attach eth1 --lan)" 'eth1: attached, mode none, lan'
check 'at the other end as well' wgx B attach eth1 --lan
gro() { on A ethtool -k eth1 | sed -n 's/^rx-udp-gro-forwarding: \([a-z]*\).*/\1/p'; }
check_equal 'GRO of UDP is on' "$(gro)" on
check_equal 'the device has no mode' "$(wgx_mode A eth1)" none
check 'IPv4: past both stacks' past 3 A past 3 B ping_ok P 10.2.0.2
check 'IPv6: past both stacks' past 3 A past 3 B ping_ok P fd02::2
check 'from the other end' past 3 A past 3 B ping_ok Q 10.1.0.2
check 'over IPv6' past 3 A past 3 B ping_ok Q fd01::2
check 'two peers: the other one' past 3 A ping_ok P 10.3.0.1
check 'and the first' past 3 A ping_ok P 10.2.0.2
on A ip neigh flush dev eth1
check 'neighbours are found anew' past 3 A ping_ok Q 10.1.0.2
check 'over IPv6' past 3 A ping_ok Q fd01::2
wgx A show >"$WORK/show"
check 'show: of the interface' grep -q '^  lan: [0-9]* frames into the tunnel, [0-9]* packets out of it$' "$WORK/show"
check 'show: of the device' grep -q '^  lan: tcx, [0-9]* packets, .* past the stack$' "$WORK/show"

#--- many bytes: superframes of the LAN stay whole
frame_size() { echo $(($(wgx_counter A wg0 lan_tcx_bytes) / $(lan_in A))); }
check '20 MB' past 20 A file_copy P Q 10.2.0.2 20
check 'back' past 20 A file_copy Q P 10.1.0.2 20
check '20 MB over IPv6' past 20 A file_copy P Q fd02::2 20
check 'back' past 20 A file_copy Q P fd01::2 20
check "superframes: $(frame_size) bytes in the mean" test "$(frame_size)" -gt 3000
on P ethtool -K eth0 tx off tso off tx-udp-segmentation off >/dev/null
check 'without offloads' past 20 A file_copy P Q 10.2.0.2 5
on P ethtool -K eth0 tx on tso on tx-udp-segmentation on >/dev/null
iperf_server Q
check 'UDP' iperf P 10.2.0.2 -u -b 5M -l 1300
check 'it got there' test "$(iperf_get '.end.sum.packets - .end.sum.lost_packets')" -gt 100

#--- TTL
capture Q ttl eth0 'icmp[icmptype] == icmp-echo or icmp6[icmp6type] == icmp6-echo'
check 'TTL 10' past 3 A ping_ok P 10.2.0.2 -t 10
check 'hop limit 10' past 3 A ping_ok P fd02::2 -t 10
capture_end ttl
check_equal 'each of two routers takes one' "$(ttls ttl)" 'hlim 8 ttl 8 '
check 'TTL 1: the first router tells' says 'From 10.1.0.1 .*Time to live exceeded' on P ping -c 2 -i 0.2 -W 5 -t 1 10.2.0.2
check 'TTL 2: the second one' says 'From 10.7.0.2 .*Time to live exceeded' on P ping -c 2 -i 0.2 -W 5 -t 2 10.2.0.2
check 'hop limit 1' says 'From fd01::1 .*Time exceeded' on P ping -c 2 -i 0.2 -W 5 -t 1 fd02::2
check 'hop limit 2' says 'From fd07::2 .*Time exceeded' on P ping -c 2 -i 0.2 -W 5 -t 2 fd02::2
check 'TTL 3 gets there' ping_ok P 10.2.0.2 -t 3
check 'it is counted' grown A eth1 passed.ttl on P ping -c 1 -W 1 -t 1 10.2.0.2

#--- size
check 'DF: the router tells the MTU' says 'mtu = 1420\|mtu=1420' on P ping -c 1 -W 5 -M 'do' -s 1400 10.2.0.2
on P ip -6 route flush cache
check 'IPv6: packet too big' says 'mtu = 1420\|mtu=1420\|Packet too big' on P ping -c 1 -W 5 -M 'do' -s 1400 fd02::2
on P ip route flush cache
check 'it is counted' grown A eth1 passed.mtu on P ping -c 1 -W 1 -M 'do' -s 1400 10.2.0.2
on P ip route flush cache
check 'fragments get there' ping_ok P 10.2.0.2 -M dont -s 3000
check 'and are counted' grown A eth1 passed.unusual on P ping -c 1 -W 5 -M dont -s 3000 10.2.0.2
check 'what just fits' past 3 A ping_ok P 10.2.0.2 -M 'do' -s 1392

#--- not for the tunnel
capture Q mac eth0 'icmp[4:2] = 0x1234 and icmp[icmptype] == icmp-echo'
check "to another's MAC address" grown A eth1 passed.not_ours frame 02:12:34:56:78:9a
frame "$(on A cat /sys/class/net/eth1/address)"
check "to the router's" wait_for 20 seen_are mac 5
capture_end mac
check_equal 'only these got there' "$(seen mac)" 5
check "the router's own addresses" ping_ok P 10.1.0.1
check 'that of its wg0' ping_ok P 10.7.0.1
check 'over IPv6' ping_ok P fd07::1
# shellcheck disable=SC2086
check 'a default route in allowed IPs' wg_peer A wg0 B wg0 $PEER_B,0.0.0.0/0,::/0
check 'swallows nothing between LANs' ping_ok P 10.4.0.2
check 'nor what is for the router' ping_ok P 10.1.0.1
check 'the tunnel goes on' past 3 A ping_ok P 10.2.0.2
# shellcheck disable=SC2086
wg_peer A wg0 B wg0 $PEER_B
on A ip route add 10.66.0.0/24 dev wg0
check 'routed into wg0, but nobody has it: told' says 'Destination Host Unreachable' on P ping -c 2 -W 5 10.66.0.1
check 'IP options' grown A eth1 passed.unusual on P ping -c 1 -W 5 -R 10.2.0.2
addr P eth0 203.0.113.9/32
check 'a source that is not behind this device' grown A eth1 passed.source on P ping -c 1 -W 1 -I 203.0.113.9 10.2.0.2
check 'forwarding off' on A sh -c 'echo 0 >/proc/sys/net/ipv4/conf/eth1/forwarding'
check 'nothing is forwarded' not on P ping -c 1 -W 1 10.2.0.2
on A sh -c 'echo 1 >/proc/sys/net/ipv4/conf/eth1/forwarding'
check 'and again' past 3 A ping_ok P 10.2.0.2

#--- what it goes past: as documented
on A nft -f - <<<'table inet fw { chain f { type filter hook forward priority 0; policy drop; }; }'
check "the firewall's FORWARD is not asked" past 3 A ping_ok P 10.2.0.2
check 'detach' wgx A detach eth1
check_equal 'attach tells' "$(wgx A attach eth1 --lan | tail -n 1)" \
	'eth1: note: the firewall (table inet fw, chain f) does not see packets past the stack'
check 'so does wgx doctor' says 'table inet fw, chain f does not see packets that take the router path' wgx A doctor
check 'detach' wgx A detach eth1
check_equal 'GRO of UDP is off again' "$(gro)" off
check 'detached: it is' not on P ping -c 1 -W 1 10.2.0.2
on A nft delete table inet fw
check 'by the stack' by_stack A ping_ok P 10.2.0.2
check_equal 'nothing is left on the devices' "$(on A bpftool net show 2>/dev/null | grep -c wgx_lan)" 0

#--- with strict mode, and on an underlay
check 'strict' wgx A attach eth1 --lan --strict
check 'both' past 3 A ping_ok P 10.2.0.2
check 'back' past 3 A ping_ok Q 10.1.0.2
check_equal 'strict mode has dropped nothing' "$(wgx_json A '.drops | .strict_egress + .strict_ingress')" 0
wgx A detach eth1
check 'with a mode: an underlay as well' wgx A attach eth1 --lan --mode tcx
check_equal 'it has that' "$(wgx_mode A eth1)" tcx
check 'and goes on' past 3 A ping_ok P 10.2.0.2
wgx A detach eth1

#--- interfaces and devices that come and go
check 'attach again' wgx A attach eth1 --lan
check 'wg1' wgx A wg1
on A ip link set wg1 up
on A ip route add 10.77.0.0/24 dev wg1
check 'of another interface: told that nobody has it' says 'Destination Host Unreachable' on P ping -c 2 -W 5 10.77.0.1
check 'delete it' on A ip link del wg1
check 'the first one goes on' past 3 A ping_ok P 10.2.0.2
on A ip link del eth1
awaited() { grep -qx eth1 <<<"$(wgx_json A '.awaited[]')"; }
check 'the device goes' wait_for 20 awaited
link A eth1 P eth0
addr A eth1 10.1.0.1/24 fd01::1/64
addr P eth0 10.1.0.2/24 fd01::2/64
on P ip route replace default via 10.1.0.1
on P ip -6 route replace default via fd01::1
back() { [ "$(lan A eth1 packets)" != null ] && ping_ok P 10.2.0.2; }
check 'and comes back' wait_for 20 back
check 'with the router path' past 3 A ping_ok P 10.2.0.2

#--- refused
on A ip link add br0 type bridge
on A ip link set eth2 master br0
check 'a port of a bridge' fails_with 1 'wgx: eth2: it is a port of br0; attach that instead: wgx attach br0 --lan' \
	wgx A attach eth2 --lan
check 'wg0 itself' not wgx A attach wg0 --lan
check 'loopback' not wgx A attach lo --lan
check 'eth1, twice' not wgx A attach eth1 --lan
on A ip link set eth2 nomaster
on A ip addr add 10.4.0.1/24 dev br0
on A ip link set br0 up
on A ip addr del 10.4.0.1/24 dev eth2
on A ip link set eth2 master br0
check 'the bridge' wgx A attach br0 --lan
check 'from behind it' past 3 A ping_ok R 10.2.0.2
wgx A detach br0

#--- the daemon dies
capture B plain eth0 'not udp port 51820'
kill_daemon() { on A kill -KILL "$(daemon_pid A wg0)"; }
check 'kill' kill_daemon
gone() { [ "$(on A bpftool net show 2>/dev/null | grep -c wgx_)" = 0 ]; }
check 'its programs go' wait_for 20 gone
check 'no packet gets through' not on P ping -c 3 -i 0.2 -W 1 10.2.0.2
check 'over IPv6' not on P ping -c 3 -i 0.2 -W 1 fd02::2
check_equal 'the route is as it was' "$(on A ip route get 10.2.0.2 | grep -o 'dev wg0')" 'dev wg0'
capture_end plain
check_equal 'nothing went out in the clear' "$(captured B plain | grep -cE '10\.[12]\.0\.2|fd0[12]::2')" 0
check 'the next daemon' impl_up A wg0 wgx
check 'configured' configure_a
check 'the router path is off' by_stack A ping_ok P 10.2.0.2
check 'until somebody wants it' wgx A attach eth1 --lan
check 'then it is there' past 3 A ping_ok P 10.2.0.2

#--- a kernel that is too old
host_add O
link O eth0 O eth1
spawn O daemon env WGX_DISABLE=tcx "$WGX" -f wg0
wait_for 20 on O wg show wg0
check 'without tcx it is refused' fails_with 1 'wgx: eth0: --lan needs Linux 6.9 or later: this kernel lacks tcx' \
	wgx O attach eth0 --lan
finish
