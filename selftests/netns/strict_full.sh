#!/bin/bash
# SPDX-License-Identifier: MIT
# Strict mode with a full tunnel, where the endpoint itself is in allowed IPs: what wgx sends is known by its
# socket, and what it gets by its port. It has to be said what may stay plaintext.
#
#	P 10.1.0.2, fd01::2 -- eth1 A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== eth0 192.0.2.2 -- wg0 10.7.0.2, 10.8.0.1 B
#	                              fd07::1            2001:db8::1        2001:db8::2         fd07::2, fd08::1
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/strict.inc"
require wg jq tcpdump socat python3
require_wgx

allow() { wg_peer A wg0 B wg0 allowed-ips "$1"; }
FULL=0.0.0.0/0,::/0
HALVES=0.0.0.0/1,128.0.0.0/1,::/1,8000::/1
# refused: exit status 1, one line that names the way out, and nothing done
refused() {
	wgx A attach eth0 --strict "$@" 2>"$WORK/refused"
	[ $? = 1 ] && grep -q 'default route.*--exempt' "$WORK/refused" && [ "$(wc -l <"$WORK/refused")" = 1 ] &&
		[ "$(wgx_mode A eth0)" = none ] && [ "$(pins)" = 0 ]
}
drops() { echo "$(strict A strict_egress) $(strict A strict_ingress)"; }
no_answer() { not on A ping -q -c 2 -i 0.1 -W 0.2 -w 1 "$1"; }
all_plaintext() { [ "$(wgx_json A '.attached[0].strict.all_plaintext')" = "$1" ]; }
# new_handshake HOST: it gets a new port, and begins anew
new_handshake() {
	on "$1" wg set wg0 listen-port "$2" && ping_ok "$1" "$3"
}
# strangers NAME: packets in a capture of B's eth0 that are neither of wgx nor what the link needs
strangers() {
	captured B "$1" 'not (udp and portrange 51820-51831) and not (ip[6:2] & 0x3fff != 0) and
		not (ip6[6] = 44) and not arp and not (icmp6 and ip6[40] >= 133 and ip6[40] <= 137) and
		not (ip6 and ip6[6] = 0) and not net fe80::/10' | wc -l
}
logged() { grep -q "$1" "$WORK/A.wg0.log"; }

#--- what needs exemptions
check 'set up' setup 4 || finish
for ips in $FULL 0.0.0.0/0 ::/0 $HALVES ::/1,8000::/1; do
	allow $ips
	check "$ips: refused" refused
	check "$ips: refused without acceleration" refused --mode none
done
allow 0.0.0.0/1,::/1
check 'a half is no default route' wgx A attach eth0 --strict --mode none
check 'detach' wgx A detach eth0
allow $FULL
check 'exempt: no network' not wgx A attach eth0 --strict --exempt 192.0.2.0/33
check 'exempt: all' not wgx A attach eth0 --strict --exempt 0.0.0.0/0
check_equal 'nothing is attached' "$(wgx_mode A eth0) $(pins)" 'none 0'
host_del A B P

#--- nothing exempt: the tunnel, and no more
full() { # full MODE OUTER
	local l="$1, IPv$2 outside"
	check "$l: set up" setup $2 || return
	allow $FULL
	check "$l: attach B" wgx B attach eth0
	check "$l: attach, strict, no exemptions" wgx A attach eth0 --strict --exempt none --mode $1
	capture B full.$1.$2 eth0
	check "$l: ping" ping_ok A 10.7.0.2
	check "$l: and over IPv6" ping_ok A fd07::2
	check "$l: from behind" ping_ok P 10.8.0.1
	check "$l: 5 MB" file_copy A B 10.7.0.2 5
	check "$l: 5 MB back" file_copy B A fd07::1 5
	check "$l: A begins a handshake" new_handshake A 51830 10.7.0.2
	check "$l: B begins a handshake" new_handshake B 51831 10.7.0.1
	check_equal "$l: nothing was dropped" "$(drops)" '0 0'
	for h in A B; do
		on $h ip link set wg0 mtu 2000
	done
	check "$l: datagrams in fragments" ping_ok A 10.7.0.2 -s 1900 -M do
	check_equal "$l: neither" "$(drops)" '0 0'
	check "$l: in the clear even the neighbour is out of reach" no_answer 192.0.2.2
	check "$l: over IPv6 too" no_answer 2001:db8::2
	no_routes
	leaks P >/dev/null 2>&1
	capture_end full.$1.$2
	check_equal "$l: all that crossed was wgx's, and what the link needs" "$(strangers full.$1.$2)" 0
	check "$l: detach" wgx A detach eth0
	host_del A B P
}
for mode in tcx native none; do
	full $mode 4
	full $mode 6
done

#--- exemptions, and allowed IPs that grow
check 'set up' setup 4 || finish
pid=$(daemon_pid A wg0)
on A ip link del wg0
wait_for 10 not on A kill -0 "$pid"
check 'a daemon whose log is read' wgx_logged A wg0
addr A wg0 10.7.0.1/24 fd07::1/64
on A ip link set wg0 up
routes
check 'configure' configure
check 'attach, strict, with reports' wgx A attach eth0 --strict --report
check 'ping' ping_ok A 192.0.2.2
check 'not all plaintext is dropped' all_plaintext false
allow $FULL
check 'a default route, and nothing exempt: all plaintext is dropped' no_answer 192.0.2.2
check 'show has it' all_plaintext true
check 'so does its text' sh -c "nsenter -t ${HOST_PID[A]} -m -n -p '$WGX' show | grep -q 'strict: on; all plaintext'"
check 'and the log' logged 'eth0: strict: allowed IPs have a default route'
check 'the tunnel works' ping_ok A 10.7.0.2
allow 10.7.0.2/32,fd07::2/128
check 'a smaller one again: it passes' ping_ok A 192.0.2.2
check 'show has it' all_plaintext false
allow $HALVES
check 'two halves are one' all_plaintext true
check 'detach' wgx A detach eth0
allow $FULL
check 'attach with exemptions' wgx A attach eth0 --strict --report --exempt 192.0.2.0/24,fd11::/16 --exempt 2001:db8::2
check_equal 'they are shown' "$(wgx A show | sed -n 's/^  strict: //p')" \
	'on; exempt 192.0.2.0/24, fd11::/16, 2001:db8::2/128'
check 'not all plaintext is dropped' all_plaintext false
capture B control eth0
check 'the neighbour can be reached' ping_ok A 192.0.2.2
check 'and over IPv6' ping_ok A 2001:db8::2
capture_end control
check_equal 'and the captures above would have shown it' "$(strangers control)" 12
check 'the tunnel works' ping_ok A 10.7.0.2
no_routes
before=$(strict A strict_egress)
on A bash -c 'echo contents >/dev/udp/10.8.0.1/99'
check_equal 'what is not exempt is dropped' "$(strict A strict_egress)" $((before + 1))
check 'and reported' wait_for 5 logged 'eth0: strict_egress: from 192.0.2.1 port [0-9]* to 10.8.0.1 port 99, protocol 17'
sleep 0.2
on A bash -c 'echo contents >/dev/udp/fd08::1/99'
check 'over IPv6 too' wait_for 5 logged 'eth0: strict_egress: from 2001:db8::1 port [0-9]* to fd08::1 port 99, protocol 17'
check 'no word of contents' not logged contents

#--- a second interface's allowed IPs count as well, and no longer than it is there
check 'another interface' impl_up A wg1 wgx
key_for A wg1
on A wg set wg1 private-key "$WORK/A.wg1.key" peer "$(pub_of B wg0)" allowed-ips 203.0.113.0/24
allow 10.7.0.2/32
before=$(strict A strict_egress)
on A bash -c 'echo plain >/dev/udp/203.0.113.1/99'
check_equal "the second interface's allowed IPs" "$(strict A strict_egress)" $((before + 1))
on A ip link del wg1
gone() { grep -qx wg0 <<<"$(wgx_json A '[.interfaces[].name] | join(" ")')"; } # wholly: the daemon answers when it is done
check 'it is deleted' wait_for 10 gone
on A bash -c 'echo plain >/dev/udp/203.0.113.1/99'
check_equal 'and its allowed IPs with it' "$(strict A strict_egress)" $((before + 1))
finish
