#!/bin/bash
# SPDX-License-Identifier: MIT
# Older kernels, as far as switching features off can stand for them: each way around works, is shown, and
# spoils no checksum. The last line stands for Debian 12's 6.1.
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 ==== eth0 -- wg0 10.7.0.2, fd07::2 B
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/traffic.inc"
require wg iperf3 jq
require_wgx

path_is() { [[ $(wgx_json B '.interfaces[0].mode') == $1 ]]; } # path_is pattern

carries() { # carries label
	check "$1: ping, IPv4" ping_ok A 10.7.0.2
	check "$1: ping, IPv6" ping_ok A fd07::2
	check "$1: TCP" iperf A 10.7.0.2
	check "$1: TCP back" iperf A fd07::2 -R
	check "$1: UDP" udp_arrives A 10.7.0.2
}

without() { # without features hook frames
	export WGX_DISABLE=$1
	check "$1: set up" tunnel_pair wgx wgx 4 no || return
	iperf_server B
	check "$1: hook" path_is "$2 *"
	check "$1: frames" path_is "*$3*"
	carries "$1, socket"
	check "$1: attach" attach_pair wgx wgx && carries "$1, attached"
	check "$1: data came through AF_XDP" test "$(wgx_counter B wg0 opened_xsk_packets)" -gt 0
	check "$1: detach" wgx A detach eth0
	check "$1: detach the other" wgx B detach eth0
	check "$1: native" attach_pair wgx wgx native && carries "$1, native"
	check_equal "$1: checksum errors" "$(csum_errors)" 0
	host_del A B
	unset WGX_DISABLE
}

without tcx clsact superframes
without redirect_peer tcx superframes
without uso tcx superframes
without generic_frags tcx 'one packet a frame'
without kern_ctx tcx 'one packet a frame'
without tcx,kern_ctx,xsk_sg,generic_frags,redirect_peer,uso clsact 'one packet a frame'
finish
