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
# in_core SECRET: among its bytes, as they are or as hexadecimal or base64 text
in_core() {
	python3 - "$WORK"/core.* "$1" <<-'END'
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
	check 'P-HS-10 a core has the public key' in_core "$(pub_of B wg0)"
	check 'P-HS-10 and not the private one' not in_core "$private"
	check 'P-HS-10 nor the preshared one' not in_core "$psk"
else
	skip 'P-HS-10 a core has no secret' 'needs gcore, of gdb'
fi
check 'P-UA-6 nor a file in /run' not found "$WORK/files"
finish
