#!/bin/bash
# SPDX-License-Identifier: MIT
# Endpoints that are host names: over IPv6 and IPv4, and to wherever the name leads when the peer no longer answers.
#
#	C wg0 10.7.0.2 --- eth0 192.0.2.2, 2001:db8::2 ==== eth0 192.0.2.1, 2001:db8::1 --- wg0 10.7.0.1 G
#	                                                                                    wg1 10.8.0.1
# C's name server is a file, /etc/hosts.
. "$(dirname "$0")/../lib.sh"
require wg jq
require_wgx

host_add C G
link C eth0 G eth0
addr C eth0 192.0.2.2/24 2001:db8::2/64
addr G eth0 192.0.2.1/24 2001:db8::1/64
clock_own C G
key_for C wg0
key_for G wg0
key_for G wg1
mkdir -m 0700 "$WORK/C" "$WORK/G"
for file in hosts nsswitch.conf resolv.conf; do
	: >"$WORK/$file"
	chmod 0644 "$WORK/$file"
	on C mount --bind "$WORK/$file" /etc/$file || bail "an /etc/$file of its own"
done
echo 'hosts: files' >"$WORK/nsswitch.conf"

# config C wg0: a configuration file, from standard input
config() { (umask 077 && cat >"$WORK/$1/$2.conf"); }
up() { wgx "$1" up "$WORK/$1/$2.conf" 2>"$WORK/said"; }
down() { wgx "$1" down "$WORK/$1/$2.conf"; }
for i in 0 1; do
	config G wg$i <<-END
		[Interface]
		PrivateKey = $(<"$WORK/G.wg$i.key")
		ListenPort = 5182$i
		Address = 10.$((7 + i)).0.1/24
		[Peer]
		PublicKey = $(pub_of C wg0)
		AllowedIPs = 10.$((7 + i)).0.2/32
	END
	up G wg$i || bail 'G is up'
done
config C wg0 <<-END
	[Interface]
	PrivateKey = $(<"$WORK/C.wg0.key")
	Address = 10.7.0.2/24, 10.8.0.2/24
	[Peer]
	PublicKey = $(pub_of G wg0)
	AllowedIPs = 10.7.0.1/32
	Endpoint = vpn.test:51820
	[Peer]
	PublicKey = $(pub_of G wg1)
	AllowedIPs = 10.8.0.1/32
	Endpoint = 192.0.2.1:51821
END
endpoint() { on C wg show wg0 endpoints | grep -F "$(pub_of G wg0)" | cut -f 2; }
endpoint_is() { [ "$(endpoint)" = "$1" ]; }
# reached: somebody sends all the time, as long as it takes
reached() { wait_for 60 on C ping -q -c 1 -w 2 10.7.0.1; }
other_peer() { on C ping -q -c 1 -w 10 10.8.0.1; }

#--- names that lead nowhere, now or ever
check 'a name that is none' not up C wg0
check_equal 'says which, and where' "$(<"$WORK/said")" \
	"wgx: $WORK/C/wg0.conf:7: Endpoint: vpn.test: Name or service not known"
check_equal 'nothing was made' "$(on C ip -o link show dev wg0 2>&1 | grep -c 'does not exist')" 1

#--- no network yet: the tunnel comes up, and works when the name does
echo 'hosts: files dns' >"$WORK/nsswitch.conf"
printf 'nameserver 192.0.2.99\noptions timeout:1 attempts:1\n' >"$WORK/resolv.conf"
check 'up without a name server' up C wg0
check_equal 'warns' "$(<"$WORK/said")" \
	"wgx: warning: $WORK/C/wg0.conf:7: Endpoint: vpn.test: Temporary failure in name resolution; it is tried again"
check_equal 'no endpoint yet' "$(endpoint)" '(none)'
check 'the other peer answers meanwhile' other_peer
pid=$(on C pgrep -x wgx-resolver)
check_equal 'one process resolves' "$(wc -w <<<"$pid")" 1
check_equal 'it has no capabilities' "$(on C sed -n 's/^Cap\(Prm\|Eff\|Bnd\):\t//p' /proc/$pid/status | head -n 2 | xargs)" \
	'0000000000000000 0000000000000000'
check_equal 'nor a file of the caller' "$(on C ls -l /proc/$pid/fd | grep -cE 'pipe:|pts|tty')" 0

echo '192.0.2.1 vpn.test' >"$WORK/hosts"
check 'the name is there: the peer is reached' reached
check 'at its address' endpoint_is 192.0.2.1:51820

#--- another address, once the handshake is stale
on G ip addr add 192.0.2.3/24 dev eth0
echo '192.0.2.3 vpn.test' >"$WORK/hosts"
check 'still reached' reached
check 'where it was: it answers' endpoint_is 192.0.2.1:51820
down G wg0 # so that it does not know where C is, and C would not hear of it by itself
on G ip addr del 192.0.2.1/24 dev eth0
on G ip addr replace 192.0.2.3/24 dev eth0
up G wg0
for h in C G; do
	clock_jump $h both 200
	clock_jump $h real 200
done
check 'the peer has moved: reached' reached
check 'at its new address' endpoint_is 192.0.2.3:51820
on G ip addr add 192.0.2.1/24 dev eth0

#--- it ends with the interface
on C ip link del wg0
check 'it ends with the interface' wait_for 10 not on C pgrep -x wgx-resolver
wgx C down "$WORK/C/wg0.conf" 2>/dev/null

#--- both families, of which the preferred one leads nowhere
printf '2001:db8::bad vpn.test\n192.0.2.1 vpn.test\n' >"$WORK/hosts"
check 'up' up C wg0
check 'IPv6 is tried first' endpoint_is '[2001:db8::bad]:51820'
check 'then IPv4: reached' reached
check 'over IPv4' endpoint_is 192.0.2.1:51820
down C wg0
check 'down ends it' not on C pgrep -x wgx-resolver
printf '192.0.2.99 vpn.test\n2001:db8::1 vpn.test\n' >"$WORK/hosts"
check 'up, IPv6' up C wg0
check 'IPv6: reached' reached
check 'over IPv6' endpoint_is '[2001:db8::1]:51820'
down C wg0

#--- none is left behind where there is no name
sed -i 's,vpn.test,192.0.2.1,' "$WORK/C/wg0.conf"
check 'up with an address' up C wg0
check 'nothing to resolve' not on C pgrep -x wgx-resolver
down C wg0
finish
