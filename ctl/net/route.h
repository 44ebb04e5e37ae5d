/* SPDX-License-Identifier: MIT */
/* By which device packets leave, and when that may have changed. */
#ifndef WGX_NET_ROUTE_H
#define WGX_NET_ROUTE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/** struct wgx_flow - what an outgoing UDP datagram is routed by; ports in network byte order */
struct wgx_flow {
	struct in_addr src, dst;
	in_port_t sport, dport;
	uint32_t mark;
};

/**
 * wgx_route_device() - the device by which the kernel would send a datagram
 * @fd: of wgx_nl_open(0, 0), which says in which network namespace
 *
 * Return: an ifindex, or a negative errno where it would not be sent: there is no route, or the source is no
 * address of ours (-ENETUNREACH; -EINVAL in older kernels).
 */
int wgx_route_device(int fd, const struct wgx_flow *flow);

/**
 * wgx_routes_open() - a descriptor, readable once IPv4 routes may have changed in the calling thread's
 * network namespace; or negative errno
 */
int wgx_routes_open(void);
/** wgx_routes_drain() - until the next change */
void wgx_routes_drain(int fd);

#endif
