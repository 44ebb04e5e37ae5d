/* SPDX-License-Identifier: MIT */
/* Whole sessions between two peers; the last tests run simulated hours over bad networks. */
#include "sim.h"

#include <pthread.h>

#define RUNS 300
#define RUN_MINUTES 40

static struct wgx_keypair *current(const struct sim_host *h)
{
	return atomic_load(&h->session->keypairs.current);
}

/* P-HS-7: both ends, from the first packet */
static void test_first_packet(void **state)
{
	struct sim *sim = sim_new(1);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

	sim_send(a);
	sim_send(a);
	assert_int_equal(a->staged, 2);
	sim_run_for(sim, SIM_S);
	assert_int_equal(a->sent[WGX_MSG_INITIATION].count, 1);
	assert_int_equal(b->sent[WGX_MSG_RESPONSE].count, 1);
	assert_int_equal(b->data_received, 2);
	assert_int_equal(a->keepalives_sent + b->keepalives_sent, 0);
	assert_true(current(a)->initiator);
	assert_false(current(b)->initiator);
	assert_memory_equal(current(a)->send_key, current(b)->recv_key, WGX_KEY_LEN);
	assert_memory_equal(current(a)->recv_key, current(b)->send_key, WGX_KEY_LEN);
	assert_int_equal(current(a)->remote_index, current(b)->local_index);
	assert_null(b->session->keypairs.next);
	assert_true(wgx_session_last_handshake(a->session) > SIM_EPOCH);
	assert_true(wgx_session_last_handshake(b->session) > SIM_EPOCH);
	sim_send(b);
	sim_run_for(sim, SIM_S);
	assert_int_equal(a->data_received, 1);
	assert_int_equal(b->endpoints_set, 1);
	assert_int_equal(a->endpoints_set, 1);
	sim_free(sim);
}

/* P-HS-7: with nothing staged the initiator sends an empty keepalive */
static void test_keepalive_confirms(void **state)
{
	struct sim *sim = sim_new(2);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	const struct wgx_now now = sim_now(sim);

	wgx_session_set_keepalive(a->session, 25, &now);
	sim_run_for(sim, SIM_S);
	assert_int_equal(a->keepalives_sent, 1);
	assert_int_equal(b->keepalives_received, 1);
	assert_int_equal(b->keepalives_sent, 0);
	assert_non_null(current(b));
	sim_free(sim);
}

/* P-HS-7: the responder does not use the new keypair before data came under it */
static void test_responder_waits(void **state)
{
	struct sim *sim = sim_new(3);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

	sim_send(a);
	a->deaf = true; /* the response is lost */
	sim_run_for(sim, SIM_S);
	assert_null(current(b));
	assert_non_null(b->session->keypairs.next);
	assert_false(atomic_load(&b->session->keypairs.next->confirmed));
	sim_send(b);
	assert_int_equal(b->staged, 1);
	sim_run_for(sim, SIM_S);
	assert_int_equal(b->data_sent, 0);
	assert_int_equal(wgx_session_last_handshake(b->session), 0);
	a->deaf = false;
	sim_run_for(sim, 7 * SIM_S);
	assert_int_equal(b->data_received, 1);
	assert_int_equal(a->data_received, 1); /* b's staged packet left once it was confirmed */
	sim_free(sim);
}

/* P-HS-7: three slots, through a rekey in each direction */
static void test_slots(void **state)
{
	struct sim *sim = sim_connected(4);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	struct wgx_keypair *a1 = current(a), *b1 = current(b);

	sim_run_for(sim, 125 * SIM_S);
	sim_send(a); /* still under the old one, which asks for a new one */
	sim_run_for(sim, SIM_S);
	assert_ptr_equal(a->session->keypairs.previous, a1);
	assert_ptr_not_equal(current(a), a1);
	assert_ptr_equal(b->session->keypairs.previous, b1);
	assert_null(b->session->keypairs.next);
	assert_int_equal(a->sent[WGX_MSG_INITIATION].count, 2);
	assert_int_equal(b->data_received, 2);
	sim_free(sim);
}

/* P-TM-3: at 180 s a key is dead for both directions, whatever comes */
static void test_key_dies(void **state)
{
	struct sim *sim = sim_connected(5);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	uint8_t msg[WGX_DATA_OVERHEAD], plain[1];
	uint64_t first, born = current(b)->created;

	sim->boot = born + WGX_REJECT_AFTER_TIME - 1;
	assert_non_null(wgx_session_sending_key(b->session, sim->boot));
	assert_true(wgx_keypair_may_open(current(b), sim->boot));
	assert_int_equal(wgx_data_seal(current(a), NULL, 0, born, msg), 0);
	sim->boot++;
	assert_null(wgx_session_sending_key(b->session, sim->boot));
	assert_false(wgx_keypair_may_open(current(b), sim->boot));
	assert_int_equal(wgx_keypair_take(current(b), 1, sim->boot, &first), -EKEYEXPIRED);
	assert_int_equal(wgx_data_open(current(b), msg, sizeof(msg), sim->boot, plain),
			 -EKEYEXPIRED);
	assert_int_equal(wgx_data_open(current(b), msg, sizeof(msg), sim->boot - 1, plain), 0);
	sim_free(sim);
}

/* P-TM-3, P-DT-6: the last nonce, and no way around it */
static void test_nonces_end(void **state)
{
	struct sim *sim = sim_connected(6);
	struct wgx_keypair *kp = current(&sim->hosts[0]);
	uint64_t first, boot = sim->boot;

	atomic_store(&kp->send_counter, WGX_REJECT_AFTER_MESSAGES - 10);
	assert_int_equal(wgx_keypair_take(kp, 11, boot, &first), -EKEYEXPIRED);
	assert_int_equal(wgx_keypair_take(kp, 9, boot, &first), 0);
	assert_true(first == WGX_REJECT_AFTER_MESSAGES - 10);
	assert_int_equal(wgx_keypair_take(kp, 1, boot, &first), 0);
	assert_true(first == WGX_REJECT_AFTER_MESSAGES - 1);
	for (int i = 0; i < 100000; i++)
		assert_int_equal(wgx_keypair_take(kp, 1, boot, &first), -EKEYEXPIRED);
	assert_null(wgx_session_sending_key(&sim->hosts[0].session[0], boot));
	assert_true(atomic_load(&kp->send_counter) == WGX_REJECT_AFTER_MESSAGES);
	sim_free(sim);
}

/* P-DT-1, P-DT-2 at one message */
static void test_data_replay_and_forgery(void **state)
{
	struct sim *sim = sim_connected(7);
	struct wgx_keypair *a = current(&sim->hosts[0]), *b = current(&sim->hosts[1]);
	uint8_t msg[32 + WGX_DATA_OVERHEAD], bad[sizeof(msg)], plain[32], in[32] = "hello";
	const uint64_t boot = sim->boot;

	assert_int_equal(wgx_data_seal(a, in, sizeof(in), boot, msg), 0);
	for (size_t i = 0; i < sizeof(msg); i++) {
		struct wgx_replay before = b->replay;

		memcpy(bad, msg, sizeof(bad));
		bad[i] ^= 0x40;
		assert_int_not_equal(wgx_data_open(b, bad, sizeof(bad), boot, plain), 0);
		assert_memory_equal(&before, &b->replay, sizeof(before));
	}
	assert_int_equal(wgx_data_open(b, msg, sizeof(msg) - 1, boot, plain), -EBADMSG);
	assert_int_equal(wgx_data_open(b, msg, WGX_DATA_OVERHEAD - 1, boot, plain), -EPROTO);
	assert_int_equal(wgx_data_open(b, msg, sizeof(msg), boot, plain), 0);
	assert_memory_equal(plain, in, sizeof(in));
	assert_int_equal(wgx_data_open(b, msg, sizeof(msg), boot, plain), -EALREADY);
	sim_free(sim);
}

/* P-HS-8: another private key: old keys still receive, nothing is sent under them */
static void test_identity_changes(void **state)
{
	struct sim *sim = sim_connected(8);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	const struct wgx_now now = sim_now(sim);
	uint8_t key[WGX_KEY_LEN] = {7, 7, 7};

	wgx_local_set_key(a->local, key);
	wgx_session_identity_changed(a->session);
	assert_null(wgx_session_sending_key(a->session, sim->boot));
	sim_send(b);
	sim_run_for(sim, SIM_S);
	assert_int_equal(a->data_received, 1);
	/* b learns the new key: as a new peer */
	wgx_session_stop(b->session);
	wgx_session_init(b->session, b->local, a->local->public_key, &now);
	wgx_session_start(b->session, &now);
	sim_send(a);
	sim_run_for(sim, SIM_S);
	assert_int_equal(b->data_received, 2);
	/* without a key there is no handshake, and none is answered */
	wgx_local_set_key(a->local, NULL);
	wgx_session_identity_changed(a->session);
	assert_false(a->local->has_identity);
	assert_true(wgx_is_zero(a->local->private_key, WGX_KEY_LEN));
	assert_true(wgx_is_zero(a->session->handshake.static_static, WGX_KEY_LEN));
	a->sent[WGX_MSG_INITIATION].count = 0;
	sim_send(a);
	sim_run_for(sim, 200 * SIM_S);
	assert_int_equal(a->sent[WGX_MSG_INITIATION].count, 0);
	sim_free(sim);
}

/* P-HS-8: all zero removes the key; any other is clamped */
static void test_key_is_clamped(void **state)
{
	struct sim *sim = sim_new(9);
	struct wgx_local *l = sim->hosts[0].local;
	uint8_t key[WGX_KEY_LEN];

	memset(key, 0xff, sizeof(key));
	wgx_local_set_key(l, key);
	assert_int_equal(l->private_key[0], 0xf8);
	assert_int_equal(l->private_key[31], 0x7f);
	memset(key, 0, sizeof(key));
	wgx_local_set_key(l, key);
	assert_false(l->has_identity);
	sim_free(sim);
}

/* P-HS-9 */
static void test_psk_changes(void **state)
{
	struct sim *sim = sim_connected(10);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	const uint8_t psk[WGX_KEY_LEN] = {1};

	wgx_session_set_psk(a->session, psk);
	sim_send(a);
	sim_send(b);
	sim_run_for(sim, SIM_S);
	assert_int_equal(a->data_received, 1); /* the live session goes on */
	assert_int_equal(b->data_received, 2);
	sim_run_for(sim, 185 * SIM_S);
	sim_send(a);
	sim_run_for(sim, 20 * SIM_S);
	assert_int_equal(b->data_received, 2); /* the next handshake needs it at both ends */
	assert_true(a->results[WGX_HS_INVALID] > 0);
	wgx_session_set_psk(b->session, psk);
	sim_run_for(sim, 20 * SIM_S);
	assert_int_equal(b->data_received, 3);
	sim_free(sim);
}

/* Where the resource of a handshake is missing it fails, leaks nothing, and the next one succeeds. */
static void test_out_of_resources(void **state)
{
	struct sim *sim = sim_new(11);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

	a->fail_index = true;
	sim_send(a);
	sim_run_for(sim, SIM_S);
	assert_int_equal(a->sent[WGX_MSG_INITIATION].count, 0);
	a->fail_index = false;
	b->fail_index = true;
	sim_run_for(sim, 6 * SIM_S);
	assert_int_equal(a->sent[WGX_MSG_INITIATION].count, 1);
	assert_int_equal(b->sent[WGX_MSG_RESPONSE].count, 0);
	b->fail_index = false;
	b->fail_keypair = true;
	sim_run_for(sim, 6 * SIM_S);
	assert_int_equal(b->sent[WGX_MSG_RESPONSE].count, 0);
	assert_int_equal(b->indices_live, 0);
	b->fail_keypair = false;
	a->fail_keypair = true;
	sim_run_for(sim, 6 * SIM_S);
	assert_int_equal(b->sent[WGX_MSG_RESPONSE].count, 1);
	assert_int_equal(a->indices_live, 0);
	a->fail_keypair = false;
	sim_run_for(sim, 6 * SIM_S);
	assert_int_equal(b->data_received, 1);
	sim_free(sim);
}

/* Link down and up (P-TM-7 at link up is in test_timers); nothing answers while it is down. */
static void test_stop_start(void **state)
{
	struct sim *sim = sim_connected(12);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	const struct wgx_now now = sim_now(sim);

	wgx_session_stop(b->session);
	assert_int_equal(b->keypairs_live, 0);
	assert_int_equal(b->indices_live, 0);
	sim_send(a);
	sim_run_for(sim, 30 * SIM_S);
	assert_int_equal(b->sent[WGX_MSG_RESPONSE].count, 1); /* the first session's */
	assert_int_equal(b->data_received, 1);
	wgx_session_start(b->session, &now);
	sim_run_for(sim, 30 * SIM_S);
	sim_send(a);
	sim_run_for(sim, SIM_S);
	assert_int_equal(b->data_received, 2);
	sim_free(sim);
}

/* P-TM-8: what the owner calls after a suspend */
static void test_forget_keys(void **state)
{
	struct sim *sim = sim_connected(13);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

	wgx_session_forget_keys(a->session);
	assert_int_equal(a->keypairs_live, 0);
	assert_null(wgx_session_sending_key(a->session, sim->boot));
	sim_run_for(sim, 5 * SIM_S);
	sim_send(a);
	sim_run_for(sim, SIM_S);
	assert_int_equal(b->data_received, 2);
	sim_free(sim);
}

/* Both initiate at the same moment: each abandons its own, jitter parts them (P-TM-1). */
static void test_crossed_initiations(void **state)
{
	for (uint64_t seed = 0; seed < 50; seed++) {
		struct sim *sim = sim_new(seed);
		struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

		sim_send(a);
		sim_send(b);
		sim_run_for(sim, SIM_S);
		assert_int_equal(a->data_received + b->data_received, 0);
		assert_int_equal(a->sent[WGX_MSG_RESPONSE].count, 1);
		assert_int_equal(b->sent[WGX_MSG_RESPONSE].count, 1);
		sim_run_for(sim, 25 * SIM_S);
		assert_int_equal(a->data_received, 1);
		assert_int_equal(b->data_received, 1);
		sim_free(sim);
	}
}

/* A busy peer wakes the protocol thread a few times a minute, not once a packet. */
static void test_busy_peer_wakes_seldom(void **state)
{
	struct sim *sim = sim_connected(14);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	unsigned int before = a->wakes + b->wakes + a->runs + b->runs;

	for (int i = 0; i < 60 * 1000; i++) { /* a minute of 1000 packets a second each way */
		sim_send(a);
		sim_send(b);
		sim_run_for(sim, SIM_MS);
	}
	assert_in_range(a->data_received, 59900, 60000);
	assert_true(a->wakes + b->wakes + a->runs + b->runs - before <= 40);
	sim_free(sim);
}

/* Ten minutes without an end of data: never a gap, keys change every two minutes. */
static void test_steady_traffic_rekeys(void **state)
{
	struct sim *sim = sim_connected(15);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	unsigned int handshakes;

	for (int i = 0; i < 10 * 600; i++) {
		sim_send(a);
		sim_send(b);
		assert_int_equal(a->staged + b->staged, 0);
		sim_run_for(sim, SIM_S / 10);
	}
	handshakes = a->sent[WGX_MSG_INITIATION].count + b->sent[WGX_MSG_INITIATION].count;
	assert_in_range(handshakes, 5, 6);
	assert_int_equal(b->data_received, 1 + 10 * 600);
	assert_int_equal(a->data_received, 10 * 600);
	sim_free(sim);
}

/* ---- workers beside the locked side: for the thread sanitizer, and P-DT-6 ---- */

#define WORKER_ROUNDS 50000

struct worker {
	pthread_t thread;
	struct wgx_session *session;
	struct wgx_keypair *kp;
	uint64_t begin;
	bool receives;
};

static _Atomic unsigned int wakes, repeated;
static atomic_flag nonces[4 * WORKER_ROUNDS + 4096];

static void count_wake(void *ctx, struct wgx_session *s)
{
	atomic_fetch_add(&wakes, 1);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	uint64_t first, boot;

	for (unsigned int i = 0; i < WORKER_ROUNDS; i++) {
		boot = w->begin + i * SIM_MS;
		if (w->receives) {
			wgx_session_note_received(w->session, w->kp, boot, i % 3);
			continue;
		}
		if (wgx_keypair_take(w->kp, i % 5, boot, &first))
			break;
		for (unsigned int n = 0; n < i % 5; n++)
			repeated += atomic_flag_test_and_set(&nonces[first + n]);
		wgx_session_note_sent(w->session, w->kp, boot, i % 3);
		if (i % 1000 == 0)
			wgx_session_want_handshake(w->session, boot);
	}
	return NULL;
}

static void test_concurrent_workers(void **state)
{
	struct sim *sim = sim_connected(16);
	struct sim_host *a = &sim->hosts[0];
	struct wgx_upcalls up = sim_upcalls;
	struct worker w[3];
	uint64_t first = atomic_load(&current(a)->send_counter), taken;

	up.wake = count_wake;
	a->local->up = &up;
	for (int i = 0; i < 3; i++) {
		w[i] = (struct worker){.session = a->session,
				       .kp = current(a),
				       .begin = sim->boot,
				       .receives = i == 2};
		assert_int_equal(pthread_create(&w[i].thread, NULL, work, &w[i]), 0);
	}
	for (int i = 0; i < 1000; i++) {
		const struct wgx_now now = sim_now(sim);

		wgx_session_run(a->session, &now);
		sim->boot += 50 * SIM_MS;
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_join(w[i].thread, NULL), 0);
	taken = atomic_load(&current(a)->send_counter) - first;
	assert_in_range(taken, 4 * WORKER_ROUNDS, 4 * WORKER_ROUNDS + 4000); /* and keepalives */
	assert_int_equal(repeated, 0);
	assert_true(atomic_load(&wakes) > 0);
	a->local->up = &sim_upcalls;
	sim_free(sim);
}

/* ---- bad networks ---- */

struct weather {
	const char *name;
	unsigned int loss, duplicate; /* in 1000 */
	uint64_t delay_max, wake_delay_max; /* ms */
};

static const struct weather weathers[] = {
	{"fair", 0, 0, 20, 0},
	{"lossy", 300, 0, 50, 5},
	{"reordering", 50, 100, 2000, 20},
	{"duplicating", 100, 500, 400, 50},
	{"awful", 600, 200, 3000, 50},
	{"late", 100, 300, 60000, 100}, /* packets from another age */
};

static void set_weather(struct sim *sim, const struct weather *w)
{
	sim->loss = w->loss;
	sim->duplicate = w->duplicate;
	sim->delay_min = SIM_MS;
	sim->delay_max = w->delay_max * SIM_MS;
	sim->wake_delay_max = w->wake_delay_max * SIM_MS;
}

/* Something happens to one of the hosts. */
static void incident(struct sim *sim)
{
	struct sim_host *h = &sim->hosts[sim_below(sim, 2)];
	const struct wgx_now now = sim_now(sim);

	switch (sim_below(sim, 8)) {
	case 0:
		wgx_session_stop(h->session);
		wgx_session_start(h->session, &now);
		break;
	case 1:
		wgx_session_forget_keys(h->session);
		break;
	case 2:
		wgx_session_identity_changed(h->session);
		break;
	case 3:
		h->under_load = !h->under_load;
		break;
	case 4:
		wgx_session_set_keepalive(h->session, sim_below(sim, 3) * 12, &now);
		break;
	case 5:
		h->deaf = !h->deaf;
		break;
	case 6: /* the clock is set, an hour ahead or back */
		sim->epoch += (sim_below(sim, 2) ? 3600 : -3600) * SIM_S;
		break;
	case 7:
		set_weather(sim, &weathers[sim_below(sim, sizeof(weathers) / sizeof(*weathers))]);
		break;
	}
}

/* Bursts, pauses of up to 5 minutes, from either or both. */
static void storm(struct sim *sim, uint64_t until)
{
	while (sim->boot < until) {
		unsigned int who = 1 + sim_below(sim, 3);
		uint64_t burst = sim_below(sim, 30), gap = sim_below(sim, 3000) * SIM_MS;

		for (uint64_t i = 0; i < burst; i++) {
			for (unsigned int id = 0; id < 2; id++) {
				if (who & (1 << id))
					sim_send(&sim->hosts[id]);
			}
			sim_run_for(sim, gap);
		}
		if (!sim_below(sim, 3))
			incident(sim);
		sim_run_for(sim, sim_below(sim, 4) ? sim_below(sim, 20 * SIM_S)
						   : sim_below(sim, 300 * SIM_S));
	}
}

/* Fair weather again: what is sent arrives, at the latest after P-TM-4 noticed and P-TM-1 retried. */
static void check_recovery(struct sim *sim)
{
	unsigned int received[2];

	set_weather(sim, &weathers[0]);
	for (unsigned int id = 0; id < 2; id++)
		sim->hosts[id].deaf = sim->hosts[id].under_load = false;
	sim_run_for(sim, 60 * SIM_S); /* what is still under way arrives */
	for (int i = 0; i < 60; i++) {
		sim_send(&sim->hosts[0]);
		sim_send(&sim->hosts[1]);
		sim_run_for(sim, SIM_S);
	}
	for (unsigned int id = 0; id < 2; id++)
		received[id] = sim->hosts[id].data_received;
	for (int i = 0; i < 10; i++) {
		sim_send(&sim->hosts[0]);
		sim_send(&sim->hosts[1]);
		sim_run_for(sim, SIM_S);
	}
	/*
	 * One may be lost: an initiator that has an unconfirmed next keypair keeps that and drops the
	 * current one (as the driver), under which a packet can be on its way.
	 */
	for (unsigned int id = 0; id < 2; id++) {
		assert_int_equal(sim->hosts[id].staged, 0);
		assert_in_range(sim->hosts[id].data_received - received[id], 9, 10);
	}
}

/* An initiation never comes within REKEY_TIMEOUT of the one before (P-TM-1) unless the key changed. */
static void test_storms(void **state)
{
	unsigned int handshakes = 0, cookies = 0, received = 0;

	for (uint64_t seed = 0; seed < RUNS; seed++) {
		struct sim *sim = sim_new(seed * 7919 + 1);

		set_weather(sim, &weathers[seed % (sizeof(weathers) / sizeof(*weathers))]);
		storm(sim, SIM_START + RUN_MINUTES * 60 * SIM_S);
		check_recovery(sim);
		for (unsigned int id = 0; id < 2; id++) {
			handshakes += sim->hosts[id].sent[WGX_MSG_RESPONSE].count;
			cookies += sim->hosts[id].sent[WGX_MSG_COOKIE].count;
			received += sim->hosts[id].data_received;
		}
		sim_free(sim);
	}
	print_message("%d runs: %u responses, %u cookie replies, %u packets\n", RUNS, handshakes,
		      cookies, received);
	assert_true(handshakes > 10 * RUNS && cookies > RUNS && received > 100 * RUNS);
}

/* As storms, but nothing happens to the hosts: then P-TM-1 holds for every pair of initiations. */
static void test_rate_of_initiations(void **state)
{
	for (uint64_t seed = 0; seed < 60; seed++) {
		struct sim *sim = sim_new(seed + 1000000);

		set_weather(sim, &weathers[seed % (sizeof(weathers) / sizeof(*weathers))]);
		for (int i = 0; i < 1200; i++) {
			sim_send(&sim->hosts[sim_below(sim, 2)]);
			sim_run_for(sim, sim_below(sim, 2 * SIM_S));
		}
		for (unsigned int id = 0; id < 2; id++) {
			const struct sim_sent *sent = &sim->hosts[id].sent[WGX_MSG_INITIATION];

			for (unsigned int i = 1; i < sent->count && i < SIM_TIMES; i++)
				assert_true(sent->at[i] - sent->at[i - 1] >= WGX_REKEY_TIMEOUT);
		}
		check_recovery(sim);
		sim_free(sim);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_packet),
		cmocka_unit_test(test_keepalive_confirms),
		cmocka_unit_test(test_responder_waits),
		cmocka_unit_test(test_slots),
		cmocka_unit_test(test_key_dies),
		cmocka_unit_test(test_nonces_end),
		cmocka_unit_test(test_data_replay_and_forgery),
		cmocka_unit_test(test_identity_changes),
		cmocka_unit_test(test_key_is_clamped),
		cmocka_unit_test(test_psk_changes),
		cmocka_unit_test(test_out_of_resources),
		cmocka_unit_test(test_stop_start),
		cmocka_unit_test(test_forget_keys),
		cmocka_unit_test(test_crossed_initiations),
		cmocka_unit_test(test_busy_peer_wakes_seldom),
		cmocka_unit_test(test_steady_traffic_rekeys),
		cmocka_unit_test(test_concurrent_workers),
		cmocka_unit_test(test_storms),
		cmocka_unit_test(test_rate_of_initiations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
