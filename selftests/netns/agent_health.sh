#!/bin/bash
# SPDX-License-Identifier: MIT
# What wgx agent serves over HTTP: /livez, /healthz, /readyz with each reason why not, /metrics; that strict mode, routes
# and rules that somebody takes away are missed and put back; an agent that waits for a daemon; logs as JSON.
#
#	PA 10.244.1.2 -- eth1 A eth0 192.0.2.1 ==+
#	PB 10.244.2.2 -- eth1 B eth0 192.0.2.2 ==+== br0 S      fd10:244:0:N::2 and 2001:db8::N as well
#	  wgx agent --http=127.0.0.1:9587
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/agent.inc"
require wg jq python3 curl
require_wgx

page() { on "$1" curl -s -m 25 -w '%{http_code}' -o "$WORK/page" "http://127.0.0.1:9587/$2"; } # page A readyz: its status
page_is() { [ "$(page "$1" "$2")" = "$3" ]; }
says() { page "$1" readyz >/dev/null && grep -qF "$2" "$WORK/page"; }   # says A TEXT: /readyz does
sample() { on "$1" curl -s -m 25 http://127.0.0.1:9587/metrics | awk -v n="$2" '$1 == n { print $2 }'; }
sample_is() { [ "$(sample "$1" "$2")" = "$3" ]; }
poke() { on "$1" ip addr add "198.51.100.$2/32" dev lo; } # have the agent look at once

switch_add
node_add A 1
node_add B 2
AGENT_OPTIONS=(--strict --http=127.0.0.1:9587)

#--- not ready
rm -r "$WORK/registry"
AGENT_OPTIONS+=(--daemon=await)
WGX_LOG_FORMAT=json agent_up A
check '/livez: the agent lives' wait_for 30 page_is A livez 200 || { diag <"$WORK/agent.A.log" && finish; }
check_equal 'there is no daemon: /healthz' "$(page A healthz) $(<"$WORK/page")" \
	'503 no wgx daemon runs in this network namespace; create an interface first: wgx wg0'
check_equal '/readyz' "$(page A readyz)" 503
check 'wg0 is not set up' grep -qx 'wg0 is not set up yet' "$WORK/page"
check 'the registry has not answered' grep -q '^the registry has not answered yet, and no nodes are known from before: ' "$WORK/page"
check_equal 'metrics all the same' "$(sample A wgx_up) $(sample A wgx_agent_ready)" '0 0'
wgx A agent status >"$WORK/status"
check 'status tells the same' grep -qx '    wg0 is not set up yet' "$WORK/status"
sleep 3
check 'no daemon was started' not daemon_pid A wg0
mkdir "$WORK/registry"

#--- a daemon
spawn A daemon "$WGX" -f wg0
agent_up B --daemon=start
check 'ready' wait_for 60 page_is A readyz 200 || { diag <"$WORK/page" && diag <"$WORK/agent.A.log" && finish; }
check_equal 'which it says' "$(<"$WORK/page")" ok
check 'pods reach each other' wait_for 30 all_reach A B
check_equal '/healthz' "$(page A healthz) $(<"$WORK/page")" '200 ok'
check_equal '/' "$(page A '') $(<"$WORK/page")" '200 wgx agent: see /livez, /healthz, /readyz and /metrics'
check_equal 'another page' "$(page A nothing)" 404
check 'the log is JSON' jq -se 'all(.[]; .time and .msg and (.level | IN("err", "warn", "info")))' "$WORK/agent.A.log"

#--- metrics
on A curl -s http://127.0.0.1:9587/metrics >"$WORK/scrape"
check_equal 'ready, strict, synced, published' \
	"$(for m in ready strict registry_synced published; do sample A wgx_agent_$m; done | xargs)" '1 1 1 1'
check_equal 'nodes and peers' "$(sample A wgx_agent_nodes) $(sample A wgx_agent_peers) $(sample A 'wgx_interface_peers{interface="wg0"}')" '1 1 1'
check 'with the daemon'\''s, of WireGuard' grep -q '^wireguard_sent_bytes_total{interface="wg0",.*friendly_name="node-b"' "$WORK/scrape"
grep wgx_agent_ "$WORK/scrape" >"$WORK/own"
check 'docs/metrics.md has the families that there are' \
	python3 "$SELFTESTS/netns/metrics.py" families "$WORK/own" "$TOP/docs/metrics.md" "$TOP/deploy/grafana-dashboard.json"
if command -v promtool >/dev/null; then
	check 'promtool check metrics' promtool check metrics <"$WORK/scrape"
	check_equal 'it has nothing to say' "$(cat "$WORK/check.log")" ''
else
	skip 'promtool' 'needs prometheus'
fi

#--- strict mode can be proved
drops='wgx_drops_total{interface="",reason="strict_egress"}'
check_equal 'no plaintext so far' "$(sample A "$drops")" 0
check 'past the tunnel: lost' not on A ping -q -c 1 -W 1 -I eth0 10.244.2.2
counted() { [ "$(sample A "$drops")" -gt 0 ]; }
check 'and counted' wait_for 20 counted
check 'strict mode is ended by hand' wgx A detach eth0
back() { [ "$(wgx_json A '[.attached[] | select(.device == "eth0") | .strict.protect[]] | join(",")')" = "$CLUSTER" ]; }
poke A 1
check 'and put back' wait_for 60 back
check 'which is logged' wait_for 20 grep -q 'strict mode is not in force, and is put there again: nothing is dropped on eth0' "$WORK/agent.A.log"
check 'ready' wait_for 30 page_is A readyz 200

#--- routes and rules
away() { # away TEXT command ...: after it /readyz says TEXT, and then all is as it was
	local text=$1
	shift
	check "$*" on A "$@"
	# the agent may look just then, each 30 s; not twice in a row
	says A "$text" || { on A "$@" 2>/dev/null && says A "$text"; }
	check_equal "$*: not ready" "$(grep -cF "$text" "$WORK/page")" 1
	poke A $((poked++))
	check "$*: put back" wait_for 60 page_is A readyz 200
}
poked=2
away '10.244.0.0/16 has no route into wg0' ip route del 10.244.0.0/16 table 51880
away 'fd10:244::/48 has no route into wg0' ip -6 route del fd10:244::/48 table 51880
away 'no rule of priority 1500 leads to table 51880' ip rule del priority 1500
check 'pods reach each other' wait_for 20 all_reach A B

#--- the registry goes: what is known is good
mv "$WORK/registry" "$WORK/away"
check 'the registry is lost' wait_for 40 agent_is A .synced false
check_equal 'ready' "$(page A readyz)" 200
check 'with a note' grep -q '^the registry does not answer: ' "$WORK/page"
check 'which is counted' sample_is A wgx_agent_registry_losses_total 1
stop agent.A KILL
agent_up A
check 'so is the next agent, that knows the nodes from before' wait_for 90 page_is A readyz 200
mv "$WORK/away" "$WORK/registry"
check 'the registry is back' wait_for 40 agents_ready A

#--- the daemon dies
index=$(on A cat /sys/class/net/wg0/ifindex)
stop daemon KILL
check 'the data path is dead' wait_for 30 page_is A healthz 503
check 'the agent lives' page_is A livez 200
check 'not ready' page_is A readyz 503
check_equal 'strict mode stands' "$(sample A wgx_agent_strict)" 1
spawn A daemon "$WGX" -f wg0
check 'another daemon: ready' wait_for 60 page_is A readyz 200
check_equal 'with the same wg0' "$(on A cat /sys/class/net/wg0/ifindex)" "$index"
check 'pods reach each other' wait_for 40 all_reach A B

#--- usage
check 'no address' fails_with 2 "wgx agent: option '--http': 'here' is no ADDRESS:PORT and no absolute path of a socket (see 'wgx help agent')" \
	wgx A agent --http=here
stop agent.A TERM
spawn A other python3 -m http.server -b 127.0.0.1 9587
taken() { on A sh -c 'ss -Htln "sport = :9587" | grep -q .'; }
wait_for 20 taken
wgx A agent \
	--registry=file --registry-dir="$WORK/registry" --cluster-cidr=$CLUSTER --pod-cidr=10.244.1.0/24 \
	--state-dir="$WORK/state.A" --http=127.0.0.1:9587 >"$WORK/taken" 2>&1
check_equal 'the address is taken' "$? $(tail -n 1 "$WORK/taken")" \
	'1 wgx: cannot listen at 127.0.0.1:9587: another process does'
finish
