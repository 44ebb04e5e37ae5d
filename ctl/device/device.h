/* SPDX-License-Identifier: MIT */
/*
 * The model of one interface: identity, peers, allowed IPs. What the UAPI configures, what the protocol
 * thread advances and what the workers read.
 *
 * @lock guards all that is written here: wgx_device_lock(). Workers take no lock: they reach peers through
 * allowed IPs (wgx_device_route) and through receiver indices (wgx_index_find) under RCU.
 */
#ifndef WGX_DEVICE_DEVICE_H
#define WGX_DEVICE_DEVICE_H

#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <urcu/list.h>
#include "device/drops.h"
#include "device/endpoint.h"
#include "device/index.h"
#include "device/peerqueue.h"
#include "device/rcu.h"
#include "proto/allowedips.h"
#include "proto/session.h"

#define WGX_PEERS_MAX (1u << 20)

struct wgx_device;
struct wgx_peer_name; /* ctl/device/name.c */
struct wgx_staged; /* ctl/path/staged.h */
struct wgx_hop; /* ctl/path/transmit.h */

/** enum wgx_seal_command - bits of wgx_peer.seal_commands, for the seal worker */
enum wgx_seal_command {
	WGX_SEAL_FLUSH = 1, /* send staged packets; none there: an empty keepalive */
	WGX_SEAL_KEEPALIVE = 2, /* send an empty data packet */
	WGX_SEAL_DROP = 4, /* drop staged packets */
	WGX_SEAL_RETRY =
		8, /* what keeps staged packets back may have changed: ask for a handshake */
};

/**
 * struct wgx_peer - one peer of one interface, in locked memory
 * Reference counted: the device's list holds one, each queue it stands in another.
 */
struct wgx_peer {
	struct wgx_session session; /* under the device's lock, but for the workers' functions */
	struct wgx_device *dev;
	uint32_t id; /* key in the BPF maps; unique within the interface, the lowest free one */
	_Atomic uint32_t refs;
	_Atomic bool dead; /* removed: workers let it be */
	bool doomed; /* to be removed at the end of the transaction that is being applied */
	uint16_t keepalive; /* seconds */
	struct wgx_endpoint_cell endpoint;
	_Atomic bool
		roamed; /* the open worker wrote it; the protocol thread tells BPF and people */
	struct wgx_allowedips_owner allowed;
	_Atomic(struct wgx_peer *) twin; /* only compared, see wgx_peer_set_twin(); NULL: none */
	struct cds_list_head all; /* wgx_device.peers */
	struct cds_lfht_node by_key;
	struct wgx_peer_name *name; /* NULL: none; ctl/device/name.h */
	struct rcu_head rcu;
	_Atomic uint64_t tx_bytes,
		rx_bytes; /* of messages, headers included, as the Linux driver counts */
	_Atomic uint64_t tx_packets, rx_packets;
	struct wgx_peer_drops drops;
	/* the protocol thread's queue and heap */
	struct wgx_peer_link protocol_link;
	bool timed; /* under the lock: it is in the heap, or will be in a moment */
	uint64_t deadline; /* boot ns; the protocol thread's own */
	size_t heap_slot;
	/* the first seal worker's queue */
	struct wgx_peer_link seal_link;
	_Atomic uint32_t seal_commands;
	_Atomic bool stages; /* a seal worker has ever kept a packet back */
	_Atomic bool waiting; /* one is kept back now: what comes after it stays behind it */
	struct wgx_staged *staged; /* under the seal workers' lock */
	/* where its messages go past the stack */
	struct wgx_hop
		*hop; /* RCU: the control thread's, which frees what it replaces; NULL: not known */
	struct wgx_peer_link hop_link;
};

_Static_assert(offsetof(struct wgx_peer, session.timers) == 0, "begins with a cache line");

/** enum wgx_peer_news - what there is to tell of a peer */
enum wgx_peer_news {
	WGX_PEER_NEW,
	WGX_PEER_MOVED, /* its endpoint is another */
	WGX_PEER_GONE,
	/* of its session: for people only */
	WGX_PEER_HANDSHAKE,
	WGX_PEER_EXPIRED,
	WGX_PEER_UNANSWERED,
};

/** struct wgx_device_ops - what the model asks of sockets, workers and BPF maps; all under the lock but
 * @wake; every one is set */
struct wgx_device_ops {
	/* new sockets for @port (0: any) and @fwmark; on success the old ones go and the port in use is
	 * returned in @ret_port; on failure (-EADDRINUSE …) all stays as it was */
	int (*rebind)(struct wgx_device *dev, uint16_t port, uint32_t fwmark, uint16_t *ret_port);
	void (*unbind)(struct wgx_device *dev); /* no sockets until the next rebind */
	void (*send_handshake)(struct wgx_device *dev, struct wgx_peer *peer, const void *msg,
			       size_t len);
	void (*send_reply)(struct wgx_device *dev, const struct wgx_endpoint *to, const void *msg,
			   size_t len);
	void (*seal_command)(struct wgx_device *dev, struct wgx_peer *peer, uint32_t commands);
	/* stamps of all interfaces, as in struct wgx_upcalls (P-HS-3) */
	void (*stamp_floor)(struct wgx_device *dev, uint8_t stamp[WGX_TIMESTAMP_LEN]);
	void (*stamp_reserve)(struct wgx_device *dev, const uint8_t stamp[WGX_TIMESTAMP_LEN]);
	void (*wake)(struct wgx_device *dev, struct wgx_peer *peer); /* any thread */
	/* the last reference went: free peer->staged (NULL or not); liburcu's thread */
	void (*free_staged)(struct wgx_staged *staged);
	/* copies of the model for BPF and for people; @peer NULL: gone. Prefixes may be gathered until
	 * mirror_prefixes, peers until mirror_peers, which comes before the lock is let go. */
	void (*mirror_prefix)(struct wgx_device *dev, const struct wgx_prefix *prefix,
			      const struct wgx_peer *peer);
	/* not under the lock, by the thread that changes prefixes; @all: or only where they are many */
	void (*mirror_prefixes)(struct wgx_device *dev, bool all);
	void (*mirror_peer)(struct wgx_device *dev, const struct wgx_peer *peer,
			    enum wgx_peer_news news);
	void (*mirror_peers)(struct wgx_device *dev);
	void (*mirror_receiver)(struct wgx_device *dev, uint32_t index,
				const struct wgx_peer *peer);
	/* before the model has it; NULL: the private key goes */
	void (*mirror_identity)(struct wgx_device *dev, const uint8_t *public_key);
};

struct wgx_device {
	char name[IFNAMSIZ];
	uint32_t id; /* within the daemon */
	pthread_mutex_t lock, turn; /* @turn: whose turn it is to get @lock next */
	unsigned int pace; /* wgx_device_pause()s since @lock was taken */
	struct wgx_local *local; /* locked memory */
	struct wgx_index *index; /* the daemon's */
	struct wgx_allowedips allowed;
	struct cds_list_head peers; /* in order of creation */
	struct cds_lfht *by_key;
	void *by_name; /* of those peers that have one: tsearch(3)'s, of ctl/device/name.c */
	uint32_t n_peers;
	uint16_t listen_port;
	uint32_t fwmark;
	bool up; /* sockets open, timers run */
	bool wanted; /* link up; without @up: the port was taken, and another one will do */
	_Atomic uint32_t mtu; /* of wg0, bytes; kept by netlink */
	const struct wgx_device_ops *ops;
	void *env; /* the ops' own: struct wgx_iface of ctl/daemon */
	/* private to device.c: free peer ids (a heap), the sockets' port and mark, the seed of by_key */
	uint32_t *free_ids;
	uint32_t n_free_ids, next_id;
	bool bound;
	uint16_t bound_port;
	uint32_t bound_fwmark;
	uint8_t hash_key[16];
	_Atomic uint32_t refs; /* its own, and one for each peer that is not freed yet */
};

/** wgx_clock_ns() - one clock, in ns */
uint64_t wgx_clock_ns(clockid_t id);
/** wgx_clock_ms() - the same in ms */
static inline uint64_t wgx_clock_ms(clockid_t id)
{
	return wgx_clock_ns(id) / 1000000;
}
/** wgx_now() - both clocks */
struct wgx_now wgx_now(void);

/**
 * wgx_device_create() - an interface with no key, no peers, port 0, link down
 * @index, @ops and @env must outlive it. Return: 0, -ENOMEM.
 */
int wgx_device_create(const char *name, uint32_t id, struct wgx_index *index,
		      const struct wgx_device_ops *ops, void *env, struct wgx_device **ret);
/** wgx_device_destroy() - remove all peers and wipe; no worker may reach it any more. NULL is legal. */
void wgx_device_destroy(struct wgx_device *dev);

/** wgx_device_lock() - wait for the model in turn: who has just let go of it comes after those who wait */
void wgx_device_lock(struct wgx_device *dev);
/** wgx_device_lock_offline() - the same offline, as wgx_rcu_lock(): its holder may wait for a grace period */
void wgx_device_lock_offline(struct wgx_device *dev);
/** wgx_device_unlock() - with its peers' mirrors up to date */
void wgx_device_unlock(struct wgx_device *dev);
/** wgx_device_commit() - unlock, and then bring the mirrors of prefixes up to date: after a change of them */
void wgx_device_commit(struct wgx_device *dev);
/**
 * wgx_device_pause() - after each peer and each prefix of a long change or walk: let others have the lock, now and
 *	then
 * The protocol thread changes sessions and endpoints meanwhile; peers and prefixes are changed and walked by the
 * caller's thread alone. It holds no reference, and may become quiescent in here.
 */
void wgx_device_pause(struct wgx_device *dev);

/* All below run under the lock, in a thread that is registered with RCU and online. */
/** wgx_device_up() - open the sockets (ops->rebind) and start each peer's timers; 0 or rebind's error */
int wgx_device_up(struct wgx_device *dev);
/** wgx_device_down() - stop all sessions and close the sockets (ops->unbind); the port stays configured */
void wgx_device_down(struct wgx_device *dev);
/** wgx_device_set_private_key() - P-HS-8; all zero removes it; the same one again does nothing */
void wgx_device_set_private_key(struct wgx_device *dev, const uint8_t key[WGX_KEY_LEN]);
/**
 * wgx_device_succeed_private_key() - the same where all peers take the old key and the new one for this host
 * (wgx_peer_set_twin()): sessions go on until those of the new key take their place, so that nothing is lost
 */
void wgx_device_succeed_private_key(struct wgx_device *dev, const uint8_t key[WGX_KEY_LEN]);
int wgx_device_set_listen_port(struct wgx_device *dev, uint16_t port);
int wgx_device_set_fwmark(struct wgx_device *dev, uint32_t fwmark);
/** wgx_device_set_sockets() - both of these at once, with one rebind at most; none where nothing changes */
int wgx_device_set_sockets(struct wgx_device *dev, uint16_t port, uint32_t fwmark);
struct wgx_peer *wgx_device_find_peer(struct wgx_device *dev, const uint8_t key[WGX_KEY_LEN]);
/** wgx_peer_create() - -EEXIST, -ENOMEM, or -EADDRNOTAVAIL for our own public key (P-HS-8) */
int wgx_peer_create(struct wgx_device *dev, const uint8_t key[WGX_KEY_LEN], struct wgx_peer **ret);
void wgx_peer_remove(struct wgx_peer *peer); /* may pause */
/** wgx_peer_add_prefix() - from whoever has it (P-UA-5). 0, -EINVAL, -ENOMEM. */
int wgx_peer_add_prefix(struct wgx_peer *peer, const struct wgx_prefix *prefix);
/** wgx_peer_remove_prefix() - 0, -EINVAL, or -ENOENT where this peer does not have it */
int wgx_peer_remove_prefix(struct wgx_peer *peer, const struct wgx_prefix *prefix);
void wgx_peer_remove_all_prefixes(struct wgx_peer *peer); /* may pause */
/** wgx_peer_replace_begin() - what is neither added again nor taken by another peer before
 * wgx_peer_replace_end() goes then, or stays with wgx_peer_replace_abort() */
void wgx_peer_replace_begin(struct wgx_peer *peer);
void wgx_peer_replace_end(struct wgx_peer *peer); /* without a begin: nothing; may pause */
void wgx_peer_replace_abort(struct wgx_peer *peer);
/** wgx_peer_set_endpoint() - as configured; the same destination again keeps the sticky source */
void wgx_peer_set_endpoint(struct wgx_peer *peer, const struct wgx_endpoint *e);
void wgx_peer_set_psk(struct wgx_peer *peer, const uint8_t psk[WGX_KEY_LEN]);
void wgx_peer_set_keepalive(struct wgx_peer *peer, uint16_t seconds);
/**
 * wgx_peer_set_twin() - both are one host, which is changing its key; NULL: @peer has none
 * What one has in its allowed IPs the other may be the source of, so that no packet is lost to the order in which keys
 * and allowed IPs change. Outwards nothing is different. A peer has one twin; it ends with either of them.
 */
void wgx_peer_set_twin(struct wgx_peer *peer, struct wgx_peer *twin);
/** wgx_peer_is_source() - may @peer send what comes from an address of @owner's? Any thread; @owner NULL: nobody's */
static inline bool wgx_peer_is_source(const struct wgx_peer *peer, const struct wgx_peer *owner)
{
	return owner == peer ||
	       (owner && owner == atomic_load_explicit(&peer->twin, memory_order_relaxed));
}

/* Any thread. */
static inline void wgx_peer_get(struct wgx_peer *peer)
{
	atomic_fetch_add_explicit(&peer->refs, 1, memory_order_relaxed);
}
void wgx_peer_put(struct wgx_peer *peer); /* NULL is legal; freed after a grace period */
static inline struct wgx_peer *wgx_peer_of(struct wgx_session *s)
{
	return (struct wgx_peer *)((char *)s - offsetof(struct wgx_peer, session));
}

/** wgx_device_route() - the peer that has @addr (4 or 16 bytes) in its allowed IPs; RCU read side; or NULL */
static inline struct wgx_peer *wgx_device_route(const struct wgx_device *dev, int family,
						const void *addr)
{
	struct wgx_allowedips_owner *o = wgx_allowedips_lookup(&dev->allowed, family, addr);

	return o ? (struct wgx_peer *)((char *)o - offsetof(struct wgx_peer, allowed)) : NULL;
}

#endif
