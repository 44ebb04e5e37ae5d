/* SPDX-License-Identifier: MIT */
#include "device/floors.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <wgx/bpf_abi.h>

#define MAP_BYTES (WGX_FLOORS * sizeof(uint64_t)) /* whole pages, of 64 KB too */

struct wgx_floors {
	_Atomic uint64_t *map;
	pthread_mutex_t lock; /* a leaf: guards what follows */
	uint32_t next; /* never given out so far; 0 is no slot */
	uint32_t n_free;
	uint32_t free[WGX_FLOORS];
};

int wgx_floors_open(int fd, struct wgx_floors **ret)
{
	struct wgx_floors *f = calloc(1, sizeof(*f));
	void *map;
	int err;

	if (!f)
		return -ENOMEM;
	map = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		err = -errno;
		free(f);
		return err;
	}
	f->map = map;
	f->next = 1;
	pthread_mutex_init(&f->lock, NULL);
	*ret = f;
	return 0;
}

void wgx_floors_close(struct wgx_floors *f)
{
	if (!f)
		return;
	munmap((void *)f->map, MAP_BYTES);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

uint32_t wgx_floors_take(struct wgx_floors *f)
{
	uint32_t slot = 0;

	if (!f)
		return 0;
	pthread_mutex_lock(&f->lock);
	if (f->n_free)
		slot = f->free[--f->n_free];
	else if (f->next < WGX_FLOORS)
		slot = f->next++;
	pthread_mutex_unlock(&f->lock);
	return slot;
}

void wgx_floors_give(struct wgx_floors *f, uint32_t slot)
{
	if (!slot)
		return;
	atomic_store_explicit(&f->map[slot], 0, memory_order_relaxed);
	pthread_mutex_lock(&f->lock);
	f->free[f->n_free++] = slot;
	pthread_mutex_unlock(&f->lock);
}

_Atomic uint64_t *wgx_floors_at(struct wgx_floors *f, uint32_t slot)
{
	return slot ? &f->map[slot] : NULL;
}
