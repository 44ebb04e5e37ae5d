/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * XDP at a far end: wg0's, or the collector's. Nothing but the worker has business there, so what
 * no socket takes is dropped.
 */
#include "xsks.h"

static __always_inline int steer(struct xdp_md *ctx)
{
	/* the helper looks the socket up itself and returns XDP_DROP where there is none */
	long action = bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_DROP);

	if (action != XDP_REDIRECT)
		count_drop(WGX_DROP_STEER_NO_RING);
	return action;
}

SEC("xdp.frags")
int wgx_steer(struct xdp_md *ctx)
{
	return steer(ctx);
}

/* For kernels without multi-buffer XDP (before 5.18; before 6.9 for generic XDP) */
SEC("xdp")
int wgx_steer_linear(struct xdp_md *ctx)
{
	return steer(ctx);
}

char _license[] SEC("license") = "Dual MIT/GPL";
