/* SPDX-License-Identifier: MIT */
/*
 * A worker thread: it serves a set of ports in turns, spins for a bounded while when they are empty, and then
 * sleeps in poll(). One or more seal, one opens, and may have helpers (path/openers.h). The control thread changes the set while it runs.
 */
#ifndef WGX_PATH_WORKER_H
#define WGX_PATH_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "device/gate.h"

struct wgx_iface;
struct wgx_xsk;

enum wgx_port_kind {
	WGX_PORT_WG, /* AF_XDP on wg0's far end: plaintext (seal) */
	WGX_PORT_COLLECTOR, /* AF_XDP on the collector: stamped superframes from any device (open) */
	WGX_PORT_DEVICE, /* AF_XDP on a device's own queue: one packet a frame (open) */
	WGX_PORT_SOCKET, /* a UDP socket (open) */
	WGX_PORT_LAN, /* AF_XDP on a LAN device's queue: stamped plaintext for any interface (seal) */
};

/** struct wgx_port - where packets come from */
struct wgx_port {
	enum wgx_port_kind kind;
	int fd; /* to poll */
	struct wgx_xsk *xsk; /* NULL for WGX_PORT_SOCKET */
	struct wgx_iface *iface; /* NULL for WGX_PORT_COLLECTOR, WGX_PORT_DEVICE and WGX_PORT_LAN */
	uint32_t device; /* WGX_PORT_DEVICE: ifindex */
};

/** struct wgx_portset - published by RCU, never changed */
struct wgx_portset {
	unsigned int n_ports, n_ifaces;
	uint64_t since; /* boot ns; written when it is published */
	struct wgx_port *ports;
	struct wgx_iface **ifaces; /* all of the daemon's */
};

struct wgx_worker;

/** wgx_relax() - in a loop that waits for another processor's store */
static inline void wgx_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/** struct wgx_worker_ops - what makes a worker a sealer or an opener; all on its own thread */
struct wgx_worker_ops {
	const char *
		name; /* of the thread, at most 12 bytes; the second and later ones have a number behind it */
	unsigned int spin; /* rounds without work before it sleeps; 0: as measured in worker.c */
	int (*start)(struct wgx_worker *w); /* allocate what it needs */
	/* take what the port has, but not without end; return: frames taken */
	unsigned int (*serve)(struct wgx_worker *w, const struct wgx_port *port);
	/* after each round: what others asked for; return: things done */
	unsigned int (*between)(struct wgx_worker *w, const struct wgx_portset *set);
	/* about to sleep; return: how long at most, in ms, -1: until woken */
	int (*idle)(struct wgx_worker *w, const struct wgx_portset *set);
	void (*stop)(struct wgx_worker *w);
};

struct wgx_worker {
	const struct wgx_worker_ops *ops;
	unsigned int number; /* given at start: of those with the same ops; the first is 0 */
	char name[16]; /* of the thread */
	void *state; /* the ops' own */
	void *env; /* given at start: what the daemon shares with it */
	int (*confine)(void); /* given at start: the thread gives its privileges up; or NULL */
	struct wgx_portset *set; /* RCU */
	uint64_t boot; /* the worker's clock, ns: read once a round */
	int wake_fd; /* eventfd */
	pthread_t thread;
	_Atomic bool stopping;
	struct wgx_gate gate;
	_Atomic uint64_t rounds, sleeps;
	_Atomic unsigned int naps; /* odd: in poll() */
	_Atomic uint64_t helped; /* messages that it decrypted for another: path/openers.h */
	_Atomic int started; /* 0: not yet, 1: running, negative: errno */
};

/**
 * wgx_worker_start() - begin, with an empty set; returns when it runs
 * @number: as struct wgx_worker has it
 * Return: 0 or a negative errno; then there is no thread.
 */
int wgx_worker_start(struct wgx_worker *w, const struct wgx_worker_ops *ops, unsigned int number,
		     void *env, int (*confine)(void));
void wgx_worker_stop(struct wgx_worker *w);
/** wgx_worker_wake() - any thread: have ops->between called soon */
void wgx_worker_wake(struct wgx_worker *w);

/**
 * wgx_worker_close() - have it stand between two rounds, with no packet in its hands; returns when it does
 * The set may change meanwhile. What comes waits in rings and sockets.
 */
void wgx_worker_close(struct wgx_worker *w);
/** wgx_worker_open() - it goes on */
void wgx_worker_open(struct wgx_worker *w);

/**
 * wgx_worker_set() - serve these from now on
 * The set is copied. Returns when the worker has let go of the old one, so that what it named may be
 * destroyed, and its ports and queues be taken again. The caller is an RCU-registered thread.
 *
 * Return: 0 or -ENOMEM (nothing changed).
 */
int wgx_worker_set(struct wgx_worker *w, const struct wgx_portset *set);

#endif
