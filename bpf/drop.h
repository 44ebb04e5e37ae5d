/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What every program includes: kernel types, helpers, the ABI and the drop counters. */
#ifndef WGX_BPF_DROP_H
#define WGX_BPF_DROP_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>
#include <wgx/bpf_abi.h>
#include <wgx/drops.h>

/*
 * Every program counts here, in packets; the daemon sums the CPUs. A hash, for the kernel takes no enum as an
 * array's key: so `bpftool map dump` names the reasons, and shows those that have occurred.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, WGX_DROP_COUNT);
	__type(key, enum wgx_drop_reason);
	__type(value, __u64);
} drops SEC(".maps");

static __always_inline void count_drops(enum wgx_drop_reason reason, __u32 packets)
{
	const __u64 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&drops, &reason);

	if (!n) { /* the first; or another CPU has just made the entry */
		bpf_map_update_elem(&drops, &reason, &zero, BPF_NOEXIST);
		n = bpf_map_lookup_elem(&drops, &reason);
	}
	if (n)
		*n += packets;
}

/* One packet */
static __always_inline void count_drop(enum wgx_drop_reason reason)
{
	count_drops(reason, 1);
}

#endif
