/* SPDX-License-Identifier: MIT */
/* Devices and routes: offloads, MTUs, routes of allowed IPs, reverse-path filters. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor/doctor.h"
#include "net/ethtool.h"
#include "net/link.h"
#include "net/sysctl.h"
#include "proto/prefix.h"

#define OVERHEAD_V4 60 /* IP, UDP, the message's header and tag */
#define OVERHEAD_V6 80
#define MTU_MIN 576

static const char *string_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* A feature that the device has and that is off; where it cannot be asked, none is. */
static bool is_off(int ifindex, const char *feature)
{
	bool on;

	return !wgx_ethtool_get(ifindex, feature, &on) && !on;
}

static bool is_loopback(int ifindex)
{
	struct wgx_link_info info;

	return !wgx_link_query_index(ifindex, &info) && info.flags & IFF_LOOPBACK;
}

/* ---- offloads ---- */

static const struct {
	const char *feature, *option, *text;
} wanted[] = {
	{"rx-gro", "gro", "each datagram comes through the stack alone"},
	{"tx-generic-segmentation", "gso", "each datagram leaves through the stack alone"},
};

static void check_underlay(struct wgx_doctor *d, const struct wgx_way *way)
{
	bool fine = true;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		if (!is_off(way->ifindex, wanted[i].feature))
			continue;
		fine = false;
		wgx_found(&d->report, WGX_WARNING, "offloads", way->device, "%s is off: %s",
			  wanted[i].option, wanted[i].text);
		wgx_remedy(&d->report, "ethtool -K %s %s on", way->device, wanted[i].option);
	}
	if (fine)
		wgx_found(&d->report, WGX_FINE, "offloads", way->device, "gro and gso are on");
}

/* Without superframes the daemon has switched it off itself. */
static void check_own(struct wgx_doctor *d, const json_t *interface)
{
	const char *name = string_of(interface, "name");
	int ifindex = (int)json_integer_value(json_object_get(interface, "ifindex"));

	if (!strstr(string_of(interface, "mode"), "superframes") ||
	    !is_off(ifindex, "tx-tcp-segmentation"))
		return;
	wgx_found(&d->report, WGX_WARNING, "offloads", name,
		  "tso is off: TCP comes one packet at a time");
	wgx_remedy(&d->report, "ethtool -K %s tso on", name);
}

/* On a gateway: UDP that is forwarded into a tunnel stays in superframes only where GRO is told so. */
static void check_forwarding(struct wgx_doctor *d)
{
	struct if_nameindex *all;
	char value[8];

	if (wgx_sysctl_get("ipv4/ip_forward", NULL, value, sizeof(value)) ||
	    strcmp(value, "1") != 0 || !json_array_size(json_object_get(d->show, "interfaces")))
		return;
	all = if_nameindex();
	for (struct if_nameindex *i = all; i && i->if_index; i++) {
		struct wgx_link_info info;

		if (wgx_link_query_index((int)i->if_index, &info) || wgx_link_is_ours(&info) ||
		    info.flags & IFF_LOOPBACK || !(info.flags & IFF_UP) ||
		    !is_off(info.ifindex, "rx-udp-gro-forwarding"))
			continue;
		wgx_found(
			&d->report, WGX_NOTE, "offloads", info.name,
			"this host forwards: UDP from here goes into tunnels one packet at a time");
		wgx_remedy(&d->report, "ethtool -K %s rx-udp-gro-forwarding on", info.name);
	}
	if_freenameindex(all);
}

void wgx_check_offloads(struct wgx_doctor *d)
{
	const json_t *interface;
	size_t i;

	for (unsigned int w = 0; w < d->n_ways; w++)
		if (wgx_way_is_first(d, w) && !is_loopback(d->ways[w].way.ifindex))
			check_underlay(d, &d->ways[w].way);
	json_array_foreach(json_object_get(d->show, "interfaces"), i, interface) {
		check_own(d, interface);
	}
	check_forwarding(d);
}

/* ---- MTU ---- */

static uint32_t mtu_of(const struct wgx_doctor *d, const char *name)
{
	const json_t *interface;
	size_t i;

	json_array_foreach(json_object_get(d->show, "interfaces"), i, interface) {
		if (!strcmp(string_of(interface, "name"), name))
			return (uint32_t)json_integer_value(json_object_get(interface, "mtu"));
	}
	return 0;
}

void wgx_check_mtu(struct wgx_doctor *d)
{
	for (unsigned int i = 0; i < d->n_ways; i++) {
		const struct wgx_way_out *w = &d->ways[i];
		bool v6 = w->endpoint.addr.sa.sa_family == AF_INET6;
		uint32_t mtu = mtu_of(d, w->interface), overhead = v6 ? OVERHEAD_V6 : OVERHEAD_V4;

		if (!mtu)
			continue;
		if (mtu + overhead <= w->way.mtu) {
			wgx_found(&d->report, WGX_FINE, "mtu", w->interface,
				  "%u, and %u for the tunnel, fit the %u of %s", mtu, overhead,
				  w->way.mtu, w->way.device);
			continue;
		}
		wgx_found(&d->report, WGX_PROBLEM, "mtu", w->interface,
			  "%u, and %u for the tunnel, do not fit the %u on the way by %s: full "
			  "packets go in fragments, or get lost",
			  mtu, overhead, w->way.mtu, w->way.device);
		if (w->way.mtu >= MTU_MIN + overhead)
			wgx_remedy(&d->report, "ip link set %s mtu %u", w->interface,
				   w->way.mtu - overhead);
		else
			wgx_remedy(&d->report, "ip link set %s mtu 1500", w->way.device);
	}
}

/* ---- routes of allowed IPs ---- */

/* The @host-th address of @prefix, or the only one; of all of the Internet one that is not this host's. */
static void sample(const struct wgx_prefix *prefix, uint8_t host, struct wgx_endpoint *ret)
{
	static const uint8_t internet[4] = {8, 8, 8, 8}, internet6[2] = {0x20, 0x01};
	size_t len = prefix->family == AF_INET ? 4 : 16;
	uint8_t addr[16];

	memcpy(addr, prefix->addr, sizeof(addr));
	if (!prefix->cidr)
		memcpy(addr, len == 4 ? internet : internet6, len == 4 ? 4 : 2);
	if (prefix->cidr + 2u <= len * 8)
		addr[len - 1] |= host;
	memset(ret, 0, sizeof(*ret));
	ret->addr.sa.sa_family = prefix->family;
	if (len == 4)
		memcpy(&ret->addr.v4.sin_addr, addr, 4);
	else
		memcpy(&ret->addr.v6.sin6_addr, addr, 16);
}

/* One of its addresses may be this host's own. */
static int way_to(const struct wgx_prefix *prefix, struct wgx_way *ret)
{
	struct wgx_endpoint to;
	int err;

	sample(prefix, 1, &to);
	err = wgx_route_way(&to.addr.sa, 0, ret);
	if (err || !is_loopback(ret->ifindex))
		return err;
	sample(prefix, 2, &to);
	return wgx_route_way(&to.addr.sa, 0, ret);
}

/* A prefix of allowed IPs that is not routed into its interface */
struct stray {
	const char *interface, *peer, *prefix;
	uint8_t family;
	const char *device; /* where to instead; NULL: nowhere */
};

/* @found gets each of the first WGX_ROUTES_MAX prefixes that is one. */
static void each_stray(struct wgx_doctor *d, const json_t *interface,
		       void (*found)(struct wgx_doctor *d, const struct stray *s))
{
	int ifindex = (int)json_integer_value(json_object_get(interface, "ifindex"));
	unsigned int looked_at = 0;
	const json_t *peer, *item;
	size_t i, j;

	json_array_foreach(json_object_get(interface, "peers"), i, peer) {
		const char *name = string_of(peer, "name");
		struct stray s = {.interface = string_of(interface, "name"),
				  .peer = name ? name : string_of(peer, "public_key")};

		json_array_foreach(json_object_get(peer, "allowed_ips"), j, item) {
			struct wgx_prefix prefix;
			struct wgx_way way;
			int err;

			s.prefix = json_string_value(item);
			if (looked_at++ >= WGX_ROUTES_MAX || wgx_prefix_parse(s.prefix, &prefix))
				return;
			err = way_to(&prefix, &way);
			if (!err && way.ifindex == ifindex)
				continue;
			s.family = prefix.family;
			s.device = err ? NULL : way.device;
			found(d, &s);
		}
	}
}

static bool is_up(const json_t *interface)
{
	struct wgx_link_info info;

	return !wgx_link_query_index((int)json_integer_value(json_object_get(interface, "ifindex")),
				     &info) &&
	       info.flags & IFF_UP;
}

static void stray_route(struct wgx_doctor *d, const struct stray *s)
{
	wgx_found(&d->report, WGX_WARNING, "routes", s->interface,
		  "%s of peer %s is not routed into it: packets %s%s", s->prefix, s->peer,
		  s->device ? "leave by " : "have no route", s->device ? s->device : "");
	wgx_remedy(&d->report, "ip route add %s dev %s", s->prefix, s->interface);
}

void wgx_check_routes(struct wgx_doctor *d)
{
	const json_t *interface;
	size_t i;

	json_array_foreach(json_object_get(d->show, "interfaces"), i, interface) {
		unsigned int before = d->report.counts[WGX_WARNING];

		if (!is_up(interface) || !json_array_size(json_object_get(interface, "peers")))
			continue;
		each_stray(d, interface, stray_route);
		if (d->report.counts[WGX_WARNING] == before)
			wgx_found(&d->report, WGX_FINE, "routes", string_of(interface, "name"),
				  "allowed IPs are routed into it");
	}
}

/* ---- the reverse-path filter, of IPv4 ---- */

/* A digit */
static char rp_filter(const char *device)
{
	char value[8];

	return wgx_sysctl_get("ipv4/conf/%s/rp_filter", device, value, sizeof(value)) ? '0'
										      : *value;
}

/* The kernel takes the larger one. */
static bool is_strict(const char *device)
{
	char all = rp_filter("all"), own = rp_filter(device);

	return (all > own ? all : own) == '1';
}

static void remedy_strict(struct wgx_doctor *d, const char *device)
{
	wgx_remedy(&d->report, "sysctl -w net.ipv4.conf.%s.rp_filter=2", device);
}

static void stray_source(struct wgx_doctor *d, const struct stray *s)
{
	if (s->family != AF_INET)
		return;
	wgx_found(&d->report, WGX_PROBLEM, "rp_filter", s->interface,
		  "strict, and the route to %s of peer %s does not lead here: what comes from "
		  "there is dropped",
		  s->prefix, s->peer);
	remedy_strict(d, s->interface);
}

static void check_strict_interface(struct wgx_doctor *d, const json_t *interface)
{
	const char *name = string_of(interface, "name");
	unsigned int before = d->report.counts[WGX_PROBLEM];

	if (!is_up(interface))
		return;
	if (!is_strict(name)) {
		wgx_found(&d->report, WGX_FINE, "rp_filter", name, "not strict");
		return;
	}
	each_stray(d, interface, stray_source);
	if (d->report.counts[WGX_PROBLEM] == before)
		wgx_found(&d->report, WGX_FINE, "rp_filter", name,
			  "strict, and all allowed IPs of IPv4 are routed here");
}

/* A full tunnel: the answer comes by the underlay, and without the mark its source is routed into the tunnel. */
static void check_strict_underlay(struct wgx_doctor *d, const struct wgx_way_out *w)
{
	const char *device = w->way.device;
	struct wgx_way back;
	char mark[8];

	if (!is_strict(device) || w->endpoint.addr.sa.sa_family != AF_INET)
		return;
	if (wgx_sysctl_get("ipv4/conf/all/src_valid_mark", NULL, mark, sizeof(mark)))
		mark[0] = '0';
	if (w->fwmark && mark[0] == '0' &&
	    (wgx_route_way(&w->endpoint.addr.sa, 0, &back) || back.ifindex != w->way.ifindex)) {
		wgx_found(&d->report, WGX_PROBLEM, "rp_filter", device,
			  "strict, and it does not look at the mark of %s: what peers send is "
			  "dropped",
			  w->interface);
		wgx_remedy(&d->report, "sysctl -w net.ipv4.conf.all.src_valid_mark=1");
		return;
	}
	wgx_found(&d->report, WGX_NOTE, "rp_filter", device,
		  "strict: a peer that comes in by another device than packets to it leave by is "
		  "not heard");
	remedy_strict(d, device);
}

void wgx_check_rp_filter(struct wgx_doctor *d)
{
	const json_t *interface;
	size_t i;

	json_array_foreach(json_object_get(d->show, "interfaces"), i, interface) {
		check_strict_interface(d, interface);
	}
	for (unsigned int w = 0; w < d->n_ways; w++)
		if (wgx_way_is_first(d, w))
			check_strict_underlay(d, &d->ways[w]);
}
