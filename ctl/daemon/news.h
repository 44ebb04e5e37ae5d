/* SPDX-License-Identifier: MIT */
/*
 * What happens, for `wgx monitor`: a ring of the last WGX_NEWS_MAX items, there while somebody listens. Each
 * listener has a cursor of its own. Who writes never waits: it overwrites what is oldest, and a listener that
 * was too slow learns how many it has missed.
 */
#ifndef WGX_DAEMON_NEWS_H
#define WGX_DAEMON_NEWS_H

#include <jansson.h>
#include <net/if.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <wgx/drops.h>
#include <wgx/wire.h>
#include "device/endpoint.h"
#include "device/name.h"

#define WGX_NEWS_MAX 1024u

/* X(NAME, "event") */
/* clang-format off */
#define WGX_NEWS_TYPES(X)                                      \
	X(INTERFACE_ADDED, "interface_added")                  \
	X(INTERFACE_REMOVED, "interface_removed")              \
	X(UP, "up")                                            \
	X(DOWN, "down")                                        \
	X(PEER_ADDED, "peer_added")                            \
	X(PEER_REMOVED, "peer_removed")                        \
	X(PEER_NAMED, "peer_named")                            \
	X(ENDPOINT, "endpoint")                                \
	X(HANDSHAKE, "handshake")                              \
	X(EXPIRED, "expired")                                  \
	X(UNANSWERED, "unanswered")                            \
	X(DROPS, "drops")                                      \
	X(ATTACHED, "attached")                                \
	X(DETACHED, "detached")                                \
	X(DEVICE_GONE, "device_gone")
/* clang-format on */

enum wgx_news_type {
#define X(name, event) WGX_NEWS_##name,
	WGX_NEWS_TYPES(X)
#undef X
};

/** struct wgx_news_item - one event; what its type does not have is zero */
struct wgx_news_item {
	enum wgx_news_type type;
	enum wgx_drop_reason reason;
	uint64_t real; /* Unix ns; set by wgx_news_add() */
	char interface[IFNAMSIZ]; /* empty: of none */
	char device[IFNAMSIZ]; /* an underlay */
	const char *mode; /* it is attached in; static */
	bool of_peer;
	uint8_t public_key[WGX_KEY_LEN];
	char name[WGX_PEER_NAME_MAX + 1]; /* the peer's; empty: none */
	char endpoint[WGX_ENDPOINT_TEXT]; /* the peer's; empty: none */
	uint64_t packets, seconds; /* lost in that time; 0 s: in a second or less */
	uint16_t port; /* where it listens */
};

struct wgx_news {
	_Atomic unsigned int listeners;
	int fd; /* eventfd: there is something new */
	pthread_mutex_t lock; /* a leaf; guards: */
	uint64_t end; /* number of the next item */
	struct wgx_news_item *ring; /* NULL: nobody has listened yet */
};

int wgx_news_init(struct wgx_news *n); /* 0 or a negative errno */
void wgx_news_free(struct wgx_news *n);

/** wgx_news_listen() - from now on; *@ret_cursor is for wgx_news_next(). 0 or -ENOMEM. */
int wgx_news_listen(struct wgx_news *n, uint64_t *ret_cursor);
void wgx_news_leave(struct wgx_news *n);
/** wgx_news_wanted() - does anybody listen? Any thread; to spare what an item would cost. */
static inline bool wgx_news_wanted(struct wgx_news *n)
{
	return atomic_load_explicit(&n->listeners, memory_order_relaxed);
}
/** wgx_news_add() - any thread; a copy of @item, with the time of now; nothing where nobody listens */
void wgx_news_add(struct wgx_news *n, const struct wgx_news_item *item);
/**
 * wgx_news_next() - the item at *@cursor, which moves on
 * @ret_missed: how many before it were overwritten unread
 *
 * Return: false: there is none; *@ret and *@ret_missed are left alone.
 */
bool wgx_news_next(struct wgx_news *n, uint64_t *cursor, struct wgx_news_item *ret,
		   uint64_t *ret_missed);

/** wgx_news_json() - a new object, as docs/json.md has it; NULL: no memory */
json_t *wgx_news_json(const struct wgx_news_item *item);
/** wgx_news_missed_json() - likewise, of the event `missed` */
json_t *wgx_news_missed_json(uint64_t missed);

#endif
