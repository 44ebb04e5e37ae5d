/* SPDX-License-Identifier: MIT */
/* P-DT-7: every cell of RFC 6040's tables, for both versions and every DSCP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <string.h>
#include "line_test.h"
#include "path/ecn.h"

/*
 * RFC 6040 figure 4: [inner][outer], codepoints 0 Not-ECT, 1 ECT(1), 2 ECT(0), 3 CE. But for CE on
 * Not-ECT, which the RFC drops and the Linux driver leaves alone.
 */
static const uint8_t figure4[4][4] = {
	{0, 0, 0, 0},
	{1, 1, 1, 3},
	{2, 1, 2, 3},
	{3, 3, 3, 3},
};

static uint32_t header_sum(const uint8_t *p)
{
	uint32_t sum = 0;

	for (int i = 0; i < 20; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void make4(uint8_t p[20], uint8_t tos, uint32_t salt)
{
	uint32_t check;

	memset(p, 0, 20);
	p[0] = 0x45;
	p[1] = tos;
	p[4] = (uint8_t)(salt >> 8);
	p[5] = (uint8_t)salt;
	memcpy(p + 12, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
	check = ~header_sum(p);
	p[10] = (uint8_t)(check >> 8);
	p[11] = (uint8_t)check;
}

static void check4(uint8_t outer, uint8_t tos, uint32_t salt)
{
	uint8_t p[20], before[20], want = figure4[tos & 3][outer & 3];

	make4(p, tos, salt);
	memcpy(before, p, 20);
	wgx_ecn_decap(outer, p);
	assert_int_equal(p[1], (tos & ~3) | want);
	assert_int_equal(header_sum(p), 0xffff);
	before[1] = p[1];
	memcpy(before + 10, p + 10, 2);
	assert_memory_equal(p, before, 20);
}

static void test_decap4(void **state)
{
	for (unsigned int tos = 0; tos < 256; tos++) {
		for (unsigned int outer = 0; outer < 256; outer++)
			check4((uint8_t)outer, (uint8_t)tos, tos * 257 + outer);
	}
	/* every value that the checksum can have */
	for (uint32_t salt = 0; salt < 65536; salt++)
		check4(3, 2, salt);
}

/* A wrong checksum stays wrong: the tunnel must not mend what was broken before it. */
static void test_decap4_wrong_checksum(void **state)
{
	uint8_t p[20];

	make4(p, 2, 99);
	p[15] ^= 1;
	wgx_ecn_decap(3, p);
	assert_int_equal(p[1], 3);
	assert_int_not_equal(header_sum(p), 0xffff);
}

static void test_decap6(void **state)
{
	for (unsigned int tos = 0; tos < 256; tos++) {
		for (unsigned int outer = 0; outer < 4; outer++) {
			uint8_t p[40], before[40], want = figure4[tos & 3][outer];

			memset(p, 0xab, 40);
			p[0] = (uint8_t)(0x60 | tos >> 4);
			p[1] = (uint8_t)(tos << 4 | 0xb);
			memcpy(before, p, 40);
			assert_int_equal(wgx_ecn_tos(p), tos);
			wgx_ecn_decap((uint8_t)outer, p);
			before[1] = (uint8_t)((before[1] & 0xcf) | want << 4);
			assert_memory_equal(p, before, 40);
		}
	}
}

static void test_encap(void **state)
{
	for (unsigned int tos = 0; tos < 256; tos++)
		assert_int_equal(wgx_ecn_encap((uint8_t)tos), tos & 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test("P-DT-7", test_decap4),
		cmocka_unit_test(test_decap4_wrong_checksum),
		line_test("P-DT-7", test_decap6),
		line_test("P-DT-7", test_encap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
