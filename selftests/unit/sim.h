/* SPDX-License-Identifier: MIT */
/*
 * Two WireGuard peers over a simulated network, in simulated time: seeded, so that a failure repeats.
 *
 *	hosts[0] ── loss, delay, duplication, reordering ── hosts[1]
 *
 * Each host plays the daemon (indices, keypairs, staged packets, wake-ups) and its workers, by a clock of
 * its own. Whatever must hold at all times is asserted here and in sim_ledger.h: no nonce twice under one
 * key, no key past its life, nothing accepted twice, initiations apart, keypairs and indices freed once,
 * and each slot in a state that it may have.
 */
#ifndef WGX_SELFTESTS_SIM_H
#define WGX_SELFTESTS_SIM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <endian.h>
#include <errno.h>
#include "proto/data.h"
#include "receive.h"
#include "proto/session.h"
#include "sim_ledger.h"

#define SIM_MS UINT64_C(1000000)
#define SIM_S WGX_SECOND
#define SIM_START (1000 * SIM_S) /* boot time at which a simulation begins */
#define SIM_EPOCH (UINT64_C(1700000000) * SIM_S) /* Unix time at boot time 0 */
#define SIM_INDICES 16
#define SIM_TIMES 256
#ifndef SIM_RUNS_A_MINUTE
#define SIM_RUNS_A_MINUTE 200
#endif
/* 1: a host's first key is the same in each simulation, and so are the second and those after it: fuzz/dh_memo.h */
#ifndef SIM_KEYS_BY_NUMBER
#define SIM_KEYS_BY_NUMBER 0
#endif
#define SIM_STAGED_MAX 128
#define SIM_PAYLOAD 16
#define SIM_MSG_MAX 160

struct sim;

struct sim_index {
	bool used;
	uint32_t index;
	struct wgx_session *session;
	struct wgx_keypair *kp;
	uint64_t bound; /* when it came to have @kp, by the host's clock */
};

/* every message a host sent: [type] */
struct sim_sent {
	unsigned int count;
	uint64_t at[SIM_TIMES]; /* boot ns of the first SIM_TIMES */
	uint8_t last[SIM_MSG_MAX];
	size_t last_len;
};

struct sim_host {
	struct sim *sim;
	unsigned int id;
	struct wgx_local *local;
	struct wgx_session *session;
	struct wgx_from address; /* as the other one sees it */
	int ppm; /* how much faster than the simulation its clock runs */
	struct sim_index indices[SIM_INDICES];
	struct wgx_keypair *keypairs[SIM_INDICES];
	unsigned int indices_live, indices_most, keypairs_live;
	bool fail_index, fail_keypair;
	bool knows_peer, knows_endpoint;
	bool under_load;
	bool deaf; /* nothing reaches it */
	uint32_t keys; /* of SIM_KEYS_BY_NUMBER: how many there were */
	bool taking_over; /* from a process that was it before */
	unsigned int staged;
	uint8_t reserved[WGX_TIMESTAMP_LEN]; /* the latest stamp: outlives the session */
	uint64_t deadline; /* of wgx_session_run(), by its own clock */
	bool woken;
	uint64_t woken_at;
	struct sim_sent sent[5]; /* by message type */
	uint64_t quiet_until; /* no initiation before (P-TM-1), by its own clock */
	unsigned int keepalives_sent, keepalives_received, data_sent, data_received;
	unsigned int runs_a_minute; /* the most that there were */
	uint64_t minute; /* the one that is being counted, and */
	unsigned int runs_in_minute; /* how many there were in it */
	unsigned int wakes, runs, drops, dropped, endpoints_set, sources_cleared, flushes;
	unsigned int told[3]; /* by enum wgx_session_news */
	uint64_t told_at[3]; /* the last time, by the simulation's clock */
	unsigned int results[4]; /* by enum wgx_handshake_result */
	int open_error; /* of the last data message refused */
};

struct sim_packet {
	uint64_t at;
	unsigned int to;
	size_t len;
	uint8_t data[SIM_MSG_MAX];
};

struct sim {
	uint64_t boot;
	uint64_t epoch; /* real time at boot 0 */
	uint64_t rng;
	struct sim_host hosts[2];
	struct sim_packet *packets;
	size_t n_packets, room;
	unsigned int loss, duplicate; /* in 1000 */
	uint64_t delay_min, delay_max;
	uint64_t wake_delay_max;
	struct ledger ledger;
};

static inline uint64_t sim_next(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15); /* SplitMix64 */

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline uint64_t sim_random(struct sim *sim)
{
	return sim_next(&sim->rng);
}

/* 0 to @below - 1; @below of 0 gives 0 */
static inline uint64_t sim_below(struct sim *sim, uint64_t below)
{
	return below ? sim_random(sim) % below : 0;
}

static inline struct wgx_now sim_now(const struct sim *sim)
{
	return (struct wgx_now){.boot = sim->boot, .real = sim->epoch + sim->boot};
}

/* ---- a host's own clock ---- */

static inline uint64_t sim_boot(const struct sim_host *h)
{
	const int64_t passed = h->sim->boot - SIM_START;

	return h->sim->boot + passed * h->ppm / 1000000;
}

/* The time of the simulation at which @h's clock will show @boot, or a little more. */
static inline uint64_t sim_time_of(const struct sim_host *h, uint64_t boot)
{
	if (!h->ppm || boot == WGX_NEVER || boot < SIM_START)
		return boot;
	return SIM_START + (unsigned __int128)(boot - SIM_START) * 1000000 / (1000000 + h->ppm) + 2;
}

static inline struct wgx_now sim_host_now(const struct sim_host *h)
{
	return (struct wgx_now){.boot = sim_boot(h), .real = h->sim->epoch + sim_boot(h)};
}

/* ---- the network ---- */

static inline void sim_enqueue(struct sim *sim, unsigned int to, const void *msg, size_t len)
{
	struct sim_packet *p;

	if (sim->n_packets == sim->room) {
		sim->room = sim->room ? 2 * sim->room : 64;
		sim->packets = realloc(sim->packets, sim->room * sizeof(*sim->packets));
		assert_non_null(sim->packets);
	}
	p = &sim->packets[sim->n_packets++];
	p->at = sim->boot + sim->delay_min + sim_below(sim, sim->delay_max - sim->delay_min + 1);
	p->to = to;
	p->len = len;
	assert_true(len <= sizeof(p->data));
	memcpy(p->data, msg, len);
}

static inline void sim_transmit(struct sim_host *h, const void *msg, size_t len)
{
	struct sim *sim = h->sim;
	struct sim_sent *sent = &h->sent[*(const uint8_t *)msg];

	assert_in_range(*(const uint8_t *)msg, WGX_MSG_INITIATION, WGX_MSG_DATA);
	if (sent == &h->sent[WGX_MSG_INITIATION])
		assert_true(sim_boot(h) >= h->quiet_until);
	if (sent <= &h->sent[WGX_MSG_RESPONSE]) /* nor soon after we responded, as the driver */
		h->quiet_until = sim_boot(h) + 5 * SIM_S;
	if (sent->count < SIM_TIMES)
		sent->at[sent->count] = sim->boot;
	sent->count++;
	memcpy(sent->last, msg, len);
	sent->last_len = len;
	if (sim_below(sim, 1000) < sim->loss)
		return;
	sim_enqueue(sim, !h->id, msg, len);
	while (sim_below(sim, 1000) < sim->duplicate)
		sim_enqueue(sim, !h->id, msg, len);
}

static inline uint64_t sim_nonce(const uint8_t *msg)
{
	uint64_t nonce;

	memcpy(&nonce, msg + offsetof(struct wgx_msg_data, counter), sizeof(nonce));
	return le64toh(nonce);
}

/* ---- the workers ---- */

static inline bool sim_seal(struct sim_host *h, const void *plain, size_t len)
{
	uint8_t msg[SIM_PAYLOAD + WGX_DATA_OVERHEAD];
	const uint64_t boot = sim_boot(h);
	struct wgx_keypair *kp = wgx_session_sending_key(h->session, boot);

	if (!kp || wgx_data_seal(kp, plain, len, boot, msg))
		return false;
	ledger_seal(&h->sim->ledger, h->id, kp->send_key, sim_nonce(msg), boot);
	sim_transmit(h, msg, len + WGX_DATA_OVERHEAD);
	wgx_session_note_sent(h->session, kp, boot, len != 0);
	if (len)
		h->data_sent++;
	else
		h->keepalives_sent++;
	return true;
}

/* One packet of the application; staged where there is no key. */
static inline void sim_send(struct sim_host *h)
{
	static const uint8_t payload[SIM_PAYLOAD] = "data";

	if (sim_seal(h, payload, sizeof(payload)))
		return;
	if (h->staged < SIM_STAGED_MAX)
		h->staged++;
	wgx_session_want_handshake(h->session, sim_boot(h));
}

static inline struct sim_index *sim_index_find(struct sim_host *h, uint32_t index)
{
	for (size_t i = 0; i < SIM_INDICES; i++) {
		if (h->indices[i].used && h->indices[i].index == index)
			return &h->indices[i];
	}
	return NULL;
}

static inline void sim_receive_data(struct sim_host *h, const uint8_t *msg, size_t len)
{
	const uint64_t boot = sim_boot(h);
	uint8_t plain[SIM_MSG_MAX];
	struct sim_index *ix;
	uint32_t index;

	memcpy(&index, msg + offsetof(struct wgx_msg_data, receiver), sizeof(index));
	ix = sim_index_find(h, le32toh(index));
	if (!ix || !ix->kp)
		return;
	h->open_error = wgx_data_open(ix->kp, msg, len, boot, plain);
	if (h->open_error)
		return;
	ledger_open(&h->sim->ledger, h->id, ix->kp->recv_key, sim_nonce(msg), ix->bound, boot);
	if (len > WGX_DATA_OVERHEAD)
		h->data_received++;
	else
		h->keepalives_received++;
	h->knows_endpoint = true; /* P-DT-1 */
	wgx_session_note_received(h->session, ix->kp, boot, len > WGX_DATA_OVERHEAD);
}

static inline enum wgx_handshake_result sim_receive(struct sim_host *h, const void *msg, size_t len)
{
	const struct wgx_now now = sim_host_now(h);
	enum wgx_handshake_result r;

	if (*(const uint8_t *)msg == WGX_MSG_DATA) {
		sim_receive_data(h, msg, len);
		return WGX_HS_OK;
	}
	r = receive_handshake(h->local, msg, len, &h->sim->hosts[!h->id].address, h->under_load,
			      &now, NULL);
	h->results[r]++;
	return r;
}

/* ---- upcalls ---- */

static inline struct wgx_session *sim_find_key(void *ctx, const uint8_t key[WGX_KEY_LEN])
{
	struct sim_host *h = ctx;

	return h->knows_peer && !memcmp(key, h->session->handshake.remote_static, WGX_KEY_LEN)
		       ? h->session
		       : NULL;
}

static inline struct wgx_session *sim_find_index(void *ctx, uint32_t index,
						 struct wgx_keypair **ret_kp)
{
	struct sim_index *ix = sim_index_find(ctx, index);

	if (!ix)
		return NULL;
	*ret_kp = ix->kp;
	return ix->session;
}

static inline int sim_index_new(void *ctx, struct wgx_session *s, uint32_t *ret_index)
{
	struct sim_host *h = ctx;

	if (h->fail_index)
		return -1;
	do
		*ret_index = sim_random(h->sim);
	while (sim_index_find(h, *ret_index));
	for (size_t i = 0; i < SIM_INDICES; i++) {
		if (h->indices[i].used)
			continue;
		h->indices[i] = (struct sim_index){true, *ret_index, s, NULL, 0};
		if (++h->indices_live > h->indices_most)
			h->indices_most = h->indices_live;
		return 0;
	}
	fail_msg("index leaked");
	return -1;
}

static inline int sim_index_claim(void *ctx, struct wgx_session *s, uint32_t index)
{
	struct sim_host *h = ctx;

	assert_true(h->taking_over);
	if (sim_index_find(h, index))
		return -EEXIST;
	for (size_t i = 0; i < SIM_INDICES; i++) {
		if (h->indices[i].used)
			continue;
		h->indices[i] = (struct sim_index){true, index, s, NULL, 0};
		h->indices_live++;
		return 0;
	}
	return -ENOMEM;
}

static inline void sim_index_bind(void *ctx, uint32_t index, struct wgx_keypair *kp)
{
	struct sim_host *h = ctx;
	struct sim_index *ix = sim_index_find(h, index);

	assert_non_null(ix);
	assert_null(ix->kp);
	assert_int_equal(kp->local_index, index);
	ix->kp = kp;
	ix->bound = sim_boot(h);
	if (!h->taking_over) /* else it goes on where it was */
		ledger_born(&h->sim->ledger, h->id, kp->send_key, ix->bound);
}

static inline void sim_index_free(void *ctx, uint32_t index)
{
	struct sim_host *h = ctx;
	struct sim_index *ix = sim_index_find(h, index);

	assert_non_null(ix); /* P-HS-5: freed once */
	ix->used = false;
	h->indices_live--;
}

static inline struct wgx_keypair *sim_keypair_new(void *ctx)
{
	struct sim_host *h = ctx;
	struct wgx_keypair *kp;

	if (h->fail_keypair)
		return NULL;
	kp = aligned_alloc(_Alignof(struct wgx_keypair), sizeof(*kp));
	assert_non_null(kp);
	memset(kp, 0, sizeof(*kp));
	for (size_t i = 0; i < SIM_INDICES; i++) {
		if (h->keypairs[i])
			continue;
		h->keypairs[i] = kp;
		h->keypairs_live++;
		return kp;
	}
	fail_msg("keypair leaked");
	return NULL;
}

static inline void sim_keypair_free(void *ctx, struct wgx_keypair *kp)
{
	struct sim_host *h = ctx;

	for (size_t i = 0; i < SIM_INDICES; i++)
		assert_false(h->indices[i].used && h->indices[i].kp == kp);
	for (size_t i = 0; i < SIM_INDICES; i++) {
		if (h->keypairs[i] != kp)
			continue;
		h->keypairs[i] = NULL;
		h->keypairs_live--;
		free(kp);
		return;
	}
	fail_msg("keypair freed twice");
}

static inline void sim_send_handshake(void *ctx, struct wgx_session *s, const void *msg, size_t len)
{
	struct sim_host *h = ctx;

	assert_ptr_equal(s, h->session);
	if (h->knows_endpoint)
		sim_transmit(h, msg, len);
}

static inline void sim_send_reply(void *ctx, const struct wgx_from *to, const void *msg, size_t len)
{
	struct sim_host *h = ctx;

	assert_ptr_equal(to->endpoint, &h->sim->hosts[!h->id]);
	sim_transmit(h, msg, len);
}

static inline void sim_send_keepalive(void *ctx, struct wgx_session *s)
{
	assert_true(sim_seal(ctx, NULL, 0));
}

static inline void sim_flush_staged(void *ctx, struct wgx_session *s)
{
	struct sim_host *h = ctx;
	unsigned int n = h->staged;

	h->flushes++;
	h->staged = 0;
	if (!n)
		sim_send_keepalive(ctx, s);
	while (n--)
		sim_send(h);
}

static inline void sim_drop_staged(void *ctx, struct wgx_session *s)
{
	struct sim_host *h = ctx;

	h->drops++;
	h->dropped += h->staged;
	h->staged = 0;
}

static inline void sim_set_endpoint(void *ctx, struct wgx_session *s, const struct wgx_from *from)
{
	struct sim_host *h = ctx;

	assert_ptr_equal(from->endpoint, &h->sim->hosts[!h->id]);
	h->endpoints_set++;
	h->knows_endpoint = true;
}

static inline void sim_clear_source(void *ctx, struct wgx_session *s)
{
	struct sim_host *h = ctx;

	h->sources_cleared++;
}

static inline void sim_stamp_floor(void *ctx, uint8_t stamp[WGX_TIMESTAMP_LEN])
{
	struct sim_host *h = ctx;

	wgx_stamp_raise(stamp, h->reserved);
}

static inline void sim_stamp_reserve(void *ctx, const uint8_t stamp[WGX_TIMESTAMP_LEN])
{
	struct sim_host *h = ctx;

	wgx_stamp_raise(h->reserved, stamp);
}

static inline void sim_tell(void *ctx, struct wgx_session *s, enum wgx_session_news news)
{
	struct sim_host *h = ctx;

	h->told[news]++;
	h->told_at[news] = h->sim->boot;
}

static inline void sim_wake(void *ctx, struct wgx_session *s)
{
	struct sim_host *h = ctx;

	h->wakes++;
	if (h->woken)
		return;
	h->woken = true;
	h->woken_at = h->sim->boot + sim_below(h->sim, h->sim->wake_delay_max + 1);
}

static inline void sim_random_bytes(void *ctx, void *buf, size_t len)
{
	struct sim_host *h = ctx;
	uint64_t nth, *state = &h->sim->rng;
	uint8_t *p = buf;

	if (SIM_KEYS_BY_NUMBER && len == WGX_KEY_LEN) {
		nth = (uint64_t)(2 * h->keys++ + h->id) << 32;
		state = &nth;
	}
	while (len--)
		*p++ = sim_next(state);
}

static const struct wgx_upcalls sim_upcalls = {
	.find_key = sim_find_key,
	.find_index = sim_find_index,
	.index_new = sim_index_new,
	.index_claim = sim_index_claim,
	.index_bind = sim_index_bind,
	.index_free = sim_index_free,
	.keypair_new = sim_keypair_new,
	.keypair_free = sim_keypair_free,
	.send_handshake = sim_send_handshake,
	.send_reply = sim_send_reply,
	.send_keepalive = sim_send_keepalive,
	.flush_staged = sim_flush_staged,
	.drop_staged = sim_drop_staged,
	.set_endpoint = sim_set_endpoint,
	.clear_source = sim_clear_source,
	.stamp_floor = sim_stamp_floor,
	.stamp_reserve = sim_stamp_reserve,
	.tell = sim_tell,
	.wake = sim_wake,
	.random = sim_random_bytes,
};

/* Link down, a new peer or another key: the next initiation need not wait. */
static inline void sim_may_initiate(struct sim_host *h)
{
	h->quiet_until = 0;
}

/* ---- life ---- */

static inline void sim_host_init(struct sim *sim, unsigned int id)
{
	const struct wgx_now now = sim_now(sim);
	struct sim_host *h = &sim->hosts[id];
	uint8_t key[WGX_KEY_LEN];

	h->sim = sim;
	h->id = id;
	h->deadline = WGX_NEVER;
	h->address = (struct wgx_from){.cookie_id = {192, 0, 2, id, 0xca, 0x6c},
				       .cookie_id_len = 6,
				       .limit_id = id,
				       .endpoint = h};
	h->local = malloc(sizeof(*h->local));
	h->session = malloc(sizeof(*h->session));
	assert_true(h->local && h->session);
	wgx_local_init(h->local, &sim_upcalls, h, &now);
	sim_random_bytes(h, key, sizeof(key));
	wgx_local_set_key(h->local, key);
	h->knows_peer = true;
	h->knows_endpoint = true;
}

/* Two peers that know each other, both up, on a perfect network of 10 ms. */
static inline struct sim *sim_new(uint64_t seed)
{
	struct sim *sim = calloc(1, sizeof(*sim));
	struct wgx_now now;

	assert_non_null(sim);
	sim->rng = seed;
	sim->boot = SIM_START;
	sim->epoch = SIM_EPOCH;
	sim->delay_min = sim->delay_max = 10 * SIM_MS;
	for (unsigned int id = 0; id < 2; id++)
		sim_host_init(sim, id);
	now = sim_now(sim);
	for (unsigned int id = 0; id < 2; id++) {
		struct sim_host *h = &sim->hosts[id];

		wgx_session_init(h->session, h->local, sim->hosts[!id].local->public_key, &now);
		wgx_session_start(h->session, &now);
	}
	return sim;
}

/* Stops both, and asserts that nothing is left of what they were given. */
static inline void sim_free(struct sim *sim)
{
	for (unsigned int id = 0; id < 2; id++) {
		struct sim_host *h = &sim->hosts[id];

		wgx_session_stop(h->session);
		assert_int_equal(h->indices_live, 0);
		assert_int_equal(h->keypairs_live, 0);
		assert_true(h->indices_most <= 4); /* three keypairs and a handshake */
		free(h->session);
		free(h->local);
	}
	free(sim->packets);
	ledger_free(&sim->ledger);
	free(sim);
}

/* ---- what holds between any two events ---- */

static inline unsigned int sim_check_slot(const struct sim_host *h, const struct wgx_keypair *kp)
{
	const struct sim_index *ix;

	if (!kp)
		return 0;
	ix = sim_index_find((struct sim_host *)h, kp->local_index);
	assert_non_null(ix);
	assert_ptr_equal(ix->kp, kp);
	assert_ptr_equal(kp->session, h->session);
	return 1;
}

/* P-TM-6: all that a session left goes 540 s after the last one began. */
static inline void sim_check_age(const struct sim_host *h, const struct wgx_keypair *kp)
{
	if (kp)
		assert_true(sim_boot(h) <= kp->created + 540 * SIM_S + SIM_MS);
}

static inline void sim_check_host(const struct sim_host *h)
{
	const struct wgx_keypairs *k = &h->session->keypairs;
	const struct wgx_keypair *current = atomic_load(&k->current), *previous = k->previous;
	const struct wgx_handshake *hs = &h->session->handshake;
	unsigned int slots = sim_check_slot(h, current) + sim_check_slot(h, previous) +
			     sim_check_slot(h, k->next);

	/* P-HS-5, P-HS-7 */
	assert_int_equal(h->keypairs_live, slots);
	assert_int_equal(h->indices_live, slots + hs->has_index);
	if (current) {
		assert_true(current->initiator || atomic_load(&current->confirmed));
		assert_ptr_not_equal(current, previous);
	}
	if (k->next) {
		assert_false(k->next->initiator);
		assert_null(previous);
		assert_ptr_not_equal(k->next, current);
	}
	sim_check_age(h, k->next ? k->next : current);
	/* P-HS-10: an exchange is under way, or there is nothing of one */
	if (hs->state == WGX_HS_CREATED_INITIATION) {
		assert_true(hs->has_index);
		return;
	}
	assert_int_equal(hs->state, WGX_HS_ZEROED);
	assert_false(hs->has_index);
	assert_true(wgx_is_zero(&hs->noise, sizeof(hs->noise)));
	assert_true(wgx_is_zero(hs->ephemeral_private, WGX_KEY_LEN));
	assert_true(wgx_is_zero(hs->remote_ephemeral, WGX_KEY_LEN));
}

/* ---- time passes ---- */

/* No busy loop: timers and traffic together ask for a few runs a second at the very most. */
static inline void sim_count_run(struct sim_host *h)
{
	const uint64_t minute = h->sim->boot / (60 * SIM_S);

	if (h->minute != minute) {
		h->minute = minute;
		h->runs_in_minute = 0;
	}
	h->runs++;
	if (++h->runs_in_minute > h->runs_a_minute)
		h->runs_a_minute = h->runs_in_minute;
	assert_true(h->runs_a_minute <= SIM_RUNS_A_MINUTE);
}

static inline void sim_run_host(struct sim_host *h)
{
	const struct wgx_now now = sim_host_now(h);

	h->woken = false;
	sim_count_run(h);
	h->deadline = wgx_session_run(h->session, &now);
	assert_true(h->deadline > now.boot);
}

static inline uint64_t sim_host_due(const struct sim_host *h)
{
	const uint64_t deadline = sim_time_of(h, h->deadline);

	return h->woken && h->woken_at < deadline ? h->woken_at : deadline;
}

static inline uint64_t sim_next_event(const struct sim *sim)
{
	uint64_t next = WGX_NEVER;

	for (unsigned int id = 0; id < 2; id++) {
		if (sim_host_due(&sim->hosts[id]) < next)
			next = sim_host_due(&sim->hosts[id]);
	}
	for (size_t i = 0; i < sim->n_packets; i++) {
		if (sim->packets[i].at < next)
			next = sim->packets[i].at;
	}
	return next;
}

static inline bool sim_deliver_one(struct sim *sim)
{
	for (size_t i = 0; i < sim->n_packets; i++) {
		const struct sim_packet p = sim->packets[i];

		if (p.at > sim->boot)
			continue;
		sim->packets[i] = sim->packets[--sim->n_packets];
		if (!sim->hosts[p.to].deaf)
			sim_receive(&sim->hosts[p.to], p.data, p.len);
		return true;
	}
	return false;
}

/* Let the network and the protocol threads act until @until (boot ns). */
static inline void sim_run_until(struct sim *sim, uint64_t until)
{
	for (;;) {
		uint64_t next = sim_next_event(sim);

		if (next > until)
			break;
		if (next > sim->boot)
			sim->boot = next;
		while (sim_deliver_one(sim))
			;
		for (unsigned int id = 0; id < 2; id++) {
			if (sim_host_due(&sim->hosts[id]) <= sim->boot)
				sim_run_host(&sim->hosts[id]);
			sim_check_host(&sim->hosts[id]);
		}
	}
	sim->boot = until;
}

static inline void sim_run_for(struct sim *sim, uint64_t ns)
{
	sim_run_until(sim, sim->boot + ns);
}

/* A session in which hosts[0] was the initiator, confirmed at both ends. */
static inline struct sim *sim_connected(uint64_t seed)
{
	struct sim *sim = sim_new(seed);

	sim_send(&sim->hosts[0]);
	sim_run_for(sim, SIM_S);
	assert_int_equal(sim->hosts[1].data_received, 1);
	return sim;
}

#endif
