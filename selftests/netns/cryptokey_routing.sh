#!/bin/bash
# SPDX-License-Identifier: MIT
# Cryptokey routing: what a peer sends must come from an address that is its own in allowed IPs, and an
# address that is given to another peer is its former owner's no more, from that moment on.
#
#	                 A wg0 10.7.0.1, fd07::1
#	      eth0 192.0.2.1              eth1 198.51.100.1
#	       |                                        |
#	      eth0 192.0.2.2              eth0 198.51.100.3
#	B wg0 10.7.0.2, fd07::2           C wg0 10.7.0.3, fd07::3
#	  and .77, which is B's first, then C's, then B's again
. "$(dirname "$0")/../lib.sh"
require wg jq socat python3
require_impl wgx

up() { # up host impl address ...
	impl_up "$1" wg0 "$2" && key_for "$1" wg0 &&
		on "$1" wg set wg0 listen-port 51820 private-key "$WORK/$1.wg0.key" &&
		addr "$1" wg0 "${@:3}" && on "$1" ip link set wg0 up
}

filtered() { wgx_drops A wg0 | awk '$1 == "open_source" { n = $2 } END { print n + 0 }'; }
filtered_since() { [ "$(filtered)" -ge "$1" ]; }

# stream B 10.7.0.77 10.7.0.1: a datagram each few milliseconds, from that address, without an end
stream() {
	spawn "$1" "stream-$1" python3 -c '
import socket, sys, time
v6 = ":" in sys.argv[1]
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(41 if v6 else 0, 75 if v6 else 19, 1) # IP_TRANSPARENT: any source
s.bind((sys.argv[1], 7001))
while True:
    try:
        s.sendto(b"x" * 100, (sys.argv[2], 7000))
    except OSError:
        pass
    time.sleep(0.003)' "$2" "$3"
}

# sink A 10.7.0.1: counts what comes, in $WORK/sink.log
sink() {
	spawn "$1" sink python3 -uc '
import os, socket, sys
v6 = ":" in sys.argv[1]
s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 7000))
n = 0
while True:
    s.recv(2000)
    n += 1
    os.pwrite(1, b"%d\n" % n, 0)' "$2"
}
got() { head -n 1 "$WORK/sink.log" | grep . || echo 0; }
got_since() { [ "$(got)" -ge "$1" ]; }

# stands_still: nothing more has come by the time that 100 more were filtered out. The first of these times,
# what was on its way when the filter changed may still be counted.
stands_still() {
	local before
	for _ in 1 2 3; do
		before=$(got)
		wait_for 10 filtered_since $(($(filtered) + 100)) || { echo 'nothing is filtered' && return 1; }
		echo "received $before, then $(got)"
		[ "$(got)" != "$before" ] || return 0
	done
	return 1
}
goes_on() { wait_for 20 got_since $(($(got) + 20)); }
filters_nothing() {
	local before
	goes_on || return
	before=$(filtered)
	goes_on && [ "$(filtered)" = "$before" ]
}

# foreign LABEL address dst: what B sends from an address that is not its own is lost, and counted
foreign() {
	local before status
	before=$(filtered)
	on B ip addr add "$2" dev lo nodad
	wait_for 10 lost_from "${2%/*}" "$3" $((before + 5))
	status=$?
	on B ip addr del "$2" dev lo
	wgx_drops A wg0
	return $status
}
lost_from() { # an IPv6 address may take its time until it can be used
	on B ping -q -c 5 -i 0.02 -W 0.2 -I "$1" "$2"
	filtered_since "$3"
}

filters() { # filters implB implC attach(yes|no) [4|6: inside]
	local l="from $1 and $2" v net dst own
	[ "$3" = yes ] && l="$l, through AF_XDP" || l="$l, through the socket"
	host_add A B C
	link A eth0 B eth0
	link A eth1 C eth0
	addr A eth0 192.0.2.1/24
	addr B eth0 192.0.2.2/24
	addr A eth1 198.51.100.1/24
	addr C eth0 198.51.100.3/24
	check "$l: set up" up A wgx 10.7.0.1/24 fd07::1/64 || finish
	check "$l: set up B" up B "$1" 10.7.0.2/24 fd07::2/64 || finish
	check "$l: set up C" up C "$2" 10.7.0.3/24 fd07::3/64 || finish
	wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.0/24,fd07::/64
	wg_peer A wg0 C wg0 endpoint 198.51.100.3:51820 allowed-ips 10.7.0.3/32,fd07::3/128
	wg_peer B wg0 A wg0 endpoint 192.0.2.1:51820 allowed-ips 10.7.0.1/32,fd07::1/128
	wg_peer C wg0 A wg0 endpoint 198.51.100.1:51820 allowed-ips 10.7.0.1/32,fd07::1/128
	if [ "$3" = yes ]; then
		check "$l: attach" wgx A attach eth0
		check "$l: attach the other device" wgx A attach eth1
	fi
	for v in ${4:-4 6}; do
		net=10.7.0. dst=10.7.0.1 own=32
		[ $v = 4 ] || net=fd07:: dst=fd07::1 own=128
		check "$l, v$v: B" ping_ok B $dst
		check "$l, v$v: C" ping_ok C $dst
		check "P-DT-3 $l, v$v: B with C's address" foreign "$l" "${net}3/$own" $dst
		check "P-DT-3 $l, v$v: B with nobody's address" foreign "$l" \
			"$([ $v = 4 ] && echo 10.66.0.9/32 || echo fd66::9/128)" $dst

		sink A $dst
		stream B "${net}77" $dst
		check "$l, v$v: .77 is B's" goes_on
		wg_peer A wg0 C wg0 allowed-ips 10.7.0.3/32,fd07::3/128,"${net}77/$own"
		check "P-DT-3 $l, v$v: .77 is C's: B's packets stop" stands_still
		check "P-DT-4 $l, v$v: and A's go to C" reaches C "${net}77/$own"
		stop stream-B
		stream C "${net}77" $dst
		check "P-DT-3 $l, v$v: C's are let in" filters_nothing
		wg_peer A wg0 B wg0 allowed-ips 10.7.0.0/24,fd07::/64,"${net}77/$own"
		check "P-DT-3 $l, v$v: .77 is B's again: C's packets stop" stands_still
		stop stream-C
		stream B "${net}77" $dst
		check "P-DT-3 $l, v$v: B's are let in" filters_nothing
		check "P-DT-4 $l, v$v: and A's go to B" reaches B "${net}77/$own"
		stop stream-B
		stop sink
	done
	host_del A B C
}

reaches() { # reaches C 10.7.0.77/32
	local status
	on "$1" ip addr add "$2" dev lo nodad
	wait_for 10 ping_ok A "${2%/*}"
	status=$?
	on "$1" ip addr del "$2" dev lo
	return $status
}

filters wgx wgx yes
filters wgx wgx no 4
if command -v "$WGGO" >/dev/null && [ -c /dev/net/tun ]; then
	filters wireguard-go wireguard-go yes 6
else
	skip 'with wireguard-go' 'needs wireguard-go'
fi
finish
