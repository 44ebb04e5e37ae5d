#!/bin/bash
# SPDX-License-Identifier: MIT
# Proves that `make demo` and `make test` do all of their own set-up: runs them in a minimal Debian 12
# root with nothing in it but make and git. Not part of make test; needs root, debootstrap, a mirror
# and about 4 GB under TMPDIR.
#
#	selftests/fresh.sh [target ...]      the targets; demo and test where none is said
#
# What is committed (HEAD) is what is tested. KEEP=1 leaves the root there for a look.
set -u -o pipefail
TOP=$(cd "$(dirname "$0")/.." && pwd)
PATH=$PATH:/usr/sbin:/sbin
TARGETS=("$@")
[ $# -gt 0 ] || TARGETS=(demo test)

fail() {
	echo "fresh: $*" >&2
	exit 1
}

[ "$(id -u)" = 0 ] || fail 'needs root'
for c in debootstrap git unshare; do
	command -v $c >/dev/null || fail "needs $c: apt-get install $c"
done

# The mirror is the machine's own: of the first Debian 12 source that apt knows.
MIRROR=$(apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
	awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')
[ -n "$MIRROR" ] || fail 'apt knows no mirror of Debian 12'

BASE=$(mktemp -d "${TMPDIR:-/tmp}/wgx-fresh.XXXXXX") || exit 1
ROOT=$BASE/root
CHILD=

# Nothing is mounted outside of the child's mount namespace, so removing is safe once it is dead.
cleanup() {
	trap '' INT TERM HUP
	if [ -n "$CHILD" ]; then
		kill -KILL "$CHILD" 2>/dev/null
		wait "$CHILD" 2>/dev/null
	fi
	if [ "${KEEP:-0}" = 1 ]; then
		echo "fresh: the root stays in $ROOT"
	else
		rm -rf --one-file-system "$BASE"
	fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# in_background command ...: so that an interrupt reaches us at once
in_background() {
	"$@" &
	CHILD=$!
	wait "$CHILD"
	local status=$?
	CHILD=
	return $status
}

echo "fresh: debootstrap into $ROOT"
in_background setpriv --pdeathsig KILL debootstrap --variant=minbase --include=make,git,ca-certificates \
	bookworm "$ROOT" "$MIRROR" >"$BASE/debootstrap.log" 2>&1 || {
	tail -n 20 "$BASE/debootstrap.log" >&2
	fail 'debootstrap'
}
for f in /etc/resolv.conf /etc/hosts; do
	[ ! -e $f ] || cp -L $f "$ROOT$f"
done
# How this machine reaches its mirror (a proxy, say) holds in there as well.
for f in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
	if grep -qsiE 'Acquire::|proxy' "$f"; then
		install -D -m 0644 "$f" "$ROOT$f"
	fi
done
git clone -q --no-hardlinks "$TOP" "$ROOT/root/wgx" || fail 'git clone'
echo "fresh: testing $(git -C "$ROOT/root/wgx" log -1 --format='%h %s')"

# A PID namespace of its own: whatever is left running there ends with it. The root is pivoted to, not
# only chrooted into: a later setns() into a mount namespace made from this one begins at its real root.
# shellcheck disable=SC2016
INSIDE='
	set -e
	mount --bind "$1" "$1"
	cd "$1"
	mount -t proc proc proc
	mount -t sysfs sysfs sys
	mount -t bpf bpf sys/fs/bpf
	mount --rbind /dev dev
	mount -t tmpfs tmpfs run
	pivot_root . mnt
	umount -l /mnt
	exec /usr/bin/env -i HOME=/root TERM=dumb CI=true LC_ALL=C \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		make --no-print-directory -C /root/wgx "$2" </dev/null'
status=0
for target in "${TARGETS[@]}"; do
	echo "fresh: make $target"
	if in_background setpriv --pdeathsig KILL unshare --kill-child --mount --pid --fork \
		--propagation private sh -c "$INSIDE" sh "$ROOT" "$target"; then
		echo "fresh: make $target: passed"
	else
		echo "fresh: make $target: FAILED"
		status=1
	fi
done
exit $status
