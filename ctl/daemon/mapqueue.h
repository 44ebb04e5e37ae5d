/* SPDX-License-Identifier: MIT */
/*
 * Changes of one BPF map, gathered, and then handed over many in one system call (BPF_MAP_UPDATE_BATCH and
 * _DELETE_BATCH, Linux 5.6; of LPM tries 5.13). In the order of keys: neighbours in a trie share their way down,
 * which makes a million of them twice as fast.
 */
#ifndef WGX_DAEMON_MAPQUEUE_H
#define WGX_DAEMON_MAPQUEUE_H

#include <stdbool.h>
#include <stdint.h>

#define WGX_MAPQUEUE_MAX 65536 /* changes; one more, and all of them are handed over */

/** struct wgx_mapqueue - zeroed: without a map; to flush or free it is legal */
struct wgx_mapqueue {
	int fd;
	const char *name; /* of the map, for the log */
	uint32_t key_size, value_size;
	uint32_t n, room;
	bool lost; /* since the last flush that said so */
	uint8_t *changes; /* each a key, a value and a note */
};

/**
 * wgx_mapqueue_init() - for the map @fd, which stays the caller's
 * Sizes are multiples of 4; a key has at most 20 bytes, a value 64. Return: 0 or -ENOMEM.
 */
int wgx_mapqueue_init(struct wgx_mapqueue *q, int fd, const char *name, uint32_t key_size,
		      uint32_t value_size);
/** wgx_mapqueue_put() - write an entry soon, whether it is there or not */
void wgx_mapqueue_put(struct wgx_mapqueue *q, const void *key, const void *value);
/** wgx_mapqueue_delete() - remove an entry soon; none there is no error */
void wgx_mapqueue_delete(struct wgx_mapqueue *q, const void *key);
/**
 * wgx_mapqueue_flush() - now
 * The last change of each key counts. What writes goes before what deletes, so that no address is without an entry
 * in between; what finds the map full is tried once more afterwards, and said in the log where that fails as
 * well, once for all maps. Return: false: so it was, now or in a flush for want of room.
 */
bool wgx_mapqueue_flush(struct wgx_mapqueue *q);
/** wgx_mapqueue_free() - forget what is gathered */
void wgx_mapqueue_free(struct wgx_mapqueue *q);

#endif
