#!/bin/bash
# SPDX-License-Identifier: MIT
# get_wireguard_go.sh DIR: unpacks wireguard-go 0.0.20231211, of Debian 12's backports, into DIR and
# prints the program's path. Nothing is installed and the machine's apt configuration stays as it is:
# the mirror is taken from there, lists and sources are private to DIR.
set -u -o pipefail
VERSION=0.0.20231211
SUITE=bookworm-backports

fail() {
	echo "get_wireguard_go.sh: $*" >&2
	exit 1
}

[ $# = 1 ] || fail 'usage: get_wireguard_go.sh DIR'
mkdir -p "$1" && dir=$(cd "$1" && pwd) || exit 1
program=$dir/root/usr/bin/wireguard-go

if [ ! -x "$program" ]; then
	mirror=$(apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
		awk '$2 == "bookworm" && $3 == "main" { print $1; exit }')
	[ -n "$mirror" ] || fail 'apt knows no mirror of Debian 12'
	key=/usr/share/keyrings/debian-archive-keyring.gpg
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/root"
	echo "deb [signed-by=$key] $mirror $SUITE main" >"$dir/sources.list"
	apt_private() {
		apt-get -qq -o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=- \
			-o Dir::State::lists="$dir/lists" -o Dir::Cache="$dir/cache" \
			-o APT::Sandbox::User=root "$@"
	}
	apt_private update >&2 || fail "no $SUITE at $mirror"
	(cd "$dir" && apt_private download "wireguard-go/$SUITE" >&2) || fail 'download'
	dpkg -x "$dir"/wireguard-go_"$VERSION"*.deb "$dir/root" || fail "not version $VERSION"
	rm -rf "$dir/lists" "$dir/cache"
fi
[ -x "$program" ] || fail "no program in the package"
echo "$program"
