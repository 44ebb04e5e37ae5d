/* SPDX-License-Identifier: MIT */
/* The consumer of flow control: the map is plain memory here, and a BPF map in one test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "path/credit.h"

#define ENTRIES WGX_CREDIT_ENTRIES
#define MS UINT64_C(1000000)

/* Exactly as large as the map: a stamp that leads past it is seen by AddressSanitizer. */
static int setup(void **state)
{
	struct wgx_credit_view *v = calloc(1, sizeof(*v));

	v->map = calloc(ENTRIES, sizeof(*v->map));
	*state = v;
	return 0;
}

static int teardown(void **state)
{
	struct wgx_credit_view *v = *state;

	free(v->map);
	free(v);
	return 0;
}

/* As credit_take() of bpf/credit.h; returns what it writes to the stamp. */
static uint16_t produce(struct wgx_credit_view *v, unsigned int bucket, unsigned int descs)
{
	v->map[WGX_CREDIT_TOTAL].produced += descs;
	v->map[bucket].produced += descs;
	return (uint16_t)v->map[bucket].produced;
}

static uint64_t held(const struct wgx_credit_view *v, unsigned int bucket)
{
	return v->map[bucket].produced - v->map[bucket].consumed;
}

/* The total is always the buckets' sum, and nobody consumes more than was produced. */
static void check_sums(const struct wgx_credit_view *v)
{
	uint64_t produced = 0, consumed = 0;

	for (unsigned int i = 0; i < WGX_CREDIT_BUCKETS; i++) {
		assert_true(v->map[i].consumed <= v->map[i].produced);
		produced += v->map[i].produced;
		consumed += v->map[i].consumed;
	}
	assert_true(v->map[WGX_CREDIT_TOTAL].produced == produced);
	assert_true(v->map[WGX_CREDIT_TOTAL].consumed == consumed);
}

static void test_in_order(void **state)
{
	struct wgx_credit_view *v = *state;
	uint16_t a = produce(v, 3, 17), b = produce(v, 3, 1), c = produce(v, 200, 5);

	assert_true(wgx_credit_outstanding(v, 0));
	wgx_credit_consume(v, 3, a);
	assert_int_equal(held(v, 3), 1);
	assert_int_equal(held(v, 200), 5);
	assert_int_equal(held(v, WGX_CREDIT_TOTAL), 6);
	wgx_credit_consume(v, 3, b);
	wgx_credit_consume(v, 200, c);
	assert_false(wgx_credit_outstanding(v, 0));
	check_sums(v);
}

/* Two processors sent on one flow: the first comes second, and its credit is back already. */
static void test_late(void **state)
{
	struct wgx_credit_view *v = *state;
	uint16_t a = produce(v, 0, 10), b = produce(v, 0, 10);

	wgx_credit_consume(v, 0, b);
	assert_int_equal(held(v, 0), 0);
	wgx_credit_consume(v, 0, a);
	wgx_credit_consume(v, 0, b);
	assert_int_equal(held(v, 0), 0);
	produce(v, 0, 3);
	wgx_credit_consume(v, 0, a);
	assert_int_equal(held(v, 0), 3);
	check_sums(v);
}

static void test_lost_before(void **state)
{
	struct wgx_credit_view *v = *state;
	uint16_t last = 0;

	for (int i = 0; i < 10; i++)
		last = produce(v, 255, 17); /* nine of them never arrive */
	wgx_credit_consume(v, 255, last);
	assert_false(wgx_credit_outstanding(v, 0));
	check_sums(v);
}

/* Whatever a stamp says, at most what is outstanding comes back. */
static void test_forged(void **state)
{
	struct wgx_credit_view *v = *state;
	uint64_t before;

	for (unsigned int i = 0; i < WGX_CREDIT_BUCKETS; i++)
		produce(v, i, 7);
	wgx_credit_consume(v, 9, 8); /* one more than was produced */
	wgx_credit_consume(v, 9, 0xffff);
	assert_int_equal(held(v, 9), 7);
	for (unsigned int bucket = 0; bucket < 65536; bucket += 251) {
		for (unsigned int seq = 0; seq < 65536; seq += 13)
			wgx_credit_consume(v, (uint16_t)bucket, (uint16_t)seq);
		check_sums(v);
	}
	before = v->map[WGX_CREDIT_TOTAL].produced;
	assert_int_equal(before, 7 * WGX_CREDIT_BUCKETS);
}

/* A bucket beyond the map counts as one of the map, never as the total */
static void test_bucket_bounds(void **state)
{
	struct wgx_credit_view *v = *state;

	produce(v, 0, 4);
	wgx_credit_consume(v, WGX_CREDIT_TOTAL, 4);
	assert_int_equal(held(v, 0), 0);
	assert_int_equal(held(v, WGX_CREDIT_TOTAL), 0);
	check_sums(v);
}

static void test_wraparound(void **state)
{
	static const uint64_t starts[] = {65530, (UINT64_C(1) << 32) - 6, UINT64_MAX - 200000};
	struct wgx_credit_view *v = *state;

	for (unsigned int i = 0; i < 3; i++) {
		struct wgx_credit *c = &v->map[i], *all = &v->map[WGX_CREDIT_TOTAL];
		uint16_t seq;

		all->produced += starts[i];
		all->consumed += starts[i];
		c->produced = c->consumed = starts[i];
		for (int n = 0; n < 10000; n++) {
			produce(v, i, 3);
			seq = produce(v, i, 17);
			wgx_credit_consume(v, (uint16_t)i, seq);
			assert_int_equal(held(v, i), 0);
		}
	}
	assert_false(wgx_credit_outstanding(v, 0));
}

static void test_heal(void **state)
{
	struct wgx_credit_view *v = *state;
	uint64_t t = 1000 * MS;
	uint16_t late;

	assert_int_equal(wgx_credit_heal(v, 0, t), 0); /* nothing out */
	late = produce(v, 5, 17);
	assert_int_equal(wgx_credit_heal(v, 0, t), 0); /* seen for the first time */
	assert_int_equal(wgx_credit_heal(v, 0, t + WGX_CREDIT_HEAL_NS - 1), 0);
	produce(v, 6, 2); /* came since */
	assert_int_equal(wgx_credit_heal(v, 0, t + WGX_CREDIT_HEAL_NS), 17);
	assert_int_equal(held(v, 5), 0);
	assert_int_equal(held(v, 6), 2);
	check_sums(v);
	wgx_credit_consume(v, 5, late); /* not lost after all: no credit twice */
	check_sums(v);
	assert_int_equal(wgx_credit_heal(v, 0, t + 2 * WGX_CREDIT_HEAL_NS), 2);
	assert_false(wgx_credit_outstanding(v, 0));
	check_sums(v);
}

/* A flow that goes on is not healed, however long: its next frame makes up for what was lost. */
static void test_heal_leaves_busy(void **state)
{
	struct wgx_credit_view *v = *state;
	uint64_t t = 0;

	produce(v, 1, 10);
	for (int i = 0; i < 50; i++) {
		produce(v, 1, 1);
		t += WGX_CREDIT_HEAL_NS;
		assert_int_equal(wgx_credit_heal(v, 0, t), 0);
	}
	assert_int_equal(held(v, 1), 60);
}

/* Each queue's thread heals its own buckets, and has a sum of its own. */
static void test_queues(void **state)
{
	struct wgx_credit_view *v = *state;
	uint64_t t = 1000 * MS;

	v->queues = 3;
	for (unsigned int bucket = 0; bucket < 6;
	     bucket++) { /* two of each queue, and one is lost */
		v->map[WGX_CREDIT_TOTAL + bucket % 3].produced += 10;
		v->map[bucket].produced += 10;
		if (bucket < 3)
			wgx_credit_consume(v, (uint16_t)bucket, 10);
	}
	for (unsigned int q = 0; q < 3; q++) {
		assert_true(wgx_credit_outstanding(v, q));
		assert_int_equal(held(v, WGX_CREDIT_TOTAL + q), 10);
	}
	assert_false(wgx_credit_outstanding(v, 3));
	assert_int_equal(wgx_credit_heal(v, 1, t), 0);
	assert_int_equal(wgx_credit_heal(v, 1, t + WGX_CREDIT_HEAL_NS), 10);
	assert_false(wgx_credit_outstanding(v, 1));
	assert_int_equal(held(v, 4), 0);
	assert_true(wgx_credit_outstanding(v, 0) && wgx_credit_outstanding(v, 2));
	assert_int_equal(held(v, 3) + held(v, 5), 20);
	/* a late frame of what was healed gives back nothing */
	wgx_credit_consume(v, 4, 10);
	assert_int_equal(held(v, WGX_CREDIT_TOTAL + 1), 0);
}

static void test_bpf_map(void **state)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_MMAPABLE);
	struct wgx_credit_view v = {0};
	struct wgx_credit value = {.produced = 40};
	uint32_t key = 7, total = WGX_CREDIT_TOTAL;
	int fd;

	assert_int_equal(wgx_credit_open(&v, -1, 1), -EBADF);
	wgx_credit_close(&v); /* of one that never opened */
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "credit", sizeof(key), sizeof(value), ENTRIES,
			    &opts);
	if (fd == -EPERM || (fd < 0 && errno == EPERM))
		skip();
	assert_true(fd >= 0);
	assert_int_equal(wgx_credit_open(&v, fd, 1), 0);
	assert_false(wgx_credit_outstanding(&v, 0));
	assert_int_equal(bpf_map_update_elem(fd, &key, &value, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(fd, &total, &value, BPF_ANY), 0);
	assert_true(wgx_credit_outstanding(&v, 0));
	wgx_credit_consume(&v, 7, 30);
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &value), 0);
	assert_int_equal(value.consumed, 30);
	assert_int_equal(bpf_map_lookup_elem(fd, &total, &value), 0);
	assert_int_equal(value.consumed, 30);
	wgx_credit_close(&v);
	assert_null(v.map);
	close(fd);
}

#define with_view(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_view(test_queues),
		with_view(test_in_order),
		with_view(test_late),
		with_view(test_lost_before),
		with_view(test_forged),
		with_view(test_wraparound),
		with_view(test_bucket_bounds),
		with_view(test_heal),
		with_view(test_heal_leaves_busy),
		cmocka_unit_test(test_bpf_map),
	};

	return cmocka_run_group_tests_name("credit", tests, NULL, NULL);
}
