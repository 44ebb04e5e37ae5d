#!/bin/bash
# SPDX-License-Identifier: MIT
# `wg` on wgx and on wireguard-go: the same commands to both, and every way to look at what comes of it.
# The order of peers, which nothing says, is made equal before.
#
#	A wg0 (wgx)           B wg0 (wireguard-go)           both configured with the same commands
#
# and then, with a wire between them (wireguard-go sends even before the link is up, and counts it):
#
#	A wg1 10.7.1.1 -- eth0 ==== eth0 -- 10.7.1.2 wg1 B
. "$(dirname "$0")/../lib.sh"
require wg jq python3
require_impl wgx wireguard-go

host_add A B
for ifc in wg0 wg1; do
	check "wgx $ifc" impl_up A $ifc wgx || finish
	check "wireguard-go $ifc" impl_up B $ifc wireguard-go || finish
	# without a listen port wireguard-go shows one all the same
	for h in A B; do on $h wg set $ifc listen-port $((51820 + ${ifc#wg})); done
done
mkdir "$WORK/d"
umask 077
for n in 1 2 3 4; do
	wg genkey >"$WORK/d/k$n"
	wg genpsk >"$WORK/d/psk$n"
	declare "P$n=$(wg pubkey <"$WORK/d/k$n")"
done

# run ARGUMENTS: `wg ARGUMENTS` on one host: status, errors, and output by paragraphs in order
run() {
	local h=$1 status
	shift
	on "$h" env WG_COLOR_MODE=never WG_HIDE_KEYS="${HIDE:-never}" timeout 30 wg "$@" >"$WORK/$h.out" 2>"$WORK/$h.err"
	status=$?
	echo "status $status"
	cat "$WORK/$h.err"
	case $* in
	# `wg show all endpoints` begins a line for each interface, and ends none where there is no peer
	*'all endpoints') sed -E 's/^(wg[01]\t)+//' "$WORK/$h.out" | sort ;;
	*dump | *peers | *keys | *endpoints | *ips | *handshakes | *transfer | *keepalive) sort "$WORK/$h.out" ;;
	*interfaces) tr ' ' '\n' <"$WORK/$h.out" | sort ;;
	*) awk 'BEGIN { RS = "" } { gsub("\n", "\\n"); print }' "$WORK/$h.out" | sort ;;
	esac
}

# same NAME ARGUMENTS: both answer alike
same() {
	local a b
	a=$(run A "${@:2}") b=$(run B "${@:2}")
	if [ "$a" = "$b" ]; then
		ok "$1"
	else
		nok "$1" "$(diff <(echo "$a") <(echo "$b") | head -n 20)"
	fi
}

# views WHAT: each subcommand of wg show, of wg0
views() {
	local v
	for v in '' public-key private-key listen-port fwmark peers preshared-keys endpoints allowed-ips \
		latest-handshakes transfer persistent-keepalive dump; do
		# shellcheck disable=SC2086
		same "P-UA-6 wg show wg0${v:+ $v}: $1" show wg0 $v
	done
	same "P-UA-6 wg showconf: $1" showconf wg0
}

# both NAME ARGUMENTS: a change, and what it has come to
both() {
	same "P-UA-6 $1" "${@:2}"
	same "P-UA-6 $1: dump" show wg0 dump
}

#--- wg set
set=(set wg0)
views 'nearly nothing is configured'
both 'every argument, four peers' "${set[@]}" listen-port 51900 fwmark 0xca6c private-key "$WORK/d/k1" \
	peer "$P2" preshared-key "$WORK/d/psk2" endpoint 192.0.2.77:51821 persistent-keepalive 25 \
	allowed-ips 10.20.0.0/16,fd20::/64,10.21.2.3/32 \
	peer "$P3" endpoint '[2001:db8::77]:51822' allowed-ips 0.0.0.0/0,::/0 \
	peer "$P4" persistent-keepalive 65535
views 'all is configured'
HIDE=always same 'P-UA-6 wg show, keys hidden' show wg0
same 'P-UA-6 wg, without a subcommand, is wg show'
same 'P-UA-6 wg show all dump' show all dump
for v in public-key private-key listen-port fwmark peers preshared-keys endpoints allowed-ips latest-handshakes \
	transfer persistent-keepalive; do
	same "P-UA-6 wg show all $v" show all $v
done
same 'P-UA-6 wg show interfaces' show interfaces
both 'fwmark off' "${set[@]}" fwmark off
both 'fwmark, decimal' "${set[@]}" fwmark 51820
both 'keepalive off' "${set[@]}" peer "$P2" persistent-keepalive off
both 'no preshared key' "${set[@]}" peer "$P2" preshared-key /dev/null
both 'other allowed IPs' "${set[@]}" peer "$P2" allowed-ips 10.22.0.0/24,10.20.0.0/16
both "P-UA-5 another's allowed IPs" "${set[@]}" peer "$P4" allowed-ips 0.0.0.0/0,10.22.0.0/24
both 'no allowed IPs' "${set[@]}" peer "$P4" allowed-ips ''
both 'another endpoint' "${set[@]}" peer "$P2" endpoint '[2001:db8::78]:1'
both 'remove a peer' "${set[@]}" peer "$P3" remove
both 'remove it again' "${set[@]}" peer "$P3" remove
both 'remove one and add another' "${set[@]}" peer "$P2" remove peer "$P3" allowed-ips 10.30.0.0/16
both 'a new private key, that of a peer' "${set[@]}" private-key "$WORK/d/k3"
both 'a peer with our own key' "${set[@]}" peer "$P3" allowed-ips 10.31.0.0/16
both 'no private key' "${set[@]}" private-key /dev/null
views 'without a private key'

#--- wg setconf, addconf, syncconf
conf() { # conf FILE PEER ...: a configuration with these
	local n
	printf '[Interface]\nPrivateKey = %s\nListenPort = 51901\nFwMark = 0x1234\n' "$(cat "$WORK/d/k1")"
	for n in "${@}"; do
		local key=P$n
		printf '\n[Peer]\nPublicKey = %s\nAllowedIPs = 10.4%s.0.0/16, fd4%s::/64\n' "${!key}" "$n" "$n"
		[ "$n" = 3 ] || printf 'Endpoint = 192.0.2.%s:5000%s\n' "$n" "$n"
		[ "$n" = 2 ] || printf 'PresharedKey = %s\nPersistentKeepalive = 2%s\n' "$(cat "$WORK/d/psk$n")" "$n"
	done
}
conf 2 3 >"$WORK/d/23.conf"
conf 3 4 >"$WORK/d/34.conf"
conf 3 4 | sed '/Endpoint\|Preshared\|Keepalive/d' >"$WORK/d/34less.conf"
sed -n '/Peer/,$p' "$WORK/d/34.conf" >"$WORK/d/peers.conf"
printf '[Interface]\nListenPort = 51902\n' >"$WORK/d/nopeers.conf"
both 'setconf' setconf wg0 "$WORK/d/23.conf"
views 'after setconf'
both 'setconf again' setconf wg0 "$WORK/d/23.conf"
both 'addconf' addconf wg0 "$WORK/d/peers.conf"
views 'after addconf'
both 'syncconf' syncconf wg0 "$WORK/d/34.conf"
views 'after syncconf'
both 'syncconf again' syncconf wg0 "$WORK/d/34.conf"
both 'syncconf takes away what a peer has no more' syncconf wg0 "$WORK/d/34less.conf"
both 'setconf without peers' setconf wg0 "$WORK/d/nopeers.conf"
both 'syncconf into nothing' syncconf wg0 "$WORK/d/23.conf"
on A wg showconf wg0 >"$WORK/d/A.conf"
on B wg showconf wg0 >"$WORK/d/B.conf"
both "setconf of the other's showconf" setconf wg0 "$WORK/d/A.conf"
on A wg setconf wg0 "$WORK/d/B.conf"
same 'P-UA-6 and the other way round' showconf wg0

#--- what `wg` says where it fails
for h in A B; do
	on $h ip link set wg0 up
	spawn $h squat$h socat UDP-LISTEN:51999 STDIO
	wait_for 10 sh -c "nsenter -t ${HOST_PID[$h]} -n ss -Huln 'sport = :51999' | grep -q ."
done
same 'P-UA-6 a port in use' set wg0 listen-port 51999
same 'P-UA-6 an interface that is not there' show nosuch0
same 'P-UA-6 an interface that is no WireGuard' show lo
same 'P-UA-6 set of an interface that is not there' set nosuch0 listen-port 1
same 'P-UA-6 setconf of an interface that is not there' setconf nosuch0 "$WORK/d/23.conf"
same 'P-UA-6 syncconf of an interface that is not there' syncconf nosuch0 "$WORK/d/23.conf"

#--- what changes by itself: a tunnel, seen from both of its ends
link A eth0 B eth0
addr A eth0 192.0.2.1/24
addr B eth0 192.0.2.2/24
key_for A wg1
key_for B wg1
on A wg set wg1 listen-port 51821 private-key "$WORK/A.wg1.key"
on B wg set wg1 listen-port 51821 private-key "$WORK/B.wg1.key"
wg_peer A wg1 B wg1 endpoint 192.0.2.2:51821 allowed-ips 10.7.1.2/32
wg_peer B wg1 A wg1 allowed-ips 10.7.1.1/32
for h in A B; do on $h ip link set wg1 up; done
addr A wg1 10.7.1.1/24
addr B wg1 10.7.1.2/24
field() { on "$1" wg show wg1 "$2" | cut -f"$3"; }
check_equal 'P-UA-3 no handshake yet' "$(field A latest-handshakes 2) $(field A transfer 2,3)" $'0 0\t0'
was=$(date +%s)
check 'ping' ping_ok A 10.7.1.2
now=$(date +%s)
shaken=$(field A latest-handshakes 2)
check "P-UA-3 the handshake was then: $was <= $shaken <= $now" test "$shaken" -ge "$was" -a "$shaken" -le "$now"
check 'P-UA-3 as the other end has it' test $((shaken - $(field B latest-handshakes 2))) -ge -1
on A ping -q -c 10 -i 0.01 -s 1000 10.7.1.2 >/dev/null
settled() { [ "$(field A transfer 2,3)" = "$(field B transfer 3)"$'\t'"$(field B transfer 2)" ]; }
check 'P-UA-3 what one end has sent, headers included, the other has received' wait_for 10 settled
check "P-UA-3 and that is what it was: $(field A transfer 3) bytes" test "$(field A transfer 3)" -ge 10000
check_equal 'P-UA-2 the endpoint that B has learnt' "$(field B endpoints 2)" 192.0.2.1:51821
labels() { on "$1" env WG_COLOR_MODE=never wg show wg1 | sed 's/:.*//'; }
check_equal 'P-UA-6 wg show of a living tunnel' "$(labels A | grep -v endpoint)" "$(labels B | grep -v endpoint)"
check_equal 'P-UA-6 with handshake and transfer' "$(labels A | grep -cE 'latest handshake|transfer')" 2
finish
