/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * wg0's tcx egress: which peer is it for, is there credit, and the stamp. What passes goes on to
 * wg0's far end, where wgx_steer hands it to the seal worker.
 */
#include "allowed_ips.h"
#include "credit.h"

/* peer id -> what people want to see of a peer. The control thread writes, tools read. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 131072);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct wgx_bpf_peer);
} peers SEC(".maps");

/* peer id -> counts. The control thread makes and removes entries, egress counts in them. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 131072);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct wgx_bpf_peer_stats);
} peer_stats SEC(".maps");

/*
 * Set before load: the kernel has bpf_cast_to_kern_ctx() (6.2 and later). Where it is false, transmit
 * checksum offload on wg0 must be off, for a partial checksum goes unseen.
 */
const volatile bool have_kern_ctx = true;

extern void *bpf_cast_to_kern_ctx(void *obj) __ksym __weak;

/* __sk_buff has no ip_summed: a checksum yet to be completed is seen in the kernel's own sk_buff */
static __always_inline void stamp_checksum(struct __sk_buff *skb, struct wgx_stamp *stamp)
{
	struct sk_buff *kskb = bpf_cast_to_kern_ctx(skb);

	if (BPF_CORE_READ_BITFIELD(kskb, ip_summed) != CHECKSUM_PARTIAL)
		return;
	stamp->flags |= WGX_STAMP_PARTIAL;
	/* on egress the frame starts at mac_header (__dev_queue_xmit() resets it) */
	stamp->csum_start = kskb->csum_start - kskb->mac_header - ETH_HLEN;
	stamp->csum_offset = kskb->csum_offset;
}

/* A GSO packet of an untrusted source (a guest, AF_PACKET) has no gso_segs yet */
static __always_inline __u32 segments(const struct __sk_buff *skb)
{
	if (!skb->gso_size)
		return 1;
	return skb->gso_segs ?: (skb->len + skb->gso_size - 1) / skb->gso_size;
}

static __always_inline void count_peer(const struct __sk_buff *skb, __u32 peer)
{
	struct wgx_bpf_peer_stats *stats = bpf_map_lookup_elem(&peer_stats, &peer);

	if (!stats)
		return;
	stats->tx_packets += segments(skb);
	stats->tx_bytes += skb->len - ETH_HLEN;
}

static __always_inline int drop(__u32 reason)
{
	count_drop(reason);
	return TC_ACT_SHOT;
}

static __always_inline int egress(struct __sk_buff *skb, bool kern_ctx)
{
	const struct wgx_bpf_config *cfg = config_get();
	struct wgx_stamp stamp = {.magic = WGX_STAMP_MAGIC, .gso_size = skb->gso_size};
	__u32 peer = 0;
	enum route route = route_frame(skb, &peer);

	if (route == ROUTE_MALFORMED)
		return drop(WGX_DROP_EGRESS_MALFORMED);
	if (route == ROUTE_SILENT)
		return drop(WGX_DROP_EGRESS_NO_PEER);
	if (route == ROUTE_UNREACHABLE)
		stamp.flags |= WGX_STAMP_NO_PEER;
	if (kern_ctx)
		stamp_checksum(skb, &stamp);
	if (!cfg || !credit_take(skb, cfg, &stamp))
		return drop(WGX_DROP_EGRESS_CREDIT);
	if (stamp_write(skb, &stamp))
		return drop(WGX_DROP_EGRESS_MALFORMED);
	if (route == ROUTE_PEER)
		count_peer(skb, peer);
	count_add(WGX_CTR_EGRESS_FRAMES, 1);
	count_add(WGX_CTR_EGRESS_BYTES, skb->len);
	return TC_ACT_UNSPEC; /* other programs on wg0's egress get their turn */
}

SEC("tc")
int wgx_egress(struct __sk_buff *skb)
{
	return egress(skb, have_kern_ctx);
}

/* For kernels before 5.16, whose verifier refuses an unresolved kfunc even in dead code */
SEC("?tc")
int wgx_egress_plain(struct __sk_buff *skb)
{
	return egress(skb, false);
}

char _license[] SEC("license") = "Dual MIT/GPL";
