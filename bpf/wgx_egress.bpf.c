/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* wg0's egress where superframes and unfinished checksums cross whole: see egress.h. */
#include "egress.h"

extern void *bpf_cast_to_kern_ctx(void *obj) __ksym;

#define NEXTHDR_HOP 0

/* struct sctphdr: its checksum is a CRC */
#define SCTP_CSUM_OFFSET 8

/*
 * What is not complete now, will it be when the frame is at the far end? The kernel completes what wg0 has no
 * offload for after tcx: CRCs, and where somebody switched transmit checksums off, all.
 */
static __always_inline bool kernel_completes(const struct sk_buff *kskb)
{
	return !(kskb->dev->features & 1ULL << NETIF_F_HW_CSUM_BIT) ||
	       kskb->csum_offset == SCTP_CSUM_OFFSET;
}

/*
 * TCP makes a superframe of two segments at least, and so one of more than 64 KB where the MTU is above
 * half of that. It is too large for wg0 (gso_max_size), so the kernel segments it after us, and takes
 * the jumbo option out that it had put behind the IPv6 header.
 */
static __always_inline __u16 jumbo_option(struct __sk_buff *skb)
{
	struct ipv6hdr ip;

	if (skb->len <= ETH_HLEN + 65535 || skb->protocol != bpf_htons(ETH_P_IPV6) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return 0;
	return ip.nexthdr == NEXTHDR_HOP && !ip.payload_len ? 8 : 0;
}

/* __sk_buff has no ip_summed: a checksum yet to be completed is seen in the kernel's own sk_buff */
static __always_inline void stamp_checksum(struct __sk_buff *skb, struct wgx_stamp *stamp)
{
	struct sk_buff *kskb = bpf_cast_to_kern_ctx(skb);

	if (BPF_CORE_READ_BITFIELD(kskb, ip_summed) != CHECKSUM_PARTIAL || kernel_completes(kskb))
		return;
	stamp->flags |= WGX_STAMP_PARTIAL;
	/* on egress the frame starts at mac_header (__dev_queue_xmit() resets it) */
	stamp->csum_start = kskb->csum_start - kskb->mac_header - ETH_HLEN - jumbo_option(skb);
	stamp->csum_offset = kskb->csum_offset;
}

SEC("tc")
int wgx_egress(struct __sk_buff *skb)
{
	struct wgx_stamp stamp = egress_stamp(skb);

	stamp_checksum(skb, &stamp);
	return egress(skb, stamp);
}

char _license[] SEC("license") = "Dual MIT/GPL";
