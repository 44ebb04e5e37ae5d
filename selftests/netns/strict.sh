#!/bin/bash
# SPDX-License-Identifier: MIT
# Strict mode: what belongs into the tunnel does not cross the underlay in the clear: not when a route is missing,
# not for hosts behind, not when the daemon has died. All else does.
#
#	P 10.1.0.2, fd01::2 -- eth1 A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== eth0 192.0.2.2 -- wg0 10.7.0.2, 10.8.0.1 B
#	                              fd07::1            2001:db8::1        2001:db8::2         fd07::2, fd08::1
#
# B is A's default gateway; tcpdump on B's eth0.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/strict.inc"
require wg jq tcpdump socat
require_wgx

#--- a leak, and none
check 'set up' setup 4 || finish
check 'attach' attach_pair wgx wgx
check 'ping' ping_ok A 10.7.0.2
check 'ping from behind' ping_ok P 10.8.0.1
check 'and over IPv6' ping_ok P fd08::1
check_equal 'strict mode is off' "$(strict A strict_egress)" none
no_routes
check 'without strict mode the packets of the host behind leak' all_leak open
check 'attached: not again' not wgx A attach eth0 --strict
check 'detach' wgx A detach eth0

for mode in tcx native none; do
	check "$mode: attach, strict" wgx A attach eth0 --strict --mode $mode
	check_equal "$mode: as asked" "$(wgx_mode A eth0)" $mode
	capture B strict.$mode eth0
	leaks P >/dev/null 2>&1
	check_equal "$mode: each packet of the host behind is counted" "$(strict A strict_egress)" $LEAKS
	leaks A >/dev/null 2>&1
	check_equal "$mode: each packet of the host itself too" "$(strict A strict_egress)" $((2 * LEAKS))
	check "$mode: the tunnel goes on" ping_ok A 10.7.0.2
	check "$mode: over IPv6" ping_ok A fd07::2
	check "$mode: 5 MB through it" file_copy A B 10.7.0.2 5
	check "$mode: 5 MB back" file_copy B A fd07::1 5
	check "$mode: a new handshake" on A sh -c 'wg set wg0 listen-port 51830 && ping -q -c 3 -i 0.1 -w 10 10.7.0.2'
	on A wg set wg0 listen-port 51820
	check "$mode: plaintext elsewhere passes" ping_ok A 192.0.2.2
	check "$mode: and over IPv6" ping_ok A 2001:db8::2
	on A ip neigh flush dev eth0
	check "$mode: neighbours are found anew" ping_ok A 2001:db8::2
	check "$mode: and by ARP" ping_ok A 192.0.2.2
	capture_end strict.$mode
	check_equal "$mode: nothing leaked" "$(plain strict.$mode)" 0
	check_equal "$mode: nothing else was dropped" "$(strict A strict_egress) $(strict A strict_ingress)" "$((2 * LEAKS)) 0"
	routes
	check "$mode: with the routes P reaches B" ping_ok P 10.8.0.1
	no_routes
	check "$mode: detach" wgx A detach eth0
	check_equal "$mode: nothing is left of it" "$(on A ls /sys/fs/bpf | grep -c strict)" 0
done

#--- what comes in
ear() { grep -c spoofed "$WORK/ear$1.log"; } # ear 4|6: what A has heard
ears_are() { [ "$(ear 4) $(ear 6)" = "$1" ]; }
spawn A ear4 socat -u UDP4-RECV:7001 STDOUT
spawn A ear6 socat -u UDP6-RECV:7001,ipv6only=1 STDOUT
listening() { [ "$(on A ss -Hlun 'sport = :7001' | wc -l)" = 2 ]; }
check 'A listens' wait_for 10 listening
on A sh -c 'for f in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$f; done'
addr B eth0 192.0.2.77/24
spoof 10.8.0.1 192.0.2.1
spoof '[fd08::1]' '[2001:db8::1]'
check 'without strict mode forged sources are heard' wait_for 10 ears_are '10 10'
check 'attach, strict' wgx A attach eth0 --strict
spoof 10.8.0.1 192.0.2.1
spoof '[fd08::1]' '[2001:db8::1]'
check_equal 'in strict mode they are dropped and counted' "$(strict A strict_ingress)" 20
spoof 192.0.2.77 192.0.2.1
spoof '[2001:db8::2]' '[2001:db8::1]'
check 'other sources are heard, and the forged ones were not' wait_for 10 ears_are '20 20'
check_equal 'show tells' "$(wgx A show | sed -n 's/^  strict: //p')" on
check_equal 'and what was dropped there' "$(wgx A show | sed -n '/^attached: eth0/,/^$/s/^  drops: //p')" 'strict_ingress 20'
check_equal 'the sum has it too' "$(wgx_json A .drops.strict_ingress)" 20
check 'detach' wgx A detach eth0
stop ear4
stop ear6
finish
