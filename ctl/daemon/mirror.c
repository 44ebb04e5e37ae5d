/* SPDX-License-Identifier: MIT */
/* BPF's copy of the model. The model is what counts: a full map slows packets down or drops them, no more. */
#include <bpf/bpf.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <string.h>
#include <wgx/bpf_abi.h>
#include "daemon/log.h"
#include "daemon/state.h"

static void put(int fd, const void *key, const void *value, const char *what)
{
	static _Atomic bool warned; /* the control thread and the protocol thread mirror */

	if (bpf_map_update_elem(fd, key, value, BPF_ANY) && !atomic_exchange(&warned, true))
		wgx_log(WGX_LOG_ERR, "BPF map %s takes no more: %s", what, strerror(errno));
}

int wgx_mirror_init(struct wgx_mirror *m, const struct wgx_egress_maps *maps)
{
	int err = wgx_mapqueue_init(&m->allowed4, maps->allowed_ips4, "allowed_ips4",
				    sizeof(struct wgx_lpm4), sizeof(uint32_t));

	if (!err)
		err = wgx_mapqueue_init(&m->allowed6, maps->allowed_ips6, "allowed_ips6",
					sizeof(struct wgx_lpm6), sizeof(uint32_t));
	if (!err)
		err = wgx_mapqueue_init(&m->peers, maps->peers, "peers", sizeof(uint32_t),
					sizeof(struct wgx_bpf_peer));
	if (!err)
		err = wgx_mapqueue_init(&m->stats, maps->peer_stats, "peer_stats", sizeof(uint32_t),
					sizeof(struct wgx_bpf_peer_stats));
	return err;
}

void wgx_mirror_free(struct wgx_mirror *m)
{
	wgx_mapqueue_free(&m->allowed4);
	wgx_mapqueue_free(&m->allowed6);
	wgx_mapqueue_free(&m->peers);
	wgx_mapqueue_free(&m->stats);
}

/* Half of the room: the rest is for what comes before the next time. */
static bool flush_if(struct wgx_mapqueue *q, bool all)
{
	return (!all && q->n < WGX_MAPQUEUE_MAX / 2) || wgx_mapqueue_flush(q);
}

void wgx_mirror_prefixes(struct wgx_device *dev, bool all)
{
	struct wgx_served *s = wgx_served_of(dev);
	bool ok4 = flush_if(&s->mirror.allowed4, all), ok6 = flush_if(&s->mirror.allowed6, all);

	if (!ok4 || !ok6)
		wgx_strict_incomplete(s);
}

void wgx_mirror_peers(struct wgx_device *dev)
{
	struct wgx_mirror *m = &wgx_served_of(dev)->mirror;

	(void)wgx_mapqueue_flush(&m->peers);
	(void)wgx_mapqueue_flush(&m->stats);
}

static void set_prefix(struct wgx_mapqueue *q, const void *key, const struct wgx_peer *peer)
{
	if (peer)
		wgx_mapqueue_put(q, key, &peer->id);
	else
		wgx_mapqueue_delete(q, key);
}

void wgx_mirror_prefix(struct wgx_device *dev, const struct wgx_prefix *prefix,
		       const struct wgx_peer *peer)
{
	struct wgx_served *s = wgx_served_of(dev);
	struct wgx_lpm4 key4 = {.prefixlen = prefix->cidr};
	struct wgx_lpm6 key6 = {.prefixlen = prefix->cidr};

	if (prefix->family == AF_INET) {
		memcpy(key4.addr, prefix->addr, sizeof(key4.addr));
		set_prefix(&s->mirror.allowed4, &key4, peer);
	} else {
		memcpy(key6.addr, prefix->addr, sizeof(key6.addr));
		set_prefix(&s->mirror.allowed6, &key6, peer);
	}
	wgx_strict_prefix(s, prefix, peer != NULL);
}

static void describe(const struct wgx_peer *peer, struct wgx_bpf_peer *ret)
{
	struct wgx_endpoint e;

	memset(ret, 0, sizeof(*ret));
	memcpy(ret->public_key, peer->session.handshake.remote_static, sizeof(ret->public_key));
	wgx_endpoint_read(&peer->endpoint, &e);
	if (e.addr.sa.sa_family == AF_INET) {
		ret->endpoint[10] = ret->endpoint[11] = 0xff;
		memcpy(ret->endpoint + 12, &e.addr.v4.sin_addr, 4);
		ret->port = ntohs(e.addr.v4.sin_port);
	} else if (e.addr.sa.sa_family == AF_INET6) {
		memcpy(ret->endpoint, &e.addr.v6.sin6_addr, 16);
		ret->port = ntohs(e.addr.v6.sin6_port);
	}
}

static void forget_peer(struct wgx_served *s, struct wgx_peer *peer)
{
	wgx_mapqueue_delete(&s->mirror.peers, &peer->id);
	wgx_mapqueue_delete(&s->mirror.stats, &peer->id);
	if (peer->timed) /* the protocol thread lets go of the peer's timers */
		wgx_protocol_wake(&s->daemon->protocol, peer);
}

void wgx_mirror_peer(struct wgx_device *dev, const struct wgx_peer *peer, enum wgx_peer_news news)
{
	static const enum wgx_news_type types[] = {
		[WGX_PEER_NEW] = WGX_NEWS_PEER_ADDED,
		[WGX_PEER_MOVED] = WGX_NEWS_ENDPOINT,
		[WGX_PEER_GONE] = WGX_NEWS_PEER_REMOVED,
		[WGX_PEER_HANDSHAKE] = WGX_NEWS_HANDSHAKE,
		[WGX_PEER_EXPIRED] = WGX_NEWS_EXPIRED,
		[WGX_PEER_UNANSWERED] = WGX_NEWS_UNANSWERED,
	};
	const struct wgx_bpf_peer_stats zero = {0};
	struct wgx_served *s = wgx_served_of(dev);
	struct wgx_bpf_peer value;

	wgx_tell_peer(s, types[news], peer);
	if (news > WGX_PEER_GONE)
		return; /* of the session, of which BPF knows nothing */
	if (news == WGX_PEER_GONE) {
		forget_peer(s, (struct wgx_peer *)peer);
		return;
	}
	describe(peer, &value);
	wgx_mapqueue_put(&s->mirror.peers, &peer->id, &value);
	if (news == WGX_PEER_NEW) /* egress counts where it finds an entry */
		wgx_mapqueue_put(&s->mirror.stats, &peer->id, &zero);
}

void wgx_mirror_receiver(struct wgx_device *dev, uint32_t index, const struct wgx_peer *peer)
{
	struct wgx_daemon *d = wgx_served_of(dev)->daemon;
	struct wgx_receiver value = {.iface = dev->id};

	if (!d->ingress)
		return;
	if (peer) {
		value.peer = peer->id;
		value.floor = wgx_index_floor(d->index, index);
		put(wgx_ingress_maps(d->ingress)->receivers, &index, &value, "receivers");
	} else {
		(void)bpf_map_delete_elem(wgx_ingress_maps(d->ingress)->receivers, &index);
	}
}

void wgx_mirror_identity(struct wgx_device *dev, const uint8_t *public_key)
{
	struct wgx_daemon *d = wgx_served_of(dev)->daemon;
	struct wgx_mac1_key key = {.present = public_key != NULL};

	if (!d->ingress)
		return;
	if (public_key)
		wgx_cookie_mac1_state(key.state, public_key);
	/* until the new one is there, and should there be no room for it, the protocol thread judges alone */
	wgx_mirror_gone(dev);
	put(wgx_ingress_maps(d->ingress)->mac1_keys, &dev->id, &key, "mac1_keys");
}

void wgx_mirror_gone(struct wgx_device *dev)
{
	struct wgx_daemon *d = wgx_served_of(dev)->daemon;

	if (d->ingress)
		(void)bpf_map_delete_elem(wgx_ingress_maps(d->ingress)->mac1_keys, &dev->id);
}

/* Ingress takes what comes to our port. */
static void mirror_port(struct wgx_served *s, uint32_t old, uint32_t port)
{
	const struct wgx_ingress_maps *maps;

	if (!s->daemon->ingress)
		return;
	maps = wgx_ingress_maps(s->daemon->ingress);
	if (old && old != port)
		(void)bpf_map_delete_elem(maps->ports, &old);
	if (port)
		put(maps->ports, &port, &s->path.dev->id, "ports");
}

/* Egress drops what they send. */
static void mirror_cookies(struct wgx_served *s, const struct wgx_bind *b)
{
	const int fd = wgx_egress_maps(s->egress)->config;
	struct wgx_bpf_config config;
	const uint32_t zero = 0;

	if (bpf_map_lookup_elem(fd, &zero, &config))
		return;
	for (int i = 0; i < 2; i++)
		config.own_sockets[i] = b ? b->cookies[i] : 0;
	put(fd, &zero, &config, "config");
}

void wgx_mirror_sockets(struct wgx_served *s, const struct wgx_bind *old,
			const struct wgx_bind *new)
{
	mirror_port(s, old ? old->port : 0, new ? new->port : 0);
	mirror_cookies(s, new);
}

void wgx_mirror_local(struct wgx_daemon *d, const uint8_t addr[16], bool there)
{
	const uint8_t one = 1;

	if (!d->ingress)
		return;
	if (there)
		put(wgx_ingress_maps(d->ingress)->locals, addr, &one, "locals");
	else
		(void)bpf_map_delete_elem(wgx_ingress_maps(d->ingress)->locals, addr);
}
