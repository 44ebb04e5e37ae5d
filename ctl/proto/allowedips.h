/* SPDX-License-Identifier: MIT */
/*
 * Allowed IPs: a compressed binary trie for each address family, longest prefix first ([W] 2).
 * One writer at a time (the device's lock); readers under RCU, wait-free.
 */
#ifndef WGX_PROTO_ALLOWEDIPS_H
#define WGX_PROTO_ALLOWEDIPS_H

#include <stdbool.h>
#include <stdint.h>
#include "proto/nodepool.h"

/** wgx_node_id - a node of either trie; 0: none */
typedef uint32_t wgx_node_id;

/**
 * struct wgx_allowedips_owner - embedded in the peer: the lists of its own prefixes, in order of insertion
 * @lists: those that it has, at @now; and those that are set aside (wgx_allowedips_replace_begin())
 * @count: in both
 */
struct wgx_allowedips_owner {
	struct {
		wgx_node_id first, last;
	} lists[2];
	uint32_t count;
	uint8_t now;
};

struct wgx_trie {
	uint32_t root;
	struct wgx_nodepool pool;
};

/**
 * struct wgx_allowedips - both tries
 * @count: prefixes in both
 * @retired: nodes that were unlinked, and that readers may still stand on: wgx_allowedips_take_retired()
 */
struct wgx_allowedips {
	struct wgx_trie v4, v6;
	uint64_t count;
	wgx_node_id retired;
};

struct wgx_prefix {
	uint8_t addr[16];
	uint8_t family; /* AF_INET or AF_INET6 */
	uint8_t cidr;
};

/** wgx_prefix_canonical() - clear the host bits; -EINVAL for a wrong family or length */
int wgx_prefix_canonical(struct wgx_prefix *p);

/** wgx_allowedips_init() - empty; whenever it is so again, and all of it reclaimed, it holds no memory */
void wgx_allowedips_init(struct wgx_allowedips *a);
void wgx_allowedips_owner_init(struct wgx_allowedips_owner *o);

/**
 * wgx_allowedips_take_retired() - what was unlinked since the last time; 0: nothing
 * The caller waits until no reader can see it any more (a grace period) and gives it to
 * wgx_allowedips_reclaim().
 */
wgx_node_id wgx_allowedips_take_retired(struct wgx_allowedips *a);
/** wgx_allowedips_reclaim() - any thread, at the same time as a writer */
void wgx_allowedips_reclaim(struct wgx_allowedips *a, wgx_node_id retired);

/**
 * wgx_allowedips_insert() - give @prefix (host bits are cleared) to @owner, taking it from whoever has it
 * @ret_old: who had it (maybe @owner itself), or NULL. It becomes the last of @owner's prefixes.
 *
 * @prefix has a right family and length. Return: 0 or -ENOMEM (nothing changed).
 */
int wgx_allowedips_insert(struct wgx_allowedips *a, const struct wgx_prefix *prefix,
			  struct wgx_allowedips_owner *owner,
			  struct wgx_allowedips_owner **ret_old);
/** wgx_allowedips_remove() - only where @owner has exactly this prefix: 0, else -ENOENT */
int wgx_allowedips_remove(struct wgx_allowedips *a, const struct wgx_prefix *prefix,
			  struct wgx_allowedips_owner *owner);

/** wgx_allowedips_remove_first() - the first of @owner's prefixes, which is said in @ret. False: it has none. */
bool wgx_allowedips_remove_first(struct wgx_allowedips *a, struct wgx_allowedips_owner *owner,
				 struct wgx_prefix *ret);

/**
 * wgx_allowedips_replace_begin() - set all of @owner's prefixes aside, still found by readers
 *
 * Those inserted afterwards are no longer aside; the rest goes with wgx_allowedips_remove_aside() until that says
 * false, or returns with wgx_allowedips_replace_abort(). So no packet meets a half-replaced table. Nothing is
 * aside before.
 */
void wgx_allowedips_replace_begin(struct wgx_allowedips_owner *owner);
bool wgx_allowedips_remove_aside(struct wgx_allowedips *a, struct wgx_allowedips_owner *owner,
				 struct wgx_prefix *ret);
void wgx_allowedips_replace_abort(struct wgx_allowedips *a, struct wgx_allowedips_owner *owner);

/** wgx_allowedips_lookup() - longest match for @addr (4 or 16 bytes by @family); RCU read side; NULL: none */
struct wgx_allowedips_owner *wgx_allowedips_lookup(const struct wgx_allowedips *a, int family,
						   const void *addr);

/** wgx_allowedips_each() - call @fn for each prefix that @owner has, none aside, until it returns non-zero; that is
 * returned */
int wgx_allowedips_each(const struct wgx_allowedips *a, const struct wgx_allowedips_owner *owner,
			int (*fn)(const struct wgx_prefix *prefix, void *arg), void *arg);

#endif
