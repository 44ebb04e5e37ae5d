/* SPDX-License-Identifier: MIT */
#include "path/xsk.h"

#include <assert.h>
#include <errno.h>
#include <linux/if_xdp.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <wgx/bpf_abi.h>

#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4) /* Linux 6.6 */
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif
#ifndef XDP_MAX_TX_SKB_BUDGET
#define XDP_MAX_TX_SKB_BUDGET 9 /* Linux 6.17 */
#endif

#define UNUSED_RING 64 /* entries: the kernel wants both rings of a UMEM */
#define SEND_BUFFER (4 << 20)

static void fill_all(struct wgx_xsk *x)
{
	uint32_t at;

	if (!x->ring_size)
		return;
	if (xsk_ring_prod__reserve(&x->fill, x->ring_size, &at) != x->ring_size)
		abort(); /* the ring is as large as its part of the UMEM, and empty */
	for (uint32_t i = 0; i < x->ring_size; i++)
		*xsk_ring_prod__fill_addr(&x->fill, at + i) = (uint64_t)i * WGX_CHUNK_SIZE;
	xsk_ring_prod__submit(&x->fill, x->ring_size);
}

static int create(const char *ifname, uint32_t queue, uint32_t ring_size, uint32_t tx_size,
		  bool zero_copy, bool multi_buffer, struct wgx_xsk **ret)
{
	const struct xsk_umem_config umem_config = {
		.fill_size = ring_size ? ring_size : UNUSED_RING,
		.comp_size = tx_size ? tx_size : UNUSED_RING,
		.frame_size = WGX_CHUNK_SIZE,
	};
	const struct xsk_socket_config config = {
		.rx_size = ring_size,
		.tx_size = tx_size,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags =
			(uint16_t)(XDP_USE_NEED_WAKEUP | (zero_copy ? XDP_ZEROCOPY : XDP_COPY) |
				   (multi_buffer ? XDP_USE_SG : 0)),
	};
	struct wgx_xsk *x = calloc(1, sizeof(*x));
	int err;

	if (!x)
		return -ENOMEM;
	x->ring_size = ring_size;
	x->tx_size = tx_size;
	x->multi_buffer = multi_buffer;
	x->zero_copy = zero_copy;
	err = wgx_umem_create(&x->umem, ring_size + tx_size);
	if (err)
		goto free_x;
	err = xsk_umem__create(&x->reg, x->umem.base, x->umem.size, &x->fill, &x->comp,
			       &umem_config);
	if (err)
		goto destroy_umem;
	fill_all(x); /* before bind(2): with zero-copy the device takes from it at once */
	err = xsk_socket__create(&x->socket, ifname, queue, x->reg, ring_size ? &x->rx : NULL,
				 tx_size ? &x->tx : NULL, &config);
	if (err)
		goto delete_reg;
	x->fd = xsk_socket__fd(x->socket);
	*ret = x;
	return 0;
delete_reg:
	xsk_umem__delete(x->reg);
destroy_umem:
	wgx_umem_destroy(&x->umem);
free_x:
	free(x);
	return err;
}

int wgx_xsk_create(const char *ifname, uint32_t queue, uint32_t ring_size, bool zero_copy,
		   bool multi_buffer, struct wgx_xsk **ret)
{
	return create(ifname, queue, ring_size, 0, zero_copy, multi_buffer, ret);
}

/* Else the kernel takes 32 frames in a call (until Linux 6.17 it always does), and less than 100 on their way. */
static void set_send_limits(const struct wgx_xsk *x)
{
	const int buffer = SEND_BUFFER;

	(void)setsockopt(x->fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &x->tx_size, sizeof(x->tx_size));
	if (setsockopt(x->fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)))
		(void)setsockopt(x->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
}

int wgx_xsk_create_sending(const char *ifname, uint32_t queue, uint32_t ring_size, bool zero_copy,
			   bool multi_buffer, uint32_t tx_size, struct wgx_xsk **ret)
{
	int err;

	if (zero_copy && !ring_size)
		return -EINVAL;
	err = create(ifname, queue, ring_size, tx_size, zero_copy, multi_buffer, ret);

	if (!err)
		set_send_limits(*ret);
	return err;
}

/* ---- that of another process ---- */

static int map_ring(struct wgx_xsk *x, int slot, size_t size, off_t offset, uint8_t **ret)
{
	void *at =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, x->fd, offset);

	if (at == MAP_FAILED)
		return -errno;
	x->maps[slot].at = at;
	x->maps[slot].size = size;
	*ret = at;
	return 0;
}

/* As libxdp fills them, whose functions use them; but both ends are where they are. */
static int map_rings(struct wgx_xsk *x)
{
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);
	uint8_t *rx = NULL, *fill = NULL;
	int err;

	if (getsockopt(x->fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len) || len != sizeof(off))
		return -EINVAL;
	err = map_ring(x, 0, off.rx.desc + x->ring_size * sizeof(struct xdp_desc),
		       XDP_PGOFF_RX_RING, &rx);
	if (!err)
		err = map_ring(x, 1, off.fr.desc + x->ring_size * sizeof(uint64_t),
			       (off_t)XDP_UMEM_PGOFF_FILL_RING, &fill);
	if (err || !rx || !fill)
		return err ?: -ENOMEM;
	x->rx = (struct xsk_ring_cons){
		.mask = x->ring_size - 1,
		.size = x->ring_size,
		.producer = (uint32_t *)(rx + off.rx.producer),
		.consumer = (uint32_t *)(rx + off.rx.consumer),
		.ring = rx + off.rx.desc,
		.flags = (uint32_t *)(rx + off.rx.flags),
	};
	x->fill = (struct xsk_ring_prod){
		.mask = x->ring_size - 1,
		.size = x->ring_size,
		.producer = (uint32_t *)(fill + off.fr.producer),
		.consumer = (uint32_t *)(fill + off.fr.consumer),
		.ring = fill + off.fr.desc,
		.flags = (uint32_t *)(fill + off.fr.flags),
	};
	x->rx.cached_cons = *x->rx.consumer;
	x->rx.cached_prod = x->rx.cached_cons;
	x->fill.cached_prod = *x->fill.producer;
	x->fill.cached_cons = *x->fill.consumer + x->ring_size;
	return 0;
}

static void unmap_rings(struct wgx_xsk *x)
{
	for (size_t i = 0; i < sizeof(x->maps) / sizeof(x->maps[0]); i++)
		if (x->maps[i].at)
			munmap(x->maps[i].at, x->maps[i].size);
}

int wgx_xsk_adopt(int fd, int memfd, uint32_t ring_size, bool multi_buffer, struct wgx_xsk **ret)
{
	struct wgx_xsk *x;
	int err;

	if (!ring_size || ring_size & (ring_size - 1))
		return -EINVAL;
	x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	x->fd = fd;
	x->ring_size = ring_size;
	x->multi_buffer = multi_buffer;
	err = map_rings(x);
	if (!err)
		err = wgx_umem_adopt(&x->umem, memfd, ring_size);
	if (err) {
		unmap_rings(x);
		free(x);
		return err;
	}
	*ret = x;
	return 0;
}

void wgx_xsk_destroy(struct wgx_xsk *x)
{
	if (!x)
		return;
	if (x->socket) {
		xsk_socket__delete(x->socket);
		xsk_umem__delete(x->reg);
	} else {
		unmap_rings(x);
		close(x->fd);
	}
	wgx_umem_destroy(&x->umem);
	free(x);
}

/* ---- packets ---- */

/* Descriptors of the frame that begins at rx index @at, of @avail that are there; 0: it is not whole yet */
static uint32_t frame_extent(struct wgx_xsk *x, uint32_t at, uint32_t avail)
{
	for (uint32_t n = 0; n < avail; n++)
		if (!(xsk_ring_cons__rx_desc(&x->rx, at + n)->options & XDP_PKT_CONTD))
			return n + 1;
	return 0;
}

int wgx_xsk_next(struct wgx_xsk *x, struct iovec *iov, unsigned int max, size_t *ret_len)
{
	uint32_t at, avail, n;
	size_t len = 0;

	avail = xsk_ring_cons__peek(&x->rx, x->ring_size, &at);
	n = frame_extent(x, at, avail);
	if (!n && avail) {
		/* the batch ended in the middle of a frame: libxdp looks anew at an empty ring only */
		xsk_ring_cons__cancel(&x->rx, avail);
		x->rx.cached_prod = __atomic_load_n(x->rx.producer, __ATOMIC_ACQUIRE);
		avail = xsk_ring_cons__peek(&x->rx, x->ring_size, &at);
		n = frame_extent(x, at, avail);
	}
	/* take the frame only; what follows is peeked again */
	xsk_ring_cons__cancel(&x->rx, avail - n);
	if (!n)
		return 0;
	x->held += n;
	if (n > max)
		return -EMSGSIZE;
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *d = xsk_ring_cons__rx_desc(&x->rx, at + i);

		iov[i].iov_base = x->umem.base + d->addr;
		iov[i].iov_len = d->len;
		len += d->len;
	}
	*ret_len = len;
	return (int)n;
}

/* The device has found no chunk to write to, and does not look again by itself. In copy mode there is no such flag. */
static void wake_device(const struct wgx_xsk *x)
{
	if (x->zero_copy && xsk_ring_prod__needs_wakeup(&x->fill))
		(void)recvfrom(x->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

void wgx_xsk_release(struct wgx_xsk *x)
{
	uint32_t first = x->rx.cached_cons - x->held, at;

	if (!x->held)
		return;
	/*
	 * fill + rx + held = chunks, so there is room. But the kernel publishes what it put into the rx ring
	 * before what it took from the fill ring (xsk_flush() in net/xdp/xsk.c), and may be interrupted there.
	 */
	while (xsk_ring_prod__reserve(&x->fill, x->held, &at) != x->held)
		sched_yield();
	for (uint32_t i = 0; i < x->held; i++) {
		uint64_t addr = xsk_ring_cons__rx_desc(&x->rx, first + i)->addr;

		assert(addr < x->umem.size);
		*xsk_ring_prod__fill_addr(&x->fill, at + i) = addr - addr % WGX_CHUNK_SIZE;
	}
	xsk_ring_prod__submit(&x->fill, x->held);
	xsk_ring_cons__release(&x->rx, x->held);
	x->held = 0;
	wake_device(x);
}

uint32_t wgx_xsk_end(const struct wgx_xsk *x)
{
	return __atomic_load_n(x->rx.producer, __ATOMIC_ACQUIRE);
}

bool wgx_xsk_passed(const struct wgx_xsk *x, uint32_t end)
{
	return (int32_t)(__atomic_load_n(x->rx.consumer, __ATOMIC_ACQUIRE) - end) >= 0;
}

bool wgx_xsk_idle(const struct wgx_xsk *x)
{
	return wgx_xsk_passed(x, wgx_xsk_end(x));
}

static uint32_t entries(const uint32_t *producer, const uint32_t *consumer)
{
	return __atomic_load_n(producer, __ATOMIC_ACQUIRE) -
	       __atomic_load_n(consumer, __ATOMIC_ACQUIRE);
}

void wgx_xsk_frames(const struct wgx_xsk *x, struct wgx_xsk_frames *ret)
{
	*ret = (struct wgx_xsk_frames){
		.total = x->ring_size,
		.fill = entries(x->fill.producer, x->fill.consumer),
		.rx = entries(x->rx.producer, x->rx.consumer),
	};
}

void wgx_xsk_stats(const struct wgx_xsk *x, struct wgx_xsk_stats *ret)
{
	struct xdp_statistics s = {0};
	socklen_t len = sizeof(s);

	*ret = (struct wgx_xsk_stats){0};
	if (getsockopt(x->fd, SOL_XDP, XDP_STATISTICS, &s, &len))
		return;
	ret->rx_dropped = s.rx_dropped;
	if (len >= sizeof(s)) {
		ret->rx_ring_full = s.rx_ring_full;
		ret->fill_ring_empty = s.rx_fill_ring_empty_descs;
	}
}
