/* SPDX-License-Identifier: MIT */
/*
 * ChaCha20-Poly1305 with AVX2, for processors without AVX-512: there intel-ipsec-mb has Poly1305 by scalar
 * multiplication only, which took more time than the cipher.
 *
 * ChaCha20 computes eight blocks at once, a word of all of them in each register. Poly1305 takes four blocks at
 * once, in limbs of 26 bits (Goll and Gueron 2015), and what is left over in limbs of 44, 44 and 42 bits. No
 * branch and no address depends on a secret.
 */
#include "path/aead.h"

#if WGX_AEAD_AVX2

#include <errno.h>
#include <immintrin.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sodium.h>

#define AVX2 __attribute__((target("avx2")))
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
#define SHORT (4 * BLOCK)
#define SIGMA 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574
#define POLY_KEY 32
#define POLY_BLOCK 16
#define POLY_BATCH (4 * POLY_BLOCK)
/* Shorter messages are not worth the powers that a batch needs. */
#define POLY_BATCH_MIN (4 * POLY_BATCH)

static uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

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

INLINE_AVX2 __m256i rotate16(__m256i v)
{
	return _mm256_shuffle_epi8(v, _mm256_set_epi8(13, 12, 15, 14, 9, 8, 11, 10, 5, 4, 7, 6, 1,
						      0, 3, 2, 13, 12, 15, 14, 9, 8, 11, 10, 5, 4,
						      7, 6, 1, 0, 3, 2));
}

INLINE_AVX2 __m256i rotate8(__m256i v)
{
	return _mm256_shuffle_epi8(v, _mm256_set_epi8(14, 13, 12, 15, 10, 9, 8, 11, 6, 5, 4, 7, 2,
						      1, 0, 3, 14, 13, 12, 15, 10, 9, 8, 11, 6, 5,
						      4, 7, 2, 1, 0, 3));
}

INLINE_AVX2 void quarter_round(__m256i *a, __m256i *b, __m256i *c, __m256i *d)
{
	*a = _mm256_add_epi32(*a, *b);
	*d = rotate16(_mm256_xor_si256(*d, *a));
	*c = _mm256_add_epi32(*c, *d);
	*b = rotate(_mm256_xor_si256(*b, *c), 12);
	*a = _mm256_add_epi32(*a, *b);
	*d = rotate8(_mm256_xor_si256(*d, *a));
	*c = _mm256_add_epi32(*c, *d);
	*b = rotate(_mm256_xor_si256(*b, *c), 7);
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

/* @src's eight blocks and the key stream from block @block on, or that alone (@src NULL), to @dst */
INLINE_AVX2 void chacha(const uint8_t key[32], uint64_t counter, uint32_t block, const uint8_t *src,
			uint8_t *dst)
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
	for (int i = 0; i < 10; i++) {
		quarter_round(&v[0], &v[4], &v[8], &v[12]);
		quarter_round(&v[1], &v[5], &v[9], &v[13]);
		quarter_round(&v[2], &v[6], &v[10], &v[14]);
		quarter_round(&v[3], &v[7], &v[11], &v[15]);
		quarter_round(&v[0], &v[5], &v[10], &v[15]);
		quarter_round(&v[1], &v[6], &v[11], &v[12]);
		quarter_round(&v[2], &v[7], &v[8], &v[13]);
		quarter_round(&v[3], &v[4], &v[9], &v[14]);
	}
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

/* Four blocks only, in two thirds of the time */
AVX2 static void chacha_short(const uint8_t key[32], uint64_t counter, uint32_t block,
			      uint8_t stream[SHORT])
{
	const __m256i rows[3] = {
		_mm256_setr_epi32(SIGMA, SIGMA),
		_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)key)),
		_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(key + 16))),
	};
	const __m256i last =
		_mm256_setr_epi32((int)block, 0, (int)counter, (int)(counter >> 32), (int)block + 1,
				  0, (int)counter, (int)(counter >> 32));
	const __m256i other = _mm256_add_epi32(last, _mm256_setr_epi32(2, 0, 0, 0, 2, 0, 0, 0));
	__m256i v[4] = {rows[0], rows[1], rows[2], last};
	__m256i w[4] = {rows[0], rows[1], rows[2], other};

	for (int i = 0; i < 10; i++) {
		short_round(v, false);
		short_round(w, false);
		short_round(v, true);
		short_round(w, true);
	}
	UNROLL
	for (int i = 0; i < 3; i++) {
		v[i] = _mm256_add_epi32(v[i], rows[i]);
		w[i] = _mm256_add_epi32(w[i], rows[i]);
	}
	v[3] = _mm256_add_epi32(v[3], last);
	w[3] = _mm256_add_epi32(w[3], other);
	put_two(stream, v[0], v[1]);
	put_two(stream + 32, v[2], v[3]);
	put_two(stream + 2 * BLOCK, w[0], w[1]);
	put_two(stream + 2 * BLOCK + 32, w[2], w[3]);
}

/* The key stream from block @block on, for @len bytes at least */
AVX2 static void chacha_stream(const uint8_t key[32], uint64_t counter, uint32_t block,
			       uint8_t stream[STREAM], size_t len)
{
	if (len <= SHORT)
		chacha_short(key, counter, block, stream);
	else
		chacha(key, counter, block, NULL, stream);
}

AVX2 static void chacha_xor(const uint8_t key[32], uint64_t counter, uint32_t block,
			    const uint8_t *src, uint8_t *dst)
{
	chacha(key, counter, block, src, dst);
}

AVX2 static void xor_bytes(uint8_t *dst, const uint8_t *src, const uint8_t *stream, size_t len)
{
	for (; len >= 32; len -= 32, dst += 32, src += 32, stream += 32)
		put_stream(dst, src, _mm256_loadu_si256((const __m256i *)stream));
	while (len--)
		*dst++ = *src++ ^ *stream++;
}

/* What comes after the 64 bytes of block 0; @stream holds the first eight blocks, and something else afterwards. */
static void crypt(const uint8_t key[32], uint64_t counter, uint8_t stream[STREAM],
		  const uint8_t *src, uint8_t *dst, size_t len)
{
	size_t n = len < STREAM - BLOCK ? len : STREAM - BLOCK;
	uint32_t block = STREAM / BLOCK;

	xor_bytes(dst, src, stream + BLOCK, n);
	for (;;) {
		src += n;
		dst += n;
		len -= n;
		if (len < STREAM)
			break;
		n = STREAM;
		chacha_xor(key, counter, block, src, dst);
		block += STREAM / BLOCK;
	}
	if (len) {
		chacha_stream(key, counter, block, stream, len);
		xor_bytes(dst, src, stream, len);
	}
}

/* ---- Poly1305 ---- */

#define MASK26 ((1u << 26) - 1)
#define MASK42 ((UINT64_C(1) << 42) - 1)
#define MASK44 ((UINT64_C(1) << 44) - 1)

typedef unsigned __int128 uint128_t;

/** struct number - modulo 2^130 - 5: n[0] + n[1] * 2^44 + n[2] * 2^88, of which n[2] may have a bit too many */
struct number {
	uint64_t n[3];
};

static inline struct number split(uint64_t low, uint64_t high)
{
	return (struct number){
		{low & MASK44, (low >> 44 | high << 20) & MASK44, high >> 24},
	};
}

__attribute__((always_inline)) static inline struct number multiply(const struct number *a,
								    const struct number *b)
{
	/* 2^132 is 20 */
	const uint64_t b1 = b->n[1] * 20, b2 = b->n[2] * 20;
	uint128_t d0 =
		(uint128_t)a->n[0] * b->n[0] + (uint128_t)a->n[1] * b2 + (uint128_t)a->n[2] * b1;
	uint128_t d1 = (uint128_t)a->n[0] * b->n[1] + (uint128_t)a->n[1] * b->n[0] +
		       (uint128_t)a->n[2] * b2;
	uint128_t d2 = (uint128_t)a->n[0] * b->n[2] + (uint128_t)a->n[1] * b->n[1] +
		       (uint128_t)a->n[2] * b->n[0];
	struct number r;

	d1 += (uint64_t)(d0 >> 44);
	d2 += (uint64_t)(d1 >> 44);
	r.n[0] = ((uint64_t)d0 & MASK44) + (uint64_t)(d2 >> 42) * 5;
	r.n[1] = ((uint64_t)d1 & MASK44) + (r.n[0] >> 44);
	r.n[2] = ((uint64_t)d2 & MASK42) + (r.n[1] >> 44);
	r.n[0] &= MASK44;
	r.n[1] &= MASK44;
	return r;
}

static void take_block(struct number *h, const struct number *r, uint64_t low, uint64_t high)
{
	const struct number m = split(low, high);

	h->n[0] += m.n[0];
	h->n[1] += m.n[1];
	h->n[2] += m.n[2] + (UINT64_C(1) << 40);
	*h = multiply(h, r);
}

/* Limbs of 26 bits, in the low half of each lane */
__attribute__((always_inline)) static inline void to_limbs(const struct number *a,
							   uint32_t limbs[5])
{
	limbs[0] = (uint32_t)a->n[0] & MASK26;
	limbs[1] = (uint32_t)(a->n[0] >> 26 | a->n[1] << 18) & MASK26;
	limbs[2] = (uint32_t)(a->n[1] >> 8) & MASK26;
	limbs[3] = (uint32_t)(a->n[1] >> 34 | a->n[2] << 10) & MASK26;
	limbs[4] = (uint32_t)(a->n[2] >> 16);
}

static struct number from_limbs(uint64_t l[5])
{
	struct number r;
	uint64_t v;

	for (int i = 0; i < 4; i++) {
		l[i + 1] += l[i] >> 26;
		l[i] &= MASK26;
	}
	l[0] += (l[4] >> 26) * 5;
	l[4] &= MASK26;
	v = l[0] + (l[1] << 26);
	r.n[0] = v & MASK44;
	v = (v >> 44) + (l[2] << 8) + (l[3] << 34);
	r.n[1] = v & MASK44;
	r.n[2] = (v >> 44) + (l[4] << 16);
	return r;
}

/** struct lanes - four numbers, a limb of all of them in each register */
struct lanes {
	__m256i n0, n1, n2, n3, n4;
};

/** struct factor - what four numbers are multiplied by, and five times that, but for the first limb */
struct factor {
	struct lanes r;
	__m256i s1, s2, s3, s4;
};

INLINE_AVX2 __m256i times5(__m256i v)
{
	return _mm256_add_epi64(v, _mm256_slli_epi64(v, 2));
}

INLINE_AVX2 void make_factor(struct factor *f, const struct lanes *r)
{
	f->r = *r;
	f->s1 = times5(r->n1);
	f->s2 = times5(r->n2);
	f->s3 = times5(r->n3);
	f->s4 = times5(r->n4);
}

/* One number in all lanes */
INLINE_AVX2 void make_factor_of_one(struct factor *f, const uint32_t n[5])
{
	const struct lanes r = {
		_mm256_set1_epi64x(n[0]), _mm256_set1_epi64x(n[1]), _mm256_set1_epi64x(n[2]),
		_mm256_set1_epi64x(n[3]), _mm256_set1_epi64x(n[4]),
	};

	make_factor(f, &r);
}

#define LANES(i) _mm256_set_epi64x(l3[i], l2[i], l1[i], l0[i])

INLINE_AVX2 void make_factor_of_four(struct factor *f, const uint32_t l0[5], const uint32_t l1[5],
				     const uint32_t l2[5], const uint32_t l3[5])
{
	const struct lanes r = {LANES(0), LANES(1), LANES(2), LANES(3), LANES(4)};

	make_factor(f, &r);
}

/* Four blocks, into lanes 0, 2, 1 and 3 */
INLINE_AVX2 struct lanes load_blocks(const uint8_t *p)
{
	const __m256i mask = _mm256_set1_epi64x(MASK26);
	__m256i a = _mm256_loadu_si256((const __m256i *)p);
	__m256i b = _mm256_loadu_si256((const __m256i *)(p + 32));
	__m256i low = _mm256_unpacklo_epi64(a, b), high = _mm256_unpackhi_epi64(a, b);
	__m256i middle = _mm256_or_si256(_mm256_srli_epi64(low, 52), _mm256_slli_epi64(high, 12));

	return (struct lanes){
		_mm256_and_si256(low, mask),
		_mm256_and_si256(_mm256_srli_epi64(low, 26), mask),
		_mm256_and_si256(middle, mask),
		_mm256_and_si256(_mm256_srli_epi64(high, 14), mask),
		_mm256_or_si256(_mm256_srli_epi64(high, 40), _mm256_set1_epi64x(1 << 24)),
	};
}

INLINE_AVX2 struct lanes add_lanes(struct lanes a, struct lanes b)
{
	return (struct lanes){
		_mm256_add_epi64(a.n0, b.n0), _mm256_add_epi64(a.n1, b.n1),
		_mm256_add_epi64(a.n2, b.n2), _mm256_add_epi64(a.n3, b.n3),
		_mm256_add_epi64(a.n4, b.n4),
	};
}

/* The compiler would multiply all first and keep the products in memory: here it must have added. */
INLINE_AVX2 void add_product(__m256i *to, __m256i a, __m256i b)
{
	*to = _mm256_add_epi64(*to, _mm256_mul_epu32(a, b));
	__asm__("" : "+x"(*to));
}

/* @to, and a limb of @h by one of the factor in each */
INLINE_AVX2 void add_products(struct lanes *to, __m256i h, __m256i f0, __m256i f1, __m256i f2,
			      __m256i f3, __m256i f4)
{
	add_product(&to->n0, h, f0);
	add_product(&to->n1, h, f1);
	add_product(&to->n2, h, f2);
	add_product(&to->n3, h, f3);
	add_product(&to->n4, h, f4);
}

/* @to and @h by @f; limbs of a product have up to 60 bits. */
INLINE_AVX2 void multiply_add(struct lanes *to, struct lanes h, const struct factor *f)
{
	const struct lanes *r = &f->r;

	add_products(to, h.n0, r->n0, r->n1, r->n2, r->n3, r->n4);
	add_products(to, h.n1, f->s4, r->n0, r->n1, r->n2, r->n3);
	add_products(to, h.n2, f->s3, f->s4, r->n0, r->n1, r->n2);
	add_products(to, h.n3, f->s2, f->s3, f->s4, r->n0, r->n1);
	add_products(to, h.n4, f->s1, f->s2, f->s3, f->s4, r->n0);
}

INLINE_AVX2 void carry(__m256i *from, __m256i *to)
{
	*to = _mm256_add_epi64(*to, _mm256_srli_epi64(*from, 26));
	*from = _mm256_and_si256(*from, _mm256_set1_epi64x(MASK26));
}

/* Back to limbs of 26 bits, and some a little more */
INLINE_AVX2 struct lanes reduce(struct lanes d)
{
	__m256i top;

	carry(&d.n0, &d.n1);
	carry(&d.n3, &d.n4);
	carry(&d.n1, &d.n2);
	top = _mm256_srli_epi64(d.n4, 26);
	d.n4 = _mm256_and_si256(d.n4, _mm256_set1_epi64x(MASK26));
	d.n0 = _mm256_add_epi64(d.n0, times5(top));
	carry(&d.n2, &d.n3);
	carry(&d.n0, &d.n1);
	carry(&d.n3, &d.n4);
	return d;
}

INLINE_AVX2 uint64_t sum_lane(__m256i v)
{
	__m128i t = _mm_add_epi64(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));

	return (uint64_t)_mm_cvtsi128_si64(_mm_add_epi64(t, _mm_unpackhi_epi64(t, t)));
}

/* The first @len bytes of a message: a multiple of two batches, and not none */
AVX2 static struct number take_batches(const struct number *r, const uint8_t *p, size_t len)
{
	const struct number r2 = multiply(r, r), r3 = multiply(&r2, r), r4 = multiply(&r2, &r2),
			    r8 = multiply(&r4, &r4);
	uint32_t l1[5], l2[5], l3[5], l4[5], l8[5];
	struct factor f4, f8;
	struct number sum;
	const struct lanes zero = {
		_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(),
		_mm256_setzero_si256(), _mm256_setzero_si256(),
	};
	struct lanes h, last = zero;

	to_limbs(r, l1);
	to_limbs(&r2, l2);
	to_limbs(&r3, l3);
	to_limbs(&r4, l4);
	to_limbs(&r8, l8);
	make_factor_of_one(&f4, l4);
	make_factor_of_one(&f8, l8);
	h = load_blocks(p + POLY_BATCH);
	multiply_add(&h, load_blocks(p), &f4);
	while (len -= 2 * POLY_BATCH) {
		struct lanes next = zero;

		p += 2 * POLY_BATCH;
		/* in this order what is live fits the registers */
		multiply_add(&next, reduce(h), &f8);
		multiply_add(&next, load_blocks(p), &f4);
		h = add_lanes(next, load_blocks(p + POLY_BATCH));
	}
	/* what has been kept apart comes together: the last batch's blocks 0, 2, 1, 3 by r^4, r^2, r^3, r */
	make_factor_of_four(&f4, l4, l2, l3, l1);
	multiply_add(&last, reduce(h), &f4);
	h = reduce(last);
	sum = from_limbs((uint64_t[5]){sum_lane(h.n0), sum_lane(h.n1), sum_lane(h.n2),
				       sum_lane(h.n3), sum_lane(h.n4)});
	wipe(&f4, sizeof(f4));
	wipe(&f8, sizeof(f8));
	return sum;
}

/* Modulo 2^130 - 5 for good, and plus the second half of the key modulo 2^128 */
static void finish(struct number *h, const uint8_t pad[16], uint8_t tag[TAG_LEN])
{
	uint64_t low, high, mask;
	struct number g;
	uint128_t sum;

	for (int i = 0; i < 2; i++) {
		h->n[1] += h->n[0] >> 44;
		h->n[0] &= MASK44;
		h->n[2] += h->n[1] >> 44;
		h->n[1] &= MASK44;
		h->n[0] += (h->n[2] >> 42) * 5;
		h->n[2] &= MASK42;
	}
	h->n[1] += h->n[0] >> 44;
	h->n[0] &= MASK44;
	g.n[0] = h->n[0] + 5;
	g.n[1] = h->n[1] + (g.n[0] >> 44);
	g.n[2] = h->n[2] + (g.n[1] >> 44) - (UINT64_C(1) << 42);
	mask = (g.n[2] >> 63) - 1; /* all ones where it was not below the modulus */
	for (int i = 0; i < 3; i++)
		h->n[i] = (h->n[i] & ~mask) | (g.n[i] & (i < 2 ? MASK44 : MASK42) & mask);
	low = h->n[0] | h->n[1] << 44;
	high = h->n[1] >> 20 | h->n[2] << 24;
	sum = ((uint128_t)high << 64 | low) + ((uint128_t)get64(pad + 8) << 64 | get64(pad));
	memcpy(tag, &sum, TAG_LEN);
}

/* Of a message without associated data (RFC 8439, 2.8) */
static void poly1305(const uint8_t key[POLY_KEY], const uint8_t *p, size_t len,
		     uint8_t tag[TAG_LEN])
{
	const struct number r =
		split(get64(key) & 0x0ffffffc0fffffff, get64(key + 8) & 0x0ffffffc0ffffffc);
	struct number h = {{0}};
	size_t left = len;

	if (left >= POLY_BATCH_MIN) {
		size_t n = left - left % (2 * POLY_BATCH);

		h = take_batches(&r, p, n);
		p += n;
		left -= n;
	}
	for (; left >= POLY_BLOCK; left -= POLY_BLOCK, p += POLY_BLOCK)
		take_block(&h, &r, get64(p), get64(p + 8));
	if (left) {
		uint8_t last[POLY_BLOCK] = {0};

		memcpy(last, p, left);
		take_block(&h, &r, get64(last), get64(last + 8));
	}
	take_block(&h, &r, 0, len);
	finish(&h, key + 16, tag);
}

/* ---- the backend ---- */

static struct wgx_aead *avx2_create(void)
{
	struct wgx_aead *a;

	__builtin_cpu_init();
	if (!__builtin_cpu_supports("avx2") || sodium_init() < 0)
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
	_Alignas(32) uint8_t stream[STREAM], poly_key[POLY_KEY];

	(void)a;
	chacha_stream(key, counter, 0, stream, BLOCK + len);
	memcpy(poly_key, stream, sizeof(poly_key));
	crypt(key, counter, stream, src, dst, len);
	poly1305(poly_key, dst, len, dst + len);
	wipe(stream, sizeof(stream));
	wipe(poly_key, sizeof(poly_key));
}

AVX2 static int avx2_open(struct wgx_aead *a, const uint8_t key[32], uint64_t counter,
			  const uint8_t *src, uint8_t *dst, size_t len)
{
	_Alignas(32) uint8_t stream[STREAM];
	uint8_t tag[TAG_LEN];
	int err;

	(void)a;
	chacha_stream(key, counter, 0, stream, BLOCK + len);
	poly1305(stream, src, len, tag);
	err = crypto_verify_16(tag, src + len) ? -EBADMSG : 0; /* in constant time */
	if (!err)
		crypt(key, counter, stream, src, dst, len);
	wipe(stream, sizeof(stream));
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
