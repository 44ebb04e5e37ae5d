/* SPDX-License-Identifier: MIT */
/* Numbers that look random, and are the same in each run. */
#ifndef WGX_SELFTESTS_UNIT_XORSHIFT_H
#define WGX_SELFTESTS_UNIT_XORSHIFT_H

#include <stdint.h>

/** xorshift64() - the next number; @seed is not 0 (Marsaglia 2003, "Xorshift RNGs") */
static inline uint64_t xorshift64(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

#endif
