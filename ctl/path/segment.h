/* SPDX-License-Identifier: MIT */
/* From one superframe to the IP packets that it stands for (what TSO and USO hardware would do). */
#ifndef WGX_PATH_SEGMENT_H
#define WGX_PATH_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define WGX_SEGMENT_HEADERS_MAX 256 /* network and transport header together */
#define WGX_FRAME_SLICES_MAX 24 /* descriptors a superframe: 65,549 / 3,840, and some room */

/**
 * struct wgx_frame - a plaintext packet or superframe, network header first
 * @iov: its slices, in UMEM; the memory before a slice's base, WGX_SEGMENT_HEADERS_MAX bytes, and
 *	16 bytes after each slice, may be overwritten
 * @n: slices, 1 to WGX_FRAME_SLICES_MAX
 * @len: sum of the slices' lengths, bytes
 * @gso_size: transport payload bytes of a segment; 0: a single packet
 * @csum_start: where an unfinished checksum's sum begins, from the network header
 * @csum_offset: of the checksum field, from csum_start
 * @partial: the checksum is unfinished: csum_start and csum_offset count
 */
struct wgx_frame {
	struct iovec iov[WGX_FRAME_SLICES_MAX];
	unsigned int n;
	size_t len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
	bool partial;
};

/** struct wgx_segmenter - the walk over one frame; private to segment.c */
struct wgx_segmenter {
	const struct wgx_frame *frame;
	unsigned int slice; /* where the next payload byte is */
	size_t offset;
	size_t left; /* payload bytes not yet given out */
	uint8_t header[WGX_SEGMENT_HEADERS_MAX];
	unsigned int header_len, l3_len;
	uint32_t seq; /* TCP sequence number of the next segment */
	uint16_t id; /* IPv4 identification of the next segment */
	uint32_t l3_sum, pseudo_sum; /* checksum parts that all segments share */
	uint8_t proto;
	bool v6, first, single, done;
};

/**
 * wgx_segment_begin() - check a frame and start to walk it
 *
 * Every field of @frame but its slices' memory is untrusted. Return: 0, or -EBADMSG where the
 * headers contradict each other or the stamp (then nothing was changed).
 */
int wgx_segment_begin(struct wgx_segmenter *s, const struct wgx_frame *frame);

/** wgx_segment_count() - how many packets wgx_segment_next() will still give: exact, for nonces */
static inline unsigned int wgx_segment_count(const struct wgx_segmenter *s)
{
	if (s->done)
		return 0;
	if (s->single)
		return 1;
	return (unsigned int)((s->left + s->frame->gso_size - 1) / s->frame->gso_size);
}

/**
 * wgx_segment_next() - the next packet of the frame, whole and with finished checksums
 * @scratch: where to assemble a packet that is not contiguous; holds 65,535 + 16 bytes, of which
 *	only those of the packet are written
 * @ret_packet: the packet: in the frame's own memory (its headers written over what stands before
 *	its payload, so the packet before it must not be needed any more), or @scratch
 * @ret_len: its length in bytes
 *
 * Return: 1 with a packet, 0 at the end.
 */
int wgx_segment_next(struct wgx_segmenter *s, uint8_t *scratch, uint8_t **ret_packet,
		     size_t *ret_len);

#endif
