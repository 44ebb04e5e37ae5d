/* SPDX-License-Identifier: MIT */
/* Handshake messages that wait: for the protocol thread, or in it (P-DT-12: bounded, 4096). */
#ifndef WGX_PATH_HSQUEUE_H
#define WGX_PATH_HSQUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <wgx/wire.h>
#include "device/endpoint.h"

#define WGX_HSQUEUE_SIZE 4096

struct wgx_handshake_item {
	uint32_t iface; /* id of the interface by whose port it came */
	uint32_t len;
	uint32_t datagrams; /* more than 1: GRO made it of shorter ones, and none is whole */
	struct wgx_endpoint from;
	uint8_t msg[sizeof(struct wgx_msg_initiation)]; /* the longest there is */
};

/** struct wgx_hsqueue - one producer (the open worker, say), one consumer (the protocol thread) */
struct wgx_hsqueue {
	_Alignas(64) _Atomic uint32_t head; /* the producer's */
	_Alignas(64) _Atomic uint32_t tail; /* the consumer's */
	uint64_t loaded_until; /* boot ns; the consumer's */
	uint32_t refused; /* since load began or was prolonged; the consumer's */
	struct wgx_handshake_item *items;
	int wake_fd; /* eventfd, the consumer's; written to when the queue was empty; -1: none */
};

int wgx_hsqueue_init(struct wgx_hsqueue *q, int wake_fd);
void wgx_hsqueue_free(struct wgx_hsqueue *q);
/** wgx_hsqueue_put() - false: full, or longer than any handshake message */
bool wgx_hsqueue_put(struct wgx_hsqueue *q, uint32_t iface, const struct wgx_endpoint *from,
		     const void *msg, size_t len);
/** wgx_hsqueue_get() - the oldest, NULL if none; stays valid until wgx_hsqueue_pop() */
const struct wgx_handshake_item *wgx_hsqueue_get(struct wgx_hsqueue *q);
void wgx_hsqueue_pop(struct wgx_hsqueue *q);
/** wgx_hsqueue_length() - how many wait; any thread: it may have changed already */
uint32_t wgx_hsqueue_length(const struct wgx_hsqueue *q);
/** wgx_hsqueue_loaded() - an eighth full or more, now or within the last second (P-DOS-1); @boot: ns */
bool wgx_hsqueue_loaded(struct wgx_hsqueue *q, uint64_t boot);
/** wgx_hsqueue_refused() - under load, one was kept out of it: an eighth of a queue of these prolong the load */
void wgx_hsqueue_refused(struct wgx_hsqueue *q, uint64_t boot);

#endif
