/* SPDX-License-Identifier: MIT */
#include "daemon/socket.h"

#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "daemon/log.h"

#define NO_GROUP ((gid_t)-1)

/* Written before there are threads. */
static gid_t group = NO_GROUP;

/* ---- who may ---- */

static int find_group(const char *name, gid_t *ret)
{
	struct group *g;
	char *end;
	unsigned long number;

	errno = 0;
	number = strtoul(name, &end, 10);
	if (*name >= '0' && *name <= '9' && !*end) {
		if (errno || number >= NO_GROUP)
			return -ENOENT;
		*ret = (gid_t)number;
		return 0;
	}
	g = getgrnam(name);
	if (!g)
		return -ENOENT;
	*ret = g->gr_gid;
	return 0;
}

int wgx_socket_allow_group(const char *name, const char *const *directories)
{
	gid_t gid;
	int err;

	group = NO_GROUP;
	if (!name || !*name)
		return 0;
	err = find_group(name, &gid);
	for (; !err && *directories; directories++)
		if (chown(*directories, (uid_t)-1, gid) || chmod(*directories, 02710))
			err = -errno;
	if (!err)
		group = gid;
	return err;
}

/* Its groups as they were when it connected */
static bool in_group(int fd, const struct ucred *cred)
{
	gid_t groups[256]; /* in more than that, it is not looked for */
	socklen_t len = sizeof(groups);

	if (group == NO_GROUP)
		return false;
	if (cred->gid == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len))
		return false;
	for (size_t i = 0; i < len / sizeof(*groups); i++)
		if (groups[i] == group)
			return true;
	return false;
}

bool wgx_socket_may_use(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return false;
	return cred.uid == 0 || cred.uid == geteuid() || in_group(fd, &cred);
}

bool wgx_socket_is_ours(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) &&
	       (cred.uid == 0 || cred.uid == geteuid());
}

static void log_refused(int fd)
{
	static uid_t told; /* 0: nobody yet. One line for each user, not each try */
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) || cred.uid == told)
		return;
	wgx_log(WGX_LOG_WARN, "refused a connection of user %u, process %d", (unsigned int)cred.uid,
		(int)cred.pid);
	told = cred.uid;
}

int wgx_socket_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (wgx_socket_may_use(fd))
		return fd;
	log_refused(fd);
	close(fd);
	return -EPERM;
}

/* ---- listening ---- */

static int fill_address(struct sockaddr_un *a, const char *path)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(a->sun_path))
		return -ENAMETOOLONG;
	memcpy(a->sun_path, path, strlen(path) + 1);
	return 0;
}

/* Return: 1: somebody answers there; 0: nobody; or a negative errno: who knows */
static int alive(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	err = connect(fd, (const struct sockaddr *)a, sizeof(*a)) ? -errno : 1;
	close(fd);
	return err == -ENOENT || err == -ECONNREFUSED ? 0 : err;
}

static int make_directory(const char *directory)
{
	return mkdir(directory, 0700) && errno != EEXIST ? -errno : 0;
}

int wgx_socket_listen(const char *directory, const char *path, mode_t mode)
{
	struct sockaddr_un a;
	mode_t mask;
	int fd, err;

	err = fill_address(&a, path);
	if (!err && directory)
		err = make_directory(directory);
	if (err)
		return err;
	err = alive(&a);
	if (err)
		return err < 0 ? err : -EADDRINUSE;
	if (unlink(path) && errno != ENOENT)
		return -errno;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mask = umask(~(group == NO_GROUP ? mode : mode | 0060) & 0777);
	err = bind(fd, (struct sockaddr *)&a, sizeof(a)) ? -errno : 0;
	umask(mask);
	if (!err && listen(fd, SOMAXCONN)) {
		err = -errno;
		unlink(path);
	}
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

/* ---- descriptors ---- */

union fds_control {
	char bytes[CMSG_SPACE(WGX_SOCKET_FDS * sizeof(int))];
	struct cmsghdr align;
};

int wgx_socket_send_fds(int fd, const void *bytes, size_t len, const int *fds, unsigned int n)
{
	union fds_control control;
	struct iovec iov = {.iov_base = (void *)bytes, .iov_len = len};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;
	ssize_t sent;

	if (n > WGX_SOCKET_FDS)
		return -EINVAL;
	if (n) {
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(n * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	sent = sendmsg(fd, &m, MSG_NOSIGNAL);
	if (sent < 0)
		return -errno;
	return (size_t)sent == len ? 0 : -EIO;
}

static void take_fds(struct cmsghdr *c, int *fds, unsigned int n, unsigned int *ret_n)
{
	size_t got;

	if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return;
	got = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (size_t i = 0; i < got; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
		if (*ret_n < n)
			fds[(*ret_n)++] = fd;
		else
			close(fd);
	}
}

int wgx_socket_receive_fds(int fd, void *bytes, size_t len, int *fds, unsigned int n,
			   unsigned int *ret_n)
{
	union fds_control control;
	struct iovec iov = {.iov_base = bytes, .iov_len = len};
	struct msghdr m = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t got;

	*ret_n = 0;
	do
		got = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? -ETIMEDOUT : -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
		take_fds(c, fds, n, ret_n);
	return m.msg_flags & MSG_CTRUNC ? -EMSGSIZE : (int)got;
}
