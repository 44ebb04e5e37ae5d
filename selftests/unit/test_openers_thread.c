/* SPDX-License-Identifier: MIT */
/*
 * Helpers of the open worker: what they decrypt is right, what is forged or comes twice is counted, each flow keeps its
 * order, and nobody has a key in hand that is gone.
 *
 *	AF_PACKET -> wgx-rx -> far -> wgx_steer -> open worker, three helpers -> wg0 -> AF_PACKET
 */
#include "datapath_rings.h"

#include "path/aead.h"
#include "proto/internal.h"
#include "xorshift.h"

#define HELPERS 3
#define FLOWS 16
#define FRAMES 6 /* put into the ring while the worker stands: it finds them in one round */
#define MESSAGES 48 /* of each */
#define ROUNDS 40

/* ---- the list by itself: the test is the open worker ---- */

#define LEN_MAX 1200 /* so that a full list is worth all helpers */

struct bench {
	struct wgx_openers *openers;
	struct wgx_aead *aead;
	struct wgx_keypair *kp;
	uint8_t memory[WGX_OPENINGS_MAX * (LEN_MAX + WGX_DATA_OVERHEAD)];
	uint8_t *payloads[WGX_OPENINGS_MAX]; /* as in a superframe: a header and a tag apart */
	bool forged[WGX_OPENINGS_MAX];
	uint64_t counter, seed;
};

static struct bench *bench_make(void)
{
	struct bench *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->openers = aligned_alloc(64, sizeof(*b->openers));
	assert_non_null(b->openers);
	memset(b->openers, 0, sizeof(*b->openers));
	b->aead = wgx_aead_create();
	assert_non_null(b->aead);
	b->seed = 1234567;
	for (int n = 0; n < HELPERS; n++)
		assert_int_equal(wgx_openers_start(b->openers, NULL), 0);
	return b;
}

static void bench_free(struct bench *b)
{
	wgx_openers_stop(b->openers);
	wgx_aead_destroy(b->aead);
	free(b->openers);
	free(b);
}

static size_t len_of(unsigned int i)
{
	return i * 7 % LEN_MAX;
}

/* Message @i, which is sealed under the key of now; each fifth is not what was sealed */
static void bench_add(struct bench *b, unsigned int i)
{
	struct wgx_opening *m = wgx_openers_next(b->openers);
	size_t len = len_of(i);
	bool room;

	b->payloads[i] = i ? b->payloads[i - 1] + len_of(i - 1) + WGX_DATA_OVERHEAD : b->memory;
	memset(b->payloads[i], (int)(b->counter & 0xff), len);
	wgx_aead_seal(b->aead, b->kp->recv_key, b->counter, b->payloads[i], b->payloads[i], len);
	b->forged[i] = xorshift64(&b->seed) % 5 == 0;
	if (b->forged[i])
		b->payloads[i][xorshift64(&b->seed) % (len + 16)] ^= 1;
	m->kp = b->kp;
	m->payload = b->payloads[i];
	m->counter = b->counter++;
	m->plain = (uint32_t)len;
	room = wgx_openers_add(b->openers);
	assert_int_equal(room, i + 1 < WGX_OPENINGS_MAX);
}

static void expect_plain(const struct bench *b, uint64_t first, unsigned int i)
{
	for (size_t at = 0; !b->forged[i] && at < len_of(i); at++)
		assert_int_equal(b->payloads[i][at], (first + i) & 0xff);
}

static void bench_list(struct bench *b, unsigned int n)
{
	uint64_t first = b->counter;

	/* a key of this list only: who looks at it afterwards looks at what is gone */
	b->kp = aligned_alloc(64, sizeof(*b->kp));
	assert_non_null(b->kp);
	randombytes_buf(b->kp->recv_key, sizeof(b->kp->recv_key));
	for (unsigned int i = 0; i < n; i++)
		bench_add(b, i);
	wgx_openers_begin(b->openers);
	for (unsigned int i = 0; i < n; i++) {
		int err = wgx_openers_wait(b->openers, i, b->aead);

		assert_int_equal(err, b->forged[i] ? -EBADMSG : 0);
		expect_plain(b, first, i);
	}
	for (unsigned int i = 0; i < n; i++)
		expect_plain(b, first, i); /* and nobody has written to it since */
	wgx_openers_end(b->openers);
	memset(b->kp, 0xdb, sizeof(*b->kp));
	free(b->kp);
}

static bool all_helped(const struct wgx_openers *o)
{
	bool all = true;

	for (int n = 0; n < HELPERS; n++)
		all &= atomic_load(&o->helpers[n].helped) > 0;
	return all;
}

/* Lists of all lengths, until each helper has had a part in them */
static void test_list(void **state)
{
	struct bench *b = bench_make();
	unsigned int n = 0;

	do {
		bench_list(b, n % (WGX_OPENINGS_MAX + 1));
		assert_true(n < 1000000);
	} while (++n <= 4 * WGX_OPENINGS_MAX || !all_helped(b->openers));
	bench_free(b);
}

/* Helpers that stand, as for a hand-over, are not missed, and go on afterwards. */
static void test_stand(void **state)
{
	struct bench *b = bench_make();
	uint64_t before[HELPERS];
	unsigned int turns = 0;

	for (int n = 0; n < HELPERS; n++)
		wgx_worker_close(&b->openers->helpers[n]);
	for (int n = 0; n < HELPERS; n++)
		before[n] = atomic_load(&b->openers->helpers[n].helped);
	for (int n = 0; n < 20; n++)
		bench_list(b, WGX_OPENINGS_MAX);
	for (int n = 0; n < HELPERS; n++) {
		assert_int_equal(atomic_load(&b->openers->helpers[n].helped), before[n]);
		wgx_worker_open(&b->openers->helpers[n]);
	}
	while (!all_helped(b->openers)) {
		bench_list(b, WGX_OPENINGS_MAX);
		assert_true(turns++ < 1000000);
	}
	bench_free(b);
}

/* Messages that a helper takes long for, each waited for while it has them: each second one is forged. */
static void test_late(void **state)
{
	enum { N = 8, LEN = 60000 };
	uint8_t(*payloads)[LEN + 16] = malloc((size_t)N * (LEN + 16));
	struct bench *b = bench_make();
	struct wgx_keypair *kp = aligned_alloc(64, sizeof(*kp));
	unsigned int late = 0;

	assert_true(payloads && kp);
	randombytes_buf(kp->recv_key, sizeof(kp->recv_key));
	while (late < 20) {
		for (unsigned int i = 0; i < N; i++) {
			struct wgx_opening *m = wgx_openers_next(b->openers);

			memset(payloads[i], (int)i, LEN);
			wgx_aead_seal(b->aead, kp->recv_key, i, payloads[i], payloads[i], LEN);
			payloads[i][0] ^= i % 2;
			*m = (struct wgx_opening){
				.kp = kp, .payload = payloads[i], .counter = i, .plain = LEN};
			wgx_openers_add(b->openers);
		}
		wgx_openers_begin(b->openers);
		while ((atomic_load(&b->openers->claims) & 0xffff) < N)
			sched_yield(); /* helpers have claimed all of them */
		late += !atomic_load(&b->openers->list[N - 1].state);
		for (unsigned int i = N; i-- > 0;) {
			assert_int_equal(wgx_openers_wait(b->openers, i, b->aead),
					 i % 2 ? -EBADMSG : 0);
			assert_true(i % 2 || payloads[i][LEN - 1] == i);
		}
		wgx_openers_end(b->openers);
	}
	bench_free(b);
	free(payloads);
	free(kp);
}

/* ---- all of the way ---- */

static int setup_helpers(void **state)
{
	dp_helpers = HELPERS;
	return setup(state);
}

static int teardown_helpers(void **state)
{
	dp_helpers = 0;
	return teardown(state);
}

/* What a packet carries: whose it is, and its how-manieth this is */
struct mark {
	uint32_t flow, number;
};

struct sent {
	uint32_t next[FLOWS], got[FLOWS];
	uint64_t good, forged, replayed;
	uint64_t seed;
};

/* One frame of MESSAGES messages of @len bytes inside, sealed under @keys by turns; it has arrived when this returns. */
static void send_frame(struct sent *s, struct wgx_keypair *const keys[2], size_t len, uint8_t from,
		       bool all_forged)
{
	static uint8_t frame[65536], packet[DP_MTU];
	const size_t plain = wgx_inner_pad(len, DP_MTU), size = plain + WGX_DATA_OVERHEAD;
	uint8_t padded[DP_MSG_MAX] = {0};
	uint8_t *first_good = NULL;

	for (unsigned int i = 0; i < MESSAGES; i++) {
		uint8_t *msg = frame + 42 + i * size;
		uint64_t chance = all_forged ? 1 : xorshift64(&s->seed) % 8;

		if (chance == 0 && first_good) {
			memcpy(msg, first_good, size);
			s->replayed++;
			continue;
		}
		dp_packet(packet, len, 1, 2, i);
		if (chance != 1) {
			struct mark m = {.flow = (uint32_t)(xorshift64(&s->seed) % FLOWS)};

			m.number = s->next[m.flow]++;
			memcpy(packet + 20, &m, sizeof(m));
		}
		memcpy(padded, packet, len);
		assert_int_equal(wgx_data_seal(keys[i % 2], padded, plain, wgx_now().boot, msg), 0);
		if (chance == 1) {
			msg[16 + xorshift64(&s->seed) % (size - 16)] ^= 4;
			s->forged++;
			continue;
		}
		s->good++;
		if (!first_good)
			first_good = msg;
	}
	outer(frame, MESSAGES * size, (uint16_t)size, WGX_STAMP_INGRESS, 0);
	frame[29] = from; /* 127.0.0.@from */
	assert_int_equal(send(rings.raw, frame, 42 + MESSAGES * size, 0), 42 + MESSAGES * size);
}

/* A round's frames, which the worker finds all at once */
static void send_round(struct dp *d, struct sent *s, struct wgx_keypair *const keys[2])
{
	wgx_worker_close(&d->opener);
	for (unsigned int f = 0; f < FRAMES; f++)
		send_frame(s, keys, 228 + xorshift64(&s->seed) % 1000, 1, false);
	wgx_worker_open(&d->opener);
}

/* All that is good, each flow's next one at a time */
static void receive(struct dp *d, struct sent *s, uint64_t n)
{
	static uint8_t in[65536];

	while (n--) {
		struct mark m;

		assert_true(dp_arrive(d, in, sizeof(in)) >= 28);
		memcpy(&m, in + 20, sizeof(m));
		assert_true(m.flow < FLOWS);
		assert_int_equal(m.number, s->got[m.flow]++);
	}
}

static void exchange(struct dp *d, struct sent *s, struct wgx_keypair *const keys[2])
{
	uint64_t before = s->good;

	send_round(d, s, keys);
	receive(d, s, s->good - before);
}

/* A tunnel, with one key */
static void begin(struct dp *d, struct wgx_keypair *keys[2])
{
	env_require();
	if (!rings.superframes)
		skip();
	dp_handshake(d);
	dp_start(d);
	keys[0] = keys[1] = dp_key(&d->a);
}

/* Of a handshake that A initiates now */
static struct wgx_keypair *new_key(struct dp *d)
{
	const struct wgx_now now = wgx_now();

	usleep(25000); /* P-HS-4: no more often than each 20 ms */
	wgx_device_lock(d->a.iface.dev);
	atomic_store(&d->a.peer->session.timers.last_initiated, 0);
	wgx_session_attempt(&d->a.peer->session, &now);
	wgx_device_unlock(d->a.iface.dev);
	dp_carry(&d->a, &d->b);
	dp_carry(&d->b, &d->a);
	return atomic_load(&d->a.peer->session.keypairs.current);
}

static void expect_counts(struct dp *d, const struct sent *s)
{
	struct wgx_open_counters *c = &d->b.iface.open;

	dp_until(atomic_load(&c->opened_packets) >= s->good);
	dp_settle(d);
	assert_int_equal(atomic_load(&c->opened_packets), s->good);
	assert_int_equal(atomic_load(&c->injected_segments), s->good);
	assert_int_equal(dp_open_drop(d, WGX_DROP_OPEN_AUTH), s->forged);
	assert_int_equal(dp_open_drop(d, WGX_DROP_OPEN_REPLAY), s->replayed);
	for (int r = 0; r < WGX_DROP_COUNT; r++)
		if (r != WGX_DROP_OPEN_AUTH && r != WGX_DROP_OPEN_REPLAY)
			assert_int_equal(dp_open_drop(d, (enum wgx_drop_reason)r), 0);
	dp_expect_peer_drop(d, WGX_DROP_OPEN_AUTH, s->forged);
	dp_expect_peer_drop(d, WGX_DROP_OPEN_REPLAY, s->replayed);
}

/* Until each helper has helped: flows in order, forged and repeated messages in between */
static void test_flows(void **state)
{
	struct dp *d = *state;
	struct sent s = {.seed = 7654321};
	struct wgx_keypair *keys[2];

	begin(d, keys);
	for (unsigned int n = 0; n < ROUNDS || !all_helped(&d->openers); n++) {
		assert_true(n < 10000);
		exchange(d, &s, keys);
	}
	assert_true(s.forged > 500 && s.replayed > 500);
	expect_counts(d, &s);
	assert_int_equal(atomic_load(&d->b.peer->rx_packets), s.good);
}

/* The peer's next key, and that before it, in one list */
static void test_two_keys(void **state)
{
	struct dp *d = *state;
	struct sent s = {.seed = 11223344};
	struct wgx_keypair *keys[2];

	begin(d, keys);
	exchange(d, &s, keys);
	dp_run_session(&d->b); /* it is confirmed */
	for (int n = 0; n < 8; n++) {
		keys[1] = new_key(d);
		assert_ptr_not_equal(keys[0], keys[1]);
		exchange(d, &s, keys);
		dp_run_session(&d->b);
		keys[0] = keys[1];
	}
	expect_counts(d, &s);
}

/* Frames from several addresses in one list: the peer is where the last message that is right came from. */
static void test_roams(void **state)
{
	struct dp *d = *state;
	struct sent s = {.seed = 99};
	struct wgx_keypair *keys[2];
	struct wgx_endpoint e;

	begin(d, keys);
	for (uint8_t n = 1; n < 100; n++) {
		uint64_t before = s.good;

		wgx_worker_close(&d->opener);
		send_frame(&s, keys, 100, 200, false);
		send_frame(&s, keys, 100, n, false);
		send_frame(&s, keys, 100, 201, true);
		wgx_worker_open(&d->opener);
		receive(d, &s, s.good - before);
		wgx_endpoint_read(&d->b.peer->endpoint, &e);
		assert_int_equal(ntohl(e.addr.v4.sin_addr.s_addr), 0x7f000000u + n);
	}
	expect_counts(d, &s);
}

/* Messages that were looked at, whatever came of them */
static uint64_t seen(const struct dp *d)
{
	static const enum wgx_drop_reason unopened[] = {WGX_DROP_OPEN_AUTH, WGX_DROP_OPEN_REPLAY,
							WGX_DROP_OPEN_UNKNOWN_RECEIVER};
	uint64_t n = atomic_load(&d->b.iface.open.opened_packets);

	for (size_t i = 0; i < sizeof(unopened) / sizeof(*unopened); i++)
		n += dp_open_drop(d, unopened[i]);
	return n;
}

/* The peer goes while its messages are decrypted: each is counted, once. */
static void test_removed(void **state)
{
	struct dp *d = *state;
	struct sent s = {.seed = 5};
	struct wgx_keypair *keys[2];

	env_require();
	if (!rings.superframes)
		skip();
	dp_start(d);
	for (unsigned int n = 1; n <= 20; n++) {
		keys[0] = keys[1] = new_key(d);
		send_round(d, &s, keys);
		wgx_device_lock(d->b.iface.dev);
		wgx_peer_remove(d->b.peer);
		wgx_device_unlock(d->b.iface.dev);
		d->b.peer = NULL;
		dp_until(seen(d) == (uint64_t)n * FRAMES * MESSAGES);
		dp_host_meet(&d->b, &d->a, 1);
	}
	assert_int_equal(seen(d), s.good + s.forged + s.replayed);
}

/* One frame with more messages than a list holds: not one is lost or out of order. */
static void test_small_messages(void **state)
{
	static uint8_t frame[65536], in[65536];
	const size_t size = WGX_DATA_OVERHEAD + 32, n = 900;
	struct dp *d = *state;
	uint8_t packet[32];

	env_require();
	if (!rings.superframes)
		skip();
	dp_handshake(d);
	dp_start(d);
	for (int round = 0; round < 5; round++) {
		for (uint32_t i = 0; i < n; i++) {
			dp_packet(packet, sizeof(packet), 1, 2, i);
			memcpy(packet + 20, &i, sizeof(i));
			assert_int_equal(wgx_data_seal(dp_key(&d->a), packet, sizeof(packet),
						       wgx_now().boot, frame + 42 + i * size),
					 0);
		}
		outer(frame, n * size, (uint16_t)size, WGX_STAMP_INGRESS, 0);
		assert_int_equal(send(rings.raw, frame, 42 + n * size, 0), 42 + n * size);
		for (uint32_t i = 0; i < n; i++) {
			assert_int_equal(dp_arrive(d, in, sizeof(in)), sizeof(packet));
			assert_memory_equal(in + 20, &i, sizeof(i));
		}
	}
	dp_expect_open_drops(d, DP_NO_DROP, 0);
	dp_settle(d);
	assert_int_equal(atomic_load(&d->b.peer->rx_packets), 5 * n);
	assert_int_equal(atomic_load(&d->b.peer->rx_bytes), 5 * n * size);
}

#define helpers_line_test(line, fn) \
	line_test_setup_teardown(line, fn, setup_helpers, teardown_helpers)
#define helpers_test(fn) cmocka_unit_test_setup_teardown(fn, setup_helpers, teardown_helpers)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		helpers_line_test("P-DT-2", test_flows),
		helpers_test(test_two_keys),
		helpers_line_test("P-DT-1", test_roams),
		helpers_test(test_removed),
		helpers_test(test_small_messages),
		line_test("P-DT-1", test_late),
		cmocka_unit_test(test_list),
		cmocka_unit_test(test_stand),
	};

	return cmocka_run_group_tests_name("openers", tests, dp_group_setup, dp_group_teardown);
}

int main(void)
{
	return env_main(run);
}
