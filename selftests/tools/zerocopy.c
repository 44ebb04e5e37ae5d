/* SPDX-License-Identifier: MIT */
/*
 * LD_PRELOAD=zerocopy.so ZEROCOPY=FILE COMMAND: as if a device's driver had AF_XDP with zero-copy, or refused it.
 *
 * FILE's first character is what the driver says of itself: a digit: it has zero-copy, for frames of so many chunks; '-':
 * the kernel cannot tell, as before Linux 6.3. Then comes a character for each queue, what bind(2) says there to
 * XDP_ZEROCOPY: 'y': yes, and the socket is in copy mode without anybody knowing; 'n', 'i' and 'b' are EOPNOTSUPP, EINVAL
 * and EBUSY. It is looked at each time.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/genetlink.h>
#include <linux/if_xdp.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#define FILE_SIZE 16
#define XDP_FEATURES 3 /* attributes of the family netdev */
#define XDP_ZC_MAX_SEGS 4
#define XSK_ZEROCOPY 8

static const char *driver; /* FILE */
static int generic = -1; /* the last socket of generic netlink */
static int (*real_bind)(int fd, const struct sockaddr *addr, socklen_t len);
static int (*real_socket)(int family, int type, int protocol);
static ssize_t (*real_recv)(int fd, void *buf, size_t size, int flags);

__attribute__((constructor)) static void init(void)
{
	const char *path = getenv("ZEROCOPY");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	real_bind = (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
	real_socket = (int (*)(int, int, int))dlsym(RTLD_NEXT, "socket");
	real_recv = (ssize_t(*)(int, void *, size_t, int))dlsym(RTLD_NEXT, "recv");
	if (fd < 0)
		abort();
	driver = mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	if (driver == MAP_FAILED)
		abort();
	close(fd);
}

int bind(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_xdp xdp;

	if (addr->sa_family != AF_XDP || len < sizeof(xdp))
		return real_bind(fd, addr, len);
	memcpy(&xdp, addr, sizeof(xdp));
	if (!(xdp.sxdp_flags & XDP_ZEROCOPY) || xdp.sxdp_queue_id > FILE_SIZE - 2)
		return real_bind(fd, addr, len);
	errno = EOPNOTSUPP;
	switch (driver[1 + xdp.sxdp_queue_id]) {
	case 'y':
		xdp.sxdp_flags = (uint16_t)((xdp.sxdp_flags & ~XDP_ZEROCOPY) | XDP_COPY);
		return real_bind(fd, (struct sockaddr *)&xdp, sizeof(xdp));
	case 'i':
		errno = EINVAL;
		break;
	case 'b':
		errno = EBUSY;
		break;
	default:
		break;
	}
	return -1;
}

int socket(int family, int type, int protocol)
{
	bool is_generic = family == AF_NETLINK && protocol == NETLINK_GENERIC;
	int fd;

	if (is_generic && driver[0] == '-') {
		errno = EPROTONOSUPPORT;
		return -1;
	}
	fd = real_socket(family, type, protocol);
	if (is_generic)
		generic = fd;
	else if (fd == generic)
		generic = -1;
	return fd;
}

/* Appends an attribute to the message of @at bytes. Return: its length then */
static size_t put(char *message, size_t at, uint16_t type, const void *value, uint16_t len)
{
	const struct nlattr head = {.nla_type = type, .nla_len = (uint16_t)(NLA_HDRLEN + len)};

	at = NLMSG_ALIGN(at);
	memcpy(message + at, &head, sizeof(head));
	memcpy(message + at + NLA_HDRLEN, value, len);
	return at + NLA_ALIGN(head.nla_len);
}

/* A later attribute counts. */
ssize_t recv(int fd, void *buf, size_t size, int flags)
{
	const uint32_t segments = (uint32_t)(driver[0] - '0');
	const uint64_t features = XSK_ZEROCOPY;
	ssize_t n = real_recv(fd, buf, size, flags);
	struct nlmsghdr head;
	size_t len;

	if (fd != generic || n < (ssize_t)sizeof(head) || (size_t)n + 64 > size)
		return n;
	memcpy(&head, buf, sizeof(head));
	if (head.nlmsg_type <= GENL_ID_CTRL || head.nlmsg_len != (size_t)n)
		return n;
	len = put(buf, (size_t)n, XDP_FEATURES, &features, sizeof(features));
	len = put(buf, len, XDP_ZC_MAX_SEGS, &segments, sizeof(segments));
	head.nlmsg_len = (uint32_t)len;
	memcpy(buf, &head, sizeof(head));
	return (ssize_t)len;
}
