/* SPDX-License-Identifier: MIT */
/*
 * Allowed IPs. A node has no way up: whoever removes one comes down from the root, at most as many steps as the
 * address has bits. Keys are held in host order; in a walk an IPv4 address is in the upper half of the first
 * word, so that one walk serves both families.
 *
 * A node that is unlinked keeps its own links until it is freed, so a reader that stands on it goes on
 * to all that was below; what was never touched is found by every reader at any time.
 *
 * There may be millions of them: links are numbers (nodepool.h), and a node of IPv4 is 32 bytes, one of IPv6 48.
 */
#include "proto/allowedips.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

struct node {
	struct wgx_allowedips_owner *owner; /* NULL: a fork only */
	uint32_t bit[2]; /* in the same trie; 0: none */
	wgx_node_id prev,
		next; /* the owner's list; @next: that of retired nodes. The writer's own. */
	uint8_t cidr;
	uint8_t list; /* of owner->lists: it stands in this one */
	uint32_t key[]; /* one word, or four; the writer sets it before readers can reach it */
};
#define NODE_SIZE(words) ((offsetof(struct node, key) + 4 * (words) + 7) & ~7u)
_Static_assert(NODE_SIZE(1) == 32, "two in a cache line");
_Static_assert(NODE_SIZE(4) == 48, "no more than that");

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

static void store_key(int family, const struct key *k, uint8_t addr[16])
{
	uint64_t be[2] = {htobe64(k->word[0]), htobe64(k->word[1])};

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

static unsigned int common_bits(const struct key *a, const struct key *b)
{
	uint64_t hi = a->word[0] ^ b->word[0], lo = a->word[1] ^ b->word[1];

	if (hi)
		return (unsigned int)__builtin_clzll(hi);
	return lo ? 64 + (unsigned int)__builtin_clzll(lo) : 128;
}

/* ---- nodes ---- */

static struct wgx_trie *trie_of(struct wgx_allowedips *a, int family)
{
	return family == AF_INET ? &a->v4 : &a->v6;
}

static bool is_v4(const struct wgx_trie *t)
{
	return t->pool.size == NODE_SIZE(1);
}

static struct node *node_at(const struct wgx_trie *t, uint32_t n)
{
	return wgx_nodepool_at(&t->pool, n);
}

/* The lowest bit of an id says in which trie. */
static wgx_node_id id_of(const struct wgx_trie *t, uint32_t n)
{
	return n << 1 | !is_v4(t);
}

static int family_of(wgx_node_id id)
{
	return id & 1 ? AF_INET6 : AF_INET;
}

static struct node *node_of(const struct wgx_allowedips *a, wgx_node_id id)
{
	return node_at(id & 1 ? &a->v6 : &a->v4, id >> 1);
}

static struct key node_key(const struct wgx_trie *t, const struct node *n)
{
	struct key k = {{0, 0}};

	if (is_v4(t))
		k.word[0] = (uint64_t)n->key[0] << 32;
	else
		memcpy(k.word, n->key, sizeof(k.word));
	return k;
}

static void set_key(const struct wgx_trie *t, struct node *n, const struct key *k)
{
	if (is_v4(t))
		n->key[0] = (uint32_t)(k->word[0] >> 32);
	else
		memcpy(n->key, k->word, sizeof(k->word));
}

static bool covers(const struct wgx_trie *t, const struct node *n, const struct key *k)
{
	struct key own = node_key(t, n);

	return common_bits(&own, k) >= n->cidr;
}

/* The side of @n that @k goes to; n->cidr is less than 128. */
static unsigned int side(const struct node *n, const struct key *k)
{
	return (k->word[n->cidr >> 6] >> (63 - (n->cidr & 63))) & 1;
}

static uint32_t get_link(const uint32_t *link)
{
	return __atomic_load_n(link, __ATOMIC_ACQUIRE);
}

static void set_link(uint32_t *link, uint32_t n)
{
	__atomic_store_n(link, n, __ATOMIC_RELEASE);
}

static void set_owner(struct node *n, struct wgx_allowedips_owner *owner)
{
	__atomic_store_n(&n->owner, owner, __ATOMIC_RELEASE);
}

static uint32_t new_node(struct wgx_trie *t, const struct key *k, unsigned int cidr)
{
	const struct key masked = mask_key(*k, cidr);
	uint32_t n = wgx_nodepool_alloc(&t->pool);
	struct node *node;

	if (!n)
		return 0;
	node = node_at(t, n);
	*node = (struct node){.cidr = (uint8_t)cidr};
	set_key(t, node, &masked);
	return n;
}

static void retire(struct wgx_allowedips *a, const struct wgx_trie *t, uint32_t n)
{
	node_at(t, n)->next = a->retired;
	a->retired = id_of(t, n);
}

/* ---- owners' lists ---- */

static void list_add(struct wgx_allowedips *a, struct wgx_allowedips_owner *o, wgx_node_id id)
{
	struct node *n = node_of(a, id);
	wgx_node_id *last = &o->lists[o->now].last;

	n->list = o->now;
	n->next = 0;
	n->prev = *last;
	if (n->prev)
		node_of(a, n->prev)->next = id;
	else
		o->lists[o->now].first = id;
	*last = id;
	o->count++;
}

static void list_del(struct wgx_allowedips *a, struct wgx_allowedips_owner *o, const struct node *n)
{
	*(n->prev ? &node_of(a, n->prev)->next : &o->lists[n->list].first) = n->next;
	*(n->next ? &node_of(a, n->next)->prev : &o->lists[n->list].last) = n->prev;
	o->count--;
}

/* ---- changes ---- */

void wgx_allowedips_init(struct wgx_allowedips *a)
{
	*a = (struct wgx_allowedips){.count = 0};
	wgx_nodepool_init(&a->v4.pool, NODE_SIZE(1));
	wgx_nodepool_init(&a->v6.pool, NODE_SIZE(4));
}

void wgx_allowedips_owner_init(struct wgx_allowedips_owner *o)
{
	*o = (struct wgx_allowedips_owner){.count = 0};
}

wgx_node_id wgx_allowedips_take_retired(struct wgx_allowedips *a)
{
	wgx_node_id all = a->retired;

	a->retired = 0;
	return all;
}

void wgx_allowedips_reclaim(struct wgx_allowedips *a, wgx_node_id retired)
{
	while (retired) {
		wgx_node_id id = retired;

		retired = node_of(a, id)->next;
		wgx_nodepool_free(&trie_of(a, family_of(id))->pool, id >> 1);
	}
}

int wgx_prefix_canonical(struct wgx_prefix *p)
{
	struct key k;

	if ((p->family != AF_INET && p->family != AF_INET6) || p->cidr > family_bits(p->family))
		return -EINVAL;
	k = load_key(p->family, p->addr);
	k = mask_key(k, p->cidr);
	store_key(p->family, &k, p->addr);
	return 0;
}

/* Where a node for @k/@cidr stands, or would be linked in: the link, with what it points to now. */
static uint32_t *place(struct wgx_trie *t, const struct key *k, unsigned int cidr)
{
	uint32_t *link = &t->root;
	struct node *n;

	while (*link) {
		n = node_at(t, *link);
		if (n->cidr >= cidr || !covers(t, n, k))
			break;
		link = &n->bit[side(n, k)];
	}
	return link;
}

static bool is_exactly(const struct wgx_trie *t, uint32_t n, const struct key *k, unsigned int cidr)
{
	const struct node *node = n ? node_at(t, n) : NULL;

	return node && node->cidr == cidr && covers(t, node, k);
}

static void give(struct wgx_allowedips *a, const struct wgx_trie *t, uint32_t n,
		 struct wgx_allowedips_owner *owner)
{
	struct node *node = node_at(t, n);

	if (node->owner)
		list_del(a, node->owner, node);
	else
		a->count++;
	list_add(a, owner, id_of(t, n));
	set_owner(node, owner);
}

/* Link @n in at @link, above what is there or beside it. */
static int link_node(struct wgx_trie *t, uint32_t *link, uint32_t n)
{
	struct node *node = node_at(t, n), *down, *fork;
	struct key k = node_key(t, node), down_key;
	unsigned int common;
	uint32_t f;

	if (!*link) {
		set_link(link, n);
		return 0;
	}
	down = node_at(t, *link);
	down_key = node_key(t, down);
	common = common_bits(&down_key, &k);
	if (common >= node->cidr) {
		node->bit[side(node, &down_key)] = *link;
		set_link(link, n);
		return 0;
	}
	f = new_node(t, &k, common);
	if (!f)
		return -ENOMEM;
	fork = node_at(t, f);
	fork->bit[side(fork, &down_key)] = *link;
	fork->bit[side(fork, &k)] = n;
	set_link(link, f);
	return 0;
}

int wgx_allowedips_insert(struct wgx_allowedips *a, const struct wgx_prefix *prefix,
			  struct wgx_allowedips_owner *owner, struct wgx_allowedips_owner **ret_old)
{
	struct key k = mask_key(load_key(prefix->family, prefix->addr), prefix->cidr);
	struct wgx_trie *t = trie_of(a, prefix->family);
	uint32_t *link = place(t, &k, prefix->cidr), n = *link;
	struct wgx_allowedips_owner *old = NULL;

	if (is_exactly(t, n, &k, prefix->cidr)) {
		old = node_at(t, n)->owner;
		give(a, t, n, owner);
	} else {
		n = new_node(t, &k, prefix->cidr);
		if (!n)
			return -ENOMEM;
		node_at(t, n)->owner = owner; /* before readers can reach it */
		if (link_node(t, link, n) < 0) {
			wgx_nodepool_free(&t->pool, n);
			return -ENOMEM;
		}
		list_add(a, owner, id_of(t, n));
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
static int remove_exact(struct wgx_allowedips *a, struct wgx_trie *t, const struct key *k,
			unsigned int cidr, const struct wgx_allowedips_owner *owner)
{
	uint32_t *link = &t->root, *up = NULL, n, child;
	struct node *node, *parent;

	while (*link) {
		node = node_at(t, *link);
		if (node->cidr >= cidr || !covers(t, node, k))
			break;
		up = link;
		link = &node->bit[side(node, k)];
	}
	n = *link;
	if (!is_exactly(t, n, k, cidr) || node_at(t, n)->owner != owner)
		return -ENOENT;

	node = node_at(t, n);
	list_del(a, node->owner, node);
	a->count--;
	set_owner(node, NULL);
	if (node->bit[0] && node->bit[1])
		return 0;

	child = node->bit[0] ? node->bit[0] : node->bit[1];
	parent = up ? node_at(t, *up) : NULL;
	if (!child && parent && !parent->owner) {
		retire(a, t, *up);
		set_link(up, parent->bit[parent->bit[0] == n]);
	} else {
		set_link(link, child);
	}
	retire(a, t, n);
	return 0;
}

int wgx_allowedips_remove(struct wgx_allowedips *a, const struct wgx_prefix *prefix,
			  struct wgx_allowedips_owner *owner)
{
	struct key k = mask_key(load_key(prefix->family, prefix->addr), prefix->cidr);

	return remove_exact(a, trie_of(a, prefix->family), &k, prefix->cidr, owner);
}

static struct wgx_prefix prefix_of(const struct wgx_allowedips *a, wgx_node_id id)
{
	const struct node *n = node_of(a, id);
	struct wgx_prefix p = {.family = (uint8_t)family_of(id), .cidr = n->cidr};
	struct key k = node_key(id & 1 ? &a->v6 : &a->v4, n);

	store_key(p.family, &k, p.addr);
	return p;
}

static bool remove_first(struct wgx_allowedips *a, struct wgx_allowedips_owner *owner,
			 unsigned int list, struct wgx_prefix *ret)
{
	wgx_node_id id = owner->lists[list].first;

	if (!id)
		return false;
	*ret = prefix_of(a, id);
	wgx_allowedips_remove(a, ret, owner);
	return true;
}

bool wgx_allowedips_remove_first(struct wgx_allowedips *a, struct wgx_allowedips_owner *owner,
				 struct wgx_prefix *ret)
{
	return remove_first(a, owner, owner->now, ret);
}

void wgx_allowedips_replace_begin(struct wgx_allowedips_owner *owner)
{
	owner->now = !owner->now;
}

bool wgx_allowedips_remove_aside(struct wgx_allowedips *a, struct wgx_allowedips_owner *owner,
				 struct wgx_prefix *ret)
{
	return remove_first(a, owner, !owner->now, ret);
}

void wgx_allowedips_replace_abort(struct wgx_allowedips *a, struct wgx_allowedips_owner *owner)
{
	unsigned int added = owner->now;
	wgx_node_id id;

	owner->now = !owner->now;
	while ((id = owner->lists[added].first)) {
		list_del(a, owner, node_of(a, id));
		list_add(a, owner, id);
	}
}

/* ---- readers ---- */

struct wgx_allowedips_owner *wgx_allowedips_lookup(const struct wgx_allowedips *a, int family,
						   const void *addr)
{
	const struct wgx_trie *t = family == AF_INET ? &a->v4 : &a->v6;
	struct wgx_allowedips_owner *found = NULL, *owner;
	struct key k = load_key(family, addr);
	uint32_t n = get_link(&t->root);
	const struct node *node;

	while (n) {
		node = node_at(t, n);
		if (!covers(t, node, &k))
			break;
		owner = __atomic_load_n(&node->owner, __ATOMIC_ACQUIRE);
		if (owner)
			found = owner;
		if (node->cidr == 128)
			break;
		n = get_link(&node->bit[side(node, &k)]);
	}
	return found;
}

int wgx_allowedips_each(const struct wgx_allowedips *a, const struct wgx_allowedips_owner *owner,
			int (*fn)(const struct wgx_prefix *prefix, void *arg), void *arg)
{
	wgx_node_id id = owner->lists[owner->now].first;
	struct wgx_prefix p;
	int err = 0;

	for (; id && !err; id = node_of(a, id)->next) {
		p = prefix_of(a, id);
		err = fn(&p, arg);
	}
	return err;
}
