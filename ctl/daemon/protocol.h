/* SPDX-License-Identifier: MIT */
/* The protocol thread: handshake messages, and the timers of all sessions. */
#ifndef WGX_DAEMON_PROTOCOL_H
#define WGX_DAEMON_PROTOCOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <wgx/drops.h>
#include "device/peerqueue.h"
#include "path/hsqueue.h"

struct wgx_daemon;
struct wgx_peer;

struct wgx_protocol {
	struct wgx_daemon *daemon;
	struct wgx_hsqueue handshakes; /* from the open worker */
	struct wgx_peerqueue peers; /* whose sessions are to be run; from any thread */
	int wake_fd; /* eventfd */
	int timer_fd; /* CLOCK_BOOTTIME: counts through suspend (P-TM-8) */
	pthread_t thread;
	bool running;
	_Atomic bool stopping;
	/* the thread's own: peers by deadline, a binary heap; each holds a reference */
	struct wgx_peer **heap;
	size_t n, room;
	uint64_t loaded_until; /* under load until then, boot ns (P-DOS-1) */
	uint64_t suspended; /* ns that the machine has slept, when last looked at */
	_Atomic uint64_t drops[WGX_DROP_COUNT]; /* of handshakes, of all interfaces */
	_Atomic uint64_t initiations, responses, cookies; /* accepted */
};

int wgx_protocol_start(struct wgx_protocol *p, struct wgx_daemon *d);
/** wgx_protocol_stop() - the interfaces' peers are dead by now */
void wgx_protocol_stop(struct wgx_protocol *p);
/** wgx_protocol_wake() - any thread: run @peer's session soon */
void wgx_protocol_wake(struct wgx_protocol *p, struct wgx_peer *peer);

#endif
