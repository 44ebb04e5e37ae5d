/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The router path in tc: frames with offloads. See lan_packet.h. */
#ifndef WGX_BPF_LAN_H
#define WGX_BPF_LAN_H

#include "gso.h"
#include "lan_packet.h"
#include "path.h"

#define TCP_CSUM_OFFSET 16
#define UDP_CSUM_OFFSET 6

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, WGX_LAN_TUNNELS);
	__type(key, __u32);
	__type(value, __u32);
} lan_egress SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u8);
} lan_devices SEC(".maps");

/* ---- reading a frame ---- */

static __always_inline int read_packet(struct __sk_buff *skb, struct bpf_fib_lookup *fib)
{
	if (headers_pull(skb, LAN_HEADERS))
		return WGX_LAN_PASS_UNUSUAL;
	return read_headers((const void *)(long)skb->data, (const void *)(long)skb->data_end,
			    skb->len, skb->protocol == bpf_htons(ETH_P_IPV6), fib);
}

static __always_inline bool is_at_home(struct __sk_buff *skb)
{
	struct sk_buff *kskb = bpf_cast_to_kern_ctx(skb);

	return is_home(kskb->dev);
}

/*
 * Are the offloads of the frame those that its headers show? A sum that is to be completed elsewhere, and segments of
 * another kind, are of a tunnel or of a protocol that we do not know.
 */
static __always_inline bool offloads_fit(struct __sk_buff *skb, const struct bpf_fib_lookup *fib)
{
	struct sk_buff *kskb = bpf_cast_to_kern_ctx(skb);
	__u32 start =
		ETH_HLEN + (fib->family == AF_INET ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	bool tcp = fib->l4_protocol == IPPROTO_TCP;

	if (BPF_CORE_READ_BITFIELD(kskb, ip_summed) != CHECKSUM_PARTIAL)
		return !skb->gso_size;
	if (skb->gso_size && gso_is_of_tunnel(skb))
		return false;
	return (__u16)(kskb->csum_start - kskb->mac_header) == start &&
	       (tcp || fib->l4_protocol == IPPROTO_UDP) &&
	       kskb->csum_offset == (tcp ? TCP_CSUM_OFFSET : UDP_CSUM_OFFSET);
}

/* What has to fit the route is the largest segment. A superframe may have no more than one, which is smaller. */
static __always_inline void measure_segment(struct __sk_buff *skb, struct bpf_fib_lookup *fib)
{
	__u32 len = headers_len(skb) - ETH_HLEN + skb->gso_size;

	if (len < fib->tot_len)
		fib->tot_len = len;
}

/* The frame by itself. @ret: all zero; what to ask for the route */
static __always_inline int read_frame(struct __sk_buff *skb, struct bpf_fib_lookup *ret)
{
	int pass;

	if (skb->pkt_type != PACKET_HOST || skb->vlan_present || skb->mark ||
	    (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6)))
		return WGX_LAN_PASS_NOT_OURS;
	if (!is_at_home(skb))
		return WGX_LAN_PASS_NOT_OURS;
	if (skb->len > ETH_HLEN + 65535)
		return WGX_LAN_PASS_UNUSUAL;
	pass = read_packet(skb, ret);
	if (pass != LAN_GO)
		return pass;
	if (!offloads_fit(skb, ret))
		return WGX_LAN_PASS_UNUSUAL;
	if (skb->gso_size)
		measure_segment(skb, ret);
	return LAN_GO;
}

#endif
