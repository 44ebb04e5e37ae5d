#!/bin/sh
# SPDX-License-Identifier: MIT
# Does vmlinux.h agree with the running kernel? Every member that CO-RE is to find must be there, and
# the offsets, sizes and values of all other types must be the kernel's.
#
# usage: check_vmlinux.sh [BPFTOOL] [VMLINUX_H]
# Exit status: 0 agrees, 1 does not (each difference is printed), 4 skipped: this kernel has no BTF.
set -eu

cd "$(dirname "$0")/../.."
bpftool=${1:-bpftool}
header=${2:-vmlinux.h}
clang=${CLANG:-clang}
kernel=/sys/kernel/btf/vmlinux

if [ ! -r $kernel ]; then
	echo "check_vmlinux: skipped: no $kernel" >&2
	exit 4
fi
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# clang describes only what is used, and no enum without a name: name all, use each struct and enum once
awk '/^enum [{]$/ { $0 = "enum unnamed_" ++n " {" } { print }' "$header" >"$dir/vmlinux.h"
{
	echo '#include "vmlinux.h"'
	awk '/^(struct|enum) [a-z0-9_]+ [{]$/ { print $1, $2, "use_" $2 ";" }' "$dir/vmlinux.h"
} >"$dir/use.c"
"$clang" -target bpf -g -O2 -I"$dir" -c "$dir/use.c" -o "$dir/use.o"

# structs that CO-RE relocates
awk '/^struct [a-z0-9_]+ [{]$/ { name = $2 } /^} __core;$/ { print name }' "$header" >"$dir/core"

"$bpftool" -j btf dump file "$dir/use.o" >"$dir/ours.json"
"$bpftool" -j btf dump file $kernel >"$dir/kernel.json"
python3 selftests/bpf/check_vmlinux.py "$dir/core" "$dir/ours.json" "$dir/kernel.json"
