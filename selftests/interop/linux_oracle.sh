#!/bin/bash
# SPDX-License-Identifier: MIT
# The same things done to the Linux driver and to wgx, which have the same keys: equal answers to odd
# messages, equal outer headers, equal output of wg for odd configurations, equal errors for
# applications. P speaks WireGuard in Python (tools/wgpeer.py).
#
#	P 10.0.0.1, fd00::1 -- tap0 ==== eth0 -- 10.0.0.2, fd00::2  wg0 10.9.0.2, fd09::2 V  the driver
#	H 10.0.9.1, fd00:9::1 -- veth0 ==== eth0 -- 10.0.9.2, fd00:9::2  wg0 10.9.0.2, fd09::2 W  wgx
#
# P is a process on H. In its tunnel it is 10.9.0.1 and fd09::1.
. "$(dirname "$0")/../lib.sh"
. "$SELFTESTS/interop/vm/vm.inc"
. "$SELFTESTS/interop/vm/linux.inc"
require wg python3
require_wgx
vm_require "$LINUX_KERNEL"
VM_TIMEOUT=$((VM_TIMEOUT > 250 ? VM_TIMEOUT : 250)) # for the long table of configurations
PEER=$SELFTESTS/tools/wgpeer.py

# both NAME line: a line of bash on V and on W; output in $WORK/NAME.V and .W
both() {
	vm_sh V "$2" >"$WORK/$1.V" 2>&1
	on W bash -c "cd $TOP && $2" >"$WORK/$1.W" 2>&1
}

# same NAME [title]: each line of the driver's output is one of wgx's too
same() {
	local line want got
	[ -s "$WORK/$1.V" ] || nok "$1: the driver's output" 'none'
	exec 3<"$WORK/$1.V" 4<"$WORK/$1.W"
	while IFS= read -r -u 3 want; do
		line='the end'
		IFS= read -r -u 4 line
		got=$line
		if [ "$got" = "$want" ]; then
			ok "${2:+$2: }$want"
		else
			nok "${2:+$2: }${want%%: *}" "driver: $want" "wgx:    $got"
		fi
	done
	IFS= read -r -u 4 got && nok "$1: wgx has more to say" "$got"
	exec 3<&- 4<&-
}

# same_text NAME title: the outputs are equal
same_text() {
	[ -s "$WORK/$1.V" ] || nok "$2" 'the driver put nothing out'
	check "$2" diff -U 4 --label driver --label wgx "$WORK/$1.V" "$WORK/$1.W"
}

V_KEY() { pub_of V wg0; }
peer_tool() { # peer_tool probe what address
	on H timeout 100 "$PEER" "$1" "$2" "$WORK/P.wg0.key" "$(V_KEY)" "$3" 51820 10.9.0.1 10.9.0.2
}

setup() {
	linux_pair || return
	host_add W
	link H veth0 W eth0
	addr H veth0 10.0.9.1/24 fd00:0:0:9::1/64
	addr W eth0 10.0.9.2/24 fd00:0:0:9::2/64
	on W ethtool -K eth0 tx-udp-segmentation off # veth would carry superframes; virtio_net does not
	impl_up W wg0 wgx || return
	key_for V wg0
	key_for P wg0
	key_for Q wg0 # without an endpoint
	vm_sh V "mkdir -p $WORK"
	vm_put V "$WORK/V.wg0.key" "$WORK/V.wg0.key"
	vm_sh V 'ip link add wg0 type wireguard'
	both up "wg set wg0 listen-port 51820 private-key $WORK/V.wg0.key \
			peer $(pub_of P wg0) allowed-ips 10.9.0.1/32,fd09::1/128 \
			peer $(pub_of Q wg0) allowed-ips 10.9.0.50/32,fd09::50/128 &&
		ip addr add 10.9.0.2/24 dev wg0 && ip addr add fd09::2/64 dev wg0 nodad && ip link set wg0 up"
	cat "$WORK/up.V" "$WORK/up.W"
	[ ! -s "$WORK/up.V" ] && [ ! -s "$WORK/up.W" ]
}


# probe handshakes|data|rate title
probe() {
	peer_tool probe "$1" 10.0.0.2 >"$WORK/probe.V" 2>&1
	peer_tool probe "$1" 10.0.9.2 >"$WORK/probe.W" 2>&1
	same probe "$2"
}

# The outer headers of what a table of inner packets becomes: outers title V's-address W's-address
outers() {
	local title=$1 host dst
	for host in V W; do
		dst=$2
		[ $host = V ] || dst=$3
		spawn H watch timeout 40 "$PEER" watch "$WORK/P.wg0.key" "$(V_KEY)" "$dst" 51820 \
			"$([ $host = V ] && echo tap0 || echo veth0)"
		wait_for 20 grep -q ready "$WORK/watch.log" || { nok "$title" "$(cat "$WORK/watch.log")" && return; }
		if [ $host = V ]; then
			vm_sh V 'selftests/tools/inner.py table 10.9.0.1 fd09::1'
		else
			on W "$SELFTESTS/tools/inner.py" table 10.9.0.1 fd09::1
		fi >"$WORK/table.$host" 2>&1
		wait "${SPAWN_PID[watch]}" || cat "$WORK/table.$host" >>"$WORK/watch.log"
		mv "$WORK/watch.log" "$WORK/outers.$host"
	done
	same_text outers "$title"
}

# ---- configurations ----

# Each step is printed, then what wg says to it and what it made of it.
config_script() {
	local k
	for k in k1 k2 k3; do
		key_for C $k
	done
	(umask 077 && wg genpsk >"$WORK/wg0.psk")
	cat <<END
K1=$(pub_of C k1) K2=$(pub_of C k2) K3=$(pub_of C k3) KEYS=$WORK Z=$(head -c 32 /dev/zero | base64)
umask 077; mkdir -p \$KEYS
echo '$(cat "$WORK/C.k1.key")' >\$KEYS/k1; echo '$(cat "$WORK/C.k3.key")' >\$KEYS/k3; echo '$(cat "$WORK/wg0.psk")' >\$KEYS/psk
END
	cat <<'END'
step() {
	local status
	echo "== $*"
	"$@" 2>&1 | sed 's/^/  /'
	status=${PIPESTATUS[0]}
	[ "$status" = 0 ] || echo "  status $status"
	wg show wgt dump 2>&1 | sed "1s/	$PORT	/	PORT	/; s/^/  /"
	wg showconf wgt 2>&1 | sed "s/^ListenPort = $PORT$/ListenPort = PORT/; s/^/    /"
}
PORT=none
s() { step wg set wgt "$@"; }
step true
s private-key /dev/null
s private-key $KEYS/k1
s private-key $KEYS/k1
s listen-port 51999
s listen-port 0
s fwmark 0x1f
s fwmark 31
s fwmark off
s fwmark 4294967295
s fwmark 0xffffffff
s fwmark 0
s peer $K1
s peer $K1 allowed-ips 10.0.0.0/8
s peer $K2
s peer $K2 remove
s peer $K2 remove
s peer $K2 endpoint 192.0.2.1:5
s peer $K2 endpoint 192.0.2.1:65535
s peer $K2 endpoint 192.0.2.1:0
s peer $K2 endpoint [2001:db8::1]:5
s peer $K2 endpoint [::ffff:192.0.2.1]:5
s peer $K2 endpoint [fe80::1%lo]:5
s peer $K2 endpoint [fe80::1]:5
s peer $K2 endpoint 0.0.0.0:5
s peer $K2 endpoint 255.255.255.255:5
s peer $K2 endpoint 224.0.0.1:5
s peer $K2 endpoint [::]:5
s peer $K2 endpoint 192.0.2.1
s peer $K2 allowed-ips 10.1.2.3/8,fd00::1/8
s peer $K2 allowed-ips 10.1.2.3,fd00::1
s peer $K2 allowed-ips 0.0.0.0/0,::/0
s peer $K2 allowed-ips 10.0.0.0/8,10.0.0.0/8,10.0.0.0/9,10.128.0.0/9
s peer $K2 allowed-ips ::ffff:10.0.0.1/128,::10.0.0.1/128,::1/128,127.0.0.1/32
s peer $K2 allowed-ips 10.0.0.0/33
s peer $K2 allowed-ips
s peer $K2 allowed-ips ''
s peer $K2 allowed-ips 10.3.0.0/16,10.1.0.0/16,10.2.0.0/16,fd03::/16,fd01::/16
s peer $K3 allowed-ips 10.1.0.0/16
s peer $K3 allowed-ips 10.4.0.0/16 peer $K2 allowed-ips 10.4.0.0/16
s peer $K2 allowed-ips 10.5.0.0/16 peer $K2 allowed-ips 10.6.0.0/16
s peer $K3 persistent-keepalive 25
s peer $K3 persistent-keepalive 65535
s peer $K3 persistent-keepalive 65536
s peer $K3 persistent-keepalive off
s peer $K3 preshared-key $KEYS/psk
s peer $K3 preshared-key /dev/null
s peer $Z allowed-ips 10.9.9.0/24
s peer $Z remove
s private-key $KEYS/k3
s peer $K1 endpoint 192.0.2.9:9 allowed-ips 10.7.0.0/16 persistent-keepalive 7 preshared-key $KEYS/psk
s private-key /dev/null
s peer $K3 allowed-ips 10.8.0.0/16
s private-key $KEYS/k3
printf '[Interface]
ListenPort = 7
FwMark = 0x9
PrivateKey = %s

[Peer]
PublicKey = %s
AllowedIPs = 10.20.0.0/16, fd20::/16
Endpoint = 192.0.2.2:2

[Peer]
PublicKey = %s
AllowedIPs = 10.20.0.0/16
' "$(cat $KEYS/k1)" $K2 $K3 >$KEYS/conf
step wg addconf wgt $KEYS/conf
step wg syncconf wgt $KEYS/conf
step wg setconf wgt $KEYS/conf
printf '[Interface]
PrivateKey = %s

[Peer]
PublicKey = %s
AllowedIPs = 10.21.0.0/16
PersistentKeepalive = 3
' "$(cat $KEYS/k1)" $K3 >$KEYS/conf2
step wg syncconf wgt $KEYS/conf2
step wg setconf wgt /dev/null
s listen-port 51998
step ip link set wgt up
s listen-port 51997
step ip link set wgt down
s listen-port 0
ip link set wgt up
for i in $(seq 100); do PORT=$(wg show wgt listen-port); [ "$PORT" = 0 ] || break; sleep 0.05; done
step true
step ip link set wgt down
ip link set wgt up
step true
s listen-port 51820
s private-key $KEYS/nosuch
s peer nonsense
END
	echo "s $(for k in $(seq 0 40); do echo "peer $(printf %032d "$k" | base64) allowed-ips 10.30.$k.0/24,fd30:$k::/32"; done | tr '\n' ' ')"
	echo 's private-key $KEYS/k1'
}

check 'set up' setup || finish
probe handshakes socket
probe data socket
# The tool repeats an initiation (148 bytes) that is not answered (92), as one that comes too soon on a busy machine.
both transfer "wg show wg0 transfer | head -n 1 | awk '{ print \$2 % 148, \$3 % 92 }'"
same_text transfer 'P-UA-3 bytes received and sent'
check 'attach' wgx W attach eth0
probe data tcx
probe rate tcx
outers 'P-DT-5 P-DT-7 P-DT-8 P-DT-9 outer v4: headers' 10.0.0.2 10.0.9.2
outers 'P-DT-5 P-DT-7 P-DT-8 P-DT-9 outer v6: headers' fd00::2 fd00:0:0:9::2

# Applications hear the same, but for one thing: where nobody is to be sent to, the driver's send fails at once,
# and wgx's does not.
both errors "selftests/tools/inner.py errors 10.9.0.99 fd09::99 10.9.0.50 fd09::50 10.9.0.1 fd09::1"
sed -i 's/ E\(NOKEY\|DESTADDRREQ\)$/ ok/' "$WORK/errors.V"
same errors 'P-DT-4'

vm_sh V 'ip link add wgt type wireguard'
impl_up W wgt wgx
both config "$(config_script)"
same_text config 'P-UA-2 P-UA-5 P-UA-6 configurations: the same text'
finish
