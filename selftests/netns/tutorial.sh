#!/bin/bash
# SPDX-License-Identifier: MIT
# docs/tutorial.md, line by line.
#
#	server wg0 10.7.0.1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2 laptop
. "$(dirname "$0")/../lib.sh"
. "$SELFTESTS/docs.inc"
require wg jq python3
require_wgx

host_add server laptop
link server eth0 laptop eth0
addr server eth0 192.0.2.1/24
addr laptop eth0 192.0.2.2/24
doc_host server laptop
DOC_TEXT[xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=]='server wgx pubkey </etc/wireguard/wg0.key'
DOC_TEXT[TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=]='laptop wgx pubkey </etc/wireguard/wg0.key'
DOC_TEXT[yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=]='server cat /etc/wireguard/wg0.key'
DOC_TEXT[gI6EdUSYvn8ugXOt8QQD6Yc+JyiZxIhp3GInSWRfWGE=]='laptop cat /etc/wireguard/wg0.key'
doc_hook() {
	case "$1# $2" in
	'server# wgx show')
		check_equal 'accelerated, at both ends' "$(wgx_mode server eth0) $(wgx_mode laptop eth0)" 'tcx tcx'
		check 'the other way' ping_ok server 10.7.0.2
		;;
	esac
}
run_doc "$TOP/docs/tutorial.md"
for h in server laptop; do
	check "no wg0 is left on $h" wait_for 20 not on $h ip link show wg0
done
finish
