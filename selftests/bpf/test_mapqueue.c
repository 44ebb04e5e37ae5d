/* SPDX-License-Identifier: MIT */
/* Changes of BPF maps that are gathered: what the map holds after all of them. */
#include "harness.h"
#include "daemon/mapqueue.h"

#define MANY (WGX_MAPQUEUE_MAX + 1000)

static struct wgx_mapqueue q;
static int fd;

static int open_map(enum bpf_map_type type, __u32 key_size, __u32 max, __u32 flags)
{
	LIBBPF_OPTS(bpf_map_create_opts, o, .map_flags = flags);

	fd = bpf_permitted() ? bpf_map_create(type, NULL, key_size, 4, max, &o) : -1;
	if (fd < 0)
		return bpf_permitted();
	return wgx_mapqueue_init(&q, fd, "test", key_size, 4);
}

static int setup(void **state)
{
	return open_map(BPF_MAP_TYPE_HASH, 4, MANY, BPF_F_NO_PREALLOC);
}

static int setup_small(void **state)
{
	return open_map(BPF_MAP_TYPE_HASH, 4, 10, BPF_F_NO_PREALLOC);
}

static int setup_trie(void **state)
{
	return open_map(BPF_MAP_TYPE_LPM_TRIE, sizeof(struct wgx_lpm6), 4096, BPF_F_NO_PREALLOC);
}

/* The kernel has no batches of this one: each change goes by itself, as where it has none of LPM tries. */
static int setup_without_batches(void **state)
{
	return open_map(BPF_MAP_TYPE_DEVMAP_HASH, 4, 2048, 0);
}

static int teardown(void **state)
{
	wgx_mapqueue_free(&q);
	if (fd >= 0)
		close(fd);
	return 0;
}

static void need_map(void)
{
	if (fd < 0)
		skip();
}

static void keep(__u32 key, __u32 value)
{
	wgx_mapqueue_put(&q, &key, &value);
}

static void forget(__u32 key)
{
	wgx_mapqueue_delete(&q, &key);
}

static long got(__u32 key)
{
	__u32 value;

	return bpf_map_lookup_elem(fd, &key, &value) ? -errno : (long)value;
}

static unsigned int entries(void)
{
	unsigned char key[20], next[20];
	unsigned int n = 0;

	for (int err = bpf_map_get_next_key(fd, NULL, next); !err;
	     err = bpf_map_get_next_key(fd, key, next)) {
		memcpy(key, next, sizeof(key));
		n++;
	}
	return n;
}

static void test_last_change_counts(void **state)
{
	need_map();
	keep(1, 10);
	keep(2, 20);
	keep(3, 30);
	assert_int_equal(entries(), 0);
	assert_true(wgx_mapqueue_flush(&q));
	assert_int_equal(entries(), 3);
	assert_true(wgx_mapqueue_flush(&q)); /* of nothing */

	keep(1, 11); /* another value */
	forget(2);
	keep(4, 40); /* comes and goes */
	forget(4);
	forget(3); /* goes and comes */
	keep(3, 31);
	keep(5, 50); /* and again */
	keep(5, 51);
	forget(6); /* was never there */
	assert_true(wgx_mapqueue_flush(&q));
	assert_int_equal(got(1), 11);
	assert_int_equal(got(2), -ENOENT);
	assert_int_equal(got(3), 31);
	assert_int_equal(got(4), -ENOENT);
	assert_int_equal(got(5), 51);
	assert_int_equal(entries(), 3);
}

/* More than it gathers, and than it hands over at once; then some go, among others that are not there. */
static void test_many(void **state)
{
	need_map();
	for (__u32 i = 0; i < MANY; i++)
		keep(i, i + 1);
	assert_int_equal(entries(), WGX_MAPQUEUE_MAX);
	assert_true(wgx_mapqueue_flush(&q));
	assert_int_equal(entries(), MANY);
	for (__u32 i = 0; i < MANY; i++)
		assert_int_equal(got(i), i + 1);
	for (__u32 i = 0; i < MANY; i += 2) {
		forget(i);
		forget(MANY + i);
	}
	assert_true(wgx_mapqueue_flush(&q));
	assert_int_equal(entries(), MANY / 2);
	for (__u32 i = 1; i < MANY; i += 2)
		assert_int_equal(got(i), i + 1);
}

/* What does not fit is left out and said, and keeps nothing else from its way; what goes makes room. */
static void test_full(void **state)
{
	need_map();
	for (__u32 i = 0; i < 10; i++)
		keep(i, i);
	assert_true(wgx_mapqueue_flush(&q));
	for (__u32 i = 0; i < 100; i++)
		keep(1000 + i, i);
	keep(3, 33);
	assert_false(wgx_mapqueue_flush(&q));
	assert_true(wgx_mapqueue_flush(&q)); /* said once */
	assert_int_equal(entries(), 10);
	assert_int_equal(got(3), 33);
	keep(2000, 1);
	forget(7);
	assert_true(wgx_mapqueue_flush(&q));
	assert_int_equal(got(2000), 1);
	assert_int_equal(entries(), 10);
	for (__u32 i = 0; i < 10; i++)
		forget(i);
	for (__u32 i = 0; i < 9; i++)
		keep(3000 + i, i);
	assert_true(wgx_mapqueue_flush(&q));
	assert_int_equal(entries(), 10);
	for (__u32 i = 0; i < 9; i++)
		assert_int_equal(got(3000 + i), i);
	/* it is told as well where it was handed over for want of room */
	for (__u32 i = 0; i <= WGX_MAPQUEUE_MAX; i++)
		keep(i < WGX_MAPQUEUE_MAX ? i : 3000, i);
	assert_false(wgx_mapqueue_flush(&q));
}

static struct wgx_lpm6 prefix_of(__u32 i)
{
	struct wgx_lpm6 key = {.prefixlen = i % 3 ? 128 : 64, .addr = {0xfd}};

	memcpy(key.addr + 4, &i, sizeof(i));
	return key;
}

static void test_trie(void **state)
{
	struct wgx_lpm6 key;
	__u32 value;

	need_map();
	for (__u32 i = 0; i < 3000; i++) {
		key = prefix_of(i);
		wgx_mapqueue_put(&q, &key, &i);
	}
	assert_true(wgx_mapqueue_flush(&q));
	assert_int_equal(entries(), 3000);
	for (__u32 i = 0; i < 3000; i++) {
		key = prefix_of(i);
		assert_int_equal(bpf_map_lookup_elem(fd, &key, &value), 0);
		assert_int_equal(value, i);
		wgx_mapqueue_delete(&q, &key);
	}
	assert_true(wgx_mapqueue_flush(&q));
	assert_int_equal(entries(), 0);
}

static void test_without_batches(void **state)
{
	__u32 key = 1, value = 1, count = 1;

	need_map();
	assert_int_not_equal(bpf_map_update_batch(fd, &key, &value, &count, NULL), 0);
	for (__u32 i = 0; i < 1000; i++)
		keep(i, 1); /* lo */
	assert_true(wgx_mapqueue_flush(&q));
	assert_int_equal(entries(), 1000);
	for (__u32 i = 0; i < 1000; i += 2)
		forget(i);
	assert_true(wgx_mapqueue_flush(&q));
	assert_int_equal(entries(), 500);
	assert_int_equal(got(1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_last_change_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup_small, teardown),
		cmocka_unit_test_setup_teardown(test_trie, setup_trie, teardown),
		cmocka_unit_test_setup_teardown(test_without_batches, setup_without_batches,
						teardown),
	};

	return cmocka_run_group_tests_name("bpf_mapqueue", tests, NULL, NULL);
}
