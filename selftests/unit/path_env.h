/* SPDX-License-Identifier: MIT */
/* Where the tests of ctl/path send: a network namespace of the test program's own, with lo up. */
#ifndef WGX_TEST_PATH_ENV_H
#define WGX_TEST_PATH_ENV_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "device/endpoint.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define WAIT_MS 10000 /* for what must come; not a measure of anything */

static bool path_permitted;

static inline int path_lo(int mtu, short flags)
{
	struct ifreq ifr = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (mtu) {
		ifr.ifr_mtu = mtu;
		err = ioctl(fd, SIOCSIFMTU, &ifr);
	}
	ifr.ifr_flags = flags;
	err = err ?: ioctl(fd, SIOCSIFFLAGS, &ifr);
	close(fd);
	return err;
}

/* Ports that the kernel chooses are none that a test names. */
static inline int path_ports(void)
{
	static const char range[] = "10000 20000";
	int fd = open("/proc/sys/net/ipv4/ip_local_port_range", O_WRONLY | O_CLOEXEC);
	int err = fd < 0 || write(fd, range, strlen(range)) < 0;

	if (fd >= 0)
		close(fd);
	return err;
}

/* Group setup: its failure to get a namespace has every test skipped. */
static inline int path_setup(void **state)
{
	path_permitted =
		!geteuid() && !unshare(CLONE_NEWNET) && !path_lo(0, IFF_UP) && !path_ports();
	return 0;
}

#define path_require()               \
	do {                         \
		if (!path_permitted) \
			skip();      \
	} while (0)

static inline struct wgx_endpoint path_endpoint(const char *text)
{
	struct wgx_endpoint e;

	assert_int_equal(wgx_endpoint_parse(text, &e), 0);
	return e;
}

static inline socklen_t path_addr_len(const struct wgx_endpoint *e)
{
	return e->addr.sa.sa_family == AF_INET ? sizeof(e->addr.v4) : sizeof(e->addr.v6);
}

/* A plain UDP socket at an address and port */
static inline int path_socket(const char *text)
{
	struct wgx_endpoint e = path_endpoint(text);
	int fd = socket(e.addr.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

	assert_true(fd >= 0);
	if (e.addr.sa.sa_family == AF_INET6)
		assert_int_equal(setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, &e.addr.sa, path_addr_len(&e)), 0);
	return fd;
}

static inline bool path_readable(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

/* The next datagram, which must come; its length */
static inline size_t path_receive(int fd, void *buf, size_t size, struct wgx_endpoint *ret_from)
{
	struct wgx_endpoint from = {0};
	socklen_t len = sizeof(from.addr);
	ssize_t n;

	assert_true(path_readable(fd, WAIT_MS));
	n = recvfrom(fd, buf, size, 0, &from.addr.sa, &len);
	assert_true(n >= 0);
	if (ret_from)
		*ret_from = from;
	return (size_t)n;
}

static inline void path_no_more(int fd)
{
	char c;

	assert_true(recv(fd, &c, 1, MSG_DONTWAIT) < 0);
}

static inline unsigned int path_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

#endif
