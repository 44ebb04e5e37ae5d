/* SPDX-License-Identifier: MIT */
/*
 * Two peers through good and bad days: whole days of them, and many shorter stretches, on networks that
 * lose, delay, reorder, duplicate and replay, with clocks that drift, traffic of every pattern, restarts,
 * suspends, and settings that change. What must hold at all times is asserted by sim.h; here it is that
 * the tunnel always recovers.
 *
 *	WGX_DAY_RUNS=N   N short stretches, N / 200 days
 *	WGX_DAY_SEED=S   only the one that failed: its seed is printed
 */
#include "line_test.h"
#include "sim.h"

#include <stdio.h>

#ifdef WGX_SANITIZE
#define RUNS 150
#else
#define RUNS 1000
#endif
#define STRETCH (10 * 60 * SIM_S)
#define FIRST_STRETCH 1000000 /* seeds below are those of days */
#define DAY (24 * 3600 * SIM_S)
/* the network is good again: data arrives, at the latest after P-TM-4 noticed and P-TM-1 retried */
#define RECOVERY 45

struct weather {
	unsigned int loss, duplicate; /* in 1000 */
	uint64_t delay_max, wake_delay_max; /* ms */
};

static const struct weather weathers[] = {
	{0, 0, 20, 0}, /* fair */
	{300, 0, 50, 5}, /* lossy */
	{50, 100, 2000, 20}, /* reordering */
	{100, 500, 400, 50}, /* duplicating */
	{600, 200, 3000, 50}, /* awful */
	{100, 300, 60000, 100}, /* packets from another age */
};

/* What the two have been told; it lasts over a restart. */
struct settings {
	uint8_t psk[WGX_KEY_LEN];
	uint16_t keepalive;
};

struct story {
	struct sim *sim;
	struct settings settings[2];
	struct sim_packet heard[64]; /* by one who replays */
	unsigned int slowest; /* recovery, s */
	unsigned int incidents[12];
};

/* The run that goes on; 0: none */
static uint64_t running_seed;

static uint64_t below(struct story *t, uint64_t n)
{
	return sim_below(t->sim, n);
}

static void set_weather(struct sim *sim, const struct weather *w)
{
	sim->loss = w->loss;
	sim->duplicate = w->duplicate;
	sim->delay_min = SIM_MS;
	sim->delay_max = w->delay_max * SIM_MS;
	sim->wake_delay_max = w->wake_delay_max * SIM_MS;
}

/* ---- incidents ---- */

static void begin_session(struct story *t, struct sim_host *h)
{
	const struct settings *set = &t->settings[h->id];
	const struct wgx_now now = sim_host_now(h);

	wgx_session_init(h->session, h->local, t->sim->hosts[!h->id].local->public_key, &now);
	wgx_session_set_psk(h->session, set->psk);
	wgx_session_set_keepalive(h->session, set->keepalive, &now);
	wgx_session_start(h->session, &now);
	sim_may_initiate(h);
}

static void link_down_and_up(struct story *t, struct sim_host *h)
{
	struct wgx_now now;

	wgx_session_stop(h->session);
	assert_int_equal(h->keypairs_live + h->indices_live, 0);
	assert_int_equal(h->staged, 0);
	if (below(t, 2))
		sim_run_for(t->sim, below(t, 60 * SIM_S));
	now = sim_host_now(h);
	wgx_session_start(h->session, &now);
	sim_may_initiate(h);
}

/* The daemon goes, and comes back with the same settings and the stamp it stored. */
static void restart(struct story *t, struct sim_host *h)
{
	const struct wgx_now now = sim_host_now(h);
	uint8_t key[WGX_KEY_LEN];

	memcpy(key, h->local->private_key, sizeof(key));
	wgx_session_stop(h->session);
	wgx_local_init(h->local, &sim_upcalls, h, &now);
	wgx_local_set_key(h->local, key);
	begin_session(t, h);
}

/* Another private key here, and at once or later the other one is told of it. */
static void change_key(struct story *t, struct sim_host *h)
{
	struct sim_host *other = &t->sim->hosts[!h->id];
	uint8_t key[WGX_KEY_LEN];

	sim_random_bytes(h, key, sizeof(key));
	wgx_local_set_key(h->local, key);
	wgx_session_identity_changed(h->session);
	sim_may_initiate(h);
	assert_null(wgx_session_sending_key(h->session, sim_boot(h)));
	if (below(t, 2))
		sim_run_for(t->sim, below(t, 300 * SIM_S));
	wgx_session_stop(other->session);
	begin_session(t, other);
}

static void set_psk(struct story *t, struct sim_host *h)
{
	memcpy(t->settings[h->id].psk, t->settings[!h->id].psk, WGX_KEY_LEN);
	if (below(t, 2))
		sim_random_bytes(h, t->settings[h->id].psk, WGX_KEY_LEN);
	wgx_session_set_psk(h->session, t->settings[h->id].psk);
}

static void set_keepalive(struct story *t, struct sim_host *h)
{
	static const uint16_t intervals[] = {0, 0, 1, 12, 25, 300, 65535};
	const struct wgx_now now = sim_host_now(h);

	t->settings[h->id].keepalive = intervals[below(t, sizeof(intervals) / sizeof(*intervals))];
	wgx_session_set_keepalive(h->session, t->settings[h->id].keepalive, &now);
}

/* Somebody sends again what he once heard. */
static void replay(struct story *t)
{
	for (unsigned int i = 0; i < sizeof(t->heard) / sizeof(*t->heard); i++) {
		const struct sim_packet *p = &t->heard[i];

		if (p->len)
			sim_enqueue(t->sim, p->to, p->data, p->len);
	}
}

static void eavesdrop(struct story *t)
{
	for (size_t i = 0; i < t->sim->n_packets; i++)
		t->heard[below(t, sizeof(t->heard) / sizeof(*t->heard))] = t->sim->packets[i];
}

static void incident(struct story *t)
{
	const unsigned int what = below(t, sizeof(t->incidents) / sizeof(*t->incidents));
	struct sim *sim = t->sim;
	struct sim_host *h = &sim->hosts[below(t, 2)];

	t->incidents[what]++;
	switch (what) {
	case 0:
		link_down_and_up(t, h);
		break;
	case 1: /* a suspend */
		wgx_session_forget_keys(h->session);
		break;
	case 2:
		change_key(t, h);
		break;
	case 3:
		h->under_load = !h->under_load;
		break;
	case 4:
		set_keepalive(t, h);
		break;
	case 5:
		h->deaf = !h->deaf;
		break;
	case 6: /* both clocks are set, an hour ahead or back */
		sim->epoch += (below(t, 2) ? 3600 : -3600) * SIM_S;
		break;
	case 7:
	case 8:
		set_weather(sim, &weathers[below(t, sizeof(weathers) / sizeof(*weathers))]);
		break;
	case 9:
		restart(t, h);
		break;
	case 10:
		set_psk(t, h);
		break;
	case 11:
		replay(t);
		break;
	}
}

/* ---- traffic ---- */

/* @n packets from those of the mask @who, @gap apart */
static void traffic(struct story *t, unsigned int who, uint64_t n, uint64_t gap)
{
	while (n--) {
		for (unsigned int id = 0; id < 2; id++) {
			if (who & (1 << id))
				sim_send(&t->sim->hosts[id]);
		}
		sim_run_for(t->sim, gap);
	}
}

static void some_traffic(struct story *t)
{
	const unsigned int who = 1 + below(t, 3);

	switch (below(t, 6)) {
	case 0: /* a burst, back to back */
		traffic(t, who, below(t, 200), 0);
		break;
	case 1: /* a stream */
		traffic(t, who, 100 + below(t, 300), SIM_S / 4);
		break;
	case 2: /* a trickle, through rekeys */
		traffic(t, who, below(t, 30), below(t, 40) * SIM_S);
		break;
	case 3: /* now and then */
		traffic(t, who, below(t, 30), below(t, 3000) * SIM_MS);
		break;
	case 4: /* a pause in which keys expire */
		sim_run_for(t->sim, below(t, 300) * SIM_S);
		break;
	case 5: /* one in which they are wiped */
		sim_run_for(t->sim, below(t, 700) * SIM_S);
		break;
	}
	eavesdrop(t);
}

/* ---- recovery ---- */

static void make_good(struct story *t)
{
	struct sim *sim = t->sim;

	set_weather(sim, &weathers[0]);
	memcpy(t->settings[1].psk, t->settings[0].psk, WGX_KEY_LEN);
	for (unsigned int id = 0; id < 2; id++) {
		sim->hosts[id].deaf = sim->hosts[id].under_load = false;
		wgx_session_set_psk(sim->hosts[id].session, t->settings[id].psk);
	}
	if (below(t, 2))
		sim->n_packets = 0; /* what is under way is lost; else it comes, late as it is */
	else
		sim_run_for(sim, 60 * SIM_S);
}

static bool all_received(const struct story *t, unsigned int who, const unsigned int before[2])
{
	for (unsigned int id = 0; id < 2; id++) {
		if (who & (1 << !id) && t->sim->hosts[id].data_received == before[id])
			return false;
	}
	return true;
}

/* The network is good: what is sent by one or both arrives, before long and from then on. */
static void check_recovery(struct story *t)
{
	const unsigned int who = 1 + below(t, 3);
	struct sim_host *hosts = t->sim->hosts;
	unsigned int received[2], s;

	make_good(t);
	for (unsigned int id = 0; id < 2; id++)
		received[id] = hosts[id].data_received;
	for (s = 0; s < RECOVERY && !all_received(t, who, received); s++)
		traffic(t, who, 1, SIM_S);
	assert_true(s < RECOVERY);
	t->slowest = s > t->slowest ? s : t->slowest;

	traffic(t, who, 30, SIM_S); /* handshakes that crossed come to rest */
	for (unsigned int id = 0; id < 2; id++)
		received[id] = hosts[id].data_received;
	traffic(t, who, 10, SIM_S);
	/*
	 * One may be lost: an initiator that has an unconfirmed next keypair keeps that and drops the
	 * current one (as the driver), under which a packet can be on its way.
	 */
	for (unsigned int id = 0; id < 2; id++) {
		assert_int_equal(hosts[id].staged, 0);
		if (who & (1 << !id))
			assert_in_range(hosts[id].data_received - received[id], 9, 10);
	}
}

/* P-TM-6: nobody says anything, and nothing is left. */
static void check_silence(struct story *t)
{
	const uint16_t was[2] = {t->settings[0].keepalive, t->settings[1].keepalive};

	for (unsigned int id = 0; id < 2; id++) {
		struct sim_host *h = &t->sim->hosts[id];
		const struct wgx_now now = sim_host_now(h);

		wgx_session_set_keepalive(h->session, 0, &now);
	}
	sim_run_for(t->sim,
		    1200 * SIM_S); /* a round of attempts may begin with packets that are late */
	for (unsigned int id = 0; id < 2; id++) {
		struct sim_host *h = &t->sim->hosts[id];
		const struct wgx_now now = sim_host_now(h);

		assert_int_equal(h->keypairs_live + h->indices_live + h->staged, 0);
		wgx_session_set_keepalive(h->session, was[id], &now);
	}
}

/* ---- runs ---- */

static void begin(struct story *t, uint64_t seed)
{
	memset(t, 0, sizeof(*t));
	t->sim = sim_new(seed);
	for (unsigned int id = 0; id < 2; id++)
		t->sim->hosts[id].ppm = (int)below(t, 1001) - 500;
	set_weather(t->sim, &weathers[below(t, sizeof(weathers) / sizeof(*weathers))]);
}

static void live(struct story *t, uint64_t until)
{
	while (t->sim->boot < until) {
		some_traffic(t);
		if (!below(t, 2))
			incident(t);
		if (!below(t, 12))
			check_recovery(t);
		if (!below(t, 24))
			check_silence(t);
	}
	check_recovery(t);
}

struct total {
	unsigned int runs, responses, cookies, received, slowest, most_runs;
};

static void add_up(struct total *sum, const struct story *t)
{
	sum->runs++;
	for (unsigned int id = 0; id < 2; id++) {
		const struct sim_host *h = &t->sim->hosts[id];

		sum->responses += h->sent[WGX_MSG_RESPONSE].count;
		sum->cookies += h->sent[WGX_MSG_COOKIE].count;
		sum->received += h->data_received;
		if (h->runs_a_minute > sum->most_runs)
			sum->most_runs = h->runs_a_minute;
	}
	if (t->slowest > sum->slowest)
		sum->slowest = t->slowest;
}

static void run_seed(struct total *sum, uint64_t seed, uint64_t duration)
{
	struct story t;

	running_seed = seed;
	begin(&t, seed);
	live(&t, SIM_START + duration);
	add_up(sum, &t);
	sim_free(t.sim);
	running_seed = 0;
}

static void run_seeds(uint64_t first, uint64_t last, unsigned int n, uint64_t duration)
{
	const char *only = getenv("WGX_DAY_SEED");
	const uint64_t seed = only ? strtoull(only, NULL, 0) : 0;
	struct total sum = {0};

	if (only && (seed < first || seed > last))
		skip();
	if (only)
		run_seed(&sum, seed, duration);
	for (unsigned int i = 0; i < n && !only; i++)
		run_seed(&sum, first + i, duration);
	print_message("# %u runs: %u responses, %u cookie replies, %u packets; recovered in %u s, "
		      "%u runs a minute at most\n",
		      sum.runs, sum.responses, sum.cookies, sum.received, sum.slowest,
		      sum.most_runs);
	/* what went on is of every kind: handshakes, load, data */
	if (!only)
		assert_true(sum.responses > 5 * n && sum.cookies > n / 20 && sum.received > 50 * n);
}

static unsigned int runs(void)
{
	const char *wanted = getenv("WGX_DAY_RUNS");

	return wanted ? strtoul(wanted, NULL, 0) : RUNS;
}

static void test_stretches(void **state)
{
	run_seeds(FIRST_STRETCH, UINT64_MAX, runs(), STRETCH);
}

static void test_days(void **state)
{
	run_seeds(1, FIRST_STRETCH - 1, (runs() + 199) / 200, DAY);
}

static int name_seed(void **state)
{
	if (running_seed)
		print_message("# to repeat it: WGX_DAY_SEED=%llu\n",
			      (unsigned long long)running_seed);
	running_seed = 0;
	return 0;
}

#define ALWAYS "P-HS-5 P-HS-7 P-TM-1 P-TM-3 P-TM-6 P-DT-2 P-DT-6"

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test_setup_teardown(ALWAYS, test_stretches, NULL, name_seed),
		line_test_setup_teardown(ALWAYS, test_days, NULL, name_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
