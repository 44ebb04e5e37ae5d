/* SPDX-License-Identifier: MIT */
/*
 * The data path's Poly1305 against libsodium's and RFC 8439's vectors, with messages that are chosen against it: from
 * block to block such that its accumulator carries all the way, comes to the modulus, or just not. As many as
 * WGX_POLY1305_MESSAGES in the environment says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include "path/poly1305.h"
#include "unit/xorshift.h"

#if defined(__x86_64__)

#define MESSAGES 200000
#define BLOCKS_MAX 12

typedef unsigned long long word;

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t rnd(void)
{
	return xorshift64(&seed);
}

static word pick(const word *of, size_t n)
{
	size_t i = rnd() >> 20; /* the low bits of one call tell those of the next */

	return i % (n + 1) == n ? rnd() : of[i % (n + 1)];
}

#define PICK(...) \
	pick((const word[]){__VA_ARGS__}, sizeof((const word[]){__VA_ARGS__}) / sizeof(word))

/* Clamping takes what it has to. */
static void choose_key(uint8_t key[WGX_POLY1305_KEY])
{
	const word words[4] = {
		PICK(0, 1, 2, 4, 5, 0x0ffffffc0fffffff, 0x0ffffffc00000000, 0x0fffffff),
		PICK(0, 4, 8, 0x0ffffffc0ffffffc, 0x0ffffffc00000000, 0x0ffffffc),
		PICK(0, 1, -1ull),
		PICK(0, 1, -1ull),
	};

	memcpy(key, words, sizeof(words));
}

/* A word such that it and @a, which it will be added to, come to all ones, to zero and a carry, or close to that */
static word against(word a)
{
	return PICK(0 - a, 0 - a - 1, 0 - a - 2, 0 - a - 4, 0 - a - 5, 0 - a - 6, 0 - a + 1,
		    0 - a - (1ull << 63), 0, -1ull, -5ull, -6ull, 1);
}

static void check_message(void)
{
	uint8_t key[WGX_POLY1305_KEY], text[BLOCKS_MAX * WGX_POLY1305_BLOCK],
		want[WGX_POLY1305_TAG], got[WGX_POLY1305_TAG];
	size_t blocks = (rnd() >> 20) % (BLOCKS_MAX + 1);
	struct wgx_poly1305 p;

	choose_key(key);
	wgx_poly1305_begin(&p, key);
	for (size_t i = 0; i < blocks; i++) {
		const word low = against(rnd() & 1ull << 30 ? p.h0 : p.h0 + p.late),
			   high = against(p.h1);

		memcpy(text + i * WGX_POLY1305_BLOCK, &low, 8);
		memcpy(text + i * WGX_POLY1305_BLOCK + 8, &high, 8);
		wgx_poly1305_block(&p, low, high);
		assert_true(p.h2 < 4);
	}
	if (rnd() & 1ull << 30) { /* the last sum has a long carry as well */
		p.pad[0] = against(p.h0 + p.late);
		p.pad[1] = against(p.h1);
		memcpy(key + 16, p.pad, 16);
	}
	wgx_poly1305_tag(&p, got);
	crypto_onetimeauth_poly1305(want, text, blocks * WGX_POLY1305_BLOCK, key);
	assert_memory_equal(got, want, sizeof(want));
}

static void test_hostile(void **state)
{
	const char *s = getenv("WGX_POLY1305_MESSAGES");
	unsigned long n = s ? strtoul(s, NULL, 10) : MESSAGES;

	for (unsigned long i = 0; i < n; i++)
		check_message();
}

/** struct vector - of RFC 8439, A.3; their lengths are multiples of a block */
struct vector {
	word r[2], s[2];
	word text[8];
	size_t blocks;
	word tag[2];
};

static void test_vectors(void **state)
{
	static const struct vector vectors[] = {
		{.r = {2}, .text = {-1ull, -1ull}, .blocks = 1, .tag = {3}}, /* 7 */
		{.r = {2}, .s = {-1ull, -1ull}, .text = {2}, .blocks = 1, .tag = {3}}, /* 8 */
		{.r = {1},
		 .text = {-1ull, -1ull, -16ull, -1ull, 17},
		 .blocks = 3,
		 .tag = {5}}, /* 9 */
		{.r = {1},
		 .text = {-1ull, -1ull, 0xfefefefefefefefb, 0xfefefefefefefefe, 0x0101010101010101,
			  0x0101010101010101},
		 .blocks = 3,
		 .tag = {0}}, /* 10 */
		{.r = {2}, .text = {-3ull, -1ull}, .blocks = 1, .tag = {-6ull, -1ull}}, /* 11 */
		{.r = {1, 4},
		 .text = {0xb9435e50d79435e3, 0, 0xcd79435e50d79433, 1, 0, 0, 1, 0},
		 .blocks = 4,
		 .tag = {0x14, 0x55}}, /* 12 */
		{.r = {1, 4},
		 .text = {0xb9435e50d79435e3, 0, 0xcd79435e50d79433, 1, 0, 0},
		 .blocks = 3,
		 .tag = {0x13}}, /* 13 */
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		const struct vector *v = &vectors[i];
		uint8_t key[WGX_POLY1305_KEY], tag[WGX_POLY1305_TAG];
		struct wgx_poly1305 p;

		memcpy(key, v->r, 16);
		memcpy(key + 16, v->s, 16);
		wgx_poly1305_begin(&p, key);
		for (size_t b = 0; b < v->blocks; b++)
			wgx_poly1305_block(&p, v->text[2 * b], v->text[2 * b + 1]);
		wgx_poly1305_tag(&p, tag);
		assert_memory_equal(tag, v->tag, sizeof(tag));
	}
}

/* A piece at a time, and no more than there is */
static void test_pieces(void **state)
{
	uint8_t key[WGX_POLY1305_KEY], text[64 * WGX_POLY1305_BLOCK], want[WGX_POLY1305_TAG],
		got[WGX_POLY1305_TAG];

	randombytes_buf(key, sizeof(key));
	randombytes_buf(text, sizeof(text));
	for (size_t blocks = 0; blocks <= 64; blocks++) {
		struct wgx_poly1305 p;

		wgx_poly1305_begin(&p, key);
		p.at = text;
		for (size_t there = 0; there < blocks;) {
			p.blocks = 1 + (rnd() >> 20) % 5;
			if (p.blocks > blocks - there)
				p.blocks = blocks - there;
			there += p.blocks;
			wgx_poly1305_take(&p, 2);
			wgx_poly1305_take(&p, 3);
			wgx_poly1305_rest(&p);
			assert_int_equal(p.blocks, 0);
			assert_ptr_equal(p.at, text + there * WGX_POLY1305_BLOCK);
		}
		wgx_poly1305_tag(&p, got);
		crypto_onetimeauth_poly1305(want, text, blocks * WGX_POLY1305_BLOCK, key);
		assert_memory_equal(got, want, sizeof(want));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_pieces),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	return 0;
}

#endif
