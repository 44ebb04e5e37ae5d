/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * wg0's egress where superframes do not cross. Checksum offload of wg0 is off then, for a partial one
 * would go unseen. An object of its own: a kernel without bpf_cast_to_kern_ctx() (before 6.2) refuses
 * one that names it, weak or not loaded, since libbpf looks the name up in modules' BTF, for which the
 * daemon has no right.
 */
#include "egress.h"

SEC("tc")
int wgx_egress(struct __sk_buff *skb)
{
	return egress(skb, egress_stamp(skb));
}

char _license[] SEC("license") = "Dual MIT/GPL";
