/* SPDX-License-Identifier: MIT */
/*
 * Superframes from wg0 with their GSO metadata: whoever has CAP_NET_RAW on this host writes both. An input: gso_size,
 * csum_start, csum_offset, a byte of flags, one for each slice's length, then the frame.
 *
 * Checked: the count is exact, for it takes nonces; each packet is whole and of the size the metadata says; nothing
 * is written outside the room that a frame has.
 */
#include "fuzz/fuzz.h"
#include "path/inner.h"
#include "path/segment.h"

#define AFTER 16

static uint8_t *scratch;

static void fuzz_begin(void)
{
	scratch = malloc(65535 + AFTER);
	assert_non_null(scratch);
}

/* Slices in memory of their own, with the room that the segmenter may use, and not a byte more */
static void slice(struct wgx_frame *f, struct bytes *in, uint8_t step, uint8_t **memory)
{
	while (in->left && f->n < WGX_FRAME_SLICES_MAX) {
		bool last = f->n == WGX_FRAME_SLICES_MAX - 1;
		size_t len = step && !last ? step * 16u : in->left;
		uint8_t *p;

		if (len > in->left)
			len = in->left;
		if (f->len + len > 65535)
			break;
		p = malloc(WGX_SEGMENT_HEADERS_MAX + len + AFTER);
		assert_non_null(p);
		memset(p, 0xee, WGX_SEGMENT_HEADERS_MAX);
		memcpy(p + WGX_SEGMENT_HEADERS_MAX, in->p, len);
		memory[f->n] = p;
		f->iov[f->n++] = (struct iovec){p + WGX_SEGMENT_HEADERS_MAX, len};
		f->len += len;
		in->p += len;
		in->left -= len;
	}
}

static void walk(struct wgx_segmenter *s, const struct wgx_frame *f)
{
	unsigned int count = wgx_segment_count(s), n = 0;
	size_t len, total = 0;
	uint8_t *packet;

	assert_true(count >= 1 && count <= 65535);
	while (wgx_segment_next(s, scratch, &packet, &len) == 1) {
		struct wgx_inner inner;

		n++;
		assert_true(len >= 1 && len <= 65535);
		assert_int_equal(wgx_segment_count(s), count - n);
		/* whatever length the frame's own header had: a single packet is trimmed to it */
		assert_int_equal(wgx_inner_parse(packet, len, &inner), 0);
		assert_int_equal(inner.len, len);
		if (s->single)
			assert_true(len <= f->len);
		else
			assert_true(len <= s->header_len + (size_t)f->gso_size);
		total += len;
		memset(packet + len, 0, AFTER); /* where the worker puts padding or the tag */
	}
	assert_int_equal(n, count);
	if (!s->single) /* less where the frame is longer than its own header says */
		assert_true(total <= f->len + (count - 1) * (size_t)s->header_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *memory[WGX_FRAME_SLICES_MAX];
	struct bytes in = {data, size};
	struct wgx_segmenter s;
	struct wgx_frame f = {.gso_size = take_u16(&in)};
	uint8_t flags, step;

	f.csum_start = take_u16(&in);
	f.csum_offset = take_u16(&in);
	flags = take_u8(&in);
	step = take_u8(&in);
	f.partial = flags & 1;
	slice(&f, &in, step, memory);
	if (f.n && !wgx_segment_begin(&s, &f))
		walk(&s, &f);
	while (f.n)
		free(memory[--f.n]);
	return 0;
}
