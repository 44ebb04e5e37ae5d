#!/bin/bash
# SPDX-License-Identifier: MIT
# wgx boot: files in the manner of NetBSD's /etc/ifconfig.wg0; what is wrong in them; what is undone.
#
#	A wg0 10.2.0.42, fd00:2::42 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.2.0.1, fd00:2::1 B
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/../lib.sh"
require wg jq
require_wgx
PATH=$BUILD:$PATH

F=$WORK/ifconfig.wg0
boot() { wgx A boot wg0 "$F"; }
gone() { ! on A ip link show wg0; }
# fails TEXT: booting from standard input's text fails with this line after the file's name, and leaves nothing
fails() {
	local text=$1 status=0 want
	want="wgx: $F$text"
	cat >"$F"
	boot >"$WORK/out" 2>"$WORK/err" || status=$?
	check_equal "fails: $F$text" "$status $(cat "$WORK/err")" "1 $want"
	check 'and leaves nothing' gone
}

underlay_pair
impl_up B wg0 wgx
key_for A wg0
key_for B wg0
on B wg set wg0 listen-port 1234 private-key "$WORK/B.wg0.key"
wg_peer B wg0 A wg0 allowed-ips 10.2.0.42/32,fd00:2::42/128
addr B wg0 10.2.0.1/24 fd00:2::1/64
on B ip link set wg0 up

# ---- one that works ----

cat >"$F" <<END
# the tunnel to B

create
inet 10.2.0.42/24
  inet 10.2.0.43/24 alias
inet6 fd00:2::42/64 \\
	mtu 1380
description "the tunnel 'to' B"
!wgconfig \$int set private-key $WORK/A.wg0.key
!wgconfig \$int add peer B $(pub_of B wg0) \\
	--allowed-ips=10.2.0.1/32,fd00:2::1/128 \\
	--endpoint=192.0.2.2:1234
up
!ip route add 10.9.0.0/16 dev \$int && echo "\$int is up"
END
check_equal 'boot' "$(boot 2>&1)" 'wg0 is up'
check 'ping' ping_ok A 10.2.0.1
check 'ping, IPv6' ping_ok A fd00:2::1
check_equal 'addresses' "$(on A ip -o -br addr show dev wg0 | tr -s ' ' | cut -d' ' -f3-)" \
	'10.2.0.42/24 10.2.0.43/24 fd00:2::42/64 '
check_equal 'mtu, description' "$(on A cat /sys/class/net/wg0/mtu /sys/class/net/wg0/ifalias)" "1380
the tunnel 'to' B"
check_equal 'the name' "$(wgx A show wg0 peer B | head -n 1)" "peer: $(pub_of B wg0)"
cp "$F" "$WORK/good"
before=$(wgx A show --json | jq -c '.pid, [.interfaces[].peers[].name]')
check_equal 'not twice' "$(boot 2>&1)" 'wgx: wg0: the name is taken by another interface'
check_equal 'and that changes nothing' "$(wgx A show --json | jq -c '.pid, [.interfaces[].peers[].name]')" "$before"
on A ip link delete wg0
check 'deleted' gone

# ---- by default it is /etc/ifconfig.wg0 ----

on A sh -c 'cp -a /etc /run/etc && mount --bind /run/etc /etc'
cp "$WORK/good" "$WORK/etc" && on A cp "$WORK/etc" /etc/ifconfig.wg0
check 'boot without a file' wgx A boot wg0
check 'ping' ping_ok A 10.2.0.1
on A ip link delete wg0

# ---- what is wrong in a file: nothing is made ----

fails ":2: 'media' is no parameter and no address" <<<$'inet 10.2.0.42/24\nmedia auto'
fails ":1: 'dhcp' is no parameter and no address" <<<dhcp
fails ':3: the address has no length: say ADDRESS/LENGTH' <<<$'# a\n\ninet 10.2.0.42'
fails ':1: destroy has no place here' <<<'up destroy'
fails ':2: a quote without its end' <<<$'up\ndescription "x'
fails ':1: a character that is special to sh: quote it' <<<"description \$int"
# shellcheck disable=SC2016
fails ':1: a character that is special to sh: quote it' <<<'up; echo'
fails ':1: more than 64 words' <<<"$(printf 'up %.0s' {1..65})"
fails ':1: more than 32 parameters' <<<"$(printf 'up %.0s' {1..33})"
fails ':5: mtu: no value given' <<<$'inet 10.2.0.42/24\ninet6 \\\nfd00::1/64 \\\n up\nmtu'
fails ':2: a NUL byte' < <(printf 'up\nin\0et\n')
check_equal 'a directory' "$(wgx A boot wg0 /run 2>&1)" 'wgx: /run:1: Is a directory'
rm "$F"
check_equal 'no file' "$(boot 2>&1)" "wgx: $F: No such file or directory"
check 'leaves nothing' gone

# ---- what fails later is undone ----

fails ':2: the command failed: exit status 7' <<<$'up\n!exit 7\n!touch '"$WORK/never"
fails ':1: the command died: Killed' <<<"!kill -9 \$\$"
check 'nothing comes after it' test ! -e "$WORK/never"
fails ':2: wg0: 10.3.0.1/32: Cannot assign requested address' <<<$'inet 10.2.0.42/24\ninet 10.3.0.1 delete up'

# ---- the unit ----

if command -v systemd-analyze >/dev/null; then
	on A sh -c "mount -t tmpfs tmpfs /usr/local/sbin && cp '$WGX' /usr/local/sbin/wgx"
	check_equal 'the unit is one' "$(on A systemd-analyze verify --man=no "$TOP/deploy/wgx-boot@.service" 2>&1)" ''
else
	skip 'the unit is one' 'needs systemd-analyze'
fi

# ---- arguments ----

usage() { check_equal "wgx boot ${*:2}" "$(wgx A boot "${@:2}" 2>&1) $?" "wgx boot: $1 (see 'wgx help boot') 2"; }
usage 'no interface given'
usage "one file at a time: unexpected 'c'" a b c
usage "interface name 'a/b' contains '/'" a/b
usage "unknown option '-x'" -x wg0
finish
