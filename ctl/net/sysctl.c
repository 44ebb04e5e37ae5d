/* SPDX-License-Identifier: MIT */
#include "net/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "daemon/log.h"

static int make_path(char *file, size_t size, const char *path, const char *ifname)
{
	const char *slot = ifname ? strstr(path, "%s") : NULL;
	int n;

	if (slot)
		n = snprintf(file, size, "/proc/sys/net/%.*s%s%s", (int)(slot - path), path, ifname,
			     slot + 2);
	else
		n = snprintf(file, size, "/proc/sys/net/%s", path);
	return n < (int)size ? 0 : -ENAMETOOLONG;
}

int wgx_sysctl_set(const char *path, const char *ifname, const char *value)
{
	char file[128];
	int fd, err = make_path(file, sizeof(file), path, ifname);

	if (err)
		return err;
	fd = open(file, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		err = -errno;
	} else {
		if (write(fd, value, strlen(value)) < 0)
			err = -errno;
		close(fd);
	}
	if (err != -ENOENT && err != -EROFS && err != -EACCES)
		return err;
	wgx_log(WGX_LOG_DEBUG, "%s: %s", file, strerror(-err));
	return 0;
}

int wgx_sysctl_get(const char *path, const char *ifname, char *value, size_t size)
{
	char file[128];
	int fd, err = make_path(file, sizeof(file), path, ifname);
	ssize_t n;

	if (err)
		return err;
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, value, size - 1);
	err = n < 0 ? -errno : 0;
	close(fd);
	if (err)
		return err;
	value[n] = '\0';
	value[strcspn(value, "\n")] = '\0';
	return 0;
}
