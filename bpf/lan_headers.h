/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What a router changes in a packet. */
#ifndef WGX_BPF_LAN_HEADERS_H
#define WGX_BPF_LAN_HEADERS_H

#include "path.h"

/*
 * The frame's first bytes with the TTL or hop limit, which is above 1, less by one, and @macs in place of the MAC
 * addresses. All in one write: each unclones the frame.
 */
static __always_inline long forward_headers(struct __sk_buff *skb, const void *macs)
{
	struct {
		__u8 macs[12];
		__be16 type;
		union {
			struct {
				__u8 start[8];
				__u8 ttl;
				__u8 protocol;
				__u8 check[2];
			} ip;
			struct {
				__u8 start[7];
				__u8 hop_limit;
				__u8 src[4];
			} ip6;
		};
	} __attribute__((packed)) head;
	const void *data = (const void *)(long)skb->data, *end = (const void *)(long)skb->data_end;
	__u32 sum;

	if (data + sizeof(head) > end)
		return -1;
	__builtin_memcpy(&head, data, sizeof(head));
	if (macs)
		__builtin_memcpy(head.macs, macs, sizeof(head.macs));
	if (head.type == bpf_htons(ETH_P_IPV6)) {
		head.ip6.hop_limit--;
	} else { /* as ip_decrease_ttl() */
		sum = (head.ip.check[0] << 8 | head.ip.check[1]) + 0x0100;
		sum += sum >= 0xffff;
		head.ip.check[0] = sum >> 8;
		head.ip.check[1] = sum;
		head.ip.ttl--;
	}
	return bpf_skb_store_bytes(skb, 0, &head, sizeof(head), 0);
}

#endif
