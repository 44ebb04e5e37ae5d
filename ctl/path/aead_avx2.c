/* SPDX-License-Identifier: MIT */
/*
 * ChaCha20-Poly1305 with AVX2, for processors without AVX-512.
 *
 * ChaCha20 computes eight blocks at once, a word of all of them in each register, and has the vector units busy.
 * Poly1305 is a chain of multiplications of 64-bit words, each of which waits for the one before, and needs no vector
 * unit. So both are done at once: after each eighth of a double round stands a block of Poly1305, and the processor, which
 * looks some hundred instructions ahead, computes it while it waits for the cipher, or the other way round. Sealing
 * takes the ciphertext that the pass before has written, opening what has come. No branch and no address depends on a
 * secret.
 */
#include "path/aead.h"

#if WGX_AEAD_AVX2

#include <errno.h>
#include <immintrin.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>
#include "path/poly1305.h"

#define AVX2 __attribute__((target("avx2,bmi2")))
#define INLINE_AVX2 AVX2 __attribute__((always_inline)) static inline

/* So that what is in arrays of vectors stays in registers */
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#define TAG_LEN 16
#define BLOCK 64 /* of ChaCha20 */
#define STREAM (8 * BLOCK)
#define PAIRS_MAX 3
#define SIGMA 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574
/* How much of the key stream is made before a tag is checked: for frames of 9000 bytes */
#define AHEAD (18 * STREAM)

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/*
 * What the compiler must not leave out; @len is a multiple of 32. Not memset(3): the compiler makes "rep stos" of
 * it, which takes 30 ns to begin.
 */
INLINE_AVX2 void wipe(void *p, size_t len)
{
	for (size_t i = 0; i < len; i += 32)
		_mm256_storeu_si256((__m256i *)((uint8_t *)p + i), _mm256_setzero_si256());
	__asm__ volatile("" : : "r"(p) : "memory");
}

/* ---- ChaCha20 ---- */

INLINE_AVX2 __m256i rotate(__m256i v, int bits)
{
	return _mm256_or_si256(_mm256_slli_epi32(v, bits), _mm256_srli_epi32(v, 32 - bits));
}

/* For _mm256_shuffle_epi8(): bytes of each word to the left by two, by one */
#define ROTATE16                                                                                 \
	_mm256_set_epi8(13, 12, 15, 14, 9, 8, 11, 10, 5, 4, 7, 6, 1, 0, 3, 2, 13, 12, 15, 14, 9, \
			8, 11, 10, 5, 4, 7, 6, 1, 0, 3, 2)
#define ROTATE8                                                                                   \
	_mm256_set_epi8(14, 13, 12, 15, 10, 9, 8, 11, 6, 5, 4, 7, 2, 1, 0, 3, 14, 13, 12, 15, 10, \
			9, 8, 11, 6, 5, 4, 7, 2, 1, 0, 3)

INLINE_AVX2 void quarter_round(__m256i *a, __m256i *b, __m256i *c, __m256i *d)
{
	*a = _mm256_add_epi32(*a, *b);
	*d = _mm256_shuffle_epi8(_mm256_xor_si256(*d, *a), ROTATE16);
	*c = _mm256_add_epi32(*c, *d);
	*b = rotate(_mm256_xor_si256(*b, *c), 12);
	*a = _mm256_add_epi32(*a, *b);
	*d = _mm256_shuffle_epi8(_mm256_xor_si256(*d, *a), ROTATE8);
	*c = _mm256_add_epi32(*c, *d);
	*b = rotate(_mm256_xor_si256(*b, *c), 7);
}

/*
 * Two quarter rounds in step, so that one goes on while the other waits. A macro, because the address of a variable
 * that is bound to a register cannot be taken.
 */
#define HALF_OF_TWO(a, b, c, d, e, f, g, h, mask, bits) \
	do {                                            \
		a = _mm256_add_epi32(a, b);             \
		e = _mm256_add_epi32(e, f);             \
		d = _mm256_xor_si256(d, a);             \
		h = _mm256_xor_si256(h, e);             \
		d = _mm256_shuffle_epi8(d, mask);       \
		h = _mm256_shuffle_epi8(h, mask);       \
		c = _mm256_add_epi32(c, d);             \
		g = _mm256_add_epi32(g, h);             \
		b = _mm256_xor_si256(b, c);             \
		f = _mm256_xor_si256(f, g);             \
		b = rotate(b, bits);                    \
		f = rotate(f, bits);                    \
	} while (0)
#define TWO_QUARTER_ROUNDS(a, b, c, d, e, f, g, h)                 \
	do {                                                       \
		HALF_OF_TWO(a, b, c, d, e, f, g, h, ROTATE16, 12); \
		HALF_OF_TWO(a, b, c, d, e, f, g, h, ROTATE8, 7);   \
	} while (0)

/*
 * There are 16 registers for 16 words and for what is being rotated. So two words of the third row wait in memory while
 * the other two are used. GCC has to be told, for what it chooses itself is often needed next.
 */
#ifdef __clang__
#define IN_REGISTER(name, n) __m256i name
#define STAY_THERE() ((void)0)
#else
#define IN_REGISTER(name, n) register __m256i name __asm__("xmm" #n)
/* that it does not store, in each round, what is read after the last */
#define STAY_THERE()                                                                              \
	__asm__(""                                                                                \
		: "+x"(a0), "+x"(a1), "+x"(a2), "+x"(a3), "+x"(b0), "+x"(b1), "+x"(b2), "+x"(b3), \
		  "+x"(c0), "+x"(c1), "+x"(d0), "+x"(d1), "+x"(d2), "+x"(d3))
#endif

INLINE_AVX2 void park(__m256i to[2], __m256i first, __m256i second)
{
	to[0] = first;
	to[1] = second;
	__asm__("" : "+m"(to[0]), "+m"(to[1]));
}

/* The 20 rounds of eight blocks, and up to 40 blocks of @mac's */
INLINE_AVX2 void rounds(__m256i v[16], struct wgx_poly1305 *mac)
{
	struct wgx_poly1305 m;
	__m256i left[2], right[2]; /* of the third row: words 8 and 9, 10 and 11 */
	IN_REGISTER(a0, 0) = v[0];
	IN_REGISTER(a1, 1) = v[1];
	IN_REGISTER(a2, 2) = v[2];
	IN_REGISTER(a3, 3) = v[3];
	IN_REGISTER(b0, 4) = v[4];
	IN_REGISTER(b1, 5) = v[5];
	IN_REGISTER(b2, 6) = v[6];
	IN_REGISTER(b3, 7) = v[7];
	IN_REGISTER(d0, 8) = v[12];
	IN_REGISTER(d1, 9) = v[13];
	IN_REGISTER(d2, 10) = v[14];
	IN_REGISTER(d3, 11) = v[15];
	IN_REGISTER(c0, 12) = v[8];
	IN_REGISTER(c1, 13) = v[9];

	wgx_poly1305_copy(&m, mac); /* so that it is in registers as well */
	park(right, v[10], v[11]);
	for (int i = 0; i < 10; i++) {
		TWO_QUARTER_ROUNDS(a0, b0, c0, d0, a1, b1, c1, d1);
		wgx_poly1305_take(&m, 1);
		park(left, c0, c1);
		c0 = right[0];
		c1 = right[1];
		TWO_QUARTER_ROUNDS(a2, b2, c0, d2, a3, b3, c1, d3);
		wgx_poly1305_take(&m, 1);
		/* the diagonals */
		TWO_QUARTER_ROUNDS(a0, b1, c0, d3, a1, b2, c1, d0);
		wgx_poly1305_take(&m, 1);
		park(right, c0, c1);
		c0 = left[0];
		c1 = left[1];
		TWO_QUARTER_ROUNDS(a2, b3, c0, d1, a3, b0, c1, d2);
		wgx_poly1305_take(&m, 1);
		STAY_THERE();
	}
	wgx_poly1305_copy(mac, &m);
	v[0] = a0;
	v[1] = a1;
	v[2] = a2;
	v[3] = a3;
	v[4] = b0;
	v[5] = b1;
	v[6] = b2;
	v[7] = b3;
	v[8] = c0;
	v[9] = c1;
	v[10] = right[0];
	v[11] = right[1];
	v[12] = d0;
	v[13] = d1;
	v[14] = d2;
	v[15] = d3;
}

/* From a word of eight blocks in each register to eight words of a block in each */
INLINE_AVX2 void transpose(__m256i v[8])
{
	__m256i t[8], u[8];

	UNROLL
	for (int i = 0; i < 8; i += 4) {
		t[i] = _mm256_unpacklo_epi32(v[i], v[i + 1]);
		t[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
		t[i + 2] = _mm256_unpacklo_epi32(v[i + 2], v[i + 3]);
		t[i + 3] = _mm256_unpackhi_epi32(v[i + 2], v[i + 3]);
		u[i] = _mm256_unpacklo_epi64(t[i], t[i + 2]);
		u[i + 1] = _mm256_unpackhi_epi64(t[i], t[i + 2]);
		u[i + 2] = _mm256_unpacklo_epi64(t[i + 1], t[i + 3]);
		u[i + 3] = _mm256_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
	UNROLL
	for (int i = 0; i < 4; i++) {
		v[i] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x20);
		v[i + 4] = _mm256_permute2x128_si256(u[i], u[i + 4], 0x31);
	}
}

INLINE_AVX2 void put_stream(uint8_t *dst, const uint8_t *src, __m256i v)
{
	if (src)
		v = _mm256_xor_si256(v, _mm256_loadu_si256((const __m256i *)src));
	_mm256_storeu_si256((__m256i *)dst, v);
}

/*
 * @src's eight blocks and the key stream from block @block on, or that alone (@src NULL), to @dst; meanwhile @mac takes
 * what it has, up to 40 of its blocks.
 */
INLINE_AVX2 void chacha(const uint8_t key[32], uint64_t counter, uint32_t block, const uint8_t *src,
			uint8_t *dst, struct wgx_poly1305 *mac)
{
	static const uint32_t sigma[4] = {SIGMA};
	const __m256i blocks = _mm256_add_epi32(_mm256_set1_epi32((int)block),
						_mm256_set_epi32(7, 6, 5, 4, 3, 2, 1, 0));
	const __m256i low = _mm256_set1_epi32((int)counter);
	const __m256i high = _mm256_set1_epi32((int)(counter >> 32));
	__m256i v[16];

	UNROLL
	for (int i = 0; i < 4; i++)
		v[i] = _mm256_set1_epi32((int)sigma[i]);
	UNROLL
	for (int i = 0; i < 8; i++)
		v[4 + i] = _mm256_set1_epi32((int)get32(key + 4 * i));
	v[12] = blocks;
	v[13] = _mm256_setzero_si256();
	v[14] = low;
	v[15] = high;
	rounds(v, mac);
	UNROLL
	for (int i = 0; i < 4; i++)
		v[i] = _mm256_add_epi32(v[i], _mm256_set1_epi32((int)sigma[i]));
	UNROLL
	for (int i = 0; i < 8; i++)
		v[4 + i] = _mm256_add_epi32(v[4 + i], _mm256_set1_epi32((int)get32(key + 4 * i)));
	v[12] = _mm256_add_epi32(v[12], blocks);
	v[14] = _mm256_add_epi32(v[14], low);
	v[15] = _mm256_add_epi32(v[15], high);
	transpose(v);
	transpose(v + 8);
	UNROLL
	for (int i = 0; i < 8; i++) {
		put_stream(dst + i * BLOCK, src ? src + i * BLOCK : NULL, v[i]);
		put_stream(dst + i * BLOCK + 32, src ? src + i * BLOCK + 32 : NULL, v[8 + i]);
	}
}

/* A row of two blocks in each register, which is turned so that columns become diagonals, or back */
INLINE_AVX2 void short_round(__m256i v[4], bool diagonal)
{
	quarter_round(&v[0], &v[1], &v[2], &v[3]);
	v[1] = diagonal ? _mm256_shuffle_epi32(v[1], 0x93) : _mm256_shuffle_epi32(v[1], 0x39);
	v[2] = _mm256_shuffle_epi32(v[2], 0x4e);
	v[3] = diagonal ? _mm256_shuffle_epi32(v[3], 0x39) : _mm256_shuffle_epi32(v[3], 0x93);
}

INLINE_AVX2 void put_two(uint8_t *stream, __m256i a, __m256i b)
{
	put_stream(stream, NULL, _mm256_permute2x128_si256(a, b, 0x20));
	put_stream(stream + BLOCK, NULL, _mm256_permute2x128_si256(a, b, 0x31));
}

/* Of the state, but for the last, which is the block's number and the nonce */
INLINE_AVX2 void get_rows(__m256i rows[3], const uint8_t key[32])
{
	rows[0] = _mm256_setr_epi32(SIGMA, SIGMA);
	rows[1] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)key));
	rows[2] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(key + 16)));
}

/* The key stream of a few blocks, two for each of @pairs, which is a constant: less work than for eight, if as long a chain */
INLINE_AVX2 void chacha_pairs(const uint8_t key[32], uint64_t counter, uint32_t block,
			      uint8_t *stream, struct wgx_poly1305 *mac, int pairs)
{
	__m256i rows[3];
	const __m256i last =
		_mm256_setr_epi32((int)block, 0, (int)counter, (int)(counter >> 32), (int)block + 1,
				  0, (int)counter, (int)(counter >> 32));
	const __m256i two = _mm256_setr_epi32(2, 0, 0, 0, 2, 0, 0, 0);
	struct wgx_poly1305 m;
	__m256i v[PAIRS_MAX][4], at = last;

	get_rows(rows, key);
	UNROLL
	for (int i = 0; i < pairs; i++) {
		v[i][0] = rows[0];
		v[i][1] = rows[1];
		v[i][2] = rows[2];
		v[i][3] = at;
		at = _mm256_add_epi32(at, two);
	}
	wgx_poly1305_copy(&m, mac);
	for (int i = 0; i < 10; i++) {
		UNROLL
		for (int j = 0; j < pairs; j++)
			short_round(v[j], false);
		wgx_poly1305_take(&m, 2);
		UNROLL
		for (int j = 0; j < pairs; j++)
			short_round(v[j], true);
		wgx_poly1305_take(&m, 2);
	}
	wgx_poly1305_copy(mac, &m);
	__asm__(""
		: "+r"(key)); /* read again: rows that had to be kept would be left on the stack */
	get_rows(rows, key);
	at = last;
	UNROLL
	for (int i = 0; i < pairs; i++, stream += 2 * BLOCK) {
		UNROLL
		for (int j = 0; j < 3; j++)
			v[i][j] = _mm256_add_epi32(v[i][j], rows[j]);
		v[i][3] = _mm256_add_epi32(v[i][3], at);
		at = _mm256_add_epi32(at, two);
		put_two(stream, v[i][0], v[i][1]);
		put_two(stream + 32, v[i][2], v[i][3]);
	}
}

/* The key stream from block @block on, for @len bytes at least */
AVX2 static void chacha_stream(const uint8_t key[32], uint64_t counter, uint32_t block,
			       uint8_t stream[STREAM], size_t len, struct wgx_poly1305 *mac)
{
	if (len <= 2 * BLOCK)
		chacha_pairs(key, counter, block, stream, mac, 1);
	else if (len <= 4 * BLOCK)
		chacha_pairs(key, counter, block, stream, mac, 2);
	else if (len <= 6 * BLOCK)
		chacha_pairs(key, counter, block, stream, mac, 3);
	else
		chacha(key, counter, block, NULL, stream, mac);
}

AVX2 static void chacha_xor(const uint8_t key[32], uint64_t counter, uint32_t block,
			    const uint8_t *src, uint8_t *dst, struct wgx_poly1305 *mac)
{
	chacha(key, counter, block, src, dst, mac);
}

AVX2 static void xor_bytes(uint8_t *dst, const uint8_t *src, const uint8_t *stream, size_t len)
{
	for (; len >= 32; len -= 32, dst += 32, src += 32, stream += 32)
		put_stream(dst, src, _mm256_loadu_si256((const __m256i *)stream));
	while (len--)
		*dst++ = *src++ ^ *stream++;
}

/* ---- both ---- */

/* @mac has ciphertext up to @end. */
static void supply(struct wgx_poly1305 *mac, const uint8_t *end)
{
	mac->blocks = (size_t)(end - mac->at) / WGX_POLY1305_BLOCK;
}

/*
 * What comes after the 64 bytes of block 0; @stream holds the first eight blocks, and something else afterwards. @mac
 * takes what has been encrypted while more is; nothing when opening, for it has had all.
 */
AVX2 static void crypt(const uint8_t key[32], uint64_t counter, uint8_t stream[STREAM],
		       const uint8_t *src, uint8_t *dst, size_t len, struct wgx_poly1305 *mac,
		       bool seal)
{
	size_t n = len < STREAM - BLOCK ? len : STREAM - BLOCK;
	uint32_t block = STREAM / BLOCK;

	xor_bytes(dst, src, stream + BLOCK, n);
	for (;;) {
		src += n;
		dst += n;
		len -= n;
		if (seal)
			supply(mac, dst);
		if (len < STREAM)
			break;
		n = STREAM;
		chacha_xor(key, counter, block, src, dst, mac);
		block += STREAM / BLOCK;
	}
	if (len) {
		chacha_stream(key, counter, block, stream, len, mac);
		xor_bytes(dst, src, stream, len);
	}
}

/* The end of a message of @len bytes: what is left up to @end, and the length (RFC 8439, 2.8; no associated data) */
AVX2 static void finish(struct wgx_poly1305 *mac, const uint8_t *end, size_t len,
			uint8_t tag[TAG_LEN])
{
	struct wgx_poly1305 m;

	wgx_poly1305_copy(&m, mac);
	supply(&m, end);
	wgx_poly1305_rest(&m);
	if (m.at < end) {
		uint8_t last[WGX_POLY1305_BLOCK] = {0};

		memcpy(last, m.at, (size_t)(end - m.at));
		wgx_poly1305_block(&m, wgx_poly1305_word(last), wgx_poly1305_word(last + 8));
	}
	wgx_poly1305_block(&m, 0, len);
	wgx_poly1305_tag(&m, tag);
}

/* ---- the backend ---- */

static struct wgx_aead *avx2_create(void)
{
	struct wgx_aead *a;

	__builtin_cpu_init();
	if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("bmi2") || sodium_init() < 0)
		return NULL;
	a = malloc(sizeof(*a));
	if (a)
		a->backend = &wgx_aead_avx2;
	return a;
}

static void avx2_destroy(struct wgx_aead *a)
{
	free(a);
}

AVX2 static void avx2_seal(struct wgx_aead *a, const uint8_t key[32], uint64_t counter,
			   const uint8_t *src, uint8_t *dst, size_t len)
{
	_Alignas(32) uint8_t stream[STREAM];
	struct wgx_poly1305 mac = {0}; /* it has nothing to take while its key is being made */

	(void)a;
	chacha_stream(key, counter, 0, stream, BLOCK + len, &mac);
	wgx_poly1305_begin(&mac, stream);
	mac.at = dst;
	crypt(key, counter, stream, src, dst, len, &mac, true);
	finish(&mac, dst + len, len, dst + len);
	wipe(stream, sizeof(stream));
	wipe(&mac, sizeof(mac));
}

AVX2 static int avx2_open(struct wgx_aead *a, const uint8_t key[32], uint64_t counter,
			  const uint8_t *src, uint8_t *dst, size_t len)
{
	_Alignas(32) uint8_t stream[AHEAD];
	size_t made = STREAM, all = BLOCK + len <= AHEAD ? BLOCK + len : STREAM;
	struct wgx_poly1305 mac = {0}; /* it has nothing to take while its key is being made */
	uint8_t tag[TAG_LEN];
	int err;

	(void)a;
	chacha_stream(key, counter, 0, stream, BLOCK + len, &mac);
	wgx_poly1305_begin(&mac, stream);
	mac.at = src;
	mac.blocks = len / WGX_POLY1305_BLOCK;
	for (; made < all; made += STREAM)
		chacha_stream(key, counter, (uint32_t)(made / BLOCK), stream + made, all - made,
			      &mac);
	finish(&mac, src + len, len, tag);
	err = crypto_verify_16(tag, src + len) ? -EBADMSG : 0; /* in constant time */
	mac.blocks = 0;
	if (!err) {
		if (BLOCK + len <= AHEAD)
			xor_bytes(dst, src, stream + BLOCK, len);
		else
			crypt(key, counter, stream, src, dst, len, &mac, false);
	}
	wipe(stream, made);
	wipe(&mac, sizeof(mac));
	return err;
}

const struct wgx_aead_backend wgx_aead_avx2 = {
	.name = "avx2",
	.create = avx2_create,
	.destroy = avx2_destroy,
	.seal = avx2_seal,
	.open = avx2_open,
};

#endif
