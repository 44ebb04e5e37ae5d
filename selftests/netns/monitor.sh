#!/bin/bash
# SPDX-License-Identifier: MIT
# wgx monitor: each event once, when it happens, by name; docs/json.md has them all; and who reads slowly misses some,
# is told so, and holds nobody up.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2 B
#	  wg1; eth1 -- eth1 A's other end, which goes away
#	  (A's clocks are its own)
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/../lib.sh"
require wg jq python3 socat
require_wgx

# has NAME FILTER: in what NAME has printed there is such an event. count: how many
has() { [ "$(count "$1" "$2")" -gt 0 ]; }
count() { grep '^{' "$WORK/$1.log" | jq -c "select($2)" 2>/dev/null | wc -l; }
sum() { grep '^{' "$WORK/$1.log" | jq -s "[.[] | select($2) | .$3] | add // 0"; }
# told TEXT FILTER: A's monitor has such an event now, or soon
told() { check "$1" wait_for 30 has all "$2" || tail -n 5 "$WORK/all.log" | diag; }

underlay_pair
clock_own A B
spawn A all "$WGX" monitor --json
spawn A one "$WGX" monitor wg1 --json
spawn A people env TZ=UTC "$WGX" monitor
told 'there is no daemon yet' '.event == "daemon_gone"'

# ---- interfaces, links and peers ----

check 'wg0' wgx A wg0 || finish
told 'a daemon' ".event == \"daemon_up\" and .pid == $(daemon_pid A wg0)"
for m in one people; do check "$m hears of it too" wait_for 30 grep -q 'daemon_up\|listening' "$WORK/$m.log"; done
check 'wg1' wgx A wg1
told 'wg1 is there' '.event == "interface_added" and .interface == "wg1"'
impl_up B wg0 wgx
spawn B far "$WGX" monitor --json
check 'B is listened to' wait_for 30 has far '.event == "daemon_up"'
for h in A B; do
	key_for $h wg0
	on $h wg set wg0 listen-port 51820 private-key "$WORK/$h.wg0.key"
done
b=$(pub_of B wg0)
wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32
wg_peer B wg0 A wg0 allowed-ips 10.7.0.1/32
of_b=".interface == \"wg0\" and .public_key == \"$b\""
told 'a peer' ".event == \"peer_added\" and $of_b and .name == null"
told 'its endpoint' ".event == \"endpoint\" and $of_b and .endpoint == \"192.0.2.2:51820\""
wgx A name wg0 "$b" B
told 'its name' ".event == \"peer_named\" and $of_b and .name == \"B\""
addr A wg0 10.7.0.1/24
addr B wg0 10.7.0.2/24
on A ip link set wg0 up
on B ip link set wg0 up
told 'up' '.event == "up" and .interface == "wg0" and .listen_port == 51820'

# ---- sessions ----

check 'ping' ping_ok A 10.7.0.2
told 'a handshake' ".event == \"handshake\" and $of_b and .name == \"B\" and .endpoint == \"192.0.2.2:51820\""
check 'B hears of it too' wait_for 30 has far '.event == "handshake" and .endpoint == "192.0.2.1:51820"'
check 'B has learnt where A is' has far '.event == "endpoint" and .endpoint == "192.0.2.1:51820"'
check_equal 'one handshake is told once' "$(count all '.event == "handshake"') $(count far '.event == "handshake"')" '1 1'
on B ip addr del 192.0.2.2/24 dev eth0
on B ip addr add 192.0.2.12/24 dev eth0
check 'B has moved and sends' ping_ok B 10.7.0.1
told 'B has roamed' ".event == \"endpoint\" and $of_b and .endpoint == \"192.0.2.12:51820\""
# B's keepalive for A's last answer: after that no timer of A's is due before the end of its keys
keepalives=$(wgx_counter A wg0 keepalives_received)
kept_alive() { [ "$(wgx_counter A wg0 keepalives_received)" -gt "$keepalives" ]; }
clock_jump B both 11
check 'all is answered' wait_for 30 kept_alive
clock_jump A both 181
told 'the session is too old' ".event == \"expired\" and $of_b and .name == \"B\""
on B ip link set wg0 down
check 'B hears of its link' wait_for 30 has far '.event == "down" and .interface == "wg0"'
on A ping -q -c 1 -W 1 10.7.0.2 >/dev/null
# a jump for each initiation
for _ in {1..100}; do
	has all '.event == "unanswered"' && break
	clock_jump A both 6
	sleep 0.1
done
told 'B does not answer' ".event == \"unanswered\" and $of_b"
check_equal 'told once' "$(count all '.event == "unanswered"') $(count all '.event == "expired"')" '1 1'

# ---- lost packets ----

# which of the two it is depends on the mode
NOBODY='(.reason == "egress_no_peer" or .reason == "seal_no_peer")'
on A ping -q -c 3 -i 0.1 -W 1 10.7.0.77 >/dev/null
told 'packets for nobody' ".event == \"drops\" and .interface == \"wg0\" and $NOBODY"
on A ping -q -c 3 -i 0.1 -W 1 10.7.0.77 >/dev/null
lost() { wgx_drops A wg0 | awk '/_no_peer/ { n += $2 } END { print n + 0 }'; }
all_told() { [ "$(lost)" -ge 6 ] && [ "$(sum all "$NOBODY" packets)" = "$(lost)" ]; }
check 'all of them, in the end' wait_for 40 all_told

# ---- devices ----

wgx A attach eth0 >/dev/null
told 'attached' '.event == "attached" and .device == "eth0" and .mode == "tcx"'
on B sh -c 'echo garbage | socat -u STDIN UDP4:192.0.2.1:51820'
told 'a packet of no known interface' '.event == "drops" and .interface == null and .reason == "ingress_malformed"'
wgx A detach eth0
told 'detached' '.event == "detached" and .device == "eth0"'
on A ip link add eth1 type veth peer name far1
on A ip link set eth1 up
wgx A attach eth1 >/dev/null
on A ip link del far1
told 'a device has gone' '.event == "device_gone" and .device == "eth1"'
on A ip link add eth1 type veth peer name far1
again() { [ "$(count all '.event == "attached" and .device == "eth1"')" = 2 ]; }
check 'it is back' wait_for 30 again
on A ip link set wg0 down
told 'down' '.event == "down" and .interface == "wg0"'

# ---- the end of peers and interfaces ----

on A wg set wg0 peer "$b" remove
told 'the peer has gone, with its name' ".event == \"peer_removed\" and $of_b and .name == \"B\""
on A wg set wg1 peer "$b"
check 'one hears of wg1' wait_for 30 has one '.event == "peer_added" and .interface == "wg1"'
on A ip link del wg1
told 'so has its interface' '.event == "interface_removed" and .interface == "wg1"'
check 'and its peer before' has all '.event == "peer_removed" and .interface == "wg1"'
check 'one hears of that' wait_for 30 has one '.event == "interface_removed"'
check_equal 'and of no other interface' "$(count one '.interface != null and .interface != "wg1"')" 0
check 'but of devices' has one '.event == "attached"'

# ---- one that does not read ----

for i in 1 2 3 4 5 6 7 8; do
	python3 -c '
import base64, os
for _ in range(900):
    print("[Peer]\nPublicKey =", base64.b64encode(os.urandom(32)).decode())' >"$WORK/many$i"
done
before=$(count all '.event == "peer_added"')
people_had=$(grep -c ': added$' "$WORK/people.log")
people_have() { [ $(($(grep -c ': added$' "$WORK/people.log") - people_had)) = "$1" ]; }
on A kill -STOP "$(<"$WORK/all.pid")"
for i in 1 2 3 4 5 6 7 8; do
	check "900 peers while one does not read ($i)" on A wg addconf wg0 "$WORK/many$i"
	check 'another reads all of it' wait_for 30 people_have $((900 * i))
done
check 'the daemon waits for nobody' wgx A show --drops wg0
check_equal 'who reads misses nothing' "$(grep -c missed "$WORK/people.log")" 0
kill -CONT "${SPAWN_PID[all]}" # nsenter, which has stopped with it, and goes on with it
told 'the other is told that it missed some' '.event == "missed" and .events > 0'
missed() { sum all '.event == "missed"' events; }
accounted() { [ $(($(count all '.event == "peer_added"') - before + $(missed))) -ge 7200 ]; }
check 'how many' wait_for 30 accounted

# ---- the daemon ----

on A ip link del wg0
told 'the last interface' '.event == "interface_removed" and .interface == "wg0"'
gone() { [ "$(count all '.event == "daemon_gone"')" = "$1" ]; }
check 'the daemon ends with it' wait_for 30 gone 2
check 'another' wgx A wg0
up() { [ "$(count all '.event == "daemon_up"')" = "$1" ]; }
check 'it is listened to' wait_for 30 up 2
on A kill -KILL "$(daemon_pid A wg0)"
check 'it is killed' wait_for 30 gone 3
check 'the third' wgx A wg0
check 'listened to' wait_for 30 up 3

# ---- how it looks ----

check 'docs/json.md has what there is, and nothing else' python3 "$SELFTESTS/netns/json_doc.py" "$TOP/docs/json.md" \
	"$TOP/docs/drops.md" monitor "$WORK/all.log"
sed -E 's/^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}\.[0-9]{3} //' "$WORK/people.log" >"$WORK/text"
for line in 'no wgx daemon' 'wg1: interface created' "wg0: peer $b (B): handshake completed, 192.0.2.2:51820" \
	"wg0: peer $b (B): endpoint 192.0.2.12:51820" 'eth0: attached, mode tcx' 'wg0: up, port 51820' \
	"wg0: peer $b (B): session keys expired"; do
	check "for people: $line" grep -qxF "$line" "$WORK/text"
done
check 'with the time, and no colours in a file' sh -c '! grep -qvE "^[0-9-]{10} [0-9:]{8}\.[0-9]{3} [[:print:]]+$" "$1"' \
	sh "$WORK/people.log"

# ---- mistakes ----

check 'two interfaces' fails_with 2 \
	"wgx monitor: one interface at a time: unexpected 'wg1' (see 'wgx help monitor')" wgx A monitor wg0 wg1
check 'a bad option' fails_with 2 "wgx monitor: unknown option '--jsn' (see 'wgx help monitor')" wgx A monitor --jsn
check 'a bad name' fails_with 2 "wgx monitor: interface name 'a/b' contains '/' (see 'wgx help monitor')" \
	wgx A monitor a/b
full() { on A sh -c '"$1" monitor >/dev/full' sh "$WGX"; }
check 'no room for the output' fails_with 1 'wgx: cannot write to standard output: No space left on device' full

# ---- more than there is room for ----

spawn A crowd python3 -c 'import glob, socket, time
path, = glob.glob("/run/wgx/*.sock")
crowd = [socket.socket(socket.AF_UNIX) for _ in range(64)]
for s in crowd:
    s.connect(path)
print("connected", flush=True)
time.sleep(600)'
check 'as many clients as there may be' wait_for 20 grep -q connected "$WORK/crowd.log"
why='wgx: the daemon has 64 clients already: wgx monitor, say'
check 'one more is told so' fails_with 1 "$why" wgx A monitor
check 'whatever it wants' fails_with 1 "$why" wgx A show
stop crowd
check 'there is room again' wait_for 20 wgx A show
spawn A late "$WGX" monitor wg7
check 'an interface that is not there' wait_for 30 grep -q '^wgx monitor: wg7 is not there yet$' "$WORK/late.log"
check 'is waited for' wgx A wg7
check 'and comes' wait_for 30 grep -q 'wg7: interface created$' "$WORK/late.log"
finish
