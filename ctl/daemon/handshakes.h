/* SPDX-License-Identifier: MIT */
/*
 * Handshake messages, from the sockets and from the open worker to the sessions. Part of the protocol thread.
 *
 * Each is first admitted, which is cheap: mac1, and under load mac2 or a cookie reply. What is admitted waits for
 * its Diffie-Hellman operations in a queue of 4096 (P-DT-12), by whose length load is judged (P-DOS-1). So who
 * knows our public key and no more fills an eighth of it, and the rest is for those who have shown a cookie. They
 * have sockets of their own as well, which are read first (path/bind.h).
 */
#ifndef WGX_DAEMON_HANDSHAKES_H
#define WGX_DAEMON_HANDSHAKES_H

#include <stdatomic.h>
#include <wgx/drops.h>
#include "path/bind.h"
#include "path/hsqueue.h"

struct wgx_daemon;

struct wgx_handshakes {
	struct wgx_daemon *daemon;
	struct wgx_hsqueue
		arrived; /* from the open worker: out of superframes, or through AF_XDP */
	int epoll_fds
		[WGX_BIND_QUEUES]; /* the handshake sockets of all interfaces, by queue; 0: none */
	struct wgx_hsqueue admitted;
	struct wgx_handshake_item batch[WGX_BIND_BATCH];
	_Atomic uint64_t drops[WGX_DROP_COUNT]; /* for an interface that is gone */
	_Atomic uint64_t initiations, responses, cookies; /* accepted */
};

/** wgx_handshakes_init() - @wake_fd: eventfd of the protocol thread, for the open worker to wake it */
int wgx_handshakes_init(struct wgx_handshakes *h, struct wgx_daemon *d, int wake_fd);
void wgx_handshakes_free(struct wgx_handshakes *h); /* one that init refused is legal */

/** wgx_handshakes_listen() - read from @b's handshake sockets; the control thread, under the model's lock */
int wgx_handshakes_listen(struct wgx_handshakes *h, uint32_t iface, const struct wgx_bind *b);
/** wgx_handshakes_unlisten() - before @b is closed; the control thread, under the model's lock; NULL is legal */
void wgx_handshakes_unlisten(struct wgx_handshakes *h, const struct wgx_bind *b);

/** wgx_handshakes_run() - a turn of some milliseconds; the protocol thread. Return: 0 where there was nothing. */
unsigned int wgx_handshakes_run(struct wgx_handshakes *h);

#endif
