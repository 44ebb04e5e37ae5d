/* SPDX-License-Identifier: MIT */
/* P-HS-3 from end to end: stamps when peers, interfaces and daemons come and go, and the clock goes back. */
#include "unit/line_test.h"
#include "unit/sim.h"

#define HOUR (3600 * SIM_S)

/* hosts[0] sends after a while; must it be heard at once? */
static void assert_heard(struct sim *sim)
{
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	unsigned int initiations = a->sent[WGX_MSG_INITIATION].count, data = b->data_received;

	sim_run_for(sim, 10 * SIM_S); /* the flood gate and P-TM-1 are not what this is about */
	sim_send(a);
	sim_run_for(sim, SIM_S);
	assert_int_equal(a->sent[WGX_MSG_INITIATION].count, initiations + 1);
	assert_int_equal(b->data_received, data + 1);
}

static void remove_peer(struct sim_host *h)
{
	wgx_session_stop(h->session);
}

static void add_peer(struct sim_host *h)
{
	const struct wgx_now now = sim_now(h->sim);

	wgx_session_init(h->session, h->local, h->sim->hosts[!h->id].local->public_key, &now);
	wgx_session_start(h->session, &now);
}

/* As a daemon that begins, or an interface that is made anew: @reserved is all that is left. */
static void new_interface(struct sim_host *h)
{
	const struct wgx_now now = sim_now(h->sim);
	uint8_t key[WGX_KEY_LEN];

	remove_peer(h);
	memcpy(key, h->local->private_key, sizeof(key));
	wgx_local_clear(h->local);
	wgx_local_init(h->local, &sim_upcalls, h, &now);
	wgx_local_set_key(h->local, key);
	add_peer(h);
}

static void test_restart_with_clock_set_back(void **state)
{
	struct sim *sim = sim_connected(1);

	sim->epoch -= HOUR;
	for (unsigned int i = 0; i < 5; i++) {
		new_interface(&sim->hosts[0]);
		assert_heard(sim);
	}
	sim_free(sim);
}

/* A year forward by mistake, and right again: what was sent meanwhile stays the measure. */
static void test_restart_after_clock_was_wrong(void **state)
{
	struct sim *sim = sim_new(2);

	sim->epoch += 365 * 24 * HOUR;
	assert_heard(sim);
	sim->epoch -= 365 * 24 * HOUR;
	new_interface(&sim->hosts[0]);
	assert_heard(sim);
	sim_free(sim);
}

static void test_peer_added_again(void **state)
{
	struct sim *sim = sim_connected(3);

	sim->epoch -= HOUR;
	for (unsigned int i = 0; i < 5; i++) {
		remove_peer(&sim->hosts[0]);
		add_peer(&sim->hosts[0]);
		assert_heard(sim);
	}
	sim_free(sim);
}

/* A key that was another interface's until now */
static void test_key_moves(void **state)
{
	struct sim *sim = sim_connected(4);
	struct sim_host *a = &sim->hosts[0];
	uint8_t key[WGX_KEY_LEN], other[WGX_KEY_LEN] = {1};

	memcpy(key, a->local->private_key, sizeof(key));
	wgx_local_set_key(a->local, other);
	wgx_session_identity_changed(a->session);
	sim->epoch -= HOUR;
	memset(a->local->last_stamp, 0, sizeof(a->local->last_stamp));
	memset(a->session->handshake.last_stamp_sent, 0, WGX_TIMESTAMP_LEN);
	wgx_local_set_key(a->local, key);
	wgx_session_identity_changed(a->session);
	assert_heard(sim);
	sim_free(sim);
}

/* Nothing is sent whose stamp was not reserved before. */
static void test_reserved_before_sent(void **state)
{
	struct sim *sim = sim_connected(5);
	struct sim_host *a = &sim->hosts[0];

	for (unsigned int i = 0; i < 4; i++) {
		sim->epoch += i == 2 ? -HOUR : HOUR;
		wgx_session_forget_keys(a->session);
		assert_heard(sim);
		assert_memory_equal(a->reserved, a->session->handshake.last_stamp_sent,
				    WGX_TIMESTAMP_LEN);
	}
	sim_free(sim);
}

/* The other side: the last stamp accepted is remembered for as long as the peer is there. */
static void test_accepted_stamp_is_kept(void **state)
{
	struct sim *sim = sim_connected(6);
	struct sim_host *b = &sim->hosts[1];
	uint8_t first[SIM_MSG_MAX], other[WGX_KEY_LEN] = {1}, key[WGX_KEY_LEN];
	const size_t len = sim->hosts[0].sent[WGX_MSG_INITIATION].last_len;

	memcpy(first, sim->hosts[0].sent[WGX_MSG_INITIATION].last, len);
	memcpy(key, b->local->private_key, sizeof(key));
	for (unsigned int i = 0; i < 4; i++) {
		const struct wgx_now now = sim_now(sim);

		switch (i) {
		case 0: /* link down and up */
			wgx_session_stop(b->session);
			wgx_session_start(b->session, &now);
			break;
		case 1: /* a suspend */
			wgx_session_forget_keys(b->session);
			break;
		case 2: /* the key changed, and changed back */
			wgx_local_set_key(b->local, other);
			wgx_session_identity_changed(b->session);
			wgx_local_set_key(b->local, key);
			wgx_session_identity_changed(b->session);
			break;
		case 3: /* all keys' time is over */
			sim_run_for(sim, 3 * WGX_ZERO_AFTER);
		}
		sim_run_for(sim, SIM_S);
		assert_int_equal(sim_receive(b, first, len), WGX_HS_INVALID);
	}
	assert_heard(sim);
	sim_free(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test("P-HS-3", test_restart_with_clock_set_back),
		line_test("P-HS-3", test_restart_after_clock_was_wrong),
		line_test("P-HS-3", test_peer_added_again),
		line_test("P-HS-3", test_key_moves),
		line_test("P-HS-3", test_reserved_before_sent),
		line_test("P-HS-3", test_accepted_stamp_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
