#!/bin/bash
# SPDX-License-Identifier: MIT
# The Debian package: built twice to the same bytes, clean to lintian, installed, upgraded under a tunnel that does
# not notice, removed and purged without a trace. Some minutes, so not a part of make test: make test-deb.
#
#	selftests/deb.sh        what is committed (HEAD) is tested
#
#	A  an overlay of this machine's root: package wgx, /etc/wireguard/wg0.conf
#	   wg0 10.7.0.1 -- eth0 ======== eth0 -- wg0 10.7.0.2 B
# shellcheck source=selftests/lib.sh
. "$(dirname "$0")/lib.sh"
require wg dpkg-buildpackage dh lintian git
require_wgx
cd "$TOP" || exit 1
unset MAKEFLAGS MFLAGS MAKELEVEL

# ---- building ----

build() { # build DIRECTORY: with another path, umask, time zone and number of jobs each time
	mkdir -p "$1" && make --no-print-directory BUILD="$1" deb
}
check 'make deb' build "$WORK/one" || finish
debs=("$WORK"/one/deb/*.deb)
deb=$(printf '%s\n' "${debs[@]}" | grep '/wgx_')
check_equal 'a package, and its debug symbols' "$(printf '%s\n' "${debs[@]##*/}" | sed 's/_.*//' | sort | xargs)" 'wgx wgx-dbgsym'
check 'again, elsewhere' env TZ=Asia/Tokyo DEB_BUILD_OPTIONS=parallel=1 \
	bash -c "umask 027; $(declare -f build); build '$WORK/another/directory'"
for d in "${debs[@]}"; do
	check "the same bytes: $(basename "$d" | sed 's/_.*//')" cmp "$d" "$WORK/another/directory/deb/$(basename "$d")"
done
check 'the same source' cmp "$WORK"/one/deb/wgx_*.tar.xz "$WORK"/another/directory/deb/wgx_*.tar.xz
lintian_clean() { lintian --allow-root --fail-on error,warning --info "$WORK"/one/deb/*.changes; }
check 'lintian' lintian_clean
mapfile -t listed < <(dpkg-deb -c "$deb" | awk '{ print $6 }')
lists() { grep -qxF "./$1" <<<"$(printf '%s\n' "${listed[@]}")"; }
for f in usr/sbin/wgx usr/sbin/wgconfig usr/share/man/man8/wgx.8.gz usr/share/man/man5/wgx.conf.5.gz \
	lib/systemd/system/wgx@.service lib/systemd/system/wgx-boot@.service lib/systemd/system/wgx-metrics.service \
	usr/share/doc/wgx/wgx.cdx.json usr/lib/sysusers.d/wgx.conf usr/lib/tmpfiles.d/wgx.conf usr/share/bash-completion/completions/wgx \
	usr/share/zsh/vendor-completions/_wgx usr/share/fish/vendor_completions.d/wgx.fish; do
	check "it has $f" lists "$f" || printf '%s\n' "${listed[@]}" | diag
done

# ---- a root to install it in ----

host_add A B
link A eth0 B eth0
addr A eth0 192.0.2.1/24
addr B eth0 192.0.2.2/24
root=$WORK/root
mkdir "$root" "$WORK/up"
overlay() {
	on A mount -t tmpfs tmpfs "$WORK/up" && on A mkdir "$WORK/up/upper" "$WORK/up/work" || return
	on A mount -t overlay overlay -o "lowerdir=/,upperdir=$WORK/up/upper,workdir=$WORK/up/work" "$root" || return
	for d in proc sys dev run; do on A mount --rbind "/$d" "$root/$d" || return; done
	on A mkdir -p "$root/tmp/debs"
}
check 'an overlay of /' overlay || finish
inside() {
	on A chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive "$@"
}
# What dpkg, and programs that other packages run at its behest, note for themselves is not ours.
# shellcheck disable=SC2016
files() {
	inside sh -c 'find /etc /opt /srv /usr /var -xdev \( -path /var/lib/dpkg -o -path /var/cache -o -path /var/log \
		-o -path /var/tmp \) -prune -o ! -type d -print; getent group | cut -d: -f1' | sort
}
inside sh -c 'ls /var/lib/dpkg/info/wgx.list 2>/dev/null' && bail 'wgx is not installed here'
files >"$WORK/before"

# ---- install ----

install_deb() { on A cp "$1" "$root/tmp/debs/wgx.deb" && inside dpkg -i /tmp/debs/wgx.deb; }
check 'install' install_deb "$deb" || finish
version() { inside dpkg-query -W -f '${db:Status-Abbrev}${Version}' wgx; }
check_equal 'it is installed' "$(version)" "ii $(dpkg-deb -f "$deb" Version)"
check_equal 'wgx --version' "$(inside wgx --version)" "wgx $(dpkg-deb -f "$deb" Version)"
check_equal 'NetBSD'\''s names' "$(inside wgconfig --version)" "wgx $(dpkg-deb -f "$deb" Version)"
check_equal 'the group that may look, and its directory' "$(inside stat -c '%A %U %G' /run/wgx)" 'drwx--s--- root wgx'
check_equal 'nothing is enabled' "$(files | grep -c '/etc/systemd/.*wgx')" 0
check_equal 'conffiles are none' "$(dpkg-deb -I "$deb" conffiles 2>/dev/null)" ''

# ---- a tunnel, and an upgrade under it ----

key_for A wg0 && key_for B wg0
inside install -d -m 0700 /etc/wireguard
on A sh -c "umask 077; cat >'$root/etc/wireguard/wg0.conf'" <<-END
	[Interface]
	PrivateKey = $(<"$WORK/A.wg0.key")
	ListenPort = 51820
	Address = 10.7.0.1/24

	[Peer]
	Name = b
	PublicKey = $(pub_of B wg0)
	AllowedIPs = 10.7.0.2/32
	Endpoint = 192.0.2.2:51820
END
check 'wgx up' inside wgx up wg0 || finish
impl_up B wg0 wgx
on B wg set wg0 listen-port 51820 private-key "$WORK/B.wg0.key" peer "$(pub_of A wg0)" allowed-ips 10.7.0.1/32
addr B wg0 10.7.0.2/24
on B ip link set wg0 up
check 'ping' wait_for 20 ping_ok A 10.7.0.2
daemon_pid A wg0 >"$WORK/daemon"
state() { on A wg show wg0 latest-handshakes && on B wg show wg0 latest-handshakes; }
state >"$WORK/state"

dpkg-deb -R "$deb" "$WORK/next" && sed -i 's/^Version: .*/&+next1/' "$WORK/next/DEBIAN/control" &&
	dpkg-deb --root-owner-group -b "$WORK/next" "$WORK/next.deb" >/dev/null
spawn A ping ping -q -i 0.05 10.7.0.2
check 'upgrade' install_deb "$WORK/next.deb"
stop ping INT
check_equal 'the new one is installed' "$(version)" "ii $(dpkg-deb -f "$deb" Version)+next1"
check_equal 'no packet was lost meanwhile' "$(grep -o '[^ ]*% packet loss' "$WORK/ping.log")" '0% packet loss'
check_equal 'the same session' "$(state)" "$(cat "$WORK/state")"
check 'of another daemon' not [ "$(daemon_pid A wg0)" = "$(<"$WORK/daemon")" ]
check_equal 'the new wgx talks to it' "$(inside wgx show wg0 peer b | head -n 1)" "peer: $(pub_of B wg0)"

# ---- remove, purge ----

check 'remove' inside dpkg -r wgx
check 'the tunnel is its own' ping_ok A 10.7.0.2
check_equal 'the key is the user'\''s' "$(inside stat -c %a /etc/wireguard/wg0.conf)" 600
check 'state is kept' inside test -e /var/lib/wgx/stamp
check 'install again' install_deb "$deb"
check 'wgx down' inside wgx down wg0
check 'purge' inside dpkg -P wgx
check_equal 'dpkg knows nothing of it' "$(inside dpkg-query -W -f '${Status}' wgx 2>/dev/null)" ''
files >"$WORK/after"
check_equal 'nothing is left but the group and what the user made' \
	"$(diff "$WORK/before" "$WORK/after" | grep '^[<>]' | grep -v '/etc/.*-$' | xargs)" '> /etc/wireguard/wg0.conf > wgx'
finish
