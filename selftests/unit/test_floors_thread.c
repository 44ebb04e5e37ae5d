/* SPDX-License-Identifier: MIT */
/* P-DT-2: what BPF is told of replay windows. No keypair begins with what another has left behind. */
#include "line_test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <sodium.h>
#include <wgx/bpf_abi.h>
#include "device/floors.h"
#include "device/index.h"
#include "device/rcu.h"
#include "proto/keypair.h"

#define TURNS 20000
#define HIGH (UINT64_C(1) << 40)

struct holder {
	struct wgx_keypair kp;
	struct rcu_head rcu;
};

static struct wgx_floors *floors;
static struct wgx_index *indices;
static int fd;

static struct holder *holder_new(void)
{
	struct holder *h = aligned_alloc(64, (sizeof(*h) + 63) / 64 * 64);

	assert_non_null(h);
	memset(h, 0, sizeof(*h));
	return h;
}

static void free_holder(struct rcu_head *head)
{
	free(caa_container_of(head, struct holder, rcu));
}

/* As the protocol has it: an index, which BPF is told of, and then a keypair */
static struct holder *begin(uint32_t *ret_index, uint32_t *ret_slot)
{
	struct holder *h = holder_new();

	assert_int_equal(wgx_index_new(indices, (struct wgx_peer *)h, ret_index), 0);
	*ret_slot = wgx_index_floor(indices, *ret_index);
	wgx_index_bind(indices, *ret_index, &h->kp);
	return h;
}

static void end(struct holder *h, uint32_t index)
{
	wgx_index_free(indices, index);
	wgx_rcu_call(&h->rcu, free_holder);
}

static uint64_t floor_of(uint32_t slot)
{
	return atomic_load(wgx_floors_at(floors, slot));
}

static void test_slots(void **state)
{
	uint32_t index[3], slot[3];
	struct holder *h[3];
	uint64_t seen;

	h[0] = begin(&index[0], &slot[0]);
	assert_int_not_equal(slot[0], 0);
	assert_ptr_equal(h[0]->kp.floor, wgx_floors_at(floors, slot[0]));
	atomic_store(h[0]->kp.floor, HIGH);
	/* where BPF reads it */
	assert_int_equal(pread(fd, &seen, sizeof(seen), slot[0] * sizeof(seen)), sizeof(seen));
	assert_int_equal(seen, HIGH);

	/* we have not been quiescent: a worker may still hold the keypair */
	end(h[0], index[0]);
	assert_int_equal(wgx_index_floor(indices, index[0]), 0);
	h[1] = begin(&index[1], &slot[1]);
	assert_int_not_equal(slot[1], slot[0]);
	wgx_rcu_barrier();
	h[2] = begin(&index[2], &slot[2]);
	assert_int_equal(slot[2], slot[0]);
	assert_int_equal(floor_of(slot[2]), 0);
	end(h[1], index[1]);
	end(h[2], index[2]);
	wgx_rcu_barrier();
}

/* Who gets none is not judged by BPF, and all the same served */
static void test_exhausted(void **state)
{
	uint32_t index, slot, n = 0;
	struct holder *h;

	assert_int_equal(wgx_floors_take(NULL), 0);
	wgx_floors_give(NULL, 0);
	while ((slot = wgx_floors_take(floors))) {
		assert_true(slot < WGX_FLOORS);
		assert_int_equal(floor_of(slot), 0);
		atomic_store(wgx_floors_at(floors, slot), ++n); /* each slot once */
	}
	assert_int_equal(n, WGX_FLOORS - 1);
	h = begin(&index, &slot);
	assert_int_equal(slot, 0);
	assert_null(h->kp.floor);
	end(h, index);
	wgx_rcu_barrier();
	for (slot = 1; slot < WGX_FLOORS; slot++)
		wgx_floors_give(floors, slot);
}

/* ---- a worker that raises each floor it finds, while indices come and go ---- */

static _Atomic uint32_t known;
static _Atomic bool done;

static void *raise_floors(void *arg)
{
	_Atomic unsigned long *raised = arg;
	struct wgx_keypair *kp;

	wgx_rcu_register();
	do {
		if (wgx_index_find(indices, atomic_load(&known), &kp) && kp) {
			atomic_fetch_add(raised, 1);
			for (int i = 0; i < 100; i++) /* as long as a packet takes */
				atomic_store_explicit(kp->floor, HIGH, memory_order_relaxed);
		}
		wgx_rcu_quiescent();
	} while (!atomic_load(&done));
	wgx_rcu_unregister();
	return NULL;
}

static void test_no_inheritance(void **state)
{
	_Atomic unsigned long raised = 0;
	uint32_t index, slot;
	pthread_t worker;

	assert_int_equal(pthread_create(&worker, NULL, raise_floors, &raised), 0);
	for (int i = 0; i < TURNS || !atomic_load(&raised); i++) {
		struct holder *h = begin(&index, &slot);

		/* nobody has heard of it yet */
		assert_int_equal(floor_of(slot), 0);
		sched_yield();
		assert_int_equal(floor_of(slot), 0);
		atomic_store(&known, index);
		for (int spin = 0; spin < 1000 && !floor_of(slot); spin++)
			;
		end(h, index);
		wgx_rcu_quiescent();
	}
	atomic_store(&done, true);
	wgx_rcu_offline();
	pthread_join(worker, NULL);
	wgx_rcu_online();
	wgx_rcu_barrier();
}

static int setup(void **state)
{
	wgx_rcu_register();
	fd = memfd_create("floors", MFD_CLOEXEC);
	return sodium_init() < 0 || ftruncate(fd, WGX_FLOORS * sizeof(uint64_t)) ||
	       wgx_floors_open(fd, &floors) || wgx_index_create(&indices) ||
	       (wgx_index_set_floors(indices, floors), 0);
}

static int teardown(void **state)
{
	wgx_rcu_barrier();
	wgx_index_destroy(indices);
	wgx_floors_close(floors);
	wgx_floors_close(NULL);
	close(fd);
	wgx_rcu_unregister();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test("P-DT-2", test_slots),
		line_test("P-DT-2", test_exhausted),
		line_test("P-DT-2", test_no_inheritance),
	};

	return cmocka_run_group_tests_name("floors", tests, setup, teardown);
}
