/* SPDX-License-Identifier: MIT */
/*
 * Devices that transmit past the stack (path/transmit.h), and how peers are reached by them: from the kernel's routes
 * and neighbour table, and asked anew whenever these may have changed.
 */
#include "daemon/transmit.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <search.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <wgx/bpf_abi.h>
#include "daemon/attach.h"
#include "daemon/log.h"
#include "daemon/state.h"
#include "net/netlink.h"
#include "net/nexthop.h"
#include "net/sysctl.h"
#include "path/transmit.h"

/* Peers in a turn of the loop: others want the control thread as well. */
#define PEERS_A_TURN 64
/* More than the kernel has by default (gc_thresh3): all are forgotten then, and asked for anew where they are used. */
#define NEIGHBOURS_MAX 4096
/*
 * What changes without a word of netlink: what routers have told, of an MTU or of a better way, and sysctls. An MTU is
 * told in IPv6 alone, for in IPv4 routers fragment what we send.
 */
#define AGAIN_NS UINT64_C(10000000000)
#define AGAIN_MTU_NS UINT64_C(1000000000)

/** struct wgx_transmitter - one device */
struct wgx_transmitter {
	struct wgx_transmit *path;
	struct wgx_xsk *
		own; /* in copy mode; NULL: the socket of the first queue, which receives as well */
	int slot; /* in wgx_transmits.at */
	void *neighbours; /* tsearch(3)'s, of struct wgx_neighbour */
	unsigned int n_neighbours;
	/* what is known of the device, since @asked, in @epoch */
	uint64_t epoch, asked;
	bool usable; /* up, and not part of another */
	uint8_t mac[6];
	uint32_t mtu;
	uint8_t hops4, hops6;
};

static struct wgx_transmits *paths_of(struct wgx_daemon *d)
{
	return &d->seal_env.transmits;
}

static uint64_t epoch_of(struct wgx_daemon *d)
{
	return atomic_load_explicit(&paths_of(d)->epoch, memory_order_relaxed);
}

static void set_epoch(struct wgx_daemon *d, bool on)
{
	atomic_store_explicit(&paths_of(d)->epoch, on ? ++d->transmit.last_epoch : 0,
			      memory_order_release);
}

void wgx_transmit_stale(struct wgx_daemon *d)
{
	if (epoch_of(d))
		set_epoch(d, true);
}

/* ---- neighbours ---- */

static int compare(const void *a, const void *b)
{
	const struct wgx_neighbour *x = a, *y = b;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	return memcmp(x->addr, y->addr, sizeof(x->addr));
}

static void set_state(struct wgx_neighbour *n, const struct wgx_neigh *known)
{
	const uint16_t usable = NUD_REACHABLE | NUD_PERMANENT | NUD_STALE | NUD_DELAY | NUD_PROBE;
	uint64_t flags = 0;

	if (known->state & usable)
		flags = WGX_NEIGHBOUR_USABLE;
	/* the stack asks it five seconds after it has sent something, and not before */
	if (known->state & NUD_STALE)
		flags |= WGX_NEIGHBOUR_CONFIRM;
	atomic_store_explicit(&n->state, wgx_neighbour_state(known->mac, flags),
			      memory_order_relaxed);
}

static struct wgx_neighbour *add_neighbour(struct wgx_transmitter *t,
					   const struct wgx_neighbour *key)
{
	struct wgx_neighbour *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->family = key->family;
	memcpy(n->addr, key->addr, sizeof(n->addr));
	if (!tsearch(n, &t->neighbours, compare)) {
		free(n);
		return NULL;
	}
	t->n_neighbours++;
	return n;
}

static struct wgx_neighbour *find_neighbour(struct wgx_transmitter *t, uint8_t family,
					    const uint8_t addr[16])
{
	struct wgx_neighbour key = {.family = family};
	void **found;

	memcpy(key.addr, addr, sizeof(key.addr));
	found = tfind(&key, &t->neighbours, compare);
	return found ? *found : NULL;
}

/* No hop counts any more that leads to one of them. */
static void forget_neighbours(struct wgx_transmitter *t)
{
	tdestroy(t->neighbours, free);
	t->neighbours = NULL;
	t->n_neighbours = 0;
}

static void neighbour_changed(void *arg, const struct wgx_neigh *n)
{
	struct wgx_daemon *d = arg;
	struct wgx_neighbour *known;
	struct wgx_attached *a;

	cds_list_for_each_entry(a, &d->attached, all)
		if (a->transmitter && a->ifindex == n->ifindex &&
		    (known = find_neighbour(a->transmitter, n->family, n->addr)))
			set_state(known, n);
}

static void changed(struct wgx_event *e, uint32_t events)
{
	struct wgx_daemon *d = e->arg;

	if (wgx_nexthop_changes(e->fd, neighbour_changed, d))
		wgx_transmit_stale(d);
}

/* ---- the way to a peer ---- */

static uint8_t hops_by_default(const char *path, const char *ifname)
{
	char text[16];
	uint64_t n;

	if (wgx_sysctl_get(path, ifname, text, sizeof(text)) ||
	    wgx_parse_number(text, strlen(text), UINT8_MAX, &n) || !n)
		return 64;
	return (uint8_t)n;
}

static void look_at_device(struct wgx_daemon *d, struct wgx_attached *a, uint64_t now)
{
	struct wgx_transmitter *t = a->transmitter;
	struct wgx_link_info info, master;

	if (t->epoch == epoch_of(d) && now - t->asked < AGAIN_NS)
		return;
	t->epoch = epoch_of(d);
	t->asked = now;
	t->usable = !wgx_link_query_index(a->ifindex, &info) && info.flags & IFF_UP;
	if (!t->usable)
		return;
	t->usable = !info.master ||
		    (!wgx_link_query_index(info.master, &master) && !strcmp(master.kind, "vrf"));
	memcpy(t->mac, info.mac, sizeof(t->mac));
	t->mtu = info.mtu;
	t->hops4 = hops_by_default("ipv4/ip_default_ttl", NULL);
	t->hops6 = hops_by_default("ipv6/conf/%s/hop_limit", info.name);
}

static struct wgx_attached *find_device(struct wgx_daemon *d, int ifindex)
{
	struct wgx_attached *a;

	cds_list_for_each_entry(a, &d->attached, all)
		if (a->transmitter && a->ifindex == ifindex)
			return a;
	return NULL;
}

static bool is_local6(struct wgx_daemon *d, const uint8_t addr[16])
{
	uint8_t one;

	return !bpf_map_lookup_elem(wgx_ingress_maps(d->ingress)->locals, addr, &one);
}

static void make_flow(const struct wgx_device *dev, uint16_t port, const struct wgx_endpoint *to,
		      struct wgx_nexthop_flow *ret)
{
	*ret = (struct wgx_nexthop_flow){.family = (uint8_t)to->addr.sa.sa_family,
					 .sport = htons(port),
					 .mark = dev->fwmark};
	if (ret->family == AF_INET) {
		memcpy(ret->dst, &to->addr.v4.sin_addr, 4);
		memcpy(ret->src, &to->src4, 4);
		ret->bound = to->src4.s_addr;
		ret->dport = to->addr.v4.sin_port;
		return;
	}
	memcpy(ret->dst, &to->addr.v6.sin6_addr, 16);
	memcpy(ret->src, &to->src6, 16);
	ret->bound = !IN6_IS_ADDR_UNSPECIFIED(&to->src6);
	ret->dport = to->addr.v6.sin6_port;
	ret->scope = to->addr.v6.sin6_scope_id;
}

/* As the kernel has it; and ask it of the neighbour, which tells of later changes by itself. NULL: no memory */
static struct wgx_neighbour *ask_neighbour(struct wgx_daemon *d, struct wgx_attached *a,
					   uint8_t family, const uint8_t addr[16])
{
	struct wgx_neigh known = {.ifindex = a->ifindex, .family = family};
	struct wgx_neighbour key = {.family = family},
			     *n = find_neighbour(a->transmitter, family, addr);

	memcpy(known.addr, addr, sizeof(known.addr));
	memcpy(key.addr, addr, sizeof(key.addr));
	n = n ?: add_neighbour(a->transmitter, &key);
	if (n && !wgx_neigh_get(d->transmit.query_fd, &known))
		set_state(n, &known);
	return n;
}

static uint32_t mtu_of(const struct wgx_nexthop *next, const struct wgx_transmitter *t)
{
	return next->mtu && next->mtu < t->mtu ? next->mtu : t->mtu;
}

/* By the device @a, as @next has it; where something is missing @hop stays as it is: by the socket */
static void take_way(struct wgx_daemon *d, struct wgx_attached *a, const struct wgx_nexthop *next,
		     struct wgx_hop *hop, uint64_t now)
{
	const uint8_t family = (uint8_t)hop->to.addr.sa.sa_family;
	struct wgx_transmitter *t = a->transmitter;
	struct wgx_endpoint to = hop->to;

	look_at_device(d, a, now);
	if (!t->usable)
		return;
	hop->neighbour = ask_neighbour(d, a, family, next->gateway);
	if (!hop->neighbour)
		return;
	if (family == AF_INET)
		memcpy(&to.src4, next->src, 4);
	else
		memcpy(&to.src6, next->src, 16);
	hop->mtu = mtu_of(next, t);
	wgx_encap_init(&hop->encap, &to, hop->port, t->mac,
		       next->hops	   ? (uint8_t)next->hops
		       : family == AF_INET ? t->hops4
					   : t->hops6);
	hop->via = t->path;
	hop->pass = WGX_TRANSMIT_PASS_NONE;
}

static void find_way(struct wgx_daemon *d, const struct wgx_device *dev, struct wgx_hop *hop,
		     uint64_t now)
{
	struct wgx_nexthop_flow flow;
	struct wgx_nexthop next;
	struct wgx_attached *a;

	make_flow(dev, hop->port, &hop->to, &flow);
	hop->pass = WGX_TRANSMIT_PASS_ROUTE;
	/* the kernel looks at that when it sends, and not when it is asked */
	if (flow.family == AF_INET6 && flow.bound && !is_local6(d, flow.src))
		return;
	if (wgx_nexthop_find(d->transmit.query_fd, &flow, &next))
		return;
	hop->pass = WGX_TRANSMIT_PASS_ELSEWHERE;
	if (flow.family == AF_INET6 && memcmp(next.gateway, flow.dst, 16) != 0)
		hop->again = now + AGAIN_MTU_NS;
	a = find_device(d, next.ifindex);
	if (a)
		take_way(d, a, &next, hop, now);
}

static void free_hop(struct rcu_head *rcu)
{
	free(caa_container_of(rcu, struct wgx_hop, rcu));
}

static void resolve(struct wgx_daemon *d, struct wgx_peer *peer)
{
	const uint64_t now = wgx_clock_ns(CLOCK_BOOTTIME);
	struct wgx_hop *hop, *old = peer->hop;
	const struct wgx_bind *bind;

	if (!epoch_of(d) || atomic_load(&peer->dead))
		return;
	bind = wgx_served_of(peer->dev)->path.bind;
	hop = bind ? calloc(1, sizeof(*hop)) : NULL;
	if (!hop)
		return;
	wgx_endpoint_read(&peer->endpoint, &hop->to);
	hop->epoch =
		epoch_of(d); /* before anything is asked: what changes meanwhile comes after it */
	hop->again = now + AGAIN_NS;
	hop->port = bind->port;
	atomic_init(&hop->id, old ? atomic_load(&old->id) : randombytes_random());
	if (hop->to.addr.sa.sa_family != AF_UNSPEC)
		find_way(d, peer->dev, hop, now);
	wgx_publish(peer->hop, hop);
	if (old)
		wgx_rcu_call(&old->rcu, free_hop);
}

static struct wgx_peer *next_wanted(struct wgx_daemon *d)
{
	struct wgx_transmit_state *s = &d->transmit;
	struct wgx_peer_link *l;

	if (!s->taken)
		s->taken = wgx_peerqueue_take(&paths_of(d)->wanted);
	l = s->taken;
	if (!l)
		return NULL;
	s->taken = wgx_peerqueue_done(l);
	return (struct wgx_peer *)((char *)l - offsetof(struct wgx_peer, hop_link));
}

static void forget_full_tables(struct wgx_daemon *d)
{
	struct wgx_attached *a;
	bool any = false;

	cds_list_for_each_entry(a, &d->attached, all)
		any |= a->transmitter && a->transmitter->n_neighbours > NEIGHBOURS_MAX;
	if (!any)
		return;
	wgx_transmit_stale(d);
	wgx_rcu_synchronize();
	cds_list_for_each_entry(a, &d->attached, all)
		if (a->transmitter)
			forget_neighbours(a->transmitter);
}

static void wanted(struct wgx_event *e, uint32_t events)
{
	struct wgx_daemon *d = e->arg;
	uint64_t count = 1;
	struct wgx_peer *peer;

	if (read(e->fd, &count, sizeof(count)) < 0)
		return;
	forget_full_tables(d);
	for (int i = 0; i < PEERS_A_TURN && (peer = next_wanted(d)); i++) {
		resolve(d, peer);
		wgx_peer_put(peer);
	}
	count = 1;
	if (d->transmit.taken && write(e->fd, &count, sizeof(count)) < 0)
		wgx_log(WGX_LOG_ERR, "waking ourselves: %s", strerror(errno));
}

/* ---- devices ---- */

int wgx_transmit_check(const struct wgx_link_info *info, char *text, size_t size)
{
	struct wgx_link_info master;

	if (info->kind[0] && strcmp(info->kind, "veth") != 0) {
		snprintf(text, size,
			 "%s: --transmit: it is a %s; only a device that has no other below it can",
			 info->name, info->kind);
		return -EOPNOTSUPP;
	}
	if (!info->master || wgx_link_query_index(info->master, &master) ||
	    !strcmp(master.kind, "vrf"))
		return 0;
	snprintf(text, size, "%s: --transmit: it is a port of %s, by which packets leave",
		 info->name, master.name);
	return -EINVAL;
}

static void stop(struct wgx_daemon *d)
{
	struct wgx_transmit_state *s = &d->transmit;
	struct wgx_peer *peer;

	wgx_event_close(d->epoll_fd, &s->watch);
	wgx_event_close(d->epoll_fd, &s->wanted);
	if (s->query_fd >= 0)
		close(s->query_fd);
	s->query_fd = -1;
	while ((peer = next_wanted(d)))
		wgx_peer_put(peer);
}

static int add_or_close(struct wgx_daemon *d, struct wgx_event *e, int fd,
			void (*ready)(struct wgx_event *, uint32_t))
{
	int err = fd < 0 ? fd : wgx_event_add(d->epoll_fd, e, fd, ready, d);

	if (err && fd >= 0)
		close(fd);
	return err;
}

static int start(struct wgx_daemon *d)
{
	struct wgx_transmit_state *s = &d->transmit;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), err;

	err = add_or_close(d, &s->wanted, fd < 0 ? -errno : fd, wanted);
	if (!err)
		err = add_or_close(d, &s->watch, wgx_nexthop_watch(), changed);
	if (!err) {
		s->query_fd = wgx_nl_open(0, 0);
		err = s->query_fd < 0 ? s->query_fd : 0;
	}
	if (err)
		stop(d);
	else
		paths_of(d)->wake_fd = s->wanted.fd;
	return err;
}

static int find_slot(struct wgx_daemon *d)
{
	for (int i = 0; i < WGX_TRANSMITS_MAX; i++)
		if (!paths_of(d)->at[i])
			return i;
	return -ENOSPC;
}

static int make(struct wgx_attached *a, struct wgx_transmitter **ret)
{
	struct wgx_transmitter *t = calloc(1, sizeof(*t));
	struct wgx_xsk *xsk = a->n_xsks ? a->xsks[0] : NULL;
	int err = 0;

	if (!t)
		return -ENOMEM;
	if (!xsk || !xsk->tx_size) {
		err = wgx_attached_create_xsk(a->name, 0, 0, false, false, WGX_TRANSMIT_RING,
					      &t->own);
		xsk = t->own;
	}
	if (!err)
		err = wgx_transmit_create(xsk, &t->path);
	if (err) {
		wgx_xsk_destroy(t->own);
		free(t);
		return err;
	}
	*ret = t;
	return 0;
}

int wgx_transmit_on(struct wgx_daemon *d, struct wgx_attached *a, char *text, size_t size)
{
	struct wgx_transmitter *t;
	int slot = find_slot(d), err = slot < 0 ? slot : 0;

	if (!err && !epoch_of(d))
		err = start(d);
	if (!err) {
		err = make(a, &t);
		if (err && !epoch_of(d))
			stop(d);
	}
	if (err) {
		snprintf(text, size, "%s: --transmit: %s", a->name,
			 err == -EBUSY ? "its first queue has another AF_XDP socket"
				       : strerror(-err));
		return err;
	}
	t->slot = slot;
	a->transmitter = t;
	wgx_publish(paths_of(d)->at[slot], t->path);
	set_epoch(d, true);
	return 0;
}

void wgx_transmit_off(struct wgx_daemon *d, struct wgx_attached *a)
{
	struct wgx_transmitter *t = a->transmitter;
	bool others = false;

	if (!t)
		return;
	a->transmitter = NULL;
	wgx_publish(paths_of(d)->at[t->slot], NULL);
	for (int i = 0; i < WGX_TRANSMITS_MAX; i++)
		others |= paths_of(d)->at[i] != NULL;
	set_epoch(d, others);
	wgx_rcu_synchronize(); /* no worker knows it any more, nor will ask for anything */
	wgx_count(&d->drops[WGX_DROP_SEND_ERROR], wgx_transmit_destroy(t->path));
	wgx_xsk_destroy(t->own);
	forget_neighbours(t);
	free(t);
	if (!others)
		stop(d);
}

uint64_t wgx_transmit_lost(const struct wgx_attached *a)
{
	return a->transmitter
		       ? atomic_load_explicit(&a->transmitter->path->lost, memory_order_relaxed)
		       : 0;
}

json_t *wgx_transmit_json(const struct wgx_attached *a)
{
	const struct wgx_transmit *t = a->transmitter ? a->transmitter->path : NULL;

	if (!t)
		return json_null();
	return json_pack("{s:I, s:I, s:I}", "packets",
			 (json_int_t)atomic_load_explicit(&t->packets, memory_order_relaxed),
			 "bytes", (json_int_t)atomic_load_explicit(&t->bytes, memory_order_relaxed),
			 "sends",
			 (json_int_t)atomic_load_explicit(&t->sends, memory_order_relaxed));
}
