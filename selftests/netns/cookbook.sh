#!/bin/bash
# SPDX-License-Identifier: MIT
# The commands of docs/bpftool.md, docs/troubleshooting.md and docs/tuning.md, line by line, and that the first names all
# maps; and those of the sh blocks of all documents, that no other test runs.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2 B
. "$(dirname "$0")/../lib.sh"
. "$SELFTESTS/docs.inc"
require wg jq python3 bpftool ethtool tc taskset
require_wgx

check 'set up' tunnel_pair wgx wgx 4 no || finish
check 'attach' attach_pair wgx wgx
check 'ping' ping_ok A 10.7.0.2
for doc in bpftool troubleshooting tuning; do
	[ $doc != tuning ] || wgx A detach eth0 # which it begins with
	run_doc "$TOP/docs/$doc.md"
done
check_equal 'all maps are in the table' "$(sed -n '/^| map /,/^$/p' "$TOP/docs/bpftool.md" | sed '1,2d' | cut -d'|' -f2 |
	grep -o '[a-z0-9_]*' | sort)" "$(on A ls /sys/fs/bpf/wgx/wg0)"
check 'and the tunnel goes on' ping_ok A 10.7.0.2

# ---- sh blocks: one command a line ----

# sh_lines FILE: without comments; a backslash joins lines
sh_lines() {
	awk '/^ *```sh$/ { on = 1; next } /^ *```$/ { on = 0 }
		on { sub(/^ +/, ""); sub(/ +# .*/, ""); if (sub(/\\$/, "")) { line = line $0; next } print line $0; line = "" }' "$1"
}
host_add C
doc_host A C
link A eth1 C eth0
wgx A name wg0 "$(pub_of B wg0)" B
on A mkdir /run/nodes
(umask 077 && on C sh -c 'cat >/etc/wireguard/wg0.conf') < <(awk '/^```ini/ { on = 1; next } /^```/ { on = 0 } on' "$TOP/README.md" |
	sed "s,^PrivateKey = .*,PrivateKey = $(wg genkey),; s,^PublicKey = .*,PublicKey = $(pub_of B wg0),")
on C sh -c 'echo 192.0.2.2 b.example.net >>/etc/hosts'
run_line() { on "$1" timeout 20 bash -o pipefail -c "PATH=$BUILD:\$PATH; $2"; }
goes_on() { # what stays until it is stopped
	local status=0
	on A timeout 3 bash -o pipefail -c "PATH=$BUILD:\$PATH; $1" || status=$?
	[ $status = 124 ]
}
while read -r line <&3; do
	case $line in
	make* | apt-get* | systemctl*) ;; # CI, selftests/install.sh, selftests/deb_boot.sh
	'WG_QUICK_USERSPACE_IMPLEMENTATION=wgx wg-quick'* | OPTIONS=*) ;; # netns/wg_quick, k8s/three_nodes
	buildah* | kubectl* | 'for n in $(kubectl '* | 'pod="pod -l '* | done) ;; # need a cluster; k8s/manifests has what they apply
	'sysctl -w kernel.bpf_stats_enabled='*) ;; # the machine's, not a namespace's
	'wgx up '* | 'wgx down '*) check "$line" run_line C "$line" ;;
	'wgx metrics' | 'wgx monitor'*) check "$line" goes_on "$line" ;;
	'wgx agent '*) check "$line" goes_on "${line//\/srv\/nodes/\/run\/nodes} --interface=wg5 --listen-port=51999" ;;
	*'wgx attach eth0'*) run_line A 'wgx detach eth0' && check "$line" run_line A "$line --exempt none" ;;
	*) check "$line" run_line A "$line" ;;
	esac
done 3< <(for doc in "$TOP/README.md" "$TOP"/docs/*.md; do sh_lines "$doc"; done)
check 'there were some' [ $TESTS -gt 50 ]
finish
