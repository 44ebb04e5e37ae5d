/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <sodium.h>
#include "device/device.h"
#include "device/model.h"
#include "device/secmem.h"
#include "proto/crypto.h"

#define BUCKETS 1024 /* of by_key, to begin with */
#define PACE 256 /* peers and prefixes between two pauses: half a millisecond */

uint64_t wgx_clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * UINT64_C(1000000000) + (uint64_t)ts.tv_nsec;
}

struct wgx_now wgx_now(void)
{
	return (struct wgx_now){.boot = wgx_clock_ns(CLOCK_BOOTTIME),
				.real = wgx_clock_ns(CLOCK_REALTIME)};
}

/* ---- peer ids: a binary heap of those given back, and then next_id ---- */

static void swap_ids(uint32_t *a, uint32_t *b)
{
	uint32_t t = *a;

	*a = *b;
	*b = t;
}

/* Room for every id given out so far, so that giving one back never fails. */
static int reserve_id(struct wgx_device *dev)
{
	uint32_t *ids;

	if (dev->next_id >= WGX_PEERS_MAX)
		return -ENOSPC;
	if (dev->next_id & (dev->next_id - 1)) /* grows at powers of two */
		return 0;
	ids = realloc(dev->free_ids, (dev->next_id ? 2u * dev->next_id : 1u) * sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	dev->free_ids = ids;
	return 0;
}

static uint32_t pop_id(struct wgx_device *dev)
{
	uint32_t *ids = dev->free_ids, id = ids[0], n = --dev->n_free_ids, i = 0, child;

	ids[0] = ids[n];
	while ((child = 2 * i + 1) < n) {
		if (child + 1 < n && ids[child + 1] < ids[child])
			child++;
		if (ids[i] <= ids[child])
			break;
		swap_ids(&ids[i], &ids[child]);
		i = child;
	}
	return id;
}

int wgx_device_new_id(struct wgx_device *dev, uint32_t *ret)
{
	int err;

	if (dev->n_free_ids) {
		*ret = pop_id(dev);
		return 0;
	}
	err = reserve_id(dev);
	if (err)
		return err;
	*ret = dev->next_id++;
	return 0;
}

void wgx_device_free_id(struct wgx_device *dev, uint32_t id)
{
	uint32_t *ids = dev->free_ids, i = dev->n_free_ids++;

	ids[i] = id;
	while (i && ids[i] < ids[(i - 1) / 2]) {
		swap_ids(&ids[i], &ids[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
}

/* ---- the lock ---- */

/* Nodes of allowed IPs that were unlinked while the lock was held, until no worker sees them. */
struct retired {
	struct rcu_head rcu;
	struct wgx_device *dev;
	wgx_node_id nodes;
};

static void free_retired(struct rcu_head *rcu)
{
	struct retired *r = caa_container_of(rcu, struct retired, rcu);

	wgx_allowedips_reclaim(&r->dev->allowed, r->nodes);
	wgx_device_put(r->dev);
	free(r);
}

static void retire(struct wgx_device *dev)
{
	wgx_node_id nodes = wgx_allowedips_take_retired(&dev->allowed);
	struct retired *r;

	if (!nodes)
		return;
	r = malloc(sizeof(*r));
	if (!r) {
		wgx_rcu_synchronize();
		wgx_allowedips_reclaim(&dev->allowed, nodes);
		return;
	}
	r->dev = dev;
	r->nodes = nodes;
	wgx_device_get(dev);
	wgx_rcu_call(&r->rcu, free_retired);
}

void wgx_device_lock(struct wgx_device *dev)
{
	pthread_mutex_lock(&dev->turn);
	pthread_mutex_lock(&dev->lock);
	pthread_mutex_unlock(&dev->turn);
	dev->pace = 0;
}

void wgx_device_lock_offline(struct wgx_device *dev)
{
	wgx_rcu_offline();
	wgx_device_lock(dev);
	wgx_rcu_online();
}

void wgx_device_unlock(struct wgx_device *dev)
{
	dev->ops->mirror_peers(dev);
	retire(dev);
	pthread_mutex_unlock(&dev->lock);
}

void wgx_device_commit(struct wgx_device *dev)
{
	wgx_device_unlock(dev);
	dev->ops->mirror_prefixes(dev, true);
}

void wgx_device_pause(struct wgx_device *dev)
{
	if (++dev->pace < PACE)
		return;
	wgx_device_unlock(dev);
	wgx_rcu_offline(); /* as who waits for a lock has to, and so that hash tables can grow */
	dev->ops->mirror_prefixes(dev, false);
	wgx_device_lock(dev);
	wgx_rcu_online();
}

/* ---- creation and end ---- */

unsigned long wgx_key_hash(const struct wgx_device *dev, const uint8_t key[WGX_KEY_LEN])
{
	unsigned char out[crypto_shorthash_BYTES];
	unsigned long hash;

	crypto_shorthash(out, key, WGX_KEY_LEN, dev->hash_key);
	memcpy(&hash, out, sizeof(hash));
	return hash;
}

int wgx_key_match(struct cds_lfht_node *node, const void *key)
{
	const struct wgx_peer *peer = caa_container_of(node, struct wgx_peer, by_key);

	return !memcmp(wgx_peer_key(peer), key, WGX_KEY_LEN);
}

static void init_device(struct wgx_device *dev, const char *name, uint32_t id,
			struct wgx_index *index, const struct wgx_device_ops *ops, void *env)
{
	struct wgx_now now = wgx_now();

	strncpy(dev->name, name, sizeof(dev->name) - 1);
	dev->id = id;
	dev->index = index;
	dev->ops = ops;
	dev->env = env;
	atomic_init(&dev->refs, 1);
	pthread_mutex_init(&dev->lock, NULL);
	pthread_mutex_init(&dev->turn, NULL);
	CDS_INIT_LIST_HEAD(&dev->peers);
	wgx_allowedips_init(&dev->allowed);
	randombytes_buf(dev->hash_key, sizeof(dev->hash_key));
	wgx_local_init(dev->local, &wgx_device_upcalls, dev, &now);
}

int wgx_device_create(const char *name, uint32_t id, struct wgx_index *index,
		      const struct wgx_device_ops *ops, void *env, struct wgx_device **ret)
{
	struct wgx_device *dev = calloc(1, sizeof(*dev));

	if (!dev)
		return -ENOMEM;
	dev->local = wgx_secmem_alloc(sizeof(*dev->local));
	if (!dev->local)
		goto free_dev;
	dev->by_key =
		cds_lfht_new_flavor(BUCKETS, BUCKETS, 0, WGX_LFHT_FLAGS, &urcu_qsbr_flavor, NULL);
	if (!dev->by_key)
		goto free_local;
	init_device(dev, name, id, index, ops, env);
	*ret = dev;
	return 0;

free_local:
	wgx_secmem_free(dev->local, sizeof(*dev->local));
free_dev:
	free(dev);
	return -ENOMEM;
}

void wgx_device_get(struct wgx_device *dev)
{
	atomic_fetch_add_explicit(&dev->refs, 1, memory_order_relaxed);
}

void wgx_device_put(struct wgx_device *dev)
{
	if (atomic_fetch_sub_explicit(&dev->refs, 1, memory_order_acq_rel) != 1)
		return;
	wgx_secmem_free(dev->local, sizeof(*dev->local));
	pthread_mutex_destroy(&dev->lock);
	pthread_mutex_destroy(&dev->turn);
	free(dev->free_ids);
	free(dev);
}

void wgx_device_destroy(struct wgx_device *dev)
{
	struct wgx_peer *peer, *next;

	if (!dev)
		return;
	wgx_device_lock(dev);
	wgx_device_down(dev);
	cds_list_for_each_entry_safe(peer, next, &dev->peers, all) {
		wgx_peer_remove(peer);
	}
	wgx_rcu_destroy_table(dev->by_key);
	wgx_local_clear(dev->local);
	wgx_device_commit(dev);
	wgx_device_put(dev);
}

/* ---- link and sockets ---- */

/* Sockets as configured; nothing to do where they are so already. */
static int bind_sockets(struct wgx_device *dev, uint16_t port, uint32_t fwmark)
{
	uint16_t bound;
	int err;

	if (dev->bound && dev->bound_port == port && dev->bound_fwmark == fwmark)
		return 0;
	err = dev->ops->rebind(dev, port, fwmark, &bound);
	if (err)
		return err;
	dev->bound = true;
	dev->bound_port = bound;
	dev->bound_fwmark = fwmark;
	dev->listen_port = bound;
	return 0;
}

int wgx_device_up(struct wgx_device *dev)
{
	struct wgx_now now = wgx_now();
	struct wgx_peer *peer;
	int err;

	dev->wanted = true;
	if (dev->up)
		return 0;
	err = bind_sockets(dev, dev->listen_port, dev->fwmark);
	if (err)
		return err;
	dev->up = true;
	cds_list_for_each_entry(peer, &dev->peers, all) {
		wgx_session_start(&peer->session, &now);
		/* the link was up, and packets came, a moment before we heard of it */
		wgx_peer_staged_command(peer, WGX_SEAL_RETRY);
		wgx_device_pause(dev);
	}
	return 0;
}

void wgx_device_down(struct wgx_device *dev)
{
	struct wgx_peer *peer;

	dev->wanted = false;
	if (!dev->up)
		return;
	dev->up = false;
	cds_list_for_each_entry(peer, &dev->peers, all) {
		wgx_session_stop(&peer->session);
		wgx_endpoint_clear_source(&peer->endpoint);
		wgx_device_pause(dev);
	}
	dev->ops->unbind(dev);
	dev->bound = false;
}

int wgx_device_set_sockets(struct wgx_device *dev, uint16_t port, uint32_t fwmark)
{
	struct wgx_peer *peer;
	int err;

	if (port == dev->listen_port && fwmark == dev->fwmark && dev->up == dev->wanted)
		return 0;
	if (dev->wanted) {
		err = bind_sockets(dev, port, fwmark);
		if (err)
			return err;
	} else {
		dev->listen_port = port;
	}
	dev->fwmark = fwmark;
	if (dev->wanted && !dev->up)
		(void)wgx_device_up(dev); /* its sockets are there now */
	cds_list_for_each_entry(peer, &dev->peers, all) {
		wgx_endpoint_clear_source(&peer->endpoint); /* P-DT-10 */
	}
	return 0;
}

int wgx_device_set_listen_port(struct wgx_device *dev, uint16_t port)
{
	return wgx_device_set_sockets(dev, port, dev->fwmark);
}

int wgx_device_set_fwmark(struct wgx_device *dev, uint32_t fwmark)
{
	return wgx_device_set_sockets(dev, dev->listen_port, fwmark);
}

/* ---- identity ---- */

static void change_private_key(struct wgx_device *dev, const uint8_t key[WGX_KEY_LEN], bool succeed)
{
	uint8_t clamped[WGX_KEY_LEN], public_key[WGX_KEY_LEN];
	bool removed = wgx_is_zero(key, WGX_KEY_LEN);
	struct wgx_now now = wgx_now();
	struct wgx_peer *peer;

	memcpy(clamped, key, sizeof(clamped));
	wgx_clamp(clamped);
	if (removed ? !dev->local->has_identity
		    : dev->local->has_identity &&
			      wgx_equal(clamped, dev->local->private_key, WGX_KEY_LEN))
		goto out;
	if (!removed) {
		wgx_public_key(public_key, clamped);
		peer = wgx_device_find_peer(dev, public_key);
		if (peer)
			wgx_peer_remove(peer);
	}
	dev->ops->mirror_identity(dev, removed ? NULL : public_key);
	wgx_local_set_key(dev->local, removed ? NULL : clamped);
	cds_list_for_each_entry(peer, &dev->peers, all) {
		if (succeed)
			wgx_session_identity_succeeded(&peer->session, &now);
		else
			wgx_session_identity_changed(&peer->session);
		if (dev->up)
			wgx_peer_staged_command(peer, WGX_SEAL_RETRY);
	}
out:
	wgx_wipe(clamped, sizeof(clamped));
}

void wgx_device_set_private_key(struct wgx_device *dev, const uint8_t key[WGX_KEY_LEN])
{
	change_private_key(dev, key, false);
}

void wgx_device_succeed_private_key(struct wgx_device *dev, const uint8_t key[WGX_KEY_LEN])
{
	change_private_key(dev, key, !wgx_is_zero(key, WGX_KEY_LEN));
}
