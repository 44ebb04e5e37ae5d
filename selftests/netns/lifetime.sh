#!/bin/bash
# SPDX-License-Identifier: MIT
# How an interface begins and ends: `wgx wgN` returns when wg can use it; the end of its link or of its
# socket is its end, and of no other; a daemon that was killed takes no interface along.
#
#	A wg0 10.7.0.1 -- eth0 ==== eth0 -- wg0 10.7.0.2 B
#	  wg1, wg2, …
. "$(dirname "$0")/../lib.sh"
require wg jq
require_wgx

there() { on "$1" test -d "/sys/class/net/$2"; }
socket() { on "$1" test -S "/run/wireguard/$2.sock"; }
pins() { on "$1" test -e "/sys/fs/bpf/wgx/$2"; }
nothing_of() { ! there "$1" "$2" && ! socket "$1" "$2" && ! pins "$1" "$2"; }

#--- beginning: at once, twenty times, each with a daemon of its own and then all with one
host_add D
at_once() { # at_once INTERFACE: not a moment passes between the two
	on D sh -c "$WGX $1 && wg show $1 && wg set $1 listen-port 51820 fwmark 1 && wg show $1 dump" | tail -n 1 |
		grep -qx $'(none)\t(none)\t51820\t0x1' # the whole answer
}
each() {
	local n
	for n in {1..20}; do
		at_once wg$n || return
		[ "$1" = keep ] || on D ip link del wg$n || return
	done
}
check 'P-UA-6 wg can use wgN as soon as wgx wgN returns, and the daemon begins each time' each anew
check 'P-UA-6 the last daemon ends' wait_for 10 not on D sh -c 'grep -qx wgx /proc/[0-9]*/comm'
check 'P-UA-6 as soon, where the daemon runs already' each keep
check_equal 'P-UA-6 they are all there' "$(on D wg show interfaces | wc -w)" 20
check 'P-UA-6 the same name twice' not wgx D wg7
check 'P-UA-6 which is still there' on D wg show wg7
for n in {1..20}; do # by turns the link and the socket
	if [ $((n % 2)) = 0 ]; then on D ip link del wg$n; else on D rm /run/wireguard/wg$n.sock; fi
done
all_gone() {
	local n
	for n in {1..20}; do nothing_of D wg$n || return; done
}
check 'P-UA-6 all of them end' wait_for 20 all_gone
host_del D

#--- the end of one, and not of the others
check 'set up' tunnel_pair wgx wgx 4 no || finish
check 'attach' attach_pair wgx wgx
for n in 1 2 3; do check "wg$n" impl_up A wg$n wgx; done
check 'ping' ping_ok A 10.7.0.2
handshake=$(on A wg show wg0 latest-handshakes)
check 'the link of wg1 is deleted' on A ip link del wg1
check 'P-UA-6 which ends wg1' wait_for 10 nothing_of A wg1
check 'the socket of wg2 is deleted' on A rm /run/wireguard/wg2.sock
check 'P-UA-6 which ends wg2' wait_for 10 nothing_of A wg2
on A mv /run/wireguard/wg3.sock /run/wireguard/elsewhere.sock
check 'P-UA-6 the socket of wg3 is moved away: its end' wait_for 10 nothing_of A wg3
on A rm -f /run/wireguard/elsewhere.sock
on A sh -c 'echo >/run/wireguard/nosuch0.sock; rm /run/wireguard/nosuch0.sock'
check_equal 'P-UA-6 wg0 is left' "$(on A wg show interfaces)" wg0
check 'P-UA-6 and works' ping_ok A 10.7.0.2
check_equal 'with its session' "$(on A wg show wg0 latest-handshakes)" "$handshake"
check 'wg1 can be made again' impl_up A wg1 wgx
check 'wg2 too' impl_up A wg2 wgx

#--- a daemon that was killed
ifindex=$(on A cat /sys/class/net/wg0/ifindex)
daemon=$(daemon_pid A wg0)
on A kill -KILL "$daemon"
check 'the daemon is dead' wait_for 10 not on A kill -0 "$daemon"
show() { on A timeout 20 wg show wg0 >"$WORK/out" 2>&1; }
check 'P-UA-6 wg show wg0 fails' not show
check 'P-UA-6 and says so' grep -i 'unable to access interface' "$WORK/out"
check 'P-UA-6 so does wg set' not on A timeout 20 wg set wg0 listen-port 1
check_equal 'P-UA-6 wg show all shows none' "$(on A timeout 20 wg show all dump)" ''
check_equal 'P-UA-6 wg0 is there nevertheless' "$(on A cat /sys/class/net/wg0/ifindex)" "$ifindex"
check 'wg1 too' there A wg1
check 'nothing goes through' not on A ping -q -c 2 -i 0.2 -w 1 10.7.0.2
check 'P-UA-6 wgx wg0 takes it over' impl_up A wg0 wgx
check_equal 'it is the same' "$(on A cat /sys/class/net/wg0/ifindex)" "$ifindex"
check_equal 'P-UA-6 with no configuration' "$(on A wg show wg0 dump | cut -f1,2,4-)" $'(none)\t(none)\toff'
check 'P-UA-6 wgx wg1 takes wg1 over' impl_up A wg1 wgx
on A wg set wg0 listen-port 51820 private-key "$WORK/A.wg0.key"
wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32,fd07::2/128
check 'P-UA-6 configured again it works' ping_ok A 10.7.0.2
check 'P-UA-6 wg2 waits, a link without a daemon' there A wg2
check 'P-UA-6 until it is deleted' on A ip link del wg2
check 'the others stay' ping_ok A 10.7.0.2
finish
