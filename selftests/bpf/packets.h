/* SPDX-License-Identifier: MIT */
/* Ethernet frames for the tests, built from a description of what is odd about them. */
#ifndef WGX_TEST_PACKETS_H
#define WGX_TEST_PACKETS_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <wgx/wire.h>

#define PACKET_MAX 65536

struct packet {
	size_t len;
	uint8_t data[PACKET_MAX];
};

#define EXT(type) (0x100 | (type)) /* hop-by-hop options have the number 0 */

/* What is zero takes the default: a whole, plain packet. */
struct packet_spec {
	const char *dst; /* text; its family is the packet's */
	const char *src; /* default: 192.0.2.99 or 2001:db8::99 */
	uint16_t sport; /* default 1000 */
	uint16_t dport; /* default 51820 */
	uint8_t proto; /* default UDP */
	uint16_t vlan; /* TPID of a tag in the frame */
	uint16_t inner_vlan; /* of another one behind it */
	uint8_t options; /* words of IPv4 options */
	uint16_t frag_off; /* IPv4, host byte order, flags included */
	uint16_t ext; /* IPv6: EXT(type), an 8-byte extension header comes first */
	uint32_t type; /* of the message; little-endian as on the wire */
	uint32_t receiver;
	uint64_t counter;
	size_t payload; /* of UDP or TCP, bytes */
	int udp_len_off; /* added to the UDP length field */
	size_t padding; /* Ethernet padding */
	uint8_t version; /* of IP, if wrong */
	uint16_t ethertype; /* if wrong */
	uint8_t ttl; /* or hop limit; default 64 */
};

static inline void put(struct packet *p, const void *data, size_t len)
{
	if (data)
		memcpy(p->data + p->len, data, len);
	else
		memset(p->data + p->len, 0, len);
	p->len += len;
}

static inline void put_eth(struct packet *p, const struct packet_spec *s, bool v6)
{
	uint16_t type = htons(s->ethertype ? s->ethertype : v6 ? ETH_P_IPV6 : ETH_P_IP);
	uint16_t tag[2] = {htons(s->vlan), htons(42)};
	uint16_t inner_tag[2] = {htons(s->inner_vlan), htons(43)};

	put(p, "\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02", 12);
	if (s->vlan)
		put(p, tag, sizeof(tag));
	if (s->inner_vlan)
		put(p, inner_tag, sizeof(inner_tag));
	put(p, &type, sizeof(type));
}

static inline uint16_t ip_checksum(const void *data, size_t len)
{
	const uint8_t *b = data;
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += b[i] << 8 | b[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static inline void put_ip4(struct packet *p, const struct packet_spec *s, size_t l4_len)
{
	size_t hlen = sizeof(struct iphdr) + 4 * s->options, at = p->len;
	struct iphdr ip = {
		.version = s->version ? s->version : 4,
		.ihl = hlen / 4,
		.tot_len = htons(hlen + l4_len),
		.frag_off = htons(s->frag_off),
		.ttl = s->ttl ? s->ttl : 64,
		.protocol = s->proto ? s->proto : IPPROTO_UDP,
	};

	inet_pton(AF_INET, s->src ? s->src : "192.0.2.99", &ip.saddr);
	inet_pton(AF_INET, s->dst, &ip.daddr);
	put(p, &ip, sizeof(ip));
	for (int i = 0; i < s->options; i++)
		put(p, "\x01\x01\x01\x01", 4); /* no-operation */
	ip.check = ip_checksum(p->data + at, hlen);
	memcpy(p->data + at, &ip, sizeof(ip));
}

static inline void put_ip6(struct packet *p, const struct packet_spec *s, size_t l4_len)
{
	uint8_t proto = s->proto ? s->proto : IPPROTO_UDP;
	uint8_t ext[8] = {proto, 0, 1, 4}; /* PadN */
	struct ipv6hdr ip = {
		.version = s->version ? s->version : 6,
		.payload_len = htons(l4_len + (s->ext ? sizeof(ext) : 0)),
		.nexthdr = s->ext ? (uint8_t)s->ext : proto,
		.hop_limit = s->ttl ? s->ttl : 64,
	};

	inet_pton(AF_INET6, s->src ? s->src : "2001:db8::99", &ip.saddr);
	inet_pton(AF_INET6, s->dst, &ip.daddr);
	put(p, &ip, sizeof(ip));
	if (s->ext)
		put(p, ext, sizeof(ext));
}

static inline void put_udp(struct packet *p, const struct packet_spec *s)
{
	struct udphdr udp = {
		.source = htons(s->sport ? s->sport : 1000),
		.dest = htons(s->dport ? s->dport : 51820),
		.len = htons(sizeof(udp) + s->payload + s->udp_len_off),
	};
	struct wgx_msg_data head = {
		.type = htole32(s->type),
		.receiver = htole32(s->receiver),
		.counter = htole64(s->counter),
	};
	size_t n = s->payload < sizeof(head) ? s->payload : sizeof(head);

	put(p, &udp, sizeof(udp));
	put(p, &head, n);
	put(p, NULL, s->payload - n);
}

static inline void put_tcp(struct packet *p, const struct packet_spec *s)
{
	struct tcphdr tcp = {
		.source = htons(s->sport ? s->sport : 1000),
		.dest = htons(s->dport ? s->dport : 5201),
		.doff = sizeof(tcp) / 4,
		.ack = 1,
		.window = htons(1000),
	};

	put(p, &tcp, sizeof(tcp));
	put(p, NULL, s->payload);
}

static inline void packet_build(struct packet *p, const struct packet_spec *s)
{
	bool v6 = strchr(s->dst, ':');
	size_t l4 = (s->proto == IPPROTO_TCP ? sizeof(struct tcphdr) : sizeof(struct udphdr)) +
		    s->payload;

	p->len = 0;
	put_eth(p, s, v6);
	if (v6)
		put_ip6(p, s, l4);
	else
		put_ip4(p, s, l4);
	if (s->proto == IPPROTO_TCP)
		put_tcp(p, s);
	else
		put_udp(p, s);
	put(p, NULL, s->padding);
}

#endif
