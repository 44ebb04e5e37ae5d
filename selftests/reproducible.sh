#!/bin/bash
# SPDX-License-Identifier: MIT
# make reproducible: what is committed (HEAD), built twice, in directories of different lengths, with another umask, time
# zone, locale and number of jobs, one after the other: program, BPF objects and bill of materials are the same bytes.
# The package's reproducibility is a part of make test-deb.
. "$(dirname "$0")/lib.sh"
cd "$TOP" || exit 1
unset MAKEFLAGS MFLAGS MAKELEVEL SAN BUILD

tree() { # tree DIRECTORY jobs
	mkdir -p "$1" && git archive HEAD | tar -x -C "$1" &&
		make --no-print-directory -C "$1" -j"$2" all bpf sbom
}
check 'a build' tree "$WORK/one" 2 || finish
sleep 1.1 # another second, at least
check 'and another' env TZ=Asia/Tokyo LC_ALL=C.UTF-8 bash -c "umask 077; $(declare -f tree); tree '$WORK/another/and/longer/directory' 1" ||
	finish
for f in wgx bpf/wgx_egress.bpf.o bpf/wgx_ingress.bpf.o bpf/wgx_steer.bpf.o bpf/wgx_strict.bpf.o libwgx.a wgx.cdx.json; do
	check "the same bytes: $f" cmp "$WORK/one/build/$f" "$WORK/another/and/longer/directory/build/$f"
done
echo "# wgx: $(sha256sum <"$WORK/one/build/wgx")"
finish
