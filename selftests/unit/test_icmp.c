/* SPDX-License-Identifier: MIT */
/* P-DT-4: ICMP answers, whom they may go to, and how many. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "line_test.h"
#include "path/icmp.h"
#include "path/inner.h"
#include "unit/xorshift.h"

static uint8_t out[2000];

static uint32_t plain_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* A packet of len bytes with this protocol. */
static void make4(uint8_t *p, size_t len, uint8_t proto)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7);
	memset(p, 0, 20);
	p[0] = 0x45;
	p[2] = (uint8_t)(len >> 8);
	p[3] = (uint8_t)len;
	p[8] = 64;
	p[9] = proto;
	memcpy(p + 12, "\x0a\x01\x02\x03\xc0\x00\x02\x09", 8);
}

static void make6(uint8_t *p, size_t len, uint8_t next)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7);
	memset(p, 0, 40);
	p[0] = 0x60;
	p[4] = (uint8_t)((len - 40) >> 8);
	p[5] = (uint8_t)(len - 40);
	p[6] = next;
	p[7] = 64;
	memcpy(p + 8, "\xfd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\xfd\1\0\0\0\0\0\0\0\0\0\0\0\0\0\2", 32);
}

static void check4(size_t len, size_t there, size_t cap, size_t want)
{
	uint8_t p[1600], guard = 0x77;
	struct wgx_inner ip;
	size_t n;

	make4(p, len, 17);
	memset(out, guard, sizeof(out));
	n = wgx_icmp_unreachable(p, there, out, cap);
	assert_int_equal(n, want);
	assert_int_equal(out[n], guard);
	if (!n)
		return;
	assert_int_equal(wgx_inner_parse(out, n, &ip), 0);
	assert_int_equal(ip.len, n);
	assert_int_equal(plain_sum(0, out, 20), 0xffff);
	assert_int_equal(out[9], 1);
	assert_memory_equal(out + 12, p + 16, 4);
	assert_memory_equal(out + 16, p + 12, 4);
	assert_int_equal(out[20], 3);
	assert_int_equal(out[21], 1);
	assert_memory_equal(out + 24, "\0\0\0\0", 4);
	assert_int_equal(plain_sum(0, out + 20, n - 20), 0xffff);
	assert_memory_equal(out + 28, p, n - 28);
}

static void check6(size_t len, size_t there, size_t cap, size_t want)
{
	uint8_t p[1600], guard = 0x77, tail[4] = {0};
	struct wgx_inner ip;
	uint32_t sum;
	size_t n;

	make6(p, len, 17);
	memset(out, guard, sizeof(out));
	n = wgx_icmp_unreachable(p, there, out, cap);
	assert_int_equal(n, want);
	assert_int_equal(out[n], guard);
	if (!n)
		return;
	assert_int_equal(wgx_inner_parse(out, n, &ip), 0);
	assert_int_equal(ip.len, n);
	assert_int_equal(out[6], 58);
	assert_memory_equal(out + 8, p + 24, 16);
	assert_memory_equal(out + 24, p + 8, 16);
	assert_int_equal(out[40], 1);
	assert_int_equal(out[41], 3);
	assert_memory_equal(out + 44, "\0\0\0\0", 4);
	tail[1] = 58;
	tail[2] = (uint8_t)((n - 40) >> 8);
	tail[3] = (uint8_t)(n - 40);
	sum = plain_sum(plain_sum(0, tail, 4), out + 8, 32);
	assert_int_equal(plain_sum(sum, out + 40, n - 40), 0xffff);
	assert_memory_equal(out + 48, p, n - 48);
}

static void test_answers(void **state)
{
	check4(20, 20, 1280, 48);
	check4(60, 60, 1280, 88);
	check4(548, 548, 1280, 576);
	check4(549, 549, 1280, 576);
	check4(1500, 1500, 2000, 576);
	check4(1500, 100, 2000, 128); /* the first slice of a superframe */
	check4(60, 76, 1280, 88); /* padding is not quoted */
	check4(1500, 1500, 200, 200);
	check4(60, 60, 40, 0);
	check4(60, 60, 0, 0);
	check6(40, 40, 1280, 88);
	check6(100, 100, 1280, 148);
	check6(1232, 1232, 1280, 1280);
	check6(1233, 1233, 1280, 1280);
	check6(1500, 1500, 2000, 1280);
	check6(1500, 300, 2000, 348);
	check6(100, 120, 1280, 148);
	check6(1500, 1500, 500, 500);
	check6(100, 100, 60, 0);
}

static size_t answer4(uint8_t proto, unsigned int at, uint8_t value)
{
	uint8_t p[80];

	make4(p, 80, proto);
	p[at] = value;
	return wgx_icmp_unreachable(p, 80, out, sizeof(out));
}

static size_t answer6(uint8_t next, unsigned int at, uint8_t value)
{
	uint8_t p[80];

	make6(p, 80, next);
	p[at] = value;
	return wgx_icmp_unreachable(p, 80, out, sizeof(out));
}

static void test_never_answered4(void **state)
{
	assert_int_not_equal(answer4(6, 0, 0x45), 0);
	for (unsigned int type = 0; type < 256; type++) {
		bool error = type == 3 || type == 4 || type == 5 || type == 11 || type == 12;

		assert_int_equal(answer4(1, 20, (uint8_t)type) == 0, error);
	}
	for (unsigned int a = 0; a < 256; a++) {
		bool host = a != 0 && a != 127 && a < 224;

		assert_int_equal(answer4(17, 12, (uint8_t)a) != 0, host);
		assert_int_equal(answer4(17, 16, (uint8_t)a) != 0, host);
	}
	assert_int_equal(answer4(17, 7, 1), 0); /* fragments but the first */
	assert_int_equal(answer4(17, 6, 0x01), 0);
	assert_int_not_equal(answer4(17, 6, 0x20), 0);
	assert_int_not_equal(answer4(17, 6, 0x40), 0);
	assert_int_equal(answer4(17, 0, 0x44), 0);
	assert_int_equal(answer4(17, 0, 0x55), 0);
	assert_int_equal(answer4(17, 3, 19), 0);
}

static void test_never_answered6(void **state)
{
	uint8_t p[80];

	for (unsigned int type = 0; type < 256; type++)
		assert_int_equal(answer6(58, 40, (uint8_t)type) == 0, type < 128 || type == 137);
	assert_int_equal(answer6(17, 8, 0xff), 0);
	assert_int_equal(answer6(17, 24, 0xff), 0);
	for (unsigned int last = 0; last < 3; last++) { /* ::, ::1, ::2 as either address */
		make6(p, 80, 17);
		memset(p + 8, 0, 16);
		p[23] = (uint8_t)last;
		assert_int_equal(wgx_icmp_unreachable(p, 80, out, sizeof(out)) != 0, last == 2);
		make6(p, 80, 17);
		memset(p + 24, 0, 16);
		p[39] = (uint8_t)last;
		assert_int_equal(wgx_icmp_unreachable(p, 80, out, sizeof(out)) != 0, last == 2);
	}
}

/* hop-by-hop of 16 bytes, then a fragment header, then ICMPv6 */
static size_t chain(uint8_t type, unsigned int offset, size_t len)
{
	uint8_t p[80];

	make6(p, 80, 0);
	p[40] = 44;
	p[41] = 1;
	p[56] = 58;
	p[57] = 0xff; /* reserved: not a length */
	p[58] = (uint8_t)(offset >> 8);
	p[59] = (uint8_t)offset;
	p[64] = type;
	return wgx_icmp_unreachable(p, len, out, sizeof(out));
}

static void test_extension_headers(void **state)
{
	assert_int_not_equal(chain(128, 0, 80), 0);
	assert_int_not_equal(chain(128, 1, 80), 0); /* more fragments, but the first */
	assert_int_equal(chain(1, 0, 80), 0);
	assert_int_equal(chain(128, 8, 80), 0);
	assert_int_equal(chain(128, 0x100, 80), 0);
	for (size_t len = 40; len <= 64; len++)
		assert_int_equal(chain(128, 0, len), 0); /* the type is out of sight */
}

/* Whatever comes in: no read past it, and what goes out is a packet. */
static void test_fuzz(void **state)
{
	uint64_t seed = 0xbf58476d1ce4e5b9;
	unsigned int answers = 0;

	for (int i = 0; i < 200000; i++) {
		size_t len = (size_t)i % 97, n;
		uint8_t *p = malloc(len ? len : 1);
		struct wgx_inner ip;

		assert_non_null(p);
		for (size_t k = 0; k < len; k++) {
			xorshift64(&seed);
			p[k] = (uint8_t)(seed >> 30);
		}
		if (len)
			p[0] = seed & 1 ? 0x60 : 0x45;
		if (len > 40 && seed & 2)
			p[6] = (uint8_t[]){0, 43, 44, 58, 60, 17, 0x40, 0x20}[seed >> 5 & 7];
		n = wgx_icmp_unreachable(p, len, out, sizeof(out));
		assert_true(n <= WGX_ICMP6_MAX);
		if (n) {
			assert_int_equal(wgx_inner_parse(out, n, &ip), 0);
			assert_int_equal(ip.len, n);
			answers++;
		}
		free(p);
	}
	assert_true(answers > 1000);
}

static void test_limit(void **state)
{
	const uint64_t second = 1000000000;
	struct wgx_icmp_limit l;
	uint64_t now = 5 * second;
	int n = 0;

	wgx_icmp_limit_init(&l, 10, 3, now);
	for (int i = 0; i < 10; i++)
		n += wgx_icmp_limit_take(&l, now);
	assert_int_equal(n, 3);
	assert_false(wgx_icmp_limit_take(&l, now + second / 10 - 1));
	assert_true(wgx_icmp_limit_take(&l, now + second / 10));
	assert_false(wgx_icmp_limit_take(&l, now + second / 10));
	/* an hour later the bucket holds its burst, no more */
	now += 3600 * second;
	for (n = 0; wgx_icmp_limit_take(&l, now); n++)
		;
	assert_int_equal(n, 3);
	/* a clock set back neither fills nor breaks it */
	assert_false(wgx_icmp_limit_take(&l, now - 1000 * second));
	assert_false(wgx_icmp_limit_take(&l, now + second / 10 - 1));
	assert_true(wgx_icmp_limit_take(&l, now + second / 10));
	/* the long run: 10 a second, asked every 7 ms for 100 s */
	wgx_icmp_limit_init(&l, 10, 1, now);
	n = 0;
	for (uint64_t t = 0; t < 100 * second; t += second / 143)
		n += wgx_icmp_limit_take(&l, now + t);
	assert_in_range(n, 900, 1001);
	wgx_icmp_limit_init(&l, 10, 5, now);
	n = 0;
	for (uint64_t t = 0; t < 100 * second; t += second / 143)
		n += wgx_icmp_limit_take(&l, now + t);
	assert_in_range(n, 1000, 1005);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test("P-DT-4", test_answers),
		cmocka_unit_test(test_never_answered4),
		cmocka_unit_test(test_never_answered6),
		cmocka_unit_test(test_extension_headers),
		cmocka_unit_test(test_fuzz),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
