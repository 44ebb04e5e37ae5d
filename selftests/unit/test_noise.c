/* SPDX-License-Identifier: MIT */
/*
 * The handshake, message by message. The known answers were computed by an independent implementation
 * in Python, on hashlib's BLAKE2s and OpenSSL's X25519 and ChaCha20-Poly1305.
 */
#include "line_test.h"
#include "receive.h"
#include "sim.h"

#include <sodium.h>

static const char initiation_hex[] =
	"010000004433221123b7bb8c91ae008711fb12846780bcdf1e065f821bdfec49f57e7c7dcd4c4823"
	"7c9f087a47c7776566936c12f69cdefeb0172eed5225b21ffd5b64d7cbdcc06f5db9067ffb754a97"
	"052851ac628edb82dd2c601dbc2df93c6728bd967e69381375c2458f344584016252b362fe94ef87"
	"23f28198fba3486267f656e500000000000000000000000000000000";
static const char response_hex[] =
	"02000000ddccbbaa44332211605a725d2a4adfeeb1a29e17edd621c1b7593ee8cdbc44ac6c4ab6e2"
	"f805d23cf52bbb80d3aaa1066afd75a2a5fe361c3e6ace5f36d532f3fcb7cefa2734f3fb00000000"
	"000000000000000000000000";
static const char key_i_to_r_hex[] =
	"24538fbb2f7b0840790ff8bf90b1ba327f60abf80e70035d8814528477206e03";
static const char key_r_to_i_hex[] =
	"5d2d3fc0fc221c39f0fa4884d050609578db6fd101c6eaf565603d96f46ac756";

/* the initiator's and the responder's keys */
struct party {
	uint8_t private_key[WGX_KEY_LEN], public_key[WGX_KEY_LEN], ephemeral[WGX_KEY_LEN];
	struct wgx_handshake hs;
};

struct pair {
	struct party i, r;
	uint8_t stamp[WGX_TIMESTAMP_LEN];
	struct wgx_msg_initiation initiation;
	struct wgx_msg_response response;
};

#define INDEX_I 0x11223344
#define INDEX_R 0xaabbccdd
#define NOW (1000 * WGX_SECOND)

static size_t unhex(void *out, size_t room, const char *hex)
{
	size_t len;

	assert_int_equal(sodium_hex2bin(out, room, hex, strlen(hex), NULL, &len, NULL), 0);
	return len;
}

static void count_up(uint8_t *out, size_t len, uint8_t from)
{
	for (size_t i = 0; i < len; i++)
		out[i] = from + i;
}

static void party_init(struct party *p, uint8_t seed)
{
	count_up(p->private_key, WGX_KEY_LEN, seed);
	wgx_clamp(p->private_key);
	wgx_public_key(p->public_key, p->private_key);
}

static void pair_init(struct pair *p)
{
	memset(p, 0, sizeof(*p));
	party_init(&p->i, 0x10);
	party_init(&p->r, 0x40);
	count_up(p->i.ephemeral, WGX_KEY_LEN, 0x70);
	count_up(p->r.ephemeral, WGX_KEY_LEN, 0xa0);
	wgx_handshake_init(&p->i.hs, p->r.public_key);
	wgx_handshake_init(&p->r.hs, p->i.public_key);
	assert_int_equal(wgx_handshake_prepare(&p->i.hs, p->i.private_key), 0);
	assert_int_equal(wgx_handshake_prepare(&p->r.hs, p->r.private_key), 0);
	count_up(p->i.hs.psk, WGX_KEY_LEN, 0xd0);
	count_up(p->r.hs.psk, WGX_KEY_LEN, 0xd0);
	unhex(p->stamp, sizeof(p->stamp), "400000006553f10a02000000");
}

static int create_initiation(struct pair *p)
{
	return wgx_noise_create_initiation(&p->i.hs, p->i.public_key, p->i.ephemeral, p->stamp,
					   INDEX_I, &p->initiation);
}

static int consume_initiation(struct pair *p, uint64_t boot)
{
	struct wgx_initiation in;
	int err;

	err = wgx_noise_read_initiation(&in, p->r.private_key, p->r.public_key, &p->initiation);
	if (!err && memcmp(in.remote_static, p->i.public_key, WGX_KEY_LEN))
		return -ENOENT;
	return err ? err : wgx_noise_consume_initiation(&p->r.hs, &in, boot);
}

static int create_response(struct pair *p)
{
	return wgx_noise_create_response(&p->r.hs, p->r.ephemeral, INDEX_R, &p->response);
}

static int consume_response(struct pair *p)
{
	return wgx_noise_consume_response(&p->i.hs, p->i.private_key, &p->response);
}

/* P-MSG-4, P-MSG-5 and all of [W] 5.4, against bytes that we did not make */
static void test_known_answers(void **state)
{
	struct pair p;
	struct wgx_cookie_maker to_r, to_i;
	struct wgx_keypair ki = {0}, kr = {0};
	uint8_t want[148];

	pair_init(&p);
	wgx_cookie_maker_init(&to_r, p.r.public_key);
	wgx_cookie_maker_init(&to_i, p.i.public_key);

	assert_int_equal(create_initiation(&p), 0);
	wgx_cookie_add_macs(&to_r, &p.initiation, sizeof(p.initiation), NOW);
	assert_int_equal(unhex(want, sizeof(want), initiation_hex), sizeof(p.initiation));
	assert_memory_equal(&p.initiation, want, sizeof(p.initiation));

	assert_int_equal(consume_initiation(&p, NOW), 0);
	assert_memory_equal(p.r.hs.latest_stamp, p.stamp, sizeof(p.stamp));
	assert_int_equal(create_response(&p), 0);
	wgx_cookie_add_macs(&to_i, &p.response, sizeof(p.response), NOW);
	assert_int_equal(unhex(want, sizeof(want), response_hex), sizeof(p.response));
	assert_memory_equal(&p.response, want, sizeof(p.response));

	assert_int_equal(consume_response(&p), 0);
	assert_int_equal(wgx_noise_begin_session(&p.i.hs, &ki, NOW), 0);
	assert_int_equal(wgx_noise_begin_session(&p.r.hs, &kr, NOW), 0);
	unhex(want, sizeof(want), key_i_to_r_hex);
	assert_memory_equal(ki.send_key, want, WGX_KEY_LEN);
	assert_memory_equal(kr.recv_key, want, WGX_KEY_LEN);
	unhex(want, sizeof(want), key_r_to_i_hex);
	assert_memory_equal(ki.recv_key, want, WGX_KEY_LEN);
	assert_memory_equal(kr.send_key, want, WGX_KEY_LEN);
	assert_true(ki.initiator && !kr.initiator);
	assert_true(atomic_load(&ki.confirmed) && !atomic_load(&kr.confirmed));
	assert_int_equal(ki.local_index, INDEX_I);
	assert_int_equal(ki.remote_index, INDEX_R);
	assert_int_equal(kr.local_index, INDEX_R);
	assert_int_equal(kr.remote_index, INDEX_I);
}

/* P-HS-10: nothing of the exchange is left */
static void test_wiped(void **state)
{
	struct pair p;
	struct wgx_keypair kp = {0};
	const struct wgx_handshake *hs = &p.i.hs;

	pair_init(&p);
	assert_int_equal(create_initiation(&p), 0);
	assert_false(wgx_is_zero(hs->ephemeral_private, WGX_KEY_LEN));
	assert_int_equal(consume_initiation(&p, NOW), 0);
	assert_int_equal(create_response(&p), 0);
	assert_int_equal(consume_response(&p), 0);
	assert_true(wgx_is_zero(hs->ephemeral_private, WGX_KEY_LEN));
	assert_int_equal(wgx_noise_begin_session(&p.i.hs, &kp, NOW), 0);
	assert_true(wgx_is_zero(&hs->noise, sizeof(hs->noise)));
	assert_true(wgx_is_zero(hs->remote_ephemeral, WGX_KEY_LEN));
	assert_int_equal(hs->state, WGX_HS_ZEROED);
	assert_false(hs->has_index);
	assert_int_equal(wgx_noise_begin_session(&p.i.hs, &kp, NOW), -EINVAL);
}

static void test_order_of_steps(void **state)
{
	struct pair p;
	struct wgx_keypair kp = {0};

	pair_init(&p);
	assert_int_equal(create_response(&p), -EINVAL);
	assert_int_equal(consume_response(&p), -EINVAL);
	assert_int_equal(create_initiation(&p), 0);
	assert_int_equal(wgx_noise_begin_session(&p.i.hs, &kp, NOW), -EINVAL);
	assert_int_equal(consume_initiation(&p, NOW), 0);
	assert_int_equal(wgx_noise_begin_session(&p.r.hs, &kp, NOW), -EINVAL);
	assert_int_equal(create_response(&p), 0);
	assert_int_equal(create_response(&p), -EINVAL);
	p.response.receiver = htole32(INDEX_I + 1);
	assert_int_equal(consume_response(&p), -EINVAL);
	p.response.receiver = htole32(INDEX_I);
	assert_int_equal(consume_response(&p), 0);
	assert_int_equal(consume_response(&p), -EINVAL);
}

/* P-HS-9: each end's own psk goes in */
static void test_psk_differs(void **state)
{
	struct pair p;
	struct wgx_handshake before;

	pair_init(&p);
	p.r.hs.psk[0] ^= 1;
	assert_int_equal(create_initiation(&p), 0);
	assert_int_equal(consume_initiation(&p, NOW), 0);
	assert_int_equal(create_response(&p), 0);
	before = p.i.hs;
	assert_int_equal(consume_response(&p), -EBADMSG);
	assert_memory_equal(&before, &p.i.hs, sizeof(before));
}

/* P-HS-2: a low-order point in any place of the exchange */
static void test_low_order(void **state)
{
	static const uint8_t one[WGX_KEY_LEN] = {1};
	struct pair p;
	struct wgx_handshake before;
	struct wgx_msg_response response;

	pair_init(&p);
	assert_int_equal(create_initiation(&p), 0);
	memcpy(p.initiation.ephemeral, one, WGX_KEY_LEN);
	assert_int_equal(consume_initiation(&p, NOW), -EKEYREJECTED);

	assert_int_equal(create_initiation(&p), 0);
	assert_int_equal(consume_initiation(&p, NOW), 0);
	assert_int_equal(create_response(&p), 0);
	response = p.response;
	memcpy(p.response.ephemeral, one, WGX_KEY_LEN);
	before = p.i.hs;
	assert_int_equal(consume_response(&p), -EKEYREJECTED);
	assert_memory_equal(&before, &p.i.hs, sizeof(before));
	p.response = response;
	assert_int_equal(consume_response(&p), 0);

	/* as a peer's static key */
	wgx_handshake_init(&p.i.hs, one);
	assert_int_equal(wgx_handshake_prepare(&p.i.hs, p.i.private_key), -EKEYREJECTED);
	assert_true(wgx_is_zero(p.i.hs.static_static, WGX_KEY_LEN));
	before = p.i.hs;
	assert_int_equal(create_initiation(&p), -EKEYREJECTED);
	assert_memory_equal(&before, &p.i.hs, sizeof(before));
}

static void stamp_of(uint8_t stamp[WGX_TIMESTAMP_LEN], uint64_t seconds, uint32_t ns)
{
	const uint64_t s = htobe64(0x400000000000000a + seconds);
	const uint32_t n = htobe32(ns);

	memcpy(stamp, &s, 8);
	memcpy(stamp + 8, &n, 4);
}

/* P-HS-3: only later stamps, compared as bytes */
static void test_stamps_accepted(void **state)
{
	static const struct {
		uint64_t seconds;
		uint32_t ns;
		int result;
	} cases[] = {
		{1000, 100, 0},		{1000, 100, -EALREADY}, {1000, 99, -EALREADY},
		{999, 999, -EALREADY},	{1000, 101, 0},		{1256, 0, 0},
		{1255, 255, -EALREADY}, {0, 0, -EALREADY},	{1u << 31, 0, 0},
		{1ull << 40, 0, 0},	{1257, 0, -EALREADY},
	};
	struct pair p;
	uint64_t boot = NOW;

	pair_init(&p);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct wgx_handshake before = p.r.hs;

		boot += WGX_SECOND;
		stamp_of(p.stamp, cases[i].seconds, cases[i].ns);
		assert_int_equal(create_initiation(&p), 0);
		assert_int_equal(consume_initiation(&p, boot), cases[i].result);
		if (cases[i].result)
			assert_memory_equal(&before, &p.r.hs, sizeof(before));
		else
			assert_memory_equal(p.r.hs.latest_stamp, p.stamp, sizeof(p.stamp));
	}
}

/* P-HS-4: 20 ms between two */
static void test_flood_gate(void **state)
{
	struct pair p;
	struct wgx_handshake before;

	pair_init(&p);
	assert_int_equal(create_initiation(&p), 0);
	assert_int_equal(consume_initiation(&p, NOW), 0);
	p.stamp[8]++;
	assert_int_equal(create_initiation(&p), 0);
	before = p.r.hs;
	assert_int_equal(consume_initiation(&p, NOW + 20 * SIM_MS - 1), -EBUSY);
	assert_memory_equal(&before, &p.r.hs, sizeof(before));
	assert_int_equal(consume_initiation(&p, NOW + 20 * SIM_MS), 0);
}

/* P-HS-3: what we send: rounded, and never backwards */
static void test_stamps_sent(void **state)
{
	struct wgx_handshake a, b;
	uint8_t last[WGX_TIMESTAMP_LEN] = {0}, s1[WGX_TIMESTAMP_LEN], s2[WGX_TIMESTAMP_LEN];
	uint8_t want[WGX_TIMESTAMP_LEN], key[WGX_KEY_LEN] = {9};
	const uint64_t t = UINT64_C(1700000000) * WGX_SECOND;

	wgx_handshake_init(&a, key);
	wgx_handshake_init(&b, key);
	wgx_noise_stamp(&a, t + 0x2ffffff, last, s1);
	stamp_of(want, 1700000000, 0x2000000);
	assert_memory_equal(s1, want, sizeof(want));
	assert_memory_equal(last, want, sizeof(want));
	wgx_noise_stamp(&b, t + 0x2ffffff, last, s1); /* another peer: the same one is right */
	assert_memory_equal(s1, want, sizeof(want));
	wgx_noise_stamp(&a, t + 0x2ffffff, last, s1);
	stamp_of(want, 1700000000, 0x3000000);
	assert_memory_equal(s1, want, sizeof(want));

	/* an hour back: later than all before, for each peer */
	wgx_noise_stamp(&a, t - 3600 * WGX_SECOND, last, s1);
	stamp_of(want, 1700000000, 0x4000000);
	assert_memory_equal(s1, want, sizeof(want));
	wgx_noise_stamp(&b, t - 3599 * WGX_SECOND, last, s2);
	assert_true(memcmp(s2, want, sizeof(want)) >= 0);
	wgx_noise_stamp(&b, t - 3598 * WGX_SECOND, last, s1);
	assert_true(memcmp(s1, s2, sizeof(s1)) > 0);

	/* over the end of a second: 59 * 2^24 < 10^9 < 60 * 2^24 */
	wgx_noise_stamp(&a, t + 7 * WGX_SECOND + 999999999, last, s1);
	stamp_of(want, 1700000007, 59u << 24);
	assert_memory_equal(s1, want, sizeof(want));
	wgx_noise_stamp(&a, t, last, s1);
	stamp_of(want, 1700000008, 0);
	assert_memory_equal(s1, want, sizeof(want));
}

/* ---- whole messages through receive_handshake() ---- */

static void capture(const struct sim_host *h, enum wgx_message_type type, uint8_t *msg, size_t *len)
{
	*len = h->sent[type].last_len;
	memcpy(msg, h->sent[type].last, *len);
}

/* Every bit-flipped byte is refused, nothing is sent, and all state is as before: P-HS-6, P-DOS-4. */
static void refuse_all_forgeries(struct sim_host *h, const uint8_t *msg, size_t len, bool fix_mac1)
{
	struct wgx_session before;
	struct wgx_cookie_maker maker;
	uint8_t bad[SIM_MSG_MAX], last_stamp[WGX_TIMESTAMP_LEN];
	const size_t end = fix_mac1 ? len - sizeof(struct wgx_macs) : len;

	wgx_cookie_maker_init(&maker, h->local->public_key);
	memcpy(last_stamp, h->local->last_stamp, sizeof(last_stamp));
	memcpy(&before, h->session, sizeof(before));
	for (size_t i = 0; i < end; i++) {
		/* mac2 is not looked at without load; a response's sender index is not covered by Noise */
		if (!fix_mac1 && len != sizeof(struct wgx_msg_cookie) && i >= len - WGX_COOKIE_LEN)
			break;
		if (fix_mac1 && i >= 4 && i < 8)
			continue;
		memcpy(bad, msg, len);
		bad[i] ^= 1 << (i % 8);
		if (fix_mac1)
			wgx_cookie_add_macs(&maker, bad, len, h->sim->boot);
		assert_int_equal(sim_receive(h, bad, len), WGX_HS_INVALID);
		assert_memory_equal(&before, h->session, sizeof(before));
	}
	assert_memory_equal(last_stamp, h->local->last_stamp, sizeof(last_stamp));
	assert_int_equal(h->sim->n_packets, 0);
	assert_int_equal(h->endpoints_set, 0);
}

static void test_forged_initiation(void **state)
{
	struct sim *sim = sim_new(1);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	uint8_t msg[SIM_MSG_MAX];
	size_t len;

	sim->loss = 1000;
	sim_send(a);
	sim_run_for(sim, SIM_MS);
	capture(a, WGX_MSG_INITIATION, msg, &len);
	assert_int_equal(len, sizeof(struct wgx_msg_initiation));
	/* not the message's doing: the first attempt computes it, whatever comes of that */
	assert_int_equal(wgx_handshake_prepare(&b->session->handshake, b->local->private_key), 0);
	refuse_all_forgeries(b, msg, len, false);
	refuse_all_forgeries(b, msg, len, true);
	assert_int_equal(sim_receive(b, msg, len), WGX_HS_OK);
	assert_int_equal(b->sent[WGX_MSG_RESPONSE].count, 1);
	/* P-HS-3: the same once more, a second later */
	sim->boot += SIM_S;
	b->endpoints_set = 0;
	assert_int_equal(sim_receive(b, msg, len), WGX_HS_INVALID);
	assert_int_equal(b->endpoints_set, 0);
	sim_free(sim);
}

static void test_forged_response(void **state)
{
	struct sim *sim = sim_new(2);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	uint8_t msg[SIM_MSG_MAX];
	size_t len;

	sim_send(a);
	a->deaf = true;
	sim_run_for(sim, SIM_S);
	capture(b, WGX_MSG_RESPONSE, msg, &len);
	assert_int_equal(len, sizeof(struct wgx_msg_response));
	refuse_all_forgeries(a, msg, len, false);
	refuse_all_forgeries(a, msg, len, true);
	assert_int_equal(sim_receive(a, msg, len), WGX_HS_OK);
	a->endpoints_set = 0;
	assert_int_equal(sim_receive(a, msg, len), WGX_HS_INVALID); /* once */
	assert_int_equal(a->endpoints_set, 0);
	sim_free(sim);
}

static void test_forged_cookie(void **state)
{
	struct sim *sim = sim_new(3);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	uint8_t msg[SIM_MSG_MAX];
	size_t len;

	b->under_load = true;
	sim_send(a);
	a->deaf = true;
	sim_run_for(sim, SIM_S);
	capture(b, WGX_MSG_COOKIE, msg, &len);
	assert_int_equal(len, sizeof(struct wgx_msg_cookie));
	refuse_all_forgeries(a, msg, len, false);
	assert_int_equal(sim_receive(a, msg, len), WGX_HS_OK);
	assert_int_equal(a->endpoints_set, 0); /* P-DT-1: a cookie reply never roams */
	assert_int_equal(sim_receive(a, msg, len), WGX_HS_INVALID); /* one for each mac1 */
	sim_free(sim);
}

/* P-MSG-1, P-MSG-2 */
static void test_types_and_lengths(void **state)
{
	struct sim *sim = sim_new(4);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	struct wgx_now now;
	uint8_t msg[SIM_MSG_MAX] = {0};
	size_t len;

	sim->loss = 1000;
	sim_send(a);
	sim_run_for(sim, SIM_MS);
	now = sim_now(sim);
	capture(a, WGX_MSG_INITIATION, msg, &len);
	for (size_t l = 0; l < sizeof(msg); l++) {
		if (l != len)
			assert_int_equal(receive_handshake(b->local, msg, l, &a->address, false,
							   &now, NULL),
					 WGX_HS_INVALID);
	}
	for (unsigned int type = 0; type < 256; type++) {
		msg[0] = type;
		if (type != WGX_MSG_INITIATION)
			assert_int_equal(receive_handshake(b->local, msg, len, &a->address, false,
							   &now, NULL),
					 WGX_HS_INVALID);
	}
	msg[0] = WGX_MSG_INITIATION;
	for (size_t l = sizeof(struct wgx_macs) + 4; l < sizeof(msg); l++) { /* mac1 is right */
		struct wgx_cookie_maker maker;
		uint8_t bad[SIM_MSG_MAX];

		wgx_cookie_maker_init(&maker, b->local->public_key);
		memcpy(bad, msg, sizeof(bad));
		wgx_cookie_add_macs(&maker, bad, l, now.boot);
		if (l != len)
			assert_int_equal(receive_handshake(b->local, bad, l, &a->address, false,
							   &now, NULL),
					 WGX_HS_INVALID);
	}
	for (int i = 1; i < 4; i++) { /* the reserved bytes, with a mac1 that covers them */
		struct wgx_cookie_maker maker;
		uint8_t bad[sizeof(struct wgx_msg_initiation)];

		wgx_cookie_maker_init(&maker, b->local->public_key);
		memcpy(bad, msg, sizeof(bad));
		bad[i] = 1;
		wgx_cookie_add_macs(&maker, bad, sizeof(bad), now.boot);
		assert_int_equal(receive_handshake(b->local, bad, sizeof(bad), &a->address, false,
						   &now, NULL),
				 WGX_HS_INVALID);
	}
	assert_int_equal(sim_receive(b, msg, len), WGX_HS_OK);
	sim_free(sim);
}

/* P-MSG-1, P-MSG-2: each type but at its own length, and with each reserved byte; all else is right. */
static void only_as_it_is(struct sim_host *h, const uint8_t *msg, size_t len, bool has_macs)
{
	struct wgx_cookie_maker maker;
	uint8_t bad[SIM_MSG_MAX + 1];

	wgx_cookie_maker_init(&maker, h->local->public_key);
	for (int by = -1; by <= 1; by += 2) {
		memcpy(bad, msg, len);
		if (has_macs)
			wgx_cookie_add_macs(&maker, bad, len + by, h->sim->boot);
		assert_int_equal(sim_receive(h, bad, len + by), WGX_HS_INVALID);
	}
	memcpy(bad, msg, len);
	bad[len] = 0; /* right, but for what stands behind it */
	assert_int_equal(sim_receive(h, bad, len + 1), WGX_HS_INVALID);
	for (int i = 1; i < 4; i++) {
		memcpy(bad, msg, len);
		bad[i] = 0x80;
		if (has_macs)
			wgx_cookie_add_macs(&maker, bad, len, h->sim->boot);
		assert_int_equal(sim_receive(h, bad, len), WGX_HS_INVALID);
	}
	assert_int_equal(h->results[WGX_HS_OK], 0);
	assert_int_equal(sim_receive(h, msg, len), WGX_HS_OK);
	h->results[WGX_HS_OK] = 0;
}

static void test_exact_lengths(void **state)
{
	struct sim *sim = sim_new(9);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	uint8_t initiation[SIM_MSG_MAX] = {0}, msg[SIM_MSG_MAX] = {0};
	size_t len;

	sim->loss = 1000;
	sim_send(a);
	sim_run_for(sim, SIM_MS);
	capture(a, WGX_MSG_INITIATION, initiation, &len);
	assert_int_equal(len, 148);
	b->under_load = true;
	assert_int_equal(sim_receive(b, initiation, len), WGX_HS_NO_COOKIE);
	b->under_load = false;
	only_as_it_is(b, initiation, len, true);
	capture(b, WGX_MSG_COOKIE, msg, &len);
	assert_int_equal(len, 64);
	only_as_it_is(a, msg, len, false);
	capture(b, WGX_MSG_RESPONSE, msg, &len);
	assert_int_equal(len, 92);
	only_as_it_is(a, msg, len, true);
	sim_free(sim);
}

/* Unaligned, as a segment of a superframe is; and who it was. */
static void test_unaligned(void **state)
{
	struct sim *sim = sim_new(5);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	uint8_t room[SIM_MSG_MAX + 4];
	struct wgx_session *s = NULL;
	struct wgx_now now;
	size_t len;

	sim->loss = 1000;
	sim_send(a);
	sim_run_for(sim, SIM_MS);
	now = sim_now(sim);
	capture(a, WGX_MSG_INITIATION, room + 1, &len);
	assert_int_equal(receive_handshake(b->local, room + 1, len, &a->address, false, &now, &s),
			 WGX_HS_OK);
	assert_ptr_equal(s, b->session);
	sim_free(sim);
}

/* A stranger's initiation, right in every respect, is not answered. */
static void test_unknown_peer(void **state)
{
	struct sim *sim = sim_new(6);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

	b->knows_peer = false;
	sim_send(a);
	sim_run_for(sim, SIM_S);
	assert_int_equal(b->results[WGX_HS_INVALID], 1);
	assert_int_equal(b->sent[WGX_MSG_RESPONSE].count, 0);
	assert_int_equal(b->indices_live, 0);
	sim_free(sim);
}

/* P-HS-4 through the whole: a second initiation within 20 ms */
static void test_flood_gate_whole(void **state)
{
	struct sim *sim = sim_new(7);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	uint8_t first[SIM_MSG_MAX], second[SIM_MSG_MAX];
	size_t len;

	sim->loss = 1000;
	sim_send(a);
	sim_run_for(sim, SIM_MS);
	capture(a, WGX_MSG_INITIATION, first, &len);
	sim_run_for(sim, 6 * SIM_S);
	capture(a, WGX_MSG_INITIATION, second, &len);
	assert_int_equal(sim_receive(b, first, len), WGX_HS_OK);
	assert_int_equal(sim_receive(b, second, len), WGX_HS_LIMITED);
	sim->boot += 20 * SIM_MS;
	assert_int_equal(sim_receive(b, second, len), WGX_HS_OK);
	assert_int_equal(sim_receive(b, first, len), WGX_HS_INVALID);
	sim_free(sim);
}

/* P-HS-3: the clock is set back an hour between two handshakes */
static void test_clock_set_back(void **state)
{
	struct sim *sim = sim_connected(8);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

	sim->epoch -= 3600 * SIM_S;
	sim_run_for(sim, 200 * SIM_S);
	sim_send(a);
	sim_run_for(sim, SIM_S);
	assert_int_equal(a->sent[WGX_MSG_INITIATION].count, 2);
	assert_int_equal(b->data_received, 2);
	sim_free(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test("P-MSG-4 P-MSG-5", test_known_answers),
		line_test("P-HS-10", test_wiped),
		line_test("P-HS-6", test_order_of_steps),
		line_test("P-HS-9 P-HS-6", test_psk_differs),
		line_test("P-HS-2 P-HS-6", test_low_order),
		line_test("P-HS-3", test_stamps_accepted),
		line_test("P-HS-4", test_flood_gate),
		line_test("P-HS-3", test_stamps_sent),
		line_test("P-HS-6 P-HS-3 P-DOS-4", test_forged_initiation),
		line_test("P-HS-6 P-DOS-4", test_forged_response),
		line_test("P-HS-6 P-DT-1 P-DOS-3", test_forged_cookie),
		line_test("P-MSG-1 P-MSG-2", test_types_and_lengths),
		line_test("P-MSG-1 P-MSG-2", test_exact_lengths),
		line_test("P-MSG-2", test_unaligned),
		line_test("P-DOS-4", test_unknown_peer),
		line_test("P-HS-4", test_flood_gate_whole),
		line_test("P-HS-3", test_clock_set_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
