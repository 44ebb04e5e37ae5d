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

#define WOKEN_A_TURN 256 /* peers, before handshakes and timers get their turn */

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

/* Under the list's lock, and @peer was alive: so its interface is there until the lock is let go. */
static uint64_t run_session(struct wgx_peer *peer)
{
	struct wgx_device *dev = peer->dev;
	struct wgx_now now = wgx_now();
	uint64_t deadline = UINT64_MAX;

	wgx_device_lock_offline(dev); /* the peer dies under this lock */
	if (!atomic_load(&peer->dead)) {
		deadline = wgx_session_run(&peer->session, &now);
		if (atomic_exchange(&peer->roamed, false)) {
			wgx_source_check(wgx_served_of(dev), peer);
			wgx_mirror_peer(dev, peer, WGX_PEER_MOVED);
		}
		peer->timed = deadline != UINT64_MAX;
	}
	wgx_device_unlock(dev);
	return deadline;
}

static void run_peer(struct wgx_protocol *p, struct wgx_peer *peer)
{
	uint64_t deadline = UINT64_MAX;

	/* no lock for a dead one: who removes many peers holds them most of the time */
	if (!atomic_load(&peer->dead)) {
		wgx_rcu_lock(&p->daemon->ifaces_lock);
		if (!atomic_load(&peer->dead))
			deadline = run_session(peer);
		pthread_mutex_unlock(&p->daemon->ifaces_lock);
	}
	set_deadline(p, peer, deadline);
}

static struct wgx_peer *next_woken(struct wgx_protocol *p)
{
	struct wgx_peer_link *l;

	if (!p->woken)
		p->woken = wgx_peerqueue_take(&p->peers);
	l = p->woken;
	if (!l)
		return NULL;
	p->woken = wgx_peerqueue_done(l);
	return (struct wgx_peer *)((char *)l - offsetof(struct wgx_peer, protocol_link));
}

static unsigned int run_woken(struct wgx_protocol *p)
{
	struct wgx_peer *peer;
	unsigned int n = 0;

	for (; n < WOKEN_A_TURN && (peer = next_woken(p)); n++) {
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

/* ---- suspend ---- */

static void forget_keys(struct wgx_device *dev)
{
	struct wgx_peer *peer;

	wgx_device_lock_offline(dev);
	cds_list_for_each_entry(peer, &dev->peers, all) {
		wgx_session_forget_keys(&peer->session);
	}
	wgx_device_unlock(dev);
}

/* After a suspend no session key is left (P-TM-8): who took the machine meanwhile finds none. */
static void check_suspend(struct wgx_protocol *p)
{
	struct wgx_served *s;

	if (!wgx_suspend_seen(&p->suspend))
		return;
	wgx_log(WGX_LOG_INFO, "the machine was suspended: session keys are cleared");
	wgx_rcu_lock(&p->daemon->ifaces_lock);
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
	struct pollfd fds[] = {
		{.fd = p->wake_fd, .events = POLLIN},
		{.fd = p->timer_fd, .events = POLLIN},
		{.fd = p->suspend.fd, .events = POLLIN},
		{.fd = p->handshakes.epoll_fds[WGX_BIND_COOKIE], .events = POLLIN},
		{.fd = p->handshakes.epoll_fds[WGX_BIND_BARE], .events = POLLIN},
	};
	const size_t counters = 3; /* the others are not read like these */
	uint64_t dummy;

	arm_timer(p);
	wgx_rcu_offline();
	poll(fds, sizeof(fds) / sizeof(*fds), -1);
	wgx_rcu_online();
	for (size_t i = 0; i < counters; i++)
		if (fds[i].revents & POLLIN && read(fds[i].fd, &dummy, sizeof(dummy)) < 0)
			continue; /* cleared in the meantime, or the clock was set */
}

static void *protocol_main(void *arg)
{
	struct wgx_protocol *p = arg;

	pthread_setname_np(pthread_self(), "wgx-protocol");
	wgx_rcu_register();
	while (!atomic_load(&p->stopping)) {
		unsigned int work;

		check_suspend(p);
		work = run_woken(p) + wgx_handshakes_run(&p->handshakes) + run_due(p);

		wgx_rcu_quiescent();
		if (wgx_gate_stop(&p->gate, work))
			wgx_gate_stand(&p->gate, &p->stopping);
		else if (!work)
			protocol_sleep(p);
	}
	wgx_rcu_unregister();
	return NULL;
}

int wgx_protocol_start(struct wgx_protocol *p, struct wgx_daemon *d)
{
	int err;

	memset(p, 0, sizeof(*p));
	p->timer_fd = p->suspend.fd = -1;
	p->daemon = d;
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->wake_fd < 0)
		return -errno;
	p->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	err = p->timer_fd < 0 ? -errno : wgx_suspend_open(&p->suspend);
	if (!err)
		err = wgx_handshakes_init(&p->handshakes, d, p->wake_fd);
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

	/* as wgx_worker_wake() */
	for (int tries = 3; tries && write(p->wake_fd, &one, sizeof(one)) < 0; tries--)
		if (errno == EAGAIN)
			return;
}

static void wake(void *p)
{
	wake_thread(p);
}

void wgx_protocol_close(struct wgx_protocol *p)
{
	wgx_gate_close(&p->gate, wake, p);
}

void wgx_protocol_open(struct wgx_protocol *p)
{
	wgx_gate_open(&p->gate);
}

void wgx_protocol_stop(struct wgx_protocol *p)
{
	struct wgx_peer *peer;

	if (p->running) {
		atomic_store(&p->stopping, true);
		wake_thread(p);
		pthread_join(p->thread, NULL);
		p->running = false;
	}
	while ((peer = next_woken(p)))
		wgx_peer_put(peer);
	while (p->n)
		heap_remove(p, p->heap[0]);
	free(p->heap);
	wgx_handshakes_free(&p->handshakes);
	if (p->timer_fd >= 0)
		close(p->timer_fd);
	if (p->wake_fd >= 0)
		close(p->wake_fd);
	wgx_suspend_close(&p->suspend);
	*p = (struct wgx_protocol){.wake_fd = -1, .timer_fd = -1, .suspend.fd = -1};
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
