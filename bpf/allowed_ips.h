/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Cryptokey routing: which peer does a destination on wg0 belong to? */
#ifndef WGX_BPF_ALLOWED_IPS_H
#define WGX_BPF_ALLOWED_IPS_H

#include "path.h"

#define WGX_ALLOWED_IPS_MAX 1048576

/* prefix -> peer id. The control thread writes, by difference; egress reads. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, WGX_ALLOWED_IPS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct wgx_lpm4);
	__type(value, __u32);
} allowed_ips4 SEC(".maps");

/* prefix -> peer id. The control thread writes, by difference; egress reads. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, WGX_ALLOWED_IPS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct wgx_lpm6);
	__type(value, __u32);
} allowed_ips6 SEC(".maps");

enum route {
	ROUTE_PEER,
	ROUTE_UNREACHABLE, /* unicast in no peer's allowed IPs: the sender wants to know */
	ROUTE_SILENT, /* multicast or broadcast in no peer's allowed IPs: nobody is told */
	ROUTE_MALFORMED,
};

static __always_inline enum route route4(const void *l3, const void *end, __u32 *ret_peer)
{
	const struct iphdr *ip = l3;
	struct wgx_lpm4 key = {.prefixlen = 32};
	__u32 *peer;

	if (l3 + sizeof(*ip) > end || ip->version != 4 || ip->ihl < 5)
		return ROUTE_MALFORMED;
	__builtin_memcpy(key.addr, &ip->daddr, sizeof(key.addr));
	peer = bpf_map_lookup_elem(&allowed_ips4, &key);
	if (peer) {
		*ret_peer = *peer;
		return ROUTE_PEER;
	}
	/* 224.0.0.0/4, 255.255.255.255: a subnet's own broadcast address cannot be told here */
	if ((key.addr[0] & 0xf0) == 0xe0 || ip->daddr == 0xffffffff)
		return ROUTE_SILENT;
	return ROUTE_UNREACHABLE;
}

static __always_inline enum route route6(const void *l3, const void *end, __u32 *ret_peer)
{
	const struct ipv6hdr *ip = l3;
	struct wgx_lpm6 key = {.prefixlen = 128};
	__u32 *peer;

	if (l3 + sizeof(*ip) > end || ip->version != 6)
		return ROUTE_MALFORMED;
	__builtin_memcpy(key.addr, &ip->daddr, sizeof(key.addr));
	peer = bpf_map_lookup_elem(&allowed_ips6, &key);
	if (peer) {
		*ret_peer = *peer;
		return ROUTE_PEER;
	}
	return key.addr[0] == 0xff ? ROUTE_SILENT : ROUTE_UNREACHABLE;
}

/* Finds the peer of a frame that leaves through wg0. The frame's own Ethertype counts: it is what
 * the worker will read.
 */
static __always_inline enum route route_frame(struct __sk_buff *skb, __u32 *ret_peer)
{
	const void *data, *end;
	const struct ethhdr *eth;

	if (skb->vlan_present || headers_pull(skb, ETH_HLEN + sizeof(struct ipv6hdr)))
		return ROUTE_MALFORMED;
	data = (const void *)(long)skb->data;
	end = (const void *)(long)skb->data_end;
	eth = data;
	if (data + sizeof(*eth) > end)
		return ROUTE_MALFORMED;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return route4(data + sizeof(*eth), end, ret_peer);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return route6(data + sizeof(*eth), end, ret_peer);
	return ROUTE_MALFORMED;
}

#endif
