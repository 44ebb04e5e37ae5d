/* SPDX-License-Identifier: MIT */
/*
 * What tcp_gso_segment() (net/ipv4/tcp_offload.c), __udp_gso_segment() (net/ipv4/udp_offload.c),
 * inet_gso_segment(), ipv6_gso_segment() and skb_checksum_help() do in the kernel.
 */
#include "path/segment.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "path/checksum.h"
#include "path/inner.h"

#define PACKET_MAX 65535

#define IP4_LEN 2
#define IP4_ID 4
#define IP4_FRAG 6
#define IP4_PROTO 9
#define IP4_CHECK 10
#define IP4_ADDRS 12
#define IP4_MORE_OR_OFFSET 0x3fff

#define IP6_PAYLOAD_LEN 4
#define IP6_NEXT 6
#define IP6_ADDRS 8
#define IP6_HEADER 40

#define TCP_SEQ 4
#define TCP_DOFF 12
#define TCP_FLAGS 13
#define TCP_CHECK 16
#define TCP_MIN 20
#define TCP_FIN 0x01
#define TCP_PSH 0x08
#define TCP_CWR 0x80

#define UDP_LEN 4
#define UDP_CHECK 6
#define UDP_HEADER 8

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, unsigned int v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static uint32_t sum16(unsigned int v)
{
	return htons((uint16_t)v);
}

/* Checksums are in memory order already. */
static void put_check(uint8_t *p, uint16_t check)
{
	memcpy(p, &check, sizeof(check));
}

static int check_slices(const struct wgx_frame *frame)
{
	size_t sum = 0;

	if (frame->n < 1 || frame->n > WGX_FRAME_SLICES_MAX)
		return -EBADMSG;
	for (unsigned int i = 0; i < frame->n; i++) {
		if (frame->iov[i].iov_len > frame->len - sum)
			return -EBADMSG;
		sum += frame->iov[i].iov_len;
	}
	return sum == frame->len ? 0 : -EBADMSG;
}

/* Copies the next len bytes, of which there are enough, and moves the cursor past them. */
static void gather(struct wgx_segmenter *s, uint8_t *dst, size_t len)
{
	while (len) {
		const struct iovec *v = &s->frame->iov[s->slice];
		size_t n = v->iov_len - s->offset;

		if (n > len)
			n = len;
		memcpy(dst, (const uint8_t *)v->iov_base + s->offset, n);
		dst += n;
		len -= n;
		s->offset += n;
		if (s->offset == v->iov_len && len) {
			s->slice++;
			s->offset = 0;
		}
	}
}

static void seek(struct wgx_segmenter *s, size_t offset)
{
	s->slice = 0;
	while (s->slice + 1 < s->frame->n && offset >= s->frame->iov[s->slice].iov_len)
		offset -= s->frame->iov[s->slice++].iov_len;
	s->offset = offset;
}

/* The first bytes of the frame in one piece: in its own memory if they are, else in s->header. */
static const uint8_t *linear_head(struct wgx_segmenter *s, size_t *ret_len)
{
	const struct wgx_frame *frame = s->frame;
	size_t len = frame->len < WGX_SEGMENT_HEADERS_MAX ? frame->len : WGX_SEGMENT_HEADERS_MAX;

	*ret_len = len;
	if (frame->iov[0].iov_len >= len)
		return frame->iov[0].iov_base;
	seek(s, 0);
	gather(s, s->header, len);
	return s->header;
}

/*
 * Skips hop-by-hop, routing and destination options. Returns the transport header's offset (*proto:
 * its protocol), or -EBADMSG where that is not within len.
 */
static int skip_extensions(const uint8_t *head, size_t len, uint8_t *proto)
{
	size_t at = IP6_HEADER;

	*proto = head[IP6_NEXT];
	while (*proto == IPPROTO_HOPOPTS || *proto == IPPROTO_ROUTING ||
	       *proto == IPPROTO_DSTOPTS) {
		if (at + 8 > len)
			return -EBADMSG;
		*proto = head[at];
		at += (head[at + 1] + 1u) * 8;
	}
	return at <= len ? (int)at : -EBADMSG;
}

/* Finds the headers of a GSO frame and checks them against each other. */
static int measure_headers(struct wgx_segmenter *s, const uint8_t *head, size_t len,
			   const struct wgx_inner *ip)
{
	int l3_len = (int)ip->header_len;

	if (len > ip->len)
		len = ip->len;
	if (ip->v6) {
		l3_len = skip_extensions(head, len, &s->proto);
	} else {
		if (get16(head + IP4_FRAG) & IP4_MORE_OR_OFFSET)
			return -EBADMSG;
		s->proto = head[IP4_PROTO];
	}
	if (l3_len < 0)
		return l3_len;
	s->l3_len = (unsigned int)l3_len;
	if (s->proto == IPPROTO_UDP) {
		s->header_len = s->l3_len + UDP_HEADER;
	} else if (s->proto == IPPROTO_TCP && s->l3_len + TCP_MIN <= len) {
		s->header_len = s->l3_len + (head[s->l3_len + TCP_DOFF] >> 4) * 4u;
		if (s->header_len < s->l3_len + TCP_MIN)
			return -EBADMSG;
	} else {
		return -EBADMSG;
	}
	return s->header_len <= len ? 0 : -EBADMSG;
}

static unsigned int check_offset(const struct wgx_segmenter *s)
{
	return s->proto == IPPROTO_TCP ? TCP_CHECK : UDP_CHECK;
}

/*
 * The pseudo header's sum, without the length. Where a source route may be on board, the header's
 * destination need not be the one that the sum is over, and only the sender's unfinished sum knows.
 */
static uint32_t sum_pseudo(const struct wgx_segmenter *s, const uint8_t *head,
			   const struct wgx_inner *ip)
{
	bool plain = s->l3_len == (ip->v6 ? IP6_HEADER : 20u);
	uint16_t sum;

	if (s->frame->partial && !plain) {
		memcpy(&sum, head + s->l3_len + check_offset(s), sizeof(sum));
		return wgx_csum_plus(sum, (uint16_t)~sum16((unsigned int)ip->len - s->l3_len));
	}
	return ip->v6 ? wgx_csum_pseudo6(ip->src, s->proto, 0)
		      : wgx_csum_pseudo4(ip->src, s->proto, 0);
}

/* Fields that differ from segment to segment are zero in s->header: not in the shared sums. */
static void prepare_header(struct wgx_segmenter *s, const uint8_t *head)
{
	uint8_t *th = s->header + s->l3_len;

	if (head != s->header)
		memcpy(s->header, head, s->header_len);
	put16(th + check_offset(s), 0);
	if (s->proto == IPPROTO_TCP)
		s->seq = get32(th + TCP_SEQ);
	if (s->v6)
		return;
	s->id = get16(s->header + IP4_ID);
	put16(s->header + IP4_LEN, 0);
	put16(s->header + IP4_ID, 0);
	put16(s->header + IP4_CHECK, 0);
	s->l3_sum = wgx_csum_add(0, s->header, s->l3_len);
}

static int begin_gso(struct wgx_segmenter *s, const uint8_t *head, size_t head_len,
		     const struct wgx_inner *ip)
{
	const struct wgx_frame *frame = s->frame;
	int err = measure_headers(s, head, head_len, ip);

	if (err)
		return err;
	/* Another start of the sum means a tunnel, whose inner packets we cannot segment. */
	if (frame->partial &&
	    (frame->csum_start != s->l3_len || frame->csum_offset != check_offset(s)))
		return -EBADMSG;
	/* Without payload there is nothing to segment: the kernel sends no such frame. */
	s->left = ip->len - s->header_len;
	if (!s->left)
		return -EBADMSG;
	if (s->header_len + (s->left < frame->gso_size ? s->left : frame->gso_size) > PACKET_MAX)
		return -EBADMSG;
	s->v6 = ip->v6;
	s->pseudo_sum = sum_pseudo(s, head, ip);
	prepare_header(s, head);
	seek(s, s->header_len);
	return 0;
}

static int begin_single(struct wgx_segmenter *s, const struct wgx_inner *ip)
{
	const struct wgx_frame *frame = s->frame;

	if (ip->len > PACKET_MAX)
		return -EBADMSG;
	if (frame->partial && (frame->csum_start < ip->header_len ||
			       (size_t)frame->csum_start + frame->csum_offset + 2 > ip->len))
		return -EBADMSG;
	s->single = true;
	s->left = ip->len;
	seek(s, 0);
	return 0;
}

int wgx_segment_begin(struct wgx_segmenter *s, const struct wgx_frame *frame)
{
	struct wgx_inner ip;
	const uint8_t *head;
	size_t head_len;
	int err;

	err = check_slices(frame);
	if (err)
		return err;
	s->frame = frame;
	s->first = true;
	s->single = false;
	s->done = false;
	head = linear_head(s, &head_len);
	err = wgx_inner_parse(head, frame->len, &ip);
	if (err)
		return err;
	return frame->gso_size ? begin_gso(s, head, head_len, &ip) : begin_single(s, &ip);
}

/* skb_checksum_help(): a zero result becomes 0xffff whatever the protocol. */
static void finish_partial(const struct wgx_frame *frame, uint8_t *packet, size_t len)
{
	uint32_t sum = wgx_csum_add(0, packet + frame->csum_start, len - frame->csum_start);

	put_check(packet + frame->csum_start + frame->csum_offset, wgx_csum_nonzero(sum));
}

/*
 * Where the next len bytes of payload are, with head bytes of room before them: in the frame if one
 * slice holds them all, else copied together in scratch. Moves the cursor past them.
 */
static uint8_t *take(struct wgx_segmenter *s, uint8_t *scratch, size_t head, size_t len)
{
	const struct iovec *v = &s->frame->iov[s->slice];
	uint8_t *in_place;

	while (s->offset == v->iov_len && s->slice + 1 < s->frame->n) {
		v = &s->frame->iov[++s->slice];
		s->offset = 0;
	}
	if (v->iov_len - s->offset < len) {
		gather(s, scratch + head, len);
		return scratch;
	}
	in_place = (uint8_t *)v->iov_base + s->offset - head;
	s->offset += len;
	return in_place;
}

static void write_ip(struct wgx_segmenter *s, uint8_t *packet, unsigned int len)
{
	uint32_t sum;

	if (s->v6) {
		put16(packet + IP6_PAYLOAD_LEN, len - IP6_HEADER);
		return;
	}
	put16(packet + IP4_LEN, len);
	put16(packet + IP4_ID, s->id);
	sum = wgx_csum_plus(s->l3_sum, sum16(len) + sum16(s->id));
	put_check(packet + IP4_CHECK, wgx_csum_fold(sum));
	s->id++;
}

/* FIN and PSH belong to the last segment, CWR to the first (RFC 3168 6.1.2). */
static void write_tcp(struct wgx_segmenter *s, uint8_t *th, size_t payload, bool last)
{
	put32(th + TCP_SEQ, s->seq);
	if (!last)
		th[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (!s->first)
		th[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	s->seq += (uint32_t)payload;
}

static void write_headers(struct wgx_segmenter *s, uint8_t *packet, size_t payload)
{
	unsigned int len = s->header_len + (unsigned int)payload, l4_len = len - s->l3_len;
	uint8_t *th = packet + s->l3_len;
	uint32_t sum;

	memcpy(packet, s->header, s->header_len);
	write_ip(s, packet, len);
	if (s->proto == IPPROTO_TCP)
		write_tcp(s, th, payload, payload == s->left);
	else
		put16(th + UDP_LEN, l4_len);
	sum = wgx_csum_add(wgx_csum_plus(s->pseudo_sum, sum16(l4_len)), th, l4_len);
	put_check(th + check_offset(s),
		  s->proto == IPPROTO_TCP ? wgx_csum_fold(sum) : wgx_csum_nonzero(sum));
}

static void next_single(struct wgx_segmenter *s, uint8_t *scratch, uint8_t **ret_packet,
			size_t *ret_len)
{
	*ret_len = s->left;
	*ret_packet = take(s, scratch, 0, s->left);
	if (s->frame->partial)
		finish_partial(s->frame, *ret_packet, *ret_len);
	s->done = true;
}

int wgx_segment_next(struct wgx_segmenter *s, uint8_t *scratch, uint8_t **ret_packet,
		     size_t *ret_len)
{
	size_t payload;

	if (s->done)
		return 0;
	if (s->single) {
		next_single(s, scratch, ret_packet, ret_len);
		return 1;
	}
	payload = s->left < s->frame->gso_size ? s->left : s->frame->gso_size;
	*ret_packet = take(s, scratch, s->header_len, payload);
	*ret_len = s->header_len + payload;
	write_headers(s, *ret_packet, payload);
	s->left -= payload;
	s->first = false;
	s->done = !s->left;
	return 1;
}
