/* SPDX-License-Identifier: MIT */
/* P-DT-3 and P-DT-5: what a decrypted payload must look like, and how plaintext is padded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "line_test.h"
#include "path/inner.h"

static void test_ip4(void **state)
{
	uint8_t p[100] = {0x45, 0, 0, 84};
	struct wgx_inner ip;

	for (size_t len = 84; len <= 100; len++) {
		assert_int_equal(wgx_inner_parse(p, len, &ip), 0);
		assert_int_equal(ip.len, 84);
		assert_int_equal(ip.header_len, 20);
		assert_false(ip.v6);
		assert_int_equal(ip.addr_len, 4);
		assert_ptr_equal(ip.src, p + 12);
		assert_ptr_equal(ip.dst, p + 16);
	}
	for (size_t len = 0; len < 84; len++)
		assert_int_equal(wgx_inner_parse(p, len, &ip), -EBADMSG);
	for (unsigned int ihl = 0; ihl < 16; ihl++) {
		p[0] = (uint8_t)(0x40 | ihl);
		assert_int_equal(wgx_inner_parse(p, 84, &ip), ihl < 5 ? -EBADMSG : 0);
		assert_true(ihl < 5 || ip.header_len == ihl * 4);
	}
	/* length fields shorter than the header */
	for (unsigned int total = 0; total < 60; total++) {
		p[3] = (uint8_t)total;
		p[0] = 0x45;
		assert_int_equal(wgx_inner_parse(p, 100, &ip), total < 20 ? -EBADMSG : 0);
		p[0] = 0x4f;
		assert_int_equal(wgx_inner_parse(p, 100, &ip), -EBADMSG);
	}
}

static void test_ip6(void **state)
{
	uint8_t p[100] = {0x60, 0, 0, 0, 0, 44};
	struct wgx_inner ip;

	for (size_t len = 84; len <= 100; len++) {
		assert_int_equal(wgx_inner_parse(p, len, &ip), 0);
		assert_int_equal(ip.len, 84);
		assert_int_equal(ip.header_len, 40);
		assert_true(ip.v6);
		assert_int_equal(ip.addr_len, 16);
		assert_ptr_equal(ip.src, p + 8);
		assert_ptr_equal(ip.dst, p + 24);
	}
	for (size_t len = 0; len < 84; len++)
		assert_int_equal(wgx_inner_parse(p, len, &ip), -EBADMSG);
	p[5] = 0;
	assert_int_equal(wgx_inner_parse(p, 40, &ip), 0);
	assert_int_equal(wgx_inner_parse(p, 39, &ip), -EBADMSG);
	p[4] = 1;
	assert_int_equal(wgx_inner_parse(p, 100, &ip), -EBADMSG);
}

static void test_versions(void **state)
{
	struct wgx_inner ip, before;
	uint8_t p[64] = {0};

	p[3] = 64;
	p[5] = 24;
	memset(&ip, 0x5a, sizeof(ip));
	before = ip;
	for (unsigned int v = 0; v < 16; v++) {
		p[0] = (uint8_t)(v << 4 | 5);
		if (v == 4 || v == 6)
			continue;
		assert_int_equal(wgx_inner_parse(p, 64, &ip), -EBADMSG);
		assert_memory_equal(&ip, &before, sizeof(ip));
	}
}

/* Nothing but what is there may be read: the allocation ends where the packet does. */
static void test_reads_no_further(void **state)
{
	for (size_t len = 0; len <= 64; len++) {
		for (unsigned int first = 0; first < 256; first++) {
			uint8_t *p = calloc(1, len ? len : 1);
			struct wgx_inner ip;

			assert_non_null(p);
			p[0] = (uint8_t)first;
			if (len > 3)
				p[3] = (uint8_t)len;
			if (!wgx_inner_parse(p, len, &ip))
				assert_true(ip.len <= len && ip.header_len <= ip.len);
			free(p);
		}
	}
}

/* calculate_skb_padding(), as its text has it */
static uint32_t linux_padding(uint32_t len, uint32_t mtu)
{
	uint32_t last_unit = len, padded;

	if (!mtu)
		return ((last_unit + 15) & ~15u) - last_unit;
	if (last_unit > mtu)
		last_unit %= mtu;
	padded = (last_unit + 15) & ~15u;
	if (padded > mtu)
		padded = mtu;
	return padded - last_unit;
}

static void test_padding(void **state)
{
	static const uint32_t mtus[] = {0, 1, 15, 16, 17, 576, 1280, 1392, 1420, 1423, 9000, 65535};

	for (size_t i = 0; i < sizeof(mtus) / sizeof(*mtus); i++) {
		for (uint32_t len = 0; len < 20000; len++)
			assert_int_equal(wgx_inner_pad(len, mtus[i]),
					 len + linux_padding(len, mtus[i]));
	}
	assert_int_equal(wgx_inner_pad(0, 1420), 0);
	assert_int_equal(wgx_inner_pad(1, 1420), 16);
	assert_int_equal(wgx_inner_pad(1408, 1420), 1408);
	assert_int_equal(wgx_inner_pad(1409, 1420), 1420);
	assert_int_equal(wgx_inner_pad(1420, 1420), 1420);
	assert_int_equal(wgx_inner_pad(1421, 1420), 1421 + 15);
	assert_int_equal(wgx_inner_pad(2840, 1420), 2840);
	assert_int_equal(wgx_inner_pad(1420, 0), 1424);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test("P-DT-3", test_ip4),	    line_test("P-DT-3", test_ip6),
		line_test("P-DT-3", test_versions), cmocka_unit_test(test_reads_no_further),
		line_test("P-DT-5", test_padding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
