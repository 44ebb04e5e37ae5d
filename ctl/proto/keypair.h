/* SPDX-License-Identifier: MIT */
/* Transport keys of one handshake, and the three slots they rotate through (P-HS-7). */
#ifndef WGX_PROTO_KEYPAIR_H
#define WGX_PROTO_KEYPAIR_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <wgx/wire.h>
#include "proto/replay.h"

struct wgx_session;

/**
 * struct wgx_keypair - keys for both directions
 * All but the atomics, @replay and what @floor leads to is written before the keypair is published, and then only read.
 */
struct wgx_keypair {
	uint8_t send_key[WGX_KEY_LEN];
	uint8_t recv_key[WGX_KEY_LEN];
	uint32_t local_index; /* receiver index in what we get */
	uint32_t remote_index; /* receiver index in what we send, host byte order */
	uint64_t created; /* boot ns */
	bool initiator;
	struct wgx_session *session;
	_Atomic uint64_t
		*floor; /* the open worker tells BPF here what is behind @replay; NULL: nowhere */
	_Alignas(64) _Atomic uint64_t send_counter; /* the next nonce */
	_Atomic bool send_expired; /* the private key changed: receives, does not send */
	_Atomic bool confirmed; /* a data packet under it has authenticated, or we initiated */
	_Alignas(64) struct wgx_replay replay; /* the open worker's own */
};

/** struct wgx_keypairs - slots; written under the lock, @current and @next read by the seal worker */
struct wgx_keypairs {
	struct wgx_keypair *_Atomic current;
	struct wgx_keypair *previous;
	struct wgx_keypair *_Atomic next;
};

#endif
