/* SPDX-License-Identifier: MIT */
/* Checksums that a sender has left to a device: found among those that are right, wrong and absent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <netinet/in.h>
#include "path/checksum.h"
#include "path/unfinished.h"

#define PAYLOAD 301 /* odd, and behind it Ethernet's padding */

static uint8_t packet[1500];
static size_t l4, check_at, len;

static uint32_t pseudo(uint8_t proto)
{
	return l4 == 40 ? wgx_csum_pseudo6(packet + 8, proto, (uint32_t)(len - l4))
			: wgx_csum_pseudo4(packet + 12, proto, (uint32_t)(len - l4));
}

static void build(bool v6, uint8_t proto)
{
	memset(packet, 0, sizeof(packet));
	l4 = v6 ? 40 : 20;
	check_at = l4 + (proto == IPPROTO_TCP ? 16 : 6);
	len = l4 + (proto == IPPROTO_TCP ? 20 : 8) + PAYLOAD;
	for (size_t i = v6 ? 8 : 12; i < len + 9; i++)
		packet[i] = (uint8_t)(i * 7);
	packet[0] = v6 ? 0x60 : 0x45;
	packet[v6 ? 6 : 9] = proto;
	packet[v6 ? 4 : 2] = (uint8_t)((v6 ? len - 40 : len) >> 8);
	packet[v6 ? 5 : 3] = (uint8_t)(v6 ? len - 40 : len);
}

static void put_check(uint16_t check)
{
	memcpy(packet + check_at, &check, sizeof(check));
}

/* As the kernel leaves it: the sum of the pseudo header */
static void leave_unfinished(uint8_t proto)
{
	put_check((uint16_t)~wgx_csum_fold(pseudo(proto)));
}

static void put_right(uint8_t proto)
{
	put_check(0);
	put_check(wgx_csum_nonzero(wgx_csum_add(pseudo(proto), packet + l4, len - l4)));
}

/* In @slices pieces of 100 bytes, the last of which has the rest and nine bytes of padding */
static bool unfinished(unsigned int slices)
{
	struct wgx_frame f = {.n = slices, .len = len + 9};
	uint16_t start = 0, offset = 0;
	bool found;

	for (unsigned int i = 0; i < slices; i++)
		f.iov[i] = (struct iovec){.iov_base = packet + 100 * i,
					  .iov_len = i + 1 < slices ? 100 : len + 9 - 100 * i};
	found = wgx_unfinished(&f, &start, &offset);
	assert_int_equal(start, found ? l4 : 0);
	assert_int_equal(offset, found ? check_at - l4 : 0);
	return found;
}

static void test_each(void **state)
{
	static const uint8_t protos[] = {IPPROTO_TCP, IPPROTO_UDP};

	for (int v6 = 0; v6 < 2; v6++)
		for (int p = 0; p < 2; p++)
			for (unsigned int slices = 1; slices < 4; slices++) {
				build(v6, protos[p]);
				leave_unfinished(protos[p]);
				assert_true(unfinished(slices));
				put_right(protos[p]);
				assert_false(unfinished(slices));
				packet[len - 1] ^= 1; /* wrong: the receiver finds it */
				assert_false(unfinished(slices));
			}
}

static void test_others(void **state)
{
	build(false, IPPROTO_UDP);
	put_check(0); /* without a checksum */
	assert_false(unfinished(1));
	build(false, IPPROTO_ICMP);
	assert_false(unfinished(1));
	/* its headers are not here */
	build(false, IPPROTO_TCP);
	leave_unfinished(IPPROTO_TCP);
	for (size_t n = 0; n < 38; n++) {
		struct wgx_frame f = {.n = 1, .len = n, .iov[0] = {packet, n}};
		uint16_t start, offset;

		assert_false(wgx_unfinished(&f, &start, &offset));
	}
}

/* A right checksum that happens to be the sum of the pseudo header is right. */
static void test_coincidence(void **state)
{
	uint16_t begun;
	uint32_t sum;

	build(false, IPPROTO_UDP);
	begun = (uint16_t)~wgx_csum_fold(pseudo(IPPROTO_UDP));
	put_check(begun);
	memset(packet + len - 3, 0, 2);
	sum = wgx_csum_add(pseudo(IPPROTO_UDP), packet + l4, len - l4);
	begun = wgx_csum_fold(sum); /* what is missing, at an even distance from the header */
	memcpy(packet + len - 3, &begun, sizeof(begun));
	assert_false(unfinished(1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_coincidence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
