/* SPDX-License-Identifier: MIT */
#include "path/seal.h"

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <wgx/bpf_abi.h>
#include "path/aead.h"
#include "path/ecn.h"
#include "path/iface.h"
#include "path/inject.h"
#include "path/inner.h"
#include "path/segment.h"
#include "path/sendbuf.h"
#include "path/staged.h"
#include "path/unfinished.h"

/* Frames of one port in a round: others wait for no more than 16 superframes, about a millisecond. */
#define FRAMES_A_ROUND 16
/* Of one packet each: a full send buffer */
#define LAN_FRAMES_A_ROUND 64
#define PATIENCE_NS UINT64_C(50000000)
/* Peers with commands in a round: all have some when a link goes down, or when a private key changes. */
#define PEERS_A_ROUND 64

struct sealer {
	struct wgx_aead *aead;
	struct wgx_sendbuf out;
	struct wgx_segmenter segmenter;
	bool flushing; /* and so it has the lock */
};

static struct wgx_seal_counters *counters(const struct wgx_worker *w, struct wgx_iface *i)
{
	return &i->seal[w->number];
}

/* The lock is for what is seldom. Its holder waits for nothing, so that to wait for it keeps no grace period long. */
static void lock(struct wgx_worker *w)
{
	if (!((struct sealer *)w->state)->flushing)
		pthread_mutex_lock(&((struct wgx_seal_env *)w->env)->lock);
}

static void unlock(struct wgx_worker *w)
{
	if (!((struct sealer *)w->state)->flushing)
		pthread_mutex_unlock(&((struct wgx_seal_env *)w->env)->lock);
}

/* NULL: all that is sealed for peers of @i is this worker's */
static struct wgx_inflight *inflight(const struct wgx_worker *w, const struct wgx_iface *i)
{
	return i->n_queues > 1 ? &((struct wgx_seal_env *)w->env)->inflight[w->number] : NULL;
}

static void flush(struct wgx_worker *w)
{
	wgx_sendbuf_flush(&((struct sealer *)w->state)->out);
	wgx_inflight_end(&((struct wgx_seal_env *)w->env)->inflight[w->number]);
}

/* Until no other worker is far behind with nonces of @kp. */
static void keep_abreast(struct wgx_worker *w, const struct wgx_iface *i,
			 const struct wgx_keypair *kp)
{
	struct wgx_seal_env *env = w->env;
	uint64_t end = 0;

	while (wgx_inflight_far(env->inflight, i->n_queues, w->number, kp)) {
		if (!end)
			end = wgx_clock_ns(CLOCK_MONOTONIC) + atomic_load(&env->patience);
		else if (wgx_clock_ns(CLOCK_MONOTONIC) > end)
			return;
		flush(w); /* and nobody waits for us */
		sched_yield();
	}
}

/* @n consecutive nonces of @kp. Return: as wgx_keypair_take() */
static int take_nonces(struct wgx_worker *w, const struct wgx_iface *i, struct wgx_keypair *kp,
		       unsigned int n, uint64_t *ret_first)
{
	struct wgx_inflight *mine = inflight(w, i);
	struct sealer *s = w->state;

	if (mine) {
		if (!s->flushing) /* the lock's holder waits for nothing */
			keep_abreast(w, i, kp);
		if (atomic_load_explicit(&mine->kp, memory_order_relaxed) != kp)
			flush(w);
		if (!s->out.n)
			wgx_inflight_begin(mine, kp,
					   atomic_load_explicit(&kp->send_counter,
								memory_order_relaxed));
	}
	return wgx_keypair_take(kp, n, w->boot, ret_first);
}

/* @peer: NULL where it is not known */
static void drop(struct wgx_worker *w, struct wgx_iface *i, struct wgx_peer *peer,
		 enum wgx_drop_reason reason, uint64_t packets)
{
	wgx_count(&counters(w, i)->drops[reason], packets);
	if (peer)
		wgx_peer_drops_add(&peer->drops, reason, packets);
}

/* How many packets a frame stands for; for those that are not sealed at once. */
static unsigned int count_packets(struct wgx_worker *w, const struct wgx_frame *f)
{
	struct wgx_segmenter *g = &((struct sealer *)w->state)->segmenter;

	return wgx_segment_begin(g, f) ? 1 : wgx_segment_count(g);
}

/* Tell the sender that there is no way (P-DT-4). */
static void answer_unreachable(struct wgx_worker *w, struct wgx_iface *i, const struct wgx_frame *f)
{
	struct wgx_gso gso = {0};
	struct wgx_inject_result result;
	uint8_t packet[1280];
	size_t len;
	bool may;

	lock(w);
	may = wgx_icmp_limit_take(&i->icmp_limit, w->boot);
	unlock(w);
	if (!may)
		return;
	len = wgx_icmp_unreachable(f->iov[0].iov_base, f->iov[0].iov_len, packet, sizeof(packet));
	if (!len)
		return;
	gso.packets = 1;
	gso.len = len;
	gso.n = 2;
	wgx_iface_mac(i, gso.link.eth.h_dest);
	gso.link.eth.h_source[0] = 0x02;
	gso.link.eth.h_proto = htons(packet[0] >> 4 == 4 ? ETH_P_IP : ETH_P_IPV6);
	gso.iov[0] = (struct iovec){.iov_base = &gso.link, .iov_len = sizeof(gso.link)};
	gso.iov[1] = (struct iovec){.iov_base = packet, .iov_len = len};
	wgx_inject(i->icmp_fd, &gso, 1, UINT32_MAX, &result);
	wgx_count(&counters(w, i)->icmp_sent, result.sent_packets);
}

/* One plaintext packet into a message at @to: @packet is @to's payload already, or lies elsewhere. */
static size_t seal_packet(struct sealer *s, const struct wgx_keypair *kp, uint64_t counter,
			  uint8_t *packet, size_t len, uint32_t mtu, uint8_t *to)
{
	const struct wgx_msg_data header = {
		.type = htole32(WGX_MSG_DATA),
		.receiver = htole32(kp->remote_index),
		.counter = htole64(counter),
	};
	size_t padded = wgx_inner_pad(len, mtu), extra = padded - len;
	uint8_t saved[WGX_PADDING], *payload = to + sizeof(header);
	bool in_place = packet == payload;

	/* behind a packet in a chunk stands the next one's payload */
	if (!in_place)
		memcpy(saved, packet + len, extra);
	memset(packet + len, 0, extra);
	memcpy(to, &header, sizeof(header)); /* a padded length need not be a multiple of 8 */
	wgx_aead_seal(s->aead, kp->send_key, counter, packet, payload, padded);
	if (!in_place)
		memcpy(packet + len, saved, extra);
	return WGX_DATA_OVERHEAD + padded;
}

/* Keep a copy of @f until there is a key. */
static void stage(struct wgx_worker *w, struct wgx_iface *i, struct wgx_peer *peer,
		  const struct wgx_frame *f)
{
	struct sealer *s = w->state;
	unsigned int packets, lost;
	bool dead;

	if (!s->flushing)
		flush(w); /* what has a key already leaves before what has none */
	packets = count_packets(w, f);
	lock(w);
	/*
	 * Before the handshake is asked for: who has the link come up meanwhile sees one or the other. And before we
	 * look whether the peer is dead: if it is not, who removes it will see that there is something to bury.
	 */
	atomic_store(&peer->stages, true);
	dead = atomic_load(&peer->dead);
	lost = dead ? packets : wgx_staged_put(&peer->staged, f, packets);
	if (wgx_staged_any(peer->staged))
		atomic_store_explicit(&peer->waiting, true, memory_order_relaxed);
	unlock(w);
	if (dead) {
		drop(w, i, NULL, WGX_DROP_SEAL_NO_PEER, packets);
		return;
	}
	wgx_count(&counters(w, i)->staged_packets, packets);
	if (lost)
		drop(w, i, peer, WGX_DROP_SEAL_STAGED_FULL, lost);
	wgx_session_want_handshake(&peer->session, w->boot);
}

/* Forget what is kept back; return: packets */
static unsigned int unstage(struct wgx_worker *w, struct wgx_peer *peer)
{
	unsigned int lost;

	lock(w);
	lost = wgx_staged_drop(peer->staged);
	atomic_store_explicit(&peer->waiting, false, memory_order_release);
	unlock(w);
	return lost;
}

/* What was sealed, for the counters and the timers. */
struct sealed {
	uint64_t packets, bytes, wire;
};

static int seal_segments(struct sealer *s, struct wgx_inflight *mine, const struct wgx_keypair *kp,
			 uint64_t counter, const struct wgx_frame *f, uint32_t mtu,
			 struct sealed *ret)
{
	struct wgx_segmenter *g = &s->segmenter;
	size_t max = WGX_DATA_OVERHEAD + WGX_PADDING +
		     (g->single ? f->len : (size_t)g->header_len + f->gso_size);
	uint8_t *to, *packet;
	size_t len, n;

	for (;;) {
		to = wgx_sendbuf_slot(&s->out, max);
		if (mine && !s->out.n)
			wgx_inflight_begin(mine, kp, counter);
		if (!wgx_segment_next(g, to + WGX_DATA_HEADER_LEN, &packet, &len))
			return 0;
		n = seal_packet(s, kp, counter++, packet, len, mtu, to);
		wgx_sendbuf_put(&s->out, n);
		ret->packets++;
		ret->bytes += len;
		ret->wire += n;
	}
}

static void account(struct wgx_worker *w, struct wgx_iface *i, struct wgx_peer *peer,
		    const struct sealed *n)
{
	wgx_count(&counters(w, i)->sealed_packets, n->packets);
	wgx_count(&counters(w, i)->sealed_bytes, n->bytes);
	atomic_fetch_add_explicit(&peer->tx_bytes, n->wire, memory_order_relaxed);
	atomic_fetch_add_explicit(&peer->tx_packets, n->packets, memory_order_relaxed);
}

/* A checked frame to a peer: sealed, or staged when there is no key to seal under: then false. */
static bool seal_to_peer(struct wgx_worker *w, struct wgx_iface *i, struct wgx_peer *peer,
			 const struct wgx_frame *f)
{
	struct sealer *s = w->state;
	const struct wgx_bind *bind = wgx_read(i->bind);
	uint32_t mtu = atomic_load_explicit(&i->dev->mtu, memory_order_relaxed);
	const uint8_t *ip = f->iov[0].iov_base;
	struct wgx_endpoint to;
	struct wgx_keypair *kp;
	struct sealed n = {0};
	uint64_t counter;

	wgx_endpoint_read(&peer->endpoint, &to);
	if (to.addr.sa.sa_family == AF_UNSPEC) {
		drop(w, i, peer, WGX_DROP_SEAL_NO_ENDPOINT, count_packets(w, f));
		answer_unreachable(w, i, f);
		return true;
	}
	kp = wgx_session_sending_key(&peer->session, w->boot);
	/* or we have not heard yet that the link is up; or others of the peer are kept, and are to leave first */
	if (!kp || !bind ||
	    (atomic_load_explicit(&peer->waiting, memory_order_acquire) && !s->flushing)) {
		stage(w, i, peer, f);
		return false;
	}
	if (wgx_segment_begin(&s->segmenter, f)) {
		drop(w, i, peer, WGX_DROP_SEAL_MALFORMED, 1);
		return true;
	}
	if (take_nonces(w, i, kp, wgx_segment_count(&s->segmenter), &counter)) {
		stage(w, i, peer, f);
		return false;
	}
	wgx_sendbuf_aim(&s->out, peer, &to, wgx_ecn_encap(wgx_ecn_tos(ip)), bind, counters(w, i));
	seal_segments(s, inflight(w, i), kp, counter, f, mtu, &n);
	account(w, i, peer, &n);
	wgx_session_note_sent(&peer->session, kp, w->boot, true);
	return true;
}

static struct wgx_iface *iface_of(struct wgx_peer *peer)
{
	return peer->dev->env;
}

/*
 * What the peer has kept back, if there is a key now; under the lock, so that no other worker sends before it has left.
 * Return: false: there was nothing.
 */
static bool send_staged(struct wgx_worker *w, struct wgx_peer *peer)
{
	struct sealer *s = w->state;
	struct wgx_iface *i = iface_of(peer);
	bool any = false, sealed = true;
	struct wgx_frame f;

	lock(w);
	s->flushing = true;
	/* without a key, or one spent but for a few messages, they would be staged anew, for ever */
	while (sealed && wgx_session_sending_key(&peer->session, w->boot) &&
	       wgx_staged_take(peer->staged, &f)) {
		any = true;
		sealed = seal_to_peer(w, i, peer, &f);
		flush(w);
	}
	if (!wgx_staged_any(peer->staged))
		atomic_store_explicit(&peer->waiting, false, memory_order_release);
	s->flushing = false;
	unlock(w);
	return any;
}

static void seal_frame(struct wgx_worker *w, struct wgx_iface *i, struct wgx_frame *f)
{
	struct wgx_inner inner;
	struct wgx_peer *peer;

	if (wgx_inner_parse(f->iov[0].iov_base, f->len, &inner) ||
	    f->iov[0].iov_len < inner.header_len) {
		drop(w, i, NULL, WGX_DROP_SEAL_MALFORMED, 1);
		return;
	}
	/* the stamp is a hint (architecture, rule 1): what egress looked up is looked up again */
	peer = wgx_device_route(i->dev, inner.v6 ? AF_INET6 : AF_INET, inner.dst);
	if (!peer || atomic_load_explicit(&peer->dead, memory_order_relaxed)) {
		drop(w, i, NULL, WGX_DROP_SEAL_NO_PEER, count_packets(w, f));
		answer_unreachable(w, i, f);
		return;
	}
	/* the key has come, and the first worker has not been there yet */
	if (atomic_load_explicit(&peer->waiting, memory_order_relaxed) && wgx_read(i->bind))
		send_staged(w, peer);
	seal_to_peer(w, i, peer, f);
}

static void strip_ethernet(struct wgx_frame *f)
{
	f->iov[0].iov_base = (uint8_t *)f->iov[0].iov_base + ETH_HLEN;
	f->iov[0].iov_len -= ETH_HLEN;
	f->len -= ETH_HLEN;
}

/* Take the stamp off. False: the frame did not come by wgx_egress. */
static bool unstamp(struct wgx_iface *i, struct wgx_frame *f)
{
	struct wgx_stamp stamp;

	if (f->iov[0].iov_len < ETH_HLEN)
		return false;
	memcpy(&stamp, f->iov[0].iov_base, sizeof(stamp));
	if (stamp.magic != WGX_STAMP_MAGIC || stamp.flags & (WGX_STAMP_INGRESS | WGX_STAMP_LAN))
		return false;
	wgx_credit_consume(&i->credit, stamp.bucket, stamp.seq);
	strip_ethernet(f);
	f->gso_size = stamp.gso_size;
	f->partial = stamp.flags & WGX_STAMP_PARTIAL;
	f->csum_start = stamp.csum_start;
	f->csum_offset = stamp.csum_offset;
	return true;
}

static struct wgx_iface *iface_by_id(const struct wgx_portset *set, uint32_t id)
{
	for (unsigned int n = 0; n < set->n_ifaces; n++)
		if (set->ifaces[n]->dev->id == id)
			return set->ifaces[n];
	return NULL;
}

/* Likewise, of a frame that wgx_lan_xdp has sent. NULL: its interface has gone since. */
static struct wgx_iface *unstamp_lan(struct wgx_worker *w, struct wgx_frame *f)
{
	struct wgx_stamp stamp;

	if (f->iov[0].iov_len < ETH_HLEN)
		return NULL;
	memcpy(&stamp, f->iov[0].iov_base, sizeof(stamp));
	if (stamp.magic != WGX_STAMP_MAGIC || !(stamp.flags & WGX_STAMP_LAN))
		return NULL;
	strip_ethernet(f);
	f->gso_size = 0;
	f->partial = stamp.flags & WGX_STAMP_UNSURE &&
		     wgx_unfinished(f, &f->csum_start, &f->csum_offset);
	return iface_by_id(wgx_read(w->set), stamp.iface);
}

static void seal_lan_frame(struct wgx_worker *w, struct wgx_frame *f)
{
	struct wgx_seal_env *env = w->env;
	struct wgx_iface *i = unstamp_lan(w, f);

	if (!i) {
		wgx_count_shared(&env->stray, 1);
		return;
	}
	wgx_count(&counters(w, i)->lan_xdp_frames, 1);
	wgx_count(&counters(w, i)->lan_xdp_bytes, f->len);
	seal_frame(w, i, f);
}

static unsigned int serve_lan(struct wgx_worker *w, const struct wgx_port *port)
{
	struct wgx_seal_env *env = w->env;
	unsigned int frames = 0;
	struct wgx_frame f;
	int n;

	while (frames < LAN_FRAMES_A_ROUND &&
	       (n = wgx_xsk_next(port->xsk, f.iov, WGX_FRAME_SLICES_MAX, &f.len))) {
		frames++;
		if (n < 0) {
			wgx_count_shared(&env->stray, 1);
			continue;
		}
		f.n = (unsigned int)n;
		seal_lan_frame(w, &f);
	}
	if (frames) {
		flush(w);
		wgx_xsk_release(port->xsk);
	}
	return frames;
}

static unsigned int serve_wg(struct wgx_worker *w, const struct wgx_port *port)
{
	struct wgx_iface *i = port->iface;
	unsigned int frames = 0;
	struct wgx_frame f;
	int n;

	while (frames < FRAMES_A_ROUND &&
	       (n = wgx_xsk_next(port->xsk, f.iov, WGX_FRAME_SLICES_MAX, &f.len))) {
		frames++;
		if (n < 0) {
			drop(w, i, NULL, WGX_DROP_SEAL_MALFORMED, 1);
			continue;
		}
		f.n = (unsigned int)n;
		wgx_count(&counters(w, i)->xsk_rx_frames, 1);
		wgx_count(&counters(w, i)->xsk_rx_bytes, f.len);
		if (unstamp(i, &f))
			seal_frame(w, i, &f);
		else
			drop(w, i, NULL, WGX_DROP_SEAL_UNSTAMPED, 1);
	}
	if (frames) {
		flush(w);
		wgx_xsk_release(port->xsk);
	}
	/* while the ring has more, what is outstanding need not be lost: we may have waited for a processor */
	if (frames < FRAMES_A_ROUND)
		wgx_count(&counters(w, i)->credit_healed,
			  wgx_credit_heal(&i->credit, w->number, w->boot));
	return frames;
}

static unsigned int seal_serve(struct wgx_worker *w, const struct wgx_port *port)
{
	return port->kind == WGX_PORT_LAN ? serve_lan(w, port) : serve_wg(w, port);
}

static void send_keepalive(struct wgx_worker *w, struct wgx_peer *peer)
{
	struct sealer *s = w->state;
	struct wgx_iface *i = iface_of(peer);
	const struct wgx_bind *bind = wgx_read(i->bind);
	struct wgx_keypair *kp = wgx_session_sending_key(&peer->session, w->boot);
	struct wgx_endpoint to;
	uint64_t counter;
	uint8_t *at;

	wgx_endpoint_read(&peer->endpoint, &to);
	if (to.addr.sa.sa_family == AF_UNSPEC || !bind)
		return;
	if (!kp || take_nonces(w, i, kp, 1, &counter)) {
		wgx_session_want_handshake(&peer->session, w->boot);
		return;
	}
	wgx_sendbuf_aim(&s->out, peer, &to, 0, bind, counters(w, i));
	at = wgx_sendbuf_slot(&s->out, WGX_DATA_OVERHEAD);
	wgx_sendbuf_put(&s->out, seal_packet(s, kp, counter, at + WGX_DATA_HEADER_LEN, 0, 0, at));
	flush(w);
	wgx_count(&counters(w, i)->keepalives_sent, 1);
	atomic_fetch_add_explicit(&peer->tx_bytes, WGX_DATA_OVERHEAD, memory_order_relaxed);
	wgx_session_note_sent(&peer->session, kp, w->boot, false);
}

static void flush_staged(struct wgx_worker *w, struct wgx_peer *peer)
{
	if (!send_staged(w, peer))
		send_keepalive(w, peer);
}

static void carry_out(struct wgx_worker *w, struct wgx_peer *peer, uint32_t commands)
{
	struct wgx_iface *i = iface_of(peer);

	if (commands & WGX_SEAL_DROP)
		drop(w, i, peer, WGX_DROP_SEAL_STAGED_EXPIRED, unstage(w, peer));
	if (commands & WGX_SEAL_FLUSH)
		flush_staged(w, peer);
	else if (commands & WGX_SEAL_KEEPALIVE)
		send_keepalive(w, peer);
	if (commands & WGX_SEAL_RETRY && atomic_load(&peer->waiting))
		wgx_session_want_handshake(&peer->session, w->boot);
}

/* What a removed peer had staged is lost. Its interface may be gone as well, if it is not in @set. */
static void bury(struct wgx_worker *w, const struct wgx_portset *set, struct wgx_peer *peer)
{
	unsigned int lost = unstage(w, peer);

	for (unsigned int n = 0; n < set->n_ifaces; n++)
		if (set->ifaces[n]->dev == peer->dev)
			drop(w, set->ifaces[n], NULL, WGX_DROP_SEAL_STAGED_EXPIRED, lost);
}

static struct wgx_peer *next_commanded(struct wgx_seal_env *env)
{
	struct wgx_peer_link *l;

	if (!env->taken && !wgx_peerqueue_empty(&env->queue))
		env->taken = wgx_peerqueue_take(&env->queue);
	l = env->taken;
	if (!l)
		return NULL;
	env->taken = wgx_peerqueue_done(l);
	return (struct wgx_peer *)((char *)l - offsetof(struct wgx_peer, seal_link));
}

static unsigned int seal_between(struct wgx_worker *w, const struct wgx_portset *set)
{
	struct wgx_seal_env *env = w->env;
	struct wgx_peer *peer;
	unsigned int n = 0;

	wgx_transmit_poke(&env->transmits);
	if (w->number)
		return 0;
	for (; n < PEERS_A_ROUND && (peer = next_commanded(w->env)); n++) {
		if (!atomic_load(&peer->dead))
			carry_out(w, peer, atomic_exchange(&peer->seal_commands, 0));
		else
			bury(w, set, peer);
		wgx_peer_put(peer);
	}
	return n;
}

/* While credit is out, frames may be lost, and only we can tell: look again soon. */
static int seal_idle(struct wgx_worker *w, const struct wgx_portset *set)
{
	struct wgx_seal_env *env = w->env;

	if (wgx_transmit_poke(&env->transmits))
		return 1;
	for (unsigned int n = 0; n < set->n_ifaces; n++)
		if (wgx_credit_outstanding(&set->ifaces[n]->credit, w->number))
			return (int)(WGX_CREDIT_HEAL_NS / 1000000) + 1;
	return -1;
}

static int seal_start(struct wgx_worker *w)
{
	struct sealer *s = calloc(1, sizeof(*s));
	struct wgx_seal_env *env = w->env;
	int err;

	if (!s)
		return -ENOMEM;
	s->aead = wgx_aead_create();
	err = s->aead ? wgx_sendbuf_init(&s->out) : -ENOMEM;
	if (err) {
		wgx_aead_destroy(s->aead);
		free(s);
		return err;
	}
	s->out.transmits = &env->transmits;
	s->out.clock = &w->boot;
	w->state = s;
	return 0;
}

static void seal_stop(struct wgx_worker *w)
{
	struct sealer *s = w->state;
	struct wgx_peer *peer;

	while (!w->number && (peer = next_commanded(w->env)))
		wgx_peer_put(peer);
	wgx_sendbuf_free(&s->out);
	wgx_aead_destroy(s->aead);
	free(s);
}

const struct wgx_worker_ops wgx_seal_ops = {
	.name = "wgx-seal",
	.start = seal_start,
	.serve = seal_serve,
	.between = seal_between,
	.idle = seal_idle,
	.stop = seal_stop,
};

void wgx_seal_env_init(struct wgx_seal_env *env)
{
	memset(env, 0, sizeof(*env));
	env->patience = PATIENCE_NS;
	pthread_mutex_init(&env->lock, NULL);
}

void wgx_seal_command(struct wgx_worker *w, struct wgx_peer *peer, uint32_t commands)
{
	struct wgx_seal_env *env = w->env;
	bool was_empty;

	if (!wgx_ref_try(&peer->refs))
		return; /* removed, and nobody's any more */
	atomic_fetch_or(&peer->seal_commands, commands);
	if (!wgx_peerqueue_push(&env->queue, &peer->seal_link, &was_empty))
		wgx_peer_put(peer);
	else if (was_empty)
		wgx_worker_wake(w);
}
