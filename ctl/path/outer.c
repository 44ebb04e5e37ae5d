/* SPDX-License-Identifier: MIT */
#include "path/outer.h"

#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <string.h>

static int parse_udp(const uint8_t *frame, size_t at, size_t contiguous, size_t len,
		     struct wgx_outer *o, in_port_t *ret_source)
{
	struct udphdr udp;
	size_t udp_len;

	if (contiguous < at + sizeof(udp))
		return -EBADMSG;
	memcpy(&udp, frame + at, sizeof(udp));
	udp_len = ntohs(udp.len);
	if (udp_len < sizeof(udp) || udp_len > len - at)
		return -EBADMSG;
	o->port = ntohs(udp.dest);
	o->header_len = at + sizeof(udp);
	o->payload_len = udp_len - sizeof(udp);
	*ret_source = udp.source;
	return 0;
}

static int parse4(const uint8_t *frame, size_t contiguous, size_t len, struct wgx_outer *o)
{
	struct iphdr ip;

	if (contiguous < ETH_HLEN + sizeof(ip))
		return -EBADMSG;
	memcpy(&ip, frame + ETH_HLEN, sizeof(ip));
	if (ip.version != 4 || ip.ihl < 5 || ip.protocol != IPPROTO_UDP ||
	    ip.frag_off & htons(IP_MF | IP_OFFMASK))
		return -EBADMSG;
	o->tos = ip.tos;
	o->from.addr.v4.sin_family = AF_INET;
	o->from.addr.v4.sin_addr.s_addr = ip.saddr;
	o->from.src4.s_addr = ip.daddr;
	return parse_udp(frame, ETH_HLEN + ip.ihl * 4u, contiguous, len, o,
			 &o->from.addr.v4.sin_port);
}

static int parse6(const uint8_t *frame, size_t contiguous, size_t len, struct wgx_outer *o)
{
	struct ip6_hdr ip;

	if (contiguous < ETH_HLEN + sizeof(ip))
		return -EBADMSG;
	memcpy(&ip, frame + ETH_HLEN, sizeof(ip));
	if (ip.ip6_vfc >> 4 != 6 || ip.ip6_nxt != IPPROTO_UDP)
		return -EBADMSG;
	o->tos = (uint8_t)(ntohl(ip.ip6_flow) >> 20);
	o->from.addr.v6.sin6_family = AF_INET6;
	o->from.addr.v6.sin6_addr = ip.ip6_src;
	o->from.src6 = ip.ip6_dst;
	return parse_udp(frame, ETH_HLEN + sizeof(ip), contiguous, len, o,
			 &o->from.addr.v6.sin6_port);
}

int wgx_outer_parse(const uint8_t *frame, size_t contiguous, size_t len, struct wgx_outer *ret)
{
	struct ethhdr eth;

	memset(ret, 0, sizeof(*ret));
	if (contiguous < sizeof(eth))
		return -EBADMSG;
	memcpy(&eth, frame, sizeof(eth));
	if (eth.h_proto == htons(ETH_P_IP))
		return parse4(frame, contiguous, len, ret);
	if (eth.h_proto == htons(ETH_P_IPV6))
		return parse6(frame, contiguous, len, ret);
	return -EBADMSG;
}
