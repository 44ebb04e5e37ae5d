/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* bpf/mac1.h on as many messages as a map holds: for test_mac1.c, which has a million of them. */
#include "mac1.h"
#include "../selftests/bpf/mac1_batch.h"

/* The test writes messages and reads answers, through its mapping. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAC1_BATCH);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct mac1_case);
} cases SEC(".maps");

static long judge_case(__u32 i, void *unused)
{
	struct mac1_case *c = bpf_map_lookup_elem(&cases, &i);

	if (!c)
		return 1;
	c->right = c->response ? mac1_right(&c->key, c->words, MAC1_RESPONSE)
			       : mac1_right(&c->key, c->words, MAC1_INITIATION);
	return 0;
}

SEC("syscall")
int mac1_batch(void *ctx)
{
	return bpf_loop(MAC1_BATCH, judge_case, NULL, 0);
}

char _license[] SEC("license") = "Dual MIT/GPL";
