/* SPDX-License-Identifier: MIT */
/*
 * No branch and no address depends on a secret. After ctgrind: secrets are marked as undefined, and valgrind complains
 * where one decides about a jump or an index. What may be known (that a mac was right, that a text was a key) is named in
 * constant_time.supp. The program runs itself again under valgrind.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "unit/line_test.h"
#include "cli/secbuf.h"
#include "path/aead.h"
#include "proto/cookie.h"
#include "proto/crypto.h"
#include "proto/data.h"
#include "proto/key_text.h"
#include "proto/noise.h"
#include "proto/session.h"

#if defined(WGX_SANITIZE) || defined(__clang__) || !__has_include(<valgrind/memcheck.h>)
/* sanitizers and valgrind do not go together, nor the debugging information of clang and valgrind 3.19 */
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_COUNT_ERRORS 0
#define VALGRIND_MAKE_MEM_UNDEFINED(p, n) ((void)(p), (void)(n))
#define VALGRIND_MAKE_MEM_DEFINED(p, n) ((void)(p), (void)(n))
static const bool possible = false;
#else
#include <valgrind/memcheck.h>
static const bool possible = true;
#endif

#define SUPPRESSIONS "selftests/unit/constant_time.supp"

static volatile unsigned int sink;

static void secret(const void *p, size_t len)
{
	VALGRIND_MAKE_MEM_UNDEFINED(p, len);
}

static void known(const void *p, size_t len)
{
	VALGRIND_MAKE_MEM_DEFINED(p, len);
}

static unsigned int errors_before;

static int begin(void **state)
{
	errors_before = VALGRIND_COUNT_ERRORS;
	return 0;
}

static unsigned int errors(void)
{
	return VALGRIND_COUNT_ERRORS - errors_before;
}

static void need_valgrind(void)
{
	if (!RUNNING_ON_VALGRIND)
		skip();
}

/* ---- that it can fail ---- */

static void test_branch_is_noticed(void **state)
{
	uint8_t a[32];
	unsigned int same = 0;

	need_valgrind();
	randombytes_buf(a, sizeof(a));
	secret(a, sizeof(a));
	for (size_t i = 0; i < sizeof(a); i++)
		if (a[i] == 7) {
			same++;
			sink = same;
		}
	assert_true(errors() > 0);
}

static void test_index_is_noticed(void **state)
{
	static const uint8_t table[256] = {1, 2, 3};
	volatile const uint8_t *t = table;
	uint8_t a = 1;

	need_valgrind();
	secret(&a, 1);
	sink = t[a];
	assert_true(errors() > 0);
}

static void test_memcmp_is_noticed(void **state)
{
	uint8_t a[32] = {0}, b[32] = {0};
	int (*volatile compare)(const void *, const void *, size_t) = memcmp;

	need_valgrind();
	secret(a, sizeof(a));
	sink = (unsigned int)compare(a, b, sizeof(a));
	assert_true(errors() > 0);
}

/* ---- comparisons ---- */

static void test_equal(void **state)
{
	uint8_t a[32], b[32];
	bool same, zero;

	need_valgrind();
	for (unsigned int at = 0; at <= 32; at++) {
		randombytes_buf(a, sizeof(a));
		memcpy(b, a, sizeof(b));
		if (at < 32)
			b[at] ^= 1;
		secret(a, sizeof(a));
		secret(b, sizeof(b));
		same = wgx_equal(a, b, sizeof(a));
		zero = wgx_is_zero(a, sizeof(a));
		known(&same, sizeof(same));
		known(&zero, sizeof(zero));
		assert_int_equal(errors(), 0);
		assert_int_equal(same, at == 32);
		assert_false(zero);
	}
}

/* ---- macs ---- */

static void check_macs(bool right)
{
	static const struct wgx_from from = {.cookie_id = {192, 0, 2, 1}, .cookie_id_len = 6};
	uint8_t public_key[WGX_KEY_LEN], keys[WGX_SECRET_LEN];
	struct wgx_msg_initiation msg = {.type = 1};
	struct wgx_cookie_checker c;
	struct wgx_cookie_maker m;
	struct wgx_msg_cookie reply;
	enum wgx_mac_state s;

	randombytes_buf(public_key, sizeof(public_key));
	randombytes_buf(keys, sizeof(keys));
	wgx_cookie_checker_init(&c, keys, keys, 1);
	wgx_cookie_checker_set_key(&c, public_key);
	wgx_cookie_maker_init(&m, public_key);
	wgx_cookie_add_macs(&m, &msg, sizeof(msg), 1);
	msg.macs.mac2[3] = 7; /* so that it is looked at */
	if (!right)
		msg.macs.mac1[15] ^= 1;
	secret(c.mac1_key, sizeof(c.mac1_key));
	secret(c.cookie_key, sizeof(c.cookie_key));
	secret(c.secret, sizeof(c.secret));
	s = wgx_cookie_check(&c, &msg, sizeof(msg), &from, true);
	known(&s, sizeof(s));
	wgx_cookie_reply(&c, &msg, sizeof(msg), &from, keys, &reply);
	assert_int_equal(errors(), 0);
	assert_int_equal(s, right ? WGX_MAC_VALID : WGX_MAC_INVALID);
}

static void test_macs(void **state)
{
	need_valgrind();
	check_macs(true);
	check_macs(false);
}

/* ---- text ---- */

static void test_base64(void **state)
{
	char text[WGX_KEY_TEXT_SIZE];
	uint8_t key[WGX_KEY_LEN], back[WGX_KEY_LEN];
	int err;

	need_valgrind();
	for (unsigned int i = 0; i < 50; i++) {
		randombytes_buf(key, sizeof(key));
		secret(key, sizeof(key));
		wgx_key_format(key, text);
		assert_int_equal(errors(), 0);
		/* its length and padding are nobody's secret */
		known(text + WGX_KEY_TEXT_LEN - 1, 2);
		err = wgx_key_parse(text, back);
		known(&err, sizeof(err));
		assert_int_equal(errors(), 0);
		assert_int_equal(err, 0);
		known(key, sizeof(key));
		known(back, sizeof(back));
		assert_memory_equal(key, back, sizeof(key));
	}
}

static void test_hex(void **state)
{
	char text[2 * WGX_KEY_LEN + 1];
	uint8_t key[WGX_KEY_LEN], back[WGX_KEY_LEN];
	size_t len;
	int err;

	need_valgrind();
	for (unsigned int i = 0; i < 50; i++) {
		randombytes_buf(key, sizeof(key));
		secret(key, sizeof(key));
		sodium_bin2hex(text, sizeof(text), key, sizeof(key));
		err = sodium_hex2bin(back, sizeof(back), text, 2ul * WGX_KEY_LEN, NULL, &len, NULL);
		known(&err, sizeof(err));
		assert_int_equal(errors(), 0);
		assert_int_equal(err, 0);
		known(key, sizeof(key));
		known(back, sizeof(back));
		assert_memory_equal(key, back, sizeof(key));
	}
}

static void test_secbuf(void **state)
{
	struct wgx_secbuf b = {0};
	uint8_t key[WGX_KEY_LEN];

	need_valgrind();
	randombytes_buf(key, sizeof(key));
	secret(key, sizeof(key));
	wgx_secbuf_hex(&b, "private_key", key);
	wgx_secbuf_base64(&b, key);
	assert_int_equal(errors(), 0);
	wgx_secbuf_free(&b);
	assert_int_equal(errors(), 0);
}

/* ---- a handshake and data, with all keys secret ---- */

struct end {
	uint8_t private_key[WGX_KEY_LEN], public_key[WGX_KEY_LEN], ephemeral[WGX_KEY_LEN];
	struct wgx_handshake hs;
	struct wgx_keypair kp;
};

static void make_end(struct end *e)
{
	memset(e, 0, sizeof(*e));
	randombytes_buf(e->private_key, sizeof(e->private_key));
	wgx_clamp(e->private_key);
	wgx_public_key(e->public_key, e->private_key);
	randombytes_buf(e->ephemeral, sizeof(e->ephemeral));
}

static void hide(struct end *e, const uint8_t psk[WGX_KEY_LEN])
{
	memcpy(e->hs.psk, psk, WGX_KEY_LEN);
	secret(e->hs.psk, sizeof(e->hs.psk));
	secret(e->private_key, sizeof(e->private_key));
	secret(e->ephemeral, sizeof(e->ephemeral));
}

/* Whether it does is known. */
static void succeeds(int err)
{
	known(&err, sizeof(err));
	assert_int_equal(err, 0);
}

static void test_handshake(void **state)
{
	static struct end a, b;
	uint8_t psk[WGX_KEY_LEN], stamp[WGX_TIMESTAMP_LEN] = {0x40, [11] = 1};
	uint8_t plain[64] = "data", sealed[64 + WGX_DATA_OVERHEAD], opened[64];
	struct wgx_msg_initiation initiation;
	struct wgx_msg_response response;
	struct wgx_initiation in;

	need_valgrind();
	make_end(&a);
	make_end(&b);
	wgx_handshake_init(&a.hs, b.public_key);
	wgx_handshake_init(&b.hs, a.public_key);
	randombytes_buf(psk, sizeof(psk));
	hide(&a, psk);
	hide(&b, psk);

	succeeds(wgx_handshake_prepare(&a.hs, a.private_key));
	succeeds(wgx_handshake_prepare(&b.hs, b.private_key));
	succeeds(wgx_noise_create_initiation(&a.hs, a.public_key, a.ephemeral, stamp, 1,
					     &initiation));
	known(&initiation, sizeof(initiation)); /* it is on the wire */
	succeeds(wgx_noise_read_initiation(&in, b.private_key, b.public_key, &initiation));
	known(in.remote_static, sizeof(in.remote_static)); /* peers are looked up by it */
	succeeds(wgx_noise_consume_initiation(&b.hs, &in, WGX_SECOND));
	succeeds(wgx_noise_create_response(&b.hs, b.ephemeral, 2, &response));
	known(&response, sizeof(response));
	succeeds(wgx_noise_consume_response(&a.hs, a.private_key, &response));
	succeeds(wgx_noise_begin_session(&a.hs, &a.kp, WGX_SECOND));
	succeeds(wgx_noise_begin_session(&b.hs, &b.kp, WGX_SECOND));
	secret(plain, sizeof(plain));
	succeeds(wgx_data_seal(&a.kp, plain, sizeof(plain), WGX_SECOND, sealed));
	known(sealed, sizeof(sealed));
	succeeds(wgx_data_open(&b.kp, sealed, sizeof(sealed), WGX_SECOND, opened));
	assert_int_equal(errors(), 0);
	known(plain, sizeof(plain));
	known(opened, sizeof(opened));
	assert_memory_equal(plain, opened, sizeof(plain));
}

/* ---- */

/* Under valgrind, once */
static void run_under_valgrind(char **argv)
{
	if (!possible || RUNNING_ON_VALGRIND || getenv("WGX_NO_VALGRIND"))
		return;
	setenv("WGX_NO_VALGRIND", "1", 1);
	fflush(NULL);
	execlp("valgrind", "valgrind", "-q", "--suppressions=" SUPPRESSIONS, "--error-limit=no",
	       argv[0], (char *)NULL);
}

/* ---- our own AEAD ---- */

#if WGX_AEAD_AVX2
static void check_aead(struct wgx_aead *a, size_t len)
{
	static uint8_t key[32], plain[10000], sealed[10000 + 16], opened[10000];
	int err;

	randombytes_buf(key, sizeof(key));
	randombytes_buf(plain, len);
	secret(key, sizeof(key));
	secret(plain, len);
	wgx_aead_seal(a, key, 7, plain, sealed, len);
	assert_int_equal(errors(), 0);
	known(sealed, len + 16); /* they go out */
	err = wgx_aead_open(a, key, 7, sealed, opened, len);
	assert_int_equal(errors(), 0);
	known(&err, sizeof(err));
	assert_int_equal(err, 0);
	known(plain, len);
	known(opened, len);
	assert_memory_equal(plain, opened, len);
}

static void test_aead(void **state)
{
	static const size_t lengths[] = {0,   16,  61,	 64,   256,  300,  448,
					 449, 576, 1000, 1424, 2048, 9152, 10000};
	struct wgx_aead *a;

	need_valgrind();
	a = wgx_aead_avx2.create();
	if (!a) { /* not on this processor */
		skip();
		return;
	}
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		check_aead(a, lengths[i]);
	wgx_aead_destroy(a);
}
#else
static void test_aead(void **state)
{
	skip();
}
#endif

int main(int argc, char **argv)
{
#define TEST(f) cmocka_unit_test_setup(f, begin)
	const struct CMUnitTest tests[] = {
		TEST(test_branch_is_noticed),
		TEST(test_index_is_noticed),
		TEST(test_memcmp_is_noticed),
		TEST(test_equal),
		TEST(test_macs),
		TEST(test_base64),
		TEST(test_hex),
		TEST(test_secbuf),
		TEST(test_handshake),
		TEST(test_aead),
	};

	run_under_valgrind(argv);
	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
