#!/bin/bash
# SPDX-License-Identifier: MIT
# The daemon is killed with SIGKILL, again and again (KILLS=n, at least), while all of A's traffic goes into the tunnel; each fourth
# time while it starts. `wgx up` brings it back: wg0, its routes and its configuration are as before, and one handshake
# is enough. No inner packet is in the clear on any device but wg0, of A or of the private namespace; no nonce and no
# timestamp is used twice.
#
#	A wg0 10.7.0.2, fd07::2 -- eth0 192.0.2.2 ==== 192.0.2.1 eth0 -- wg0 10.7.0.1, fd07::1 B
#	  all but 192.0.2.0/24                                           lo 203.0.113.9, 2001:db8:9::9
#	  tcpdump on `any`, also in the private namespace             tcpdump on eth0
. "$(dirname "$0")/../lib.sh"
require wg jq tcpdump python3 nft ethtool socat pgrep
require_wgx

KILLS=${KILLS:-4} SECONDS_MAX=${SECONDS_MAX:-3600}
MARK=57475853 # in the payload of every ping below: "WGXS"
INNER=10.7.0.0/24,203.0.113.9/32,fd07::/64,2001:db8:9::/64
CRASH=$SELFTESTS/netns/crash.py

host_add A B
link A eth0 B eth0
addr A eth0 192.0.2.2/24
addr B eth0 192.0.2.1/24
addr B lo 203.0.113.9/32 2001:db8:9::9/128
# the captures are to see each message by itself
for h in A B; do on $h ethtool -K eth0 tx-udp-segmentation off >/dev/null; done
key_for A wg0
key_for B wg0
mkdir -m 0700 "$WORK/A"
(umask 077 && cat >"$WORK/A/wg0.conf") <<END
[Interface]
PrivateKey = $(<"$WORK/A.wg0.key")
Address = 10.7.0.2/24, fd07::2/64
Attach = eth0
[Peer]
Name = gateway
PublicKey = $(pub_of B wg0)
Endpoint = 192.0.2.1:51820
AllowedIPs = 0.0.0.0/0, ::/0
END
check 'B' impl_up B wg0 wgx || finish
on B wg set wg0 listen-port 51820 private-key "$WORK/B.wg0.key"
wg_peer B wg0 A wg0 allowed-ips 10.7.0.2/32,fd07::2/128
on B ip link set wg0 up
addr B wg0 10.7.0.1/24 fd07::1/64
check 'B: attach' wgx B attach eth0
up() { wgx A up "$WORK/A/wg0.conf"; }

daemons() { on A pgrep -x wgx; } # not the holder
in_private() { on A nsenter --net="/proc/$(on A pgrep -x wgx-holder)/ns/net" -- "$@"; }
# state: what is to be as before, each time
state() {
	on A sh -c 'cat /sys/class/net/wg0/ifindex; ip -o link show | cut -d: -f1,2; ip -o addr | sed "s/ *valid_lft.*//"
		for f in -4 -6; do ip $f rule; ip $f route show table all; done | grep -v "^multicast"
		nft -s list ruleset; wg showconf wg0 | grep -v -e ListenPort; wg show wg0 fwmark
		holder=$(pgrep -x wgx-holder); echo "$holder"
		nsenter --net="/proc/$holder/ns/net" -- ip -o link show | cut -d: -f1,2'
	wgx_json A '(.interfaces[] | .name, .peers[].name, .peers[].allowed_ips), (.attached[] | .device, .mode)'
}
same_state() { diff <(echo "$STATE") <(state); }

check 'up' up || finish
capture A any any -B 16384
pid=$(on A pgrep -x wgx-holder)
spawn A private nsenter --net="/proc/$pid/ns/net" -- \
	tcpdump --immediate-mode -U -Z root -i any -B 16384 -w "$WORK/private.pcap"
check 'capture in the private namespace' wait_for 10 grep -q 'listening on' "$WORK/private.log"
capture B wire eth0 -B 16384 udp
wg0=$(on A cat /sys/class/net/wg0/ifindex)
far=$(in_private ip -j link show | jq -r ".[] | select(.link_index == $wg0) | .ifindex" | head -n 1)
check 'the far end of wg0' test -n "$far"
passes() { on A ping -q -c 1 -i 0.1 -w 5 -p $MARK 203.0.113.9; } # one answer is enough
check 'ping' wait_for 20 passes
STATE=$(state)
spawn A load4 ping -q -i 0.02 -p $MARK 203.0.113.9
spawn A load6 ping -q -i 0.05 -p $MARK 2001:db8:9::9

some_ms() { sleep "0.$(printf %03d $((RANDOM % $1)))"; }
kill_all() { # who starts may fork meanwhile
	local p i
	for i in $(seq 200); do
		for p in $(daemons); do on A kill -KILL "$p" 2>/dev/null; done
		daemons >/dev/null || return 0
		sleep 0.05
	done
	return 1
}
kill_daemon_only() { on A kill -KILL "$(daemon_pid A wg0)"; }
killed=0
for ((i = 1; killed < KILLS && SECONDS < SECONDS_MAX; i++)); do
	some_ms 300
	kill_all || nok "kill $i" 'it does not die'
	killed=$((killed + 1))
	some_ms 200
	if ((i % 4 == 0)); then # and another, while it starts
		up >"$WORK/up.log" 2>&1 &
		starting=$!
		some_ms 400
		kill_all || nok "kill $i" 'it does not die'
		wait $starting
		killed=$((killed + 1))
	fi
	up >"$WORK/up.log" 2>&1 || nok "kill $i: up" "$(<"$WORK/up.log")"
	wait_for 20 passes || nok "kill $i: nothing passes" "$(on A wg show)"
	wait_for 5 same_state || nok "kill $i: not as before" "$(same_state)"
	((i % 20)) || echo "# $killed kills in $SECONDS s"
done
check "it was killed $killed times, and came back as before each time" test $FAILED -eq 0
stop load4 INT
stop load6 INT
for c in any private wire; do
	capture_end $c
	check "capture $c is whole" grep -qE '^0 packets? dropped by kernel' "$WORK/$c.log" || diag <"$WORK/$c.log"
done

# in_the_clear CAPTURE IFINDEX: INNER, but on that device
in_the_clear() {
	local found seen left
	read -r found seen left < <(python3 "$CRASH" leaks "$WORK/$1.pcap" $MARK $INNER "$2" 2>"$WORK/err")
	echo "# $1: $left packets of wg0's, $seen of other devices, $found in the clear"
	diag <"$WORK/err"
	[ "$left" -gt 0 ] && [ "$found" -eq 0 ]
}
in_the_clear any "$wg0" && ok 'no inner packet in the clear on any device but wg0' || nok 'inner packets in the clear'
in_the_clear private "$far" && ok 'nor in the private namespace, on any but its far end' ||
	nok 'inner packets in the clear in the private namespace'
check 'no nonce and no timestamp was used twice' sh -c "python3 '$CRASH' reuse '$WORK/wire.pcap' 192.0.2.2 \
	'$(<"$WORK/B.wg0.key")' '$(pub_of A wg0)' >'$WORK/reuse'"
read -r initiations data sessions <"$WORK/reuse"
echo "# $killed kills, $initiations initiations, $sessions sessions, $data data messages"
check "the capture has $data messages" test "$data" -ge $((3 * killed))
check "$initiations initiations: one for each daemon that came back, at most" \
	test "$initiations" -le $((killed + 1)) -a "$initiations" -ge $((i))
check_equal 'B answered each' "$(captured B wire 'src 192.0.2.1 and udp[4:2] = 100' | wc -l)" "$initiations"
check_equal 'B refused nothing' "$(wgx_drops B wg0 | grep -E 'replay|handshake|auth')" ''

# The same looks must notice what they look for.
capture A plain any
on A ping -q -c 2 -i 0.2 -w 2 -p $MARK 192.0.2.1 >/dev/null
capture_end plain
read -r found _ < <(python3 "$CRASH" leaks "$WORK/plain.pcap" $MARK $INNER "$wg0" 2>/dev/null)
check 'a packet in the clear would be noticed' test "$found" -gt 0
# the packets twice: all counters and timestamps are
cp "$WORK/wire.pcap" "$WORK/twice.pcap"
tail -c +25 "$WORK/wire.pcap" >>"$WORK/twice.pcap"
check 'so would be what is used twice' not python3 "$CRASH" reuse "$WORK/twice.pcap" 192.0.2.2 \
	"$(<"$WORK/B.wg0.key")" "$(pub_of A wg0)"
# as wgx@.service does it
spawn A manager socat -u UNIX-RECV:"$WORK/notify" STDOUT
wait_for 10 test -S "$WORK/notify"
waits() { # until it says that it is up
	local n
	n=$(grep -o READY=1 "$WORK/manager.log" | wc -l)
	spawn A waits env NOTIFY_SOCKET="$WORK/notify" "$WGX" up --wait "$WORK/A/wg0.conf"
	wait_for 20 eval '[ "$(grep -o READY=1 "$WORK/manager.log" | wc -l)" -gt '"$n"' ]'
}
ends() { # ends STATUS
	local status
	wait "${SPAWN_PID[waits]}"
	status=$?
	echo "status $status"
	unset 'SPAWN_PID[waits]' 'SPAWN_HOST[waits]'
	[ $status -eq "$1" ]
}
check 'up --wait, which is up already' waits
check 'the daemon is killed' kill_daemon_only
check 'up --wait fails' ends 3
check 'and says why' grep -q 'wg0: its daemon has died' "$WORK/waits.log"
check 'up --wait again' waits
check 'ping' wait_for 20 passes
check 'down' wgx A down "$WORK/A/wg0.conf"
check 'up --wait ends well' ends 0
check 'and nothing of it is left' wait_for 20 not on A sh -c 'pgrep -x "wgx|wgx-holder" || ls /run/wgx/*.up'
finish
