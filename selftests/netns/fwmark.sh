#!/bin/bash
# SPDX-License-Identifier: MIT
# A client whose whole traffic goes into the tunnel, with the rules that wg-quick makes: a table of its own
# for all that does not carry the mark, strict reverse-path filters, src_valid_mark. The mark is on every
# outer packet, handshakes too, also when it is changed at run time.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 == .254 eth0 r eth1 198.51.100.254 == .2 eth0 -- wg0 10.7.0.2 B
#	      fd07::1          2001:db8::1                        2001:db8:1::2                         fd07::2 |
#	                                                                       203.0.113.1, 2001:db8:2::1 lo ---'
. "$(dirname "$0")/../lib.sh"
require wg jq nft socat
require_wgx

MARK=51820

set_up() { # set_up ENDPOINT
	underlay_routed
	addr B lo 203.0.113.1/32 2001:db8:2::1/128
	impl_up A wg0 wgx && impl_up B wg0 wgx || return
	key_for A wg0
	key_for B wg0
	on A wg set wg0 fwmark $MARK private-key "$WORK/A.wg0.key" || return
	on B wg set wg0 listen-port 51820 private-key "$WORK/B.wg0.key" || return
	wg_peer A wg0 B wg0 endpoint "$1" allowed-ips 0.0.0.0/0,::/0 || return
	wg_peer B wg0 A wg0 allowed-ips 10.7.0.1/32,fd07::1/128 || return
	on A ip link set wg0 up
	on B ip link set wg0 up
	addr A wg0 10.7.0.1/32 fd07::1/128
	addr B wg0 10.7.0.2/24 fd07::2/64
}

# what wg-quick does for AllowedIPs = 0.0.0.0/0, ::/0
full_tunnel() {
	local v
	for v in -4 -6; do
		on A ip $v route add default dev wg0 table 51820 || return
		on A ip $v rule add not fwmark $MARK table 51820 || return
		on A ip $v rule add table main suppress_prefixlength 0 || return
	done
	# strict, or the mark would not be needed
	on A sh -c 'echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter
		echo 1 >/proc/sys/net/ipv4/conf/default/rp_filter
		echo 1 >/proc/sys/net/ipv4/conf/eth0/rp_filter
		echo 1 >/proc/sys/net/ipv4/conf/wg0/rp_filter
		echo 1 >/proc/sys/net/ipv4/conf/all/src_valid_mark'
	# wg-quick's own: the mark is kept for what comes back
	on A nft -f - <<-EOF
		table inet quick {
			chain preraw {
				type filter hook prerouting priority raw; policy accept;
				iifname != "wg0" ip daddr 10.7.0.1 fib saddr type != local drop
				iifname != "wg0" ip6 daddr fd07::1 fib saddr type != local drop
			}
			chain premangle {
				type filter hook prerouting priority mangle; policy accept;
				meta l4proto udp meta mark set ct mark
			}
			chain postmangle {
				type filter hook postrouting priority mangle; policy accept;
				meta l4proto udp meta mark $MARK ct mark set meta mark
			}
		}
	EOF
}

# marks MARK: begin to count what leaves A through eth0: with the mark, with another, and not by wg0 at all
marks() {
	on A nft -f - <<-EOF
		table inet marks
		delete table inet marks
		table inet marks {
			counter handshake { }
			counter data { }
			counter wrong { }
			counter clear { }
			chain output {
				type filter hook postrouting priority srcnat;
				oifname != "eth0" accept
				meta l4proto ipv6-icmp ip6 daddr fe80::/10 accept
				meta l4proto ipv6-icmp ip6 daddr ff00::/8 accept
				meta l4proto ipv6-icmp icmpv6 type { 133-137 } accept
				udp dport != 51820 counter name clear accept
				meta l4proto != udp counter name clear accept
				meta mark != $1 counter name wrong
				udp length 156 counter name handshake
				udp length != 156 counter name data
			}
		}
	EOF
}
marked() { on A nft -j list counter inet marks "$1" | jq '[.nftables[].counter.packets // empty][0]'; }
marked_over() { [ "$(marked "$1")" -gt "$2" ]; }

for outer in 4 6; do
	end=198.51.100.2:51820
	[ $outer = 4 ] || end='[2001:db8:1::2]:51820'
	check "outer v$outer: set up" set_up "$end" || finish
	check "outer v$outer: the rules of wg-quick" full_tunnel
	marks $MARK
	for way in socket tcx; do
		label="outer v$outer, $way"
		[ $way = socket ] || check "$label: attach" impl_attach A eth0 wgx tcx
		[ $way = socket ] || check "$label: attach B" impl_attach B eth0 wgx tcx
		check "$label: ping through the tunnel" ping_ok A 203.0.113.1
		check "$label: IPv6 ping through the tunnel" ping_ok A 2001:db8:2::1
		check "$label: ping the endpoint's address, inside" ping_ok A 198.51.100.2
		check "$label: TCP, SHA-256" file_copy A B 203.0.113.1 10
		check "$label: TCP back, IPv6, SHA-256" file_copy B A fd07::1 10
	done
	check "P-DT-11 outer v$outer: handshakes have the mark" test "$(marked handshake)" -gt 0
	check "P-DT-11 outer v$outer: data has the mark" test "$(marked data)" -gt 100
	check_equal "P-DT-11 outer v$outer: nothing leaves without" "$(marked wrong)" 0
	check_equal "outer v$outer: nothing leaves in the clear" "$(marked clear)" 0
	[ $outer = 6 ] || check_equal "outer v$outer: the reverse-path filter dropped nothing" \
		"$(nstat_get A TcpExtIPReversePathFilter)" 0

	#--- another mark, under traffic
	spawn A traffic ping -q -i 0.01 203.0.113.1
	for v in -4 -6; do
		on A ip $v rule add fwmark 77 table main pref 100
	done
	check "outer v$outer: another mark" on A wg set wg0 fwmark 77
	marks 77
	check "P-DT-11 outer v$outer: data goes on" wait_for 10 marked_over data 50
	check_equal "P-DT-11 outer v$outer: all with the new mark" "$(marked wrong)" 0
	on A ip link set wg0 down
	on A ip link set wg0 up
	addr A wg0 fd07::1/128
	for v in -4 -6; do
		on A ip $v route add default dev wg0 table 51820
	done
	check "P-DT-11 outer v$outer: handshakes, too" wait_for 10 marked_over handshake 0
	check "outer v$outer: ping with the new mark" ping_ok A 203.0.113.1
	check_equal "P-DT-11 outer v$outer: after down and up" "$(marked wrong)" 0
	check "outer v$outer: wg tells it" test "$(on A wg show wg0 fwmark)" = 0x4d
	check "outer v$outer: no mark at all" on A wg set wg0 fwmark 0
	stop traffic
	# now its own packets are routed into wg0
	check "outer v$outer: which makes a loop, and is seen as one" wait_for 10 sh -c \
		"nsenter -t ${HOST_PID[A]} -n ping -q -c 1 -W 0.1 203.0.113.1 >/dev/null; \
		nsenter -t ${HOST_PID[A]} -m -n -p $WGX show --json | jq -e '[.interfaces[].drops.egress_loop] | add > 0'"
	host_del A r B
done
finish
