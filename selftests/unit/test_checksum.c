/* SPDX-License-Identifier: MIT */
/* The checksum against RFC 1071's definition, two bytes at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include "path/checksum.h"
#include "unit/xorshift.h"

static uint64_t seed = 0x2545f4914f6cdd1d;

static uint64_t rnd(void)
{
	return xorshift64(&seed);
}

/* Host byte order, not complemented. */
static uint32_t plain_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

static uint16_t plain(const uint8_t *p, size_t len)
{
	return htons((uint16_t)~plain_sum(0, p, len));
}

/* Each buffer ends where its allocation ends, so that a sanitizer sees a read past it. */
static void check(size_t len, size_t align, int kind)
{
	uint8_t *memory = malloc(len + align + 1), *p = memory + align + 1;

	assert_non_null(memory);
	for (size_t i = 0; i < len; i++)
		p[i] = kind == 0 ? (uint8_t)(rnd() >> 32) : kind == 1 ? 0xff : 0;
	assert_int_equal(wgx_csum_fold(wgx_csum_add(0, p, len)), plain(p, len));
	for (const struct wgx_csum_way *way = wgx_csum_ways; way->name; way++) {
		if (way->usable())
			assert_int_equal(wgx_csum_fold(wgx_csum_from64(way->sum(p, len))),
					 plain(p, len));
	}
	free(memory);
}

static void test_all_short_lengths(void **state)
{
	for (size_t len = 0; len <= 300; len++) {
		for (size_t align = 0; align < 9; align++) {
			for (int kind = 0; kind < 3; kind++)
				check(len, align, kind);
		}
	}
}

static void test_long_lengths(void **state)
{
	for (int i = 0; i < 400; i++)
		check(301 + rnd() % 65300, rnd() % 64, (int)(rnd() % 4 == 0));
	check(65535, 1, 1);
}

static void test_ways(void **state)
{
	const struct wgx_csum_way *last = NULL;

	for (const struct wgx_csum_way *way = wgx_csum_ways; way->name; way++) {
		if (!way->usable())
			print_message("skipped here: %s\n", way->name);
		last = way;
	}
	assert_non_null(last);
	assert_true(last->usable());
}

static void test_bits_all_count(void **state)
{
	uint8_t p[1400];
	uint16_t before;

	memset(p, 0x5a, sizeof(p));
	before = wgx_csum_fold(wgx_csum_add(0, p, sizeof(p)));
	for (size_t bit = 0; bit < sizeof(p) * 8; bit++) {
		p[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(wgx_csum_fold(wgx_csum_add(0, p, sizeof(p))), before);
		p[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void test_parts(void **state)
{
	uint8_t p[4096];

	for (size_t i = 0; i < sizeof(p); i++)
		p[i] = (uint8_t)(rnd() >> 24);
	for (int i = 0; i < 2000; i++) {
		size_t len = rnd() % sizeof(p), cut = len ? rnd() % len & ~1ull : 0;
		uint32_t one = wgx_csum_add(0, p, cut), two = wgx_csum_add(0, p + cut, len - cut);

		assert_int_equal(wgx_csum_fold(wgx_csum_add(one, p + cut, len - cut)),
				 plain(p, len));
		assert_int_equal(wgx_csum_fold(wgx_csum_plus(one, two)), plain(p, len));
	}
	/* the carry out of bit 31 comes round */
	assert_int_equal(wgx_csum_plus(0xffffffff, 2), 2);
	assert_int_equal(wgx_csum_add(0xffffffff, "\1", 1),
			 wgx_csum_plus(0xffffffff, htonl(1u << 24)));
}

static void test_zero(void **state)
{
	uint32_t all = 0xffff;

	assert_int_equal(wgx_csum_fold(all), 0);
	assert_int_equal(wgx_csum_nonzero(all), 0xffff);
	assert_int_equal(wgx_csum_nonzero(0x1234), (uint16_t)~0x1234);
}

/* A header from RFC 1071's kin: 45 00 00 73 00 00 40 00 40 11 b8 61 c0 a8 00 01 c0 a8 00 c7 */
static void test_ip4_header(void **state)
{
	uint8_t h[60] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
			 0xb8, 0x61, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};

	assert_int_equal(wgx_csum_ip4(h, 20), htons(0xb861));
	for (size_t len = 20; len <= 60; len += 4) {
		uint16_t check = wgx_csum_ip4(h, len);

		memcpy(h + 10, &check, 2);
		assert_int_equal(plain(h, len), 0);
		for (size_t i = 20; i < 60; i++)
			h[i] = (uint8_t)rnd();
	}
}

static void test_pseudo_headers(void **state)
{
	for (int i = 0; i < 500; i++) {
		uint8_t p[40] = {0}, proto = (uint8_t)rnd();
		uint32_t len = (uint32_t)(rnd() % 65536);
		uint16_t len16 = htons((uint16_t)len);
		uint32_t len32 = htonl(len);

		for (int k = 0; k < 32; k++)
			p[k] = (uint8_t)(rnd() >> 17);
		memcpy(p + 32, &len32, 4);
		p[39] = proto;
		assert_int_equal(wgx_csum_fold(wgx_csum_pseudo6(p, proto, len)), plain(p, 40));
		p[8] = 0;
		p[9] = proto;
		memcpy(p + 10, &len16, 2);
		assert_int_equal(wgx_csum_fold(wgx_csum_pseudo4(p, proto, len)), plain(p, 12));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_short_lengths),
		cmocka_unit_test(test_long_lengths),
		cmocka_unit_test(test_ways),
		cmocka_unit_test(test_bits_all_count),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_zero),
		cmocka_unit_test(test_ip4_header),
		cmocka_unit_test(test_pseudo_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
