/* SPDX-License-Identifier: MIT */
/*
 * Where the open worker tells BPF what each keypair's replay window has left behind: slots of the `floors`
 * map (include/wgx/bpf_abi.h), which is mapped into this process, so that telling is a store.
 */
#ifndef WGX_DEVICE_FLOORS_H
#define WGX_DEVICE_FLOORS_H

#include <stdatomic.h>
#include <stdint.h>

struct wgx_floors;

/** wgx_floors_open() - map @fd, of the map or of a file as large. 0, -ENOMEM or mmap's error */
int wgx_floors_open(int fd, struct wgx_floors **ret);
void wgx_floors_close(struct wgx_floors *f); /* NULL is legal */

/** wgx_floors_take() - a slot whose floor is 0; 0, which is no slot: none is left, or @f is NULL. Any thread */
uint32_t wgx_floors_take(struct wgx_floors *f);
/**
 * wgx_floors_give() - the slot is free again, and its floor 0; any thread
 * After a grace period only: until then a worker may still raise it, which would be the next owner's floor.
 */
void wgx_floors_give(struct wgx_floors *f, uint32_t slot);
/** wgx_floors_at() - where the floor of @slot stands; the open worker writes. NULL: @slot is 0 */
_Atomic uint64_t *wgx_floors_at(struct wgx_floors *f, uint32_t slot);

#endif
