/* SPDX-License-Identifier: MIT */
#include "daemon/handshakes.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "daemon/state.h"

/*
 * What a turn does at most, before timers and peers get theirs: some milliseconds in all. Cookies are told as fast
 * as a batch a turn allows; what shows a cookie is not kept waiting by those that have none.
 */
#define BATCHES_OF_COOKIES 16
#define REFUSALS_A_BATCH 16 /* of wrong cookies: who is answered comes again, with a right one */
#define HANDSHAKES_A_TURN 8 /* 1 ms of Curve25519 */
#define SOCKETS_AT_ONCE 32

/* ---- what is read ---- */

/* An event names its socket by interface and family: by the time it is looked at, there may be another one. */
static uint64_t name_socket(uint32_t iface, bool v6)
{
	return (uint64_t)iface << 1 | v6;
}

static int listen_on(int epoll_fd, int fd, uint64_t name)
{
	struct epoll_event e = {.events = EPOLLIN, .data.u64 = name};

	return fd < 0 || !epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) ? 0 : -errno;
}

int wgx_handshakes_listen(struct wgx_handshakes *h, uint32_t iface, const struct wgx_bind *b)
{
	int err = 0;

	for (int q = WGX_BIND_BARE; !err && q < WGX_BIND_QUEUES; q++)
		for (int v6 = 0; !err && v6 < 2; v6++)
			err = listen_on(h->epoll_fds[q], wgx_bind_of(b, q, v6),
					name_socket(iface, v6));
	return err;
}

void wgx_handshakes_unlisten(struct wgx_handshakes *h, const struct wgx_bind *b)
{
	for (int q = WGX_BIND_BARE; b && q < WGX_BIND_QUEUES; q++)
		for (int v6 = 0; v6 < 2; v6++)
			epoll_ctl(h->epoll_fds[q], EPOLL_CTL_DEL, wgx_bind_of(b, q, v6), NULL);
}

/* ---- interfaces and their locks ---- */

/* Return: with its model's lock and that of the list held; NULL: there is none, or its link is down */
static struct wgx_served *lock_served(struct wgx_daemon *d, uint32_t id)
{
	struct wgx_served *s;

	wgx_rcu_lock(&d->ifaces_lock);
	cds_list_for_each_entry(s, &d->ifaces, all) {
		if (s->path.dev->id != id)
			continue;
		wgx_device_lock_offline(s->path.dev);
		if (s->path.dev->up)
			return s;
		wgx_device_unlock(s->path.dev);
		break;
	}
	pthread_mutex_unlock(&d->ifaces_lock);
	return NULL;
}

static void unlock_served(struct wgx_served *s)
{
	wgx_device_unlock(s->path.dev);
	pthread_mutex_unlock(&s->daemon->ifaces_lock);
}

/* ---- results ---- */

/* @session: NULL where the peer is not known */
static void count_loss(struct wgx_served *s, struct wgx_session *session,
		       enum wgx_handshake_result r)
{
	static const enum wgx_drop_reason reasons[] = {
		[WGX_HS_INVALID] = WGX_DROP_HANDSHAKE_INVALID,
		[WGX_HS_NO_COOKIE] = WGX_DROP_HANDSHAKE_COOKIE,
		[WGX_HS_LIMITED] = WGX_DROP_HANDSHAKE_LIMIT,
	};

	wgx_count(&s->drops[reasons[r]], 1);
	if (session)
		wgx_peer_drops_add(&wgx_peer_of(session)->drops, reasons[r], 1);
}

static void count_queue_full(struct wgx_served *s)
{
	wgx_count(&s->drops[WGX_DROP_HANDSHAKE_QUEUE], 1);
}

/* The interface is gone. */
static void count_orphan(struct wgx_handshakes *h)
{
	wgx_count(&h->drops[WGX_DROP_HANDSHAKE_INVALID], 1);
}

static void count_accepted(struct wgx_handshakes *h, const struct wgx_handshake_item *item)
{
	switch (item->msg[0]) {
	case WGX_MSG_INITIATION:
		wgx_count(&h->initiations, 1);
		break;
	case WGX_MSG_RESPONSE:
		wgx_count(&h->responses, 1);
		break;
	default:
		wgx_count(&h->cookies, 1);
	}
}

/* ---- second: what was admitted ---- */

static void consume(struct wgx_handshakes *h, struct wgx_served *s,
		    const struct wgx_handshake_item *item)
{
	struct wgx_session *session = NULL;
	struct wgx_now now = wgx_now();
	enum wgx_handshake_result r;
	struct wgx_peer *peer;
	struct wgx_from from;

	wgx_endpoint_from(&item->from, &from);
	r = wgx_handshake_consume(s->path.dev->local, item->msg, item->len, &from, &now, &session);
	if (r != WGX_HS_OK) {
		count_loss(s, session, r);
		return;
	}
	count_accepted(h, item);
	if (!session)
		return;
	peer = wgx_peer_of(session);
	atomic_fetch_add_explicit(&peer->rx_bytes, item->len, memory_order_relaxed);
	wgx_protocol_wake(&h->daemon->protocol, peer);
}

static unsigned int run_admitted(struct wgx_handshakes *h)
{
	const struct wgx_handshake_item *item;
	unsigned int n = 0;

	for (; n < HANDSHAKES_A_TURN && (item = wgx_hsqueue_get(&h->admitted)); n++) {
		struct wgx_served *s = lock_served(h->daemon, item->iface);

		if (s) {
			consume(h, s, item);
			unlock_served(s);
		} else {
			count_orphan(h);
		}
		wgx_hsqueue_pop(&h->admitted);
	}
	return n;
}

/* ---- first: what arrived ---- */

/* @refusals: how many more may be answered with a cookie reply */
static void refuse(struct wgx_handshakes *h, struct wgx_served *s,
		   const struct wgx_handshake_item *item, const struct wgx_from *from,
		   uint64_t boot, unsigned int *refusals)
{
	wgx_hsqueue_refused(&h->admitted, boot);
	if (!*refusals) {
		count_queue_full(s);
		return;
	}
	(*refusals)--;
	wgx_handshake_refuse(s->path.dev->local, item->msg, item->len, from);
	count_loss(s, NULL, WGX_HS_NO_COOKIE);
}

/* A cookie reply has no mac1 and costs no Diffie-Hellman: it must not fill the queue, and need not stand in it. */
static void admit(struct wgx_handshakes *h, struct wgx_served *s,
		  const struct wgx_handshake_item *item, uint64_t boot, unsigned int *refusals)
{
	const bool loaded = wgx_hsqueue_loaded(&h->admitted, boot);
	enum wgx_handshake_result r;
	struct wgx_from from;

	wgx_endpoint_from(&item->from, &from);
	r = wgx_handshake_admit(s->path.dev->local, item->msg, item->len, &from, loaded, boot);
	if (r == WGX_HS_NO_COOKIE)
		refuse(h, s, item, &from, boot, refusals);
	else if (r != WGX_HS_OK)
		count_loss(s, NULL, r);
	else if (item->msg[0] == WGX_MSG_COOKIE)
		consume(h, s, item);
	else if (!wgx_hsqueue_put(&h->admitted, s->path.dev->id, &item->from, item->msg, item->len))
		count_queue_full(s);
}

static unsigned int read_socket(struct wgx_handshakes *h, enum wgx_bind_queue q, uint64_t name)
{
	struct wgx_served *s = lock_served(h->daemon, (uint32_t)(name >> 1));
	unsigned int refusals = q == WGX_BIND_COOKIE ? REFUSALS_A_BATCH : WGX_BIND_BATCH;
	const struct wgx_bind *b;
	uint64_t boot;
	int n;

	if (!s)
		return 0;
	b = wgx_read(s->path.bind);
	n = b ? wgx_bind_receive_handshakes(wgx_bind_of(b, q, name & 1), h->batch, WGX_BIND_BATCH)
	      : 0;
	boot = wgx_now().boot;
	for (int i = 0; i < n; i++)
		if (h->batch[i].datagrams == 1)
			admit(h, s, &h->batch[i], boot, &refusals);
		else
			wgx_count(&s->drops[WGX_DROP_HANDSHAKE_INVALID], h->batch[i].datagrams);
	if (n > 0)
		wgx_count_shared(&s->path.open.handshakes_queued, (uint64_t)n);
	unlock_served(s);
	return n > 0 ? (unsigned int)n : 0;
}

/* A batch of each socket that has any, so that none keeps the others waiting. */
static unsigned int read_sockets(struct wgx_handshakes *h, enum wgx_bind_queue q)
{
	struct epoll_event events[SOCKETS_AT_ONCE];
	int ready = epoll_wait(h->epoll_fds[q], events, SOCKETS_AT_ONCE, 0);
	unsigned int n = 0;

	for (int i = 0; i < ready; i++)
		n += read_socket(h, q, events[i].data.u64);
	return n;
}

static unsigned int read_arrived(struct wgx_handshakes *h)
{
	const struct wgx_handshake_item *item;
	unsigned int n = 0, refusals = WGX_BIND_BATCH;

	for (; n < WGX_BIND_BATCH && (item = wgx_hsqueue_get(&h->arrived)); n++) {
		struct wgx_served *s = lock_served(h->daemon, item->iface);

		if (s) {
			admit(h, s, item, wgx_now().boot, &refusals);
			unlock_served(s);
		} else {
			count_orphan(h);
		}
		wgx_hsqueue_pop(&h->arrived);
	}
	return n;
}

/* ---- */

unsigned int wgx_handshakes_run(struct wgx_handshakes *h)
{
	unsigned int n = 0, more = 1;

	for (int i = 0; more && i < BATCHES_OF_COOKIES; i++)
		n += more = read_sockets(h, WGX_BIND_COOKIE);
	n += read_sockets(h, WGX_BIND_BARE);
	n += read_arrived(h);
	return n + run_admitted(h);
}

int wgx_handshakes_init(struct wgx_handshakes *h, struct wgx_daemon *d, int wake_fd)
{
	int err = 0;

	memset(h, 0, sizeof(*h));
	h->daemon = d;
	for (int q = WGX_BIND_BARE; q < WGX_BIND_QUEUES; q++) {
		h->epoll_fds[q] = epoll_create1(EPOLL_CLOEXEC);
		if (h->epoll_fds[q] < 0)
			err = -errno;
	}
	err = err ?: wgx_hsqueue_init(&h->arrived, wake_fd);
	return err ?: wgx_hsqueue_init(&h->admitted, -1);
}

void wgx_handshakes_free(struct wgx_handshakes *h)
{
	wgx_hsqueue_free(&h->arrived);
	wgx_hsqueue_free(&h->admitted);
	for (int q = WGX_BIND_BARE; q < WGX_BIND_QUEUES; q++)
		if (h->epoll_fds[q] > 0)
			close(h->epoll_fds[q]);
	memset(h->epoll_fds, 0, sizeof(h->epoll_fds));
}
