#!/bin/bash
# SPDX-License-Identifier: MIT
# Forged messages on an attached device end in BPF, each with its reason; what may be right gets to the daemon,
# which judges it by itself; and nobody honest is cut off, not while keys and ports change either.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ====== 192.0.2.2 eth0 -- wg0 10.7.0.2 B (attached: eth0, eth1)
#	F (forger) ------ eth0 198.51.100.4 === 198.51.100.2 eth1
. "$(dirname "$0")/../lib.sh"
require wg iperf3 jq python3 tcpdump ethtool
require_wgx

FLOOD=$BUILD/selftests/tools/flood
[ -x "$FLOOD" ] || bail 'flood is built' "$FLOOD is not there; run make tools"
B=198.51.100.2 # as F sees it

check 'set up' tunnel_pair wgx wgx 4 no || finish
host_add F
link F eth0 B eth1
addr F eth0 198.51.100.4/24
addr B eth1 $B/24
on B ip route add 198.18.0.0/15 via 198.51.100.4
on B ethtool -K eth1 gro on # NAPI, which the flood needs
B_MAC=$(on B cat /sys/class/net/eth1/address)
iperf_server B

forge() { on F python3 "$SELFTESTS/netns/forge.py" "$1" $B "${@:2}"; }
# initiations KEY PORT COUNT [bad]: from 1000 addresses, slowly enough to be no load
initiations() {
	on F "$FLOOD" -k "$1" -n 1000 -c "$3" -r 2000 -b 20 eth0 "$B_MAC" $B "$2" "${4:-}mac1" >/dev/null
}
key() { pub_of B "$1"; }

dropped() { wgx_drops B wg0 | awk -v r="$1" '$1 == r { n = $2 } END { print n + 0 }'; }
at_least() { [ "$(dropped "$1")" -ge "$2" ]; }
queued() { wgx_counter B wg0 handshakes_queued; }

# drops_so N reason command ...: it leads to N drops of that reason and none of another, and to no handshake
# for the daemon
drops_so() {
	local n=$1 reason=$2 before after was
	shift 2
	before=$(queued) was=$(wgx_drops B wg0)
	"$@" || return
	wait_for 20 at_least "$reason" $((n + $(awk -v r="$reason" '$1 == r { n = $2 } END { print n + 0 }' <<<"$was")))
	after=$(wgx_drops B wg0)
	diff <(echo "$was") <(echo "$after")
	echo "handshakes for the daemon: $(($(queued) - before))"
	[ "$(queued)" = "$before" ] || return
	[ "$(more_drops "$was" "$after")" = "$reason $n" ]
}

# more_drops before after: the reasons whose count has grown, and by how much
more_drops() {
	join -a 2 -o 0,1.2,2.2 -e 0 <(sort <<<"$1") <(sort <<<"$2") | awk '$2 != $3 { print $1, $3 - $2 }'
}

nobodys() { # nobodys command ...: what it sends is not for an interface: neither dropped nor queued
	local was before
	was=$(wgx_drops B wg0) before=$(queued)
	"$@" && [ "$(more_drops "$was" "$(wgx_drops B wg0)")" = '' ] && [ "$(queued)" = "$before" ]
}

# judged N command ...: the daemon gets all N and refuses them; BPF drops none
judged() {
	local n=$1 before mac1 invalid
	shift
	before=$(queued) mac1=$(dropped ingress_mac1) invalid=$(dropped handshake_invalid)
	"$@" || return
	wait_for 20 at_least handshake_invalid $((invalid + n))
	wgx_drops B wg0
	[ "$(queued)" = $((before + n)) ] && [ "$(dropped ingress_mac1)" = "$mac1" ] &&
		[ "$(dropped handshake_invalid)" = $((invalid + n)) ]
}

reaches() { # reaches label [port]: with a new handshake
	wg_peer A wg0 B wg0 remove
	wg_peer A wg0 B wg0 endpoint "192.0.2.2:${2:-51820}" allowed-ips 10.7.0.2/32
	check "$1: handshake and ping" ping_ok A 10.7.0.2
}

#--- each kind of forgery
forgeries() {
	local k
	for k in type length short scrap; do
		check "P-MSG-1 P-MSG-2 $1: $k" drops_so 500 ingress_malformed forge single 51820 $k 500
	done
	check "P-HS-1 $1: random initiations" drops_so 500 ingress_mac1 forge single 51820 initiation 500
	check "P-HS-1 $1: random responses" drops_so 500 ingress_mac1 forge single 51820 response 500
	check "P-HS-1 $1: a bit of mac1 is wrong" drops_so 500 ingress_mac1 initiations "$(key wg0)" 51820 500 bad
	check "P-HS-1 $1: mac1 is right, the rest is not" judged 500 initiations "$(key wg0)" 51820 500
	check "$1: cookie replies" drops_so 500 ingress_unknown_receiver forge single 51820 cookie 500
	check "$1: data" drops_so 500 ingress_unknown_receiver forge single 51820 data 500
}

#--- replays
endpoint() { on B wg show wg0 endpoints | cut -f2; }
record() { # record name: what A sends, 20 messages of data
	capture A "$1" eth0 -s 256 'src host 192.0.2.1 and udp src port 51820 and udp[8] = 4 and udp[4:2] > 40'
	on A ping -q -c 20 -i 0.01 -W 5 10.7.0.2 >/dev/null
	capture_end "$1"
	[ "$(captured A "$1" | wc -l)" = 20 ]
}
replay() { forge again 51820 "$WORK/$1.pcap"; }

replays() {
	check "$1: 20 messages are recorded" record early
	check "P-DT-2 $1: in the window: the worker knows them" drops_so 20 open_replay replay early
	check "$1: more than the window holds" iperf A 10.7.0.2
	check "P-DT-2 $1: far behind: BPF does" drops_so 20 ingress_replay replay early
	check "$1: 20 new ones" record late
	check "P-DT-2 $1: which the worker knows" drops_so 20 open_replay replay late
	check_equal "P-DT-1 $1: no replay moves the peer" "$(endpoint)" 192.0.2.1:51820
	# the new keypair's counters begin at 0
	reaches "P-DT-2 $1: a new session"
}

#--- keys and ports change
set_key() { on B wg set "$1" private-key "$WORK/B.$1.key"; }
changes() {
	local old
	old=$(key wg0)
	key_for B wg0
	check "$1: a new private key" set_key wg0
	on A wg set wg0 peer "$old" remove
	wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32
	check "P-HS-8 $1: a new key: who knows it gets in" ping_ok A 10.7.0.2
	check "P-HS-1 $1: a new key: who knows the old one does not" \
		drops_so 200 ingress_mac1 initiations "$old" 51820 200
	check "P-HS-1 $1: a new key: the new mac1 is judged" judged 200 initiations "$(key wg0)" 51820 200

	on B sh -c 'head -c 32 /dev/zero | base64 | wg set wg0 private-key /dev/stdin'
	check "P-HS-8 $1: no key: no mac1 is right" drops_so 200 ingress_mac1 initiations "$(key wg0)" 51820 200
	check "$1: no key: and again one" set_key wg0
	reaches "P-HS-8 $1: a key again"

	check "$1: another port" on B wg set wg0 listen-port 51999
	reaches "$1: another port" 51999
	check "$1: another port: forgeries" drops_so 200 ingress_mac1 initiations "$(key wg0)" 51999 200 bad
	check "$1: the old port is nobody's" nobodys initiations "$(key wg0)" 51820 200 bad
	on B wg set wg0 listen-port 51820
	reaches "$1: the first port"
}

#--- a second interface has a key of its own
one_key() { [ "$(on B bpftool -j map dump pinned /sys/fs/bpf/wgx/wg0/mac1_keys | jq length)" = 1 ]; }
second() {
	check "$1: a second interface" impl_up B wg1 wgx || return
	on B wg set wg1 listen-port 51821
	on B ip link set wg1 up
	check "P-HS-8 $1: the second has no key" drops_so 200 ingress_mac1 initiations "$(key wg0)" 51821 200
	key_for B wg1
	set_key wg1
	check "P-HS-1 $1: the first's mac1 at the second" drops_so 200 ingress_mac1 initiations "$(key wg0)" 51821 200
	check "P-HS-1 $1: the second's mac1 at the first" drops_so 200 ingress_mac1 initiations "$(key wg1)" 51820 200
	check "P-HS-1 $1: the first's at the first" judged 200 initiations "$(key wg0)" 51820 200
	check "$1: the second is deleted" on B ip link delete wg1
	wait_for 10 not on B test -e /run/wireguard/wg1.sock
	check "$1: and its key" wait_for 10 one_key
	check "$1: nobody's port" nobodys initiations "$(key wg1)" 51821 200
}

for mode in tcx native; do
	check "$mode: attach" wgx B attach eth0 --mode $mode || continue
	check "$mode: attach towards the forger" wgx B attach eth1 --mode $mode || continue
	check "$mode: ping" ping_ok A 10.7.0.2
	forgeries $mode
	replays $mode
	changes $mode
	second $mode

	#--- while they come
	spawn F forger "$FLOOD" -k "$(key wg0)" -t 60 -r 100000 -b 500 eth0 "$B_MAC" $B 51820 badmac1
	before=$(queued)
	check "P-DOS-4 $mode: in a flood: ping" ping_ok A 10.7.0.2
	reaches "P-DOS-4 $mode: in a flood"
	check "P-DOS-1 $mode: which loads nobody" test $(($(queued) - before)) -lt 100
	check_equal "P-DOS-1 $mode: nobody has to show a cookie" "$(dropped handshake_cookie)" 0
	stop forger

	check "$mode: detach" wgx B detach eth0
	check "$mode: detach" wgx B detach eth1
done
# without BPF the daemon drops them all by itself
check 'P-HS-1 socket: a bit of mac1 is wrong' judged 500 initiations "$(key wg0)" 51820 500 bad
check 'socket: data' drops_so 500 open_unknown_receiver forge single 51820 data 500
reaches 'socket'
finish
