#!/bin/bash
# SPDX-License-Identifier: MIT
# Cookies between wgx and the Linux driver: each in turn is flooded with initiations from forged addresses, and
# the other gets in by showing the cookie that it is told, as initiator and as responder. What is said is read
# from the wire.
#
#	H (wgx) wg0 10.7.0.1 -- tap0 10.0.0.1 ==== eth0 10.0.0.2 -- wg0 10.7.0.2 (driver) V
#	H eth1 198.51.100.1 ====================== eth0 198.51.100.4 F (flood, from 198.18.0.0/16)
. "$(dirname "$0")/../lib.sh"
. "$SELFTESTS/interop/vm/vm.inc"
. "$SELFTESTS/interop/vm/linux.inc"
require wg jq tcpdump ethtool
require_wgx
vm_require "$LINUX_KERNEL"
FLOOD=$BUILD/selftests/tools/flood
[ -x "$FLOOD" ] || bail 'flood is built' "$FLOOD is not there; run make tools"

setup() {
	linux_pair || return
	linux_tunnel 0 51820 || return
	host_add F
	link F eth0 H eth1
	addr F eth0 198.51.100.4/24
	addr H eth1 198.51.100.1/24
	on H ip route add 198.18.0.0/16 via 198.51.100.4
	on F ip route add 10.0.0.0/24 via 198.51.100.1
	vm_sh V 'ip route add 198.18.0.0/16 via 10.0.0.1'
	forwarding H
	on F ping -q -c 1 -w 10 198.51.100.1 # neighbours
	on H ethtool -K eth1 gro on # NAPI, which the flood needs
	H_MAC=$(on H cat /sys/class/net/eth1/address)
}

# ---- the load ----

# flood H|V: bursts of more than an eighth of the handshake queue, five a second; a tap device holds 1000
flood() {
	local dst=198.51.100.1 burst=1500
	[ "$1" = H ] || dst=10.0.0.2 burst=900
	spawn F flood "$FLOOD" -k "$(pub_of "$1" wg0)" -n 60000 -t 100 -r $((5 * burst)) -b $burst \
		eth0 "$H_MAC" $dst 51820 mac1
}

# What F gets, and has no use for, is cookie replies to forged addresses.
cookies_sent() { on F cat /sys/class/net/eth0/statistics/rx_packets; }
cookies_more() { [ "$(cookies_sent)" -gt "$1" ]; }
load_begin() { # load_begin H|V
	flood "$1"
	check "P-DOS-1 $(name_of "$1") is under load: forged addresses get cookie replies" \
		wait_for 20 cookies_more $(($(cookies_sent) + 500))
}
load_end() {
	stop flood
	wait_for 30 load_over
}
load_over() { # nothing for longer than load lasts
	local before
	before=$(cookies_sent)
	sleep 1.5
	[ "$(cookies_sent)" = "$before" ]
}

# ---- what is said ----

# messages A NAME: of what was captured, one a line: time, source, destination, type, mac2
messages() {
	captured "$1" "$2" -tt -x udp | awk '
		function line() { if (type) print time, from, to, type, mac2 ~ /[1-9a-f]/ ? "+" : "" }
		/^[0-9]/ { line(); time = $1; mac2 = type = "" }
		/0x0000:/ { from = $8 $9 }
		/0x0010:/ { to = $2 $3; type = substr($8, 1, 2) + 0 }
		/0x0060:/ && type == 2 { mac2 = $6 $7 $8 $9 }
		/0x00a0:/ && type == 1 { mac2 = $2 $3 $4 $5 $6 $7 $8 $9 }
		END { line() }'
}

# said: the messages of H and V to each other in their order, "H:I+" for an initiation of H with mac2, R a
# response, C a cookie reply; "flood" stands for cookie replies to others. Data is left out.
said() {
	{ messages H said && messages F load; } | sort -n | awk '
		$3 ~ /^c612/ { flood = 1 }
		$3 !~ /^c612/ && $4 < 4 {
			printf "%s%s:%s%s ", flood ? "flood " : "", $2 ~ /1$/ ? "H" : "V", substr("IRC", $4, 1), $5
			flood = 0
		}
		END { if (flood) print "flood " }'
}
said_so() { # said_so pattern: nothing but this, whatever the flood is answered
	echo "$SAID"
	[[ ${SAID//flood /} =~ ^$1$ ]]
}
# The last message came while others were answered with cookies: mac2 was looked at.
said_under_load() {
	echo "$SAID"
	[[ $SAID =~ flood\ [HV]:I\+?\ (flood\ )?[HV]:R\+?\ flood\ $ ]]
}

# meet INITIATOR: both know each other anew, and the initiator pings; at once, under load, after a cookie reply
meet() {
	capture H said tap0 'udp and host 10.0.0.1 and host 10.0.0.2'
	capture F load eth0 'udp and dst net 198.18.0.0/16 and ip[19] & 63 = 0' # one of 64
	know_each_other "$1" || return
	[ -z "${SPAWN_PID[flood]:-}" ] || wait_for 10 cookies_more "$(cookies_sent)"
	if [ "$1" = H ]; then
		spawn H ping ping -q -c 1 -w 60 10.7.0.2
	else
		vm_sh V 'setsid ping -q -c 1 -w 60 10.7.0.1 >/tmp/ping 2>&1 &'
	fi
}
answered() { # answered INITIATOR
	if [ "$1" = H ]; then
		wait "${SPAWN_PID[ping]}"
	else
		vm_sh V 'until grep transmitted /tmp/ping; do sleep 0.05; done; ! grep -q " 0 received" /tmp/ping'
	fi
}
part() { # SAID: what was said
	sleep 1 # of flood after it
	capture_end said
	capture_end load
	SAID=$(said)
	host_unpeer 0 && vm_unpeer 0
}
told() { # told H|V
	[ -n "$(captured H said "dst host 10.0.0.$([ "$1" = H ] && echo 1 || echo 2) and udp[4:2] = 72")" ]
}

# ---- the cases ----

# L is under load, and O gets in, but not without mac2. O moves to another port once it has been told a cookie:
# a cookie is of one address and port, so O is told another.
as_initiator() { # as_initiator L O
	local label="P-DOS-2 P-DOS-3 $(name_of "$1") is under load, $(name_of "$2") initiates"
	meet "$2"
	check "$label: it is told a cookie, and moves to another port" wait_for 40 told "$2"
	port_of "$2" 51999
	check "$label: it gets in" answered "$2"
	part
	port_of "$2" 51820
	check "$label: with mac2 by the second cookie" said_so "($2:I |$1:C )*$2:I ($1:C )+($2:I\\+ )+($1:C )+($2:I\\+ )+$1:R "
	check "$label: under load to the end" said_under_load
}
as_responder() {
	local label="P-DOS-2 P-DOS-3 $(name_of "$1") is under load and initiates"
	meet "$1"
	check "$label: it gets in" answered "$1"
	part
	check "$label: $(name_of "$2") is told a cookie, and responds with mac2" \
		said_so "($1:I |$2:R |$1:C )*$2:R ($1:C )+($1:I |$2:R\\+ )*$2:R\\+ "
	check "$label: under load to the end" said_under_load
}
port_of() {
	if [ "$1" = H ]; then on H wg set wg0 listen-port "$2"; else vm_sh V "wg set wg0 listen-port $2"; fi
}
as_before() { # without load
	local label="P-DOS-1 after the load of $(name_of "$1"), $(name_of "$2") initiates"
	meet "$2"
	check "$label: it gets in" answered "$2"
	part
	check "$label: without a cookie" said_so "($2:I )+$1:R "
}

check 'the Linux driver and wgx: set up' setup || finish
for loaded in V H; do
	other=H
	[ $loaded = V ] || other=V
	load_begin $loaded || finish
	as_initiator $loaded $other
	as_responder $loaded $other
	load_end
	as_before $loaded $other
done
finish
