/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include "line_test.h"
#include "path/staged.h"

/* A frame of @len bytes, each @fill, in @slices slices that are not one behind the other */
struct box {
	struct wgx_frame frame;
	uint8_t *memory[WGX_FRAME_SLICES_MAX];
};

static void box_make(struct box *b, size_t len, uint8_t fill, unsigned int slices)
{
	memset(b, 0, sizeof(*b));
	b->frame.n = slices;
	b->frame.len = len;
	for (unsigned int i = 0; i < slices; i++) {
		size_t n = i + 1 < slices ? len / slices : len - (len / slices) * (slices - 1);

		b->memory[i] = malloc(n ? n : 1);
		memset(b->memory[i], fill + (int)i, n);
		b->frame.iov[i] = (struct iovec){b->memory[i], n};
	}
}

static void box_free(struct box *b)
{
	for (unsigned int i = 0; i < b->frame.n; i++)
		free(b->memory[i]);
}

static unsigned int put(struct wgx_staged **s, size_t len, uint8_t fill, unsigned int packets)
{
	unsigned int lost;
	struct box b;

	box_make(&b, len, fill, 1);
	lost = wgx_staged_put(s, &b.frame, packets);
	box_free(&b); /* it is a copy that stays */
	return lost;
}

static uint8_t take(struct wgx_staged *s, size_t len)
{
	struct wgx_frame f;
	const uint8_t *p;

	assert_true(wgx_staged_take(s, &f));
	assert_int_equal(f.n, 1);
	assert_int_equal(f.len, len);
	assert_int_equal(f.iov[0].iov_len, len);
	p = f.iov[0].iov_base;
	for (size_t i = 0; i < len; i++)
		assert_int_equal(p[i], p[0]);
	return p[0];
}

static void test_in_order(void **state)
{
	struct wgx_staged *s = NULL;
	struct wgx_frame f;

	assert_false(wgx_staged_take(s, &f));
	for (uint8_t i = 0; i < 5; i++)
		assert_int_equal(put(&s, 100u + i, i, 1), 0);
	for (uint8_t i = 0; i < 5; i++)
		assert_int_equal(take(s, 100u + i), i);
	assert_false(wgx_staged_take(s, &f));
	assert_int_equal(put(&s, 9, 77, 1), 0);
	assert_int_equal(take(s, 9), 77);
	wgx_staged_free(s);
}

/* Slices become one; what the stamp said stays; there is room for headers before and padding behind. */
static void test_superframe(void **state)
{
	struct wgx_staged *s = NULL;
	struct wgx_frame f;
	struct box b;
	uint8_t *p;

	box_make(&b, 65549, 1, 18);
	b.frame.gso_size = 1388;
	b.frame.partial = true;
	b.frame.csum_start = 20;
	b.frame.csum_offset = 16;
	assert_int_equal(wgx_staged_put(&s, &b.frame, 48), 0);
	assert_true(wgx_staged_take(s, &f));
	assert_int_equal(f.n, 1);
	assert_int_equal(f.len, 65549);
	assert_int_equal(f.iov[0].iov_len, 65549);
	assert_int_equal(f.gso_size, 1388);
	assert_true(f.partial);
	assert_int_equal(f.csum_start, 20);
	assert_int_equal(f.csum_offset, 16);
	p = f.iov[0].iov_base;
	for (unsigned int i = 0; i < 18; i++) {
		assert_memory_equal(p, b.memory[i], b.frame.iov[i].iov_len);
		p += b.frame.iov[i].iov_len;
	}
	memset((uint8_t *)f.iov[0].iov_base - WGX_SEGMENT_HEADERS_MAX, 0, WGX_SEGMENT_HEADERS_MAX);
	memset(p, 0, 16);
	box_free(&b);
	wgx_staged_free(s);
}

static void test_bound(void **state)
{
	struct wgx_staged *s = NULL;
	struct wgx_frame f;

	assert_int_equal(WGX_STAGED_PACKETS, 128);
	for (unsigned int i = 0; i < WGX_STAGED_PACKETS; i++)
		assert_int_equal(put(&s, 20, (uint8_t)i, 1), 0);
	assert_int_equal(put(&s, 20, 200, 1), 1); /* the oldest goes */
	assert_int_equal(put(&s, 20, 201, 1), 1);
	for (unsigned int i = 2; i < WGX_STAGED_PACKETS; i++)
		assert_int_equal(take(s, 20), i);
	assert_int_equal(take(s, 20), 200);
	assert_int_equal(take(s, 20), 201);
	assert_false(wgx_staged_take(s, &f));
	wgx_staged_free(s);
}

/* Superframes count what they stand for. */
static void test_bound_of_superframes(void **state)
{
	struct wgx_staged *s = NULL;

	assert_int_equal(put(&s, 4000, 1, 60), 0);
	assert_int_equal(put(&s, 4000, 2, 60), 0);
	assert_int_equal(put(&s, 4000, 3, 8), 0); /* 128 exactly */
	assert_int_equal(put(&s, 4000, 4, 1), 60);
	assert_int_equal(put(&s, 4000, 5, 59), 0);
	assert_int_equal(put(&s, 4000, 6, 69), 69); /* three have to go */
	assert_int_equal(take(s, 4000), 5);
	assert_int_equal(take(s, 4000), 6);
	/* one alone may be more than all: it stays until another comes */
	assert_int_equal(put(&s, 4000, 7, 1000), 0);
	assert_int_equal(put(&s, 4000, 8, 2), 1000);
	assert_int_equal(take(s, 4000), 8);
	wgx_staged_free(s);
}

/* What is taken makes room at once, and lives until the next take. */
static void test_taken(void **state)
{
	struct wgx_staged *s = NULL;
	struct wgx_frame f;

	assert_int_equal(put(&s, 50, 1, 128), 0);
	assert_true(wgx_staged_take(s, &f));
	assert_int_equal(put(&s, 50, 2, 128), 0);
	assert_int_equal(wgx_staged_put(&s, &f, 1), 128); /* what was taken can be put again */
	assert_int_equal(*(uint8_t *)f.iov[0].iov_base, 1);
	assert_int_equal(take(s, 50), 1);
	wgx_staged_free(s);
}

static void test_drop(void **state)
{
	struct wgx_staged *s = NULL;
	struct wgx_frame f;

	assert_int_equal(wgx_staged_drop(NULL), 0);
	put(&s, 50, 1, 40);
	put(&s, 50, 2, 1);
	put(&s, 50, 3, 1);
	take(s, 50);
	assert_int_equal(wgx_staged_drop(s), 2);
	assert_int_equal(wgx_staged_drop(s), 0);
	assert_false(wgx_staged_take(s, &f));
	assert_int_equal(put(&s, 50, 4, 1), 0);
	assert_int_equal(take(s, 50), 4);
	put(&s, 50, 5, 1);
	wgx_staged_free(s); /* with one inside: LeakSanitizer watches */
	wgx_staged_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_in_order),  cmocka_unit_test(test_superframe),
		line_test("P-DT-12", test_bound), line_test("P-DT-12", test_bound_of_superframes),
		cmocka_unit_test(test_taken),	  cmocka_unit_test(test_drop),
	};

	return cmocka_run_group_tests_name("staged", tests, NULL, NULL);
}
