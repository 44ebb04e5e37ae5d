/* SPDX-License-Identifier: MIT */
/*
 * BLAKE2s (RFC 7693), as much of it as mac1 takes in BPF: the daemon compresses the block of the key, once,
 * and BPF goes on from there. What else wgx hashes, libb2 does. Rounds and message schedule are unrolled,
 * so that BPF has no table to look into.
 */
#ifndef WGX_BLAKE2S_H
#define WGX_BLAKE2S_H

#ifndef __VMLINUX_H__
#include <stdbool.h>
#include <linux/types.h>
#endif

#define WGX_BLAKE2S_WORDS 8 /* of the state */
#define WGX_BLAKE2S_BLOCK 16 /* words of a message block */
#define WGX_BLAKE2S_BLOCK_LEN 64

/* RFC 7693, 2.6 */
#define WGX_BLAKE2S_IV0 0x6a09e667u
#define WGX_BLAKE2S_IV1 0xbb67ae85u
#define WGX_BLAKE2S_IV2 0x3c6ef372u
#define WGX_BLAKE2S_IV3 0xa54ff53au
#define WGX_BLAKE2S_IV4 0x510e527fu
#define WGX_BLAKE2S_IV5 0x9b05688cu
#define WGX_BLAKE2S_IV6 0x1f83d9abu
#define WGX_BLAKE2S_IV7 0x5be0cd19u

#define wgx_blake2s_rotate(x, n) ((x) >> (n) | (x) << (32 - (n)))

/*
 * RFC 7693, 3.1. The asm, which is empty, keeps the compiler from working on four columns at once, which BPF has too
 * few registers for: a tenth faster (measured), and less of its stack.
 */
#define wgx_blake2s_mix(a, b, c, d, x, y)          \
	do {                                       \
		a += b + (x);                      \
		d = wgx_blake2s_rotate(d ^ a, 16); \
		c += d;                            \
		b = wgx_blake2s_rotate(b ^ c, 12); \
		a += b + (y);                      \
		d = wgx_blake2s_rotate(d ^ a, 8);  \
		c += d;                            \
		b = wgx_blake2s_rotate(b ^ c, 7);  \
		asm volatile("" : "+r"(b));        \
	} while (0)

/* One line of RFC 7693's SIGMA (2.7): columns, then diagonals */
#define wgx_blake2s_round(s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15) \
	do {                                                                                    \
		wgx_blake2s_mix(v0, v4, v8, v12, m[s0], m[s1]);                                 \
		wgx_blake2s_mix(v1, v5, v9, v13, m[s2], m[s3]);                                 \
		wgx_blake2s_mix(v2, v6, v10, v14, m[s4], m[s5]);                                \
		wgx_blake2s_mix(v3, v7, v11, v15, m[s6], m[s7]);                                \
		wgx_blake2s_mix(v0, v5, v10, v15, m[s8], m[s9]);                                \
		wgx_blake2s_mix(v1, v6, v11, v12, m[s10], m[s11]);                              \
		wgx_blake2s_mix(v2, v7, v8, v13, m[s12], m[s13]);                               \
		wgx_blake2s_mix(v3, v4, v9, v14, m[s14], m[s15]);                               \
	} while (0)

/** wgx_blake2s_begin() - the state before the first block, which is the key's (RFC 7693, 2.5) */
static inline void wgx_blake2s_begin(__u32 h[WGX_BLAKE2S_WORDS], __u32 key_len, __u32 out_len)
{
	h[0] = WGX_BLAKE2S_IV0 ^ 0x01010000 ^ key_len << 8 ^ out_len;
	h[1] = WGX_BLAKE2S_IV1;
	h[2] = WGX_BLAKE2S_IV2;
	h[3] = WGX_BLAKE2S_IV3;
	h[4] = WGX_BLAKE2S_IV4;
	h[5] = WGX_BLAKE2S_IV5;
	h[6] = WGX_BLAKE2S_IV6;
	h[7] = WGX_BLAKE2S_IV7;
}

/**
 * wgx_blake2s_compress() - one block (RFC 7693, 3.2)
 * @h: the state, changed
 * @m: the block, as words in host byte order. Volatile: who loads all of them at once spills them all
 *	onto BPF's stack of 512 bytes.
 * @count: bytes hashed, those of this block and of the key's block included; below 2^32
 * @last: it is the last block
 */
static __attribute__((always_inline)) inline void wgx_blake2s_compress(
	__u32 h[WGX_BLAKE2S_WORDS], const volatile __u32 m[WGX_BLAKE2S_BLOCK], __u32 count,
	bool last)
{
	__u32 v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3];
	__u32 v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
	__u32 v8 = WGX_BLAKE2S_IV0, v9 = WGX_BLAKE2S_IV1, v10 = WGX_BLAKE2S_IV2;
	__u32 v11 = WGX_BLAKE2S_IV3, v12 = WGX_BLAKE2S_IV4 ^ count, v13 = WGX_BLAKE2S_IV5;
	__u32 v14 = last ? ~WGX_BLAKE2S_IV6 : WGX_BLAKE2S_IV6, v15 = WGX_BLAKE2S_IV7;

	/* clang-format off */
	wgx_blake2s_round( 0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 12, 13, 14, 15);
	wgx_blake2s_round(14, 10,  4,  8,  9, 15, 13,  6,  1, 12,  0,  2, 11,  7,  5,  3);
	wgx_blake2s_round(11,  8, 12,  0,  5,  2, 15, 13, 10, 14,  3,  6,  7,  1,  9,  4);
	wgx_blake2s_round( 7,  9,  3,  1, 13, 12, 11, 14,  2,  6,  5, 10,  4,  0, 15,  8);
	wgx_blake2s_round( 9,  0,  5,  7,  2,  4, 10, 15, 14,  1, 11, 12,  6,  8,  3, 13);
	wgx_blake2s_round( 2, 12,  6, 10,  0, 11,  8,  3,  4, 13,  7,  5, 15, 14,  1,  9);
	wgx_blake2s_round(12,  5,  1, 15, 14, 13,  4, 10,  0,  7,  6,  3,  9,  2,  8, 11);
	wgx_blake2s_round(13, 11,  7, 14, 12,  1,  3,  9,  5,  0, 15,  4,  8,  6,  2, 10);
	wgx_blake2s_round( 6, 15, 14,  9, 11,  3,  0,  8, 12,  2, 13,  7,  1,  4, 10,  5);
	wgx_blake2s_round(10,  2,  8,  4,  7,  6,  1,  5, 15, 11,  9, 14,  3, 12, 13,  0);
	/* clang-format on */

	h[0] ^= v0 ^ v8;
	h[1] ^= v1 ^ v9;
	h[2] ^= v2 ^ v10;
	h[3] ^= v3 ^ v11;
	h[4] ^= v4 ^ v12;
	h[5] ^= v5 ^ v13;
	h[6] ^= v6 ^ v14;
	h[7] ^= v7 ^ v15;
}

#endif
