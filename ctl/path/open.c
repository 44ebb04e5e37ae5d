/* SPDX-License-Identifier: MIT */
#include "path/open.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <wgx/bpf_abi.h>
#include "path/aead.h"
#include "path/ecn.h"
#include "path/iface.h"
#include "path/inject.h"
#include "path/inner.h"
#include "path/openers.h"
#include "path/outer.h"
#include "path/segment.h"

/* Messages opened before what came of them is injected: their chunks are held so long. */
#define MESSAGES_A_ROUND WGX_OPENINGS_MAX
/* Messages that lie across chunks are copied here; it lasts a round, and one superframe more. */
#define BOUNCE_BYTES (512 * 1024)
/* One UDP_GRO receive */
#define RECEIVE_BYTES 65536
/*
 * Beside AF_XDP rings, which are looked at without a system call, sockets have little to say: handshakes,
 * fragments. Asking both in each round took a fifth of the worker's time, and throughput with it.
 */
#define SOCKETS_NS 20000

#define OLDER_AT_MOST 64 /* receives of a socket, before a ring is served */
/* So long after ports have changed, sockets may have what is older than what a ring has: a device was attached. */
#define TURNED_NS UINT64_C(2000000000)

/* How far a keypair's floor may lag: telling BPF is one store to a shared cache line each so many messages. */
#define FLOOR_STEP 1024

/** struct origin - what a run of messages has in common */
struct origin {
	struct wgx_iface *iface;
	const struct wgx_endpoint *from;
	uint8_t tos;
	bool xsk; /* came through AF_XDP */
	/* the last message's, since most have the same */
	uint32_t index;
	struct wgx_keypair *kp;
	struct wgx_peer *found; /* whose @kp is */
	/* the last one's that was decrypted */
	struct wgx_peer *peer;
	struct wgx_peer *roamed; /* whose endpoint was compared already */
	struct wgx_peer *source_owner; /* of source */
	uint8_t source[16], source_len;
	uint64_t wire, packets; /* of peer, not yet counted */
};

/** struct arrival - a frame, for as long as messages of it are listed */
struct arrival {
	struct wgx_outer outer;
	struct origin org;
};

struct opener {
	struct wgx_aead *aead;
	struct wgx_openers
		*list; /* in this turn: of helpers; NULL: each message is decrypted at once */
	struct arrival arrivals[MESSAGES_A_ROUND];
	unsigned int n_arrivals; /* of which messages are listed */
	uint8_t *bounce, *receive;
	size_t bounce_used;
	unsigned int messages; /* since the last flush */
	uint64_t sockets_asked; /* when, ns */
	bool sockets_due; /* in this round */
	bool sockets_busy; /* one gave something in this round */
};

/* One message, whose peer is not known, or not yet */
static void drop(struct wgx_iface *i, enum wgx_drop_reason reason)
{
	wgx_count(&i->open.drops[reason], 1);
}

static void drop_of(struct wgx_iface *i, struct wgx_peer *peer, enum wgx_drop_reason reason,
		    unsigned int packets)
{
	wgx_count(&i->open.drops[reason], packets);
	wgx_peer_drops_add(&peer->drops, reason, packets);
}

/* A packet goes to its coalescer. */
static void touch(struct wgx_iface *i)
{
	if (i->touched)
		return;
	i->touched = true;
	wgx_iface_mac(i, i->coalescer->mac);
}

static enum wgx_drop_reason lost_why(const struct wgx_iface *i, const struct wgx_gso *g)
{
	switch (g->fate) {
	case WGX_GSO_TOO_BIG:
		return WGX_DROP_INJECT_MTU;
	case WGX_GSO_DROPPED: /* without sockets, wg0 is down */
		return wgx_read(i->bind) ? WGX_DROP_INJECT_BACKLOG : WGX_DROP_INJECT_ERROR;
	default:
		return WGX_DROP_INJECT_ERROR;
	}
}

static void count_lost(struct wgx_iface *i, unsigned int n)
{
	for (const struct wgx_gso *g = i->coalescer->gso; n; g++, n--)
		if (g->fate != WGX_GSO_SENT)
			drop_of(i, g->owner, lost_why(i, g), g->packets);
}

static void flush_iface(struct wgx_iface *i)
{
	unsigned int n = wgx_coalesce_finish(i->coalescer);
	struct wgx_inject_result r;

	wgx_inject(i->inject_fd, i->coalescer->gso, n,
		   atomic_load_explicit(&i->dev->mtu, memory_order_relaxed), &r);
	if (r.lost)
		count_lost(i, n);
	wgx_coalesce_reset(i->coalescer);
	i->touched = false;
	wgx_count(&i->open.injected_packets, r.sent_packets);
	wgx_count(&i->open.injected_segments, r.sent_segments);
	wgx_count(&i->open.inject_dropped, r.dropped);
}

/* Inject all that was opened: afterwards no chunk and no bounce buffer is referred to. */
static void flush_all(struct opener *o, const struct wgx_portset *set)
{
	for (unsigned int n = 0; n < set->n_ifaces; n++)
		if (set->ifaces[n]->touched)
			flush_iface(set->ifaces[n]);
	o->bounce_used = 0;
	o->messages = 0;
}

static void settle(struct origin *org)
{
	if (!org->peer)
		return;
	atomic_fetch_add_explicit(&org->peer->rx_bytes, org->wire, memory_order_relaxed);
	atomic_fetch_add_explicit(&org->peer->rx_packets, org->packets, memory_order_relaxed);
	org->wire = org->packets = 0;
}

static struct wgx_keypair *find_keypair(struct wgx_worker *w, struct origin *org, uint32_t index)
{
	struct wgx_open_env *env = w->env;

	if (org->kp && org->index == index)
		return org->kp;
	org->found = wgx_index_find(env->index, index, &org->kp);
	org->index = index;
	/* an index is one interface's: on another's port it means nothing */
	if (org->found && org->found->dev != org->iface->dev)
		org->found = NULL;
	if (!org->found)
		org->kp = NULL;
	return org->kp;
}

/* Any authenticated packet moves its peer to where it came from (P-DT-1). */
static void roam(struct wgx_worker *w, struct origin *org)
{
	struct wgx_open_env *env = w->env;
	struct wgx_endpoint now;

	if (org->roamed == org->peer)
		return;
	org->roamed = org->peer;
	wgx_endpoint_read(&org->peer->endpoint, &now);
	if (!wgx_endpoint_is_news(&now, org->from) || wgx_endpoint_unscoped(org->from))
		return;
	wgx_endpoint_write(&org->peer->endpoint, org->from);
	env->roamed(env->arg, org->peer);
}

/* Cryptokey routing: the inner source must be this peer's (P-DT-3). */
static bool source_allowed(struct origin *org, const struct wgx_inner *inner)
{
	if (org->source_len != inner->addr_len ||
	    memcmp(org->source, inner->src, inner->addr_len)) {
		org->source_len = inner->addr_len;
		memcpy(org->source, inner->src, inner->addr_len);
		org->source_owner = wgx_device_route(org->iface->dev,
						     inner->v6 ? AF_INET6 : AF_INET, inner->src);
	}
	return wgx_peer_is_source(org->peer, org->source_owner);
}

/* Return: false where it is none of this peer's packets */
static bool deliver(struct wgx_worker *w, struct origin *org, uint8_t *packet, size_t len)
{
	struct wgx_iface *i = org->iface;
	struct wgx_inner inner;

	if (wgx_inner_parse(packet, len, &inner)) {
		drop_of(i, org->peer, WGX_DROP_OPEN_INNER_MALFORMED, 1);
		return false;
	}
	if (!source_allowed(org, &inner)) {
		drop_of(i, org->peer, WGX_DROP_OPEN_SOURCE, 1);
		return false;
	}
	wgx_ecn_decap(org->tos, packet);
	touch(i);
	i->coalescer->owner = org->peer;
	if (wgx_coalesce_add(i->coalescer, packet, inner.len)) {
		flush_iface(i);
		touch(i);
		if (wgx_coalesce_add(i->coalescer, packet, inner.len))
			drop_of(i, org->peer, WGX_DROP_INJECT_ERROR, 1);
	}
	return true;
}

static void count_opened(struct origin *org, size_t plain)
{
	struct wgx_open_counters *c = &org->iface->open;

	wgx_count(&c->opened_packets, 1);
	wgx_count(&c->opened_bytes, plain);
	wgx_count(org->xsk ? &c->opened_xsk_packets : &c->opened_socket_packets, 1);
	wgx_count(org->xsk ? &c->opened_xsk_bytes : &c->opened_socket_bytes, plain);
	org->packets++;
}

/* BPF drops what is hopelessly behind; what is just behind, the window here. */
static void tell_floor(const struct wgx_keypair *kp)
{
	uint64_t floor = wgx_replay_floor(&kp->replay);

	if (kp->floor &&
	    floor - atomic_load_explicit(kp->floor, memory_order_relaxed) >= FLOOR_STEP)
		atomic_store_explicit(kp->floor, floor, memory_order_relaxed);
}

/* Whose is it, and may it be opened at all? Return: false where not, and it is counted */
static bool open_begin(struct wgx_worker *w, struct origin *org, uint8_t *msg, size_t len,
		       struct wgx_opening *ret)
{
	struct wgx_iface *i = org->iface;
	struct wgx_msg_data header; /* a copy: a segment of a superframe is not aligned */
	struct wgx_keypair *kp;

	if (len < WGX_MSG_DATA_MIN) {
		drop(i, WGX_DROP_OPEN_MALFORMED);
		return false;
	}
	memcpy(&header, msg, sizeof(header));
	kp = find_keypair(w, org, le32toh(header.receiver));
	if (!kp) {
		drop(i, WGX_DROP_OPEN_UNKNOWN_RECEIVER);
		return false;
	}
	if (!wgx_keypair_may_open(kp, w->boot)) {
		drop_of(i, org->found, WGX_DROP_OPEN_KEY_EXPIRED, 1);
		return false;
	}
	ret->kp = kp;
	ret->peer = org->found;
	ret->origin = org;
	ret->payload = msg + WGX_DATA_HEADER_LEN;
	ret->counter = le64toh(header.counter);
	ret->plain = (uint32_t)(len - WGX_DATA_OVERHEAD);
	return true;
}

/* In the order of arrival. @err: of its decryption */
static void open_end(struct wgx_worker *w, struct origin *org, const struct wgx_opening *m, int err)
{
	struct wgx_iface *i = org->iface;

	if (org->peer != m->peer) {
		settle(org);
		org->peer = m->peer;
	}
	if (err) {
		drop_of(i, org->peer, WGX_DROP_OPEN_AUTH, 1);
		return;
	}
	if (!wgx_replay_accept(&m->kp->replay, m->counter)) {
		drop_of(i, org->peer, WGX_DROP_OPEN_REPLAY, 1);
		return;
	}
	tell_floor(m->kp);
	count_opened(org, m->plain);
	roam(w, org);
	wgx_session_note_received(&org->peer->session, m->kp, w->boot, m->plain > 0);
	if (!m->plain)
		wgx_count(&i->open.keepalives_received, 1);
	else if (!deliver(w, org, m->payload, m->plain))
		return;
	/* wg's count, as the Linux driver has it: not of what is no packet of this peer's */
	org->wire += m->plain + WGX_DATA_OVERHEAD;
}

/* Helpers decrypt what is listed, and so does this thread; it alone goes on with it. */
static void open_listed(struct wgx_worker *w)
{
	struct opener *o = w->state;
	struct wgx_openers *list = o->list;

	wgx_openers_begin(list);
	for (unsigned int i = 0; i < list->n; i++) {
		int err = wgx_openers_wait(list, i, o->aead);

		open_end(w, list->list[i].origin, &list->list[i], err);
	}
	wgx_openers_end(list);
	for (unsigned int i = 0; i < o->n_arrivals; i++)
		settle(&o->arrivals[i].org);
}

static void open_data(struct wgx_worker *w, struct origin *org, uint8_t *msg, size_t len)
{
	struct opener *o = w->state;
	struct wgx_opening now, *m = o->list ? wgx_openers_next(o->list) : &now;

	if (!open_begin(w, org, msg, len, m))
		return;
	if (!o->list)
		open_end(w, org, m,
			 wgx_aead_open(o->aead, m->kp->recv_key, m->counter, m->payload, m->payload,
				       m->plain));
	else if (!wgx_openers_add(o->list))
		open_listed(w);
}

static void open_handshake(struct wgx_worker *w, struct origin *org, const uint8_t *msg, size_t len,
			   size_t exact)
{
	struct wgx_open_env *env = w->env;

	if (len != exact) /* P-MSG-2 */
		drop(org->iface, WGX_DROP_OPEN_MALFORMED);
	else if (wgx_hsqueue_put(env->handshakes, org->iface->dev->id, org->from, msg, len))
		wgx_count_shared(&org->iface->open.handshakes_queued, 1);
	else
		drop(org->iface, WGX_DROP_HANDSHAKE_QUEUE);
}

/* One message, of any type: GRO makes superframes of whatever one flow sent (architecture, rule 3). */
static void open_message(struct wgx_worker *w, struct origin *org, uint8_t *msg, size_t len)
{
	struct opener *o = w->state;
	uint32_t type;

	o->messages++;
	if (len < sizeof(type)) {
		drop(org->iface, WGX_DROP_OPEN_MALFORMED);
		return;
	}
	memcpy(&type, msg, sizeof(type));
	switch (le32toh(type)) {
	case WGX_MSG_DATA:
		open_data(w, org, msg, len);
		break;
	case WGX_MSG_INITIATION:
		open_handshake(w, org, msg, len, sizeof(struct wgx_msg_initiation));
		break;
	case WGX_MSG_RESPONSE:
		open_handshake(w, org, msg, len, sizeof(struct wgx_msg_response));
		break;
	case WGX_MSG_COOKIE:
		open_handshake(w, org, msg, len, sizeof(struct wgx_msg_cookie));
		break;
	default: /* also one with its reserved bytes set (P-MSG-1) */
		drop(org->iface, WGX_DROP_OPEN_MALFORMED);
	}
}

/* A walk over the slices of one frame. */
struct walk {
	struct iovec *iov;
	size_t offset;
	struct opener *opener;
};

/* The next @len bytes, in place if they are contiguous, else copied; NULL: no room to copy to. */
static uint8_t *walk_take(struct walk *k, size_t len)
{
	uint8_t *p, *to;

	while (k->offset == k->iov->iov_len) {
		k->iov++;
		k->offset = 0;
	}
	if (k->iov->iov_len - k->offset >= len) {
		p = (uint8_t *)k->iov->iov_base + k->offset;
		k->offset += len;
		return p;
	}
	if (k->opener->bounce_used + len > BOUNCE_BYTES)
		return NULL;
	p = to = k->opener->bounce + k->opener->bounce_used;
	k->opener->bounce_used += (len + 63) & ~(size_t)63;
	while (len) {
		size_t n = k->iov->iov_len - k->offset;

		if (n > len)
			n = len;
		memcpy(to, (uint8_t *)k->iov->iov_base + k->offset, n);
		to += n;
		len -= n;
		k->offset += n;
		if (len) {
			k->iov++;
			k->offset = 0;
		}
	}
	return p;
}

static struct wgx_iface *iface_by_port(const struct wgx_portset *set, uint16_t port)
{
	for (unsigned int n = 0; n < set->n_ifaces; n++) {
		const struct wgx_bind *b = wgx_read(set->ifaces[n]->bind);

		if (b && b->port == port)
			return set->ifaces[n];
	}
	return NULL;
}

/* What the stamp of a frame from the collector tells; nothing where it is not wgx_ingress's. */
static struct wgx_stamp ingress_stamp(const struct wgx_port *port, const uint8_t *frame)
{
	struct wgx_stamp stamp = {.device = port->device};

	if (port->kind != WGX_PORT_COLLECTOR)
		return stamp;
	memcpy(&stamp, frame, sizeof(stamp));
	if (stamp.magic != WGX_STAMP_MAGIC || !(stamp.flags & WGX_STAMP_INGRESS))
		return (struct wgx_stamp){0};
	return stamp;
}

static unsigned int count_messages(const struct wgx_outer *outer, const struct wgx_stamp *stamp)
{
	if (!stamp->gso_size || outer->payload_len <= stamp->gso_size)
		return 1;
	return (unsigned int)((outer->payload_len + stamp->gso_size - 1) / stamp->gso_size);
}

/* Messages of a frame that is the last one are. */
static bool is_listed(const struct opener *o, const struct origin *org)
{
	return o->list && o->list->n && o->list->list[o->list->n - 1].origin == org;
}

static void open_frame(struct wgx_worker *w, const struct wgx_port *port, struct iovec *iov,
		       size_t len)
{
	const struct wgx_portset *set = wgx_read(w->set);
	struct wgx_open_env *env = w->env;
	struct opener *o = w->state;
	struct walk walk = {.iov = iov, .opener = o};
	struct arrival *a = &o->arrivals[o->n_arrivals];
	struct wgx_outer *outer = &a->outer;
	struct origin *org = &a->org;
	struct wgx_stamp stamp;
	size_t size, left;

	if (wgx_outer_parse(iov->iov_base, iov->iov_len, len, outer)) {
		wgx_count(&env->stray, 1);
		return;
	}
	stamp = ingress_stamp(port, iov->iov_base);
	*org = (struct origin){.xsk = true,
			       .iface = iface_by_port(set, outer->port),
			       .from = &outer->from,
			       .tos = outer->tos};
	if (!org->iface) {
		wgx_count(&env->stray, count_messages(outer, &stamp));
		return;
	}
	outer->from.src_if = stamp.device;
	left = outer->payload_len;
	size = stamp.gso_size ? stamp.gso_size : left;
	walk.offset = outer->header_len;
	if (!left)
		drop(org->iface, WGX_DROP_OPEN_MALFORMED);
	while (left) {
		size_t n = left < size ? left : size;
		uint8_t *msg = walk_take(&walk, n);

		left -= n;
		if (msg)
			open_message(w, org, msg, n);
		else
			drop(org->iface, WGX_DROP_OPEN_MALFORMED);
	}
	settle(org);
	if (is_listed(o, org))
		o->n_arrivals++;
}

/* From here on messages are listed, where there are helpers. */
static void begin_turn(struct wgx_worker *w)
{
	struct wgx_open_env *env = w->env;
	struct opener *o = w->state;

	o->list = env->openers && wgx_openers_count(env->openers) ? env->openers : NULL;
}

/* What is listed is opened, and all that was opened is injected. */
static void end_turn(struct wgx_worker *w, const struct wgx_portset *set)
{
	struct opener *o = w->state;

	if (o->list)
		open_listed(w);
	o->n_arrivals = 0;
	flush_all(o, set);
}

static unsigned int serve_socket(struct wgx_worker *w, const struct wgx_port *port)
{
	const struct wgx_portset *set = wgx_read(w->set);
	struct opener *o = w->state;
	struct origin org = {.iface = port->iface};
	struct wgx_datagrams d;

	if (wgx_bind_receive(port->fd, o->receive, RECEIVE_BYTES, &d) <= 0)
		return 0;
	begin_turn(w);
	org.from = &d.from;
	org.tos = d.tos;
	if (!d.len)
		drop(org.iface, WGX_DROP_OPEN_MALFORMED);
	for (size_t at = 0; at < d.len; at += d.size)
		open_message(w, &org, o->receive + at, d.len - at < d.size ? d.len - at : d.size);
	end_turn(w, set);
	settle(&org);
	return 1;
}

/* A device is let go of: what the sockets have is younger than what its ring has. */
static bool sockets_wait(struct wgx_worker *w)
{
	struct wgx_open_env *env = w->env;

	return atomic_load_explicit(&env->sockets_wait, memory_order_relaxed);
}

/*
 * A device that is attached gives its next packets to a ring, and the ones before are in a socket. What a ring has may be
 * younger than all that is in the sockets, when it has been seen there.
 */
static void serve_older(struct wgx_worker *w, const struct wgx_portset *set)
{
	for (unsigned int i = 0; i < set->n_ports; i++) {
		if (set->ports[i].kind != WGX_PORT_SOCKET)
			continue;
		for (int n = 0; n < OLDER_AT_MOST; n++)
			if (!serve_socket(w, &set->ports[i]))
				break;
	}
}

static unsigned int serve_xsk(struct wgx_worker *w, const struct wgx_port *port)
{
	const struct wgx_portset *set = wgx_read(w->set);
	struct wgx_open_env *env = w->env;
	struct opener *o = w->state;
	struct iovec iov[WGX_FRAME_SLICES_MAX];
	unsigned int frames = 0;
	size_t len;
	int n;

	if (w->boot < set->since + TURNED_NS && !sockets_wait(w) && !wgx_xsk_idle(port->xsk))
		serve_older(w, set);
	begin_turn(w);
	/* a superframe may need a bounce buffer for each chunk it crosses, of a message's length */
	while (o->messages < MESSAGES_A_ROUND && o->bounce_used < BOUNCE_BYTES - 2 * 65536 &&
	       (n = wgx_xsk_next(port->xsk, iov, WGX_FRAME_SLICES_MAX, &len))) {
		frames++;
		if (n > 0)
			open_frame(w, port, iov, len);
		else
			wgx_count(&env->stray, 1);
	}
	if (frames) {
		end_turn(w, set);
		wgx_xsk_release(port->xsk);
	}
	return frames;
}

static unsigned int open_serve(struct wgx_worker *w, const struct wgx_port *port)
{
	struct opener *o = w->state;
	unsigned int n;

	if (port->kind != WGX_PORT_SOCKET)
		return serve_xsk(w, port);
	n = o->sockets_due && !sockets_wait(w) ? serve_socket(w, port) : 0;
	o->sockets_busy |= n > 0;
	return n;
}

static bool only_sockets(const struct wgx_portset *set)
{
	for (unsigned int i = 0; i < set->n_ports; i++)
		if (set->ports[i].kind != WGX_PORT_SOCKET)
			return false;
	return true;
}

/* Are sockets to be asked in the next round? */
static unsigned int open_between(struct wgx_worker *w, const struct wgx_portset *set)
{
	struct opener *o = w->state;

	if (o->sockets_due)
		o->sockets_asked = w->boot;
	o->sockets_due =
		o->sockets_busy || w->boot - o->sockets_asked >= SOCKETS_NS || only_sockets(set);
	o->sockets_busy = false;
	return 0;
}

static int open_idle(struct wgx_worker *w, const struct wgx_portset *set)
{
	struct opener *o = w->state;

	o->sockets_due = true; /* when poll(2) returns, it may be for one of them */
	return -1;
}

static void *map_plaintext(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, size, MADV_DONTDUMP);
	return p;
}

static void open_stop(struct wgx_worker *w)
{
	struct opener *o = w->state;

	if (o->bounce)
		munmap(o->bounce, BOUNCE_BYTES);
	if (o->receive)
		munmap(o->receive, RECEIVE_BYTES);
	wgx_aead_destroy(o->aead);
	free(o);
}

static int open_start(struct wgx_worker *w)
{
	struct opener *o = calloc(1, sizeof(*o));

	if (!o)
		return -ENOMEM;
	w->state = o;
	o->aead = wgx_aead_create();
	o->bounce = map_plaintext(BOUNCE_BYTES);
	o->receive = map_plaintext(RECEIVE_BYTES);
	if (o->aead && o->bounce && o->receive)
		return 0;
	open_stop(w);
	return -ENOMEM;
}

void wgx_open_hold_sockets(struct wgx_open_env *env, bool hold)
{
	atomic_store(&env->sockets_wait, hold);
	if (hold) /* until the end of a round that had begun before */
		wgx_rcu_synchronize();
}

uint64_t wgx_open_discard(struct wgx_xsk *xsk, bool collector)
{
	const struct wgx_port port = {.kind = collector ? WGX_PORT_COLLECTOR : WGX_PORT_DEVICE};
	struct iovec iov[WGX_FRAME_SLICES_MAX];
	struct wgx_stamp stamp;
	struct wgx_outer outer;
	uint64_t messages = 0;
	size_t len;
	int n;

	while ((n = wgx_xsk_next(xsk, iov, WGX_FRAME_SLICES_MAX, &len))) {
		if (n < 0 || wgx_outer_parse(iov->iov_base, iov->iov_len, len, &outer)) {
			messages++;
			continue;
		}
		stamp = ingress_stamp(&port, iov->iov_base);
		messages += count_messages(&outer, &stamp);
	}
	return messages;
}

const struct wgx_worker_ops wgx_open_ops = {
	.name = "wgx-open",
	.start = open_start,
	.serve = open_serve,
	.between = open_between,
	.idle = open_idle,
	.stop = open_stop,
};
