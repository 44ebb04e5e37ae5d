/* SPDX-License-Identifier: MIT */
/* What BPF programs and userspace share: frame stamps, map keys and values. */
#ifndef WGX_BPF_ABI_H
#define WGX_BPF_ABI_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

/*
 * The stamp. wg0 is NOARP, and the collector carries only what wgx_ingress sent there, so the twelve
 * bytes of MAC addresses are free. wgx_egress and wgx_ingress write this over them. All fields are in
 * host byte order. It is a hint, never a proof: whoever has CAP_NET_RAW can write one, so its reader
 * checks every field against the frame.
 */
#define WGX_STAMP_MAGIC 0x7866 /* not a multicast or broadcast address, not any MAC we assign */
#define WGX_STAMP_PARTIAL 0x01 /* csum_start and csum_offset are valid: checksum to be completed */
#define WGX_STAMP_NO_PEER 0x02 /* egress found no peer: answer with ICMP unreachable */
#define WGX_STAMP_INGRESS 0x04 /* written by wgx_ingress: gso_size and device only */
#define WGX_STAMP_LAN 0x08 /* written by wgx_lan_xdp: iface only */
#define WGX_STAMP_UNSURE 0x10 /* with that: the sender may have left the checksum unfinished */

struct wgx_stamp {
	__u16 magic;
	__u8 flags;
	__u8 csum_offset; /* of the checksum field, from csum_start */
	__u16 gso_size; /* payload bytes a segment (egress), UDP payload a datagram (ingress); 0: one packet */
	__u16 csum_start; /* from the start of the network header */
	union {
		struct { /* egress */
			__u16 bucket; /* of the credit map */
			__u16 seq; /* the low 16 bits of the bucket's produced count, this frame included */
		};
		__u32 device; /* ingress: ifindex of the device that it came by */
		__u32 iface; /* LAN: id within the daemon of the interface that it is routed to */
	};
};
_Static_assert(sizeof(struct wgx_stamp) == 12, "fits two MAC addresses");

/* allowed_ips4, allowed_ips6: LPM_TRIE -> __u32 peer id. Written by the control thread, read by egress. */
struct wgx_lpm4 {
	__u32 prefixlen;
	__u8 addr[4];
};
struct wgx_lpm6 {
	__u32 prefixlen;
	__u8 addr[16];
};
_Static_assert(sizeof(struct wgx_lpm4) == 8, "LPM key");
_Static_assert(sizeof(struct wgx_lpm6) == 20, "LPM key");

/* peers: HASH, __u32 peer id -> this. Written by the control thread, for people and for tools. */
struct wgx_bpf_peer {
	__u8 public_key[32];
	__u8 endpoint[16]; /* IPv4 as ::ffff:a.b.c.d */
	__u16 port; /* host byte order; 0: no endpoint known */
	__u16 pad[3];
};
_Static_assert(sizeof(struct wgx_bpf_peer) == 56, "no padding");

/* peer_stats: HASH, __u32 peer id -> this. Entries made by the control thread, counted by egress. */
struct wgx_bpf_peer_stats {
	__u64 tx_packets; /* plaintext packets towards the peer; a superframe counts its segments */
	__u64 tx_bytes; /* plaintext bytes, headers included once a superframe */
	__u64 egress_credit; /* packets dropped for this reason (wgx/drops.h) */
	__u64 egress_loop;
};
_Static_assert(sizeof(struct wgx_bpf_peer_stats) == 32, "no padding");

/* receivers: HASH, __u32 receiver index (host byte order) -> this. Written by the daemon, read by ingress. */
struct wgx_receiver {
	__u32 peer;
	__u32 iface; /* interface id within the daemon */
	__u32 floor; /* key in the floors map; 0: none */
};
_Static_assert(sizeof(struct wgx_receiver) == 12, "no padding");

/*
 * floors: mmapable ARRAY -> __u64, for each keypair the lowest counter that its replay window may still
 * accept, or a lower one. The open worker alone writes, ingress reads. Entry 0 is nobody's, and 0.
 */
#define WGX_FLOORS 65536

/*
 * mac1_keys: HASH, __u32 interface id -> this. Written by the control thread, read by ingress. Where there
 * is no entry, ingress judges no mac1: the protocol thread does.
 */
struct wgx_mac1_key {
	__u32 state[8]; /* BLAKE2s after the block of the key, which our public key gives */
	__u32 present; /* 0: the interface has no private key, so that no mac1 is right */
};
_Static_assert(sizeof(struct wgx_mac1_key) == 36, "no padding");

/* ports: HASH, __u32 UDP port (host byte order) -> __u32 interface id. */
/* locals: HASH, struct wgx_addr -> __u8 1. Addresses of this namespace, kept by netlink. IPv4 mapped. */
struct wgx_addr {
	__u8 addr[16];
};
_Static_assert(sizeof(struct wgx_addr) == 16, "no padding");

/*
 * credit: mmapable ARRAY of WGX_CREDIT_ENTRIES. Flow control from egress to the seal workers, in
 * units of AF_XDP descriptors (WGX_CHUNK_PAYLOAD bytes). Bucket = flow hash, and gives the queue of the
 * far end; behind the buckets come the sums, one a queue. Egress adds to produced, the seal workers to
 * consumed. A bucket may grow while it holds less than alpha times what is left of its queue's limit
 * (Choudhury and Hahne 1998, dynamic thresholds), so that one flow gets much of an idle ring and many
 * flows share a busy one.
 */
#define WGX_CREDIT_BUCKETS 256
#define WGX_CREDIT_TOTAL WGX_CREDIT_BUCKETS /* of queue 0 */
#define WGX_QUEUES_MAX 16 /* of wg0's far end, each with a ring and a seal worker */
#define WGX_CREDIT_ENTRIES (WGX_CREDIT_BUCKETS + WGX_QUEUES_MAX)
/* @queues: 0 counts as 1 */
#define WGX_CREDIT_QUEUE(bucket, queues) ((bucket) % ((queues) ?: 1))
#define WGX_CHUNK_SIZE 4096
#define WGX_CHUNK_PAYLOAD 3840 /* chunk less XDP_PACKET_HEADROOM */

struct wgx_credit {
	__u64 produced;
	__u64 pad0[7];
	__u64 consumed;
	__u64 pad1[7];
};
_Static_assert(sizeof(struct wgx_credit) == 128, "one cache line for each writer");

/* config: ARRAY of one. Written by the control thread. */
struct wgx_bpf_config {
	__u32 credit_limit; /* descriptors outstanding at most, of each queue; 0: no flow control */
	__u32 credit_alpha; /* 0 counts as 1 */
	__u32 collector; /* ingress: ifindex of the collector in the device's namespace; 0: pass all */
	__u32 flags;
	__u64 own_sockets
		[2]; /* egress: cookies of wg0's UDP sockets, whose packets must not enter wg0 */
	__u32 queues; /* egress: of the far end; 0 counts as 1 */
	__u32 pad;
};
/* ingress: bpf_redirect_peer(), else bpf_redirect(BPF_F_INGRESS) */
#define WGX_CONFIG_REDIRECT_PEER 0x1
/* ingress: AF_XDP takes no superframes (before Linux 6.9): they go to the socket, which does */
#define WGX_CONFIG_GSO_TO_SOCKET 0x2
_Static_assert(sizeof(struct wgx_bpf_config) == 40, "no padding");

/*
 * lost_frames: PERCPU_HASH, device -> packets that the kernel lost on their way from wgx_egress, or (key all
 * zero) from wgx_ingress, to a worker. Entries made by the control thread, counted by wgx_lost_frame.
 */
struct wgx_lost_device {
	__u32 netns; /* inode of its network namespace */
	__u32 ifindex;
};
struct wgx_lost_frames {
	__u64 no_ring; /* at the far end: no AF_XDP socket took it */
	__u64 backlog; /* the far end's backlog was full */
	__u64 between; /* between wgx_egress and the far end */
};
_Static_assert(sizeof(struct wgx_lost_device) == 8, "no padding");
_Static_assert(sizeof(struct wgx_lost_frames) == 24, "no padding");

/* lost_datagrams: PERCPU_HASH, __u64 socket cookie -> what it had no room for. Likewise, by wgx_lost_datagram. */
struct wgx_lost_datagrams {
	__u64 skbs; /* as the kernel counts: a superframe is one */
	__u64 packets;
};
_Static_assert(sizeof(struct wgx_lost_datagrams) == 16, "no padding");

/* path counters of wgx_ingress and wgx_egress: PERCPU_ARRAY `counters`, index -> __u64 */
enum wgx_bpf_counter {
	WGX_CTR_EGRESS_FRAMES, /* frames stamped */
	WGX_CTR_EGRESS_BYTES,
	WGX_CTR_INGRESS_STEERED, /* frames sent to a worker */
	WGX_CTR_INGRESS_BYTES,
	WGX_CTR_INGRESS_PASSED, /* ours, but for the socket: handshakes, odd lengths */
	WGX_CTR_LAN_FRAMES, /* of EGRESS_FRAMES, those of wgx_egress_lan, past the stack */
	WGX_CTR_LAN_BYTES,
	WGX_CTR_LAN_PASSED, /* frames that are in no peer's allowed IPs: the stack got them */
	WGX_CTR_COUNT
};

/*
 * The router path (bpf/lan.h). The control thread makes and removes all entries.
 *
 * lan_egress: PROG_ARRAY, slot -> wgx_egress_lan of an interface
 * lan_tunnels: HASH, ifindex of an interface -> struct wgx_lan_tunnel
 * lan_devices: HASH, ifindex of a device attached with --lan -> __u8 1
 * lan_counts: PERCPU_HASH, ifindex of the device that a packet came in by, of either kind -> this
 */
#define WGX_LAN_TUNNELS 128

struct wgx_lan_tunnel {
	__u32 slot;
	__u32 iface; /* id within the daemon */
};
_Static_assert(sizeof(struct wgx_lan_tunnel) == 8, "no padding");

/* X(NAME, "label"): why a packet of a LAN device, or out of a tunnel, is left to the stack */
/* clang-format off */
#define WGX_LAN_PASSES(X)                                                                          \
	X(NOT_OURS, "not_ours") /* not IP, tagged, marked, or not to this router's MAC address */  \
	X(UNUSUAL, "unusual") /* options, fragments, extension headers, malformed, not unicast */  \
	X(TTL, "ttl") /* TTL or hop limit used up */                                               \
	X(MTU, "mtu") /* larger than the route takes */                                            \
	X(ROUTE, "route") /* goes elsewhere, to this host, or nowhere; or forwarding is off */     \
	X(SOURCE, "source") /* IPv4: the way back is another one */
/* clang-format on */

enum wgx_lan_pass {
#define X(name, label) WGX_LAN_PASS_##name,
	WGX_LAN_PASSES(X)
#undef X
		WGX_LAN_PASS_COUNT
};

struct wgx_lan_counts {
	__u64 packets; /* sent on past the stack: to an interface, or from one to a LAN device */
	__u64 bytes; /* of the IP packets, headers once a superframe */
	__u64 passed[WGX_LAN_PASS_COUNT]; /* packets left to the stack */
};
_Static_assert(sizeof(struct wgx_lan_counts) == 16 + 8 * WGX_LAN_PASS_COUNT, "no padding");

/*
 * Strict mode (bpf/strict.h). All of its maps serve all devices that it is on for; those that have to outlive
 * the daemon are pinned by the names given here, and the next daemon uses them as they are.
 *
 * tries4, tries6: ARRAY_OF_MAPS, slot -> allowed_ips4, allowed_ips6 of an interface; or networks that are protected
 *	whether a peer has them or not, in one slot
 * own_sockets: HASH, __u64 socket cookie -> __u8 1, of all interfaces' UDP sockets; not pinned: they die with
 *	the daemon
 */
#define WGX_STRICT_TRIES 128
#define WGX_STRICT_PROTECTED 65536 /* networks of one family */

/* config: ARRAY of one. Written by the control thread. */
struct wgx_strict_config {
	__u32 tries; /* slots above have none */
	__u32 flags;
};
/* an interface's allowed IPs are not all in its maps, or its maps in no slot: as if they were 0.0.0.0/0, ::/0 */
#define WGX_STRICT_ALL 0x1
_Static_assert(sizeof(struct wgx_strict_config) == 8, "no padding");

/* devices: HASH, __u32 ifindex -> this. Written by the control thread, but for next_report. */
struct wgx_strict_device {
	char name[16];
	__u64 next_report; /* CLOCK_MONOTONIC, ns: no report before. The program writes. */
	__u32 flags;
	__u32 pad;
};
#define WGX_STRICT_REPORT 0x1
#define WGX_STRICT_NO_EXEMPTIONS 0x2 /* for the next daemon: none are wanted */
#define WGX_STRICT_KEEP \
	0x4 /* for the next daemon: stays when a daemon ends, for networks are protected */
_Static_assert(sizeof(struct wgx_strict_device) == 32, "no padding");

/* counts: PERCPU_HASH, __u32 ifindex -> this. Entries made by the control thread, counted by the program. */
struct wgx_strict_counts {
	__u64 egress, ingress; /* packets dropped */
};
_Static_assert(sizeof(struct wgx_strict_counts) == 16, "no padding");

/* exempt4, exempt6: LPM_TRIE -> __u8 1. What may stay plaintext. prefixlen counts the bits of device too. */
struct wgx_exempt4 {
	__u32 prefixlen;
	__u32 device; /* ifindex */
	__u8 addr[4];
};
struct wgx_exempt6 {
	__u32 prefixlen;
	__u32 device;
	__u8 addr[16];
};
_Static_assert(sizeof(struct wgx_exempt4) == 12, "LPM key");
_Static_assert(sizeof(struct wgx_exempt6) == 24, "LPM key");

/* reports: RINGBUF of these, of packets dropped: for the log. No more of a packet than this. */
struct wgx_strict_report {
	struct wgx_addr src, dst;
	__u32 device;
	__u16 sport, dport; /* host byte order; 0: the protocol has none, or they are not here */
	__u8 proto; /* IPv6: what follows the first header */
	__u8 egress; /* or ingress */
	__u8 pad[2];
};
_Static_assert(sizeof(struct wgx_strict_report) == 44, "no padding");

#endif
