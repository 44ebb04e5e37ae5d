/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * wg0's egress: which peer is it for, is there credit, and the stamp. What passes goes on to wg0's far
 * end, where wgx_steer hands it to the seal worker.
 */
#ifndef WGX_BPF_EGRESS_H
#define WGX_BPF_EGRESS_H

#include "allowed_ips.h"
#include "credit.h"
#include "gso.h"

/* peer id -> what people want to see of a peer. The control thread writes, tools read. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 131072);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct wgx_bpf_peer);
} peers SEC(".maps");

/*
 * peer id -> counts. The control thread makes and removes entries, egress counts in them. Not per CPU: the kernel
 * takes 13 us to make such an entry, and memory on every CPU for each peer, of which most are silent.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 131072);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct wgx_bpf_peer_stats);
} peer_stats SEC(".maps");

static __always_inline void count_peer(struct __sk_buff *skb, __u32 peer)
{
	struct wgx_bpf_peer_stats *stats = bpf_map_lookup_elem(&peer_stats, &peer);

	if (!stats)
		return;
	__sync_fetch_and_add(&stats->tx_packets, segments(skb));
	__sync_fetch_and_add(&stats->tx_bytes, skb->len - ETH_HLEN);
}

static __always_inline int drop(struct __sk_buff *skb, enum wgx_drop_reason reason)
{
	count_drops(reason, segments(skb));
	return TC_ACT_SHOT;
}

/* Likewise, of a packet whose peer is known if @route says so */
static __always_inline int drop_of_peer(struct __sk_buff *skb, enum wgx_drop_reason reason,
					enum route route, __u32 peer)
{
	struct wgx_bpf_peer_stats *stats;

	stats = route == ROUTE_PEER ? bpf_map_lookup_elem(&peer_stats, &peer) : NULL;
	if (stats && reason == WGX_DROP_EGRESS_CREDIT)
		__sync_fetch_and_add(&stats->egress_credit, segments(skb));
	else if (stats && reason == WGX_DROP_EGRESS_LOOP)
		__sync_fetch_and_add(&stats->egress_loop, segments(skb));
	return drop(skb, reason);
}

/*
 * wg0's own messages, routed into wg0, would be sealed again, and again. The Linux driver refuses to send
 * them (ELOOP).
 */
static __always_inline bool is_own(struct __sk_buff *skb, const struct wgx_bpf_config *cfg)
{
	__u64 cookie = bpf_get_socket_cookie(skb);

	return cookie && (cookie == cfg->own_sockets[0] || cookie == cfg->own_sockets[1]);
}

static __always_inline struct wgx_stamp egress_stamp(const struct __sk_buff *skb)
{
	return (struct wgx_stamp){.magic = WGX_STAMP_MAGIC, .gso_size = skb->gso_size};
}

static __always_inline int egress(struct __sk_buff *skb, struct wgx_stamp stamp)
{
	const struct wgx_bpf_config *cfg = config_get();
	__u32 peer = 0;
	enum route route = route_frame(skb, &peer);

	if (cfg && is_own(skb, cfg))
		return drop_of_peer(skb, WGX_DROP_EGRESS_LOOP, route, peer);
	if (route == ROUTE_MALFORMED)
		return drop(skb, WGX_DROP_EGRESS_MALFORMED);
	if (route == ROUTE_SILENT)
		return drop(skb, WGX_DROP_EGRESS_NO_PEER);
	if (route == ROUTE_UNREACHABLE)
		stamp.flags |= WGX_STAMP_NO_PEER;
	if (!cfg || !credit_take(skb, cfg, bpf_get_hash_recalc(skb), &stamp))
		return drop_of_peer(skb, WGX_DROP_EGRESS_CREDIT, route, peer);
	if (stamp_write(skb, &stamp))
		return drop(skb, WGX_DROP_EGRESS_MALFORMED);
	if (route == ROUTE_PEER)
		count_peer(skb, peer);
	count_add(WGX_CTR_EGRESS_FRAMES, 1);
	count_add(WGX_CTR_EGRESS_BYTES, skb->len);
	return TC_ACT_UNSPEC; /* other programs on wg0's egress get their turn */
}

#endif
