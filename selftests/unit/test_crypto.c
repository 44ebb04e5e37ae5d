/* SPDX-License-Identifier: MIT */
/* Known answers from the RFCs and, for HMAC-BLAKE2s and the KDF, from Python's hashlib and hmac. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <sodium.h>
#include "line_test.h"
#include "proto/crypto.h"

static size_t unhex(uint8_t *out, size_t room, const char *hex)
{
	size_t len;

	assert_int_equal(sodium_hex2bin(out, room, hex, strlen(hex), NULL, &len, NULL), 0);
	return len;
}

static void assert_hex(const void *got, size_t len, const char *hex)
{
	uint8_t want[512];

	assert_int_equal(unhex(want, sizeof(want), hex), len);
	assert_memory_equal(got, want, len);
}

/* 0, 1, 2, … */
static void count_up(uint8_t *out, size_t len, uint8_t from)
{
	for (size_t i = 0; i < len; i++)
		out[i] = from + i;
}

static void test_blake2s(void **state)
{
	const struct wgx_bytes split[] = {{"a", 1}, {"", 0}, {"bc", 2}};
	uint8_t out[32], key[32];

	/* RFC 7693, appendix B */
	wgx_hash(out, "abc", 3, NULL, 0);
	assert_hex(out, 32, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
	wgx_blake2s(out, 32, NULL, 0, split, 3);
	assert_hex(out, 32, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
	/* the reference implementation's first keyed vector */
	count_up(key, 32, 0);
	wgx_blake2s(out, 32, key, 32, split, 0);
	assert_hex(out, 32, "48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49");
	wgx_mac(out, key, 32, "abc", 3);
	assert_hex(out, 16, "61ba5f165c194692e09d12520cc4c74a");
}

static void selftest_sequence(uint8_t *out, size_t len, uint32_t seed)
{
	uint32_t a = 0xdead4bad * seed, b = 1, t;

	for (size_t i = 0; i < len; i++) {
		t = a + b;
		a = b;
		b = t;
		out[i] = t >> 24;
	}
}

/* RFC 7693, appendix E: one hash over those of all lengths, keyed and not */
static void test_blake2s_grand_hash(void **state)
{
	static const size_t out_lens[] = {16, 20, 28, 32};
	static const size_t in_lens[] = {0, 3, 64, 65, 255, 1024};
	uint8_t all[4 * 6 * 2 * 32], in[1024], key[32], *p = all;
	struct wgx_bytes piece = {in, 0};

	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < 6; j++) {
			piece.len = in_lens[j];
			selftest_sequence(in, in_lens[j], in_lens[j]);
			wgx_blake2s(p, out_lens[i], NULL, 0, &piece, 1);
			p += out_lens[i];
			selftest_sequence(key, out_lens[i], out_lens[i]);
			wgx_blake2s(p, out_lens[i], key, out_lens[i], &piece, 1);
			p += out_lens[i];
		}
	}
	wgx_hash(all, all, p - all, NULL, 0);
	assert_hex(all, 32, "6a411f08ce25adcdfb02aba641451cec53c598b24f4fc787fbdc88797f4c1dfe");
}

static void test_hmac_and_kdf(void **state)
{
	uint8_t key[32], input[32], one[32], two[32], three[32], block[64] = {0}, out[32];

	count_up(key, 32, 0);
	count_up(input, 32, 32);
	wgx_hmac(out, key, 32, "what do ya want for nothing?", 28);
	assert_hex(out, 32, "14229dde9cdbd4dd31b1a703ac36832ecc9177e0ba0d4632568515aaec7e401f");
	memcpy(block, key, 32); /* a key is filled up with zeros */
	wgx_hmac(out, block, 64, "what do ya want for nothing?", 28);
	assert_hex(out, 32, "14229dde9cdbd4dd31b1a703ac36832ecc9177e0ba0d4632568515aaec7e401f");

	wgx_kdf(one, two, three, key, input, 32);
	assert_hex(one, 32, "6a96444e20e8d4c1cee974416acae1c10b3c92886010e54ed94dafb2c3b80ea0");
	assert_hex(two, 32, "57af120b0de7acbe7907ec149c5ae870a2dbb74232b65777ba4123f1f7f888f5");
	assert_hex(three, 32, "0926c7caabb6e8d73beda759e6f4f0d324ce5b5000bcf8cd784b26db3049faa9");
	memset(out, 0, 32);
	wgx_kdf(out, NULL, NULL, key, input, 32);
	assert_memory_equal(out, one, 32);
	wgx_kdf(out, two, NULL, key, NULL, 0);
	assert_hex(out, 32, "7a38c34bf2b8738d7374ca77c44ecb309a11d2b2528304fa86052c365e722624");
	assert_hex(two, 32, "1a17621f346abdc520746a9fb64d8eb03231d674fc15687537b0780fd9c060fd");
	/* outputs over the inputs */
	wgx_kdf(key, input, NULL, key, input, 32);
	assert_memory_equal(key, one, 32);
	assert_hex(input, 32, "57af120b0de7acbe7907ec149c5ae870a2dbb74232b65777ba4123f1f7f888f5");
}

/* RFC 7748, 5.2 and 6.1 */
static void test_x25519(void **state)
{
	uint8_t k[32], u[32], out[32];

	unhex(k, 32, "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4");
	unhex(u, 32, "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c");
	assert_int_equal(wgx_dh(out, k, u), 0);
	assert_hex(out, 32, "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");

	unhex(k, 32, "0900000000000000000000000000000000000000000000000000000000000000");
	memcpy(u, k, 32);
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(wgx_dh(out, k, u), 0);
		memcpy(u, k, 32);
		memcpy(k, out, 32);
	}
	assert_hex(k, 32, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");

	/* Bob's private key and Alice's public one */
	unhex(k, 32, "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
	unhex(u, 32, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
	assert_int_equal(wgx_dh(out, k, u), 0);
	assert_hex(out, 32, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
	wgx_public_key(out, k);
	assert_hex(out, 32, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
}

/* P-HS-2: the points of small order, canonical or not, with either top bit */
static const char *const low_order[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

static void test_low_order_points(void **state)
{
	uint8_t private_key[32], point[32], out[32];

	count_up(private_key, 32, 3);
	for (size_t i = 0; i < sizeof(low_order) / sizeof(*low_order); i++) {
		unhex(point, 32, low_order[i]);
		for (int top = 0; top < 2; top++) {
			point[31] = (point[31] & 0x7f) | (top << 7);
			memset(out, 0xaa, sizeof(out));
			assert_int_equal(wgx_dh(out, private_key, point), -EKEYREJECTED);
			assert_true(wgx_is_zero(out, sizeof(out)));
		}
	}
}

/* RFC 8439, A.5: the one whose nonce begins with 32 zero bits, as ours */
static void test_chacha20poly1305(void **state)
{
	static const char plain[] =
		"Internet-Drafts are draft documents valid for a maximum of six months and may be "
		"updated, replaced, or obsoleted by other documents at any time. It is "
		"inappropriate to use Internet-Drafts as reference material or to cite them other "
		"than as /\xe2\x80\x9cwork in progress./\xe2\x80\x9d";
	const size_t len = sizeof(plain) - 1;
	uint8_t key[32], ad[12], sealed[sizeof(plain) + 16], opened[sizeof(plain)];

	unhex(key, 32, "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0");
	unhex(ad, 12, "f33388860000000000004e91");
	wgx_seal(sealed, plain, len, ad, 12, 0x0807060504030201, key);
	assert_hex(sealed, 32, "64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb2");
	assert_hex(sealed + len, 16, "eead9d67890cbb22392336fea1851f38");
	assert_int_equal(wgx_open(opened, sealed, len + 16, ad, 12, 0x0807060504030201, key), 0);
	assert_memory_equal(opened, plain, len);
	assert_int_equal(wgx_open(opened, sealed, len + 16, ad, 12, 1, key), -EBADMSG);
	assert_int_equal(wgx_open(opened, sealed, len + 16, ad, 11, 0x0807060504030201, key),
			 -EBADMSG);
	sealed[0] ^= 1;
	assert_int_equal(wgx_open(opened, sealed, len + 16, ad, 12, 0x0807060504030201, key),
			 -EBADMSG);
	assert_int_equal(wgx_open(opened, sealed, 15, ad, 12, 0, key), -EBADMSG);
}

/* draft-irtf-cfrg-xchacha-03, A.3.1 */
static void test_xchacha20poly1305(void **state)
{
	static const char plain[] = "Ladies and Gentlemen of the class of '99: If I could offer "
				    "you only one tip for the "
				    "future, sunscreen would be it.";
	const size_t len = sizeof(plain) - 1;
	uint8_t key[32], nonce[24], ad[12], sealed[sizeof(plain) + 16], opened[sizeof(plain)];

	count_up(key, 32, 0x80);
	count_up(nonce, 24, 0x40);
	unhex(ad, 12, "50515253c0c1c2c3c4c5c6c7");
	wgx_xseal(sealed, plain, len, ad, 12, nonce, key);
	assert_hex(sealed, 32, "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb");
	assert_hex(sealed + len, 16, "c0875924c1c7987947deafd8780acf49");
	assert_int_equal(wgx_xopen(opened, sealed, len + 16, ad, 12, nonce, key), 0);
	assert_memory_equal(opened, plain, len);
	nonce[23] ^= 1;
	assert_int_equal(wgx_xopen(opened, sealed, len + 16, ad, 12, nonce, key), -EBADMSG);
}

static void test_clamp_compare_wipe(void **state)
{
	uint8_t a[32], b[32];

	memset(a, 0xff, 32);
	wgx_clamp(a);
	assert_int_equal(a[0], 0xf8);
	assert_int_equal(a[31], 0x7f);
	memset(a, 0, 32);
	wgx_clamp(a);
	assert_int_equal(a[31], 0x40);
	memcpy(b, a, 32);
	assert_true(wgx_equal(a, b, 32));
	b[31] ^= 1;
	assert_false(wgx_equal(a, b, 32));
	assert_false(wgx_is_zero(a, 32));
	wgx_wipe(a, 32);
	assert_true(wgx_is_zero(a, 32));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		line_test("P-MSG-5", test_blake2s),
		line_test("P-MSG-5", test_blake2s_grand_hash),
		line_test("P-MSG-5", test_hmac_and_kdf),
		line_test("P-MSG-4", test_x25519),
		line_test("P-HS-2", test_low_order_points),
		line_test("P-MSG-4", test_chacha20poly1305),
		line_test("P-DOS-3", test_xchacha20poly1305),
		line_test("P-HS-8 P-HS-10", test_clamp_compare_wipe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
