/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sodium.h>
#include "device/floors.h"
#include "device/index.h"
#include "device/rcu.h"
#include "proto/keypair.h"

#define BUCKETS 4096 /* to begin with */

struct wgx_index {
	struct cds_lfht *table;
	struct wgx_floors *floors; /* or NULL */
};

/* All but @kp, which is set once, never changes. */
struct entry {
	struct cds_lfht_node node;
	uint32_t index;
	uint32_t floor; /* slot of @floors; 0: none */
	struct wgx_floors *floors;
	struct wgx_peer *peer;
	struct wgx_keypair *_Atomic kp;
	struct rcu_head rcu;
};

#ifdef WGX_TSAN
#define entry_publish(e) __tsan_release(e)
#define entry_reach(e) __tsan_acquire(e)
#else
#define entry_publish(e) ((void)(e))
#define entry_reach(e) ((void)(e))
#endif

static int match(struct cds_lfht_node *node, const void *key)
{
	struct entry *e = caa_container_of(node, struct entry, node);

	entry_reach(e);
	return e->index == *(const uint32_t *)key;
}

static void free_entry(struct rcu_head *rcu)
{
	struct entry *e = caa_container_of(rcu, struct entry, rcu);

	wgx_floors_give(e->floors, e->floor);
	free(e);
}

/* Indices are random, so each is its own hash. */
static struct entry *find(struct wgx_index *t, uint32_t index)
{
	struct cds_lfht_node *node;
	struct cds_lfht_iter iter;

	cds_lfht_lookup(t->table, index, match, &index, &iter);
	node = cds_lfht_iter_get_node(&iter);
	return node ? caa_container_of(node, struct entry, node) : NULL;
}

int wgx_index_create(struct wgx_index **ret)
{
	struct wgx_index *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->table =
		cds_lfht_new_flavor(BUCKETS, BUCKETS, 0, WGX_LFHT_FLAGS, &urcu_qsbr_flavor, NULL);
	if (!t->table) {
		free(t);
		return -ENOMEM;
	}
	*ret = t;
	return 0;
}

void wgx_index_destroy(struct wgx_index *t)
{
	if (!t)
		return;
	wgx_rcu_destroy_table(t->table);
	free(t);
}

void wgx_index_set_floors(struct wgx_index *t, struct wgx_floors *f)
{
	t->floors = f;
}

static struct entry *new_entry(struct wgx_index *t, struct wgx_peer *peer)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->peer = peer;
	e->floors = t->floors;
	e->floor = wgx_floors_take(t->floors);
	cds_lfht_node_init(&e->node);
	return e;
}

/* Return: false where the index is taken */
static bool add(struct wgx_index *t, struct entry *e, uint32_t index)
{
	e->index = index;
	entry_publish(e);
	return cds_lfht_add_unique(t->table, index, match, &index, &e->node) == &e->node;
}

int wgx_index_new(struct wgx_index *t, struct wgx_peer *peer, uint32_t *ret_index)
{
	struct entry *e = new_entry(t, peer);

	if (!e)
		return -ENOMEM;
	while (!add(t, e, randombytes_random()))
		;
	*ret_index = e->index;
	return 0;
}

int wgx_index_claim(struct wgx_index *t, struct wgx_peer *peer, uint32_t index)
{
	struct entry *e = new_entry(t, peer);

	if (!e)
		return -ENOMEM;
	if (add(t, e, index))
		return 0;
	free_entry(&e->rcu); /* nobody has seen it */
	return -EEXIST;
}

void wgx_index_bind(struct wgx_index *t, uint32_t index, struct wgx_keypair *kp)
{
	struct entry *e = find(t, index);

	if (!e)
		return;
	if (e->floor)
		kp->floor = wgx_floors_at(e->floors, e->floor);
	atomic_store_explicit(&e->kp, kp, memory_order_release);
}

void wgx_index_free(struct wgx_index *t, uint32_t index)
{
	struct entry *e = find(t, index);

	if (e && cds_lfht_del(t->table, &e->node) == 0)
		wgx_rcu_call(&e->rcu, free_entry);
}

uint32_t wgx_index_floor(struct wgx_index *t, uint32_t index)
{
	struct entry *e = find(t, index);

	return e ? e->floor : 0;
}

struct wgx_peer *wgx_index_find(struct wgx_index *t, uint32_t index, struct wgx_keypair **ret_kp)
{
	struct entry *e = find(t, index);

	if (!e)
		return NULL;
	*ret_kp = atomic_load_explicit(&e->kp, memory_order_acquire);
	return e->peer;
}
