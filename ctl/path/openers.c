/* SPDX-License-Identifier: MIT */
#include "path/openers.h"

#include <errno.h>
#include <sched.h>
#include "path/aead.h"
#include "path/counters.h"
#include "proto/keypair.h"

_Static_assert(sizeof(struct wgx_opening) == 64, "one cache line each");

/* Messages that are claimed at once: so many may wait for a helper that has lost its processor. */
#define CLAIM 4
/* What a message costs beside its bytes, in bytes: opening 64 and 1424 takes 171 and 701 ns (aead_avx2.c). */
#define MESSAGE_WORK 384
/* A list has one helper for each so much work: 36 full messages or 146 of 64 bytes, 13 to 25 us of one thread. */
#define HELPER_WORK 65536
/*
 * And none is woken for less than two of these, which is more than one superframe has: where the worker keeps up, it is by
 * itself. Waking costs it 20 us and more in a virtual machine with busy processors (stages, selftests/bench), which helps
 * from some 70 full messages on.
 */
#define WAKE_WORK (2 * HELPER_WORK)
/* Rounds until a helper sleeps: as long as the worker injects a full list and takes the next, some 200 us. An estimate */
#define SPIN_ROUNDS 1000
/* How often the worker looks whether a helper is done, until it offers its processor to others */
#define WAIT_TURNS 64

enum { PENDING, OPENED, FORGED };

/*
 * wgx_openers.claims: the first message that nobody has claimed, and above CLAIM_BITS how many are listed. Who adds
 * CLAIM to it has claimed those of the list that the old value speaks of, whichever that is by now. Who finds nothing
 * does not add: so it overflows not.
 */
#define CLAIM_BITS 16

static uint32_t first_of(uint32_t claims)
{
	return claims & ((1u << CLAIM_BITS) - 1);
}

static uint32_t listed_of(uint32_t claims)
{
	return claims >> CLAIM_BITS;
}

static void decrypt(struct wgx_opening *m, struct wgx_aead *aead)
{
	int err =
		wgx_aead_open(aead, m->kp->recv_key, m->counter, m->payload, m->payload, m->plain);

	atomic_store_explicit(&m->state, err ? FORGED : OPENED, memory_order_release);
}

/* Some that nobody has claimed. Return: how many it was; 0: there are none */
static unsigned int decrypt_some(struct wgx_openers *o, struct wgx_aead *aead)
{
	uint32_t claims = atomic_load_explicit(&o->claims, memory_order_relaxed), first, end;

	if (first_of(claims) >= listed_of(claims))
		return 0;
	claims = atomic_fetch_add_explicit(&o->claims, CLAIM, memory_order_acquire);
	first = first_of(claims);
	end = first + CLAIM < listed_of(claims) ? first + CLAIM : listed_of(claims);
	for (uint32_t i = first; i < end; i++)
		decrypt(&o->list[i], aead);
	return first < end ? end - first : 0;
}

/* ---- the open worker's ---- */

bool wgx_openers_add(struct wgx_openers *o)
{
	struct wgx_opening *m = &o->list[o->n++];

	atomic_store_explicit(&m->state, PENDING, memory_order_relaxed);
	o->work += m->plain + MESSAGE_WORK;
	return o->n < WGX_OPENINGS_MAX;
}

/* A flag that is seen late costs a list some help, and no more. */
static void wake_helpers(struct wgx_openers *o)
{
	unsigned int n = wgx_openers_count(o);
	size_t enough = o->work < WAKE_WORK ? 0 : o->work / HELPER_WORK;

	for (unsigned int i = 0; i < n && i < enough; i++) {
		if (!atomic_load_explicit(&o->asleep[i], memory_order_relaxed))
			continue;
		atomic_store_explicit(&o->asleep[i], false, memory_order_relaxed);
		wgx_worker_wake(&o->helpers[i]);
	}
}

void wgx_openers_begin(struct wgx_openers *o)
{
	/* as few as would be claimed at once are the worker's: nobody else may claim them and lose its processor */
	if (o->n <= CLAIM)
		return;
	atomic_store_explicit(&o->claims, o->n << CLAIM_BITS, memory_order_release);
	wake_helpers(o);
}

static void pause_some(unsigned int *turns)
{
	if (++*turns % WAIT_TURNS)
		wgx_relax();
	else
		sched_yield();
}

int wgx_openers_wait(struct wgx_openers *o, unsigned int i, struct wgx_aead *aead)
{
	struct wgx_opening *m = &o->list[i];
	unsigned int turns = 0;
	uint8_t state;

	if (o->n <= CLAIM)
		decrypt(m, aead);
	while ((state = atomic_load_explicit(&m->state, memory_order_acquire)) == PENDING)
		if (!decrypt_some(o, aead))
			pause_some(&turns);
	return state == OPENED ? 0 : -EBADMSG;
}

void wgx_openers_end(struct wgx_openers *o)
{
	o->n = 0;
	o->work = 0;
}

/* ---- a helper's ---- */

static int helper_start(struct wgx_worker *w)
{
	w->state = wgx_aead_create();
	return w->state ? 0 : -ENOMEM;
}

static unsigned int helper_serve(struct wgx_worker *w, const struct wgx_port *port)
{
	return 0; /* it has no ports */
}

static unsigned int helper_between(struct wgx_worker *w, const struct wgx_portset *set)
{
	struct wgx_openers *o = w->env;
	unsigned int n, sum = 0;

	while ((n = decrypt_some(o, w->state)))
		sum += n;
	if (sum)
		wgx_count(&w->helped, sum);
	return sum;
}

static int helper_idle(struct wgx_worker *w, const struct wgx_portset *set)
{
	struct wgx_openers *o = w->env;

	atomic_store_explicit(&o->asleep[w->number - 1], true, memory_order_relaxed);
	return -1;
}

static void helper_stop(struct wgx_worker *w)
{
	wgx_aead_destroy(w->state);
}

const struct wgx_worker_ops wgx_helper_ops = {
	.name = "wgx-open", /* the open worker is the first */
	.spin = SPIN_ROUNDS,
	.start = helper_start,
	.serve = helper_serve,
	.between = helper_between,
	.idle = helper_idle,
	.stop = helper_stop,
};

int wgx_openers_start(struct wgx_openers *o, int (*confine)(void))
{
	unsigned int n = wgx_openers_count(o);
	int err = wgx_worker_start(&o->helpers[n], &wgx_helper_ops, n + 1, o, confine);

	if (!err)
		atomic_store_explicit(&o->n_helpers, n + 1, memory_order_release);
	return err;
}

void wgx_openers_stop(struct wgx_openers *o)
{
	unsigned int n = wgx_openers_count(o);

	while (n)
		wgx_worker_stop(&o->helpers[--n]);
	atomic_store_explicit(&o->n_helpers, 0, memory_order_relaxed);
}
