/* SPDX-License-Identifier: MIT */
/* The queue of peers: each at most once, in order, and no wish and no wake-up lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "device/peerqueue.h"
#include "unit/xorshift.h"

#define PEERS 16
#define PRODUCERS 3
#define PUSHES 100000

struct item {
	struct wgx_peer_link link;
	_Atomic uint32_t refs;
	_Atomic uint64_t wanted; /* by producers */
	uint64_t served; /* the consumer's own */
};

static struct wgx_peerqueue queue;
static struct item items[PEERS];
static int wake_fd;
static _Atomic unsigned int running;

static int setup(void **state)
{
	memset(&queue, 0, sizeof(queue));
	memset(items, 0, sizeof(items));
	for (int i = 0; i < PEERS; i++)
		atomic_store(&items[i].refs, 1);
	wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return wake_fd < 0;
}

static int teardown(void **state)
{
	return close(wake_fd);
}

static struct item *item_of(struct wgx_peer_link *l)
{
	return (struct item *)((char *)l - offsetof(struct item, link));
}

static bool push(int i, bool *ret_was_empty)
{
	return wgx_peerqueue_push(&queue, &items[i].link, ret_was_empty);
}

static void test_order(void **state)
{
	struct wgx_peer_link *l;
	bool empty = false;

	assert_true(wgx_peerqueue_empty(&queue));
	assert_null(wgx_peerqueue_take(&queue));
	assert_true(push(4, &empty));
	assert_true(empty);
	assert_false(wgx_peerqueue_empty(&queue));
	for (int i = 0; i < 4; i++) {
		assert_true(push(i, &empty));
		assert_false(empty);
	}
	empty = true;
	assert_false(push(4, &empty)); /* it stands there */
	assert_false(push(2, &empty));
	l = wgx_peerqueue_take(&queue);
	assert_true(wgx_peerqueue_empty(&queue));
	assert_ptr_equal(l, &items[4].link);
	l = wgx_peerqueue_done(l);
	for (int i = 0; i < 4; i++) {
		assert_ptr_equal(l, &items[i].link);
		assert_false(push(i, &empty)); /* taken, but not done */
		l = wgx_peerqueue_done(l);
		assert_true(push(i, &empty));
		assert_int_equal(empty, i == 0);
	}
	assert_null(l);
	l = wgx_peerqueue_take(&queue);
	for (int i = 0; i < 4; i++) {
		assert_ptr_equal(l, &items[i].link);
		l = wgx_peerqueue_done(l);
	}
	assert_null(l);
}

static void test_ref(void **state)
{
	_Atomic uint32_t refs = 0;

	assert_false(wgx_ref_try(&refs));
	assert_int_equal(atomic_load(&refs), 0);
	atomic_store(&refs, 1);
	assert_true(wgx_ref_try(&refs));
	assert_true(wgx_ref_try(&refs));
	assert_int_equal(atomic_load(&refs), 3);
}

static void wake(void)
{
	const uint64_t one = 1;

	assert_int_equal(write(wake_fd, &one, sizeof(one)), sizeof(one));
}

/* As wgx_seal_command(): note the wish, then see to it that the consumer looks. */
static void *produce(void *arg)
{
	uint64_t seed = (uintptr_t)arg * 88172645463325252u + 1, pushed = 0;

	for (int n = 0; n < PUSHES; n++) {
		struct item *it;
		bool empty;

		xorshift64(&seed);
		it = &items[(seed >> 33) % PEERS];
		atomic_fetch_add(&it->wanted, 1);
		if (!wgx_ref_try(&it->refs))
			return NULL;
		if (!wgx_peerqueue_push(&queue, &it->link, &empty)) {
			atomic_fetch_sub(&it->refs, 1);
			continue;
		}
		pushed++;
		if (empty)
			wake();
	}
	atomic_fetch_sub(&running, 1);
	wake();
	return (void *)(uintptr_t)(pushed + 1); /* all may have been queued already: none pushed */
}

static uint64_t consume(void)
{
	struct wgx_peer_link *l = wgx_peerqueue_take(&queue);
	uint64_t n = 0;

	for (; l; n++) {
		struct item *it = item_of(l);

		assert_int_equal(atomic_load(&it->refs) >= 2, 1);
		l = wgx_peerqueue_done(l);
		it->served = atomic_load(&it->wanted);
		atomic_fetch_sub(&it->refs, 1);
	}
	return n;
}

static void test_threads(void **state)
{
	struct pollfd p = {.fd = wake_fd, .events = POLLIN};
	uint64_t taken = 0, pushed = 0, dummy, wanted = 0;
	pthread_t threads[PRODUCERS];
	void *result;

	atomic_store(&running, PRODUCERS);
	for (uintptr_t i = 0; i < PRODUCERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, produce, (void *)(i + 1)), 0);
	while (atomic_load(&running) || !wgx_peerqueue_empty(&queue)) {
		if (wgx_peerqueue_empty(&queue)) {
			assert_int_equal(poll(&p, 1, -1), 1);
			assert_int_equal(read(wake_fd, &dummy, sizeof(dummy)), sizeof(dummy));
		}
		taken += consume();
	}
	for (int i = 0; i < PRODUCERS; i++) {
		assert_int_equal(pthread_join(threads[i], &result), 0);
		assert_non_null(result);
		pushed += (uintptr_t)result - 1;
	}
	taken += consume();
	assert_int_equal(taken, pushed);
	for (int i = 0; i < PEERS; i++) {
		wanted += atomic_load(&items[i].wanted);
		assert_int_equal(items[i].served, atomic_load(&items[i].wanted));
		assert_int_equal(atomic_load(&items[i].refs), 1);
		assert_false(atomic_load(&items[i].link.queued));
	}
	assert_int_equal(wanted, (uint64_t)PRODUCERS * PUSHES);
}

/* A reference is had before the last one goes, or not at all. */

static struct item dying;
static _Atomic uint32_t last; /* how often the count fell to 0 */
static pthread_barrier_t start;

static void *grab(void *arg)
{
	pthread_barrier_wait(&start);
	while (wgx_ref_try(&dying.refs))
		if (atomic_fetch_sub(&dying.refs, 1) == 1)
			atomic_fetch_add(&last, 1);
	return NULL;
}

static void test_last_reference(void **state)
{
	pthread_t threads[2];

	for (int round = 0; round < 200; round++) {
		atomic_store(&dying.refs, 1);
		atomic_store(&last, 0);
		pthread_barrier_init(&start, NULL, 3);
		for (int i = 0; i < 2; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, grab, NULL), 0);
		pthread_barrier_wait(&start);
		if (atomic_fetch_sub(&dying.refs, 1) == 1)
			atomic_fetch_add(&last, 1);
		for (int i = 0; i < 2; i++)
			assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(atomic_load(&last), 1);
		assert_int_equal(atomic_load(&dying.refs), 0);
		pthread_barrier_destroy(&start);
	}
}

#define with_queue(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_queue(test_order),
		with_queue(test_ref),
		with_queue(test_threads),
		with_queue(test_last_reference),
	};

	return cmocka_run_group_tests_name("peerqueue", tests, NULL, NULL);
}
