# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Simulated hosts, tunnels and TAP lines, for the scripts under selftests/.
#
# A host is a network, mount and PID namespace of its own. It has a private /run (UAPI sockets,
# control socket), /var/lib (state) and /sys/fs/bpf (pins), because those paths are fixed. Nothing has a name
# outside: when the host's init dies, its processes, devices, mounts and pins are gone with it, so
# two runs never collide and an interrupted run leaves nothing behind.
#
#   host_add A B              make hosts
#   link A eth0 B eth0        join them with a veth, both ends up
#   on A ip addr              run a command on a host, in the foreground
#   spawn A srv iperf3 -s     run one in the background; output in $WORK/srv.log; stop srv
#   impl_up A wg0 wgx         create an interface with wgx or wireguard-go
#   check NAME cmd ...        one TAP line from a command's exit status
#   finish                    the plan; exit status

set -u -o pipefail
export LC_ALL=C
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

SELFTESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(dirname "$SELFTESTS")
BUILD=${BUILD:-build}
case $BUILD in
/*) ;;
*) BUILD=$TOP/$BUILD ;;
esac
WGX=${WGX:-$BUILD/wgx}
WGGO=${WGGO:-wireguard-go}
CLOCKSHIFT=${BUILD%-address-undefined}/selftests/tools/clockshift.so # never with a sanitizer in it
IMPL=${IMPL:-wgx} # what stands at the ends of a tunnel where the test does not say
WORKERS=${WORKERS:-} # with how many seal workers wgx does

WORK=$(mktemp -d "${TMPDIR:-/tmp}/wgx-test.XXXXXX") || exit 1
chmod 0755 "$WORK"
declare -A HOST_PID=()    # host -> its init, in our PID namespace
declare -A HOST_PARENT=() # host -> the unshare process above that
declare -A SPAWN_HOST=()  # name -> host
declare -A SPAWN_PID=()   # name -> nsenter's process here
declare -A CLOCK=()       # host -> its clocks' file, where it has clocks of its own
TESTS=0 FAILED=0

# ---- clean-up ----

cleanup() {
	local h
	trap '' INT TERM HUP
	for h in "${!HOST_PID[@]}"; do
		kill -KILL "${HOST_PID[$h]}" 2>/dev/null
	done
	for h in "${!HOST_PARENT[@]}"; do
		kill -KILL "${HOST_PARENT[$h]}" 2>/dev/null
	done
	wait "${HOST_PARENT[@]}" "${SPAWN_PID[@]}" 2>/dev/null
	HOST_PID=() HOST_PARENT=() SPAWN_HOST=() SPAWN_PID=()
	rm -rf "$WORK"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- TAP ----

diag() { sed 's/^/# /'; }

ok() {
	TESTS=$((TESTS + 1))
	printf 'ok %d - %s\n' $TESTS "$*"
}

# nok NAME [line ...]
nok() {
	local name=$1
	shift
	TESTS=$((TESTS + 1)) FAILED=$((FAILED + 1))
	printf 'not ok %d - %s\n' $TESTS "$name"
	[ $# -eq 0 ] || printf '%s\n' "$@" | diag
}

# skip NAME reason
skip() {
	TESTS=$((TESTS + 1))
	printf 'ok %d - %s # SKIP %s\n' $TESTS "$1" "$2"
}

# check NAME command ...: the command's output is shown where it fails.
check() {
	local name=$1
	shift
	if "$@" >"$WORK/check.log" 2>&1; then
		ok "$name"
	else
		nok "$name" "status $? from: $*"
		tail -n 25 "$WORK/check.log" | diag
		return 1
	fi
}

# check_equal NAME got wanted
check_equal() {
	if [ "$2" = "$3" ]; then
		ok "$1"
	else
		nok "$1" "got '$2', wanted '$3'"
	fi
}

bail() {
	nok "$1" "${@:2}"
	finish
}

finish() {
	printf '1..%d\n' $TESTS
	[ $TESTS -gt 0 ] && [ $FAILED -eq 0 ]
	exit
}

# skip_all reason: for what the machine cannot run.
skip_all() {
	skip "$(basename "$0" .sh)" "$1"
	finish
}

# require command ...: skips the whole script where one is missing.
require() {
	local c
	[ "$(id -u)" = 0 ] || skip_all 'needs root'
	for c; do
		command -v "$c" >/dev/null || skip_all "needs $c"
	done
	unshare --net --mount --pid --fork true 2>/dev/null || skip_all 'cannot make namespaces'
}

# require_impl impl ...: a missing wgx is a failure, a missing wireguard-go is not ours.
require_impl() {
	local i
	for i; do
		case $i in
		wgx) [ -x "$WGX" ] || bail 'wgx is built' "$WGX is not there; run make" ;;
		wireguard-go)
			command -v "$WGGO" >/dev/null || skip_all 'needs wireguard-go'
			[ -c /dev/net/tun ] || skip_all 'needs /dev/net/tun'
			;;
		esac
	done
}

# require_wgx: for scripts that look at what only wgx has.
require_wgx() {
	[ "$IMPL" = wgx ] || skip_all "about wgx, not $IMPL"
	require_impl wgx
}

# wait_for SECONDS command ...: polls until the command succeeds; fails where it does not. SECONDS are of an idle machine:
# a busy one gets 30 at least. try_for SECONDS command ...: so long and no longer.
wait_for() { try_for $(($1 > 30 ? $1 : 30)) "${@:2}"; }
try_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

not() { ! "$@"; }

# fails_with STATUS TEXT command ...: this exit status, and this line on stderr; both outputs are in $WORK/out, err
fails_with() {
	local want=$1 text=$2 status=0
	shift 2
	"$@" >"$WORK/out" 2>"$WORK/err" || status=$?
	echo "status $status"
	cat "$WORK/out" "$WORK/err"
	[ $status -eq "$want" ] && [ "$(cat "$WORK/err")" = "$text" ]
}

# ---- hosts ----

# /proc is still the outer one when this starts, so /proc/self/stat gives the PID that nsenter needs.
# bash, as init, reaps the daemons that end up with it.
# shellcheck disable=SC2016
HOST_INIT='
	read -r pid _ </proc/self/stat
	set -e
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t bpf bpf /sys/fs/bpf
	mount -t tmpfs -o mode=0755 tmpfs /run
	mount -t tmpfs -o mode=0755 tmpfs /var/lib
	echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
	echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad
	ip link set lo up
	echo "$pid" >"$1.new"
	mv "$1.new" "$1"
	sleep infinity &
	while :; do wait; done'

host_add() {
	local h
	for h; do
		setpriv --pdeathsig KILL unshare --kill-child --net --mount --pid --fork \
			--propagation private bash -c "$HOST_INIT" init "$WORK/$h.holder" \
			</dev/null >"$WORK/$h.init.log" 2>&1 &
		HOST_PARENT[$h]=$!
		wait_for 10 test -s "$WORK/$h.holder" ||
			bail "make host $h" "$(cat "$WORK/$h.init.log")"
		HOST_PID[$h]=$(<"$WORK/$h.holder")
	done
}

# host_del A: as if the host's power went.
host_del() {
	local h n
	for h; do
		# bash would report each process that the kill below ends.
		{
			kill -KILL "${HOST_PID[$h]}" "${HOST_PARENT[$h]}"
			wait "${HOST_PARENT[$h]}"
			for n in "${!SPAWN_HOST[@]}"; do
				[ "${SPAWN_HOST[$n]}" = "$h" ] || continue
				wait "${SPAWN_PID[$n]}"
				unset "SPAWN_HOST[$n]" "SPAWN_PID[$n]"
			done
		} 2>/dev/null
		rm -f "$WORK/$h.holder"
		unset "HOST_PID[$h]" "HOST_PARENT[$h]"
	done
}

on() {
	local h=$1
	shift
	nsenter --target "${HOST_PID[$h]}" --mount --net --pid -- "$@"
}

# spawn A NAME command ...
spawn() {
	local h=$1 name=$2
	shift 2
	rm -f "$WORK/$name.pid"
	# shellcheck disable=SC2016
	nsenter --target "${HOST_PID[$h]}" --mount --net --pid -- \
		sh -c 'echo $$ >"$1.new"; mv "$1.new" "$1"; shift; exec "$@"' sh "$WORK/$name.pid" "$@" \
		</dev/null >"$WORK/$name.log" 2>&1 &
	SPAWN_PID[$name]=$!
	SPAWN_HOST[$name]=$h
	wait_for 10 test -s "$WORK/$name.pid"
}

# stop NAME [signal]: ends what spawn started and waits for it.
stop() {
	on "${SPAWN_HOST[$1]}" kill -"${2:-TERM}" "$(<"$WORK/$1.pid")" 2>/dev/null
	wait "${SPAWN_PID[$1]}" 2>/dev/null
	unset "SPAWN_HOST[$1]" "SPAWN_PID[$1]"
}

# capture A NAME DEV [filter ...]: packets into $WORK/NAME.pcap. DEV may be `any`: tcpdump refuses a
# device that is down, and with `any` sees it come up. Without immediate mode an early end loses packets, and so it does
# where others keep tcpdump from the processor.
capture() {
	spawn "$1" "$2" nice -n -15 tcpdump --immediate-mode -U -Z root -i "$3" -w "$WORK/$2.pcap" "${@:4}"
	wait_for 10 grep -q 'listening on' "$WORK/$2.log" || nok "capture $2" "$(cat "$WORK/$2.log")"
}

# capture_end NAME; captured A NAME [tcpdump arguments ...]: what is in it, as text. A captured it: the
# names of interfaces are looked up by their numbers there.
capture_end() {
	sleep 0.2
	stop "$1" INT
}
captured() { on "$1" tcpdump -nn -r "$WORK/$2.pcap" "${@:3}" 2>/dev/null; }

# link A eth0 B eth0
link() {
	ip link add "$2" netns "${HOST_PID[$1]}" type veth peer name "$4" netns "${HOST_PID[$3]}" ||
		bail "link $1 $3"
	on "$1" ip link set "$2" up
	on "$3" ip link set "$4" up
}

# addr A eth0 192.0.2.1/24 ...
# link_refused A eth0: frames by XDP that the veth's other end had no room for
link_refused() { on "$1" ethtool -S "$2" | awk '/_xdp_xmit_errors/ { n += $2 } END { print n + 0 }'; }

addr() {
	local h=$1 dev=$2 a
	shift 2
	for a; do
		on "$h" ip addr add "$a" dev "$dev"
	done
}

forwarding() {
	local h
	for h; do
		on "$h" sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward
			echo 1 >/proc/sys/net/ipv6/conf/all/forwarding'
	done
}

# nstat_get A counter: since the host was made.
nstat_get() { on "$1" nstat -asz "$2" | awk -v c="$2" '$1 == c { print $2; exit }'; }

# ---- implementations ----

wgx_command() { # wgx_command A: how wgx is run there, as the array WGX_COMMAND
	WGX_COMMAND=("$WGX")
	[ -z "${CLOCK[$1]:-}" ] ||
		WGX_COMMAND=(env "LD_PRELOAD=$CLOCKSHIFT" "CLOCKSHIFT=${CLOCK[$1]}" "$WGX")
}

wgx() {
	wgx_command "$1"
	on "$1" "${WGX_COMMAND[@]}" "${@:2}"
}

# wgx_logged A wg0: a daemon in the foreground, spawned as A.wg0; what it says is in $WORK/A.wg0.log
wgx_logged() {
	wgx_command "$1"
	spawn "$1" "$1.$2" "${WGX_COMMAND[@]}" -f "$2" && wait_for 10 on "$1" wg show "$2"
}

# ---- clocks that a test sets (selftests/tools/clockshift.c) ----

# clock_own A ...: from now on wgx on A starts with clocks of its own, which show the right time yet.
clock_own() {
	local h
	[ -e "$CLOCKSHIFT" ] || bail 'clockshift is built' "$CLOCKSHIFT is not there; run make tools"
	for h; do
		CLOCK[$h]=$WORK/$h.clock
		head -c 16 /dev/zero >"${CLOCK[$h]}"
	done
}

# clock_jump A real|both|boot SECONDS: relative to what it shows. both: BOOTTIME and MONOTONIC, as time
# does that passes; boot: BOOTTIME alone and the real time, as over a suspend.
clock_jump() {
	python3 - "${CLOCK[$1]}" "$2" "$3" <<-'END'
		import os, struct, sys
		path, what, by = sys.argv[1], sys.argv[2], int(sys.argv[3])
		f = os.open(path, os.O_RDWR)
		real, boot, mono = struct.unpack("=qii", os.pread(f, 16, 0))
		if what != "both":
		    os.pwrite(f, struct.pack("=q", real + by), 0)
		if what != "real":
		    os.pwrite(f, struct.pack("=ii", boot + by, mono + by * (what == "both")), 8)
	END
}

# impl_up A wg0 wgx|wireguard-go: returns once the UAPI socket answers.
impl_up() {
	local h=$1 ifc=$2 impl=$3
	case $impl in
	wgx) wgx "$h" ${WORKERS:+--workers "$WORKERS"} "$ifc" </dev/null >"$WORK/$h.$ifc.log" 2>&1 ;;
	wireguard-go) on "$h" env LOG_LEVEL=error "$WGGO" "$ifc" </dev/null >"$WORK/$h.$ifc.log" 2>&1 ;;
	esac || {
		echo "$impl $ifc failed on $h:"
		cat "$WORK/$h.$ifc.log"
		return 1
	}
	wait_for 10 on "$h" wg show "$ifc"
}

# impl_attach A eth0 wgx|wireguard-go [mode]: nothing to do for wireguard-go.
impl_attach() {
	[ "$3" = wgx ] || return 0
	wgx "$1" attach "$2" ${4:+--mode "$4"}
}

# daemon_pid A wg0: the process that listens on the interface's UAPI socket, in A's PID namespace.
daemon_pid() {
	# shellcheck disable=SC2016
	on "$1" sh -c '
		ino=$(awk -v s="/run/wireguard/$1.sock" \
			"\$4 == \"00010000\" && index(\$8, s) { print \$7 }" /proc/net/unix)
		[ -n "$ino" ] || exit 1
		for p in /proc/[0-9]*; do
			ls -l "$p/fd" 2>/dev/null | grep -qF "socket:[$ino]" && echo "${p#/proc/}" && exit 0
		done
		exit 1' sh "$2"
}

# ---- what `wgx show --json` says: its schema is known here only ----

wgx_json() { wgx "$1" show --json | jq -r "$2"; }

# wgx_counter A wg0 sealed_bytes
wgx_counter() {
	wgx_json "$1" "[.interfaces[] | select(.name == \"$2\") | .counters.$3][0] // 0"
}

# wgx_drops A wg0: what was dropped, one "label count" a line; handshakes are counted for the daemon
wgx_drops() {
	wgx_json "$1" "[(.interfaces[] | select(.name == \"$2\") | .drops), .drops | to_entries[]]
		| group_by(.key)[] | \"\(.[0].key) \(map(.value) | add)\" | select(endswith(\" 0\") | not)"
}

# wgx_mode A eth0: how the device is attached
wgx_mode() { wgx_json "$1" "[.attached[] | select(.device == \"$2\") | .mode][0] // \"none\""; }

# ---- tunnels ----

key_for() { # key_for A wg0: a private key for it; public key in $WORK/A.wg0.pub
	(umask 077 && wg genkey >"$WORK/$1.$2.key")
	wg pubkey <"$WORK/$1.$2.key" >"$WORK/$1.$2.pub"
}
pub_of() { cat "$WORK/$1.$2.pub"; }

# wg_peer A wg0 B wg0 [wg set's peer arguments ...]
wg_peer() {
	local h=$1 ifc=$2 p=$3 pifc=$4
	shift 4
	on "$h" wg set "$ifc" peer "$(pub_of "$p" "$pifc")" "$@"
}

# Two hosts A and B, 192.0.2.0/24 and 2001:db8::/64 between their eth0:
#
#	A wg0 10.7.0.1, fd07::1 --- eth0 .1 ======== eth0 .2 --- wg0 10.7.0.2, fd07::2 B
#
# A knows B's endpoint and initiates; B learns A's from the handshake.
#
# tunnel_pair implA implB outer(4|6) psk(yes|no)
tunnel_pair() {
	local impl_a=$1 impl_b=$2 outer=$3 psk=$4 end=192.0.2.2:51820 pskarg=()
	underlay_pair
	[ "$outer" = 4 ] || end='[2001:db8::2]:51820'
	impl_up A wg0 "$impl_a" || return
	impl_up B wg0 "$impl_b" || return
	key_for A wg0
	key_for B wg0
	if [ "$psk" = yes ]; then
		(umask 077 && wg genpsk >"$WORK/psk")
		pskarg=(preshared-key "$WORK/psk")
	fi
	on A wg set wg0 listen-port 51820 private-key "$WORK/A.wg0.key" || return
	on B wg set wg0 listen-port 51820 private-key "$WORK/B.wg0.key" || return
	wg_peer A wg0 B wg0 endpoint "$end" "${pskarg[@]}" allowed-ips 10.7.0.2/32,fd07::2/128 || return
	wg_peer B wg0 A wg0 "${pskarg[@]}" allowed-ips 10.7.0.1/32,fd07::1/128 || return
	on A ip link set wg0 up || return
	on B ip link set wg0 up || return
	addr A wg0 10.7.0.1/24 fd07::1/64
	addr B wg0 10.7.0.2/24 fd07::2/64
}

# far_end: B's end of a tunnel with A, by wgx, 10.7.0.2. A's is the test's to make; its key is there.
far_end() {
	impl_up B wg0 wgx || return
	key_for A wg0
	key_for B wg0
	on B wg set wg0 listen-port 51820 private-key "$WORK/B.wg0.key" || return
	wg_peer B wg0 A wg0 allowed-ips 10.7.0.1/32 || return
	on B ip link set wg0 up || return
	addr B wg0 10.7.0.2/24
}

underlay_pair() {
	host_add A B
	link A eth0 B eth0
	addr A eth0 192.0.2.1/24 2001:db8::1/64
	addr B eth0 192.0.2.2/24 2001:db8::2/64
}

# underlay_routed: A and B in networks of their own, and the router r between them
#
#	A eth0 192.0.2.1, 2001:db8::1 == .254, ::fe eth0 r eth1 198.51.100.254, 2001:db8:1::fe == .2, ::2 eth0 B
underlay_routed() {
	host_add A r B
	link A eth0 r eth0
	link r eth1 B eth0
	addr A eth0 192.0.2.1/24 2001:db8::1/64
	addr r eth0 192.0.2.254/24 2001:db8::fe/64
	addr r eth1 198.51.100.254/24 2001:db8:1::fe/64
	addr B eth0 198.51.100.2/24 2001:db8:1::2/64
	forwarding r
	on A ip route add default via 192.0.2.254
	on B ip route add default via 198.51.100.254
	on A ip -6 route add default via 2001:db8::fe
	on B ip -6 route add default via 2001:db8:1::fe
}

# attach_pair implA implB [mode]
attach_pair() {
	impl_attach A eth0 "$1" "${3:-}" && impl_attach B eth0 "$2" "${3:-}"
}

# ---- traffic ----

# ping_ok A 10.7.0.2 [ping's arguments ...]: three answers before the deadline
ping_ok() { on "$1" ping -q -i 0.1 -c 3 -w 30 "${@:3}" "$2"; }

iperf_server() { # iperf_server B [port]
	local port=${2:-5201}
	spawn "$1" "iperf3-$1-$port" iperf3 -s -p "$port"
	wait_for 10 sh -c "nsenter -t ${HOST_PID[$1]} -n ss -Htln 'sport = :$port' | grep -q ."
}

# iperf A 10.7.0.2 [iperf3's arguments ...]: AMOUNT bytes, or for T seconds; else 20 MB, of UDP one second. The result is
# in $WORK/iperf.json.
iperf() {
	local end=(-n "${AMOUNT:-20M}") tries
	[[ " $* " != *' -u '* || -n ${AMOUNT:-} ]] || end=(-t 1)
	[ -z "${T:-}" ] || end=(-t "$T")
	for ((tries = 0; tries < 20; tries++)); do
		on "$1" timeout "${IPERF_LIMIT:-120}" iperf3 -J "${end[@]}" -c "${@:2}" >"$WORK/iperf.json" &&
			jq -e '.error == null' "$WORK/iperf.json" >/dev/null && return
		# it has not quite ended the test before
		grep -q 'the server is busy' "$WORK/iperf.json" || break
		sleep 0.2
	done
	jq -r '.error // empty' "$WORK/iperf.json"
	return 1
}

iperf_get() { jq -r "$1" "$WORK/iperf.json"; }

# iperf_mbit: what the receiver got
iperf_mbit() { iperf_get '(.end.sum_received.bits_per_second // .end.sum.bits_per_second) / 1e6 | floor'; }

# file_copy A B 10.7.0.2 MEGABYTES: random bytes over TCP, SHA-256 on both sides
file_copy() {
	local a=$1 b=$2 dst=$3 mb=$4 v=TCP4 got want
	case $dst in *:*) v=TCP6 dst="[$dst]" ;; esac
	rm -f "$WORK/file.sum"
	spawn "$b" sink sh -c "socat -u $v-LISTEN:7000,reuseaddr STDOUT | sha256sum >$WORK/file.sum"
	wait_for 10 sh -c "nsenter -t ${HOST_PID[$b]} -n ss -Htln 'sport = :7000' | grep -q ."
	want=$(head -c "${mb}000000" /dev/urandom | tee >(on "$a" timeout 60 socat -u STDIN "$v:$dst:7000") |
		sha256sum | cut -d' ' -f1)
	wait_for 30 test -s "$WORK/file.sum" || {
		echo 'the receiver did not finish'
		stop sink
		return 1
	}
	wait "${SPAWN_PID[sink]}"
	got=$(cut -d' ' -f1 "$WORK/file.sum")
	echo "sent $want, received $got"
	[ -n "$want" ] && [ "$got" = "$want" ]
}
