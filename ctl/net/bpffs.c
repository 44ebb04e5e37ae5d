/* SPDX-License-Identifier: MIT */
#include "net/bpffs.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* longest: each character of an interface's name a dot */
#define COMPONENT_MAX (3 * IFNAMSIZ)

/* Return: 0 with @ret the directory's name, or -EINVAL */
static int escape(const char *iface, char ret[COMPONENT_MAX])
{
	size_t n = 0;

	if (!*iface || strlen(iface) >= IFNAMSIZ || strpbrk(iface, "/%"))
		return -EINVAL;
	for (; *iface; iface++) {
		if (*iface == '.') {
			memcpy(ret + n, "%2e", 3);
			n += 3;
		} else {
			ret[n++] = *iface;
		}
	}
	ret[n] = '\0';
	return 0;
}

int wgx_bpffs_path(const char *iface, const char *map, char *path, size_t size)
{
	char dir[COMPONENT_MAX];
	int err = escape(iface, dir), n;

	if (err)
		return err;
	if (map && (!*map || strpbrk(map, "/.")))
		return -EINVAL;
	n = snprintf(path, size, "%s/%s%s%s", WGX_BPFFS_DIR, dir, map ? "/" : "", map ?: "");
	return n < (int)size ? 0 : -ENAMETOOLONG;
}

/* Return: 0; -ENOENT: it is not; or a negative errno */
static int check_mounted(void)
{
	struct statfs fs;

	if (statfs(WGX_BPFFS, &fs))
		return -errno;
	return fs.f_type == BPF_FS_MAGIC ? 0 : -ENOENT;
}

int wgx_bpffs_mount(void)
{
	int err = check_mounted();

	if (err != -ENOENT)
		return err;
	if (mount("bpf", WGX_BPFFS, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700"))
		return errno == ENODEV ? -ENOENT : -errno;
	return 0;
}

static int make_directory(const char *path)
{
	if (!mkdir(path, 0700))
		return 0;
	if (errno != EEXIST)
		return -errno;
	/* made by an older daemon, or by hand */
	return chmod(path, 0700) ? -errno : 0;
}

/* Unlink all that is in @path, which has no directories. Return: 0, also where it is not there */
static int empty_directory(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int err = 0;

	if (!dir)
		return errno == ENOENT ? 0 : -errno;
	while ((e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(dirfd(dir), e->d_name, 0))
			err = -errno;
	}
	closedir(dir);
	return err;
}

int wgx_bpffs_make(const char *iface)
{
	char path[PATH_MAX];
	int err = wgx_bpffs_path(iface, NULL, path, sizeof(path));

	if (!err)
		err = check_mounted();
	if (!err)
		err = make_directory(WGX_BPFFS_DIR);
	if (!err)
		err = make_directory(path);
	return err ?: empty_directory(path);
}

int wgx_bpffs_pin(const char *iface, const char *map, int map_fd)
{
	char path[PATH_MAX];
	int err = wgx_bpffs_path(iface, map, path, sizeof(path));

	if (err)
		return err;
	if (unlink(path) && errno != ENOENT)
		return -errno;
	return bpf_obj_pin(map_fd, path);
}

int wgx_bpffs_remove(const char *iface)
{
	char path[PATH_MAX];
	int err = wgx_bpffs_path(iface, NULL, path, sizeof(path));

	if (!err)
		err = empty_directory(path);
	if (!err && rmdir(path) && errno != ENOENT)
		err = -errno;
	if (!err)
		rmdir(WGX_BPFFS_DIR); /* fails while there are others */
	return err;
}

/* ---- strict mode's ---- */

static int netns_cookie(uint64_t *ret)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;
	socklen_t len = sizeof(*ret);

	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, ret, &len))
		err = -errno;
	close(fd);
	return err;
}

int wgx_bpffs_strict_path(const char *pin, char *path, size_t size)
{
	uint64_t cookie = 0;
	int err = netns_cookie(&cookie), n;

	if (err)
		return err;
	n = snprintf(path, size, "%s/%llu%s%s", WGX_BPFFS_STRICT_DIR, (unsigned long long)cookie,
		     pin ? "/" : "", pin ?: "");
	return n < (int)size ? 0 : -ENAMETOOLONG;
}

int wgx_bpffs_strict_make(void)
{
	char path[PATH_MAX];
	int err = wgx_bpffs_strict_path(NULL, path, sizeof(path));

	if (!err)
		err = check_mounted();
	if (!err)
		err = make_directory(WGX_BPFFS_STRICT_DIR);
	return err ?: make_directory(path);
}

int wgx_bpffs_strict_remove(void)
{
	char path[PATH_MAX];
	int err = wgx_bpffs_strict_path(NULL, path, sizeof(path));

	if (!err)
		err = empty_directory(path);
	if (!err && rmdir(path) && errno != ENOENT)
		err = -errno;
	if (!err)
		rmdir(WGX_BPFFS_STRICT_DIR); /* fails while there are others */
	return err;
}
