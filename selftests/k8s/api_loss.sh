#!/bin/bash
# SPDX-License-Identifier: MIT
# The API server is killed under the watches, stays away with agents restarted meanwhile, has its past compacted, does not
# take a token, and is restored to an earlier state: traffic never stops, and the state converges.
#
#	OUTAGE=300	how long it stays away, in seconds
#
#	PA 10.244.1.2 -- eth1 A eth0 192.0.2.1 ==+
#	PB 10.244.2.2 -- eth1 B eth0 192.0.2.2 ==+== br0 S      fd10:244:0:N::2 and 2001:db8::N as well
#	PC 10.244.3.2 -- eth1 C eth0 192.0.2.3 ==+
#	PD 10.244.4.2 -- eth1 D eth0 192.0.2.4 ==+
#	   K, the control plane  eth0 192.0.2.100 +
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/plane.inc"
require_plane
OUTAGE=${OUTAGE:-300}
GRACE=60

cluster_up A B C
underlay_begin
agents_up A B C
ready A B C

#--- kill -9 under the watches
streams_begin
stop apiserver KILL
for h in A B C; do
	check "$h notices" wait_for 60 agent_is $h .synced false
done
check 'pods do not' all_reach A B C
check 'the API server is back' api_up
ready A B C
streams_end 'kill -9'

#--- it stays away, and agents are restarted
streams_begin
stop apiserver KILL
end=$((SECONDS + OUTAGE))
while [ $SECONDS -lt $end ]; do
	for h in A B C; do
		stop agent.$h KILL
		k8s_up $h
		check "$h: an agent starts without an API server" wait_for 60 agent_is $h .nodes 3
	done
	check "pods go on, for $((end - SECONDS)) s more" all_reach A B C
	sleep $((end - SECONDS > 60 ? 60 : end > SECONDS ? end - SECONDS : 0))
done
check 'the API server is back' api_up
ready A B C
streams_end "$OUTAGE s without"

#--- the watch is from too long ago: 410
streams_begin
kube create namespace later >/dev/null # the version goes on, but no Node has changed
stop apiserver KILL
rev=$(on K curl -sf http://127.0.0.1:2379/v3/kv/range -d '{"key":"AA=="}' | jq -r .header.revision)
on K curl -sf http://127.0.0.1:2379/v3/kv/compaction -d "{\"revision\":\"$rev\",\"physical\":true}" >/dev/null
check 'the API server, with its past compacted' api_up
ready A B C
# of the new server: each agent has listed, and not over and over
lists() { api /metrics | awk '/^apiserver_request_total.*resource="nodes".*verb="LIST"/ { n += $NF } END { print n + 0 }'; }
three_lists() { [ "$(lists)" -ge 3 ]; }
check 'all agents have listed anew' wait_for 150 three_lists
check "and not over and over: $(lists) lists" [ "$(lists)" -lt 15 ]
streams_end compaction

#--- tokens
streams_begin
check 'a new token' new_token
cp "$WORK/token" "$WORK/token.right"
echo nonsense >"$WORK/token"
stop apiserver KILL
check 'the API server is back' api_up
check 'with a wrong token nobody is synced' wait_for 120 agent_is A .synced false
check 'pods go on' all_reach A B C
mv "$WORK/token.right" "$WORK/token"
ready A B C
streams_end tokens

#--- an earlier state: from before A had its present key, and D its Node
stop apiserver KILL
stop etcd
cp -a "$WORK/plane/etcd" "$WORK/plane/earlier"
etcd_up
check 'the API server, after the state was saved' api_up
ready A B C
old=$(key_of node-a)
check 'A rotates its key' wgx A agent rotate
rotated() { [ "$(key_of node-a)" != "$old" ] && key_right A; }
check 'it has another' wait_for 120 rotated || why A B C
new=$(key_of node-a)
node_add D 4
controllers_anew
check 'a Node for D' make_node node-d 4
k8s_up D
check 'D joins' wait_for 60 all_reach A B C D || why A D
streams_begin
spawn PD d4 ping -i 0.05 10.244.1.2
stop apiserver KILL
stop etcd
rm -r "$WORK/plane/etcd"
mv "$WORK/plane/earlier" "$WORK/plane/etcd"
etcd_up
check 'the API server, in the earlier state' api_up
check_equal 'which is before the rotation' "$(key_of node-a)" "$old"
controllers_anew
check 'a Node for D, as its kubelet would make it' make_node node-d 4
check 'A publishes its key again' wait_for 120 key_right A || why A
check 'D too' wait_for 120 key_right D || why D
sleep 100 # all have listed
ready A B C D
check_equal 'B sends to A under the present key' "$(on B wg show wg0 allowed-ips | grep -F 10.244.1.0/24 | cut -f1)" "$new"
check_equal "restored: d4: lost" "$(stream_lost d4)" 0
streams_end restored
check_equal 'nothing was in the clear' "$(underlay_plain)" 0
finish
