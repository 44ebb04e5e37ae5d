/* SPDX-License-Identifier: MIT */
/* The protocol thread: handshake messages, and the timers of all sessions. */
#ifndef WGX_DAEMON_PROTOCOL_H
#define WGX_DAEMON_PROTOCOL_H

#include <pthread.h>
#include <stdatomic.h>
#include "daemon/handshakes.h"
#include "daemon/suspend.h"
#include "device/gate.h"
#include "device/peerqueue.h"

struct wgx_daemon;
struct wgx_peer;

struct wgx_protocol {
	struct wgx_daemon *daemon;
	struct wgx_handshakes handshakes;
	struct wgx_peerqueue peers; /* whose sessions are to be run; from any thread */
	int wake_fd; /* eventfd */
	int timer_fd; /* CLOCK_BOOTTIME: counts through suspend (P-TM-8) */
	pthread_t thread;
	bool running;
	_Atomic bool stopping;
	struct wgx_gate gate;
	/* the thread's own */
	struct wgx_peer_link *woken; /* taken from @peers, their turn is to come */
	struct wgx_peer **heap; /* by deadline, binary; each holds a reference */
	size_t n, room;
	struct wgx_suspend suspend;
};

int wgx_protocol_start(struct wgx_protocol *p, struct wgx_daemon *d);
/** wgx_protocol_stop() - the interfaces' peers are dead by now */
void wgx_protocol_stop(struct wgx_protocol *p);
/** wgx_protocol_close() - have it stand, with no message in its hands, but for floods; returns when it does */
void wgx_protocol_close(struct wgx_protocol *p);
/** wgx_protocol_open() - it goes on */
void wgx_protocol_open(struct wgx_protocol *p);
/** wgx_protocol_wake() - any thread: run @peer's session soon */
void wgx_protocol_wake(struct wgx_protocol *p, struct wgx_peer *peer);

#endif
