#!/bin/bash
# SPDX-License-Identifier: MIT
# wgx agent on a real API server, with the rights of deploy/kubernetes and no more: three nodes come up from nothing;
# the API server is killed under a watch, its past is compacted, tokens change; a Node goes, comes back, has its
# networks used again by another.
#
#	PA 10.244.1.2 -- eth1 A eth0 192.0.2.1 ==+
#	PB 10.244.2.2 -- eth1 B eth0 192.0.2.2 ==+== br0 S      fd10:244:0:N::2 and 2001:db8::N as well
#	PC 10.244.3.2 -- eth1 C eth0 192.0.2.3 ==+
#	   K, the control plane  eth0 192.0.2.100 +
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../netns/agent.inc"
require wg jq tcpdump openssl curl kubectl
require_wgx
PLANE=$SELFTESTS/k8s/control_plane
"$PLANE" ready || skip_all 'the control plane is not built: selftests/k8s/control_plane build'

K=192.0.2.100
kube() { on K kubectl --kubeconfig "$WORK/plane/kubeconfig" --request-timeout=10s "$@"; }
api_ready() { on K curl -sf --cacert "$WORK/plane/ca.crt" --cert "$WORK/plane/admin.crt" --key "$WORK/plane/admin.key" \
	"https://$K:6443/readyz"; }
api_start() { spawn K apiserver "$PLANE" apiserver "$WORK/plane" $K && wait_for 120 api_ready; }
plane_start() {
	"$PLANE" certs "$WORK/plane" $K || return
	spawn K etcd "$PLANE" etcd "$WORK/plane"
	api_start || return
	spawn K controllers "$PLANE" controllers "$WORK/plane"
}
cidr_of() { kube get node "$1" -o 'jsonpath={.spec.podCIDRs[*]}'; }
cidr_is() { [ "$(cidr_of "$1")" = "$2" ]; }
make_node() { # make_node NAME N: and wait until it has the networks of N
	kube create -f - <<-END >/dev/null || return
		{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "$1"}}
	END
	local ula=fd10:244:0:$2::/64
	[ "$2" != 0 ] || ula=fd10:244::/64
	wait_for 30 cidr_is "$1" "10.244.$2.0/24 $ula"
}
token() { kube create -f - --raw /api/v1/namespaces/wgx-system/serviceaccounts/wgx-agent/token <<-END | jq -r .status.token
	{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
	 "spec": {"audiences": ["https://kubernetes.default.svc"], "expirationSeconds": 600}}
END
}
new_token() { token >"$WORK/token.new" && [ -s "$WORK/token.new" ] && mv "$WORK/token.new" "$WORK/token"; }
key_of() { kube get node "$1" -o 'jsonpath={.metadata.annotations.wgx\.dev/public-key}'; }
k8s_up() { # k8s_up A [option ...]
	local h=$1
	shift
	spawn "$h" "agent.$h" "$WGX" agent --registry=kubernetes --kubeconfig="$WORK/kubeconfig" --node="node-${h,,}" \
		--cluster-cidr="$CLUSTER" --state-dir="$WORK/state.$h" --grace=3 --strict "$@"
}

switch_add
node_add A 1
node_add B 2
node_add C 3
host_add K
link K eth0 S toK
on S ip link set toK master br0
addr K eth0 $K/24
check 'the control plane starts' plane_start || { tail -n 20 "$WORK"/{etcd,apiserver}.log | diag && finish; }
check 'a Node that takes the first networks' make_node zero 0
for h in A B C; do
	check "a Node for $h" make_node "node-${h,,}" "${NODE_N[$h]}" || finish
done
check 'the rights of deploy/kubernetes' kube apply -f "$TOP/deploy/kubernetes/base/namespace.yaml" \
	-f "$TOP/deploy/kubernetes/base/rbac.yaml"
check 'a token' wait_for 30 new_token || finish
cat >"$WORK/kubeconfig" <<END
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://$K:6443", certificate-authority: plane/ca.crt}}]
users: [{name: u, user: {tokenFile: token}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
END

#--- from nothing
underlay_begin
for h in A B C; do k8s_up $h; done
check 'all agents are ready' wait_for 60 agents_ready A B C || { diag <"$WORK/agent.A.log" && finish; }
check 'all pods reach each other' wait_for 30 all_reach A B C
check_equal 'nothing was in the clear' "$(underlay_plain)" 0
check_equal 'the Node has the public key' "$(key_of node-a)" "$(on A wg show wg0 public-key)"
check_equal 'there is nothing to do' "$(wgx A agent plan)" ''

#--- somebody changes what is ours
kube annotate --overwrite node node-a wgx.dev/public-key="$(wg genkey | wg pubkey)" >/dev/null
key_right() { [ "$(key_of node-a)" = "$(on A wg show wg0 public-key)" ]; }
check 'an annotation that was changed is made right' wait_for 30 key_right
check 'all pods reach each other' wait_for 30 all_reach A B C

#--- the API server is killed under the watches
stream A B live
stop apiserver KILL
check 'agents notice' wait_for 30 agent_is A .synced false
check 'pods do not' all_reach A B C
stop agent.B KILL
k8s_up B
check 'an agent starts without it' wait_for 30 agent_is B .nodes 3
check 'pods go on' all_reach A B C
check 'the API server is back' api_start
check 'all agents are ready' wait_for 90 agents_ready A B C
check_equal 'no packet was lost' "$(stream_lost live)" 0

#--- the watch is from too long ago
stop apiserver KILL
rev=$(on K curl -sf http://127.0.0.1:2379/v3/kv/range -d '{"key":"AA=="}' | jq -r .header.revision)
on K curl -sf http://127.0.0.1:2379/v3/kv/compaction -d "{\"revision\":\"$rev\",\"physical\":true}" >/dev/null
check 'the API server, with its past compacted' api_start
check 'all agents are ready' wait_for 90 agents_ready A B C

#--- tokens change, and who may not read is told so
check 'a new token' new_token
echo nonsense >"$WORK/token"
stop apiserver KILL
api_start
sleep 2
check 'with a wrong token nobody is synced' wait_for 90 agent_is A .synced false
check 'pods go on' all_reach A B C
new_token
check 'with a right one all are' wait_for 120 agents_ready A B C

#--- a Node goes, and another gets its networks
stop agent.C KILL
kube delete node node-c >/dev/null
check 'its record is gone: a grace time' wait_for 20 plan_says A 'node-c: remove in'
check 'pods reach it still' pods_reach A C
check 'its time is over' wait_for 30 agent_is A .nodes 2
none_c() { none_reach A C; }
check 'pods do not reach it' wait_for 20 none_c
check 'another Node' make_node node-c 3
k8s_up C
check 'which joins' wait_for 60 all_reach A B C

#--- refusals are Events
kube annotate --overwrite node zero wgx.dev/public-key="$(key_of node-b)" >/dev/null
check 'a key that is another'\''s is refused' wait_for 30 plan_says A 'refused: zero: its public key is that of node-b'
event_there() { kube get events -n default -o json | jq -e '.items[] | select(.reason == "PeerRefused")'; }
check 'which an Event says' wait_for 30 event_there
check 'all pods reach each other' all_reach A B C

#--- rotation
old=$(key_of node-a)
spawn PA out ping -q -i 0.01 -c 1500 10.244.2.2
check 'rotate' wgx A agent rotate
rotated() { [ "$(key_of node-a)" != "$old" ] && key_right; }
check 'the key is another' wait_for 60 rotated
wait "${SPAWN_PID[out]}"
check_equal 'no packet was lost' "$(sed -n 's/, time.*//; /transmitted/p' "$WORK/out.log")" \
	'1500 packets transmitted, 1500 received, 0% packet loss'
finish
