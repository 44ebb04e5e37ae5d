#!/bin/bash
# SPDX-License-Identifier: MIT
# make demo: a wgx tunnel between two network namespaces, from nothing to throughput.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2, fd07::2 B
#
# Installs what is missing, builds, shows, and cleans up, also when interrupted. IMPL=wireguard-go
# shows the same tunnel without wgx, to compare.
SELFTESTS=$(cd "$(dirname "$0")" && pwd)
[ "$(id -u)" = 0 ] || { echo 'demo: must be root: it makes network namespaces' >&2 && exit 1; }
"$SELFTESTS/setup.sh" || exit 1
. "$SELFTESTS/lib.sh"

if [ -t 1 ]; then BOLD=$'\e[1m' PLAIN=$'\e[0m'; else BOLD='' PLAIN=''; fi

say() { printf '\n%s== %s%s\n' "$BOLD" "$*" "$PLAIN"; }

fail() {
	printf '\n%sdemo: FAILED: %s%s\n' "$BOLD" "$*" "$PLAIN" >&2
	exit 1
}

# run A command ...: shows it as typed on that host, and its output
run() {
	local h=$1
	shift
	local words=("${@/#$WGX/wgx}")
	printf '%s# %s\n' "$h" "${words[*]/#$WORK\//}"
	# Through a file: wireguard-go's daemon would hold a pipe open.
	on "$h" "$@" >"$WORK/run.log" 2>&1 </dev/null
	local status=$?
	sed "s|$WORK/||; s/^/    /" "$WORK/run.log"
	[ $status = 0 ] || fail "on $h: $*"
}

say 'Build'
if [ "$IMPL" = wgx ]; then
	make --no-print-directory -C "$TOP" -j"$(nproc)" BUILD="$BUILD" all || fail 'make'
	run_up() { run "$1" "$WGX" wg0; }
	"$WGX" --version || fail "$WGX does not run"
else
	run_up() { run "$1" env LOG_LEVEL=error "$WGGO" wg0; }
fi
begin=$SECONDS

say 'Two hosts, joined by an Ethernet cable (network namespaces and a veth)'
underlay_pair
run A ip -br addr show dev eth0
run B ip -br addr show dev eth0

say 'An interface wg0 on each, configured with wg and ip'
for h in A B; do
	key_for $h wg0
	run_up $h
	wait_for 10 on $h wg show wg0 || fail "wg0 on $h does not answer"
done
run A wg set wg0 private-key "$WORK/A.wg0.key" listen-port 51820 \
	peer "$(pub_of B wg0)" endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32,fd07::2/128
run B wg set wg0 private-key "$WORK/B.wg0.key" listen-port 51820 \
	peer "$(pub_of A wg0)" allowed-ips 10.7.0.1/32,fd07::1/128
for h in A B; do
	n=1
	[ $h = A ] || n=2
	run $h ip addr add 10.7.0.$n/24 dev wg0
	run $h ip addr add fd07::$n/64 dev wg0
	run $h ip link set wg0 up
done

if [ "$IMPL" = wgx ]; then
	say 'Accelerate the underlay: WireGuard data goes from eth0 into AF_XDP, the rest passes'
	run A "$WGX" attach eth0
	run B "$WGX" attach eth0
fi

say 'Ping over IPv4 and IPv6; the first packet makes the handshake'
run A ping -c 3 -i 0.2 -w 10 10.7.0.2
run A ping -c 3 -i 0.2 -w 10 fd07::2
run A wg show wg0
[ "$(on A wg show wg0 latest-handshakes | cut -f2)" -gt 0 ] || fail 'no handshake'

say 'Throughput, 3 seconds of TCP each way (both ends share this machine)'
iperf_server B || fail 'iperf3 server'
T=3 iperf A 10.7.0.2 || fail "iperf3: $(iperf_get .error)"
there=$(iperf_mbit)
T=3 iperf A 10.7.0.2 -R || fail "iperf3: $(iperf_get .error)"
back=$(iperf_mbit)
stop iperf3-B-5201
echo "    A -> B: $there Mbit/s        B -> A: $back Mbit/s"

if [ "$IMPL" = wgx ]; then
	say 'The modes in use, and what went through AF_XDP'
	run A "$WGX" show
	for h in A B; do
		sealed=$(wgx_counter $h wg0 xsk_rx_frames)
		opened=$(wgx_counter $h wg0 opened_xsk_packets)
		echo "    $h: $sealed frames from wg0 and $opened packets from eth0 through AF_XDP rings"
		[ "$sealed" -gt 0 ] && [ "$opened" -gt 0 ] || fail "nothing went through AF_XDP on $h"
	done

	say 'The allowed IPs that BPF looks up, as any tool can read them'
	run A "$(command -v bpftool)" map dump pinned /sys/fs/bpf/wgx/wg0/allowed_ips4
fi

say "Done in $((SECONDS - begin)) seconds; hosts, tunnel and programs are removed"
