#!/bin/bash
# SPDX-License-Identifier: MIT
# make model: has spin go through all states of the models, and through mutations of them, which must fail: a
# model that cannot fail proves nothing. Prints TAP lines.
set -u -o pipefail
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
SESSIONS=${SESSIONS:-4}

if ! command -v spin >/dev/null || ! command -v gcc >/dev/null; then
	echo 'ok 1 - model # SKIP needs spin and gcc'
	echo '1..1'
	exit 0
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
tests=0 failed=0
say() {
	tests=$((tests + 1))
	[ "$1" = ok ] || failed=$((failed + 1))
	echo "$1 $tests - ${*:2}"
}

# check MODEL SESSIONS MUTATION: 0 where all states are right, 1 where an assertion fails; states in $work/out. A mutation
# fails before long: what takes the time is the compiler.
check() {
	spin -DSESSIONS="$2" -DMUTATION="$3" -a "$here/$1.pml" >spin.log 2>&1 &&
		gcc -O$([ "$3" = 0 ] && echo 2 || echo 0) -w -DSAFETY -DCOLLAPSE -DNOREDUCE -DMEMLIM=2048 -o pan pan.c >gcc.log 2>&1 || {
		cat spin.log gcc.log
		return 2
	}
	./pan -m200000 -E >out 2>&1
	grep -q '^State-vector' out || { cat out; return 2; }
	! grep -qE 'max search depth too small|Search not completed|out of memory' out || grep -q 'errors: 1' out || {
		cat out
		return 2
	}
	grep -q 'errors: 0' out
}
states() { awk '/states, stored/ { print $1 + 0 " states"; exit }' out; }

if check keypairs "$SESSIONS" 0; then
	say ok "keypairs: previous, current and next with $SESSIONS sessions: $(states)"
else
	say 'not ok' 'keypairs'
	sed 's/^/# /' out
fi
# mutations MODEL COUNT
mutations() {
	local m text
	for ((m = 1; m <= $2; m++)); do
		text=$(sed -n "s,^#if MUTATION [!=]= $m /\* \(.*\) \*/,\1,p" "$here/$1.pml" | head -n 1)
		check "$1" 3 "$m"
		if [ $? = 1 ]; then
			say ok "$1, mutation $m fails: $text: $(sed -n 's/^pan:1: //p' out)"
		else
			say 'not ok' "$1, mutation $m fails: $text"
			sed 's/^/# /' out
		fi
	done
}

mutations keypairs 5
if check handover 0 0; then
	say ok "handover: from process to process, either of which may die: $(states)"
else
	say 'not ok' 'handover'
	sed 's/^/# /' out
fi
mutations handover 3
echo "1..$tests"
[ $failed = 0 ]
