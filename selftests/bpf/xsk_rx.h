/* SPDX-License-Identifier: MIT */
/* The least AF_XDP receiver that reads multi-buffer frames: for tests, a few frames, never refilled. */
#ifndef WGX_TEST_XSK_RX_H
#define WGX_TEST_XSK_RX_H

#include <sys/mman.h>
#include <linux/if_xdp.h>
#include "netns.h"

#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4)
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif

#define XSK_FRAMES 256

struct xsk_rx {
	int fd;
	uint8_t *umem;
	uint32_t *rx_producer, *rx_consumer;
	uint32_t rx_seen;
	struct xdp_desc *rx_descs;
	void *rx_map, *fill_map;
	size_t rx_map_len, fill_map_len;
};

static __maybe_unused void *xsk_ring(int fd, const struct xdp_ring_offset *o, size_t entry,
				     uint64_t pgoff, size_t *ret_len)
{
	void *map;

	*ret_len = o->desc + XSK_FRAMES * entry;
	map = mmap(NULL, *ret_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, pgoff);
	assert_ptr_not_equal(map, MAP_FAILED);
	return map;
}

static __maybe_unused void xsk_fill(struct xsk_rx *x, const struct xdp_ring_offset *o)
{
	uint64_t *addrs = (void *)((uint8_t *)x->fill_map + o->desc);

	for (uint64_t i = 0; i < XSK_FRAMES; i++)
		addrs[i] = i * WGX_CHUNK_SIZE;
	__atomic_store_n((uint32_t *)((uint8_t *)x->fill_map + o->producer), XSK_FRAMES,
			 __ATOMIC_RELEASE);
}

/* Opens a copy-mode socket on queue 0 of `dev` in the current namespace. */
static __maybe_unused void xsk_rx_open(struct xsk_rx *x, const char *dev)
{
	struct xdp_umem_reg reg = {.len = XSK_FRAMES * WGX_CHUNK_SIZE,
				   .chunk_size = WGX_CHUNK_SIZE};
	struct sockaddr_xdp addr = {
		.sxdp_family = AF_XDP,
		.sxdp_flags = XDP_COPY | XDP_USE_SG,
		.sxdp_ifindex = if_nametoindex(dev),
	};
	struct xdp_mmap_offsets o;
	socklen_t len = sizeof(o);
	int n = XSK_FRAMES;

	*x = (struct xsk_rx){.fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0)};
	assert_true(x->fd >= 0);
	x->umem = mmap(NULL, reg.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(x->umem, MAP_FAILED);
	reg.addr = (uintptr_t)x->umem;
	assert_int_equal(setsockopt(x->fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)), 0);
	assert_int_equal(setsockopt(x->fd, SOL_XDP, XDP_UMEM_FILL_RING, &n, sizeof(n)), 0);
	assert_int_equal(setsockopt(x->fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &n, sizeof(n)), 0);
	assert_int_equal(setsockopt(x->fd, SOL_XDP, XDP_RX_RING, &n, sizeof(n)), 0);
	assert_int_equal(getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &o, &len), 0);
	x->rx_map =
		xsk_ring(x->fd, &o.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING, &x->rx_map_len);
	x->fill_map = xsk_ring(x->fd, &o.fr, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING,
			       &x->fill_map_len);
	x->rx_producer = (void *)((uint8_t *)x->rx_map + o.rx.producer);
	x->rx_consumer = (void *)((uint8_t *)x->rx_map + o.rx.consumer);
	x->rx_descs = (void *)((uint8_t *)x->rx_map + o.rx.desc);
	xsk_fill(x, &o.fr);
	assert_int_equal(bind(x->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

/* Copies the next frame out, however many descriptors it has. False: none came for a while. */
static __maybe_unused bool xsk_rx_frame(struct xsk_rx *x, struct packet *p, int *ret_descs)
{
	struct pollfd pfd = {.fd = x->fd, .events = POLLIN};
	struct xdp_desc *d;

	p->len = 0;
	*ret_descs = 0;
	do {
		if (__atomic_load_n(x->rx_producer, __ATOMIC_ACQUIRE) == x->rx_seen) {
			if (poll(&pfd, 1, 1000) != 1)
				return false;
			continue;
		}
		assert_true(x->rx_seen < XSK_FRAMES);
		d = &x->rx_descs[x->rx_seen++];
		put(p, x->umem + d->addr, d->len);
		++*ret_descs;
		/* poll() goes by it */
		__atomic_store_n(x->rx_consumer, x->rx_seen, __ATOMIC_RELEASE);
		if (!(d->options & XDP_PKT_CONTD))
			return true;
	} while (*ret_descs < XSK_FRAMES);
	return false;
}

static __maybe_unused void xsk_rx_close(struct xsk_rx *x)
{
	close(x->fd);
	munmap(x->rx_map, x->rx_map_len);
	munmap(x->fill_map, x->fill_map_len);
	munmap(x->umem, XSK_FRAMES * WGX_CHUNK_SIZE);
}

#endif
