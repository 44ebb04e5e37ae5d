/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The router path by XDP: from a LAN device's driver straight to an AF_XDP socket of the seal worker, which looks into
 * allowed IPs, and tells the sender where there is no peer. One packet a frame, no superframes. Without credit: a full
 * ring costs nothing here that has been spent. One object a device; out of the tunnel it is wgx_lan_out.
 */
#include "lan_headers.h"
#include "lan_packet.h"
#include "xsks.h"

/* The sender may have left the checksum to the device, and XDP does not see that: a veth. Set before this is loaded */
const volatile __u8 lan_unsure;

/* XDP sees no packet type: is it to the device's own address? */
static __always_inline bool is_to(const struct net_device *dev, const struct ethhdr *eth)
{
	__u64 own = 0, dest = 0;

	__builtin_memcpy(&dest, eth->h_dest, sizeof(eth->h_dest));
	return !bpf_probe_read_kernel(&own, sizeof(eth->h_dest), dev->dev_addr) && own == dest;
}

static __always_inline int read_xdp(struct xdp_md *ctx, struct bpf_fib_lookup *ret)
{
	const struct xdp_buff *buff = bpf_cast_to_kern_ctx(ctx);
	const struct net_device *dev = buff->rxq->dev;
	const void *data = (const void *)(long)ctx->data, *end = (const void *)(long)ctx->data_end;
	const struct ethhdr *eth = data;
	bool v6;

	if ((void *)(eth + 1) > end || !is_home(dev) || !is_to(dev, eth))
		return WGX_LAN_PASS_NOT_OURS;
	v6 = eth->h_proto == bpf_htons(ETH_P_IPV6);
	if (!v6 && eth->h_proto != bpf_htons(ETH_P_IP))
		return WGX_LAN_PASS_NOT_OURS;
	return read_headers(data, end, bpf_xdp_get_buff_len(ctx), v6, ret);
}

static __always_inline int stamp_xdp(struct xdp_md *ctx, __u32 iface)
{
	const struct wgx_stamp stamp = {
		.magic = WGX_STAMP_MAGIC,
		.flags = WGX_STAMP_LAN | (lan_unsure ? WGX_STAMP_UNSURE : 0),
		.iface = iface,
	};
	void *data = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = data;

	if (data + sizeof(*eth) + sizeof(struct iphdr) > end)
		return -1;
	__builtin_memcpy(data, &stamp, sizeof(stamp));
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		take_hop6(data + sizeof(*eth));
	else
		take_hop4(data + sizeof(*eth));
	return 0;
}

SEC("xdp.frags")
int wgx_lan_xdp(struct xdp_md *ctx)
{
	const struct wgx_lan_tunnel *tunnel = NULL;
	struct bpf_fib_lookup asked = {}, route;
	int pass = read_xdp(ctx, &asked);

	if (pass == LAN_GO) {
		route = asked;
		pass = find_route(ctx, ctx->ingress_ifindex, &route);
	}
	if (pass == LAN_GO) {
		tunnel = bpf_map_lookup_elem(&lan_tunnels, &route.ifindex);
		pass = tunnel ? LAN_GO : WGX_LAN_PASS_ROUTE;
	}
	/* in IPv6 too: where the driver takes VLAN tags off, a frame of a VLAN looks as if it had none */
	if (pass == LAN_GO && !is_way_back(ctx, ctx->ingress_ifindex, &asked))
		pass = WGX_LAN_PASS_SOURCE;
	/* a queue without a socket: the stack takes its packets */
	if (pass == LAN_GO &&
	    bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS) != XDP_REDIRECT)
		pass = WGX_LAN_PASS_NOT_OURS;
	if (pass != LAN_GO || !tunnel || stamp_xdp(ctx, tunnel->iface)) {
		count_pass(ctx->ingress_ifindex, pass, 1);
		return XDP_PASS;
	}
	count_sent(ctx->ingress_ifindex, 1, bpf_xdp_get_buff_len(ctx) - ETH_HLEN);
	return XDP_REDIRECT;
}

char _license[] SEC("license") = "Dual MIT/GPL";
