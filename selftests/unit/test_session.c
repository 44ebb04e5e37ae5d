/* SPDX-License-Identifier: MIT */
/* Whole sessions between two peers; test_day has the bad networks. */
#include "line_test.h"
#include "sim.h"

#include <pthread.h>

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

/* Confirmed by data, but the protocol thread has not got to that when the next initiation comes (found by the model). */
static void test_confirmed_outlives_handshake(void **state)
{
	struct sim *sim = sim_new(1);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	const struct wgx_keypair *first;

	b->woken = true; /* as if it had been asked for, and had no time yet */
	b->woken_at = WGX_NEVER;
	sim_send(a);
	sim_run_for(sim, SIM_S);
	assert_int_equal(b->data_received, 1);
	first = atomic_load(&b->session->keypairs.next);
	assert_non_null(first);
	assert_true(atomic_load(&first->confirmed));

	wgx_session_stop(a->session);
	wgx_session_start(a->session, &(struct wgx_now){sim->boot, sim->epoch + sim->boot});
	sim_may_initiate(a);
	a->deaf = true; /* so that it does not confirm the second one */
	sim_send(a);
	sim_run_for(sim, SIM_S);
	assert_ptr_equal(atomic_load(&b->session->keypairs.current), first);
	assert_ptr_not_equal(atomic_load(&b->session->keypairs.next), first);
	assert_non_null(atomic_load(&b->session->keypairs.next));
	assert_ptr_equal(wgx_session_sending_key(b->session, sim->boot), first);
	assert_true(wgx_session_last_handshake(b->session) > 0);
	sim_free(sim);
}

/*
 * P-HS-7: the answer to the packet that confirms goes under the new key, before the protocol thread has
 * heard of it: a peer that was restarted has no other.
 */
static void test_answer_under_confirmed(void **state)
{
	struct sim *sim = sim_connected(14);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	struct wgx_keypair *old = current(b), *kp;

	sim_run_for(sim, 10 * SIM_S);
	wgx_session_forget_keys(a->session); /* restarted */
	sim_send(a);
	a->deaf = true;
	sim_run_for(sim, SIM_S);
	kp = b->session->keypairs.next;
	assert_non_null(kp);
	assert_ptr_equal(wgx_session_sending_key(b->session, sim->boot), old);
	wgx_session_note_received(b->session, kp, sim->boot, true);
	assert_ptr_equal(wgx_session_sending_key(b->session, sim->boot), kp);
	assert_ptr_equal(current(b), old); /* not promoted yet */
	sim_run_for(sim, SIM_S);
	assert_ptr_equal(current(b), kp);
	sim_free(sim);
}

/* @from, the initiator of the session that there is, sends under a key of 125 s, which asks for a new one. */
static void check_rekey(struct sim *sim, struct sim_host *from, struct sim_host *to)
{
	struct wgx_keypair *from1 = current(from), *to1 = current(to);
	uint64_t initiations = from->sent[WGX_MSG_INITIATION].count, received = to->data_received;

	assert_true(from1->initiator);
	sim_run_for(sim, 125 * SIM_S);
	sim_send(from);
	sim_run_for(sim, SIM_S);
	assert_ptr_equal(from->session->keypairs.previous, from1);
	assert_ptr_not_equal(current(from), from1);
	assert_ptr_equal(to->session->keypairs.previous, to1);
	assert_ptr_not_equal(current(to), to1);
	assert_null(from->session->keypairs.next);
	assert_null(to->session->keypairs.next);
	assert_int_equal(from->sent[WGX_MSG_INITIATION].count, initiations + 1);
	assert_int_equal(to->data_received, received + 1);
}

/* P-HS-7: three slots, through a rekey in each direction */
static void test_slots(void **state)
{
	struct sim *sim = sim_connected(4);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

	check_rekey(sim, a, b);
	sim_run_for(sim, 185 * SIM_S); /* the keys are spent: now b begins */
	sim_send(b);
	sim_run_for(sim, SIM_S);
	check_rekey(sim, b, a);
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

/* P-MSG-1, P-MSG-2: a data message on the wire, byte for byte but for the ciphertext */
static void test_data_format(void **state)
{
	struct sim *sim = sim_connected(20);
	struct wgx_keypair *a = current(&sim->hosts[0]), *b = current(&sim->hosts[1]);
	uint8_t msg[16 + WGX_DATA_OVERHEAD], plain[16] = {0};
	const uint8_t want[] = {4,    0,    0,	  0,	0x44, 0x33, 0x22, 0x11,
				0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0x01};
	const uint64_t boot = sim->boot;
	uint32_t index = a->remote_index;

	a->remote_index = b->local_index = 0x11223344;
	atomic_store(&a->send_counter, UINT64_C(0x0123456789abcdef));
	assert_int_equal(wgx_data_seal(a, plain, sizeof(plain), boot, msg), 0);
	assert_int_equal(sizeof(msg), 16 + 16 + 16);
	assert_memory_equal(msg, want, sizeof(want));
	for (int i = 0; i < 4; i++) {
		msg[i] ^= 1;
		assert_int_equal(wgx_data_open(b, msg, sizeof(msg), boot, plain), -EPROTO);
		msg[i] ^= 1;
	}
	assert_int_equal(wgx_data_open(b, msg, sizeof(msg), boot, plain), 0);
	a->remote_index = b->local_index = index;
	sim_free(sim);
}

/* P-TM-3: no message opens at REJECT_AFTER_MESSAGES or beyond, and none at all after the last one */
static void test_messages_end(void **state)
{
	static const struct {
		uint64_t counter;
		int result;
	} cases[] = {
		{WGX_REJECT_AFTER_MESSAGES, -EALREADY},
		{UINT64_MAX, -EALREADY},
		{WGX_REJECT_AFTER_MESSAGES - 2, 0},
		{WGX_REJECT_AFTER_MESSAGES, -EALREADY},
		{WGX_REJECT_AFTER_MESSAGES - 3, 0},
		{WGX_REJECT_AFTER_MESSAGES - 1, 0},
		{WGX_REJECT_AFTER_MESSAGES - 4, -EKEYEXPIRED},
	};
	struct sim *sim = sim_connected(21);
	struct wgx_keypair *a = current(&sim->hosts[0]), *b = current(&sim->hosts[1]);
	struct wgx_msg_data header = {.type = htole32(WGX_MSG_DATA),
				      .receiver = htole32(b->local_index)};
	uint8_t msg[WGX_DATA_OVERHEAD], plain[1];

	assert_true(WGX_REJECT_AFTER_MESSAGES == UINT64_C(0xffffffffffffdfff));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		header.counter = htole64(cases[i].counter);
		memcpy(msg, &header, sizeof(header));
		wgx_seal(msg + sizeof(header), NULL, 0, NULL, 0, cases[i].counter, a->send_key);
		assert_int_equal(wgx_data_open(b, msg, sizeof(msg), sim->boot, plain),
				 cases[i].result);
	}
	sim_free(sim);
}

/* P-HS-5: an index lives with the handshake that drew it, then with its keypair, and no longer */
static void test_indices_live(void **state)
{
	struct sim *sim = sim_new(22);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	uint32_t first, second;

	b->deaf = true;
	sim_send(a);
	sim_run_for(sim, SIM_S);
	first = a->session->handshake.local_index;
	assert_non_null(sim_index_find(a, first));
	sim_run_for(sim, 5 * SIM_S); /* each initiation has another, and the old one is gone */
	second = a->session->handshake.local_index;
	assert_int_not_equal(first, second);
	assert_null(sim_index_find(a, first));
	b->deaf = false;
	sim_run_for(sim, 6 * SIM_S);
	first = current(a)->local_index;
	assert_ptr_equal(sim_index_find(a, first)->kp, current(a));
	assert_int_equal(current(b)->remote_index, first);

	sim_run_until(sim, current(a)->created + 125 * SIM_S);
	sim_send(a);
	sim_run_for(sim,
		    SIM_S); /* the key is the previous one now: still there, and it still opens */
	assert_int_not_equal(current(a)->local_index, first);
	assert_ptr_equal(sim_index_find(a, first)->kp, a->session->keypairs.previous);
	sim_run_until(sim, current(a)->created + 125 * SIM_S);
	sim_send(a);
	sim_run_for(sim, SIM_S);
	assert_null(sim_index_find(a, first));
	sim_free(sim);
}

static bool has_static_static(const struct sim_host *h)
{
	return !wgx_is_zero(h->session->handshake.static_static, WGX_KEY_LEN);
}

/* A peer costs no Diffie-Hellman before its first handshake, and P-HS-8: after a change of the key, the next. */
static void test_static_static(void **state)
{
	struct sim *sim = sim_new(31);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	uint8_t first[WGX_KEY_LEN];

	assert_false(has_static_static(a) || has_static_static(b));
	sim_send(a);
	sim_run_for(sim, SIM_S);
	assert_int_equal(b->data_received, 1);
	assert_memory_equal(a->session->handshake.static_static,
			    b->session->handshake.static_static, WGX_KEY_LEN);
	assert_true(has_static_static(a));
	memcpy(first, a->session->handshake.static_static, sizeof(first));
	/* the same one serves the next handshake */
	sim_run_for(sim, 10 * SIM_S);
	wgx_session_forget_keys(a->session);
	sim_send(a);
	sim_run_for(sim, SIM_S);
	assert_int_equal(b->data_received, 2);
	assert_memory_equal(a->session->handshake.static_static, first, WGX_KEY_LEN);
	wgx_session_identity_changed(a->session);
	assert_false(has_static_static(a));
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
	sim_may_initiate(a);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test("P-HS-7", test_first_packet),
		line_test("P-HS-7", test_keepalive_confirms),
		line_test("P-HS-7", test_responder_waits),
		line_test("P-HS-7", test_answer_under_confirmed),
		line_test("P-HS-7", test_confirmed_outlives_handshake),
		line_test("P-HS-7", test_slots),
		line_test("P-TM-3", test_key_dies),
		line_test("P-TM-3 P-DT-6", test_nonces_end),
		line_test("P-DT-1 P-DT-2", test_data_replay_and_forgery),
		line_test("P-MSG-1 P-MSG-2", test_data_format),
		line_test("P-TM-3 P-DT-2", test_messages_end),
		line_test("P-HS-5", test_indices_live),
		cmocka_unit_test(test_static_static),
		line_test("P-HS-8", test_identity_changes),
		line_test("P-HS-8", test_key_is_clamped),
		line_test("P-HS-9", test_psk_changes),
		line_test("P-HS-5", test_out_of_resources),
		line_test("P-DOS-4", test_stop_start),
		line_test("P-TM-8", test_forget_keys),
		line_test("P-TM-1", test_crossed_initiations),
		cmocka_unit_test(test_busy_peer_wakes_seldom),
		line_test("P-TM-2", test_steady_traffic_rekeys),
		line_test("P-DT-6", test_concurrent_workers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
