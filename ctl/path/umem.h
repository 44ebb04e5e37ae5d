/* SPDX-License-Identifier: MIT */
/* UMEM: the memory that the kernel and one AF_XDP socket share. In a memfd, so that it can be handed on. */
#ifndef WGX_PATH_UMEM_H
#define WGX_PATH_UMEM_H

#include <stddef.h>
#include <stdint.h>

/** struct wgx_umem - @chunks chunks of WGX_CHUNK_SIZE bytes at @base, and one spare page behind them */
struct wgx_umem {
	int memfd;
	uint8_t *base;
	size_t size; /* bytes of chunks, spare page not counted */
	uint32_t chunks;
};

/** wgx_umem_create() - mapped and populated. 0 or a negative errno. */
int wgx_umem_create(struct wgx_umem *u, uint32_t chunks);
/** wgx_umem_adopt() - what another process has in @memfd, which is @u's on success; -EINVAL: not of that size */
int wgx_umem_adopt(struct wgx_umem *u, int memfd, uint32_t chunks);
void wgx_umem_destroy(struct wgx_umem *u); /* a zeroed one is legal */

#endif
