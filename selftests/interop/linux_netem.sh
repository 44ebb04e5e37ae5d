#!/bin/bash
# SPDX-License-Identifier: MIT
# wgx and the Linux driver over a network that loses, repeats, delays and reorders: handshakes that are retried,
# each datagram once at most, files that arrive whole; through AF_XDP and through the socket, and with either as
# initiator. The network is netem on V's eth0: for what leaves it, and by ifb0 for what comes in.
#
#	H (wgx) wg0 10.7.0.1 -- tap0 10.0.0.1 ===== netem == eth0 10.0.0.2 -- wg0 10.7.0.2 (driver) V
. "$(dirname "$0")/../lib.sh"
. "$SELFTESTS/interop/vm/vm.inc"
. "$SELFTESTS/interop/vm/linux.inc"
require wg jq socat tcpdump python3 sha256sum
require_wgx
vm_require "$LINUX_KERNEL"

BAD='loss 5% duplicate 5% delay 8ms 4ms reorder 25%' LOST='loss 100%' TWICE='duplicate 100%' GOOD='delay 1ms'

# Neighbours are told each other's addresses: ARP is lost as well.
setup() {
	linux_pair || return
	linux_tunnel 0 51820 || return
	vm_sh V "modprobe ifb numifbs=0; modprobe sch_netem
		ip link add ifb0 type ifb && ip link set ifb0 up && tc qdisc add dev eth0 ingress &&
		tc filter add dev eth0 parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev ifb0 &&
		ip neigh replace 10.0.0.1 lladdr $(on H cat /sys/class/net/tap0/address) dev eth0 nud permanent" || return
	on H ip neigh replace 10.0.0.2 lladdr "$(vm_sh V 'cat /sys/class/net/eth0/address')" dev tap0 nud permanent
}

# network TO_V FROM_V: in netem's words
network() { vm_sh V "tc qdisc replace dev ifb0 root netem $1 && tc qdisc replace dev eth0 root netem $2"; }

# ---- both sides by one name each ----

at() { if [ "$1" = H ]; then on H bash -c "$2"; else vm_sh V "$2"; fi; }
other_than() { if [ "$1" = H ]; then echo V; else echo H; fi; }
sent() { at "$1" 'wg show wg0 transfer | cut -f3'; }
sent_some() { [ "$(sent "$1")" -gt 0 ]; }
handshake_time() { at "$1" 'wg show wg0 latest-handshakes | cut -f2'; }

# meet INITIATOR: both know each other anew, without a session
meet() { host_unpeer 0 && vm_unpeer 0 && know_each_other "$1"; }
address_of_other() { if [ "$1" = H ]; then echo 10.7.0.2; else echo 10.7.0.1; fi; }
# pings_once A [ping's arguments ...]: some answers come, and none twice
pings_once() {
	local out
	out=$(at "$1" "ping -q -i 0.2 ${*:2} $(address_of_other "$1")")
	echo "$out"
	! grep -qE 'duplicates| 0 received' <<<"$out"
}

# ---- handshakes ----

# What INITIATOR or the other one says first is lost; after a time the network is bad only.
first_is_lost() { # first_is_lost INITIATOR SPEAKER
	local label="P-HS-7 P-TM-1 $(name_of "$1") initiates, what $(name_of "$2") says first is lost"
	if [ "$2" = H ]; then network "$LOST" "$GOOD"; else network "$GOOD" "$LOST"; fi
	capture H lost tap0 'src host 10.0.0.1 and udp[4:2] = 156' # initiations of wgx
	meet "$1"
	at "$1" "ping -c 1 -W 1 $(address_of_other "$1") >/dev/null"
	check "$label: it was said" wait_for 10 sent_some "$2"
	sleep 0.5
	check_equal "$label: and there is no session" "$(handshake_time "$1")" 0
	network "$BAD" "$BAD"
	check "$label: ping, later" pings_once "$1" -c 1 -w 40
	capture_end lost
	[ "$1" = V ] || check "$label: five seconds apart" apart lost
}
apart() {
	captured H "$1" -tt
	captured H "$1" -tt | awk '{ n++; bad += last && $1 - last < 4.5; last = $1 } END { exit !(n > 1 && !bad) }'
}

# Each message comes twice.
all_twice() { # all_twice INITIATOR
	local label="$(name_of "$1") initiates, all comes twice" responder
	responder=$(other_than "$1")
	network "$TWICE" "$TWICE"
	capture H twice tap0 "src host 10.0.0.$([ "$responder" = H ] && echo 1 || echo 2) and udp[4:2] = 100"
	meet "$1"
	check "P-HS-7 P-DT-2 $label: ping, no answer twice" pings_once "$1" -c 10 -w 20
	capture_end twice
	check "P-HS-3 $label: $(name_of "$responder") responds to one initiation" one_response
	check "P-DT-2 $label: 200 datagrams to the driver, each once" all_arrived 200 vm_udp_get 200 fd07::2
	check "P-DT-2 $label: 200 datagrams from the driver, each once" all_arrived 200 vm_udp_send 200 10.7.0.1
}
one_response() { # not one more than the network makes of it: both ends' indices tell
	[ "$(captured H twice -x | grep 0x0020: | tee /dev/stderr | cut -c1-20 | sort -u | wc -l)" = 1 ]
}

# ---- traffic ----

# wire: of the data messages in tcpdump's output: how many, how many a second time, how many behind a later one
WIRE='/0x0010:/ { data = substr($8, 1, 2) == "04" }
	/0x0020:/ && data {
		counter = substr($5, 3, 2) substr($5, 1, 2) substr($4, 3, 2) substr($4, 1, 2); n++
		if (seen[$2 $3 counter]++) twice++
		else if (counter < last[$2 $3]) behind++
		else last[$2 $3] = counter
	}
	END { print n + 0, twice + 0, behind + 0 }'
was_bad() { # was_bad N TWICE BEHIND
	echo "$1 data messages, $2 a second time, $3 behind a later one"
	[ "$2" -gt 0 ] && [ "$3" -gt 0 ]
}

# most_arrived COUNT command ...: four of five, none altered, none twice
most_arrived() {
	local out
	out=$("${@:2}")
	echo "$out"
	! grep -q altered <<<"$out" &&
		tail -n 1 <<<"$out" | awk -v n="$1" '{ exit !($1 > 0.8 * n && $1 < n && $3 == 0) }'
}

traffic() { # traffic INITIATOR label
	local wire
	network "$BAD" "$BAD"
	meet "$1"
	capture H wire tap0 src host 10.0.0.2 and udp
	vm_sh V 'setsid tcpdump -nn --immediate-mode -U -Z root -i ifb0 -w /tmp/wire.pcap udp 2>/tmp/wire.log & echo $! >/tmp/wire.pid
		until grep -q listening /tmp/wire.log; do sleep 0.05; done'
	check "P-HS-7 P-DT-2 $2: ping, no answer twice" pings_once "$1" -c 5 -w 40
	check "P-DT-2 $2: 300 datagrams to the driver, none twice" most_arrived 300 vm_udp_get 300 fd07::2
	check "P-DT-2 $2: 300 datagrams from the driver, none twice" most_arrived 300 vm_udp_send 300 10.7.0.1
	check "$2: a file to the driver, TCP over IPv4" vm_get 300 10.7.0.1
	check "$2: a file from the driver, TCP over IPv6" vm_send 300 fd07::1
	capture_end wire
	# shellcheck disable=SC2046
	check "$2: the network was bad for what wgx got" was_bad $(captured H wire -x | awk "$WIRE")
	wire=$(vm_sh V "kill -INT \$(cat /tmp/wire.pid); sleep 0.5; tcpdump -nn -x -r /tmp/wire.pcap 2>/dev/null | awk '$WIRE'")
	# shellcheck disable=SC2086
	check "$2: the network was bad for what the driver got" was_bad $wire
}

check 'the Linux driver and wgx: set up' setup || finish
check 'attach tap0' wgx H attach tap0
for initiator in H V; do
	first_is_lost $initiator H
	first_is_lost $initiator V
	all_twice $initiator
done
traffic H 'tcx, wgx initiates'
check 'P-DT-2 what came a second time is counted' test "$(wgx_drops H wg0 | awk '$1 == "open_replay" { print $2 }')" -gt 400
check 'data came through AF_XDP' test "$(wgx_counter H wg0 opened_xsk_packets)" -gt 1000
check 'detach tap0' wgx H detach tap0
traffic V 'socket, the driver initiates'
finish
