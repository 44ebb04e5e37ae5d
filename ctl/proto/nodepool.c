/* SPDX-License-Identifier: MIT */
#include "proto/nodepool.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include "proto/poison.h"

#define TABLE_BYTES (WGX_NODEPOOL_CHUNKS * sizeof(struct wgx_nodepool_chunk))

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static size_t chunk_bytes(const struct wgx_nodepool *p)
{
	return (size_t)WGX_NODEPOOL_NODES * p->size;
}

static bool has_room(const struct wgx_nodepool_chunk *c)
{
	return c->free || c->fresh < WGX_NODEPOOL_NODES;
}

static bool add_chunk(struct wgx_nodepool *p, struct wgx_nodepool_chunk *c)
{
	uint8_t *nodes = map(chunk_bytes(p));

	if (!nodes)
		return false;
	/* 0 is nobody's number */
	*c = (struct wgx_nodepool_chunk){.nodes = nodes, .fresh = c == p->chunks};
	return true;
}

static void drop_chunk(struct wgx_nodepool *p, struct wgx_nodepool_chunk *c)
{
	wgx_unpoison(c->nodes, chunk_bytes(p));
	munmap(c->nodes, chunk_bytes(p));
	memset(c, 0, sizeof(*c));
}

static void drop_table(struct wgx_nodepool *p)
{
	munmap(p->chunks, TABLE_BYTES);
	p->chunks = NULL;
	p->room = 0;
}

/* The first chunk with room, so that the last ones can go; NULL: no memory. */
static struct wgx_nodepool_chunk *find_chunk(struct wgx_nodepool *p)
{
	struct wgx_nodepool_chunk *c;

	if (!p->chunks)
		p->chunks = map(TABLE_BYTES);
	if (!p->chunks)
		return NULL;
	for (; p->room < WGX_NODEPOOL_CHUNKS; p->room++) {
		c = &p->chunks[p->room];
		if (c->nodes ? has_room(c) : add_chunk(p, c))
			return c;
		if (!c->nodes)
			break;
	}
	return NULL;
}

static uint32_t take_node(struct wgx_nodepool *p, struct wgx_nodepool_chunk *c)
{
	uint32_t n = c->free ? c->free - 1 : c->fresh;
	void *node = c->nodes + (size_t)n * p->size;

	if (c->free) {
		wgx_unpoison(node, p->size);
		memcpy(&c->free, node, sizeof(c->free));
	} else {
		c->fresh++;
	}
	c->used++;
	p->used++;
	return (uint32_t)(c - p->chunks) << WGX_NODEPOOL_SHIFT | n;
}

void wgx_nodepool_init(struct wgx_nodepool *p, uint32_t size)
{
	*p = (struct wgx_nodepool){.size = size};
	pthread_mutex_init(&p->lock, NULL);
}

uint32_t wgx_nodepool_alloc(struct wgx_nodepool *p)
{
	struct wgx_nodepool_chunk *c;
	uint32_t n = 0;

	pthread_mutex_lock(&p->lock);
	c = find_chunk(p);
	if (c)
		n = take_node(p, c);
	else if (p->chunks && !p->used)
		drop_table(p);
	pthread_mutex_unlock(&p->lock);
	return n;
}

void wgx_nodepool_free(struct wgx_nodepool *p, uint32_t n)
{
	struct wgx_nodepool_chunk *c;
	void *node;

	pthread_mutex_lock(&p->lock);
	c = &p->chunks[n >> WGX_NODEPOOL_SHIFT];
	node = wgx_nodepool_at(p, n);
	memcpy(node, &c->free, sizeof(c->free));
	wgx_poison(node, p->size);
	c->free = (n & (WGX_NODEPOOL_NODES - 1)) + 1;
	if (p->room > n >> WGX_NODEPOOL_SHIFT)
		p->room = n >> WGX_NODEPOOL_SHIFT;
	if (!--c->used)
		drop_chunk(p, c);
	if (!--p->used)
		drop_table(p);
	pthread_mutex_unlock(&p->lock);
}
