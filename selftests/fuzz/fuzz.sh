#!/bin/bash
# SPDX-License-Identifier: MIT
# make fuzz: builds the targets with clang (libFuzzer, ASan, UBSan), runs each for SECONDS_EACH on its corpus, and
# says how many lines of the sources it is about it has covered.
#
#	selftests/fuzz/fuzz.sh [target ...]
#
# SEED and RUNS: libFuzzer's -seed and -runs, for make test, which is to do the same each time. TIMEOUT: seconds that an
# input may take, 25; by the clock, so that it wants to be more where others have the processors.
# What an input leaves is kept in $BUILD/fuzz/TARGET (new coverage) and $BUILD/fuzz/TARGET-crash-* (found). What a
# target has run in all, and since it last found new coverage, is kept in $BUILD/fuzz/TARGET.state, and goes on from
# selftests/fuzz/campaign.tsv. UNTIL=30 leaves out those for which nothing new has come in so many CPU minutes. MERGE=1
# makes the corpus in the tree of the smallest inputs that cover what all of them do, and writes the campaign.
set -u -o pipefail
export LC_ALL=C CMOCKA_TEST_ABORT=1
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.." || exit 1
BUILD=${FUZZ_BUILD:-build-fuzz}
SECONDS_EACH=${SECONDS_EACH:-60}

# what each is about: sources, for the coverage, by the target's name
declare -A ABOUT=(
	[answer]='ctl/cli/client.c ctl/cli/show_text.c ctl/cli/show_drops.c ctl/cli/monitor_text.c ctl/cli/text.c
		ctl/top/model.c ctl/top/frame.c ctl/metrics/families.c ctl/metrics/text.c'
	[wire]='ctl/proto/noise.c ctl/proto/session.c ctl/proto/cookie.c ctl/proto/data.c ctl/path/outer.c'
	[session]='ctl/proto/session.c ctl/proto/keypair.c ctl/proto/timers.c ctl/proto/noise.c ctl/proto/replay.c'
	[inner]='ctl/path/inner.c ctl/path/coalesce.c ctl/path/icmp.c'
	[segment]='ctl/path/segment.c'
	[uapi]='ctl/device/uapi.c ctl/device/uapi_set.c ctl/device/uapi_get.c ctl/device/endpoint.c'
	[conf]='ctl/quick/conf.c'
	[bootfile]='ctl/netbsd/bootfile.c ctl/netbsd/ifconfig.c ctl/netbsd/peer_options.c'
	[control]='ctl/daemon/control.c ctl/daemon/requests.c ctl/daemon/guard.c'
	[egress]='selftests/fuzz/fuzz_egress.c'
	[have]='ctl/cli/uapi_client.c ctl/agent/have.c'
	[k8s]='ctl/agent/registry_k8s.c ctl/agent/k8s_stream.c'
	[kube]='ctl/agent/kubeconfig.c'
	[lan]='selftests/fuzz/fuzz_lan.c'
	[netlink]='ctl/net/monitor.c ctl/net/fib.c ctl/net/route.c ctl/net/link.c ctl/net/addr.c ctl/net/netlink.c
		ctl/net/holder.c ctl/net/xdp_features.c'
	[nft]='ctl/doctor/nft.c'
	[state]='ctl/agent/state.c ctl/daemon/stamps.c'
	[strict]='selftests/fuzz/fuzz_strict.c'
	[watch]='ctl/agent/k8s_stream.c ctl/agent/node.c'
	[record]='ctl/agent/node.c ctl/agent/registry_file.c ctl/cli/file.c'
	[members]='ctl/agent/members.c ctl/agent/rules.c ctl/agent/plan.c'
	[handover]='ctl/device/device_state.c ctl/proto/session_state.c'
	[bpf]='ctl/path/outer.c'
	[up]='ctl/quick/record.c'
)

# functions of these that read nothing foreign, and that a target does not call: which ask, change, open, wait, print
declare -A BESIDES=(
	[answer]='wgx_client_(open|connect|connect_within|call|once|request|perror|strerror|ask|send)|set_timeouts
		|wgx_text_init|wgx_top_sort_(name|find)|wgx_metrics_text_append'
	[bootfile]='find_first|same|add|replace|find_same|remove_address|apply|describe|wgx_ifconfig_(apply|print)|print_.*
		|resolve|wgx_peer_options_(resolve|request|wipe)|put_allowed_ips|.*option.*|value_of|next_item
		|check_allowed_ips|parse_endpoint'
	[control]='place_of|served_at|client_codec|read_client|goes_along|wgx_control_(codec|start|stop)'
	[have]='open_socket|wgx_uapi_ask'
	[k8s]='start|wgx_registry_k8s|wgx_registry_k8s_addresses'
	[kube]='wgx_kube_in_cluster'
	[lan]='fuzz_begin' [egress]='fuzz_begin|share|load_plain' [strict]='fuzz_begin'
	[netlink]='query_link|dump|set_timer|resync|read_nsid|read_events|wgx_monitor_.*|open_.*|add_to_epoll|close_fd
		|short_table|change_route|wgx_route_.*|wgx_throw_each|wgx_table_in_use|dump_.*|put_.*|find_way|wgx_rule_.*
		|call_rule|wgx_routes_.*|genl_message|find_netdev|ask|wgx_xdp_.*|link_message|query|wgx_link_.*|change_flags|set_.*|delete_once|delete_link|check_name
		|create_pair|quiet_ipv6|configure.*|check_orphan|find_or_create|is_loopback|request|wgx_addr_.*|each_of
		|wgx_nl_.*|send_message|read_whole_answer|reset_signals|drop_all_capabilities|enter_namespace|setup
		|any_far_ends|ask_for_far_ends|wait_for_event|hold|wgx_holder_.*'
	[record]='publish|list|open_directory|check_directory|rescan|on_event|watch.*|try|start|run
		|free_registry|wgx_registry_file|lose|close_all|of|wgx_prefix_of_address'
	[state]='make_.*|new_key|write_(key|mark|ahead|and_sync)|wgx_state_(next_key|switch|forget_previous)|open_directory
		|later|format|wgx_stamps_reserve'
	[uapi]='wgx_endpoint_(from|same_destination|equal|refuse_source|clear_source|is_news|unscoped)'
	[watch]='wgx_k8s_backoff_.*|wgx_prefix_of_address'
	[wire]='wgx_cookie_mac1_state|wgx_session_(set_keepalive|keepalive|identity_.*|initiate|codec)'
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

# lines of the functions that it is about: "covered of all". Paths are as -ffile-prefix-map leaves them.
coverage() {
	local t=$1 dir=$2 besides
	[ "${COVERAGE:-1}" = 1 ] || return
	besides="^($(tr -d '[:space:]' <<<"${BESIDES[$t]:-}"))\$"
	llvm-profdata merge -o "$dir.profdata" "$dir.profraw" 2>/dev/null || return
	# shellcheck disable=SC2086
	llvm-cov report -show-functions -path-equivalence=.,"$PWD" "$BUILD/selftests/fuzz/fuzz_$t" -instr-profile "$dir.profdata" ${ABOUT[$t]} 2>/dev/null |
		BESIDES="$besides" awk '
		!/%/ || $1 == "TOTAL" { next }
		{ sub(/.*[:;]/, "", $1) }
		$1 ~ ENVIRON["BESIDES"] { next }
		{ lines += $5; missed += $6 }
		END { printf "%d %d", lines - missed, lines }'
}

# A word of what libFuzzer's log tells: how many inputs, and the last of them that covered more than the corpus did
executions() {
	awk -v what="$2" '
	/^#[0-9]+/ { n = substr($1, 2); for (i = 2; i < NF; i++) if ($i == "cov:") cov = $(i + 1) }
	/INITED/ { most = cov; first = n }
	cov > most && first != "" { most = cov; last = n }
	/number_of_executed_units/ { all = $2 }
	END { print what == "all" ? all + 0 : last + 0 }' "$1"
}

# What a target's coverage depends on: when that changes, the wait for new coverage begins again.
sources() {
	local t=$1 about="${ABOUT[$1]} selftests/fuzz/fuzz_$1.c"
	case $t in
	bpf | egress | lan | strict) about+=" $(echo bpf/*.[ch])" ;;
	session) about+=" selftests/unit/sim.h selftests/unit/sim_ledger.h" ;;
	esac
	# shellcheck disable=SC2086
	cat $about | sha256sum | cut -c 1-12
}

# "CPU seconds in all, since new coverage, inputs in all" of what ran before
before() {
	local t=$1 all=0 since=0 inputs=0 of=
	if [ -e "$BUILD/fuzz/$t.state" ]; then
		read -r all since inputs of <"$BUILD/fuzz/$t.state"
	else
		read -r all since inputs of < <(awk -v t="$t" '$1 == t { print $2, $3, $4, $5 }' selftests/fuzz/campaign.tsv 2>/dev/null)
	fi
	[ "$of" = "$(sources "$t")" ] || since=0
	echo "${all:-0} ${since:-0} ${inputs:-0}"
}

# campaign target log cpu_seconds: adds this run, and for how long nothing new has come
campaign() {
	local t=$1 log=$2 cpu=$3 all since inputs
	read -r all since inputs < <(before "$t")
	awk -v all="$all" -v since="$since" -v inputs="$inputs" -v cpu="$cpu" -v of="$(sources "$t")" \
		-v n="$(executions "$log" all)" -v last="$(executions "$log" last)" 'BEGIN {
		since = last ? (n ? cpu * (n - last) / n : 0) : since + cpu
		printf "%.0f %.0f %d %s\n", all + cpu, since, inputs + n, of }' >"$BUILD/fuzz/$t.new" &&
		mv "$BUILD/fuzz/$t.new" "$BUILD/fuzz/$t.state"
}

is_done() {
	[ -n "${UNTIL:-}" ] && before "$1" | awk -v until="$UNTIL" '{ exit !($2 >= 60 * until) }'
}

# its line in selftests/fuzz/campaign.tsv
keep_campaign() {
	local t=$1 file=selftests/fuzz/campaign.tsv
	{
		printf '# target\tCPU s\tCPU s since new coverage\tinputs\tsources\tlines covered\tof\n'
		{
			grep -v -e '^#' -e "^$t	" "$file" 2>/dev/null
			tr ' ' '\t' <<<"$t $(cat "$BUILD/fuzz/$t.state") $2"
		} | sort
	} >"$BUILD/fuzz/campaign.new" && mv "$BUILD/fuzz/campaign.new" "$file"
}

# The smallest inputs that cover what all do; libFuzzer's names, but those that a bug was found by keep theirs.
keep_corpus() {
	local t=$1 dir=$BUILD/fuzz/$1 seeds=selftests/fuzz/corpus/$1 least=$BUILD/fuzz/$1.least
	rm -rf "$least" && mkdir -p "$least"
	LLVM_PROFILE_FILE=/dev/null "$BUILD/selftests/fuzz/fuzz_$t" -merge=1 -use_counters=0 -max_len=600 "$least" "$seeds" "$dir" \
		>"$dir.merge.log" 2>&1 || return
	find "$seeds" -type f -regextype posix-extended -regex '.*/[0-9a-f]{40}' -delete
	# names are of the contents: what a seed has already is not copied under another
	for f in "$least"/*; do
		[ -f "$f" ] || continue
		find "$seeds" -type f -size "$(stat -c %s "$f")c" -exec cmp -s "$f" {} \; -print -quit | grep -q . ||
			cp "$f" "$seeds/"
	done
}

run() {
	local t=$1 dir=$BUILD/fuzz/$1 seeds=selftests/fuzz/corpus/$1 dict=selftests/fuzz/dict/$1 status lines line cpu
	mkdir -p "$dir" "$seeds"
	if is_done "$t"; then
		say ok "fuzz_$t # SKIP nothing new for $UNTIL CPU minutes"
		return
	fi
	[ -e "$dict" ] || dict=
	TIMEFORMAT='%U %S'
	{ time ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:malloc_context_size=8 UBSAN_OPTIONS=print_stacktrace=1 \
		LLVM_PROFILE_FILE="$dir.profraw" "$BUILD/selftests/fuzz/fuzz_$t" -max_total_time="$SECONDS_EACH" \
		${SEED:+-seed="$SEED"} ${RUNS:+-runs="$RUNS"} ${dict:+-dict="$dict"} -max_len="${MAX_LEN:-4096}" \
		-timeout="${TIMEOUT:-25}" -rss_limit_mb=2048 -print_final_stats=1 -verbosity=1 \
		-artifact_prefix="$dir-crash-" "$dir" "$seeds" >"$dir.log" 2>&1; } 2>"$dir.time"
	status=$?
	if grep -q '^SKIP' "$dir.log"; then
		say ok "fuzz_$t # SKIP $(sed -n 's/^SKIP //p' "$dir.log" | head -n 1)"
		return
	fi
	cpu=$(awk '{ print $1 + $2 }' "$dir.time")
	lines=$(coverage "$t" "$dir")
	line="$(executions "$dir.log" all) inputs$(awk 'NF { printf ", %d of %d lines (%.0f %%)", $1, $2, 100 * $1 / $2 }' <<<"$lines")"
	if [ -z "${RUNS:-}" ]; then
		campaign "$t" "$dir.log" "$cpu"
		line+=", nothing new for $(awk '{ printf "%.1f of %.1f", $2 / 60, $1 / 60 }' "$BUILD/fuzz/$t.state") CPU minutes"
	fi
	if [ $status != 0 ]; then
		say 'not ok' "fuzz_$t: $line"
		grep -E -A 25 'ERROR|SUMMARY|runtime error|\[  ERROR|not equal|Failure' "$dir.log" | head -n 50 | sed 's/^/# /'
		return
	fi
	say ok "fuzz_$t: $line"
	[ -z "${MERGE:-}" ] || keep_corpus "$t"
	[ -z "${MERGE:-}" ] || [ -n "${RUNS:-}" ] || keep_campaign "$t" "$lines"
}

for t in "${targets[@]}"; do
	run "$t"
done
echo "1..$tests"
[ $failed = 0 ]
