#!/bin/bash
# SPDX-License-Identifier: MIT
# Names of peers: given with wgx name, unique in an interface, gone with the peer, kept over all else.
#
#	A wg0, wg1    (one host is enough)
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/../lib.sh"
require wg jq
require_wgx

# names wg0: "KEY NAME" of all peers that have one, in base64's order
names() { wgx_json A ".interfaces[] | select(.name == \"$1\") | .peers[] | select(.name) | \"\(.public_key) \(.name)\"" | sort; }
number() { wgx_json A '[.interfaces[].peers[]] | length'; }

host_add A
check 'wg0' wgx A wg0 || finish
wgx A wg1
keys=()
for _ in 1 2 3; do keys+=("$(wg genkey | wg pubkey)"); done
for key in "${keys[@]}"; do on A wg set wg0 peer "$key" allowed-ips 10.7.0.0/32; done
on A wg set wg1 peer "${keys[0]}"

# ---- giving one ----

check 'a name' wgx A name wg0 "${keys[0]}" alice
check 'the same again' wgx A name wg0 "${keys[0]}" alice
check_equal 'show has it, under the key' "$(wgx A show wg0 | grep -A1 -F "peer: ${keys[0]}")" \
	"peer: ${keys[0]}
  name: alice"
check_equal 'show --json has it' "$(names wg0)" "${keys[0]} alice"
check_equal 'and null for the others' "$(wgx_json A '[.interfaces[].peers[] | select(.name == null)] | length')" 3
check 'another peer cannot have it' fails_with 1 "wgx: wg0: another peer has the name 'alice'" \
	wgx A name wg0 "${keys[1]}" alice
check 'one of another interface can' wgx A name wg1 "${keys[0]}" alice
check 'a peer by its name' wgx A name wg1 alice bob
check_equal 'it has the new one' "$(names wg1)" "${keys[0]} bob"
long=$(printf 'x%.0s' {1..63})
check '63 bytes' wgx A name wg1 bob "$long"
check '64 are too many' fails_with 2 \
	"wgx name: name '${long}x' is longer than 63 bytes (see 'wgx help name')" \
	wgx A name wg1 "$long" "${long}x"
check 'no space' fails_with 2 \
	"wgx name: name 'a b' has something else than printable ASCII characters, or a space (see 'wgx help name')" \
	wgx A name wg1 "$long" 'a b'
check 'no key' fails_with 2 "wgx name: name '${keys[2]}' is a key (see 'wgx help name')" wgx A name wg1 "$long" "${keys[2]}"
check 'nothing has changed' [ "$(names wg1)" = "${keys[0]} $long" ]

# ---- asking for one ----

check_equal 'show wg0 peer alice' "$(wgx A show wg0 peer alice | head -n 1)" "peer: ${keys[0]}"
check_equal 'by key' "$(wgx A show wg0 peer "${keys[0]}")" "$(wgx A show wg0 peer alice)"
check_equal 'that peer only' "$(wgx A show wg0 peer alice | grep -c '^peer')" 1
check_equal 'with --json' "$(wgx A show --json wg0 peer alice | jq -r '.interfaces[].peers[].public_key')" "${keys[0]}"
check_equal 'with --drops' "$(wgx A show --drops wg0 peer alice | head -n 1)" "peer: ${keys[0]} (alice)"
check 'no such name' fails_with 1 "wgx: wg0: no peer has the name 'carol'" wgx A show wg0 peer carol
check 'no such key' fails_with 1 "wgx: wg1: no peer has the key ${keys[2]}" wgx A show wg1 peer "${keys[2]}"
check 'no such interface' fails_with 1 'wgx: wg7: no such wgx interface in this network namespace' \
	wgx A show wg7 peer alice
check 'name: no such interface' fails_with 1 'wgx: wg7: no such wgx interface in this network namespace' \
	wgx A name wg7 alice bob
check 'name: no such peer' fails_with 1 "wgx: wg0: no peer has the name 'carol'" wgx A name wg0 carol dave

# what no `wgx` would send
cat >"$WORK/ask.py" <<'END'
import glob, json, socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(glob.glob("/run/wgx/*.sock")[0])
s.sendall(sys.argv[1].encode() + b"\n")
print(json.loads(s.makefile().readline())["error"])
END
ask() { on A python3 "$WORK/ask.py" "{\"cmd\":\"name\",$1}" 2>&1; }
check_equal 'the daemon checks names itself' "$(ask '"interface":"wg0","peer":"alice","name":"a b"')" \
	"wg0: a peer's name has something else than printable ASCII characters, or a space"
check_equal 'and peers' "$(ask '"interface":"wg0","peer":"a\u0007","name":"b"')" \
	"wg0: a peer's name has something else than printable ASCII characters, or a space"
for request in '"peer":"alice","name":"b"' '"interface":"wg0","name":"b"' '"interface":"wg0","peer":"alice"' \
	'"interface":"wg0","peer":"alice","name":5'; do
	check_equal "refused: $request" "$(ask "$request")" 'name: an interface, a peer and its name are needed'
done
check_equal 'the daemon lives, alice too' "$(names wg0)" "${keys[0]} alice"

# ---- what it survives ----

for p in 1 2; do wgx A name wg0 "${keys[$p]}" "peer$p"; done
before=$(names wg0)
on A wg set wg0 peer "${keys[0]}" endpoint 192.0.2.9:9 allowed-ips 10.9.0.0/16 persistent-keepalive 5
check_equal 'wg set' "$(names wg0)" "$before"
on A ip link set wg0 up
on A ip link set wg0 down
check_equal 'up and down' "$(names wg0)" "$before"
on A wg set wg0 private-key <(wg genkey) listen-port 4444
check_equal 'another private key' "$(names wg0)" "$before"
on A wg showconf wg0 >"$WORK/conf"
on A wg syncconf wg0 "$WORK/conf"
check_equal 'wg syncconf' "$(names wg0)" "$before"

# ---- and what not ----

check '--none' wgx A name wg0 peer2 --none
check_equal 'takes it away' "$(names wg0 | grep -c peer2)" 0
check 'another has it now' wgx A name wg0 peer1 peer2
on A wg set wg0 peer "${keys[1]}" remove
check 'a removed peer is not found by its name' fails_with 1 "wgx: wg0: no peer has the name 'peer2'" \
	wgx A show wg0 peer peer2
on A wg set wg0 peer "${keys[1]}"
check_equal 'made again it has none' "$(names wg0)" "${keys[0]} alice"
on A wg setconf wg0 "$WORK/conf"
check_equal 'wg setconf makes all peers again' "$(names wg0) $(number)" ' 4'
finish
