#!/bin/bash
# SPDX-License-Identifier: MIT
# wgx restart with native XDP on the underlay, with the router path (tcx, and native), and with clsact: no ping is lost,
# there is no new handshake, the router path goes on past the stack, and what was counted stays counted.
#
#	P 10.1.0.2, fd01::2 -- eth1 A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== eth0 192.0.2.2 B wg0 10.7.0.2 -- eth1 -- Q 10.2.0.2
#	R 10.4.0.2 ----------- eth2   fd07::1         eth3 198.51.100.1 = eth0 .3 C        fd07::2                   fd02::2
#	                                                                        C wg0 10.7.0.3, 10.3.0.1
#
# RESTARTS=n: how often in each mode (2)
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/lan.inc"
. "$(dirname "$0")/pings.inc"
. "$(dirname "$0")/links.inc"
require wg jq bpftool ethtool
require_wgx
RESTARTS=${RESTARTS:-2}

handshakes() { on "$1" wg show wg0 latest-handshakes; }
# counted: all that is told of packets on A, one "name number" a line
counted() {
	wgx_json A '(.programs_restored | "restored \(.)"), (.handshakes | to_entries[] | select(.key != "waiting") | "\(.key) \(.value)"),
		(.interfaces[] | select(.name == "wg0") | .counters | to_entries[] | select(.key | test("credit|waiting") | not) | "\(.key) \(.value)"),
		(.attached[] | .device as $d | (.counters | to_entries[]), (.lan // {} | to_entries[] | select(.key == "packets" or .key == "bytes"))
			| "\($d).\(.key) \(.value)")' | sort
}
# not_less FILE: nothing that is counted now is less than in there
not_less() {
	counted >"$WORK/counted"
	join "$1" "$WORK/counted" | awk '$3 < $2 { print "less:", $0; bad = 1 } { n++ } END { exit bad || n < 20 }'
}
restart_all() {
	local i before
	for ((i = 0; i < RESTARTS; i++)); do
		before=$(daemon_pid A wg0)
		wgx A restart || return
		[ "$(daemon_pid A wg0)" != "$before" ] || { echo 'the same process'; return 1; }
		wgx_json A .restarts.pause_ms >>"$WORK/pauses"
		sleep 0.2
	done
}
# survives LABEL FROM TO BACK [command ...]: pings FROM to TO's address, and from TO's host back; the command, or restarts
survives() {
	local label=$1 from=$2 to=$3 back=$4 far=$5 shaken
	shift 5
	shaken=$(handshakes A)
	counted >"$WORK/before"
	spawn "$from" ping ping -i 0.01 "$to"
	spawn "$far" ping_back ping -i 0.01 "$back"
	sleep 0.4
	check "$label" "${@:-restart_all}"
	sleep 0.6
	stop ping INT
	stop ping_back INT
	check_equal "$label: pings lost" "$(lost_pings ping)" 0
	check_equal "$label: pings lost, back" "$(lost_pings ping_back)" 0
	check_equal "$label: no handshake" "$(handshakes A)" "$shaken"
	check "$label: counts go on" not_less "$WORK/before"
}
gro() { on A ethtool -k eth1 | sed -n 's/^rx-udp-gro-forwarding: \([a-z]*\).*/\1/p'; }
way() { lan A eth1 way; }
fails_late() { ! on A env WGX_HANDOVER_FAIL=late "$WGX" restart; }

#--- native, with the router path
check 'set up' setup || finish
check 'attach, native' attach_pair wgx wgx native
check 'attach the LAN' wgx A attach eth1 --lan
check 'and that of the other end' wgx B attach eth1 --lan
check 'past the stack' past 3 A ping_ok P 10.2.0.2
pid=$(daemon_pid A wg0)
if detached eth1; then
	check "somebody detaches eth1's program: it is put back" wait_for 20 more_restored 0
fi
check 'past the stack, back' past 3 A ping_ok Q fd01::2
survives "lan, $RESTARTS restarts" P 10.2.0.2 fd01::2 Q
check_equal 'the underlay is native' "$(wgx_mode A eth0)" native
check_equal 'eth1 is a LAN device, by tcx' "$(way)" tcx
check_equal 'whose GRO of UDP is on' "$(gro)" on
check 'past the stack' past 3 A ping_ok P 10.2.0.2
check 'from the other end' past 3 A ping_ok Q fd01::2
survives 'one that fails: told' P 10.2.0.2 fd01::2 Q fails_late
check 'one that fails: past the stack' past 3 A ping_ok P 10.2.0.2
check 'LAN detached' wgx A detach eth1
check_equal 'its GRO of UDP is off' "$(gro)" off

check 'LAN, native' wgx A attach eth1 --lan=native
check 'past the stack' past 3 A ping_ok P 10.2.0.2
survives "native lan, $RESTARTS restarts" P 10.2.0.2 fd01::2 Q
check_equal 'eth1 is a LAN device, by XDP' "$(way)" native
check 'past the stack' past 3 A ping_ok P 10.2.0.2
check 'from the other end' past 3 A ping_ok Q fd01::2
check_equal 'frames that eth0 refused' "$(link_refused B eth0)" 0

#--- a crash: what the router path had changed of the device
check 'LAN detached' wgx A detach eth1
check 'attach the LAN' wgx A attach eth1 --lan
check_equal 'GRO of UDP is on' "$(gro)" on
check 'kill' on A kill -KILL "$(daemon_pid A wg0)"
check 'the next daemon' impl_up A wg0 wgx
check_equal 'GRO of UDP is off again' "$(gro)" off
check_equal 'nothing is noted of it' "$(on A sh -c 'ls /run/wgx/*.gro 2>/dev/null')" ''
host_del A B C P Q R

#--- clsact: the new process learns from the old one that there is no tcx
export WGX_DISABLE=tcx
check 'clsact: set up' tunnel_pair wgx wgx 4 no || finish
unset WGX_DISABLE
check 'clsact: attach' attach_pair wgx wgx
check 'clsact: ping' ping_ok A 10.7.0.2
clsact() { wgx_json A '.interfaces[0].mode' | grep '^clsact '; }
check 'clsact: it is' clsact
survives "clsact, $RESTARTS restarts" A 10.7.0.2 fd07::1 B
check 'clsact: it is still' clsact
check_equal 'clsact: one filter on wg0' "$(on A tc filter show dev wg0 egress | grep -c ' wgx_egress')" 1
check_equal 'clsact: one on eth0' "$(on A tc filter show dev eth0 ingress | grep -c ' wgx_ingress')" 1
survives 'clsact, one that fails: told' A 10.7.0.2 fd07::1 B fails_late
check_equal 'clsact, one that fails: one filter on wg0' "$(on A tc filter show dev wg0 egress | grep -c ' wgx_egress')" 1
awk '{ n++; s += $1; if ($1 > m) m = $1 } END { if (n) printf "# pauses: %d, mean %.1f ms, longest %.1f ms\n", n, s / n, m }' \
	"$WORK/pauses"
finish
