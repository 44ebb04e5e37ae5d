/* SPDX-License-Identifier: MIT */
/*
 * Allowed IPs. A node is one line of 64 bytes and has no way up: whoever removes one comes down from the
 * root, at most as many steps as the address has bits. Keys are held in host order, an IPv4 address in
 * the upper half of the first word, so that one walk serves both families.
 *
 * A node that is unlinked keeps its own links until it is freed, so a reader that stands on it goes on
 * to all that was below; what was never touched is found by every reader at any time.
 */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "proto/allowedips.h"

struct wgx_allowedips_node {
	struct cds_list_head
		list; /* owner's prefixes; first: the retirer's once the node is retired */
	struct wgx_allowedips_owner *owner; /* NULL: a fork only */
	struct wgx_allowedips_node *bit[2];
	uint64_t key[2];
	uint8_t cidr;
	uint8_t family;
};
_Static_assert(sizeof(struct wgx_allowedips_node) <= 64, "one cache line");

struct key {
	uint64_t word[2];
};

static unsigned int family_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

static struct key load_key(int family, const void *addr)
{
	struct key k = {{0, 0}};
	uint32_t v4;

	if (family == AF_INET) {
		memcpy(&v4, addr, sizeof(v4));
		k.word[0] = (uint64_t)be32toh(v4) << 32;
	} else {
		memcpy(k.word, addr, sizeof(k.word));
		k.word[0] = be64toh(k.word[0]);
		k.word[1] = be64toh(k.word[1]);
	}
	return k;
}

static void store_key(int family, const uint64_t word[2], uint8_t addr[16])
{
	uint64_t be[2] = {htobe64(word[0]), htobe64(word[1])};

	memset(addr, 0, 16);
	memcpy(addr, be, family_bits(family) / 8);
}

static struct key mask_key(struct key k, unsigned int cidr)
{
	if (cidr < 64) {
		k.word[0] = cidr ? k.word[0] & (~UINT64_C(0) << (64 - cidr)) : 0;
		k.word[1] = 0;
	} else if (cidr < 128) {
		k.word[1] = cidr > 64 ? k.word[1] & (~UINT64_C(0) << (128 - cidr)) : 0;
	}
	return k;
}

static unsigned int common_bits(const uint64_t a[2], const uint64_t b[2])
{
	uint64_t hi = a[0] ^ b[0], lo = a[1] ^ b[1];

	if (hi)
		return (unsigned int)__builtin_clzll(hi);
	return lo ? 64 + (unsigned int)__builtin_clzll(lo) : 128;
}

static bool covers(const struct wgx_allowedips_node *n, const uint64_t key[2])
{
	return common_bits(n->key, key) >= n->cidr;
}

/* The side of @n that @key goes to; n->cidr is less than 128. */
static unsigned int side(const struct wgx_allowedips_node *n, const uint64_t key[2])
{
	return (key[n->cidr >> 6] >> (63 - (n->cidr & 63))) & 1;
}

static struct wgx_allowedips_node *get_link(struct wgx_allowedips_node *const *link)
{
	return __atomic_load_n(link, __ATOMIC_ACQUIRE);
}

static void set_link(struct wgx_allowedips_node **link, struct wgx_allowedips_node *n)
{
	__atomic_store_n(link, n, __ATOMIC_RELEASE);
}

static void set_owner(struct wgx_allowedips_node *n, struct wgx_allowedips_owner *owner)
{
	__atomic_store_n(&n->owner, owner, __ATOMIC_RELEASE);
}

static struct wgx_allowedips_node **root_of(struct wgx_allowedips *a, int family)
{
	return family == AF_INET ? &a->root4 : &a->root6;
}

static struct wgx_allowedips_node *new_node(int family, const struct key *k, unsigned int cidr)
{
	struct wgx_allowedips_node *n = calloc(1, sizeof(*n));
	struct key masked = mask_key(*k, cidr);

	if (!n)
		return NULL;
	memcpy(n->key, masked.word, sizeof(n->key));
	n->cidr = (uint8_t)cidr;
	n->family = (uint8_t)family;
	CDS_INIT_LIST_HEAD(&n->list);
	return n;
}

void wgx_allowedips_init(struct wgx_allowedips *a,
			 void (*retire)(struct wgx_allowedips *, struct wgx_allowedips_node *))
{
	*a = (struct wgx_allowedips){.retire = retire};
}

void wgx_allowedips_owner_init(struct wgx_allowedips_owner *o)
{
	CDS_INIT_LIST_HEAD(&o->prefixes);
	o->count = 0;
}

void wgx_allowedips_node_free(struct wgx_allowedips_node *node)
{
	free(node);
}

int wgx_prefix_canonical(struct wgx_prefix *p)
{
	struct key k;

	if ((p->family != AF_INET && p->family != AF_INET6) || p->cidr > family_bits(p->family))
		return -EINVAL;
	k = load_key(p->family, p->addr);
	k = mask_key(k, p->cidr);
	store_key(p->family, k.word, p->addr);
	return 0;
}

/* Where a node for @k/@cidr stands, or would be linked in: the link, with what it points to now. */
static struct wgx_allowedips_node **place(struct wgx_allowedips_node **link, const struct key *k,
					  unsigned int cidr)
{
	struct wgx_allowedips_node *n;

	while ((n = *link) && n->cidr < cidr && covers(n, k->word))
		link = &n->bit[side(n, k->word)];
	return link;
}

static bool is_exactly(const struct wgx_allowedips_node *n, const struct key *k, unsigned int cidr)
{
	return n && n->cidr == cidr && covers(n, k->word);
}

static void give(struct wgx_allowedips *a, struct wgx_allowedips_node *n,
		 struct wgx_allowedips_owner *owner)
{
	if (n->owner)
		n->owner->count--;
	else
		a->count++;
	cds_list_del(&n->list);
	cds_list_add_tail(&n->list, &owner->prefixes);
	owner->count++;
	set_owner(n, owner);
}

/* Link @n in at @link, above @down or beside it. */
static int link_node(struct wgx_allowedips_node **link, struct wgx_allowedips_node *n)
{
	struct wgx_allowedips_node *down = *link, *fork;
	unsigned int common;
	struct key k;

	if (down) {
		common = common_bits(down->key, n->key);
		if (common < n->cidr) {
			memcpy(k.word, n->key, sizeof(k.word));
			fork = new_node(n->family, &k, common);
			if (!fork)
				return -ENOMEM;
			fork->bit[side(fork, down->key)] = down;
			fork->bit[side(fork, n->key)] = n;
			n = fork;
		} else {
			n->bit[side(n, down->key)] = down;
		}
	}
	set_link(link, n);
	return 0;
}

int wgx_allowedips_insert(struct wgx_allowedips *a, const struct wgx_prefix *prefix,
			  struct wgx_allowedips_owner *owner, struct wgx_allowedips_owner **ret_old)
{
	struct key k = mask_key(load_key(prefix->family, prefix->addr), prefix->cidr);
	struct wgx_allowedips_node **link = place(root_of(a, prefix->family), &k, prefix->cidr);
	struct wgx_allowedips_owner *old = NULL;
	struct wgx_allowedips_node *n = *link;

	if (is_exactly(n, &k, prefix->cidr)) {
		old = n->owner;
		give(a, n, owner);
	} else {
		n = new_node(prefix->family, &k, prefix->cidr);
		if (!n)
			return -ENOMEM;
		n->owner = owner; /* before readers can reach it */
		if (link_node(link, n) < 0) {
			free(n);
			return -ENOMEM;
		}
		cds_list_add_tail(&n->list, &owner->prefixes);
		owner->count++;
		a->count++;
	}
	if (ret_old)
		*ret_old = old;
	return 0;
}

/*
 * Take the prefix from its node. A node with two children stays as a fork; otherwise its only child, if
 * any, takes its place, and a fork above that is left with one child goes the same way.
 */
static int remove_exact(struct wgx_allowedips *a, int family, const struct key *k,
			unsigned int cidr, const struct wgx_allowedips_owner *owner)
{
	struct wgx_allowedips_node **link = root_of(a, family), **up = NULL;
	struct wgx_allowedips_node *n, *child, *parent;

	while ((n = *link) && n->cidr < cidr && covers(n, k->word)) {
		up = link;
		link = &n->bit[side(n, k->word)];
	}
	if (!is_exactly(n, k, cidr) || n->owner != owner)
		return -ENOENT;

	n->owner->count--;
	a->count--;
	set_owner(n, NULL);
	cds_list_del(&n->list);
	CDS_INIT_LIST_HEAD(&n->list);
	if (n->bit[0] && n->bit[1])
		return 0;

	child = n->bit[0] ? n->bit[0] : n->bit[1];
	parent = up ? *up : NULL;
	if (!child && parent && !parent->owner) {
		set_link(up, parent->bit[parent->bit[0] == n]);
		a->retire(a, parent);
	} else {
		set_link(link, child);
	}
	a->retire(a, n);
	return 0;
}

int wgx_allowedips_remove(struct wgx_allowedips *a, const struct wgx_prefix *prefix,
			  struct wgx_allowedips_owner *owner)
{
	struct key k = mask_key(load_key(prefix->family, prefix->addr), prefix->cidr);

	return remove_exact(a, prefix->family, &k, prefix->cidr, owner);
}

static void remove_list(struct wgx_allowedips *a, struct cds_list_head *list)
{
	struct wgx_allowedips_node *n, *next;
	struct key k;

	cds_list_for_each_entry_safe(n, next, list, list) {
		memcpy(k.word, n->key, sizeof(k.word));
		remove_exact(a, n->family, &k, n->cidr, n->owner);
	}
}

void wgx_allowedips_remove_owner(struct wgx_allowedips *a, struct wgx_allowedips_owner *owner)
{
	remove_list(a, &owner->prefixes);
}

void wgx_allowedips_replace_begin(struct wgx_allowedips_owner *owner,
				  struct wgx_allowedips_owner *stale)
{
	wgx_allowedips_owner_init(stale);
	cds_list_splice(&owner->prefixes, &stale->prefixes);
	CDS_INIT_LIST_HEAD(&owner->prefixes);
}

void wgx_allowedips_replace_commit(struct wgx_allowedips *a, struct wgx_allowedips_owner *stale)
{
	remove_list(a, &stale->prefixes);
}

void wgx_allowedips_replace_abort(struct wgx_allowedips_owner *owner,
				  struct wgx_allowedips_owner *stale)
{
	cds_list_splice(&stale->prefixes, &owner->prefixes);
	CDS_INIT_LIST_HEAD(&stale->prefixes);
}

struct wgx_allowedips_owner *wgx_allowedips_lookup(const struct wgx_allowedips *a, int family,
						   const void *addr)
{
	const struct wgx_allowedips_node *n = get_link(family == AF_INET ? &a->root4 : &a->root6);
	struct wgx_allowedips_owner *found = NULL, *owner;
	struct key k = load_key(family, addr);

	while (n && covers(n, k.word)) {
		owner = __atomic_load_n(&n->owner, __ATOMIC_ACQUIRE);
		if (owner)
			found = owner;
		if (n->cidr == 128)
			break;
		n = get_link(&n->bit[side(n, k.word)]);
	}
	return found;
}

int wgx_allowedips_each(const struct wgx_allowedips_owner *owner,
			int (*fn)(const struct wgx_prefix *prefix, void *arg), void *arg)
{
	struct wgx_allowedips_node *n;
	struct wgx_prefix p;
	int err;

	cds_list_for_each_entry(n, &owner->prefixes, list) {
		p.family = n->family;
		p.cidr = n->cidr;
		store_key(n->family, n->key, p.addr);
		err = fn(&p, arg);
		if (err)
			return err;
	}
	return 0;
}
