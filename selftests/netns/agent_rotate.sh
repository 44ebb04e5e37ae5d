#!/bin/bash
# SPDX-License-Identifier: MIT
# A node changes its key while packets fly in both directions, and not one is lost; nor while it is prevented from
# changing, and its agent killed in between.
#
#	PA 10.244.1.2 -- eth1 A eth0 192.0.2.1 ==+
#	PB 10.244.2.2 -- eth1 B eth0 192.0.2.2 ==+== br0 S      fd10:244:0:N::2 and 2001:db8::N as well
#	PC 10.244.3.2 -- eth1 C eth0 192.0.2.3 ==+
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/agent.inc"
require wg jq tcpdump
require_wgx

key_of() { jq -r .public_key "$WORK/registry/node-${1,,}.json"; }
own_key() { on "$1" wg show wg0 public-key; }
# knows A B KEY: A sends to B's pods under this key
knows() { grep -qF "$3	10.244.${NODE_N[$2]}.0/24" <<<"$(on "$1" wg show wg0 allowed-ips)"; }
# flood_begin N: from A's pods, to them, and from C: N packets each, 2 ms apart: more than could wait for a handshake
flood_begin() {
	spawn PA out ping -q -i 0.002 -c "$1" 10.244.2.2
	spawn PB in ping -q -i 0.002 -c "$1" fd10:244:0:1::2
	spawn PC other ping -q -i 0.002 -c "$1" 10.244.1.2
}
# flood_end LABEL N: they go on until now, and all have an answer
flood_end() {
	local s
	for s in out in other; do
		check "$1: $s: it has gone on until now" kill -0 "${SPAWN_PID[$s]}"
	done
	for s in out in other; do
		wait "${SPAWN_PID[$s]}"
		unset "SPAWN_HOST[$s]" "SPAWN_PID[$s]"
		check_equal "$1: $s: no packet was lost" "$(sed -n 's/, time.*//; /transmitted/p' "$WORK/$s.log")" \
			"$2 packets transmitted, $2 received, 0% packet loss"
	done
}

switch_add
node_add A 1
node_add B 2
node_add C 3
AGENT_OPTIONS=(--strict)
for h in A B C; do agent_up $h; done
check 'all agents are ready' wait_for 40 agents_ready A B C || finish
check 'all pods reach each other' wait_for 30 all_reach A B C || finish

old=$(key_of A)
flood_begin 5000
sleep 0.5
check 'rotate' wgx A agent rotate
changed() { [ "$(key_of A)" != "$old" ] && [ "$(own_key A)" = "$(key_of A)" ]; }
check 'it is published, and used' wait_for 30 changed
new=$(key_of A)
check 'B sends under it' wait_for 30 knows B A "$new"
check 'C too' wait_for 30 knows C A "$new"
flood_end rotation 5000
check_equal 'status' "$(agent_json A .rotation)" retiring
check_equal 'not again, yet' "$(wgx A agent rotate 2>&1)" 'wgx: the previous key is not retired yet'
check_equal 'the secret is the new one, and no other is left' \
	"$(wg pubkey <"$WORK/state.A/key") $(ls "$WORK/state.A")" "$new $(printf 'key\nnodes.json\nprevious-public-key')"

#--- one that does not answer keeps the others from nothing, and the key from changing
check 'all pods reach each other' all_reach A B C
stop agent.C KILL
flood_begin 12500
before=$(key_of B)
check 'B rotates' wgx B agent rotate
check 'A has seen its next key' wait_for 20 sh -c "jq -e '.seen.\"node-b\"' $WORK/registry/node-a.json"
check 'it waits for C' wait_for 20 plan_says B 'switch to the next key: waits for node-c'
check_equal 'the key is as before' "$(own_key B)" "$before"
stop agent.B KILL
agent_up B
check 'an agent that is killed goes on where it was' wait_for 20 plan_says B 'switch to the next key: waits for node-c'
agent_up C
switched() { [ "$(key_of B)" != "$before" ] && [ "$(own_key B)" = "$(key_of B)" ]; }
check 'C answers, and the key changes' wait_for 30 switched
check 'A sends under it' wait_for 30 knows A B "$(key_of B)"
check 'C too' wait_for 30 knows C B "$(key_of B)"
flood_end 'rotation with a wait' 12500

#--- the previous one is taken back
stop agent.A KILL
rm "$WORK/state.A/previous-public-key"
agent_up A
one_peer() { [ "$(on B wg show wg0 peers | wc -l)" = 2 ]; }
check 'the previous key is retired: B forgets it' wait_for 30 one_peer
check 'all pods reach each other' wait_for 20 all_reach A B C
finish
