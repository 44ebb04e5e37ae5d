/* SPDX-License-Identifier: MIT */
/*
 * The open worker: messages from AF_XDP rings and UDP sockets, through AEAD, replay window and
 * cryptokey routing, coalesced, into wg0. See docs/architecture.md, "A packet's way in".
 */
#ifndef WGX_PATH_OPEN_H
#define WGX_PATH_OPEN_H

#include "path/hsqueue.h"
#include "path/worker.h"

struct wgx_index;
struct wgx_openers;
struct wgx_peer;
struct wgx_xsk;

/** struct wgx_open_env - what the daemon shares with the open worker */
struct wgx_open_env {
	struct wgx_index *index;
	struct wgx_hsqueue *handshakes;
	struct wgx_openers *openers; /* helpers; NULL: there will be none */
	/* a peer's endpoint changed (roaming): any thread may be told so, it must not block */
	void (*roamed)(void *arg, struct wgx_peer *peer);
	void *arg;
	_Atomic uint64_t
		stray; /* messages for no interface of ours: its port has just been closed */
	_Atomic bool sockets_wait; /* wgx_open_hold_sockets() */
};

extern const struct wgx_worker_ops wgx_open_ops;

/**
 * wgx_open_hold_sockets() - before a device is let go of: what comes next is in a socket, and is not taken before what its
 * ring has
 * @hold: true: when this returns, no socket is served until it is called again, with false. By a thread of RCU.
 */
void wgx_open_hold_sockets(struct wgx_open_env *env, bool hold);

/**
 * wgx_open_discard() - throw away what is in a ring that no worker serves any more, and that is to be destroyed
 * @collector: frames are stamped. Return: messages in them.
 */
uint64_t wgx_open_discard(struct wgx_xsk *xsk, bool collector);

#endif
