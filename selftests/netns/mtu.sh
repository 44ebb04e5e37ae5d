#!/bin/bash
# SPDX-License-Identifier: MIT
# MTUs: far above any network device's, and back, with IPv4 and IPv6 inside and outside, also while
# traffic passes; and the padding, which never goes past the MTU, as it is seen on the wire.
#
#	A wg1 10.7.0.1, fd07::1 -- N lo (MTU 65536) -- wg2 10.7.0.2, fd07::2 B     (moved.inc)
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2 B     (padding)
. "$(dirname "$0")/../lib.sh"
. "$SELFTESTS/netns/moved.inc"
require wg iperf3 jq socat python3 tcpdump
require_impl wgx

BIG=34736 # what the Linux driver's own test uses: 34816 - 1500 + 1420

mtu() { # mtu bytes: of both ends
	on A ip link set wg1 mtu "$1" && on B ip link set wg2 mtu "$1"
}

# carries LABEL MTU: full packets, and TCP and UDP of all sizes
carries() {
	local v dst src
	for v in 4 6; do
		dst=10.7.0.2 src=10.7.0.1
		[ $v = 4 ] || dst=fd07::2 src=fd07::1
		check "$1, inner v$v: full packets" ping_ok A $dst -M do -s $(($2 - (v == 4 ? 28 : 48)))
		check "$1, inner v$v: small ones" ping_ok B $src -s 1
		check "$1, inner v$v: none larger" refused $dst $(($2 - (v == 4 ? 27 : 47)))
		check "$1, inner v$v: TCP" file_copy A B $dst 5
		check "$1, inner v$v: TCP back" file_copy B A $src 5
		check "$1, inner v$v: UDP" datagrams_pass $dst $(($2 - (v == 4 ? 28 : 48)))
	done
}

# refused 10.7.0.2 SIZE: A's kernel does not even try
refused() {
	local said
	said=$(on A ping -c 1 -W 0.1 -M do -s "$2" "$1" 2>&1)
	echo "$said"
	[[ $said =~ [Mm]essage\ (is\ )?too\ long ]]
}

# datagrams_pass 10.7.0.2 MAX: of many sizes up to the MTU and, in fragments, beyond, each comes back whole
datagrams_pass() {
	local v=UDP4 dst=$1
	case $dst in *:*) v=UDP6 ;; esac
	spawn B echo socat -b 65536 "$v-RECVFROM:7002,fork" PIPE
	wait_for 10 sh -c "nsenter -t ${HOST_PID[B]} -n ss -Huln 'sport = :7002' | grep -q ."
	on A timeout 60 python3 -c '
import os, socket, sys, time
dst, top = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ":" in dst else socket.AF_INET, socket.SOCK_DGRAM)
s.connect((dst, 7002))
s.settimeout(1)
for size in (1, 15, 16, 17, 500, top - 17, top - 16, top - 1, top, top + 1, min(2 * top, 65000)):
    data = os.urandom(size)
    for attempt in range(10):
        try:
            s.send(data)
            while s.recv(65536) != data: # an answer that comes late
                pass
            break
        except TimeoutError:
            pass
        except ConnectionRefusedError: # socat opens its port anew for each
            time.sleep(0.1)
    else:
        sys.exit(f"{size} bytes did not come back")' "$dst" "$2"
	local status=$?
	stop echo
	return $status
}

#--- large and back
check 'set up' moved_pair || finish
for outer in 4 6; do
	moved_outer $outer
	check "outer v$outer: MTU $BIG" mtu $BIG
	carries "outer v$outer, MTU $BIG" $BIG
	check "outer v$outer: MTU 1420" mtu 1420
	carries "outer v$outer, MTU 1420 again" 1420
done

#--- while traffic passes
restless() { # until $WORK/settled is there
	local n=0 m
	while [ ! -e "$WORK/settled" ]; do
		for m in 9000 1280 $BIG 1420 576; do
			mtu $m || return
			n=$((n + 1))
			sleep 0.05
		done
	done
	mtu 1420
	echo "$n changes"
}
copy_while_changing() {
	local status=0
	restless &
	local changer=$!
	file_copy A B 10.7.0.2 50 || status=1
	file_copy B A 10.7.0.1 50 || status=1
	touch "$WORK/settled"
	wait $changer || status=1
	return $status
}
check 'MTUs change while TCP passes both ways: SHA-256' copy_while_changing
addr A wg1 fd07::1/64 # an MTU below 1280 ended IPv6 there
addr B wg2 fd07::2/64
check 'IPv6 after that' ping_ok A fd07::2
check 'and IPv4' ping_ok A 10.7.0.2 -M do -s 1392
host_del N A B

#--- padding: to a multiple of 16, and not past the MTU
check 'set up, for the wire' tunnel_pair wgx wgx 4 no || finish
check 'a handshake' ping_ok A 10.7.0.2
# padded MTU SIZE ...: pings of so many bytes of inner packet make messages of the right lengths
padded() {
	local mtu=$1 size want=
	shift
	on A ip link set wg0 mtu "$mtu" && on B ip link set wg0 mtu "$mtu" || return
	capture A wire eth0 udp port 51820
	for size; do
		on A ping -q -c 1 -W 10 -M do -s $((size - 28)) 10.7.0.2 || return # one, however late its answer is
		size=$(((size + 15) / 16 * 16))
		want="$want $((32 + (size < mtu ? size : mtu)))"
	done
	capture_end wire
	echo "wanted$want"
	size=$(python3 "$SELFTESTS/netns/wire.py" lengths "$WORK/wire.pcap" 192.0.2.1 | grep -vx 32 | xargs)
	echo "sent   $size"
	[ " $size" = "$want" ]
}
for size in 1420 1400 1397 1380 1280; do
	check "P-DT-5 padding with an MTU of $size" padded $size 28 29 32 33 47 48 49 1000 $((size - 20)) \
		$((size - 17)) $((size - 16)) $((size - 15)) $((size - 2)) $((size - 1)) $size
done
# the last segment of a superframe, and the full ones before it
superframes_padded() {
	local longest
	on A ip link set wg0 mtu 1397 && on B ip link set wg0 mtu 1397 || return
	capture A wire eth0 udp port 51820
	file_copy A B 10.7.0.2 5 || return
	capture_end wire
	python3 "$SELFTESTS/netns/wire.py" lengths "$WORK/wire.pcap" 192.0.2.1 | sort -n | uniq -c >"$WORK/lengths"
	cat "$WORK/lengths"
	longest=$(tail -n 1 "$WORK/lengths" | awk '{ print $2 }')
	[ "$longest" = $((1397 + 32)) ] && awk '$2 % 16 && $2 != 1429 { exit 1 }' "$WORK/lengths"
}
on A ethtool -K eth0 tx-udp-segmentation off >/dev/null # so that the capture sees datagrams
check 'P-DT-5 padding of segments' superframes_padded
finish
