/* SPDX-License-Identifier: MIT */
/*
 * Readers against a writer, as workers against the control thread: allowed IPs and receiver indices
 * change all the time, owners come and go. A reader must never see freed memory (sanitizers watch), nor
 * miss what nobody touched.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>
#include "device/index.h"
#include "device/rcu.h"
#include "proto/allowedips.h"

#define READERS 3
#define OWNERS 8
#define STEPS 20000
#define ALIVE UINT64_C(0x11febea7ed0f11fe)

/* As a peer: what the trie and the index lead to. */
struct owner {
	struct wgx_allowedips_owner allowed;
	uint64_t magic;
	uint32_t index;
	struct rcu_head rcu;
};

static struct wgx_allowedips trie;
static struct wgx_index *indices;
static struct owner *owners[OWNERS];
static _Atomic uint32_t known[OWNERS]; /* indices to look for; some are stale */
static _Atomic bool done;
static pthread_barrier_t start;

struct retired {
	struct rcu_head rcu;
	wgx_node_id nodes;
};

static void free_retired(struct rcu_head *head)
{
	struct retired *r = caa_container_of(head, struct retired, rcu);

	wgx_allowedips_reclaim(&trie, r->nodes);
	free(r);
}

static void retire(void)
{
	wgx_node_id nodes = wgx_allowedips_take_retired(&trie);
	struct retired *r;

	if (!nodes)
		return;
	r = malloc(sizeof(*r));
	assert_non_null(r);
	r->nodes = nodes;
	wgx_rcu_call(&r->rcu, free_retired);
}

static void remove_all(struct owner *o)
{
	struct wgx_prefix p;

	while (wgx_allowedips_remove_first(&trie, &o->allowed, &p))
		;
	retire();
}

static void free_owner(struct rcu_head *head)
{
	struct owner *o = caa_container_of(head, struct owner, rcu);

	o->magic = 0;
	free(o);
}

/* ---- readers ---- */

struct tally {
	uint64_t seed, lookups, missed, dead, found_index;
};

static uint32_t rnd(uint64_t *seed, uint32_t below)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return (uint32_t)(*seed >> 32) % below;
}

static void look(struct tally *t)
{
	uint32_t addr = htonl(0x0a000000 | rnd(&t->seed, 1024));
	struct wgx_allowedips_owner *o = wgx_allowedips_lookup(&trie, AF_INET, &addr);
	struct wgx_keypair *kp;
	struct owner *peer;

	t->lookups++;
	if (!o)
		t->missed++; /* 10.0.0.0/8 was there all the time */
	else if (caa_container_of(o, struct owner, allowed)->magic != ALIVE)
		t->dead++;
	peer = (struct owner *)wgx_index_find(indices, atomic_load(&known[rnd(&t->seed, OWNERS)]),
					      &kp);
	if (!peer)
		return;
	t->found_index++;
	if (peer->magic != ALIVE || (kp && (struct owner *)kp != peer))
		t->dead++;
}

static void *read_until_done(void *arg)
{
	struct tally *t = arg;

	wgx_rcu_register();
	pthread_barrier_wait(&start);
	do {
		for (int i = 0; i < 64; i++)
			look(t);
		if (rnd(&t->seed, 16) == 0) { /* as before a sleep */
			wgx_rcu_offline();
			wgx_rcu_online();
		}
		wgx_rcu_quiescent();
	} while (!atomic_load(&done));
	wgx_rcu_unregister();
	return NULL;
}

/* ---- the writer ---- */

static struct owner *new_owner(void)
{
	struct owner *o = calloc(1, sizeof(*o));

	assert_non_null(o);
	o->magic = ALIVE;
	wgx_allowedips_owner_init(&o->allowed);
	return o;
}

static void create(int i)
{
	struct owner *o = owners[i] = new_owner();

	assert_int_equal(wgx_index_new(indices, (struct wgx_peer *)o, &o->index), 0);
	atomic_store(&known[i], o->index);
	wgx_index_bind(indices, o->index, (struct wgx_keypair *)o);
}

static void destroy(int i)
{
	struct owner *o = owners[i];

	remove_all(o);
	wgx_index_free(indices, o->index);
	wgx_rcu_call(&o->rcu, free_owner);
}

static struct wgx_prefix random_prefix(uint64_t *seed)
{
	uint32_t addr = htonl(0x0a000000 | rnd(seed, 1024));
	struct wgx_prefix p = {.family = AF_INET, .cidr = (uint8_t)(22 + rnd(seed, 11))};

	memcpy(p.addr, &addr, sizeof(addr));
	return p;
}

static void write_much(void)
{
	uint64_t seed = 3141592653589793;

	for (int step = 0; step < STEPS; step++) {
		struct wgx_prefix p = random_prefix(&seed);
		int i = (int)rnd(&seed, OWNERS);
		uint32_t what = rnd(&seed, 100);

		if (what < 55) {
			assert_int_equal(
				wgx_allowedips_insert(&trie, &p, &owners[i]->allowed, NULL), 0);
		} else if (what < 98) {
			wgx_allowedips_remove(&trie, &p, &owners[i]->allowed);
			retire();
		} else {
			destroy(i);
			create(i);
		}
		if (step % 512 == 0)
			wgx_rcu_synchronize();
		wgx_rcu_quiescent();
	}
}

static void test_readers_and_writer(void **state)
{
	struct wgx_prefix all = {.family = AF_INET, .cidr = 8, .addr = {10}};
	struct tally tally[READERS] = {0};
	struct owner *constant = new_owner();
	pthread_t threads[READERS];

	assert_int_equal(wgx_index_create(&indices), 0);
	wgx_allowedips_init(&trie);
	assert_int_equal(wgx_allowedips_insert(&trie, &all, &constant->allowed, NULL), 0);
	for (int i = 0; i < OWNERS; i++)
		create(i);
	pthread_barrier_init(&start, NULL, READERS + 1);
	for (int i = 0; i < READERS; i++) {
		tally[i].seed = 88172645463325252 + (uint64_t)i;
		assert_int_equal(pthread_create(&threads[i], NULL, read_until_done, &tally[i]), 0);
	}
	wgx_rcu_offline();
	pthread_barrier_wait(&start);
	wgx_rcu_online();

	write_much();
	atomic_store(&done, true);
	wgx_rcu_offline();
	for (int i = 0; i < READERS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_true(tally[i].lookups >= 64);
		assert_true(tally[i].found_index > 0);
		assert_int_equal(tally[i].missed, 0);
		assert_int_equal(tally[i].dead, 0);
	}
	wgx_rcu_online();

	for (int i = 0; i < OWNERS; i++)
		destroy(i);
	remove_all(constant);
	wgx_rcu_call(&constant->rcu, free_owner);
	wgx_rcu_barrier();
	assert_int_equal(trie.v4.root, 0);
	assert_null(trie.v4.pool.chunks);
	wgx_index_destroy(indices);
	pthread_barrier_destroy(&start);
}

/* A callback runs only after readers who might hold a reference have passed a quiescent state. */

static _Atomic int phase;
static _Atomic bool called;

static void note_called(struct rcu_head *head)
{
	atomic_store(&called, true);
}

static void *hold(void *arg)
{
	bool early = false;

	wgx_rcu_register();
	atomic_store(&phase, 1);
	for (int i = 0; i < 1000 || atomic_load(&phase) < 2; i++) {
		early |= atomic_load(&called);
		sched_yield();
	}
	for (int i = 0; i < 1000; i++) {
		early |= atomic_load(&called);
		sched_yield();
	}
	wgx_rcu_unregister();
	return early ? (void *)1 : NULL;
}

static void test_grace_period(void **state)
{
	static struct rcu_head head;
	pthread_t thread;
	void *early;

	assert_int_equal(pthread_create(&thread, NULL, hold, NULL), 0);
	while (atomic_load(&phase) < 1)
		sched_yield();
	wgx_rcu_call(&head, note_called);
	atomic_store(&phase, 2);
	wgx_rcu_barrier();
	assert_true(atomic_load(&called));
	wgx_rcu_offline();
	assert_int_equal(pthread_join(thread, &early), 0);
	wgx_rcu_online();
	assert_null(early);
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
		cmocka_unit_test(test_grace_period),
		cmocka_unit_test(test_readers_and_writer),
	};

	return cmocka_run_group_tests_name("rcu", tests, setup, teardown);
}
