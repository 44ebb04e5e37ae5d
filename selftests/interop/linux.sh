#!/bin/bash
# SPDX-License-Identifier: MIT
# wgx and the Linux driver: each as initiator, with and without a preshared key, IPv4 and IPv6 inside
# and outside, through AF_XDP and through the socket; roaming; and, in the background on the second
# network, in real time, what the timers do: rekeying and keepalives.
#
#	H (wgx) wg0 10.7.0.1, fd07::1 ---- tap0 10.0.0.1 ==== eth0 10.0.0.2 ---- wg0 10.7.0.2, fd07::2 (driver) V
#	        wg1 to wg6 10.7.N.1 ------ tap1 10.0.1.1 ==== eth1 10.0.1.2 ---- wg1 to wg6 10.7.N.2
. "$(dirname "$0")/../lib.sh"
. "$SELFTESTS/interop/vm/vm.inc"
. "$SELFTESTS/interop/vm/linux.inc"
require wg socat tcpdump python3 sha256sum
require_wgx
vm_require "$LINUX_KERNEL"

# ---- in the background ----

# messages N H|V: time, type and length of the messages of wgN that one side sent
messages() {
	captured H timers -tt "udp port $((51820 + $1)) and src host 10.0.1.$([ "$2" = H ] && echo 1 || echo 2)" -x |
		awk '/^[0-9]/ { t = $1; len = $NF } /0x0010:/ { printf "%.3f %d %d\n", t, substr($8, 1, 2), len }'
}
times_of() { messages "$1" "$2" | awk -v type="$3" -v len="${4:-}" '$2 == type && (len == "" || $3 == len) { print $1 }'; }

background_start() {
	local n
	capture H timers tap1 udp
	for n in 1 2 3 4 5 6; do
		linux_tunnel $n $((51820 + n)) || return
		local h=() v=''
		case $n in 1 | 3 | 5) v="endpoint 10.0.1.1:$((51820 + n))" ;; *) h=(endpoint "10.0.1.2:$((51820 + n))") ;; esac
		[ $n != 5 ] || v+=' persistent-keepalive 2'
		[ $n != 6 ] || h+=(persistent-keepalive 2)
		host_peer $n "${h[@]}" allowed-ips "$(ips_of_vm $n)" || return
		vm_peer $n "$v" allowed-ips "$(ips_of_host $n)" || return
	done
	# 1, 2: pings across the rekey, by the initiator. 3, 4: data one way.
	vm_sh V "setsid ping -n -i 0.25 10.7.1.1 >/tmp/ping1 2>&1 & echo \$! >/tmp/ping1.pid"
	spawn H ping2 ping -n -i 0.25 10.7.2.2
	vm_sh V 'setsid socat -u UDP-RECV:9 /dev/null & until ss -Hlun | grep -q :9; do sleep 0.05; done'
	spawn H discard socat -u UDP-RECV:9 /dev/null
	wait_for 10 host_listens 9
	vm_sh V 'echo one >/dev/udp/10.7.3.1/9'
	on H bash -c 'echo one >/dev/udp/10.7.4.2/9'
}

# passive_keepalive N FROM TO: after FROM's data a keepalive of TO, ten seconds later, and none back
passive_keepalive() {
	local n=$1 from=$2 to=$3 data keepalive
	messages "$n" "$from" | sed "s/^/$from /"
	messages "$n" "$to" | sed "s/^/$to /"
	data=$(messages "$n" "$from" | awk '$2 == 4 && $3 > 32 { print $1 }' | tail -n 1)
	keepalive=$(times_of "$n" "$to" 4 32 | tail -n 1)
	[ -n "$data" ] && [ -n "$keepalive" ] || return
	awk -v a="$data" -v b="$keepalive" 'BEGIN { exit !(b - a > 9.5) }' || return
	[ "$(times_of "$n" "$to" 4 | wc -l)" = 1 ] && [ "$(times_of "$n" "$from" 4 32 | wc -l)" = 0 ]
}

# Keepalives from one side only, at least two seconds apart but for those that end a handshake; the other
# never sent data.
persistent_keepalive() {
	local n=$1 from=$2 to=$3
	messages "$n" "$from" | sed "s/^/$from /"
	[ "$(times_of "$n" "$to" 4 | wc -l)" = 0 ] || return
	# a busy machine may send one late, and so the next sooner after it
	messages "$n" "$from" | awk '$2 < 4 { last = 0 }
		$2 == 4 { n++; if (last) { gaps++; sum += $1 - last; bad += $1 - last < 1 } last = $1 }
		END { print n, "keepalives,", sum / gaps, "s apart"; exit !(n >= 20 && sum / gaps > 1.95 && !bad) }'
}

# none_lost pings: each up to the last that was answered. One may have been on its way at the end.
none_lost() {
	sed -nE 's/.*from.* icmp_seq=([0-9]+) .*/\1/p' <<<"$1" | sort -n | uniq |
		awk '$1 != NR { print "no answer to ping " NR; exit lost = 1 } END { print NR " pings"; exit lost || NR < 100 }'
}

rekeyed() { # rekeyed N side pings: it initiated again, 120 s after the first, and no ping was lost
	local at
	messages "$1" "$2" | awk '$2 < 4'
	messages "$1" "$([ "$2" = H ] && echo V || echo H)" | awk '$2 < 4'
	mapfile -t at < <(times_of "$1" "$2" 1)
	[ ${#at[@]} -ge 2 ] && awk -v a="${at[0]}" -v b="${at[-1]}" 'BEGIN { exit !(b - a > 119) }' || return
	none_lost "$3"
}

rekeying() { # a second initiation of either, and a while after
	local v h
	v=$(times_of 1 V 1 | wc -l)
	h=$(times_of 2 H 1 | wc -l)
	[ "$v" -ge 2 ] && [ "$h" -ge 2 ]
}

# ---- in the foreground ----

one() { # one mode outer psk initiator
	local mode=$1 outer=$2 psk=$3 who=$4 h=() v='' label="$1, outer v$2, psk $3, $4 initiates"
	host_unpeer 0 && vm_unpeer 0
	if [ "$who" = wgx ]; then
		h=(endpoint "$([ "$outer" = 4 ] && echo 10.0.0.2 || echo '[fd00::2]'):51820")
	else
		v="endpoint $([ "$outer" = 4 ] && echo 10.0.0.1 || echo '[fd00::1]'):51820"
	fi
	[ "$psk" = no ] || { h+=(preshared-key "$WORK/wg0.psk") && v+=" preshared-key $WORK/wg0.psk"; }
	host_peer 0 "${h[@]}" allowed-ips "$(ips_of_vm 0)"
	vm_peer 0 "$v" allowed-ips "$(ips_of_host 0)"
	if [ "$who" = wgx ]; then
		check "P-MSG-4 P-MSG-5 P-HS-7 $label: ping" host_ping 10.7.0.2 || return
		check "P-DT-5 $label: ping with 1352 bytes, inner v6, back" vm_ping fd07::1 -s 1352
	else
		check "P-MSG-4 P-MSG-5 P-HS-7 $label: ping" vm_ping 10.7.0.1 || return
		check "P-DT-5 $label: ping with 1352 bytes, inner v6, back" host_ping fd07::2 -s 1352
	fi
	[ "$psk $who" != 'yes driver' ] || transfers "$mode, outer v$outer"
}

transfers() {
	check "$1: 4 MB to the driver, TCP over IPv4" vm_get 4000 10.7.0.1
	check "$1: 4 MB from the driver, TCP over IPv6" vm_send 4000 fd07::1
	check "$1: 500 datagrams to the driver, UDP over IPv6" all_arrived 500 vm_udp_get 500 fd07::2
	check "$1: 500 datagrams from the driver, UDP over IPv4" all_arrived 500 vm_udp_send 500 10.7.0.1
}

host_sees() { grep -qF "	$1" <<<"$(on H wg show wg0 endpoints)"; }
vm_sees() { vm_sh V 'wg show wg0 endpoints' | grep -qF "	$1"; }

roaming() {
	local m=$1
	vm_peer 0 'endpoint 10.0.0.1:51820'
	vm_sh V 'wg set wg0 listen-port 51999'
	check "P-DT-1 $m: the driver moves to another port: ping" vm_ping 10.7.0.1
	check "P-DT-1 $m: wgx has followed" host_sees 10.0.0.2:51999
	vm_sh V 'ip addr add 10.0.0.3/24 dev eth0 && ip addr del 10.0.0.2/24 dev eth0 && ip addr add 10.0.0.3/24 dev eth0'
	check "P-DT-1 $m: the driver moves to another address: ping" vm_ping 10.7.0.1
	check "P-DT-1 $m: wgx has followed to the address" host_sees 10.0.0.3:51999
	check "P-DT-1 $m: and reaches it there" host_ping fd07::2
	vm_peer 0 'endpoint [fd00::1]:51820'
	check "P-DT-1 $m: the driver moves to IPv6: ping" vm_ping 10.7.0.1
	check "P-DT-1 $m: wgx has followed to IPv6" host_sees '[fd00::2]:51999'
	vm_peer 0 'endpoint 10.0.0.1:51820'
	vm_ping 10.7.0.1 >/dev/null

	on H wg set wg0 listen-port 52000
	check "P-DT-1 P-DT-10 $m: wgx moves to another port: ping" host_ping 10.7.0.2
	check "P-DT-1 $m: the driver has followed" vm_sees 10.0.0.1:52000
	addr H tap0 10.0.0.4/24
	on H ip addr del 10.0.0.1/24 dev tap0
	addr H tap0 10.0.0.4/24 2>/dev/null # a secondary address went with it
	check "P-DT-1 P-DT-10 $m: wgx moves to another address: ping" host_ping 10.7.0.2
	check "P-DT-1 $m: the driver has followed to the address" vm_sees 10.0.0.4:52000
	check "P-DT-1 $m: and reaches it there" vm_ping fd07::1
	# back
	on H wg set wg0 listen-port 51820
	addr H tap0 10.0.0.1/24
	vm_sh V 'wg set wg0 listen-port 51820; ip addr add 10.0.0.2/24 dev eth0; ip addr del 10.0.0.3/24 dev eth0
		ip addr add 10.0.0.2/24 dev eth0'
	on H ip addr del 10.0.0.4/24 dev tap0
	addr H tap0 10.0.0.1/24 2>/dev/null
}

TAPS='tap0 tap1'
check 'the Linux driver and wgx: set up' linux_pair || finish
check 'tunnel' linux_tunnel 0 51820 || finish
check 'background' background_start || finish

for mode in tcx socket; do
	if [ $mode = tcx ]; then
		for t in $TAPS; do
			check "attach $t" wgx H attach "$t"
		done
	else
		for t in $TAPS; do
			check "detach $t" wgx H detach "$t"
		done
	fi
	for outer in 4 6; do
		for psk in no yes; do
			one $mode $outer $psk wgx
			one $mode $outer $psk driver
		done
	done
	if [ $mode = tcx ]; then
		roaming tcx
		check 'data came through AF_XDP' test "$(wgx_counter H wg0 opened_xsk_packets)" -gt 3000
	fi
done
roaming socket

wait_for 200 rekeying
sleep 2 # of pings under the new keys
stop ping2 INT
vm_sh V 'kill -INT $(cat /tmp/ping1.pid); until grep -q transmitted /tmp/ping1; do sleep 0.1; done'
capture_end timers
check 'P-TM-2 P-HS-7 the driver rekeys after 120 s, no ping is lost' rekeyed 1 V "$(vm_sh V 'cat /tmp/ping1')"
check 'P-TM-2 P-HS-7 wgx rekeys after 120 s, no ping is lost' rekeyed 2 H "$(cat "$WORK/ping2.log")"
check 'P-TM-5 wgx sends a keepalive 10 s after data, the driver none back' passive_keepalive 3 V H
check 'P-TM-5 the driver sends a keepalive 10 s after data, wgx none back' passive_keepalive 4 H V
check 'P-TM-7 persistent keepalives of the driver' persistent_keepalive 5 V H
check 'P-TM-7 persistent keepalives of wgx' persistent_keepalive 6 H V
finish
