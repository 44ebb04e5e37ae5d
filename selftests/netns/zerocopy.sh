#!/bin/bash
# SPDX-License-Identifier: MIT
# AF_XDP with zero-copy where a driver has it, and in copy mode where it has not, refuses it, or must not: by queue, and said
# so. A veth has none; for the rest B's daemon is told that it has (selftests/tools/zerocopy.c).
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 ==== eth0, two queues -- wg0 10.7.0.2, fd07::2 B
. "$(dirname "$0")/../lib.sh"
require wg iperf3 jq ethtool
require_wgx

DRIVER=$WORK/driver
# driver TEXT: what eth0's driver says from now on, as tools/zerocopy.c has it
driver() { printf '%-16s' "$1" 1<>"$DRIVER"; }
driver 4yy

wgx_command() {
	WGX_COMMAND=("$WGX")
	[ "$1" != B ] || [ -z "${DRIVEN:-}" ] ||
		WGX_COMMAND=(env "LD_PRELOAD=$BUILD/selftests/tools/zerocopy.so" "ZEROCOPY=$DRIVER" "$WGX")
}

# sockets: "with zero-copy/queues why not"
sockets() { wgx_json B '.attached[0].af_xdp | "\(.zero_copy)/\(.queues) \(.why_copy)"'; }
mode_in() { wgx_json B '.interfaces[0].mode_in'; }
carries() {
	local before
	before=$(wgx_counter B wg0 opened_xsk_packets)
	check "$1: ping" ping_ok A 10.7.0.2
	check "$1: TCP" iperf A fd07::2
	check "$1: data came through AF_XDP" test "$(wgx_counter B wg0 opened_xsk_packets)" -gt "$before"
}
# attached LABEL SAID SOCKETS [more of wgx attach]: B's eth0, from not being so
attached() {
	check_equal "$1: attach" "$(wgx B attach eth0 "${@:4}" 2>&1)" "$2"
	check_equal "$1: sockets" "$(sockets)" "$3"
}
native() { attached "$1" "eth0: attached, mode native$2" "$3" --mode native "${@:4}"; }
detached() { check "$1: detach" wgx B detach eth0; }
log_says() { grep -qF "$1" "$WORK/B.wg0.log"; }

#--- a veth
check 'set up' tunnel_pair wgx wgx 4 no || finish
check 'two queues' on B ethtool -L eth0 rx 2 tx 2
iperf_server B
NONE='AF_XDP in copy mode: the driver has no zero-copy'
native veth $'\n'"eth0: $NONE" '0/2 the driver has no zero-copy'
check_equal 'veth: mode in' "$(mode_in)" 'native XDP → AF_XDP, copy'
check 'veth: shown to people' grep -qxF '  af_xdp: zero-copy on 0 of 2 queues; copy mode: the driver has no zero-copy' \
	<<<"$(wgx B show)"
carries veth
detached veth
native 'veth, --copy' '' '0/2 as asked for' --copy
detached 'veth, --copy'
daemon=$(daemon_pid B wg0)
check 'delete' on B ip link delete wg0
wait_for 20 not on B kill -0 "$daemon" # or the next wgx would ask this one

#--- drivers with zero-copy
DRIVEN=yes
check 'a daemon in the foreground' wgx_logged B wg0
check 'keys' on B wg set wg0 listen-port 51820 private-key "$WORK/B.wg0.key"
check 'peer' wg_peer B wg0 A wg0 allowed-ips 10.7.0.1/32,fd07::1/128
addr B wg0 10.7.0.2/24 fd07::2/64
on B ip link set wg0 up

native 'all queues' '' '2/2 '
check_equal 'all queues: mode in' "$(mode_in)" 'native XDP → AF_XDP, zero-copy'
check_equal 'all queues: by ring' \
	"$(wgx_json B '[.rings[] | select(.device == "eth0") | .zero_copy] | @json')" '[true,true]'
check_equal 'all queues: the log' "$(grep -o 'attached, mode.*' "$WORK/B.wg0.log")" 'attached, mode native, zero-copy'
carries 'all queues'
check 'MTU 3000: still' on B ip link set eth0 mtu 3000
check_equal 'MTU 3000: sockets' "$(sockets)" '2/2 '
detached 'all queues'
on B ip link set eth0 mtu 1500

driver 4yi
native 'one queue' $'\neth0: AF_XDP in copy mode: Invalid argument' '1/2 Invalid argument'
check_equal 'one queue: mode in' "$(mode_in)" 'native XDP → AF_XDP, zero-copy and copy'
check 'one queue: the log' log_says 'eth0: AF_XDP in copy mode, 1 of 2 queues: Invalid argument'
carries 'one queue'
detached 'one queue'

driver 4ny
native 'it is said and is not there' $'\n'"eth0: $NONE" '0/2 the driver has no zero-copy'
detached 'it is said and is not there'
driver 4by
native 'busy' $'\neth0: AF_XDP in copy mode: Device or resource busy' '1/2 Device or resource busy'
detached 'busy'
driver 0yy
native 'frames of no chunk' '' '2/2 '
detached 'frames of no chunk'
driver -yy
native 'the kernel cannot tell, and it has it' '' '2/2 '
detached 'the kernel cannot tell, and it has it'
driver -nn
native 'the kernel cannot tell, and it has not' $'\n'"eth0: $NONE" '0/2 the driver has no zero-copy'
carries 'the kernel cannot tell, and it has not'
detached 'the kernel cannot tell, and it has not'

#--- MTU
driver 1yy
on A ip link set eth0 mtu 9000
on B ip link set eth0 mtu 9000
LONG='an MTU of 9000 is more than zero-copy takes'
native 'MTU 9000, one chunk' $'\n'"eth0: AF_XDP in copy mode: $LONG" "0/2 $LONG"
detached 'MTU 9000, one chunk'
driver 2yy
native 'MTU 9000, two chunks' $'\n'"eth0: AF_XDP in copy mode: $LONG" "0/2 $LONG"
detached 'MTU 9000, two chunks'
driver 3yy
native 'MTU 9000, three chunks' '' '2/2 '
detached 'MTU 9000, three chunks'
driver 1yy
on B ip link set eth0 mtu 3814
native 'MTU 3814, one chunk' '' '2/2 '
on B ip link set eth0 mtu 3815
copying() { [ "$(sockets)" = '0/2 an MTU of 3815 is more than zero-copy takes' ]; }
check 'it grows: copy mode' wait_for 10 copying
carries 'it grows'
detached 'it grows'
on A ip link set eth0 mtu 1500
on B ip link set eth0 mtu 1500

#--- what else has its own sockets
driver 4yy
native 'transmit' ', transmit' '2/2 ' --transmit
carries 'transmit'
check 'transmit: it does' wait_for 20 eval 'ping_ok B 10.7.0.1 && [ "$(wgx_counter B wg0 xdp_tx_packets)" -gt 0 ]'
detached 'transmit'
attached 'tcx' 'eth0: attached, mode tcx' 'null/null null'
check_equal 'tcx: no sockets of its own' "$(wgx_json B '.attached[0].af_xdp')" null
detached tcx
attached 'router path' 'eth0: attached, mode none, lan native' '2/2 ' --lan=native
detached 'router path'
attached 'router path, --copy' 'eth0: attached, mode none, lan native' '0/2 as asked for' --lan=native --copy
detached 'router path, --copy'

#--- --copy stays
native '--copy' '' '0/2 as asked for' --copy
check '--copy: wgx restart' wgx B restart
check_equal '--copy: after it' "$(sockets)" '0/2 as asked for'
detached '--copy'
native 'restart' '' '2/2 '
check 'restart' wgx B restart
check_equal 'restart: zero-copy again' "$(sockets)" '2/2 '
carries restart
finish
