#!/bin/bash
# SPDX-License-Identifier: MIT
# The configuration protocol: wgx answers each request as wireguard-go does, byte for byte. What had to be
# made equal before, or left out, is listed in netns/uapi.py.
#
#	A wg0 (wgx)          B wg0 (wireguard-go)
. "$(dirname "$0")/../lib.sh"
require wg python3
require_impl wgx wireguard-go

client() { on "$1" timeout 100 python3 "$SELFTESTS/netns/uapi.py" "${@:2}"; }

# compare what ...: both say the same; a line for each name
compare() {
	local name other got want
	client A "$@" >"$WORK/A.out" 2>&1 || nok "wgx: $*" "$(tail -n 5 "$WORK/A.out")"
	client B "$@" >"$WORK/B.out" 2>&1 || nok "wireguard-go: $*" "$(tail -n 5 "$WORK/B.out")"
	while IFS=$'\t' read -r name got <&3 && IFS=$'\t' read -r other want <&4; do
		[ "$name" = "$other" ] || bail "the same requests to both" "$name" "$other"
		check_equal "$name" "$got" "$want"
	done 3<"$WORK/A.out" 4<"$WORK/B.out"
}

host_add A B
check 'wgx' impl_up A wg0 wgx || finish
check 'wireguard-go' impl_up B wg0 wireguard-go || finish
compare answers
compare refusals

# A port in use is known when there are sockets.
for h in A B; do
	on $h ip link set wg0 up
	spawn $h squat$h socat UDP-LISTEN:51999 STDIO
	wait_for 10 sh -c "nsenter -t ${HOST_PID[$h]} -n ss -Huln 'sport = :51999' | grep -q ."
done
check_equal 'P-UA-4 a port in use' "$(client A ask 'set=1\nlisten_port=51999\n\n')" \
	"$(client B ask 'set=1\nlisten_port=51999\n\n')"
finish
