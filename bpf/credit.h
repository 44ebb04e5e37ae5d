/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Flow control from wg0 to the seal workers, and which of them gets a frame: see struct wgx_credit. */
#ifndef WGX_BPF_CREDIT_H
#define WGX_BPF_CREDIT_H

#include "path.h"

/*
 * Egress adds to `produced` on any CPU, the seal workers to `consumed` through their mapping; the two are
 * in different cache lines.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WGX_CREDIT_ENTRIES);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct wgx_credit);
} credit SEC(".maps");

/*
 * Descriptors under way. The two counts are read one after the other, and the worker resynchronises
 * `consumed`: for a moment it may be ahead, which counts as none.
 */
static __always_inline __u64 credit_outstanding(const struct wgx_credit *c)
{
	__s64 n = *(const volatile __u64 *)&c->produced - *(const volatile __u64 *)&c->consumed;

	return n < 0 ? 0 : n;
}

/*
 * Dynamic threshold (Choudhury and Hahne 1998): a bucket grows while it holds less than alpha times
 * what is left, so a flow alone gets alpha / (1 + alpha) of the limit. CPUs that read at the same
 * time may each go one frame past it: the ring is larger than the limit.
 */
static __always_inline bool credit_allows(const struct wgx_bpf_config *cfg, __u64 own, __u64 all,
					  __u32 descs)
{
	__u64 alpha = cfg->credit_alpha ?: 1;

	if (!cfg->credit_limit)
		return true;
	if (all + descs > cfg->credit_limit)
		return false;
	return own < alpha * (cfg->credit_limit - all);
}

/*
 * Takes the frame's descriptors from the bucket of its flow, whose hash is @flow, and notes them in the stamp. The bucket
 * gives the far end's queue too, so that a flow is one sealer's, in order.
 *
 * queue_mapping of a frame that was received is its queue's number and one more, 0 where nobody has noted it; of one that
 * is sent, just the number. The kernel sends by the queue that a frame seems to have been received by (skb_tx_hash()).
 * veth leaves the number as it is (since Linux 5.17), and the far end takes it for a received frame's
 * (netif_get_rxqueue()). So what is for queue q is sent by queue q + 1. A socket whose hash has changed keeps the queue
 * that it has until nothing of it is under way.
 */
static __always_inline bool credit_take(struct __sk_buff *skb, const struct wgx_bpf_config *cfg,
					__u32 flow, struct wgx_stamp *stamp)
{
	__u32 descs = (skb->len + WGX_CHUNK_PAYLOAD - 1) / WGX_CHUNK_PAYLOAD;
	__u32 bucket = flow % WGX_CREDIT_BUCKETS;
	__u32 queue = WGX_CREDIT_QUEUE(bucket, cfg->queues);
	__u32 total = WGX_CREDIT_TOTAL + queue;
	struct wgx_credit *own = bpf_map_lookup_elem(&credit, &bucket);
	struct wgx_credit *all = bpf_map_lookup_elem(&credit, &total);

	if (!own || !all)
		return false;
	if (!credit_allows(cfg, credit_outstanding(own), credit_outstanding(all), descs))
		return false;
	__sync_fetch_and_add(&all->produced, descs);
	stamp->seq = __sync_fetch_and_add(&own->produced, descs) + descs;
	stamp->bucket = bucket;
	skb->queue_mapping = queue + 2;
	return true;
}

#endif
