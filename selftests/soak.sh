#!/bin/bash
# SPDX-License-Identifier: MIT
# make soak MINUTES=30: a tunnel under load whose peers come and go, roam, rekey (their clocks run ahead), change MTU, are
# attached and detached; round after round, until the time is over. Then memory and descriptors are as they were after the
# first rounds, no chunk of an AF_XDP ring is lost, and no sanitizer has said anything (SAN=address,undefined).
#
#	A wg0 10.7.0.1, fd07::1 -- eth0 192.0.2.1, .11 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2, fd07::2 B
#	  clocks of its own                                                     clocks of its own
. "$(dirname "$0")/lib.sh"
require wg iperf3 jq
require_wgx

MINUTES=${MINUTES:-30}
WARM=${WARM:-5} # rounds until memory has its size
# what was freed is kept by ASan, to notice who uses it; so much that it has its size after the first rounds
export ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0:quarantine_size_mb=8:log_path=$WORK/asan"
export UBSAN_OPTIONS="print_stacktrace=1:log_path=$WORK/asan"

clock_own A B
underlay_pair
for h in A B; do
	impl_up $h wg0 wgx || bail 'set up'
	key_for $h wg0
	on $h wg set wg0 listen-port 51820 private-key "$WORK/$h.wg0.key"
done
wg_peer A wg0 B wg0 endpoint 192.0.2.2:51820 allowed-ips 10.7.0.2/32,fd07::2/128
wg_peer B wg0 A wg0 allowed-ips 10.7.0.1/32,fd07::1/128
for h in A B; do on $h ip link set wg0 up; done
addr A wg0 10.7.0.1/24 fd07::1/64
addr B wg0 10.7.0.2/24 fd07::2/64
check 'attach' attach_pair wgx wgx
check 'ping' wait_for 20 ping_ok A 10.7.0.2
declare -A PID=([A]=$(daemon_pid A wg0) [B]=$(daemon_pid B wg0))
for p in 5201 5202; do iperf_server B $p; done

python3 - "$WORK" <<'END'
import base64, random, sys
r = random.Random(1)
keys = [base64.b64encode(r.randbytes(32)).decode() for i in range(200)]
with open(f"{sys.argv[1]}/more", "w") as more, open(f"{sys.argv[1]}/less", "w") as less:
    for i, k in enumerate(keys):
        print(f"[Peer]\nPublicKey = {k}\nEndpoint = 192.0.2.2:{1024 + i}\nAllowedIPs = 10.9.{i}.0/24, fd09:{i:x}::/32\n"
              "PersistentKeepalive = 25", file=more)
        print(f"peer {k} remove", file=less)
END

#--- what happens in a round
peers() {
	on A wg addconf wg0 "$WORK/more" && on B wg addconf wg0 "$WORK/more" && sleep 0.5 &&
		on A xargs wg set wg0 <"$WORK/less" && on B xargs wg set wg0 <"$WORK/less"
}
roam() {
	local to=11 from=1
	[ $((ROUND % 2)) = 0 ] || to=1 from=11
	on A sh -c "ip addr add 192.0.2.$to/24 dev eth0; ip addr del 192.0.2.$from/24 dev eth0; ip addr add 192.0.2.$to/24 dev eth0" \
		2>/dev/null
	return 0
}
rekey() { clock_jump A both 130 && clock_jump B both 130; }
mtu() { on A ip link set wg0 mtu $((1280 + ROUND % 8 * 20)) && on B ip link set wg0 mtu $((1420 - ROUND % 8 * 20)); }
reattach() {
	wgx A detach eth0 && wgx A attach eth0 --strict && sleep 0.2 && wgx A detach eth0 && wgx A attach eth0 &&
		wgx B detach eth0 && wgx B attach eth0 --mode native && sleep 0.2 && wgx B detach eth0 && wgx B attach eth0
}
second() { wgx A wg1 && on A ip link set wg1 up && on A ip link del wg1 && wait_for 20 not on A test -e /run/wireguard/wg1.sock; }
look() { wgx A show --json && wgx A show --drops && wgx B show && on A timeout 0.3 "$WGX" monitor; true; }

# begin_again: a machine that is so busy that an answer takes half a minute is no mistake of the daemon, if it comes
answer() { wgx A show && wgx B show; }
begin_again() {
	wait_for 300 answer || return
	for h in A B; do
		wgx $h detach eth0
		wgx $h attach eth0 || return
	done >/dev/null
}

# sample A: resident kB, descriptors, threads, chunks that are neither in a fill ring nor in an rx ring
missing() { wgx_json "$1" '[.rings[] | .chunks - .fill - .rx] | add'; }
sample() {
	on "$1" sh -c 'awk "/^VmRSS/ { printf \"%d \", \$2 }" "/proc/$1/status"; ls "/proc/$1/fd" | wc -l | tr "\n" " "
		ls "/proc/$1/task" | wc -l | tr "\n" " "' sh "${PID[$1]}"
	missing "$1"
}
settled() { [ "$(missing A)" -le 64 ] && [ "$(missing B)" -le 64 ]; }

END=$((SECONDS + MINUTES * 60)) ROUND=0 BAD=0 SLOW=0
declare -A FIRST LAST MOST
while [ $SECONDS -lt $END ] || [ $ROUND -le $WARM ]; do
	ROUND=$((ROUND + 1))
	on A timeout 30 iperf3 -c 10.7.0.2 -p 5201 -t 6 -b 300M >"$WORK/load1" 2>&1 &
	one=$!
	on A timeout 30 iperf3 -c 10.7.0.2 -p 5202 -t 6 -u -b 30M -R >"$WORK/load2" 2>&1 &
	two=$!
	sleep 0.3
	for what in peers roam rekey mtu look reattach second rekey; do
		$what >"$WORK/said" 2>&1 && continue
		echo "# round $ROUND: $what: $(tail -n 2 "$WORK/said")"
		grep -q 'has not answered for' "$WORK/said" && begin_again && SLOW=$((SLOW + 1)) || BAD=$((BAD + 1))
	done
	wait $one $two
	wait_for 20 ping_ok A 10.7.0.2 || { BAD=$((BAD + 1)) && echo "# round $ROUND: no ping"; }
	wait_for 10 settled || { BAD=$((BAD + 1)) && echo "# round $ROUND: chunks missing: $(missing A), $(missing B)"; }
	for h in A B; do
		[ "$(daemon_pid $h wg0)" = "${PID[$h]}" ] || { BAD=$((BAD + 1)) && echo "# round $ROUND: another daemon on $h"; }
		LAST[$h]=$(sample $h)
		[ $ROUND -ne $WARM ] || FIRST[$h]=${LAST[$h]}
		[ "${LAST[$h]%% *}" -le "${MOST[$h]:-0}" ] || MOST[$h]=${LAST[$h]%% *}
	done
	[ $((ROUND % ${EACH:-10})) -ne 0 ] || echo "# round $ROUND, $((SECONDS / 60)) min: A ${LAST[A]}, B ${LAST[B]}"
	[ $BAD -lt 10 ] || break
done
echo "# $ROUND rounds; kB, descriptors, threads, chunks on their way: after $WARM: A ${FIRST[A]}, B ${FIRST[B]}"
echo "# at the end: A ${LAST[A]}, B ${LAST[B]}; most memory: A ${MOST[A]}, B ${MOST[B]} kB"
echo "# sessions: $(wgx_json A '.handshakes.responses') and $(wgx_json B '.handshakes.initiations')"
echo "# megabytes sealed: A $(($(wgx_counter A wg0 sealed_bytes) / 1000000)), B $(($(wgx_counter B wg0 sealed_bytes) / 1000000))"
high() { on "$1" awk '/^VmHWM/ { print $2 }' "/proc/${PID[$1]}/status"; }
echo "# peak memory: A $(high A), B $(high B) kB"
check_equal 'nothing went wrong in any round' $BAD 0
check "$SLOW of $ROUND rounds were too slow" test $((10 * SLOW)) -le $ROUND
for h in A B; do
	read -r kb fds threads _ <<<"${FIRST[$h]}"
	read -r kb2 fds2 threads2 _ <<<"${LAST[$h]}"
	check "$h: $kb kB, then $kb2" test "$kb2" -le $((kb + 8192))
	check_equal "$h: descriptors" "$((fds2 > fds + 2 ? fds2 : fds))" "$fds" # native has one or two others than tcx
	check_equal "$h: threads" "$threads2" "$threads"
done
check_equal 'no sanitizer said anything' "$(cat "$WORK"/asan.* 2>/dev/null | head -n 40)" ''
finish
