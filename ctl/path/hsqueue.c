/* SPDX-License-Identifier: MIT */
#include "path/hsqueue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOADED_NS UINT64_C(1000000000)

int wgx_hsqueue_init(struct wgx_hsqueue *q, int wake_fd)
{
	memset(q, 0, sizeof(*q));
	q->wake_fd = wake_fd;
	q->items = calloc(WGX_HSQUEUE_SIZE, sizeof(*q->items));
	return q->items ? 0 : -ENOMEM;
}

void wgx_hsqueue_free(struct wgx_hsqueue *q)
{
	free(q->items);
	q->items = NULL;
}

static uint32_t fill(const struct wgx_hsqueue *q)
{
	return atomic_load_explicit(&q->head, memory_order_acquire) -
	       atomic_load_explicit(&q->tail, memory_order_acquire);
}

bool wgx_hsqueue_put(struct wgx_hsqueue *q, uint32_t iface, const struct wgx_endpoint *from,
		     const void *msg, size_t len)
{
	uint32_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
	struct wgx_handshake_item *item = &q->items[head % WGX_HSQUEUE_SIZE];
	const uint64_t one = 1;

	if (len > sizeof(item->msg) || fill(q) >= WGX_HSQUEUE_SIZE)
		return false;
	item->iface = iface;
	item->len = (uint32_t)len;
	item->datagrams = 1;
	item->from = *from;
	memcpy(item->msg, msg, len);
	/* sequentially consistent, as the consumer's look before it sleeps: one of both sees the other */
	atomic_store(&q->head, head + 1);
	if (q->wake_fd >= 0 && atomic_load(&q->tail) == head &&
	    write(q->wake_fd, &one, sizeof(one)) < 0)
		return true; /* the eventfd's counter is full: the consumer is awake */
	return true;
}

const struct wgx_handshake_item *wgx_hsqueue_get(struct wgx_hsqueue *q)
{
	uint32_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);

	return atomic_load(&q->head) == tail ? NULL : &q->items[tail % WGX_HSQUEUE_SIZE];
}

void wgx_hsqueue_pop(struct wgx_hsqueue *q)
{
	atomic_store(&q->tail, atomic_load_explicit(&q->tail, memory_order_relaxed) + 1);
}

/* The tail first: the head never falls behind it. */
uint32_t wgx_hsqueue_length(const struct wgx_hsqueue *q)
{
	uint32_t tail = atomic_load_explicit(&q->tail, memory_order_acquire);

	return atomic_load_explicit(&q->head, memory_order_acquire) - tail;
}

bool wgx_hsqueue_loaded(struct wgx_hsqueue *q, uint64_t boot)
{
	if (fill(q) >= WGX_HSQUEUE_SIZE / 8)
		q->loaded_until = boot + LOADED_NS;
	return boot < q->loaded_until;
}

void wgx_hsqueue_refused(struct wgx_hsqueue *q, uint64_t boot)
{
	if (++q->refused < WGX_HSQUEUE_SIZE / 8)
		return;
	q->refused = 0;
	q->loaded_until = boot + LOADED_NS;
}
