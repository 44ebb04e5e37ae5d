/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Strict mode, on both ways of an underlay: see strict.h. It is there also while there is no daemon. */
#include "strict.h"

SEC("tc")
int wgx_strict_out(struct __sk_buff *skb)
{
	return strict(skb, true);
}

SEC("tc")
int wgx_strict_in(struct __sk_buff *skb)
{
	return strict(skb, false);
}

char _license[] SEC("license") = "Dual MIT/GPL";
