/* SPDX-License-Identifier: MIT */
/*
 * Two peers whose fate an input decides: what is sent, lost, delayed, damaged, replayed, when a host restarts,
 * gets another key, or has no memory left. sim.h checks between any two events what docs/protocol.md demands:
 * nonces, key ages, replays, the three slots, indices, wiping; and each input ends with the tunnel's recovery.
 */
#define SIM_RUNS_A_MINUTE 100000 /* an input may wake a host as often as it likes */
#define SIM_KEYS_BY_NUMBER \
	1 /* most of an input's time was X25519 with keys that no other input had */
#include "fuzz/fuzz.h"
#include "fuzz/dh_memo.h"
#include "unit/sim.h"

#include <sodium.h>

#define STEPS 400
#define PACKETS_MAX 2000 /* on their way: more are lost */
#define RECOVERY 60 /* seconds, as test_day.c has it, and a full round of attempts in between */

static void fuzz_begin(void)
{
	assert_true(sodium_init() >= 0);
}

struct story {
	struct sim *sim;
	struct bytes in;
	uint8_t psk[2][WGX_KEY_LEN];
	uint16_t keepalive[2];
};

static void begin_session(struct story *t, struct sim_host *h)
{
	const struct wgx_now now = sim_host_now(h);

	wgx_session_init(h->session, h->local, t->sim->hosts[!h->id].local->public_key, &now);
	wgx_session_set_psk(h->session, t->psk[h->id]);
	wgx_session_set_keepalive(h->session, t->keepalive[h->id], &now);
	wgx_session_start(h->session, &now);
	sim_may_initiate(h);
}

static void restart(struct story *t, struct sim_host *h)
{
	const struct wgx_now now = sim_host_now(h);
	uint8_t key[WGX_KEY_LEN];

	memcpy(key, h->local->private_key, sizeof(key));
	wgx_session_stop(h->session);
	assert_int_equal(h->keypairs_live + h->indices_live + h->staged, 0);
	wgx_local_init(h->local, &sim_upcalls, h, &now);
	wgx_local_set_key(h->local, key);
	begin_session(t, h);
}

static void link_down_and_up(struct sim_host *h)
{
	struct wgx_now now;

	wgx_session_stop(h->session);
	assert_int_equal(h->keypairs_live + h->indices_live + h->staged, 0);
	now = sim_host_now(h);
	wgx_session_start(h->session, &now);
	sim_may_initiate(h);
}

static void change_key(struct story *t, struct sim_host *h)
{
	struct sim_host *other = &t->sim->hosts[!h->id];
	uint8_t key[WGX_KEY_LEN];

	sim_random_bytes(h, key, sizeof(key));
	wgx_local_set_key(h->local, key);
	wgx_session_identity_changed(h->session);
	sim_may_initiate(h);
	assert_null(wgx_session_sending_key(h->session, sim_boot(h)));
	wgx_session_stop(other->session);
	begin_session(t, other);
}

/* The last message of a kind that @h sent, perhaps with some bits changed, to either. */
static void forge(struct story *t, struct sim_host *h)
{
	struct sim_sent *sent = &h->sent[WGX_MSG_INITIATION + take_u8(&t->in) % 4];
	uint8_t at = take_u8(&t->in), bits = take_u8(&t->in);
	uint8_t msg[SIM_MSG_MAX];

	if (!sent->last_len)
		return;
	memcpy(msg, sent->last, sent->last_len);
	msg[at % sent->last_len] ^= bits;
	sim_enqueue(t->sim, bits & 1 ? h->id : !h->id, msg, sent->last_len);
}

/* Whatever the bytes say, from nowhere. */
static void noise(struct story *t, struct sim_host *h)
{
	size_t len;
	uint8_t *msg = take_copy(&t->in, take_u8(&t->in) % SIM_MSG_MAX, &len);

	if (len)
		sim_enqueue(t->sim, h->id, msg, len);
	free(msg);
}

static void set_keepalive(struct story *t, struct sim_host *h)
{
	const struct wgx_now now = sim_host_now(h);

	t->keepalive[h->id] = take_u8(&t->in);
	wgx_session_set_keepalive(h->session, t->keepalive[h->id], &now);
}

static void set_psk(struct story *t, struct sim_host *h)
{
	memset(t->psk[h->id], take_u8(&t->in) % 3, WGX_KEY_LEN);
	wgx_session_set_psk(h->session, t->psk[h->id]);
}

/* Late in a key's life, as far as its counter goes */
static void age_counter(struct sim_host *h)
{
	struct wgx_keypair *kp = atomic_load(&h->session->keypairs.current);

	if (kp && atomic_load(&kp->send_counter) < WGX_REJECT_AFTER_MESSAGES - 8)
		atomic_store(&kp->send_counter, WGX_REJECT_AFTER_MESSAGES - 8);
}

static void step(struct story *t)
{
	const uint8_t what = take_u8(&t->in);
	struct sim *sim = t->sim;
	struct sim_host *h = &sim->hosts[what & 1];

	switch (what >> 1 & 31) {
	case 0:
	case 1:
	case 2:
		sim_send(h);
		break;
	case 3:
		sim_run_for(sim, take_u8(&t->in) * SIM_MS);
		break;
	case 4:
		sim_run_for(sim, take_u8(&t->in) * (SIM_S / 8));
		break;
	case 5:
		sim_run_for(sim, take_u8(&t->in) * 3 * SIM_S);
		break;
	case 6:
		sim->loss = take_u8(&t->in) * 4;
		break;
	case 7:
		sim->duplicate = take_u8(&t->in) * 2;
		break;
	case 8:
		sim->delay_min = take_u8(&t->in) * SIM_MS;
		sim->delay_max = sim->delay_min + take_u8(&t->in) * 20 * SIM_MS;
		break;
	case 9:
		sim->wake_delay_max = take_u8(&t->in) * SIM_MS;
		break;
	case 10:
		h->deaf = !h->deaf;
		break;
	case 11:
		h->under_load = !h->under_load;
		break;
	case 12:
		h->fail_index = !h->fail_index;
		break;
	case 13:
		h->fail_keypair = !h->fail_keypair;
		break;
	case 14:
		link_down_and_up(h);
		break;
	case 15:
		restart(t, h);
		break;
	case 16:
		change_key(t, h);
		break;
	case 17:
		wgx_session_forget_keys(h->session);
		break;
	case 18:
		set_keepalive(t, h);
		break;
	case 19:
		set_psk(t, h);
		break;
	case 20:
		sim->epoch += (take_u8(&t->in) - 128) * 60 * SIM_S;
		break;
	case 21:
		age_counter(h);
		break;
	case 22:
		sim->n_packets = 0;
		break;
	case 23:
		noise(t, h);
		break;
	default:
		forge(t, h);
		break;
	}
	if (sim->n_packets > PACKETS_MAX)
		sim->n_packets = PACKETS_MAX;
	sim_check_host(&sim->hosts[0]);
	sim_check_host(&sim->hosts[1]);
}

/* All is well again: what is sent arrives before long. */
static void check_recovery(struct story *t)
{
	struct sim *sim = t->sim;
	unsigned int before[2], s;

	sim->loss = sim->duplicate = 0;
	sim->delay_min = sim->delay_max = 10 * SIM_MS;
	sim->wake_delay_max = 0;
	sim->n_packets = 0;
	memcpy(t->psk[1], t->psk[0], WGX_KEY_LEN);
	for (unsigned int id = 0; id < 2; id++) {
		struct sim_host *h = &sim->hosts[id];

		h->deaf = h->under_load = h->fail_index = h->fail_keypair = false;
		wgx_session_set_psk(h->session, t->psk[id]);
		before[id] = h->data_received;
	}
	for (s = 0; s < RECOVERY; s++) {
		sim_send(&sim->hosts[0]);
		sim_send(&sim->hosts[1]);
		sim_run_for(sim, SIM_S);
		if (sim->hosts[0].data_received > before[0] &&
		    sim->hosts[1].data_received > before[1])
			break;
	}
	assert_true(s < RECOVERY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct story t = {.in = {data, size}};

	t.sim = sim_new(take_u8(&t.in));
	for (unsigned int i = 0; i < STEPS && t.in.left; i++)
		step(&t);
	check_recovery(&t);
	sim_free(t.sim);
	return 0;
}
