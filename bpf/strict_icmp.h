/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * ICMP errors about our own messages: a router on the way tells that one was too big, say. In a full tunnel its
 * address is in allowed IPs, as everybody's.
 */
#ifndef WGX_BPF_STRICT_ICMP_H
#define WGX_BPF_STRICT_ICMP_H

#include "ours.h"
#include "strict_packet.h"

#define ICMP_HLEN 8 /* of an error, of both families */

/* icmp.h, icmpv6.h: destination unreachable, time exceeded, parameter problem; 2 in IPv6: packet too big */
static __always_inline bool is_icmp_error(bool v6, __u8 type)
{
	if (v6)
		return type >= 1 && type <= 4;
	return type == 3 || type == 11 || type == 12;
}

/* The packet that the error quotes is read as it would be if it was sent: its source is ours. */
static __always_inline bool is_about_ours(const struct __sk_buff *skb,
					  const struct strict_packet *p)
{
	struct strict_packet quoted = {};
	enum strict_frame frame;
	__u8 type;

	if (p->fragment || p->proto != (p->v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP))
		return false;
	if (bpf_skb_load_bytes(skb, p->l4, &type, sizeof(type)) || !is_icmp_error(p->v6, type))
		return false;
	frame = p->v6 ? read_ip6(skb, p->l4 + ICMP_HLEN, &quoted)
		      : read_ip4(skb, p->l4 + ICMP_HLEN, &quoted);
	if (frame != STRICT_IP || quoted.proto != IPPROTO_UDP)
		return false;
	read_ports(skb, &quoted);
	return whose(&quoted.src, quoted.sport);
}

#endif
