/* SPDX-License-Identifier: MIT */
/*
 * Sealed messages past the stack: whole frames into an AF_XDP ring of the device by which they leave. Off where no
 * device is to (wgx attach DEV --transmit).
 *
 * How a peer is reached the control thread asks the kernel, and keeps fresh (daemon/transmit.c); the worker asks for
 * it where it has nothing, or nothing that still counts, and sends by the UDP socket meanwhile. All that is not plain
 * goes by the socket, and is counted.
 */
#ifndef WGX_PATH_TRANSMIT_H
#define WGX_PATH_TRANSMIT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "device/endpoint.h"
#include "device/peerqueue.h"
#include "device/rcu.h"
#include "path/encap.h"

struct wgx_peer;
struct wgx_sendbuf;
struct wgx_xsk;

#define WGX_TRANSMITS_MAX 16 /* devices */
#define WGX_TRANSMIT_RING 256 /* frames on their way, a device: four full sends */
/* Of an Ethernet frame: a chunk. The kernel allows none that is longer in one piece. */
#define WGX_TRANSMIT_FRAME_MAX 4096

/* X(NAME, counter): why packets go by the socket all the same */
#define WGX_TRANSMIT_PASSES(X)                                                              \
	X(ASKED, xdp_tx_asked) /* the way is being asked for */                             \
	X(ELSEWHERE, xdp_tx_elsewhere) /* it leaves by a device that does not transmit */   \
	X(ROUTE, xdp_tx_route) /* there is none, or it is not plain: multipath, a tunnel */ \
	X(NEIGHBOUR, xdp_tx_neighbour) /* not known, or the kernel is to confirm it */      \
	X(MTU, xdp_tx_mtu) /* too long: it has to be fragmented */                          \
	X(FULL, xdp_tx_full) /* no room in the ring */

enum wgx_transmit_pass {
	WGX_TRANSMIT_PASS_NONE, /* they do not */
#define X(name, counter) WGX_TRANSMIT_PASS_##name,
	WGX_TRANSMIT_PASSES(X)
#undef X
};

/**
 * struct wgx_neighbour - the next hop on a device's link, as the kernel knows it; the control thread writes
 * @state: its MAC address, as wgx_neighbour_state() has it, and what follows
 */
struct wgx_neighbour {
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t addr[16];
	_Atomic uint64_t state;
};

#define WGX_NEIGHBOUR_USABLE (UINT64_C(1) << 48)
/* The next send goes by the socket: the stack then asks whether it is there still. Who sends it clears this. */
#define WGX_NEIGHBOUR_CONFIRM (UINT64_C(1) << 49)

/** struct wgx_hop - how a peer is reached; RCU, in wgx_peer.hop; the control thread makes and replaces it */
struct wgx_hop {
	struct rcu_head rcu;
	uint64_t epoch; /* it counts while this is wgx_transmits.epoch */
	uint64_t again; /* boot ns: ask anew from then on, and go on with it */
	struct wgx_endpoint to; /* and the port it is sent from: what it is an answer to */
	uint16_t port;
	struct wgx_transmit *via; /* NULL: by the socket, because of @pass */
	enum wgx_transmit_pass pass;
	struct wgx_neighbour *neighbour;
	uint32_t mtu; /* of the route: bytes of an IP packet */
	struct wgx_encap encap;
	_Atomic uint32_t id; /* of IPv4: the next packet's */
};

/** struct wgx_transmit - one device; made by the control thread */
struct wgx_transmit {
	struct wgx_xsk *xsk;
	_Atomic bool busy; /* one worker at a time has what follows */
	uint32_t n_free;
	uint64_t *free; /* addresses of chunks: the last that came back is the first to go */
	uint64_t rest; /* boot ns: the ring was full, until then the socket has all, in order */
	_Atomic bool waiting; /* the kernel has left frames in the ring, and is to be asked again */
	_Atomic uint64_t packets, bytes, sends; /* bytes of frames; system calls */
	_Atomic uint64_t
		lost; /* frames that the device did not take, and whose they were is not known */
};

/** struct wgx_transmits - all of them, and what workers want of the control thread; zeroed: off */
struct wgx_transmits {
	_Atomic uint64_t
		epoch; /* 0: no device transmits; else another whenever routes may have changed */
	struct wgx_transmit *at[WGX_TRANSMITS_MAX]; /* RCU; NULL: none */
	struct wgx_peerqueue wanted; /* peers, by hop_link */
	int wake_fd; /* eventfd: it was empty */
};

/**
 * wgx_transmit_create() - to send by @xsk, which must outlive it and was made for sending
 * Return: 0 or -ENOMEM.
 */
int wgx_transmit_create(struct wgx_xsk *xsk, struct wgx_transmit **ret);
/** wgx_transmit_destroy() - no worker has it any more. Return: frames that were left in the ring: lost. NULL is legal. */
uint64_t wgx_transmit_destroy(struct wgx_transmit *t);

/**
 * wgx_transmit_send() - what is in @b, if all of it can; on the worker's thread
 * Never blocks. Return: false: nothing of it was sent, and it is counted why.
 */
bool wgx_transmit_send(const struct wgx_sendbuf *b);
/** wgx_transmit_poke() - have the kernel take what it has left; between rounds. Return: true: some is left still */
bool wgx_transmit_poke(struct wgx_transmits *all);

/** wgx_neighbour_state() - for wgx_neighbour.state */
static inline uint64_t wgx_neighbour_state(const uint8_t mac[6], uint64_t flags)
{
	for (unsigned int i = 0; i < 6; i++)
		flags |= (uint64_t)mac[i] << (8 * i);
	return flags;
}

#endif
