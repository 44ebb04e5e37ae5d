/* SPDX-License-Identifier: MIT */
/* What `wgx top` knows: the daemon's counts, taken time after time, and what follows from their differences. */
#ifndef WGX_TOP_MODEL_H
#define WGX_TOP_MODEL_H

#include <jansson.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/endpoint.h"
#include "device/name.h"
#include "proto/key_text.h"

#define WGX_TOP_HISTORY 32 /* samples */

/** struct wgx_top_counts - totals, and what became of them a second: bytes and packets */
struct wgx_top_counts {
	uint64_t rx, tx, drops;
	double rx_rate, tx_rate, drop_rate;
};

struct wgx_top_peer {
	char interface[IFNAMSIZ];
	char public_key[WGX_KEY_TEXT_SIZE];
	char name[WGX_PEER_NAME_MAX + 1]; /* empty: none */
	char endpoint[WGX_ENDPOINT_TEXT]; /* empty: none */
	int64_t handshake; /* Unix seconds; 0: none */
	struct wgx_top_counts counts;
	float history[WGX_TOP_HISTORY]; /* bytes a second, both ways; the newest is the last */
};

struct wgx_top_interface {
	char name[IFNAMSIZ];
	bool up;
	uint16_t port;
	size_t n_peers;
	struct wgx_top_counts counts;
};

struct wgx_top_thread {
	char name[16];
	uint64_t cpu; /* ns */
	double share; /* of one processor */
};

/* X(NAME, "name"): what peers are sorted by */
/* clang-format off */
#define WGX_TOP_SORTS(X)                   \
	X(TRAFFIC, "traffic")              \
	X(HANDSHAKE, "handshake")          \
	X(DROPS, "drops")                  \
	X(NAME, "name")
/* clang-format on */

enum wgx_top_sort {
#define X(name, text) WGX_TOP_##name,
	WGX_TOP_SORTS(X)
#undef X
		WGX_TOP_SORT_COUNT
};

/** struct wgx_top - zero to begin with; @peers and @interfaces and so on are read, not written, by others */
struct wgx_top {
	enum wgx_top_sort sort;
	size_t n_peers, n_interfaces, n_threads;
	struct wgx_top_peer *peers; /* as sorted */
	struct wgx_top_interface *interfaces;
	struct wgx_top_thread *threads;
	double shared_drop_rate; /* lost before it was known of which interface */
	uint64_t shared_drops;
	uint64_t pid; /* of the daemon */
	uint64_t at; /* when the last sample was taken, monotonic ns; 0: there is none */
	int64_t now; /* and in Unix seconds */
	bool rates; /* there were two samples of this daemon */
};

/**
 * wgx_top_sample() - take in the answer to {"cmd":"show"}
 * @at: monotonic, ns, and @now: Unix seconds, when it was given
 *
 * Peers are known again by interface and key. Return: 0, or -ENOMEM with all as it was.
 */
int wgx_top_sample(struct wgx_top *t, const json_t *show, uint64_t at, int64_t now);
/** wgx_top_sort() - @t->peers, as @t->sort says; the same order each time where that leaves a choice */
void wgx_top_sort(struct wgx_top *t);
const char *wgx_top_sort_name(enum wgx_top_sort sort);
/** wgx_top_sort_find() - by its name; WGX_TOP_SORT_COUNT: there is none of that name */
enum wgx_top_sort wgx_top_sort_find(const char *name);
/** wgx_top_sum() - of all interfaces */
struct wgx_top_counts wgx_top_sum(const struct wgx_top *t);
void wgx_top_free(struct wgx_top *t);

#endif
