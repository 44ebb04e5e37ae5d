/* SPDX-License-Identifier: MIT */
/* Somebody else's XDP program: it lets everything pass. */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

SEC("xdp")
int xdp_pass(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char _license[] SEC("license") = "MIT";
