#!/bin/bash
# SPDX-License-Identifier: MIT
# A memory limit (cgroup) on the daemon: what goes over it ends the daemon, as a crash does. Nothing leaves in the clear
# meanwhile, and `wgx up` brings the tunnel back. What the kernel refuses only (ENOMEM) is in syscall_faults.sh.
#
#	A wg0 10.7.0.1 -- eth0 192.0.2.1 ==== 192.0.2.2 eth0 -- wg0 10.7.0.2 B
#	  in a cgroup of its own
. "$(dirname "$0")/../lib.sh"
require wg jq tcpdump python3
require_wgx

# version 1 has a tree for memory, version 2 one for all
for root in /sys/fs/cgroup/memory /sys/fs/cgroup; do
	GROUP=$root/wgx-test.$$
	mkdir "$GROUP" 2>/dev/null || continue
	for LIMIT in memory.limit_in_bytes memory.max; do
		[ ! -w "$GROUP/$LIMIT" ] || break 2
	done
	rmdir "$GROUP"
	LIMIT=
done
[ -n "${LIMIT:-}" ] || skip_all 'needs a cgroup with a memory limit'
case $LIMIT in
memory.max) USAGE=memory.current NONE=max ;;
*) USAGE=memory.usage_in_bytes NONE=-1 ;;
esac
end_group() {
	local p
	for p in $(seq 100); do # until the last has died
		! rmdir "$GROUP" 2>/dev/null || return
		sleep 0.1
	done
}
trap 'cleanup; end_group' EXIT

underlay_pair
check 'B' far_end || finish
mkdir -m 0700 "$WORK/A"
(umask 077 && cat >"$WORK/A/wg0.conf") <<END
[Interface]
PrivateKey = $(<"$WORK/A.wg0.key")
Address = 10.7.0.1/24
Attach = eth0
[Peer]
PublicKey = $(pub_of B wg0)
Endpoint = 192.0.2.2:51820
AllowedIPs = 10.7.0.2/32
END
# all that is started in it is in the group
up() { (echo $BASHPID >"$GROUP/cgroup.procs" && wgx A up "$WORK/A/wg0.conf"); }
check 'up, in a cgroup' up
check 'ping' wait_for 20 ping_ok A 10.7.0.2
pid=$(daemon_pid A wg0)
check 'the daemon is in the group' grep -q . "$GROUP/cgroup.procs"

# 100,000 peers take more than 100 MB
echo $(($(<"$GROUP/$USAGE") + (16 << 20))) >"$GROUP/$LIMIT"
python3 - >"$WORK/many" <<'END'
import base64, random
r = random.Random(1)
for i in range(100000):
    print(f"[Peer]\nPublicKey = {base64.b64encode(r.randbytes(32)).decode()}\n"
          f"AllowedIPs = 10.{64 + (i >> 16)}.{i >> 8 & 255}.{i & 255}/32")
END
capture B plain eth0 'host 10.7.0.2 or host 10.7.0.1'
check 'more than the limit is refused, or kills the daemon' not on A timeout 60 wg addconf wg0 "$WORK/many"
gone() { ! on A kill -0 "$pid" 2>/dev/null; }
try_for 5 gone && echo '# it was killed' || echo '# it was refused'
on A ping -q -c 3 -i 0.1 -W 0.2 10.7.0.2 >/dev/null
echo $NONE >"$GROUP/$LIMIT"
if gone; then
	check 'wgx up brings it back' up
else
	check 'the daemon goes on' wgx A show
fi
check 'ping' wait_for 20 ping_ok A 10.7.0.2
check_equal 'the peers are those of the file' "$(on A wg show wg0 peers)" "$(pub_of B wg0)"
check_equal 'nothing was in the clear' "$(capture_end plain; captured B plain | wc -l)" 0
finish
