#!/bin/bash
# SPDX-License-Identifier: MIT
# The Debian package on a clean Debian 12 that systemd has booted: installed, units started, restarted, upgraded under a
# tunnel, the machine started again, all purged. Some minutes, so not a part of make test: make test-deb.
#
#	selftests/deb_boot.sh [PACKAGE]     without it: of what is committed (HEAD)
#
#	A  Debian 12 in namespaces, with systemd: wgx@wg0, wgx-boot@wg1, wgx-metrics
#	   wg0 10.7.0.1 -- eth0 ======== eth0 -- wg0 10.7.0.2 B
#
# DEBIAN_ROOT=DIR: a Debian 12 that debootstrap made, which stays as it is; otherwise one is made, from the machine's
# mirror. What boots is an overlay of it, in the mount namespace of D.
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
. "$SELFTESTS/docs.inc"
require wg jq python3 debootstrap curl
require_wgx
cd "$TOP" || exit 1
unset MAKEFLAGS MFLAGS MAKELEVEL

DEB=${1:-}
if [ -z "$DEB" ]; then
	check 'make deb' sh -c "mkdir $WORK/build && make --no-print-directory BUILD=$WORK/build deb" || finish
	DEB=$(printf '%s\n' "$WORK"/build/deb/wgx_*.deb)
fi
version=$(dpkg-deb -f "$DEB" Version)

# ---- a clean Debian 12, with what the package depends on ----

debian() {
	local mirror
	# shellcheck disable=SC2016
	mirror=$(apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
		awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')
	[ -n "$mirror" ] || { echo 'apt knows no mirror of Debian 12' && return 1; }
	debootstrap --variant=minbase --include=systemd-sysv,dbus,udev,iproute2,iputils-ping,ca-certificates \
		bookworm "$WORK/debian" "$mirror"
}
if [ -z "${DEBIAN_ROOT:-}" ]; then
	check 'debootstrap' debian || finish
	DEBIAN_ROOT=$WORK/debian
fi
root=$WORK/root
mkdir "$root" "$WORK/disk" "$WORK/debs"
cp "$DEB" "$WORK/debs/wgx.deb"
host_add D
overlay() {
	on D mount -t tmpfs tmpfs "$WORK/disk" && on D mkdir "$WORK/disk/upper" "$WORK/disk/work" || return
	on D mount -t overlay overlay \
		-o "lowerdir=$DEBIAN_ROOT,upperdir=$WORK/disk/upper,workdir=$WORK/disk/work" "$root" || return
	on D mkdir -p "$root/debs" && on D mount --bind "$WORK/debs" "$root/debs"
}
check 'an overlay of it' overlay || finish

# With the machine's network, and how it reaches its mirror.
apt() {
	nsenter --target "${HOST_PID[D]}" --mount -- unshare --mount --pid --fork --kill-child --propagation private \
		bash -c 'root=$1; shift
			for f in /etc/resolv.conf /etc/hosts; do cp -L $f "$root$f"; done
			for f in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
				! grep -qsiE "Acquire::|proxy" "$f" || install -D -m 0644 "$f" "$root$f"
			done
			mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount -t tmpfs tmpfs "$root/run" &&
				chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
					apt-get -q -y "$@"' bash "$root" "$@"
}
check 'apt-get update' apt update || finish
# A machine has a kernel, which the recommendations of wireguard-tools would bring in here.
check 'apt-get install ./wgx.deb' apt install --no-install-recommends /debs/wgx.deb wireguard-tools || finish
check 'its dependencies stay for now, and it goes' apt purge wgx

# ---- booting ----

# /sys and most of /proc/sys are to be read only, as in other containers: they are the machine's
# shellcheck disable=SC2016
MACHINE='
	set -e
	mount --make-rprivate /
	cd "$1"
	mount -t proc proc proc
	mount --bind proc/sys proc/sys && mount -o remount,ro,bind proc/sys
	mount --bind proc/sys/net proc/sys/net && mount -o remount,rw,bind proc/sys/net
	mount -t sysfs -o ro sysfs sys
	mount -t cgroup2 cgroup2 sys/fs/cgroup
	mount -t bpf -o mode=0700 bpf sys/fs/bpf
	mount -t tmpfs -o mode=0755 tmpfs dev
	for d in null zero full random urandom tty; do touch dev/$d; mount --bind /dev/$d dev/$d; done
	touch dev/console; mount --bind "$2" dev/console
	mkdir dev/pts dev/shm
	mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
	ln -s pts/ptmx dev/ptmx; ln -s /proc/self/fd dev/fd
	mount -t tmpfs tmpfs dev/shm
	mount -t tmpfs -o mode=0755 tmpfs run
	mkdir -p old; pivot_root . old; umount -l /old; rmdir old
	hostname a
	exec env -i container=wgx PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		setpriv --bounding-set=-sys_time,-sys_module /sbin/init'
CGROUP=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
[ -n "$CGROUP" ] || bail 'cgroup2 is mounted'
CGROUP=$CGROUP/${WORK##*/}
mkdir "$CGROUP" || bail 'a cgroup'
end_cgroup() { wait_for 20 sh -c "find '$CGROUP' -depth -type d -exec rmdir {} + && [ ! -e '$CGROUP' ]"; }
trap 'cleanup; end_cgroup' EXIT

# boot: A's init is systemd; its eth0 leads to B
boot() {
	local i
	: >"$WORK/console"
	(
		echo "$BASHPID" >"$CGROUP/cgroup.procs"
		exec nsenter --target "${HOST_PID[D]}" --mount -- setpriv --pdeathsig KILL \
			unshare --kill-child --mount --net --pid --ipc --uts --cgroup --fork bash -c "$MACHINE" machine "$root" "$WORK/console"
	) </dev/null >"$WORK/boot.log" 2>&1 &
	HOST_PARENT[A]=$!
	for ((i = 0; i < 200; i++)); do
		HOST_PID[A]=$(cat "/proc/${HOST_PARENT[A]}/task/${HOST_PARENT[A]}/children" 2>/dev/null | tr -d ' ')
		[ "$(cat "/proc/${HOST_PID[A]:-none}/comm" 2>/dev/null)" = systemd ] && break
		sleep 0.05
	done
	wait_for 60 on A systemctl show-environment && link A eth0 B eth0 && addr A eth0 192.0.2.1/24 &&
		addr B eth0 192.0.2.2/24 && wait_for 120 is_booted || { cat "$WORK/boot.log" "$WORK/console" && return 1; }
}
is_booted() { case $(on A systemctl is-system-running) in running | degraded) ;; *) return 1 ;; esac; }
state_of() { on A systemctl is-active "$1"; }
says() { # says UNIT TEXT: where a user would look
	on A systemctl --no-pager --full status "$1" >"$WORK/status" || true
	cat "$WORK/status"
	grep -qF -- "$2" "$WORK/status"
}
host_add B
check 'systemd boots' boot || finish

# ---- install ----

# What dpkg, apt and systemd note for themselves is not ours.
# shellcheck disable=SC2016
files() {
	on A sh -c 'find / -xdev \( -path /var/lib/dpkg -o -path /var/cache -o -path /var/log -o -path /var/lib/systemd \
		-o -path /var/lib/apt -o -path /debs -o -path /root -o -path /tmp -o -path /var/tmp \) -prune -o ! -type d -print
		find /etc /lib /usr -name "*wgx*"; getent group | cut -d: -f1' | sort -u
}
files >"$WORK/before"
check 'dpkg -i' on A dpkg -i /debs/wgx.deb || finish
check_equal 'it is installed' "$(on A wgx --version)" "wgx $version"
check_equal 'the group and the directory' "$(on A stat -c '%A %U %G' /run/wgx)" 'drwx--s--- root wgx'
check_equal 'no unit runs' "$(on A systemctl list-units --no-legend --plain 'wgx*' | grep -c .)" 0
check 'systemd finds nothing wrong in the units' [ -z "$(on A systemd-analyze verify wgx@wg0.service wgx-boot@wg1.service \
	wgx-metrics.service wgx-agent.service 2>&1 | grep wgx | grep -v "Command 'man ")" ]
check 'systemctl daemon-reload is not asked for' [ "$(on A systemctl show -p NeedDaemonReload --value wgx@wg0)" = no ]

# ---- what is missing is named ----

check 'wgx@ without a file fails' not on A systemctl start wgx@wg0
check 'and says which' says wgx@wg0 '/etc/wireguard/wg0.conf: No such file or directory'
on A systemctl start wgx-boot@wg1
check 'wgx-boot@ without a file does nothing, and says why' says wgx-boot@wg1 '/etc/ifconfig.wg1'
on A systemctl start wgx-agent
check 'wgx-agent without its options does nothing, and says why' says wgx-agent '/etc/default/wgx-agent'
on A sh -c 'mkdir -p /etc/default; echo OPTIONS="--registry=etcd" >/etc/default/wgx-agent'
on A systemctl start wgx-agent
check 'with wrong ones it says which' wait_for 20 says wgx-agent "'--registry': 'etcd' is neither file nor kubernetes"
check 'and tries no more' wait_for 20 [ "$(on A systemctl show -p NRestarts --value wgx-agent)" = 0 ]
on A rm /etc/default/wgx-agent
on A systemctl reset-failed

# ---- as a new user: docs/tutorial.md, with the package at one end ----

HOST_PID[server]=${HOST_PID[A]} HOST_PID[laptop]=${HOST_PID[B]}
doc_host B
DOC_PATH=/usr/sbin:$BUILD
DOC_TEXT[xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=]='server wgx pubkey </etc/wireguard/wg0.key'
DOC_TEXT[TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=]='laptop wgx pubkey </etc/wireguard/wg0.key'
DOC_TEXT[yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=]='server cat /etc/wireguard/wg0.key'
DOC_TEXT[gI6EdUSYvn8ugXOt8QQD6Yc+JyiZxIhp3GInSWRfWGE=]='laptop cat /etc/wireguard/wg0.key'
doc_hook() { [ "$2" != 'wgx show' ] || check_equal 'accelerated' "$(mode)" tcx; }
mode() { on A wgx show --json | jq -r '[.attached[] | select(.device == "eth0") | .mode][0] // "none"'; }
run_doc "$TOP/docs/tutorial.md"
unset "HOST_PID[server]" "HOST_PID[laptop]"
on A sh -c 'rm -r /etc/wireguard/*'

# ---- a tunnel by its unit ----

key_for A wg0 && key_for B wg0
on A install -d -m 0700 /etc/wireguard
on A sh -c 'umask 077; cat >/etc/wireguard/wg0.conf' <<-END
	[Interface]
	PrivateKey = $(<"$WORK/A.wg0.key")
	ListenPort = 51820
	Address = 10.7.0.1/24
	Attach = eth0

	[Peer]
	Name = b
	PublicKey = $(pub_of B wg0)
	AllowedIPs = 10.7.0.2/32
	Endpoint = 192.0.2.2:51820
END
impl_up B wg0 wgx
on B wg set wg0 listen-port 51820 private-key "$WORK/B.wg0.key" peer "$(pub_of A wg0)" allowed-ips 10.7.0.1/32
addr B wg0 10.7.0.2/24
on B ip link set wg0 up
check 'systemctl enable --now wgx@wg0' on A systemctl enable --now wgx@wg0 || on A journalctl --no-pager -u wgx@wg0 | diag
check 'ping' wait_for 20 ping_ok A 10.7.0.2
check_equal 'accelerated' "$(mode)" tcx
on A sh -c 'printf "%s\n" "inet 10.8.0.1/24" "!echo \$int >/run/said" up >/etc/ifconfig.wg1'
check 'systemctl enable --now wgx-boot@wg1' on A systemctl enable --now wgx-boot@wg1
check_equal 'it has its address' "$(on A ip -o -4 addr show dev wg1 | awk '{ print $4 }') $(on A cat /run/said)" '10.8.0.1/24 wg1'
check 'systemctl enable --now wgx-metrics' on A systemctl enable --now wgx-metrics
scrape() { nsenter --target "${HOST_PID[A]}" --net -- curl -sf http://127.0.0.1:9586/metrics; }
metrics_ok() { grep -q 'wireguard_received_bytes_total{interface="wg0".*friendly_name="b"' <<<"$(scrape)"; }
check 'it serves them, as a user without rights' wait_for 20 metrics_ok
check_equal 'no unit has failed' "$(on A systemctl list-units --failed --no-legend --plain 'wgx*')" ''

both_up() { ping_ok A 10.7.0.2 -w 3 && grep -q 10.8.0.1/24 <<<"$(on A ip -o -4 addr show dev wg1)"; }
check 'systemctl restart wgx@wg0' on A systemctl restart wgx@wg0
check 'it works, and wg1 is still there' wait_for 20 both_up
check 'systemctl restart wgx-boot@wg1' on A systemctl restart wgx-boot@wg1
check 'it works, and so does wg0' wait_for 20 both_up

# ---- an upgrade under it ----

session() { on A wgx show --json | jq '.interfaces[].peers[].latest_handshake' && on B wg show wg0 latest-handshakes; }
session >"$WORK/session"
daemon=$(daemon_pid A wg0)
metrics_pid=$(on A systemctl show -p MainPID --value wgx-metrics)
dpkg-deb -R "$DEB" "$WORK/next" && sed -i 's/^Version: .*/&+next1/' "$WORK/next/DEBIAN/control" &&
	dpkg-deb --root-owner-group -b "$WORK/next" "$WORK/debs/next.deb" >/dev/null
nsenter --target "${HOST_PID[A]}" --net -- ping -q -i 0.05 10.7.0.2 >"$WORK/ping.log" 2>&1 &
ping=$!
check 'upgrade' on A dpkg -i /debs/next.deb
kill -INT $ping && wait $ping
check_equal 'no packet was lost meanwhile' "$(grep -o '[^ ]*% packet loss' "$WORK/ping.log")" '0% packet loss'
check_equal 'the same session' "$(session)" "$(cat "$WORK/session")"
check 'of the new daemon' [ "$(daemon_pid A wg0)" != "$daemon" ]
check 'wgx-metrics is the new one' [ "$(on A systemctl show -p MainPID --value wgx-metrics)" != "$metrics_pid" ]
check 'and serves' wait_for 20 metrics_ok
check_equal 'the units are up' "$(for u in wgx@wg0 wgx-boot@wg1 wgx-metrics; do state_of $u; done | xargs)" 'active active active'

# ---- the machine starts again ----

on A journalctl -o export -a >"$WORK/journal"
parent=${HOST_PARENT[A]}
on A systemctl poweroff
over() { ! kill -0 "$parent" 2>/dev/null; }
check 'the machine goes down' wait_for 60 over || kill -KILL "$parent"
wait "$parent" 2>/dev/null
on B ip link del eth0 2>/dev/null
check 'and boots' boot || finish
check 'wg0 and wg1 are up again' wait_for 60 both_up
check 'and the metrics' wait_for 20 metrics_ok

# ---- the end ----

on A journalctl -o export -a >>"$WORK/journal"
check 'the journal has the units' grep -q '_SYSTEMD_UNIT=wgx@wg0.service' "$WORK/journal"
check 'and no key' not grep -qF -e "$(head -c 43 "$WORK/A.wg0.key")" "$WORK/journal"
check 'stop wgx-boot@wg1' on A systemctl stop wgx-boot@wg1
check 'it is gone, wg0 is not' sh -c "! nsenter -t ${HOST_PID[A]} -n ip link show wg1 2>/dev/null"
check 'ping' ping_ok A 10.7.0.2
check 'purge' on A dpkg -P wgx
gone() { ! on A ip link show wg0 && ! on A sh -c 'grep -l wgx /proc/[0-9]*/comm'; }
check 'the tunnels of units end with it' wait_for 20 gone
check_equal 'no unit is left' "$(on A systemctl list-units --all --no-legend --plain 'wgx*' | grep -c loaded)" 0
files >"$WORK/after"
# the group is there since the first time that wgx was
check_equal 'nothing is left but what the user made' \
	"$(diff "$WORK/before" "$WORK/after" | grep '^[<>]' | grep -v '/etc/.*-$' | xargs)" \
	'> /etc/ifconfig.wg1 > /etc/wireguard/wg0.conf'
finish
