#!/bin/bash
# SPDX-License-Identifier: MIT
# The versions of the packages of packages.txt with which wgx was tested last: packages.lock.
#
#	selftests/versions.sh              tells where this machine differs; never a failure: a point release is newer
#	selftests/versions.sh --brief      likewise, in a line, or nothing where it does not
#	selftests/versions.sh --complete   do the two files name the same packages? Status 1 where they do not
#	selftests/versions.sh --lock       writes packages.lock, of this machine, after a whole run of the tests
set -u
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
list=$here/packages.txt lock=$here/packages.lock

names() { sed -n 's/^\([a-z0-9][a-z0-9.+-]*\).*/\1/p' "$1" | sort; }
# versions: of this machine, "package version"; a rebuild of the same source for one architecture (+b1) is no other
versions() {
	dpkg-query -W -f '${db:Status-Abbrev}\t${Package} ${Version}\n' $(names "$list") 2>/dev/null |
		sed -n 's/^ii *\t//p' | sed 's/+b[0-9]*$//' | sort -u
}

case ${1:-} in
--complete)
	diff <(names "$list") <(names "$lock") && exit
	echo 'packages.lock does not name what packages.txt does: selftests/versions.sh --lock' >&2
	exit 1
	;;
--lock)
	{
		echo '# What packages.txt names, in the versions with which wgx was tested last. Made by selftests/versions.sh --lock.'
		echo "# Debian $(cat /etc/debian_version), $(dpkg --print-architecture), Linux $(uname -r | sed 's/-.*//')"
		versions
	} >"$lock.new" && mv "$lock.new" "$lock"
	exit
	;;
'' | --brief) ;;
*)
	echo 'usage: selftests/versions.sh [--brief | --complete | --lock]' >&2
	exit 2
	;;
esac

command -v dpkg-query >/dev/null || exit 0
differ=$(join -j 1 <(grep -v '^#' "$lock" | sort) <(versions) | awk '$2 != $3')
n=$(grep -c . <<<"$differ")
if [ "${1:-}" != --brief ]; then
	[ -z "$differ" ] || awk '{ printf "%s: %s here, tested with %s\n", $1, $3, $2 }' <<<"$differ"
	echo "$n of $(names "$lock" | wc -l) packages differ from selftests/packages.lock"
elif [ "$n" -gt 0 ]; then
	echo "$n packages are not of the versions in selftests/packages.lock; selftests/versions.sh tells which"
fi
exit 0
