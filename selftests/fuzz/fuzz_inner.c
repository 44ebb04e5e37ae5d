/* SPDX-License-Identifier: MIT */
/*
 * Decrypted payloads: parsed, padded, coalesced into GSO packets, answered by ICMP. A peer writes them, and it need
 * not be one that means well. Each packet of an input: two bytes of length, then the packet.
 *
 * Checked: nothing is lost or made up in the coalescer, what it hands on has the lengths that the kernel will
 * believe, and an ICMP answer is one to the packet's own source.
 */
#include "fuzz/fuzz.h"
#include "path/coalesce.h"
#include "path/icmp.h"
#include "path/inner.h"

#define PACKETS 40

static struct wgx_coalescer coalescer;

static void fuzz_begin(void)
{
}

static void check_gso(const struct wgx_gso *g)
{
	const struct virtio_net_hdr *v = &g->link.vnet;
	struct wgx_inner inner;
	size_t len = 0;
	uint8_t *whole, *p;

	assert_true(g->n >= 1 && g->n <= WGX_COALESCE_SLICES + 1);
	for (unsigned int i = 0; i < g->n; i++)
		len += g->iov[i].iov_len;
	p = whole = malloc(len);
	assert_non_null(whole);
	for (unsigned int i = 0; i < g->n; i++) {
		memcpy(p, g->iov[i].iov_base, g->iov[i].iov_len);
		p += g->iov[i].iov_len;
	}
	assert_int_equal(len, g->len + sizeof(g->link));
	p = whole + sizeof(g->link);
	assert_int_equal(wgx_inner_parse(p, g->len, &inner), 0);
	assert_int_equal(inner.len, g->len);
	assert_true(g->packets >= 1);
	if (v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		assert_true(v->csum_start + v->csum_offset + 2u <=
			    len - sizeof(struct virtio_net_hdr));
	if (v->gso_type == VIRTIO_NET_HDR_GSO_NONE) {
		assert_int_equal(g->packets, 1);
	} else {
		assert_true(v->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_true(v->gso_size > 0);
		assert_true(v->hdr_len <= len - sizeof(struct virtio_net_hdr));
		/* as many as the kernel will make of it */
		assert_int_equal(g->packets,
				 (len - sizeof(struct virtio_net_hdr) - v->hdr_len + v->gso_size -
				  1) / v->gso_size);
	}
	free(whole);
}

static void hand_over(unsigned int *out)
{
	unsigned int n = wgx_coalesce_finish(&coalescer);

	assert_true(n <= WGX_COALESCE_FLOWS);
	for (unsigned int i = 0; i < n; i++) {
		check_gso(&coalescer.gso[i]);
		*out += coalescer.gso[i].packets;
	}
	wgx_coalesce_reset(&coalescer);
}

static void check_icmp(const uint8_t *packet, size_t len)
{
	static uint8_t answer[WGX_ICMP6_MAX];
	struct wgx_inner inner, from;
	size_t n = wgx_icmp_unreachable(packet, len, answer, sizeof(answer));

	if (!n)
		return;
	assert_true(n <= sizeof(answer));
	assert_int_equal(wgx_inner_parse(answer, n, &inner), 0);
	assert_int_equal(inner.len, n);
	assert_true(inner.v6 || n <= WGX_ICMP4_MAX);
	/* the quotation may be of less than the packet's length field says */
	if (!wgx_inner_parse(packet, len, &from)) {
		assert_int_equal(inner.v6, from.v6);
		assert_memory_equal(inner.dst, from.src, from.addr_len);
		assert_memory_equal(inner.src, from.dst, from.addr_len);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t mac[ETH_ALEN] = {2, 0x77, 0x67, 0x78, 0, 1};
	struct bytes in = {data, size};
	const uint8_t flags = take_u8(&in);
	uint8_t *packets[PACKETS];
	unsigned int n = 0, added = 0, out = 0;

	wgx_coalesce_init(&coalescer, mac, flags & 1);
	while (in.left && n < PACKETS) {
		size_t len, want = take_u16(&in);
		uint8_t *p = packets[n++] = take_copy(&in, want, &len);
		struct wgx_inner inner;

		check_icmp(p, len);
		assert_true(wgx_inner_pad(len, 1420) >= len);
		assert_true(wgx_inner_pad(len, 0) % 16 == 0);
		if (wgx_inner_parse(p, len, &inner))
			continue;
		assert_true(inner.len <= len && inner.header_len <= inner.len);
		if (wgx_coalesce_add(&coalescer, p, inner.len)) {
			hand_over(&out);
			assert_int_equal(wgx_coalesce_add(&coalescer, p, inner.len), 0);
		}
		added++;
	}
	hand_over(&out);
	assert_int_equal(out, added);
	while (n)
		free(packets[--n]);
	return 0;
}
