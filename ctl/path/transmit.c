/* SPDX-License-Identifier: MIT */
#include "path/transmit.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wgx/bpf_abi.h>
#include "device/device.h"
#include "path/counters.h"
#include "path/sendbuf.h"
#include "path/xsk.h"

_Static_assert(WGX_TRANSMIT_FRAME_MAX == WGX_CHUNK_SIZE, "a frame is in one chunk");
_Static_assert(WGX_TRANSMIT_RING >= WGX_SENDBUF_DATAGRAMS, "a full send fits");

/* After the ring was full the socket has all for so long: going to and fro would put packets out of order. */
#define REST_NS UINT64_C(10000000)
#define DRAIN_TRIES 100 /* of a millisecond, for what is in the ring when it is to be closed */
/* The kernel takes 32 frames in a call, or all (Linux 6.17): enough for a full ring, and some that it does not take */
#define KICKS (WGX_TRANSMIT_RING / 32 + 4)

int wgx_transmit_create(struct wgx_xsk *xsk, struct wgx_transmit **ret)
{
	struct wgx_transmit *t = calloc(1, sizeof(*t));

	if (t)
		t->free = calloc(xsk->tx_size, sizeof(*t->free));
	if (!t || !t->free) {
		free(t);
		return -ENOMEM;
	}
	t->xsk = xsk;
	for (uint32_t i = xsk->tx_size; i-- > 0;)
		t->free[t->n_free++] = (uint64_t)(xsk->ring_size + i) * WGX_CHUNK_SIZE;
	*ret = t;
	return 0;
}

/* ---- the rings ---- */

static uint32_t unsent(const struct wgx_xsk *x)
{
	return __atomic_load_n(x->tx.producer, __ATOMIC_RELAXED) -
	       __atomic_load_n(x->tx.consumer, __ATOMIC_ACQUIRE);
}

static void reclaim(struct wgx_transmit *t)
{
	struct wgx_xsk *x = t->xsk;
	uint32_t at, n;

	while ((n = xsk_ring_cons__peek(&x->comp, x->tx_size, &at))) {
		for (uint32_t i = 0; i < n && t->n_free < x->tx_size; i++)
			t->free[t->n_free++] = *xsk_ring_cons__comp_addr(&x->comp, at + i);
		xsk_ring_cons__release(&x->comp, n);
	}
}

/* enum kicked - what the kernel says, asked to send */
enum kicked {
	KICK_AGAIN, /* that was all it takes at once, or it has dropped one: there may be more to take */
	KICK_LATER, /* the device is full, or too many are on their way */
	KICK_DOWN, /* the device is down, or gone */
};

static enum kicked kick_once(struct wgx_transmit *t, uint64_t *lost)
{
	const uint32_t before = unsent(t->xsk);

	wgx_count(&t->sends, 1);
	if (sendto(t->xsk->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0) {
		if (errno == EBUSY)
			++*lost;
		else if (errno != EAGAIN)
			return KICK_DOWN;
	}
	if (unsent(t->xsk) != before)
		return KICK_AGAIN;
	/* until Linux 6.17 it does not say that completions have no room */
	reclaim(t);
	return KICK_LATER;
}

/*
 * With zero-copy the device is only told, and takes them later; where it is at that already, it need not be, and if it has
 * just ended, that is seen when it is asked again.
 *
 * Return: frames that the device has dropped
 */
static uint64_t kick(struct wgx_transmit *t)
{
	enum kicked said = KICK_AGAIN;
	uint64_t lost = 0;

	for (int i = 0; i < KICKS && said == KICK_AGAIN && unsent(t->xsk) &&
			xsk_ring_prod__needs_wakeup(&t->xsk->tx);
	     i++)
		said = kick_once(t, &lost);
	atomic_store_explicit(&t->waiting, said != KICK_DOWN && unsent(t->xsk),
			      memory_order_relaxed);
	return lost;
}

static bool have_room(struct wgx_transmit *t, unsigned int n, uint64_t now)
{
	if (now < t->rest)
		return false;
	if (t->n_free < n)
		reclaim(t);
	if (t->n_free >= n && xsk_prod_nb_free(&t->xsk->tx, n) >= n)
		return true;
	t->rest = now + REST_NS;
	return false;
}

/* ---- a send ---- */

static void put(struct wgx_transmit *t, struct wgx_hop *hop, const uint8_t mac[6],
		const struct wgx_sendbuf *b)
{
	struct wgx_xsk *x = t->xsk;
	uint32_t at, id = atomic_fetch_add_explicit(&hop->id, b->n, memory_order_relaxed);
	uint64_t bytes = 0;
	size_t from = 0;

	if (xsk_ring_prod__reserve(&x->tx, b->n, &at) != b->n)
		abort(); /* there is room */
	for (unsigned int i = 0; i < b->n; i++) {
		struct xdp_desc *d = xsk_ring_prod__tx_desc(&x->tx, at + i);
		size_t len = b->len - from < b->size ? b->len - from : b->size;

		d->addr = t->free[--t->n_free];
		d->len = (uint32_t)wgx_encap_write(&hop->encap, mac, b->tos, (uint16_t)(id + i),
						   b->data + from, len, x->umem.base + d->addr);
		d->options = 0;
		bytes += d->len;
		from += len;
	}
	xsk_ring_prod__submit(&x->tx, b->n);
	wgx_count(&t->packets, b->n);
	wgx_count(&t->bytes, bytes);
}

static bool send_by(struct wgx_transmit *t, struct wgx_hop *hop, uint64_t neighbour,
		    const struct wgx_sendbuf *b)
{
	uint64_t now = b->clock ? *b->clock : wgx_clock_ns(CLOCK_BOOTTIME), lost;
	uint8_t mac[ETH_ALEN];

	if (atomic_exchange_explicit(&t->busy, true, memory_order_acquire))
		return false;
	if (!have_room(t, b->n, now)) {
		atomic_store_explicit(&t->busy, false, memory_order_release);
		return false;
	}
	for (int i = 0; i < ETH_ALEN; i++)
		mac[i] = (uint8_t)(neighbour >> (8 * i));
	put(t, hop, mac, b);
	lost = kick(t);
	reclaim(t);
	atomic_store_explicit(&t->busy, false, memory_order_release);
	wgx_count(&b->counters->xdp_tx_packets, b->n);
	if (!lost)
		return true;
	wgx_count(&b->counters->drops[WGX_DROP_SEND_ERROR], lost);
	wgx_peer_drops_add(&b->peer->drops, WGX_DROP_SEND_ERROR, lost);
	return true;
}

/* ---- the way ---- */

static void ask(struct wgx_transmits *all, struct wgx_peer *peer)
{
	const uint64_t one = 1;
	bool was_empty = false;

	if (atomic_load_explicit(&peer->hop_link.queued, memory_order_relaxed) ||
	    !wgx_ref_try(&peer->refs))
		return;
	if (!wgx_peerqueue_push(&all->wanted, &peer->hop_link, &was_empty))
		wgx_peer_put(peer);
	else if (was_empty && write(all->wake_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: it is awake */
}

/* That of the peer, if it is an answer to what would be asked now; NULL: it has been asked for */
static struct wgx_hop *hop_of(const struct wgx_sendbuf *b, uint64_t epoch)
{
	struct wgx_hop *hop = wgx_read(b->peer->hop);

	if (!hop || hop->epoch != epoch || hop->port != b->bind->port ||
	    !wgx_endpoint_equal(&hop->to, &b->to)) {
		ask(b->transmits, b->peer);
		return NULL;
	}
	if (b->clock && *b->clock >= hop->again)
		ask(b->transmits, b->peer);
	return hop;
}

/* Why not so; or else to whom */
static enum wgx_transmit_pass look(const struct wgx_hop *hop, const struct wgx_sendbuf *b,
				   uint64_t *ret_neighbour)
{
	uint64_t state;

	if (!hop)
		return WGX_TRANSMIT_PASS_ASKED;
	if (!hop->via)
		return hop->pass;
	if (wgx_encap_packet_len(&hop->encap, b->size) > hop->mtu ||
	    hop->encap.len + b->size > WGX_TRANSMIT_FRAME_MAX)
		return WGX_TRANSMIT_PASS_MTU;
	state = atomic_load_explicit(&hop->neighbour->state, memory_order_relaxed);
	if (state & WGX_NEIGHBOUR_CONFIRM)
		state = atomic_fetch_and(&hop->neighbour->state, ~WGX_NEIGHBOUR_CONFIRM);
	if (!(state & WGX_NEIGHBOUR_USABLE) || state & WGX_NEIGHBOUR_CONFIRM)
		return WGX_TRANSMIT_PASS_NEIGHBOUR;
	*ret_neighbour = state;
	return WGX_TRANSMIT_PASS_NONE;
}

static void count_pass(struct wgx_seal_counters *c, enum wgx_transmit_pass pass, unsigned int n)
{
	_Atomic uint64_t *const counters[] = {
#define X(name, counter) [WGX_TRANSMIT_PASS_##name] = &c->counter,
		WGX_TRANSMIT_PASSES(X)
#undef X
	};

	wgx_count(counters[pass], n);
}

bool wgx_transmit_send(const struct wgx_sendbuf *b)
{
	enum wgx_transmit_pass pass;
	uint64_t epoch, neighbour = 0;
	struct wgx_hop *hop;

	epoch = b->transmits ? atomic_load_explicit(&b->transmits->epoch, memory_order_acquire) : 0;
	if (!epoch)
		return false;
	hop = hop_of(b, epoch);
	pass = look(hop, b, &neighbour);
	if (pass == WGX_TRANSMIT_PASS_NONE && !send_by(hop->via, hop, neighbour, b))
		pass = WGX_TRANSMIT_PASS_FULL;
	if (pass == WGX_TRANSMIT_PASS_NONE)
		return true;
	count_pass(b->counters, pass, b->n);
	return false;
}

/* ---- what is left ---- */

static bool poke(struct wgx_transmit *t)
{
	if (!atomic_load_explicit(&t->waiting, memory_order_relaxed) ||
	    atomic_exchange_explicit(&t->busy, true, memory_order_acquire))
		return false;
	wgx_count(&t->lost, kick(t));
	reclaim(t);
	atomic_store_explicit(&t->busy, false, memory_order_release);
	return atomic_load_explicit(&t->waiting, memory_order_relaxed);
}

bool wgx_transmit_poke(struct wgx_transmits *all)
{
	struct wgx_transmit *t;
	bool left = false;

	if (!atomic_load_explicit(&all->epoch, memory_order_relaxed))
		return false;
	for (int i = 0; i < WGX_TRANSMITS_MAX; i++)
		if ((t = wgx_read(all->at[i])) && poke(t))
			left = true;
	return left;
}

/* Frames that are in the ring, or that the device has still to read from their chunks */
static uint32_t unfinished(struct wgx_transmit *t)
{
	if (!t->xsk->zero_copy)
		return unsent(t->xsk);
	reclaim(t);
	return t->xsk->tx_size - t->n_free;
}

uint64_t wgx_transmit_destroy(struct wgx_transmit *t)
{
	uint64_t lost;

	if (!t)
		return 0;
	lost = t->lost;
	lost += kick(t);
	for (int i = 0; i < DRAIN_TRIES && (t->waiting || (t->xsk->zero_copy && unfinished(t)));
	     i++) {
		usleep(1000);
		lost += kick(t);
	}
	lost += unfinished(t);
	free(t->free);
	free(t);
	return lost;
}
