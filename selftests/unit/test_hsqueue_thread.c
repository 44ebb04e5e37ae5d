/* SPDX-License-Identifier: MIT */
/* The handshake queue: bounds, and a producer against a consumer that sleeps whenever it is empty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "line_test.h"
#include "path/hsqueue.h"

#define ITEMS 200000

static struct wgx_hsqueue queue;
static int wake_fd;

static int setup(void **state)
{
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return wake_fd < 0 || wgx_hsqueue_init(&queue, wake_fd);
}

static int teardown(void **state)
{
	wgx_hsqueue_free(&queue);
	close(wake_fd);
	return queue.items ? 1 : 0;
}

static struct wgx_endpoint from(uint32_t n)
{
	struct wgx_endpoint e = {0};

	e.addr.v4.sin_family = AF_INET;
	e.addr.v4.sin_addr.s_addr = n;
	return e;
}

static bool put(uint32_t n, size_t len)
{
	uint8_t msg[sizeof(struct wgx_msg_initiation) + 1];
	struct wgx_endpoint e = from(n);

	memset(msg, (int)n, sizeof(msg));
	return wgx_hsqueue_put(&queue, n, &e, msg, len);
}

static void check(const struct wgx_handshake_item *item, uint32_t n, size_t len)
{
	assert_non_null(item);
	assert_int_equal(item->iface, n);
	assert_int_equal(item->len, len);
	assert_int_equal(item->from.addr.v4.sin_addr.s_addr, n);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(item->msg[i], (uint8_t)n);
}

/* How often the consumer was woken since the last call */
static uint64_t wakes(void)
{
	uint64_t n = 0;

	return read(wake_fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void test_order(void **state)
{
	assert_null(wgx_hsqueue_get(&queue));
	assert_true(put(1, 148));
	assert_true(put(2, 92));
	assert_true(put(3, 0));
	check(wgx_hsqueue_get(&queue), 1, 148);
	check(wgx_hsqueue_get(&queue), 1, 148); /* it stays until popped */
	wgx_hsqueue_pop(&queue);
	check(wgx_hsqueue_get(&queue), 2, 92);
	wgx_hsqueue_pop(&queue);
	check(wgx_hsqueue_get(&queue), 3, 0);
	wgx_hsqueue_pop(&queue);
	assert_null(wgx_hsqueue_get(&queue));
}

static void test_too_long(void **state)
{
	assert_true(put(1, sizeof(struct wgx_msg_initiation)));
	assert_false(put(2, sizeof(struct wgx_msg_initiation) + 1));
	check(wgx_hsqueue_get(&queue), 1, sizeof(struct wgx_msg_initiation));
	wgx_hsqueue_pop(&queue);
	assert_null(wgx_hsqueue_get(&queue));
}

/* 4096 and no more. Many times around the ring. */
static void test_bounds(void **state)
{
	uint32_t in = 0, out = 0;

	assert_int_equal(WGX_HSQUEUE_SIZE, 4096);
	for (int round = 0; round < 5; round++) {
		while (in - out < WGX_HSQUEUE_SIZE)
			assert_true(put(in++, 64));
		assert_false(put(in, 64));
		assert_false(put(in, 64));
		while (in - out > (uint32_t)(round * 111)) {
			check(wgx_hsqueue_get(&queue), out++, 64);
			wgx_hsqueue_pop(&queue);
		}
	}
}

/* An eighth full is load, and so is the second after it. */
static void test_load(void **state)
{
	const uint64_t second = 1000000000;
	uint64_t boot = 5 * second;
	uint32_t in = 0, out = 0;

	for (int round = 0; round < 3; round++, boot += second) {
		for (; in - out < 512; in++) {
			assert_false(wgx_hsqueue_loaded(&queue, boot));
			assert_true(put(in, 64));
		}
		assert_true(wgx_hsqueue_loaded(&queue, boot));
		boot += 100 * second; /* it stays as full as that */
		assert_true(wgx_hsqueue_loaded(&queue, boot));
		for (; out < in; out++)
			wgx_hsqueue_pop(&queue);
		assert_true(
			wgx_hsqueue_loaded(&queue, boot + second / 2)); /* does not prolong it */
		assert_true(wgx_hsqueue_loaded(&queue, boot + second - 1));
		assert_false(wgx_hsqueue_loaded(&queue, boot + second));
	}
}

/* What load keeps out of the queue would be load. */
static void test_load_prolonged(void **state)
{
	const uint64_t second = 1000000000;
	const uint64_t boot = 5 * second;

	for (uint32_t n = 0; n < 512; n++)
		assert_true(put(n, 64));
	assert_true(wgx_hsqueue_loaded(&queue, boot));
	for (uint32_t n = 0; n < 512; n++)
		wgx_hsqueue_pop(&queue);
	for (uint32_t n = 0; n < 511; n++)
		wgx_hsqueue_refused(&queue, boot + second / 2);
	assert_true(wgx_hsqueue_loaded(&queue, boot + second - 1));
	assert_false(wgx_hsqueue_loaded(&queue, boot + second));
	wgx_hsqueue_refused(&queue, boot + second / 2);
	assert_true(wgx_hsqueue_loaded(&queue, boot + second));
	for (uint32_t n = 0; n < 511; n++)
		wgx_hsqueue_refused(&queue, boot + second);
	assert_true(wgx_hsqueue_loaded(&queue, boot + second * 3 / 2 - 1));
	assert_false(wgx_hsqueue_loaded(&queue, boot + second * 3 / 2));
}

static void test_index_wraps(void **state)
{
	atomic_store(&queue.head, UINT32_MAX - 100);
	atomic_store(&queue.tail, UINT32_MAX - 100);
	for (uint32_t i = 0; i < WGX_HSQUEUE_SIZE; i++)
		assert_true(put(i, 92));
	assert_false(put(0, 92));
	for (uint32_t i = 0; i < WGX_HSQUEUE_SIZE; i++) {
		check(wgx_hsqueue_get(&queue), i, 92);
		wgx_hsqueue_pop(&queue);
	}
	assert_null(wgx_hsqueue_get(&queue));
}

/* The consumer is woken from an empty queue only. */
static void test_wakes(void **state)
{
	assert_int_equal(wakes(), 0);
	assert_true(put(1, 92));
	assert_int_equal(wakes(), 1);
	assert_true(put(2, 92));
	assert_int_equal(wakes(), 0);
	wgx_hsqueue_pop(&queue);
	assert_true(put(3, 92));
	assert_int_equal(wakes(), 0);
	wgx_hsqueue_pop(&queue);
	wgx_hsqueue_pop(&queue);
	assert_true(put(4, 92));
	assert_int_equal(wakes(), 1);
}

static void *produce(void *arg)
{
	for (uint32_t n = 0; n < ITEMS;)
		if (put(n, n % 149))
			n++;
		else
			sched_yield();
	return NULL;
}

/* A wake-up that is lost would leave the consumer asleep for good. */
static void test_threads(void **state)
{
	struct pollfd p = {.fd = wake_fd, .events = POLLIN};
	const struct wgx_handshake_item *item;
	pthread_t thread;
	uint32_t n = 0;

	assert_int_equal(pthread_create(&thread, NULL, produce, NULL), 0);
	while (n < ITEMS) {
		item = wgx_hsqueue_get(&queue);
		if (!item) {
			assert_int_equal(poll(&p, 1, -1), 1);
			wakes();
			continue;
		}
		check(item, n, n % 149);
		wgx_hsqueue_pop(&queue);
		n++;
	}
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_null(wgx_hsqueue_get(&queue));
}

#define with_queue(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define line_with_queue(line, fn) line_test_setup_teardown(line, fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_queue(test_order),
		with_queue(test_too_long),
		line_with_queue("P-DT-12", test_bounds),
		line_with_queue("P-DOS-1", test_load),
		line_with_queue("P-DOS-1", test_load_prolonged),
		with_queue(test_wakes),
		line_with_queue("P-DT-12", test_index_wraps),
		with_queue(test_threads),
	};

	return cmocka_run_group_tests_name("hsqueue", tests, NULL, NULL);
}
