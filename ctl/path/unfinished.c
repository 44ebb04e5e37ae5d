/* SPDX-License-Identifier: MIT */
#include "path/unfinished.h"

#include <netinet/in.h>
#include <string.h>
#include "path/checksum.h"
#include "path/inner.h"

#define IP4_PROTO 9
#define IP6_NEXT 6
#define TCP_CHECK 16
#define UDP_CHECK 6

/* Of the packet's bytes from @at on; what is behind @len is Ethernet's. */
static uint32_t sum_from(const struct wgx_frame *f, size_t at, size_t len)
{
	uint32_t sum = 0;

	for (unsigned int i = 0; i < f->n && at < len; i++) {
		size_t there = f->iov[i].iov_len, n;

		n = there < len ? there : len;
		sum = wgx_csum_add(sum, (const uint8_t *)f->iov[i].iov_base + at, n - at);
		len -= n;
		at = 0;
	}
	return sum;
}

bool wgx_unfinished(const struct wgx_frame *f, uint16_t *ret_start, uint16_t *ret_offset)
{
	const uint8_t *packet = f->iov[0].iov_base;
	struct wgx_inner ip;
	uint32_t pseudo, len;
	uint16_t check, begun, offset;
	uint8_t proto;

	if (wgx_inner_parse(packet, f->len, &ip))
		return false;
	proto = packet[ip.v6 ? IP6_NEXT : IP4_PROTO];
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return false;
	offset = proto == IPPROTO_TCP ? TCP_CHECK : UDP_CHECK;
	if (f->iov[0].iov_len < ip.header_len + offset + sizeof(check) ||
	    ip.len < ip.header_len + offset + sizeof(check))
		return false;
	memcpy(&check, packet + ip.header_len + offset, sizeof(check));
	len = (uint32_t)(ip.len - ip.header_len);
	pseudo =
		ip.v6 ? wgx_csum_pseudo6(ip.src, proto, len) : wgx_csum_pseudo4(ip.src, proto, len);
	begun = (uint16_t)~wgx_csum_fold(pseudo);
	if (check != begun ||
	    !wgx_csum_fold(wgx_csum_plus(pseudo, sum_from(f, ip.header_len, ip.len))))
		return false;
	*ret_start = (uint16_t)ip.header_len;
	*ret_offset = offset;
	return true;
}
