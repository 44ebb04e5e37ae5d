/* SPDX-License-Identifier: MIT */
/* BPF's copy of the model. The model is what counts: a full map slows packets down or drops them, no more. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
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

/* Egress counts where it finds an entry; one that is there keeps its counts. */
static void make_stats(const struct wgx_egress_maps *maps, uint32_t id)
{
	int cpus = libbpf_num_possible_cpus();
	struct wgx_bpf_peer_stats *zero = cpus > 0 ? calloc((size_t)cpus, sizeof(*zero)) : NULL;

	if (zero)
		(void)bpf_map_update_elem(maps->peer_stats, &id, zero, BPF_NOEXIST);
	free(zero);
}

static void set_prefix(int fd, const void *key, const struct wgx_peer *peer, const char *what)
{
	if (peer)
		put(fd, key, &peer->id, what);
	else
		(void)bpf_map_delete_elem(fd, key);
}

void wgx_mirror_prefix(struct wgx_device *dev, const struct wgx_prefix *prefix,
		       const struct wgx_peer *peer)
{
	const struct wgx_egress_maps *maps = wgx_egress_maps(wgx_served_of(dev)->egress);
	struct wgx_lpm4 key4 = {.prefixlen = prefix->cidr};
	struct wgx_lpm6 key6 = {.prefixlen = prefix->cidr};

	if (prefix->family == AF_INET) {
		memcpy(key4.addr, prefix->addr, sizeof(key4.addr));
		set_prefix(maps->allowed_ips4, &key4, peer, "allowed_ips4");
	} else {
		memcpy(key6.addr, prefix->addr, sizeof(key6.addr));
		set_prefix(maps->allowed_ips6, &key6, peer, "allowed_ips6");
	}
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

void wgx_mirror_peer(struct wgx_device *dev, const struct wgx_peer *peer, bool gone)
{
	struct wgx_served *s = wgx_served_of(dev);
	const struct wgx_egress_maps *maps = wgx_egress_maps(s->egress);
	struct wgx_bpf_peer value;

	if (gone) {
		(void)bpf_map_delete_elem(maps->peers, &peer->id);
		(void)bpf_map_delete_elem(maps->peer_stats, &peer->id);
		/* the protocol thread lets go of the peer's timers */
		wgx_protocol_wake(&s->daemon->protocol, (struct wgx_peer *)peer);
		return;
	}
	describe(peer, &value);
	put(maps->peers, &peer->id, &value, "peers");
	make_stats(maps, peer->id);
}

void wgx_mirror_receiver(struct wgx_device *dev, uint32_t index, const struct wgx_peer *peer)
{
	struct wgx_daemon *d = wgx_served_of(dev)->daemon;
	struct wgx_receiver value = {.iface = dev->id};

	if (!d->ingress)
		return;
	if (peer) {
		value.peer = peer->id;
		put(wgx_ingress_maps(d->ingress)->receivers, &index, &value, "receivers");
	} else {
		(void)bpf_map_delete_elem(wgx_ingress_maps(d->ingress)->receivers, &index);
	}
}

void wgx_mirror_port(struct wgx_served *s, uint16_t old, uint16_t port)
{
	const struct wgx_ingress_maps *maps;
	uint32_t key;

	if (!s->daemon->ingress)
		return;
	maps = wgx_ingress_maps(s->daemon->ingress);
	key = old;
	if (old && old != port)
		(void)bpf_map_delete_elem(maps->ports, &key);
	key = port;
	if (port)
		put(maps->ports, &key, &s->path.dev->id, "ports");
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
