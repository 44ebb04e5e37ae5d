#!/bin/bash
# SPDX-License-Identifier: MIT
# A node joins, goes and is kept for the grace time, has its networks used again by another; one comes back with a new key,
# one changes its address. Refusals are Events. The others' traffic never stops.
#
#	PA 10.244.1.2 -- eth1 A eth0 192.0.2.1 ==+
#	PB 10.244.2.2 -- eth1 B eth0 192.0.2.2 ==+== br0 S      fd10:244:0:N::2 and 2001:db8::N as well
#	PC 10.244.3.2 -- eth1 C eth0 192.0.2.3 ==+
#	PD 10.244.4.2 -- eth1 D eth0 192.0.2.4 ==+      later E, with the networks of D
#	   K, the control plane  eth0 192.0.2.100 +
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/plane.inc"
require_plane

cluster_up A B C
underlay_begin
agents_up A B C
ready A B C

#--- somebody changes what is ours
kube annotate --overwrite node node-a wgx.dev/public-key="$(wg genkey | wg pubkey)" >/dev/null
check 'an annotation that was changed is made right' wait_for 30 key_right A
kube annotate --overwrite node node-c wgx.dev/public-key=rubbish >/dev/null
check 'one that cannot be read too' wait_for 30 key_right C
ready A B C
streams_begin

#--- joins
node_add D 4
check 'a Node for D' make_node node-d 4
k8s_up D
check 'D joins' wait_for 60 all_reach A B C D || why A D

#--- comes back with a new key, as after a reinstallation
old=$(key_of node-d)
stop agent.D KILL
on D ip link del wg0
rm -r "$WORK/state.D"
k8s_up D
check 'D has a new key' wait_for 60 key_right D
check 'which is another' [ "$(key_of node-d)" != "$old" ]
check 'all pods reach it' wait_for 60 all_reach A B C D || why A D

#--- changes its address, of both families
on C sh -c 'echo 1 >/proc/sys/net/ipv4/conf/eth0/promote_secondaries'
on C ip addr add 192.0.2.33/24 dev eth0
on C ip addr add 2001:db8::33/64 dev eth0
on C ip addr del 192.0.2.3/24 dev eth0
on C ip addr del 2001:db8::3/64 dev eth0
endpoints_of() { kube get node "$1" -o 'jsonpath={.metadata.annotations.wgx\.dev/endpoints}'; }
endpoint_is() { grep -qF "$2" <<<"$(endpoints_of "$1")"; }
check 'C publishes its new address' wait_for 60 endpoint_is node-c 192.0.2.33:51820
knows_endpoint() { grep -qF "$2:51820" <<<"$(on "$1" wg show wg0 endpoints)"; }
for h in A B D; do
	check "$h knows it" wait_for 60 knows_endpoint $h 192.0.2.33
done
check 'all pods reach each other' wait_for 60 all_reach A B C D || why A C
not_old() { not endpoint_is node-c 192.0.2.3: ; }
check 'the old one is not published any more' not_old

#--- goes
kube delete node node-d >/dev/null
check 'the Node of D is gone: a grace time' wait_for 20 plan_says A 'node-d: remove in'
gone() { agent_is A .nodes 3 && agent_is B .nodes 3; }
check 'its time is over' wait_for 60 gone
none_d() { none_reach A D; }
check 'pods do not reach it' wait_for 30 none_d
host_del PD D
NODES=(A B C)

#--- and another gets its networks
controllers_anew
node_add E 4
check 'a Node for E, with the networks of D' make_node node-e 4
k8s_up E
check 'E joins' wait_for 60 all_reach A B C E || why A E
check_equal 'A sends to E what it sent to D' "$(on A wg show wg0 allowed-ips | grep -F 10.244.4.0/24 | cut -f1)" "$(key_of node-e)"

#--- a Node is deleted and made again at once, within the grace time
kube delete node node-e >/dev/null
kube create -f - >/dev/null <<-END
	{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-e"},
	 "spec": {"podCIDR": "10.244.4.0/24", "podCIDRs": ["10.244.4.0/24", "fd10:244:0:4::/64"]}}
END
check 'E publishes itself again' wait_for 60 key_right E
check 'all pods reach each other' wait_for 60 all_reach A B C E || why A E

#--- refusals are Events
kube annotate --overwrite node zero wgx.dev/public-key="$(key_of node-b)" >/dev/null
check 'a key that is another'\''s is refused' wait_for 30 plan_says A 'refused: zero: its public key is that of node-b'
event_there() { kube get events -n default -o json | jq -e '.items[] | select(.reason == "PeerRefused")'; }
check 'which an Event says' wait_for 30 event_there
check 'all pods reach each other' wait_for 20 all_reach A B C E
streams_end 'all the time'

#--- who goes while nobody looks, with over half of all: held
stop agent.A KILL
kube delete node node-b node-c zero >/dev/null
k8s_up A
check 'more than half of all have gone: they are held' wait_for 30 agent_is A .held 3
sleep 4
check 'pods reach them' pods_reach A B
check 'until somebody says so' wgx A agent plan --accept
check 'then they go' wait_for 30 agent_is A .nodes 1
check_equal 'nothing was in the clear' "$(underlay_plain)" 0
finish
