/* SPDX-License-Identifier: MIT */
/* Into wg0: packets written to its far end with AF_PACKET and a virtio-net header, so that GSO packets cross. */
#ifndef WGX_PATH_INJECT_H
#define WGX_PATH_INJECT_H

#include <stdint.h>
#include "path/coalesce.h"

/** wgx_inject_open() - a sending socket on @far_ifindex of the calling thread's namespace; fd or -errno */
int wgx_inject_open(int far_ifindex);

/** struct wgx_inject_result - IP packets by their fate */
struct wgx_inject_result {
	uint64_t sent_packets; /* GSO packets */
	uint64_t sent_segments; /* IP packets in them */
	uint64_t lost; /* GSO packets of another fate than WGX_GSO_SENT */
	uint64_t
		dropped; /* of these, WGX_GSO_DROPPED: the kernel has counted them as tx_dropped (Linux 6.5) */
};

/** wgx_inject() - @n packets, in order. wgx_coalesce_finish() made them; each gets its fate. */
void wgx_inject(int fd, struct wgx_gso *gso, unsigned int n, uint32_t mtu,
		struct wgx_inject_result *ret);

#endif
