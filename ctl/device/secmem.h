/* SPDX-License-Identifier: MIT */
/* Memory for secrets: locked, left out of core dumps, not inherited by fork, wiped when freed. */
#ifndef WGX_DEVICE_SECMEM_H
#define WGX_DEVICE_SECMEM_H

#include <stdbool.h>
#include <stddef.h>

/** wgx_secmem_alloc() - @size zeroed bytes, cache-line aligned; NULL: none left. Thread-safe. */
void *wgx_secmem_alloc(size_t size);
/** wgx_secmem_free() - wipe and give back; @size as allocated; NULL is legal */
void wgx_secmem_free(void *p, size_t size);
/** wgx_secmem_locked() - has all of it been kept from swap so far? No: RLIMIT_MEMLOCK is too low. */
bool wgx_secmem_locked(void);
/** wgx_secmem_used() - bytes allocated and not freed */
size_t wgx_secmem_used(void);

#endif
