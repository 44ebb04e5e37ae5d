#!/bin/bash
# SPDX-License-Identifier: MIT
# A peer behind a NAT that forgets after two seconds: a persistent keepalive keeps the way in open,
# without one nobody outside gets through, and when the NAT takes another port the peer is followed.
#
#	A wg0 10.7.0.1 -- eth0 10.1.0.1 ---- .254 eth0 r eth1 .254 ---- eth0 192.0.2.2 -- wg0 10.7.0.2 B
#	  no listen port known              masquerade to a range of ports
. "$(dirname "$0")/../lib.sh"
require wg jq nft conntrack
require_impl wgx

masquerade() { # masquerade first-last: the ports outside; what was mapped is forgotten
	on r nft -f - <<-END && on r conntrack -F
		table ip nat
		delete table ip nat
		table ip nat {
			chain post {
				type nat hook postrouting priority srcnat
				oifname eth1 udp sport 1-65535 masquerade to :$1
			}
		}
	END
}

mappings() { on r conntrack -L -p udp 2>/dev/null | grep -c 'dport=51820'; }
forgotten() { [ "$(mappings)" = 0 ]; }
port_of() { on B wg show wg0 endpoints | sed 's/.*://'; }
port_within() { # port_within first last
	local p
	p=$(port_of)
	echo "port $p"
	[ "$p" -ge "$1" ] && [ "$p" -le "$2" ]
}

# keepalives_pass COUNT: so many have reached B
received() { on B wg show wg0 transfer | cut -f2; }
keepalives_pass() {
	local goal=$(($(received) + $1 * 32))
	wait_for 20 eval "[ \$(received) -ge $goal ]"
}

up() { # up host impl address
	impl_up "$1" wg0 "$2" && key_for "$1" wg0 && on "$1" wg set wg0 private-key "$WORK/$1.wg0.key" &&
		addr "$1" wg0 "$3" && on "$1" ip link set wg0 up
}

behind_nat() { # behind_nat implA implB
	local l="$1 behind a NAT, $2 outside"
	host_add A r B
	link A eth0 r eth0
	link B eth0 r eth1
	addr A eth0 10.1.0.1/24
	addr r eth0 10.1.0.254/24
	addr r eth1 192.0.2.254/24
	addr B eth0 192.0.2.2/24
	on A ip route add default via 10.1.0.254
	forwarding r
	check "$l: the NAT" masquerade 10000-10999 || finish
	on r sysctl -q net.netfilter.nf_conntrack_udp_timeout=2 net.netfilter.nf_conntrack_udp_timeout_stream=2
	check "$l: set up" up A "$1" 10.7.0.1/24 || finish
	check "$l: set up the other" up B "$2" 10.7.0.2/24 || finish
	on B wg set wg0 listen-port 51820
	wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32
	wg_peer B wg0 A wg0 allowed-ips 10.7.0.1/32
	check "$l: attach" attach_pair "$1" "$2"

	check "$l: from inside" ping_ok A 10.7.0.2
	check "P-DT-1 $l: known by the NAT's address" sh -c \
		"nsenter -t ${HOST_PID[B]} -m -n -p wg show wg0 endpoints | grep -q 192.0.2.254:10"
	check "$l: and back, while the NAT remembers" ping_ok B 10.7.0.1
	check "$l: the NAT forgets" wait_for 30 forgotten
	check "$l: then nobody gets in" not on B ping -q -i 0.2 -c 3 -w 1 10.7.0.1

	wg_peer A wg0 B wg0 persistent-keepalive 1
	check "P-TM-7 $l: keepalives reach the outside" keepalives_pass 4
	check "P-TM-7 $l: the NAT remembers" wait_for 5 not forgotten
	check "P-TM-7 $l: from outside, seconds later" ping_ok B 10.7.0.1

	masquerade 20000-20999
	check "P-DT-1 $l: the NAT takes another port: followed" wait_for 20 port_within 20000 20999
	check "P-DT-1 $l: from outside, by that port" ping_ok B 10.7.0.1
	wg_peer A wg0 B wg0 persistent-keepalive 0
	masquerade 30000-30999
	check "P-DT-1 $l: and another, found out by data" ping_ok A 10.7.0.2
	check "P-DT-1 $l: followed" wait_for 20 port_within 30000 30999
	check "P-DT-1 $l: and back" ping_ok B 10.7.0.1
	host_del A r B
}

behind_nat wgx wgx
if command -v "$WGGO" >/dev/null && [ -c /dev/net/tun ]; then
	behind_nat wireguard-go wgx
else
	skip 'with wireguard-go' 'needs wireguard-go'
fi
finish
