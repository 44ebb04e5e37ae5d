/* SPDX-License-Identifier: MIT */
/* By which devices, and with which MTUs, the messages of the interfaces leave. */
#include <arpa/inet.h>
#include <string.h>

#include "doctor/doctor.h"

static bool same(const struct wgx_way_out *a, const struct wgx_way_out *b)
{
	return !strcmp(a->interface, b->interface) && a->way.ifindex == b->way.ifindex &&
	       a->way.mtu == b->way.mtu &&
	       a->endpoint.addr.sa.sa_family == b->endpoint.addr.sa.sa_family;
}

static void add(struct wgx_doctor *d, const struct wgx_way_out *w)
{
	for (unsigned int i = 0; i < d->n_ways; i++)
		if (same(&d->ways[i], w))
			return;
	if (d->n_ways < WGX_ROUTES_MAX)
		d->ways[d->n_ways++] = *w;
}

static void add_peers(struct wgx_doctor *d, const json_t *interface)
{
	const char *name = json_string_value(json_object_get(interface, "name"));
	struct wgx_way_out w = {0};
	const json_t *peer;
	size_t i;

	w.fwmark = (uint32_t)json_integer_value(json_object_get(interface, "fwmark"));
	memcpy(w.interface, name, strnlen(name, sizeof(w.interface) - 1));
	json_array_foreach(json_object_get(interface, "peers"), i, peer) {
		const char *text = json_string_value(json_object_get(peer, "endpoint"));

		/* of a gateway's thousands each 64th, and the first 64, tell enough */
		if (i >= WGX_ROUTES_MAX && i % WGX_ROUTES_MAX)
			continue;
		if (text && !wgx_endpoint_parse(text, &w.endpoint) &&
		    !wgx_route_way(&w.endpoint.addr.sa, w.fwmark, &w.way))
			add(d, &w);
	}
}

/* Where there is no endpoint yet, it will be somewhere in the Internet. */
static void add_default(struct wgx_doctor *d)
{
	struct wgx_way_out w = {.endpoint.addr.v4 = {.sin_family = AF_INET}};

	w.endpoint.addr.v4.sin_addr.s_addr = htonl(0x08080808);
	if (!wgx_route_way(&w.endpoint.addr.sa, 0, &w.way))
		add(d, &w);
}

void wgx_ways_find(struct wgx_doctor *d)
{
	const json_t *interface;
	size_t i;

	json_array_foreach(json_object_get(d->show, "interfaces"), i, interface) {
		add_peers(d, interface);
	}
	if (!d->n_ways)
		add_default(d);
}

bool wgx_way_is_first(const struct wgx_doctor *d, unsigned int i)
{
	for (unsigned int j = 0; j < i; j++)
		if (d->ways[j].way.ifindex == d->ways[i].way.ifindex)
			return false;
	return true;
}
