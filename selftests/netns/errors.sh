#!/bin/bash
# SPDX-License-Identifier: MIT
# Errors that a user meets: each says what is wrong, on stderr, with a status that is not 0, and
# leaves nothing behind.
#
#	A eth0 192.0.2.1 ==== 192.0.2.2 eth0 B
. "$(dirname "$0")/../lib.sh"
require wg jq socat
require_wgx

[ -x "$BUILD/selftests/tools/nobpf" ] || bail 'tools are built' 'run make tools'

underlay_pair
install -m 0755 "$WGX" "$WORK/wgx" # where nobody can read it

state() { # what a failed command could leave behind on A; a lock file may stay, it holds nothing
	on A sh -c 'ls /sys/class/net
		ls -d /run/wireguard/* /run/wgx/* /sys/fs/bpf/wgx/* /sys/fs/bpf/wgx/*/* | grep -v "\.lock$"
		cat /proc/[0-9]*/comm | grep wgx
		bpftool net show dev eth0 | grep -v "^$"' 2>/dev/null
}

# refused NAME pattern command ...: on A; fails, says so on stderr in one line or few, changes nothing
refused() { check "$1" refused_ "${@:2}"; }
refused_() {
	local pattern=$1 before status
	shift
	before=$(state)
	on A timeout 20 "$@" </dev/null >"$WORK/out" 2>"$WORK/err"
	status=$?
	echo "status $status, stderr:"
	cat "$WORK/err"
	wait_for 5 same_state "$before" || { echo 'left behind:' && diff <(echo "$before") <(state); return 1; }
	[ $status != 0 ] && [ $status != 124 ] && [ $status -lt 128 ] || return
	grep -qiE "$pattern" "$WORK/err" || { echo "which does not say $pattern" && return 1; }
	[ "$(wc -l <"$WORK/err")" -le 6 ] || { echo 'which is too long' && return 1; }
}
same_state() { [ "$(state)" = "$1" ]; }

nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all)
refused 'no command' 'usage|help' "$WGX"
refused 'an unknown option' 'nonsense|usage' "$WGX" --nonsense
refused 'not root' 'root|CAP_NET_ADMIN|permission|permitted' "${nobody[@]}" "$WORK/wgx" wg0
refused 'not root, in the foreground' 'root|CAP_|permission|permitted' "${nobody[@]}" "$WORK/wgx" -f wg0
refused 'not root, attach' 'root|CAP_|permission|permitted|no daemon|not running' \
	"${nobody[@]}" "$WORK/wgx" attach eth0
refused 'no BPF' 'bpf' "$BUILD/selftests/tools/nobpf" "$WGX" wg0
refused 'no CAP_NET_ADMIN' 'root|CAP_|permission|permitted' setpriv --bounding-set=-net_admin \
	--inh-caps=-net_admin "$WGX" wg0
refused 'a name that is too long' '15|too long' "$WGX" wg0123456789abcdef
refused 'a name with a slash' 'name|invalid' "$WGX" ../wg0
refused 'an empty name' 'name|invalid|usage' "$WGX" ''
refused 'a name that is taken' 'eth0.*(exists|taken|in use|already)|(exists|taken|in use|already).*eth0' \
	"$WGX" eth0
refused 'attach without a daemon' 'daemon|running|wgx wg' "$WGX" attach eth0
refused 'detach without a daemon' 'daemon|running|wgx wg' "$WGX" detach eth0

check 'wgx wg0' impl_up A wg0 wgx || finish
key_for A wg0
refused 'the same interface twice' 'wg0.*(exists|taken|in use|already|runs)|already.*wg0' "$WGX" wg0
refused 'attach an unknown device' 'nosuch0' "$WGX" attach nosuch0
refused 'attach a device without a name' 'usage|device|name' "$WGX" attach
refused 'attach in an unknown mode' 'mode|warp' "$WGX" attach eth0 --mode warp
refused 'detach what is not attached' 'eth0' "$WGX" detach eth0
refused 'show an unknown interface' 'nosuch0' "$WGX" show nosuch0
refused 'pubkey of a malformed key' 'key' sh -c "echo not-a-key | $WGX pubkey"

check 'a key is made' sh -c "$WGX genkey | $WGX pubkey | grep -qE '^[A-Za-z0-9+/]{43}=\$'"
check_equal 'pubkey as wg computes it' "$("$WGX" pubkey <"$WORK/A.wg0.key")" "$(pub_of A wg0)"
check '--version' "$WGX" --version
check '--help' sh -c "$WGX --help | grep -q attach"

uapi() { printf '%b' "$1" | on A socat -t 5 STDIO UNIX-CONNECT:/run/wireguard/wg0.sock; }
errno_of() { uapi "$1" | sed -n 's/^errno=//p'; }
is_error() { # is_error request
	local e
	e=$(errno_of "$1")
	echo "errno=$e"
	[ -n "$e" ] && [ "$e" != 0 ]
}
check_equal 'UAPI get' "$(errno_of 'get=1\n\n')" 0
check 'UAPI: a malformed key' is_error 'set=1\nprivate_key=zz\n\n'
check 'UAPI: a key too short' is_error 'set=1\nprivate_key=00ff\n\n'
check 'UAPI: an unknown word' is_error 'set=1\nnonsense=1\n\n'
check 'UAPI: a port out of range' is_error 'set=1\nlisten_port=65536\n\n'
check 'UAPI: a malformed endpoint' is_error "set=1\npublic_key=$(printf %064d 7)\nendpoint=1.2.3.4\n\n"
check 'UAPI: a malformed allowed IP' is_error "set=1\npublic_key=$(printf %064d 7)\nallowed_ip=10.0.0.0/33\n\n"
check_equal 'no half-configured peer' "$(on A wg show wg0 peers)" ''
check_equal 'UAPI goes on' "$(errno_of 'get=1\n\n')" 0

spawn A squat socat UDP-LISTEN:51999 STDIO
wait_for 10 sh -c "nsenter -t ${HOST_PID[A]} -n ss -Huln 'sport = :51999' | grep -q ."
on A ip link set wg0 up
refused 'a port in use' 'in use' wg set wg0 listen-port 51999
stop squat
check 'the port once it is free' on A wg set wg0 listen-port 51999
refused 'wg: a malformed key' 'key' wg set wg0 peer not-a-key
refused 'a second interface on a port in use' 'in use' sh -c \
	"$WGX wg1 >/dev/null 2>&1; ip link set wg1 up; wg set wg1 listen-port 51999; s=\$?; ip link del wg1; sleep 1; exit \$s"
check 'wg0 still answers' on A wg show wg0
finish
