#!/bin/bash
# SPDX-License-Identifier: MIT
# make mutate: breaks a copy of the code in one place after the other, and expects the test to notice.
#
#	selftests/mutate.sh [pattern ...]
#
# A mutation is selftests/mutations/P-XX-n[-what].patch: "Test: NAME" (a pattern of run.sh), a line
# that says what is broken, and a diff. It is caught where a failed TAP line of that test begins with
# the protocol lines and P-XX-n is among them. Prints TAP.
set -u -o pipefail
export LC_ALL=C
TOP=$(cd "$(dirname "$0")/.." && pwd)
cd "$TOP" || exit 1
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$TOP/$BUILD ;; esac
TREE=$BUILD/mutate
LIMIT=${LIMIT:-1200} # seconds for one mutation's build and test
unset MAKEFLAGS MFLAGS MAKELEVEL

selftests/setup.sh || exit 1
rm -rf "$TREE" && mkdir -p "$TREE" || exit 1
# What is versioned or would be, and nothing built.
git ls-files -z --cached --others --exclude-standard | xargs -0 cp -a --parents -t "$TREE" || exit 1
echo "# building the copy"
(cd "$TREE" && make -j"$(nproc)" CC=gcc SAN= BUILD=build all tests) >"$TREE/make.log" 2>&1 ||
	{ tail -n 20 "$TREE/make.log" && exit 1; }

number=0 failed=0
result() { # result ok|'not ok' text [log]
	number=$((number + 1))
	echo "$1 $number - $2"
	[ "$1" = ok ] || failed=$((failed + 1))
	[ $# -lt 3 ] || tail -n 15 "$3" | sed 's/^/# /'
}

for patch in selftests/mutations/*.patch; do
	name=$(basename "$patch" .patch)
	if [ $# -gt 0 ]; then
		for pattern; do
			case $name in *"$pattern"*) break ;; esac
			pattern=
		done
		[ -n "$pattern" ] || continue
	fi
	line=$(grep -oE '^P-[A-Z]+-[0-9]+' <<<"$name")
	test=$(sed -n 's/^Test: *//p' "$patch" | head -n 1)
	what="$name: $(sed -n 's/^# *//p' "$patch" | head -n 1) [$test]"
	log=$TREE/run.log
	if ! patch -d "$TREE" -p1 --force --silent <"$patch" >"$log" 2>&1; then
		result 'not ok' "$what: does not apply" "$log"
	elif timeout -k 10 "$LIMIT" env -u BUILD V=1 RERUN=0 "$TREE/selftests/run.sh" "$test" >"$log" 2>&1 </dev/null; then
		result 'not ok' "$what: no test noticed" "$log"
	elif ! grep -q '^ok   build/gcc' "$log"; then
		result 'not ok' "$what: does not build" "$log"
	elif grep -qE "^ +\| .*not ok [0-9]+ - (P-[A-Z]+-[0-9]+[:,]? )*$line\b" "$log"; then
		result ok "$what"
	else
		result 'not ok' "$what: the test failed, but in no line that names $line" "$log"
	fi
	# Back to the original, newer than what was built from the mutant.
	sed -n 's|^+++ b/||p' "$patch" | while read -r file; do
		cp "$file" "$TREE/$file" && touch "$TREE/$file"
	done
done
echo "1..$number"
[ $number -gt 0 ] && [ $failed -eq 0 ]
