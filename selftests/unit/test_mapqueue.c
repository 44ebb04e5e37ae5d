/* SPDX-License-Identifier: MIT */
/* Changes of BPF maps while the kernel has no memory for them. With a real map: selftests/bpf/test_mapqueue.c */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <bpf/bpf.h>
#include <cmocka.h>
#include "daemon/mapqueue.h"

#define KEYS 1000

/* A map of which each key is an index, and that takes @memory more. */
static bool there[KEYS];
static unsigned int memory, calls, comes_after;

static int put(uint32_t key)
{
	calls++;
	if (comes_after && calls == comes_after)
		memory = KEYS;
	if (!there[key] && !memory) {
		errno = ENOMEM;
		return -1;
	}
	memory -= !there[key];
	there[key] = true;
	return 0;
}

int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags)
{
	return put(*(const uint32_t *)key);
}

int bpf_map_update_batch(int fd, const void *keys, const void *values, __u32 *count,
			 const struct bpf_map_batch_opts *opts)
{
	__u32 n = *count;

	for (*count = 0; *count < n; ++*count)
		if (put(((const uint32_t *)keys)[*count]))
			return -1;
	return 0;
}

int bpf_map_delete_elem(int fd, const void *key)
{
	bool was = there[*(const uint32_t *)key];

	there[*(const uint32_t *)key] = false;
	errno = ENOENT;
	return was ? 0 : -1;
}

int bpf_map_delete_batch(int fd, const void *keys, __u32 *count,
			 const struct bpf_map_batch_opts *opts)
{
	__u32 n = *count;

	for (*count = 0; *count < n; ++*count)
		if (bpf_map_delete_elem(fd, &((const uint32_t *)keys)[*count]))
			return -1;
	return 0;
}

static unsigned int entries(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < KEYS; i++)
		n += there[i];
	return n;
}

static struct wgx_mapqueue q;

static int setup(void **state)
{
	memset(there, 0, sizeof(there));
	memory = calls = comes_after = 0;
	return wgx_mapqueue_init(&q, -1, "test", sizeof(uint32_t), sizeof(uint32_t));
}

static int teardown(void **state)
{
	wgx_mapqueue_free(&q);
	return 0;
}

static void put_all(void)
{
	for (uint32_t i = 0; i < KEYS; i++)
		wgx_mapqueue_put(&q, &i, &i);
}

static void test_memory_comes_in_a_moment(void **state)
{
	memory = 300;
	comes_after = 303;
	put_all();
	assert_true(wgx_mapqueue_flush(&q));
	assert_int_equal(entries(), KEYS);
}

/* It is waited for once, not once for each entry. */
static void test_no_memory(void **state)
{
	memory = 300;
	put_all();
	assert_false(wgx_mapqueue_flush(&q));
	assert_int_equal(entries(), 300);
	assert_in_range(calls, KEYS, 5 * KEYS);
	for (uint32_t i = 0; i < KEYS; i++) /* what goes is not in its way */
		wgx_mapqueue_delete(&q, &i);
	assert_true(wgx_mapqueue_flush(&q));
	assert_int_equal(entries(), 0);
	memory = KEYS;
	put_all();
	assert_true(wgx_mapqueue_flush(&q));
	assert_int_equal(entries(), KEYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_memory_comes_in_a_moment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
	};

	return cmocka_run_group_tests_name("mapqueue", tests, NULL, NULL);
}
