#!/bin/sh
# SPDX-License-Identifier: MIT
# sbom.sh VERSION BINARY PACKAGES.TXT: a bill of materials of wgx on standard output, CycloneDX 1.5, as JSON. The
# components are the Debian packages of the libraries that BINARY is linked with, and those that built it (scope
# excluded), in the versions that are installed here. The same bytes for the same packages and SOURCE_DATE_EPOCH.
set -eu
export LC_ALL=C
version=$1 binary=$2 list=$3

# owner FILE: the package that has it; of a merged /usr either name counts
owner() {
	for f in "$1" "/usr$1" "${1#/usr}"; do
		dpkg-query -S "$f" 2>/dev/null | sed -n '1s/:.*//p' | grep . && return
	done
	return 0
}

linked() {
	ldd "$binary" | sed -n 's/.*=> \(\/[^ ]*\).*/\1/p' | while read -r f; do
		owner "$f"
		owner "$(readlink -f "$f")"
	done | sort -u
}

# what builds: the first section of the list
builders() { sed -n '/^# build$/,/^# unit/{/^#/!{s/ .*//;p}}' "$list" | sort -u; }

# component PACKAGE TYPE SCOPE
component() {
	dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' "$1" 2>/dev/null | head -n 1 | {
		read -r name v arch || exit 0
		escaped=$(printf %s "$v" | sed 's/+/%2B/g; s/:/%3A/g; s/~/%7E/g')
		printf '%s    {"type": "%s", "name": "%s", "version": "%s", "scope": "%s", "purl": "pkg:deb/debian/%s@%s?arch=%s"}' \
			"$comma" "$2" "$name" "$v" "$3" "$name" "$escaped" "$arch"
	}
	comma=',
'
}

hash=$(sha256sum "$binary" | cut -d' ' -f1)
cat <<END
{
  "bomFormat": "CycloneDX",
  "specVersion": "1.5",
  "version": 1,
  "metadata": {
END
[ -z "${SOURCE_DATE_EPOCH:-}" ] ||
	printf '    "timestamp": "%s",\n' "$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)"
cat <<END
    "component": {"type": "application", "name": "wgx", "version": "$version",
      "licenses": [{"license": {"id": "MIT"}}], "hashes": [{"alg": "SHA-256", "content": "$hash"}]}
  },
  "components": [
END
comma=
for p in $(linked); do component "$p" library required; done
for p in $(builders); do component "$p" application excluded; done
printf '\n  ]\n}\n'
