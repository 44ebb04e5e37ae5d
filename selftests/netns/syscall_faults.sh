#!/bin/bash
# SPDX-License-Identifier: MIT
# Each system call of each place in the code fails once, while an interface is made, configured, attached, used, shown,
# detached and deleted, by wgx up and down, over wgx restart and by wgx agent (syscall_faults.py): never a crash, a leak, or
# half a configuration. Here for some seconds; `make test-faults` goes through all, AT_ONCE=n shares of the places beside
# each other, each with hosts of its own. LIVES: of these, some.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2 B
#	  wgx with faults.so
. "$(dirname "$0")/../lib.sh"
require wg jq python3
require_wgx

export SECONDS_MAX=${SECONDS_MAX-3} SEED=${SEED:-1}
export LIVES=${LIVES:-life quick restart agent}
SO=$TOP/build/selftests/tools/faults.so # never with sanitizers
[ ! -e "$BUILD/selftests/tools/faults.so" ] || [[ $BUILD == *-address* ]] || SO=$BUILD/selftests/tools/faults.so
[ -e "$SO" ] || bail 'tools are built' "$SO is not there; run make tools"

if [ -n "${AT_ONCE:-}" ]; then
	SHARES=()
	trap 'kill "${SHARES[@]}" 2>/dev/null; exit 143' TERM HUP
	for ((i = 0; i < AT_ONCE; i++)); do
		SHARE=$i/$AT_ONCE AT_ONCE= TABLE=$WORK/table.$i "$0" > >(sed -u "s/^/# $i: /") 2>&1 &
		SHARES+=($!)
	done
	for ((i = 0; i < AT_ONCE; i++)); do check "share $i of $AT_ONCE" wait "${SHARES[i]}"; done
	for what in $LIVES; do
		python3 "$SELFTESTS/netns/fault_table.py" "$what" "$WORK"/table.[0-9]."$what"
	done | tee "${TABLE:-/dev/null}"
	python3 "$SELFTESTS/netns/fault_table.py" all "$WORK"/table.* | tee -a "${TABLE:-/dev/null}"
	finish
fi

underlay_pair
check 'B' far_end || finish
mkdir -m 0700 "$WORK/faults"
cp "$WORK/A.wg0.key" "$WORK/faults/key"
(umask 077 && wg genpsk >"$WORK/faults/psk")
python() { on A python3 "$SELFTESTS/netns/syscall_faults.py" "$WGX" "$SO" "$WORK/faults" "$(pub_of B wg0)" 192.0.2.2:51820 \
	10.7.0.2 "$@"; }
if [[ ${SHARE:-0/1} == 0/* ]]; then
	python storms >"$WORK/storms.log" 2>&1
	status=$?
	cat "$WORK/storms.log"
	check 'storms of ENOBUFS and EAGAIN pass' test $status -eq 0
fi
# far.test, as wgx up finds it
echo "192.0.2.2 far.test" >"$WORK/hosts"
echo 'hosts: files' >"$WORK/nsswitch.conf"
for file in hosts nsswitch.conf; do on A mount --bind "$WORK/$file" "/etc/$file"; done
for what in $LIVES; do
	TABLE=${TABLE:+$TABLE.$what} python "$what" & # so that a signal ends all at once
	wait $! && ok "no fault did harm: $what" || nok "faults did harm: $what"
done
finish
