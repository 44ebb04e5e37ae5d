/* SPDX-License-Identifier: MIT */
/*
 * Pins: BPF maps under /sys/fs/bpf/wgx/IFACE/, for people and for tools. Nothing reads them back. And what strict
 * mode leaves to the next daemon, under /sys/fs/bpf/wgx-strict/NAMESPACE/.
 *
 * bpffs keeps names with a dot for itself: a dot in an interface's name is written %2e.
 */
#ifndef WGX_NET_BPFFS_H
#define WGX_NET_BPFFS_H

#include <stddef.h>

#define WGX_BPFFS "/sys/fs/bpf"
#define WGX_BPFFS_DIR WGX_BPFFS "/wgx"
#define WGX_BPFFS_STRICT_DIR \
	WGX_BPFFS "/wgx-strict" /* not in the above: an interface may be called strict */

/**
 * wgx_bpffs_path() - the directory of @iface (@map NULL) or the pin of its map @map
 *
 * Return: 0, -EINVAL (no valid interface or map name), -ENAMETOOLONG.
 */
int wgx_bpffs_path(const char *iface, const char *map, char *path, size_t size);

/** wgx_bpffs_mount() - mount bpffs where it is not; what needs CAP_SYS_ADMIN. Errors as below. */
int wgx_bpffs_mount(void);

/**
 * wgx_bpffs_make() - the directory of @iface, mode 0700, empty; after wgx_bpffs_mount()
 *
 * Pins of a daemon that died are removed. Return: 0; -EPERM; -ENOENT (this kernel has no bpffs, no
 * /sys is mounted, or somebody has unmounted bpffs); -EROFS, …: negative errno.
 */
int wgx_bpffs_make(const char *iface);

/** wgx_bpffs_pin() - pin @map_fd as @map in the directory of @iface, in place of what is there */
int wgx_bpffs_pin(const char *iface, const char *map, int map_fd);

/** wgx_bpffs_remove() - the directory of @iface with its pins, and the last of them the one above; 0 if none */
int wgx_bpffs_remove(const char *iface);

/**
 * wgx_bpffs_strict_path() - strict mode's directory for the calling thread's network namespace (@pin NULL), or a pin
 * there
 *
 * The directory is named after the namespace's cookie, which no other gets until the next boot (SO_NETNS_COOKIE,
 * 5.14). Return: 0, -ENAMETOOLONG, or another negative errno.
 */
int wgx_bpffs_strict_path(const char *pin, char *path, size_t size);
/** wgx_bpffs_strict_make() - that directory, mode 0700, with what is in it; errors as wgx_bpffs_make() */
int wgx_bpffs_strict_make(void);
/** wgx_bpffs_strict_remove() - that directory with its pins; 0 if there is none */
int wgx_bpffs_strict_remove(void);

#endif
