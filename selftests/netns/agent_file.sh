#!/bin/bash
# SPDX-License-Identifier: MIT
# wgx agent on the file registry: three nodes come up from nothing, with no plaintext on the underlay from the first
# packet on; nodes join, leave, come back with another key, change their address; agents and daemons are killed; the
# registry loses records, and is lost.
#
#	PA 10.244.1.2 -- eth1 A eth0 192.0.2.1 ==+
#	PB 10.244.2.2 -- eth1 B eth0 192.0.2.2 ==+== br0 S      fd10:244:0:N::2 and 2001:db8::N as well
#	PC 10.244.3.2 -- eth1 C eth0 192.0.2.3 ==+
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/agent.inc"
require wg jq tcpdump
require_wgx

switch_add
node_add A 1
node_add B 2
node_add C 3
check 'without agents pods reach each other, in the clear' wait_for 20 all_reach A B C

#--- from nothing, strict
AGENT_OPTIONS=(--strict)
underlay_begin
for h in A B C; do agent_up $h; done
check 'all agents are ready' wait_for 40 agents_ready A B C || { diag <"$WORK/agent.A.log" && finish; }
check 'all pods reach each other, over IPv4 and IPv6' wait_for 30 all_reach A B C || { wgx A agent plan | diag && diag <"$WORK/agent.A.log" && finish; }
check 'and nodes other nodes'\'' pods' wait_for 20 on A ping -q -c 1 -W 1 10.244.2.2
check 'over IPv6' wait_for 20 on A ping -q -c 1 -W 1 fd10:244:0:2::2
check_equal 'nothing was in the clear' "$(underlay_plain)" 0
check_equal 'peers are called as their nodes' \
	"$(wgx_json A '[.interfaces[].peers[].name] | sort | join(" ")')" 'node-b node-c'
check_equal 'allowed IPs' "$(wgx_json A '[.interfaces[].peers[].allowed_ips[]] | sort | join(" ")')" \
	'10.244.2.0/24 10.244.3.0/24 fd10:244:0:2::/64 fd10:244:0:3::/64'
check_equal 'MTU' "$(on A cat /sys/class/net/wg0/mtu)" 1420
check_equal 'there is nothing to do' "$(wgx A agent plan)" ''
check_equal 'the state is private' "$(stat -c %a "$WORK/state.A" "$WORK/state.A/key" "$WORK/state.A/nodes.json" | xargs)" \
	'700 600 600'
check_equal 'the record has no secret' "$(grep -cF "$(cat "$WORK/state.A/key")" "$WORK/registry/node-a.json")" 0
check 'a second agent is refused' fails_with 1 \
	"wgx: $WORK/state.A: another agent is at work with it" wgx A agent --registry=file --registry-dir="$WORK/registry" \
	--cluster-cidr=$CLUSTER --pod-cidr=10.244.1.0/24 --state-dir="$WORK/state.A"

#--- no leak while something is missing
underlay_begin
on A wg set wg0 peer "$(jq -r .public_key "$WORK/registry/node-c.json")" remove
check 'a peer that is missing: no way, and no leak' none_reach A C
check_equal 'not a packet' "$(underlay_plain)" 0
check 'the agent puts it back' wait_for 60 pods_reach A C

#--- the agent dies
stream A B live
before=$(wgx_json A '[.interfaces[].peers[].latest_handshake] | length')
stop agent.A KILL
check 'pods do not notice' all_reach A B
agent_up A
check 'the next agent is ready' wait_for 40 agents_ready A
check_equal 'it had nothing to do' "$(grep -c 'add, endpoint' "$WORK/agent.A.log")" 0
check_equal 'no packet was lost' "$(stream_lost live)" 0
[ "$(stream_sent live)" -gt 20 ] || nok 'the stream ran' "$(tail -n 5 "$WORK/live.log")"

#--- a node leaves, within its grace time and beyond
cp "$WORK/registry/node-c.json" "$WORK/c.json"
stop agent.C KILL
rm "$WORK/registry/node-c.json"
check 'its record goes: it is about to be removed' wait_for 20 plan_says A 'node-c: remove in'
check 'a grace time: pods reach it still' pods_reach A C
cp "$WORK/c.json" "$WORK/registry/node-c.json"
check 'it is back' wait_for 20 agent_is A .gone 0
rm "$WORK/registry/node-c.json"
check 'it goes, and its time is over' wait_for 30 agent_is A .nodes 1
check 'its peer is removed' wait_for 20 agent_is A .peers 1
underlay_begin
check 'pods do not reach it' none_reach A C
check_equal 'nor in the clear' "$(underlay_plain)" 0
check 'the others go on' all_reach A B

#--- it comes back with another key
rm -r "$WORK/state.C"
agent_up C
check 'it joins again, with a new key' wait_for 40 all_reach A B C
check 'which is another' not cmp -s "$WORK/c.json" "$WORK/registry/node-c.json"
rm -r "$WORK/state.C"
stop agent.C KILL
agent_up C
check 'and again, without having left' wait_for 40 all_reach A B C
check_equal 'there is one peer of each' "$(wgx_json A '[.interfaces[].peers[].name] | sort | join(" ")')" 'node-b node-c'

#--- it changes its address
on C ip addr del 192.0.2.3/24 dev eth0
on C ip addr add 192.0.2.33/24 dev eth0
for h in A B; do
	on $h ip route replace 10.244.3.0/24 via 192.0.2.33
done
c_moved() { jq -e '.endpoints | index("192.0.2.33:51820")' "$WORK/registry/node-c.json"; }
c_known() { wgx A agent peers --json | jq -e '.peers[] | select(.node == "node-c") | .endpoint == "192.0.2.33:51820"'; }
on C ip route replace 10.244.1.0/24 via 192.0.2.1
on C ip route replace 10.244.2.0/24 via 192.0.2.2
check 'the new address is published' wait_for 40 c_moved
check 'and taken' wait_for 40 c_known
check 'pods reach each other' wait_for 30 all_reach A B C

#--- the daemon dies
underlay_begin
on A kill -KILL "$(daemon_pid A wg0)"
check 'the agent starts another daemon' wait_for 60 pods_reach A B
check 'pods reach each other' wait_for 40 all_reach A B C
check_equal 'nothing was in the clear' "$(underlay_plain)" 0
check 'ready' wait_for 40 agents_ready A

#--- a record that is wrong, and one that claims too much
cp "$WORK/registry/node-b.json" "$WORK/b.json"
echo '{"name": "node-x", "public_key": "x"}' >"$WORK/registry/node-x.json"
jq '.name = "node-y" | .public_key = "'"$(wg genkey | wg pubkey)"'"
	| .pod_cidrs = ["10.244.2.0/25", "0.0.0.0/1", "10.244.9.0/24"]' "$WORK/b.json" >"$WORK/registry/node-y.json"
check 'a wrong record is refused' wait_for 20 plan_says A 'refused: node-x: its record cannot be read: public_key: "x" is no public key'
check 'a network that is another node'\''s' wait_for 20 plan_says A 'refused: node-y: its pod CIDR 10.244.2.0/25 overlaps with that of node-b'
check 'one outside of the cluster' wait_for 20 plan_says A 'refused: node-y: its pod CIDR 0.0.0.0/1 is outside'
y_allowed() { [ "$(wgx A agent peers --json | jq -c '.peers[] | select(.node == "node-y") | .allowed_ips')" = '["10.244.9.0/24"]' ]; }
check 'it gets the rest' wait_for 20 y_allowed
check 'all others go on' all_reach A B C
rm "$WORK/registry/node-x.json" "$WORK/registry/node-y.json"
check 'they go' wait_for 30 agent_is A .nodes 2

#--- records go in masses, and the whole registry
stop agent.B KILL
stop agent.C KILL
rm "$WORK"/registry/node-[bc].json
check 'more than half of all go: they are held' wait_for 30 agent_is A .held 2
sleep 1
check 'pods go on' all_reach A B C
check 'the plan says so' plan_says A 'held, for more than half'
agent_up B
agent_up C
check 'they are back' wait_for 40 agent_is A '"\(.nodes) \(.gone) \(.held)"' '2 0 0'
mv "$WORK/registry" "$WORK/away"
check 'the registry is lost' wait_for 40 agent_is A .synced false
check 'pods go on' all_reach A B C
saved() { jq -e '[.nodes[].name] == ["node-b", "node-c"]' "$WORK/state.A/nodes.json"; } # at most each 5 s
check 'it has saved whom it knows' wait_for 20 saved
stop agent.A KILL
agent_up A
agent_there() { wgx A agent status; }
check 'an agent starts without it' wait_for 20 agent_there
check 'not in step, but ready: it knows the others from before' wait_for 40 agent_is A '"\(.synced) \(.ready)"' 'false true'
check 'pods go on' all_reach A B C
on A kill -KILL "$(daemon_pid A wg0)"
check 'and with a new daemon' wait_for 60 pods_reach A B
check 'all of them' wait_for 40 all_reach A B C
mv "$WORK/away" "$WORK/registry"
check 'the registry is back' wait_for 40 agents_ready A B C
stop agent.B KILL
stop agent.C KILL
rm "$WORK"/registry/node-[bc].json
check 'gone again' wait_for 30 agent_is A .held 2
check_equal 'they are let go' "$(wgx A agent plan --accept)" '2 nodes go'
check 'and go' wait_for 20 agent_is A .peers 0

#--- the end
stop agent.A TERM
check 'the agent ends; wg0 stays' on A wg show wg0
check_equal 'without an agent' "$(wgx A agent status 2>&1)" 'wgx: no agent runs for wg0 in this network namespace'
finish
