/* SPDX-License-Identifier: MIT */
/*
 * The seal workers: plaintext frames from wg0's rings, through allowed IPs, segmentation and AEAD, to UDP
 * sends. See docs/architecture.md, "A packet's way out". Each serves the queue of its number of each far end. Commands are the first's.
 */
#ifndef WGX_PATH_SEAL_H
#define WGX_PATH_SEAL_H

#include <wgx/bpf_abi.h>
#include "device/peerqueue.h"
#include "path/inflight.h"
#include "path/transmit.h"
#include "path/worker.h"

struct wgx_peer;

/** struct wgx_seal_env - what the daemon shares with the seal workers; wgx_seal_env_init() */
struct wgx_seal_env {
	struct wgx_peerqueue queue; /* peers with seal_commands */
	struct wgx_peer_link
		*taken; /* from @queue, their turn is to come; the first worker's own */
	struct wgx_transmits transmits;
	struct wgx_inflight inflight[WGX_QUEUES_MAX]; /* by worker */
	_Atomic uint64_t patience; /* ns; who is off its processor for longer is not waited for */
	_Atomic uint64_t stray; /* frames of LAN devices for an interface that has gone */
	pthread_mutex_t
		lock; /* the workers', for what is seldom: packets kept back, limits of ICMP */
};

extern const struct wgx_worker_ops wgx_seal_ops;

void wgx_seal_env_init(struct wgx_seal_env *env);

/** wgx_seal_command() - @w: the first; any thread: have @commands (enum wgx_seal_command) carried out for @peer soon */
void wgx_seal_command(struct wgx_worker *w, struct wgx_peer *peer, uint32_t commands);

#endif
