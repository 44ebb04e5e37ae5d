/* SPDX-License-Identifier: MIT */
/* The segmenter against a plain one that knows how the packet was built and never parses it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "path/inner.h"
#include "path/segment.h"
#include "unit/xorshift.h"

#define ROOM WGX_SEGMENT_HEADERS_MAX
#define TAIL 16
/* Where the sanitizer guards the ends of an allocation, nothing stands between it and them. */
#if defined(__SANITIZE_ADDRESS__)
#define GUARD 0
#else
#define GUARD 64
#endif
#define PACKET_MAX 65535

static uint64_t seed = 0x853c49e6748fea9b;

static uint32_t rnd(void)
{
	xorshift64(&seed);
	return (uint32_t)(seed >> 20);
}

static void fill_random(uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)rnd();
}

static void w16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t r16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t plain_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* How a packet is made. */
struct recipe {
	bool v6, tcp, partial, source_route;
	unsigned int extra; /* bytes of IPv4 options or IPv6 extension headers */
	unsigned int options; /* bytes of TCP options */
	uint8_t flags; /* TCP */
	unsigned int payload, trailing;
	unsigned int gso;
};

struct built {
	uint8_t *p;
	size_t len; /* without trailing bytes */
	unsigned int l3, headers;
	uint8_t final[16]; /* the destination address that checksums are over */
	struct recipe r;
};

static size_t l4_check_at(const struct built *b)
{
	return b->l3 + (b->r.tcp ? 16u : 6u);
}

static uint32_t pseudo(const struct built *b, const uint8_t *p, size_t l4_len)
{
	uint8_t tail[4] = {0, b->r.tcp ? 6 : 17, (uint8_t)(l4_len >> 8), (uint8_t)l4_len};
	uint32_t sum = plain_sum(0, p + (b->r.v6 ? 8 : 12), b->r.v6 ? 16 : 4);

	sum = plain_sum(sum, b->final, b->r.v6 ? 16 : 4);
	return plain_sum(sum, tail, 4);
}

static void build_ip4(struct built *b)
{
	uint8_t *p = b->p;

	p[0] = (uint8_t)(0x40 | b->l3 / 4);
	w16(p + 2, (uint32_t)b->len);
	w16(p + 6, rnd() % 2 ? 0x4000 : 0);
	p[9] = b->r.tcp ? 6 : 17;
	memset(p + 20, 1, b->r.extra); /* no-operation options */
	if (b->r.source_route && b->r.extra >= 8) {
		memcpy(p + 20, "\x83\x07\x04", 3);
		fill_random(p + 23, 4);
		memcpy(b->final, p + 23, 4);
	} else {
		memcpy(b->final, p + 16, 4);
	}
	w16(p + 10, 0);
	w16(p + 10, ~plain_sum(0, p, b->l3));
}

/* The extra bytes are two headers at most, the last one a routing header if asked for. */
static void build_ip6(struct built *b)
{
	static const uint8_t skippable[] = {0, 43, 60};
	uint8_t *p = b->p, *next = p + 6;
	unsigned int at = 40, last = b->r.extra >= 24 ? 24 : b->r.extra;

	p[0] = (uint8_t)(0x60 | (p[0] & 0xf));
	w16(p + 4, (uint32_t)b->len - 40);
	memcpy(b->final, p + 24, 16);
	if (b->r.extra > 24) {
		*next = skippable[rnd() % 3];
		next = p + at;
		p[at + 1] = (uint8_t)((b->r.extra - 24) / 8 - 1);
		p[at + 3] = 0;
		at += b->r.extra - 24;
	}
	if (last) {
		*next = b->r.source_route && last == 24 ? 43 : 60;
		next = p + at;
		p[at + 1] = (uint8_t)(last / 8 - 1);
		if (b->r.source_route && last == 24) {
			p[at + 2] = 2;
			p[at + 3] = 1;
			memcpy(b->final, p + at + 8, 16);
		}
	}
	*next = b->r.tcp ? 6 : 17;
}

static struct built build(struct recipe r)
{
	struct built b = {.r = r};
	uint8_t *th;

	b.l3 = (r.v6 ? 40 : 20) + r.extra;
	b.headers = b.l3 + (r.tcp ? 20 + r.options : 8);
	b.len = b.headers + r.payload;
	b.p = malloc(b.len + r.trailing + 1);
	assert_non_null(b.p);
	fill_random(b.p, b.len + r.trailing);
	if (r.v6)
		build_ip6(&b);
	else
		build_ip4(&b);
	th = b.p + b.l3;
	if (r.tcp) {
		th[12] = (uint8_t)((5 + r.options / 4) << 4 | (th[12] & 0xf));
		th[13] = r.flags;
	} else {
		w16(th + 4, (uint32_t)b.len - b.l3);
	}
	if (r.partial)
		w16(b.p + l4_check_at(&b), pseudo(&b, b.p, b.len - b.l3));
	return b;
}

/* The frame, cut at random into slices with their own memory each. */
struct cut {
	struct wgx_frame frame;
	uint8_t *memory[WGX_FRAME_SLICES_MAX];
	uint8_t *before[WGX_FRAME_SLICES_MAX]; /* a copy */
};

static size_t memory_len(const struct cut *c, unsigned int i)
{
	return GUARD + ROOM + c->frame.iov[i].iov_len + TAIL + GUARD;
}

static void add_slice(struct cut *c, const uint8_t *data, size_t len)
{
	unsigned int i = c->frame.n++;
	uint8_t *m;

	c->frame.iov[i].iov_len = len;
	m = malloc(memory_len(c, i));
	assert_non_null(m);
	memset(m, 0xc5, memory_len(c, i));
	if (len)
		memcpy(m + GUARD + ROOM, data, len);
	c->frame.iov[i].iov_base = m + GUARD + ROOM;
	c->memory[i] = m;
	c->before[i] = malloc(memory_len(c, i));
	assert_non_null(c->before[i]);
	memcpy(c->before[i], m, memory_len(c, i));
}

static struct cut cut_up(const struct built *b, unsigned int slices)
{
	struct cut c = {.frame = {.len = b->len + b->r.trailing, .gso_size = (uint16_t)b->r.gso}};
	size_t at = 0;

	c.frame.partial = b->r.partial;
	c.frame.csum_start = (uint16_t)b->l3;
	c.frame.csum_offset = b->r.tcp ? 16 : 6;
	while (slices > 1) {
		size_t left = c.frame.len - at, n = rnd() % 4 ? left / slices : rnd() % (left + 1);

		if (rnd() % 3 == 0)
			n = rnd() % 90 < left ? rnd() % 90 : 0;
		if (n > left)
			n = left;
		add_slice(&c, b->p + at, n);
		at += n;
		slices--;
	}
	add_slice(&c, b->p + at, c.frame.len - at);
	return c;
}

static void free_cut(struct cut *c)
{
	for (unsigned int i = 0; i < c->frame.n; i++) {
		for (int k = 0; k < GUARD; k++) {
			assert_int_equal(c->memory[i][k], 0xc5);
			assert_int_equal(c->memory[i][memory_len(c, i) - 1 - (size_t)k], 0xc5);
		}
		free(c->memory[i]);
		free(c->before[i]);
	}
}

static void assert_untouched(const struct cut *c)
{
	for (unsigned int i = 0; i < c->frame.n; i++)
		assert_memory_equal(c->memory[i], c->before[i], memory_len(c, i));
}

/* Reference: writes segment number i to out, returns its length. */
static size_t reference(const struct built *b, unsigned int i, bool *ret_last, uint8_t *out)
{
	size_t start = (size_t)i * b->r.gso, n = b->r.payload - start;
	uint8_t *th = out + b->l3;
	uint32_t sum;
	size_t len;

	*ret_last = n <= b->r.gso;
	if (!*ret_last)
		n = b->r.gso;
	len = b->headers + n;
	memcpy(out, b->p, b->headers);
	memcpy(out + b->headers, b->p + b->headers + start, n);
	if (b->r.v6) {
		w16(out + 4, (uint32_t)len - 40);
	} else {
		w16(out + 2, (uint32_t)len);
		w16(out + 4, r16(b->p + 4) + i);
		w16(out + 10, 0);
		w16(out + 10, ~plain_sum(0, out, b->l3));
	}
	if (b->r.tcp) {
		uint32_t seq = (r16(th + 4) << 16 | r16(th + 6)) + (uint32_t)start;

		w16(th + 4, seq >> 16);
		w16(th + 6, seq);
		if (!*ret_last)
			th[13] &= 0xf6;
		if (i)
			th[13] &= 0x7f;
	} else {
		w16(th + 4, (uint32_t)len - b->l3);
	}
	w16(out + l4_check_at(b), 0);
	sum = plain_sum(pseudo(b, out, len - b->l3), th, len - b->l3);
	sum = ~sum & 0xffff;
	w16(out + l4_check_at(b), !sum && !b->r.tcp ? 0xffff : sum);
	return len;
}

/* Runs both over the frame and compares packet by packet. */
static void compare_gso(const struct built *b, struct cut *c)
{
	static uint8_t want[PACKET_MAX + 64];
	uint8_t *scratch = malloc(PACKET_MAX + 16), *got;
	struct wgx_segmenter s;
	size_t len, want_len;
	unsigned int i, count;
	bool last = false;

	assert_int_equal(wgx_segment_begin(&s, &c->frame), 0);
	assert_untouched(c);
	count = wgx_segment_count(&s);
	for (i = 0; !last; i++) {
		want_len = reference(b, i, &last, want);
		assert_int_equal(wgx_segment_count(&s), count - i);
		assert_int_equal(wgx_segment_next(&s, scratch, &got, &len), 1);
		assert_int_equal(len, want_len);
		assert_memory_equal(got, want, len);
	}
	assert_int_equal(i, count);
	assert_int_equal(wgx_segment_count(&s), 0);
	assert_int_equal(wgx_segment_next(&s, scratch, &got, &len), 0);
	assert_int_equal(wgx_segment_next(&s, scratch, &got, &len), 0);
	free(scratch);
}

static struct recipe random_recipe(void)
{
	struct recipe r = {
		.v6 = rnd() % 2,
		.tcp = rnd() % 2,
		.partial = rnd() % 4 != 0,
		.flags = (uint8_t)rnd(),
		.trailing = rnd() % 3 ? 0 : rnd() % 50,
	};

	if (rnd() % 3 == 0)
		r.extra = r.v6 ? 8 * (rnd() % 16) : 4 * (rnd() % 11);
	r.source_route = r.partial && rnd() % 2;
	if (r.tcp)
		r.options = 4 * (rnd() % 11);
	r.gso = rnd() % 3 ? 1 + rnd() % 3000 : 1 + rnd() % 60;
	r.payload = 1 + rnd() % (rnd() % 4 ? 9000 : 65300 - r.extra);
	if (rnd() % 8 == 0)
		r.payload = r.gso * (1 + rnd() % 8);
	if (r.payload / r.gso > 3000)
		r.gso += r.payload / 3000;
	return r;
}

static void test_against_reference(void **state)
{
	for (int i = 0; i < 4000; i++) {
		struct built b = build(random_recipe());
		struct cut c = cut_up(&b, 1 + rnd() % WGX_FRAME_SLICES_MAX);

		compare_gso(&b, &c);
		free_cut(&c);
		free(b.p);
	}
}

/* Every gso_size from 1 on, through one slice: header written over the segment before. */
static void test_every_size(void **state)
{
	for (unsigned int gso = 1; gso <= 1600; gso++) {
		struct recipe r = {.v6 = gso & 1, .tcp = gso & 2, .partial = true, .flags = 0x99};
		struct built b;
		struct cut c;

		r.gso = gso;
		r.payload = 3000;
		b = build(r);
		c = cut_up(&b, 1);
		compare_gso(&b, &c);
		free_cut(&c);
		free(b.p);
	}
}

/* One slice: every packet lies in the frame; none is copied. */
static void test_in_place(void **state)
{
	struct built b =
		build((struct recipe){.tcp = true, .partial = true, .payload = 60000, .gso = 1400});
	struct cut c = cut_up(&b, 1);
	struct wgx_segmenter s;
	uint8_t *got;
	size_t len;

	assert_int_equal(wgx_segment_begin(&s, &c.frame), 0);
	for (size_t at = 0; wgx_segment_next(&s, NULL, &got, &len); at += 1400)
		assert_ptr_equal(got, (uint8_t *)c.frame.iov[0].iov_base + at);
	free_cut(&c);
	free(b.p);
}

static void test_flags_by_position(void **state)
{
	struct built b = build((struct recipe){
		.tcp = true, .partial = true, .payload = 3000, .gso = 1000, .flags = 0xff});
	static const uint8_t want[] = {0xff & ~0x09, 0x7f & ~0x09, 0x7f};
	struct cut c = cut_up(&b, 1);
	struct wgx_segmenter s;
	uint8_t *got;
	size_t len;
	int i = 0;

	assert_int_equal(wgx_segment_begin(&s, &c.frame), 0);
	while (wgx_segment_next(&s, NULL, &got, &len))
		assert_int_equal(got[b.l3 + 13], want[i++]);
	assert_int_equal(i, 3);
	free_cut(&c);
	free(b.p);
}

/* A single packet; partial checksums anywhere after the IP header, as VXLAN's inner TCP has. */
static void check_single(struct recipe r, bool anywhere)
{
	struct built b = build(r);
	struct cut c = cut_up(&b, 1 + rnd() % 6);
	unsigned int ip_len = r.v6 ? 40 : b.l3, start = b.l3, offset = r.tcp ? 16 : 6;
	uint8_t *scratch = malloc(PACKET_MAX + 16), *got;
	struct wgx_segmenter s;
	size_t len;
	uint32_t sum;

	if (anywhere && b.len >= ip_len + 2) {
		start = ip_len + rnd() % (unsigned int)(b.len - ip_len - 1);
		offset = rnd() % (unsigned int)(b.len - start - 1);
		c.frame.csum_start = (uint16_t)start;
		c.frame.csum_offset = (uint16_t)offset;
	}
	if (r.partial) {
		sum = ~plain_sum(0, b.p + start, b.len - start) & 0xffff;
		w16(b.p + start + offset, sum ? sum : 0xffff);
	}
	assert_int_equal(wgx_segment_begin(&s, &c.frame), 0);
	assert_untouched(&c);
	assert_int_equal(wgx_segment_next(&s, scratch, &got, &len), 1);
	assert_int_equal(len, b.len);
	assert_memory_equal(got, b.p, len);
	if (c.frame.iov[0].iov_len >= b.len)
		assert_ptr_equal(got, c.frame.iov[0].iov_base);
	assert_int_equal(wgx_segment_next(&s, scratch, &got, &len), 0);
	free(scratch);
	free_cut(&c);
	free(b.p);
}

static void test_single(void **state)
{
	for (int i = 0; i < 4000; i++) {
		struct recipe r = random_recipe();

		r.gso = 0;
		if (rnd() % 2)
			r.payload %= 1500;
		check_single(r, rnd() % 2);
	}
}

/* A sum that comes out as zero: 0xffff for UDP, and for any field of a single packet. */
static void check_zero_sum(bool tcp, unsigned int gso, uint32_t want)
{
	struct built b = build((struct recipe){
		.tcp = tcp, .partial = true, .payload = 100, .gso = gso, .flags = 0x10});
	uint8_t *end = b.p + b.len - 2, *got;
	struct wgx_segmenter s;
	struct cut c;
	size_t len;

	w16(end, 0);
	w16(end, ~plain_sum(0, b.p + b.l3, b.len - b.l3));
	c = cut_up(&b, 1);
	assert_int_equal(wgx_segment_begin(&s, &c.frame), 0);
	assert_int_equal(wgx_segment_next(&s, NULL, &got, &len), 1);
	assert_int_equal(r16(got + l4_check_at(&b)), want);
	free_cut(&c);
	free(b.p);
}

static void test_zero_checksum(void **state)
{
	check_zero_sum(false, 0, 0xffff);
	check_zero_sum(false, 100, 0xffff);
	check_zero_sum(true, 0, 0xffff);
	check_zero_sum(true, 100, 0);
}

static void expect_refused(struct built *b, struct cut *c)
{
	struct wgx_segmenter s;

	assert_int_equal(wgx_segment_begin(&s, &c->frame), -EBADMSG);
	assert_untouched(c);
	free_cut(c);
	free(b->p);
}

/* Sets one byte of a good frame. */
static void refuse_byte(struct recipe r, size_t at, uint8_t value)
{
	struct built b = build(r);
	struct cut c;

	b.p[at] = value;
	c = cut_up(&b, 1 + rnd() % 3);
	expect_refused(&b, &c);
}

static void refuse_stamp(struct recipe r, int gso, int start, int offset)
{
	struct built b = build(r);
	struct cut c = cut_up(&b, 1 + rnd() % 3);

	c.frame.gso_size = (uint16_t)gso;
	c.frame.csum_start = (uint16_t)start;
	c.frame.csum_offset = (uint16_t)offset;
	expect_refused(&b, &c);
}

static void test_malformed_headers(void **state)
{
	const struct recipe t4 = {.tcp = true, .partial = true, .payload = 3000, .gso = 1000};
	const struct recipe u4 = {.partial = true, .payload = 3000, .gso = 1000};
	const struct recipe t6 = {
		.v6 = true, .tcp = true, .partial = true, .payload = 3000, .gso = 1000};
	struct recipe e6 = t6, single = u4;

	e6.extra = 8;
	single.gso = 0;
	refuse_byte(t4, 0, 0x55); /* version */
	refuse_byte(t4, 0, 0x44); /* IHL 4 */
	refuse_byte(single, 0, 0x44);
	refuse_byte(single, 0, 0x05);
	refuse_byte(t4, 2, 0xff); /* longer than the frame */
	refuse_byte(single, 2, 0xff);
	refuse_byte(t6, 4, 0xff);
	refuse_byte(t4, 6, 0x20); /* more fragments */
	refuse_byte(t4, 7, 0x01); /* fragment offset */
	refuse_byte(t4, 9, 1); /* neither TCP nor UDP */
	refuse_byte(t6, 6, 58);
	refuse_byte(t6, 6, 44);
	refuse_byte(e6, 41, 0xff); /* extension headers past the headers' limit */
	refuse_byte(t4, 20 + 12, 0x40); /* TCP data offset */
	refuse_byte(t4, 20 + 12, 0x00);
	refuse_byte(u4, 9, 6); /* UDP read as TCP: csum_offset contradicts */
	refuse_byte(t4, 9, 17);
}

static void test_malformed_stamps(void **state)
{
	const struct recipe t4 = {.tcp = true, .partial = true, .payload = 3000, .gso = 1000};
	struct recipe t6 = t4, empty = t4;

	t6.v6 = true;
	empty.payload = 0;
	refuse_stamp(empty, 1000, 20, 16); /* nothing to segment */
	refuse_stamp(t4, 1000, 21, 16);
	refuse_stamp(t4, 1000, 20, 6);
	refuse_stamp(t4, 1000, 70, 16); /* a tunnel's inner segments */
	refuse_stamp(t4, 0, 3039, 0);
	refuse_stamp(t4, 0, 20, 3019);
	refuse_stamp(t4, 0, 65535, 65535);
	refuse_stamp(t4, 0, 65535, 0);
	refuse_stamp(t4, 0, 0, 16); /* would write over the addresses */
	refuse_stamp(t4, 0, 19, 1);
	refuse_stamp(t6, 0, 39, 0);
}

static void test_malformed_frames(void **state)
{
	struct recipe r = {.tcp = true, .partial = true, .payload = 3000, .gso = 1000};
	struct built b;
	struct cut c;
	struct wgx_segmenter s;

	for (int i = 0; i < 4; i++) {
		b = build(r);
		c = cut_up(&b, 2);
		c.frame.len += i == 0 ? 1 : i == 1 ? SIZE_MAX : 0;
		if (i == 2)
			c.frame.iov[0].iov_len = SIZE_MAX;
		if (i == 3)
			c.frame.n = 0;
		assert_int_equal(wgx_segment_begin(&s, &c.frame), -EBADMSG);
		c.frame.n = WGX_FRAME_SLICES_MAX + 1;
		assert_int_equal(wgx_segment_begin(&s, &c.frame), -EBADMSG);
		for (int k = 0; k < 2; k++) {
			free(c.memory[k]);
			free(c.before[k]);
		}
		free(b.p);
	}
}

/* A valid frame cut short anywhere, headers included. */
static void test_truncated(void **state)
{
	for (unsigned int len = 0; len < 200; len++) {
		struct recipe r = {
			.v6 = len & 1, .tcp = len & 2, .partial = true, .gso = 50, .payload = 300};
		struct built b = build(r);
		struct cut c;

		b.len = len;
		c = cut_up(&b, 1 + rnd() % 4);
		expect_refused(&b, &c);
		/* and one whose length fields are short as well */
		b = build(r);
		if (len >= (r.v6 ? 40u : 20u) && len < b.headers) {
			w16(b.p + (r.v6 ? 4 : 2), len - (r.v6 ? 40 : 0));
			c = cut_up(&b, 1 + rnd() % 4);
			expect_refused(&b, &c);
		} else {
			free(b.p);
		}
	}
}

/* An IPv6 packet of 65,575 bytes: segmented, but never handed out whole. */
static void test_too_big(void **state)
{
	struct recipe r = {.v6 = true, .partial = true, .payload = 65527, .gso = 65487};
	struct built b = build(r);
	struct cut c = cut_up(&b, 20);

	compare_gso(&b, &c);
	free_cut(&c);
	c = cut_up(&b, 20);
	c.frame.gso_size++;
	expect_refused(&b, &c);
	b = build(r);
	c = cut_up(&b, 20);
	c.frame.gso_size = 0;
	expect_refused(&b, &c);
}

/* Walks whatever is accepted: it must be made of IP packets with right lengths, and must end. */
static int walk(struct cut *c)
{
	uint8_t *scratch = malloc(PACKET_MAX + 16), *got;
	struct wgx_segmenter s;
	struct wgx_inner ip;
	size_t len, packets = 0, count = 0;
	int err = wgx_segment_begin(&s, &c->frame);

	if (err) {
		assert_int_equal(err, -EBADMSG);
		assert_untouched(c);
	} else {
		count = wgx_segment_count(&s);
		assert_true(count > 0);
	}
	while (!err && wgx_segment_next(&s, scratch, &got, &len)) {
		assert_true(len <= PACKET_MAX);
		assert_int_equal(wgx_inner_parse(got, len, &ip), 0);
		assert_int_equal(ip.len, len);
		packets++;
	}
	assert_int_equal(packets, count);
	free(scratch);
	return err;
}

static void test_fuzz(void **state)
{
	unsigned int taken = 0, refused = 0;

	for (int i = 0; i < 60000; i++) {
		struct recipe r = random_recipe();
		struct built b;
		struct cut c;

		r.payload %= 700;
		b = build(r);
		for (unsigned int flips = rnd() % 5; flips; flips--)
			b.p[rnd() % (rnd() % 2 ? b.headers : b.len)] = (uint8_t)rnd();
		if (rnd() % 16 == 0)
			fill_random(b.p, b.len);
		if (rnd() % 8 == 0)
			b.len = rnd() % (b.len + 1);
		b.r.gso = rnd() % 4 ? b.r.gso : rnd() % 65536;
		c = cut_up(&b, 1 + rnd() % WGX_FRAME_SLICES_MAX);
		if (rnd() % 8 == 0)
			c.frame.csum_start = (uint16_t)rnd();
		if (rnd() % 8 == 0)
			c.frame.csum_offset = (uint16_t)(rnd() % (rnd() % 2 ? 65536 : 256));
		if (walk(&c))
			refused++;
		else
			taken++;
		free_cut(&c);
		free(b.p);
	}
	assert_true(taken > 10000 && refused > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_reference),
		cmocka_unit_test(test_every_size),
		cmocka_unit_test(test_in_place),
		cmocka_unit_test(test_flags_by_position),
		cmocka_unit_test(test_single),
		cmocka_unit_test(test_zero_checksum),
		cmocka_unit_test(test_malformed_headers),
		cmocka_unit_test(test_malformed_stamps),
		cmocka_unit_test(test_malformed_frames),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_too_big),
		cmocka_unit_test(test_fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
