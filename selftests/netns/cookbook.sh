#!/bin/bash
# SPDX-License-Identifier: MIT
# The commands of docs/bpftool.md and docs/troubleshooting.md, line by line, and that the first names all maps.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2 B
. "$(dirname "$0")/../lib.sh"
. "$SELFTESTS/docs.inc"
require wg jq python3 bpftool ethtool
require_wgx

check 'set up' tunnel_pair wgx wgx 4 no || finish
check 'attach' attach_pair wgx wgx
check 'ping' ping_ok A 10.7.0.2
for doc in bpftool troubleshooting; do
	run_doc "$TOP/docs/$doc.md"
done
check_equal 'all maps are in the table' "$(sed -n '/^| map /,/^$/p' "$TOP/docs/bpftool.md" | sed '1,2d' | cut -d'|' -f2 |
	grep -o '[a-z0-9_]*' | sort)" "$(on A ls /sys/fs/bpf/wgx/wg0)"
check 'and the tunnel goes on' ping_ok A 10.7.0.2
finish
