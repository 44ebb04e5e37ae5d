/* SPDX-License-Identifier: MIT */
#include "path/bind.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/* Room for what arrives while the worker is descheduled; the Linux default of 208 KB is two superframes. */
#define SOCKET_BUFFER (8 << 20)
/* A device that takes nothing for this long loses packets; it must not stop the other interfaces. */
#define SEND_TIMEOUT_US 20000

static int set_int(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

static int set_buffers(int fd)
{
	/* FORCE needs CAP_NET_ADMIN; without it, what the sysctl allows */
	if (set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, SOCKET_BUFFER))
		set_int(fd, SOL_SOCKET, SO_RCVBUF, SOCKET_BUFFER);
	if (set_int(fd, SOL_SOCKET, SO_SNDBUFFORCE, SOCKET_BUFFER))
		set_int(fd, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
	return 0;
}

static int set_options(int fd, int family, uint32_t fwmark)
{
	const struct timeval timeout = {.tv_usec = SEND_TIMEOUT_US};
	int err = set_buffers(fd);

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)))
		return -errno;
	if (!err && fwmark)
		err = set_int(fd, SOL_SOCKET, SO_MARK, (int)fwmark);
	if (!err)
		set_int(fd, SOL_UDP, UDP_GRO, 1); /* 5.0; without it datagrams come one by one */
	if (family == AF_INET) {
		err = err ?: set_int(fd, SOL_IP, IP_PKTINFO, 1);
		err = err ?: set_int(fd, SOL_IP, IP_RECVTOS, 1);
		err = err ?: set_int(fd, SOL_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
	} else {
		err = err ?: set_int(fd, SOL_IPV6, IPV6_V6ONLY, 1);
		err = err ?: set_int(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1);
		err = err ?: set_int(fd, SOL_IPV6, IPV6_RECVTCLASS, 1);
		err = err ?: set_int(fd, SOL_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
	}
	return err;
}

static int open_socket(int family, uint16_t port, uint32_t fwmark)
{
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP), err;

	if (fd < 0)
		return -errno;
	err = set_options(fd, family, fwmark);
	if (!err && (family == AF_INET ? bind(fd, (struct sockaddr *)&a4, sizeof(a4))
				       : bind(fd, (struct sockaddr *)&a6, sizeof(a6))))
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static int bound_port(int fd, uint16_t *ret)
{
	struct sockaddr_in6 a = {0};
	socklen_t len = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &len))
		return -errno;
	*ret = ntohs(a.sin6_port); /* sin_port stands at the same place */
	return 0;
}

static int open_both(struct wgx_bind *b, uint16_t port, uint32_t fwmark)
{
	int err;

	b->fd6 = -1;
	b->fd4 = open_socket(AF_INET, port, fwmark);
	if (b->fd4 < 0)
		return b->fd4;
	err = bound_port(b->fd4, &b->port);
	if (err)
		goto close4;
	b->fd6 = open_socket(AF_INET6, b->port, fwmark);
	if (b->fd6 >= 0 || b->fd6 == -EAFNOSUPPORT || b->fd6 == -EADDRNOTAVAIL)
		return 0;
	err = b->fd6;
close4:
	close(b->fd4);
	return err;
}

int wgx_bind_open(uint16_t port, uint32_t fwmark, struct wgx_bind **ret)
{
	struct wgx_bind *b = calloc(1, sizeof(*b));
	int err = -ENOMEM;

	if (!b)
		return -ENOMEM;
	/* a random port that IPv4 gave may be taken in IPv6 */
	for (int tries = port ? 1 : 20; tries; tries--) {
		err = open_both(b, port, fwmark);
		if (err != -EADDRINUSE)
			break;
	}
	if (err) {
		free(b);
		return err;
	}
	*ret = b;
	return 0;
}

void wgx_bind_close(struct wgx_bind *b)
{
	if (!b)
		return;
	close(b->fd4);
	if (b->fd6 >= 0)
		close(b->fd6);
	free(b);
}

int wgx_bind_set_mark(struct wgx_bind *b, uint32_t fwmark)
{
	int err = set_int(b->fd4, SOL_SOCKET, SO_MARK, (int)fwmark);

	if (!err && b->fd6 >= 0)
		err = set_int(b->fd6, SOL_SOCKET, SO_MARK, (int)fwmark);
	return err;
}

static void *add_cmsg(struct msghdr *m, struct cmsghdr **at, int level, int type, size_t len)
{
	struct cmsghdr *c = *at ? (struct cmsghdr *)((char *)*at + CMSG_ALIGN((*at)->cmsg_len))
				: m->msg_control;

	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	m->msg_controllen += CMSG_SPACE(len);
	*at = c;
	return CMSG_DATA(c);
}

static void add_source(struct msghdr *m, struct cmsghdr **at, const struct wgx_endpoint *to)
{
	if (to->addr.sa.sa_family == AF_INET) {
		struct in_pktinfo info = {.ipi_spec_dst = to->src4};

		if (to->src4.s_addr)
			memcpy(add_cmsg(m, at, SOL_IP, IP_PKTINFO, sizeof(info)), &info,
			       sizeof(info));
	} else {
		struct in6_pktinfo info = {.ipi6_addr = to->src6};

		if (!IN6_IS_ADDR_UNSPECIFIED(&to->src6))
			memcpy(add_cmsg(m, at, SOL_IPV6, IPV6_PKTINFO, sizeof(info)), &info,
			       sizeof(info));
	}
}

int wgx_bind_send(const struct wgx_bind *b, const struct wgx_endpoint *to, uint8_t tos,
		  const struct iovec *iov, size_t n_iov, uint16_t gso_size)
{
	bool v4 = to->addr.sa.sa_family == AF_INET;
	union {
		char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int)) +
			   CMSG_SPACE(sizeof(uint16_t))];
		struct cmsghdr align;
	} control;
	struct msghdr m = {
		.msg_name = (void *)&to->addr,
		.msg_namelen = v4 ? sizeof(to->addr.v4) : sizeof(to->addr.v6),
		.msg_iov = (struct iovec *)iov,
		.msg_iovlen = n_iov,
		.msg_control = control.bytes,
	};
	struct cmsghdr *at = NULL;
	int fd = wgx_bind_fd(b, to), value = tos;

	if (fd < 0)
		return -EAFNOSUPPORT;
	add_source(&m, &at, to);
	if (tos)
		memcpy(add_cmsg(&m, &at, v4 ? SOL_IP : SOL_IPV6, v4 ? IP_TOS : IPV6_TCLASS,
				sizeof(value)),
		       &value, sizeof(value));
	if (gso_size)
		memcpy(add_cmsg(&m, &at, SOL_UDP, UDP_SEGMENT, sizeof(gso_size)), &gso_size,
		       sizeof(gso_size));
	if (!m.msg_controllen)
		m.msg_control = NULL;
	return sendmsg(fd, &m, 0) < 0 ? -errno : 0;
}

static void parse_cmsg(const struct cmsghdr *c, struct wgx_datagrams *d)
{
	const void *data = CMSG_DATA(c);
	struct in6_pktinfo info6;
	struct in_pktinfo info4;
	int value;

	if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
		memcpy(&value, data, sizeof(value));
		d->size = (uint16_t)value;
	} else if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_TOS) {
		d->tos = *(const uint8_t *)data;
	} else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_TCLASS) {
		memcpy(&value, data, sizeof(value));
		d->tos = (uint8_t)value;
	} else if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_PKTINFO) {
		memcpy(&info4, data, sizeof(info4));
		d->from.src4 = info4.ipi_spec_dst;
	} else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		memcpy(&info6, data, sizeof(info6));
		d->from.src6 = info6.ipi6_addr;
	}
}

int wgx_bind_receive(int fd, void *buf, size_t size, struct wgx_datagrams *ret)
{
	union {
		char bytes[256];
		struct cmsghdr align;
	} control;
	struct iovec iov = {.iov_base = buf, .iov_len = size};
	struct msghdr m = {
		.msg_name = &ret->from.addr,
		.msg_namelen = sizeof(ret->from.addr),
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t n;

	memset(&ret->from, 0, sizeof(ret->from));
	ret->tos = 0;
	ret->size = 0;
	n = recvmsg(fd, &m, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		parse_cmsg(c, ret);
	ret->len = (size_t)n;
	if (!ret->size || ret->size > ret->len)
		ret->size = (uint16_t)ret->len;
	return 1;
}
