/* SPDX-License-Identifier: MIT */
/* The Internet checksum, by vector instructions where the processor has them. */
#include "path/checksum.h"

#include <arpa/inet.h>
#include <stdatomic.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define HAVE_X86_VECTORS 1
#endif

/* Under this many bytes (headers, mostly) the call through a pointer costs more than it saves. */
#define VECTOR_MIN 64

typedef uint64_t (*sum_fn)(const uint8_t *p, size_t len);

static bool always(void)
{
	return true;
}

/* Sums 32-bit words into 64 bits, which hold the carries of 16 GB. */
static uint64_t sum_scalar(const uint8_t *p, size_t len)
{
	uint64_t sum = 0, wide;
	uint32_t word = 0;

	for (; len >= 8; len -= 8, p += 8) {
		memcpy(&wide, p, 8);
		sum += (wide & 0xffffffff) + (wide >> 32);
	}
	if (len >= 4) {
		memcpy(&word, p, 4);
		sum += word;
		len -= 4;
		p += 4;
	}
	if (len) {
		word = 0;
		memcpy(&word, p, len);
		sum += word;
	}
	return sum;
}

#if HAVE_X86_VECTORS

__attribute__((target("avx2"))) static uint64_t sum_avx2(const uint8_t *p, size_t len)
{
	const __m256i low = _mm256_set1_epi64x(0xffffffff);
	__m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
	uint64_t lanes[4];

	for (; len >= 64; len -= 64, p += 64) {
		__m256i v = _mm256_loadu_si256((const __m256i *)p);
		__m256i w = _mm256_loadu_si256((const __m256i *)(p + 32));

		a = _mm256_add_epi64(a, _mm256_and_si256(v, low));
		b = _mm256_add_epi64(b, _mm256_srli_epi64(v, 32));
		c = _mm256_add_epi64(c, _mm256_and_si256(w, low));
		d = _mm256_add_epi64(d, _mm256_srli_epi64(w, 32));
	}
	a = _mm256_add_epi64(_mm256_add_epi64(a, b), _mm256_add_epi64(c, d));
	_mm256_storeu_si256((__m256i *)lanes, a);
	return lanes[0] + lanes[1] + lanes[2] + lanes[3] + sum_scalar(p, len);
}

#define AVX512 __attribute__((target("avx512f,avx512bw")))

AVX512 static uint64_t sum_avx512(const uint8_t *p, size_t len)
{
	const __m512i low = _mm512_set1_epi64(0xffffffff);
	__m512i a = _mm512_setzero_si512(), b = a, c = a, d = a, v;

	for (; len >= 128; len -= 128, p += 128) {
		__m512i w = _mm512_loadu_si512(p + 64);

		v = _mm512_loadu_si512(p);
		a = _mm512_add_epi64(a, _mm512_and_si512(v, low));
		b = _mm512_add_epi64(b, _mm512_srli_epi64(v, 32));
		c = _mm512_add_epi64(c, _mm512_and_si512(w, low));
		d = _mm512_add_epi64(d, _mm512_srli_epi64(w, 32));
	}
	for (; len; len -= len < 64 ? len : 64, p += 64) {
		__mmask64 mask = len < 64 ? (1ull << len) - 1 : ~0ull;

		v = _mm512_maskz_loadu_epi8(mask, p);
		a = _mm512_add_epi64(a, _mm512_and_si512(v, low));
		b = _mm512_add_epi64(b, _mm512_srli_epi64(v, 32));
	}
	a = _mm512_add_epi64(_mm512_add_epi64(a, b), _mm512_add_epi64(c, d));
	return (uint64_t)_mm512_reduce_add_epi64(a);
}

static bool have_avx2(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx2");
}

static bool have_avx512(void)
{
	__builtin_cpu_init();
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
}

#endif

const struct wgx_csum_way wgx_csum_ways[] = {
#if HAVE_X86_VECTORS
	{"avx512", have_avx512, sum_avx512},
	{"avx2", have_avx2, sum_avx2},
#endif
	{"scalar", always, sum_scalar},
	{NULL, NULL, NULL},
};

static sum_fn best(void)
{
	const struct wgx_csum_way *way = wgx_csum_ways;

	while (!way->usable())
		way++;
	return way->sum;
}

static uint64_t sum_first(const uint8_t *p, size_t len);

/* Every thread that finds sum_first here writes the same answer. */
static _Atomic(sum_fn) sum_vector = sum_first;

static uint64_t sum_first(const uint8_t *p, size_t len)
{
	sum_fn fn = best();

	atomic_store_explicit(&sum_vector, fn, memory_order_relaxed);
	return fn(p, len);
}

uint32_t wgx_csum_add(uint32_t sum, const void *data, size_t len)
{
	sum_fn fn;

	if (len < VECTOR_MIN)
		return wgx_csum_from64(sum + sum_scalar(data, len));
	fn = atomic_load_explicit(&sum_vector, memory_order_relaxed);
	return wgx_csum_from64(sum + fn(data, len));
}

uint16_t wgx_csum_ip4(const uint8_t *header, size_t len)
{
	uint32_t sum = wgx_csum_from64(sum_scalar(header, 10));

	return wgx_csum_fold(wgx_csum_from64(sum + sum_scalar(header + 12, len - 12)));
}

uint32_t wgx_csum_pseudo4(const uint8_t addrs[8], uint8_t proto, uint32_t len)
{
	return wgx_csum_from64(sum_scalar(addrs, 8) + htons(proto) + htonl(len));
}

uint32_t wgx_csum_pseudo6(const uint8_t addrs[32], uint8_t proto, uint32_t len)
{
	return wgx_csum_from64(sum_scalar(addrs, 32) + htonl(proto) + htonl(len));
}
