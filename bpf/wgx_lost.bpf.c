/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the kernel loses between two programs, or between a program and a worker. It counts such losses by
 * frame, if at all, and a superframe stands for many packets. So this listens where it drops them: the
 * tracepoint of freed packets, which tells why, and that of full UDP sockets. Nothing here runs for a packet
 * that is not lost.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>
#include <wgx/bpf_abi.h>

/* Inodes of the network namespaces: set before this is loaded */
const volatile __u32 lost_netns_host; /* the daemon's: wg0, and the devices that are attached */
const volatile __u32 lost_netns_far; /* that of the far ends */

/* The daemon makes an entry for each device whose losses it wants to know, and one, all zero, for the collector. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct wgx_lost_device);
	__type(value, struct wgx_lost_frames);
} lost_frames SEC(".maps");

/* Cookie of a UDP socket of ours -> what it had no room for. Entries as above. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, struct wgx_lost_datagrams);
} lost_datagrams SEC(".maps");

/* Cookie of a UDP socket of ours -> packets for which the next hop's address was not to be had. Entries as above. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u64);
} lost_unresolved SEC(".maps");

static __always_inline __u8 byte_at(const unsigned char *p)
{
	__u8 byte = 0;

	bpf_probe_read_kernel(&byte, sizeof(byte), p);
	return byte;
}

/* A GSO packet of an untrusted source (a guest, AF_PACKET), which nobody has counted: from its length */
static __always_inline __u32 divide(const struct sk_buff *skb, const struct skb_shared_info *info)
{
	const unsigned char *transport = skb->head + skb->transport_header;
	__u32 header = sizeof(struct udphdr), end = (skb->data - skb->head) + skb->len;
	__u16 size = BPF_CORE_READ(info, gso_size);

	if (!(BPF_CORE_READ(info, gso_type) & SKB_GSO_UDP_L4))
		header = (byte_at(transport + 12) >> 4) * 4; /* the data offset of TCP */
	header += skb->transport_header;
	return size && header < end ? (end - header + size - 1) / size : 1;
}

/* Packets that it stands for */
static __always_inline __u32 packets_of(const struct sk_buff *skb)
{
	const struct skb_shared_info *info = (const void *)(skb->head + skb->end);

	if (!BPF_CORE_READ(info, gso_size))
		return 1;
	return BPF_CORE_READ(info, gso_segs) ?: divide(skb, info);
}

/* Flags of its stamp; -1: it has none */
static __always_inline int stamp_flags(const struct sk_buff *skb)
{
	struct wgx_stamp stamp = {};

	bpf_probe_read_kernel(&stamp, sizeof(stamp), skb->head + skb->mac_header);
	return stamp.magic == WGX_STAMP_MAGIC ? stamp.flags : -1;
}

/* Not every kernel knows every reason, nor by the same number. */
#define REASON_IS(reason, name)                                    \
	(bpf_core_enum_value_exists(enum skb_drop_reason, name) && \
	 (reason) == bpf_core_enum_value(enum skb_drop_reason, name))

static __always_inline void count_frame(const struct sk_buff *skb,
					const struct wgx_lost_device *device,
					enum skb_drop_reason reason)
{
	struct wgx_lost_frames *lost = bpf_map_lookup_elem(&lost_frames, device);
	__u32 packets;

	if (!lost)
		return;
	packets = packets_of(skb);
	if (device->netns == lost_netns_host)
		lost->between += packets;
	else if (REASON_IS(reason, SKB_DROP_REASON_CPU_BACKLOG))
		lost->backlog += packets;
	else
		lost->no_ring += packets;
}

/*
 * The next hop did not answer, or too many wait for that. Neighbour discovery gives no reason; and where another packet
 * asks for the next hop while the kernel drops those that wait for it, it clears their queue: then it is what has got no
 * link-layer header yet. (What else is dropped there, sendmsg(2) tells.) neigh_invalidate() of net/core/neighbour.c
 */
static __always_inline bool is_unresolved(const struct sk_buff *skb, enum skb_drop_reason reason)
{
	if (REASON_IS(reason, SKB_DROP_REASON_NEIGH_FAILED) ||
	    REASON_IS(reason, SKB_DROP_REASON_NEIGH_QUEUEFULL))
		return true;
	return skb->mac_header == (__u16)~0 && (REASON_IS(reason, SKB_DROP_REASON_QUEUE_PURGE) ||
						(REASON_IS(reason, SKB_DROP_REASON_NOT_SPECIFIED) &&
						 skb->protocol == bpf_htons(ETH_P_IPV6)));
}

/* What a worker has sent and the kernel has queued: nobody tells the sender. */
static __always_inline void count_unresolved(const struct sk_buff *skb)
{
	__u64 cookie = BPF_CORE_READ(skb, sk, __sk_common.skc_cookie.counter);
	__u64 *lost = bpf_map_lookup_elem(&lost_unresolved, &cookie);

	if (lost)
		*lost += packets_of(skb);
}

/*
 * A frame is ours if it bears our stamp: then it is on its way from wgx_egress or wgx_ingress to a worker. At a
 * far end one without may be as well, where somebody wrote it onto wg0 past wgx_egress; but not every frame,
 * for those that are injected into wg0 pass there too. These two reasons are of arriving frames only.
 */
SEC("tp_btf/kfree_skb")
int BPF_PROG(wgx_lost_frame, struct sk_buff *skb, void *location, enum skb_drop_reason reason)
{
	struct wgx_lost_device device = {};
	struct net_device *dev = skb->dev;
	int flags;

	/* what wgx_ingress, or another program beside it, drops has no stamp: not to be slow in a flood */
	if (!dev || REASON_IS(reason, SKB_DROP_REASON_TC_INGRESS))
		return 0;
	if (is_unresolved(skb, reason)) {
		count_unresolved(skb);
		return 0;
	}
	device.netns = dev->nd_net.net->ns.inum;
	if (device.netns != lost_netns_far && device.netns != lost_netns_host)
		return 0;
	/* the copy of one that goes out, for a socket of tcpdump, say */
	if (BPF_CORE_READ_BITFIELD(skb, pkt_type) == PACKET_OUTGOING)
		return 0;
	device.ifindex = dev->ifindex;
	flags = stamp_flags(skb);
	if (flags >= 0 && flags & WGX_STAMP_INGRESS)
		device = (struct wgx_lost_device){};
	else if (flags < 0 && (device.netns != lost_netns_far ||
			       !(REASON_IS(reason, SKB_DROP_REASON_XDP) ||
				 REASON_IS(reason, SKB_DROP_REASON_CPU_BACKLOG))))
		return 0;
	count_frame(skb, &device, reason);
	return 0;
}

/* Runs where a UDP socket of any kind has no room for a packet. */
SEC("tp_btf/udp_fail_queue_rcv_skb")
int BPF_PROG(wgx_lost_datagram, int err, struct sock *sk, struct sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(sk);
	struct wgx_lost_datagrams *lost = bpf_map_lookup_elem(&lost_datagrams, &cookie);

	if (!lost)
		return 0;
	lost->skbs++;
	lost->packets += packets_of(skb);
	return 0;
}

char _license[] SEC("license") = "Dual MIT/GPL";
