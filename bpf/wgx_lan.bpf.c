/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The router path by tcx: plaintext between a LAN device and the tunnels, past the stack. See lan_packet.h for which
 * packets. One object serves all devices and interfaces; it is there while the daemon is.
 */
#include "lan.h"
#include "lan_headers.h"

/*
 * Ingress of a LAN device. What is routed to an interface goes on in its wgx_egress_lan, which knows the allowed IPs;
 * that takes the frame to the interface's far end, or leaves it to the stack as well.
 */
SEC("tc")
int wgx_lan_in(struct __sk_buff *skb)
{
	const struct wgx_lan_tunnel *tunnel = NULL;
	struct bpf_fib_lookup asked = {}, route;
	int pass = read_frame(skb, &asked);

	if (pass == LAN_GO) {
		route = asked;
		pass = find_route(skb, skb->ifindex, &route);
	}
	if (pass == LAN_GO) {
		tunnel = bpf_map_lookup_elem(&lan_tunnels, &route.ifindex);
		pass = tunnel ? LAN_GO : WGX_LAN_PASS_ROUTE;
	}
	/* of IPv6 the stack looks at no way back, so that a packet out of another one would be as good */
	if (pass == LAN_GO && asked.family == AF_INET && !is_way_back(skb, skb->ifindex, &asked))
		pass = WGX_LAN_PASS_SOURCE;
	if (pass != LAN_GO || !tunnel) {
		count_pass(skb->ifindex, pass, segments(skb));
		return TC_ACT_UNSPEC; /* other programs on the device's ingress get their turn */
	}
	skb->cb[0] = route.ifindex;
	skb->cb[1] = hash_flow(&asked);
	count_sent(skb->ifindex, segments(skb), skb->len - ETH_HLEN);
	bpf_tail_call(skb, &lan_egress, tunnel->slot);
	skb->cb[0] = skb->cb[1] = 0;
	return TC_ACT_UNSPEC; /* it has just gone */
}

/* Ingress of an interface: decrypted packets. What is routed to a LAN device leaves by that. */
SEC("tc")
int wgx_lan_out(struct __sk_buff *skb)
{
	struct bpf_fib_lookup asked = {}, route;
	struct bpf_redir_neigh hop = {};
	int pass = read_frame(skb, &asked);

	if (pass == LAN_GO) {
		route = asked;
		pass = find_route(skb, skb->ifindex, &route);
	}
	if (pass == LAN_GO && !bpf_map_lookup_elem(&lan_devices, &route.ifindex))
		pass = WGX_LAN_PASS_ROUTE;
	if (pass == LAN_GO && asked.family == AF_INET && !is_way_back(skb, skb->ifindex, &asked))
		pass = WGX_LAN_PASS_SOURCE;
	if (pass != LAN_GO || forward_headers(skb, NULL)) {
		count_pass(skb->ifindex, pass, segments(skb));
		return TC_ACT_UNSPEC;
	}
	/* the next hop: its neighbour entry is used as the stack does, which resolves it and keeps it fresh */
	hop.nh_family = route.family;
	__builtin_memcpy(hop.ipv6_nh, route.ipv6_dst, sizeof(hop.ipv6_nh));
	count_sent(skb->ifindex, segments(skb), skb->len - ETH_HLEN);
	return bpf_redirect_neigh(route.ifindex, &hop, sizeof(hop), 0);
}

char _license[] SEC("license") = "Dual MIT/GPL";
