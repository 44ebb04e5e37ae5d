#!/bin/bash
# SPDX-License-Identifier: MIT
# wg-quick, as it is, with wgx in the place of the kernel's driver: each key of its configuration,
# each of its commands, and what is left when a tunnel is down: nothing.
#
#	C wg0 10.7.0.2, 10.7.1.2, fd07::2          G wg0 10.7.0.1, fd07::1
#	  eth0 192.0.2.2 ============ 192.0.2.1 eth0   eth1 203.0.113.1 ============ 203.0.113.9 eth0 S
#	       2001:db8::2                2001:db8::1       2001:db8:9::1           2001:db8:9::9
#
# C's default route is G, and the tunnel's endpoint is 203.0.113.1. S knows the way to the inner
# addresses only: what C gets back from S came through the tunnel.
. "$(dirname "$0")/../lib.sh"
require wg wg-quick jq nft iptables socat script
require_wgx
. "$SELFTESTS/netns/quick.inc"
QUICK_PATH=$BIN:$PATH

host_add C G S
on C ip link add probe0 type wireguard 2>/dev/null && skip_all 'the kernel has WireGuard: wg-quick uses that'

# quick C up wg0: what it says on stderr is in $WORK/said as well
quick() {
	local status=0
	on "$1" env WG_QUICK_USERSPACE_IMPLEMENTATION="$WGX" PATH="$QUICK_PATH" \
		timeout 60 wg-quick "$2" "$WORK/$1/$3.conf" 2>"$WORK/said" || status=$?
	cat "$WORK/said" >&2
	return $status
}
down() { quick C down wg0 >/dev/null 2>&1; }

state() { quick_state "$1"; }
quick_begin

#--- G's tunnel, which stays: several addresses in one line and in two
config G wg0 <<-END
	[Interface]
	PrivateKey = $(<"$WORK/G.wg0.key")
	ListenPort = 51820
	Address = 10.7.0.1/32, fd07::1/128
	Address = 10.7.0.101/32
	[Peer]
	PublicKey = $(pub_of C wg0)
	AllowedIPs = 10.7.0.2/32, 10.7.1.2/32, fd07::2/128
END
check 'P-UA-6 wg-quick up on the gateway' quick G up wg0 || finish
check_equal 'P-UA-6 wg-quick: Address, one or several in a line' \
	"$(on G ip -o addr show dev wg0 | awk '{ print $4 }' | xargs)" '10.7.0.1/32 10.7.0.101/32 fd07::1/128'
check_equal 'P-UA-6 wg-quick: routes to the allowed IPs' \
	"$(on G sh -c 'ip route show dev wg0 scope link; ip -6 route show dev wg0' | awk '{ print $1 }' | sort | xargs)" \
	'10.7.0.2 10.7.1.2 fd07::1 fd07::2'

#--- the hooks: when, with what in place of %i, and with what around
: >"$LOG"
simple 'DNS = 203.0.113.53, 2001:db8:9::53, example.net' 'MTU = 1380' \
	"PreUp = echo PreUp %i \$(ls /sys/class/net | grep -c wg0) >>$LOG; true" \
	"PostUp = echo PostUp %i \$(wg show %i peers | wc -l) \$(ip route show dev %i | wc -l) >>$LOG" \
	"PostUp = echo second %i >>$LOG" \
	"PreDown = echo PreDown %i \$(wg show %i peers | wc -l) >>$LOG" \
	"PostDown = echo PostDown %i \$(ip link show %i 2>&1 | grep -c 'does not exist') >>$LOG"
check 'P-UA-6 wg-quick up with hooks, DNS and MTU' quick C up wg0
check 'P-UA-6 wg-quick: traffic' ping_ok C 10.7.0.1
check_equal 'P-UA-6 wg-quick: DNS' "$(xargs <"$DNS/wg0")" \
	'nameserver 203.0.113.53 nameserver 2001:db8:9::53 search example.net'
check_equal 'P-UA-6 wg-quick: MTU' "$(on C cat /sys/class/net/wg0/mtu)" 1380
check 'P-UA-6 wg-quick up again fails' not quick C up wg0
check 'P-UA-6 wg-quick up again: says why' grep -q 'wg0.*already exists' "$WORK/said"
check 'P-UA-6 wg-quick up again: harms nothing' ping_ok C 10.7.0.1
check 'P-UA-6 wg-quick down' quick C down wg0
check_equal 'P-UA-6 wg-quick: hooks in order' "$(xargs <"$LOG")" \
	'PreUp wg0 0 PostUp wg0 1 1 second wg0 PreDown wg0 1 PostDown wg0 1'
check 'P-UA-6 wg-quick down leaves nothing' nothing_left C
check 'P-UA-6 wg-quick down of what is down fails' not quick C down wg0

#--- a key from a file, given by a hook
simple "PostUp = wg set %i private-key <(cat $WORK/C.wg0.key)"
sed -i /PrivateKey/d "$WORK/C/wg0.conf"
check 'P-UA-6 wg-quick up, the key set by PostUp' quick C up wg0
check 'P-UA-6 wg-quick: traffic with that key' ping_ok C 10.7.0.1
down

#--- MTU by itself, Table
on C ip link set eth0 mtu 1400
simple
check 'P-UA-6 wg-quick up, MTU not given' quick C up wg0
check_equal 'P-UA-6 wg-quick: MTU from the way to the endpoint' "$(on C cat /sys/class/net/wg0/mtu)" 1320
down
on C ip link set eth0 mtu 1500
simple 'Table = off'
check 'P-UA-6 wg-quick up, Table=off' quick C up wg0
check_equal 'P-UA-6 wg-quick: Table=off, no routes' "$(on C ip route show dev wg0)" ''
down
simple 'Table = 1234'
check 'P-UA-6 wg-quick up, Table=1234' quick C up wg0
check_equal 'P-UA-6 wg-quick: routes in that table' \
	"$(on C ip route show table 1234 | awk '{ print $1, $2, $3 }')" '10.7.0.1 dev wg0'
down
check 'P-UA-6 wg-quick down leaves no table' nothing_left C

#--- everything through the tunnel
spoof() { on G ping -q -c 2 -i 0.2 -w "$1" -I 192.0.2.1 10.7.1.2; }

on G ip route add 10.7.1.2/32 via 192.0.2.2 metric 1 # past the tunnel, as a neighbour of C could try
on G ip route del 10.7.1.2/32 dev wg0
mkdir "$WORK/no-nft" # wg-quick takes iptables where there is no nft
for program in /usr/sbin/*; do
	case $program in */nft | */resolvconf) ;; *) ln -s "$program" "$WORK/no-nft/" ;; esac
done
for firewall in nft iptables; do
	[ $firewall = nft ] || QUICK_PATH=$BIN:$WORK/no-nft:/usr/bin
	full 203.0.113.1:51820
	check "P-UA-6 wg-quick up, full tunnel, $firewall" quick C up wg0
	check_equal "P-UA-6 wg-quick: a mark on what leaves, $firewall" "$(on C wg show wg0 fwmark)" 0xca6c
	check "P-UA-6 wg-quick: rules by $firewall" grep -q "^.#. $firewall" "$WORK/said"
	check "P-UA-6 wg-quick: IPv4 past the gateway, $firewall" ping_ok C 203.0.113.9
	check "P-UA-6 wg-quick: IPv6 past the gateway, $firewall" ping_ok C 2001:db8:9::9
	check "P-UA-6 wg-quick: TCP past the gateway, $firewall" file_copy C S 203.0.113.9 4
	check "P-UA-6 wg-quick: no inner address is reached past the tunnel, $firewall" not spoof 1
	on C nft flush ruleset
	check "and is without the rules, $firewall" spoof 10
	down
	check "P-UA-6 wg-quick down leaves no rule, $firewall" nothing_left C
done
QUICK_PATH=$BIN:$PATH
on G ip route del 10.7.1.2/32 via 192.0.2.2 dev eth0 metric 1

full '[2001:db8:9::1]:51820' 'FwMark = 0x77' "PostUp = $WGX attach eth0" "PreDown = $WGX detach eth0"
check 'P-UA-6 wg-quick up, full tunnel over IPv6, attached' quick C up wg0
check_equal 'P-UA-6 wg-quick: FwMark' "$(on C wg show wg0 fwmark)" 0x77
check_equal 'P-UA-6 wg-quick: its rules use it' "$(on C ip rule show table 119 | grep -c 'fwmark 0x77')" 1
check 'P-UA-6 wg-quick: IPv4 over IPv6' ping_ok C 203.0.113.9
check 'P-UA-6 wg-quick: IPv6 over IPv6' ping_ok C 2001:db8:9::9
check 'P-UA-6 wg-quick: TCP over IPv6' file_copy C S 2001:db8:9::9 4
check 'P-UA-6 wg-quick: TCP back' file_copy S C fd07::2 4
check 'P-UA-6 wg-quick: by the accelerated path' test "$(wgx_counter C wg0 opened_xsk_bytes)" -gt 1000000

#--- down while packets flow
spawn C flood ping -q -f 203.0.113.9
spawn S source socat -u OPEN:/dev/zero UDP:10.7.0.2:9
check 'P-UA-6 wg-quick down under traffic' quick C down wg0
stop flood INT
stop source
check 'P-UA-6 wg-quick down under traffic leaves nothing' nothing_left C

#--- SaveConfig, save, strip
simple 'SaveConfig = true' 'MTU = 1390' 'Table = 1234' 'PostUp = ip address add 10.7.0.2/32 dev %i'
sed -i /^Address/d "$WORK/C/wg0.conf"
check 'P-UA-6 wg-quick up, SaveConfig' quick C up wg0
extra=$(wg genkey | wg pubkey)
on C wg set wg0 peer "$extra" allowed-ips 10.99.0.0/24 persistent-keepalive 25 endpoint 192.0.2.99:7
on C ip link set wg0 mtu 1377
check 'P-UA-6 wg-quick save' quick C save wg0
check 'P-UA-6 wg-quick save: the new peer' grep -qxF "PublicKey = $extra" "$WORK/C/wg0.conf"
on C wg set wg0 fwmark 0x99
check 'P-UA-6 wg-quick down, SaveConfig' quick C down wg0
for line in "PrivateKey = $KEY" 'FwMark = 0x99' "PublicKey = $(pub_of G wg0)" "PublicKey = $extra" \
	'AllowedIPs = 10.99.0.0/24' 'Endpoint = 192.0.2.99:7' 'PersistentKeepalive = 25' 'MTU = 1377' \
	'Table = 1234' 'SaveConfig = true' 'PostUp = ip address add 10.7.0.2/32 dev %i'; do
	check "P-UA-6 wg-quick: saved ${line%% =*}" grep -qxF -- "$line" "$WORK/C/wg0.conf"
done
check_equal 'P-UA-6 wg-quick: the saved file is 0600' "$(stat -c %a "$WORK/C/wg0.conf")" 600
check 'P-UA-6 wg-quick up with what was saved' quick C up wg0
check_equal 'P-UA-6 wg-quick: both peers are back' "$(on C wg show wg0 peers | sort)" \
	"$(printf '%s\n' "$extra" "$(pub_of G wg0)" | sort)"
check_equal 'P-UA-6 wg-quick: and the address' "$(on C ip -o -4 addr show dev wg0 | awk '{ print $4 }')" 10.7.0.2/32
down

simple 'MTU = 1380' 'DNS = 203.0.113.53' 'PostUp = true' 'ListenPort = 51999'
check_equal 'P-UA-6 wg-quick strip: what wg reads' "$(quick C strip wg0)" \
	"$(grep -vE '^(Address|MTU|DNS|PostUp)' "$WORK/C/wg0.conf")"
check 'P-UA-6 wg-quick up, to be reloaded' quick C up wg0
check 'P-UA-6 wg-quick: traffic before the reload' ping_ok C 10.7.0.1
shaken=$(on C wg show wg0 latest-handshakes)
printf '[Peer]\nPublicKey = %s\nAllowedIPs = 10.98.0.0/24\n' "$extra" >>"$WORK/C/wg0.conf"
quick C strip wg0 >"$WORK/stripped"
check 'P-UA-6 wg-quick strip and wg syncconf, as wg-quick@ reloads' on C wg syncconf wg0 "$WORK/stripped"
check_equal 'P-UA-6 syncconf: the new peer is there' "$(on C wg show wg0 allowed-ips | grep -c 10.98.0.0/24)" 1
check 'P-UA-6 syncconf: traffic goes on' ping_ok C 10.7.0.1
check_equal 'P-UA-6 syncconf: in the same session' \
	"$(on C wg show wg0 latest-handshakes | grep -F "$(pub_of G wg0)")" "$shaken"
down
check 'P-UA-6 nothing is left of these' nothing_left C

#--- an up that fails is undone
fails() { # fails NAME: the configuration written before
	check "P-UA-6 wg-quick up fails: $1" not quick C up wg0
	check "P-UA-6 wg-quick up undone: $1" nothing_left C
}
simple 'PostUp = false'
fails 'a hook fails'
full 203.0.113.1:51820 'DNS = 203.0.113.53' 'PostUp = false'
fails 'a hook fails after the full set of routes'
# shellcheck disable=SC2016
simple 'PostUp = kill -TERM $$'
fails 'it is ended in the middle'
simple
sed -i 's,^Address.*,Address = 300.1.1.1/24,' "$WORK/C/wg0.conf"
fails 'an address that is none'
simple
sed -i 's,^PublicKey.*,PublicKey = x,' "$WORK/C/wg0.conf"
fails 'a key that is none'
simple 'MTU = 70000'
fails 'an MTU that is none'
[ -x "$BUILD/selftests/tools/nobpf" ] || bail 'tools are built' 'run make tools'
printf '#!/bin/sh\nexec %s %s "$@"\n' "$BUILD/selftests/tools/nobpf" "$WGX" >"$BIN/wgx-nobpf"
chmod +x "$BIN/wgx-nobpf"
simple
WGX=$BIN/wgx-nobpf fails 'wgx cannot start'
check 'P-UA-6 wg-quick up after all that' quick C up wg0
check 'P-UA-6 wg-quick: traffic after all that' ping_ok C 10.7.0.1
down

#--- again and again: alone, and next to an interface that keeps the daemon alive
twenty() {
	local i
	for ((i = 0; i < 20; i++)); do
		quick C up wg0 || { echo "up $i" && return 1; }
		grep -qF "$(pub_of G wg0)" <<<"$(on C wg show wg0 peers)" || { echo "no peer $i" && return 1; }
		quick C down wg0 || { echo "down $i" && return 1; }
	done
}
# holds PID: its open files by kind, and its threads
holds() {
	# shellcheck disable=SC2016
	on C sh -c 'ls -l /proc/$1/fd | sed "s/.*-> //; s/\[[0-9]*\]//" | sort | uniq -c
		ls /proc/$1/task | wc -l' sh "$1"
}
holds_as() { [ "$(holds "$1")" = "$2" ]; }
check 'P-UA-6 wg-quick up and down, 20 times' twenty
check 'P-UA-6 wg-quick up and down: nothing is left' nothing_left C
check 'an interface that stays' wgx C wg1
pid=$(daemon_pid C wg1)
quick C up wg0 2>/dev/null && down # what a daemon makes but once
wait_for 10 not on C test -e /sys/fs/bpf/wgx/wg0
with_wg1=$(state C) fds=$(holds "$pid")
check 'P-UA-6 wg-quick up and down beside it, 20 times' twenty
check_equal 'P-UA-6 the daemon is the same' "$(daemon_pid C wg1)" "$pid"
wait_for 10 holds_as "$pid" "$fds"
check_equal 'P-UA-6 it holds no more: files, maps, programs, threads' "$(holds "$pid")" "$fds"
check 'P-UA-6 nothing else is left' wait_for 10 is_state C "$with_wg1"
on C ip link del wg1
check 'nothing is left without it' nothing_left C

#--- several at once, as a service manager starts them
for i in 1 2 3 4; do
	printf '[Interface]\nPrivateKey = %s\nAddress = 10.8.%d.1/24\n' "$(wg genkey)" $i | config C wg$i
done
at_once() { # at_once up|down
	local i status=0
	for i in 1 2 3 4; do
		spawn C "quick$i" env WG_QUICK_USERSPACE_IMPLEMENTATION="$WGX" timeout 60 wg-quick "$1" "$WORK/C/wg$i.conf"
	done
	for i in 1 2 3 4; do
		wait "${SPAWN_PID[quick$i]}" || { status=1 && cat "$WORK/quick$i.log"; }
	done
	return $status
}
check 'P-UA-6 wg-quick up, four at once' at_once up
check_equal 'P-UA-6 four at once: all are there' "$(on C wg show interfaces | xargs -n 1 | sort | xargs)" 'wg1 wg2 wg3 wg4'
check_equal 'P-UA-6 four at once: one daemon' "$(for i in 1 2 3 4; do daemon_pid C wg$i; done | sort -u | wc -l)" 1
check 'P-UA-6 wg-quick down, four at once' at_once down
check 'P-UA-6 four at once: nothing is left' nothing_left C

#--- the daemon is nobody's child: started from a pipe, from a terminal, as a service
# detached C wg0: daemon and holder have no terminal, a session of their own and no file of the caller's
detached() {
	local p
	for p in $(daemon_pid "$1" "$2") $(on "$1" pgrep -x wgx-holder); do
		# shellcheck disable=SC2016
		on "$1" sh -c 'set -- $(sed "s/.*) //" /proc/$1/stat)
			echo "parent $2, session $4, terminal $5"
			[ "$2" = 1 ] && [ "$5" = 0 ]' sh "$p" || return 1
		[ "$(on "$1" readlink "/proc/$p/cwd")" = / ] || { echo 'keeps a directory' && return 1; }
		on "$1" ls -l "/proc/$p/fd" >"$WORK/fds"
		cat "$WORK/fds"
		! grep -E "pipe:|pts|tty|$WORK" "$WORK/fds" || return 1
	done
}
service() { # service NAME COMMAND ...: which runs wg-quick up
	check "P-UA-6 wg-quick up $1" on C env PATH="$QUICK_PATH" WG_QUICK_USERSPACE_IMPLEMENTATION="$WGX" \
		timeout 60 "${@:2}"
	check "P-UA-6 $1: daemon and holder are detached" detached C wg0
	check "P-UA-6 $1: it works" ping_ok C 10.7.0.1
	down
	check "P-UA-6 $1: nothing is left" nothing_left C
}
simple
# shellcheck disable=SC2016
service 'into a pipe, with a file open' bash -c 'cd "$1" && exec 7<>"$1/open" &&
	wg-quick up "$1/C/wg0.conf" 2>&1 | cat >/dev/null; exit ${PIPESTATUS[0]}' sh "$WORK"
service 'on a terminal that closes' script -qec "wg-quick up $WORK/C/wg0.conf" /dev/null
# as systemd does: a new session, SIGPIPE ignored, nothing on standard input
service 'as a service' setsid -w bash -c 'trap "" PIPE; exec wg-quick up "$1" </dev/null' sh "$WORK/C/wg0.conf"
quick G down wg0 2>/dev/null
check 'P-UA-6 nor is anything left on the gateway' nothing_left G
finish
