/* SPDX-License-Identifier: MIT */
/* wgx_egress's maps: who is put in, and what was counted. */
#ifndef WGX_TEST_EGRESS_ENV_H
#define WGX_TEST_EGRESS_ENV_H

#include "netns.h"
#include "wgx_egress.skel.h"

static struct wgx_egress *skel;
static struct packet pkt;

static __maybe_unused __u64 drops_of(enum wgx_drop_reason reason)
{
	return percpu_sum(skel->maps.drops, reason);
}

static __maybe_unused void configure(__u32 limit, __u32 alpha)
{
	struct wgx_bpf_config cfg = {.credit_limit = limit, .credit_alpha = alpha};
	__u32 zero = 0;

	map_put(skel->maps.config, &zero, &cfg);
}

static __maybe_unused struct wgx_credit credit_of(__u32 bucket)
{
	struct wgx_credit c;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.credit), &bucket, &c), 0);
	return c;
}

static __maybe_unused void credit_set(__u32 bucket, __u64 produced, __u64 consumed)
{
	struct wgx_credit c = {.produced = produced, .consumed = consumed};

	map_put(skel->maps.credit, &bucket, &c);
}

static __maybe_unused void allow(const char *prefix, int len, __u32 peer)
{
	struct wgx_lpm4 key4 = {.prefixlen = len};
	struct wgx_lpm6 key6 = {.prefixlen = len};

	if (inet_pton(AF_INET, prefix, key4.addr) == 1) {
		map_put(skel->maps.allowed_ips4, &key4, &peer);
		return;
	}
	assert_int_equal(inet_pton(AF_INET6, prefix, key6.addr), 1);
	map_put(skel->maps.allowed_ips6, &key6, &peer);
}

static __maybe_unused struct wgx_bpf_peer_stats stats_of(__u32 peer)
{
	struct wgx_bpf_peer_stats stats;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(skel->maps.peer_stats), &peer, &stats), 0);
	return stats;
}

static __maybe_unused void stats_add(__u32 peer)
{
	map_put(skel->maps.peer_stats, &peer, &(struct wgx_bpf_peer_stats){});
}

static __maybe_unused struct wgx_stamp stamp_of(const void *frame)
{
	struct wgx_stamp stamp;

	memcpy(&stamp, frame, sizeof(stamp));
	return stamp;
}

#endif
