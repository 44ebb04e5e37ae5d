/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What strict mode has to know of a frame: the addresses of the IP packet in it, its protocol and ports. Loads
 * bytes instead of pulling them: a frame that is not linear stays as it is.
 */
#ifndef WGX_BPF_STRICT_PACKET_H
#define WGX_BPF_STRICT_PACKET_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <wgx/bpf_abi.h>

#define TAGS_MAX 2 /* VLAN tags that are looked through, the one beside the frame included */
#define VLAN_HLEN 4

struct strict_packet {
	struct wgx_addr src, dst; /* IPv4 mapped */
	bool v6;
	bool fragment;
	bool later_fragment; /* not the first */
	__u8 hop_limit;
	__u8 proto; /* of what is at l4 */
	__u32 l4; /* offset in the frame */
	__be16 sport, dport; /* 0: none, or unknown */
};

enum strict_frame {
	STRICT_NOT_IP,
	STRICT_IP,
	STRICT_UNCLEAR, /* too many tags, or no whole IP header where one should be */
};

static __always_inline bool is_tag(__be16 type)
{
	return type == bpf_htons(ETH_P_8021Q) || type == bpf_htons(ETH_P_8021AD) ||
	       type == bpf_htons(ETH_P_QINQ1);
}

/* Through the tags to the Ethertype that counts. Return: 0 with the offset behind it; else STRICT_UNCLEAR */
static __always_inline int find_type(const struct __sk_buff *skb, __be16 *ret_type, __u32 *ret_at)
{
	__u32 at = ETH_HLEN - sizeof(*ret_type), tags = skb->vlan_present ? 1 : 0;

	for (int i = 0; i <= TAGS_MAX; i++) {
		if (bpf_skb_load_bytes(skb, at, ret_type, sizeof(*ret_type)))
			return STRICT_UNCLEAR;
		if (!is_tag(*ret_type)) {
			*ret_at = at + sizeof(*ret_type);
			return 0;
		}
		if (++tags > TAGS_MAX)
			break;
		at += VLAN_HLEN;
	}
	return STRICT_UNCLEAR;
}

static __always_inline void map4(struct wgx_addr *ret, const __be32 *addr)
{
	__builtin_memset(ret->addr, 0, 10);
	__builtin_memset(ret->addr + 10, 0xff, 2);
	__builtin_memcpy(ret->addr + 12, addr, sizeof(*addr));
}

static __always_inline enum strict_frame read_ip4(const struct __sk_buff *skb, __u32 at,
						  struct strict_packet *p)
{
	struct iphdr ip;

	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) || ip.version != 4 || ip.ihl < 5)
		return STRICT_UNCLEAR;
	map4(&p->src, &ip.saddr);
	map4(&p->dst, &ip.daddr);
	p->fragment = ip.frag_off & bpf_htons(IP_MF | IP_OFFSET);
	p->later_fragment = ip.frag_off & bpf_htons(IP_OFFSET);
	p->hop_limit = ip.ttl;
	p->proto = ip.protocol;
	p->l4 = at + ip.ihl * 4;
	return STRICT_IP;
}

/* The fragment header is the only extension looked through: the kernel puts it first in its UDP fragments. */
static __always_inline void read_fragment6(const struct __sk_buff *skb, struct strict_packet *p)
{
	struct frag_hdr frag;

	if (p->proto != IPPROTO_FRAGMENT || bpf_skb_load_bytes(skb, p->l4, &frag, sizeof(frag)))
		return;
	p->later_fragment = frag.frag_off & bpf_htons(~7);
	p->fragment = p->later_fragment || frag.frag_off & bpf_htons(1);
	p->proto = frag.nexthdr;
	p->l4 += sizeof(frag);
}

static __always_inline enum strict_frame read_ip6(const struct __sk_buff *skb, __u32 at,
						  struct strict_packet *p)
{
	struct ipv6hdr ip;

	if (bpf_skb_load_bytes(skb, at, &ip, sizeof(ip)) || ip.version != 6)
		return STRICT_UNCLEAR;
	__builtin_memcpy(&p->src, &ip.saddr, sizeof(p->src));
	__builtin_memcpy(&p->dst, &ip.daddr, sizeof(p->dst));
	p->v6 = true;
	p->hop_limit = ip.hop_limit;
	p->proto = ip.nexthdr;
	p->l4 = at + sizeof(ip);
	read_fragment6(skb, p);
	return STRICT_IP;
}

static __always_inline bool has_ports(__u8 proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
	       proto == IPPROTO_UDPLITE || proto == IPPROTO_DCCP;
}

static __always_inline void read_ports(const struct __sk_buff *skb, struct strict_packet *p)
{
	__be16 ports[2];

	if (p->later_fragment || !has_ports(p->proto) ||
	    bpf_skb_load_bytes(skb, p->l4, ports, sizeof(ports)))
		return;
	p->sport = ports[0];
	p->dport = ports[1];
}

/* @p: all zero */
static __always_inline enum strict_frame strict_read(const struct __sk_buff *skb,
						     struct strict_packet *p)
{
	enum strict_frame frame;
	__be16 type;
	__u32 at;

	if (find_type(skb, &type, &at))
		return STRICT_UNCLEAR;
	if (type == bpf_htons(ETH_P_IP))
		frame = read_ip4(skb, at, p);
	else if (type == bpf_htons(ETH_P_IPV6))
		frame = read_ip6(skb, at, p);
	else
		return STRICT_NOT_IP;
	read_ports(skb, p);
	return frame;
}

#endif
