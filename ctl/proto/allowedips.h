/* SPDX-License-Identifier: MIT */
/*
 * Allowed IPs: a compressed binary trie for each address family, longest prefix first ([W] 2).
 * One writer at a time (the device's lock); readers under RCU, wait-free.
 */
#ifndef WGX_PROTO_ALLOWEDIPS_H
#define WGX_PROTO_ALLOWEDIPS_H

#include <stdint.h>
#include <urcu/list.h>

struct wgx_allowedips_node;

/** struct wgx_allowedips_owner - embedded in the peer: the list of its own prefixes, in order of insertion */
struct wgx_allowedips_owner {
	struct cds_list_head prefixes;
	unsigned int count;
};

/**
 * struct wgx_allowedips - both tries
 * @retire: is handed each unlinked node, and frees it once no reader can see it (call_rcu). The first 16
 *	bytes of such a node are the retirer's: room for a struct rcu_head.
 * @count: prefixes in both
 */
struct wgx_allowedips {
	struct wgx_allowedips_node *root4, *root6;
	void (*retire)(struct wgx_allowedips *a, struct wgx_allowedips_node *node);
	uint64_t count;
};

struct wgx_prefix {
	uint8_t addr[16];
	uint8_t family; /* AF_INET or AF_INET6 */
	uint8_t cidr;
};

/** wgx_prefix_canonical() - clear the host bits; -EINVAL for a wrong family or length */
int wgx_prefix_canonical(struct wgx_prefix *p);

void wgx_allowedips_init(struct wgx_allowedips *a,
			 void (*retire)(struct wgx_allowedips *, struct wgx_allowedips_node *));
void wgx_allowedips_owner_init(struct wgx_allowedips_owner *o);
/** wgx_allowedips_node_free() - what @retire finally calls */
void wgx_allowedips_node_free(struct wgx_allowedips_node *node);

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
void wgx_allowedips_remove_owner(struct wgx_allowedips *a, struct wgx_allowedips_owner *owner);

/**
 * wgx_allowedips_replace_begin() - set all of @owner's prefixes aside in @stale, still found by readers
 *
 * Those inserted afterwards leave @stale; the rest goes with wgx_allowedips_replace_commit(), or returns
 * with wgx_allowedips_replace_abort(). So no packet meets a half-replaced table. Until then @stale lists
 * (wgx_allowedips_each()) what would go.
 */
void wgx_allowedips_replace_begin(struct wgx_allowedips_owner *owner,
				  struct wgx_allowedips_owner *stale);
void wgx_allowedips_replace_commit(struct wgx_allowedips *a, struct wgx_allowedips_owner *stale);
void wgx_allowedips_replace_abort(struct wgx_allowedips_owner *owner,
				  struct wgx_allowedips_owner *stale);

/** wgx_allowedips_lookup() - longest match for @addr (4 or 16 bytes by @family); RCU read side; NULL: none */
struct wgx_allowedips_owner *wgx_allowedips_lookup(const struct wgx_allowedips *a, int family,
						   const void *addr);

/** wgx_allowedips_each() - call @fn for each prefix of @owner until it returns non-zero; that is returned */
int wgx_allowedips_each(const struct wgx_allowedips_owner *owner,
			int (*fn)(const struct wgx_prefix *prefix, void *arg), void *arg);

#endif
