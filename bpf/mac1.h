/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * mac1 ([W] 5.4.4): keyed BLAKE2s of what stands before it in an initiation or response, under a key that our
 * public key gives. Who does not know that is not heard. It proves no more than that: what passes is judged
 * by the protocol thread, mac1 included.
 */
#ifndef WGX_BPF_MAC1_H
#define WGX_BPF_MAC1_H

#include "path.h"
#include <wgx/blake2s.h>
#include <wgx/wire.h>

/* interface id -> the key of its mac1. The control thread writes, ingress reads. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct wgx_mac1_key);
} mac1_keys SEC(".maps");

/* Bytes that mac1 covers */
#define MAC1_INITIATION __builtin_offsetof(struct wgx_msg_initiation, macs)
#define MAC1_RESPONSE __builtin_offsetof(struct wgx_msg_response, macs)

/* In words: mac1, what is covered in whole blocks, and the message up to the end of its mac1 */
#define MAC1_WORDS (WGX_COOKIE_LEN / 4)
#define MAC1_BLOCKS(covered) \
	(((covered) + WGX_BLAKE2S_BLOCK_LEN - 1) / WGX_BLAKE2S_BLOCK_LEN * WGX_BLAKE2S_BLOCK)
#define MAC1_END(covered) ((covered) / 4 + MAC1_WORDS)

/* Room for either message once it is padded: whole blocks and mac1 behind them */
#define MAC1_BUFFER (MAC1_BLOCKS(MAC1_INITIATION) + MAC1_WORDS)

/*
 * Goes on from @state with @covered bytes at @words, padded with zeros to whole blocks, and compares with the
 * mac1 behind those. A subprogram and a loop, for there are 3,000 instructions to one compression.
 */
static __noinline bool mac1_equals(const __u32 state[WGX_BLAKE2S_WORDS], const __u32 *words,
				   __u32 covered)
{
	__u32 h[WGX_BLAKE2S_WORDS], count = WGX_BLAKE2S_BLOCK_LEN, diff = 0;

	__builtin_memcpy(h, state, sizeof(h));
	covered += WGX_BLAKE2S_BLOCK_LEN;
#pragma clang loop unroll(disable)
	while (count < covered) {
		bool last = covered - count <= WGX_BLAKE2S_BLOCK_LEN;

		count = last ? covered : count + WGX_BLAKE2S_BLOCK_LEN;
		wgx_blake2s_compress(h, words, count, last);
		words += WGX_BLAKE2S_BLOCK;
	}
	for (int i = 0; i < MAC1_WORDS; i++)
		diff |= h[i] ^ words[i];
	return !diff;
}

/* @words: a message up to the end of its mac1, as on the wire; changed. @covered is a constant. */
static __always_inline bool mac1_right(const struct wgx_mac1_key *key, __u32 words[MAC1_BUFFER],
				       __u32 covered)
{
	const __u32 end = covered / 4, blocks = MAC1_BLOCKS(covered);

	for (__u32 i = 0; i < MAC1_END(covered); i++)
		words[i] = le32_to_host(words[i]);
	for (__u32 i = MAC1_WORDS; i--;)
		words[blocks + i] = words[end + i];
	for (__u32 i = end; i < blocks; i++)
		words[i] = 0;
	return key->present && mac1_equals(key->state, words, covered);
}

#endif
