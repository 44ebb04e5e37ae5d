/* SPDX-License-Identifier: MIT */
#include "proto/keypair.h"

#include <errno.h>
#include "proto/internal.h"

static void release(struct wgx_session *s, struct wgx_keypair *kp)
{
	const struct wgx_local *l = s->local;

	if (!kp)
		return;
	l->up->index_free(l->ctx, kp->local_index);
	l->up->keypair_free(l->ctx, kp);
}

static struct wgx_keypair *current_of(const struct wgx_keypairs *k)
{
	return atomic_load_explicit(&k->current, memory_order_relaxed);
}

static void set_current(struct wgx_keypairs *k, struct wgx_keypair *kp)
{
	atomic_store_explicit(&k->current, kp, memory_order_release);
}

static struct wgx_keypair *next_of(const struct wgx_keypairs *k)
{
	return atomic_load_explicit(&k->next, memory_order_acquire);
}

static void set_next(struct wgx_keypairs *k, struct wgx_keypair *kp)
{
	atomic_store_explicit(&k->next, kp, memory_order_release);
}

/* The response proves that the peer has the keys: use them at once. */
static void add_as_initiator(struct wgx_session *s, struct wgx_keypair *kp)
{
	struct wgx_keypairs *k = &s->keypairs;
	struct wgx_keypair *previous = k->previous, *current = current_of(k), *next = next_of(k);

	set_current(k, kp);
	if (next) {
		/* the peer may already send under it */
		k->previous = next;
		set_next(k, NULL);
		release(s, current);
	} else {
		k->previous = current;
	}
	release(s, previous);
}

/* Nothing proves yet that our response arrived: keep sending under the current one. */
static void add_as_responder(struct wgx_session *s, struct wgx_keypair *kp)
{
	struct wgx_keypairs *k = &s->keypairs;
	struct wgx_keypair *previous = k->previous, *next = next_of(k);

	set_next(k, kp);
	k->previous = NULL;
	release(s, next);
	release(s, previous);
}

void wgx_keypairs_add(struct wgx_session *s, struct wgx_keypair *kp)
{
	if (kp->initiator)
		add_as_initiator(s, kp);
	else
		add_as_responder(s, kp);
}

bool wgx_keypairs_promote(struct wgx_session *s)
{
	struct wgx_keypairs *k = &s->keypairs;
	struct wgx_keypair *next = next_of(k), *previous = k->previous;

	if (!next || !atomic_load_explicit(&next->confirmed, memory_order_acquire))
		return false;
	k->previous = current_of(k);
	set_current(k, next); /* before it is no longer next: see wgx_session_sending_key() */
	set_next(k, NULL);
	release(s, previous);
	return true;
}

void wgx_keypairs_clear(struct wgx_session *s)
{
	struct wgx_keypairs *k = &s->keypairs;
	struct wgx_keypair *next = next_of(k), *current = current_of(k), *previous = k->previous;

	set_next(k, NULL);
	k->previous = NULL;
	set_current(k, NULL);
	release(s, next);
	release(s, current);
	release(s, previous);
}

static bool may_send(const struct wgx_keypair *kp, uint64_t boot)
{
	return !atomic_load_explicit(&kp->send_expired, memory_order_relaxed) &&
	       !wgx_expired(kp->created, WGX_REJECT_AFTER_TIME, boot) &&
	       atomic_load_explicit(&kp->send_counter, memory_order_relaxed) <
		       WGX_REJECT_AFTER_MESSAGES;
}

struct wgx_keypair *wgx_session_sending_key(struct wgx_session *s, uint64_t boot)
{
	struct wgx_keypair *kp = next_of(&s->keypairs);

	/*
	 * Confirmed but not yet promoted: what the peer has just sent under it is answered under it, for a
	 * peer that has been restarted knows no other (P-HS-7).
	 */
	if (!kp || !atomic_load_explicit(&kp->confirmed, memory_order_acquire))
		kp = atomic_load_explicit(&s->keypairs.current, memory_order_acquire);
	return kp && may_send(kp, boot) ? kp : NULL;
}

int wgx_keypair_take(struct wgx_keypair *kp, unsigned int n, uint64_t boot, uint64_t *ret_first)
{
	uint64_t first = atomic_load_explicit(&kp->send_counter, memory_order_relaxed);

	if (!may_send(kp, boot))
		return -EKEYEXPIRED;
	/* not fetch_add: refused takes would in the end carry the counter past 2^64 and begin anew */
	do {
		if (first > WGX_REJECT_AFTER_MESSAGES || n > WGX_REJECT_AFTER_MESSAGES - first)
			return -EKEYEXPIRED;
	} while (!atomic_compare_exchange_weak_explicit(
		&kp->send_counter, &first, first + n, memory_order_relaxed, memory_order_relaxed));
	*ret_first = first;
	return 0;
}

bool wgx_keypair_may_open(const struct wgx_keypair *kp, uint64_t boot)
{
	return !wgx_expired(kp->created, WGX_REJECT_AFTER_TIME, boot) &&
	       kp->replay.next < WGX_REJECT_AFTER_MESSAGES;
}
