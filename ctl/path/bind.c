/* SPDX-License-Identifier: MIT */
#include "path/bind.h"

#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif
#ifndef IPV6_AUTOFLOWLABEL
#define IPV6_AUTOFLOWLABEL 70 /* linux/in6.h, which does not go with netinet/in.h */
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
		/* the Linux driver sets none */
		err = err ?: set_int(fd, SOL_IPV6, IPV6_AUTOFLOWLABEL, 0);
	}
	return err;
}

/* @shared: join the socket that has the port */
static int open_socket(int family, uint16_t port, uint32_t fwmark, bool shared)
{
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP), err;

	if (fd < 0)
		return -errno;
	err = set_options(fd, family, fwmark);
	if (!err && shared)
		err = set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
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

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return fd >= 0 && !getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) ? cookie : 0;
}

/*
 * Which of the sockets gets a packet, in the order in which they were bound. A superframe is longer than one
 * handshake message and may have data inside: the open worker judges each message of it. What is read is big-endian.
 */
static int steer(int fd)
{
	enum { OTHER = 14, BARE, COOKIE };
#define JUMP(at, value, yes, no) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, (yes) - (at)-1, (no) - (at)-1)
#define LOAD(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset)
	static const struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0), /* of the UDP payload */
		JUMP(1, sizeof(struct wgx_msg_initiation), 2, 6),
		LOAD(0),
		JUMP(3, WGX_MSG_INITIATION << 24, 4, OTHER),
		LOAD(offsetof(struct wgx_msg_initiation, macs.mac2)),
		JUMP(5, 0, BARE, COOKIE),
		JUMP(6, sizeof(struct wgx_msg_response), 7, 11),
		LOAD(0),
		JUMP(8, WGX_MSG_RESPONSE << 24, 9, OTHER),
		LOAD(offsetof(struct wgx_msg_response, macs.mac2)),
		JUMP(10, 0, BARE, COOKIE),
		JUMP(11, sizeof(struct wgx_msg_cookie), 12, OTHER),
		LOAD(0),
		JUMP(13, WGX_MSG_COOKIE << 24, COOKIE, OTHER),
		[OTHER] = BPF_STMT(BPF_RET | BPF_K, WGX_BIND_FIRST),
		[BARE] = BPF_STMT(BPF_RET | BPF_K, WGX_BIND_BARE),
		[COOKIE] = BPF_STMT(BPF_RET | BPF_K, WGX_BIND_COOKIE),
	};
#undef JUMP
#undef LOAD
	const struct sock_fprog prog = {sizeof(code) / sizeof(*code), (struct sock_filter *)code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog, sizeof(prog)) ? -errno
											 : 0;
}

static void close_queue(struct wgx_bind *b, enum wgx_bind_queue queue, bool v6)
{
	int *fd = &b->fds[2 * queue + v6];

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* In this order: where one is missing, the first gets what would be its. */
static void close_family(struct wgx_bind *b, bool v6)
{
	for (int queue = WGX_BIND_QUEUES - 1; queue >= 0; queue--)
		close_queue(b, (enum wgx_bind_queue)queue, v6);
}

/*
 * The port is bound by the first socket alone, so that one in use is noticed; only then is it shared, with
 * the others. (Strangers that share it, under our user id, get nothing.) On failure all are closed.
 */
static int open_family(struct wgx_bind *b, bool v6, uint16_t port, uint32_t fwmark)
{
	const int family = v6 ? AF_INET6 : AF_INET;
	int *first = &b->fds[2 * WGX_BIND_FIRST + v6];
	int err = 0;

	for (int queue = 0; !err && queue < WGX_BIND_QUEUES; queue++) {
		int fd = open_socket(family, port, fwmark, queue != WGX_BIND_FIRST);

		b->fds[2 * queue + v6] = fd;
		err = fd < 0 ? fd : 0;
		if (err || queue != WGX_BIND_FIRST)
			continue;
		err = bound_port(fd, &port);
		err = err ?: set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	}
	err = err ?: steer(*first);
	if (err)
		close_family(b, v6);
	return err;
}

static int open_both(struct wgx_bind *b, uint16_t port, uint32_t fwmark)
{
	int err;

	memset(b->fds, -1, sizeof(b->fds));
	err = open_family(b, false, port, fwmark);
	if (err)
		return err;
	err = bound_port(b->fd4, &b->port);
	if (!err) {
		err = open_family(b, true, b->port, fwmark);
		if (!err || err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL)
			return 0;
	}
	close_family(b, false);
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
	for (int i = 0; i < WGX_BIND_SOCKETS; i++)
		b->cookies[i] = cookie_of(b->fds[i]);
	*ret = b;
	return 0;
}

int wgx_bind_adopt(const int fds[WGX_BIND_SOCKETS], struct wgx_bind **ret)
{
	struct wgx_bind *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	memcpy(b->fds, fds, sizeof(b->fds));
	if (bound_port(b->fd4, &b->port)) {
		free(b);
		return -EINVAL;
	}
	for (int i = 0; i < WGX_BIND_SOCKETS; i++)
		b->cookies[i] = cookie_of(b->fds[i]);
	*ret = b;
	return 0;
}

void wgx_bind_close(struct wgx_bind *b)
{
	if (!b)
		return;
	close_family(b, false);
	close_family(b, true);
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

/* The address that was reached, to answer from */
static void parse_source(const struct cmsghdr *c, struct wgx_endpoint *from)
{
	const void *data = CMSG_DATA(c);
	struct in6_pktinfo info6;
	struct in_pktinfo info4;

	if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_PKTINFO) {
		memcpy(&info4, data, sizeof(info4));
		from->src4 = info4.ipi_spec_dst;
		from->src_if = (uint32_t)info4.ipi_ifindex;
	} else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
		memcpy(&info6, data, sizeof(info6));
		from->src6 = info6.ipi6_addr;
	}
}

static void parse_cmsg(const struct cmsghdr *c, struct wgx_datagrams *d)
{
	const void *data = CMSG_DATA(c);
	int value;

	if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
		memcpy(&value, data, sizeof(value));
		d->size = (uint16_t)value;
	} else if (c->cmsg_level == SOL_IP && c->cmsg_type == IP_TOS) {
		d->tos = *(const uint8_t *)data;
	} else if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_TCLASS) {
		memcpy(&value, data, sizeof(value));
		d->tos = (uint8_t)value;
	} else {
		parse_source(c, &d->from);
	}
}

static int receive(int fd, void *buf, size_t size, int flags, struct wgx_datagrams *ret)
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
	n = recvmsg(fd, &m, MSG_DONTWAIT | flags);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		parse_cmsg(c, ret);
	ret->len = (size_t)n;
	if (!ret->size || ret->size > ret->len)
		ret->size = (uint16_t)ret->len;
	return 1;
}

union handshake_control {
	char bytes[256];
	struct cmsghdr align;
};

static void prepare(struct wgx_handshake_item *item, union handshake_control *control,
		    struct iovec *iov, struct msghdr *m)
{
	memset(&item->from, 0, sizeof(item->from));
	*iov = (struct iovec){.iov_base = item->msg, .iov_len = sizeof(item->msg)};
	*m = (struct msghdr){
		.msg_name = &item->from.addr,
		.msg_namelen = sizeof(item->from.addr),
		.msg_iov = iov,
		.msg_iovlen = 1,
		.msg_control = control->bytes,
		.msg_controllen = sizeof(control->bytes),
	};
}

static void finish(struct wgx_handshake_item *item, size_t len, struct msghdr *m)
{
	struct wgx_datagrams d = {.len = len, .from = item->from};

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
		parse_cmsg(c, &d);
	item->len = (uint32_t)len;
	item->from = d.from;
	item->datagrams = d.size ? wgx_datagrams_count(&d) : 1;
}

int wgx_bind_receive_handshakes(int fd, struct wgx_handshake_item *items, unsigned int n)
{
	union handshake_control controls[WGX_BIND_BATCH];
	struct mmsghdr m[WGX_BIND_BATCH];
	struct iovec iov[WGX_BIND_BATCH];
	int got;

	if (n > WGX_BIND_BATCH)
		n = WGX_BIND_BATCH;
	for (unsigned int i = 0; i < n; i++)
		prepare(&items[i], &controls[i], &iov[i], &m[i].msg_hdr);
	got = recvmmsg(fd, m, n, MSG_DONTWAIT, NULL);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (int i = 0; i < got; i++)
		finish(&items[i], m[i].msg_len, &m[i].msg_hdr);
	return got;
}

int wgx_bind_receive(int fd, void *buf, size_t size, struct wgx_datagrams *ret)
{
	return receive(fd, buf, size, 0, ret);
}

/* ---- the end of sockets ---- */

/* A device that is not there: no packet comes from it. close(2) alone would lose what waits uncounted. */
static void bind_to_device(const struct wgx_bind *b, int ifindex)
{
	for (int i = 0; i < WGX_BIND_SOCKETS; i++)
		if (b->fds[i] >= 0)
			(void)set_int(b->fds[i], SOL_SOCKET, SO_BINDTOIFINDEX, ifindex);
}

void wgx_bind_deafen(const struct wgx_bind *b)
{
	bind_to_device(b, INT_MAX);
}

/* They have ceased to be a group, and cannot be made one again: so the first of each family gets all. */
void wgx_bind_hear(struct wgx_bind *b)
{
	for (int queue = WGX_BIND_FIRST + 1; queue < WGX_BIND_QUEUES; queue++) {
		close_queue(b, (enum wgx_bind_queue)queue, false);
		close_queue(b, (enum wgx_bind_queue)queue, true);
	}
	bind_to_device(b, 0);
}

bool wgx_bind_pending(const struct wgx_bind *b)
{
	struct pollfd fds[] = {{.fd = b->fd4, .events = POLLIN}, {.fd = b->fd6, .events = POLLIN}};

	return poll(fds, 2, 0) > 0 && (fds[0].revents | fds[1].revents) & POLLIN;
}

static uint64_t drain(int fd)
{
	struct wgx_datagrams d;
	uint64_t n = 0;

	while (fd >= 0 && receive(fd, NULL, 0, MSG_TRUNC, &d) > 0)
		n += wgx_datagrams_count(&d);
	return n;
}

uint64_t wgx_bind_drain(const struct wgx_bind *b)
{
	uint64_t n = 0;

	for (int i = 0; i < WGX_BIND_SOCKETS; i++)
		n += drain(b->fds[i]);
	return n;
}

uint64_t wgx_bind_refused(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(info);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len))
		return 0;
	return info[SK_MEMINFO_DROPS];
}
