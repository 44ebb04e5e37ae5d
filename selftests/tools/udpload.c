/* SPDX-License-Identifier: MIT */
/*
 * Many small UDP datagrams, counted at both ends.
 *
 * udpload send SOURCE DST PORT SIZE COUNT [PAUSE [plain]]
 *	COUNT datagrams of SIZE bytes, in superframes of 50, 10 of these at a time with PAUSE microseconds between;
 *	with "plain" one by one, without a checksum, so that nobody merges them; prints how many the kernel took
 * udpload recv PORT
 *	until SIGTERM, and then until none has come for a second; prints "received N refused M": M found the buffer full
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define SEGMENTS 50
#define BATCH 10
#define BUFFER (16 << 20)

static volatile sig_atomic_t stopping;

static void on_term(int signal)
{
	stopping = 1;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "udpload: %s: %s\n", what, strerror(errno));
	exit(1);
}

union address {
	struct sockaddr sa;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t parse(const char *text, const char *port, union address *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &ret->v4.sin_addr) == 1) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons((uint16_t)atoi(port));
		return sizeof(ret->v4);
	}
	if (inet_pton(AF_INET6, text, &ret->v6.sin6_addr) != 1) {
		errno = EINVAL;
		die(text);
	}
	ret->v6.sin6_family = AF_INET6;
	ret->v6.sin6_port = htons((uint16_t)atoi(port));
	return sizeof(ret->v6);
}

/* ---- send ---- */

struct load {
	int fd;
	union address to;
	socklen_t to_len;
	size_t size;
	unsigned int segments; /* of a superframe */
	char payload[65536];
};

/* One superframe of at most @n datagrams; return: how many of them were taken */
static unsigned long send_superframe(struct load *l, unsigned long n)
{
	const uint16_t size = (uint16_t)l->size;
	union {
		char bytes[CMSG_SPACE(sizeof(size))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {l->payload, n * l->size};
	struct msghdr m = {.msg_name = &l->to,
			   .msg_namelen = l->to_len,
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control.bytes,
			   .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(size));
	memcpy(CMSG_DATA(c), &size, sizeof(size));
	if (n == 1)
		m.msg_controllen = 0;
	return sendmsg(l->fd, &m, 0) < 0 ? 0 : n;
}

static unsigned long send_all(struct load *l, unsigned long count, const struct timespec *wait)
{
	unsigned long taken = 0;

	for (unsigned int i = 1; count; i++) {
		unsigned long n = count < l->segments ? count : l->segments;

		taken += send_superframe(l, n);
		count -= n;
		if (!(i % BATCH) && wait->tv_nsec)
			nanosleep(wait, NULL);
	}
	return taken;
}

static void run_send(char **argv, const char *pause, bool plain)
{
	static struct load l;
	const struct timespec wait = {.tv_nsec = atol(pause) * 1000};
	union address from;
	socklen_t from_len = parse(argv[0], "0", &from);
	int on = 1;

	l.to_len = parse(argv[1], argv[2], &l.to);
	l.size = strtoul(argv[3], NULL, 10);
	l.segments = plain ? 1 : SEGMENTS;
	l.fd = socket(l.to.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (l.fd < 0 || bind(l.fd, &from.sa, from_len))
		die(argv[0]);
	if (plain && setsockopt(l.fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)))
		die("SO_NO_CHECK");
	if (!l.size || l.size * l.segments > sizeof(l.payload))
		die("SIZE");
	printf("%lu\n", send_all(&l, strtoul(argv[4], NULL, 10), &wait));
}

/* ---- receive ---- */

static unsigned long receive_all(int fd)
{
	static char bytes[64][16];
	struct mmsghdr m[64] = {0};
	struct iovec iov[64];
	unsigned long n = 0;
	int got;

	for (int i = 0; i < 64; i++) {
		iov[i] = (struct iovec){bytes[i], sizeof(bytes[i])};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	}
	while ((got = recvmmsg(fd, m, 64, MSG_DONTWAIT, NULL)) > 0)
		n += (unsigned long)got;
	return n;
}

static uint32_t refused(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t len = sizeof(info);

	if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len))
		die("SO_MEMINFO");
	return info[SK_MEMINFO_DROPS];
}

static void run_recv(const char *port)
{
	struct sockaddr_in6 any = {.sin6_family = AF_INET6,
				   .sin6_port = htons((uint16_t)atoi(port))};
	struct sigaction action = {.sa_handler = on_term};
	int buffer = BUFFER, fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};
	unsigned long n = 0;

	sigaction(SIGTERM, &action, NULL);
	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)))
		die(port);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	while (!stopping) {
		poll(&p, 1, 100);
		n += receive_all(fd);
	}
	do { /* what the kernel has taken may be on its way to the socket */
		n += receive_all(fd);
	} while (poll(&p, 1, 1000));
	printf("received %lu refused %u\n", n, refused(fd));
}

int main(int argc, char **argv)
{
	if (argc >= 7 && argc <= 9 && !strcmp(argv[1], "send")) {
		run_send(argv + 2, argc >= 8 ? argv[7] : "0",
			 argc == 9 && !strcmp(argv[8], "plain"));
		return 0;
	}
	if (argc == 3 && !strcmp(argv[1], "recv")) {
		run_recv(argv[2]);
		return 0;
	}
	fprintf(stderr,
		"usage: udpload send SOURCE DST PORT SIZE COUNT [PAUSE [plain]] | recv PORT\n");
	return 2;
}
