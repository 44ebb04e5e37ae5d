/* SPDX-License-Identifier: MIT */
/*
 * What changes in links and addresses, from netlink, for the daemon's epoll loop.
 *
 * Three kinds of monitor: links and addresses of the namespace the daemon serves, and, for the private
 * namespace, the far ends and the NAMEs they belong to, wherever those are. A monitor begins with the
 * present state: each object is told as if it had just appeared. Where the kernel lost messages for want
 * of room (ENOBUFS), it reads the state anew and tells the differences.
 */
#ifndef WGX_NET_MONITOR_H
#define WGX_NET_MONITOR_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#define WGX_NSID_SELF (-1)

/**
 * struct wgx_link_event - a device appeared, changed, or went
 * @nsid: the namespace it is in, as the monitor's own knows it; WGX_NSID_SELF: the monitor's own
 * @link: ifindex of a veth's other end (0: none, or in a DELLINK, unknown)
 * @link_nsid: the namespace @link is in, as the namespace of the device knows it; WGX_NSID_SELF: the same
 * @far_ifindex: far-end monitor: the far end to which this NAME belongs; 0 for far ends themselves
 * @flags: IFF_UP, IFF_LOWER_UP, …
 * @mac: of Ethernet devices
 * @appeared: the first that is told of it in this namespace
 * @deleted: it is gone from this namespace
 * @moved: with @deleted: to another namespace, from which more is heard if it is a NAME
 */
struct wgx_link_event {
	char name[IFNAMSIZ];
	int ifindex;
	int nsid;
	int link;
	int link_nsid;
	int far_ifindex;
	uint32_t flags;
	uint32_t mtu;
	uint16_t type; /* ARPHRD_* */
	uint8_t mac[6];
	bool appeared;
	bool deleted;
	bool moved;
};

/**
 * struct wgx_addr_event - an address was added (or its flags changed), or went
 * @addr: IPv4 as ::ffff:a.b.c.d, the key of the BPF map `locals`
 * @flags: IFA_F_*
 * @holders: devices that have this address now; deleted with 0: no longer local
 */
struct wgx_addr_event {
	int ifindex;
	uint8_t family; /* AF_INET, AF_INET6 */
	uint8_t prefixlen;
	uint8_t scope; /* RT_SCOPE_* */
	uint8_t addr[16];
	uint32_t flags;
	uint32_t holders;
	bool deleted;
};

/** struct wgx_monitor_ops - NULL: not wanted. They must not close the monitor. */
struct wgx_monitor_ops {
	void (*on_link)(void *arg, const struct wgx_link_event *event);
	void (*on_addr)(void *arg, const struct wgx_addr_event *event);
};

enum wgx_monitor_kind {
	WGX_MONITOR_HOST, /* links and addresses of this namespace */
	/*
	 * Links of the private namespace, and of the NAMEs (the other ends of its veth devices) in whatever
	 * namespace they are or move to. Needs CAP_NET_BROADCAST.
	 */
	WGX_MONITOR_FAR,
};

struct wgx_monitor;

/**
 * wgx_monitor_open() - from a thread that is in the namespace to watch (wgx_netns_call)
 *
 * Nothing is told before the first dispatch: the present state is. Return: 0 or negative errno.
 */
int wgx_monitor_open(enum wgx_monitor_kind kind, const struct wgx_monitor_ops *ops, void *arg,
		     struct wgx_monitor **ret);

/** wgx_monitor_fd() - for epoll, EPOLLIN, level triggered; readable at once for the first dispatch */
int wgx_monitor_fd(const struct wgx_monitor *m);

/**
 * wgx_monitor_dispatch() - read what there is and call back; any one thread; never blocks for events
 *
 * Return: 0 or negative errno (memory, or netlink refuses to dump: try again later).
 */
int wgx_monitor_dispatch(struct wgx_monitor *m);

/** wgx_monitor_close() - NULL is legal */
void wgx_monitor_close(struct wgx_monitor *m);

#endif
