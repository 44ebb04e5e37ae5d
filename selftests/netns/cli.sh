#!/bin/bash
# SPDX-License-Identifier: MIT
# The command against its daemon: creating, showing, attaching, ending; one host is enough.
#
#	A wg0, wg1, ... -- eth0 ======== eth0 -- B
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/../lib.sh"
require wg jq
require_wgx

gone() { ! on A ip link show "$1"; } # sysfs lags behind
no_daemon() { [[ $(wgx A show 2>&1) == 'wgx: no wgx daemon runs in this network namespace'* ]]; }

host_add A B
link A eth0 B eth0
addr A eth0 192.0.2.1/24
addr B eth0 192.0.2.2/24

# ---- before there is a daemon ----

check 'show without a daemon' fails_with 1 \
	'wgx: no wgx daemon runs in this network namespace; create an interface first: wgx wg0' \
	wgx A show
for name in a/b 'a b' a:b abcdefghijklmnop wg%d all default . ..; do
	on A ip link add "$name" type veth peer name peer0 2>/dev/null &&
		kernel=takes && on A ip link del peer0 || kernel=refuses
	[ "$name" = wg%d ] && kernel=refuses # a pattern: it would make another name of it
	wgx A "$name" 2>/dev/null
	check_equal "name '$name': as the kernel" "$? $kernel" '2 refuses'
done
check 'a taken name is refused' not wgx A eth0
check 'and leaves no daemon behind' no_daemon

# ---- keys, against wg ----

(umask 077 && wgx A genkey >"$WORK/key")
check_equal 'pubkey says what wg says' "$(wgx A pubkey <"$WORK/key")" "$(wg pubkey <"$WORK/key")"

# ---- in the background ----

check 'wgx wg0' wgx A wg0
check 'wg finds it at once' on A wg show wg0
pid=$(daemon_pid A wg0)
check 'wgx wg1' wgx A wg1
check_equal 'one daemon for both' "$(daemon_pid A wg1)" "$pid"
check 'wg0 again is refused' not wgx A wg0
check 'a bad interface is refused' not wgx A show wg7
on A wg set wg0 listen-port 51820 private-key "$WORK/key" peer "$(wg genkey | wg pubkey)" \
	allowed-ips 10.7.0.2/32,fd07::/64 endpoint 192.0.2.2:51820 persistent-keepalive 25
wgx A show wg0 >"$WORK/show"
for line in 'interface: wg0' "  public key: $(wg pubkey <"$WORK/key")" '  listening port: 51820' \
	'  endpoint: 192.0.2.2:51820' '  persistent keepalive: every 25 seconds'; do
	check "show has: $line" grep -qxF -- "$line" "$WORK/show"
done
check_equal 'allowed ips, as wg' "$(grep 'allowed ips' "$WORK/show")" \
	"$(on A wg show wg0 | grep 'allowed ips')"
check_equal 'show wg0 leaves wg1 out' "$(grep -c ^interface "$WORK/show")" 1
check_equal 'show has both' "$(wgx A show | grep -c ^interface)" 2
check_equal 'show --json' "$(wgx_json A '.interfaces | map(.name) | sort | join(" ")')" 'wg0 wg1'

# ---- attach ----

check 'attach of no device fails' not wgx A attach nosuch0
check 'attach' wgx A attach eth0
check_equal 'show lists it' "$(wgx A show | grep ^attached)" 'attached: eth0'
# shellcheck disable=SC2016
check 'attach again fails, or changes nothing' sh -c '[ "$1" = 1 ]' sh \
	"$(wgx A attach eth0 >/dev/null 2>&1; wgx_json A '.attached | length')"
check 'detach' wgx A detach eth0
check 'detach again fails' not wgx A detach eth0
check_equal 'show lists nothing' "$(wgx A show | grep -c ^attached)" 0

# ---- in the foreground, with a daemon there ----

spawn A front "$WGX" -f wg2
check 'wgx -f wg2' wait_for 10 on A wg show wg2
stop front TERM
check 'SIGTERM deletes wg2' gone wg2
check 'and wg2 only' on A wg show wg0
spawn A front env WG_PROCESS_FOREGROUND=1 "$WGX" wg3
check 'WG_PROCESS_FOREGROUND=1' wait_for 10 on A wg show wg3
on A ip link del wg3
check 'wgx -f ends with its interface' wait "${SPAWN_PID[front]}"

# ---- the end ----

on A ip link del wg0
on A rm -f /run/wireguard/wg1.sock
check 'the daemon ends with its last interface' wait_for 10 no_daemon
check 'wg1 went with its socket' wait_for 10 gone wg1

# ---- in the foreground, as the daemon ----

spawn A front "$WGX" --foreground wg0
check 'wgx -f wg0' wait_for 10 on A wg show wg0
check_equal 'it is the daemon' "$(daemon_pid A wg0)" "$(cat "$WORK/front.pid")"
check 'another joins it' wgx A wg1
on A ip link del wg1
stop front TERM
check 'SIGTERM ends it' gone wg0
check 'and its control socket' no_daemon

# ---- at once ----

for i in 1 2 3 4 5 6; do
	spawn A "racer$i" "$WGX" "wg$i"
done
status=0
for i in 1 2 3 4 5 6; do
	wait "${SPAWN_PID[racer$i]}" || status=1
done
check_equal 'six at once: all succeed' $status 0
check_equal 'six at once: one daemon' "$(for i in 1 2 3 4 5 6; do daemon_pid A wg$i; done | sort -u | wc -l)" 1
for i in 1 2 3 4 5 6; do
	on A ip link del wg$i
done
check 'and it ends' wait_for 10 no_daemon
finish
