/* SPDX-License-Identifier: MIT */
/*
 * How the kernel would send a UDP datagram: by which device, to which neighbour; and when that may have changed.
 * Addresses are of AF_INET (the first 4 bytes) or AF_INET6. "Here" is the network namespace of the descriptor.
 */
#ifndef WGX_NET_NEXTHOP_H
#define WGX_NET_NEXTHOP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/** struct wgx_nexthop_flow - what it is routed by; ports in network byte order */
struct wgx_nexthop_flow {
	uint8_t family;
	uint8_t dst[16];
	uint8_t src[16];
	bool bound; /* @src is to be the source; else the kernel chooses it */
	uint32_t scope; /* IPv6, link-local: the device; 0: any */
	in_port_t sport, dport;
	uint32_t mark;
};

/** struct wgx_nexthop - the answer */
struct wgx_nexthop {
	int ifindex;
	uint8_t gateway[16]; /* the neighbour: @dst itself where it is on the link */
	uint8_t src[16];
	uint32_t mtu; /* of the route, learnt or set; 0: the device's */
	uint32_t hops; /* of the route: TTL or hop limit; 0: as is usual here */
};

/**
 * wgx_nexthop_find() - ask for the route
 * @fd: of wgx_nl_open(0, 0)
 *
 * Return: 0; -EOPNOTSUPP: not a plain one: multipath, another encapsulation, a gateway of another family, or not
 * unicast; -ENETUNREACH, or -EINVAL (the source is not ours), as a send would have it; another negative errno.
 */
int wgx_nexthop_find(int fd, const struct wgx_nexthop_flow *flow, struct wgx_nexthop *ret);

/** struct wgx_neigh - an entry of the neighbour table */
struct wgx_neigh {
	int ifindex;
	uint8_t family;
	uint8_t addr[16];
	uint16_t state; /* NUD_*; 0: there is none */
	uint8_t mac[6]; /* zero where the state has none */
};

/** wgx_neigh_get() - of @ret's ifindex, family and addr. 0, with state 0 where there is none; or negative errno. */
int wgx_neigh_get(int fd, struct wgx_neigh *ret);

/** wgx_nexthop_watch() - a descriptor, readable once routes, addresses, devices or neighbours have changed; or -errno */
int wgx_nexthop_watch(void);
/**
 * wgx_nexthop_changes() - read all that there is
 * @neigh: of each change of a neighbour
 *
 * Return: whether anything else may have changed, or was not told for want of room: then ask for all anew.
 */
bool wgx_nexthop_changes(int fd, void (*neigh)(void *arg, const struct wgx_neigh *n), void *arg);

#endif
