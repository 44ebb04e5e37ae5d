/* SPDX-License-Identifier: MIT */
/* Receiver indices of all interfaces of the daemon: random, unique, 32 bit (P-HS-5). */
#ifndef WGX_DEVICE_INDEX_H
#define WGX_DEVICE_INDEX_H

#include <stdint.h>

struct wgx_floors;
struct wgx_index;
struct wgx_keypair;
struct wgx_peer;

int wgx_index_create(struct wgx_index **ret);
void wgx_index_destroy(
	struct wgx_index *t); /* NULL is legal; must be empty, also of what was freed */
/** wgx_index_set_floors() - each index from now on has a slot of @f, which must outlive @t */
void wgx_index_set_floors(struct wgx_index *t, struct wgx_floors *f);

/** wgx_index_new() - a fresh index that leads to @peer's handshake. 0 or -ENOMEM. */
int wgx_index_new(struct wgx_index *t, struct wgx_peer *peer, uint32_t *ret_index);
/** wgx_index_claim() - as that, but @index, which another process gave out; -EEXIST where it is taken */
int wgx_index_claim(struct wgx_index *t, struct wgx_peer *peer, uint32_t index);
/** wgx_index_bind() - from now on @index leads to @kp as well, and @kp to the index's floor */
void wgx_index_bind(struct wgx_index *t, uint32_t index, struct wgx_keypair *kp);
void wgx_index_free(struct wgx_index *t, uint32_t index);
/** wgx_index_floor() - the slot of @index (device/floors.h), 0: none; for who may free it */
uint32_t wgx_index_floor(struct wgx_index *t, uint32_t index);

/** wgx_index_find() - RCU read side, any thread; NULL: unknown. @ret_kp is NULL while it is a handshake's */
struct wgx_peer *wgx_index_find(struct wgx_index *t, uint32_t index, struct wgx_keypair **ret_kp);

#endif
