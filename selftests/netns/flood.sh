#!/bin/bash
# SPDX-License-Identifier: MIT
# A flood of initiations from forged addresses: below an eighth of the queue none is answered; above it each
# gets a cookie reply at most, the queue and the daemon's memory are bounded, who shows a cookie gets in, and a
# session that is there goes on. Initiations with a wrong mac1 are no load at all.
#
#	A wg0 10.7.0.1 (wgx) ---------- eth0 192.0.2.1 ====== 192.0.2.2 eth0 -- wg0 10.7.0.2 B (wgx)
#	C wg0 10.7.0.3 (wireguard-go) - eth0 203.0.113.3 ==== 203.0.113.2 eth1
#	F (flood: 198.18.0.0/15, 100.64.0.0/10) 198.51.100.4 == 198.51.100.2 eth2
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../flood.inc"
require ethtool jq python3 tcpdump wg
require_impl wgx wireguard-go

INITIATION='udp[4:2] = 156' RESPONSE='udp[4:2] = 100' COOKIE='udp[4:2] = 72' # UDP lengths
HAS_MAC2='udp[140:4] != 0' # of an initiation

flood_hosts
on B ip route add 100.64.0.0/10 via 198.51.100.4
check 'wgx on B' impl_up B wg0 wgx
check 'wgx on A' impl_up A wg0 wgx
check 'wireguard-go on C' impl_up C wg0 wireguard-go
for h in A B C; do
	key_for $h wg0
	on $h wg set wg0 listen-port 51820 private-key "$WORK/$h.wg0.key"
	on $h ip link set wg0 up
done
wg_peer B wg0 A wg0 allowed-ips 10.7.0.1/32
wg_peer B wg0 C wg0 allowed-ips 10.7.0.3/32
wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.0/24
wg_peer C wg0 B wg0 endpoint 203.0.113.2:51820 allowed-ips 10.7.0.0/24
addr A wg0 10.7.0.1/24
addr B wg0 10.7.0.2/24
addr C wg0 10.7.0.3/24
on F ping -q -c 1 -w 10 198.51.100.2 >/dev/null # neighbours

# forged mac1|badmac1 [options ...]; forged_on: until `stop flood`
forged() { flood F B eth2 198.51.100.2 51820 "$1" -k "$(pub_of B wg0)" "${@:2}"; }
forged_on() { flood_spawn F flood B eth2 198.51.100.2 51820 "$1" -k "$(pub_of B wg0)" "${@:2}"; }

dropped() { wgx_drops B wg0 | awk -v r="$1" '$1 == r { n = $2 } END { print n + 0 }'; }
at_least() { [ "$(dropped "$1")" -ge "$2" ]; }
answers() { captured F "$1" "${@:2}" | wc -l; } # what B sent there

# rss: what the daemon holds, in kB
rss() { on B awk '/^VmRSS/ { print $2 }' "/proc/$(daemon_pid B wg0)/status"; }

#--- not under load
capture F quiet eth0 -s 64 src host 198.51.100.2 and udp
check 'initiations with a wrong mac1' forged badmac1 -c 400 -r 20000 -b 400
check 'are counted' wait_for 20 at_least handshake_invalid 400
check 'initiations that are right so far, too few to be a load' forged mac1 -c 400 -r 20000 -b 400
check 'are counted' wait_for 20 at_least handshake_invalid 800
halves() { # a message of two datagrams, in one superframe
	on F python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_UDP, 103, 74) # UDP_SEGMENT
s.sendto(b"\1" + bytes(147), (sys.argv[1], 51820))' 198.51.100.2
}
check 'halves of an initiation' halves
check 'are counted, each' wait_for 20 at_least handshake_invalid 802
check_equal 'P-DOS-1 below an eighth of the queue there is no load' "$(dropped handshake_cookie)" 0
capture_end quiet
check_equal 'P-DOS-4 nobody is answered' "$(answers quiet)" 0

#--- a wrong mac1 is no load
forged_on badmac1 -t 120 -r 20000 -b 2000
check 'a flood of initiations with a wrong mac1' wait_for 20 at_least handshake_invalid 10000
check 'A gets in' ping_ok A 10.7.0.2
stop flood
check_equal 'P-DOS-1 without a cookie: what fails at mac1 is no load' "$(dropped handshake_cookie)" 0
anew() { # the next packet to it needs a handshake
	on A wg set wg0 peer "$(pub_of B wg0)" remove
	wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.0/24
}
anew

#--- under load
before=$(rss)
capture F loaded eth0 -s 64 src host 198.51.100.2 and udp
capture A honest eth0 udp port 51820
capture C honest2 eth0 udp port 51820
forged_on mac1 -t 120 -r 5000 -b 1500
check 'P-DOS-1 more than an eighth of the queue is load' wait_for 20 at_least handshake_cookie 1000
invalid=$(dropped handshake_invalid)
check 'initiations with a wrong mac1, among them' forged badmac1 -s 198.19.0.1 -n 1000 -c 1000 -r 20000 -b 100
check 'are counted' wait_for 20 at_least handshake_invalid $((invalid + 1000))
spawn C ping ping -q -c 1 -w 60 10.7.0.2
check 'P-DOS-2 wgx gets in' on A ping -q -c 1 -w 60 10.7.0.2
check 'P-DOS-2 wireguard-go gets in' wait "${SPAWN_PID[ping]}"
stop flood

with_cookie() { # with_cookie A capture: told a cookie, and answered to an initiation that shows one
	captured "$1" "$2" -v | grep length
	[ "$(captured "$1" "$2" "$COOKIE" | wc -l)" -ge 1 ] &&
		[ "$(captured "$1" "$2" "$INITIATION and $HAS_MAC2" | wc -l)" -ge 1 ] &&
		[ "$(captured "$1" "$2" "$RESPONSE and src port 51820" | wc -l)" = 1 ]
}
capture_end honest
capture_end honest2
check 'P-DOS-2 wgx was told a cookie first' with_cookie A honest
check 'P-DOS-2 wireguard-go as well' with_cookie C honest2
capture_end loaded
check 'P-DOS-2 who is not known gets cookie replies' test "$(answers loaded "$COOKIE and dst net 198.18.0.0/16")" -ge 1000
check_equal 'P-DOS-2 and nothing else' "$(captured F loaded "not $COOKIE" -x)" ''
check_equal 'P-DOS-4 who shows a wrong mac1 gets nothing' "$(answers loaded 'dst net 198.19.0.0/16')" 0

#--- a million addresses
# accounted: what became of the handshake messages that B did not take
accounted() {
	local n r
	n=$(($(nstat_get B UdpRcvbufErrors) + $(link_refused F eth0)))
	for r in invalid cookie queue limit; do
		n=$((n + $(dropped handshake_$r)))
	done
	echo "$n"
}
reached() { [ "$(($(accounted) - accounted))" -ge "$1" ]; }
all_accounted() { # but for some honest ones, which may have been refused among them
	wait_for 20 reached "$1"
	echo "$(($(accounted) - accounted)) of $1"
	[ "$(($(accounted) - accounted))" -ge "$1" ] && [ "$(($(accounted) - accounted))" -le $(($1 + 20)) ]
}
accounted=$(accounted)
check 'P-DT-12 a burst that no queue holds' forged mac1 -c 60000 -r 1000000 -b 60000
check 'P-DT-12 each of it is accounted for' all_accounted 60000
accounted=$(accounted)
forged_on mac1 -s 100.64.0.1 -n 1000000 -c 1000000 -r 100000
check 'a million addresses: a session goes on' ping_ok C 10.7.0.2
anew
check 'a million addresses: a new one comes about' on A ping -q -c 1 -w 60 10.7.0.2
wait "${SPAWN_PID[flood]}"
check 'each is accounted for' all_accounted 1000000
after=$(rss)
check "the daemon has not grown by them: $before kB before, $after kB now" test $((after - before)) -lt 8192

#--- and after it
one_more() { # one is judged by itself again
	local invalid
	invalid=$(dropped handshake_invalid)
	forged mac1 -c 1 -r 1000
	try_for 1 at_least handshake_invalid $((invalid + 1))
}
check 'P-DOS-1 the load is over' wait_for 20 one_more
check 'ping' ping_ok A 10.7.0.2
check 'ping' ping_ok C 10.7.0.2
finish
