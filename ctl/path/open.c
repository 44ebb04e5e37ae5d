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
#include "path/outer.h"
#include "path/segment.h"

/* Messages opened before what came of them is injected: their chunks are held so long. */
#define MESSAGES_A_ROUND 256
/* Messages that lie across chunks are copied here; it lasts a round, and one superframe more. */
#define BOUNCE_BYTES (512 * 1024)
/* One UDP_GRO receive */
#define RECEIVE_BYTES 65536

/** struct origin - what a run of messages has in common */
struct origin {
	struct wgx_iface *iface;
	const struct wgx_endpoint *from;
	uint8_t tos;
	bool xsk; /* came through AF_XDP */
	/* the last message's, since most have the same */
	uint32_t index;
	struct wgx_keypair *kp;
	struct wgx_peer *peer;
	struct wgx_peer *roamed; /* whose endpoint was compared already */
	struct wgx_peer *source_owner; /* of source */
	uint8_t source[16], source_len;
	uint64_t wire, packets; /* of peer, not yet counted */
};

struct opener {
	struct wgx_aead *aead;
	uint8_t *bounce, *receive;
	size_t bounce_used;
	unsigned int messages; /* since the last flush */
};

static void drop(struct wgx_iface *i, enum wgx_drop_reason reason)
{
	wgx_count(&i->open.drops[reason], 1);
}

static void flush_iface(struct wgx_iface *i)
{
	unsigned int n = wgx_coalesce_finish(i->coalescer);
	struct wgx_inject_result r;

	wgx_inject(i->inject_fd, i->coalescer->gso, n,
		   atomic_load_explicit(&i->dev->mtu, memory_order_relaxed), &r);
	wgx_coalesce_reset(i->coalescer);
	i->touched = false;
	wgx_count(&i->open.injected_packets, r.sent_packets);
	wgx_count(&i->open.injected_segments, r.sent_segments);
	wgx_count(&i->open.drops[WGX_DROP_INJECT_ERROR], r.refused);
	wgx_count(&i->open.drops[WGX_DROP_INJECT_MTU], r.too_big);
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
	settle(org);
	org->peer = wgx_index_find(env->index, index, &org->kp);
	org->index = index;
	/* an index is one interface's: on another's port it means nothing */
	if (org->peer && org->peer->dev != org->iface->dev)
		org->peer = NULL;
	if (!org->peer)
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
	if (wgx_endpoint_equal(&now, org->from) || wgx_endpoint_unscoped(org->from))
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
	return org->source_owner == org->peer;
}

static void deliver(struct wgx_worker *w, struct origin *org, uint8_t *packet, size_t len)
{
	struct wgx_iface *i = org->iface;
	struct wgx_inner inner;

	if (wgx_inner_parse(packet, len, &inner)) {
		drop(i, WGX_DROP_OPEN_INNER_MALFORMED);
		return;
	}
	if (!source_allowed(org, &inner)) {
		drop(i, WGX_DROP_OPEN_SOURCE);
		return;
	}
	if (wgx_ecn_decap(org->tos, packet)) {
		drop(i, WGX_DROP_OPEN_ECN);
		return;
	}
	i->touched = true;
	if (wgx_coalesce_add(i->coalescer, packet, inner.len)) {
		flush_iface(i);
		i->touched = true;
		if (wgx_coalesce_add(i->coalescer, packet, inner.len))
			drop(i, WGX_DROP_INJECT_ERROR);
	}
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

static void open_data(struct wgx_worker *w, struct origin *org, uint8_t *msg, size_t len)
{
	struct opener *o = w->state;
	uint8_t *payload = msg + WGX_DATA_HEADER_LEN;
	struct wgx_iface *i = org->iface;
	struct wgx_msg_data header; /* a copy: a segment of a superframe is not aligned */
	struct wgx_keypair *kp;
	uint64_t counter;
	size_t plain;

	if (len < WGX_MSG_DATA_MIN) {
		drop(i, WGX_DROP_OPEN_MALFORMED);
		return;
	}
	memcpy(&header, msg, sizeof(header));
	counter = le64toh(header.counter);
	plain = len - WGX_DATA_OVERHEAD;
	kp = find_keypair(w, org, le32toh(header.receiver));
	if (!kp) {
		drop(i, WGX_DROP_OPEN_UNKNOWN_RECEIVER);
		return;
	}
	if (!wgx_keypair_may_open(kp, w->boot)) {
		drop(i, WGX_DROP_OPEN_KEY_EXPIRED);
		return;
	}
	if (wgx_aead_open(o->aead, kp->recv_key, counter, payload, payload, plain)) {
		drop(i, WGX_DROP_OPEN_AUTH);
		return;
	}
	if (!wgx_replay_accept(&kp->replay, counter)) {
		drop(i, WGX_DROP_OPEN_REPLAY);
		return;
	}
	org->wire += len;
	count_opened(org, plain);
	roam(w, org);
	wgx_session_note_received(&org->peer->session, kp, w->boot, plain > 0);
	if (plain)
		deliver(w, org, payload, plain);
	else
		wgx_count(&i->open.keepalives_received, 1);
}

static void open_handshake(struct wgx_worker *w, struct origin *org, const uint8_t *msg, size_t len,
			   size_t exact)
{
	struct wgx_open_env *env = w->env;

	if (len != exact) /* P-MSG-2 */
		drop(org->iface, WGX_DROP_OPEN_MALFORMED);
	else if (wgx_hsqueue_put(env->handshakes, org->iface->dev->id, org->from, msg, len))
		wgx_count(&org->iface->open.handshakes_queued, 1);
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

/* The size of each message but the last in a frame from the collector, from its stamp. */
static size_t stamped_size(const uint8_t *frame, size_t payload)
{
	struct wgx_stamp stamp;

	memcpy(&stamp, frame, sizeof(stamp));
	if (stamp.magic != WGX_STAMP_MAGIC || !(stamp.flags & WGX_STAMP_INGRESS) || !stamp.gso_size)
		return payload;
	return stamp.gso_size;
}

static void open_frame(struct wgx_worker *w, const struct wgx_port *port, struct iovec *iov,
		       size_t len)
{
	const struct wgx_portset *set = wgx_read(w->set);
	struct wgx_open_env *env = w->env;
	struct walk walk = {.iov = iov, .opener = w->state};
	struct origin org = {.xsk = true};
	struct wgx_outer outer;
	size_t size, left;

	if (wgx_outer_parse(iov->iov_base, iov->iov_len, len, &outer) ||
	    !(org.iface = iface_by_port(set, outer.port))) {
		atomic_fetch_add_explicit(&env->stray, 1, memory_order_relaxed);
		return;
	}
	org.from = &outer.from;
	org.tos = outer.tos;
	left = outer.payload_len;
	size = port->kind == WGX_PORT_COLLECTOR ? stamped_size(iov->iov_base, left) : left;
	walk.offset = outer.header_len;
	while (left) {
		size_t n = left < size ? left : size;
		uint8_t *msg = walk_take(&walk, n);

		left -= n;
		if (msg)
			open_message(w, &org, msg, n);
		else
			drop(org.iface, WGX_DROP_OPEN_MALFORMED);
	}
	settle(&org);
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

	/* a superframe may need a bounce buffer for each chunk it crosses, of a message's length */
	while (o->messages < MESSAGES_A_ROUND && o->bounce_used < BOUNCE_BYTES - 2 * 65536 &&
	       (n = wgx_xsk_next(port->xsk, iov, WGX_FRAME_SLICES_MAX, &len))) {
		frames++;
		if (n > 0)
			open_frame(w, port, iov, len);
		else
			atomic_fetch_add_explicit(&env->stray, 1, memory_order_relaxed);
	}
	if (frames) {
		flush_all(o, set);
		wgx_xsk_release(port->xsk);
	}
	return frames;
}

static unsigned int serve_socket(struct wgx_worker *w, const struct wgx_port *port)
{
	const struct wgx_portset *set = wgx_read(w->set);
	struct opener *o = w->state;
	struct origin org = {.iface = port->iface};
	struct wgx_datagrams d;

	if (wgx_bind_receive(port->fd, o->receive, RECEIVE_BYTES, &d) <= 0)
		return 0;
	org.from = &d.from;
	org.tos = d.tos;
	if (!d.len)
		drop(org.iface, WGX_DROP_OPEN_MALFORMED);
	for (size_t at = 0; at < d.len; at += d.size)
		open_message(w, &org, o->receive + at, d.len - at < d.size ? d.len - at : d.size);
	settle(&org);
	flush_all(o, set);
	return 1;
}

static unsigned int open_serve(struct wgx_worker *w, const struct wgx_port *port)
{
	return port->kind == WGX_PORT_SOCKET ? serve_socket(w, port) : serve_xsk(w, port);
}

static unsigned int open_between(struct wgx_worker *w, const struct wgx_portset *set)
{
	return 0;
}

static int open_idle(struct wgx_worker *w, const struct wgx_portset *set)
{
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

const struct wgx_worker_ops wgx_open_ops = {
	.name = "wgx-open",
	.start = open_start,
	.serve = open_serve,
	.between = open_between,
	.idle = open_idle,
	.stop = open_stop,
};
