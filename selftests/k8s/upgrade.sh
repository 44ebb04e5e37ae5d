#!/bin/bash
# SPDX-License-Identifier: MIT
# What restarts and rotations cost. An agent that is restarted, or killed: nothing. A daemon that is restarted with its
# agent: as much as one that is restarted by hand, which is measured first. A node that changes its key under iperf3 and
# ping -f: nothing.
#
#	PA 10.244.1.2 -- eth1 A eth0 192.0.2.1 ==+
#	PB 10.244.2.2 -- eth1 B eth0 192.0.2.2 ==+== br0 S      fd10:244:0:N::2 and 2001:db8::N as well
#	PC 10.244.3.2 -- eth1 C eth0 192.0.2.3 ==+
#	   K, the control plane  eth0 192.0.2.100 +
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/plane.inc"
require_plane iperf3

cluster_up A B C
underlay_begin
agents_up A B C
ready A B C

#--- agents
stream A B live
for h in A B C; do
	stop agent.$h
	k8s_up $h
done
ready A B C
for h in A B C; do
	stop agent.$h KILL
	k8s_up $h
done
ready A B C
check_equal 'agents are restarted, and killed: no packet was lost' "$(stream_lost live)" 0

#--- a daemon, by hand and by its agent
# longest NAME: ms between two answers of `ping -D`, at most
longest() {
	sleep 0.3
	stop "$1" INT
	wait_for 10 grep -q 'packets transmitted' "$WORK/$1.log"
	awk -F'[][]' '/bytes from/ { if (last && $2 - last > most) most = $2 - last; last = $2 } END { printf "%d\n", most * 1000 }' \
		"$WORK/$1.log"
}
stamped() { spawn "P$1" live ping -D -i 0.01 "10.244.${NODE_N[$2]}.2"; }
kill_daemon() { on B kill "-$1" "$(daemon_pid B wg0)"; }
gone() { not on B wg show wg0; }
save_tunnel() { # the way back, as a script in $WORK/back
	(umask 077 && on B wg showconf wg0 >"$WORK/wg0.conf")
	{
		echo "set -e; $WGX wg0; wg setconf wg0 $WORK/wg0.conf"
		on B ip -o addr show dev wg0 scope global | awk '{ print "ip addr replace " $4 " dev wg0" }'
		echo "ip link set wg0 mtu $(on B cat /sys/class/net/wg0/mtu) up"
		on B ip route show table all | awk '/dev wg0/ && /table/ && !/local|broadcast|multicast/ { print "ip route replace " $0 }'
		on B ip -6 route show table all | awk '/dev wg0/ && /table/ && !/local|fe80|multicast/ { print "ip -6 route replace " $0 }'
	} >"$WORK/back"
}
by_hand() { # by_hand SIGNAL
	stop agent.B
	save_tunnel
	stamped A B
	sleep 1
	kill_daemon "$1"
	wait_for 20 gone
	check "by hand, SIG$1: the daemon is back" on B sh "$WORK/back"
	check 'pods reach each other' wait_for 30 pods_reach A B
	LOST[hand.$1]=$(longest live)
	k8s_up B
	ready A B C
}
by_agent() { # by_agent SIGNAL: as in an upgrade: a new agent, then a new daemon
	local before
	stamped A B
	sleep 1
	stop agent.B
	k8s_up B
	check 'the agent is back' wait_for 60 agents_ready B
	before=$(daemon_pid B wg0)
	kill_daemon "$1"
	another() { local now; now=$(daemon_pid B wg0) && [ "$now" != "$before" ]; }
	check "by its agent, SIG$1: there is another daemon" wait_for 30 another
	check 'pods reach each other' wait_for 30 pods_reach A B
	LOST[agent.$1]=$(longest live)
	ready A B C
}
declare -A LOST=()
for s in TERM KILL; do
	by_hand $s
	by_agent $s
	echo "# daemon restarted, SIG$s: by hand ${LOST[hand.$s]}, with its agent ${LOST[agent.$s]} ms without an answer"
	check "SIG$s: it was there again" [ "${LOST[agent.$s]}" -gt 0 ]
done

#--- all nodes, one after the other
roll() {
	local h before
	for h in A B C; do
		stop agent.$h
		k8s_up $h
		wait_for 60 agents_ready $h || return
		before=$(daemon_pid $h wg0)
		on $h kill "$before"
		another() { local now; now=$(daemon_pid $h wg0) && [ "$now" != "$before" ]; }
		wait_for 60 another && wait_for 60 agents_ready A B C && wait_for 60 all_reach A B C || return
	done
}
stamped A B
check 'a rolling upgrade' roll || why A B C
echo "# a rolling upgrade of three nodes, two of them on the way: $(longest live) ms without an answer at most"

#--- rotation. A flood is many of 500 pings, each of which is waited for.
flood() { # flood A ADDRESS NAME
	rm -f "$WORK/$3.end"
	spawn "P$1" "$3" sh -c "until [ -e $WORK/$3.end ]; do ping -f -q -c 500 $2; done"
}
flood_end() { # flood_end NAME: "SENT LOST"
	touch "$WORK/$1.end"
	wait "${SPAWN_PID[$1]}"
	unset "SPAWN_HOST[$1]" "SPAWN_PID[$1]"
	awk '/packets transmitted/ { n += $1; got += $4 } END { print n + 0, n - got }' "$WORK/$1.log"
}
rotate_under_load() { # rotate_under_load A
	local h=$1 old sent lost f
	old=$(key_of "node-${h,,}")
	iperf_server PB
	spawn PA load iperf3 -c 10.244.2.2 -t 300 -b 100M
	flood A 10.244.2.2 out
	flood B fd10:244:0:1::2 in
	flood C 10.244.1.2 other
	stream A B steady
	sleep 2
	check "$h: rotate" wgx $h agent rotate
	rotated() { [ "$(key_of "node-${h,,}")" != "$old" ] && key_right $h; }
	check "$h: the key is another" wait_for 120 rotated || why A B C
	used() { local o; for o in A B C; do [ $o = $h ] || grep -qF "$(own_key $h)	10.244.${NODE_N[$h]}.0/24" <<<"$(on $o wg show wg0 allowed-ips)" || return; done; }
	check "$h: the others send under it" wait_for 60 used
	sleep 2
	for f in out in other; do
		flood_end $f >"$WORK/lost"
		read -r sent lost <"$WORK/lost"
		echo "# $f: $sent pings"
		check_equal "$h rotates under iperf3 and ping -f: $f: none is lost" "$lost" 0
	done
	check_equal "$h: none is lost of those each 10 ms" "$(stream_lost steady)" 0
	check "$h: iperf3 goes on" kill -0 "${SPAWN_PID[load]}"
	stop load INT
	stop iperf3-PB-5201
}
rotate_under_load A
rotate_under_load B
check_equal 'nothing was in the clear' "$(underlay_plain)" 0
finish
