/* SPDX-License-Identifier: MIT */
/* The coalescer: what it merges comes apart again as it was, in order; all else stays alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "path/coalesce.h"
#include "path/inner.h"
#include "path/segment.h"
#include "unit/xorshift.h"

#define PACKET_MAX 65535
#define GSO_UDP_L4 5

static const uint8_t mac[ETH_ALEN] = {2, 0x77, 0x67, 0, 0, 1};
static uint64_t seed = 0xda3e39cb94b95bdb;

static uint32_t rnd(void)
{
	xorshift64(&seed);
	return (uint32_t)(seed >> 20);
}

static void w16(uint8_t *p, size_t v)
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

/* A flow, and what its next packet looks like. */
struct flow {
	bool v6, tcp;
	uint8_t addrs[32];
	uint8_t ports[4];
	uint8_t options[40];
	unsigned int options_len;
	uint32_t seq, ack;
	uint16_t id;
	bool df, fixed_id;
	uint8_t flags;
};

struct packet {
	uint8_t *p; /* given to the coalescer */
	uint8_t *copy;
	size_t len;
	unsigned int l3;
	int flow;
	bool tcp, out;
};

static uint32_t sum_l4(const uint8_t *p, size_t len, unsigned int l3, bool v6, bool tcp)
{
	uint8_t tail[4] = {0, tcp ? 6 : 17, (uint8_t)((len - l3) >> 8), (uint8_t)(len - l3)};
	uint32_t sum = plain_sum(0, tail, 4);

	sum = plain_sum(sum, p + (v6 ? 8 : 12), v6 ? 32 : 8);
	return plain_sum(sum, p + l3, len - l3);
}

static void fix_checksums(uint8_t *p, size_t len, unsigned int l3, bool v6, bool tcp)
{
	uint8_t *check = p + l3 + (tcp ? 16 : 6);
	uint32_t sum;

	if (!v6) {
		w16(p + 10, 0);
		w16(p + 10, ~plain_sum(0, p, l3));
	}
	w16(check, 0);
	sum = ~sum_l4(p, len, l3, v6, tcp) & 0xffff;
	w16(check, !sum && !tcp ? 0xffff : sum);
}

static struct flow random_flow(void)
{
	struct flow f = {
		.v6 = rnd() % 2,
		.tcp = rnd() % 2,
		.seq = rnd() % 8 ? rnd() : 0xffffff00,
		.ack = rnd(),
		.id = (uint16_t)(rnd() % 8 ? rnd() : 0xfffe),
		.df = rnd() % 2,
		.flags = 0x10,
	};

	for (size_t i = 0; i < 32; i++)
		f.addrs[i] = (uint8_t)rnd();
	for (size_t i = 0; i < 4; i++)
		f.ports[i] = (uint8_t)rnd();
	f.options_len = rnd() % 2 ? 12 : 4 * (rnd() % 11);
	for (size_t i = 0; i < 40; i++)
		f.options[i] = (uint8_t)rnd();
	return f;
}

static void write_ip(const struct flow *f, uint8_t *p, size_t len)
{
	memset(p, 0, f->v6 ? 40 : 20);
	if (f->v6) {
		memcpy(p, "\x60\x21\x43\x65", 4);
		w16(p + 4, len - 40);
		p[6] = f->tcp ? 6 : 17;
		p[7] = 61;
		memcpy(p + 8, f->addrs, 32);
	} else {
		p[0] = 0x45;
		p[1] = 0x28;
		w16(p + 2, len);
		w16(p + 4, f->id);
		p[6] = f->df ? 0x40 : 0;
		p[8] = 61;
		p[9] = f->tcp ? 6 : 17;
		memcpy(p + 12, f->addrs, 8);
	}
}

static struct packet finish_packet(uint8_t *p, size_t len, unsigned int l3, bool tcp, int flow)
{
	struct packet ret = {.p = p, .len = len, .l3 = l3, .tcp = tcp, .flow = flow};

	ret.copy = malloc(len);
	assert_non_null(ret.copy);
	memcpy(ret.copy, p, len);
	return ret;
}

/* The flow's next packet, with so much payload and these TCP flags besides its own. */
static struct packet make(struct flow *f, int flow, size_t payload, uint8_t flags)
{
	unsigned int l3 = f->v6 ? 40 : 20;
	size_t th_len = f->tcp ? 20 + f->options_len : 8, len = l3 + th_len + payload;
	uint8_t *p = malloc(len), *th = p + l3;

	assert_non_null(p);
	write_ip(f, p, len);
	memcpy(th, f->ports, 4);
	if (f->tcp) {
		w16(th + 4, f->seq >> 16);
		w16(th + 6, f->seq);
		w16(th + 8, f->ack >> 16);
		w16(th + 10, f->ack);
		th[12] = (uint8_t)((5 + f->options_len / 4) << 4);
		th[13] = f->flags | flags;
		w16(th + 14, 501);
		w16(th + 18, 0);
		memcpy(th + 20, f->options, f->options_len);
	} else {
		w16(th + 4, 8 + payload);
	}
	for (size_t i = 0; i < payload; i++)
		th[th_len + i] = (uint8_t)rnd();
	fix_checksums(p, len, l3, f->v6, f->tcp);
	f->seq += (uint32_t)payload;
	f->id = (uint16_t)(f->id + !f->fixed_id);
	return finish_packet(p, len, l3, f->tcp, flow);
}

static void free_packet(struct packet *k)
{
	free(k->p);
	free(k->copy);
}

/* What a reader of the built packet may rely on. */
static void check_shape(const struct wgx_gso *g)
{
	size_t sum = 0;

	for (unsigned int i = 1; i < g->n; i++)
		sum += g->iov[i].iov_len;
	assert_int_equal(sum, g->len);
	assert_int_equal(g->iov[0].iov_len, sizeof(struct virtio_net_hdr) + ETH_HLEN);
	assert_ptr_equal(g->iov[0].iov_base, &g->link);
	assert_int_equal(g->n, g->packets + 1);
	assert_true(g->packets <= 64);
	assert_true(g->packets == 1 || g->len <= PACKET_MAX);
	assert_memory_equal(g->link.eth.h_dest, mac, ETH_ALEN);
	if (g->packets > 1) {
		assert_int_equal(g->link.vnet.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_not_equal(g->link.vnet.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		assert_true(g->link.vnet.gso_size > 0);
		assert_true(g->link.vnet.hdr_len <= ETH_HLEN + g->iov[1].iov_len);
	} else {
		assert_int_equal(g->link.vnet.gso_type, VIRTIO_NET_HDR_GSO_NONE);
		assert_int_equal(g->link.vnet.gso_size, 0);
	}
}

/* As the kernel would: the vnet header alone says how to take the packet apart. */
static struct wgx_frame to_frame(const struct wgx_gso *g, uint8_t *room)
{
	struct wgx_frame f = {.n = 1, .len = g->len};
	const struct virtio_net_hdr vnet = g->link.vnet;
	uint8_t *p = room + WGX_SEGMENT_HEADERS_MAX;

	for (unsigned int i = 1; i < g->n; i++) {
		memcpy(p, g->iov[i].iov_base, g->iov[i].iov_len);
		p += g->iov[i].iov_len;
	}
	f.iov[0] = (struct iovec){room + WGX_SEGMENT_HEADERS_MAX, g->len};
	f.gso_size = vnet.gso_size;
	f.partial = vnet.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	if (f.partial) {
		f.csum_start = (uint16_t)(vnet.csum_start - ETH_HLEN);
		f.csum_offset = vnet.csum_offset;
	}
	return f;
}

struct world {
	struct packet *k;
	size_t n;
	size_t entries, out;
};

/* Finds the packet among those given in; none of its flow may still be due before it. */
static void match(struct world *w, uint8_t *p, size_t len)
{
	for (size_t i = 0; i < w->n; i++) {
		struct packet *k = &w->k[i];

		if (k->out || k->len != len)
			continue;
		/* for TCP 0 and 0xffff are the same sum, and a finished partial one is never 0 */
		if (k->tcp && len >= k->l3 + 18 && r16(p + k->l3 + 16) == 0xffff &&
		    r16(k->copy + k->l3 + 16) == 0)
			w16(p + k->l3 + 16, 0);
		if (memcmp(k->copy, p, len))
			continue;
		for (size_t before = 0; before < i; before++)
			assert_true(w->k[before].out || w->k[before].flow != k->flow);
		k->out = true;
		w->out++;
		return;
	}
	fail_msg("a packet of %zu bytes came out that was not put in", len);
}

static void flush(struct world *w, struct wgx_coalescer *c)
{
	uint8_t *room = malloc(WGX_SEGMENT_HEADERS_MAX + PACKET_MAX + 64);
	uint8_t *scratch = malloc(PACKET_MAX + 16), *p;
	unsigned int n = wgx_coalesce_finish(c);
	size_t len;

	assert_int_equal(n, c->n);
	for (unsigned int i = 0; i < n; i++) {
		struct wgx_frame frame = to_frame(&c->gso[i], room);
		struct wgx_segmenter s;
		unsigned int packets = 0;

		check_shape(&c->gso[i]);
		assert_int_equal(wgx_segment_begin(&s, &frame), 0);
		for (; wgx_segment_next(&s, scratch, &p, &len); packets++)
			match(w, p, len);
		assert_int_equal(packets, c->gso[i].packets);
	}
	w->entries += n;
	wgx_coalesce_reset(c);
	assert_int_equal(c->n, 0);
	free(room);
	free(scratch);
}

/* All through the coalescer and back. Returns the number of packets it built. */
static size_t run(struct packet *k, size_t n, bool udp_gso)
{
	static struct wgx_coalescer c;
	struct world w = {.k = k, .n = n};

	wgx_coalesce_init(&c, mac, udp_gso);
	for (size_t i = 0; i < n; i++) {
		int err = wgx_coalesce_add(&c, k[i].p, k[i].len);

		if (err) {
			assert_int_equal(err, -ENOBUFS);
			assert_int_equal(c.n, WGX_COALESCE_FLOWS);
			flush(&w, &c);
			assert_int_equal(wgx_coalesce_add(&c, k[i].p, k[i].len), 0);
		}
	}
	flush(&w, &c);
	assert_int_equal(w.out, n);
	for (size_t i = 0; i < n; i++)
		free_packet(&k[i]);
	return w.entries;
}

static void test_one_run(void **state)
{
	for (int kind = 0; kind < 4; kind++) {
		struct flow f = random_flow();
		struct packet k[70];

		f.v6 = kind & 1;
		f.tcp = kind & 2;
		f.options_len = 12;
		for (int i = 0; i < 44; i++)
			k[i] = make(&f, 0, 1360, 0);
		assert_int_equal(run(k, 44, true), 1);
		/* 64 packets at most */
		for (int i = 0; i < 70; i++)
			k[i] = make(&f, 0, 100, 0);
		assert_int_equal(run(k, 70, true), 2);
		/* 65,535 bytes at most */
		for (int i = 0; i < 10; i++)
			k[i] = make(&f, 0, 8000, 0);
		assert_int_equal(run(k, 10, true), 2);
		/* a shorter one ends a run */
		for (int i = 0; i < 9; i++)
			k[i] = make(&f, 0, i % 3 == 2 ? 999 : 1000, 0);
		assert_int_equal(run(k, 9, true), 3);
		/* a longer one starts another */
		for (int i = 0; i < 4; i++)
			k[i] = make(&f, 0, i < 2 ? 500 : 501, 0);
		assert_int_equal(run(k, 4, true), 2);
	}
}

static void test_udp_gso_off(void **state)
{
	struct flow f = random_flow();
	struct packet k[8];

	f.tcp = false;
	for (int i = 0; i < 8; i++)
		k[i] = make(&f, 0, 1200, 0);
	assert_int_equal(run(k, 8, false), 8);
	f.tcp = true;
	for (int i = 0; i < 8; i++)
		k[i] = make(&f, 0, 1200, 0);
	assert_int_equal(run(k, 8, false), 1);
}

/* A byte that differs in the second of two packets, and how many entries they then make. */
struct rule {
	const char *name;
	enum { IP4 = 1, IP6 = 2, TCP = 4, UDP = 8 } on;
	bool transport; /* the offset is from the transport header */
	unsigned int at;
	uint8_t flip;
	bool broken; /* checksums are left as they were */
	size_t entries;
};

#define ANY_IP (IP4 | IP6)
#define ANY (ANY_IP | TCP | UDP)

static const struct rule rules[] = {
	{"nothing", ANY, false, 0, 0, false, 1},
	{"TOS", IP4 | TCP | UDP, false, 1, 0x04, false, 2},
	{"ECN", IP4 | TCP | UDP, false, 1, 0x03, false, 2},
	{"identification", IP4 | TCP | UDP, false, 4, 0x80, false, 2},
	{"don't fragment", IP4 | TCP | UDP, false, 6, 0x40, false, 2},
	{"reserved bit", IP4 | TCP | UDP, false, 6, 0x80, false, 2},
	{"more fragments", IP4 | TCP | UDP, false, 6, 0x20, false, 2},
	{"fragment offset", IP4 | TCP | UDP, false, 7, 0x08, false, 2},
	{"TTL", IP4 | TCP | UDP, false, 8, 0x01, false, 2},
	{"IPv4 checksum", IP4 | TCP | UDP, false, 10, 0x01, true, 2},
	{"IPv4 source", IP4 | TCP | UDP, false, 15, 0x01, false, 2},
	{"IPv4 destination", IP4 | TCP | UDP, false, 19, 0x80, false, 2},
	{"traffic class, high", IP6 | TCP | UDP, false, 0, 0x01, false, 2},
	{"traffic class, low", IP6 | TCP | UDP, false, 1, 0x10, false, 2},
	{"flow label", IP6 | TCP | UDP, false, 3, 0x01, false, 2},
	{"hop limit", IP6 | TCP | UDP, false, 7, 0x01, false, 2},
	{"IPv6 source", IP6 | TCP | UDP, false, 8, 0x01, false, 2},
	{"IPv6 destination", IP6 | TCP | UDP, false, 39, 0x01, false, 2},
	{"source port", ANY, true, 1, 0x01, false, 2},
	{"destination port", ANY, true, 2, 0x01, false, 2},
	{"sequence gap", ANY_IP | TCP, true, 7, 0x01, false, 2},
	{"sequence far off", ANY_IP | TCP, true, 4, 0x80, false, 2},
	{"acknowledgement", ANY_IP | TCP, true, 11, 0x01, false, 2},
	{"reserved TCP bit", ANY_IP | TCP, true, 12, 0x01, false, 2},
	{"FIN", ANY_IP | TCP, true, 13, 0x01, false, 1},
	{"SYN", ANY_IP | TCP, true, 13, 0x02, false, 2},
	{"RST", ANY_IP | TCP, true, 13, 0x04, false, 2},
	{"PSH", ANY_IP | TCP, true, 13, 0x08, false, 1},
	{"ACK missing", ANY_IP | TCP, true, 13, 0x10, false, 2},
	{"URG", ANY_IP | TCP, true, 13, 0x20, false, 2},
	{"ECE", ANY_IP | TCP, true, 13, 0x40, false, 2},
	{"CWR", ANY_IP | TCP, true, 13, 0x80, false, 2},
	{"window", ANY_IP | TCP, true, 15, 0x01, false, 2},
	{"TCP checksum", ANY_IP | TCP, true, 17, 0x01, true, 2},
	{"urgent pointer", ANY_IP | TCP, true, 19, 0x01, false, 2},
	{"first option byte", ANY_IP | TCP, true, 20, 0x01, false, 2},
	{"last option byte", ANY_IP | TCP, true, 31, 0x01, false, 2},
	{"payload, under the old checksum", ANY, true, 40, 0x01, true, 2},
	{"UDP length", ANY_IP | UDP, true, 5, 0x01, false, 2},
	{"UDP checksum", ANY_IP | UDP, true, 7, 0x01, true, 2},
};

static void check_rule(const struct rule *r, bool v6, bool tcp)
{
	struct flow f = random_flow();
	struct packet k[2], *second = &k[1];
	size_t entries;

	f.v6 = v6;
	f.tcp = tcp;
	f.options_len = 12;
	k[0] = make(&f, 0, 600, 0);
	k[1] = make(&f, 0, 600, 0);
	second->p[(r->transport ? second->l3 : 0) + r->at] ^= r->flip;
	if (!r->broken)
		fix_checksums(second->p, second->len, second->l3, v6, tcp);
	memcpy(second->copy, second->p, second->len);
	entries = run(k, 2, true);
	if (entries != r->entries)
		fail_msg("%s: %zu entries", r->name, entries);
}

static void test_rules(void **state)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		for (int kind = 0; kind < 4; kind++) {
			bool v6 = kind & 1, tcp = kind & 2;

			if (rules[i].on & (v6 ? IP6 : IP4) && rules[i].on & (tcp ? TCP : UDP))
				check_rule(&rules[i], v6, tcp);
		}
	}
}

/* The first of a run of three has this flag. */
static size_t first_flag(uint8_t flag)
{
	struct flow f = random_flow();
	struct packet k[3];

	f.tcp = true;
	k[0] = make(&f, 0, 700, flag);
	k[1] = make(&f, 0, 700, 0);
	k[2] = make(&f, 0, 700, 0);
	return run(k, 3, true);
}

static void test_flags_of_the_first(void **state)
{
	assert_int_equal(first_flag(0), 1);
	assert_int_equal(first_flag(0x80), 1); /* CWR: segments again to the first alone */
	assert_int_equal(first_flag(0x01), 2); /* FIN */
	assert_int_equal(first_flag(0x08), 2); /* PSH */
	assert_int_equal(first_flag(0x02), 2); /* SYN */
	assert_int_equal(first_flag(0x04), 2);
	assert_int_equal(first_flag(0x20), 2);
}

/* All three have it. */
static void test_flags_of_all(void **state)
{
	static const size_t want[8] = {3, 3, 3, 3,
				       1, 3, 1, 3}; /* FIN SYN RST PSH ACK URG ECE CWR */

	for (int bit = 0; bit < 8; bit++) {
		struct flow f = random_flow();
		struct packet k[3];

		f.tcp = true;
		for (int i = 0; i < 3; i++)
			k[i] = make(&f, 0, 700, (uint8_t)(1u << bit));
		assert_int_equal(run(k, 3, true), want[bit]);
	}
}

static void test_push_ends_a_run(void **state)
{
	struct flow f = random_flow();
	struct packet k[4];

	f.tcp = true;
	for (int i = 0; i < 4; i++)
		k[i] = make(&f, 0, 700, i == 1 ? 0x08 : 0);
	assert_int_equal(run(k, 4, true), 2);
}

static void test_pure_acks(void **state)
{
	struct flow f = random_flow();
	struct packet k[8];

	f.tcp = true;
	for (int i = 0; i < 8; i++)
		k[i] = make(&f, 0, 0, 0);
	assert_int_equal(run(k, 8, true), 8);
	/* and one amid data closes the run */
	for (int i = 0; i < 5; i++)
		k[i] = make(&f, 0, i == 2 ? 0 : 500, 0);
	assert_int_equal(run(k, 5, true), 3);
	f.tcp = false;
	for (int i = 0; i < 8; i++)
		k[i] = make(&f, 0, 0, 0);
	assert_int_equal(run(k, 8, true), 8);
}

static size_t ids(bool df, int step_a, int step_b)
{
	static struct wgx_coalescer c;
	struct flow f = random_flow();
	struct packet k[3];
	size_t n;

	f.v6 = false;
	f.df = df;
	f.fixed_id = true;
	for (int i = 0; i < 3; i++) {
		k[i] = make(&f, 0, 300, 0);
		f.id = (uint16_t)(f.id + (i ? step_b : step_a));
	}
	wgx_coalesce_init(&c, mac, true);
	for (int i = 0; i < 3; i++)
		assert_int_equal(wgx_coalesce_add(&c, k[i].p, k[i].len), 0);
	n = wgx_coalesce_finish(&c);
	for (int i = 0; i < 3; i++)
		free_packet(&k[i]);
	return n;
}

static void test_identifications(void **state)
{
	assert_int_equal(ids(false, 1, 1), 1);
	assert_int_equal(ids(true, 1, 1), 1);
	assert_int_equal(ids(true, 0, 0), 1); /* atomic datagrams */
	assert_int_equal(ids(false, 0, 0), 3);
	assert_int_equal(ids(true, 1, 0), 2);
	assert_int_equal(ids(true, 0, 1), 2);
	assert_int_equal(ids(true, 2, 1), 2);
	assert_int_equal(ids(true, 1, 2), 2);
	assert_int_equal(ids(true, 1, -1), 2);
	assert_int_equal(ids(true, 0, 2), 2);
}

/* Packets of two owners are never one: each is counted for its own if it is lost. */
static void test_owners(void **state)
{
	static struct wgx_coalescer c;
	struct flow f = random_flow();
	struct packet k[4];
	int owners[2];

	f.tcp = false;
	wgx_coalesce_init(&c, mac, true);
	for (int i = 0; i < 4; i++) {
		k[i] = make(&f, 0, 300, 0);
		f.id++;
		c.owner = &owners[i / 2];
		assert_int_equal(wgx_coalesce_add(&c, k[i].p, k[i].len), 0);
	}
	assert_int_equal(wgx_coalesce_finish(&c), 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(c.gso[i].packets, 2);
		assert_ptr_equal(c.gso[i].owner, &owners[i]);
	}
	for (int i = 0; i < 4; i++)
		free_packet(&k[i]);
}

/* The header fields that the kernel reads, spelled out. */
static void test_vnet_header(void **state)
{
	static struct wgx_coalescer c;

	for (int kind = 0; kind < 4; kind++) {
		struct flow f = random_flow();
		struct packet k[2];
		struct virtio_net_hdr v;
		unsigned int l3, l4;
		uint32_t field;

		f.v6 = kind & 1;
		f.tcp = kind & 2;
		f.options_len = 12;
		l3 = f.v6 ? 40 : 20;
		l4 = f.tcp ? 32 : 8;
		k[0] = make(&f, 0, 1000, f.tcp ? 0x80 : 0);
		k[1] = make(&f, 0, 1000, 0);
		wgx_coalesce_init(&c, mac, true);
		assert_int_equal(wgx_coalesce_add(&c, k[0].p, k[0].len), 0);
		assert_int_equal(wgx_coalesce_add(&c, k[1].p, k[1].len), 0);
		assert_int_equal(wgx_coalesce_finish(&c), 1);
		v = c.gso[0].link.vnet;
		assert_int_equal(v.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(v.gso_type, !f.tcp ? GSO_UDP_L4 : (f.v6 ? 4 : 1) | 0x80);
		assert_int_equal(v.gso_size, 1000);
		assert_int_equal(v.hdr_len, 14 + l3 + l4);
		assert_int_equal(v.csum_start, 14 + l3);
		assert_int_equal(v.csum_offset, f.tcp ? 16 : 6);
		assert_int_equal(c.gso[0].link.eth.h_proto, htons(f.v6 ? 0x86dd : 0x0800));
		assert_int_equal(r16(k[0].p + (f.v6 ? 4 : 2)), f.v6 ? l4 + 2000 : 20 + l4 + 2000);
		if (!f.v6)
			assert_int_equal(plain_sum(0, k[0].p, 20), 0xffff);
		if (!f.tcp)
			assert_int_equal(r16(k[0].p + l3 + 4), 2008);
		/* the field holds the sum of the pseudo header, length included */
		field = r16(k[0].p + l3 + v.csum_offset);
		w16(k[0].p + l3 + v.csum_offset, 0);
		assert_int_equal(field, plain_sum(sum_l4(k[0].p, l3, l3, f.v6, f.tcp),
						  (uint8_t[]){(uint8_t)((l4 + 2000) >> 8),
							      (uint8_t)(l4 + 2000)},
						  2));
		free_packet(&k[0]);
		free_packet(&k[1]);
	}
}

/* Singles: right checksums are marked, all else goes as it is with an empty vnet header. */
static void check_single(struct packet k, bool marked)
{
	static struct wgx_coalescer c;
	struct virtio_net_hdr none = {0}, v;

	wgx_coalesce_init(&c, mac, true);
	assert_int_equal(wgx_coalesce_add(&c, k.p, k.len), 0);
	assert_int_equal(wgx_coalesce_finish(&c), 1);
	v = c.gso[0].link.vnet;
	if (marked) {
		assert_int_equal(v.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(v.csum_start, 14 + k.l3);
	} else {
		assert_memory_equal(&v, &none, sizeof(v));
		assert_memory_equal(k.p, k.copy, k.len);
	}
	free_packet(&k);
}

/* A UDP checksum field of zero says "none", even if zero would fit the sum. */
static void test_udp_checksum_zero(void **state)
{
	for (int v6 = 0; v6 < 2; v6++) {
		struct flow f = random_flow();
		struct packet k;

		f.v6 = v6;
		f.tcp = false;
		k = make(&f, 0, 78, 0);
		w16(k.p + k.l3 + 6, 0);
		w16(k.p + k.len - 2, 0);
		w16(k.p + k.len - 2, ~sum_l4(k.p, k.len, k.l3, v6, false));
		assert_int_equal(sum_l4(k.p, k.len, k.l3, v6, false), 0xffff);
		memcpy(k.copy, k.p, k.len);
		check_single(k, false);
	}
}

static void test_singles(void **state)
{
	for (int kind = 0; kind < 4; kind++) {
		struct flow f = random_flow();
		struct packet k;

		f.v6 = kind & 1;
		f.tcp = kind & 2;
		check_single(make(&f, 0, 77, 0), true);
		check_single(make(&f, 0, 0, 0x02), true);
		for (unsigned int at = 0; at < 8; at++) {
			k = make(&f, 0, 77, 0);
			k.p[k.l3 + at] ^= 0x10;
			k.copy[k.l3 + at] ^= 0x10;
			check_single(k, false);
		}
		if (!f.tcp) {
			k = make(&f, 0, 77, 0);
			w16(k.p + k.l3 + 6, 0);
			w16(k.copy + k.l3 + 6, 0);
			check_single(k, false);
		}
	}
}

/* Packets whose flow the coalescer cannot see must not be overtaken by it either. */
static struct packet make_opaque(struct flow *f, int flow)
{
	struct packet k = make(f, flow, 100, 0);
	unsigned int kind = rnd() % 3;

	if (f->v6) {
		static const uint8_t ext[] = {0, 44, 60};

		k.p[6] = ext[kind];
	} else if (kind == 0) {
		k.p[6] ^= 0x20;
	} else if (kind == 1) {
		k.p[7] = 9;
	} else {
		k.p[0] = 0x46;
	}
	if (!f->v6)
		fix_checksums(k.p, k.len, k.p[0] == 0x46 ? 24 : 20, false, f->tcp);
	memcpy(k.copy, k.p, k.len);
	return k;
}

static void test_opaque_packets_close(void **state)
{
	for (int i = 0; i < 200; i++) {
		struct flow f = random_flow();
		struct packet k[5];

		k[0] = make(&f, 0, 100, 0);
		k[1] = make(&f, 0, 100, 0);
		k[2] = make_opaque(&f, 0);
		f.seq -= 100;
		f.id--;
		k[3] = make(&f, 0, 100, 0);
		k[4] = make(&f, 0, 100, 0);
		assert_int_equal(run(k, 5, true), 3);
	}
}

static struct packet random_packet(struct flow *f, int flow)
{
	struct packet k;

	switch (rnd() % 24) {
	case 0:
		return make_opaque(f, flow);
	case 1:
		k = make(f, flow, 900, 0);
		k.p[k.len - 1] ^= 1;
		k.copy[k.len - 1] ^= 1;
		return k;
	case 2:
		f->ack += rnd() % 3000;
		return make(f, flow, 0, 0);
	case 3:
		return make(f, flow, 900, (uint8_t)(1u << rnd() % 8));
	case 4:
		return make(f, flow, rnd() % 1400, 0);
	case 5:
		f->seq -= 900; /* retransmission */
		return make(f, flow, 900, 0);
	case 6:
		k = make(f, flow, 900, 0);
		if (!f->tcp && !f->v6) {
			w16(k.p + k.l3 + 6, 0);
			w16(k.copy + k.l3 + 6, 0);
		}
		return k;
	default:
		return make(f, flow, 900, 0);
	}
}

/* Many flows at once, some between the same hosts, with all in them that must not be merged. */
static void test_shuffled_flows(void **state)
{
	for (int round = 0; round < 300; round++) {
		struct flow f[48];
		struct packet k[400];
		unsigned int flows = 1 + rnd() % (rnd() % 2 ? 48 : 5), cur = 0;

		for (unsigned int i = 0; i < flows; i++) {
			f[i] = random_flow();
			if (i && rnd() % 2) {
				memcpy(f[i].addrs, f[i - 1].addrs, 32);
				f[i].v6 = f[i - 1].v6;
			}
		}
		for (int i = 0; i < 400; i++) {
			if (rnd() % 4 == 0)
				cur = rnd() % flows;
			k[i] = random_packet(&f[cur], (int)cur);
		}
		run(k, 400, rnd() % 4 != 0);
	}
}

/* Superframes cut by the segmenter, mixed, and merged again. */
static void test_segment_and_back(void **state)
{
	for (int round = 0; round < 60; round++) {
		unsigned int flows = 1 + rnd() % 6, left[6];
		struct packet k[6 * 64];
		struct flow f[6];
		size_t n = 0, size[6];

		for (unsigned int i = 0; i < flows; i++) {
			f[i] = random_flow();
			left[i] = 1 + rnd() % 44;
			size[i] = 1 + rnd() % 1360;
		}
		for (unsigned int total = 1; total;) {
			unsigned int i = rnd() % flows;

			if (left[i]) {
				left[i]--;
				k[n++] = make(&f[i], (int)i, size[i], left[i] ? 0 : 0x08);
			}
			total = 0;
			for (unsigned int j = 0; j < flows; j++)
				total += left[j];
		}
		assert_int_equal(run(k, n, true), flows);
	}
}

/* Headers at random: nothing read past a packet's end, and all comes out as it went in. */
static void test_fuzz(void **state)
{
	for (int round = 0; round < 3000; round++) {
		struct flow f = random_flow();
		struct packet k[20];
		struct wgx_inner ip;
		size_t n = 0;

		for (int i = 0; i < 20; i++) {
			struct packet one = random_packet(&f, 0);
			uint8_t *p;

			for (unsigned int flips = rnd() % 4; flips; flips--)
				one.p[rnd() % (rnd() % 2 ? 60 : one.len) % one.len] =
					(uint8_t)rnd();
			if (wgx_inner_parse(one.p, rnd() % 4 ? one.len : rnd() % one.len, &ip)) {
				free_packet(&one);
				continue;
			}
			p = malloc(ip.len);
			assert_non_null(p);
			memcpy(p, one.p, ip.len);
			free_packet(&one);
			k[n++] = finish_packet(p, ip.len, ip.header_len, p[ip.v6 ? 6 : 9] == 6,
					       -1 - i);
		}
		run(k, n, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_run),
		cmocka_unit_test(test_udp_gso_off),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_flags_of_the_first),
		cmocka_unit_test(test_flags_of_all),
		cmocka_unit_test(test_push_ends_a_run),
		cmocka_unit_test(test_pure_acks),
		cmocka_unit_test(test_identifications),
		cmocka_unit_test(test_owners),
		cmocka_unit_test(test_vnet_header),
		cmocka_unit_test(test_udp_checksum_zero),
		cmocka_unit_test(test_singles),
		cmocka_unit_test(test_opaque_packets_close),
		cmocka_unit_test(test_shuffled_flows),
		cmocka_unit_test(test_segment_and_back),
		cmocka_unit_test(test_fuzz),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
