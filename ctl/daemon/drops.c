/* SPDX-License-Identifier: MIT */
#include "daemon/drops.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>
#include <wgx/bpf_abi.h>
#include "daemon/answer_memory.h"
#include "daemon/state.h"

static const char *const labels[] = {
#define X(name, label, text) [WGX_DROP_##name] = label,
	WGX_DROP_REASONS(X)
#undef X
};

const char *wgx_drop_label(enum wgx_drop_reason reason)
{
	return labels[reason];
}

static uint64_t load(const _Atomic uint64_t *c)
{
	return atomic_load_explicit(c, memory_order_relaxed);
}

static void add_counters(const _Atomic uint64_t *drops, uint64_t *sum)
{
	for (uint32_t i = 0; i < WGX_DROP_COUNT; i++)
		sum[i] += load(&drops[i]);
}

/* ---- of BPF ---- */

/* All processors' counts; reasons that have not occurred have no entry. */
static void add_bpf(int map, uint64_t *sum)
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values = cpus > 0 ? wgx_answer_calloc((size_t)cpus, sizeof(*values)) : NULL;
	uint32_t key, *last = NULL;

	while (values && !bpf_map_get_next_key(map, last, &key)) {
		last = &key;
		if (key >= WGX_DROP_COUNT || bpf_map_lookup_elem(map, &key, values))
			continue;
		for (int i = 0; i < cpus; i++)
			sum[key] += values[i];
	}
	free(values);
}

static void add_peer_stats(int map, uint32_t id, uint64_t *sum)
{
	struct wgx_bpf_peer_stats stats;

	if (bpf_map_lookup_elem(map, &id, &stats))
		return;
	sum[WGX_DROP_EGRESS_CREDIT] += stats.egress_credit;
	sum[WGX_DROP_EGRESS_LOOP] += stats.egress_loop;
}

/* ---- of the kernel ---- */

static uint64_t xsk_lost(const struct wgx_xsk *x)
{
	struct wgx_xsk_stats stats;

	wgx_xsk_stats(x, &stats);
	return stats.rx_dropped + stats.rx_ring_full;
}

/* What the devices count between the two ends of the pair, in frames. */
struct pair {
	const struct wgx_link *link;
	uint64_t far, wg; /* towards it */
};

static int query_far_end(void *arg)
{
	struct pair *p = arg;
	struct wgx_link_info info;
	int err = wgx_link_query_index(p->link->far_ifindex, &info);

	if (!err)
		p->wg = info.tx_dropped;
	return err;
}

static struct pair query_pair(const struct wgx_served *s)
{
	struct pair p = {.link = &s->link};
	struct wgx_link_info info;

	(void)wgx_netns_call(s->daemon->ns, query_far_end, &p);
	/* a wg0 that moved to another namespace is asked there, with ip -s link */
	if (!wgx_link_query(s->link.name, &info) && info.link == s->link.far_ifindex)
		p.far = info.tx_dropped;
	return p;
}

void wgx_drops_begin(struct wgx_served *s)
{
	struct pair p = query_pair(s);

	s->base_far = p.far;
	s->base_wg = p.wg;
	wgx_lost_watch(s->daemon->lost, true, s->link.far_ifindex);
	wgx_lost_watch(s->daemon->lost, false, s->link.ifindex);
}

void wgx_drops_end(struct wgx_served *s)
{
	wgx_lost_unwatch(s->daemon->lost, true, s->link.far_ifindex);
	wgx_lost_unwatch(s->daemon->lost, false, s->link.ifindex);
}

static uint64_t above(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Between wgx_egress and the seal worker: told by packet; else what the devices count, by frame. */
static void add_outward(const struct wgx_served *s, const struct pair *p, uint64_t *sum)
{
	const struct wgx_lost_prog *lost = s->daemon->lost;
	struct wgx_lost_frames n = {0};

	if (wgx_lost_frames(lost, true, s->link.far_ifindex, &n) &&
	    wgx_lost_frames(lost, false, s->link.ifindex, &n)) {
		sum[WGX_DROP_STEER_NO_RING] += n.no_ring;
		sum[WGX_DROP_EGRESS_BACKLOG] += n.backlog;
		sum[WGX_DROP_EGRESS_LOST] += n.between;
		return;
	}
	add_bpf(wgx_steer_maps(s->steer)->drops, sum);
	for (unsigned int q = 0; q < s->path.n_queues; q++)
		sum[WGX_DROP_STEER_NO_RING] += xsk_lost(s->path.xsk[q]);
	sum[WGX_DROP_EGRESS_BACKLOG] += above(p->far, s->base_far);
}

/* Since Linux 6.5 the open worker is told, and has counted packets: what it knows is not counted twice. */
static void add_inward(const struct wgx_served *s, const struct pair *p, uint64_t *sum)
{
	uint64_t frames = above(p->wg, s->base_wg);

	sum[WGX_DROP_INJECT_BACKLOG] += above(frames, load(&s->path.open.inject_dropped));
}

/* Likewise between wgx_ingress and the collector's ring. */
static void add_collector(struct wgx_daemon *d, uint64_t *sum)
{
	uint64_t told;

	if (wgx_lost_steered(d->lost, &told)) {
		sum[WGX_DROP_STEER_NO_RING] += told;
	} else if (d->collector.there) {
		add_bpf(wgx_steer_maps(d->collector.steer)->drops, sum);
		sum[WGX_DROP_STEER_NO_RING] += xsk_lost(d->collector.xsk);
	}
}

void wgx_drops_retire_ring(struct wgx_daemon *d, struct wgx_xsk *xsk, bool collector)
{
	uint64_t told;

	wgx_count(&d->drops[WGX_DROP_OPEN_STRAY], wgx_open_discard(xsk, collector));
	if (!collector || !wgx_lost_steered(d->lost, &told))
		wgx_count(&d->drops[WGX_DROP_STEER_NO_RING], xsk_lost(xsk));
}

static uint64_t refused(struct wgx_daemon *d, int fd, uint64_t cookie)
{
	struct wgx_lost_datagrams told;
	uint64_t skbs = wgx_bind_refused(fd);

	/* what it was not told of had a wrong checksum */
	return wgx_lost_datagrams(d->lost, cookie, &told) ? told.packets + above(skbs, told.skbs)
							  : skbs;
}

uint64_t wgx_drops_of_sockets(struct wgx_daemon *d, const struct wgx_bind *b)
{
	uint64_t n = 0;

	for (int i = 0; i < WGX_BIND_SOCKETS; i++)
		n += refused(d, b->fds[i], b->cookies[i]);
	return n;
}

uint64_t wgx_drops_unresolved(struct wgx_daemon *d, const struct wgx_bind *b)
{
	uint64_t n = 0;

	for (int i = 0; i < WGX_BIND_SOCKETS; i++)
		n += wgx_lost_unresolved(d->lost, b->cookies[i]);
	return n;
}

/* ---- sums ---- */

void wgx_drops_of_interface(struct wgx_served *s, uint64_t ret[WGX_DROP_COUNT])
{
	const struct pair p = query_pair(s);
	struct wgx_seal_counters sealed;

	wgx_iface_sealed(&s->path, &sealed);
	memset(ret, 0, WGX_DROP_COUNT * sizeof(*ret));
	add_counters(sealed.drops, ret);
	add_counters(s->path.open.drops, ret);
	add_counters(s->drops, ret);
	add_bpf(wgx_egress_maps(s->egress)->drops, ret);
	add_outward(s, &p, ret);
	add_inward(s, &p, ret);
	if (!s->path.bind)
		return;
	ret[WGX_DROP_SOCKET_OVERFLOW] += wgx_drops_of_sockets(s->daemon, s->path.bind);
	ret[WGX_DROP_SEND_UNRESOLVED] += wgx_drops_unresolved(s->daemon, s->path.bind);
}

void wgx_drops_of_peer(struct wgx_served *s, const struct wgx_peer *peer,
		       uint64_t ret[WGX_DROP_COUNT])
{
	for (uint32_t i = 0; i < WGX_DROP_COUNT; i++)
		ret[i] = wgx_peer_drops_get(&peer->drops, (enum wgx_drop_reason)i);
	add_peer_stats(wgx_egress_maps(s->egress)->peer_stats, peer->id, ret);
}

void wgx_drops_of_nobody(struct wgx_daemon *d, uint64_t ret[WGX_DROP_COUNT])
{
	struct wgx_attached *a;

	memset(ret, 0, WGX_DROP_COUNT * sizeof(*ret));
	add_counters(d->drops, ret);
	add_counters(d->protocol.handshakes.drops, ret);
	ret[WGX_DROP_OPEN_STRAY] += load(&d->open_env.stray) + load(&d->seal_env.stray);
	/* one packet a frame */
	cds_list_for_each_entry(a, &d->attached, all)
		for (unsigned int i = 0; i < a->n_xsks; i++)
			ret[WGX_DROP_STEER_NO_RING] += xsk_lost(a->xsks[i]);
	cds_list_for_each_entry(a, &d->attached, all)
		ret[WGX_DROP_SEND_ERROR] += wgx_transmit_lost(a);
	if (d->ingress)
		add_bpf(wgx_ingress_maps(d->ingress)->drops, ret);
	if (d->strict.prog)
		add_bpf(wgx_strict_maps(d->strict.prog)->drops, ret);
	add_collector(d, ret);
}
