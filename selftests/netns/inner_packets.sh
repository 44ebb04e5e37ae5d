#!/bin/bash
# SPDX-License-Identifier: MIT
# Packets of every shape go through the tunnel and come out byte by byte as they went in: sizes, IPv4
# options, IPv6 extension headers, fragments, unknown protocols, multicast and broadcast. What is not IP
# never leaves.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 ==== eth0 -- wg0 10.7.0.2, fd07::2 B
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/outer.inc"
require wg jq nft python3
require_impl "$IMPL"

inner() { on "$1" timeout 60 python3 "$SELFTESTS/netns/inner.py" "${@:2}"; }

# unchanged KIND ...: from A's wg0 to B's
unchanged() {
	spawn B recv python3 "$SELFTESTS/netns/inner.py" recv wg0 "$@"
	wait_for 10 grep -q ready "$WORK/recv.log"
	inner A send wg0 "$@"
	wait "${SPAWN_PID[recv]}"
	local status=$?
	cut -c1-200 "$WORK/recv.log" | head -n 20
	return $status
}

dropped() { wgx_drops A wg0 | awk -v p="$1" '$1 ~ p { n += $2 } END { print n + 0 }'; }
dropped_are() { [ "$(dropped "$1")" = "$2" ]; }

ping_size() { on A ping -q -i 0.01 -c 2 -w 10 -M dont -s "$2" "$1"; }

check 'set up' tunnel_pair "$IMPL" "$IMPL" 4 no || finish
check 'attach' attach_pair "$IMPL" "$IMPL"
check 'handshake' ping_ok A 10.7.0.2
outer_count A

#--- ping with sizes: small ones, around the MTU, and inner fragments
for size in 0 1 15 16 17 1391 1392 1393 1400 2784 8000 65507; do
	check "ping with $size bytes" ping_size 10.7.0.2 $size
done
for size in 0 1 15 16 17 1371 1372 1373 1400 8000 65000; do
	check "IPv6 ping with $size bytes" ping_size fd07::2 $size
done
check 'too large for the MTU, and not to be fragmented' not on A ping -q -c 1 -W 1 -s 1393 -M do 10.7.0.2

#--- byte by byte
check 'unchanged: sizes, protocols' unchanged sizes protocols
check 'unchanged: IPv4 options, IPv6 extension headers' unchanged options4 extensions6
check 'unchanged: fragments, with and without the first' unchanged fragments4 fragments6 last-fragments
check 'unchanged: hop limits, wrong checksums' unchanged ttl wrong-checksum
check 'P-DT-7 unchanged: every TOS and traffic class' unchanged tos

#--- multicast and broadcast: to the peer whose allowed IPs have the group, else to nobody
before=$(outer A data)
check 'multicast for nobody' inner A send wg0 multicast
if [ "$IMPL" = wgx ]; then
	check 'multicast for nobody is counted' wait_for 10 dropped_are egress_no_peer 2
	check_equal 'and never leaves' "$(outer A data)" "$before"
fi
wg_peer A wg0 B wg0 allowed-ips \
	10.7.0.2/32,fd07::2/128,224.0.0.0/4,ff00::/8,255.255.255.255/32,10.7.0.255/32
check 'unchanged: multicast, broadcast' unchanged multicast broadcast

#--- other Ethertypes, and what an Ethertype lies about
if [ "$IMPL" = wgx ]; then
	dropped=$(dropped malformed) before=$(outer A data)
	sent=$(inner A send wg0 foreign)
	check "foreign frames are counted: $sent" wait_for 10 dropped_are malformed $((dropped + sent))
	check_equal 'foreign frames never leave' "$(outer A data)" "$before"
fi
check 'ping after all that' ping_ok A 10.7.0.2
check 'IPv6 ping after all that' ping_ok A fd07::2
finish
