#!/bin/bash
# SPDX-License-Identifier: MIT
# docs/json.md against what `wgx show --json` prints: each member that it prints is documented, with its type; each
# that is documented occurs, with each of its types.
#
#	A wg0 10.7.0.1 -- eth0 ==== eth0 -- wg0 10.7.0.2 B
#	  wg1, without a key; eth1 -- eth1 A's other end, which goes away
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/../lib.sh"
require wg jq
require_wgx

tunnel_pair wgx wgx 4 no || bail 'a tunnel'
check 'wg1' wgx A wg1 || finish
on A ip link add eth1 type veth peer name far1
on A ip link set eth1 up
on A ip link add eth2 type veth peer name far2
on A ip link set eth2 up
wgx A attach eth0 --transmit --strict --exempt 192.0.2.0/24,fd00::/8 --protect 10.244.0.0/16 >/dev/null
wgx A attach eth1 --lan --mode tcx >/dev/null
wgx A attach eth2 --mode native >/dev/null
on A wg set wg0 peer "$(wg genkey | wg pubkey)" allowed-ips 10.7.0.9/32
wgx A name wg0 "$(pub_of B wg0)" B
check 'ping' ping_ok A 10.7.0.2
check 'to a peer without an endpoint' not ping_ok A 10.7.0.9 -w 1
wgx A show --json >"$WORK/1.json"
wgx A show --json wg0 peer B >"$WORK/2.json"
on A ip link del far1
awaited() { grep -qx eth1 <<<"$(wgx_json A '.awaited[]')"; }
check 'eth1 is awaited' wait_for 10 awaited
wgx A show --json >"$WORK/3.json"
schema() { python3 "$SELFTESTS/netns/json_doc.py" "$TOP/docs/json.md" "$TOP/docs/drops.md" show "$@"; }
check 'docs/json.md has what there is, and nothing else' schema "$WORK"/[123].json

# ---- and the comparison finds what differs ----

jq '.interfaces[0].new = 1 | del(.pid) | .interfaces[0].mtu = "1420" | .drops.nothing = 0' "$WORK/1.json" >"$WORK/4.json"
check 'a difference is one' not schema "$WORK/4.json"
schema "$WORK/4.json" >"$WORK/differences"
for line in 'interfaces[].new: not documented' 'pid: documented, not seen' \
	"drops.nothing: no reason of docs/drops.md" 'awaited[]: documented, not seen'; do
	check "found: $line" grep -qxF -- "$line" "$WORK/differences"
done
check 'found: the type' grep -q '^interfaces\[\].mtu: documented as' "$WORK/differences"

# ---- one peer ----

check_equal 'one peer of one interface' \
	"$(jq -c '[.interfaces | length, (.[] | .name, (.peers | length), .peers[0].name)]' "$WORK/2.json")" '[1,"wg0",1,"B"]'
check_equal 'and all else' "$(jq -c keys "$WORK/2.json")" "$(jq -c keys "$WORK/1.json")"
finish
