/* SPDX-License-Identifier: MIT */
#include "daemon/show.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <wgx/bpf_abi.h>
#include "daemon/counters.h"
#include "daemon/drops.h"
#include "daemon/peer.h"
#include "daemon/state.h"
#include "device/name.h"
#include "device/secmem.h"
#include "path/aead.h"
#include "proto/key_text.h"

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
	char text[WGX_KEY_TEXT_SIZE];

	wgx_key_format(key, text);
	return json_string(text);
}

/* ---- counters and drops ---- */

static json_t *counters_json(const struct wgx_served *s)
{
	json_t *o = json_object();
	uint64_t n[WGX_CTR_COUNT];
	struct wgx_seal_counters sealed;

	wgx_iface_sealed(&s->path, &sealed);
#define X(name) json_object_set_new(o, #name, integer(load(&sealed.name)));
	WGX_SEAL_COUNTERS(X)
#undef X
#define X(name) json_object_set_new(o, #name, integer(load(&s->path.open.name)));
	WGX_OPEN_COUNTERS(X)
#undef X
	wgx_counters_sum(wgx_egress_maps(s->egress)->counters, s->counted, n);
	json_object_set_new(o, "egress_frames", integer(n[WGX_CTR_EGRESS_FRAMES]));
	json_object_set_new(o, "egress_bytes", integer(n[WGX_CTR_EGRESS_BYTES]));
	json_object_set_new(o, "lan_tcx_frames", integer(n[WGX_CTR_LAN_FRAMES]));
	json_object_set_new(o, "lan_tcx_bytes", integer(n[WGX_CTR_LAN_BYTES]));
	json_object_set_new(o, "lan_tcx_passed", integer(n[WGX_CTR_LAN_PASSED]));
	wgx_lan_counters_json(s, o);
	return o;
}

/* @all: also the reasons that have not occurred */
static json_t *drops_json(const uint64_t drops[WGX_DROP_COUNT], bool all)
{
	json_t *o = json_object();

	for (uint32_t i = 0; i < WGX_DROP_COUNT; i++)
		if (all || drops[i])
			json_object_set_new(o, wgx_drop_label((enum wgx_drop_reason)i),
					    integer(drops[i]));
	return o;
}

static json_t *interface_drops_json(struct wgx_served *s)
{
	uint64_t drops[WGX_DROP_COUNT];

	wgx_drops_of_interface(s, drops);
	return drops_json(drops, true);
}

static json_t *peer_drops_json(struct wgx_served *s, const struct wgx_peer *peer)
{
	uint64_t drops[WGX_DROP_COUNT];

	wgx_drops_of_peer(s, peer, drops);
	return drops_json(drops, false);
}

static json_t *shared_drops_json(struct wgx_daemon *d)
{
	uint64_t drops[WGX_DROP_COUNT];

	wgx_drops_of_nobody(d, drops);
	return drops_json(drops, true);
}

/* ---- peers ---- */

static int add_prefix(const struct wgx_prefix *prefix, void *arg)
{
	char addr[INET6_ADDRSTRLEN], text[INET6_ADDRSTRLEN + 4];

	inet_ntop(prefix->family, prefix->addr, addr, sizeof(addr));
	snprintf(text, sizeof(text), "%s/%u", addr, prefix->cidr);
	return json_array_append_new(arg, json_string(text));
}

static json_t *peer_json(struct wgx_served *s, const struct wgx_peer *peer)
{
	char text[WGX_ENDPOINT_TEXT];
	json_t *o = json_object(), *prefixes = json_array();
	const char *name = wgx_peer_name(peer);
	struct wgx_endpoint e;

	wgx_allowedips_each(&peer->dev->allowed, &peer->allowed, add_prefix, prefixes);
	wgx_endpoint_read(&peer->endpoint, &e);
	json_object_set_new(o, "id", integer(peer->id));
	json_object_set_new(o, "public_key", key_text(peer->session.handshake.remote_static));
	json_object_set_new(o, "name", name ? json_string(name) : json_null());
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
	json_object_set_new(o, "drops", peer_drops_json(s, peer));
	return o;
}

/* ---- modes ---- */

static const char *mode_in(struct wgx_daemon *d)
{
	static char text[64];
	struct wgx_attached *a;

	cds_list_for_each_entry(a, &d->attached, all)
		switch (a->mode) {
		case WGX_INGRESS_NONE:
			break;
		case WGX_INGRESS_TC:
			return d->features->tcx ? "tcx → collector → AF_XDP superframes"
						: "clsact → collector → AF_XDP";
		default:
			snprintf(text, sizeof(text), "native XDP → AF_XDP, %s",
				 wgx_attached_copies(a) ?: "no queue");
			return text;
		}
	return d->features->udp_gro ? "UDP_GRO socket" : "UDP socket";
}

static const char *mode_wg(const struct wgx_served *s)
{
	const char *hook = s->daemon->features->tcx ? "tcx" : "clsact";
	static char text[96];

	snprintf(text, sizeof(text), "%s → generic XDP → AF_XDP %s", hook,
		 s->superframes ? "superframes" : "(one packet a frame)");
	return text;
}

static const char *mode_out(struct wgx_daemon *d)
{
	const bool gso = d->features->udp_gso;
	struct wgx_attached *a;

	cds_list_for_each_entry(a, &d->attached, all)
		if (a->transmitter)
			return gso ? "AF_XDP, else UDP_SEGMENT" : "AF_XDP, else UDP";
	return gso ? "UDP_SEGMENT" : "UDP";
}

/* ---- rings ---- */

static void add_ring(json_t *list, const char *device, unsigned int queue, const struct wgx_xsk *x)
{
	struct wgx_xsk_frames f;

	wgx_xsk_frames(x, &f);
	json_array_append_new(list,
			      json_pack("{s:s, s:i, s:i, s:i, s:i, s:b}", "device", device, "queue",
					(int)queue, "chunks", (int)f.total, "fill", (int)f.fill,
					"rx", (int)f.rx, "zero_copy", x->zero_copy));
}

static json_t *rings_json(struct wgx_daemon *d)
{
	json_t *list = json_array();
	struct wgx_attached *a;
	struct wgx_served *s;

	cds_list_for_each_entry(s, &d->ifaces, all)
		for (unsigned int q = 0; q < s->path.n_queues; q++)
			add_ring(list, s->link.name, q, s->path.xsk[q]);
	if (d->collector.there)
		add_ring(list, d->collector.link.name, 0, d->collector.xsk);
	cds_list_for_each_entry(a, &d->attached, all)
		for (unsigned int i = 0; i < a->n_xsks; i++)
			add_ring(list, a->name, i, a->xsks[i]);
	return list;
}

/* ---- all of it ---- */

/* @only: NULL: all */
static json_t *peers_json(struct wgx_served *s, const struct wgx_peer *only)
{
	json_t *list = json_array();
	struct wgx_peer *peer;

	cds_list_for_each_entry(peer, &s->path.dev->peers, all) {
		if (!only || peer == only)
			json_array_append_new(list, peer_json(s, peer));
		wgx_device_pause(s->path.dev);
	}
	return list;
}

static json_t *interface_json(struct wgx_served *s, bool with_peers, const struct wgx_peer *only)
{
	struct wgx_device *dev = s->path.dev;
	json_t *o = json_object(), *peers;

	json_object_set_new(o, "name", json_string(s->link.name));
	json_object_set_new(o, "ifindex", integer((uint64_t)s->link.ifindex));
	json_object_set_new(o, "mtu", integer(atomic_load(&dev->mtu)));
	json_object_set_new(o, "sealers", integer(s->path.n_queues));
	json_object_set_new(o, "aead", json_string(wgx_aead_name()));
	json_object_set_new(o, "mode", json_string(mode_wg(s)));
	json_object_set_new(o, "mode_in", json_string(mode_in(s->daemon)));
	json_object_set_new(o, "mode_out", json_string(mode_out(s->daemon)));
	json_object_set_new(o, "up", json_boolean(dev->up));
	json_object_set_new(o, "public_key",
			    dev->local->has_identity ? key_text(dev->local->public_key)
						     : json_null());
	json_object_set_new(o, "listen_port", integer(dev->listen_port));
	json_object_set_new(o, "fwmark", integer(dev->fwmark));
	peers = with_peers ? peers_json(s, only) : NULL;
	json_object_set_new(o, "counters", counters_json(s));
	json_object_set_new(o, "drops", interface_drops_json(s));
	if (peers)
		json_object_set_new(o, "peers", peers);
	return o;
}

static json_t *attached_json(struct wgx_daemon *d, const struct wgx_attached *a)
{
	json_t *o = json_object(), *counters = json_object();
	uint64_t n[WGX_CTR_COUNT];

	wgx_counters_sum(wgx_ingress_maps(d->ingress)->counters, d->counted, n);
	/* of all attached devices together: they share one set of maps */
	json_object_set_new(counters, "steered_frames", integer(n[WGX_CTR_INGRESS_STEERED]));
	json_object_set_new(counters, "steered_bytes", integer(n[WGX_CTR_INGRESS_BYTES]));
	json_object_set_new(counters, "passed_frames", integer(n[WGX_CTR_INGRESS_PASSED]));
	json_object_set_new(o, "device", json_string(a->name));
	json_object_set_new(o, "mode", json_string(wgx_attached_mode(a)));
	json_object_set_new(o, "copy", json_boolean(a->copy));
	json_object_set_new(o, "af_xdp", wgx_attached_xsks_json(a));
	json_object_set_new(o, "counters", counters);
	json_object_set_new(o, "strict", wgx_strict_json(d, &a->guard));
	json_object_set_new(o, "lan", wgx_lan_json(d, a));
	json_object_set_new(o, "transmit", wgx_transmit_json(a));
	return o;
}

static json_t *handshakes_json(struct wgx_protocol *p)
{
	const struct wgx_handshakes *h = &p->handshakes;
	json_t *o = json_object();

	json_object_set_new(o, "initiations", integer(load(&h->initiations)));
	json_object_set_new(o, "responses", integer(load(&h->responses)));
	json_object_set_new(o, "cookies", integer(load(&h->cookies)));
	json_object_set_new(o, "waiting", integer(wgx_hsqueue_length(&h->admitted)));
	return o;
}

static void add_worker(json_t *list, const struct wgx_worker *w)
{
	json_t *o = json_object();

	json_object_set_new(o, "name", json_string(w->name));
	json_object_set_new(o, "rounds", integer(load(&w->rounds)));
	json_object_set_new(o, "sleeps", integer(load(&w->sleeps)));
	json_object_set_new(o, "helped", integer(load(&w->helped)));
	json_array_append_new(list, o);
}

static json_t *workers_json(struct wgx_daemon *d)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < d->n_sealers; i++)
		add_worker(list, &d->sealers[i]);
	add_worker(list, &d->opener);
	for (unsigned int i = 0; i < wgx_openers_count(&d->openers); i++)
		add_worker(list, &d->openers.helpers[i]);
	return list;
}

static void add_thread(json_t *list, const char *name, pthread_t thread)
{
	struct timespec used;
	clockid_t clock;

	if (pthread_getcpuclockid(thread, &clock) || clock_gettime(clock, &used))
		return;
	json_array_append_new(list, json_pack("{s:s, s:I}", "name", name, "cpu_ns",
					      (json_int_t)used.tv_sec * 1000000000 + used.tv_nsec));
}

static json_t *threads_json(struct wgx_daemon *d)
{
	json_t *list = json_array();

	for (unsigned int i = 0; i < d->n_sealers; i++)
		add_thread(list, d->sealers[i].name, d->sealers[i].thread);
	add_thread(list, d->opener.name, d->opener.thread);
	for (unsigned int i = 0; i < wgx_openers_count(&d->openers); i++)
		add_thread(list, d->openers.helpers[i].name, d->openers.helpers[i].thread);
	add_thread(list, "wgx-protocol", d->protocol.thread);
	add_thread(list, "wgx-control", pthread_self());
	return list;
}

static json_t *interfaces_json(struct wgx_daemon *d, bool peers)
{
	json_t *list = json_array();
	struct wgx_served *s;

	cds_list_for_each_entry(s, &d->ifaces, all) {
		if (s->doomed)
			continue;
		wgx_device_lock(s->path.dev);
		json_array_append_new(list, interface_json(s, peers, NULL));
		wgx_device_unlock(s->path.dev);
	}
	return list;
}

/* @key: of a peer, a name or a public key; NULL: of all peers */
static json_t *one_interface_json(struct wgx_daemon *d, const char *name, const char *key,
				  bool peers, char *error, size_t size)
{
	struct wgx_served *s = wgx_served_find(d, name);
	struct wgx_peer *peer = NULL;
	json_t *list = NULL;

	if (!s) {
		snprintf(error, size, "%s: no such wgx interface in this network namespace", name);
		return NULL;
	}
	wgx_device_lock(s->path.dev);
	if (!key || (peer = wgx_peer_find(s, key, error, size))) {
		list = json_array();
		json_array_append_new(list, interface_json(s, peers, peer));
	}
	wgx_device_unlock(s->path.dev);
	return list;
}

json_t *wgx_show(struct wgx_daemon *d, const char *name, const char *peer, bool peers, char *error,
		 size_t size)
{
	json_t *o, *attached, *awaited,
		*interfaces = name ? one_interface_json(d, name, peer, peers, error, size)
				   : interfaces_json(d, peers);
	struct wgx_attached *a;

	if (!interfaces)
		return NULL;
	o = json_object();
	attached = json_array();
	awaited = json_array();
	cds_list_for_each_entry(a, &d->attached, all)
		json_array_append_new(attached, attached_json(d, a));
	cds_list_for_each_entry(a, &d->awaited, all)
		json_array_append_new(awaited, json_string(a->name));
	json_object_set_new(o, "version", json_string(WGX_VERSION));
	json_object_set_new(o, "pid", integer((uint64_t)getpid()));
	json_object_set_new(o, "restarts",
			    json_pack("{s:I, s:f}", "count", (json_int_t)d->handovers, "pause_ms",
				      (double)d->handover_pause / 1e6));
	json_object_set_new(o, "interfaces", interfaces);
	json_object_set_new(o, "attached", attached);
	json_object_set_new(o, "awaited", awaited);
	json_object_set_new(o, "rings", rings_json(d));
	json_object_set_new(o, "programs_restored", integer(d->restored));
	json_object_set_new(o, "workers", workers_json(d));
	json_object_set_new(o, "handshakes", handshakes_json(&d->protocol));
	json_object_set_new(o, "threads", threads_json(d));
	json_object_set_new(o, "drops", shared_drops_json(d));
	return o;
}
