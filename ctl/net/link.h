/* SPDX-License-Identifier: MIT */
/*
 * Devices: the veth pair of an interface (NAME here, its far end in the private namespace), the
 * collector, and questions about any device. "Here" is the calling thread's network namespace.
 */
#ifndef WGX_NET_LINK_H
#define WGX_NET_LINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include "net/netns.h"

#define WGX_LINK_MTU 1420 /* P-DT-5 */
#define WGX_LINK_MTU_MAX 65535 /* what veth takes */
#define WGX_COLLECTOR_NAME "wgx-rx"

/**
 * struct wgx_link - a device with its far end
 * @far_name: as the private namespace knows it
 * @mac: of NAME: the destination address of what is injected at the far end
 * @far_mac: of the far end
 * @n_queues: that packets can go by from NAME to the far end, up to WGX_QUEUES_MAX
 * @adopted: the pair was there already
 */
struct wgx_link {
	char name[IFNAMSIZ];
	char far_name[IFNAMSIZ];
	int ifindex;
	int far_ifindex;
	uint8_t mac[6];
	uint8_t far_mac[6];
	uint32_t n_queues;
	bool adopted;
};

/** struct wgx_link_options - zero is right for kernels with superframes but for @superframes itself */
struct wgx_link_options {
	bool superframes; /* keep TSO, USO and checksum offload; false: they are switched off */
	uint32_t
		n_queues; /* from NAME to the far end, where they are made, up to WGX_QUEUES_MAX; 0 counts as 1 */
};

/**
 * wgx_link_create() - make the pair, or take over that of a dead daemon
 * @name: 1 to 15 characters
 *
 * NAME: NOARP, no multicast, no automatic IPv6 address, MTU WGX_LINK_MTU, down; the far end: MTU
 * WGX_LINK_MTU_MAX, up. Where NAME exists and is a veth whose other end is in the private namespace, it is
 * adopted: its offloads, flags and IPv6 settings are made right, while MTU, addresses, routes and up/down
 * stay. The caller knows which interfaces it has: asked twice, this adopts.
 *
 * Return: 0; -EINVAL or -ENAMETOOLONG (bad name), -EEXIST (NAME is another's), or negative errno; on
 * failure nothing is left that was not there before.
 */
int wgx_link_create(struct wgx_netns *ns, const char *name, const struct wgx_link_options *options,
		    struct wgx_link *ret);

/**
 * wgx_link_collector_create() - the pair into which wgx_ingress steers messages from the underlay
 *
 * WGX_COLLECTOR_NAME here: NOARP, IPv6 off, no addresses, up; MTU of both ends WGX_LINK_MTU_MAX. Adopts
 * and fails as wgx_link_create().
 */
int wgx_link_collector_create(struct wgx_netns *ns, struct wgx_link *ret);

/*
 * Not done, for the kernel has no request that would: IPv6 settings do not move with a NAME to another
 * namespace, and cannot be made there from here. It gets a link-local address when it goes up there; what
 * the kernel sends because of that, wgx_egress drops.
 */

/**
 * wgx_link_delete() - delete a device here, and so its other end
 *
 * Where that fails it is tried again at once, twice. 0, -ENODEV, or negative errno.
 */
int wgx_link_delete(int ifindex);

/** wgx_link_set_up() - up or down, a device here */
int wgx_link_set_up(int ifindex, bool up);

/** wgx_link_set_mtu() - of a device here; -EINVAL where the device cannot have it */
int wgx_link_set_mtu(int ifindex, uint32_t mtu);

#define WGX_LINK_ALIAS_MAX 255 /* bytes: IFALIASZ - 1 */
/** wgx_link_set_alias() - a description for people, as `ip link set alias`; empty: none */
int wgx_link_set_alias(int ifindex, const char *text);

/** struct wgx_link_info - what the kernel says of a device here */
struct wgx_link_info {
	char name[IFNAMSIZ];
	char kind[32]; /* "veth", "bridge", …; empty for hardware */
	int ifindex;
	int link; /* ifindex of the device below, of a veth's other end; 0: none */
	int link_nsid; /* the namespace @link is in, as known here; -1: this one */
	int master; /* ifindex of the bridge or bond it is in; 0: none */
	uint32_t mtu;
	uint32_t flags; /* IFF_UP, IFF_LOWER_UP, IFF_NOARP, … */
	uint16_t type; /* ARPHRD_* */
	uint32_t n_rx_queues, n_tx_queues;
	uint64_t tx_dropped; /* of a veth: frames that the other end's backlog did not take */
	uint8_t mac[6]; /* of Ethernet devices */
};

/** wgx_link_query() - by name; 0, -ENODEV, negative errno */
int wgx_link_query(const char *name, struct wgx_link_info *ret);
/** wgx_link_query_index() - by ifindex; 0, -ENODEV, negative errno */
int wgx_link_query_index(int ifindex, struct wgx_link_info *ret);
/** wgx_link_is_ours() - by its MAC address: a wgx interface, of this daemon or another, or the collector */
bool wgx_link_is_ours(const struct wgx_link_info *info);
/** wgx_link_is_ethernet() - its frames begin with an Ethernet header: wgx can be attached to it */
bool wgx_link_is_ethernet(const struct wgx_link_info *info);

#endif
