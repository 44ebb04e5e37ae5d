/* SPDX-License-Identifier: MIT */
/* The timers of [W] 6, on a simulated clock. hosts[0] is the initiator, called a. */
#include "line_test.h"
#include "sim.h"

static struct wgx_keypair *current(const struct sim_host *h)
{
	return atomic_load(&h->session->keypairs.current);
}

static unsigned int initiations(const struct sim_host *h)
{
	return h->sent[WGX_MSG_INITIATION].count;
}

/* Forget what was sent so far. */
static void reset_counts(struct sim *sim)
{
	for (unsigned int id = 0; id < 2; id++) {
		struct sim_host *h = &sim->hosts[id];

		memset(h->sent, 0, sizeof(h->sent));
		h->keepalives_sent = h->keepalives_received = h->data_sent = h->data_received = 0;
		h->sources_cleared = h->drops = h->dropped = h->wakes = h->runs = 0;
	}
}

/* A connected pair, and nothing of its handshake pending: the clock stands at @age of a's key. */
static struct sim *connected_at(uint64_t seed, uint64_t age)
{
	struct sim *sim = sim_connected(seed);

	sim_run_until(sim, current(&sim->hosts[0])->created + age);
	reset_counts(sim);
	return sim;
}

/* The table of docs/protocol.md, and what comes of it */
static void test_numbers(void **state)
{
	assert_true(WGX_REKEY_AFTER_TIME == 120 * SIM_S);
	assert_true(WGX_REJECT_AFTER_TIME == 180 * SIM_S);
	assert_true(WGX_REKEY_TIMEOUT == 5 * SIM_S);
	assert_in_range(WGX_REKEY_JITTER, 333 * SIM_MS, 334 * SIM_MS);
	assert_true(WGX_REKEY_ATTEMPT_TIME == 90 * SIM_S);
	assert_true(WGX_KEEPALIVE_TIMEOUT == 10 * SIM_S);
	assert_true(WGX_COOKIE_LIFE == 120 * SIM_S);
	assert_true(WGX_COOKIE_LIFE - WGX_COOKIE_LATENCY == 115 * SIM_S);
	assert_true(WGX_REKEY_AFTER_MESSAGES == UINT64_C(1) << 60);
	assert_true(WGX_REJECT_AFTER_MESSAGES + (UINT64_C(1) << 13) + 1 == 0); /* modulo 2^64 */
	assert_true(WGX_NEW_HANDSHAKE_AFTER == 15 * SIM_S);
	assert_true(WGX_LAST_MINUTE_AFTER == 165 * SIM_S);
	assert_true(WGX_ZERO_AFTER == 540 * SIM_S);
}

/* REKEY_TIMEOUT, and 0 to 333 ms of jitter that use the whole range (P-TM-1) */
static void test_retransmission_jitter(void **state)
{
	unsigned int low = 0, high = 0, n = 0;

	for (uint64_t seed = 0; seed < 100; seed++) {
		struct sim *sim = sim_new(seed);
		struct sim_host *a = &sim->hosts[0];
		const uint64_t *at = a->sent[WGX_MSG_INITIATION].at;

		sim->hosts[1].deaf = true;
		sim_send(a);
		sim_run_for(sim, 60 * SIM_S);
		assert_true(initiations(a) >= 11);
		for (unsigned int i = 1; i < initiations(a); i++, n++) {
			uint64_t gap = at[i] - at[i - 1];

			assert_in_range(gap, 5 * SIM_S, 5 * SIM_S + SIM_S / 3);
			low += gap < 5 * SIM_S + 50 * SIM_MS;
			high += gap > 5 * SIM_S + 280 * SIM_MS;
		}
		sim_free(sim);
	}
	assert_in_range(low, n / 10, n / 4);
	assert_in_range(high, n / 10, n / 4);
}

/* P-TM-1: retries for REKEY_ATTEMPT_TIME, then staged packets go; new data starts afresh */
static void test_gives_up(void **state)
{
	struct sim *sim = sim_new(1);
	struct sim_host *a = &sim->hosts[0];
	uint64_t begin = sim->boot;

	sim->hosts[1].deaf = true;
	sim_send(a);
	sim_send(a);
	sim_run_for(sim, 90 * SIM_S);
	assert_int_equal(a->drops, 0);
	sim_run_for(sim, 500 * SIM_S);
	assert_int_equal(initiations(a), 20);
	assert_in_range(a->sent[WGX_MSG_INITIATION].at[19] - begin, 90 * SIM_S, 102 * SIM_S);
	assert_int_equal(a->drops, 1);
	assert_int_equal(a->dropped, 2);
	assert_int_equal(a->sources_cleared, 19); /* P-DT-10: at each retransmission */
	/* what is left of the exchange is wiped 540 s later (P-TM-6) */
	assert_int_equal(a->indices_live, 1);
	sim_run_for(sim, 60 * SIM_S);
	assert_int_equal(a->indices_live, 0);
	assert_int_equal(a->session->handshake.state, WGX_HS_ZEROED);

	sim->hosts[1].deaf = false;
	sim_send(a);
	sim_run_for(sim, SIM_S);
	assert_int_equal(initiations(a), 21);
	assert_int_equal(sim->hosts[1].data_received, 1);
	sim_free(sim);
}

/* P-TM-1: as long as new data comes, the attempts do not end */
static void test_new_data_restarts_attempts(void **state)
{
	struct sim *sim = sim_new(2);
	struct sim_host *a = &sim->hosts[0];

	sim->hosts[1].deaf = true;
	for (int i = 0; i < 30; i++) {
		sim_send(a);
		sim_run_for(sim, 20 * SIM_S);
	}
	assert_int_equal(a->drops, 0);
	assert_in_range(initiations(a), 110, 121);
	sim_run_for(sim, 200 * SIM_S);
	assert_int_equal(a->drops, 1);
	assert_int_equal(a->dropped, 30);
	sim_free(sim);
}

/* P-TM-1: however often it is asked for; and it wakes once a retransmission */
static void test_one_initiation(void **state)
{
	struct sim *sim = sim_new(3);
	struct sim_host *a = &sim->hosts[0];

	sim->hosts[1].deaf = true;
	reset_counts(sim);
	for (int i = 0; i < 4900; i++) {
		sim_send(a);
		sim_run_for(sim, SIM_MS);
	}
	assert_int_equal(initiations(a), 1);
	assert_true(a->wakes <= 3);
	assert_int_equal(a->staged, SIM_STAGED_MAX);
	sim_free(sim);
}

/* P-TM-1: 5 s after the last initiation, or after our own response, though the keys were lost at once */
static void test_not_sooner(void **state)
{
	for (unsigned int id = 0; id < 2; id++) {
		struct sim *sim = sim_connected(29 + id);
		struct sim_host *h = &sim->hosts[id];
		const uint64_t *last = h->sent[id ? WGX_MSG_RESPONSE : WGX_MSG_INITIATION].at;
		unsigned int before = initiations(h);

		wgx_session_forget_keys(h->session);
		sim_run_for(sim, 3 * SIM_S);
		for (int i = 0; i < 30; i++) {
			sim_send(h);
			sim_run_for(sim, SIM_S / 10);
		}
		assert_int_equal(initiations(h), before + 1);
		assert_in_range(h->sent[WGX_MSG_INITIATION].at[before] - last[0], 5 * SIM_S,
				5 * SIM_S + SIM_S / 3);
		sim_free(sim);
	}
}

/* What people are told of a session: each handshake, the end of the last keys, and that nobody answers */
static void test_told(void **state)
{
	struct sim *sim = sim_connected(31);

	for (unsigned int id = 0; id < 2; id++)
		assert_int_equal(sim->hosts[id].told[WGX_SESSION_HANDSHAKE], 1);
	sim_run_for(sim, 179 * SIM_S);
	for (unsigned int id = 0; id < 2; id++)
		assert_int_equal(sim->hosts[id].told[WGX_SESSION_EXPIRED], 0);
	sim_run_for(sim, 3 * SIM_S);
	for (unsigned int id = 0; id < 2; id++) {
		const struct sim_host *h = &sim->hosts[id];

		assert_int_equal(h->told[WGX_SESSION_EXPIRED], 1);
		assert_in_range(h->told_at[WGX_SESSION_EXPIRED] - h->told_at[WGX_SESSION_HANDSHAKE],
				180 * SIM_S, 181 * SIM_S);
	}
	sim_run_for(sim, 600 * SIM_S); /* they are wiped: no news */
	assert_int_equal(sim->hosts[0].told[WGX_SESSION_EXPIRED], 1);
	/* a new session, whose keys are wiped before their time */
	sim_send(&sim->hosts[0]);
	sim_run_for(sim, 30 * SIM_S); /* and all is answered */
	assert_int_equal(sim->hosts[0].told[WGX_SESSION_HANDSHAKE], 2);
	wgx_session_forget_keys(sim->hosts[0].session);
	assert_int_equal(sim->hosts[0].told[WGX_SESSION_EXPIRED], 2);
	sim_run_for(sim, 300 * SIM_S);
	assert_int_equal(sim->hosts[0].told[WGX_SESSION_EXPIRED], 2);
	/* nobody answers */
	sim->hosts[1].deaf = true;
	sim_send(&sim->hosts[0]);
	sim_run_for(sim, 90 * SIM_S);
	assert_int_equal(sim->hosts[0].told[WGX_SESSION_UNANSWERED], 0);
	sim_run_for(sim, 60 * SIM_S);
	assert_int_equal(sim->hosts[0].told[WGX_SESSION_UNANSWERED], 1);
	assert_int_equal(sim->hosts[0].told[WGX_SESSION_HANDSHAKE], 2);
	sim_free(sim);
}

/* A responder that waits for its confirmation and has packets staged initiates 5 s after its response. */
static void test_unconfirmed_responder(void **state)
{
	struct sim *sim = sim_new(4);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	uint64_t responded;

	sim_send(a);
	a->deaf = true;
	sim_run_for(sim, SIM_S);
	responded = b->sent[WGX_MSG_RESPONSE].at[0];
	wgx_session_stop(a->session);
	sim_send(b);
	sim_run_for(sim, 6 * SIM_S);
	assert_int_equal(initiations(b), 1);
	assert_in_range(b->sent[WGX_MSG_INITIATION].at[0] - responded, 5 * SIM_S,
			5 * SIM_S + SIM_S / 3);
	sim_free(sim);
}

/* P-TM-4: 10 + 5 s and jitter after the first data that nothing answered */
static void test_new_handshake(void **state)
{
	for (uint64_t seed = 0; seed < 20; seed++) {
		struct sim *sim = connected_at(seed, 30 * SIM_S);
		struct sim_host *a = &sim->hosts[0];
		uint64_t begin = sim->boot;

		sim->hosts[1].deaf = true;
		sim_send(a);
		sim_run_for(sim, 8 * SIM_S);
		sim_send(a); /* does not move it */
		sim_run_for(sim, 12 * SIM_S);
		assert_int_equal(initiations(a), 1);
		assert_in_range(a->sent[WGX_MSG_INITIATION].at[0] - begin, 15 * SIM_S,
				15 * SIM_S + SIM_S / 3);
		assert_int_equal(a->sources_cleared, 1);
		sim_free(sim);
	}
}

/* P-TM-4, P-TM-5: an answer, even an empty one, calls it off; keepalives need none */
static void test_answer_calls_off(void **state)
{
	struct sim *sim = connected_at(5, 30 * SIM_S);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	uint64_t begin = sim->boot;

	sim_send(a);
	sim_run_for(sim, 60 * SIM_S);
	assert_int_equal(initiations(a) + initiations(b), 0);
	assert_int_equal(b->keepalives_sent, 1);
	assert_int_equal(b->sent[WGX_MSG_DATA].count, 1);
	assert_int_equal(b->sent[WGX_MSG_DATA].at[0] - begin, 10 * SIM_S + 10 * SIM_MS);
	assert_int_equal(a->keepalives_sent, 0);
	sim_free(sim);
}

/* P-TM-5: whoever sends within the 10 s owes no keepalive */
static void test_data_replies(void **state)
{
	struct sim *sim = connected_at(6, 30 * SIM_S);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

	sim_send(a);
	sim_run_for(sim, 9 * SIM_S);
	sim_send(b);
	sim_run_for(sim, 30 * SIM_S);
	assert_int_equal(b->keepalives_sent, 0);
	assert_int_equal(a->keepalives_sent, 1); /* for b's data */
	sim_free(sim);
}

/* More data after the first: another keepalive 10 s after the first one, as the driver. */
static void test_another_keepalive(void **state)
{
	struct sim *sim = connected_at(7, 30 * SIM_S);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

	sim_send(a);
	sim_run_for(sim, 5 * SIM_S);
	sim_send(a);
	sim_run_for(sim, 60 * SIM_S);
	assert_int_equal(b->keepalives_sent, 2);
	assert_int_equal(b->sent[WGX_MSG_DATA].at[1] - b->sent[WGX_MSG_DATA].at[0], 10 * SIM_S);
	assert_int_equal(initiations(a) + initiations(b), 0);
	sim_free(sim);
}

/* P-TM-6 */
static void test_zeroing(void **state)
{
	struct sim *sim = connected_at(8, 0);
	struct sim_host *a = &sim->hosts[0];

	sim_run_until(sim, current(a)->created + 540 * SIM_S - 1);
	assert_int_equal(a->keypairs_live, 1);
	sim_run_for(sim, 1);
	assert_int_equal(a->keypairs_live, 0);
	assert_int_equal(a->indices_live, 0);
	assert_null(current(a));
	assert_int_equal(a->deadline, WGX_NEVER); /* idle: it is not called again */
	sim_free(sim);
}

/* P-TM-6 at a responder whom nobody ever confirmed, and whom nothing else would wake */
static void test_zeroing_unconfirmed(void **state)
{
	struct sim *sim = sim_new(23);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

	sim_send(a);
	a->deaf = true;
	sim_run_for(sim, SIM_S);
	wgx_session_stop(a->session);
	assert_non_null(b->session->keypairs.next);
	sim_run_for(sim, 540 * SIM_S);
	assert_int_equal(b->keypairs_live, 0);
	sim_free(sim);
}

/* P-TM-6: each new session begins the 540 s anew */
static void test_zeroing_postponed(void **state)
{
	struct sim *sim = connected_at(9, 500 * SIM_S);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

	sim_send(a);
	sim_run_for(sim, 100 * SIM_S);
	assert_non_null(current(a));
	assert_non_null(current(b));
	sim_free(sim);
}

/* P-TM-2: the initiator, when it sends with a key 120 s old */
static void test_rekey_on_sending(void **state)
{
	struct sim *sim = connected_at(10, 120 * SIM_S - 1);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

	sim_send(a);
	assert_int_equal(atomic_load(&a->session->timers.wants), 0);
	sim_run_for(sim, 1);
	assert_int_equal(initiations(a), 0);
	sim_send(a);
	sim_run_for(sim, SIM_S);
	assert_int_equal(initiations(a), 1);
	assert_int_equal(a->keypairs_live, 2);
	sim_run_for(sim, 3 * SIM_S);
	sim_send(b);
	sim_send(a);
	sim_run_for(sim, SIM_S);
	assert_int_equal(initiations(a) + initiations(b), 1);
	sim_free(sim);
}

/* P-TM-2: the responder does not */
static void test_responder_does_not_rekey(void **state)
{
	struct sim *sim = connected_at(11, 130 * SIM_S);
	struct sim_host *b = &sim->hosts[1];

	sim_send(b);
	sim_run_for(sim, 5 * SIM_S);
	assert_int_equal(b->sent[WGX_MSG_INITIATION].count, 0);
	assert_int_equal(initiations(&sim->hosts[0]), 0);
	assert_int_equal(sim->hosts[0].data_received, 1);
	sim_free(sim);
}

/* P-TM-2: the initiator, once, when it receives while the key is 165 s old */
static void test_rekey_on_receiving(void **state)
{
	struct sim *sim = connected_at(12, 165 * SIM_S - 20 * SIM_MS);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

	sim_send(b);
	sim_run_for(sim, 15 * SIM_MS);
	assert_int_equal(a->data_received, 1);
	assert_int_equal(initiations(a), 0);
	sim_run_for(sim, 5 * SIM_MS);
	b->deaf = true; /* the handshake comes to nothing */
	sim_send(b);
	sim_run_for(sim, SIM_S);
	assert_int_equal(a->data_received, 2);
	assert_int_equal(initiations(a), 1);
	assert_true(atomic_load(&a->session->timers.last_minute_sent));
	for (int i = 0; i < 10; i++) { /* the bit is not set again: only the timer retries */
		sim_send(b);
		sim_run_for(sim, SIM_S);
		assert_int_equal(atomic_load(&a->session->timers.wants) & WGX_WANT_LAST_MINUTE, 0);
	}
	assert_true(initiations(a) <= 3);
	b->deaf = false;
	sim_run_for(sim, 10 * SIM_S);
	assert_false(atomic_load(&a->session->timers.last_minute_sent));
	sim_free(sim);
}

/* P-TM-2: past REKEY_AFTER_MESSAGES either side */
static void test_rekey_after_messages(void **state)
{
	for (unsigned int id = 0; id < 2; id++) {
		struct sim *sim = connected_at(13, 30 * SIM_S);
		struct sim_host *h = &sim->hosts[id];

		atomic_store(&current(h)->send_counter, WGX_REKEY_AFTER_MESSAGES - 1);
		sim_send(h);
		sim_run_for(sim, SIM_S);
		assert_int_equal(initiations(h), 0);
		sim_send(h);
		sim_run_for(sim, SIM_S);
		assert_int_equal(initiations(h), 1);
		assert_true(current(h)->initiator);
		sim_free(sim);
	}
}

/* P-TM-3: at 180 s data waits for a new key */
static void test_spent_key(void **state)
{
	struct sim *sim = connected_at(14, 180 * SIM_S);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

	sim_send(a);
	assert_int_equal(a->staged, 1);
	sim_run_for(sim, SIM_S);
	assert_int_equal(initiations(a), 1);
	assert_int_equal(b->data_received, 1);
	sim_free(sim);
}

/* An age is counted right by a worker whose clock was read just before the key was made. */
static void test_key_from_the_future(void **state)
{
	struct sim *sim = connected_at(15, 0);
	struct sim_host *a = &sim->hosts[0];
	uint64_t before = current(a)->created - SIM_MS;

	assert_non_null(wgx_session_sending_key(a->session, before));
	assert_true(wgx_keypair_may_open(current(a), before));
	sim_free(sim);
}

/* P-TM-7: at once when switched on, then each interval that nothing crosses the tunnel */
static void test_persistent_keepalive(void **state)
{
	struct sim *sim = connected_at(16, 15 * SIM_S);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	struct wgx_now now = sim_now(sim);
	uint64_t begin = sim->boot;
	const uint64_t *at = a->sent[WGX_MSG_DATA].at;

	wgx_session_set_keepalive(a->session, 25, &now);
	sim_run_for(sim, 99 * SIM_S);
	assert_int_equal(a->keepalives_sent, 4);
	for (unsigned int i = 0; i < 4; i++)
		assert_int_equal(at[i] - begin, i * 25 * SIM_S);
	assert_int_equal(b->keepalives_sent, 0); /* P-TM-5: keepalives are not answered */
	/* sent and received packets reset it: b answers this one after 10 s, and 25 s count from there */
	sim_send(a);
	sim_run_for(sim, 34 * SIM_S);
	assert_int_equal(b->keepalives_sent, 1);
	assert_int_equal(a->keepalives_sent, 4);
	sim_run_for(sim, 2 * SIM_S);
	assert_true(a->keepalives_sent > 4);
	/* off */
	now = sim_now(sim);
	wgx_session_set_keepalive(a->session, 0, &now);
	sim_run_for(sim, 20 * SIM_S);
	reset_counts(sim);
	sim_run_for(sim, 1000 * SIM_S);
	assert_int_equal(a->keepalives_sent, 0);
	sim_free(sim);
}

/* P-TM-7: another interval sends nothing at once, but counts from the last packet */
static void test_persistent_interval_changes(void **state)
{
	struct sim *sim = connected_at(17, 30 * SIM_S);
	struct sim_host *a = &sim->hosts[0];
	struct wgx_now now = sim_now(sim);

	wgx_session_set_keepalive(a->session, 100, &now);
	sim_run_for(sim, 5 * SIM_S);
	now = sim_now(sim);
	wgx_session_set_keepalive(a->session, 20, &now);
	sim_run_for(sim, 14 * SIM_S);
	assert_int_equal(a->keepalives_sent, 1);
	sim_run_for(sim, 2 * SIM_S);
	assert_int_equal(a->keepalives_sent, 2);
	sim_free(sim);
}

/* P-TM-7: at link up, through a handshake; forever, also while the peer is away; keys stay fresh */
static void test_persistent_at_link_up(void **state)
{
	struct sim *sim = sim_new(18);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	struct wgx_now now = sim_now(sim);

	wgx_session_stop(a->session);
	wgx_session_set_keepalive(a->session, 25, &now);
	sim_run_for(sim, 100 * SIM_S);
	assert_int_equal(initiations(a), 0);
	now = sim_now(sim);
	wgx_session_start(a->session, &now);
	sim_run_for(sim, SIM_S);
	assert_int_equal(initiations(a), 1);
	assert_int_equal(b->keepalives_received, 1);
	b->deaf = true;
	sim_run_for(sim, 3600 * SIM_S);
	assert_true(initiations(a) > 400);
	b->deaf = false;
	sim_run_for(sim, 60 * SIM_S);
	reset_counts(sim);
	sim_run_for(sim, 3600 * SIM_S);
	assert_true(b->keepalives_received >= 3600 / 26);
	assert_in_range(initiations(a), 3600 / 180, 3600 / 120);
	sim_free(sim);
}

/* P-TM-7: at link up at once, though packets were sent a moment ago */
static void test_persistent_at_restart(void **state)
{
	struct sim *sim = connected_at(24, 20 * SIM_S);
	struct sim_host *a = &sim->hosts[0];
	struct wgx_now now = sim_now(sim);

	wgx_session_set_keepalive(a->session, 25, &now);
	sim_run_for(sim, SIM_S);
	assert_int_equal(a->keepalives_sent, 1);
	now = sim_now(sim);
	wgx_session_stop(a->session);
	wgx_session_start(a->session, &now);
	sim_run_for(sim, SIM_S);
	assert_int_equal(initiations(a), 1);
	assert_int_equal(a->keepalives_sent, 2);
	sim_free(sim);
}

/* P-TM-7 where the interval is shorter than REKEY_TIMEOUT: P-TM-1 holds all the same */
static void test_persistent_short(void **state)
{
	struct sim *sim = sim_new(19);
	struct sim_host *a = &sim->hosts[0];
	struct wgx_now now = sim_now(sim);

	sim->hosts[1].deaf = true;
	wgx_session_set_keepalive(a->session, 1, &now);
	sim_run_for(sim, 500 * SIM_S);
	for (unsigned int i = 1; i < initiations(a); i++)
		assert_true(a->sent[WGX_MSG_INITIATION].at[i] -
				    a->sent[WGX_MSG_INITIATION].at[i - 1] >=
			    5 * SIM_S);
	assert_in_range(initiations(a), 90, 101);
	assert_true(a->runs < 1200);
	sim_free(sim);
}

/* P-TM-7: whatever authenticates resets it, in both directions, handshakes as well; nothing else does */
static void test_persistent_reset(void **state)
{
	struct sim *sim = connected_at(25, 12 * SIM_S);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	struct wgx_now now = sim_now(sim);
	uint8_t forged[WGX_DATA_OVERHEAD] = {WGX_MSG_DATA};
	uint64_t begin = sim->boot;

	/* b's keepalives each 20 s leave a's, each 25 s, nothing to do */
	wgx_session_set_keepalive(b->session, 20, &now);
	wgx_session_set_keepalive(a->session, 25, &now);
	sim_run_for(sim, 90 * SIM_S);
	assert_int_equal(a->keepalives_sent, 1); /* at once */
	assert_int_equal(b->keepalives_sent, 5);
	now = sim_now(sim);
	wgx_session_set_keepalive(b->session, 0, &now);
	/* the last one of b's came at 80 s and 20 ms: b counts from a's first one, which took 10 */
	memcpy(forged + 4, &current(a)->local_index, 4);
	for (int i = 0; i < 14; i++) {
		sim_receive(a, forged, sizeof(forged));
		assert_int_equal(a->open_error, -EBADMSG);
		sim_run_for(sim, SIM_S);
	}
	assert_int_equal(a->keepalives_sent, 1);
	sim_run_for(sim, 2 * SIM_S);
	assert_int_equal(a->keepalives_sent, 2);
	assert_int_equal(a->sent[WGX_MSG_DATA].at[1] - begin, 105 * SIM_S + 20 * SIM_MS);

	/* initiations each 5 s reset one of 7 s: it does not restart the attempts, and they end */
	now = sim_now(sim);
	wgx_session_set_keepalive(a->session, 0, &now);
	sim_run_for(sim, 300 * SIM_S);
	reset_counts(sim);
	b->deaf = true;
	now = sim_now(sim);
	wgx_session_set_keepalive(a->session, 7, &now);
	sim_run_for(sim, 80 * SIM_S);
	assert_in_range(initiations(a), 15, 16);
	sim_run_for(sim, 28 * SIM_S);
	assert_int_equal(a->drops, 1);
	sim_free(sim);
}

/* P-TM-7: the longest interval, 65535 s */
static void test_persistent_longest(void **state)
{
	struct sim *sim = connected_at(26, 20 * SIM_S);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	const struct wgx_now now = sim_now(sim);
	const uint64_t begin = sim->boot;

	wgx_session_set_keepalive(a->session, 65535, &now);
	sim_run_for(sim, SIM_S);
	assert_int_equal(a->keepalives_sent, 1);
	sim_run_until(sim, begin + 65535 * SIM_S - 1);
	assert_int_equal(initiations(a), 0);
	sim_run_for(sim, SIM_S);
	assert_int_equal(initiations(a), 1);
	assert_int_equal(b->keepalives_received, 2);
	sim_free(sim);
}

/* P-TM-4, P-TM-5: keepalives that nobody answers, and that are not answered */
static void test_keepalives_arm_nothing(void **state)
{
	struct sim *sim = connected_at(27, 15 * SIM_S);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	const struct wgx_now now = sim_now(sim);

	wgx_session_set_keepalive(a->session, 7, &now);
	sim_run_for(sim, 50 * SIM_S);
	assert_true(b->keepalives_received >= 7);
	assert_int_equal(b->keepalives_sent, 0);
	b->deaf = true;
	sim_run_for(sim, 50 * SIM_S); /* less than REKEY_AFTER_TIME in all */
	assert_int_equal(initiations(a) + initiations(b), 0);
	assert_int_equal(a->sources_cleared, 0);
	sim_free(sim);
}

/* P-TM-2: under steady traffic of either direction the initiator's key lasts 120 s: keepalives are sent too */
static void test_initiator_rekeys(void **state)
{
	for (unsigned int who = 0; who < 2; who++) {
		struct sim *sim = connected_at(28, 0);
		struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
		const uint64_t begin = sim->boot;
		const uint64_t after = 120 * SIM_S,
			       within = who ? WGX_KEEPALIVE_TIMEOUT : SIM_S / 2;

		for (int i = 0; i < 10 * 135; i++) {
			sim_send(&sim->hosts[who]);
			sim_run_for(sim, SIM_S / 10);
		}
		assert_int_equal(initiations(a), 1);
		assert_int_equal(initiations(b), 0);
		assert_in_range(a->sent[WGX_MSG_INITIATION].at[0] - begin, after,
				after + within + SIM_S / 10);
		sim_free(sim);
	}
}

/* An idle session asks for nothing; a stopped one does nothing. */
static void test_idle_and_stopped(void **state)
{
	struct sim *sim = sim_new(20);
	struct sim_host *a = &sim->hosts[0];
	const struct wgx_now now = sim_now(sim);

	assert_true(wgx_session_run(a->session, &now) == WGX_NEVER);
	wgx_session_stop(a->session);
	wgx_session_want_handshake(a->session, sim->boot);
	sim_run_for(sim, 100 * SIM_S);
	assert_int_equal(initiations(a), 0);
	wgx_session_start(a->session, &now);
	sim_send(a);
	sim_run_for(sim, SIM_S);
	assert_int_equal(sim->hosts[1].data_received, 1);
	sim_free(sim);
}

/* Packets that were staged just as the key came: they go at once, without another handshake. */
static void test_staged_too_late(void **state)
{
	struct sim *sim = connected_at(21, SIM_S);
	struct sim_host *a = &sim->hosts[0];

	a->staged = 3;
	wgx_session_want_handshake(a->session, sim->boot);
	sim_run_for(sim, SIM_S);
	assert_int_equal(initiations(a), 0);
	assert_int_equal(sim->hosts[1].data_received, 3);
	sim_free(sim);
}

/* A noted event is served at its time even where nothing else would have called run. */
static void test_wake_only_where_earlier(void **state)
{
	struct sim *sim = connected_at(22, 30 * SIM_S);
	struct sim_host *a = &sim->hosts[0];
	struct wgx_keypair *kp = current(a);
	const uint64_t t = sim->boot;

	sim_run_host(a);
	a->wakes = 0;
	wgx_session_note_sent(a->session, kp, t, true);
	assert_int_equal(a->wakes, 1); /* 540 s were armed, now it is 15 s */
	sim_run_host(a);
	assert_in_range(a->deadline - t, 15 * SIM_S, 15 * SIM_S + SIM_S / 3);
	wgx_session_note_sent(a->session, kp, t + 1, true);
	wgx_session_note_received(a->session, kp, t + 2, false);
	wgx_session_note_sent(a->session, kp, t + SIM_S, true);
	assert_int_equal(a->wakes, 1); /* later than what is armed */
	wgx_session_note_received(a->session, kp, t + 2 * SIM_S, true);
	assert_int_equal(a->wakes, 2); /* 12 s */
	wgx_session_note_received(a->session, kp, t + 2 * SIM_S, true);
	assert_int_equal(a->wakes, 2);
	sim_free(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test("P-TM-1 P-TM-2 P-TM-3 P-TM-4 P-TM-5 P-TM-6", test_numbers),
		line_test("P-TM-1", test_retransmission_jitter),
		line_test("P-TM-1 P-TM-6", test_gives_up),
		line_test("P-TM-1", test_new_data_restarts_attempts),
		line_test("P-TM-1", test_one_initiation),
		line_test("P-TM-1", test_not_sooner),
		line_test("P-TM-1", test_unconfirmed_responder),
		line_test("P-TM-4", test_new_handshake),
		line_test("P-TM-4 P-TM-5", test_answer_calls_off),
		line_test("P-TM-5", test_data_replies),
		line_test("P-TM-5", test_another_keepalive),
		line_test("P-TM-6", test_zeroing),
		line_test("P-TM-6", test_zeroing_unconfirmed),
		line_test("P-TM-6", test_zeroing_postponed),
		line_test("P-TM-2", test_rekey_on_sending),
		line_test("P-TM-2", test_responder_does_not_rekey),
		line_test("P-TM-2", test_rekey_on_receiving),
		line_test("P-TM-2", test_rekey_after_messages),
		line_test("P-TM-3", test_spent_key),
		line_test("P-TM-3", test_key_from_the_future),
		line_test("P-TM-7", test_persistent_keepalive),
		line_test("P-TM-7", test_persistent_interval_changes),
		line_test("P-TM-7", test_persistent_at_link_up),
		line_test("P-TM-7", test_persistent_at_restart),
		line_test("P-TM-7 P-TM-1", test_persistent_short),
		line_test("P-TM-7", test_persistent_reset),
		line_test("P-TM-7", test_persistent_longest),
		line_test("P-TM-4 P-TM-5", test_keepalives_arm_nothing),
		cmocka_unit_test(test_told),
		line_test("P-TM-2", test_initiator_rekeys),
		cmocka_unit_test(test_idle_and_stopped),
		cmocka_unit_test(test_staged_too_late),
		cmocka_unit_test(test_wake_only_where_earlier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
