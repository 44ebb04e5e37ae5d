#!/bin/bash
# SPDX-License-Identifier: MIT
# make fuzz: builds the targets with clang (libFuzzer, ASan, UBSan), runs each for SECONDS_EACH on its corpus, and
# says how many lines of the sources it is about it has covered.
#
#	selftests/fuzz/fuzz.sh [target ...]
#
# SEED and RUNS: libFuzzer's -seed and -runs, for make test, which is to do the same each time.
# What an input leaves is kept in $BUILD/fuzz/TARGET (new coverage) and $BUILD/fuzz/TARGET-crash-* (found). MERGE=1
# writes what covers more than the corpus in the tree into that.
set -u -o pipefail
export LC_ALL=C CMOCKA_TEST_ABORT=1
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
BUILD=${FUZZ_BUILD:-build-fuzz}
SECONDS_EACH=${SECONDS_EACH:-60}

# what each is about: sources, for the coverage, by the target's name
declare -A ABOUT=(
	[wire]='ctl/proto/noise.c ctl/proto/session.c ctl/proto/cookie.c ctl/proto/data.c ctl/path/outer.c'
	[session]='ctl/proto/session.c ctl/proto/keypair.c ctl/proto/timers.c ctl/proto/noise.c ctl/proto/replay.c'
	[inner]='ctl/path/inner.c ctl/path/coalesce.c ctl/path/icmp.c'
	[segment]='ctl/path/segment.c'
	[uapi]='ctl/device/uapi.c ctl/device/uapi_set.c ctl/device/uapi_get.c ctl/device/endpoint.c'
	[conf]='ctl/quick/conf.c'
	[bootfile]='ctl/netbsd/bootfile.c ctl/netbsd/ifconfig.c ctl/netbsd/peer_options.c'
	[control]='ctl/daemon/control.c ctl/daemon/requests.c ctl/daemon/guard.c'
	[netlink]='ctl/net/monitor.c ctl/net/fib.c ctl/net/route.c'
	[watch]='ctl/agent/k8s_stream.c ctl/agent/node.c'
	[record]='ctl/agent/node.c ctl/agent/registry_file.c ctl/cli/file.c'
	[members]='ctl/agent/members.c ctl/agent/rules.c ctl/agent/plan.c'
	[handover]='ctl/device/device_state.c ctl/proto/session_state.c'
	[bpf]='ctl/path/outer.c'
)

targets=("$@")
[ ${#targets[@]} -gt 0 ] || for f in selftests/fuzz/fuzz_*.c; do
	f=${f##*/fuzz_}
	targets+=("${f%.c}")
done

tests=0 failed=0
say() { # say ok|'not ok' name [# SKIP why]
	tests=$((tests + 1))
	[ "$1" = ok ] || failed=$((failed + 1))
	echo "$1 $tests - ${*:2}"
}

command -v clang >/dev/null && command -v llvm-cov >/dev/null || {
	say ok "fuzz # SKIP needs clang and llvm-cov"
	echo "1..$tests"
	exit 0
}
mkdir -p "$BUILD/fuzz"
"$here/build.sh" "${targets[@]/#/fuzz/fuzz_}" >"$BUILD/fuzz/make.log" 2>&1 || {
	tail -n 30 "$BUILD/fuzz/make.log"
	say 'not ok' 'the targets are built'
	echo "1..$tests"
	exit 1
}

# lines of the sources that it is about: "covered of all"
coverage() {
	local t=$1 dir=$2
	[ "${COVERAGE:-1}" = 1 ] || return
	llvm-profdata merge -o "$dir.profdata" "$dir.profraw" 2>/dev/null || return
	# shellcheck disable=SC2086
	llvm-cov report "$BUILD/selftests/fuzz/fuzz_$t" -instr-profile "$dir.profdata" ${ABOUT[$t]} 2>/dev/null |
		awk '$1 == "TOTAL" { printf ", %d of %d lines (%s)", $8 - $9, $8, $10 }'
}

run() {
	local t=$1 dir=$BUILD/fuzz/$1 seeds=selftests/fuzz/corpus/$1 status line
	mkdir -p "$dir" "$seeds"
	ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
		LLVM_PROFILE_FILE="$dir.profraw" "$BUILD/selftests/fuzz/fuzz_$t" -max_total_time="$SECONDS_EACH" \
		${SEED:+-seed="$SEED"} ${RUNS:+-runs="$RUNS"} -max_len="${MAX_LEN:-4096}" -timeout=25 -rss_limit_mb=2048 -print_final_stats=1 -verbosity=1 \
		-artifact_prefix="$dir-crash-" "$dir" "$seeds" >"$dir.log" 2>&1
	status=$?
	if grep -q '^SKIP' "$dir.log"; then
		say ok "fuzz_$t # SKIP $(sed -n 's/^SKIP //p' "$dir.log" | head -n 1)"
		return
	fi
	line="$(awk '/number_of_executed_units/ { print $2 }' "$dir.log") inputs$(coverage "$t" "$dir")"
	if [ $status != 0 ]; then
		say 'not ok' "fuzz_$t: $line"
		grep -E -A 25 'ERROR|SUMMARY|runtime error|\[  ERROR|not equal|Failure' "$dir.log" | head -n 50 | sed 's/^/# /'
		return
	fi
	say ok "fuzz_$t: $line"
	[ -z "${MERGE:-}" ] || LLVM_PROFILE_FILE=/dev/null "$BUILD/selftests/fuzz/fuzz_$t" \
		-merge=1 -max_len=600 "$seeds" "$dir" >"$dir.merge.log" 2>&1
}

for t in "${targets[@]}"; do
	run "$t"
done
echo "1..$tests"
[ $failed = 0 ]
