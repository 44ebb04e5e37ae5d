/* SPDX-License-Identifier: MIT */
#include "proto/timers.h"

#include <string.h>
#include "proto/internal.h"

/* The lowest bit of unreplied_since: more data came after it. */
#define UNREPLIED_MORE UINT64_C(1)

static uint64_t load(const _Atomic uint64_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static void store(_Atomic uint64_t *v, uint64_t to)
{
	atomic_store_explicit(v, to, memory_order_relaxed);
}

static uint64_t min64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t max64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* 0 to 333 ms, so that two peers that initiated at once do not meet again */
static uint64_t jitter(const struct wgx_session *s)
{
	uint32_t r;

	s->local->up->random(s->local->ctx, &r, sizeof(r));
	return ((uint64_t)r * WGX_REKEY_JITTER) >> 32;
}

/* ---- any thread ---- */

/*
 * A worker stores what happened and then reads @armed; wgx_session_run() resets @armed and then reads
 * what happened. With sequential consistency one of them sees the other, so no deadline is lost.
 */
void wgx_timers_arm(struct wgx_session *s, uint64_t deadline)
{
	uint64_t armed = atomic_load(&s->timers.armed);

	do {
		if (deadline >= armed)
			return;
	} while (!atomic_compare_exchange_weak(&s->timers.armed, &armed, deadline));
	s->local->up->wake(s->local->ctx, s);
}

void wgx_timers_want(struct wgx_session *s, enum wgx_want want)
{
	if (!(atomic_fetch_or(&s->timers.wants, want) & want))
		s->local->up->wake(s->local->ctx, s);
}

bool wgx_timers_may_initiate(const struct wgx_timers *t, uint64_t boot)
{
	const uint64_t last = load(&t->last_initiated);

	return !last || wgx_expired(last, WGX_REKEY_TIMEOUT, boot);
}

void wgx_timers_data_sent(struct wgx_session *s, uint64_t boot)
{
	uint64_t none = 0;

	if (!load(&s->timers.unanswered_since) &&
	    atomic_compare_exchange_strong(&s->timers.unanswered_since, &none, max64(boot, 1)))
		wgx_timers_arm(s, boot + WGX_NEW_HANDSHAKE_AFTER);
}

void wgx_timers_data_received(struct wgx_session *s, uint64_t boot)
{
	_Atomic uint64_t *since = &s->timers.unreplied_since;
	uint64_t v = load(since);

	if (v & UNREPLIED_MORE)
		return;
	/* where the seal worker sends meanwhile, either order is a right one: no second try */
	if (v)
		atomic_compare_exchange_strong(since, &v, v | UNREPLIED_MORE);
	else if (atomic_compare_exchange_strong(since, &v, max64(boot & ~UNREPLIED_MORE, 2)))
		wgx_timers_arm(s, boot + WGX_KEEPALIVE_TIMEOUT);
}

void wgx_timers_any_sent(struct wgx_session *s, uint64_t boot)
{
	store(&s->timers.last_sent, boot);
	if (load(&s->timers.unreplied_since))
		store(&s->timers.unreplied_since, 0);
}

void wgx_timers_any_received(struct wgx_session *s, uint64_t boot)
{
	store(&s->timers.last_received, boot);
	if (load(&s->timers.unanswered_since))
		store(&s->timers.unanswered_since, 0);
}

/* ---- under the lock ---- */

static void all_off(struct wgx_timers *t)
{
	t->initiate_at = WGX_NEVER;
	t->zero_at = WGX_NEVER;
	t->expires_at = WGX_NEVER;
	t->unanswered_seen = 0;
	t->attempts = 0;
	t->persistent_now = false;
	t->staged = false;
	store(&t->unanswered_since, 0);
	store(&t->unreplied_since, 0);
	store(&t->last_initiated, 0);
	atomic_store(&t->wants, 0);
	atomic_store(&t->last_minute_sent, false);
}

void wgx_timers_init(struct wgx_timers *t)
{
	memset(t, 0, sizeof(*t));
	all_off(t);
	store(&t->armed, WGX_NEVER);
}

void wgx_timers_start(struct wgx_session *s)
{
	struct wgx_timers *t = &s->timers;

	if (t->running)
		return;
	all_off(t);
	t->running = true;
	t->persistent_now = t->persistent != 0;
	wgx_timers_arm(s, wgx_timers_next(s));
}

void wgx_timers_stop(struct wgx_session *s)
{
	s->timers.running = false;
	all_off(&s->timers);
}

void wgx_timers_session_derived(struct wgx_timers *t, uint64_t boot)
{
	t->zero_at = boot + WGX_ZERO_AFTER;
}

void wgx_timers_handshake_complete(struct wgx_timers *t, const struct wgx_now *now)
{
	t->initiate_at = WGX_NEVER;
	t->attempts = 0;
	atomic_fetch_and(&t->wants, ~(unsigned int)WGX_WANT_REKEY);
	atomic_store(&t->last_minute_sent, false);
	store(&t->last_handshake, now->real);
}

void wgx_timers_retry(struct wgx_session *s)
{
	struct wgx_timers *t = &s->timers;

	t->initiate_at = load(&t->last_initiated) + WGX_REKEY_TIMEOUT + jitter(s);
}

/* P-TM-4 */
static uint64_t unanswered_deadline(struct wgx_session *s)
{
	struct wgx_timers *t = &s->timers;
	const uint64_t since = atomic_load(&t->unanswered_since);

	if (!since)
		return WGX_NEVER;
	if (since != t->unanswered_seen) {
		t->unanswered_seen = since;
		t->unanswered_jitter = jitter(s);
	}
	return since + WGX_NEW_HANDSHAKE_AFTER + t->unanswered_jitter;
}

/* P-TM-5 */
static uint64_t unreplied_deadline(const struct wgx_timers *t)
{
	const uint64_t since = atomic_load(&t->unreplied_since);

	return since ? (since & ~UNREPLIED_MORE) + WGX_KEEPALIVE_TIMEOUT : WGX_NEVER;
}

/* P-TM-7 */
static uint64_t persistent_deadline(const struct wgx_timers *t)
{
	if (!t->persistent)
		return WGX_NEVER;
	if (t->persistent_now)
		return 0;
	return max64(t->persistent_from, max64(load(&t->last_sent), load(&t->last_received))) +
	       t->persistent;
}

uint64_t wgx_timers_next(struct wgx_session *s)
{
	const struct wgx_timers *t = &s->timers;
	uint64_t next = min64(t->initiate_at, t->zero_at);

	next = min64(next, t->expires_at);
	next = min64(next, unanswered_deadline(s));
	next = min64(next, unreplied_deadline(t));
	return min64(next, persistent_deadline(t));
}

static void run_zero(struct wgx_session *s, const struct wgx_now *now)
{
	if (now->boot < s->timers.zero_at)
		return;
	s->timers.zero_at = WGX_NEVER;
	wgx_session_forget_keys(s);
}

static void run_expires(struct wgx_session *s, const struct wgx_now *now)
{
	if (now->boot >= s->timers.expires_at)
		wgx_session_tell_expired(s);
}

static void give_up(struct wgx_session *s, const struct wgx_now *now)
{
	struct wgx_timers *t = &s->timers;

	t->initiate_at = WGX_NEVER;
	t->staged = false;
	store(&t->unreplied_since, 0);
	s->local->up->drop_staged(s->local->ctx, s);
	if (t->zero_at == WGX_NEVER)
		t->zero_at = now->boot + WGX_ZERO_AFTER;
	s->local->up->tell(s->local->ctx, s, WGX_SESSION_UNANSWERED);
}

/* P-TM-1. Twenty initiations go out before we give up: the Linux driver counts so. */
static void run_initiate(struct wgx_session *s, const struct wgx_now *now)
{
	struct wgx_timers *t = &s->timers;
	unsigned int wants;

	if (now->boot < t->initiate_at)
		return;
	wants = atomic_fetch_and(&t->wants, ~(unsigned int)(WGX_WANT_KEY | WGX_WANT_REKEY)) &
		(WGX_WANT_KEY | WGX_WANT_REKEY);
	if (wants) /* there was new data since the last one */
		t->attempts = 0;
	if (wants & WGX_WANT_KEY)
		t->staged = true;
	if (t->attempts > WGX_MAX_ATTEMPTS) {
		give_up(s, now);
		return;
	}
	t->attempts++;
	s->local->up->clear_source(s->local->ctx, s);
	if (wgx_timers_may_initiate(t, now->boot))
		wgx_session_initiate(s, now);
	else /* we have responded meanwhile */
		wgx_timers_retry(s);
}

static void run_unanswered(struct wgx_session *s, const struct wgx_now *now)
{
	struct wgx_timers *t = &s->timers;
	uint64_t since;

	if (now->boot < unanswered_deadline(s))
		return;
	since = t->unanswered_seen;
	if (!atomic_compare_exchange_strong(&t->unanswered_since, &since, 0))
		return; /* an answer came at this moment */
	s->local->up->clear_source(s->local->ctx, s);
	wgx_session_attempt(s, now);
}

static void run_unreplied(struct wgx_session *s, const struct wgx_now *now)
{
	struct wgx_timers *t = &s->timers;
	uint64_t since;

	if (now->boot < unreplied_deadline(t))
		return;
	since = atomic_exchange(&t->unreplied_since, 0);
	wgx_session_keepalive(s, now);
	if (since & UNREPLIED_MORE) /* what came last shall have its answer too */
		atomic_store(&t->unreplied_since, max64(now->boot & ~UNREPLIED_MORE, 2));
}

static void run_persistent(struct wgx_session *s, const struct wgx_now *now)
{
	struct wgx_timers *t = &s->timers;

	if (now->boot < persistent_deadline(t))
		return;
	t->persistent_now = false;
	t->persistent_from = now->boot;
	wgx_session_keepalive(s, now);
}

static uint64_t publish(struct wgx_timers *t, uint64_t next)
{
	uint64_t armed = atomic_load(&t->armed);

	do {
		if (next >= armed)
			return armed; /* a worker wants to be served before */
	} while (!atomic_compare_exchange_weak(&t->armed, &armed, next));
	return next;
}

uint64_t wgx_timers_run(struct wgx_session *s, const struct wgx_now *now)
{
	run_zero(s, now);
	run_initiate(s, now);
	run_unanswered(s, now);
	run_unreplied(s, now);
	run_persistent(s, now);
	run_expires(s, now);
	return publish(&s->timers, wgx_timers_next(s));
}
