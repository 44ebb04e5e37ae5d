/* SPDX-License-Identifier: MIT */
#include "daemon/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int fill_address(struct sockaddr_un *a, const char *path)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(a->sun_path))
		return -ENAMETOOLONG;
	memcpy(a->sun_path, path, strlen(path) + 1);
	return 0;
}

/* Somebody answers there. */
static int alive(const struct sockaddr_un *a)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	err = connect(fd, (const struct sockaddr *)a, sizeof(*a)) ? 0 : 1;
	close(fd);
	return err;
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
	mask = umask(~mode & 0777);
	err = bind(fd, (struct sockaddr *)&a, sizeof(a)) ? -errno : 0;
	umask(mask);
	if (!err && listen(fd, SOMAXCONN))
		err = -errno;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}
