#!/bin/bash
# SPDX-License-Identifier: MIT
# deploy/kubernetes and a real API server: it takes all manifests (server-side dry run) but those of kinds that it does
# not know, which are checked against schemas; an agent with the rights there does all that it has to, and for each
# right that is taken away one thing fails that is named here.
#
#	A eth0 192.0.2.1 ==== eth0 192.0.2.100 K, the control plane
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/plane.inc"
require_plane python3
python3 -c 'import yaml' 2>/dev/null || skip_all 'needs python3-yaml'
DEPLOY=$TOP/deploy/kubernetes

#--- offline
SCHEMAS=("$SELFTESTS"/k8s/schema/*.json)
manifests() { kubectl kustomize "$DEPLOY/$1"; }
by_schema() { manifests "$1" | python3 "$SELFTESTS/k8s/manifests.py" check "${SCHEMAS[@]}" 2>&1; }
check_equal 'ValidatingAdmissionPolicy and its binding are as their schema' "$(by_schema overlays/admission-policy)" '2 objects'
check_equal 'so is PodMonitor' "$(by_schema overlays/monitoring)" '1 objects'
broken() { manifests "$1" | sed "$2" | python3 "$SELFTESTS/k8s/manifests.py" check "${SCHEMAS[@]}" 2>&1 | head -n 1; }
check_equal 'a field that there is not is noticed' "$(broken overlays/admission-policy 's/failurePolicy:/failPolicy:/')" \
	'ValidatingAdmissionPolicy wgx-agent.spec: failPolicy is not known'
check_equal 'a value too' "$(broken overlays/monitoring 's/interval: 30s/interval: soon/')" \
	"PodMonitor wgx-agent.spec.podMetricsEndpoints[0].interval: 'soon' is not ^(0|([0-9]+(ms|s|m|h|d|w|y))+)\$"
options() { manifests "$1" | sed -n 's/^  OPTIONS: *//p'; }
check_equal 'strict mode is one option' "$(options base)-$(options overlays/strict)" '""---strict'
check_equal 'Events are written in the namespace default' "$(manifests base | awk '/^kind:/ { k = $2 }
	/^  namespace:/ && k ~ /^Role/ { print k, $2; k = "" }' | xargs)" 'Role default RoleBinding default'

#--- the control plane
has_networks() { [ -n "$(kube get node node-a -o 'jsonpath={.spec.podCIDRs}')" ]; }
host_add A K
link A eth0 K eth0
addr A eth0 192.0.2.1/24
addr K eth0 $K/24
check 'the control plane starts' plane_start 120 || { tail -n 20 "$WORK"/{etcd,apiserver}.log | diag && finish; }

#--- server-side dry run
on_server() { # on_server DIRECTORY: what the API server knows of it
	manifests "$1" | python3 "$SELFTESTS/k8s/manifests.py" known "${SCHEMAS[@]}" |
		kube apply --dry-run=server -f - >"$WORK/dry" 2>&1
}
check 'the namespace' kube apply -f "$DEPLOY/base/namespace.yaml"
for o in base overlays/strict overlays/monitoring; do
	check "the API server takes $o" on_server $o || diag <"$WORK/dry"
	check_equal "all of it: $o" "$(grep -c '(server dry run)$' "$WORK/dry")" 9
done
check_equal 'but not what is wrong' "$(manifests base | sed 's/hostPID: true/hostPID: 3/' | kube apply --dry-run=server -f - 2>&1 |
	grep -c 'hostPID')" 1

#--- the rights
check 'the rights' kube apply -f "$DEPLOY/base/rbac.yaml"
kube create -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-a"}}
END
# a node whose record is refused: that is what an Event tells
kube create -f - >/dev/null <<END
{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-x", "annotations": {"wgx.dev/public-key": "broken"}}}
END
check 'the Node has its networks' wait_for 60 has_networks
check 'a token' wait_for 30 new_token || finish
cat >"$WORK/kubeconfig" <<END
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://$K:6443", certificate-authority: plane/ca.crt}}]
users: [{name: u, user: {tokenFile: token}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
END

agent_begin() { # anew, with a state and a record as if it had never been there
	rm -rf "$WORK/state.A"
	kube delete events -n default --all >/dev/null
	kube annotate node node-a wgx.dev/public-key- wgx.dev/endpoints- >/dev/null
	spawn A agent "$WGX" agent --registry=kubernetes --kubeconfig="$WORK/kubeconfig" --node=node-a \
		--cluster-cidr="$CLUSTER" --state-dir="$WORK/state.A" --grace=3
}
in_log() { grep -q "$1" "$WORK/agent.log"; }
listed() { ! in_log 'HTTP status 403.*cannot list'; }
published() { [ "$(kube get node node-a -o 'jsonpath={.metadata.annotations.wgx\.dev/public-key}')" = "$(on A wg show wg0 public-key)" ]; }
follows() { # a change that only a watch tells so soon
	kube annotate --overwrite node node-x wgx.dev/public-key="$(wg genkey | wg pubkey)" wgx.dev/endpoints=192.0.2.9:51820 >/dev/null
	wait_for 15 agent_is A .peers 1
}
event_there() { kube get events -n default -o json | jq -e '.items[] | select(.reason == "PeerRefused")'; }
x_broken() { kube annotate --overwrite node node-x wgx.dev/public-key=broken wgx.dev/endpoints- >/dev/null; }

check 'with all rights' agent_begin
check 'it lists Nodes and publishes its own' wait_for 40 agents_ready A || { diag <"$WORK/agent.log" && finish; }
check 'an Event tells of what it refuses' wait_for 30 event_there
check 'a watch tells it of changes' follows
check 'its record is there' published
stop agent KILL
x_broken

# without RULE VERB: the ClusterRole's rule, or the Role's (events); all others stay
without() {
	local kind=clusterrole
	local namespace=()
	[ "$1" != events ] || { kind=role && namespace=(-n default); }
	kube get $kind wgx-agent "${namespace[@]}" -o json |
		jq --arg r "$1" --arg v "$2" '(.rules[] | select(.resources == [$r]).verbs) -= [$v]
			| .rules |= map(select(.verbs != []))' | kube replace -f - >/dev/null
}
restore() { kube apply -f "$DEPLOY/base/rbac.yaml" >/dev/null && stop agent KILL && x_broken; }
not_allowed() { wait_for 30 in_log "$1"; }

check 'without nodes: list' without nodes list
agent_begin
check 'it cannot list' not_allowed 'HTTP status 403: nodes is forbidden.*cannot list resource "nodes"'
check_equal 'and is not in step' "$(agent_json A .synced)" false
restore

check 'without nodes: watch' without nodes watch
agent_begin
check 'it cannot watch' not_allowed 'HTTP status 403:.*cannot watch resource "nodes"'
check 'and does not hear of a change' not follows
restore

check 'without nodes/status: patch' without nodes/status patch
agent_begin
check 'it cannot publish' not_allowed 'cannot publish this node: .*HTTP status 403'
check_equal 'its record is not there' "$(published && echo there)" ''
check_equal 'it is not ready' "$(agent_json A '"\(.synced) \(.published) \(.ready)"')" 'true false false'
restore

check 'without events: create' without events create
agent_begin
check 'it is ready all the same' wait_for 40 agents_ready A
check 'there is something to tell' plan_says A 'refused: node-x'
sleep 2
check 'and no Event' not event_there
restore

#--- there is no other right
verbs() { jq -r '.rules[] | "\(.resources | join(",")): \(.verbs | join(","))"'; }
check_equal 'these are all the rights that there are' "$({
	kube get clusterrole wgx-agent -o json | verbs
	kube get role wgx-agent -n default -o json | verbs
} | xargs)" 'nodes: list,watch nodes/status: patch events: create'
agent_begin
check 'with all rights again' wait_for 40 agents_ready A
finish
