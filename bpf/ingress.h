/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What to do with a packet from the underlay; the same for tc and XDP. Judges only what is ours:
 * untagged UDP, whole, without options, to an address of this namespace and a port that a wgx
 * interface listens on. Of that it drops what the workers and the protocol thread are certain to refuse; they
 * judge all that passes as if it had not been looked at.
 */
#ifndef WGX_BPF_INGRESS_H
#define WGX_BPF_INGRESS_H

#include "mac1.h"
#include "ours.h"
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

/* What struct wgx_receiver.floor leads to. The open worker writes, through its mapping; ingress reads. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WGX_FLOORS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} floors SEC(".maps");

/* Ethernet, IPv6, UDP and as much of a data message as is looked at */
#define INGRESS_HEADERS \
	(ETH_HLEN + sizeof(struct ipv6hdr) + sizeof(struct udphdr) + WGX_DATA_HEADER_LEN)

enum verdict {
	VERDICT_NOT_OURS,
	VERDICT_PASS, /* ours, for the socket */
	VERDICT_STEER, /* ours, for an open worker */
	VERDICT_MALFORMED, /* this and the rest: drop */
	VERDICT_UNKNOWN_RECEIVER,
	VERDICT_MAC1,
	VERDICT_REPLAY,
};

/* How to read what is not in the linear part */
enum frame_kind {
	FRAME_SKB,
	FRAME_XDP,
	FRAME_XDP_LINEAR, /* nothing is elsewhere */
};

struct frame {
	void *ctx;
	enum frame_kind kind;
	void *data;
	void *end; /* of the linear part */
	long len; /* fragments included */
	bool gso; /* a superframe: many datagrams of one flow, of any message type */
};

/* Wherever they lie; @n is a constant. Return: 0 or negative */
static __always_inline long frame_load(const struct frame *f, __u32 at, __u32 *words, __u32 n)
{
	const __u32 *from = f->data + at;

	switch (f->kind) {
	case FRAME_SKB:
		return bpf_skb_load_bytes(f->ctx, at, words, 4 * n);
	case FRAME_XDP:
		return bpf_xdp_load_bytes(f->ctx, at, words, 4 * n);
	case FRAME_XDP_LINEAR:
		if ((void *)(from + n) > f->end)
			return -1;
		for (__u32 i = 0; i < n; i++)
			words[i] = from[i];
		return 0;
	}
	return -1;
}

/* What is found behind an IP header. The alignment saves the compiler from copying bytewise. */
struct datagram {
	struct wgx_addr dst __attribute__((aligned(8)));
	struct udphdr *udp;
	__u32 message; /* where that begins in the frame */
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
	ret->message = ETH_HLEN + sizeof(*ip) + sizeof(*ret->udp);
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
	ret->message = ETH_HLEN + sizeof(*ip) + sizeof(*ret->udp);
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

/* An initiation or response of the right length: @covered bytes before its macs */
static __always_inline enum verdict judge_mac1(const struct frame *f, __u32 at, __u32 covered,
					       __u32 iface)
{
	const struct wgx_mac1_key *key = bpf_map_lookup_elem(&mac1_keys, &iface);
	__u32 words[MAC1_BUFFER];

	if (!key || frame_load(f, at, words, MAC1_END(covered)))
		return VERDICT_PASS;
	return mac1_right(key, words, covered) ? VERDICT_PASS : VERDICT_MAC1;
}

/* An index means something on its own interface's port only, as to the workers. */
static __always_inline const struct wgx_receiver *find_receiver(__le32 index, __u32 iface)
{
	__u32 key = le32_to_host(index);
	const struct wgx_receiver *r = bpf_map_lookup_elem(&receivers, &key);

	return r && r->iface == iface ? r : NULL;
}

/* Certain to be refused after its authentication: the window has moved on, or the key is spent. */
static __always_inline bool is_spent(const struct wgx_receiver *r, __u64 counter)
{
	__u32 slot = r->floor;
	const volatile __u64 *floor = bpf_map_lookup_elem(&floors, &slot);

	return counter >= WGX_REJECT_AFTER_MESSAGES || (floor && counter < *floor);
}

static __always_inline enum verdict judge_data(const struct frame *f,
					       const struct wgx_msg_data *msg, __u32 len,
					       __u32 iface)
{
	const struct wgx_receiver *r;

	if (len < WGX_MSG_DATA_MIN)
		return VERDICT_MALFORMED;
	if ((void *)(msg + 1) > f->end)
		return VERDICT_PASS;
	r = find_receiver(msg->receiver, iface);
	if (!r)
		return VERDICT_UNKNOWN_RECEIVER;
	return is_spent(r, le64_to_host(msg->counter)) ? VERDICT_REPLAY : VERDICT_STEER;
}

static __always_inline enum verdict judge_cookie(const struct frame *f,
						 const struct wgx_msg_cookie *msg, __u32 iface)
{
	if ((void *)(&msg->receiver + 1) > f->end)
		return VERDICT_PASS;
	return find_receiver(msg->receiver, iface) ? VERDICT_PASS : VERDICT_UNKNOWN_RECEIVER;
}

/* P-MSG-1, P-MSG-2: the type word is the type and three zero bytes. */
static __always_inline enum verdict judge_message(const struct frame *f, const struct datagram *d,
						  __u32 len, __u32 iface)
{
	const struct wgx_msg_data *msg = (void *)(d->udp + 1);

	switch (le32_to_host(msg->type)) {
	case WGX_MSG_INITIATION:
		return len == sizeof(struct wgx_msg_initiation)
			       ? judge_mac1(f, d->message, MAC1_INITIATION, iface)
			       : VERDICT_MALFORMED;
	case WGX_MSG_RESPONSE:
		return len == sizeof(struct wgx_msg_response)
			       ? judge_mac1(f, d->message, MAC1_RESPONSE, iface)
			       : VERDICT_MALFORMED;
	case WGX_MSG_COOKIE:
		return len == sizeof(struct wgx_msg_cookie) ? judge_cookie(f, (void *)msg, iface)
							    : VERDICT_MALFORMED;
	case WGX_MSG_DATA:
		return judge_data(f, msg, len, iface);
	default:
		return VERDICT_MALFORMED;
	}
}

static __always_inline enum verdict judge(const struct frame *f)
{
	struct wgx_msg_data *msg;
	struct datagram d = {};
	const __u32 *iface;
	__u32 len;

	if (!find_udp(f, &d) || (void *)(d.udp + 1) > f->end)
		return VERDICT_NOT_OURS;
	iface = whose(&d.dst, d.udp->dest);
	if (!iface)
		return VERDICT_NOT_OURS;
	msg = (void *)(d.udp + 1);
	len = bpf_ntohs(d.udp->len);
	/* what contradicts itself is the stack's to refuse and to count */
	if (len < sizeof(*d.udp) || len > d.room)
		return VERDICT_PASS;
	len -= sizeof(*d.udp);
	if (!f->gso && len < sizeof(msg->type))
		return VERDICT_MALFORMED;
	if ((void *)&msg->receiver > f->end)
		return VERDICT_PASS;
	/* GRO mixes handshakes and data of one flow: each segment is judged by itself, by the worker */
	if (f->gso)
		return le32_to_host(msg->type) == WGX_MSG_DATA ? VERDICT_STEER : VERDICT_PASS;
	return judge_message(f, &d, len, *iface);
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
	case VERDICT_MAC1:
		count_drop(WGX_DROP_INGRESS_MAC1);
		break;
	case VERDICT_REPLAY:
		count_drop(WGX_DROP_INGRESS_REPLAY);
		break;
	}
}

static __always_inline bool verdict_drops(enum verdict verdict)
{
	return verdict >= VERDICT_MALFORMED;
}

#endif
