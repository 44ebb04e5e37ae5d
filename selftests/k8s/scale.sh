#!/bin/bash
# SPDX-License-Identifier: MIT
# Three agents in a cluster of many simulated Nodes that change all the time: what an agent costs, how soon it knows, and
# that lists are not asked for over and over.
#
#	SIMULATED=500 RATE=20 DURATION=60
#
#	PA 10.244.1.2 -- eth1 A eth0 192.0.2.1 ==+
#	PB 10.244.2.2 -- eth1 B eth0 192.0.2.2 ==+== br0 S      fd10:244:0:N::2 and 2001:db8::N as well
#	PC 10.244.3.2 -- eth1 C eth0 192.0.2.3 ==+
#	   K, the control plane  eth0 192.0.2.100 +
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/plane.inc"
require_plane python3
SIMULATED=${SIMULATED:-500} RATE=${RATE:-20} DURATION=${DURATION:-60}

nodes_py() { on K python3 "$SELFTESTS/k8s/nodes.py" $K:6443 "$WORK/plane" "$@"; }
requests() { # requests VERB: of Nodes, since the API server was started
	api /metrics | awk -v v="verb=\"$1\"" '/^apiserver_request_total.*resource="nodes"/ && index($0, v) { n += $NF } END { print n + 0 }'
}
agent_pid() { cat "$WORK/agent.$1.pid"; }
cpu_ms() { # cpu_ms A: of its agent until now
	on "$1" awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print int(($12 + $13) * 1000 / hz) }' "/proc/$(agent_pid "$1")/stat"
}
memory_kb() { on "$1" awk '/^VmHWM/ { print $2 }' "/proc/$(agent_pid "$1")/status"; }
now_ms() { date +%s%3N; }
figure() { echo "# $*"; }

cluster_up A B C
stop controllers KILL # the simulated Nodes have networks already
CLUSTER=10.128.0.0/9,fd10:244::/31
check "$SIMULATED Nodes" nodes_py make "$SIMULATED" || finish
underlay_begin

lists=$(requests LIST)
begin=$(now_ms)
agents_up A B C
all_peers() { local h; for h; do agent_is "$h" .peers $((SIMULATED + 2)) && agent_is "$h" .ready true || return; done; }
check "all agents have $((SIMULATED + 2)) peers" wait_for 300 all_peers A B C || why A
figure "from nothing to $((SIMULATED + 2)) peers on three agents: $(($(now_ms) - begin)) ms; CPU of one agent until then: $(cpu_ms A) ms"
check 'all pods reach each other' wait_for 60 all_reach A B C || why A B C
figure "lists until then: $(($(requests LIST) - lists)) of three agents, in pages of 500"

#--- changes
lists=$(requests LIST) patches=$(requests PATCH) cpu=$(cpu_ms A) watches=$(requests WATCH)
streams_begin
spawn K churn python3 "$SELFTESTS/k8s/nodes.py" $K:6443 "$WORK/plane" churn "$SIMULATED" "$RATE" "$DURATION"
knows_endpoint() { grep -qF "$1:51820" <<<"$(on A wg show wg0 endpoints)"; } # a pipe would end wg early
worst=0 n=0 sum=0
while kill -0 "${SPAWN_PID[churn]}" 2>/dev/null; do
	n=$((n + 1))
	begin=$(now_ms)
	nodes_py move 0 192.51.100.$n:51820 || break # Node 0 is not among those that the churn changes
	wait_for 60 knows_endpoint 192.51.100.$n || break
	took=$(($(now_ms) - begin))
	sum=$((sum + took))
	[ $took -le $worst ] || worst=$took
	sleep 2
done
wait "${SPAWN_PID[churn]}"
read -r made refused <"$WORK/churn.log"
check_equal 'all changes were taken' "$refused" 0
check 'each of ours was known' [ $n -gt 0 ] && check 'the last too' knows_endpoint 192.51.100.$n
figure "$made changes in $DURATION s among $SIMULATED Nodes; from a change to the interface: $((sum / n)) ms on average of $n, $worst ms at most"
figure "CPU of one agent: $(($(cpu_ms A) - cpu)) ms; memory at most: $(memory_kb A) kB"
figure "requests of three agents: $(($(requests LIST) - lists)) lists, $(($(requests WATCH) - watches)) watches; patches of all, changes included: $(($(requests PATCH) - patches))"
check_equal 'no list was needed' "$(requests LIST)" "$lists"
# the probes are patches too
check 'agents have published nothing' [ $(($(requests PATCH) - patches)) -le $((made + n + 3)) ]
streams_end 'changes'
nothing_to_do() { local h; for h; do [ -z "$(wgx "$h" agent plan)" ] || return; done; }
check 'and there is nothing left to do' wait_for 30 nothing_to_do A B C

#--- the API server is killed: each comes back, and lists twice at most: for a 410, and for what may have been restored
stop apiserver KILL
sleep 3
check 'the API server is back' api_up
base=$(requests LIST)
check 'all agents are ready' wait_for 120 all_peers A B C
sleep 100
figure "lists in 100 s after the API server was killed: $(($(requests LIST) - base)), and $base before it was ready"
check 'no storm of lists' [ "$(requests LIST)" -le 14 ]
check_equal 'nothing was in the clear' "$(underlay_plain)" 0
finish
