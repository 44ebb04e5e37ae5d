/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* wg0's egress where superframes and unfinished checksums cross whole: see egress.h. */
#include "egress.h"
#include "lan_headers.h"

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

	/* wg0 takes no such superframe, so the kernel segments it after us: each of its packets has the stamp */
	if (skb->gso_size && gso_is_of_tunnel(skb))
		stamp.gso_size = 0;
	stamp_checksum(skb, &stamp);
	return egress(skb, stamp);
}

/* Here nothing stands behind us that would complete a checksum; wgx_lan_in has seen to it that the worker can. */
static __always_inline void stamp_checksum_lan(struct __sk_buff *skb, struct wgx_stamp *stamp)
{
	struct sk_buff *kskb = bpf_cast_to_kern_ctx(skb);

	if (BPF_CORE_READ_BITFIELD(kskb, ip_summed) != CHECKSUM_PARTIAL)
		return;
	stamp->flags |= WGX_STAMP_PARTIAL;
	stamp->csum_start = kskb->csum_start - kskb->mac_header - ETH_HLEN;
	stamp->csum_offset = kskb->csum_offset;
}

static __always_inline int pass_lan(struct __sk_buff *skb)
{
	skb->cb[0] = skb->cb[1] = 0;
	count_add(WGX_CTR_LAN_PASSED, 1);
	return TC_ACT_UNSPEC;
}

/*
 * The router path: wgx_lan_in's tail, for a frame that came in by a LAN device and is routed to wg0, whose ifindex is
 * in cb[0], with the flow's hash in cb[1]. Does what the stack and wgx_egress would, and takes the frame to where wg0 would have.
 */
SEC("tc")
int wgx_egress_lan(struct __sk_buff *skb)
{
	struct wgx_stamp stamp = egress_stamp(skb);
	const struct wgx_bpf_config *cfg = config_get();
	__u32 wg0 = skb->cb[0], peer = 0;

	if (!cfg || route_frame(skb, &peer) != ROUTE_PEER)
		return pass_lan(
			skb); /* the stack, wgx_egress and the seal worker tell the sender */
	if (!credit_take(skb, cfg, skb->cb[1], &stamp))
		return drop_of_peer(skb, WGX_DROP_EGRESS_CREDIT, ROUTE_PEER, peer);
	stamp_checksum_lan(skb, &stamp);
	if (forward_headers(skb, &stamp))
		return drop_of_peer(skb, WGX_DROP_EGRESS_MALFORMED, ROUTE_PEER, peer);
	count_peer(skb, peer);
	count_add(WGX_CTR_EGRESS_FRAMES, 1);
	count_add(WGX_CTR_EGRESS_BYTES, skb->len);
	count_add(WGX_CTR_LAN_FRAMES, 1);
	count_add(WGX_CTR_LAN_BYTES, skb->len);
	skb->queue_mapping =
		WGX_CREDIT_QUEUE(stamp.bucket, cfg->queues) + 1; /* as received by it */
	return bpf_redirect_peer(wg0, 0);
}

char _license[] SEC("license") = "Dual MIT/GPL";
