/* SPDX-License-Identifier: MIT */
/* P-DOS-2: 20 a second, burst 5, for each source; a table of fixed size, and full means deny. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "line_test.h"
#include "proto/ratelimit.h"
#include "proto/timers.h"

#define START (1000 * WGX_SECOND)
#define COST (WGX_SECOND / 20)

static int setup(void **state)
{
	static const uint8_t key[WGX_LIMIT_KEY_LEN] = "sixteen bytes..";
	struct wgx_ratelimit *r = malloc(sizeof(*r));

	if (!r)
		return -1;
	wgx_ratelimit_init(r, key);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static void test_burst_then_rate(void **state)
{
	struct wgx_ratelimit *r = *state;
	unsigned int allowed = 0;

	for (int i = 0; i < 5; i++)
		assert_true(wgx_ratelimit_allow(r, 1, false, START));
	assert_false(wgx_ratelimit_allow(r, 1, false, START));
	assert_false(wgx_ratelimit_allow(r, 1, false, START + COST - 1));
	assert_true(wgx_ratelimit_allow(r, 1, false, START + COST));
	assert_false(wgx_ratelimit_allow(r, 1, false, START + COST));
	/* 1000 a second for ten seconds */
	for (int i = 0; i < 10000; i++)
		allowed += wgx_ratelimit_allow(r, 1, false,
					       START + COST + (i + 1) * (WGX_SECOND / 1000));
	assert_in_range(allowed, 199, 200);
}

static void test_bucket_fills_up(void **state)
{
	struct wgx_ratelimit *r = *state;

	for (int i = 0; i < 6; i++)
		wgx_ratelimit_allow(r, 1, false, START);
	for (int i = 0; i < 5; i++) /* no more than a burst, however long the pause */
		assert_true(wgx_ratelimit_allow(r, 1, false, START + 900 * COST / 50));
	assert_false(wgx_ratelimit_allow(r, 1, false, START + 900 * COST / 50));
	for (int i = 0; i < 5; i++)
		assert_true(wgx_ratelimit_allow(r, 1, false, START + 3600 * WGX_SECOND));
	assert_false(wgx_ratelimit_allow(r, 1, false, START + 3600 * WGX_SECOND));
}

/* An IPv4 address and the upper half of an IPv6 one may be the same number. */
static void test_sources_apart(void **state)
{
	struct wgx_ratelimit *r = *state;

	for (int i = 0; i < 6; i++)
		wgx_ratelimit_allow(r, 7, false, START);
	assert_false(wgx_ratelimit_allow(r, 7, false, START));
	assert_true(wgx_ratelimit_allow(r, 7, true, START));
	assert_true(wgx_ratelimit_allow(r, 8, false, START));
	/* also those few that share a row */
	for (uint64_t id = 0; id < 5000; id++) {
		for (int i = 0; i < 6; i++)
			wgx_ratelimit_allow(r, id, false, START + id * WGX_SECOND);
		assert_true(wgx_ratelimit_allow(r, id, true, START + id * WGX_SECOND));
	}
}

static void test_full_table_denies(void **state)
{
	struct wgx_ratelimit *r = *state;
	unsigned int allowed = 0, late = 0;

	for (uint64_t id = 0; id < 4 * WGX_LIMIT_ENTRIES; id++)
		allowed += wgx_ratelimit_allow(r, id, id & 1, START);
	assert_int_equal(allowed, WGX_LIMIT_ENTRIES); /* each row is full by then */
	for (uint64_t id = 0; id < 1000; id++)
		late += wgx_ratelimit_allow(r, UINT64_MAX - id, false, START + WGX_SECOND - 1);
	assert_int_equal(late, 0);
	/* those that are in go on */
	for (uint64_t id = 0; id < WGX_LIMIT_ENTRIES; id++)
		late += wgx_ratelimit_allow(r, id, id & 1, START);
	assert_true(late > 0);
	/* and a second later they are forgotten */
	for (uint64_t id = 0; id < 100; id++)
		assert_true(wgx_ratelimit_allow(r, UINT64_MAX - id, false, START + WGX_SECOND));
}

/* Half full: hardly anybody is denied for the row that he falls in. */
static void test_spread(void **state)
{
	struct wgx_ratelimit *r = *state;
	unsigned int allowed = 0;

	for (uint64_t id = 0; id < WGX_LIMIT_ENTRIES / 2; id++)
		allowed += wgx_ratelimit_allow(r, id << 32, false, START);
	assert_in_range(allowed, WGX_LIMIT_ENTRIES / 2 - 40, WGX_LIMIT_ENTRIES / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test_setup_teardown("P-DOS-2", test_burst_then_rate, setup, teardown),
		line_test_setup_teardown("P-DOS-2", test_bucket_fills_up, setup, teardown),
		line_test_setup_teardown("P-DOS-2", test_sources_apart, setup, teardown),
		line_test_setup_teardown("P-DOS-2", test_full_table_denies, setup, teardown),
		line_test_setup_teardown("P-DOS-2", test_spread, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
