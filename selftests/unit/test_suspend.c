/* SPDX-License-Identifier: MIT */
/* P-TM-8: what is a suspend and what is not, by clocks that the test sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <time.h>
#include "daemon/suspend.h"
#include "device/device.h"
#include "unit/line_test.h"

#define MS UINT64_C(1000000)
#define S (1000 * MS)

static uint64_t boot = 1000 * S, mono = 700 * S; /* it has slept already */
static uint64_t stall; /* time that passes between the next two looks at a clock */

/* Instead of ctl/device's: each look takes 100 ns. */
uint64_t wgx_clock_ns(clockid_t id)
{
	uint64_t t = id == CLOCK_BOOTTIME ? boot : mono;

	assert_true(id == CLOCK_BOOTTIME || id == CLOCK_MONOTONIC);
	boot += stall + 100;
	mono += stall + 100;
	stall = 0;
	return t;
}

static void pass(uint64_t ns)
{
	boot += ns;
	mono += ns;
}

static int setup(void **state)
{
	static struct wgx_suspend s;

	*state = &s;
	return wgx_suspend_open(&s);
}

static int teardown(void **state)
{
	wgx_suspend_close(*state);
	return 0;
}

static void test_slept(void **state)
{
	assert_false(wgx_suspend_seen(*state)); /* not since we look */
	boot += 200 * S;
	assert_true(wgx_suspend_seen(*state));
	assert_false(wgx_suspend_seen(*state));
	boot += 1 * S;
	assert_true(wgx_suspend_seen(*state));
}

static void test_short_naps_add_up(void **state)
{
	unsigned int seen = 0;

	for (unsigned int i = 0; i < 10; i++) {
		boot += 100 * MS;
		seen += wgx_suspend_seen(*state);
	}
	assert_int_equal(seen, 2);
}

static void test_time_passes(void **state)
{
	pass(3600 * S);
	assert_false(wgx_suspend_seen(*state));
	/* this thread did not run for a while, between two looks at the clocks */
	stall = 100 * MS;
	assert_false(wgx_suspend_seen(*state));
	stall = 400 * MS;
	assert_false(wgx_suspend_seen(*state));
	stall = 300 * S;
	assert_false(wgx_suspend_seen(*state));
	boot += 600 * MS;
	stall = 300 * S;
	assert_true(wgx_suspend_seen(*state));
	assert_false(wgx_suspend_seen(*state));
}

static void test_asks_for_no_attention(void **state)
{
	struct wgx_suspend *s = *state;
	struct pollfd p = {.fd = s->fd, .events = POLLIN};

	assert_true(s->fd >= 0);
	assert_int_equal(poll(&p, 1, 0), 0);
}

int main(void)
{
#define TEST(f) line_test_setup_teardown("P-TM-8", f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_slept),
		TEST(test_short_naps_add_up),
		TEST(test_time_passes),
		TEST(test_asks_for_no_attention),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
