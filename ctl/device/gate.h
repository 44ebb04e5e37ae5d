/* SPDX-License-Identifier: MIT */
/*
 * Where a thread stands still between two rounds, while another may look at all that it has, or hand it on. Nothing
 * passes a closed gate that would use a nonce.
 */
#ifndef WGX_DEVICE_GATE_H
#define WGX_DEVICE_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include "device/rcu.h"

#define WGX_GATE_ROUNDS \
	64 /* with work to do, until a thread stands all the same: what is left waits where it is */

/** struct wgx_gate - zero: open */
struct wgx_gate {
	_Atomic bool closed;
	_Atomic bool standing; /* the thread does */
	unsigned int rounds; /* the thread's own: since it was closed */
};

static inline void wgx_gate_pause(void)
{
	const struct timespec wait = {.tv_nsec = 50000};

	nanosleep(&wait, NULL);
}

/** wgx_gate_stop() - the thread, in each round: is it to stand now? @busy: the round had work */
static inline bool wgx_gate_stop(struct wgx_gate *g, bool busy)
{
	if (!atomic_load_explicit(&g->closed, memory_order_acquire))
		return false;
	return !busy || ++g->rounds >= WGX_GATE_ROUNDS;
}

/** wgx_gate_stand() - the thread: until the gate is open again, or *@end; it holds no reference (RCU) */
static inline void wgx_gate_stand(struct wgx_gate *g, const _Atomic bool *end)
{
	wgx_rcu_offline();
	atomic_store_explicit(&g->standing, true, memory_order_release);
	while (atomic_load_explicit(&g->closed, memory_order_acquire) &&
	       !atomic_load_explicit(end, memory_order_acquire))
		wgx_gate_pause();
	g->rounds = 0;
	atomic_store_explicit(&g->standing, false, memory_order_release);
	wgx_rcu_online();
}

/** wgx_gate_close() - returns when the thread stands; it has been woken by @wake(@arg). The caller is registered (RCU). */
static inline void wgx_gate_close(struct wgx_gate *g, void (*wake)(void *), void *arg)
{
	atomic_store_explicit(&g->closed, true, memory_order_release);
	wake(arg);
	wgx_rcu_offline(); /* the thread may wait for a grace period before it gets there */
	while (!atomic_load_explicit(&g->standing, memory_order_acquire))
		wgx_gate_pause();
	wgx_rcu_online();
}

/** wgx_gate_open() - it goes on; returns when it does */
static inline void wgx_gate_open(struct wgx_gate *g)
{
	if (!atomic_load(&g->closed))
		return;
	atomic_store_explicit(&g->closed, false, memory_order_release);
	while (atomic_load_explicit(&g->standing, memory_order_acquire))
		wgx_gate_pause();
}

#endif
