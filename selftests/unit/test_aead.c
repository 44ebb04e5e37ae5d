/* SPDX-License-Identifier: MIT */
/* AEAD backends against each other and against OpenSSL's ChaCha20-Poly1305. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <openssl/evp.h>
#include "line_test.h"
#include "memory_scan.h"
#include "path/aead.h"
#include "proto/crypto.h"
#include "unit/xorshift.h"

#define LEN_MAX 65519
#define ROOM (LEN_MAX + 128)

static uint8_t key[32], plain[ROOM], want[ROOM], got[ROOM];
static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t rnd(void)
{
	return xorshift64(&seed);
}

static void fill_random(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(rnd() >> 24);
}

/* The reference: ciphertext and tag into dst. */
static void reference_seal(uint64_t counter, const uint8_t *src, uint8_t *dst, size_t len)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t nonce[12] = {0};
	uint64_t le = htole64(counter);
	int n;

	memcpy(nonce + 4, &le, 8);
	assert_non_null(ctx);
	assert_int_equal(EVP_EncryptInit_ex(ctx, EVP_chacha20_poly1305(), NULL, key, nonce), 1);
	if (len)
		assert_int_equal(EVP_EncryptUpdate(ctx, dst, &n, src, (int)len), 1);
	assert_int_equal(EVP_EncryptFinal_ex(ctx, dst + len, &n), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, dst + len), 1);
	EVP_CIPHER_CTX_free(ctx);
}

/* One length in all of a backend's ways, at a random alignment, with guards around the output. */
static void check_length(struct wgx_aead *a, size_t len, uint64_t counter)
{
	uint8_t *out = got + 1 + rnd() % 31, *in = plain + rnd() % 31;

	reference_seal(counter, in, want, len);

	memset(got, 0xa5, len + 96);
	wgx_aead_seal(a, key, counter, in, out, len);
	assert_memory_equal(out, want, len + 16);
	assert_int_equal(out[-1], 0xa5);
	assert_int_equal(out[len + 16], 0xa5);

	memcpy(out, in, len);
	wgx_aead_seal(a, key, counter, out, out, len);
	assert_memory_equal(out, want, len + 16);

	assert_int_equal(wgx_aead_open(a, key, counter, out, out, len), 0);
	assert_memory_equal(out, in, len);
	assert_memory_equal(out + len, want + len, 16);

	memset(got, 0xa5, len + 96);
	assert_int_equal(wgx_aead_open(a, key, counter, want, out, len), 0);
	assert_memory_equal(out, in, len);
	assert_int_equal(out[-1], 0xa5);
	for (int i = 0; i < 16; i++)
		assert_int_equal(out[len + (size_t)i], 0xa5);

	assert_int_equal(wgx_aead_open(a, key, counter + 1, want, out, len), -EBADMSG);
}

static void every_backend(void (*check)(struct wgx_aead *))
{
	unsigned int tried = 0;

	for (size_t i = 0; wgx_aead_backends[i]; i++) {
		struct wgx_aead *a = wgx_aead_backends[i]->create();

		if (!a) {
			print_message("skipped here: %s\n", wgx_aead_backends[i]->name);
			continue;
		}
		assert_ptr_equal(a->backend, wgx_aead_backends[i]);
		check(a);
		wgx_aead_destroy(a);
		tried++;
	}
	assert_true(tried > 0);
}

static void short_lengths(struct wgx_aead *a)
{
	for (size_t len = 0; len <= 2048 + 16; len++)
		check_length(a, len, rnd());
}

static void long_lengths(struct wgx_aead *a)
{
	/* up to frames of 9000 bytes and some more, what ends with eight blocks of the cipher, or just not */
	for (size_t end = 2560; end <= 10240; end += 512)
		for (size_t len = end - 64 - 17; len <= end - 64 + 17; len++)
			check_length(a, len, rnd());
	for (int i = 0; i < 200; i++)
		check_length(a, 2049 + rnd() % (LEN_MAX - 2048), rnd());
	check_length(a, LEN_MAX, UINT64_MAX);
}

static void flipped_bits_at(struct wgx_aead *a, size_t len)
{
	uint8_t message[128], out[128];

	wgx_aead_seal(a, key, 7, plain, message, len);
	for (size_t bit = 0; bit < (len + 16) * 8; bit++) {
		message[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(wgx_aead_open(a, key, 7, message, out, len), -EBADMSG);
		message[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(wgx_aead_open(a, key, 7, message, out, len), 0);
	assert_memory_equal(out, plain, len);
}

static void flipped_bits(struct wgx_aead *a)
{
	for (size_t len = 0; len <= 80; len += 16)
		flipped_bits_at(a, len);
	flipped_bits_at(a, 61);
}

/* RFC 8439's construction with WireGuard's nonce: neither key nor counter may be ignored. */
static void key_and_counter(struct wgx_aead *a)
{
	uint8_t one[48], two[48], out[32];

	wgx_aead_seal(a, key, 0x0102030405060708, plain, one, 32);
	wgx_aead_seal(a, key, 0x0102030405060709, plain, two, 32);
	assert_memory_not_equal(one, two, 48);
	for (int i = 0; i < 64; i++)
		assert_int_equal(wgx_aead_open(a, key, 0x0102030405060708 ^ 1ull << i, one, out,
					       32),
				 -EBADMSG);
	for (int i = 0; i < 256; i++) {
		uint8_t other[32];

		memcpy(other, key, 32);
		other[i / 8] ^= (uint8_t)(1u << i % 8);
		assert_int_equal(wgx_aead_open(a, other, 0x0102030405060708, one, out, 32),
				 -EBADMSG);
	}
}

static void test_short(void **state)
{
	every_backend(short_lengths);
}

static void test_long(void **state)
{
	every_backend(long_lengths);
}

static void test_flipped(void **state)
{
	every_backend(flipped_bits);
}

static void test_key_and_counter(void **state)
{
	every_backend(key_and_counter);
}

static void test_interleaved(void **state)
{
	struct wgx_aead *a[8];
	unsigned int n = 0;

	for (size_t i = 0; wgx_aead_backends[i] && n < 8; i++) {
		a[n] = wgx_aead_backends[i]->create();
		n += a[n] != NULL;
	}
	for (int i = 0; i < 500; i++) {
		size_t len = rnd() % 3000;
		uint64_t counter = rnd();

		wgx_aead_seal(a[rnd() % n], key, counter, plain, want, len);
		assert_int_equal(wgx_aead_open(a[rnd() % n], key, counter, want, got, len), 0);
		assert_memory_equal(got, plain, len);
	}
	while (n)
		wgx_aead_destroy(a[--n]);
}

static void test_choice(void **state)
{
	struct wgx_aead *a;

	unsetenv("WGX_AEAD");
	a = wgx_aead_create();
	assert_non_null(a);
	check_length(a, 1424, 1);
	wgx_aead_destroy(a);
	for (size_t i = 0; wgx_aead_backends[i]; i++) {
		setenv("WGX_AEAD", wgx_aead_backends[i]->name, 1);
		a = wgx_aead_create();
		if (a)
			assert_string_equal(a->backend->name, wgx_aead_backends[i]->name);
		wgx_aead_destroy(a);
	}
	setenv("WGX_AEAD", "no such backend", 1);
	assert_null(wgx_aead_create());
	unsetenv("WGX_AEAD");
	wgx_aead_destroy(NULL);
}

/* P-HS-10: once the key is wiped it is nowhere, neither in the backend's memory nor on its stack. */
static struct scan scan;
static uint8_t stack[SCAN_STACK];
static struct wgx_aead *forgetful;

static void seal_and_open(void)
{
	uint8_t secret[32];

	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = key[i] ^ 0xc3;
	for (size_t len = 0; len <= 1424; len += 16) {
		wgx_aead_seal(forgetful, secret, len, plain, got, len);
		(void)!wgx_aead_open(forgetful, secret, len, got, want, len);
	}
	wgx_wipe(secret, sizeof(secret));
}

static void key_forgotten(struct wgx_aead *a)
{
	forgetful = a;
	scan_on_stack(stack, seal_and_open);
	assert_int_equal(scan_memory(&scan), 0);
}

static void test_key_forgotten(void **state)
{
	uint8_t secret[32];

#ifdef WGX_SANITIZE
	skip(); /* it has gigabytes of its own to look through */
#endif
	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = key[i] ^ 0xc3;
	scan_for(&scan, "the key", secret);
	assert_true(scan_memory(&scan) >= 2); /* it does find */
	wgx_wipe(secret, sizeof(secret));
	every_backend(key_forgotten);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_long),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_key_and_counter),
		cmocka_unit_test(test_interleaved),
		cmocka_unit_test(test_choice),
		line_test("P-HS-10", test_key_forgotten),
	};

	fill_random(key, sizeof(key));
	fill_random(plain, sizeof(plain));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
