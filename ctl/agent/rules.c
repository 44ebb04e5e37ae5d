/* SPDX-License-Identifier: MIT */
#include "agent/rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A node's hold on a key or on a network. @member NULL: this node */
struct claim {
	struct wgx_member *member;
	uint64_t order;
	enum wgx_key_part part;
	bool lost;
	union {
		const uint8_t *key;
		struct wgx_prefix prefix;
	};
};

struct claims {
	struct claim *items;
	size_t n;
};

struct work {
	const struct wgx_rules *rules;
	const struct wgx_node *self;
	const struct wgx_members *members;
	struct claims keys, prefixes;
	struct wgx_want want;
	size_t room_refusals;
};

bool wgx_rules_in_cluster(const struct wgx_rules *rules, const struct wgx_prefix *p)
{
	for (size_t i = 0; i < rules->n_cluster; i++)
		if (wgx_prefix_contains(&rules->cluster[i], p))
			return true;
	return false;
}

static int refuse(struct work *w, enum wgx_refusal_reason reason, const struct wgx_member *member,
		  const struct wgx_member *other, const struct wgx_prefix *prefix)
{
	struct wgx_want *want = &w->want;
	struct wgx_refusal *r;

	if (want->n_refusals == w->room_refusals) {
		size_t room = w->room_refusals ? 2 * w->room_refusals : 16;
		struct wgx_refusal *more = realloc(want->refusals, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		want->refusals = more;
		w->room_refusals = room;
	}
	r = &want->refusals[want->n_refusals++];
	*r = (struct wgx_refusal){.reason = reason, .member = member, .other = other};
	if (prefix)
		r->prefix = *prefix;
	return 0;
}

/* ---- who comes first ---- */

static int rank(const struct claim *c)
{
	return !c->member ? 0 : c->member->gone ? 2 : 1;
}

static int compare_turns(const struct claim *a, const struct claim *b)
{
	if (rank(a) != rank(b))
		return rank(a) - rank(b);
	return a->order < b->order ? -1 : a->order > b->order;
}

static int compare_keys(const void *x, const void *y)
{
	const struct claim *a = x, *b = y;
	int order = memcmp(a->key, b->key, WGX_KEY_LEN);

	return order ? order : compare_turns(a, b);
}

/* ---- keys ---- */

static void claim_key(struct work *w, struct wgx_member *member, enum wgx_key_part part, bool has,
		      const uint8_t *key, uint64_t order)
{
	if (has)
		w->keys.items[w->keys.n++] = (struct claim){
			.member = member,
			.order = order,
			.part = part,
			.key = key,
		};
}

static void claim_keys_of(struct work *w, struct wgx_member *m, const struct wgx_node *n)
{
	claim_key(w, m, WGX_KEY_CURRENT, n->has_key, n->key, m ? m->key_order : 0);
	claim_key(w, m, WGX_KEY_NEXT, n->has_next, n->next, m ? m->next_order : 0);
	claim_key(w, m, WGX_KEY_PREVIOUS, n->has_previous, n->previous, m ? m->previous_order : 0);
}

/* Of claims to one key all but the first are lost; one's own are no quarrel. */
static int settle_keys(struct work *w)
{
	struct claim *first = NULL;
	int err = 0;

	qsort(w->keys.items, w->keys.n, sizeof(*w->keys.items), compare_keys);
	for (size_t i = 0; i < w->keys.n && !err; i++) {
		struct claim *c = &w->keys.items[i];

		if (!first || memcmp(first->key, c->key, WGX_KEY_LEN)) {
			first = c;
			continue;
		}
		c->lost = true;
		if (c->member && c->member != first->member)
			err = refuse(w, WGX_REFUSED_KEY_TAKEN, c->member, first->member, NULL);
	}
	return err;
}

/* ---- networks ---- */

static int claim_prefixes_of(struct work *w, struct wgx_member *member, const struct wgx_node *n)
{
	for (size_t i = 0; i < n->n_cidrs; i++) {
		if (member && !wgx_rules_in_cluster(w->rules, &n->cidrs[i])) {
			if (refuse(w, WGX_REFUSED_OUTSIDE, member, NULL, &n->cidrs[i]))
				return -ENOMEM;
			continue;
		}
		w->prefixes.items[w->prefixes.n++] = (struct claim){
			.member = member,
			.order = member ? member->cidr_order : 0,
			.prefix = n->cidrs[i],
		};
	}
	return 0;
}

static int compare_addresses(const struct wgx_prefix *a, const struct wgx_prefix *b)
{
	return a->family != b->family ? a->family - b->family
				      : memcmp(a->addr, b->addr, sizeof(a->addr));
}

static bool overlap(const struct wgx_prefix *a, const struct wgx_prefix *b)
{
	return wgx_prefix_contains(a, b) || wgx_prefix_contains(b, a);
}

/* Where @p belongs among networks that are sorted and do not overlap. */
static size_t place_of(struct claim *const *kept, size_t n, const struct wgx_prefix *p)
{
	size_t low = 0;

	while (low < n) {
		size_t middle = low + (n - low) / 2;

		if (compare_addresses(&kept[middle]->prefix, p) < 0)
			low = middle + 1;
		else
			n = middle;
	}
	return low;
}

/* Only its neighbours can overlap with it. Return: the one that does, or NULL */
static struct claim *in_the_way(struct claim *const *kept, size_t n, size_t place,
				const struct wgx_prefix *p)
{
	if (place && overlap(&kept[place - 1]->prefix, p))
		return kept[place - 1];
	return place < n && overlap(&kept[place]->prefix, p) ? kept[place] : NULL;
}

/* Of one's own that lie in each other the larger comes first, and so holds all that is claimed. */
static int compare_prefix_claims(const void *x, const void *y)
{
	const struct claim *a = x, *b = y;
	int order = compare_turns(a, b);

	if (!order)
		order = compare_addresses(&a->prefix, &b->prefix);
	return order ? order : a->prefix.cidr - b->prefix.cidr;
}

static int settle_prefixes(struct work *w)
{
	struct claim **kept = malloc((w->prefixes.n + 1) * sizeof(struct claim *));
	size_t n = 0;
	int err = kept ? 0 : -ENOMEM;

	qsort(w->prefixes.items, w->prefixes.n, sizeof(*w->prefixes.items), compare_prefix_claims);
	for (size_t i = 0; i < w->prefixes.n && !err; i++) {
		struct claim *c = &w->prefixes.items[i], *other;
		size_t place = place_of(kept, n, &c->prefix);

		other = in_the_way(kept, n, place, &c->prefix);
		if (other) {
			c->lost = true;
			/* a node whose record is gone has no say, and its name is no news */
			if (c->member && !c->member->gone)
				err = refuse(w, WGX_REFUSED_OVERLAP, c->member, other->member,
					     &c->prefix);
			continue;
		}
		memmove(kept + place + 1, kept + place, (n - place) * sizeof(struct claim *));
		kept[place] = c;
		n++;
	}
	free(kept);
	return err;
}

/* ---- peers ---- */

/* One that this node has an address of the same family for; where it does not know, the first. */
static struct wgx_endpoint choose_endpoint(const struct wgx_node *self, const struct wgx_node *n)
{
	for (size_t i = 0; i < n->n_endpoints; i++)
		for (size_t j = 0; j < self->n_endpoints; j++)
			if (n->endpoints[i].addr.sa.sa_family ==
			    self->endpoints[j].addr.sa.sa_family)
				return n->endpoints[i];
	if (n->n_endpoints && !self->n_endpoints)
		return n->endpoints[0];
	return (struct wgx_endpoint){.addr.sa.sa_family = AF_UNSPEC};
}

/* Of the networks, sorted by member */
static size_t first_of(const struct work *w, const struct wgx_member *member)
{
	size_t low = 0, high = w->prefixes.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (w->prefixes.items[middle].member < member)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void add_peer(struct work *w, const struct claim *c)
{
	struct wgx_want_peer *p = &w->want.peers[w->want.n_peers];

	*p = (struct wgx_want_peer){
		.part = c->part,
		.member = c->member,
		.endpoint = choose_endpoint(w->self, &c->member->node),
		.keepalive = w->rules->keepalive,
	};
	memcpy(p->key, c->key, sizeof(p->key));
	for (size_t i = first_of(w, c->member); i < w->prefixes.n; i++) {
		if (w->prefixes.items[i].member != c->member || c->part != WGX_KEY_CURRENT)
			break;
		if (!w->prefixes.items[i].lost)
			p->prefixes[p->n_prefixes++] = w->prefixes.items[i].prefix;
	}
	/* who is gone, and has lost its networks to another, has gone */
	if (p->n_prefixes || !c->member->gone)
		w->want.n_peers++;
}

static int compare_members(const void *x, const void *y)
{
	const struct claim *a = x, *b = y;

	return a->member < b->member ? -1 : a->member > b->member;
}

/* Those that won, by key: they are sorted so. */
static void add_peers(struct work *w)
{
	qsort(w->prefixes.items, w->prefixes.n, sizeof(*w->prefixes.items), compare_members);
	for (size_t i = 0; i < w->keys.n; i++)
		if (w->keys.items[i].member && !w->keys.items[i].lost)
			add_peer(w, &w->keys.items[i]);
}

static int claim_all(struct work *w)
{
	int err = claim_prefixes_of(w, NULL, w->self);

	claim_keys_of(w, NULL, w->self);
	for (size_t i = 0; i < w->members->n && !err; i++) {
		struct wgx_member *m = w->members->items[i];

		if (m->problem[0])
			err = refuse(w, WGX_REFUSED_RECORD, m, NULL, NULL);
		claim_keys_of(w, m, &m->node);
		if (!err)
			err = claim_prefixes_of(w, m, &m->node);
	}
	return err;
}

static int make_room(struct work *w)
{
	size_t n = w->members->n + 1;

	w->keys.items = calloc(3 * n, sizeof(*w->keys.items));
	w->prefixes.items = calloc(n * WGX_NODE_CIDRS, sizeof(*w->prefixes.items));
	w->want.peers = calloc(3 * n, sizeof(*w->want.peers));
	return w->keys.items && w->prefixes.items && w->want.peers ? 0 : -ENOMEM;
}

int wgx_rules_apply(const struct wgx_rules *rules, const struct wgx_node *self,
		    const struct wgx_members *members, struct wgx_want *ret)
{
	struct work w = {.rules = rules, .self = self, .members = members};
	int err = make_room(&w);

	if (!err)
		err = claim_all(&w);
	if (!err)
		err = settle_keys(&w);
	if (!err)
		err = settle_prefixes(&w);
	if (!err)
		add_peers(&w);
	free(w.keys.items);
	free(w.prefixes.items);
	if (err)
		wgx_want_free(&w.want);
	else
		*ret = w.want;
	return err;
}

void wgx_want_free(struct wgx_want *w)
{
	free(w->peers);
	free(w->refusals);
	*w = (struct wgx_want){0};
}

const char *wgx_refusal_text(const struct wgx_refusal *r, char *text, size_t size)
{
	const char *other = r->other ? r->other->node.name : "this node";
	char prefix[WGX_PREFIX_TEXT] = "";

	if (r->prefix.family)
		wgx_prefix_format(&r->prefix, prefix);
	switch (r->reason) {
	case WGX_REFUSED_RECORD:
		snprintf(text, size, "%s: its record cannot be read: %s", r->member->node.name,
			 r->member->problem);
		break;
	case WGX_REFUSED_KEY_TAKEN:
		snprintf(text, size, "%s: its public key is that of %s, which had it first",
			 r->member->node.name, other);
		break;
	case WGX_REFUSED_OUTSIDE:
		snprintf(text, size, "%s: its pod CIDR %s is outside of the cluster's",
			 r->member->node.name, prefix);
		break;
	case WGX_REFUSED_OVERLAP:
		snprintf(text, size, "%s: its pod CIDR %s overlaps with that of %s",
			 r->member->node.name, prefix, other);
		break;
	}
	return text;
}
