#!/bin/bash
# SPDX-License-Identifier: MIT
# The quick start of README.md, line by line, and how it looks into the tunnel.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2 B
. "$(dirname "$0")/../lib.sh"
. "$SELFTESTS/docs.inc"
require wg jq python3 bpftool
require_wgx

host_add A B
link A eth0 B eth0
addr A eth0 192.0.2.1/24
addr B eth0 192.0.2.2/24
doc_host A B
DOC_TEXT[xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=]='A wgx pubkey </etc/wireguard/private'
DOC_TEXT[TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=]='B wgx pubkey </etc/wireguard/private'
run_doc "$TOP/README.md"
check_equal 'eth0 is accelerated, at both ends' "$(wgx_mode A eth0) $(wgx_mode B eth0)" 'tcx tcx'
check 'the other way' ping_ok B 10.7.0.1
check 'ip link delete ends the tunnel' on A ip link delete wg0
finish
