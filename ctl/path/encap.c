/* SPDX-License-Identifier: MIT */
#include "path/encap.h"

#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <string.h>
#include "path/checksum.h"

_Static_assert(WGX_ENCAP_MAX == ETH_HLEN + sizeof(struct ip6_hdr) + sizeof(struct udphdr),
	       "the longer of the two");

static void put_ethernet(struct wgx_encap *e, const uint8_t mac[6], uint16_t type)
{
	struct ethhdr eth = {.h_proto = htons(type)};

	memcpy(eth.h_source, mac, sizeof(eth.h_source));
	memcpy(e->header, &eth, sizeof(eth));
}

static void put_udp(struct wgx_encap *e, size_t at, uint16_t from, in_port_t to)
{
	struct udphdr udp = {.source = htons(from), .dest = to};

	memcpy(e->header + at, &udp, sizeof(udp));
	e->len = (uint8_t)(at + sizeof(udp));
	e->sum = wgx_csum_add(e->sum, &udp, sizeof(udp));
}

static void init4(struct wgx_encap *e, const struct wgx_endpoint *to, uint16_t port, uint8_t hops)
{
	struct iphdr ip = {
		.version = 4,
		.ihl = sizeof(ip) / 4,
		.ttl = hops,
		.protocol = IPPROTO_UDP,
		.saddr = to->src4.s_addr,
		.daddr = to->addr.v4.sin_addr.s_addr,
	};

	memcpy(e->header + ETH_HLEN, &ip, sizeof(ip));
	e->sum = wgx_csum_pseudo4(e->header + ETH_HLEN + offsetof(struct iphdr, saddr), IPPROTO_UDP,
				  0);
	put_udp(e, ETH_HLEN + sizeof(ip), port, to->addr.v4.sin_port);
}

static void init6(struct wgx_encap *e, const struct wgx_endpoint *to, uint16_t port, uint8_t hops)
{
	struct ip6_hdr ip = {.ip6_src = to->src6, .ip6_dst = to->addr.v6.sin6_addr};

	ip.ip6_flow = htonl(UINT32_C(6) << 28);
	ip.ip6_nxt = IPPROTO_UDP;
	ip.ip6_hlim = hops;
	memcpy(e->header + ETH_HLEN, &ip, sizeof(ip));
	e->sum = wgx_csum_pseudo6(e->header + ETH_HLEN + offsetof(struct ip6_hdr, ip6_src),
				  IPPROTO_UDP, 0);
	put_udp(e, ETH_HLEN + sizeof(ip), port, to->addr.v6.sin6_port);
}

void wgx_encap_init(struct wgx_encap *e, const struct wgx_endpoint *to, uint16_t port,
		    const uint8_t mac[6], uint8_t hops)
{
	memset(e, 0, sizeof(*e));
	e->v6 = to->addr.sa.sa_family == AF_INET6;
	put_ethernet(e, mac, e->v6 ? ETH_P_IPV6 : ETH_P_IP);
	if (e->v6)
		init6(e, to, port, hops);
	else
		init4(e, to, port, hops);
}

static void finish4(uint8_t *at, uint8_t tos, uint16_t id, size_t len)
{
	struct iphdr ip;

	memcpy(&ip, at, sizeof(ip));
	ip.tos = tos;
	ip.tot_len = htons((uint16_t)len);
	ip.id = htons(id);
	ip.check = 0;
	ip.check = wgx_csum_ip4((const uint8_t *)&ip, sizeof(ip));
	memcpy(at, &ip, sizeof(ip));
}

static void finish6(uint8_t *at, uint8_t tos, size_t len)
{
	struct ip6_hdr ip;

	memcpy(&ip, at, sizeof(ip));
	ip.ip6_flow = htonl(UINT32_C(6) << 28 | (uint32_t)tos << 20);
	ip.ip6_plen = htons((uint16_t)(len - sizeof(ip)));
	memcpy(at, &ip, sizeof(ip));
}

/* The length counts twice: in the pseudo header and in UDP's own. */
static void finish_udp(const struct wgx_encap *e, uint8_t *frame, size_t len)
{
	uint8_t *at = frame + e->len - sizeof(struct udphdr);
	struct udphdr udp;
	uint32_t sum;

	memcpy(&udp, at, sizeof(udp));
	udp.len = htons((uint16_t)(sizeof(udp) + len));
	sum = wgx_csum_plus(e->sum, udp.len);
	sum = wgx_csum_plus(sum, udp.len);
	udp.check = wgx_csum_nonzero(wgx_csum_add(sum, frame + e->len, len));
	memcpy(at, &udp, sizeof(udp));
}

size_t wgx_encap_write(const struct wgx_encap *e, const uint8_t mac[6], uint8_t tos, uint16_t id,
		       const void *payload, size_t len, uint8_t *frame)
{
	memcpy(frame, e->header, e->len);
	memcpy(frame, mac, ETH_ALEN);
	memcpy(frame + e->len, payload, len);
	if (e->v6)
		finish6(frame + ETH_HLEN, tos, wgx_encap_packet_len(e, len));
	else
		finish4(frame + ETH_HLEN, tos, id, wgx_encap_packet_len(e, len));
	finish_udp(e, frame, len);
	return e->len + len;
}
