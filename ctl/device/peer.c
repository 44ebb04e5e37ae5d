/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "device/device.h"
#include "device/model.h"
#include "device/name.h"
#include "device/secmem.h"
#include "proto/crypto.h"

struct wgx_peer *wgx_device_find_peer(struct wgx_device *dev, const uint8_t key[WGX_KEY_LEN])
{
	struct cds_lfht_node *node;
	struct cds_lfht_iter iter;

	cds_lfht_lookup(dev->by_key, wgx_key_hash(dev, key), wgx_key_match, key, &iter);
	node = cds_lfht_iter_get_node(&iter);
	return node ? caa_container_of(node, struct wgx_peer, by_key) : NULL;
}

static void init_peer(struct wgx_peer *peer, struct wgx_device *dev, const uint8_t *key)
{
	struct wgx_now now = wgx_now();

	peer->dev = dev;
	atomic_init(&peer->refs, 1);
	wgx_allowedips_owner_init(&peer->allowed);
	wgx_session_init(&peer->session, dev->local, key, &now);
	wgx_device_get(dev);
	cds_list_add_tail(&peer->all, &dev->peers);
	cds_lfht_node_init(&peer->by_key);
	cds_lfht_add(dev->by_key, wgx_key_hash(dev, key), &peer->by_key);
	dev->n_peers++;
	dev->ops->mirror_peer(dev, peer, WGX_PEER_NEW);
	if (dev->up)
		wgx_session_start(&peer->session, &now);
}

int wgx_peer_create(struct wgx_device *dev, const uint8_t key[WGX_KEY_LEN], struct wgx_peer **ret)
{
	struct wgx_peer *peer;
	int err;

	if (dev->local->has_identity && !memcmp(key, dev->local->public_key, WGX_KEY_LEN))
		return -EADDRNOTAVAIL;
	if (wgx_device_find_peer(dev, key))
		return -EEXIST;
	peer = wgx_secmem_alloc(sizeof(*peer));
	if (!peer)
		return -ENOMEM;
	err = wgx_device_new_id(dev, &peer->id);
	if (err) {
		wgx_secmem_free(peer, sizeof(*peer));
		return err == -ENOSPC ? -ENOMEM : err;
	}
	init_peer(peer, dev, key);
	*ret = peer;
	return 0;
}

static void free_peer(struct rcu_head *rcu)
{
	struct wgx_peer *peer = caa_container_of(rcu, struct wgx_peer, rcu);
	struct wgx_device *dev = peer->dev;

	dev->ops->free_staged(peer->staged);
	free(peer->hop);
	wgx_secmem_free(peer, sizeof(*peer));
	wgx_device_put(dev);
}

void wgx_peer_put(struct wgx_peer *peer)
{
	if (peer && atomic_fetch_sub_explicit(&peer->refs, 1, memory_order_acq_rel) == 1)
		wgx_rcu_call(&peer->rcu, free_peer);
}

static void part(struct wgx_peer *peer)
{
	struct wgx_peer *twin = atomic_load_explicit(&peer->twin, memory_order_relaxed);

	if (twin)
		atomic_store_explicit(&twin->twin, NULL, memory_order_relaxed);
	atomic_store_explicit(&peer->twin, NULL, memory_order_relaxed);
}

void wgx_peer_set_twin(struct wgx_peer *peer, struct wgx_peer *twin)
{
	if (twin && atomic_load_explicit(&peer->twin, memory_order_relaxed) == twin)
		return;
	part(peer);
	if (!twin)
		return;
	part(twin);
	atomic_store_explicit(&peer->twin, twin, memory_order_relaxed);
	atomic_store_explicit(&twin->twin, peer, memory_order_relaxed);
}

void wgx_peer_remove(struct wgx_peer *peer)
{
	struct wgx_device *dev = peer->dev;

	part(peer);
	atomic_store(
		&peer->dead,
		true); /* before we look whether it has anything staged, see stage() of path/seal.c */
	wgx_session_stop(&peer->session);
	wgx_peer_replace_end(peer);
	wgx_peer_remove_all_prefixes(peer);
	cds_list_del(&peer->all);
	cds_lfht_del(dev->by_key, &peer->by_key);
	dev->n_peers--;
	dev->ops->mirror_peer(dev, peer, WGX_PEER_GONE);
	wgx_peer_set_name(peer, NULL);
	wgx_device_free_id(dev, peer->id);
	wgx_peer_put(peer);
}

/* ---- allowed IPs ---- */

int wgx_peer_add_prefix(struct wgx_peer *peer, const struct wgx_prefix *prefix)
{
	struct wgx_device *dev = peer->dev;
	struct wgx_allowedips_owner *old;
	struct wgx_prefix p = *prefix;
	int err;

	err = wgx_prefix_canonical(&p);
	if (!err)
		err = wgx_allowedips_insert(&dev->allowed, &p, &peer->allowed, &old);
	if (!err && old != &peer->allowed)
		dev->ops->mirror_prefix(dev, &p, peer);
	return err;
}

int wgx_peer_remove_prefix(struct wgx_peer *peer, const struct wgx_prefix *prefix)
{
	struct wgx_device *dev = peer->dev;
	struct wgx_prefix p = *prefix;
	int err;

	err = wgx_prefix_canonical(&p);
	if (!err)
		err = wgx_allowedips_remove(&dev->allowed, &p, &peer->allowed);
	if (!err)
		dev->ops->mirror_prefix(dev, &p, NULL);
	return err;
}

typedef bool (*take_fn)(struct wgx_allowedips *a, struct wgx_allowedips_owner *owner,
			struct wgx_prefix *ret);

static void remove_each(struct wgx_peer *peer, take_fn take)
{
	struct wgx_device *dev = peer->dev;
	struct wgx_prefix p;

	while (take(&dev->allowed, &peer->allowed, &p)) {
		dev->ops->mirror_prefix(dev, &p, NULL);
		wgx_device_pause(dev);
	}
}

void wgx_peer_remove_all_prefixes(struct wgx_peer *peer)
{
	remove_each(peer, wgx_allowedips_remove_first);
}

void wgx_peer_replace_begin(struct wgx_peer *peer)
{
	wgx_peer_replace_end(peer); /* begun twice: what was added in between is replaced as well */
	wgx_allowedips_replace_begin(&peer->allowed);
}

void wgx_peer_replace_end(struct wgx_peer *peer)
{
	remove_each(peer, wgx_allowedips_remove_aside);
}

void wgx_peer_replace_abort(struct wgx_peer *peer)
{
	wgx_allowedips_replace_abort(&peer->dev->allowed, &peer->allowed);
}

/* ---- settings ---- */

void wgx_peer_set_endpoint(struct wgx_peer *peer, const struct wgx_endpoint *e)
{
	struct wgx_device *dev = peer->dev;
	struct wgx_endpoint old;

	wgx_endpoint_read(&peer->endpoint, &old);
	if (wgx_endpoint_same_destination(&old, e))
		return;
	wgx_endpoint_write(&peer->endpoint, e);
	dev->ops->mirror_peer(dev, peer, WGX_PEER_MOVED);
}

void wgx_peer_set_psk(struct wgx_peer *peer, const uint8_t psk[WGX_KEY_LEN])
{
	wgx_session_set_psk(&peer->session, psk);
}

void wgx_peer_set_keepalive(struct wgx_peer *peer, uint16_t seconds)
{
	struct wgx_now now;

	if (peer->keepalive == seconds)
		return;
	now = wgx_now();
	peer->keepalive = seconds;
	wgx_session_set_keepalive(&peer->session, seconds, &now);
}
