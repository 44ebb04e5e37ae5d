/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What to do with a packet from the underlay; the same for tc and XDP. Judges only what is ours:
 * untagged UDP, whole, without options, to an address of this namespace and a port that a wgx
 * interface listens on.
 */
#ifndef WGX_BPF_INGRESS_H
#define WGX_BPF_INGRESS_H

#include "path.h"
#include <wgx/wire.h>

/* receiver index -> whose it is. The daemon writes, ingress reads. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1048576);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct wgx_receiver);
} receivers SEC(".maps");

/* UDP port (host byte order) -> interface id. The control thread writes, ingress reads. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

/* Addresses of this namespace. The control thread writes (from netlink), ingress reads. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct wgx_addr);
	__type(value, __u8);
} locals SEC(".maps");

/* Ethernet, IPv6, UDP and as much of a data message as is looked at */
#define INGRESS_HEADERS \
	(ETH_HLEN + sizeof(struct ipv6hdr) + sizeof(struct udphdr) + WGX_DATA_HEADER_LEN)

enum verdict {
	VERDICT_NOT_OURS,
	VERDICT_PASS, /* ours, for the socket */
	VERDICT_STEER, /* ours, for an open worker */
	VERDICT_MALFORMED,
	VERDICT_UNKNOWN_RECEIVER,
};

struct frame {
	void *data;
	void *end; /* of the linear part */
	long len; /* fragments included */
	bool gso; /* a superframe: many datagrams of one flow, of any message type */
};

static __always_inline __u32 le32_to_host(__le32 v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return v;
#else
	return __builtin_bswap32(v);
#endif
}

/* What is found behind an IP header. The alignment saves the compiler from copying bytewise. */
struct datagram {
	struct wgx_addr dst __attribute__((aligned(8)));
	struct udphdr *udp;
	long room; /* bytes of frame from the UDP header on: Ethernet padding may be among them */
};

static __always_inline bool udp_over_ip4(const struct frame *f, struct datagram *ret)
{
	struct iphdr *ip = f->data + ETH_HLEN;

	if ((void *)(ip + 1) > f->end || ip->version != 4 || ip->ihl != 5)
		return false;
	if (ip->protocol != IPPROTO_UDP || ip->frag_off & bpf_htons(IP_MF | IP_OFFSET))
		return false;
	__builtin_memset(ret->dst.addr + 10, 0xff, 2);
	__builtin_memcpy(ret->dst.addr + 12, &ip->daddr, 4);
	ret->udp = (void *)(ip + 1);
	ret->room = f->len - ETH_HLEN - sizeof(*ip);
	return true;
}

static __always_inline bool udp_over_ip6(const struct frame *f, struct datagram *ret)
{
	struct ipv6hdr *ip = f->data + ETH_HLEN;

	if ((void *)(ip + 1) > f->end || ip->version != 6 || ip->nexthdr != IPPROTO_UDP)
		return false;
	__builtin_memcpy(ret->dst.addr, &ip->daddr, sizeof(ret->dst.addr));
	ret->udp = (void *)(ip + 1);
	ret->room = f->len - ETH_HLEN - sizeof(*ip);
	return true;
}

static __always_inline bool find_udp(const struct frame *f, struct datagram *ret)
{
	struct ethhdr *eth = f->data;

	if ((void *)(eth + 1) > f->end)
		return false;
	if (eth->h_proto == bpf_htons(ETH_P_IP))
		return udp_over_ip4(f, ret);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return udp_over_ip6(f, ret);
	return false;
}

static __always_inline bool is_ours(const struct datagram *d)
{
	__u32 port = bpf_ntohs(d->udp->dest);

	return bpf_map_lookup_elem(&ports, &port) && bpf_map_lookup_elem(&locals, &d->dst);
}

static __always_inline enum verdict judge(const struct frame *f)
{
	struct datagram d = {};
	struct wgx_msg_data *msg;
	__u32 receiver, len;

	if (!find_udp(f, &d) || (void *)(d.udp + 1) > f->end || !is_ours(&d))
		return VERDICT_NOT_OURS;
	msg = (void *)(d.udp + 1);
	len = bpf_ntohs(d.udp->len);
	/* what contradicts itself is the stack's to refuse and to count */
	if (len < sizeof(*d.udp) + sizeof(msg->type) || len > d.room)
		return VERDICT_PASS;
	if ((void *)&msg->receiver > f->end || le32_to_host(msg->type) != WGX_MSG_DATA)
		return VERDICT_PASS;
	/* GRO mixes handshakes and data of one flow: the worker judges each segment */
	if (f->gso)
		return VERDICT_STEER;
	if (len < sizeof(*d.udp) + WGX_MSG_DATA_MIN)
		return VERDICT_MALFORMED;
	if ((void *)&msg->counter > f->end)
		return VERDICT_PASS;
	receiver = le32_to_host(msg->receiver);
	if (!bpf_map_lookup_elem(&receivers, &receiver))
		return VERDICT_UNKNOWN_RECEIVER;
	return VERDICT_STEER;
}

static __always_inline void count_verdict(enum verdict verdict, const struct frame *f)
{
	switch (verdict) {
	case VERDICT_NOT_OURS:
		break;
	case VERDICT_PASS:
		count_add(WGX_CTR_INGRESS_PASSED, 1);
		break;
	case VERDICT_STEER:
		count_add(WGX_CTR_INGRESS_STEERED, 1);
		count_add(WGX_CTR_INGRESS_BYTES, f->len);
		break;
	case VERDICT_MALFORMED:
		count_drop(WGX_DROP_INGRESS_MALFORMED);
		break;
	case VERDICT_UNKNOWN_RECEIVER:
		count_drop(WGX_DROP_INGRESS_UNKNOWN_RECEIVER);
		break;
	}
}

static __always_inline bool verdict_drops(enum verdict verdict)
{
	return verdict == VERDICT_MALFORMED || verdict == VERDICT_UNKNOWN_RECEIVER;
}

#endif
