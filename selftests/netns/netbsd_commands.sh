#!/bin/bash
# SPDX-License-Identifier: MIT
# NetBSD's commands, which are wgx under other names: what they print, what they refuse, that they keep secrets.
#
#	A wg0 (wg-userspace 0)
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/../lib.sh"
require wg jq
require_wgx
umask 077

run() { on A "$BUILD/$1" "${@:2}"; } # run wgconfig wg0 show all

# fails STATUS TEXT PROGRAM [argument ...]: with nothing on stdout
fails() { fails_with "$1" "$2" run "${@:3}" && [ ! -s "$WORK/out" ]; }
usage() { # usage PROGRAM TEXT [argument ...]: a usage error
	check "refused: $1 ${*:3}" fails 2 "$1: $2 (see '$1 --help')" "$1" "${@:3}"
}
failure() { # failure PROGRAM TEXT [argument ...]
	check "fails: $1 ${*:3}" fails 1 "$1: $2" "$1" "${@:3}"
}

host_add A

# ---- wg-keygen ----

run wg-keygen >"$WORK/key"
run wg-keygen --psk >"$WORK/psk"
check_equal 'wg-keygen --pub says what wg says' "$(run wg-keygen --pub <"$WORK/key")" "$(wg pubkey <"$WORK/key")"
check_equal 'a preshared key of 32 bytes' "$(base64 -d <"$WORK/psk" | wc -c)" 32
check 'each is another' not cmp -s "$WORK/key" <(run wg-keygen)
usage wg-keygen "'-p' is none of --pub, --psk" -p
usage wg-keygen "one option at a time: unexpected '--psk'" --pub --psk
for p in wg-keygen wgconfig wg-userspace; do
	check_equal "$p --help" "$(run $p --help | head -n 1 | cut -d' ' -f1,2)" "Usage: $p"
	check_equal "$p --version" "$(run $p --version)" "$(wgx A --version)"
done

# ---- wg-userspace ----

usage wg-userspace 'no id given'
usage wg-userspace "id 'wg0' is no number" wg0 create
usage wg-userspace "id '12345678901234' is no number" 12345678901234 create
usage wg-userspace 'no command given' 0
usage wg-userspace "no command is called 'start'" 0 start
usage wg-userspace "create: unexpected 'now'" 0 create now
failure wg-userspace 'no wgx daemon runs in this network namespace; create an interface first: wgx wg0' 0 destroy
check 'create' run wg-userspace 0 create
check 'it is there' on A wg show wg0
failure wg-userspace 'wg0: the name is taken by another interface' 0 create
usage wg-userspace "the interface is wg0, not 'lo'" 0 ifconfig lo 10.0.0.1/8
usage wg-userspace "the interface is wg0, not 'wg1'" 0 wgconfig wg1 show all
usage wg-userspace 'no interface given' 0 wgconfig
check_equal 'debug runs a command' "$(run wg-userspace 0 debug echo a 'b c')" 'a b c'
usage wg-userspace 'debug: no command given' 0 debug
failure wg-userspace '/nowhere: No such file or directory' 0 debug /nowhere
check 'and its status' sh -c "! '$BUILD/wg-userspace' 0 debug false"

# ---- before it is configured ----

check_equal 'show all, of nothing' "$(run wgconfig wg0)" "interface: wg0
	private-key: (hidden)
	listen-port: (none)"
check_equal 'show private-key, of nothing' "$(run wgconfig wg0 show private-key)" 'private-key: (none)'

# ---- ifconfig ----

ifconfig() { run wg-userspace 0 ifconfig wg0 "$@"; }
addresses() { on A ip -o -br addr show dev wg0 | tr -s ' ' | cut -d' ' -f3- | sed 's/ $//'; }
check_equal 'ifconfig' "$(ifconfig)" "wg0: flags=0x82<BROADCAST,NOARP> mtu 1420
	status: no carrier"
check_equal 'without its name' "$(run wg-userspace 0 ifconfig)" "$(ifconfig)"
check 'an address' ifconfig inet 10.2.0.1/24
check 'the same again' ifconfig inet 10.2.0.1/24
check_equal 'it has one' "$(addresses)" 10.2.0.1/24
check 'another takes its place' ifconfig 10.2.0.3 netmask 255.255.0.0
check_equal 'so' "$(addresses)" 10.2.0.3/16
check 'an alias' ifconfig inet 10.3.0.1 netmask 0xffffff00 alias
check 'inet6, twice, and up' ifconfig inet6 fd00:2::1/64 inet6 alias fd00:3::1 prefixlen 48 up mtu 1400
check_equal 'all of them' "$(addresses)" '10.2.0.3/16 10.3.0.1/24 fd00:3::1/48 fd00:2::1/64'
on A ip addr add fe80::5/64 dev wg0
index=$(on A cat /sys/class/net/wg0/ifindex)
check_equal 'ifconfig shows what NetBSD shows' "$(ifconfig | sort)" "$(sort <<END
wg0: flags=0xc3<UP,BROADCAST,RUNNING,NOARP> mtu 1400
	status: active
	inet6 fe80::5%wg0/64 flags 0 scopeid 0x$(printf %x "$index")
	inet6 fd00:3::1/48 flags 0
	inet6 fd00:2::1/64 flags 0
	inet 10.2.0.3/16 flags 0
	inet 10.3.0.1/24 flags 0
END
)"
check 'take one away' ifconfig inet 10.3.0.1 -alias
check 'another' ifconfig inet6 fd00:3::1 delete
check_equal 'they are gone' "$(addresses)" '10.2.0.3/16 fd00:2::1/64 fe80::5/64'
failure wg-userspace 'wg0: 10.3.0.1/32: Cannot assign requested address' 0 ifconfig wg0 10.3.0.1 delete
check 'a description' ifconfig description 'to the office'
check_equal 'ip shows it' "$(on A cat /sys/class/net/wg0/ifalias)" 'to the office'
check 'none' ifconfig -descr
check_equal 'it is gone' "$(on A cat /sys/class/net/wg0/ifalias)" ''
check 'down' ifconfig down
check 'it is' sh -c "nsenter -t ${HOST_PID[A]} -n ip link show wg0 | grep -q 'state DOWN'"
before=$(addresses)
usage wg-userspace "ifconfig: 'media' is no parameter and no address" 0 ifconfig wg0 media auto
usage wg-userspace "ifconfig: the address has no length: say ADDRESS/LENGTH" 0 ifconfig wg0 inet 10.9.0.1 up
usage wg-userspace "ifconfig: 'fd00::1/64' is no address of inet" 0 ifconfig wg0 inet fd00::1/64
usage wg-userspace "ifconfig: '10.9.0.1/24' is no address of inet6" 0 ifconfig wg0 inet6 10.9.0.1/24
usage wg-userspace "ifconfig: '10.9.0.1/33' is no parameter and no address" 0 ifconfig wg0 inet 10.9.0.1/33
usage wg-userspace 'ifconfig: netmask 255.0.255.0: no netmask of an IPv4 address' 0 ifconfig wg0 10.9.0.1 netmask 255.0.255.0
usage wg-userspace 'ifconfig: netmask 255.0.0.0: no netmask of an IPv4 address' 0 ifconfig wg0 netmask 255.0.0.0
usage wg-userspace 'ifconfig: prefixlen 129: no length of an address' 0 ifconfig wg0 fd00::1 prefixlen 129
usage wg-userspace 'ifconfig: inet: no address given' 0 ifconfig wg0 inet
usage wg-userspace 'ifconfig: no address given' 0 ifconfig wg0 inet alias
usage wg-userspace 'ifconfig: mtu: no value given' 0 ifconfig wg0 mtu
usage wg-userspace 'ifconfig: mtu 67: no number from 68 to 65535' 0 ifconfig wg0 mtu 67
usage wg-userspace 'create comes first' 0 ifconfig wg0 up create
usage wg-userspace 'destroy stands alone' 0 ifconfig wg0 up destroy
check_equal 'nothing has changed' "$(addresses)" "$before"

# ---- wgconfig ----

b=$(wg genkey | wg pubkey) c=$(wg genkey | wg pubkey)
check 'set private-key' run wgconfig wg0 set private-key "$WORK/key"
check 'set listen-port' run wgconfig wg0 set listen-port 1234
check_equal 'wg sees both' "$(on A wg show wg0 private-key) $(on A wg show wg0 listen-port)" "$(cat "$WORK/key") 1234"
check_equal 'show private-key' "$(run wgconfig wg0 show private-key)" "private-key: $(cat "$WORK/key")"
check 'add peer' run wgconfig wg0 add peer B "$b" --preshared-key="$WORK/psk" \
	--allowed-ips=10.2.0.42/32,fd00:2::42/128 --endpoint=192.0.2.9:51820
check 'add another, with little' run wgconfig wg0 add peer C "$c"
check_equal 'wg sees the preshared key' "$(on A wg show wg0 preshared-keys | grep -F "$b" | cut -f2)" "$(cat "$WORK/psk")"
check_equal 'wgx sees the name' "$(wgx_json A '.interfaces[].peers | map(.name) | join(" ")')" 'B C'
check_equal 'show all' "$(run wgconfig wg0 show all)" "interface: wg0
	private-key: (hidden)
	listen-port: 1234
	peer: B
		public-key: $b
		endpoint: 192.0.2.9:51820
		preshared-key: (hidden)
		allowed-ips: 10.2.0.42/32,fd00:2::42/128
		latest-handshake: (never)
	peer: C
		public-key: $c
		endpoint: (none)
		preshared-key: (hidden)
		allowed-ips: (none)
		latest-handshake: (never)"
check_equal 'wg-userspace 0 wgconfig' "$(run wg-userspace 0 wgconfig wg0)" "$(run wgconfig wg0)"
check_equal 'show peer' "$(run wgconfig wg0 show peer C)" "peer: C
	public-key: $c
	endpoint: (none)
	preshared-key: (hidden)
	allowed-ips: (none)
	latest-handshake: (never)"
check_equal 'its preshared key' "$(run wgconfig wg0 show peer B --show-preshared-key | grep preshared)" \
	"	preshared-key: $(cat "$WORK/psk")"
check_equal 'none' "$(run wgconfig wg0 show peer C --show-preshared-key | sed -n 4p)" '	preshared-key: (none)'
check_equal 'by its key' "$(run wgconfig wg0 show peer "$c")" "$(run wgconfig wg0 show peer C)"

before=$(run wgconfig wg0; on A wg show wg0 dump)
usage wgconfig 'no interface given'
usage wgconfig "interface name 'a/b' contains '/'" a/b
usage wgconfig "no command is called 'show'" wg0 show
usage wgconfig "no command is called 'set mtu'" wg0 set mtu 1280
usage wgconfig "show all: unexpected 'B'" wg0 show all B
usage wgconfig 'show peer: no peer given' wg0 show peer
usage wgconfig "show peer: unexpected '--psk'" wg0 show peer B --psk
usage wgconfig 'set private-key: no file given' wg0 set private-key
usage wgconfig "set listen-port: unexpected '5'" wg0 set listen-port 4 5
usage wgconfig 'set listen-port: no port given' wg0 set listen-port
for port in 0 65536 x 12x -1 ''; do
	usage wgconfig "port '$port' is no number from 1 to 65535" wg0 set listen-port "$port"
done
usage wgconfig 'add peer: no name given' wg0 add peer
usage wgconfig 'add peer: no public key given' wg0 add peer D
usage wgconfig "peer name 'a b' has something else than printable ASCII characters, or a space" wg0 add peer 'a b' "$c"
usage wgconfig "public key 'abc' is not 44 characters of base64" wg0 add peer D abc
d=$(wg genkey | wg pubkey)
usage wgconfig "unknown option '--port=1'" wg0 add peer D "$d" --port=1
usage wgconfig "option '--allowed-ips=' needs a value" wg0 add peer D "$d" --allowed-ips=
usage wgconfig "allowed IP '10.0.0.0/33' is no address or network" wg0 add peer D "$d" --allowed-ips=10.0.0.0/8,10.0.0.0/33
usage wgconfig "allowed IP '' is no address or network" wg0 add peer D "$d" --allowed-ips=10.0.0.0/8,,::/0
usage wgconfig "option '--endpoint=b:2' is given twice" wg0 add peer D "$d" --endpoint=a:1 --endpoint=b:2
for e in 0 65536 x ''; do
	usage wgconfig "endpoint: '$e' is no port" wg0 add peer D "$d" --endpoint=192.0.2.1:$e
done
usage wgconfig "endpoint: '192.0.2.1' has no port" wg0 add peer D "$d" --endpoint=192.0.2.1
usage wgconfig "endpoint: '' is neither an address nor a host name" wg0 add peer D "$d" --endpoint=:1
usage wgconfig "endpoint: '192.0.2.256' is neither an address nor a host name" wg0 add peer D "$d" --endpoint=192.0.2.256:1
usage wgconfig 'delete peer: no peer given' wg0 delete peer
failure wgconfig "wg0: no peer has the name 'D'" wg0 show peer D
failure wgconfig "wg0: no peer has the name 'D'" wg0 delete peer D
failure wgconfig 'wg7: no such wgx interface in this network namespace' wg7
failure wgconfig 'wg7: no such wgx interface in this network namespace' wg7 set listen-port 5
failure wgconfig 'cannot read the key in /nowhere: No such file or directory' wg0 set private-key /nowhere
head -c 40 "$WORK/key" >"$WORK/short"
failure wgconfig "the key in $WORK/short is not 44 characters of base64" wg0 set private-key "$WORK/short"
failure wgconfig "the key in $WORK/short is not 44 characters of base64" wg0 add peer D "$d" --preshared-key-file="$WORK/short"
failure wgconfig 'wg0: a peer with the name B is there already' wg0 add peer B "$d"
failure wgconfig "wg0: a peer with the key $c is there already" wg0 add peer D "$c"
own=$(wg pubkey <"$WORK/key")
failure wgconfig "wg0: $own is its own public key" wg0 add peer D "$own"
failure wgconfig "endpoint 'no.such.host.invalid:1': Temporary failure in name resolution" \
	wg0 add peer D "$d" --endpoint=no.such.host.invalid:1
check_equal 'nothing has changed' "$(run wgconfig wg0; on A wg show wg0 dump)" "$before"

for e in '[2001:db8::1]:1' '2001:db8::1:1'; do # as NetBSD, the last colon counts
	run wgconfig wg0 add peer D "$d" --endpoint="$e"
	check_equal "endpoint $e" "$(run wgconfig wg0 show peer D | grep endpoint)" '	endpoint: [2001:db8::1]:1'
	check 'delete peer' run wgconfig wg0 delete peer D
done
check_equal 'they are gone' "$(on A wg show wg0 peers | wc -l)" 2
on A wg set wg0 peer "$d"
check_equal 'a peer without a name' "$(run wgconfig wg0 show peer "$d" | head -n 1)" 'peer: (none)'
check 'is deleted by its key' run wgconfig wg0 delete peer "$d"
list=$(for i in {0..200}; do printf ',10.%d.0.0/16' "$i"; done)
check 'many allowed IPs' run wgconfig wg0 add peer E "$d" --allowed-ips="${list#,}"
check_equal 'all of them' "$(run wgconfig wg0 show peer E | sed -n 's/.*allowed-ips: //p')" "${list#,}"

# ---- without rights ----

cp -L "$BUILD/wgx" "$WORK/wgx" && chmod 755 "$WORK/wgx"
for n in wgconfig wg-userspace; do ln -s wgx "$WORK/$n"; done
nobody() { on A setpriv --reuid 65534 --regid 65534 --clear-groups "$WORK/$1" "${@:2}" 2>&1; }
check_equal 'wgconfig for nobody' "$(nobody wgconfig wg0 set listen-port 5)" \
	'wgconfig: cannot configure wg0 without CAP_NET_ADMIN; run wgconfig as root'
check_equal 'nor does it show' "$(nobody wgconfig wg0)" 'wgconfig: not allowed to talk to the wgx daemon; run wgx as root'
check_equal 'ifconfig for nobody' "$(nobody wg-userspace 0 ifconfig wg0 up)" \
	'wg-userspace: cannot configure wg0 without CAP_NET_ADMIN; run wg-userspace as root'
check_equal 'destroy for nobody' "$(nobody wg-userspace 0 destroy)" \
	'wg-userspace: cannot destroy wg0 without CAP_NET_ADMIN; run wg-userspace as root'

# ---- the end ----

check 'destroy' run wg-userspace 0 destroy
check 'it is gone at once' not on A ip link show wg0
check 'create again at once' run wg-userspace 0 create
check 'ifconfig destroy' ifconfig destroy
check 'ifconfig create' ifconfig create 10.2.0.1/24
check_equal 'both in one' "$(addresses)" 10.2.0.1/24
finish
