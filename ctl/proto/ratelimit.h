/* SPDX-License-Identifier: MIT */
/* Token buckets for handshakes under load, one for each source (P-DOS-2). No allocation. */
#ifndef WGX_PROTO_RATELIMIT_H
#define WGX_PROTO_RATELIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define WGX_LIMIT_PER_SECOND 20
#define WGX_LIMIT_BURST 5
#define WGX_LIMIT_WAYS 16
#define WGX_LIMIT_ROWS 256
#define WGX_LIMIT_ENTRIES (WGX_LIMIT_WAYS * WGX_LIMIT_ROWS)
#define WGX_LIMIT_KEY_LEN 16

/** struct wgx_limit_entry - one source's bucket; free, or forgotten, a second after its last use */
struct wgx_limit_entry {
	uint64_t id;
	uint64_t last; /* boot ns; 0: never used */
	uint32_t tokens; /* ns */
	bool v6;
};

/** struct wgx_ratelimit - a table of fixed size: a source lives in the row that its keyed hash names */
struct wgx_ratelimit {
	uint8_t key[WGX_LIMIT_KEY_LEN];
	struct wgx_limit_entry entries[WGX_LIMIT_ROWS][WGX_LIMIT_WAYS];
};

/** wgx_ratelimit_init() - @key is random, so that nobody can aim at a row */
void wgx_ratelimit_init(struct wgx_ratelimit *r, const uint8_t key[WGX_LIMIT_KEY_LEN]);

/**
 * wgx_ratelimit_allow() - may this source have one more?
 * @id, @v6: IPv4 address, or the upper 8 bytes of an IPv6 one
 * @boot: ns
 *
 * Return: false above 20 a second after a burst of 5; false as well where its row is full.
 */
bool wgx_ratelimit_allow(struct wgx_ratelimit *r, uint64_t id, bool v6, uint64_t boot);

#endif
