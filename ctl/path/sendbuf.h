/* SPDX-License-Identifier: MIT */
/* Sealed messages of one peer on their way out, as one UDP_SEGMENT send. The seal worker's own. */
#ifndef WGX_PATH_SENDBUF_H
#define WGX_PATH_SENDBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "device/endpoint.h"
#include "path/bind.h"
#include "path/counters.h"

#define WGX_SENDBUF_BYTES 65000 /* of datagrams in one send: below 65,535 less headers */
#define WGX_SENDBUF_DATAGRAMS 64 /* UDP_MAX_SEGMENTS until Linux 6.8 */

struct wgx_peer;
struct wgx_transmits;

struct wgx_sendbuf {
	uint8_t *data; /* 2 * 65,536 bytes: a full send, and one packet being assembled behind it */
	size_t len;
	size_t size; /* of each datagram but the last */
	unsigned int n;
	bool closed; /* the last datagram was shorter: nothing may follow */
	/* to whom */
	const struct wgx_bind *bind;
	struct wgx_peer *peer;
	struct wgx_endpoint to;
	uint8_t tos;
	struct wgx_seal_counters *counters; /* of the interface */
	/* given by whoever has messages go past the stack (path/transmit.h): NULL: nobody */
	struct wgx_transmits *transmits;
	const uint64_t *clock; /* boot ns; NULL: to be asked */
};

int wgx_sendbuf_init(struct wgx_sendbuf *b);
void wgx_sendbuf_free(struct wgx_sendbuf *b);

/** wgx_sendbuf_aim() - what is put from now on goes to @peer at @to; sends what is for somebody else */
void wgx_sendbuf_aim(struct wgx_sendbuf *b, struct wgx_peer *peer, const struct wgx_endpoint *to,
		     uint8_t tos, const struct wgx_bind *bind, struct wgx_seal_counters *counters);

/**
 * wgx_sendbuf_slot() - where to write a datagram of at most @max bytes; sends what is in the way
 * Valid until the next call of any function here.
 */
uint8_t *wgx_sendbuf_slot(struct wgx_sendbuf *b, size_t max);
/** wgx_sendbuf_put() - @len bytes were written to the slot. @len may be at most the slot's max. */
void wgx_sendbuf_put(struct wgx_sendbuf *b, size_t len);
/** wgx_sendbuf_flush() - send; losses are counted. References to peer and bind end here. */
void wgx_sendbuf_flush(struct wgx_sendbuf *b);

#endif
