/* SPDX-License-Identifier: MIT */
/*
 * Peers that want a thread's attention: many producers, one consumer, each peer at most once, in any
 * number of queues by one link each. Lock-free; a queued peer is kept by a reference.
 */
#ifndef WGX_DEVICE_PEERQUEUE_H
#define WGX_DEVICE_PEERQUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * wgx_ref_try() - take a reference, but not one on what is on its way out
 *
 * Workers reach a peer under RCU, which keeps its memory but no reference: the last may have gone already,
 * and then nothing keeps the peer beyond the grace period. Return: false there.
 */
static inline bool wgx_ref_try(_Atomic uint32_t *refs)
{
	uint32_t n = atomic_load_explicit(refs, memory_order_relaxed);

	do
		if (!n)
			return false;
	while (!atomic_compare_exchange_weak_explicit(refs, &n, n + 1, memory_order_relaxed,
						      memory_order_relaxed));
	return true;
}

/** struct wgx_peer_link - embedded in the peer, one for each queue; zeroed: not queued */
struct wgx_peer_link {
	struct wgx_peer_link *next;
	_Atomic bool queued;
};

/** struct wgx_peerqueue - a stack of links; zeroed: empty */
struct wgx_peerqueue {
	struct wgx_peer_link *_Atomic top;
};

/**
 * wgx_peerqueue_push() - any thread
 * Return: false where the link stands in the queue already. True: the caller owes the peer a reference
 * for the queue (taken before), and the consumer a wake-up where @ret_was_empty.
 */
static inline bool wgx_peerqueue_push(struct wgx_peerqueue *q, struct wgx_peer_link *l,
				      bool *ret_was_empty)
{
	struct wgx_peer_link *top;

	if (atomic_exchange(&l->queued, true))
		return false;
	top = atomic_load(&q->top);
	do
		l->next = top;
	while (!atomic_compare_exchange_weak(&q->top, &top, l));
	*ret_was_empty = !top;
	return true;
}

static inline bool wgx_peerqueue_empty(struct wgx_peerqueue *q)
{
	return !atomic_load_explicit(&q->top, memory_order_relaxed);
}

/** wgx_peerqueue_take() - the consumer: all that is queued, the first pushed first; NULL: none */
static inline struct wgx_peer_link *wgx_peerqueue_take(struct wgx_peerqueue *q)
{
	struct wgx_peer_link *l = atomic_exchange(&q->top, NULL), *first = NULL;

	while (l) {
		struct wgx_peer_link *next = l->next;

		l->next = first;
		first = l;
		l = next;
	}
	return first;
}

/**
 * wgx_peerqueue_done() - the consumer, before it looks at what the peer wants: from here on the peer can
 * be queued again. Return: the link that followed it.
 */
static inline struct wgx_peer_link *wgx_peerqueue_done(struct wgx_peer_link *l)
{
	struct wgx_peer_link *next = l->next;

	atomic_store(&l->queued, false);
	return next;
}

#endif
