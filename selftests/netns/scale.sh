#!/bin/bash
# SPDX-License-Identifier: MIT
# 20,000 peers with 10 allowed IPs each come, are read back, and go: all of them whole, in BPF's maps too; what
# they cost is little, and is given back; and the session with B is not disturbed.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 ==== eth0 -- wg0 10.7.0.2, fd07::2 B
#	   20,000 peers that never speak
#
# How long it takes is not judged here: see selftests/bench/scale.sh.
. "$(dirname "$0")/../lib.sh"
require wg jq bpftool
require_wgx

PEERS=20000
BULK=$BUILD/selftests/tools/uapi_bulk
SOCK=/run/wireguard/wg0.sock
MAPS=/sys/fs/bpf/wgx/wg0

check 'set up' tunnel_pair wgx wgx 4 no || finish
check 'attach' attach_pair wgx wgx
check 'ping' ping_ok A 10.7.0.2
pid=$(daemon_pid A wg0)
handshake=$(on A wg show wg0 latest-handshakes)

"$BULK" table $PEERS 10 >"$WORK/all"
"$BULK" table $PEERS 0 0 remove=true >"$WORK/none"
printf 'set=1\nreplace_peers=true\n\n' >"$WORK/replace"
ask() { on A "$BULK" ask $SOCK <"$WORK/$1"; } # ask FILE: errno=0 is wanted
entries() { on A bpftool -j map dump pinned "$MAPS/$1" | jq length; }
all_entries() { for m in allowed_ips4 allowed_ips6 peers peer_stats; do entries $m; done | xargs; }
kilobytes() { on A awk -v what="$1:" '$1 == what { print $2 }' "/proc/$pid/status"; }
at_most() { [ "$1" -le "$2" ]; }
# what is configured of the peers but B, one a line
table() {
	awk '/^public_key=/ { if (line) print line; line = $0 }
		/^(endpoint|allowed_ip)=/ { line = line " " $0 }
		END { print line }' | grep -vF 10.7.0.2/32 | sort
}
table_of_A() { on A "$BULK" get $SOCK | table; }

rss=$(kilobytes VmRSS) lck=$(kilobytes VmLck)
check_equal 'BPF has B alone' "$(all_entries)" '1 1 1 1'
check "P-UA-5 $PEERS peers in one request" ask all
a_peer=$((($(kilobytes VmRSS) - rss) * 1024 / PEERS))
check "a peer with 10 allowed IPs takes at most 2 KB: $a_peer bytes" at_most $a_peer 2048
a_peer_locked=$((($(kilobytes VmLck) - lck) * 1024 / PEERS))
check "of it at most 1 KB is locked: $a_peer_locked" at_most $a_peer_locked 1024
check_equal 'P-UA-5 BPF has all of them' "$(all_entries)" \
	"$((PEERS * 5 + 1)) $((PEERS * 5 + 1)) $((PEERS + 1)) $((PEERS + 1))"
table <"$WORK/all" >"$WORK/wanted"
table_of_A >"$WORK/got"
check 'P-UA-5 all of them read back whole' cmp "$WORK/wanted" "$WORK/got"
check_equal 'P-UA-5 and by wg show' "$(on A wg show wg0 peers | wc -l)" $((PEERS + 1))
check_equal 'P-UA-5 and by wgx show' "$(wgx_json A '.interfaces[0].peers | length')" $((PEERS + 1))
check 'P-UA-4 the same again' ask all
table_of_A >"$WORK/got"
check 'P-UA-4 changes nothing' cmp "$WORK/wanted" "$WORK/got"
check 'ping among so many' ping_ok A 10.7.0.2
check 'and over IPv6' ping_ok A fd07::2

check 'P-UA-5 all of them go' ask none
check_equal 'P-UA-5 BPF has B alone again' "$(all_entries)" '1 1 1 1'
check_equal 'P-UA-5 and so has wg show' "$(on A wg show wg0 peers)" "$(pub_of B wg0)"
# freed after a grace period, on another thread
given_back() {
	at_most $(($(kilobytes VmRSS) - rss)) $((PEERS * a_peer / 1024 / 10)) &&
		at_most $(($(kilobytes VmLck) - lck)) 1024
}
check 'their memory is given back' wait_for 20 given_back ||
	diag <<<"resident: $rss kB before, $(kilobytes VmRSS) now; locked: $lck, $(kilobytes VmLck)"
check_equal 'P-UA-4 the session with B went on all the while' "$(on A wg show wg0 latest-handshakes)" "$handshake"
check 'ping' ping_ok A 10.7.0.2

check 'once more' ask all
check 'P-UA-2 replace_peers takes them away' ask replace
check_equal 'P-UA-5 BPF has nothing left' "$(all_entries)" '0 0 0 0'
check_equal 'P-UA-5 nor has wg show' "$(on A wg show wg0 peers)" ''
check 'and with them there' ask all
check 'P-UA-6 the interface is deleted' on A ip link delete wg0
gone() { on A sh -c "! kill -0 $pid 2>/dev/null"; }
check 'P-UA-6 and the daemon ends' wait_for 20 gone
check 'P-UA-6 without pins left' not on A test -e $MAPS
finish
