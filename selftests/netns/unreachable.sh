#!/bin/bash
# SPDX-License-Identifier: MIT
# No peer for the destination, or a peer without an endpoint: whoever sent the packet hears that the host
# is unreachable, on this host and behind it, also through masquerading.
#
#	C eth0 192.0.2.3 ==== 192.0.2.1 eth0 -- wg0 10.7.0.1, fd07::1 A
#	    2001:db8::3       2001:db8::1        no peer: 10.66.0.0/16, fd66::/16
#	                                         no endpoint: 10.77.0.0/16, fd77::/16
. "$(dirname "$0")/../lib.sh"
require wg jq nft python3
require_wgx

error() { on "$1" timeout 60 python3 "$SELFTESTS/netns/inner.py" error "${@:2}"; }

# ping_says A 10.66.0.1 PATTERN: it is told, and does not merely hear nothing
ping_says() {
	on "$1" ping -n -c 3 -i 0.1 -w 10 "$2" >"$WORK/ping.log" 2>&1
	cat "$WORK/ping.log"
	grep -q "$3" "$WORK/ping.log"
}

dropped() { wgx_drops A wg0 | awk -v p="$1" '$1 == p { n += $2 } END { print n + 0 }'; }

set_up() {
	host_add A C
	link C eth0 A eth0
	addr C eth0 192.0.2.3/24 2001:db8::3/64
	addr A eth0 192.0.2.1/24 2001:db8::1/64
	forwarding A
	on C ip route add default via 192.0.2.1
	on C ip route add default via 2001:db8::1
	impl_up A wg0 wgx || return
	key_for A wg0
	key_for C wg0
	on A wg set wg0 private-key "$WORK/A.wg0.key"
	wg_peer A wg0 C wg0 allowed-ips 10.77.0.0/16,fd77::/16 || return
	on A ip link set wg0 up
	addr A wg0 10.7.0.1/24 fd07::1/64
	on A ip route add 10.66.0.0/16 dev wg0
	on A ip route add 10.77.0.0/16 dev wg0
	on A ip -6 route add fd66::/16 dev wg0
	on A ip -6 route add fd77::/16 dev wg0
	# as strict as they come
	on A sh -c 'for f in all default eth0 wg0; do echo 1 >/proc/sys/net/ipv4/conf/$f/rp_filter; done'
}

# hears HOST LABEL: each kind of sender, to each kind of destination
hears() {
	local reason v4 v6
	for reason in 'no peer' 'no endpoint'; do
		v4=10.66.0.1 v6=fd66::1
		[ "$reason" = 'no peer' ] || v4=10.77.0.1 v6=fd77::1
		check "P-DT-4 $2, $reason: ping" ping_says "$1" $v4 'Destination Host Unreachable'
		check "P-DT-4 $2, $reason: IPv6 ping" ping_says "$1" $v6 'unreachable: Address unreachable'
		check_equal "P-DT-4 $2, $reason: UDP" "$(error "$1" udp $v4)" EHOSTUNREACH
		check_equal "P-DT-4 $2, $reason: UDP over IPv6" "$(error "$1" udp $v6)" EHOSTUNREACH
		check_equal "P-DT-4 $2, $reason: TCP" "$(error "$1" tcp $v4)" EHOSTUNREACH
		check_equal "P-DT-4 $2, $reason: TCP over IPv6" "$(error "$1" tcp $v6)" EHOSTUNREACH
	done
}

check 'set up' set_up || finish
hears A 'this host'
check 'no peer is counted' test "$(dropped seal_no_peer)" -ge 6
check 'no endpoint is counted' test "$(dropped seal_no_endpoint)" -ge 6
hears C 'a client behind it'

on A nft -f - <<-EOF
	table inet nat {
		chain postrouting {
			type nat hook postrouting priority srcnat;
			oifname "wg0" masquerade
		}
	}
EOF
hears C 'a client behind masquerading'

#--- and once there is an endpoint, nobody is told anything any more
answers=$(wgx_counter A wg0 icmp_sent)
check 'answers are counted' test "$answers" -ge 20
wg_peer A wg0 C wg0 endpoint 192.0.2.3:51820
on A ping -q -n -c 3 -i 0.1 -W 0.5 10.77.0.1 >/dev/null
check_equal 'P-DT-4 with an endpoint: silence' "$(wgx_counter A wg0 icmp_sent)" "$answers"
finish
