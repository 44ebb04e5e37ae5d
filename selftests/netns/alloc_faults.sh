#!/bin/bash
# SPDX-License-Identifier: MIT
# Memory runs out: one allocation of the daemon's main thread fails, while it is asked to show, set, name, attach, detach,
# make an interface, and give its place to another (alloc_faults.py): never a crash, a leak, or half a configuration. Here
# for some seconds; `make test-faults` goes through all.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2 B
#	  wgx with nomem.so, lan0
. "$(dirname "$0")/../lib.sh"
require wg jq python3
require_wgx

[[ $BUILD != *-address* ]] || skip_all 'a sanitizer has allocators of its own'
export SECONDS_MAX=${SECONDS_MAX-6} SEED=${SEED:-1}
SO=$BUILD/selftests/tools/nomem.so
[ -e "$SO" ] || bail 'tools are built' "$SO is not there; run make tools"

underlay_pair
on A ip link add lan0 type veth peer name lan1
on A ip link set lan0 up
on A ip link set lan1 up
check 'B' far_end || finish
mkdir -m 0700 "$WORK/faults"
cp "$WORK/A.wg0.key" "$WORK/faults/key"
(umask 077 && wg genpsk >"$WORK/faults/psk" && wg genkey >"$WORK/faults/key2")
if on A python3 "$SELFTESTS/netns/alloc_faults.py" "$WGX" "$SO" "$WORK/faults" "$(pub_of B wg0)" 192.0.2.2:51820 10.7.0.2 |
	tee "$WORK/faults.log"; then
	ok 'no allocation that failed did harm'
else
	nok 'allocations that failed did harm'
fi
finish
