#!/bin/bash
# SPDX-License-Identifier: MIT
# A crash of the daemon fails closed: no plaintext leaves, wg0 and its routes stay, and the next
# daemon takes wg0 over.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 ==== eth0 -- wg0 10.7.0.2, fd07::2 B
#	                             tcpdump on B's eth0
. "$(dirname "$0")/../lib.sh"
require wg jq tcpdump
require_wgx

MARK=57475853 # in the payload of every ping below: "WGXS"

ping_marked() { on A ping -q -c 4 -i 0.2 -w 2 -p $MARK "$1"; }

# seen: packets on the underlay that show the mark, an inner address, or anything from wg0
seen() { captured B "$1" -x | grep -cE '5747 5853|5853 5747|fd07:|10\.7\.0\.'; }

check 'set up' tunnel_pair wgx wgx 4 no || finish
check 'attach' attach_pair wgx wgx
check 'ping' ping_ok A 10.7.0.2
ifindex=$(on A cat /sys/class/net/wg0/ifindex)
routes=$(on A ip route show dev wg0; on A ip -6 route show dev wg0)

capture B dead eth0
check 'the mark is hidden while the tunnel stands' ping_marked 10.7.0.2
daemon=$(daemon_pid A wg0)
check 'there is a daemon' test -n "$daemon"
on A kill -KILL "$daemon"
check 'it is dead' wait_for 10 not on A kill -0 "$daemon"
check 'ping has no answer' not ping_marked 10.7.0.2
check 'nor over IPv6' not ping_marked fd07::2
check_equal 'wg0 is still there' "$(on A cat /sys/class/net/wg0/ifindex)" "$ifindex"
check_equal 'and its routes' "$(on A ip route show dev wg0; on A ip -6 route show dev wg0)" "$routes"
capture_end dead
check_equal 'no plaintext on the underlay' "$(seen dead)" 0
check 'the capture saw the tunnel' test "$(captured B dead udp port 51820 | wc -l)" -ge 8

# The same capture must notice plaintext, or it proves nothing.
capture B control eth0
on A ping -q -c 2 -i 0.2 -w 2 -p $MARK 192.0.2.2 >/dev/null
capture_end control
check 'the capture would notice plaintext' test "$(seen control)" -gt 0

check 'wg show of the dead interface fails' not on A wg show wg0
check 'start again' impl_up A wg0 wgx
check_equal 'it took wg0 over' "$(on A cat /sys/class/net/wg0/ifindex)" "$ifindex"
check 'configure again' on A wg set wg0 listen-port 51820 private-key "$WORK/A.wg0.key"
check 'and the peer' wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32,fd07::2/128
check 'attach again' impl_attach A eth0 wgx
check 'ping works again' ping_ok A 10.7.0.2
check 'and over IPv6' ping_ok A fd07::2
check_equal 'the routes are as before' \
	"$(on A ip route show dev wg0; on A ip -6 route show dev wg0)" "$routes"
finish
