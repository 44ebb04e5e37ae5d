#!/bin/bash
# SPDX-License-Identifier: MIT
# Installs the packages of packages.txt that are missing. Does nothing, and asks no mirror, where all
# are there; --check only lists them.
set -u
here=$(cd "$(dirname "$0")" && pwd)

if ! command -v dpkg-query >/dev/null; then
	echo 'setup.sh: no dpkg here; what is needed is listed in selftests/packages.txt' >&2
	exit 0
fi

arch=$(dpkg --print-architecture)
installed=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' | sed -n 's/^ii //p')
missing=()
while read -r package only _; do
	case $package in '' | '#'*) continue ;; esac
	case $only in '' | "[$arch]") ;; *) continue ;; esac
	grep -qxF "$package" <<<"$installed" || missing+=("$package")
done <"$here/packages.txt"
if [ ${#missing[@]} -eq 0 ]; then
	"$here/versions.sh" --brief
	exit 0
fi

echo "setup.sh: missing: ${missing[*]}"
[ "${1:-}" != --check ] || exit 1
if [ "$(id -u)" != 0 ]; then
	echo "setup.sh: not root; run: apt-get install ${missing[*]}" >&2
	exit 1
fi

# Tests want programs, not services: none is started now, and prometheus not at the next boot either.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap 'rm -f $policy' EXIT
	trap 'exit 130' INT TERM
	install -m 0755 /dev/stdin $policy <<<$'#!/bin/sh\nexit 101'
fi
unit=/etc/systemd/system/prometheus.service
case " ${missing[*]} " in
*' prometheus '*) [ -e $unit ] || [ -L $unit ] || { mkdir -p ${unit%/*} && ln -s /dev/null $unit; } ;;
esac
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o Dpkg::Use-Pty=0 update </dev/null &&
	apt-get -qq -o Dpkg::Use-Pty=0 install -y --no-install-recommends "${missing[@]}" </dev/null >/dev/null || {
	echo 'setup.sh: apt-get failed' >&2
	exit 1
}
"$here/versions.sh" --brief
exit 0
