/* SPDX-License-Identifier: MIT */
/* Receiver indices (P-HS-5): unique, found while they live, gone when freed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <sodium.h>
#include "line_test.h"
#include "device/index.h"
#include "device/rcu.h"

#define MANY 50000

/* The table only carries these pointers about. */
static char peers[MANY], keypairs[MANY];

static struct wgx_peer *peer(int i)
{
	return (struct wgx_peer *)&peers[i];
}

static struct wgx_keypair *keypair(int i)
{
	return (struct wgx_keypair *)&keypairs[i];
}

static void test_life(void **state)
{
	struct wgx_keypair *kp = keypair(7);
	struct wgx_index *t;
	uint32_t index;

	assert_int_equal(wgx_index_create(&t), 0);
	assert_null(wgx_index_find(t, 1, &kp));
	assert_int_equal(wgx_index_new(t, peer(1), &index), 0);
	assert_ptr_equal(wgx_index_find(t, index, &kp), peer(1));
	assert_null(kp); /* a handshake's */
	wgx_index_bind(t, index, keypair(1));
	assert_ptr_equal(wgx_index_find(t, index, &kp), peer(1));
	assert_ptr_equal(kp, keypair(1));
	assert_null(wgx_index_find(t, index + 1, &kp));
	assert_null(wgx_index_find(t, index ^ 0x80000000, &kp));

	wgx_index_free(t, index);
	assert_null(wgx_index_find(t, index, &kp));
	wgx_index_free(t, index); /* again: nothing */
	wgx_index_bind(t, index, keypair(1));
	assert_null(wgx_index_find(t, index, &kp));
	wgx_index_destroy(t);
	wgx_index_destroy(NULL);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void test_many(void **state)
{
	static uint32_t index[MANY], sorted[MANY];
	unsigned int upper = 0;
	struct wgx_keypair *kp;
	struct wgx_index *t;

	assert_int_equal(wgx_index_create(&t), 0);
	for (int i = 0; i < MANY; i++) {
		assert_int_equal(wgx_index_new(t, peer(i), &index[i]), 0);
		if (i % 3 == 0)
			wgx_index_bind(t, index[i], keypair(i));
		sorted[i] = index[i];
		upper += index[i] >> 31;
		wgx_rcu_quiescent(); /* so that the table can grow */
	}
	qsort(sorted, MANY, sizeof(sorted[0]), compare);
	for (int i = 1; i < MANY; i++)
		assert_true(sorted[i] > sorted[i - 1]);
	/* random: 50,000 throws of a coin stay within ten standard deviations */
	assert_in_range(upper, MANY / 2 - 1118, MANY / 2 + 1118);

	for (int i = 0; i < MANY; i += 2)
		wgx_index_free(t, index[i]);
	for (int i = 0; i < MANY; i++) {
		assert_ptr_equal(wgx_index_find(t, index[i], &kp), i % 2 ? peer(i) : NULL);
		if (i % 2)
			assert_ptr_equal(kp, i % 3 ? NULL : keypair(i));
	}
	for (int i = 1; i < MANY; i += 2)
		wgx_index_free(t, index[i]);
	wgx_index_destroy(t);
}

static int setup(void **state)
{
	wgx_rcu_register();
	return sodium_init() < 0;
}

static int teardown(void **state)
{
	wgx_rcu_barrier();
	wgx_rcu_unregister();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test("P-HS-5", test_life),
		line_test("P-HS-5", test_many),
	};

	return cmocka_run_group_tests_name("index", tests, setup, teardown);
}
