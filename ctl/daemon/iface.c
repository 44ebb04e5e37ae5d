/* SPDX-License-Identifier: MIT */
/* One interface: made of a veth pair, two BPF programs, a ring, sockets and a model; and taken apart. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wgx/bpf_abi.h>
#include "daemon/daemon.h"
#include "daemon/drops.h"
#include "daemon/handover.h"
#include "daemon/log.h"
#include "daemon/state.h"
#include "net/bpffs.h"
#include "net/netlink.h"
#include "path/inject.h"
#include "path/staged.h"

/* Chunks of 4 KB: a ring that fits a cache is faster than a longer one (1024 against 4096: measured). */
#define SEAL_RING 1024
/* Descriptors on their way at most, of each queue: 24 superframes. A ring of 1024 never overflows by them. */
#define CREDIT_LIMIT 448
#define CREDIT_ALPHA 8
/* ICMP unreachable, as many as the kernel sends in all by default (icmp_msgs_per_sec, _burst) */
#define ICMP_RATE 1000
#define ICMP_BURST 50
#define TOS_HANDSHAKE 0x88 /* AF41 (P-DT-7) */

/* ---- what the model asks for: struct wgx_device_ops ---- */

/* @peer: NULL where it is not known */
static void count_unsent(struct wgx_device *dev, struct wgx_peer *peer, int err)
{
	wgx_count(&wgx_served_of(dev)->drops[WGX_DROP_HANDSHAKE_SEND], 1);
	if (peer)
		wgx_peer_drops_add(&peer->drops, WGX_DROP_HANDSHAKE_SEND, 1);
	wgx_log(WGX_LOG_DEBUG, "%s: handshake message not sent: %s", dev->name, strerror(-err));
}

static void op_send_handshake(struct wgx_device *dev, struct wgx_peer *peer, const void *msg,
			      size_t len)
{
	const struct wgx_bind *b = wgx_read(wgx_served_of(dev)->path.bind);
	struct iovec iov = {.iov_base = (void *)msg, .iov_len = len};
	struct wgx_endpoint to;
	int err;

	wgx_source_check(wgx_served_of(dev), peer);
	wgx_endpoint_read(&peer->endpoint, &to);
	if (!b || to.addr.sa.sa_family == AF_UNSPEC)
		return;
	err = wgx_bind_send(b, &to, TOS_HANDSHAKE, &iov, 1, 0);
	if (err) { /* the source may have gone (P-DT-10) */
		wgx_endpoint_clear_source(&peer->endpoint);
		wgx_endpoint_read(&peer->endpoint, &to);
		err = wgx_bind_send(b, &to, TOS_HANDSHAKE, &iov, 1, 0);
	}
	if (!err)
		atomic_fetch_add_explicit(&peer->tx_bytes, len, memory_order_relaxed);
	else
		count_unsent(dev, peer, err);
}

static void op_send_reply(struct wgx_device *dev, const struct wgx_endpoint *to, const void *msg,
			  size_t len)
{
	const struct wgx_bind *b = wgx_read(wgx_served_of(dev)->path.bind);
	struct iovec iov = {.iov_base = (void *)msg, .iov_len = len};
	int err;

	if (!b)
		return;
	err = wgx_bind_send(b, to, 0, &iov, 1,
			    0); /* a cookie reply: no DSCP, as the Linux driver's */
	if (err)
		count_unsent(dev, NULL, err);
}

static void op_seal_command(struct wgx_device *dev, struct wgx_peer *peer, uint32_t commands)
{
	wgx_seal_command(&wgx_served_of(dev)->daemon->sealers[0], peer, commands);
}

static void op_stamp_floor(struct wgx_device *dev, uint8_t stamp[WGX_TIMESTAMP_LEN])
{
	wgx_stamps_floor(&wgx_served_of(dev)->daemon->stamps, stamp);
}

static void op_stamp_reserve(struct wgx_device *dev, const uint8_t stamp[WGX_TIMESTAMP_LEN])
{
	wgx_stamps_reserve(&wgx_served_of(dev)->daemon->stamps, stamp);
}

static void op_wake(struct wgx_device *dev, struct wgx_peer *peer)
{
	wgx_protocol_wake(&wgx_served_of(dev)->daemon->protocol, peer);
}

static const struct wgx_device_ops device_ops = {
	.rebind = wgx_sockets_rebind,
	.unbind = wgx_sockets_unbind,
	.send_handshake = op_send_handshake,
	.send_reply = op_send_reply,
	.seal_command = op_seal_command,
	.stamp_floor = op_stamp_floor,
	.stamp_reserve = op_stamp_reserve,
	.wake = op_wake,
	.free_staged = wgx_staged_free,
	.mirror_prefix = wgx_mirror_prefix,
	.mirror_prefixes = wgx_mirror_prefixes,
	.mirror_peer = wgx_mirror_peer,
	.mirror_peers = wgx_mirror_peers,
	.mirror_receiver = wgx_mirror_receiver,
	.mirror_identity = wgx_mirror_identity,
};

/* ---- making one ---- */

/* By which packets and ICMP messages get into wg0; in the private namespace. */
static int open_inject(struct wgx_served *s)
{
	s->path.inject_fd = wgx_inject_open(s->link.far_ifindex);
	if (s->path.inject_fd < 0)
		return s->path.inject_fd;
	s->path.icmp_fd = wgx_inject_open(s->link.far_ifindex);
	return s->path.icmp_fd < 0 ? s->path.icmp_fd : 0;
}

/* On the private namespace's thread: the far end's rings, program and sockets. */
static int open_far_end(void *arg)
{
	struct wgx_served *s = arg;
	int err = 0;

	for (unsigned int q = 0; !err && q < s->link.n_queues; q++) {
		err = wgx_xsk_create(s->link.far_name, q, SEAL_RING, false, s->superframes,
				     &s->path.xsk[q]);
		if (!err)
			err = wgx_steer_set_xsk(s->steer, q, s->path.xsk[q]->fd);
	}
	if (err)
		return err;
	s->path.n_queues = s->link.n_queues;
	err = wgx_hook_attach(wgx_steer_hook(s->steer), s->link.far_ifindex);
	if (err)
		return err;
	return open_inject(s);
}

/* By its far end, which is always here: wg0 may be in another namespace, and its index be another's. */
static int delete_far_end(void *arg)
{
	struct wgx_served *s = arg;

	return wgx_link_delete(s->link.far_ifindex);
}

static int load_pair(const struct wgx_features *f, struct wgx_egress_prog **egress,
		     struct wgx_steer_prog **steer)
{
	int err = wgx_egress_load(f, egress);

	return err ?: wgx_steer_load(f, steer);
}

static bool take_spare(struct wgx_served *s)
{
	struct wgx_daemon *d = s->daemon;

	if (!d->n_spare)
		return false;
	d->n_spare--;
	s->egress = d->spare[d->n_spare].egress;
	s->steer = d->spare[d->n_spare].steer;
	return true;
}

static int load_programs(struct wgx_served *s)
{
	int err = take_spare(s) ? 0 : load_pair(s->daemon->features, &s->egress, &s->steer);

	return err ?: wgx_mirror_init(&s->mirror, wgx_egress_maps(s->egress));
}

/* Flow control by the queues that the pair has, and a worker for each of them */
static int configure_queues(struct wgx_served *s)
{
	const struct wgx_egress_maps *maps = wgx_egress_maps(s->egress);
	const struct wgx_bpf_config config = {
		.credit_limit = CREDIT_LIMIT,
		.credit_alpha = CREDIT_ALPHA,
		.queues = s->link.n_queues,
	};
	const uint32_t zero = 0;
	int err = 0;

	if (bpf_map_update_elem(maps->config, &zero, &config, BPF_ANY))
		err = -errno;
	if (!err)
		err = wgx_credit_open(&s->path.credit, maps->credit, s->link.n_queues);
	return err ?: wgx_workers_need(s->daemon, s->link.n_queues);
}

static int pin_maps(struct wgx_served *s)
{
	const struct wgx_egress_maps *e = wgx_egress_maps(s->egress);
	const struct wgx_ingress_maps *i = wgx_ingress_maps(s->daemon->ingress);
	const struct {
		const char *name;
		int fd;
	} pins[] = {
		{"allowed_ips4", e->allowed_ips4},
		{"allowed_ips6", e->allowed_ips6},
		{"peers", e->peers},
		{"peer_stats", e->peer_stats},
		{"credit", e->credit},
		{"config", e->config},
		{"drops", e->drops},
		{"counters", e->counters},
		{"xsks", wgx_steer_maps(s->steer)->xsks},
		/* of the whole namespace, the same in each interface's directory */
		{"receivers", i->receivers},
		{"floors", i->floors},
		{"mac1_keys", i->mac1_keys},
		{"ports", i->ports},
		{"locals", i->locals},
		{"ingress_drops", i->drops},
		{"ingress_counters", i->counters},
	};
	int err = wgx_bpffs_make(s->link.name);

	for (size_t n = 0; !err && n < sizeof(pins) / sizeof(pins[0]); n++)
		err = wgx_bpffs_pin(s->link.name, pins[n].name, pins[n].fd);
	return err;
}

static void remove_pins(const char *name)
{
	int err = wgx_bpffs_remove(name);

	if (err) /* perhaps for this moment */
		err = wgx_bpffs_remove(name);
	if (err)
		wgx_log(WGX_LOG_ERR, "%s: removing its pinned maps: %s", name, strerror(-err));
}

static void remove_peers(struct wgx_device *dev)
{
	struct wgx_peer *peer, *next;

	wgx_device_lock(dev);
	cds_list_for_each_entry_safe(peer, next, &dev->peers, all) {
		wgx_peer_remove(peer);
		wgx_device_pause(dev);
	}
	wgx_device_commit(dev);
	wgx_rcu_synchronize(); /* a worker that found a peer alive has let go of it and of us */
}

static void free_served(struct wgx_served *s)
{
	remove_peers(s->path.dev);
	wgx_drops_end(s);
	if (s->egress)
		wgx_hook_detach(wgx_egress_hook(s->egress));
	wgx_steer_free(s->steer);
	for (unsigned int q = 0; q < WGX_QUEUES_MAX; q++)
		wgx_xsk_destroy(s->path.xsk[q]);
	if (s->path.inject_fd >= 0)
		close(s->path.inject_fd);
	if (s->path.icmp_fd >= 0)
		close(s->path.icmp_fd);
	wgx_mirror_gone(s->path.dev);
	wgx_device_destroy(s->path.dev); /* still writes to egress's maps */
	wgx_mirror_free(&s->mirror);
	wgx_bind_close(s->path.bind);
	wgx_credit_close(&s->path.credit);
	wgx_egress_free(s->egress);
	close(s->route_fd);
	free(s->path.coalescer);
	free(s);
}

static struct wgx_served *alloc_served(struct wgx_daemon *d, const char *name)
{
	struct wgx_served *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->daemon = d;
	s->superframes = wgx_features_superframes(d->features);
	s->path.inject_fd = s->path.icmp_fd = -1;
	wgx_icmp_limit_init(&s->path.icmp_limit, ICMP_RATE, ICMP_BURST, wgx_now().boot);
	s->uapi_listener.fd = -1;
	s->lan_slot = s->lan_link = -1;
	CDS_INIT_LIST_HEAD(&s->uapi_clients);
	s->route_fd = wgx_nl_open(0, 0);
	s->path.coalescer = calloc(1, sizeof(*s->path.coalescer));
	if (s->route_fd < 0 || !s->path.coalescer ||
	    wgx_device_create(name, d->next_id++, d->index, &device_ops, s, &s->path.dev)) {
		if (s->route_fd >= 0)
			close(s->route_fd);
		free(s->path.coalescer);
		free(s);
		return NULL;
	}
	return s;
}

struct wgx_served *wgx_served_find(struct wgx_daemon *d, const char *name)
{
	struct wgx_served *s;

	cds_list_for_each_entry(s, &d->ifaces, all)
		if (!s->doomed && !strcmp(s->link.name, name))
			return s;
	return NULL;
}

bool wgx_served_here(const struct wgx_served *s)
{
	struct wgx_link_info info;

	/* the number alone may be another device's by now */
	return !wgx_link_query_index(s->link.ifindex, &info) && info.link == s->link.far_ifindex;
}

static int explain(char *error, size_t size, int err, const char *name, const char *what)
{
	if (err == -EEXIST)
		snprintf(error, size, "%s: the name is taken by another interface", name);
	else if (err == -EPERM)
		snprintf(error, size,
			 "%s: %s: not permitted (needs root with CAP_NET_ADMIN, CAP_NET_RAW, "
			 "CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN)",
			 name, what);
	else
		snprintf(error, size, "%s: %s: %s", name, what, strerror(-err));
	return err;
}

static void enlist(struct wgx_daemon *d, struct wgx_served *s)
{
	pthread_mutex_lock(&d->ifaces_lock);
	cds_list_add_tail(&s->all, &d->ifaces);
	pthread_mutex_unlock(&d->ifaces_lock);
}

static void delist(struct wgx_daemon *d, struct wgx_served *s)
{
	pthread_mutex_lock(&d->ifaces_lock);
	cds_list_del(&s->all);
	pthread_mutex_unlock(&d->ifaces_lock);
}

/* One that was taken over may be up already, and netlink has told of that before we knew it as ours. */
static void learn_link(struct wgx_served *s)
{
	struct wgx_link_event e = {0};
	struct wgx_link_info info;

	if (wgx_link_query_index(s->link.ifindex, &info))
		return; /* it went in the meantime: netlink tells */
	e.flags = info.flags;
	e.mtu = info.mtu;
	memcpy(e.mac, info.mac, sizeof(e.mac));
	wgx_served_link(s, &e);
}

int wgx_served_create(struct wgx_daemon *d, const char *name, unsigned int workers, char *error,
		      size_t size)
{
	struct wgx_link_options options = {.n_queues = workers ?: 1};
	const char *what = "memory";
	struct wgx_served *s;
	int err;

	if (wgx_served_find(d, name))
		return explain(error, size, -EEXIST, name, "");
	s = alloc_served(d, name);
	if (!s)
		return explain(error, size, -ENOMEM, name, what);
	wgx_mirror_identity(s->path.dev, NULL);
	what = "loading BPF programs";
	err = load_programs(s);
	if (err)
		goto free_s;
	what = "making the interface";
	options.superframes = s->superframes;
	err = wgx_link_create(d->ns, name, &options, &s->link);
	if (err)
		goto free_s;
	wgx_iface_set_mac(&s->path, s->link.mac);
	wgx_coalesce_init(s->path.coalescer, s->link.mac, d->features->uso);
	what = "its queues and workers";
	err = configure_queues(s);
	if (err)
		goto delete_link;
	what = "AF_XDP on its far end";
	err = wgx_netns_call(d->ns, open_far_end, s);
	if (err)
		goto delete_link;
	what = "attaching to its egress";
	err = wgx_hook_attach(wgx_egress_hook(s->egress), s->link.ifindex);
	if (err)
		goto delete_link;
	what = "pinning maps in " WGX_BPFFS_DIR;
	err = pin_maps(s);
	if (err)
		goto unpin;
	wgx_drops_begin(s);
	enlist(d, s);
	what = "memory";
	err = wgx_ports_update(d);
	if (err)
		goto unlist;
	what = "listening in " WGX_UAPI_DIR;
	err = wgx_uapi_listen(s);
	if (err)
		goto unserve;
	wgx_strict_join(s);
	wgx_lan_join(s);
	wgx_tell_interface(s, WGX_NEWS_INTERFACE_ADDED);
	learn_link(s);
	if (workers && workers != s->link.n_queues)
		wgx_log(WGX_LOG_WARN,
			"%s: was there with %u queues, so that %u workers seal, not %u", name,
			s->link.n_queues, s->link.n_queues, workers);
	wgx_log(WGX_LOG_INFO, "%s: %s, %s", name, s->link.adopted ? "taken over" : "created",
		s->superframes ? "superframes" : "one packet a frame");
	return 0;
unserve:
unlist:
	delist(d, s);
	if (wgx_ports_update(d)) /* a worker may still look at it: better lost than freed */
		return explain(error, size, err, name, what);
unpin:
	remove_pins(name);
delete_link:
	if (!s->link.adopted)
		wgx_link_delete(s->link.ifindex);
free_s:
	explain(error, size, err, name, what);
	free_served(s);
	return err;
}

/* ---- taking one over from another process ---- */

struct far_call {
	struct wgx_served *s;
	struct wgx_inherited *from;
};

int wgx_served_prepare(struct wgx_daemon *d, unsigned int n)
{
	d->spare = calloc(n + 1, sizeof(*d->spare));
	if (!d->spare)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++) {
		int err = load_pair(d->features, &d->spare[i].egress, &d->spare[i].steer);

		if (err)
			return err;
		d->n_spare++;
	}
	return 0;
}

void wgx_served_prepared(struct wgx_daemon *d)
{
	while (d->n_spare) {
		d->n_spare--;
		wgx_egress_free(d->spare[d->n_spare].egress);
		wgx_steer_free(d->spare[d->n_spare].steer);
	}
	free(d->spare);
	d->spare = NULL;
}

/* As open_far_end(), with the ring of before, and without a packet between the two programs. */
static int inherit_far_end(void *arg)
{
	struct far_call *c = arg;
	struct wgx_served *s = c->s;
	int err = 0;

	for (unsigned int q = 0; !err && q < s->link.n_queues; q++) {
		err = wgx_xsk_adopt(c->from->xsk[q], c->from->umem[q], c->from->ring_size,
				    c->from->multi_buffer, &s->path.xsk[q]);
		if (!err)
			err = wgx_steer_set_xsk(s->steer, q, s->path.xsk[q]->fd);
	}
	if (err)
		return err;
	s->path.n_queues = s->link.n_queues;
	return open_inject(s);
}

void wgx_served_bequeath(const struct wgx_served *s, struct wgx_inherited *ret)
{
	const struct wgx_bind *b = s->path.bind;

	*ret = (struct wgx_inherited){
		.link = s->link,
		.superframes = s->superframes,
		.ring_size = s->path.xsk[0]->ring_size,
		.multi_buffer = s->path.xsk[0]->multi_buffer,
		.egress = wgx_egress_hook(s->egress)->link,
		.steer = wgx_steer_hook(s->steer)->link,
		.listener = s->uapi_listener.fd,
	};
	for (unsigned int q = 0; q < s->path.n_queues; q++) {
		ret->xsk[q] = s->path.xsk[q]->fd;
		ret->umem[q] = s->path.xsk[q]->umem.memfd;
	}
	for (int i = 0; i < WGX_BIND_SOCKETS; i++)
		ret->sockets[i] = b ? b->fds[i] : -1;
}

int wgx_served_inherit(struct wgx_daemon *d, struct wgx_inherited *from, struct wgx_served **ret)
{
	struct wgx_served *s = alloc_served(d, from->link.name);
	struct far_call far = {s, from};
	int err;

	if (!s)
		return -ENOMEM;
	s->link = from->link;
	s->link.adopted = true;
	if (s->superframes != from->superframes)
		return -EOPNOTSUPP;
	wgx_mirror_identity(s->path.dev, NULL);
	err = load_programs(s);
	if (!err)
		err = configure_queues(s);
	if (err)
		return err;
	wgx_iface_set_mac(&s->path, s->link.mac);
	wgx_coalesce_init(s->path.coalescer, s->link.mac, d->features->uso);
	err = wgx_netns_call(d->ns, inherit_far_end, &far);
	if (!err)
		err = wgx_uapi_inherit(s, from->listener);
	if (err)
		return err;
	wgx_drops_begin(s);
	enlist(d, s);
	wgx_strict_join(s);
	*ret = s;
	return 0;
}

/* Ours in the place of what is there: of another process, or what one may have put there. */
static int replace_programs(struct wgx_served *s, int egress, int steer)
{
	int err = wgx_hook_replace(wgx_egress_hook(s->egress), egress, s->link.ifindex);
	int err_far = wgx_hook_replace(wgx_steer_hook(s->steer), steer, s->link.far_ifindex);

	return err ?: err_far;
}

int wgx_served_succeed(struct wgx_served *s, const struct wgx_inherited *from)
{
	return replace_programs(s, from->egress, from->steer);
}

void wgx_served_settle(struct wgx_served *s)
{
	int err = pin_maps(s);

	if (err)
		wgx_log(WGX_LOG_ERR, "%s: pinning maps in " WGX_BPFFS_DIR ": %s", s->link.name,
			strerror(-err));
	wgx_lan_join(s);
	learn_link(s);
}

void wgx_served_reassert(struct wgx_served *s)
{
	int err = replace_programs(s, wgx_egress_hook(s->egress)->link,
				   wgx_steer_hook(s->steer)->link);

	if (err)
		wgx_log(WGX_LOG_ERR, "%s: its BPF programs: %s", s->link.name, strerror(-err));
}

void wgx_served_delete(struct wgx_served *s)
{
	struct wgx_daemon *d = s->daemon;

	wgx_log(WGX_LOG_INFO, "%s: deleted", s->link.name);
	wgx_uapi_unlisten(s);
	wgx_lan_leave(s);
	delist(d, s);
	/* from here on no handshake finds it; now no packet */
	if (wgx_ports_update(d)) {
		wgx_log(WGX_LOG_ERR, "%s: no memory to let go of it", s->link.name);
		return;
	}
	wgx_device_lock(s->path.dev);
	wgx_device_down(s->path.dev);
	wgx_device_unlock(s->path.dev);
	remove_pins(s->link.name);
	(void)wgx_netns_call(d->ns, delete_far_end, s); /* it may be what was deleted */
	if (s->waiting)
		wgx_control_gone(s->waiting);
	wgx_strict_leave(s);
	remove_peers(s->path.dev); /* not under the list's lock, which all handshakes need */
	wgx_tell_interface(s, WGX_NEWS_INTERFACE_REMOVED);
	pthread_mutex_lock(&d->ifaces_lock); /* the protocol thread may hold a peer of it */
	free_served(s);
	pthread_mutex_unlock(&d->ifaces_lock);
}

void wgx_served_link(struct wgx_served *s, const struct wgx_link_event *e)
{
	struct wgx_device *dev = s->path.dev;
	bool up = e->flags & IFF_UP, was_up;
	int err = 0;

	atomic_store_explicit(&dev->mtu, e->mtu, memory_order_relaxed);
	wgx_iface_set_mac(&s->path, e->mac);
	wgx_device_lock(dev);
	was_up = dev->up;
	if (up && !dev->up)
		err = wgx_device_up(dev);
	else if (!up && dev->up)
		wgx_device_down(dev);
	if (dev->up != was_up)
		wgx_tell_interface(s, dev->up ? WGX_NEWS_UP : WGX_NEWS_DOWN);
	wgx_device_unlock(dev);
	if (err)
		wgx_log(WGX_LOG_ERR, "%s: UDP port %u: %s", dev->name, dev->listen_port,
			strerror(-err));
	else if (up)
		wgx_log(WGX_LOG_DEBUG, "%s: up, port %u, mtu %u", dev->name, dev->listen_port,
			e->mtu);
}
