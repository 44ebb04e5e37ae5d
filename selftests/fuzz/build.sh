#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds programs with clang, ASan, UBSan, and what libFuzzer and llvm-cov need: the fuzz targets, and the unit tests
# that run under the sanitizers. Both are on one library, which is built once.
#
#	selftests/fuzz/build.sh fuzz/fuzz_wire unit/test_aead ...
#
# COVERAGE=0: nothing for llvm-cov, which takes a fifth of the time to compile.
set -eu
cd "$(dirname "$0")/../.."
unset MAKEFLAGS MFLAGS MAKELEVEL SAN IPSEC_MB
BUILD=${FUZZ_BUILD:-build-fuzz}
COVERAGE_FLAGS='-fprofile-instr-generate -fcoverage-mapping'
[ "${COVERAGE:-1}" = 1 ] || COVERAGE_FLAGS=
exec make --no-print-directory -j"$(nproc)" CC=clang SAN=fuzzer-no-link,address,undefined BUILD="$BUILD" \
	CFLAGS="-O1 -gline-tables-only -fno-sanitize-recover=undefined $COVERAGE_FLAGS" \
	"${@/#/$BUILD/selftests/}"
