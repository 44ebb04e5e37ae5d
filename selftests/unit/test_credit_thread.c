/* SPDX-License-Identifier: MIT */
/* Credit with several seal workers: whoever gets a frame, nothing is given back twice, and in the end all is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include "path/credit.h"

#define QUEUES 3
#define FRAMES 1000000

struct shared {
	struct wgx_credit_view view;
	_Atomic unsigned int next; /* frame */
	pthread_barrier_t begin;
};

struct worker {
	struct shared *s;
	unsigned int queue;
	pthread_t thread;
	uint64_t healed;
};

/* As credit_take() of bpf/credit.h */
static uint16_t produce(struct shared *s, unsigned int bucket)
{
	struct wgx_credit *map = s->view.map;

	__atomic_fetch_add(&map[WGX_CREDIT_TOTAL + WGX_CREDIT_QUEUE(bucket, QUEUES)].produced, 1,
			   __ATOMIC_RELAXED);
	return (uint16_t)(__atomic_fetch_add(&map[bucket].produced, 1, __ATOMIC_RELAXED) + 1);
}

/* Frames of all buckets, also of other queues' buckets, and now and then what time heals */
static void *work(void *arg)
{
	struct worker *w = arg;
	struct shared *s = w->s;
	unsigned int n;

	pthread_barrier_wait(&s->begin);
	while ((n = atomic_fetch_add(&s->next, 1)) < FRAMES) {
		unsigned int bucket = n % 4; /* few, for they are to meet */

		wgx_credit_consume(&s->view, (uint16_t)bucket, produce(s, bucket));
		if (!(n % 16))
			w->healed +=
				wgx_credit_heal(&s->view, w->queue, (n + 1) * WGX_CREDIT_HEAL_NS);
	}
	return NULL;
}

static void test_no_frame_twice(void **state)
{
	struct shared *s = calloc(1, sizeof(*s));
	struct worker w[QUEUES];
	uint64_t consumed[QUEUES] = {0}, boot = UINT64_MAX / 2;

	s->view.map = calloc(WGX_CREDIT_ENTRIES, sizeof(*s->view.map));
	s->view.queues = QUEUES;
	pthread_barrier_init(&s->begin, NULL, QUEUES);
	for (unsigned int q = 0; q < QUEUES; q++) {
		w[q] = (struct worker){.s = s, .queue = q};
		assert_int_equal(pthread_create(&w[q].thread, NULL, work, &w[q]), 0);
	}
	for (unsigned int q = 0; q < QUEUES; q++)
		pthread_join(w[q].thread, NULL);
	/* one that came late, and found a later one had been, gave nothing back; no bucket is over what it had */
	for (unsigned int i = 0; i < WGX_CREDIT_BUCKETS; i++) {
		assert_true(s->view.map[i].consumed <= s->view.map[i].produced);
		consumed[i % QUEUES] += s->view.map[i].consumed;
	}
	for (unsigned int q = 0; q < QUEUES; q++) {
		const struct wgx_credit *t = &s->view.map[WGX_CREDIT_TOTAL + q];

		assert_true(t->consumed == consumed[q]);
		wgx_credit_heal(&s->view, q, boot);
		wgx_credit_heal(&s->view, q, boot + 2 * WGX_CREDIT_HEAL_NS);
		assert_true(t->consumed == t->produced);
		assert_false(wgx_credit_outstanding(&s->view, q));
	}
	for (unsigned int i = 0; i < WGX_CREDIT_BUCKETS; i++)
		assert_true(s->view.map[i].consumed == s->view.map[i].produced);
	pthread_barrier_destroy(&s->begin);
	free(s->view.map);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_frame_twice)};

	return cmocka_run_group_tests_name("credit_threads", tests, NULL, NULL);
}
