/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The router path: which packets may go past the stack, by what the stack would do with them as a router (RFC 1812;
 * ip_rcv(), ip_forward(), ip6_forward()). Only the plain case is taken: whole packets without options, TTL left, to
 * this router's MAC address, that fit the route. All else is the stack's, untouched: it answers, fragments, drops.
 * What tc and XDP have in common.
 */
#ifndef WGX_BPF_LAN_PACKET_H
#define WGX_BPF_LAN_PACKET_H

#include "drop.h"
#include "gso.h"

#define LAN_GO (-1) /* else: an enum wgx_lan_pass */

#define LAN_HEADERS (ETH_HLEN + sizeof(struct ipv6hdr) + sizeof(struct udphdr))

/* Inode of the daemon's network namespace: set before this is loaded */
const volatile __u32 lan_netns;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WGX_LAN_TUNNELS);
	__type(key, __u32);
	__type(value, struct wgx_lan_tunnel);
} lan_tunnels SEC(".maps");

/* The programs count. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024 + WGX_LAN_TUNNELS);
	__type(key, __u32);
	__type(value, struct wgx_lan_counts);
} lan_counts SEC(".maps");

/* The frame is of the namespace whose devices we know by their numbers: one that was moved keeps its programs. */
static __always_inline bool is_home(const struct net_device *dev)
{
	return dev->nd_net.net->ns.inum == lan_netns;
}

/* ---- reading a packet ---- */

static __always_inline bool is_unicast4(__be32 addr)
{
	__u8 first = bpf_ntohl(addr) >> 24;

	return first != 0 && first != 127 && first < 224;
}

/* Not multicast, nor of this link only, nor ::, ::1 */
static __always_inline bool is_unicast6(const __u32 *a)
{
	__u32 first = bpf_ntohl(a[0]);

	return first >> 24 != 0xff && first >> 22 != 0xfe80 >> 6 &&
	       (a[0] | a[1] | a[2] | (bpf_ntohl(a[3]) & ~1U));
}

/* The header's own checksum is right. */
static __always_inline bool is_whole4(const struct iphdr *ip)
{
	const __u16 *word = (const __u16 *)ip;
	__u32 sum = 0;

#pragma unroll
	for (unsigned int i = 0; i < sizeof(*ip) / sizeof(*word); i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return ((sum & 0xffff) + (sum >> 16)) == 0xffff;
}

/* @room: bytes of frame from the IP header on; Ethernet padding may be among them */
static __always_inline int read4(const void *l3, const void *end, __u32 room,
				 struct bpf_fib_lookup *fib)
{
	const struct iphdr *ip = l3;

	if (l3 + sizeof(*ip) > end || ip->version != 4 || ip->ihl != 5 || !is_whole4(ip))
		return WGX_LAN_PASS_UNUSUAL;
	fib->tot_len = bpf_ntohs(ip->tot_len);
	if (ip->frag_off & bpf_htons(IP_MF | IP_OFFSET) || fib->tot_len < sizeof(*ip) ||
	    fib->tot_len > room || !is_unicast4(ip->saddr) || !is_unicast4(ip->daddr))
		return WGX_LAN_PASS_UNUSUAL;
	if (ip->ttl <= 1)
		return WGX_LAN_PASS_TTL;
	fib->family = AF_INET;
	fib->l4_protocol = ip->protocol;
	fib->tos = ip->tos;
	fib->ipv4_src = ip->saddr;
	fib->ipv4_dst = ip->daddr;
	return LAN_GO;
}

/* ND, and what else is of this link only (RFC 4861), and may be for an address that the router is a proxy of */
static __always_inline bool is_of_link6(const struct ipv6hdr *ip)
{
	return ip->nexthdr == IPPROTO_ICMPV6 && ip->hop_limit == 255;
}

static __always_inline int read6(const void *l3, const void *end, __u32 room,
				 struct bpf_fib_lookup *fib)
{
	const struct ipv6hdr *ip = l3;

	if (l3 + sizeof(*ip) > end || ip->version != 6 || is_of_link6(ip))
		return WGX_LAN_PASS_UNUSUAL;
	if (ip->nexthdr != IPPROTO_TCP && ip->nexthdr != IPPROTO_UDP &&
	    ip->nexthdr != IPPROTO_ICMPV6)
		return WGX_LAN_PASS_UNUSUAL;
	__builtin_memcpy(fib->ipv6_src, &ip->saddr, sizeof(fib->ipv6_src));
	__builtin_memcpy(fib->ipv6_dst, &ip->daddr, sizeof(fib->ipv6_dst));
	/* jumbograms have no length here */
	if (!ip->payload_len || sizeof(*ip) + bpf_ntohs(ip->payload_len) > room ||
	    !is_unicast6(fib->ipv6_src) || !is_unicast6(fib->ipv6_dst))
		return WGX_LAN_PASS_UNUSUAL;
	if (ip->hop_limit <= 1)
		return WGX_LAN_PASS_TTL;
	fib->tot_len = sizeof(*ip) + bpf_ntohs(ip->payload_len);
	fib->family = AF_INET6;
	fib->l4_protocol = ip->nexthdr;
	fib->flowinfo = *(const __be32 *)ip & bpf_htonl(0x0fffffff);
	return LAN_GO;
}

/* Rules (ip rule) may ask for them. */
static __always_inline void read_ports(const void *l4, const void *end, struct bpf_fib_lookup *fib)
{
	const struct udphdr *udp = l4;

	if ((fib->l4_protocol != IPPROTO_TCP && fib->l4_protocol != IPPROTO_UDP) ||
	    l4 + sizeof(*udp) > end)
		return;
	fib->sport = udp->source;
	fib->dport = udp->dest;
}

/* @data: a frame of @len bytes, of which the first are there up to @end */
static __always_inline int read_headers(const void *data, const void *end, __u32 len, bool v6,
					struct bpf_fib_lookup *fib)
{
	__u32 l4 = ETH_HLEN + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	int pass;

	if (v6)
		pass = read6(data + ETH_HLEN, end, len - ETH_HLEN, fib);
	else
		pass = read4(data + ETH_HLEN, end, len - ETH_HLEN, fib);
	if (pass == LAN_GO)
		read_ports(data + l4, end, fib);
	return pass;
}

/* ---- what the stack would be asked ---- */

/*
 * The route, by all tables and rules, of a packet that came by @device; it says as well whether the device forwards,
 * and whether a packet fits. @fib: becomes the answer.
 */
static __always_inline int find_route(void *ctx, __u32 device, struct bpf_fib_lookup *fib)
{
	long err;

	fib->ifindex = device;
	err = bpf_fib_lookup(ctx, fib, sizeof(*fib), BPF_FIB_LOOKUP_SKIP_NEIGH);
	if (err == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return WGX_LAN_PASS_MTU;
	return err == BPF_FIB_LKUP_RET_SUCCESS ? LAN_GO : WGX_LAN_PASS_ROUTE;
}

/*
 * Strict reverse path (RFC 3704), whatever rp_filter says: where the way back is another one, the stack decides by
 * that. @asked: before find_route()
 */
static __always_inline bool is_way_back(void *ctx, __u32 device, const struct bpf_fib_lookup *asked)
{
	struct bpf_fib_lookup back = {
		.family = asked->family,
		.l4_protocol = asked->l4_protocol,
		.tot_len = 1, /* fits; 0 would have the frame measured */
	};

	if (asked->family == AF_INET) {
		back.tos = asked->tos;
		back.ipv4_src = asked->ipv4_dst;
		back.ipv4_dst = asked->ipv4_src;
	} else {
		back.flowinfo = asked->flowinfo;
		__builtin_memcpy(back.ipv6_src, asked->ipv6_dst, sizeof(back.ipv6_src));
		__builtin_memcpy(back.ipv6_dst, asked->ipv6_src, sizeof(back.ipv6_dst));
	}
	return find_route(ctx, device, &back) == LAN_GO && back.ifindex == device;
}

/* Which flow, for credit: what rules may look at as well */
static __always_inline __u32 hash_flow(const struct bpf_fib_lookup *asked)
{
	__u32 h = asked->l4_protocol ^ (__u32)asked->sport << 16 ^ asked->dport;

#pragma unroll
	for (int i = 0; i < 4; i++) {
		h = (h ^ asked->ipv6_src[i]) * 0x9e3779b1;
		h = (h ^ h >> 15 ^ asked->ipv6_dst[i]) * 0x85ebca6b;
	}
	return h ^ h >> 16;
}

/* ---- counting ---- */

static __always_inline void count_pass(__u32 device, __u32 pass, __u32 packets)
{
	struct wgx_lan_counts *n = bpf_map_lookup_elem(&lan_counts, &device);

	if (n && pass < WGX_LAN_PASS_COUNT)
		n->passed[pass] += packets;
}

static __always_inline void count_sent(__u32 device, __u32 packets, __u32 bytes)
{
	struct wgx_lan_counts *n = bpf_map_lookup_elem(&lan_counts, &device);

	if (!n)
		return;
	n->packets += packets;
	n->bytes += bytes;
}

#endif
