/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What a router changes in a packet. */
#ifndef WGX_BPF_LAN_HEADERS_H
#define WGX_BPF_LAN_HEADERS_H

#include "drop.h"

/* As ip_decrease_ttl(); the TTL is above 1. @ip: 12 bytes of the header */
static __always_inline void take_hop4(__u8 *ip)
{
	__u32 sum = (ip[10] << 8 | ip[11]) + 0x0100;

	sum += sum >= 0xffff;
	ip[10] = sum >> 8;
	ip[11] = sum;
	ip[8]--;
}

static __always_inline void take_hop6(__u8 *ip)
{
	ip[7]--;
}

/*
 * The frame's first bytes with the TTL or hop limit, which is above 1, less by one, and @macs, if any, in place of the
 * MAC addresses. All in one write: each unclones the frame.
 */
static __always_inline long forward_headers(struct __sk_buff *skb, const void *macs)
{
	struct {
		__u8 macs[12];
		__be16 type;
		__u8 ip[12];
	} __attribute__((packed)) head;
	const void *data = (const void *)(long)skb->data, *end = (const void *)(long)skb->data_end;

	if (data + sizeof(head) > end)
		return -1;
	__builtin_memcpy(&head, data, sizeof(head));
	if (macs)
		__builtin_memcpy(head.macs, macs, sizeof(head.macs));
	if (head.type == bpf_htons(ETH_P_IPV6))
		take_hop6(head.ip);
	else
		take_hop4(head.ip);
	return bpf_skb_store_bytes(skb, 0, &head, sizeof(head), 0);
}

#endif
