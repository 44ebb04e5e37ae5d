/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The router path: which packets may go past the stack, by what the stack would do with them as a router (RFC 1812;
 * ip_rcv(), ip_forward(), ip6_forward()). Only the plain case is taken: whole packets without options, TTL left, to
 * this router's MAC address, that fit the route. All else is the stack's, untouched: it answers, fragments, drops.
 */
#ifndef WGX_BPF_LAN_H
#define WGX_BPF_LAN_H

#include "gso.h"
#include "path.h"

#define LAN_GO (-1) /* else: an enum wgx_lan_pass */

#define LAN_HEADERS (ETH_HLEN + sizeof(struct ipv6hdr) + sizeof(struct udphdr))

#define TCP_CSUM_OFFSET 16
#define UDP_CSUM_OFFSET 6

/* What segmenting in the seal worker, or in the stack, is the inverse of; no tunnel, no UDP fragments (UFO) */
#define LAN_GSO_TYPES                                                                       \
	(SKB_GSO_TCPV4 | SKB_GSO_TCPV6 | SKB_GSO_TCP_ECN | SKB_GSO_UDP_L4 | SKB_GSO_DODGY | \
	 __SKB_GSO_TCP_FIXEDID | SKB_GSO_TCP_FIXEDID)

extern void *bpf_cast_to_kern_ctx(void *obj) __ksym;

/* Inode of the daemon's network namespace: set before this is loaded */
const volatile __u32 lan_netns;

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, WGX_LAN_TUNNELS);
	__type(key, __u32);
	__type(value, __u32);
} lan_egress SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WGX_LAN_TUNNELS);
	__type(key, __u32);
	__type(value, __u32);
} lan_tunnels SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u8);
} lan_devices SEC(".maps");

/* The programs count. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024 + WGX_LAN_TUNNELS);
	__type(key, __u32);
	__type(value, struct wgx_lan_counts);
} lan_counts SEC(".maps");

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

static __always_inline int read_packet(struct __sk_buff *skb, struct bpf_fib_lookup *fib)
{
	bool v6 = skb->protocol == bpf_htons(ETH_P_IPV6);
	__u32 l4 = ETH_HLEN + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr));
	const void *data, *end;
	int pass;

	if (headers_pull(skb, LAN_HEADERS))
		return WGX_LAN_PASS_UNUSUAL;
	data = (const void *)(long)skb->data;
	end = (const void *)(long)skb->data_end;
	if (v6)
		pass = read6(data + ETH_HLEN, end, skb->len - ETH_HLEN, fib);
	else
		pass = read4(data + ETH_HLEN, end, skb->len - ETH_HLEN, fib);
	if (pass == LAN_GO)
		read_ports(data + l4, end, fib);
	return pass;
}

/* ---- what the stack would be asked ---- */

/* The frame is of the namespace whose devices we know by their numbers: one that was moved keeps its programs. */
static __always_inline bool is_at_home(struct __sk_buff *skb)
{
	struct sk_buff *kskb = bpf_cast_to_kern_ctx(skb);

	return kskb->dev->nd_net.net->ns.inum == lan_netns;
}

/*
 * Are the offloads of the frame those that its headers show? A sum that is to be completed elsewhere, and segments of
 * another kind, are of a tunnel or of a protocol that we do not know.
 */
static __always_inline bool offloads_fit(struct __sk_buff *skb, const struct bpf_fib_lookup *fib)
{
	struct sk_buff *kskb = bpf_cast_to_kern_ctx(skb);
	const struct skb_shared_info *info = (const void *)(kskb->head + kskb->end);
	__u32 start =
		ETH_HLEN + (fib->family == AF_INET ? sizeof(struct iphdr) : sizeof(struct ipv6hdr));
	bool tcp = fib->l4_protocol == IPPROTO_TCP;

	if (BPF_CORE_READ_BITFIELD(kskb, ip_summed) != CHECKSUM_PARTIAL)
		return !skb->gso_size;
	if (skb->gso_size && BPF_CORE_READ(info, gso_type) & ~LAN_GSO_TYPES)
		return false;
	return (__u16)(kskb->csum_start - kskb->mac_header) == start &&
	       (tcp || fib->l4_protocol == IPPROTO_UDP) &&
	       kskb->csum_offset == (tcp ? TCP_CSUM_OFFSET : UDP_CSUM_OFFSET);
}

/*
 * The route, by all tables and rules, of a packet that came by this device; it says as well whether the device
 * forwards, and whether a packet fits. @fib: becomes the answer.
 */
static __always_inline int find_route(struct __sk_buff *skb, struct bpf_fib_lookup *fib)
{
	long err;

	fib->ifindex = skb->ifindex;
	err = bpf_fib_lookup(skb, fib, sizeof(*fib), BPF_FIB_LOOKUP_SKIP_NEIGH);
	if (err == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return WGX_LAN_PASS_MTU;
	return err == BPF_FIB_LKUP_RET_SUCCESS ? LAN_GO : WGX_LAN_PASS_ROUTE;
}

/*
 * Strict reverse path (RFC 3704), whatever rp_filter says: where the way back is another one, the stack decides by
 * that. It does not look at IPv6 sources, nor do we. @asked: before find_route()
 */
static __always_inline bool is_way_back(struct __sk_buff *skb, const struct bpf_fib_lookup *asked)
{
	struct bpf_fib_lookup back = {
		.family = AF_INET,
		.l4_protocol = asked->l4_protocol,
		.tot_len = 1, /* fits; 0 would have the frame measured */
		.tos = asked->tos,
		.ipv4_src = asked->ipv4_dst,
		.ipv4_dst = asked->ipv4_src,
	};

	return asked->family != AF_INET ||
	       (find_route(skb, &back) == LAN_GO && back.ifindex == skb->ifindex);
}

/* What has to fit the route is the largest segment. A superframe may have no more than one, which is smaller. */
static __always_inline void measure_segment(struct __sk_buff *skb, struct bpf_fib_lookup *fib)
{
	__u32 len = headers_len(skb) - ETH_HLEN + skb->gso_size;

	if (len < fib->tot_len)
		fib->tot_len = len;
}

/* The frame by itself. @ret: all zero; what to ask for the route */
static __always_inline int read_frame(struct __sk_buff *skb, struct bpf_fib_lookup *ret)
{
	int pass;

	if (skb->pkt_type != PACKET_HOST || skb->vlan_present || skb->mark ||
	    (skb->protocol != bpf_htons(ETH_P_IP) && skb->protocol != bpf_htons(ETH_P_IPV6)))
		return WGX_LAN_PASS_NOT_OURS;
	if (!is_at_home(skb))
		return WGX_LAN_PASS_NOT_OURS;
	if (skb->len > ETH_HLEN + 65535)
		return WGX_LAN_PASS_UNUSUAL;
	pass = read_packet(skb, ret);
	if (pass != LAN_GO)
		return pass;
	if (!offloads_fit(skb, ret))
		return WGX_LAN_PASS_UNUSUAL;
	if (skb->gso_size)
		measure_segment(skb, ret);
	return LAN_GO;
}

/* ---- counting ---- */

static __always_inline void count_pass(struct __sk_buff *skb, __u32 pass)
{
	__u32 device = skb->ifindex;
	struct wgx_lan_counts *n = bpf_map_lookup_elem(&lan_counts, &device);

	if (n && pass < WGX_LAN_PASS_COUNT)
		n->passed[pass] += segments(skb);
}

static __always_inline void count_sent(struct __sk_buff *skb)
{
	__u32 device = skb->ifindex;
	struct wgx_lan_counts *n = bpf_map_lookup_elem(&lan_counts, &device);

	if (!n)
		return;
	n->packets += segments(skb);
	n->bytes += skb->len - ETH_HLEN;
}

#endif
