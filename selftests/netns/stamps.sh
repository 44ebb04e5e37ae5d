#!/bin/bash
# SPDX-License-Identifier: MIT
# P-HS-3: whatever A's clock does while its daemon is away, peers take A's first initiation after it. And
# without a place to write to, or with a damaged file there, all works but that.
#
#	A wg0 10.7.0.1, 10.8.0.1 -- eth0 192.0.2.1 ====== 192.0.2.2 eth0 ---- wg0 10.7.0.2 (wireguard-go) B
#	  (A's clocks are its own)                    198.51.100.2 eth1 |  \- wg1 10.8.0.2 (wgx)
#	D wg0 10.8.0.1, A's key ---- eth0 198.51.100.1 ================ +
#	  (another network namespace of A's host, as far as the state directory tells)
. "$(dirname "$0")/../lib.sh"
require wg jq python3 tcpdump
require_impl wgx wireguard-go

YEAR=31536000
STAMP=/var/lib/wgx/stamp

underlay_pair
clock_own A
check 'wg0 on B' impl_up B wg0 wireguard-go
check 'wg1 on B' impl_up B wg1 wgx
key_for A wg0
key_for B wg0
key_for B wg1
for i in 0 1; do
	on B wg set wg$i listen-port 5182$i private-key "$WORK/B.wg$i.key"
	wg_peer B wg$i A wg0 allowed-ips "10.$((7 + i)).0.1/32"
	on B ip link set wg$i up
	addr B wg$i "10.$((7 + i)).0.2/24"
done

configure() { # configure A interface address-of-B
	on "$1" wg set "$2" listen-port 51820 private-key "$WORK/A.wg0.key" &&
		wg_peer "$1" "$2" B wg0 endpoint "$3:51820" allowed-ips 10.7.0.2/32 &&
		wg_peer "$1" "$2" B wg1 endpoint "$3:51821" allowed-ips 10.8.0.2/32 &&
		on "$1" ip link set "$2" up &&
		on "$1" ip addr replace 10.7.0.1/24 dev "$2" &&
		on "$1" ip addr replace 10.8.0.1/24 dev "$2"
}
up() { impl_up A wg0 wgx && configure A wg0 192.0.2.2; }
up_logged() { wgx_logged A wg0 && configure A wg0 192.0.2.2; }

# dead A wg0 command ...: runs it, and waits for the daemon's end
dead() {
	local pid
	pid=$(daemon_pid "$1" "$2") || return
	"${@:3}" "$pid" && wait_for 20 not on "$1" kill -0 "$pid"
}
killed() { dead A wg0 on A kill -KILL; }
delete_wg0() { on A ip link delete wg0; }
ended() { dead A wg0 delete_wg0; }

INITIATIONS='udp[4:2] = 156' RESPONSES='udp[4:2] = 100' # UDP lengths

# heard A [B's device]: both peers answer, with one handshake each. An initiation that is refused is repeated
# 5 s later, and that one would be accepted.
heard() {
	local port
	capture B heard "${2:-eth0}" "$INITIATIONS or $RESPONSES"
	ping_ok "$1" 10.7.0.2 -w 20 && ping_ok "$1" 10.8.0.2 -w 20 || return
	capture_end heard
	captured B heard
	for port in 51820 51821; do
		[ "$(captured B heard "$INITIATIONS and dst port $port" | wc -l)" = 1 ] &&
			[ "$(captured B heard "$RESPONSES and src port $port" | wc -l)" = 1 ] || return
	done
}

warned() { # warned text: and it names the file
	grep -qF "$STAMP" <<<"$(grep "warning: .*$1" "$WORK/A.wg0.log")"
}

#--- nowhere to write
on A mkdir -m 0700 /var/lib/wgx
on A mount -t tmpfs -o ro tmpfs /var/lib/wgx
check 'read-only: start' up_logged
check 'P-HS-3 read-only: works' heard A
check 'P-HS-3 read-only: a warning' warned 'Read-only file system'
check_equal 'read-only: one warning, not one a handshake' "$(grep -c warning "$WORK/A.wg0.log")" 1
stop A.wg0
on A umount /var/lib/wgx

#--- a damaged file
on A sh -c "echo 'wgx stamp 1 40000000' >$STAMP"
check 'damaged: start' up_logged
check 'P-HS-3 damaged: works' heard A
check 'P-HS-3 damaged: a warning' warned damaged
check_equal 'damaged: it is kept' "$(on A cat $STAMP.bad)" 'wgx stamp 1 40000000'
check 'damaged: a new one is there' on A grep -qE '^wgx stamp 1 40000000[0-9a-f]{16}$' $STAMP
check_equal 'nobody else may read it' "$(on A stat -c %a $STAMP /var/lib/wgx | xargs)" '600 700'
stop A.wg0

#--- the clock goes back while no daemon runs
clock_jump A real -3600
check 'start, the clock an hour back' up
check 'P-HS-3 an hour back: heard' heard A
check 'end' ended
clock_jump A real -3600
check 'start, another hour back' up
check 'P-HS-3 two hours back: heard' heard A
check 'kill' killed
clock_jump A real -3600
check 'start after a kill, another hour back' up
check 'P-HS-3 killed, three hours back: heard' heard A

again() { # for new handshakes. The flood gate is 20 ms, which this takes longer than.
	wg_peer A wg0 B wg0 remove && wg_peer A wg0 B wg1 remove && configure A wg0 192.0.2.2
}

# written ahead, and never sent
check 'peers anew' again
on A ip link set eth0 down
clock_jump A real $((3 * 3600 + 300))
stamp=$(on A cat $STAMP)
on A ping -c 1 -W 1 10.7.0.2 >/dev/null
check 'P-HS-3 the mark was written, nothing sent' wait_for 10 not on A grep -qF "$stamp" $STAMP
check 'kill then' killed
clock_jump A real $((-3 * 3600 - 300))
on A ip link set eth0 up
check 'start' up
check 'P-HS-3 killed between writing and sending: heard' heard A

#--- the daemon goes on, interfaces and peers do not
wgx A wg9
clock_jump A real -60
check 'delete wg0' delete_wg0
check 'wg0 anew, same daemon' up
check 'P-HS-3 interface made anew: heard' heard A
check 'peers anew' again
check 'P-HS-3 peer added again, the clock behind: heard' heard A
on A ip link delete wg9

#--- two daemons, one file; the key moves to one that has begun long before
export WGX_STATE_DIR=$WORK/state
host_add D
link D eth0 B eth1
addr D eth0 198.51.100.1/24
addr B eth1 198.51.100.2/24
check 'end' ended
check 'wg0 on D' impl_up D wg0 wgx
check 'wg0 on A' up
clock_jump A real 86400 # D's is right
check 'P-HS-3 A, a day ahead: heard' heard A
check 'end of A' ended
check 'the key moves to D' configure D wg0 198.51.100.2
check 'P-HS-3 the same key in another daemon: heard' heard D eth1
check 'the file is one' test -s "$WORK/state/stamp"
on D ip link delete wg0
clock_jump A real -86400

#--- a clock that was wrong
clock_jump A real $YEAR
check 'start, a year ahead' up
check 'P-HS-3 a year ahead: heard' heard A
check 'kill' killed
clock_jump A real -$YEAR
check 'start, the clock right again' up
check 'P-HS-3 a year back: heard' heard A
finish
