/* SPDX-License-Identifier: MIT */
/* Between device.c, peer.c and upcalls.c only. */
#ifndef WGX_DEVICE_MODEL_H
#define WGX_DEVICE_MODEL_H

#include "device/device.h"

/** wgx_device_upcalls - the protocol's way out; ctx is the struct wgx_device */
extern const struct wgx_upcalls wgx_device_upcalls;

/** wgx_device_get(), wgx_device_put() - the memory of a device outlives its peers'; any thread */
void wgx_device_get(struct wgx_device *dev);
void wgx_device_put(struct wgx_device *dev);

/** wgx_device_new_id() - the lowest free peer id. 0, -ENOMEM, or -ENOSPC beyond WGX_PEERS_MAX. */
int wgx_device_new_id(struct wgx_device *dev, uint32_t *ret);
void wgx_device_free_id(struct wgx_device *dev, uint32_t id);

/** wgx_peer_staged_command() - about what is staged: most peers never had anything, and are not disturbed */
static inline void wgx_peer_staged_command(struct wgx_peer *peer, uint32_t command)
{
	if (atomic_load(&peer->stages))
		peer->dev->ops->seal_command(peer->dev, peer, command);
}

/** wgx_key_hash() - for dev->by_key: SipHash under a random key, as peers' owners choose their own keys */
unsigned long wgx_key_hash(const struct wgx_device *dev, const uint8_t key[WGX_KEY_LEN]);
int wgx_key_match(struct cds_lfht_node *node, const void *key);

static inline const uint8_t *wgx_peer_key(const struct wgx_peer *peer)
{
	return peer->session.handshake.remote_static;
}

#endif
