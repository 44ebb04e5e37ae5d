/* SPDX-License-Identifier: MIT */
/* Packets that wait for a handshake (P-DT-12): at most 128 a peer, the oldest dropped first. The seal worker's
 * own; not the fast path, so it allocates. */
#ifndef WGX_PATH_STAGED_H
#define WGX_PATH_STAGED_H

#include "path/segment.h"

#define WGX_STAGED_PACKETS 128

struct wgx_staged;

/**
 * wgx_staged_put() - keep a copy of @frame, which stands for @packets packets
 * @staged: the peer's; made here when NULL
 * Return: packets lost: older ones that had to go, or @packets where there is no memory.
 */
unsigned int wgx_staged_put(struct wgx_staged **staged, const struct wgx_frame *frame,
			    unsigned int packets);

/** wgx_staged_take() - the oldest frame; @ret points into it until the next call here. False: none. */
bool wgx_staged_take(struct wgx_staged *staged, struct wgx_frame *ret);
/** wgx_staged_any() - is anything kept? */
bool wgx_staged_any(const struct wgx_staged *staged);
/** wgx_staged_drop() - forget all; packets dropped */
unsigned int wgx_staged_drop(struct wgx_staged *staged);
void wgx_staged_free(struct wgx_staged *staged); /* NULL is legal */

#endif
