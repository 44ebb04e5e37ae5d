#!/bin/bash
# SPDX-License-Identifier: MIT
# wgx restart puts a new process in the daemon's place. Under load, no ping is lost, there is no new handshake, and no
# nonce is used twice: B, wireguard-go as well as wgx, opens all and refuses nothing. A new process that fails at any
# step leaves the old one as it was; one of another format starts cold.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 192.0.2.1 ==== eth0 192.0.2.2 -- wg0 10.7.0.2, fd07::2 B
#
# RESTARTS=n: how often, with each implementation at B (3)
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/pings.inc"
require wg iperf3 jq
require_wgx
RESTARTS=${RESTARTS:-3}

pid() { daemon_pid A wg0; }
# config A: all that wg knows but for what traffic changes; settings A: nor the time of the handshake
config() { on "$1" wg show wg0 dump | awk -F '\t' 'NR > 1 { $6 = $7 = "" } 1'; }
settings() { on "$1" wg show wg0 dump | awk -F '\t' 'NR > 1 { $5 = $6 = $7 = "" } 1'; }
# handshakes B: how many messages of others it took; of wgx only
handshakes() { wgx_json "$1" '.handshakes | .initiations + .responses' 2>/dev/null || echo 0; }
restarts() { wgx_json A .restarts.count; }
replays() { [ "$2" = wgx ] && wgx_drops "$1" wg0 | awk '$1 == "open_replay" || $1 == "open_auth"'; }
# restart_all N: N times, and the pauses in $WORK/pauses
restart_all() {
	local i before
	for ((i = 0; i < $1; i++)); do
		before=$(pid)
		wgx A restart || return
		[ "$(pid)" != "$before" ] || { echo 'the same process'; return 1; }
		wgx_json A .restarts.pause_ms >>"$WORK/pauses"
		sleep 0.2
	done
}
fail_at() { on A env WGX_HANDOVER_FAIL="$1" "$WGX" restart; }

life() { # life IMPL
	local impl=$1 label="B is $1" before before_settings shaken began
	check "$label: set up" tunnel_pair wgx "$impl" 4 yes || return
	wgx A name wg0 "$(pub_of B wg0)" beta
	on A wg set wg0 peer "$(pub_of B wg0)" persistent-keepalive 25
	check "$label: attach" impl_attach A eth0 wgx
	check "$label: ping" ping_ok A 10.7.0.2
	before=$(config A)
	before_settings=$(settings A)
	shaken=$(handshakes B) began=$SECONDS
	if [ "$impl" = wgx ]; then # the other loses packets by itself where its socket's buffer is full
		iperf_server B
		iperf_server B 5202
		spawn A iperf iperf3 -c 10.7.0.2 -t 10000
		spawn A iperf_in iperf3 -c 10.7.0.2 -t 10000 -p 5202 -R
	fi
	spawn A ping ping -i 0.01 10.7.0.2
	spawn B ping6 ping -i 0.01 fd07::1
	sleep 1
	check "$label: $RESTARTS restarts" restart_all "$RESTARTS"
	if [ "$impl" = wgx ]; then
		stop iperf
		stop iperf_in
	fi
	sleep 2
	stop ping INT
	stop ping6 INT
	check_equal "$label: pings lost, A to B" "$(lost_pings ping)" 0
	check_equal "$label: pings lost, B to A" "$(lost_pings ping6)" 0
	if [ $((SECONDS - began)) -lt 110 ]; then
		check_equal "$label: what wg shows is as before, the handshake too" "$(config A)" "$before"
	else # keys have grown old: one handshake for each two minutes
		check_equal "$label: what wg shows is as before" "$(settings A)" "$before_settings"
		check "$label: no handshake before its time" \
			[ $(($(handshakes B) - shaken)) -le $(((SECONDS - began) / 110)) ]
	fi
	check_equal "$label: nothing came twice, nothing was forged, to B" "$(replays B "$impl")" ''
	check_equal "$label: nor to A" "$(replays A wgx)" ''
	check_equal "$label: the device is attached" "$(wgx_mode A eth0)" tcx
	check_equal "$label: the peer has its name" "$(wgx_json A '.interfaces[0].peers[0].name')" beta
	check_equal "$label: counted" "$(restarts)" "$RESTARTS"
	wgx_drops A wg0 | diag
	wgx_drops B wg0 2>/dev/null | diag
}

# The old one goes on: same process, same session, and it can be configured.
goes_on() {
	local label=$1 before=$2 was=$3
	check_equal "$label: the same daemon" "$(pid)" "$before"
	check "$label: ping" ping_ok A 10.7.0.2
	check_equal "$label: nothing has changed" "$(config A)" "$was"
	check_equal "$label: attached" "$(wgx_mode A eth0)" tcx
	check "$label: maps are pinned" on A test -e /sys/fs/bpf/wgx/wg0/peers
}

failures() {
	local before was how
	before=$(pid)
	was=$(config A)
	for how in early late; do
		check "killed, $how: restart says so" not fail_at "$how"
		goes_on "killed, $how" "$before" "$was"
	done
	if [ "$RESTARTS" -gt 3 ]; then # it takes 15 s until the old one has had enough
		check "silent: restart says so" not fail_at hang
		check_equal 'silent: the same daemon' "$(pid)" "$before"
		check 'silent: ping' ping_ok A 10.7.0.2
		was=$(config A) # the peer has tried a handshake meanwhile
	fi
	check 'and then it works' restart_all 1
	check 'ping' ping_ok A 10.7.0.2
}

# another_format: sessions are gone, all else stays
another_format() {
	local before was
	before=$(pid)
	was=$(settings A)
	on A ip link set wg0 mtu 1400
	check 'another format: starts cold' fail_at format
	check 'another format: another daemon' not [ "$(pid)" = "$before" ]
	check 'another format: one handshake, and all is well' ping_ok A 10.7.0.2
	check_equal 'another format: nothing else has changed' \
		"$(settings A)" "$was"
	check_equal 'another format: the MTU stays' "$(on A cat /sys/class/net/wg0/mtu)" 1400
	check_equal 'another format: attached' "$(wgx_mode A eth0)" tcx
	check_equal 'another format: the peer has its name' "$(wgx_json A '.interfaces[0].peers[0].name')" beta
}

life wgx
failures
another_format
host_del A B
command -v "$WGGO" >/dev/null && [ -c /dev/net/tun ] && life wireguard-go
awk '{ n++; s += $1; if ($1 > m) m = $1 } END { if (n) printf "# pauses: %d, mean %.1f ms, longest %.1f ms\n", n, s / n, m }' \
	"$WORK/pauses"
finish
