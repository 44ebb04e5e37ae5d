#!/bin/bash
# SPDX-License-Identifier: MIT
# Private and preshared keys come out of `wg show` and `wg showconf`, for root, and nowhere else: not in the
# log, not in a command line or an environment, not in `wgx show`, not in a BPF map, a file or a core.
#
#	A wg0 10.7.0.1 -- eth0 ==== eth0 -- wg0 10.7.0.2 B
#	  wgx -f wg0, WGX_LOG=debug
. "$(dirname "$0")/../lib.sh"
require wg jq bpftool
require_wgx

underlay_pair
spawn A daemon env WGX_LOG=debug "$WGX" -f wg0
check 'wgx -f wg0' wait_for 20 on A wg show wg0 || finish
impl_up B wg0 wgx
umask 077
key_for A wg0
key_for B wg0
wg genpsk >"$WORK/psk"
private=$(cat "$WORK/A.wg0.key") psk=$(cat "$WORK/psk")
check 'P-UA-6 wg set private-key takes it from a file' on A wg set wg0 listen-port 51820 private-key "$WORK/A.wg0.key"
check_equal 'P-UA-6 wg show private-key' "$(on A wg show wg0 private-key)" "$private"
on B wg set wg0 listen-port 51820 private-key "$WORK/B.wg0.key"
wg_peer A wg0 B wg0 preshared-key "$WORK/psk" endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32
wg_peer B wg0 A wg0 preshared-key "$WORK/psk" allowed-ips 10.7.0.1/32
for h in A B; do on $h ip link set wg0 up; done
addr A wg0 10.7.0.1/24
addr B wg0 10.7.0.2/24
check 'attach' attach_pair wgx wgx
check 'ping' ping_ok A 10.7.0.2
# what makes a daemon talk: refused requests, with keys in them, and a handshake that fails
hex() { base64 -d <<<"$1" | od -An -v -tx1 | tr -d ' \n'; }
for request in "private_key=$(hex "$private")00" "private_key=$(hex "$private")\\nlisten_port=x" \
	"private_key=$(hex "$private")\\npublic_key=$(hex "$(pub_of B wg0)")\\npreshared_key=$(hex "$psk")\\nendpoint=x" \
	"$(hex "$private")" "preshared_key=$(hex "$psk")"; do
	on A python3 "$SELFTESTS/netns/uapi.py" ask "set=1\\n$request\\n\\n" >>"$WORK/answers"
done
check_equal 'P-UA-4 all of them are refused' "$(grep -c 'errno=-' "$WORK/answers")" 5
# what a debugger or a crash would write of its memory, while sessions are in use
if command -v gcore >/dev/null; then
	check 'a session is in use' ping_ok B 10.7.0.1
	on A gcore -o "$WORK/core" "$(cat "$WORK/daemon.pid")" >"$WORK/gcore.log" 2>&1
fi
on B wg set wg0 peer "$(pub_of A wg0)" preshared-key /dev/null
on A ip link set wg0 down
on A ip link set wg0 up
on A ping -q -c 1 -w 2 10.7.0.2 >/dev/null
check 'a handshake fails' not ping_ok A 10.7.0.2 -w 1

on A sh -c 'for p in /proc/[0-9]*; do cat $p/cmdline $p/environ 2>/dev/null | tr "\0" "\n"; done' >"$WORK/processes"
wgx A show >"$WORK/show"
wgx A show --json >"$WORK/json"
on A wg show wg0 >"$WORK/wgshow"
for m in $(on A sh -c 'ls /sys/fs/bpf/wgx/wg0/*'); do
	# large arrays hold counts only, and take long
	case $m in */credit | */xsks) ;; *) on A bpftool -j map dump pinned "$m" ;; esac
done | tr -d '", ' | sed 's/0x//g' >"$WORK/maps"
on A find /run -type f -exec cat {} + >"$WORK/files"
sed 's/^/log: /' "$WORK/daemon.log" >"$WORK/log"

# found FILE: a secret stands in there, as base64, hexadecimal or bytes
found() {
	local secret
	for secret in "$private" "$psk"; do
		grep -qF -e "${secret%=}" "$1" && return
		grep -qiF -e "$(hex "$secret")" "$1" && return
		# a newline among the bytes would divide them for grep
		[ "$(od -An -v -tx1 "$1" | tr -d ' \n' | grep -cF -e "$(hex "$secret")")" = 0 ] || return 0
	done
	return 1
}
# in_core FILE SECRET: among its bytes, as they are or as hexadecimal or base64 text
in_core() {
	python3 - "$1" "$2" <<-'END'
		import base64, mmap, sys
		key = base64.b64decode(sys.argv[2])
		with open(sys.argv[1], "rb") as f:
		    core = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
		forms = [key, key.hex().encode(), key.hex().upper().encode(), base64.b64encode(key)[:-1]]
		# a part of a key is one too
		forms += [key[:16], key[16:]]
		sys.exit(not any(core.find(form) >= 0 for form in forms))
	END
}
check 'the search finds one in base64' found "$WORK/A.wg0.key"
hex "$psk" >"$WORK/hex"
check 'in hexadecimal' found "$WORK/hex"
base64 -d <"$WORK/A.wg0.key" >"$WORK/bytes"
check 'and in bytes' found "$WORK/bytes"
check 'P-UA-6 the log has what happened' grep -q 'wg0: up' "$WORK/log"
check 'P-UA-6 and no secret' not found "$WORK/log"
check 'P-UA-6 no command line or environment has one' not found "$WORK/processes"
check 'P-UA-6 nor wgx show' not found "$WORK/show"
check 'P-UA-6 nor wgx show --json' not found "$WORK/json"
check 'P-UA-6 nor wg show, which hides them' not found "$WORK/wgshow"
check 'P-UA-6 the BPF maps have the public key' grep -qi "$(hex "$(pub_of B wg0)")" "$WORK/maps"
check 'P-UA-6 and no secret' not found "$WORK/maps"
if ls "$WORK"/core.* >/dev/null 2>&1; then
	check 'P-HS-10 a core has the public key' in_core "$WORK"/core.* "$(pub_of B wg0)"
	check 'P-HS-10 and not the private one' not in_core "$WORK"/core.* "$private"
	check 'P-HS-10 nor the preshared one' not in_core "$WORK"/core.* "$psk"
else
	skip 'P-HS-10 a core has no secret' 'needs gcore, of gdb'
fi
check 'P-UA-6 nor a file in /run' not found "$WORK/files"

# ---- the tools: wgx up, which has the keys of a file, and what it leaves; wgconfig; the makers of keys ----

mkdir "$WORK/up" "$WORK/cores"
if command -v gcore >/dev/null; then core=gcore; else core=:; fi
cat >"$WORK/up/wg1.conf" <<-END
	[Interface]
	PrivateKey = $private
	SaveConfig = true
	PostUp = cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ | tr '\\0' '\\n' >$WORK/up.processes; env >$WORK/up.env
	PostUp = $core -o $WORK/up.core \$PPID >/dev/null 2>&1; true
	PreDown = $core -o $WORK/down.core \$PPID >/dev/null 2>&1; true
	[Peer]
	Name = b
	PublicKey = $(pub_of B wg0)
	PresharedKey = $psk
	Endpoint = localhost:51821
END
spawn A monitor "$WGX" monitor --json
check 'wgx up' on A env WGX_LOG=debug "$WGX" up "$WORK/up/wg1.conf" 2>"$WORK/up.said"
check_equal 'it has the keys' "$(on A wg show wg1 private-key) $(on A wg show wg1 preshared-keys | cut -f 2)" "$private $psk"
check 'a hook saw wgx up' grep -qx 'up' "$WORK/up.processes"
for f in up.processes up.env; do
	check "no command line or environment has one: $f" not found "$WORK/$f"
done
resolver=$(on A sh -c 'grep -lx wgx-resolver /proc/[0-9]*/comm' | cut -d/ -f3)
check 'the resolver is there' [ -n "$resolver" ]
on A $core -o "$WORK/resolver.core" "$resolver" >/dev/null 2>&1
ln -sf "$WGX" "$WORK/wgconfig"
ln -sf "$WGX" "$WORK/wg-keygen"
check 'wgconfig takes it from a file' on A "$WORK/wgconfig" wg1 set private-key "$WORK/A.wg0.key"
for c in "$WORK/wgconfig wg1" "$WORK/wgconfig wg1 show peer b" "$WGX show" "$WGX show --json" "$WGX show --drops" \
	"$WGX top --once" "$WGX metrics --once" "$WGX doctor --json"; do
	# shellcheck disable=SC2086
	on A $c
done >"$WORK/outputs" 2>&1
check 'wgconfig hides them, as others do' sh -c "grep -q 'private-key: (hidden)' $WORK/outputs && grep -q 'preshared-key: (hidden)' $WORK/outputs"
check 'nothing that is printed has one' not found "$WORK/outputs"
check_equal 'unless asked for' "$(on A "$WORK/wgconfig" wg1 show private-key | awk '{ print $NF }')" "$private"
check 'wgx down' on A "$WGX" down "$WORK/up/wg1.conf" 2>>"$WORK/up.said"
check 'it saves them' grep -qF "$private" "$WORK/up/wg1.conf"
check_equal 'for root alone' "$(stat -c %a "$WORK/up/wg1.conf")" 600
stop monitor
check 'the events are there, and no secret' sh -c "grep -q wg1 $WORK/monitor.log"
check 'nor there' not found "$WORK/monitor.log"
check 'nor in what up and down say' not found "$WORK/up.said"
sed 's/^/log: /' "$WORK/daemon.log" >"$WORK/log"
check 'nor in the log' not found "$WORK/log"
on A find /run -type f -exec cat {} + >"$WORK/files"
check 'nor in /run' not found "$WORK/files"
for c in up down resolver; do
	if [ $core = : ]; then
		skip "a core of $c" 'needs gcore, of gdb'
		continue
	fi
	check "a core of $c is there" test -s "$(echo "$WORK/$c.core".*)"
	check "a core of $c has not the private key" not in_core "$WORK/$c.core".* "$private"
	check "a core of $c has not the preshared key" not in_core "$WORK/$c.core".* "$psk"
done

# dies NAME command ...: with $INPUT on standard input, or in the FIFO that it is told to read, and more to come; what the
# kernel makes of that is in $WORK/cores
INPUT=${private:0:40}
mkfifo "$WORK/fifo.conf"
exec 7<>"$WORK/fifo.conf"
drained() { python3 -c 'import fcntl, sys, termios; sys.exit(fcntl.ioctl(7, termios.FIONREAD, b"1234") != b"\0\0\0\0")'; }
dies() {
	rm -f "$WORK"/cores/*
	printf '%s' "$INPUT" >&7
	# shellcheck disable=SC2016
	spawn A "$1" sh -c 'cd "$1" && ulimit -c unlimited && shift && exec "$@" <"$0"' "$WORK/fifo.conf" "$WORK/cores" "${@:2}"
	wait_for 10 drained || return
	on A kill -ABRT "$(cat "$WORK/$1.pid")"
	wait "${SPAWN_PID[$1]}"
	[ $? = 134 ] && unset "SPAWN_HOST[$1]" "SPAWN_PID[$1]"
}
leaves_none() { dies "$@" && [ -z "$(ls "$WORK/cores")" ]; }
case $(cat /proc/sys/kernel/core_pattern) in
core | core.%p)
	check 'cat leaves a core, and the key in it' dies cat cat
	check 'which is found' grep -qaF "${private:0:40}" "$WORK"/cores/core*
	check 'wgx pubkey leaves none' leaves_none pubkey "$WGX" pubkey
	check 'wg-keygen --pub leaves none' leaves_none keygen "$WORK/wg-keygen" --pub
	check 'wgconfig leaves none' leaves_none wgconfig "$WORK/wgconfig" wg0 set private-key "$WORK/fifo.conf"
	printf -v INPUT '[Interface]\nPrivateKey = %s' "$private" # not for wgx's environment
	check 'wgx up' dies up "$WGX" up "$WORK/fifo.conf"
	check 'has no key in its core, if there is one' not grep -qaF "${private:0:40}" "$WORK"/cores/*
	;;
*) skip 'cores that the kernel writes' 'they go elsewhere here' ;;
esac
finish
