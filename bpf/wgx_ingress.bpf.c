/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The underlay's ingress, as tcx program (to the collector, superframes whole) and as XDP program
 * (straight to an AF_XDP socket). One logic, ingress.h; only the way on differs.
 */
#include "ingress.h"
#include "xsks.h"

static __always_inline int steer_tc(struct __sk_buff *skb, const struct wgx_bpf_config *cfg)
{
	struct wgx_stamp stamp = {
		.magic = WGX_STAMP_MAGIC,
		.flags = WGX_STAMP_INGRESS,
		.gso_size = skb->gso_size,
		.device = skb->ifindex,
	};

	if (stamp_write(skb, &stamp))
		return TC_ACT_UNSPEC;
	/* the underlay's queue number means nothing to the collector, which has one queue */
	skb->queue_mapping = 0;
	if (cfg->flags & WGX_CONFIG_REDIRECT_PEER)
		return bpf_redirect_peer(cfg->collector, 0);
	return bpf_redirect(cfg->collector, BPF_F_INGRESS);
}

SEC("tc")
int wgx_ingress_tc(struct __sk_buff *skb)
{
	const struct wgx_bpf_config *cfg = config_get();
	struct frame f = {
		.ctx = skb, .kind = FRAME_SKB, .len = skb->len, .gso = skb->gso_size != 0};
	enum verdict verdict;

	if (!cfg || !cfg->collector || skb->vlan_present)
		return TC_ACT_UNSPEC;
	if (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6))
		return TC_ACT_UNSPEC;
	if (headers_pull(skb, INGRESS_HEADERS))
		return TC_ACT_UNSPEC;
	f.data = (void *)(long)skb->data;
	f.end = (void *)(long)skb->data_end;
	verdict = judge(&f);
	if (verdict == VERDICT_STEER && f.gso && cfg->flags & WGX_CONFIG_GSO_TO_SOCKET)
		verdict = VERDICT_PASS;
	count_verdict(verdict, &f);
	if (verdict == VERDICT_STEER)
		return steer_tc(skb, cfg);
	/* not TC_ACT_OK: other programs on the device's ingress get their turn */
	return verdict_drops(verdict) ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

static __always_inline int ingress_xdp(struct xdp_md *ctx, struct frame *f)
{
	enum verdict verdict;

	f->data = (void *)(long)ctx->data;
	f->end = (void *)(long)ctx->data_end;
	verdict = judge(f);
	/* a queue without a socket: the UDP socket takes its packets */
	if (verdict == VERDICT_STEER &&
	    bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS) != XDP_REDIRECT)
		verdict = VERDICT_PASS;
	count_verdict(verdict, f);
	if (verdict == VERDICT_STEER)
		return XDP_REDIRECT;
	return verdict_drops(verdict) ? XDP_DROP : XDP_PASS;
}

SEC("xdp.frags")
int wgx_ingress_xdp(struct xdp_md *ctx)
{
	struct frame f = {.ctx = ctx, .kind = FRAME_XDP, .len = bpf_xdp_get_buff_len(ctx)};

	return ingress_xdp(ctx, &f);
}

/* For kernels and drivers without multi-buffer XDP */
SEC("xdp")
int wgx_ingress_xdp_linear(struct xdp_md *ctx)
{
	struct frame f = {
		.ctx = ctx,
		.kind = FRAME_XDP_LINEAR,
		.len = (void *)(long)ctx->data_end - (void *)(long)ctx->data,
	};

	return ingress_xdp(ctx, &f);
}

char _license[] SEC("license") = "Dual MIT/GPL";
