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

/* Every program counts here by enum wgx_drop_reason; the daemon sums the CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WGX_DROP_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} drops SEC(".maps");

static __always_inline void count_drop(__u32 reason)
{
	__u64 *n = bpf_map_lookup_elem(&drops, &reason);

	if (n)
		(*n)++;
}

#endif
