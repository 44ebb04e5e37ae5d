#!/bin/bash
# SPDX-License-Identifier: MIT
# make install and make uninstall: what one puts in place the other takes away, and nothing else. make dist: the same
# bytes each time. debian/control has what building needs. Exit status 1 where that is not so.
set -u -o pipefail
TOP=$(cd "$(dirname "$0")/.." && pwd)
cd "$TOP" || exit 1
BUILD=${BUILD:-build}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/wgx-install.XXXXXX") || exit 1
trap 'rm -rf "$WORK"' EXIT
unset MAKEFLAGS MFLAGS MAKELEVEL

fail() {
	echo "Error: $*"
	exit 1
}
mk() { make --no-print-directory BUILD="$BUILD" "$@" >"$WORK/log" 2>&1 || { cat "$WORK/log" && fail "make $*"; }; }
files() { (cd "$1" && find . ! -type d -printf '%P\n' | sort); }

for args in 'PREFIX=/usr/local' 'PREFIX=/usr SYSTEMDDIR=/lib/systemd UDEVDIR=/lib/udev'; do
	image=$WORK/image
	rm -rf "$image"
	mkdir -p "$image/etc" && touch "$image/etc/other"
	# shellcheck disable=SC2086
	mk $args DESTDIR="$image" install
	files "$image" >"$WORK/installed"
	prefix=${args%% *} prefix=${prefix#PREFIX=/}
	for f in sbin/wgx sbin/wgconfig share/man/man8/wgx.8 share/doc/wgx/README.md lib/sysusers.d/wgx.conf \
		share/bash-completion/completions/wgx share/wgx/grafana-dashboard.json; do
		grep -qxF "$prefix/$f" "$WORK/installed" || fail "$args: $f is not installed"
	done
	for f in deploy/*.service deploy/completions/* man/*.[58] docs/*.md; do
		grep -qF "/$(basename "${f%.bash}")" "$WORK/installed" || fail "$args: $f is not installed"
	done
	"$image/$prefix/sbin/wgx" --version >/dev/null || fail "$args: wgx does not run"
	[ -z "$(find "$image" -xtype l)" ] || fail "$args: a link to nowhere: $(find "$image" -xtype l)"
	[ -z "$(find "$image" ! -type l -perm /022)" ] || fail "$args: others may write: $(find "$image" ! -type l -perm /022)"
	# shellcheck disable=SC2086
	mk $args DESTDIR="$image" uninstall
	[ "$(files "$image")" = etc/other ] || fail "$args: left behind: $(files "$image")"
	echo "$args: $(wc -l <"$WORK/installed") files, none left"
done

# What building needs stands in two places.
awk '/^# / { on = /^# build/ } on && !/^#/ && NF { print $1 }' selftests/packages.txt | grep -vxE 'gcc|libc6-dev' | sort >"$WORK/here"
sed -n '/^Build-Depends:/,/^[A-Z].*:/ { s/^Build-Depends: */ /; s/^ *\([a-z0-9.+-]*\).*/\1/p }' debian/control |
	grep -vE '^(debhelper|dh-sequence)' | grep . | sort >"$WORK/there"
diff "$WORK/here" "$WORK/there" ||
	fail 'selftests/packages.txt (<) and debian/control (>) differ in what building needs'

git rev-parse --quiet --verify HEAD >/dev/null 2>&1 || exit 0 # an export, or a checkout of somebody else's
mk BUILD="$WORK/one" dist
(umask 077 && TZ=Asia/Tokyo LC_ALL=C mk BUILD="$WORK/two" dist)
cmp "$WORK"/one/*.tar.gz "$WORK"/two/*.tar.gz || fail 'make dist: two runs differ'
tar -tzf "$WORK"/one/*.tar.gz >"$WORK/list" || fail 'make dist: no tar file'
[ "$(sed 's,^wgx-[^/]*/,,' "$WORK/list" | grep -v '/$' | grep . | sort)" = "$(git ls-tree -r --name-only HEAD | sort)" ] ||
	fail 'make dist: not what is committed'
echo "make dist: $(grep -vc '/$' "$WORK/list") files, the same bytes twice"
