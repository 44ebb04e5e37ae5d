/* SPDX-License-Identifier: MIT */
/* Sliding window against replay, RFC 6479. */
#ifndef WGX_PROTO_REPLAY_H
#define WGX_PROTO_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#define WGX_REPLAY_BITS 8192
#define WGX_REPLAY_WORDS (WGX_REPLAY_BITS / 64)
#define WGX_REPLAY_WINDOW (WGX_REPLAY_BITS - 64) /* usable: 8128 */

/** struct wgx_replay - counters seen; one writer (the open worker) */
struct wgx_replay {
	uint64_t next; /* the greatest counter seen, plus one */
	uint64_t seen[WGX_REPLAY_WORDS];
};

/** wgx_replay_floor() - the lowest counter that wgx_replay_accept() would still take; it never falls */
static inline uint64_t wgx_replay_floor(const struct wgx_replay *r)
{
	return r->next > WGX_REPLAY_WINDOW + 1 ? r->next - WGX_REPLAY_WINDOW - 1 : 0;
}

/** wgx_replay_accept() - true, and remembered, if @counter is new; call after authentication only */
bool wgx_replay_accept(struct wgx_replay *r, uint64_t counter);

#endif
