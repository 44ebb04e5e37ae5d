/* SPDX-License-Identifier: MIT */
#include "daemon/protocol.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "daemon/log.h"
#include "daemon/state.h"

/* Handshakes in a turn before timers and peers get theirs: some 5 ms of Curve25519. */
#define HANDSHAKES_A_TURN 32
#define LOADED_NS 1000000000ull /* P-DOS-1 */
/* The two clocks are read one after the other: less than this between them is no suspend. */
#define SUSPEND_NS 500000000ull

/* ---- the heap ---- */

static void place(struct wgx_protocol *p, size_t at, struct wgx_peer *peer)
{
	p->heap[at] = peer;
	peer->heap_slot = at + 1; /* 0: not in the heap, as in a zeroed peer */
}

static void sift_up(struct wgx_protocol *p, size_t at)
{
	struct wgx_peer *peer = p->heap[at];

	while (at && p->heap[(at - 1) / 2]->deadline > peer->deadline) {
		place(p, at, p->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(p, at, peer);
}

static void sift_down(struct wgx_protocol *p, size_t at)
{
	struct wgx_peer *peer = p->heap[at];
	size_t child;

	while ((child = 2 * at + 1) < p->n) {
		if (child + 1 < p->n && p->heap[child + 1]->deadline < p->heap[child]->deadline)
			child++;
		if (p->heap[child]->deadline >= peer->deadline)
			break;
		place(p, at, p->heap[child]);
		at = child;
	}
	place(p, at, peer);
}

static void heap_remove(struct wgx_protocol *p, struct wgx_peer *peer)
{
	size_t at = peer->heap_slot - 1;
	struct wgx_peer *last;

	if (!peer->heap_slot)
		return;
	peer->heap_slot = 0;
	last = p->heap[--p->n];
	if (last != peer) {
		place(p, at, last);
		sift_up(p, at);
		sift_down(p, last->heap_slot - 1);
	}
	wgx_peer_put(peer);
}

static int heap_insert(struct wgx_protocol *p, struct wgx_peer *peer)
{
	if (p->n == p->room) {
		size_t room = p->room ? 2 * p->room : 64;
		struct wgx_peer **heap = realloc(p->heap, room * sizeof(struct wgx_peer *));

		if (!heap)
			return -ENOMEM;
		p->heap = heap;
		p->room = room;
	}
	wgx_peer_get(peer);
	p->heap[p->n++] = peer;
	sift_up(p, p->n - 1);
	return 0;
}

static void set_deadline(struct wgx_protocol *p, struct wgx_peer *peer, uint64_t deadline)
{
	if (deadline == UINT64_MAX) {
		heap_remove(p, peer);
		return;
	}
	peer->deadline = deadline;
	if (!peer->heap_slot) {
		if (heap_insert(p, peer))
			wgx_log(WGX_LOG_ERR, "no memory for a timer");
		return;
	}
	sift_up(p, peer->heap_slot - 1);
	sift_down(p, peer->heap_slot - 1);
}

/* ---- running sessions ---- */

/* Wait for a lock offline: its holder may be waiting for a grace period. */
static void lock(pthread_mutex_t *m)
{
	wgx_rcu_offline();
	pthread_mutex_lock(m);
	wgx_rcu_online();
}

static void run_peer(struct wgx_protocol *p, struct wgx_peer *peer)
{
	struct wgx_now now = wgx_now();
	uint64_t deadline = UINT64_MAX;

	lock(&p->daemon->ifaces_lock);
	lock(&peer->dev->lock); /* the peer keeps its device, and dies under this lock */
	if (!atomic_load(&peer->dead)) {
		deadline = wgx_session_run(&peer->session, &now);
		if (atomic_exchange(&peer->roamed, false))
			wgx_mirror_peer(peer->dev, peer, false);
	}
	pthread_mutex_unlock(&peer->dev->lock);
	set_deadline(p, peer, deadline);
	pthread_mutex_unlock(&p->daemon->ifaces_lock);
}

static unsigned int run_woken(struct wgx_protocol *p)
{
	struct wgx_peer_link *l = wgx_peerqueue_take(&p->peers);
	unsigned int n = 0;

	for (; l; n++) {
		struct wgx_peer *peer =
			(struct wgx_peer *)((char *)l - offsetof(struct wgx_peer, protocol_link));

		l = wgx_peerqueue_done(l);
		run_peer(p, peer);
		wgx_peer_put(peer);
	}
	return n;
}

static unsigned int run_due(struct wgx_protocol *p)
{
	uint64_t boot = wgx_now().boot;
	unsigned int n = 0;

	/* a run moves the deadline on; should it not, others get their turn all the same */
	for (; p->n && p->heap[0]->deadline <= boot && n < 1024; n++)
		run_peer(p, p->heap[0]);
	return n;
}

static struct wgx_served *served_by_id(struct wgx_daemon *d, uint32_t id)
{
	struct wgx_served *s;

	cds_list_for_each_entry(s, &d->ifaces, all)
		if (s->path.dev->id == id)
			return s;
	return NULL;
}

static void count_result(struct wgx_protocol *p, enum wgx_handshake_result r)
{
	static const enum wgx_drop_reason reasons[] = {
		[WGX_HS_INVALID] = WGX_DROP_HANDSHAKE_INVALID,
		[WGX_HS_COOKIE_SENT] = WGX_DROP_HANDSHAKE_COOKIE,
		[WGX_HS_LIMITED] = WGX_DROP_HANDSHAKE_LIMIT,
	};

	if (r != WGX_HS_OK)
		wgx_count(&p->drops[reasons[r]], 1);
}

static void count_accepted(struct wgx_protocol *p, const struct wgx_handshake_item *item)
{
	switch (item->msg[0]) {
	case WGX_MSG_INITIATION:
		wgx_count(&p->initiations, 1);
		break;
	case WGX_MSG_RESPONSE:
		wgx_count(&p->responses, 1);
		break;
	default:
		wgx_count(&p->cookies, 1);
	}
}

static void receive(struct wgx_protocol *p, const struct wgx_handshake_item *item, bool loaded)
{
	struct wgx_session *session = NULL;
	struct wgx_now now = wgx_now();
	enum wgx_handshake_result r = WGX_HS_INVALID;
	struct wgx_served *s;
	struct wgx_from from;

	wgx_endpoint_from(&item->from, &from);
	lock(&p->daemon->ifaces_lock);
	s = served_by_id(p->daemon, item->iface);
	if (s) {
		lock(&s->path.dev->lock);
		if (s->path.dev->up)
			r = wgx_receive_handshake(s->path.dev->local, item->msg, item->len, &from,
						  loaded, &now, &session);
		pthread_mutex_unlock(&s->path.dev->lock);
	}
	count_result(p, r);
	if (r == WGX_HS_OK) {
		count_accepted(p, item);
		if (session) {
			atomic_fetch_add_explicit(&wgx_peer_of(session)->rx_bytes, item->len,
						  memory_order_relaxed);
			wgx_protocol_wake(p, wgx_peer_of(session));
		}
	}
	pthread_mutex_unlock(&p->daemon->ifaces_lock);
}

static unsigned int run_handshakes(struct wgx_protocol *p)
{
	const struct wgx_handshake_item *item;
	unsigned int n = 0;

	for (; n < HANDSHAKES_A_TURN && (item = wgx_hsqueue_get(&p->handshakes)); n++) {
		uint64_t boot = wgx_now().boot;

		if (wgx_hsqueue_loaded(&p->handshakes))
			p->loaded_until = boot + LOADED_NS;
		receive(p, item, boot < p->loaded_until);
		wgx_hsqueue_pop(&p->handshakes);
	}
	return n;
}

/* ---- suspend ---- */

static uint64_t suspended_ns(void)
{
	uint64_t before, boot, after;

	do { /* anew where we were not running in between: that is no suspend */
		before = wgx_clock_ns(CLOCK_MONOTONIC);
		boot = wgx_clock_ns(CLOCK_BOOTTIME);
		after = wgx_clock_ns(CLOCK_MONOTONIC);
	} while (after - before > SUSPEND_NS / 2);
	return boot > before ? boot - before : 0;
}

static void forget_keys(struct wgx_device *dev)
{
	struct wgx_peer *peer;

	lock(&dev->lock);
	cds_list_for_each_entry(peer, &dev->peers, all) {
		wgx_session_forget_keys(&peer->session);
	}
	pthread_mutex_unlock(&dev->lock);
}

/* After a suspend no session key is left (P-TM-8): who took the machine meanwhile finds none. */
static void check_suspend(struct wgx_protocol *p)
{
	uint64_t suspended = suspended_ns();
	struct wgx_served *s;

	if (suspended < p->suspended + SUSPEND_NS)
		return;
	p->suspended = suspended;
	wgx_log(WGX_LOG_INFO, "the machine was suspended: session keys are cleared");
	lock(&p->daemon->ifaces_lock);
	cds_list_for_each_entry(s, &p->daemon->ifaces, all) {
		forget_keys(s->path.dev);
	}
	pthread_mutex_unlock(&p->daemon->ifaces_lock);
}

/* ---- the thread ---- */

static void arm_timer(struct wgx_protocol *p)
{
	struct itimerspec t = {0};

	if (p->n) {
		uint64_t at = p->heap[0]->deadline ? p->heap[0]->deadline : 1;

		t.it_value.tv_sec = (time_t)(at / 1000000000u);
		t.it_value.tv_nsec = (long)(at % 1000000000u);
	}
	timerfd_settime(p->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

static void protocol_sleep(struct wgx_protocol *p)
{
	struct pollfd fds[2] = {
		{.fd = p->wake_fd, .events = POLLIN},
		{.fd = p->timer_fd, .events = POLLIN},
	};
	uint64_t dummy;

	arm_timer(p);
	wgx_rcu_offline();
	poll(fds, 2, -1);
	wgx_rcu_online();
	for (int i = 0; i < 2; i++)
		if (fds[i].revents & POLLIN && read(fds[i].fd, &dummy, sizeof(dummy)) < 0)
			continue; /* cleared in the meantime */
}

static void *protocol_main(void *arg)
{
	struct wgx_protocol *p = arg;

	pthread_setname_np(pthread_self(), "wgx-protocol");
	wgx_rcu_register();
	p->suspended = suspended_ns();
	while (!atomic_load(&p->stopping)) {
		unsigned int work;

		check_suspend(p);
		work = run_woken(p) + run_handshakes(p) + run_due(p);

		wgx_rcu_quiescent();
		if (!work)
			protocol_sleep(p);
	}
	wgx_rcu_unregister();
	return NULL;
}

int wgx_protocol_start(struct wgx_protocol *p, struct wgx_daemon *d)
{
	int err;

	memset(p, 0, sizeof(*p));
	p->timer_fd = -1;
	p->daemon = d;
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->wake_fd < 0)
		return -errno;
	p->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	err = p->timer_fd < 0 ? -errno : wgx_hsqueue_init(&p->handshakes, p->wake_fd);
	if (!err)
		err = -pthread_create(&p->thread, NULL, protocol_main, p);
	p->running = !err;
	if (err)
		wgx_protocol_stop(p);
	return err;
}

static void wake_thread(struct wgx_protocol *p)
{
	const uint64_t one = 1;

	if (write(p->wake_fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: it is awake */
}

void wgx_protocol_stop(struct wgx_protocol *p)
{
	struct wgx_peer_link *l;

	if (p->running) {
		atomic_store(&p->stopping, true);
		wake_thread(p);
		pthread_join(p->thread, NULL);
		p->running = false;
	}
	for (l = wgx_peerqueue_take(&p->peers); l;) {
		struct wgx_peer *peer =
			(struct wgx_peer *)((char *)l - offsetof(struct wgx_peer, protocol_link));

		l = wgx_peerqueue_done(l);
		wgx_peer_put(peer);
	}
	while (p->n)
		heap_remove(p, p->heap[0]);
	free(p->heap);
	wgx_hsqueue_free(&p->handshakes);
	if (p->timer_fd >= 0)
		close(p->timer_fd);
	if (p->wake_fd >= 0)
		close(p->wake_fd);
	*p = (struct wgx_protocol){.wake_fd = -1, .timer_fd = -1};
}

void wgx_protocol_wake(struct wgx_protocol *p, struct wgx_peer *peer)
{
	bool was_empty;

	if (!wgx_ref_try(&peer->refs))
		return; /* removed, and nobody's any more */
	if (!wgx_peerqueue_push(&p->peers, &peer->protocol_link, &was_empty))
		wgx_peer_put(peer);
	else if (was_empty)
		wake_thread(p);
}
