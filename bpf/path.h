/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What wgx_egress and wgx_ingress have in common: their configuration and their counters. */
#ifndef WGX_BPF_PATH_H
#define WGX_BPF_PATH_H

#include "drop.h"

/* The daemon's control thread writes, the programs read. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct wgx_bpf_config);
} config SEC(".maps");

/* The programs count here by enum wgx_bpf_counter; the daemon sums the CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WGX_CTR_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

static __always_inline const struct wgx_bpf_config *config_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&config, &zero);
}

static __always_inline void count_add(__u32 counter, __u64 add)
{
	__u64 *n = bpf_map_lookup_elem(&counters, &counter);

	if (n)
		*n += add;
}

static __always_inline __u32 le32_to_host(__le32 v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return v;
#else
	return __builtin_bswap32(v);
#endif
}

static __always_inline __u64 le64_to_host(__le64 v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return v;
#else
	return __builtin_bswap64(v);
#endif
}

/* Writes the stamp over both MAC addresses. Touches no checksum: none covers them. */
static __always_inline long stamp_write(struct __sk_buff *skb, const struct wgx_stamp *stamp)
{
	return bpf_skb_store_bytes(skb, 0, stamp, sizeof(*stamp), 0);
}

/*
 * Makes the first `want` bytes of the frame (or all of a shorter one) linear. Not by writing to the
 * packet directly: that would have the verifier unclone every skb in a prologue.
 */
static __always_inline long headers_pull(struct __sk_buff *skb, __u32 want)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (want > skb->len)
		want = skb->len;
	return end - data >= want ? 0 : bpf_skb_pull_data(skb, want);
}

#endif
