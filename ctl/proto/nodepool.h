/* SPDX-License-Identifier: MIT */
/*
 * Nodes of one size by number: half as long as pointers, and packed. Memory comes in chunks, which do not move
 * and go back to the kernel when the last of their nodes is freed; an empty pool has none.
 */
#ifndef WGX_PROTO_NODEPOOL_H
#define WGX_PROTO_NODEPOOL_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#define WGX_NODEPOOL_SHIFT 14
#define WGX_NODEPOOL_NODES (1u << WGX_NODEPOOL_SHIFT) /* of a chunk */
#define WGX_NODEPOOL_CHUNKS 4096u /* 67 million nodes */

struct wgx_nodepool_chunk {
	uint8_t *nodes; /* NULL: not there */
	uint32_t
		free; /* the last one given back, plus one; each begins with the one before it; 0: none */
	uint16_t used;
	uint16_t fresh; /* from here on none was ever used */
};

struct wgx_nodepool {
	struct wgx_nodepool_chunk
		*chunks; /* WGX_NODEPOOL_CHUNKS, touched as they come; NULL: empty */
	uint32_t used; /* nodes */
	uint32_t room; /* no chunk before this one has any */
	uint32_t size; /* bytes of a node */
	pthread_mutex_t lock;
};

/** wgx_nodepool_init() - for nodes of @size bytes, a multiple of 8 */
void wgx_nodepool_init(struct wgx_nodepool *p, uint32_t size);
/** wgx_nodepool_alloc() - a node of whatever content, 1 or more; 0: no memory. Any thread. */
uint32_t wgx_nodepool_alloc(struct wgx_nodepool *p);
/** wgx_nodepool_free() - @n, which no reader can reach any more. Any thread. */
void wgx_nodepool_free(struct wgx_nodepool *p, uint32_t n);

/** wgx_nodepool_at() - where @n is until it is freed. Any thread, at the same time as the others. */
static inline void *wgx_nodepool_at(const struct wgx_nodepool *p, uint32_t n)
{
	return p->chunks[n >> WGX_NODEPOOL_SHIFT].nodes +
	       (size_t)(n & (WGX_NODEPOOL_NODES - 1)) * p->size;
}

#endif
