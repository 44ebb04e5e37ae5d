/* SPDX-License-Identifier: MIT */
/*
 * An AF_XDP socket. Receiving: whole frames out of its rx ring, chunks back into its fill ring.
 *
 * Who owns a chunk: the fill ring (kernel), then the rx ring (kernel writes, we read), then the worker
 * between wgx_xsk_next() and wgx_xsk_release(), then the fill ring again. All chunks are always in one of
 * the three: fill + rx + held = ring_size.
 *
 * It may send as well, or nothing else: the chunks behind those are path/transmit.c's, as are the rings tx and comp.
 *
 * Each has a UMEM of its own, and so rings of its own (no XDP_SHARED_UMEM): one that several queues share would be
 * zero-copy on all of them or on none, and chunks would go from one queue's ring to another's.
 */
#ifndef WGX_PATH_XSK_H
#define WGX_PATH_XSK_H

#include <stdbool.h>
#include <sys/uio.h>
#include <sys/socket.h>
#include <wgx/bpf_abi.h>
#include <xdp/xsk.h>
#include "path/umem.h"

struct wgx_xsk {
	struct wgx_umem umem;
	struct xsk_umem *reg; /* libxdp's registration of it */
	struct xsk_socket *socket; /* NULL: adopted, and then @maps are its rings */
	struct {
		void *at;
		size_t size;
	} maps[2];
	struct xsk_ring_prod fill;
	struct xsk_ring_cons comp;
	struct xsk_ring_cons rx;
	struct xsk_ring_prod tx;
	int fd;
	uint32_t ring_size; /* 0: it does not receive */
	uint32_t tx_size; /* 0: it does not send */
	uint32_t held; /* descriptors taken since the last release */
	bool multi_buffer; /* XDP_USE_SG: a frame may span chunks */
	bool zero_copy; /* the device itself reads and writes the chunks */
};

/*
 * Bytes of a frame that a chunk takes: the rest is XDP's headroom. Where the device writes frames of several chunks, it
 * keeps room for the kernel's struct skb_shared_info in each, and writes multiples of 128.
 */
#define WGX_XSK_ROOM (WGX_CHUNK_SIZE - 256)
#define WGX_XSK_ROOM_OF_SEVERAL (WGX_XSK_ROOM - 384)
/* What the kernel wants to have room for beside the MTU: Ethernet's header, two VLAN tags, the checksum of the frame */
#define WGX_XSK_FRAME_OVERHEAD 26

/**
 * wgx_xsk_create() - bind to @queue of @ifname, a device of the calling thread's network namespace
 * @ring_size: descriptors, a power of two; as many chunks are in the UMEM
 * @zero_copy: ask the driver for it (then it must be given); else copy mode
 * @multi_buffer: XDP_USE_SG
 *
 * No program is attached and no map is written. Return: 0, -EBUSY where the queue has a socket already,
 * or another negative errno.
 */
int wgx_xsk_create(const char *ifname, uint32_t queue, uint32_t ring_size, bool zero_copy,
		   bool multi_buffer, struct wgx_xsk **ret);
/**
 * wgx_xsk_create_sending() - the same of a socket that sends
 * @ring_size: 0: and does not receive; then not @zero_copy, for the device would receive into what it does not have
 * @tx_size: descriptors, a power of two, 32 at least; as many chunks are behind those of the rx ring
 */
int wgx_xsk_create_sending(const char *ifname, uint32_t queue, uint32_t ring_size, bool zero_copy,
			   bool multi_buffer, uint32_t tx_size, struct wgx_xsk **ret);
/**
 * wgx_xsk_adopt() - go on with the socket that another process has made and does not use any more
 * @fd, @memfd: the socket, and what its UMEM is in; @ret's own on success
 * @ring_size, @multi_buffer: as it was made
 *
 * What waits in its ring is not lost. Return: 0; -EBUSY: this kernel maps the rings of a socket but once (before
 * 6.5); -EINVAL: they do not fit together; another negative errno.
 */
int wgx_xsk_adopt(int fd, int memfd, uint32_t ring_size, bool multi_buffer, struct wgx_xsk **ret);
void wgx_xsk_destroy(struct wgx_xsk *x); /* NULL is legal; no worker may use it any more */

/**
 * wgx_xsk_next() - the next whole frame of the ring
 * @iov: its slices, in UMEM, valid until wgx_xsk_release(); at most @max
 * @ret_len: their sum, bytes
 *
 * Return: slices; 0 where the ring has no whole frame; -EMSGSIZE: a frame of more than @max slices was
 * skipped.
 */
int wgx_xsk_next(struct wgx_xsk *x, struct iovec *iov, unsigned int max, size_t *ret_len);
/** wgx_xsk_release() - give the chunks of all frames taken back to the kernel, and wake a device that waits for them */
void wgx_xsk_release(struct wgx_xsk *x);

/** wgx_xsk_idle() - the kernel has put nothing into the ring that was not released; any thread */
bool wgx_xsk_idle(const struct wgx_xsk *x);
/** wgx_xsk_end() - for wgx_xsk_passed(): behind the last frame that the rx ring has; any thread */
uint32_t wgx_xsk_end(const struct wgx_xsk *x);
/** wgx_xsk_passed() - are all before @end released? Any thread */
bool wgx_xsk_passed(const struct wgx_xsk *x, uint32_t end);

/**
 * struct wgx_xsk_frames - where its chunks are; the kernel may keep some that it has taken and not filled, and with
 *	zero-copy the device has as many as its own ring holds
 */
struct wgx_xsk_frames {
	uint32_t total, fill, rx;
};
/** wgx_xsk_frames() - at one moment, while others may be at work on it; any thread */
void wgx_xsk_frames(const struct wgx_xsk *x, struct wgx_xsk_frames *ret);

struct wgx_xsk_stats {
	uint64_t rx_dropped, rx_ring_full, fill_ring_empty;
};
/** wgx_xsk_stats() - the kernel's counts of what this socket lost; any thread */
void wgx_xsk_stats(const struct wgx_xsk *x, struct wgx_xsk_stats *ret);

#endif
