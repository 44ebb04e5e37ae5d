/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Which UDP packets are for wgx: their address and their port. */
#ifndef WGX_BPF_OURS_H
#define WGX_BPF_OURS_H

#include "drop.h"

/* UDP port (host byte order) -> interface id. The control thread writes, ingress and strict mode read. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} ports SEC(".maps");

/* Addresses of this namespace. The control thread writes (from netlink), ingress and strict mode read. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct wgx_addr);
	__type(value, __u8);
} locals SEC(".maps");

static __always_inline bool is_local(const struct wgx_addr *addr)
{
	return bpf_map_lookup_elem(&locals, addr);
}

/* The interface that a datagram to @addr and @udp_port is for, by id; NULL: none */
static __always_inline const __u32 *whose(const struct wgx_addr *addr, __be16 udp_port)
{
	__u32 port = bpf_ntohs(udp_port);
	const __u32 *iface = bpf_map_lookup_elem(&ports, &port);

	return iface && is_local(addr) ? iface : NULL;
}

#endif
