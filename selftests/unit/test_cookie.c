/* SPDX-License-Identifier: MIT */
/* mac1, mac2, cookies and the rate limit, alone and through whole handshakes under load. */
#include "line_test.h"
#include "sim.h"

#include <dlfcn.h>
#include <sodium.h>

/* as in test_noise: made elsewhere */
static const char initiation_hex[] =
	"010000004433221123b7bb8c91ae008711fb12846780bcdf1e065f821bdfec49f57e7c7dcd4c4823"
	"7c9f087a47c7776566936c12f69cdefeb0172eed5225b21ffd5b64d7cbdcc06f5db9067ffb754a97"
	"052851ac628edb82dd2c601dbc2df93c6728bd967e69381375c2458f344584016252b362fe94ef87"
	"23f28198fba3486267f656e500000000000000000000000000000000";
static const char responder_hex[] =
	"79a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89af85a51a";
static const char mac2_hex[] = "7bb8f1be2254f4a69f5ed0b328d4710c"; /* under the cookie 0, 1, … 15 */

/* keyed BLAKE2s of alice's address and port under setup()'s secret, by Python's hashlib */
static const char cookie_hex[] = "5ed518d988a4282543c33832acaa024f";

#define NOW (1000 * WGX_SECOND)

/* ---- Diffie-Hellman operations, counted: libsodium's function through one of the same name ---- */

static unsigned int dh_operations;

int crypto_scalarmult_curve25519(unsigned char *q, const unsigned char *n, const unsigned char *p)
{
	static int (*real)(unsigned char *q, const unsigned char *n, const unsigned char *p);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "crypto_scalarmult_curve25519");
	assert_non_null(real);
	dh_operations++;
	return real(q, n, p);
}

static const struct wgx_from alice = {
	.cookie_id = {192, 0, 2, 1, 0xca, 0x6c}, .cookie_id_len = 6, .limit_id = 1};

struct setting {
	struct wgx_cookie_checker checker;
	struct wgx_cookie_maker maker; /* a peer of the checker's */
	uint8_t key[WGX_KEY_LEN];
	struct wgx_msg_initiation msg;
};

static void unhex(void *out, size_t len, const char *hex)
{
	size_t got;

	assert_int_equal(sodium_hex2bin(out, len, hex, strlen(hex), NULL, &got, NULL), 0);
	assert_int_equal(got, len);
}

static int setup(void **state)
{
	static const uint8_t secret[WGX_SECRET_LEN] = {1, 2, 3}, limit[WGX_LIMIT_KEY_LEN] = {4};
	struct setting *t = calloc(1, sizeof(*t));

	if (!t)
		return -1;
	unhex(t->key, sizeof(t->key), responder_hex);
	wgx_cookie_checker_init(&t->checker, secret, limit, NOW);
	wgx_cookie_checker_set_key(&t->checker, t->key);
	wgx_cookie_maker_init(&t->maker, t->key);
	unhex(&t->msg, sizeof(t->msg), initiation_hex);
	*state = t;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

static enum wgx_mac_state check(const struct setting *t, const struct wgx_from *from, bool mac2)
{
	return wgx_cookie_check(&t->checker, &t->msg, sizeof(t->msg), from, mac2);
}

static void test_mac1(void **state)
{
	struct setting *t = *state;
	uint8_t *bytes = (uint8_t *)&t->msg;
	const size_t covered = sizeof(t->msg) - WGX_COOKIE_LEN;

	assert_int_equal(check(t, &alice, false), WGX_MAC_VALID);
	assert_int_equal(check(t, &alice, true), WGX_MAC_VALID);
	for (size_t i = 0; i < covered; i++) {
		bytes[i] ^= 0x10;
		assert_int_equal(check(t, &alice, false), WGX_MAC_INVALID);
		bytes[i] ^= 0x10;
	}
	wgx_cookie_checker_set_key(&t->checker, NULL);
	assert_int_equal(check(t, &alice, false), WGX_MAC_INVALID);
}

/* mac1 as BPF computes it: from the state on that the daemon gives it */
static void mac1_from_state(uint8_t mac[WGX_COOKIE_LEN], const uint8_t public_key[WGX_KEY_LEN],
			    const void *msg, size_t len)
{
	uint32_t h[WGX_BLAKE2S_WORDS], count = WGX_BLAKE2S_BLOCK_LEN, block[WGX_BLAKE2S_BLOCK];

	wgx_cookie_mac1_state(h, public_key);
	for (size_t at = 0; at < len; at += sizeof(block)) {
		size_t n = len - at < sizeof(block) ? len - at : sizeof(block);

		memset(block, 0, sizeof(block));
		memcpy(block, (const uint8_t *)msg + at, n);
		for (int i = 0; i < WGX_BLAKE2S_BLOCK; i++)
			block[i] = le32toh(block[i]);
		count += n;
		wgx_blake2s_compress(h, block, count, at + n == len);
	}
	for (int i = 0; i < WGX_COOKIE_LEN / 4; i++)
		h[i] = htole32(h[i]);
	memcpy(mac, h, WGX_COOKIE_LEN);
}

/* Against the known initiation, and against libb2 with keys and messages of all kinds */
static void test_mac1_state(void **state)
{
	const struct setting *t = *state;
	uint8_t key[WGX_KEY_LEN], mac[WGX_COOKIE_LEN];
	struct wgx_cookie_maker maker;
	struct {
		uint8_t covered[300];
		struct wgx_macs macs;
	} msg;

	unhex(key, sizeof(key), responder_hex);
	mac1_from_state(mac, key, &t->msg, offsetof(struct wgx_msg_initiation, macs));
	assert_memory_equal(mac, t->msg.macs.mac1, sizeof(mac));
	for (size_t len = 1; len <= sizeof(msg.covered); len++) {
		uint8_t *start = msg.covered + sizeof(msg.covered) - len;

		randombytes_buf(key, sizeof(key));
		randombytes_buf(msg.covered, sizeof(msg.covered));
		wgx_cookie_maker_init(&maker, key);
		wgx_cookie_add_macs(&maker, start, len + sizeof(msg.macs), NOW);
		mac1_from_state(mac, key, start, len);
		assert_memory_equal(mac, msg.macs.mac1, sizeof(mac));
	}
}

static void test_mac2_known_answer(void **state)
{
	struct setting *t = *state;
	uint8_t mac2[WGX_COOKIE_LEN], mac1[WGX_COOKIE_LEN];

	unhex(mac2, sizeof(mac2), mac2_hex);
	memcpy(mac1, t->msg.macs.mac1, sizeof(mac1));
	for (int i = 0; i < WGX_COOKIE_LEN; i++)
		t->maker.cookie[i] = i;
	t->maker.has_cookie = true;
	t->maker.cookie_birth = NOW;
	wgx_cookie_add_macs(&t->maker, &t->msg, sizeof(t->msg), NOW);
	assert_memory_equal(t->msg.macs.mac1, mac1, sizeof(mac1));
	assert_memory_equal(t->msg.macs.mac2, mac2, sizeof(mac2));
}

/* The reply goes back to the maker, which from then on has the cookie. */
static void exchange(struct setting *t, const struct wgx_from *from, uint64_t boot)
{
	static const uint8_t nonce[WGX_COOKIE_NONCE_LEN] = {9};
	struct wgx_msg_cookie reply;

	wgx_cookie_add_macs(&t->maker, &t->msg, sizeof(t->msg), boot);
	wgx_cookie_reply(&t->checker, &t->msg, sizeof(t->msg), from, nonce, &reply);
	assert_int_equal(le32toh(reply.type), WGX_MSG_COOKIE);
	assert_int_equal(reply.receiver, t->msg.sender);
	assert_int_equal(wgx_cookie_consume(&t->maker, &reply, boot), 0);
	assert_int_equal(wgx_cookie_consume(&t->maker, &reply, boot), -EINVAL); /* once */
}

/* P-DOS-3: a cookie is good for one address and port */
static void test_cookie_is_bound(void **state)
{
	struct setting *t = *state;
	struct wgx_from other = alice;

	exchange(t, &alice, NOW);
	wgx_cookie_add_macs(&t->maker, &t->msg, sizeof(t->msg), NOW);
	assert_int_equal(check(t, &alice, true), WGX_MAC_COOKIE);
	assert_int_equal(check(t, &alice, false), WGX_MAC_VALID);
	for (size_t i = 0; i < other.cookie_id_len; i++) {
		other.cookie_id[i] ^= 1;
		assert_int_equal(check(t, &other, true), WGX_MAC_VALID);
		other.cookie_id[i] ^= 1;
	}
	other.cookie_id_len = 18; /* the same digits as the beginning of an IPv6 address */
	assert_int_equal(check(t, &other, true), WGX_MAC_VALID);
	t->msg.macs.mac2[15] ^= 1;
	assert_int_equal(check(t, &alice, true), WGX_MAC_VALID);
}

/* P-DOS-3: the reply is bound to the mac1 it answers */
static void test_reply_is_bound(void **state)
{
	static const uint8_t nonce[WGX_COOKIE_NONCE_LEN] = {9};
	struct setting *t = *state;
	struct wgx_cookie_maker before;
	struct wgx_msg_cookie reply;

	wgx_cookie_reply(&t->checker, &t->msg, sizeof(t->msg), &alice, nonce, &reply);
	assert_int_equal(wgx_cookie_consume(&t->maker, &reply, NOW), -EINVAL);
	wgx_cookie_add_macs(&t->maker, &t->msg, sizeof(t->msg), NOW);
	t->msg.sender ^= htole32(1);
	wgx_cookie_add_macs(&t->maker, &t->msg, sizeof(t->msg), NOW);
	before = t->maker;
	assert_int_equal(wgx_cookie_consume(&t->maker, &reply, NOW), -EBADMSG);
	assert_memory_equal(&before, &t->maker, sizeof(before));
	wgx_cookie_reply(&t->checker, &t->msg, sizeof(t->msg), &alice, nonce, &reply);
	assert_int_equal(wgx_cookie_consume(&t->maker, &reply, NOW), 0);
}

/* P-DOS-3: what the reply holds */
static void test_cookie_known_answer(void **state)
{
	struct setting *t = *state;
	uint8_t want[WGX_COOKIE_LEN];

	unhex(want, sizeof(want), cookie_hex);
	exchange(t, &alice, NOW);
	assert_memory_equal(t->maker.cookie, want, sizeof(want));
}

/* The sender stops using a cookie after 115 s. */
static void test_cookie_ages(void **state)
{
	static const uint8_t none[WGX_COOKIE_LEN];
	struct setting *t = *state;

	wgx_cookie_add_macs(&t->maker, &t->msg, sizeof(t->msg), NOW);
	assert_memory_equal(t->msg.macs.mac2, none, sizeof(none));
	exchange(t, &alice, NOW);
	wgx_cookie_add_macs(&t->maker, &t->msg, sizeof(t->msg), NOW + 115 * SIM_S - 1);
	assert_int_equal(check(t, &alice, true), WGX_MAC_COOKIE);
	wgx_cookie_add_macs(&t->maker, &t->msg, sizeof(t->msg), NOW + 115 * SIM_S);
	assert_memory_equal(t->msg.macs.mac2, none, sizeof(none));
}

/* The checker's secret lives for 120 s, and its cookies with it. */
static void test_secret_ages(void **state)
{
	static const uint8_t secret[WGX_SECRET_LEN] = {5};
	struct setting *t = *state;

	exchange(t, &alice, NOW);
	wgx_cookie_add_macs(&t->maker, &t->msg, sizeof(t->msg), NOW);
	assert_false(wgx_cookie_checker_stale(&t->checker, NOW + 120 * SIM_S - 1));
	assert_true(wgx_cookie_checker_stale(&t->checker, NOW + 120 * SIM_S));
	wgx_cookie_checker_rotate(&t->checker, secret, NOW + 120 * SIM_S);
	assert_false(wgx_cookie_checker_stale(&t->checker, NOW + 120 * SIM_S));
	assert_int_equal(check(t, &alice, true), WGX_MAC_VALID);
}

/* ---- whole handshakes ---- */

/* P-DOS-2: first a cookie reply, then the retransmission has mac2 and is answered */
static void test_under_load(void **state)
{
	struct sim *sim = sim_new(1);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

	b->under_load = true;
	sim_send(a);
	sim_run_for(sim, 4 * SIM_S);
	assert_int_equal(b->sent[WGX_MSG_COOKIE].count, 1);
	assert_int_equal(b->results[WGX_HS_NO_COOKIE], 1);
	assert_int_equal(b->sent[WGX_MSG_RESPONSE].count, 0);
	assert_int_equal(b->endpoints_set, 0);
	assert_int_equal(a->endpoints_set, 0);
	assert_int_equal(a->sent[WGX_MSG_INITIATION].count, 1); /* it waits for its timer */
	sim_run_for(sim, 2 * SIM_S);
	assert_int_equal(a->sent[WGX_MSG_INITIATION].count, 2);
	assert_int_equal(b->sent[WGX_MSG_RESPONSE].count, 1);
	assert_int_equal(b->data_received, 1);
	sim_free(sim);
}

/* Both are: the response needs a cookie as well. */
static void test_both_under_load(void **state)
{
	struct sim *sim = sim_new(2);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

	a->under_load = b->under_load = true;
	sim_send(a);
	sim_run_for(sim, 20 * SIM_S);
	assert_int_equal(b->sent[WGX_MSG_COOKIE].count, 1);
	assert_int_equal(a->sent[WGX_MSG_COOKIE].count, 1);
	assert_int_equal(a->sent[WGX_MSG_INITIATION].count, 3);
	assert_int_equal(b->sent[WGX_MSG_RESPONSE].count, 2);
	assert_int_equal(b->data_received, 1);
	sim_free(sim);
}

/* The secret changes under load: old cookies end, the next exchange brings a new one. */
static void test_rotation_under_load(void **state)
{
	struct sim *sim = sim_new(3);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	uint8_t secret[WGX_SECRET_LEN];

	b->under_load = true;
	memcpy(secret, b->local->checker.secret, sizeof(secret));
	sim->boot += 119 * SIM_S;
	sim_send(a);
	sim_run_for(sim, SIM_S / 2);
	assert_memory_equal(secret, b->local->checker.secret, sizeof(secret));
	assert_int_equal(b->sent[WGX_MSG_COOKIE].count, 1);
	sim_run_for(sim, 20 * SIM_S);
	assert_memory_not_equal(secret, b->local->checker.secret, sizeof(secret));
	assert_int_equal(b->sent[WGX_MSG_COOKIE].count, 2);
	assert_int_equal(b->data_received, 1);
	sim_free(sim);
}

/* P-DOS-4, P-HS-1: who knows nothing gets nothing, not even a cookie, with load or without */
static void test_no_answer_to_strangers(void **state)
{
	static const size_t lens[] = {
		[WGX_MSG_INITIATION] = sizeof(struct wgx_msg_initiation),
		[WGX_MSG_RESPONSE] = sizeof(struct wgx_msg_response),
		[WGX_MSG_COOKIE] = sizeof(struct wgx_msg_cookie),
	};
	struct sim *sim = sim_new(4);
	struct sim_host *b = &sim->hosts[1];
	uint8_t msg[SIM_MSG_MAX];

	for (uint8_t type = WGX_MSG_INITIATION; type <= WGX_MSG_COOKIE; type++) {
		sim_random_bytes(b, msg, lens[type]);
		memcpy(msg, (uint8_t[]){type, 0, 0, 0}, 4);
		for (int load = 0; load < 2; load++) {
			b->under_load = load;
			assert_int_equal(sim_receive(b, msg, lens[type]), WGX_HS_INVALID);
			assert_int_equal(sim->n_packets, 0);
		}
	}
	sim_free(sim);
}

/*
 * P-HS-1, P-DOS-2: no Diffie-Hellman before mac1, nor under load before mac2 and the source's rate. An
 * initiation and a response, both right but for their macs.
 */
static void no_dh(struct sim_host *h, const uint8_t *msg, size_t len)
{
	uint8_t bad[SIM_MSG_MAX];

	memcpy(bad, msg, len);
	bad[len - sizeof(struct wgx_macs)] ^= 1; /* mac1 */
	dh_operations = 0;
	for (int load = 0; load < 2; load++) {
		h->under_load = load;
		assert_int_equal(sim_receive(h, bad, len), WGX_HS_INVALID);
	}
	assert_int_equal(h->sim->n_packets, 0);
	assert_int_equal(sim_receive(h, msg, len), WGX_HS_NO_COOKIE); /* no mac2 */
	h->sim->n_packets = 0;
	assert_int_equal(dh_operations, 0);
	h->under_load = false;
	assert_int_equal(sim_receive(h, msg, len), WGX_HS_OK);
	assert_true(dh_operations > 0);
}

static void test_no_dh_before_macs(void **state)
{
	struct sim *sim = sim_new(6);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];

	sim->loss = 1000;
	sim_send(a);
	sim_run_for(sim, SIM_MS);
	no_dh(b, a->sent[WGX_MSG_INITIATION].last, a->sent[WGX_MSG_INITIATION].last_len);
	no_dh(a, b->sent[WGX_MSG_RESPONSE].last, b->sent[WGX_MSG_RESPONSE].last_len);
	sim_free(sim);
}

/* P-DOS-2: valid mac2, but too many: 5 and then 20 a second reach the Diffie-Hellman */
static void test_rate_limit_under_load(void **state)
{
	struct sim *sim = sim_new(5);
	struct sim_host *a = &sim->hosts[0], *b = &sim->hosts[1];
	uint8_t msg[SIM_MSG_MAX];
	size_t len;

	b->under_load = true;
	sim_send(a);
	sim_run_for(sim, 6 * SIM_S);
	len = a->sent[WGX_MSG_INITIATION].last_len;
	memcpy(msg, a->sent[WGX_MSG_INITIATION].last, len);
	memset(b->results, 0, sizeof(b->results));
	sim->boot += 2 * SIM_S;
	for (int i = 0; i < 1000; i++) {
		dh_operations = 0;
		/* replays: refused by the stamp, after the DH */
		if (sim_receive(b, msg, len) == WGX_HS_LIMITED)
			assert_int_equal(dh_operations, 0);
		else
			assert_true(dh_operations > 0);
		sim->boot += SIM_MS;
	}
	assert_in_range(b->results[WGX_HS_INVALID], 24, 25);
	assert_int_equal(b->results[WGX_HS_INVALID] + b->results[WGX_HS_LIMITED], 1000);
	assert_int_equal(b->results[WGX_HS_OK] + b->results[WGX_HS_NO_COOKIE], 0);
	sim_free(sim);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test_setup_teardown("P-HS-1", test_mac1, setup, teardown),
		line_test_setup_teardown("P-HS-1 P-MSG-5", test_mac1_state, setup, teardown),
		line_test_setup_teardown("P-MSG-5", test_mac2_known_answer, setup, teardown),
		line_test_setup_teardown("P-DOS-3", test_cookie_is_bound, setup, teardown),
		line_test_setup_teardown("P-DOS-3 P-MSG-5", test_cookie_known_answer, setup,
					 teardown),
		line_test_setup_teardown("P-DOS-3", test_reply_is_bound, setup, teardown),
		line_test_setup_teardown("P-DOS-3", test_cookie_ages, setup, teardown),
		line_test_setup_teardown("P-DOS-3", test_secret_ages, setup, teardown),
		line_test("P-HS-1 P-DOS-2", test_no_dh_before_macs),
		line_test("P-DOS-2", test_under_load),
		line_test("P-DOS-2", test_both_under_load),
		line_test("P-DOS-3", test_rotation_under_load),
		line_test("P-DOS-4 P-HS-1", test_no_answer_to_strangers),
		line_test("P-DOS-2", test_rate_limit_under_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
