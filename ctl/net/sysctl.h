/* SPDX-License-Identifier: MIT */
/* Settings under /proc/sys/net, of the calling thread's network namespace. */
#ifndef WGX_NET_SYSCTL_H
#define WGX_NET_SYSCTL_H

#include <stddef.h>

/**
 * wgx_sysctl_set() - write @value to /proc/sys/net/@path, a printf format with one %s for @ifname
 * @ifname: NULL where @path has no %s
 *
 * A setting that does not exist (a protocol not built in) or must not be written (the read-only /proc/sys
 * of a container) counts as done: what depends on it has a second line of defence. Return: 0 or negative
 * errno.
 */
int wgx_sysctl_set(const char *path, const char *ifname, const char *value);

/** wgx_sysctl_get() - the first line of a setting, terminated; 0 or negative errno */
int wgx_sysctl_get(const char *path, const char *ifname, char *value, size_t size);

#endif
