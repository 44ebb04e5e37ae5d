#!/bin/bash
# SPDX-License-Identifier: MIT
# A changed configuration disturbs nobody whom it does not concern: `wg syncconf`, over and over, under
# load; no packet is lost, no session ends, the counters go on.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2 B
#	                  eth1 192.0.3.1 ==== 192.0.3.2 eth0 -- wg0 10.7.0.3 C
#
# 10.9.0.1 is at B and at C; A's allowed IPs say who of them it is. Numbered datagrams go from A to
# 10.7.0.2 and 10.7.0.3 and back all the while (netns/flow.py), and to 10.9.0.1 and, for it is not always
# the same peer's, back over the underlay.
. "$(dirname "$0")/../lib.sh"
require wg jq python3
require_wgx

check 'set up' tunnel_pair wgx wgx 4 yes || finish
host_add C
link A eth1 C eth0
addr A eth1 192.0.3.1/24
addr C eth0 192.0.3.2/24
check 'C' impl_up C wg0 wgx || finish
key_for C wg0
on C wg set wg0 listen-port 51820 private-key "$WORK/C.wg0.key" peer "$(pub_of A wg0)" allowed-ips 10.7.0.1/32
on C ip link set wg0 up
addr C wg0 10.7.0.3/24
for h in B C; do on $h ip addr add 10.9.0.1/32 dev lo; done
on A ip route add 10.9.0.1 dev wg0
check 'attach' attach_pair wgx wgx

# Where they went away for a moment, this is how long it would last, and somebody would notice.
MANY=$(printf '10.%d.%d.0/24, ' $(for a in {128..135}; do for b in {0..255}; do echo $a $b; done; done))

# conf WHO_HAS_10.9.0.1 [more peers ...]
conf() {
	local ips_b="$MANY 10.7.0.2/32, fd07::2/128" ips_c=10.7.0.3/32 key
	declare -n ips=ips_$1
	ips="${ips%10.7*}10.9.0.0/24, 10.7${ips##*10.7}"
	shift
	cat <<-END
		[Interface]
		PrivateKey = $(cat "$WORK/A.wg0.key")
		ListenPort = 51820
		[Peer]
		PublicKey = $(pub_of B wg0)
		PresharedKey = $(cat "$WORK/psk")
		AllowedIPs = $ips_b
		Endpoint = 192.0.2.2:51820
		[Peer]
		PublicKey = $(pub_of C wg0)
		AllowedIPs = $ips_c
		Endpoint = 192.0.3.2:51820
		PersistentKeepalive = 3600
	END
	for key; do printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.8.0.0/16\nEndpoint = 192.0.2.99:1\n' "$key"; done
}
D=$(wg genkey | wg pubkey) E=$(wg genkey | wg pubkey)
conf b >"$WORK/b.conf"
conf c >"$WORK/c.conf"
conf b "$D" >"$WORK/d.conf"
conf b "$E" >"$WORK/e.conf"
{
	cat "$WORK/b.conf"
	printf '[Peer]\nPublicKey = %s\n' "$D"
	for a in {0..63}; do for b in {0..255}; do echo "AllowedIPs = 10.$((a + 64)).$b.0/24"; done; done
} >"$WORK/large.conf"

of_both() { on A wg show wg0 "$1" | grep -F -e "$(pub_of B wg0)" -e "$(pub_of C wg0)" | sort; }
shaken() { ! grep -qP '\t0$' <<<"$(of_both latest-handshakes)"; }
others() { on A wg show wg0 peers | grep -vcF -e "$(pub_of B wg0)" -e "$(pub_of C wg0)"; }
# no_less: of each counter that there was before
no_less() { join <(echo "$1" | tr '\t' ' ') <(of_both transfer | tr '\t' ' ') | awk '$4 < $2 || $5 < $3 { exit 1 }'; }
sync() {
	local f
	for f; do on A wg syncconf wg0 "$WORK/$f.conf" || return; done
}

check 'the configuration' sync b
check 'ping B' ping_ok A 10.7.0.2
check 'ping C' ping_ok A 10.7.0.3
check 'both have shaken hands' wait_for 10 shaken
began=$SECONDS
handshakes=$(of_both latest-handshakes)
endpoints=$(of_both endpoints)

flow=(python3 "$SELFTESTS/netns/flow.py")
for h in B C; do
	ip=10.7.0.2
	[ $h = B ] || ip=10.7.0.3
	spawn $h echo$h "${flow[@]}" echo $ip 7
	spawn $h echo_moving$h "${flow[@]}" echo 10.9.0.1 9 192.0.2.1
	wait_for 10 sh -c "nsenter -t ${HOST_PID[$h]} -n ss -Huln 'sport = :7 or sport = :9' | grep -c . | grep -q 2"
	spawn A flow$h "${flow[@]}" send $ip 7
done
on C ip route add 192.0.2.1 via 192.0.3.1
spawn A flow_moving "${flow[@]}" send 10.9.0.1 9 192.0.2.1

# many NAME FILE ...: syncconf with these files in turn, ten times
many() {
	local name=$1 transfer n
	shift
	transfer=$(of_both transfer)
	check "P-UA-4 P-UA-6 syncconf under load: $name" many_ "$@"
	check "P-UA-4 no new handshake: $name" same_sessions
	check_equal "P-UA-4 the same endpoints: $name" "$(of_both endpoints)" "$endpoints"
	check "P-UA-4 the counters go on: $name" no_less "$transfer"
}
# They are the same; on a machine so slow that keys had to be renewed (P-TM-2), the next ones are.
same_sessions() {
	local now
	now=$(of_both latest-handshakes)
	[ "$now" != "$handshakes" ] || return 0
	printf 'before:\n%s\nafter %d s:\n%s\n' "$handshakes" $((SECONDS - began)) "$now"
	[ $((SECONDS - began)) -ge 110 ] && handshakes=$now began=$SECONDS
}
many_() { for _ in {1..10}; do sync "$@" || return; done; }
many 'nothing changes' b b
many 'another peer comes and goes' d b
many 'one takes the place of another' d e
many 'an allowed IP moves from one peer to the other' c b
many 'thousands of allowed IPs come and go' large b
check_equal 'only B and C are left' "$(others)" 0
check 'P-UA-5 the allowed IP is at B: ping' ping_ok A 10.9.0.1
sync c
check 'P-UA-5 the allowed IP is at C: ping' ping_ok A 10.9.0.1
check_equal 'P-UA-5 it is' "$(on A wg show wg0 allowed-ips | grep -F 10.9.0.0/24 | cut -f1)" "$(pub_of C wg0)"

for f in B C _moving; do
	stop flow$f
	read -r _ sent _ lost _ twice <"$WORK/flow$f.log"
	what=${f/_moving/10.9.0.1, which moved}
	check_equal "P-UA-4 of all that went to $what nothing was lost, nothing came twice" "$lost $twice" '0 0' ||
		diag <"$WORK/flow$f.log"
	check "P-UA-4 and that was much: $sent datagrams" test "$sent" -ge 1000
done
for h in B C; do
	stop echo$h
	stop echo_moving$h
done

# setconf instead does what it says: the peers are new ones, and shake hands anew
check 'setconf' on A wg setconf wg0 "$WORK/b.conf"
check_equal 'P-UA-6 setconf replaces the peers' "$(of_both latest-handshakes | grep -F "$(pub_of B wg0)" | cut -f2)" 0
check 'ping' ping_ok A 10.7.0.2
finish
