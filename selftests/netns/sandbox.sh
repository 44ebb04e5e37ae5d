#!/bin/bash
# SPDX-License-Identifier: MIT
# What the daemon may do after its start: few capabilities, no new privileges, a filter of system calls in each
# thread, of which a forbidden one kills the process. And who may talk to it: root, and one group if one is named.
#
#	A wg0 10.7.0.1 -- eth0 ==== eth0 -- wg0 10.7.0.2 B     C wg0 (alone)
. "$(dirname "$0")/../lib.sh"
require wg jq setpriv
require_wgx

check 'a tunnel' tunnel_pair wgx wgx 4 no || finish
check 'attached' attach_pair wgx wgx
check 'ping' ping_ok A 10.7.0.2
pid=$(daemon_pid A wg0)

# threads FIELD: "name value" of each thread, sorted
threads() {
	# shellcheck disable=SC2016
	on A sh -c 'for t in /proc/$1/task/*/status; do
		awk -v f="$2:" "\$1 == \"Name:\" { n = \$2 } \$1 == f { print n, \$2 }" "$t"; done' sh "$pid" "$1" | sort
}
threads Seccomp >"$WORK/seccomp"
check 'it has its threads' test "$(grep -cE '^wgx(-seal|-open|-protocol|-netns)? ' "$WORK/seccomp")" -ge 5
check 'each thread has a filter' not grep -qv ' 2$' "$WORK/seccomp"
check 'and cannot have new privileges' not grep -qv ' 1$' <(threads NoNewPrivs)
# NET_BROADCAST 11, NET_ADMIN 12, NET_RAW 13, IPC_LOCK 14, PERFMON 38, BPF 39
for field in CapEff CapPrm; do
	check "$field of the workers: none" test "$(threads $field | grep -cE '^wgx-(seal|open) 0000000000000000$')" = 2
	check "$field of the others: six" not grep -qvE ' 000000c000007800$' <(threads $field | grep -vE '^wgx-(seal|open) ')
done
check 'CapInh: none' not grep -qv ' 0000000000000000$' <(threads CapInh)
if [ -n "$(threads Seccomp_filters)" ]; then
	check 'the workers have a narrower one' test "$(threads Seccomp_filters | awk '/^wgx-(seal|open) / { w += $2 }
		/^wgx-protocol / { p = $2 } END { print (w == 2 * (p + 1)) }')" = 1
fi

# ---- a forbidden call ----

if command -v gdb >/dev/null; then
	host_add C
	check 'a daemon' wgx_logged C wg0
	on C ip link set wg0 up
	# gdb makes the call in the daemon's place; that the process is gone at once is more than gdb expects
	on C prlimit --core=0 timeout 60 gdb -nx -batch -p "$(cat "$WORK/C.wg0.pid")" -ex 'call (int)getppid()' \
		>"$WORK/gdb.log" 2>&1
	wait "${SPAWN_PID[C.wg0]}" 2>/dev/null
	check_equal 'a forbidden call ends it with SIGSYS' $? $((128 + $(kill -l SYS)))
	unset 'SPAWN_PID[C.wg0]' 'SPAWN_HOST[C.wg0]'
	check 'wg0 stays' on C ip link show wg0
	check 'and the next daemon takes it over' impl_up C wg0 wgx
else
	skip 'a forbidden call ends it with SIGSYS' 'needs gdb'
fi

# its end is a way through the code of its own
host_add E
check 'a daemon' wgx_logged E wg0
check 'with a LAN device' on E sh -c 'ip link set wg0 up && ip link add lan0 type veth peer name lan1 && ip link set lan0 up'
# files: what is not its own is refused, though they are root's; it goes on to make what is
if command -v gdb >/dev/null && python3 -c 'import ctypes, sys; sys.exit(ctypes.CDLL(None).syscall(444, None, 0, 1) < 1)'; then
	on E timeout 60 gdb -nx -batch -p "$(cat "$WORK/E.wg0.pid")" -ex 'print (int)open("/etc/passwd", 0)' \
		-ex 'print (int)open("/proc/sys/kernel/core_pattern", 1)' -ex 'print (int)open("/proc/self/status", 0)' \
		>"$WORK/gdb.log" 2>&1
	check_equal "what it reads: not others' files, nor sets the machine up" \
		"$(sed -n 's/^\$[12] = //p' "$WORK/gdb.log" | tr '\n' ' ')" '-1 -1 '
	check 'its own in /proc' grep -q '^\$3 = [0-9]' "$WORK/gdb.log"
else
	skip 'files that are not its own' 'needs gdb and Landlock'
fi
on E umount /sys/fs/bpf
on E mount -t bpf bpf /sys/fs/bpf
check 'another bpffs: an interface, strict mode, the router path' on E sh -c "'$WGX' wg1 && '$WGX' attach lan0 --lan --strict"
check 'detach' wgx E detach lan0
on E kill -TERM "$(cat "$WORK/E.wg0.pid")"
wait "${SPAWN_PID[E.wg0]}" 2>/dev/null
check_equal 'that is told to end ends well' $? 0
unset 'SPAWN_PID[E.wg0]' 'SPAWN_HOST[E.wg0]'

# ---- what the units leave ----

host_add D
mkdir -m 0700 "$WORK/d"
printf '[Interface]\nPrivateKey = %s\nAddress = 10.8.0.1/24\nPostUp = ip netns add x && ip netns exec x true\nPreDown = ip netns del x\n' \
	"$(cat "$WORK/A.wg0.key")" >"$WORK/d/wg0.conf"
for unit in "$TOP"/deploy/wgx@.service "$TOP"/deploy/wgx-boot@.service; do
	left=$(sed -n 's/^CapabilityBoundingSet=~//p' "$unit" | tr ' ' '\n' | sed 's/^CAP_/-/' | tr A-Z a-z | paste -sd,)
	check "$(basename "$unit") leaves capabilities out" test "$(tr , '\n' <<<"$left" | wc -l)" -gt 10
	check 'wgx up without them, and ip netns in a hook' on D setpriv --bounding-set "$left" "$WGX" up "$WORK/d/wg0.conf"
	check 'the interface is configured' on D wg show wg0
	check 'wgx down' on D setpriv --bounding-set "$left" "$WGX" down "$WORK/d/wg0.conf"
	check 'it is gone' wait_for 20 not on D ip link show wg0
done

# ---- who may talk to it ----

user=(setpriv --reuid 65534 --regid 65534 --clear-groups)
member=(setpriv --reuid 65534 --regid 65534 --groups 4242)
stranger=(setpriv --reuid 65533 --regid 65533 --clear-groups)
mode() { on A stat -c '%a %u:%g' "$1"; }
sockets=(/run/wireguard/wg0.sock)
sockets+=("$(on A sh -c 'ls /run/wgx/*.sock')")
check_equal 'the configuration socket is root'\''s alone' "$(mode "${sockets[0]}")" '600 0:0'
check_equal 'the control socket is of the directory'\''s group too' "$(mode "${sockets[1]}")" '660 0:0'
# somebody has opened the way as far as files go
on A chmod 0755 /run/wireguard /run/wgx
on A chmod 0666 "${sockets[@]}"
check 'root is answered' on A wg show wg0
check 'a user is not, whatever the mode of the socket' not on A "${user[@]}" wg show wg0
check 'whom the files let may look' on A "${user[@]}" "$WGX" show
check 'and make nothing' not on A "${user[@]}" "$WGX" wg1
check 'which is not there' not on A ip link show wg1
on A ip link del wg0
check 'the daemon ends' wait_for 20 not on A sh -c 'ls /run/wgx/*.sock'

check 'WGX_GROUP names no group' not on A env WGX_GROUP=nosuchgroup "$WGX" wg0
check 'and no interface is left' not on A ip link show wg0
on A chmod 0700 /run/wireguard /run/wgx
check 'WGX_GROUP=4242' wait_for 20 on A env WGX_GROUP=4242 "$WGX" wg0
sockets=(/run/wireguard/wg0.sock)
sockets+=("$(on A sh -c 'ls /run/wgx/*.sock')")
for s in "${sockets[@]}"; do
	check_equal "$s is the group's too" "$(mode "$s")" '660 0:4242'
	check_equal "the directory can be passed through" "$(mode "${s%/*}")" '2710 0:4242'
done
check 'a member is answered' wait_for 10 on A "${member[@]}" wg show wg0
check 'with wgx show too' on A "${member[@]}" "$WGX" show
check 'a stranger is not' not on A "${stranger[@]}" wg show wg0
on A chmod 0666 "${sockets[@]}"
on A chmod 0755 /run/wireguard /run/wgx
check 'nor where the files would let him' not on A "${stranger[@]}" wg show wg0
check 'root is answered' on A wg show wg0
finish
