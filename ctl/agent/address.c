/* SPDX-License-Identifier: MIT */
#include "agent/address.h"

#include <errno.h>
#include <ifaddrs.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/link.h"
#include "quick/resolve.h"

#define OVERHEAD 80 /* IPv6 40, UDP 8, header and tag 32 */
#define DEFAULT_MTU 1500
#define LEAST_MTU 1280

static void set_port(struct wgx_endpoint *e, uint16_t port)
{
	e->addr.v4.sin_port = htons(port); /* at the same place in both */
}

/* The address by which the kernel would go there; nothing is sent. */
static bool outward_address(int family, struct wgx_endpoint *ret)
{
	struct wgx_endpoint to = {0}, from = {0};
	socklen_t len = family == AF_INET6 ? sizeof(to.addr.v6) : sizeof(to.addr.v4);
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	if (fd < 0)
		return false;
	/* of the networks for documentation: no route but the default one leads there */
	(void)wgx_endpoint_parse(
		family == AF_INET6 ? "[2001:db8:ffff:ffff::1]:9" : "203.0.113.254:9", &to);
	ok = !connect(fd, &to.addr.sa, len) && !getsockname(fd, &from.addr.sa, &len);
	close(fd);
	if (ok)
		*ret = from;
	return ok;
}

static bool same_address(const struct wgx_endpoint *a, const struct wgx_endpoint *b)
{
	struct wgx_prefix x = wgx_prefix_of_address(a), y = wgx_prefix_of_address(b);

	return wgx_prefix_equal(&x, &y);
}

static bool is_of_link(const struct wgx_prefix *p)
{
	if (p->family == AF_INET6)
		return p->addr[0] == 0xfe && (p->addr[1] & 0xc0) == 0x80;
	return p->addr[0] == 169 && p->addr[1] == 254;
}

static bool in_list(const struct wgx_prefixes *list, const struct wgx_prefix *p)
{
	for (size_t i = 0; i < list->n; i++)
		if (wgx_prefix_contains(&list->items[i], p))
			return true;
	return false;
}

/* Could other nodes reach us under it? @ret: as an endpoint without a port */
static bool is_candidate(const struct wgx_agent_options *o, const struct ifaddrs *i,
			 struct wgx_endpoint *ret)
{
	struct wgx_prefix p;

	if (!i->ifa_addr || !(i->ifa_flags & IFF_UP) || i->ifa_flags & IFF_LOOPBACK ||
	    !strcmp(i->ifa_name, o->interface))
		return false;
	*ret = (struct wgx_endpoint){0};
	if (i->ifa_addr->sa_family == AF_INET)
		memcpy(&ret->addr.v4, i->ifa_addr, sizeof(ret->addr.v4));
	else if (i->ifa_addr->sa_family == AF_INET6)
		memcpy(&ret->addr.v6, i->ifa_addr, sizeof(ret->addr.v6));
	else
		return false;
	p = wgx_prefix_of_address(ret);
	return !is_of_link(&p) && !in_list(&o->cluster, &p);
}

static void add_device(struct wgx_own_addresses *a, const char *name)
{
	for (size_t i = 0; i < a->n_devices; i++)
		if (!strcmp(a->devices[i], name))
			return;
	if (a->n_devices < WGX_AGENT_UNDERLAYS)
		snprintf(a->devices[a->n_devices++], IFNAMSIZ, "%s", name);
}

static void add(struct wgx_own_addresses *a, const struct wgx_agent_options *o,
		const struct wgx_endpoint *e, const char *device)
{
	if (a->n_endpoints == WGX_NODE_ENDPOINTS)
		return;
	a->endpoints[a->n_endpoints] = *e;
	set_port(&a->endpoints[a->n_endpoints++], o->listen_port);
	add_device(a, device);
}

/* The best one of a family; NULL: none. @ret: it */
static const struct ifaddrs *best(const struct wgx_agent_options *o, const struct ifaddrs *list,
				  int family, struct wgx_endpoint *ret)
{
	struct wgx_endpoint outward, e;
	const struct ifaddrs *first = NULL;
	bool known = outward_address(family, &outward);

	for (const struct ifaddrs *i = list; i; i = i->ifa_next) {
		if (!is_candidate(o, i, &e) || e.addr.sa.sa_family != family)
			continue;
		if (first && !(known && same_address(&e, &outward)))
			continue;
		first = i;
		*ret = e;
	}
	return first;
}

static void choose_best(const struct wgx_agent_options *o, const struct ifaddrs *list,
			struct wgx_own_addresses *ret)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < 2; i++) {
		struct wgx_endpoint e;
		const struct ifaddrs *found = best(o, list, families[i], &e);

		if (found)
			add(ret, o, &e, found->ifa_name);
	}
}

static void choose_in_network(const struct wgx_agent_options *o, const struct ifaddrs *list,
			      struct wgx_own_addresses *ret)
{
	for (const struct ifaddrs *i = list; i && !ret->n_endpoints; i = i->ifa_next) {
		struct wgx_endpoint e;
		struct wgx_prefix p;

		if (!is_candidate(o, i, &e))
			continue;
		p = wgx_prefix_of_address(&e);
		if (wgx_prefix_contains(&o->endpoint_network, &p))
			add(ret, o, &e, i->ifa_name);
	}
}

/* Its own name for the others; the devices are those by which it goes out. */
static int choose_fixed(const struct wgx_agent_options *o, const struct ifaddrs *list,
			struct wgx_own_addresses *ret)
{
	struct wgx_resolved r;

	if (wgx_resolve(o->endpoint_host, o->endpoint_port, &r))
		return -EHOSTUNREACH;
	choose_best(o, list, ret);
	ret->n_endpoints = 0;
	for (size_t i = 0; i < r.n && i < WGX_NODE_ENDPOINTS; i++)
		ret->endpoints[ret->n_endpoints++] = r.items[i];
	return 0;
}

int wgx_own_addresses(const struct wgx_agent_options *o, struct wgx_own_addresses *ret)
{
	struct wgx_own_addresses a = {0};
	struct ifaddrs *list;
	int err = 0;

	if (getifaddrs(&list))
		return -errno;
	if (o->endpoint == WGX_ENDPOINT_NETWORK)
		choose_in_network(o, list, &a);
	else if (o->endpoint == WGX_ENDPOINT_FIXED)
		err = choose_fixed(o, list, &a);
	else
		choose_best(o, list, &a);
	freeifaddrs(list);
	if (!err)
		*ret = a;
	return err;
}

uint32_t wgx_own_mtu(const struct wgx_own_addresses *a)
{
	uint32_t mtu = 0;

	for (size_t i = 0; i < a->n_devices; i++) {
		struct wgx_link_info info;

		if (!wgx_link_query(a->devices[i], &info) && (!mtu || info.mtu < mtu))
			mtu = info.mtu;
	}
	if (!mtu)
		mtu = DEFAULT_MTU;
	return mtu < LEAST_MTU + OVERHEAD ? LEAST_MTU : mtu - OVERHEAD;
}
