/* SPDX-License-Identifier: MIT */
/* Offload features of a device of the calling thread's network namespace, by the names of ethtool -k. */
#ifndef WGX_NET_ETHTOOL_H
#define WGX_NET_ETHTOOL_H

#include <stdbool.h>
#include <stddef.h>

/** struct wgx_feature - e.g. {"tx-udp-segmentation", true} */
struct wgx_feature {
	const char *name;
	bool on;
};

/**
 * wgx_ethtool_set() - set features, all in one request
 *
 * Names that this kernel does not know are ignored, and so are features that the device has fixed.
 * Return: 0, -ENODEV, or negative errno.
 */
int wgx_ethtool_set(int ifindex, const struct wgx_feature *features, size_t n);

/** wgx_ethtool_get() - is the feature active? 0 with *@ret_on, -ENOENT (no such feature), negative errno */
int wgx_ethtool_get(int ifindex, const char *name, bool *ret_on);

#endif
