/* SPDX-License-Identifier: MIT */
#include "daemon/counters.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include "daemon/answer_memory.h"

static uint64_t percpu_sum(int map, uint32_t slot, uint64_t *values, int cpus)
{
	uint64_t sum = 0;

	if (!bpf_map_lookup_elem(map, &slot, values))
		for (int i = 0; i < cpus; i++)
			sum += values[i];
	return sum;
}

void wgx_counters_sum(int map, const uint64_t before[WGX_CTR_COUNT], uint64_t ret[WGX_CTR_COUNT])
{
	int cpus = libbpf_num_possible_cpus();
	uint64_t *values = cpus > 0 ? wgx_answer_calloc((size_t)cpus, sizeof(*values)) : NULL;

	for (uint32_t i = 0; i < WGX_CTR_COUNT; i++)
		ret[i] = before[i] + (values ? percpu_sum(map, i, values, cpus) : 0);
	free(values);
}

void wgx_counters_codec(struct wgx_codec *c, int map, uint64_t before[WGX_CTR_COUNT])
{
	uint64_t sum[WGX_CTR_COUNT] = {0};
	uint32_t n = WGX_CTR_COUNT;

	if (!c->reading)
		wgx_counters_sum(map, before, sum);
	wgx_codec_u32(c, &n);
	if (n != WGX_CTR_COUNT)
		c->failed = true;
	for (uint32_t i = 0; i < WGX_CTR_COUNT; i++)
		wgx_codec_u64(c, c->reading ? &before[i] : &sum[i]);
}
