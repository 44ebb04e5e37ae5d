/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Superframes: how many packets is a frame? */
#ifndef WGX_BPF_GSO_H
#define WGX_BPF_GSO_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>

extern void *bpf_cast_to_kern_ctx(void *obj) __ksym;

/* What segmenting in the seal worker, or in the stack, is the inverse of; no tunnel, no UDP fragments (UFO) */
#define GSO_TYPES                                                                           \
	(SKB_GSO_TCPV4 | SKB_GSO_TCPV6 | SKB_GSO_TCP_ECN | SKB_GSO_UDP_L4 | SKB_GSO_DODGY | \
	 __SKB_GSO_TCP_FIXEDID | SKB_GSO_TCP_FIXEDID)

static __always_inline __u8 byte_at(struct __sk_buff *skb, __u32 at)
{
	__u8 byte = 0;

	bpf_skb_load_bytes(skb, at, &byte, sizeof(byte));
	return byte;
}

/* Up to the payload of TCP or UDP, without IPv6 extension headers */
static __always_inline __u32 headers_len(struct __sk_buff *skb)
{
	bool v6 = skb->protocol == bpf_htons(ETH_P_IPV6);
	__u32 at = ETH_HLEN + (v6 ? sizeof(struct ipv6hdr) : (byte_at(skb, ETH_HLEN) & 0xf) * 4);

	if (byte_at(skb, ETH_HLEN + (v6 ? 6 : 9)) == IPPROTO_UDP)
		return at + sizeof(struct udphdr);
	return at + (byte_at(skb, at + 12) >> 4) * 4; /* the data offset of TCP */
}

/*
 * Packets that the frame stands for. A GSO packet of an untrusted source (a guest, AF_PACKET) has no gso_segs
 * yet.
 */
static __always_inline __u32 segments(struct __sk_buff *skb)
{
	__u32 headers;

	if (!skb->gso_size)
		return 1;
	if (skb->gso_segs)
		return skb->gso_segs;
	headers = headers_len(skb);
	return headers < skb->len ? (skb->len - headers + skb->gso_size - 1) / skb->gso_size : 1;
}

/* Is it a superframe of a tunnel's packets, or of a protocol that we do not know? */
static __always_inline bool gso_is_of_tunnel(struct __sk_buff *skb)
{
	struct sk_buff *kskb = bpf_cast_to_kern_ctx(skb);
	const struct skb_shared_info *info = (const void *)(kskb->head + kskb->end);

	return BPF_CORE_READ(info, gso_type) & ~GSO_TYPES;
}

#endif
