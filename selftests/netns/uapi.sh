#!/bin/bash
# SPDX-License-Identifier: MIT
# The configuration socket: whose it is, many clients at once, and clients that mean no good. None of them
# changes what it should not, keeps others out, or keeps the tunnel from working.
#
#	A wg0 10.7.0.1, wg1 -- eth0 ==== eth0 -- wg0 10.7.0.2 B
#	  clients: netns/uapi.py
. "$(dirname "$0")/../lib.sh"
require wg jq python3
require_wgx

UAPI=$SELFTESTS/netns/uapi.py
client() { on A timeout 100 python3 "$UAPI" "$@"; }
wg_() { on "$1" timeout 20 wg "${@:2}"; }

check 'set up' tunnel_pair wgx wgx 4 no || finish
check 'attach' attach_pair wgx wgx
check 'ping' ping_ok A 10.7.0.2
check 'a second interface' impl_up A wg1 wgx

#--- whose it is
sockets=/run/wireguard
check_equal 'P-UA-1 P-UA-6 the socket is root'\''s alone' \
	"$(on A stat -c '%F %a %U %G' $sockets/wg0.sock)" 'socket 600 root root'
check_equal 'P-UA-6 so is its directory' "$(on A stat -c '%F %a %U' $sockets)" 'directory 700 root'
check 'P-UA-6 nobody else can connect' not on A setpriv --reuid 65534 --regid 65534 --clear-groups \
	python3 "$UAPI" ask 'get=1\n\n'

#--- while the tunnel stands: who holds connections, and says nothing or half a request
before=$(wg_ A show wg0 latest-handshakes)
spawn A hold0 python3 "$UAPI" hold 90
check 'P-UA-1 90 clients with half a request each' wait_for 20 grep -q held "$WORK/hold0.log"
check 'P-UA-1 do not keep wg out' wg_ A show wg0
check 'P-UA-1 nor out of another interface' wg_ A show wg1
check_equal 'P-UA-4 nor is anything of it applied' "$(wg_ A show wg0 fwmark)" off
check 'the tunnel works meanwhile' ping_ok A 10.7.0.2
# a new handshake, which the protocol thread does under the lock of the model; wg tells seconds
sleep 1.1
check 'B forgets its session' wg_ B set wg0 peer "$(pub_of A wg0)" remove
check 'and knows A again' wg_peer B wg0 A wg0 endpoint 192.0.2.1:51820 allowed-ips 10.7.0.1/32,fd07::1/128
check 'a handshake, meanwhile' ping_ok B 10.7.0.1
newer() { [ "$(wg_ A show wg0 latest-handshakes)" != "$before" ]; }
check 'which is a new one' wait_for 10 newer
stop hold0

#--- in a third interface, so that the tunnel's own configuration stays
host_add C
check 'wg0 of C' impl_up C wg0 wgx
outcome() { # outcome command ...: one line for each "NAME<TAB>what came", which $want must match
	local name got
	on C timeout 150 python3 "$UAPI" "$@" >"$WORK/out" 2>&1 || nok "$*" "$(tail -n 5 "$WORK/out")"
	while IFS=$'\t' read -r name got; do
		[[ $got =~ ^($want)$ ]] && ok "$name" || nok "$name" "$got"
	done <"$WORK/out"
}
daemon=$(daemon_pid C wg0)
want='-22|-71' outcome refusals keep
want='in order|errno=-22, untouched|errno=0, the same|closed, untouched|untouched' outcome abuse
crowd() { on C timeout 100 python3 "$UAPI" crowd 16 2; }
check 'P-UA-1 P-UA-4 16 clients at once: each transaction is seen whole or not at all' crowd
check_equal 'P-UA-1 it is the same daemon' "$(daemon_pid C wg0)" "$daemon"
check 'P-UA-1 no connection is left over' wait_for 10 sh -c "test \$(nsenter -t ${HOST_PID[C]} -n \
	ss -xH state connected src $sockets/wg0.sock | wc -l) = 0"

# Two interfaces of one daemon: what is said to one is not heard by the other.
check 'P-UA-2 wg1 of A has none of it' test -z "$(wg_ A show wg1 peers)"
finish
