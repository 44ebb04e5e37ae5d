/* SPDX-License-Identifier: MIT */
/* "No such peer": ICMP host unreachable and ICMPv6 address unreachable (P-DT-4). */
#ifndef WGX_PATH_ICMP_H
#define WGX_PATH_ICMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WGX_ICMP4_MAX 576 /* RFC 1812 4.3.2.3 */
#define WGX_ICMP6_MAX 1280 /* RFC 4443 2.4 (c) */

/**
 * wgx_icmp_unreachable() - build the answer to a packet that no peer takes
 * @packet: what the host sent: an IP packet, or the beginning of one
 * @len: bytes there are of it
 * @out: the whole IP packet to give back to the host; does not overlap @packet
 * @cap: room there, bytes; WGX_ICMP6_MAX is always enough, less makes the quotation shorter
 *
 * It comes from the packet's own destination, since that is what the host routes out of wg0:
 * another source would not pass its reverse path filter. Return: bytes written; 0 where RFC 1122
 * 3.2.2, RFC 1812 4.3.2.7 or RFC 4443 2.4 (e) forbid an answer, or @packet has no whole header, or
 * @cap is too small.
 */
size_t wgx_icmp_unreachable(const uint8_t *packet, size_t len, uint8_t *out, size_t cap);

/** struct wgx_icmp_limit - a token bucket, for one thread; tokens are counted in ns, as time is */
struct wgx_icmp_limit {
	uint64_t cost; /* ns that one answer takes to earn */
	uint64_t full; /* ns that the bucket holds at most */
	uint64_t tokens;
	uint64_t last; /* when it was last filled */
};

/**
 * wgx_icmp_limit_init() - a full bucket
 * @rate: answers a second in the long run, at least 1
 * @burst: answers at once, at least 1
 */
void wgx_icmp_limit_init(struct wgx_icmp_limit *l, uint32_t rate, uint32_t burst, uint64_t now);

/** wgx_icmp_limit_take() - true, and a token less, if an answer may be sent at @now (ns) */
bool wgx_icmp_limit_take(struct wgx_icmp_limit *l, uint64_t now);

#endif
