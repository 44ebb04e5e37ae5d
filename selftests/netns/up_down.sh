#!/bin/bash
# SPDX-License-Identifier: MIT
# wgx up and wgx down: each key of wgx.conf(5), what is left when a tunnel is down or a step of `up` fails, which is
# nothing, and the same state as wg-quick makes of the same file.
#
#	C wg0 10.7.0.2, fd07::2                    G wg0 10.7.0.1, fd07::1
#	  eth0 192.0.2.2 ============ 192.0.2.1 eth0   eth1 203.0.113.1 ============ 203.0.113.9 eth0 S
#	       2001:db8::2                2001:db8::1       2001:db8:9::1           2001:db8:9::9
#
# C's default route is G, and the tunnel's endpoint is 203.0.113.1. S knows the way to the inner addresses only.
. "$(dirname "$0")/../lib.sh"
require wg wg-quick jq nft tcpdump
require_wgx
. "$SELFTESTS/netns/quick.inc"
UP_PATH=$BIN:$PATH

host_add C G S

# up C wg0, down C wg0: what it says on stderr is in $WORK/said as well
quick() {
	local status=0
	on "$2" env PATH="$UP_PATH" timeout 60 "$WGX" "$1" "$WORK/$2/$3.conf" 2>"$WORK/said" || status=$?
	cat "$WORK/said" >&2
	return $status
}
up() { quick up "$@"; }
down() { quick down "$@"; }

state() {
	quick_state "$1"
	on "$1" sh -c 'ip -o addr | sed "s/ *valid_lft.*//"; cat /proc/sys/net/ipv4/conf/all/src_valid_mark'
}
quick_begin

#--- G's tunnel, which stays
config G wg0 <<-END
	[Interface]
	PrivateKey = $(<"$WORK/G.wg0.key")
	ListenPort = 51820
	Address = 10.7.0.1/32, fd07::1/128
	Address = 10.7.0.101
	Attach = eth0
	[Peer]
	# Name = the client
	PublicKey = $(pub_of C wg0)
	AllowedIPs = 10.7.0.2/32, 10.7.1.2/32, fd07::2/128
END
check 'up on the gateway' up G wg0 || finish
check_equal 'it says nothing' "$(<"$WORK/said")" ''
check_equal 'Address, one or several in a line' \
	"$(on G ip -o addr show dev wg0 | awk '{ print $4 }' | xargs)" '10.7.0.1/32 10.7.0.101/32 fd07::1/128'
check_equal 'routes to the allowed IPs' \
	"$(on G sh -c 'ip route show dev wg0 scope link; ip -6 route show dev wg0' | awk '{ print $1 }' | sort | xargs)" \
	'10.7.0.2 10.7.1.2 fd07::1 fd07::2'
check_equal 'Attach' "$(wgx_mode G eth0)" tcx
check_equal 'a name from a comment' "$(wgx_json G '.interfaces[0].peers[0].name')" the-client

#--- the hooks: when, with what in place of %i, and with what around
: >"$LOG"
simple 'DNS = 203.0.113.53, 2001:db8:9::53, example.net' 'MTU = 1380' 'ListenPort = 51999' 'FwMark = 0x99' \
	"PreUp = echo PreUp %i \$(ls /sys/class/net | grep -c wg0) >>$LOG; true" \
	"PostUp = echo PostUp %i \$(wg show %i peers | wc -l) \$(ip route show dev %i | wc -l) >>$LOG" \
	"PostUp = cat <(echo second %i%i) >>$LOG" \
	"PreDown = echo PreDown %i \$(wg show %i peers | wc -l) >>$LOG" \
	"PostDown = echo PostDown %i \$(ip link show %i 2>&1 | grep -c 'does not exist') >>$LOG"
cat >>"$WORK/C/wg0.conf" <<-END
	PersistentKeepalive = 21
	Name = gateway
END
check 'up with hooks, DNS and MTU' up C wg0
check 'traffic' ping_ok C 10.7.0.1
check_equal 'DNS' "$(xargs <"$DNS/wg0")" 'nameserver 203.0.113.53 nameserver 2001:db8:9::53 search example.net'
check_equal 'MTU' "$(on C cat /sys/class/net/wg0/mtu)" 1380
check_equal 'ListenPort' "$(on C wg show wg0 listen-port)" 51999
check_equal 'FwMark' "$(on C wg show wg0 fwmark)" 0x99
check_equal 'PersistentKeepalive' "$(on C wg show wg0 persistent-keepalive | cut -f 2)" 21
check_equal 'Name' "$(wgx_json C '.interfaces[0].peers[0].name')" gateway
check 'up again fails' fails_with 1 'wgx: wg0: already exists' up C wg0
check 'up again harms nothing' ping_ok C 10.7.0.1
check 'no key in what is kept' not on C sh -c "grep -rlF '$KEY' /run/wgx"
check 'down' down C wg0
check_equal 'hooks in order' "$(xargs <"$LOG")" \
	'PreUp wg0 0 PostUp wg0 1 1 second wg0wg0 PreDown wg0 1 PostDown wg0 1'
check 'down leaves nothing' nothing_left C
check 'down of what is down fails' fails_with 1 'wgx: wg0: no such interface' down C wg0

#--- a preshared key; names, keys and endpoints that are taken from elsewhere
(umask 077 && wg genpsk >"$WORK/psk")
on G wg set wg0 peer "$(pub_of C wg0)" preshared-key "$WORK/psk"
simple "PostUp = wg set %i private-key <(cat $WORK/C.wg0.key)"
sed -i /PrivateKey/d "$WORK/C/wg0.conf"
echo "PresharedKey = $(<"$WORK/psk")" >>"$WORK/C/wg0.conf"
check 'up, the key set by PostUp, with a preshared key' up C wg0
check 'traffic with these' ping_ok C 10.7.0.1
down C wg0
on G wg set wg0 peer "$(pub_of C wg0)" preshared-key /dev/null

#--- the file: by its name, open to the world, wrong
on C sh -c 'mkdir -p /etc/wireguard && mount -t tmpfs -o mode=0755 tmpfs /etc/wireguard' &&
	on C cp "$WORK/C/wg0.conf" /etc/wireguard/wg9.conf
named() { on C env PATH="$UP_PATH" "$WGX" "$@"; }
simple
on C cp "$WORK/C/wg0.conf" /etc/wireguard/wg9.conf
check 'up NAME' named up wg9
check 'down NAME' named down wg9
on C chmod 0644 /etc/wireguard/wg9.conf
named up wg9 2>"$WORK/said"
check_equal 'a file that all can read' "$(<"$WORK/said")" 'wgx: warning: /etc/wireguard/wg9.conf is world accessible'
named down wg9 2>/dev/null
simple 'Adress = 10.0.0.1'
check 'a mistake in the file' fails_with 1 "wgx: $WORK/C/wg0.conf:4: Adress: no key of [Interface]" up C wg0
check 'no file' fails_with 1 'wgx: cannot read /etc/wireguard/wg8.conf: No such file or directory' named up wg8
check 'a file beside the usual place' fails_with 1 \
	'wgx: cannot read /etc/wireguard/wg9.conf.conf: No such file or directory; a path has a slash in it: ./wg9.conf' \
	named up wg9.conf
check 'a directory' fails_with 1 'wgx: cannot read /etc/wireguard/dir.conf: Is a directory' \
	on C sh -c "mkdir /etc/wireguard/dir.conf && $WGX up dir"
check 'no argument' fails_with 2 "wgx up: no interface or file given (see 'wgx help up')" named up
check 'two arguments' fails_with 2 "wgx down: one interface at a time: unexpected 'b' (see 'wgx help down')" named down a b
check 'another ending' fails_with 2 \
	"wgx up: file './wg0.txt' is not called as an interface, followed by .conf (see 'wgx help up')" named up ./wg0.txt
check 'a name that no interface can have' fails_with 2 \
	"wgx up: interface name 'a-long-long-name' is too long: the kernel takes 15 bytes (see 'wgx help up')" \
	named up ./a-long-long-name.conf
check 'a name that hooks must not see' fails_with 2 \
	"wgx up: interface name 'wg\$0' has something else than letters, digits and _=+.- (see 'wgx help up')" named up 'wg$0'
check 'an option' fails_with 2 "wgx up: unknown option '-x' (see 'wgx help up')" named up -x
on C ip link add wg0 type veth peer name wg0p
simple
check 'another interface of that name: up' fails_with 1 'wgx: wg0: already exists' up C wg0
check 'another interface of that name: down' fails_with 1 'wgx: wg0: not an interface of wgx' down C wg0
on C ip link del wg0
check 'nothing is left of these' nothing_left C

#--- the MTU by itself, Table
on C ip link set eth0 mtu 1400
simple
check 'up, MTU not given' up C wg0
check_equal 'MTU from the way to the endpoint' "$(on C cat /sys/class/net/wg0/mtu)" 1320
down C wg0
on C ip link set eth0 mtu 1500
simple 'Table = off'
check 'up, Table=off' up C wg0
check_equal 'Table=off, no routes' "$(on C ip route show dev wg0)" ''
down C wg0
simple 'Table = 1234'
check 'up, Table=1234' up C wg0
check_equal 'routes in that table' "$(on C ip route show table 1234 | awk '{ print $1, $2, $3 }')" '10.7.0.1 dev wg0'
down C wg0
check 'down leaves no table' nothing_left C

#--- everything through the tunnel
spoof() { on G ping -q -c 2 -i 0.2 -w "$1" -I 192.0.2.1 10.7.1.2; }
on G ip route add 10.7.1.2/32 via 192.0.2.2 metric 1 # past the tunnel, as a neighbour of C could try
on G ip route del 10.7.1.2/32 dev wg0
full 203.0.113.1:51820
capture G leaks eth0 net 203.0.113.8/29 or net 2001:db8:9::8/125
check 'up, full tunnel' up C wg0
check_equal 'a mark on what leaves' "$(on C wg show wg0 fwmark)" 0xca6c
check 'IPv4 past the gateway' ping_ok C 203.0.113.9
check 'IPv6 past the gateway' ping_ok C 2001:db8:9::9
check 'TCP past the gateway' file_copy C S 203.0.113.9 4
check 'no inner address is reached past the tunnel' not spoof 1
on C nft flush ruleset
check 'and is without the rules' spoof 10
stop_at=$(on C ip -6 rule | wc -l)
check 'daemon killed' on C kill -KILL "$(daemon_pid C wg0)"
check 'then nothing goes out' not on C ping -q -c 2 -i 0.2 -w 2 203.0.113.9
check_equal 'the rules are there still' "$(on C ip -6 rule | wc -l)" "$stop_at"
capture_end leaks
check_equal 'nothing of it was in the clear' "$(captured G leaks)" ''
check 'down after that' down C wg0
simple
check 'up and down again, which clears what a dead daemon leaves' up C wg0
down C wg0
check 'down leaves no rule' nothing_left C
on G ip route del 10.7.1.2/32 via 192.0.2.2 dev eth0 metric 1

full '[2001:db8:9::1]:51820' 'FwMark = 0x77' 'Attach = eth0'
check 'up, full tunnel over IPv6, attached' up C wg0
check_equal 'its rules use FwMark' "$(on C ip rule show table 119 | grep -c 'fwmark 0x77')" 1
check 'IPv4 over IPv6' ping_ok C 203.0.113.9
check 'TCP over IPv6' file_copy C S 2001:db8:9::9 4
check 'TCP back' file_copy S C fd07::2 4
check 'by the accelerated path' test "$(wgx_counter C wg0 opened_xsk_bytes)" -gt 1000000

#--- two full tunnels: the second is undone alone
config C wg1 <<-END
	[Interface]
	PrivateKey = $(wg genkey)
	Address = 10.77.0.1/32
	Attach = eth0
	[Peer]
	PublicKey = $(wg genkey | wg pubkey)
	AllowedIPs = 0.0.0.0/0
END
with_one=$(state C)
check 'up, a second full tunnel' up C wg1
check_equal 'each has its table' "$(on C ip -4 rule | grep -c 'not from all fwmark')" 2
check 'down of the second' down C wg1
check 'the first is as it was' wait_for 10 is_state C "$with_one"
check_equal 'its device is attached still' "$(wgx_mode C eth0)" tcx
check 'and works' ping_ok C 203.0.113.9
spawn C flood ping -q -f 203.0.113.9
check 'down under traffic' down C wg0
stop flood INT
check 'down under traffic leaves nothing' nothing_left C

#--- AttachLan
# lan_way C eth0: tcx or native; none: the router path is off
lan_way() { wgx_json "$1" "[.attached[] | select(.device == \"$2\") | .lan.way][0] // \"none\""; }
lan_packets() { wgx_json "$1" '[.attached[].lan.packets // 0] | add'; }
simple 'AttachLan = eth0'
check 'up, AttachLan' up C wg0
check_equal 'AttachLan: the router path, and no acceleration' "$(wgx_mode C eth0) $(lan_way C eth0)" 'none tcx'
check 'down, AttachLan' down C wg0
simple 'Attach = eth0' 'AttachLan = eth0:native'
check 'up, Attach and AttachLan of one device' up C wg0
check_equal 'it has both' "$(wgx_mode C eth0) $(lan_way C eth0)" 'tcx native'
config C wg1 <<-END
	[Interface]
	PrivateKey = $(wg genkey)
	AttachLan = eth0
END
check 'up of another tunnel, which wants it otherwise' up C wg1
check_equal 'a warning says what it has' "$(<"$WORK/said")" \
	'wgx: warning: eth0 is attached already, with the router path by native'
check 'down of the first' down C wg0
check_equal 'the device is attached for the second' "$(lan_way C eth0)" native
check 'down of the second' down C wg1
check 'and that leaves nothing' nothing_left C
full 203.0.113.1:51820 'AttachLan = eth0'
check 'up, a full tunnel with AttachLan' up C wg0
check_equal 'its own table is no firewall that would be passed by' "$(<"$WORK/said")" ''
down C wg0
on C nft 'add table inet own; add chain inet own forward { type filter hook forward priority 0; }'
check 'up, with a firewall' up C wg0
check_equal 'which a warning names' "$(<"$WORK/said")" \
	'wgx: warning: eth0: the firewall (table inet own, chain forward) does not see packets past the stack'
down C wg0
on C nft delete table inet own
check 'and nothing is left' nothing_left C

check 'an interface by hand' wgx C wg5
check 'attached by hand' wgx C attach eth0
simple 'Attach = eth0'
check 'up beside it' up C wg0
check 'down beside it' down C wg0
check_equal 'what was attached by hand stays' "$(wgx_mode C eth0)" tcx
on C ip link del wg5
check 'nothing is left of that' nothing_left C

#--- AttachTransmit
transmits() { wgx_json "$1" "[.attached[] | select(.device == \"$2\") | .transmit != null][0] // false"; }
simple 'AttachTransmit = eth0'
check 'up, AttachTransmit' up C wg0
check_equal 'AttachTransmit: accelerated as well' "$(wgx_mode C eth0) $(transmits C eth0)" 'tcx true'
check 'down, AttachTransmit' down C wg0
check 'nothing is left of that' nothing_left C

#--- SaveConfig
simple 'SaveConfig = true' 'MTU = 1390' 'Table = 1234' 'PostUp = true %i' 'DNS = 203.0.113.53, example.net' \
	'Attach = eth0' 'AttachLan = eth0:native' 'AttachTransmit = eth0'
sed -i 's,^Endpoint.*,Endpoint = localhost:51820,; s,^\[Peer\],&\nName = gw,' "$WORK/C/wg0.conf"
check 'up, SaveConfig' up C wg0
extra=$(wg genkey | wg pubkey)
on C wg set wg0 fwmark 0x99 peer "$extra" preshared-key "$WORK/psk" allowed-ips 10.99.0.0/24,fd99::/64 \
	persistent-keepalive 25 endpoint 192.0.2.99:7
on C ip link set wg0 mtu 1377
on C ip addr add 10.7.5.5/24 dev wg0
check 'down, SaveConfig' down C wg0
for line in "PrivateKey = $KEY" 'FwMark = 153' "PublicKey = $(pub_of G wg0)" "PublicKey = $extra" \
	'AllowedIPs = 10.99.0.0/24, fd99::/64' 'Endpoint = 192.0.2.99:7' 'PersistentKeepalive = 25' 'MTU = 1377' \
	'Table = 1234' 'SaveConfig = true' 'PostUp = true %i' 'Address = 10.7.0.2/32' 'Address = 10.7.5.5/24' \
	'DNS = 203.0.113.53' 'DNS = example.net' 'Attach = eth0' 'AttachLan = eth0:native' 'AttachTransmit = eth0' '# Name = gw' 'Endpoint = localhost:51820' \
	"PresharedKey = $(<"$WORK/psk")"; do
	check "saved ${line%% =*}" grep -qxF -- "$line" "$WORK/C/wg0.conf"
done
check_equal 'the saved file is 0600' "$(stat -c %a "$WORK/C/wg0.conf")" 600
check_equal 'nothing is left beside it' "$(ls "$WORK/C")" "$(printf 'wg0.conf\nwg1.conf')"
cp "$WORK/C/wg0.conf" "$WORK/saved"
check 'up with what was saved' up C wg0
check 'down, saved again' down C wg0
check 'which changes nothing' diff "$WORK/saved" "$WORK/C/wg0.conf"
check 'nothing is left of that' nothing_left C

#--- an up that fails is undone
fails() { # fails NAME: the configuration written before
	check "up fails: $1" not up C wg0
	check "up undone: $1" nothing_left C
}
simple 'PreUp = false'
fails 'PreUp'
mkdir "$WORK/nobpf"
[ -x "$BUILD/selftests/tools/nobpf" ] || bail 'tools are built' 'run make tools'
simple
WGX_REAL=$WGX
printf '#!/bin/sh\nexec %s %s "$@"\n' "$BUILD/selftests/tools/nobpf" "$WGX" >"$BIN/wgx-nobpf"
chmod +x "$BIN/wgx-nobpf"
WGX=$BIN/wgx-nobpf fails 'the daemon cannot start'
WGX=$WGX_REAL
# whoever deletes the socket deletes the interface, before or after it is configured
simple 'PreUp = (for i in $(seq 100000); do rm /run/wireguard/wg0.sock && break; done) >/dev/null 2>&1 &' \
	'PostUp = wait_gone() { while ip link show %i; do sleep 0.1; done; }; wait_gone; false'
fails 'the interface goes'
simple 'Address = 10.7.0.2/32'
fails 'an address that it has'
printf '#!/bin/sh\nexit 1\n' >"$BIN/nft"
chmod +x "$BIN/nft"
full 203.0.113.1:51820 'DNS = 203.0.113.53' 'Attach = eth0'
check 'up fails: nft' not up C wg0
check 'down fails: nft' fails_with 1 'wgx: warning: wg0 was gone already
wgx: wg0: nft cannot delete table ip wgx-wg0' down C wg0
rm "$BIN/nft"
check 'with nft it is undone' down C wg0
check 'up undone: nft' nothing_left C
simple 'Address = 10.7.9.1/24' 'Table = main' 'DNS = 203.0.113.53'
echo 'AllowedIPs = 10.7.9.0/24' >>"$WORK/C/wg0.conf"
fails 'a route that is there'
mv "$BIN/resolvconf" "$BIN/resolvconf.good"
printf '#!/bin/sh\ncat >%s/wg0; [ $1 = -d ] && rm %s/wg0\n' "$DNS" "$DNS" >"$BIN/resolvconf"
chmod +x "$BIN/resolvconf"
simple 'DNS = 203.0.113.53'
fails 'resolvconf'
mv "$BIN/resolvconf.good" "$BIN/resolvconf"
full 203.0.113.1:51820 'DNS = 203.0.113.53' 'Attach = eth0' 'Attach = nosuch0'
fails 'a device that is not there'
simple 'AttachLan = eth0, nosuch0'
fails 'a device of the LAN that is not there'
on C mkdir "/run/wgx/$(on C stat -L -c %i /proc/self/ns/net).wg0.resolver"
full localhost:51820
check 'up fails: no resolver' not up C wg0
on C rmdir "/run/wgx/$(on C stat -L -c %i /proc/self/ns/net).wg0.resolver"
check 'down after that' down C wg0
check 'up undone: no resolver' nothing_left C
full 203.0.113.1:51820 'DNS = 203.0.113.53' 'Attach = eth0' 'PostUp = exit 3'
check 'PostUp fails' fails_with 1 "wgx: $WORK/C/wg0.conf: PostUp: exit status 3: exit 3" up C wg0
check 'PostUp: undone' nothing_left C
# shellcheck disable=SC2016
full 203.0.113.1:51820 'PostUp = kill -TERM $PPID; exec sleep 30'
check 'SIGTERM while a hook runs' fails_with 1 \
	"wgx: $WORK/C/wg0.conf: PostUp: interrupted: kill -TERM \$PPID; exec sleep 30" up C wg0
check 'SIGTERM: undone' nothing_left C
# shellcheck disable=SC2016
full 203.0.113.1:51820 'DNS = 203.0.113.53' 'PostUp = kill -KILL $PPID'
up C wg0 2>/dev/null
check 'down after up was killed' down C wg0
check 'down after up was killed leaves nothing' nothing_left C
simple 'PreDown = exit 4'
check 'up, a PreDown that fails' up C wg0
check 'down fails' fails_with 1 "wgx: $WORK/C/wg0.conf: PreDown: exit status 4: exit 4" down C wg0
check 'and leaves all as it is' ping_ok C 10.7.0.1
simple
check 'down without it' down C wg0

#--- the interface goes by itself
full 203.0.113.1:51820 'DNS = 203.0.113.53'
check 'up, for ip link delete' up C wg0
on C ip link del wg0
check 'down of the rest' down C wg0
check 'down of the rest leaves nothing' nothing_left C
check 'up once more' up C wg0
on C ip link del wg0
check 'up of what was deleted' up C wg0
check 'works' ping_ok C 203.0.113.9
check 'down at last' down C wg0
check 'nothing is left of these' nothing_left C

#--- at once, and again and again
simple
at_once() {
	local i n=0
	for i in 1 2 3 4; do
		spawn C "up$i" env PATH="$UP_PATH" timeout 60 "$WGX" up "$WORK/C/wg0.conf"
	done
	for i in 1 2 3 4; do
		wait "${SPAWN_PID[up$i]}" && n=$((n + 1))
		unset "SPAWN_PID[up$i]"
	done
	echo $n
}
check_equal 'up, four at once: one does it' "$(at_once)" 1
check 'and it works' ping_ok C 10.7.0.1
check 'down of it' down C wg0
twenty() {
	local i
	for ((i = 0; i < 20; i++)); do
		up C wg0 && down C wg0 || return 1
	done
}
check 'up and down, 20 times' twenty
check 'nothing is left of these' nothing_left C

#--- what wg-quick makes of the same file
# seen C: addresses, routes and rules; wireguard-go's device has a link-local address that ours does not need
seen() {
	on "$1" sh -c 'ip -o addr show dev wg0 | awk "{ print \$3, \$4, \$5, \$6 }"
		for f in -4 -6; do ip $f route show table all; ip $f rule; done
		cat /sys/class/net/wg0/mtu; wg show wg0 fwmark; wg show wg0 allowed-ips | sort; wg show wg0 endpoints | sort' |
		grep -vE 'fe80:|^multicast|^anycast'
}
same() { # same NAME: the configuration written before, with both
	local ours theirs
	up C wg0 && ours=$(seen C)
	down C wg0
	nothing_left C >/dev/null
	on C env PATH="$UP_PATH" wg-quick up "$WORK/C/wg0.conf" 2>"$WORK/quick.log" && theirs=$(seen C)
	on C env PATH="$UP_PATH" wg-quick down "$WORK/C/wg0.conf" 2>>"$WORK/quick.log"
	on C sh -c 'echo 0 >/proc/sys/net/ipv4/conf/all/src_valid_mark' # which wg-quick leaves
	check "as wg-quick: $1" diff <(echo "$theirs") <(echo "$ours")
	[ -n "$theirs" ] || cat "$WORK/quick.log" | diag
}
if command -v "$WGGO" >/dev/null && [ -c /dev/net/tun ]; then
	simple
	same 'one peer'
	full 203.0.113.1:51820
	same 'full tunnel'
	full '[2001:db8:9::1]:51820' 'FwMark = 0x77' 'MTU = 1400'
	same 'full tunnel over IPv6'
	full 203.0.113.1:51820 'Table = 1234'
	same 'full tunnel in a table'
	config C wg0 <<-END
		[Interface]
		PrivateKey = $KEY
		Address = 10.7.0.2/24,fd07::2/64
		Address = 172.16.0.1/30
		ListenPort = 5555
		[Peer]
		PublicKey = $(pub_of G wg0)
		Endpoint = 203.0.113.1:51820
		AllowedIPs = 10.7.0.1/32, 10.7.0.0/16, fd07::1/128, fd08::/48, fd08::/32, 172.16.0.0/30, 172.16.0.0/12
		[Peer]
		PublicKey = $extra
		AllowedIPs = 10.7.0.128/25, 10.99.0.0/24, 10.99.0.1/24
		[Peer]
		PublicKey = $(wg genkey | wg pubkey)
		AllowedIPs = 10.99.0.0/24
	END
	same 'covered, nested and repeated prefixes'
else
	skip 'as wg-quick' 'needs wireguard-go'
fi

#--- a gateway with the router path: what C sends to S goes past G's stack
down G wg0
sed -i '/^Attach = eth0/a AttachLan = eth1' "$WORK/G/wg0.conf"
check 'up, a gateway with AttachLan' up G wg0
full 203.0.113.1:51820
check 'up on its client' up C wg0
check 'through both' wait_for 20 ping_ok C 203.0.113.9
check 'TCP through both' file_copy C S 203.0.113.9 4
check 'past the stack' [ "$(lan_packets G)" -gt 0 ]
down C wg0

down G wg0
check 'nor is anything left on the gateway' nothing_left G
finish
