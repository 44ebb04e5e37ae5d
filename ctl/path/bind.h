/* SPDX-License-Identifier: MIT */
/* The UDP sockets of one interface: they exist while its link is up, whatever is attached. */
#ifndef WGX_PATH_BIND_H
#define WGX_PATH_BIND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "path/hsqueue.h"

/**
 * enum wgx_bind_queue - the sockets of a family, which share its port
 * What has the length and type of one handshake message comes by those for handshakes; all else, superframes too, by
 * the first. So no flood of handshakes stands in the way of data, nor one of who knows nothing in the way of who has a
 * cookie.
 */
enum wgx_bind_queue {
	WGX_BIND_FIRST, /* to send by, and data in */
	WGX_BIND_BARE, /* initiations and responses whose mac2 is zero */
	WGX_BIND_COOKIE, /* those that show a cookie, be it right or wrong; and cookie replies */
	WGX_BIND_QUEUES
};
#define WGX_BIND_SOCKETS (2 * WGX_BIND_QUEUES)

/** struct wgx_bind - published by RCU: workers read it, the control thread replaces it */
struct wgx_bind {
	union {
		/* by queue, IPv4 before IPv6; -1: the kernel has no such family, or the first of it gets all */
		int fds[WGX_BIND_SOCKETS];
		struct {
			int fd4, fd6;
		};
	};
	uint64_t cookies[WGX_BIND_SOCKETS]; /* the kernel's numbers of them; 0: none */
	uint16_t port;
};

/** wgx_bind_of() - the socket of @queue; -1: none */
static inline int wgx_bind_of(const struct wgx_bind *b, enum wgx_bind_queue queue, bool v6)
{
	return b->fds[2 * queue + v6];
}

/**
 * wgx_bind_open() - sockets of both families on @port (0: the same random one) of the calling thread's
 * network namespace
 *
 * With UDP_GRO, packet information (sticky source) and ECN reception on, DF clear (P-DT-8), and @fwmark.
 * Return: 0, -EADDRINUSE, or another negative errno.
 */
int wgx_bind_open(uint16_t port, uint32_t fwmark, struct wgx_bind **ret);
/**
 * wgx_bind_adopt() - the sockets of another process, with all that waits in them
 * @fds: as struct wgx_bind has them; @ret's own on success. 0, -EINVAL (no such sockets) or -ENOMEM.
 */
int wgx_bind_adopt(const int fds[WGX_BIND_SOCKETS], struct wgx_bind **ret);
void wgx_bind_close(struct wgx_bind *b); /* NULL is legal */
/** wgx_bind_set_mark() - a new fwmark for sockets that stay */
int wgx_bind_set_mark(struct wgx_bind *b, uint32_t fwmark);

/** wgx_bind_fd() - the socket for a destination; -1: none */
static inline int wgx_bind_fd(const struct wgx_bind *b, const struct wgx_endpoint *e)
{
	return e->addr.sa.sa_family == AF_INET	  ? b->fd4
	       : e->addr.sa.sa_family == AF_INET6 ? b->fd6
						  : -1;
}

/**
 * wgx_bind_send() - datagrams to @to from its sticky source
 * @tos: DSCP and ECN; 0 costs nothing
 * @gso_size: bytes of each datagram but the last in @iov; 0: one datagram
 *
 * Return: 0 or a negative errno: -EMSGSIZE or -EINVAL where @gso_size does not fit the path (send them one by
 * one then).
 */
int wgx_bind_send(const struct wgx_bind *b, const struct wgx_endpoint *to, uint8_t tos,
		  const struct iovec *iov, size_t n_iov, uint16_t gso_size);

/** struct wgx_datagrams - what one wgx_bind_receive() got: equal datagrams of one flow, one after another */
struct wgx_datagrams {
	size_t len; /* bytes in all */
	uint16_t size; /* of each but the last */
	uint8_t tos; /* of the outer header */
	struct wgx_endpoint from; /* with the source to answer from */
};

/** wgx_datagrams_count() - how many it got; an empty datagram is one too */
static inline unsigned int wgx_datagrams_count(const struct wgx_datagrams *d)
{
	return d->len ? (unsigned int)((d->len + d->size - 1) / d->size) : 1;
}

#define WGX_BIND_BATCH 64
/**
 * wgx_bind_receive_handshakes() - up to @n messages, WGX_BIND_BATCH at most, from a handshake socket, without
 * blocking
 * @items: from, len, datagrams and msg are set
 *
 * Return: how many; 0 where there is none; or a negative errno.
 */
int wgx_bind_receive_handshakes(int fd, struct wgx_handshake_item *items, unsigned int n);

/** wgx_bind_receive() - from one socket, without blocking. 1, 0 where there is nothing, or a negative errno. */
int wgx_bind_receive(int fd, void *buf, size_t size, struct wgx_datagrams *ret);

/*
 * To close sockets and know of each datagram what became of it: wgx_bind_deafen(), wgx_bind_drain(),
 * wgx_bind_close().
 */

/** wgx_bind_deafen() - what arrives from now on finds no socket, and nothing can be sent */
void wgx_bind_deafen(const struct wgx_bind *b);
/** wgx_bind_hear() - after that, go on all the same: by the first socket of each family; the others are closed */
void wgx_bind_hear(struct wgx_bind *b);
/** wgx_bind_pending() - does anything wait in the first of each family? */
bool wgx_bind_pending(const struct wgx_bind *b);
/** wgx_bind_drain() - throw away what waits; return: datagrams */
uint64_t wgx_bind_drain(const struct wgx_bind *b);

/** wgx_bind_refused() - packets that the kernel did not put into a socket (SO_MEMINFO): a superframe is one */
uint64_t wgx_bind_refused(int fd);

#endif
