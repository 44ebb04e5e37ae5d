/* SPDX-License-Identifier: MIT */
/*
 * The rules are those of the kernel's inet_gro_receive(), ipv6_gro_receive(), tcp_gro_receive() and
 * udp_gro_receive_segment() (net/ipv4/{af_inet,tcp_offload,udp_offload}.c, net/ipv6/ip6_offload.c).
 *
 * Entries stand in the order in which their first packets came, and a packet is merged only into
 * the latest entry of its flow: what cannot be merged there begins a new one. So order within a
 * flow is kept.
 */
#include "path/coalesce.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include "path/checksum.h"

/* As many as the kernel's GRO of UDP takes, and the segments of one UDP_SEGMENT send. */
#define PACKETS_MAX 64
#define LEN_MAX 65535

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

_Static_assert(WGX_COALESCE_SLICES >= PACKETS_MAX + 1, "link header and a slice for each packet");

#define IP4_TOS 1
#define IP4_LEN 2
#define IP4_ID 4
#define IP4_FRAG 6
#define IP4_TTL 8
#define IP4_PROTO 9
#define IP4_CHECK 10
#define IP4_ADDRS 12
#define IP4_HEADER 20
#define IP4_DF 0x4000
#define IP4_NOT_DF 0xbfff

#define IP6_LEN 4
#define IP6_NEXT 6
#define IP6_HOP_LIMIT 7
#define IP6_ADDRS 8
#define IP6_HEADER 40

#define TCP_SEQ 4
#define TCP_ACK 8
#define TCP_DOFF 12
#define TCP_FLAGS 13
#define TCP_WINDOW 14
#define TCP_CHECK 16
#define TCP_URGENT 18
#define TCP_MIN 20
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_URG 0x20
#define TCP_CWR 0x80

#define UDP_LEN 4
#define UDP_CHECK 6
#define UDP_HEADER 8

/* What one packet is, for this file. */
struct view {
	uint8_t *ip, *th;
	size_t len, payload;
	unsigned int l3_len, header_len;
	uint32_t hash;
	uint8_t proto;
	bool v6;
	bool verified;
	bool mergeable; /* may begin or join a run */
	bool last; /* nothing may follow it */
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* Checksums stay in memory order. */
static void put_check(uint8_t *p, uint16_t check)
{
	memcpy(p, &check, sizeof(check));
}

static uint16_t get_check(const uint8_t *p)
{
	uint16_t check;

	memcpy(&check, p, sizeof(check));
	return check;
}

static unsigned int addrs_at(bool v6)
{
	return v6 ? IP6_ADDRS : IP4_ADDRS;
}

static unsigned int addrs_len(bool v6)
{
	return v6 ? 32 : 8;
}

static unsigned int check_at(uint8_t proto)
{
	return proto == IPPROTO_TCP ? TCP_CHECK : UDP_CHECK;
}

static uint32_t sum_pseudo(const uint8_t *ip, bool v6, uint8_t proto, size_t len)
{
	return v6 ? wgx_csum_pseudo6(ip + IP6_ADDRS, proto, (uint32_t)len)
		  : wgx_csum_pseudo4(ip + IP4_ADDRS, proto, (uint32_t)len);
}

/* Never 0: that stands for no flow. Collisions cost a comparison. */
static uint32_t hash_flow(const struct view *v)
{
	const uint8_t *p = v->ip + addrs_at(v->v6);
	uint64_t h = v->proto, word;
	uint32_t ports;

	for (unsigned int i = 0; i < addrs_len(v->v6); i += 8) {
		memcpy(&word, p + i, 8);
		h = (h ^ word) * 0x9e3779b97f4a7c15;
		h ^= h >> 32;
	}
	memcpy(&ports, v->th, 4);
	h = (h ^ ports) * 0x9e3779b97f4a7c15;
	return (uint32_t)(h >> 32) | 1;
}

/* True if the TCP or UDP checksum is there and right. */
static bool verify(const struct view *v)
{
	size_t l4_len = v->len - v->l3_len;
	uint32_t sum;

	if (v->proto == IPPROTO_UDP &&
	    (!get16(v->th + UDP_CHECK) || get16(v->th + UDP_LEN) != l4_len))
		return false;
	sum = sum_pseudo(v->ip, v->v6, v->proto, l4_len);
	return wgx_csum_fold(wgx_csum_add(sum, v->th, l4_len)) == 0;
}

static bool view_tcp(struct view *v)
{
	unsigned int th_len;
	uint8_t flags;

	if (v->len < v->l3_len + TCP_MIN)
		return false;
	th_len = (v->th[TCP_DOFF] >> 4) * 4u;
	if (th_len < TCP_MIN || v->l3_len + th_len > v->len)
		return false;
	v->header_len = v->l3_len + th_len;
	v->payload = v->len - v->header_len;
	flags = v->th[TCP_FLAGS];
	v->mergeable = v->payload && !(flags & (TCP_SYN | TCP_RST | TCP_URG));
	v->last = flags & (TCP_FIN | TCP_PSH);
	return true;
}

static bool view_udp(struct view *v)
{
	if (v->len < v->l3_len + UDP_HEADER)
		return false;
	v->header_len = v->l3_len + UDP_HEADER;
	v->payload = v->len - v->header_len;
	v->mergeable = v->payload;
	return true;
}

static bool is_transport(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

/* Everything of a whole TCP or UDP packet with plain IP headers; false for all others. */
static bool view_flow(struct view *v)
{
	bool sound = true;

	if (v->v6) {
		v->l3_len = IP6_HEADER;
	} else {
		v->l3_len = IP4_HEADER;
		if (v->ip[0] != 0x45 || get16(v->ip + IP4_FRAG) & IP4_NOT_DF)
			return false;
		sound = wgx_csum_ip4(v->ip, IP4_HEADER) == get_check(v->ip + IP4_CHECK);
	}
	if (!is_transport(v->proto))
		return false;
	v->th = v->ip + v->l3_len;
	if (!(v->proto == IPPROTO_TCP ? view_tcp(v) : view_udp(v)))
		return false;
	v->hash = hash_flow(v);
	v->verified = sound && verify(v);
	v->mergeable = v->mergeable && v->verified;
	return true;
}

static struct view look(uint8_t *packet, size_t len)
{
	struct view v = {.ip = packet, .len = len, .v6 = packet[0] >> 4 == 6};

	v.proto = packet[v.v6 ? IP6_NEXT : IP4_PROTO];
	if (!view_flow(&v)) {
		v.hash = 0;
		v.mergeable = v.verified = false;
	}
	return v;
}

static bool same_addrs(const struct wgx_gso *g, const struct view *v)
{
	unsigned int at = addrs_at(v->v6);

	return g->v6 == v->v6 && !memcmp(g->ip + at, v->ip + at, addrs_len(v->v6));
}

static bool same_flow(const struct wgx_gso *g, const struct view *v)
{
	return g->proto == v->proto && same_addrs(g, v) && !memcmp(g->ip + g->l3_len, v->th, 4);
}

static struct wgx_gso *find_latest(struct wgx_coalescer *c, const struct view *v)
{
	for (unsigned int i = c->n; i > 0; i--) {
		if (c->hash[i - 1] == v->hash && same_flow(&c->gso[i - 1], v))
			return &c->gso[i - 1];
	}
	return NULL;
}

/* A packet whose ports are out of sight (fragment, extension headers) may be of any flow. */
static void close_between(struct wgx_coalescer *c, const struct view *v)
{
	for (unsigned int i = 0; i < c->n; i++) {
		if (c->gso[i].open && same_addrs(&c->gso[i], v))
			c->gso[i].open = false;
	}
}

/*
 * Identifications count up, or all are the same and mean nothing where DF is set (RFC 6864 4.1).
 * Only the second packet tells which.
 */
static bool id_follows(const struct wgx_gso *g, const struct view *v)
{
	uint16_t gap = (uint16_t)(get16(v->ip + IP4_ID) - get16(g->ip + IP4_ID));
	bool df = get16(v->ip + IP4_FRAG) & IP4_DF;

	if (g->packets == 1)
		return gap == 1 || (gap == 0 && df);
	return gap == (g->fixed_id ? 0 : g->packets);
}

static bool ip_alike(const struct wgx_gso *g, const struct view *v)
{
	if (v->v6)
		return !memcmp(g->ip, v->ip, 4) && g->ip[IP6_HOP_LIMIT] == v->ip[IP6_HOP_LIMIT];
	return g->ip[IP4_TOS] == v->ip[IP4_TOS] && g->ip[IP4_TTL] == v->ip[IP4_TTL] &&
	       !memcmp(g->ip + IP4_FRAG, v->ip + IP4_FRAG, 2) && id_follows(g, v);
}

/* All but sequence number, checksum and these flags is equal, options included. */
static bool tcp_alike(const struct wgx_gso *g, const struct view *v)
{
	const uint8_t *a = g->ip + g->l3_len, *b = v->th;
	const uint8_t may_differ = TCP_CWR | TCP_FIN | TCP_PSH;

	return get32(b + TCP_SEQ) == g->next_seq && !memcmp(a + TCP_ACK, b + TCP_ACK, 4) &&
	       a[TCP_DOFF] == b[TCP_DOFF] && !(b[TCP_FLAGS] & TCP_CWR) &&
	       !((a[TCP_FLAGS] ^ b[TCP_FLAGS]) & ~may_differ) &&
	       !memcmp(a + TCP_WINDOW, b + TCP_WINDOW, 2) &&
	       !memcmp(a + TCP_URGENT, b + TCP_URGENT, g->header_len - g->l3_len - TCP_URGENT);
}

static bool can_merge(const struct wgx_coalescer *c, const struct wgx_gso *g, const struct view *v)
{
	if (g->owner != c->owner)
		return false;
	if (!g->open || !v->mergeable || v->payload > g->mss || g->len + v->payload > LEN_MAX)
		return false;
	return ip_alike(g, v) && (v->proto == IPPROTO_UDP || tcp_alike(g, v));
}

static void merge(struct wgx_gso *g, const struct view *v)
{
	if (g->packets == 1 && !v->v6)
		g->fixed_id = !memcmp(g->ip + IP4_ID, v->ip + IP4_ID, 2);
	g->iov[g->n++] = (struct iovec){v->ip + v->header_len, v->payload};
	g->packets++;
	g->len += v->payload;
	g->next_seq += (uint32_t)v->payload;
	if (v->proto == IPPROTO_TCP)
		g->ip[g->l3_len + TCP_FLAGS] |= v->th[TCP_FLAGS] & (TCP_FIN | TCP_PSH);
	if (v->last || v->payload < g->mss || g->packets == PACKETS_MAX)
		g->open = false;
}

static void start(struct wgx_coalescer *c, const struct view *v)
{
	struct wgx_gso *g = &c->gso[c->n];

	c->hash[c->n++] = v->hash;
	memset(&g->link, 0, sizeof(g->link));
	memcpy(g->link.eth.h_dest, c->mac, ETH_ALEN);
	g->link.eth.h_proto = htons(v->v6 ? ETH_P_IPV6 : ETH_P_IP);
	g->iov[0] = (struct iovec){&g->link, sizeof(g->link)};
	g->iov[1] = (struct iovec){v->ip, v->len};
	g->n = 2;
	g->packets = 1;
	g->len = v->len;
	g->ip = v->ip;
	g->l3_len = v->l3_len;
	g->header_len = v->header_len;
	g->mss = (uint16_t)v->payload;
	g->proto = v->proto;
	g->v6 = v->v6;
	g->verified = v->verified;
	g->fixed_id = false;
	g->owner = c->owner;
	g->open = v->mergeable && !v->last && (v->proto == IPPROTO_TCP || c->udp_gso);
	if (g->open && v->proto == IPPROTO_TCP)
		g->next_seq = get32(v->th + TCP_SEQ) + (uint32_t)v->payload;
}

void wgx_coalesce_init(struct wgx_coalescer *c, const uint8_t mac[ETH_ALEN], bool udp_gso)
{
	c->n = 0;
	c->owner = NULL;
	c->udp_gso = udp_gso;
	memcpy(c->mac, mac, ETH_ALEN);
}

int wgx_coalesce_add(struct wgx_coalescer *c, uint8_t *packet, size_t len)
{
	struct view v = look(packet, len);

	if (v.hash) {
		struct wgx_gso *g = find_latest(c, &v);

		if (g && can_merge(c, g, &v)) {
			merge(g, &v);
			return 0;
		}
	} else if (v.proto != (v.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
		close_between(c, &v);
	}
	if (c->n == WGX_COALESCE_FLOWS)
		return -ENOBUFS;
	start(c, &v);
	return 0;
}

static void finish_lengths(struct wgx_gso *g)
{
	if (g->v6) {
		put16(g->ip + IP6_LEN, g->len - IP6_HEADER);
	} else {
		put16(g->ip + IP4_LEN, g->len);
		put_check(g->ip + IP4_CHECK, wgx_csum_ip4(g->ip, IP4_HEADER));
	}
	if (g->proto == IPPROTO_UDP)
		put16(g->ip + g->l3_len + UDP_LEN, g->len - g->l3_len);
}

static void finish_gso(struct wgx_gso *g)
{
	struct virtio_net_hdr vnet = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.hdr_len = (uint16_t)(ETH_HLEN + g->header_len),
		.csum_start = (uint16_t)(ETH_HLEN + g->l3_len),
		.csum_offset = (uint16_t)check_at(g->proto),
	};
	uint8_t *th = g->ip + g->l3_len;
	uint32_t sum = sum_pseudo(g->ip, g->v6, g->proto, g->len - g->l3_len);

	if (g->packets > 1) {
		finish_lengths(g);
		vnet.gso_size = g->mss;
		vnet.gso_type = g->proto == IPPROTO_UDP ? VIRTIO_NET_HDR_GSO_UDP_L4
				: g->v6			? VIRTIO_NET_HDR_GSO_TCPV6
							: VIRTIO_NET_HDR_GSO_TCPV4;
		if (g->proto == IPPROTO_TCP && th[TCP_FLAGS] & TCP_CWR)
			vnet.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	}
	/* CHECKSUM_PARTIAL: the pseudo header's sum itself, not its complement */
	put_check(th + check_at(g->proto), (uint16_t)~wgx_csum_fold(sum));
	g->link.vnet = vnet;
}

unsigned int wgx_coalesce_finish(struct wgx_coalescer *c)
{
	for (unsigned int i = 0; i < c->n; i++) {
		if (c->gso[i].verified)
			finish_gso(&c->gso[i]);
	}
	return c->n;
}

void wgx_coalesce_reset(struct wgx_coalescer *c)
{
	c->n = 0;
}
