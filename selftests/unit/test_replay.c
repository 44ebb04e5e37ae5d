/* SPDX-License-Identifier: MIT */
/* P-DT-2: the replay window, RFC 6479. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "line_test.h"
#include "proto/replay.h"
#include "proto/timers.h"

#define LIMIT (WGX_REPLAY_WINDOW + 1)
#define REJECT WGX_REJECT_AFTER_MESSAGES

struct step {
	uint64_t counter;
	bool accepted;
};

static void walk(const struct step *steps, size_t n)
{
	struct wgx_replay r = {0};

	for (size_t i = 0; i < n; i++) {
		if (wgx_replay_accept(&r, steps[i].counter) != steps[i].accepted)
			fail_msg("step %zu: counter %llu", i + 1,
				 (unsigned long long)steps[i].counter);
	}
}

/* The cases that the Linux driver tests itself with (drivers/net/wireguard/selftest/counter.c). */
static void test_driver_cases(void **state)
{
	static const struct step steps[] = {
		{0, true},
		{1, true},
		{1, false},
		{9, true},
		{8, true},
		{7, true},
		{7, false},
		{LIMIT, true},
		{LIMIT - 1, true},
		{LIMIT - 1, false},
		{LIMIT - 2, true},
		{2, true},
		{2, false},
		{LIMIT + 16, true},
		{3, false},
		{LIMIT + 16, false},
		{LIMIT * 4, true},
		{LIMIT * 4 - (LIMIT - 1), true},
		{10, false},
		{LIMIT * 4 - LIMIT, false},
		{LIMIT * 4 - (LIMIT + 1), false},
		{LIMIT * 4 - (LIMIT - 2), true},
		{LIMIT * 4 + 1 - LIMIT, false},
		{0, false},
		{REJECT, false},
		{REJECT - 1, true},
		{REJECT, false},
		{REJECT - 1, false},
		{REJECT - 2, true},
		{REJECT + 1, false},
		{REJECT + 2, false},
		{REJECT - 2, false},
		{REJECT - 3, true},
		{0, false},
		{UINT64_MAX, false},
	};

	walk(steps, sizeof(steps) / sizeof(*steps));
}

static void accept_all(struct wgx_replay *r, uint64_t from, uint64_t to)
{
	if (from <= to) {
		for (uint64_t i = from; i <= to; i++)
			assert_true(wgx_replay_accept(r, i));
	} else {
		for (uint64_t i = from + 1; i-- > to;)
			assert_true(wgx_replay_accept(r, i));
	}
}

static void test_whole_window(void **state)
{
	struct wgx_replay r = {0};

	assert_true(WGX_REPLAY_BITS == 8192 && WGX_REPLAY_WINDOW >= 8128);
	accept_all(&r, 1, WGX_REPLAY_WINDOW);
	assert_true(wgx_replay_accept(&r, 0));
	assert_false(wgx_replay_accept(&r, 0));

	r = (struct wgx_replay){0};
	accept_all(&r, 2, WGX_REPLAY_WINDOW + 1);
	assert_true(wgx_replay_accept(&r, 1));
	assert_false(wgx_replay_accept(&r, 0));

	r = (struct wgx_replay){0};
	accept_all(&r, WGX_REPLAY_WINDOW, 0);

	r = (struct wgx_replay){0};
	accept_all(&r, WGX_REPLAY_WINDOW + 1, 1);
	assert_false(wgx_replay_accept(&r, 0));

	r = (struct wgx_replay){0};
	accept_all(&r, WGX_REPLAY_WINDOW, 1);
	assert_true(wgx_replay_accept(&r, WGX_REPLAY_WINDOW + 1));
	assert_false(wgx_replay_accept(&r, 0));

	r = (struct wgx_replay){0};
	accept_all(&r, WGX_REPLAY_WINDOW, 1);
	assert_true(wgx_replay_accept(&r, 0));
	assert_true(wgx_replay_accept(&r, WGX_REPLAY_WINDOW + 1));
}

/* Against a plain list of what was seen: 400,000 random counters about a moving top. */
static void test_against_model(void **state)
{
	enum { SPAN = 1 << 20 };
	struct wgx_replay r = {0};
	uint8_t *seen = calloc(1, SPAN);
	uint64_t top = 0, n, accepted = 0;
	bool want;

	assert_non_null(seen);
	srandom(1);
	for (int i = 0; i < 400000; i++) {
		n = random() % 50 ? top + random() % 8 : top + random() % 10000;
		n = random() % 3 ? n : n - n % (1 + random() % 20000);
		if (random() % 2)
			n = n > 8200 ? n - random() % 8200 : n;
		if (n >= SPAN)
			break;
		want = !seen[n] && n + WGX_REPLAY_WINDOW >= top;
		assert_int_equal(wgx_replay_accept(&r, n), want);
		seen[n] |= want;
		accepted += want;
		if (want && n > top)
			top = n;
	}
	assert_true(accepted > 10000 && top > 100000);
	free(seen);
}

static bool still_accepted(const struct wgx_replay *r, uint64_t counter)
{
	struct wgx_replay copy = *r;

	return wgx_replay_accept(&copy, counter);
}

/* The floor is exact: what is just below is refused, what is just there is not, if it is new */
static void test_floor(void **state)
{
	static const uint64_t tops[] = {
		0,	    1,		8127, 8128, 8129, 8130, 20000, 1u << 31, UINT64_C(1) << 60,
		REJECT - 2, REJECT - 1,
	};

	for (size_t i = 0; i < sizeof(tops) / sizeof(*tops); i++) {
		struct wgx_replay r = {0};
		uint64_t floor, top = tops[i];

		assert_int_equal(wgx_replay_floor(&r), 0);
		assert_true(wgx_replay_accept(&r, top));
		floor = wgx_replay_floor(&r);
		assert_int_equal(floor, top > WGX_REPLAY_WINDOW ? top - WGX_REPLAY_WINDOW : 0);
		assert_int_equal(still_accepted(&r, floor), floor != top);
		if (floor)
			assert_false(still_accepted(&r, floor - 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test("P-DT-2", test_driver_cases),
		line_test("P-DT-2", test_whole_window),
		line_test("P-DT-2", test_against_model),
		line_test("P-DT-2", test_floor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
