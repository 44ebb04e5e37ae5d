/* SPDX-License-Identifier: MIT */
#include "daemon/show.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wgx/bpf_abi.h>
#include "daemon/state.h"
#include "device/secmem.h"
#include "path/aead.h"

static const char *const drop_labels[] = {
#define X(name, label, text) [WGX_DROP_##name] = label,
	WGX_DROP_REASONS(X)
#undef X
};

static json_t *integer(uint64_t v)
{
	return json_integer((json_int_t)v);
}

static uint64_t load(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

static json_t *key_text(const uint8_t key[WGX_KEY_LEN])
{
	char text[sodium_base64_ENCODED_LEN(WGX_KEY_LEN, sodium_base64_VARIANT_ORIGINAL)];

	sodium_bin2base64(text, sizeof(text), key, WGX_KEY_LEN, sodium_base64_VARIANT_ORIGINAL);
	return json_string(text);
}

/* The sum over all processors of one slot of a per-CPU array. */
static uint64_t percpu_sum(int fd, uint32_t slot)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values = cpus > 0 ? calloc((size_t)cpus, sizeof(*values)) : NULL;
	uint64_t sum = 0;

	if (values && !bpf_map_lookup_elem(fd, &slot, values))
		for (int i = 0; i < cpus; i++)
			sum += values[i];
	free(values);
	return sum;
}

/* ---- peers ---- */

static int add_prefix(const struct wgx_prefix *prefix, void *arg)
{
	char addr[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 4];

	inet_ntop(prefix->family, prefix->addr, addr, sizeof(addr));
	snprintf(text, sizeof(text), "%s/%u", addr, prefix->cidr);
	return json_array_append_new(arg, json_string(text));
}

static json_t *peer_json(const struct wgx_peer *peer)
{
	char text[WGX_ENDPOINT_TEXT];
	json_t *o = json_object(), *prefixes = json_array();
	struct wgx_endpoint e;

	wgx_allowedips_each(&peer->allowed, add_prefix, prefixes);
	wgx_endpoint_read(&peer->endpoint, &e);
	json_object_set_new(o, "id", integer(peer->id));
	json_object_set_new(o, "public_key", key_text(peer->session.handshake.remote_static));
	json_object_set_new(o, "endpoint",
			    e.addr.sa.sa_family == AF_UNSPEC
				    ? json_null()
				    : json_string(wgx_endpoint_format(&e, text)));
	json_object_set_new(o, "allowed_ips", prefixes);
	json_object_set_new(o, "latest_handshake",
			    integer(wgx_session_last_handshake(&peer->session) / 1000000000u));
	json_object_set_new(o, "rx_bytes", integer(load(&peer->rx_bytes)));
	json_object_set_new(o, "tx_bytes", integer(load(&peer->tx_bytes)));
	json_object_set_new(o, "rx_packets", integer(load(&peer->rx_packets)));
	json_object_set_new(o, "tx_packets", integer(load(&peer->tx_packets)));
	json_object_set_new(o, "persistent_keepalive", integer(peer->keepalive));
	return o;
}

/* ---- counters and drops ---- */

static json_t *counters_json(const struct wgx_served *s)
{
	const struct wgx_egress_maps *maps = wgx_egress_maps(s->egress);
	json_t *o = json_object();

#define X(name) json_object_set_new(o, #name, integer(load(&s->path.seal.name)));
	WGX_SEAL_COUNTERS(X)
#undef X
#define X(name) json_object_set_new(o, #name, integer(load(&s->path.open.name)));
	WGX_OPEN_COUNTERS(X)
#undef X
	json_object_set_new(o, "egress_frames",
			    integer(percpu_sum(maps->counters, WGX_CTR_EGRESS_FRAMES)));
	json_object_set_new(o, "egress_bytes",
			    integer(percpu_sum(maps->counters, WGX_CTR_EGRESS_BYTES)));
	return o;
}

static uint64_t xsk_lost(const struct wgx_xsk *x)
{
	struct wgx_xsk_stats stats;

	wgx_xsk_stats(x, &stats);
	return stats.rx_dropped + stats.rx_ring_full;
}

/* What the kernel loses between the two ends of the pair, where no program and no socket sees it. */
struct pair_drops {
	const struct wgx_link *link;
	uint64_t towards_far, towards_wg;
};

static int query_far_end(void *arg)
{
	struct pair_drops *p = arg;
	struct wgx_link_info info;
	int err = wgx_link_query_index(p->link->far_ifindex, &info);

	if (!err)
		p->towards_wg = info.tx_dropped;
	return err;
}

static struct pair_drops pair_drops(const struct wgx_served *s)
{
	struct pair_drops p = {.link = &s->link};
	struct wgx_link_info info;

	(void)wgx_netns_call(s->daemon->ns, query_far_end, &p);
	/* a wg0 that moved to another namespace is asked there, with ip -s link */
	if (!wgx_link_query(s->link.name, &info) && info.link == s->link.far_ifindex)
		p.towards_far = info.tx_dropped;
	return p;
}

static uint64_t interface_drops(const struct wgx_served *s, uint32_t reason)
{
	uint64_t n = load(&s->path.seal.drops[reason]) + load(&s->path.open.drops[reason]) +
		     percpu_sum(wgx_egress_maps(s->egress)->drops, reason) +
		     percpu_sum(wgx_steer_maps(s->steer)->drops, reason);

	return reason == WGX_DROP_STEER_NO_RING ? n + xsk_lost(s->path.xsk) : n;
}

/* What happened before it was known whose packet it was. */
static uint64_t shared_drops(struct wgx_daemon *d, uint32_t reason)
{
	uint64_t n = load(&d->protocol.drops[reason]);
	struct wgx_attached *a;

	cds_list_for_each_entry(a, &d->attached, all)
		for (unsigned int i = 0; reason == WGX_DROP_STEER_NO_RING && i < a->n_xsks; i++)
			n += xsk_lost(a->xsks[i]);
	if (d->ingress)
		n += percpu_sum(wgx_ingress_maps(d->ingress)->drops, reason);
	if (d->collector.there) {
		n += percpu_sum(wgx_steer_maps(d->collector.steer)->drops, reason);
		if (reason == WGX_DROP_STEER_NO_RING)
			n += xsk_lost(d->collector.xsk);
	}
	return n;
}

static json_t *interface_drops_json(const struct wgx_served *s)
{
	const struct pair_drops pair = pair_drops(s);
	json_t *o = json_object();

	for (uint32_t i = 0; i < WGX_DROP_COUNT; i++)
		json_object_set_new(o, drop_labels[i], integer(interface_drops(s, i)));
	json_object_set_new(o, drop_labels[WGX_DROP_EGRESS_BACKLOG], integer(pair.towards_far));
	json_object_set_new(o, drop_labels[WGX_DROP_INJECT_BACKLOG], integer(pair.towards_wg));
	return o;
}

static json_t *shared_drops_json(struct wgx_daemon *d)
{
	json_t *o = json_object();

	for (uint32_t i = 0; i < WGX_DROP_COUNT; i++)
		json_object_set_new(o, drop_labels[i], integer(shared_drops(d, i)));
	return o;
}

/* ---- modes ---- */

static const char *mode_in(struct wgx_daemon *d)
{
	struct wgx_attached *a;

	if (cds_list_empty(&d->attached))
		return d->features->udp_gro ? "UDP_GRO socket" : "UDP socket";
	a = cds_list_first_entry(&d->attached, struct wgx_attached, all);
	switch (a->mode) {
	case WGX_INGRESS_TC:
		return d->features->tcx ? "tcx → collector → AF_XDP superframes"
					: "clsact → collector → AF_XDP";
	default:
		return "native XDP → AF_XDP";
	}
}

static const char *mode_wg(const struct wgx_served *s)
{
	const char *hook = s->daemon->features->tcx ? "tcx" : "clsact";
	static char text[96];

	snprintf(text, sizeof(text), "%s → generic XDP → AF_XDP %s", hook,
		 s->superframes ? "superframes" : "(one packet a frame)");
	return text;
}

/* ---- all of it ---- */

static json_t *interface_json(struct wgx_served *s)
{
	struct wgx_device *dev = s->path.dev;
	json_t *o = json_object(), *peers = json_array();
	struct wgx_peer *peer;

	json_object_set_new(o, "name", json_string(s->link.name));
	json_object_set_new(o, "ifindex", integer((uint64_t)s->link.ifindex));
	json_object_set_new(o, "mtu", integer(atomic_load(&dev->mtu)));
	json_object_set_new(o, "aead", json_string(wgx_aead_name()));
	json_object_set_new(o, "mode", json_string(mode_wg(s)));
	json_object_set_new(o, "mode_in", json_string(mode_in(s->daemon)));
	json_object_set_new(o, "mode_out",
			    json_string(s->daemon->features->udp_gso ? "UDP_SEGMENT" : "UDP"));
	pthread_mutex_lock(&dev->lock);
	json_object_set_new(o, "up", json_boolean(dev->up));
	json_object_set_new(o, "public_key",
			    dev->local->has_identity ? key_text(dev->local->public_key)
						     : json_null());
	json_object_set_new(o, "listen_port", integer(dev->listen_port));
	json_object_set_new(o, "fwmark", integer(dev->fwmark));
	cds_list_for_each_entry(peer, &dev->peers, all)
		json_array_append_new(peers, peer_json(peer));
	pthread_mutex_unlock(&dev->lock);
	json_object_set_new(o, "counters", counters_json(s));
	json_object_set_new(o, "drops", interface_drops_json(s));
	json_object_set_new(o, "peers", peers);
	return o;
}

static json_t *attached_json(struct wgx_daemon *d, const struct wgx_attached *a)
{
	const struct wgx_ingress_maps *maps = wgx_ingress_maps(d->ingress);
	json_t *o = json_object(), *counters = json_object();

	/* of all attached devices together: they share one set of maps */
	json_object_set_new(counters, "steered_frames",
			    integer(percpu_sum(maps->counters, WGX_CTR_INGRESS_STEERED)));
	json_object_set_new(counters, "steered_bytes",
			    integer(percpu_sum(maps->counters, WGX_CTR_INGRESS_BYTES)));
	json_object_set_new(counters, "passed_frames",
			    integer(percpu_sum(maps->counters, WGX_CTR_INGRESS_PASSED)));
	json_object_set_new(o, "device", json_string(a->name));
	json_object_set_new(o, "mode", json_string(wgx_attached_mode(a)));
	json_object_set_new(o, "counters", counters);
	return o;
}

static json_t *workers_json(struct wgx_daemon *d)
{
	const struct wgx_worker *workers[] = {&d->sealer, &d->opener};
	json_t *list = json_array();

	for (int i = 0; i < 2; i++) {
		json_t *o = json_object();

		json_object_set_new(o, "name", json_string(workers[i]->ops->name));
		json_object_set_new(o, "rounds", integer(load(&workers[i]->rounds)));
		json_object_set_new(o, "sleeps", integer(load(&workers[i]->sleeps)));
		json_array_append_new(list, o);
	}
	return list;
}

json_t *wgx_show(struct wgx_daemon *d, const char *name)
{
	json_t *o, *interfaces, *attached;
	struct wgx_attached *a;
	struct wgx_served *s;

	if (name && !wgx_served_find(d, name))
		return NULL;
	o = json_object();
	interfaces = json_array();
	attached = json_array();
	cds_list_for_each_entry(s, &d->ifaces, all)
		if (!s->doomed && (!name || !strcmp(name, s->link.name)))
			json_array_append_new(interfaces, interface_json(s));
	cds_list_for_each_entry(a, &d->attached, all)
		json_array_append_new(attached, attached_json(d, a));
	json_object_set_new(o, "version", json_string(WGX_VERSION));
	json_object_set_new(o, "pid", integer((uint64_t)getpid()));
	json_object_set_new(o, "interfaces", interfaces);
	json_object_set_new(o, "attached", attached);
	json_object_set_new(o, "workers", workers_json(d));
	json_object_set_new(o, "drops", shared_drops_json(d));
	json_object_set_new(o, "stray_frames", integer(load(&d->open_env.stray)));
	return o;
}
