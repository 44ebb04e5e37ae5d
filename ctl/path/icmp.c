/* SPDX-License-Identifier: MIT */
#include "path/icmp.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include "path/checksum.h"

#define IP4_HEADER 20
#define IP6_HEADER 40
#define ICMP_HEADER 8
/* An answer quotes the header and so much after it at least (RFC 792). */
#define QUOTE_MIN 8
#define HOP_LIMIT 64
#define TOS_INTERNETWORK_CONTROL 0xc0 /* RFC 1812 4.3.2.5 */

#define ICMP4_UNREACHABLE 3
#define ICMP4_HOST 1
#define ICMP6_UNREACHABLE 1
#define ICMP6_ADDRESS 3
#define ICMP6_REDIRECT 137
#define ICMP6_INFORMATIONAL 0x80

static void put16(uint8_t *p, size_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put_check(uint8_t *p, uint16_t check)
{
	memcpy(p, &check, sizeof(check));
}

/* Unreachable, source quench, redirect, time exceeded, parameter problem (RFC 1122 3.2.2). */
static bool is_error4(uint8_t type)
{
	return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/* Does it stand for a single other host? Not 0/8, 127/8, multicast, class E, broadcast. */
static bool is_host4(const uint8_t *a)
{
	return a[0] != 0 && a[0] != 127 && a[0] < 224;
}

static bool is_host6(const uint8_t *a)
{
	static const uint8_t unspecified[16], loopback[16] = {[15] = 1};

	return a[0] != 0xff && memcmp(a, unspecified, 16) && memcmp(a, loopback, 16);
}

static bool may_answer4(const uint8_t *p, size_t len)
{
	size_t ihl, total;

	if (len < IP4_HEADER)
		return false;
	ihl = (p[0] & 0xfu) * 4;
	total = (size_t)p[2] << 8 | p[3];
	if (ihl < IP4_HEADER || total < ihl || len < ihl)
		return false;
	if ((p[6] & 0x1f) || p[7]) /* not the first fragment */
		return false;
	if (!is_host4(p + 12) || !is_host4(p + 16))
		return false;
	if (p[9] != IPPROTO_ICMP)
		return true;
	return total > ihl && len > ihl && !is_error4(p[ihl]);
}

static size_t answer4(const uint8_t *packet, size_t len, uint8_t *out, size_t cap)
{
	size_t total = (size_t)packet[2] << 8 | packet[3];
	size_t quote = total < len ? total : len, size;
	uint8_t *icmp = out + IP4_HEADER;

	if (cap > WGX_ICMP4_MAX)
		cap = WGX_ICMP4_MAX;
	if (cap < IP4_HEADER + ICMP_HEADER + 60 + QUOTE_MIN)
		return 0;
	if (quote > cap - IP4_HEADER - ICMP_HEADER)
		quote = cap - IP4_HEADER - ICMP_HEADER;
	size = IP4_HEADER + ICMP_HEADER + quote;
	memset(out, 0, IP4_HEADER + ICMP_HEADER);
	out[0] = 0x45;
	out[1] = TOS_INTERNETWORK_CONTROL;
	put16(out + 2, size);
	out[6] = 0x40; /* DF: the identification may be 0 (RFC 6864) */
	out[8] = HOP_LIMIT;
	out[9] = IPPROTO_ICMP;
	memcpy(out + 12, packet + 16, 4);
	memcpy(out + 16, packet + 12, 4);
	put_check(out + 10, wgx_csum_ip4(out, IP4_HEADER));
	icmp[0] = ICMP4_UNREACHABLE;
	icmp[1] = ICMP4_HOST;
	memcpy(icmp + ICMP_HEADER, packet, quote);
	put_check(icmp + 2, wgx_csum_fold(wgx_csum_add(0, icmp, ICMP_HEADER + quote)));
	return size;
}

static bool is_extension(uint8_t next)
{
	return next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
	       next == IPPROTO_FRAGMENT;
}

/*
 * Walks the extension headers. An ICMPv6 error must not be answered, so what cannot be followed to
 * its end is not either.
 */
static bool may_answer_payload6(const uint8_t *p, size_t len)
{
	uint8_t next = p[6];
	size_t at = IP6_HEADER, size;

	while (is_extension(next)) {
		if (at + 8 > len)
			return false;
		size = (p[at + 1] + 1u) * 8;
		if (next == IPPROTO_FRAGMENT) {
			if (p[at + 2] || (p[at + 3] & 0xf8)) /* not the first */
				return false;
			size = 8;
		}
		next = p[at];
		at += size;
	}
	if (next != IPPROTO_ICMPV6)
		return true;
	return at < len && (p[at] & ICMP6_INFORMATIONAL) && p[at] != ICMP6_REDIRECT;
}

static bool may_answer6(const uint8_t *p, size_t len)
{
	return len >= IP6_HEADER && is_host6(p + 8) && is_host6(p + 24) &&
	       may_answer_payload6(p, len);
}

static size_t answer6(const uint8_t *packet, size_t len, uint8_t *out, size_t cap)
{
	size_t total = IP6_HEADER + ((size_t)packet[4] << 8 | packet[5]);
	size_t quote = total < len ? total : len, l4_len;
	uint8_t *icmp = out + IP6_HEADER;
	uint32_t sum;

	if (cap > WGX_ICMP6_MAX)
		cap = WGX_ICMP6_MAX;
	if (cap < IP6_HEADER + ICMP_HEADER + IP6_HEADER + QUOTE_MIN)
		return 0;
	if (quote > cap - IP6_HEADER - ICMP_HEADER)
		quote = cap - IP6_HEADER - ICMP_HEADER;
	l4_len = ICMP_HEADER + quote;
	memset(out, 0, IP6_HEADER + ICMP_HEADER);
	out[0] = 0x60;
	put16(out + 4, l4_len);
	out[6] = IPPROTO_ICMPV6;
	out[7] = HOP_LIMIT;
	memcpy(out + 8, packet + 24, 16);
	memcpy(out + 24, packet + 8, 16);
	icmp[0] = ICMP6_UNREACHABLE;
	icmp[1] = ICMP6_ADDRESS;
	memcpy(icmp + ICMP_HEADER, packet, quote);
	sum = wgx_csum_pseudo6(out + 8, IPPROTO_ICMPV6, (uint32_t)l4_len);
	put_check(icmp + 2, wgx_csum_fold(wgx_csum_add(sum, icmp, l4_len)));
	return IP6_HEADER + l4_len;
}

size_t wgx_icmp_unreachable(const uint8_t *packet, size_t len, uint8_t *out, size_t cap)
{
	if (!len)
		return 0;
	switch (packet[0] >> 4) {
	case 4:
		return may_answer4(packet, len) ? answer4(packet, len, out, cap) : 0;
	case 6:
		return may_answer6(packet, len) ? answer6(packet, len, out, cap) : 0;
	default:
		return 0;
	}
}

void wgx_icmp_limit_init(struct wgx_icmp_limit *l, uint32_t rate, uint32_t burst, uint64_t now)
{
	l->cost = 1000000000 / (rate ? rate : 1);
	l->full = l->cost * (burst ? burst : 1);
	l->tokens = l->full;
	l->last = now;
}

bool wgx_icmp_limit_take(struct wgx_icmp_limit *l, uint64_t now)
{
	uint64_t passed = now > l->last ? now - l->last : 0;

	l->last = now > l->last ? now : l->last;
	l->tokens = passed < l->full - l->tokens ? l->tokens + passed : l->full;
	if (l->tokens < l->cost)
		return false;
	l->tokens -= l->cost;
	return true;
}
