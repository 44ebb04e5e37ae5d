#!/bin/bash
# SPDX-License-Identifier: MIT
# wgx metrics: what it says and promtool thinks of it, without rights, in spite of slow clients, and to Prometheus.
#
#	A wg0 10.7.0.1 -- eth0 ==== eth0 -- wg0 10.7.0.2 B
#	  wgx metrics, 127.0.0.1:9586 and UNIX sockets
#	  prometheus, 127.0.0.1:9090
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/../lib.sh"
require wg jq python3 setpriv socat
require_wgx

client() { on A python3 "$SELFTESTS/netns/metrics.py" "$@"; }
get() { client get 127.0.0.1:9586 "$@"; }
# sample NAME{labels}: its value in $WORK/scrape
sample() { grep -F -- "$1 " "$WORK/scrape" | sed 's/.* //'; }
answers() { grep -q '^200' <<<"$(get /healthz)"; }
metrics_start() { # metrics_start NAME [command ...]: wgx metrics, by a command such as setpriv; arguments after --
	local name=$1 by=()
	shift
	while [ $# -gt 0 ] && [ "$1" != -- ]; do by+=("$1") && shift; done
	spawn A "$name" "${by[@]}" "$WGX" metrics "${@:2}" && wait_for 20 grep -q 'metrics are at' "$WORK/$name.log"
}

# A group may look (docs/metrics.md). The program is where that user can read it.
GROUP=4242
host_add A
on A install -d -m 2710 -g $GROUP /run/wgx
install -m 0755 "$WGX" "$WORK/wgx" && WGX=$WORK/wgx
looker=(setpriv --reuid 65534 --regid 65534 --groups $GROUP --inh-caps=-all --bounding-set=-all)

# ---- without a daemon ----

check 'it starts without a daemon' metrics_start server "${looker[@]}" || finish
get /healthz >"$WORK/health"
check_equal '/healthz: there is none' "$(head -n 1 "$WORK/health" | cut -c 1-3) $(tail -n 1 "$WORK/health")" \
	'503 no wgx daemon runs in this network namespace; create an interface first: wgx wg0'
get /metrics >"$WORK/scrape"
check_equal 'so do the metrics' "$(sed 1,2d "$WORK/scrape" | grep -v '^#')" 'wgx_up 0'
check '--once says so and fails' fails_with 1 \
	'wgx: no wgx daemon runs in this network namespace; create an interface first: wgx wg0' wgx A metrics --once

# ---- with one ----

check 'a daemon' impl_up A wg0 wgx || finish
check_equal 'is seen at once' "$(get /metrics | grep '^wgx_up')" 'wgx_up 1'

tunnel_on() {
	host_add B
	link A eth0 B eth0
	addr A eth0 192.0.2.1/24
	addr B eth0 192.0.2.2/24
	key_for A wg0 && key_for B wg0
	impl_up B wg0 wgx || return
	on A wg set wg0 listen-port 51820 private-key "$WORK/A.wg0.key" peer "$(pub_of B wg0)" \
		endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32,fd07::2/128
	on B wg set wg0 listen-port 51820 private-key "$WORK/B.wg0.key" peer "$(pub_of A wg0)" allowed-ips 10.7.0.1/32
	addr A wg0 10.7.0.1/24
	addr B wg0 10.7.0.2/24
	on A ip link set wg0 up && on B ip link set wg0 up
}
check 'a tunnel' tunnel_on || finish
on A wg set wg0 peer "$(wg genkey | wg pubkey)" allowed-ips 10.7.0.9/32
wgx A name wg0 "$(pub_of B wg0)" 'a"b\c'
wgx A attach eth0 >/dev/null
check 'ping' ping_ok A 10.7.0.2
check 'to a peer without an endpoint' not ping_ok A 10.7.0.9 -w 1
check 'the process without rights may ask' wait_for 20 answers
sleep 1 # as long as an answer may be used again
get /metrics >"$WORK/scrape"
check_equal 'status and type' "$(head -n 1 "$WORK/scrape")" '200 text/plain; version=0.0.4; charset=utf-8 '
sed -i 1,2d "$WORK/scrape"
labels="interface=\"wg0\",public_key=\"$(pub_of B wg0)\",allowed_ips=\"10.7.0.2/32,fd07::2/128\",friendly_name=\"a\\\"b\\\\c\""
set -- $(on A wg show wg0 transfer | grep -F "$(pub_of B wg0)")
check_equal 'received bytes' "$(sample "wireguard_received_bytes_total{$labels}")" "$2"
check_equal 'sent bytes' "$(sample "wireguard_sent_bytes_total{$labels}")" "$3"
check_equal 'the latest handshake' "$(sample "wireguard_latest_handshake_seconds{$labels}")" \
	"$(on A wg show wg0 latest-handshakes | awk -v k="$(pub_of B wg0)" '$1 == k { print $2 }')"
check_equal 'what was lost' "$(sample 'wgx_drops_total{interface="wg0",reason="seal_no_endpoint"}')" \
	"$(wgx_json A '.interfaces[0].drops.seal_no_endpoint')"
check_equal 'the version' "$(sample "wgx_build_info{version=\"$(wgx A --version | cut -d' ' -f2)\"}")" 1
check_equal 'the attached device' "$(sample "wgx_attached{device=\"eth0\",mode=\"$(wgx_mode A eth0)\",strict=\"0\"}")" 1
check_equal 'a handshake' "$(sample 'wgx_handshake_messages_total{type="response"}')" 1
cpu() { awk '/^wgx_thread_cpu_seconds_total/ && $2 > 0 { n++ } END { print n + 0 }' "$WORK/scrape"; }
check_equal 'processor time of four threads' "$(cpu)" 4
check 'docs/metrics.md has the families that there are; the dashboard wants no others' \
	client families "$WORK/scrape" "$TOP/docs/metrics.md" "$TOP/deploy/grafana-dashboard.json"
wgx A metrics --once >"$WORK/once"
names() { sed 's/ [^ ]*$//' "$1"; }
check_equal '--once prints the same' "$(names "$WORK/once")" "$(names "$WORK/scrape")"

# ---- what the process may do ----

pid=$(<"$WORK/server.pid")
check_equal 'it has no capabilities' "$(on A sed -n 's/^Cap\(Prm\|Eff\):\t//p' "/proc/$pid/status" | sort -u)" 0000000000000000
check_equal 'and gets none' "$(on A sed -n 's/^NoNewPrivs:\t//p' "/proc/$pid/status")" 1
check 'members of the group may look' on A "${looker[@]}" "$WGX" show wg0
control=/run/wgx/$(on A stat -Lc %i /proc/self/ns/net).sock
ask() { echo "$1" | on A "${looker[@]}" socat -t 20 - "UNIX:$control" | jq -r '.error // .ok'; }
for request in '{"cmd":"name","interface":"wg0","peer":"a\"b\\c","name":"x"}' '{"cmd":"delete","interface":"wg0"}' \
	'{"cmd":"create","interface":"wg7"}' '{"cmd":"attach","device":"eth0"}' '{"cmd":"detach","device":"eth0"}'; do
	check_equal "but not $request" "$(ask "$request")" 'not permitted; run wgx as root'
done
check_equal 'but look again' "$(ask '{"cmd":"show"}')" true
check 'nor make interfaces' not on A "${looker[@]}" "$WGX" wg7
check 'others may not look' fails_with 1 'wgx: not allowed to talk to the wgx daemon; run wgx as root' \
	on A setpriv --reuid 65534 --regid 65534 --clear-groups "$WGX" show wg0
check 'all is as it was' wgx A show wg0 peer a\"b\\c
check_equal 'the device too' "$(wgx_mode A eth0)" tcx

# ---- HTTP ----

check_equal 'another path' "$(get /nothing | head -n 1 | cut -c 1-3)" 404
check_equal 'another method' "$(get /metrics POST | head -n 1 | cut -c 1-3)" 405
check_equal 'HEAD has no body' "$(get /metrics HEAD | sed 1,2d)" ''
check_equal 'HTTP/1.0 too' "$(printf 'GET /healthz HTTP/1.0\r\n\r\n' |
	on A timeout 20 socat -t 20 - TCP:127.0.0.1:9586 | tail -n 1)" ok
check 'the address is taken' fails_with 1 'wgx: cannot listen at 127.0.0.1:9586: another process does' wgx A metrics
check 'a UNIX socket, by root' metrics_start local -- --listen /run/metrics.sock
check_equal 'the same there' "$(client get /run/metrics.sock /metrics | grep -c '^wireguard_')" 6
check_equal 'root has given up its capabilities' \
	"$(on A sed -n 's/^CapEff:\t//p' "/proc/$(<"$WORK/local.pid")/status")" 0000000000000000
stop local
check 'the socket is gone' not on A test -e /run/metrics.sock
check 'IPv6' metrics_start six -- --listen '[::1]:0'
six=$(sed -n 's,.*http://\(.*\)/metrics,\1,p' "$WORK/six.log")
check_equal 'on a port that the kernel chose' "$(client get "$six" /healthz | tail -n 1)" ok
stop six

# ---- slow clients ----

spawn A trickle python3 "$SELFTESTS/netns/metrics.py" trickle 127.0.0.1:9586
spawn A hold python3 "$SELFTESTS/netns/metrics.py" hold 127.0.0.1:9586 20
wait_for 20 grep -q holding "$WORK/hold.log"
check 'others are served meanwhile' get /metrics
check 'a request that does not end is ended' wait_for 90 grep -q . "$WORK/trickle.log"
check 'not at once' [ "$(<"$WORK/trickle.log")" -gt 5 ]
spawn A more python3 "$SELFTESTS/netns/metrics.py" hold 127.0.0.1:9586 200
wait_for 20 grep -q holding "$WORK/more.log"
for _ in 1 2 3; do check 'also with many of them' get /metrics; done
stop more
stop hold

# ---- promtool and Prometheus ----

if ! command -v promtool >/dev/null || ! command -v prometheus >/dev/null; then
	skip 'promtool and Prometheus' 'needs prometheus'
else
	check 'promtool check metrics' promtool check metrics <"$WORK/scrape"
	check_equal 'it has nothing to say' "$(cat "$WORK/check.log")" ''
	cat >"$WORK/prometheus.yml" <<-'END'
		global: {scrape_interval: 1s}
		scrape_configs:
		  - job_name: wgx
		    static_configs: [{targets: ['127.0.0.1:9586']}]
	END
	spawn A prometheus prometheus --config.file="$WORK/prometheus.yml" --storage.tsdb.path="$WORK/tsdb" \
		--web.listen-address=127.0.0.1:9090
	query() { client query http://127.0.0.1:9090 "$1"; }
	is() { [ "$(query "$1" | cut -d' ' -f1)" = "$2" ]; } # is EXPRESSION value
	check 'Prometheus scrapes it' wait_for 60 is 'up{job="wgx"}' 1
	docs_expressions() { # each is one that Prometheus takes
		local n=0 line
		while read -r line; do
			query "${line%%#*}" || return
			n=$((n + 1))
		done < <(awk '/^```promql/ { on = 1; next } /^```/ { on = 0 } on' "$TOP/docs/metrics.md")
		[ $n -gt 3 ]
	}
	check 'and knows the bytes' wait_for 20 is "wireguard_sent_bytes_total{public_key=\"$(pub_of B wg0)\"} > bool 0" 1
	check_equal 'and the name' "$(query wireguard_latest_handshake_seconds | cut -d' ' -f2- |
		jq -r 'select(.friendly_name != null) | .friendly_name')" 'a"b\c'
	check 'the expressions of docs/metrics.md' docs_expressions
	spawn A both ping -q -i 0.2 10.7.0.2
	spawn A lost ping -q -i 0.2 10.7.0.9 # for the panels of what is lost
	check 'each panel of the dashboard has something to show' wait_for 60 client dashboard http://127.0.0.1:9090 \
		"$TOP/deploy/grafana-dashboard.json" || client dashboard http://127.0.0.1:9090 "$TOP/deploy/grafana-dashboard.json" | diag
	stop both && stop lost
	on A ip link del wg0
	check 'the daemon has ended' wait_for 30 is wgx_up 0
	check 'and the server goes on' is 'up{job="wgx"}' 1
	check 'a new one' impl_up A wg1 wgx
	check 'is found' wait_for 30 is wgx_up 1
	stop prometheus
fi
on A kill "$(<"$WORK/server.pid")"
wait "${SPAWN_PID[server]}"
check_equal 'it ends well at SIGTERM' $? 0
finish
