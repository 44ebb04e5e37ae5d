/* SPDX-License-Identifier: MIT */
/*
 * Counting, and what is counted of each peer. Each counter has one writer at a time and is read by anyone:
 * relaxed atomics, no locked instruction.
 */
#ifndef WGX_DEVICE_DROPS_H
#define WGX_DEVICE_DROPS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <wgx/drops.h>

/** wgx_count() - add to a counter that nobody else writes meanwhile */
static inline void wgx_count(_Atomic uint64_t *c, uint64_t n)
{
	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/** wgx_count_shared() - add to one of the few counters that several threads write */
static inline void wgx_count_shared(_Atomic uint64_t *c, uint64_t n)
{
	atomic_fetch_add_explicit(c, n, memory_order_relaxed);
}

/*
 * X(NAME of wgx/drops.h): the reasons for which userspace loses packets of which it knows the peer. They are in
 * each peer, for the packet path allocates nothing; so they are these and not all.
 */
/* clang-format off */
#define WGX_PEER_DROPS(X)                                                                          \
	/* the seal workers' */                                                                    \
	X(SEAL_MALFORMED) X(SEAL_NO_ENDPOINT) X(SEAL_STAGED_FULL) X(SEAL_STAGED_EXPIRED)           \
	X(SEND_ERROR) X(SEND_TOO_BIG)                                                              \
	/* the open worker's */                                                                    \
	X(OPEN_KEY_EXPIRED) X(OPEN_AUTH) X(OPEN_REPLAY) X(OPEN_INNER_MALFORMED) X(OPEN_SOURCE)     \
	X(INJECT_ERROR) X(INJECT_BACKLOG) X(INJECT_MTU)                                            \
	/* under the lock of the interface */                                                      \
	X(HANDSHAKE_INVALID) X(HANDSHAKE_LIMIT) X(HANDSHAKE_SEND)
/* clang-format on */

enum wgx_peer_drop {
#define X(name) WGX_PEER_DROP_##name,
	WGX_PEER_DROPS(X)
#undef X
		WGX_PEER_DROP_COUNT
};

/** struct wgx_peer_drops - packets of one peer that were lost; zeroed: none */
struct wgx_peer_drops {
	_Atomic uint64_t n[WGX_PEER_DROP_COUNT];
};

/** wgx_peer_drop_slot() - index into struct wgx_peer_drops; WGX_PEER_DROP_COUNT: not counted by peer */
static inline enum wgx_peer_drop wgx_peer_drop_slot(enum wgx_drop_reason reason)
{
	switch (reason) {
#define X(name)               \
	case WGX_DROP_##name: \
		return WGX_PEER_DROP_##name;
		WGX_PEER_DROPS(X)
#undef X
	default:
		return WGX_PEER_DROP_COUNT;
	}
}

/** wgx_peer_drops_add() - @packets lost; nothing where the reason is not counted by peer; any thread */
static inline void wgx_peer_drops_add(struct wgx_peer_drops *d, enum wgx_drop_reason reason,
				      uint64_t packets)
{
	enum wgx_peer_drop slot = wgx_peer_drop_slot(reason);

	if (slot != WGX_PEER_DROP_COUNT)
		wgx_count_shared(&d->n[slot], packets);
}

/** wgx_peer_drops_get() - packets lost so far for @reason; any thread */
static inline uint64_t wgx_peer_drops_get(const struct wgx_peer_drops *d,
					  enum wgx_drop_reason reason)
{
	enum wgx_peer_drop slot = wgx_peer_drop_slot(reason);

	return slot == WGX_PEER_DROP_COUNT
		       ? 0
		       : atomic_load_explicit(&d->n[slot], memory_order_relaxed);
}

#endif
