/* SPDX-License-Identifier: MIT */
/*
 * What is to be called after a grace period, in a process with one reader, the target itself: at the next barrier.
 * liburcu's own thread sleeps for ten milliseconds before each round, which would be nearly all of an input's time.
 * In the place of device/rcu.c: included before the library, whose object nobody needs then.
 */
#ifndef WGX_SELFTESTS_FUZZ_RCU_NOW_H
#define WGX_SELFTESTS_FUZZ_RCU_NOW_H

#include <stdlib.h>
#include "device/rcu.h"

static struct {
	struct rcu_head *head;
	void (*fn)(struct rcu_head *head);
} * rcu_calls;
static size_t rcu_n, rcu_room;

void wgx_rcu_call(struct rcu_head *head, void (*fn)(struct rcu_head *head))
{
	if (rcu_n == rcu_room) {
		rcu_room = rcu_room ? 2 * rcu_room : 64;
		rcu_calls = realloc(rcu_calls, rcu_room * sizeof(*rcu_calls));
		if (!rcu_calls)
			abort();
	}
	rcu_calls[rcu_n].head = head;
	rcu_calls[rcu_n++].fn = fn;
}

/* Hash tables are resized by a thread of liburcu's, which reads too. */
void wgx_rcu_synchronize(void)
{
	urcu_qsbr_synchronize_rcu();
}

/* They may make further calls. */
void wgx_rcu_barrier(void)
{
	if (rcu_n)
		wgx_rcu_synchronize();
	for (size_t i = 0; i < rcu_n; i++)
		rcu_calls[i].fn(rcu_calls[i].head);
	rcu_n = 0;
}

#endif
