/* SPDX-License-Identifier: MIT */
/*
 * Nonces that several seal workers have taken from one keypair and not sent yet. Whoever is off its processor with some
 * in hand would find, back again, that the others have moved the receiver's replay window past them. So no worker
 * takes a nonce that is far ahead of another's oldest one.
 */
#ifndef WGX_PATH_INFLIGHT_H
#define WGX_PATH_INFLIGHT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "proto/keypair.h"

/* The least window that is known is boringtun's of 1024; less what is taken at once, and unseen by another's look. */
#define WGX_INFLIGHT_AHEAD 768

/** struct wgx_inflight - of one seal worker, which alone writes it; zeroed: nothing is under way */
struct wgx_inflight {
	_Alignas(64) _Atomic(const struct wgx_keypair *) kp; /* NULL: nothing is under way */
	_Atomic uint64_t oldest; /* of nonces under way, or less */
};

/** wgx_inflight_begin() - from now on nonces of @kp from @oldest on are under way, and no others */
static inline void wgx_inflight_begin(struct wgx_inflight *f, const struct wgx_keypair *kp,
				      uint64_t oldest)
{
	if (atomic_load_explicit(&f->kp, memory_order_relaxed) != kp)
		atomic_store_explicit(&f->kp, NULL, memory_order_relaxed);
	atomic_store_explicit(&f->oldest, oldest, memory_order_release);
	atomic_store_explicit(&f->kp, kp, memory_order_release);
}

/** wgx_inflight_end() - all have been sent */
static inline void wgx_inflight_end(struct wgx_inflight *f)
{
	if (atomic_load_explicit(&f->kp, memory_order_relaxed))
		atomic_store_explicit(&f->kp, NULL, memory_order_release);
}

/** wgx_inflight_far() - would the next nonce of @kp be too far ahead of what another of @n workers than @self has? */
static inline bool wgx_inflight_far(struct wgx_inflight *all, unsigned int n, unsigned int self,
				    const struct wgx_keypair *kp)
{
	uint64_t next = atomic_load_explicit(&kp->send_counter, memory_order_relaxed);

	for (unsigned int i = 0; i < n; i++)
		if (i != self && atomic_load_explicit(&all[i].kp, memory_order_acquire) == kp &&
		    atomic_load_explicit(&all[i].oldest, memory_order_relaxed) +
				    WGX_INFLIGHT_AHEAD <
			    next)
			return true;
	return false;
}

#endif
