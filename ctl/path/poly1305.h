/* SPDX-License-Identifier: MIT */
/*
 * Poly1305 (RFC 8439, 2.5) by the multiplier of 64-bit words, a block at a time, such that another computation can
 * have its blocks in between: it takes no vector register. Each block waits for the one before, about 13 cycles;
 * the processor does something else meanwhile, if it is given something else. No branch and no address depends on
 * a secret.
 */
#ifndef WGX_PATH_POLY1305_H
#define WGX_PATH_POLY1305_H

#if defined(__x86_64__)

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define WGX_POLY1305_KEY 32
#define WGX_POLY1305_BLOCK 16
#define WGX_POLY1305_TAG 16

#define WGX_POLY1305_INLINE __attribute__((always_inline)) static inline

/**
 * struct wgx_poly1305 - a message on its way to its tag
 *
 * The accumulator is h0 + h1 * 2^64 + h2 * 2^128 + late modulo 2^130 - 5, and h2 is below 4 after each block. What
 * passes 2^130 stays in @late: the next block is added while it is being computed.
 */
struct wgx_poly1305 {
	unsigned long long h0, h1, h2, late;
	unsigned long long r0, r1;
	unsigned long long s1; /* r1 * 5 / 4: r1 * 2^128 is as much, for 2^130 is 5 */
	unsigned long long pad[2]; /* the key's second half */
	const uint8_t *at; /* what is taken next */
	size_t blocks; /* whole ones that are there at @at */
	uint64_t unused[1]; /* a multiple of 32 bytes, which is how it is wiped */
};

_Static_assert(sizeof(struct wgx_poly1305) % 32 == 0, "a multiple of 32 bytes");

WGX_POLY1305_INLINE unsigned long long wgx_poly1305_word(const uint8_t *p)
{
	unsigned long long v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/** wgx_poly1305_begin() - @key is for one message only */
WGX_POLY1305_INLINE void wgx_poly1305_begin(struct wgx_poly1305 *p,
					    const uint8_t key[WGX_POLY1305_KEY])
{
	*p = (struct wgx_poly1305){
		.r0 = wgx_poly1305_word(key) & 0x0ffffffc0fffffff,
		.r1 = wgx_poly1305_word(key + 8) & 0x0ffffffc0ffffffc,
		.pad = {wgx_poly1305_word(key + 16), wgx_poly1305_word(key + 24)},
	};
	p->s1 = p->r1 + (p->r1 >> 2); /* its last two bits are clear */
}

/** wgx_poly1305_copy() - word by word: what was just written in words is slow to be read as vectors */
WGX_POLY1305_INLINE void wgx_poly1305_copy(struct wgx_poly1305 *to, const struct wgx_poly1305 *from)
{
	to->h0 = from->h0;
	to->h1 = from->h1;
	to->h2 = from->h2;
	to->late = from->late;
	to->r0 = from->r0;
	to->r1 = from->r1;
	to->s1 = from->s1;
	to->pad[0] = from->pad[0];
	to->pad[1] = from->pad[1];
	to->at = from->at;
	to->blocks = from->blocks;
}

/* clang takes the worst of those that it may */
#ifdef __clang__
#define WGX_POLY1305_OPERAND "re"
#else
#define WGX_POLY1305_OPERAND "rme"
#endif

/* Left to itself the compiler keeps carries in registers, and sums in memory. */
WGX_POLY1305_INLINE void wgx_poly1305_add2(unsigned long long *h0, unsigned long long *h1,
					   unsigned long long a0, unsigned long long a1)
{
	__asm__("add %2, %0\n\tadc %3, %1"
		: "+&r"(*h0), "+r"(*h1)
		: WGX_POLY1305_OPERAND(a0), WGX_POLY1305_OPERAND(a1)
		: "cc");
}

WGX_POLY1305_INLINE void wgx_poly1305_add3(unsigned long long *h0, unsigned long long *h1,
					   unsigned long long *h2, unsigned long long a0,
					   unsigned long long a1, unsigned long long a2)
{
	__asm__("add %3, %0\n\tadc %4, %1\n\tadc %5, %2"
		: "+&r"(*h0), "+&r"(*h1), "+r"(*h2)
		: WGX_POLY1305_OPERAND(a0), WGX_POLY1305_OPERAND(a1), WGX_POLY1305_OPERAND(a2)
		: "cc");
}

/* @a by @b, in two words */
WGX_POLY1305_INLINE unsigned long long wgx_poly1305_multiply(unsigned long long a,
							     unsigned long long b,
							     unsigned long long *high)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	*high = (unsigned long long)(product >> 64);
	return (unsigned long long)product;
}

/*
 * One block of 16 bytes, above which 2^128 is added. (Here the last one is padded with zeros: RFC 8439, 2.8.)
 *
 * Nothing overflows: r0 and r1 are below 2^60, s1 below 1.25 * 2^60, and h2 is 6 at most: 3, two carries and that one.
 * So a product with h2 is below 2^63, d0 and d1 are below 2^127, and what is carried from one to the other, with such a
 * product, is below 2^64.
 */
WGX_POLY1305_INLINE void wgx_poly1305_block(struct wgx_poly1305 *p, unsigned long long low,
					    unsigned long long high)
{
	unsigned long long h0 = p->h0, h1 = p->h1, h2 = p->h2;
	unsigned long long d0, d1, e1, e2, low2, high2;

	wgx_poly1305_add3(&h0, &h1, &h2, low, high, 1);
	wgx_poly1305_add3(&h0, &h1, &h2, p->late, 0, 0);

	d0 = wgx_poly1305_multiply(h0, p->r0, &d1);
	low2 = wgx_poly1305_multiply(h1, p->s1, &high2);
	wgx_poly1305_add2(&d0, &d1, low2, high2);
	e1 = wgx_poly1305_multiply(h0, p->r1, &e2);
	low2 = wgx_poly1305_multiply(h1, p->r0, &high2);
	wgx_poly1305_add2(&e1, &e2, low2, high2);
	wgx_poly1305_add2(&e1, &e2, d1 + h2 * p->s1, 0);
	h2 = h2 * p->r0 + e2;

	p->h0 = d0;
	p->h1 = e1;
	p->h2 = h2 & 3;
	p->late = (h2 & ~3ull) + (h2 >> 2); /* five times what is above 2^130 */
}

/** wgx_poly1305_take() - @n blocks of those that are there, or none if these are fewer */
WGX_POLY1305_INLINE void wgx_poly1305_take(struct wgx_poly1305 *p, size_t n)
{
	if (p->blocks < n)
		return;
	for (size_t i = 0; i < n; i++, p->at += WGX_POLY1305_BLOCK)
		wgx_poly1305_block(p, wgx_poly1305_word(p->at), wgx_poly1305_word(p->at + 8));
	p->blocks -= n;
}

/** wgx_poly1305_rest() - all blocks that are there */
WGX_POLY1305_INLINE void wgx_poly1305_rest(struct wgx_poly1305 *p)
{
	while (p->blocks)
		wgx_poly1305_take(p, 1);
}

/** wgx_poly1305_tag() - after the last block: modulo 2^130 - 5 for good, and plus the key's second half modulo 2^128 */
WGX_POLY1305_INLINE void wgx_poly1305_tag(const struct wgx_poly1305 *p,
					  uint8_t tag[WGX_POLY1305_TAG])
{
	unsigned long long h[3] = {p->h0, p->h1, p->h2}, g[3], mask;

	wgx_poly1305_add3(&h[0], &h[1], &h[2], p->late, 0, 0);
	/* less the modulus is plus 5, less 2^130; once is enough, for h is below 2^130 + 2^128 */
	memcpy(g, h, sizeof(g));
	wgx_poly1305_add3(&g[0], &g[1], &g[2], 5, 0, 0);
	mask = 0 - (g[2] >> 2); /* all ones where it was not below the modulus */
	h[0] = (h[0] & ~mask) | (g[0] & mask);
	h[1] = (h[1] & ~mask) | (g[1] & mask);
	wgx_poly1305_add3(&h[0], &h[1], &h[2], p->pad[0], p->pad[1], 0);
	memcpy(tag, h, WGX_POLY1305_TAG);
}

#endif
#endif
