#!/bin/bash
# SPDX-License-Identifier: MIT
# docs/recipes.md, line by line: its hosts, and what they have around them.
#
#	lan eth0 10.1.0.2, fd01::2                              203.0.113.200, 2001:db8:3::200 web
#	 |                                                                                  |
#	lan0 .1 gateway eth0 192.0.2.1, 2001:db8:1::1 ---- r ---- 203.0.113.9 eth0 branch lan0 10.3.0.1, fd03::1
#	        wg0 10.7.0.1, fd07::1                      |                                |
#	                                     laptop eth0 198.51.100.45                 printer 10.3.0.2
#	                                            wg0 10.7.0.2, fd07::2
. "$(dirname "$0")/../lib.sh"
. "$SELFTESTS/docs.inc"
require wg jq nft python3 sysctl
require_wgx

host_add lan gateway r laptop branch printer web
link lan eth0 gateway lan0
link gateway eth0 r gw0
link laptop eth0 r home0
link branch eth0 r br0
link branch lan0 printer eth0
link web eth0 r web0
addr lan eth0 10.1.0.2/24 fd01::2/64
addr gateway lan0 10.1.0.1/24 fd01::1/64
addr gateway eth0 192.0.2.1/24 2001:db8:1::1/64
addr r gw0 192.0.2.254/24 2001:db8:1::fe/64
addr laptop eth0 198.51.100.45/24
addr r home0 198.51.100.254/24
addr branch eth0 203.0.113.9/25
addr r br0 203.0.113.126/25
addr branch lan0 10.3.0.1/24 fd03::1/64
addr printer eth0 10.3.0.2/24
addr web eth0 203.0.113.200/25 2001:db8:3::200/64
addr r web0 203.0.113.254/25 2001:db8:3::fe/64
forwarding r
on lan ip route add default via 10.1.0.1
on lan ip -6 route add default via fd01::1
on gateway ip route add default via 192.0.2.254
on gateway ip -6 route add default via 2001:db8:1::fe
on laptop ip route add default via 198.51.100.254
on branch ip route add default via 203.0.113.126
on printer ip route add default via 10.3.0.1
on web ip route add default via 203.0.113.254
on web ip -6 route add default via 2001:db8:3::fe

doc_host gateway laptop branch
on laptop sh -c 'echo 192.0.2.1 gateway.example.net >>/etc/hosts'

# keys: public ones as wgx pubkey prints them, private ones as they are in the files
key() { # key HOST FILE PUBLIC [PRIVATE]
	DOC_TEXT[$3]="$1 wgx pubkey </etc/wireguard/$2"
	[ -z "${4:-}" ] || DOC_TEXT[$4]="$1 cat /etc/wireguard/$2"
}
key gateway wg0.key xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg= yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=
key laptop wg0.key TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0= gI6EdUSYvn8ugXOt8QQD6Yc+JyiZxIhp3GInSWRfWGE=
key branch wg0.key gN65BkIKy1eCE9pP1wdc8ROUtkHLF2PfAqYdyYBz6EA= sJkP2oCiqGo1kIGEGSYWNTkUtGpqBfQ4HG2Vh8CXxVU=
key branch wg0.next 2RzKFbGMx5g7fG0BrWCI7JIpGvcGGkqUaCoENYueJw4=
DOC_TEXT[FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=]='gateway cat /etc/wireguard/branch.psk'

# a resolvconf, which need not be installed
mkdir "$WORK/bin"
printf '#!/bin/sh\n[ "$1" != -a ] || cat >/run/resolvconf\n' >"$WORK/bin/resolvconf"
chmod +x "$WORK/bin/resolvconf"
DOC_PATH=$WORK/bin:$BUILD

# What the lines do beside ending well.
doc_hook() {
	case "$1# $2" in
	'laptop# wgx attach eth0 --strict --exempt '*)
		check_equal 'the name server is set' "$(on laptop cat /run/resolvconf)" 'nameserver 10.1.0.2'
		check_equal 'all traffic takes the tunnel' \
			"$(on laptop ip -o route get 203.0.113.200 | grep -o 'dev [a-z0-9]*')" 'dev wg0'
		;;
	'laptop# wgx detach eth0')
		on laptop ip rule del table 51820
		check 'strict: nothing passes where the rule is gone' not on laptop ping -q -c 1 -w 1 203.0.113.200
		on laptop ip rule add not fwmark 51820 table 51820
		;;
	'branch# umask 077; wgx genkey >/etc/wireguard/wg0.next')
		check 'a host behind the branch' on printer ping -q -c 1 -w 10 10.1.0.2
		check_equal 'accelerated, at both ends' "$(wgx_mode gateway eth0) $(wgx_mode branch eth0)" 'tcx tcx'
		;;
	esac
}
run_doc "$TOP/docs/recipes.md"
for h in gateway laptop branch; do
	check "no wg0 is left on $h" wait_for 20 not on $h ip link show wg0
done
finish
