#!/bin/bash
# SPDX-License-Identifier: MIT
# wgx doctor: a host in order has no problem; then one thing after another is broken, is named, and its remedy, done as
# told, helps.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2 B
#	  eth1 -- a device for a route that leads elsewhere
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/../lib.sh"
require wg jq ethtool nft sysctl
require_wgx

# look: A's findings, into $WORK/doctor.json; the exit status into $WORK/status
look() {
	local status=0
	wgx A doctor --json >"$WORK/doctor.json" || status=$?
	echo $status >"$WORK/status"
	cp "$WORK/doctor.json" "$WORK/doctor.$((++LOOKS)).json"
}
LOOKS=0
# findings LEVEL CHECK [OBJECT]: their texts
findings() {
	jq -r --arg l "$1" --arg c "$2" --arg o "${3:-}" \
		'.findings[] | select(.level == $l and .check == $c and ($o == "" or .object == $o)) | .text' \
		"$WORK/doctor.json"
}
# remedy_of LEVEL CHECK [OBJECT]: that of the first
remedy_of() {
	jq -r --arg l "$1" --arg c "$2" --arg o "${3:-}" \
		'[.findings[] | select(.level == $l and .check == $c and ($o == "" or .object == $o)) | .remedy][0] // ""' \
		"$WORK/doctor.json"
}
# named LEVEL CHECK OBJECT TEXT: such a finding, with a remedy
named() {
	look
	findings "$1" "$2" "$3" | grep -F -- "$4" && [ -n "$(remedy_of "${@:1:3}")" ] || {
		cat "$WORK/doctor.json"
		return 1
	}
}
# cured LEVEL CHECK OBJECT TEXT: the remedy is a command; done, the finding is gone
cured() {
	local command
	command=$(remedy_of "${@:1:3}")
	echo "$command"
	# shellcheck disable=SC2086
	on A $command && look && [ -z "$(findings "$1" "$2" "$3" | grep -F -- "$4")" ]
}
# breaks WHAT LEVEL CHECK OBJECT TEXT: after something was broken
breaks() {
	check "$1: named" named "${@:2:4}" || return
	if [ "$2" = problem ]; then
		check_equal "$1: exit status" "$(cat "$WORK/status")" 1
	else
		check_equal "$1: exit status" "$(cat "$WORK/status")" 0
	fi
	[ $# -lt 6 ] || return 0
	check "$1: the remedy helps" cured "${@:2:4}"
}

host_add A
check 'without a daemon' named note daemon '' 'none runs in this network namespace'
check_equal 'that is no problem' "$(jq .problems "$WORK/doctor.json") $(cat "$WORK/status")" '0 0'
host_del A

check 'a tunnel' tunnel_pair wgx wgx 4 no || finish
wgx A name wg0 "$(pub_of B wg0)" B
for h in A B; do
	on $h ethtool -K eth0 gro on
	on $h sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 net.ipv4.conf.wg0.rp_filter=0
done
check 'attached' wgx A attach eth0
check 'ping' ping_ok A 10.7.0.2

# ---- in order ----

look
check_equal 'no problem' "$(jq .problems "$WORK/doctor.json")" 0 || cat "$WORK/doctor.json"
check_equal 'exit status' "$(cat "$WORK/status")" 0
for c in privileges kernel bpffs hardening clock daemon interface mode offloads mtu routes rp_filter firewall; do
	check "in order: $c" [ -n "$(findings ok $c)" ]
done
check_equal 'the mode in use' "$(findings ok mode eth0)" 'attached, mode tcx'
check 'the way of wg0' grep -q AF_XDP <(findings ok mode wg0; findings warning mode wg0)
wgx A doctor >"$WORK/text"
check 'for people: a line each' grep -qE '^ok       mtu          wg0: 1420, and 60 for the tunnel, fit the 1500 of eth0$' "$WORK/text"
check 'for people: the sum' grep -qE '^0 problems, [0-9]+ warnings?$' "$WORK/text"
check 'no colours in a file' not grep -q $'\e' "$WORK/text"

# ---- devices ----

on A ethtool -K eth0 gro off
breaks 'GRO off' warning offloads eth0 'gro is off'
on A ethtool -K eth0 gso off
breaks 'GSO off' warning offloads eth0 'gso is off'
on A ethtool -K wg0 tso off
if grep -q superframes <<<"$(wgx_json A '.interfaces[0].mode')"; then
	breaks "wg0's TSO off" warning offloads wg0 'tso is off'
else
	skip "wg0's TSO" 'no superframes here'
fi
on A ip link set eth0 mtu 1400
breaks 'a small MTU' problem mtu wg0 'do not fit the 1400 on the way by eth0'
check_equal 'wg0 has the MTU that fits' "$(on A cat /sys/class/net/wg0/mtu)" 1340
on A ip link set eth0 mtu 1500
on A ip route add 192.0.2.2/32 dev eth0 mtu 1300
breaks 'a route of a small MTU' problem mtu wg0 'do not fit the 1300' later
on A ip route del 192.0.2.2/32 dev eth0 mtu 1300
on A ip link set wg0 mtu 1420
wgx A detach eth0
breaks 'not attached' note mode eth0 'not attached' later
check 'not attached: the remedy' grep -q '^wgx attach eth0' <(remedy_of note mode)
wgx A attach eth0 >/dev/null

# ---- routes ----

on A ip link add eth1 type veth peer name far1
on A ip addr add 203.0.113.1/24 dev eth1
on A ip link set eth1 up
on A ip link set far1 up
wg_peer A wg0 B wg0 allowed-ips 10.7.0.2/32,fd07::2/128,10.9.0.0/16
breaks 'no route' warning routes wg0 '10.9.0.0/16 of peer B is not routed into it: packets have no route'
on A ip route replace 10.9.0.0/16 dev eth1
breaks 'another route' warning routes wg0 '10.9.0.0/16 of peer B is not routed into it: packets leave by eth1' later
on A sysctl -q -w net.ipv4.conf.all.rp_filter=1
breaks 'rp_filter strict' problem rp_filter wg0 'the route to 10.9.0.0/16 of peer B does not lead here'
on A ip route replace 10.9.0.0/16 dev wg0
on A sysctl -q -w net.ipv4.conf.wg0.rp_filter=0
look
check_equal 'strict, and the routes are right' "$(findings ok rp_filter wg0)" \
	'strict, and all allowed IPs of IPv4 are routed here'
check 'strict on the underlay is a note' [ -n "$(findings note rp_filter eth0)" ]
on A sysctl -q -w net.ipv4.conf.all.rp_filter=0

# A full tunnel, whose answers come by eth0: without their mark they would be routed into wg0.
on A ip route add default via 192.0.2.2
on A ip route add default dev wg0 table 51820
on A ip rule add not fwmark 51820 table 51820
on A ip rule add table main suppress_prefixlength 0
on A wg set wg0 fwmark 51820
wg_peer A wg0 B wg0 endpoint 198.51.100.1:51820
on A sysctl -q -w net.ipv4.conf.eth0.rp_filter=1 net.ipv4.conf.all.src_valid_mark=0
breaks 'strict without marks' problem rp_filter eth0 'it does not look at the mark of wg0'
on A sysctl -q -w net.ipv4.conf.eth0.rp_filter=0
on A wg set wg0 fwmark 0
on A ip rule del table main suppress_prefixlength 0
on A ip rule del not fwmark 51820 table 51820
on A ip route del default
wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820

# on a gateway
on A sysctl -q -w net.ipv4.ip_forward=1
if grep -q '^rx-udp-gro-forwarding: off$' <<<"$(on A ethtool -k eth1)"; then
	breaks 'a gateway' note offloads eth1 'UDP from here goes into tunnels one packet at a time'
else
	skip 'a gateway' 'no such offload'
fi
on A sysctl -q -w net.ipv4.ip_forward=0

# ---- the firewall ----

on A nft 'table inet f { chain in { type filter hook input priority 0; policy accept; udp dport 51820 drop; }; }'
breaks 'a rule drops the port' problem firewall eth0 'chain inet f in drops what comes to UDP port 51820'
on A nft flush ruleset
on A nft 'table inet f { chain in { type filter hook input priority 0; policy drop; tcp dport 22 accept; ct state established accept; }; }'
breaks 'a policy' problem firewall eth0 'chain inet f in drops what comes to UDP port 51820'
on A nft flush ruleset
on A nft 'table inet f { chain in { type filter hook input priority 0; policy drop; ip saddr 192.0.2.2 accept; }; }'
breaks 'it depends' note firewall eth0 'unless a rule that cannot be judged here accepts it'
on A nft flush ruleset
look
check 'no firewall' [ -n "$(findings ok firewall wg0)" ]

# ---- the kernel ----

# hide DIRECTORY [SUBDIRECTORY | FILE TEXT]: from now on it has only this
hide() {
	on A mount -t tmpfs tmpfs "$1"
	[ $# -lt 2 ] || on A mkdir -p "$1/$2"
	[ $# -lt 3 ] || on A sh -c 'rmdir "$1" && echo "$2" >"$1"' sh "$1/$2" "$3"
}
hide /sys/kernel/btf
breaks 'no BTF' problem kernel '' 'it does not describe its types' later
on A umount /sys/kernel/btf
hide /sys/module wireguard
breaks "the kernel's driver" note driver '' 'this kernel has a WireGuard driver: wg-quick uses that' later
check 'wgx up is the way' grep -q '^wgx up NAME' <(remedy_of note driver)
on A umount /sys/module
if [ -d /sys/kernel/security ]; then
	hide /sys/kernel/security lockdown 'none integrity [confidentiality]'
	breaks 'lockdown' warning hardening lockdown 'confidentiality' later
	on A umount /sys/kernel/security
else
	skip 'lockdown' 'no /sys/kernel/security'
fi
WGX_DISABLE=generic_frags,uso wgx A doctor --json >"$WORK/doctor.json"
check_equal 'what the kernel lacks' "$(jq -r '.findings[] | select(.check == "features") | .object' "$WORK/doctor.json" |
	grep -xE 'generic_frags|uso' | tr '\n' ' ')" 'generic_frags uso '
check_equal 'and which has it' "$(jq -r '.findings[] | select(.object == "uso") | .remedy' "$WORK/doctor.json")" \
	'Linux 6.2 or later'

# ---- without privileges ----

# as_nobody command ...: exit status and problems of what runs without root's powers by that command
as_nobody() {
	local status=0
	on A "$@" "$WGX" doctor --json >"$WORK/doctor.json" || status=$?
	echo "$status $(jq -r '.findings[] | select(.level == "problem") | .text' "$WORK/doctor.json" | cut -d: -f1)"
}
check_equal 'without capabilities' "$(as_nobody setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all \
	--bounding-set=-all)" '1 missing capabilities'
check_equal 'the daemon cannot be asked' "$(findings note daemon)" 'it cannot be asked'
if unshare --user --map-root-user true 2>/dev/null; then
	check_equal 'in a user namespace' "$(as_nobody unshare --user --map-root-user)" '1 this is a user namespace'
else
	skip 'in a user namespace' 'none can be made'
fi

# ---- interfaces and the daemon ----

on A mount -t tmpfs tmpfs /sys/fs/bpf
breaks 'no bpffs' warning bpffs /sys/fs/bpf 'not mounted here'
breaks "another's bpffs" warning bpffs wg0 'the daemon has another' later
on A umount /sys/fs/bpf
on A umount /sys/fs/bpf
wgx A wg1
breaks 'no private key' problem interface wg1 'it has no private key' later
on A wg set wg1 private-key "$WORK/B.wg0.key" listen-port 4444
breaks 'down' note interface wg1 'it is down'
on A ip link set wg1 down
spawn A thief socat -u UDP4-RECV:5555 STDOUT
check 'a port is taken' wait_for 10 sh -c "nsenter -t ${HOST_PID[A]} -n ss -Huln 'sport = :5555' | grep -q ."
on A wg set wg1 listen-port 5555
on A ip link set wg1 up
breaks 'the port is taken' problem interface wg1 'UDP port 5555 cannot be had' later
on A ip link del wg1
wg_peer A wg0 B wg0 endpoint 192.0.2.77:51820
on A wg set wg0 peer "$(wg genkey | wg pubkey)" endpoint 192.0.2.78:9 allowed-ips 10.7.0.9/32 persistent-keepalive 1
on A ip neigh replace 192.0.2.78 lladdr 02:00:00:00:00:01 dev eth0
check 'nobody answers' wait_for 30 named warning handshake wg0 'nothing has come back from peer'
# a stamp of 2106
on A sh -c 'echo wgx stamp 1 40000000ffffffff00000000 >/var/lib/wgx/stamp'
breaks 'a clock that is behind' warning clock '' 'behind the last handshake' later
on A sh -c 'echo nonsense >/var/lib/wgx/stamp'
breaks 'a damaged stamp' warning clock /var/lib/wgx 'damaged' later
on A rm /var/lib/wgx/stamp
clock_own A # for what is started from here on
clock_jump A real -150000000
breaks 'a clock of years ago' problem clock '' 'it shows a time before 2024' later
clock_jump A real 150000000
on A kill -KILL "$(daemon_pid A wg0)"
check 'the daemon is killed' wait_for 20 not daemon_pid A wg0
breaks 'a dead daemon' problem daemon wg0 'its daemon has died' later

# ---- mistakes ----

check 'an argument' fails_with 2 "wgx doctor: takes no argument: 'wg0' (see 'wgx help doctor')" wgx A doctor wg0
check 'a bad option' fails_with 2 "wgx doctor: unknown option '-x' (see 'wgx help doctor')" wgx A doctor -x

# ---- the document ----

check 'docs/json.md has what there is, and nothing else' python3 "$SELFTESTS/netns/json_doc.py" "$TOP/docs/json.md" \
	"$TOP/docs/drops.md" doctor "$WORK"/doctor.[0-9]*.json
finish
