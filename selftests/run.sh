#!/bin/bash
# SPDX-License-Identifier: MIT
# make test: installs what is missing, builds, and runs every test this machine can run.
#
#	selftests/run.sh [pattern ...]
#
# A pattern is a part of a test's name: build/, unit/, clang/, asan/, tsan/, bpf/, model, fuzz, netns/, interop/,
# netns/tunnel. Each test prints TAP lines, which are counted; the last line of all is
# "N passed, N failed, N skipped". V=1 shows every line of every test.
#
# A test that fails is run once more, a script alone and after all others. If it passes then, that counts, and the
# test is named as flaky before the last line; its first log stays in $BUILD/log.first. RERUN=0: the first counts.
set -u -o pipefail
export LC_ALL=C CMOCKA_MESSAGE_OUTPUT=TAP
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

SELFTESTS=$(cd "$(dirname "$0")" && pwd)
TOP=$(dirname "$SELFTESTS")
cd "$TOP" || exit 1
export BUILD=${BUILD:-build}
LOGS=$BUILD/log
JOBS=$(nproc)
V=${V:-0}
RERUN=${RERUN:-1}
# So many scripts are run at once, and up to so many where the processors have nothing to do.
SCRIPTS_AT_ONCE=${SCRIPTS_AT_ONCE:-2}
SCRIPTS_AT_MOST=${SCRIPTS_AT_MOST:-$((SCRIPTS_AT_ONCE > 1 ? SCRIPTS_AT_ONCE + 3 : 1))}
PATTERNS=("$@")
PASSED=0 FAILED=0 SKIPPED=0 RUN=0 FLAKY=()
declare -A ASIDE=() # what runs aside -> pid
# What was said to the make that called us is not for the builds below.
unset MAKEFLAGS MFLAGS MAKELEVEL SAN IPSEC_MB

declare -A CHILDREN=() # pid -> name of the test
declare -A STARTED=()  # name of the test -> when, in $SECONDS
interrupted() {
	trap '' INT TERM
	kill -TERM "${!CHILDREN[@]}" "${ASIDE[@]}" 2>/dev/null
	wait
	summary
	exit 130
}
trap interrupted INT TERM

summary() {
	[ ${#FLAKY[@]} -eq 0 ] || echo "flaky, passed when run again: ${FLAKY[*]}"
	echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
}

wanted() {
	local p
	[ ${#PATTERNS[@]} -gt 0 ] || return 0
	for p in "${PATTERNS[@]}"; do
		case $1 in *"$p"*) return 0 ;; esac
	done
	return 1
}

# any_wanted prefix: is anything with this prefix among the patterns?
any_wanted() {
	local p
	[ ${#PATTERNS[@]} -gt 0 ] || return 0
	for p in "${PATTERNS[@]}"; do
		case $p in "$1"*) return 0 ;; esac
		case $1 in *"$p"*) return 0 ;; esac
	done
	return 1
}

# read_tap status log: what the log's TAP lines say, into PASS, FAIL, SKIP and NOTE. Fails if a test did.
read_tap() {
	local status=$1 log=$2 plan
	NOTE=
	# cmocka writes "not ok N # SKIP name" for a skipped test.
	SKIP=$(grep -ciE '^(not )?ok\b.*# *skip' "$log")
	FAIL=$(grep -E '^not ok\b' "$log" | grep -civE '# *skip')
	PASS=$(grep -E '^ok\b' "$log" | grep -civE '# *skip')
	plan=$(sed -n 's/^1\.\.\([0-9][0-9]*\).*/\1/p' "$log" | awk '{ n += $1 } END { print n + 0 }')
	if [ "$status" = 124 ] || [ "$status" = 137 ]; then
		FAIL=$((FAIL + 1)) NOTE=' (timed out)'
	elif [ "$status" != 0 ] && [ "$FAIL" = 0 ]; then
		FAIL=1 NOTE=" (exit status $status)"
	elif [ $((PASS + FAIL + SKIP)) = 0 ]; then
		FAIL=1 NOTE=' (no TAP line)'
	elif [ "$plan" = 0 ]; then
		FAIL=$((FAIL + 1)) NOTE=' (no plan)'
	elif [ "$plan" != $((PASS + FAIL + SKIP)) ]; then
		FAIL=$((FAIL + 1)) NOTE=" (planned $plan)"
	fi
	[ "$FAIL" = 0 ]
}

# count_tap name status log: adds the log's TAP lines up and prints the test's line.
count_tap() {
	local name=$1 log=$3
	read_tap "$2" "$log"
	PASSED=$((PASSED + PASS)) FAILED=$((FAILED + FAIL)) SKIPPED=$((SKIPPED + SKIP))
	if [ "$FAIL" != 0 ]; then
		printf 'FAIL %-34s %d passed, %d failed, %d skipped%s\n' "$name" "$PASS" "$FAIL" "$SKIP" "$NOTE"
	elif [ "$PASS" = 0 ]; then
		printf 'skip %-34s %s\n' "$name" "$(sed -nE 's/^(not )?ok.*# *SKIP *//Ip' "$log" | head -n 1)"
	else
		printf 'ok   %-34s %d passed%s%s\n' "$name" "$PASS" "$([ "$SKIP" = 0 ] || echo ", $SKIP skipped")" "$(took "$name")"
	fi
	show_log "$FAIL" "$log"
}

# took name: the test's seconds, if there were many
took() {
	local t=$((SECONDS - ${STARTED[$1]:-$SECONDS}))
	[ $t -lt 10 ] || echo ", $t s"
}

# again name status log: true if the test failed and gets another run; its log is put aside.
again() {
	local first=$LOGS.first/$1.log
	[ "$RERUN" = 1 ] && ! read_tap "$2" "$3" || return
	mkdir -p "$(dirname "$first")"
	mv "$3" "$first"
	printf 'once %-34s %d passed, %d failed, %d skipped%s; to be run again\n' "$1" "$PASS" "$FAIL" "$SKIP" "$NOTE"
	show_log "$FAIL" "$first"
}

# second name seconds log command ...: that run. It says whether the test is flaky.
second() {
	local name=$1 log=$3 status
	run_bounded "$@"
	status=$?
	! read_tap $status "$log" || FLAKY+=("$name")
	count_tap "$name" $status "$log"
}

show_log() { # show_log failures log
	if [ "$V" = 1 ]; then
		sed 's/^/     | /' "$2"
	elif [ "$1" != 0 ]; then
		grep -nE -A 12 '^not ok\b' "$2" | head -n 60 | sed 's/^/     | /'
		echo "     | ... the end of $2:"
		tail -n 20 "$2" | sed 's/^/     | /'
	else
		grep -iE '^(not )?ok\b.*# *skip' "$2" | sed 's/^/     | /'
	fi
}

# start_bounded name seconds log command ...: in the background, so that an interrupt reaches us at once.
start_bounded() {
	local name=$1 limit=$2 log=$3
	shift 3
	mkdir -p "$(dirname "$log")"
	STARTED[$name]=$SECONDS
	timeout -k 10 "$limit" "$@" </dev/null >"$log" 2>&1 &
	CHILDREN[$!]=$name
}

# run_bounded name seconds log command ...
run_bounded() {
	start_bounded "$@"
	local child=$! status
	wait "$child"
	status=$?
	unset "CHILDREN[$child]"
	return $status
}

# tap name seconds command ...: a program that prints TAP lines
tap() {
	local name=$1 limit=$2 log=$LOGS/$1.log status
	shift 2
	wanted "$name" || return 0
	RUN=$((RUN + 1))
	run_bounded "$name" "$limit" "$log" "$@"
	status=$?
	if again "$name" $status "$log"; then
		second "$name" "$limit" "$log" "$@"
	else
		count_tap "$name" $status "$log"
	fi
}

# step name seconds command ...: one test by its exit status. Only where wanted.
step() {
	wanted "$1" || return 0
	RUN=$((RUN + 1))
	always "$@"
}

always() {
	local name=$1 limit=$2 log=$LOGS/$1.log
	shift 2
	if run_bounded "$name" "$limit" "$log" "$@"; then
		PASSED=$((PASSED + 1))
		printf 'ok   %s%s\n' "$name" "$(took "$name")"
	else
		FAILED=$((FAILED + 1))
		printf 'FAIL %s\n' "$name"
		grep -E -A 6 'error|Error' "$log" | grep -v '^clang-format' | cut -c1-160 | head -n 40 | sed 's/^/     | /'
		tail -n 15 "$log" | cut -c1-160 | sed 's/^/     | /'
		return 1
	fi
}

mk() { make --no-print-directory -j"$JOBS" "$@"; }
export -f mk
export JOBS

unit_names() {
	local f
	for f in selftests/unit/test_*.c; do
		[ ! -e "$f" ] || basename "$f" .c
	done
}

# unit_suite label builddir limit [wrapper ...]: every unit test built there
unit_suite() {
	local label=$1 dir=$2 limit=$3 t
	shift 3
	for t in $(unit_names); do
		[ ! -e "$dir/selftests/unit/$t" ] || tap "$label/${t#test_}" "$limit" "$@" "$dir/selftests/unit/$t"
	done
}

targets() { # targets directory word: unit test programs whose name contains the word
	local dir=$1 word=$2 t
	for t in $(unit_names); do
		case $t in *"$word"*) echo "$dir/$t" ;; esac
	done
}

run_builds() {
	always build/gcc 900 bash -c 'mk CC=gcc SAN= BUILD="$BUILD" all tests' || return
	step build/format 120 make --no-print-directory format-check
	step build/man 60 mandoc -Tlint -W warning man/*.[58]
	step build/vmlinux 120 make --no-print-directory BUILD="$BUILD" check-vmlinux
	step build/install 120 selftests/install.sh
	step build/versions 30 selftests/versions.sh --complete
	step build/shell 60 bash -c 'for f in selftests/*.sh selftests/*/*.sh selftests/*/*.inc .ci/run; do
		bash -n "$f" || exit 1; done'
}

# The unit tests: with gcc as users get them; with clang and without ipsec-mb, as they are where it is not to be had;
# with clang under ASan and UBSan; those with threads under TSan. The BPF programs are the same for all of them.
run_units() {
	unit_suite unit "$BUILD" 600 env WGX_DAY_RUNS="${WGX_DAY_RUNS:-400}"
}

run_clang() {
	any_wanted clang/ || return 0
	always build/clang 900 bash -c 'mk CC=clang SAN= IPSEC_MB=0 CFLAGS="-O2 -g0" BPF_BUILD="$BUILD" BUILD=build-clang all tests' &&
		unit_suite clang build-clang 600 env WGX_DAY_RUNS=100
}

ASAN_BUILD=(FUZZ_BUILD=build-asan COVERAGE=0 BPF_BUILD="$BUILD")
run_asan() {
	local list
	any_wanted asan/ || return 0
	mapfile -t list < <(targets unit test_)
	always build/asan 900 env "${ASAN_BUILD[@]}" selftests/fuzz/build.sh "${list[@]}" &&
		unit_suite asan build-asan 600 env UBSAN_OPTIONS=print_stacktrace=1
}

run_tsan() {
	local list
	any_wanted tsan/ || return 0
	mapfile -t list < <(targets build-thread/selftests/unit thread)
	[ ${#list[@]} -gt 0 ] || return 0
	# TSan's memory map fails under the kernel's full address randomization.
	always build/tsan 900 make -j"$JOBS" CC=gcc SAN=thread CFLAGS='-O1 -g1' BPF_BUILD="$BUILD" BUILD=build-thread "${list[@]}" &&
		unit_suite tsan build-thread 600 setarch -R env TSAN_OPTIONS=halt_on_error=1
}

# one_ended: waits for one of the started tests to end, and counts it, or keeps it for another run. With a time limit
# for that: fails where none has ended by then.
one_ended() {
	local child status name tick=
	[ $# = 0 ] || { sleep "$1" & tick=$!; }
	wait -n -p child "${!CHILDREN[@]}" $tick
	status=$?
	[ -z "$tick" ] || [ "$child" != "$tick" ] || return
	[ -z "$tick" ] || { kill "$tick" && wait "$tick"; } 2>/dev/null
	name=${CHILDREN[$child]}
	unset "CHILDREN[$child]"
	if again "$name" $status "$LOGS/$name.log"; then
		AGAIN+=("$name")
	else
		count_tap "$name" $status "$LOGS/$name.log"
	fi
	return 0
}

# The longest, so that none of them is what all wait for at the end. Those that wait for the time to pass, and those that
# keep processors busy, alternate.
LONGEST='interop/linux netns/agent_api interop/vm_linux_6.12 interop/vm_linux_6.1 netns/agent_rotate interop/wireguard_go
	interop/linux_netem netns/syscall_faults interop/linux_oracle netns/fallbacks interop/linux_cookies netns/tunnel interop/vm_underlay
	netns/agent_file netns/accounting netns/up_down netns/wg_quick netns/forged netns/metrics netns/strict_full
	netns/endpoint_names netns/strict_crash netns/lan netns/roaming netns/hostile_frames netns/strict_limits
	netns/sticky_source netns/network_managers netns/flood netns/timers'

# scripts path ...: these, and those of these directories, by their names, in the order in which they are to be run
scripts() {
	local path
	{
		for path; do
			find "selftests/$path" -maxdepth 1 -name '*.sh' -executable
		done | sort | sed 's,^selftests/,,; s,\.sh$,,'
	} | awk -v longest="$LONGEST" '{ there[$0]; all[NR] = $0 }
		END {
			for (i = 1; i <= split(longest, l); i++)
				if (l[i] in there) { print l[i]; delete there[l[i]] }
			for (i = 1; i <= NR; i++)
				if (all[i] in there) print all[i]
		}'
}

# processors: ticks of all processors so far, and of these such as did nothing, or what yields to a script
processors() { awk '/^cpu / { print $2 + $3 + $4 + $5 + $6 + $7 + $8 + $9, $3 + $5 + $6; exit }' /proc/stat; }

# room_for_one: waits until another script may start: there are few, or for some seconds half of the processors had
# nothing to do.
room_for_one() {
	local all idle all_was idle_was
	while [ ${#CHILDREN[@]} -ge "$SCRIPTS_AT_ONCE" ]; do
		[ ${#CHILDREN[@]} -lt "$SCRIPTS_AT_MOST" ] || { one_ended; continue; }
		read -r all_was idle_was < <(processors)
		one_ended 4 && continue
		read -r all idle < <(processors)
		[ $((2 * (idle - idle_was))) -lt $((all - all_was)) ] || break
	done
}

# run_scripts limit path ...: these scripts, and those of these directories, several at a time: most wait most of the
# time.
run_scripts() {
	local limit=$1 name AGAIN=()
	shift
	for name in $(scripts "$@"); do
		wanted "$name" || continue
		RUN=$((RUN + 1))
		room_for_one
		start_bounded "$name" "$limit" "$LOGS/$name.log" "selftests/$name.sh"
	done
	while [ ${#CHILDREN[@]} -gt 0 ]; do
		one_ended
	done
	for name in "${AGAIN[@]}"; do
		second "$name" "$limit" "$LOGS/$name.log" "selftests/$name.sh"
	done
}

# The programs are run in two rows, beside the scripts. They keep the processors busy, the scripts mostly wait: these
# yield.
plain() {
	local t
	run_units
	for t in "$BUILD"/selftests/bpf/test_*; do
		[ -x "$t" ] && [ -f "$t" ] && tap "bpf/$(basename "$t" | sed 's/^test_//')" 300 "$t"
	done
	run_clang
	tap model 300 env SESSIONS=3 selftests/model/model.sh
}

sanitized() {
	run_asan
	tap fuzz 1500 env "${ASAN_BUILD[@]}" SECONDS_EACH=2 SEED=1 RUNS=20000 selftests/fuzz/fuzz.sh
	run_tsan
}

# aside command: in the background; what it counted is added up by aside_ends.
aside() {
	(
		trap 'kill -TERM "${!CHILDREN[@]}" 2>/dev/null; wait; exit 143' INT TERM
		renice -n 10 "$BASHPID" >/dev/null
		PASSED=0 FAILED=0 SKIPPED=0 RUN=0
		"$@"
		declare -p PASSED FAILED SKIPPED RUN FLAKY | sed 's/^declare /declare -g /' >"$LOGS.aside.$1"
	) &
	ASIDE[$1]=$!
}

aside_ends() {
	local row passed failed skipped run flaky
	for row in "${!ASIDE[@]}"; do
		passed=$PASSED failed=$FAILED skipped=$SKIPPED run=$RUN flaky=("${FLAKY[@]}")
		if wait "${ASIDE[$row]}" && . "$LOGS.aside.$row"; then
			PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped)) RUN=$((RUN + run))
			FLAKY+=("${flaky[@]}")
		else
			echo "FAIL the $row programs did not end" && FAILED=$((failed + 1))
		fi
	done
	ASIDE=()
}

"$SELFTESTS/setup.sh" || { PASSED=0 FAILED=1 && summary && exit 1; }
rm -rf "$LOGS" "$LOGS.first" "$LOGS".aside.*
mkdir -p "$LOGS"
if run_builds; then
	aside plain
	aside sanitized
	# of k8s/, what takes minutes, and the control plane's build, are make test-k8s
	if [ "${K8S:-0}" = 1 ]; then
		run_scripts 2400 k8s
	else
		run_scripts 900 interop netns k8s/three_nodes.sh
	fi
	aside_ends
	# The table of docs/conformance.md speaks of a whole run only.
	[ ${#PATTERNS[@]} -gt 0 ] || tap conformance 60 selftests/conformance.py "$LOGS" docs/conformance.md
fi
[ $RUN -gt 0 ] || [ $FAILED -gt 0 ] || { echo 'no test matches' && FAILED=1; }
summary
[ $FAILED -eq 0 ]
