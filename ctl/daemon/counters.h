/* SPDX-License-Identifier: MIT */
/* What the programs of BPF count of the packets' ways, over all processes that have served an interface. */
#ifndef WGX_DAEMON_COUNTERS_H
#define WGX_DAEMON_COUNTERS_H

#include <stdint.h>
#include <wgx/bpf_abi.h>
#include "proto/codec.h"

/**
 * wgx_counters_sum() - of all processors, so far
 * @map: `counters` of an egress or of the ingress program
 * @before: what the programs of the processes before this one have counted
 */
void wgx_counters_sum(int map, const uint64_t before[WGX_CTR_COUNT], uint64_t ret[WGX_CTR_COUNT]);
/** wgx_counters_codec() - for a hand-over: the sum is written, and read as @before */
void wgx_counters_codec(struct wgx_codec *c, int map, uint64_t before[WGX_CTR_COUNT]);

#endif
