/* SPDX-License-Identifier: MIT */
/* What a device's driver says it can do with XDP: the generic netlink family "netdev" (Linux 6.3). */
#ifndef WGX_NET_XDP_FEATURES_H
#define WGX_NET_XDP_FEATURES_H

#include <stdbool.h>
#include <stdint.h>

/** struct wgx_xdp_features - @max_segments: chunks of a frame with zero-copy, 1: no frames of several */
struct wgx_xdp_features {
	bool zero_copy; /* AF_XDP; it may refuse all the same */
	uint32_t max_segments;
};

/**
 * wgx_xdp_features_query() - of a device of the calling thread's network namespace
 * @ret: untouched on failure
 *
 * Return: 0; -ENOENT: this kernel has no such family; -ENODEV; another negative errno.
 */
int wgx_xdp_features_query(int ifindex, struct wgx_xdp_features *ret);

#endif
