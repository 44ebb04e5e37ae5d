/* SPDX-License-Identifier: MIT */
/* The UDP sockets of one interface: they always exist, whatever is attached. */
#ifndef WGX_PATH_BIND_H
#define WGX_PATH_BIND_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include "device/endpoint.h"

/** struct wgx_bind - published by RCU: workers read it, the control thread replaces it */
struct wgx_bind {
	int fd4, fd6; /* -1: the kernel has no such family */
	uint16_t port;
};

/**
 * wgx_bind_open() - sockets of both families on @port (0: the same random one) of the calling thread's
 * network namespace
 *
 * With UDP_GRO, packet information (sticky source) and ECN reception on, DF clear (P-DT-8), and @fwmark.
 * Return: 0, -EADDRINUSE, or another negative errno.
 */
int wgx_bind_open(uint16_t port, uint32_t fwmark, struct wgx_bind **ret);
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

/** wgx_bind_receive() - from one socket, without blocking. 1, 0 where there is nothing, or a negative errno. */
int wgx_bind_receive(int fd, void *buf, size_t size, struct wgx_datagrams *ret);

#endif
