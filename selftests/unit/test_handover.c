/* SPDX-License-Identifier: MIT */
/*
 * What goes from one process to the next (wgx restart): sessions go on where they were, without a handshake, a nonce or
 * a timestamp used twice (sim.h looks at each message); a model is the same afterwards; and what is cut off or damaged
 * is refused, with nothing left of it.
 */
#define SIM_RUNS_A_MINUTE 2000 /* each new process looks at its timers */
#include "line_test.h"
#include "model_bytes.h"
#include "sim.h"
#include "uapi_client.h"

#include "daemon/handover_state.h"
#include "daemon/state.h"
#include "device/name.h"
#include "proto/codec.h"

/* ---- sessions, in a simulation ---- */

static void codec_host(struct sim_host *h, struct wgx_codec *c)
{
	wgx_local_codec(h->local, c);
	wgx_session_codec(h->session, c);
}

/* The old process is gone, with all that it had; nobody stopped its session. */
static void end_process(struct sim_host *h)
{
	for (size_t i = 0; i < SIM_INDICES; i++) {
		h->indices[i].used = false;
		free(h->keypairs[i]);
		h->keypairs[i] = NULL;
	}
	h->indices_live = h->keypairs_live = 0;
	memset(h->session, 0x5a, sizeof(*h->session));
}

static void begin_process(struct sim_host *h, const uint8_t private_key[WGX_KEY_LEN])
{
	const struct wgx_now now = sim_host_now(h);

	wgx_local_init(h->local, &sim_upcalls, h, &now);
	wgx_local_set_key(h->local, private_key);
	wgx_session_init(h->session, h->local, h->sim->hosts[!h->id].local->public_key, &now);
}

static void hand_over(struct sim_host *h)
{
	struct wgx_codec count = {0}, c;
	uint8_t key[WGX_KEY_LEN];

	memcpy(key, h->local->private_key, sizeof(key));
	codec_host(h, &count);
	assert_false(count.failed);
	c = (struct wgx_codec){.p = malloc(count.at), .size = count.at};
	assert_non_null(c.p);
	codec_host(h, &c);
	assert_false(c.failed);
	assert_int_equal(c.at, c.size);

	end_process(h);
	h->taking_over = true;
	begin_process(h, key);
	c.at = 0;
	c.reading = true;
	codec_host(h, &c);
	assert_false(c.failed);
	assert_int_equal(c.at, c.size);
	h->taking_over = false;
	free(c.p);
	h->woken = true; /* as wgx_handover_open() */
	h->woken_at = h->sim->boot;
}

static unsigned int initiations(struct sim *sim)
{
	return sim->hosts[0].sent[WGX_MSG_INITIATION].count +
	       sim->hosts[1].sent[WGX_MSG_INITIATION].count;
}

/* Each 100 ms another process, and data both ways all the time: all arrives, and no handshake comes of it. */
static void test_no_handshake(void **state)
{
	struct sim *sim = sim_connected(7);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	const unsigned int before = initiations(sim), to_b = b->data_received;

	for (unsigned int i = 0; i < 600; i++) {
		hand_over(&sim->hosts[i & 1]);
		sim_send(a);
		sim_send(b);
		sim_run_for(sim, 100 * SIM_MS);
	}
	assert_int_equal(initiations(sim), before);
	assert_int_equal(b->data_received, to_b + 600);
	assert_int_equal(a->data_received, 600);
	sim_free(sim);
}

/* At any moment of a handshake, of a key's life and of a timer; over a network that loses, doubles and reorders. */
static void test_any_moment(void **state)
{
	for (uint64_t seed = 1; seed <= 10; seed++) {
		struct sim *sim = sim_new(seed);
		unsigned int received;

		sim->loss = seed % 3 ? 50 : 0;
		sim->duplicate = 100;
		sim->delay_max = 200 * SIM_MS;
		for (unsigned int i = 0; i < 3000; i++) {
			if (!sim_below(sim, 4))
				sim_send(&sim->hosts[sim_below(sim, 2)]);
			if (!sim_below(sim, 8))
				hand_over(&sim->hosts[sim_below(sim, 2)]);
			sim_run_for(sim, sim_below(sim, sim_below(sim, 50) ? 100 : 20000) * SIM_MS);
		}
		sim->loss = 0;
		received = sim->hosts[1].data_received;
		sim_run_for(sim, 100 * SIM_S);
		sim_send(&sim->hosts[0]);
		sim_run_for(sim, 20 * SIM_S);
		assert_true(sim->hosts[1].data_received > received);
		sim_free(sim);
	}
}

/* ---- a model ---- */

#define SETTINGS                                                                             \
	"set=1\n"                                                                            \
	"private_key=a8dac1d8a70a751f0f699fb14ba1cff7b79cf4fbd8f09f44c6e6a90d0369604f\n"     \
	"listen_port=51820\nfwmark=7\n"                                                      \
	"public_key=25123c5dcd3328ff645e4f2a3fce0d754400d3887a0cb7c56f0267e20fbf3c5b\n"      \
	"preshared_key=188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52\n"   \
	"endpoint=192.0.2.1:51820\nallowed_ip=10.0.0.0/8\nallowed_ip=fd00::/8\n"             \
	"public_key=11123c5dcd3328ff645e4f2a3fce0d754400d3887a0cb7c56f0267e20fbf3c5b\n"      \
	"endpoint=[2001:db8::1]:7\npersistent_keepalive_interval=25\nallowed_ip=10.7.0.2/32" \
	"\n\n"

static struct fake *make_model(void)
{
	struct fake *f = fake_create("wg0");
	struct wgx_peer *peer, *other;

	expect(f, SETTINGS, "errno=0\n\n");
	wgx_device_lock(f->dev);
	peer = cds_list_first_entry(&f->dev->peers, struct wgx_peer, all);
	other = cds_list_entry(peer->all.next, struct wgx_peer, all);
	assert_int_equal(wgx_peer_set_name(peer, "beta"), 0);
	wgx_peer_set_twin(peer, other);
	atomic_store(&peer->tx_bytes, 17);
	atomic_store(&other->rx_packets, 18);
	wgx_device_unlock(f->dev);
	return f;
}

/* @bytes: in memory of that size and no more */
static struct fake *read_model(const uint8_t *bytes, size_t size, bool *ret_failed)
{
	struct fake *f = fake_create("wg0");
	struct wgx_codec c = {.p = malloc(size ? size : 1), .size = size, .reading = true};

	assert_non_null(c.p);
	memcpy(c.p, bytes, size);
	wgx_device_lock(f->dev);
	wgx_device_codec(f->dev, &c);
	wgx_device_commit(f->dev);
	*ret_failed = c.failed;
	free(c.p);
	fake_check(f);
	return f;
}

static void test_model(void **state)
{
	struct fake *f = make_model(), *g;
	struct wgx_codec c = write_model(f), again;
	struct wgx_peer *peer, *other;
	char *told = dump(f), *same;
	bool failed;

	g = read_model(c.p, c.size, &failed);
	assert_false(failed);
	same = dump(g);
	assert_string_equal(told, same);
	peer = wgx_device_find_named(g->dev, "beta");
	assert_non_null(peer);
	other = cds_list_entry(peer->all.next, struct wgx_peer, all);
	assert_ptr_equal(atomic_load(&peer->twin), other);
	assert_ptr_equal(atomic_load(&other->twin), peer);
	assert_int_equal(atomic_load(&other->rx_packets), 18);
	assert_int_equal(g->rebinds, 0); /* its sockets come from elsewhere */
	again = write_model(g);
	assert_int_equal(again.size, c.size);
	assert_memory_equal(again.p, c.p, c.size);
	free(again.p);
	free(c.p);
	free(same);
	free(told);
	fake_destroy(f);
	fake_destroy(g);
}

/* Many at once: a grace period takes ten milliseconds. */
static void destroy_later(struct fake *f)
{
	static struct fake *ended[64];
	static unsigned int n;

	if (f) {
		fake_end(f);
		ended[n++] = f;
	}
	if (f && n < sizeof(ended) / sizeof(*ended))
		return;
	wgx_rcu_barrier();
	while (n)
		fake_free(ended[--n]);
}

static void test_cut_off(void **state)
{
	struct fake *f = make_model();
	struct wgx_codec c = write_model(f);
	bool failed;

	for (size_t size = 0; size < c.size; size++) {
		destroy_later(read_model(c.p, size, &failed));
		assert_true(failed);
	}
	destroy_later(NULL);
	free(c.p);
	fake_destroy(f);
}

static void test_damaged(void **state)
{
	struct fake *f = make_model();
	struct wgx_codec c = write_model(f);
	uint64_t seed = 1;
	bool failed;

	for (unsigned int i = 0; i < 1500; i++) {
		size_t at;
		uint8_t old;

		seed = seed * 6364136223846793005 + 1442695040888963407;
		at = (size_t)(seed >> 33) % c.size;
		old = c.p[at];
		c.p[at] ^= (uint8_t)(1u << (seed >> 20) % 8);
		destroy_later(read_model(c.p, c.size, &failed));
		c.p[at] = old;
	}
	destroy_later(NULL);
	free(c.p);
	fake_destroy(f);
}

/* An index that is taken: two processes would answer to it. */
static void test_index_taken(void **state)
{
	struct fake *f = make_model();
	const struct wgx_now now = wgx_now();
	struct wgx_peer *peer;
	struct wgx_codec c;
	bool failed;

	wgx_device_lock(f->dev);
	assert_int_equal(wgx_device_up(f->dev), 0);
	peer = wgx_device_find_named(f->dev, "beta");
	wgx_session_want_handshake(&peer->session, now.boot);
	wgx_session_run(&peer->session, &now);
	assert_int_equal(f->n_receivers, 1);
	wgx_device_unlock(f->dev);
	c = write_model(f);
	fake_destroy(read_model(c.p, c.size, &failed));
	assert_true(failed);
	fake_destroy(f);
	fake_destroy(read_model(c.p, c.size, &failed)); /* and now it is free */
	assert_false(failed);
	free(c.p);
}

/* ---- the header, and descriptors ---- */

static void test_format(void **state)
{
	static struct wgx_daemon d;
	uint32_t words[64] = {0x77677868, WGX_HANDOVER_FORMAT + 1};
	struct wgx_handover h = {
		.c = {.p = (uint8_t *)words, .size = sizeof(words), .reading = true}};

	wgx_handover_codec(&h, &d, -1);
	assert_true(h.c.failed);
	assert_int_equal(h.c.at, 8); /* no further */
	words[0]++;
	words[1] = WGX_HANDOVER_FORMAT;
	h.c = (struct wgx_codec){.p = (uint8_t *)words, .size = sizeof(words), .reading = true};
	wgx_handover_codec(&h, &d, -1);
	assert_true(h.c.failed);
}

static void test_descriptors(void **state)
{
	int fds[2] = {100, 101}, fd = -1;
	uint32_t words[] = {1, 0, 1, 1, 2};
	struct wgx_handover h = {
		.c = {.p = (uint8_t *)words, .size = sizeof(words), .reading = true},
		.fds = fds,
		.n_fds = 2};

	wgx_handover_fd(&h, &fd);
	assert_int_equal(fd, 100);
	wgx_handover_fd(&h, &fd);
	assert_int_equal(fd, -1);
	wgx_handover_fd(&h, &fd);
	assert_int_equal(fd, 101);
	assert_false(h.c.failed);
	wgx_handover_fd(&h, &fd); /* more than came */
	assert_int_equal(fd, -1);
	assert_true(h.c.failed);
	assert_int_equal(fds[0], -1);
	assert_int_equal(fds[1], -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_handshake), cmocka_unit_test(test_any_moment),
		cmocka_unit_test(test_model),	     cmocka_unit_test(test_cut_off),
		cmocka_unit_test(test_damaged),	     cmocka_unit_test(test_index_taken),
		cmocka_unit_test(test_format),	     cmocka_unit_test(test_descriptors),
	};

	return cmocka_run_group_tests_name("handover", tests, fake_setup, fake_teardown);
}
