/* SPDX-License-Identifier: MIT */
/*
 * Helpers of the open worker: threads that decrypt beside it what it has listed. It alone reads rings and sockets, and
 * writes replay windows, counters, coalescers and wg0, in the order of arrival; so nothing is to be put in order again.
 *
 *	open worker: list ─► begin ─► for each message: wait, deliver
 *	                       │              ▲
 *	           all of them: claim four ─► decrypt in place, note the result
 *
 * What is listed, its keypairs too, is the open worker's and within its RCU read-side section: it waits for what others
 * have claimed. A helper that does not come is not missed.
 */
#ifndef WGX_PATH_OPENERS_H
#define WGX_PATH_OPENERS_H

#include <stdatomic.h>
#include <stdint.h>
#include <wgx/bpf_abi.h>
#include "path/worker.h"

#define WGX_HELPERS_MAX (WGX_QUEUES_MAX - 1)
#define WGX_OPENINGS_MAX 256

struct wgx_aead;
struct wgx_keypair;
struct wgx_peer;

/** struct wgx_opening - a data message that is to be decrypted; a cache line, so that no two threads write to one */
struct wgx_opening {
	_Alignas(64) struct wgx_keypair *kp; /* those who decrypt read its @recv_key */
	uint8_t *payload; /* decrypted in place; the tag is behind it */
	uint64_t counter;
	uint32_t plain; /* bytes of payload, without the tag */
	_Atomic uint8_t state; /* openers.c's */
	struct wgx_peer *peer; /* the open worker's own, as is @origin */
	void *origin;
};

/** struct wgx_openers - zeroed: no helper, nothing listed */
struct wgx_openers {
	struct wgx_worker helpers[WGX_HELPERS_MAX]; /* the control thread's; env is this */
	_Atomic bool asleep[WGX_HELPERS_MAX];
	_Atomic unsigned int n_helpers; /* that run; it does not fall while the open worker runs */
	_Alignas(64) _Atomic uint32_t claims; /* openers.c's */
	unsigned int n; /* listed; the open worker's own */
	size_t work; /* in these: openers.c */
	struct wgx_opening list[WGX_OPENINGS_MAX];
};

extern const struct wgx_worker_ops wgx_helper_ops;

/**
 * wgx_openers_start() - one more helper, of WGX_HELPERS_MAX at most; the control thread
 * @confine: as for wgx_worker_start(). Return: 0 or a negative errno.
 */
int wgx_openers_start(struct wgx_openers *o, int (*confine)(void));
/** wgx_openers_stop() - all helpers end; the open worker has ended before */
void wgx_openers_stop(struct wgx_openers *o);
/** wgx_openers_count() - helpers that run; any thread */
static inline unsigned int wgx_openers_count(const struct wgx_openers *o)
{
	return atomic_load_explicit(&o->n_helpers, memory_order_acquire);
}

/* ---- the open worker's ---- */

/** wgx_openers_next() - where the next message is to be written; there is room for one at least */
static inline struct wgx_opening *wgx_openers_next(struct wgx_openers *o)
{
	return &o->list[o->n];
}
/** wgx_openers_add() - it has been. Return: false where the list is full now */
bool wgx_openers_add(struct wgx_openers *o);
/** wgx_openers_begin() - no more comes for now: from here on helpers decrypt what is listed */
void wgx_openers_begin(struct wgx_openers *o);
/**
 * wgx_openers_wait() - until message @i of the list has been decrypted, by a helper or with @aead
 * Each message of a list is waited for, in turn. Return: 0 or -EBADMSG, as of wgx_aead_open().
 */
int wgx_openers_wait(struct wgx_openers *o, unsigned int i, struct wgx_aead *aead);
/** wgx_openers_end() - all of them have been waited for: the list is empty again */
void wgx_openers_end(struct wgx_openers *o);

#endif
