#!/bin/bash
# SPDX-License-Identifier: MIT
# Keys: one's own as a peer, public keys of low order, a private key that changes under traffic or goes.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2, fd07::2 B
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/outer.inc"
require wg jq nft socat
require_wgx

LOWORDER=$BUILD/selftests/tools/loworder
[ -x "$LOWORDER" ] || bail 'tools are built' 'run make tools'

peers() { on "$1" wg show wg0 peers | sort | xargs; }
dropped() { wgx_json A ".interfaces[0].drops.$1"; }
dropped_are() { [ "$(dropped "$1")" -ge "$2" ]; }

check 'set up' tunnel_pair wgx wgx 4 no || finish
check 'attach' attach_pair wgx wgx
check 'ping' ping_ok A 10.7.0.2
daemon=$(daemon_pid A wg0)
b=$(pub_of B wg0)

#--- one's own public key
check 'P-HS-8 one'\''s own key as a peer is no error' wg_peer A wg0 A wg0 allowed-ips 10.9.0.0/16
check_equal 'P-HS-8 but ignored' "$(peers A)" "$b"
check 'P-HS-8 also in a file' sh -c "nsenter -t ${HOST_PID[A]} -m -n -p wg showconf wg0 >$WORK/conf &&
	printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.9.0.0/16\n' $(pub_of A wg0) >>$WORK/conf &&
	nsenter -t ${HOST_PID[A]} -m -n -p wg syncconf wg0 $WORK/conf"
check_equal 'P-HS-8 ignored there, too' "$(peers A)" "$b"
check_equal 'P-HS-8 and it has no allowed IPs' "$(on A wg show wg0 allowed-ips | grep -c '10\.9\.')" 0
check 'ping' ping_ok A 10.7.0.2

#--- points of low order
mapfile -t points < <("$LOWORDER" points)
low_order_peers() {
	local n=1 p
	for p in "${points[@]}"; do
		on A wg set wg0 peer "$p" endpoint 192.0.2.2:51821 persistent-keepalive 1 \
			allowed-ips 10.99.0.$n/32,fd99::$n/128 || return
		n=$((n + 1))
	done
}
on A nft -f - <<-EOF
	table inet low {
		counter sent { }
		chain output {
			type filter hook output priority filter;
			udp dport 51821 counter name sent
		}
	}
EOF
low_sent() { on A nft -j list counter inet low sent | jq '[.nftables[].counter.packets // empty][0]'; }
staged_over() { [ "$(wgx_counter A wg0 staged_packets)" -ge "$1" ]; }

check 'P-HS-2 public keys of low order are taken as peers' low_order_peers
check_equal 'P-HS-2 and shown' "$(peers A)" "$(printf '%s\n' "$b" "${points[@]}" | sort | xargs)"
on A ip route add 10.99.0.0/16 dev wg0
before=$(wgx_counter A wg0 staged_packets)
for ((n = 1; n <= ${#points[@]}; n++)); do
	on A ping -q -c 1 -W 0.01 10.99.0.$n >/dev/null
done
check 'P-HS-2 packets for them wait' wait_for 10 staged_over $((before + ${#points[@]}))
check 'others are served meanwhile' ping_ok A 10.7.0.2
check_equal 'P-HS-2 no initiation leaves' "$(low_sent)" 0

outer_count A
invalid=$(dropped handshake_invalid)
sent=$(on B "$LOWORDER" initiate "$(pub_of A wg0)" 192.0.2.1 51820)
check "P-HS-2 initiations with such keys, $sent, are all refused" \
	wait_for 20 dropped_are handshake_invalid $((invalid + sent))
check_equal 'P-HS-2 none is answered' "$(outer A response)" 0
check_equal 'P-HS-2 none counts as a handshake' \
	"$(on A wg show wg0 latest-handshakes | grep -vF "$b" | cut -f2 | sort -u)" 0
check_equal 'P-HS-2 none moves its peer' \
	"$(on A wg show wg0 endpoints | grep -vF "$b" | cut -f2 | sort -u)" 192.0.2.2:51821
check 'others are served after that' ping_ok A 10.7.0.2
check_equal 'the daemon lives' "$(daemon_pid A wg0)" "$daemon"
for p in "${points[@]}"; do
	on A wg set wg0 peer "$p" remove
done
check_equal 'they can be removed' "$(peers A)" "$b"

#--- a new private key, in the middle of a TCP connection
size_is() { [ "$(stat -c %s "$1" 2>/dev/null)" = "$2" ]; }
new_key() { # A gets one, and B is told
	local old
	old=$(pub_of A wg0)
	key_for A wg0
	on A wg set wg0 private-key "$WORK/A.wg0.key" || return
	on B wg set wg0 peer "$old" remove peer "$(pub_of A wg0)" allowed-ips 10.7.0.1/32,fd07::1/128
}
head -c 1000000 /dev/urandom >"$WORK/part"
spawn B sink socat -u TCP4-LISTEN:7000,reuseaddr "CREATE:$WORK/got"
wait_for 10 sh -c "nsenter -t ${HOST_PID[B]} -n ss -Htln 'sport = :7000' | grep -q ."
spawn A source sh -c "{ cat $WORK/part; until [ -e $WORK/go ]; do sleep 0.05; done; cat $WORK/part; } |
	socat -u STDIN TCP4:10.7.0.2:7000"
spawn A traffic ping -q -i 0.01 10.7.0.2
check 'half of a connection' wait_for 20 size_is "$WORK/got" 1000000
outer_count A
check 'P-HS-8 a new private key' new_key
check 'P-HS-8 the new key shakes hands' wait_for 20 outer_over A initiation 0
touch "$WORK/go"
check 'P-HS-8 the other half' wait_for 60 size_is "$WORK/got" 2000000
check 'P-HS-8 which is right' sh -c "cat $WORK/part $WORK/part | cmp - $WORK/got"
check 'P-HS-8 ping' ping_ok A 10.7.0.2
check 'P-HS-8 ping back' ping_ok B 10.7.0.1

#--- no private key
outer_count A
on A sh -c 'head -c 32 /dev/zero | base64 | wg set wg0 private-key /dev/stdin'
check_equal 'P-HS-8 an all-zero private key removes it' "$(on A wg show wg0 private-key)" '(none)'
check_equal 'P-HS-8 and the public key' "$(on A wg show wg0 public-key)" '(none)'
before=$(wgx_counter A wg0 staged_packets)
check 'P-HS-8 traffic goes on, and waits' wait_for 10 staged_over $((before + 20))
before=$(outer A data)
check 'P-HS-8 and waits' wait_for 10 staged_over $((before + 60))
check_equal 'P-HS-8 nothing leaves without a key' "$(outer A initiation) $(outer A data)" "0 $before"
check_equal 'the peers stay' "$(peers A)" "$b"
check 'P-HS-8 the key again' on A wg set wg0 private-key "$WORK/A.wg0.key"
check 'P-HS-8 ping, once there is a key' wait_for 30 ping_ok A 10.7.0.2
stop traffic

#--- a peer's key becomes our own
key_for A new
on A wg set wg0 peer "$(pub_of A new)" endpoint 192.0.2.2:51821 allowed-ips 10.88.0.0/16
on A ip route add 10.88.0.0/16 dev wg0
check_equal 'a peer' "$(peers A)" "$(printf '%s\n' "$b" "$(pub_of A new)" | sort | xargs)"
check 'its private key becomes ours' on A wg set wg0 private-key "$WORK/A.new.key"
check_equal 'P-HS-8 it is a peer no more' "$(peers A)" "$b"
check 'P-HS-8 nor has it allowed IPs' sh -c \
	"nsenter -t ${HOST_PID[A]} -n ping -n -c 3 -i 0.1 -w 10 10.88.0.1 | grep -q Unreachable"
check 'the old key again' on A wg set wg0 private-key "$WORK/A.wg0.key"
check 'ping, with the old key' wait_for 30 ping_ok A 10.7.0.2

#--- clamping
on A sh -c 'head -c 32 /dev/zero | tr "\0" "\377" | base64 | wg set wg0 private-key /dev/stdin'
check_equal 'P-HS-8 private keys are clamped' "$(on A wg show wg0 private-key | base64 -d | od -An -v -tx1 | tr -d ' \n')" \
	f8ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f
check_equal 'the daemon lives' "$(daemon_pid A wg0)" "$daemon"
finish
