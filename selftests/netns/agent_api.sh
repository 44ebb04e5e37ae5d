#!/bin/bash
# SPDX-License-Identifier: MIT
# wgx agent and a Kubernetes API server that misbehaves: watches that end at once, or say that their version is gone,
# frames in pieces and in pages, broken ones, refusals with and without a time to wait. Nobody is lost, and there are
# no storms of requests.
#
#	A eth0 192.0.2.1 ==== eth0 192.0.2.100 K, fake_api.py
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/agent.inc"
require wg jq openssl python3
require_wgx

API=$WORK/api
mkdir "$API"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=api -addext subjectAltName=IP:192.0.2.100 \
	-keyout "$API/server.key" -out "$API/server.crt" 2>/dev/null || skip_all 'openssl makes no certificate'
echo right >"$WORK/token"
cat >"$WORK/kubeconfig" <<END
clusters: [{name: c, cluster: {server: "https://192.0.2.100:6443", certificate-authority: api/server.crt}}]
users: [{name: u, user: {tokenFile: token}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
current-context: c
END

# object NAME N [KEY]: a Node
object() {
	jq -nc --arg name "$1" --arg n "$2" --arg key "${3:-}" '{metadata: {name: $name, uid: "uid-\($name)",
		resourceVersion: "1", annotations: (if $key == "" then {} else
		{"wgx.dev/public-key": $key, "wgx.dev/endpoints": "192.0.2.\($n):51820"} end)},
		spec: {podCIDRs: ["10.244.\($n).0/24", "fd10:244:0:\($n)::/64"]}}'
}
event() { # event TYPE OBJECT
	printf '{"type": "%s", "object": %s}\n' "$1" "$2" >>"$API/changes"
}
requests() { grep -c "^$1" "$API/requests"; } # requests 'GET list'
mode() { echo "$1" >"$API/mode.new" && mv "$API/mode.new" "$API/mode"; }
declare -A KEYS=()
for h in b c d e; do KEYS[$h]=$(wg genkey | wg pubkey); done
{
	object node-a 1
	object node-b 2 "${KEYS[b]}"
	object node-c 3 "${KEYS[c]}"
	object node-d 4 "${KEYS[d]}"
} | jq -sc 'map({key: .metadata.name, value: .}) | from_entries' >"$API/nodes.json"

host_add A K
link A eth0 K eth0
addr A eth0 192.0.2.1/24
addr K eth0 192.0.2.100/24
api_listens() { on K sh -c 'ss -Htln "sport = :6443" | grep -q .'; }
api_start() { spawn K api python3 "$SELFTESTS/netns/fake_api.py" "$API" 192.0.2.100 6443 && wait_for 30 api_listens; }
mode pages
check 'the API server' api_start || finish
spawn A agent.A "$WGX" agent --registry=kubernetes --kubeconfig="$WORK/kubeconfig" --node=node-a \
	--cluster-cidr="$CLUSTER" --state-dir="$WORK/state.A" --grace=3
check 'ready' wait_for 40 agents_ready A || { diag <"$WORK/agent.A.log" && finish; }
check 'a list in pages: all are peers' wait_for 30 agent_is A .peers 3
check_equal 'of one kind of request there was little' "$(requests 'GET list')" 2
# a list from before the first patch asks for a second one, which changes nothing
check 'published once, or twice' test "$(requests PATCH)" -le 2
check_equal 'this node has its address' "$(on A ip -br addr show wg0 | grep -o '10.244.1.0/32')" 10.244.1.0/32

#--- frames
mode pieces
event MODIFIED "$(object node-e 5 "${KEYS[e]}")"
check 'frames in pieces: a node joins' wait_for 40 agent_is A .peers 4
event DELETED "$(object node-e 5 "${KEYS[e]}")"
check 'and goes, after a grace time' wait_for 30 agent_is A .peers 3
mode ok
big=$(object node-e 5 "${KEYS[e]}" | jq -c --arg x "$(head -c 90000 /dev/zero | tr '\0' x)" \
	'.status.images = [range(60) | {names: [$x]}]' 2>/dev/null)
printf '{"type": "ADDED", "object": %s}\n' "$big" >>"$API/changes"
check 'a Node of five megabytes' wait_for 60 agent_is A .peers 4
event MODIFIED '{"metadata": {"name": "node-b", "annotations": {"wgx.dev/public-key": "broken"}}, "spec": {}}'
check 'one that is wrong is refused' wait_for 30 plan_says A 'refused: node-b: its record cannot be read'
check_equal 'and stays as it was' "$(agent_json A .peers)" 4
check 'an Event tells' wait_for 20 grep -q '^POST event PeerRefused' "$API/requests"
event MODIFIED "$(object node-b 2 "${KEYS[b]}")"
check 'it is right again' wait_for 30 agent_is A .refused 0

#--- this node's own record
before=$(requests PATCH)
event MODIFIED "$(object node-a 1 "${KEYS[b]}")"
own_right() { [ "$(requests PATCH)" -gt "$before" ]; }
check 'what others write into its record is made right' wait_for 30 own_right
before=$(requests PATCH)
event MODIFIED "$(object node-a 1 broken)"
check 'also where it cannot be read' wait_for 30 own_right
check 'ready' wait_for 30 agents_ready A

#--- watches that end
storms() { # storms LABEL: eight seconds of it are few requests
	local before
	before=$(wc -l <"$API/requests")
	sleep 8
	local n=$(($(wc -l <"$API/requests") - before))
	[ $n -lt 40 ] && ok "$1: $n requests in 8 s are no storm" || nok "$1: $n requests in 8 s"
}
mode watch-410
storms 'the version is gone'
check_equal 'nobody was lost' "$(agent_json A '"\(.peers) \(.gone)"')" '4 0'
mode watch-empty
storms 'watches that end at once'
check_equal 'nobody was lost' "$(agent_json A '"\(.peers) \(.gone)"')" '4 0'
mode watch-garbage
storms 'frames that are no JSON'
check_equal 'nobody was lost' "$(agent_json A '"\(.peers) \(.gone)"')" '4 0'
mode list-429
check 'not synced' wait_for 40 agent_is A .synced false
storms 'lists are refused for a while'
mode list-500
storms 'lists fail'
check 'the problem is told, without escape sequences' wait_for 60 agent_is A \
	'.problem | contains("HTTP status 500: ?[31m broken")' true
check_equal 'nobody was lost' "$(agent_json A '"\(.peers) \(.gone)"')" '4 0'
mode ok
check 'all is well again' wait_for 90 agents_ready A

#--- what has happened meanwhile is told by a list
mode watch-410
stop api KILL
jq -c 'del(.["node-d"])' "$API/nodes.json" >"$API/nodes.new" && mv "$API/nodes.new" "$API/nodes.json"
rm "$API/changes"
check 'not synced' wait_for 40 agent_is A .synced false
check 'another server, that knows less, and what has gone no more' api_start
check 'what it does not know goes' wait_for 120 agent_is A .peers 2
mode ok
check 'published again' wait_for 40 agents_ready A

#--- more than half go
event DELETED "$(object node-b 2 "${KEYS[b]}")"
event DELETED "$(object node-c 3 "${KEYS[c]}")"
check 'all go at once: they are held' wait_for 40 agent_is A .held 2
check 'an Event tells' wait_for 30 grep -q '^POST event NodesHeld' "$API/requests"
event ADDED "$(object node-b 2 "${KEYS[b]}")"
event ADDED "$(object node-c 3 "${KEYS[c]}")"
check 'they are back' wait_for 30 agent_is A '"\(.peers) \(.held) \(.gone)"' '2 0 0'

#--- tokens
echo wrong >"$WORK/token"
mode 401
check 'refused: not synced' wait_for 60 agent_is A .synced false
mode ok
: >"$API/requests"
refused() { grep -q ' 401$' "$API/requests"; }
check 'the token is read again: this one is wrong' wait_for 60 refused
check_equal 'not synced' "$(agent_json A .synced)" false
echo right >"$WORK/token"
check 'with the right one: ready' wait_for 120 agents_ready A
check 'the token is in no log' not grep -q right "$WORK/agent.A.log"
finish
