// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Each live frame becomes the next of those that flood.c has prepared, and goes out. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "flood.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, FLOOD_FRAMES);
	__type(key, __u32);
	__type(value, struct flood_frame);
} frames SEC(".maps");

const volatile __u32 device; /* ifindex, to send by */
const volatile __u32 frame_len; /* all have the same */
const volatile __u32 source; /* the first IPv4 address, host byte order; 0: as in the frame */
const volatile __u32 sources;
__u64 sent;

/* UDP over IPv4 may do without a checksum: that of the header is all there is. */
static long set_source(struct xdp_md *ctx, __u32 address)
{
	struct iphdr *ip = (void *)(long)ctx->data + ETH_HLEN;
	__u16 *word = (__u16 *)ip;
	__u32 sum = 0;

	if ((void *)(ip + 1) > (void *)(long)ctx->data_end)
		return -1;
	ip->saddr = bpf_htonl(address);
	ip->check = 0;
	for (unsigned int i = 0; i < sizeof(*ip) / sizeof(*word); i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~(sum + (sum >> 16));
	return 0;
}

SEC("xdp")
int flood_xdp(struct xdp_md *ctx)
{
	__u64 n = __sync_fetch_and_add(&sent, 1);
	__u32 i = n % FLOOD_FRAMES;
	struct flood_frame *f = bpf_map_lookup_elem(&frames, &i);

	if (!f || frame_len > sizeof(f->bytes) || bpf_xdp_store_bytes(ctx, 0, f->bytes, frame_len))
		return XDP_ABORTED;
	if (source && set_source(ctx, source + n % sources))
		return XDP_ABORTED;
	return bpf_redirect(device, 0);
}

char _license[] SEC("license") = "Dual MIT/GPL";
