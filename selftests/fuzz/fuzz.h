/* SPDX-License-Identifier: MIT */
/*
 * Fuzz targets: each is a program that libFuzzer feeds with bytes (make fuzz). What has to hold is checked with
 * assert_*() of cmocka, as in the unit tests, whose helpers are used here too; one that fails aborts.
 */
#ifndef WGX_SELFTESTS_FUZZ_H
#define WGX_SELFTESTS_FUZZ_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* once, before the first input */
static void fuzz_begin(void);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	setenv("CMOCKA_TEST_ABORT", "1", 1);
	fuzz_begin();
	return 0;
}

/* ---- an input, taken from its front ---- */

struct bytes {
	const uint8_t *p;
	size_t left;
};

/* At its end there are zeros. */
static inline uint8_t take_u8(struct bytes *b)
{
	if (!b->left)
		return 0;
	b->left--;
	return *b->p++;
}

static inline uint16_t take_u16(struct bytes *b)
{
	uint16_t high = take_u8(b);

	return (uint16_t)(high << 8 | take_u8(b));
}

/* The next @len bytes, or those that are left, in memory of exactly that size: for free() */
static inline uint8_t *take_copy(struct bytes *b, size_t len, size_t *ret_len)
{
	uint8_t *copy;

	if (len > b->left)
		len = b->left;
	copy = malloc(len ? len : 1);
	assert_non_null(copy);
	memcpy(copy, b->p, len);
	b->p += len;
	b->left -= len;
	*ret_len = len;
	return copy;
}

#endif
