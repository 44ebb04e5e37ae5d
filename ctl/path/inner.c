/* SPDX-License-Identifier: MIT */
#include "path/inner.h"

#include <errno.h>
#include "wgx/wire.h"

#define IP4_MIN 20
#define IP6_LEN 40

static int parse4(const uint8_t *p, size_t len, struct wgx_inner *ret)
{
	size_t header_len, total;

	if (len < IP4_MIN)
		return -EBADMSG;
	header_len = (p[0] & 0xfu) * 4;
	total = (size_t)p[2] << 8 | p[3];
	if (header_len < IP4_MIN || total < header_len || total > len)
		return -EBADMSG;
	*ret = (struct wgx_inner){
		.len = total,
		.header_len = (unsigned int)header_len,
		.addr_len = 4,
		.src = p + 12,
		.dst = p + 16,
	};
	return 0;
}

static int parse6(const uint8_t *p, size_t len, struct wgx_inner *ret)
{
	size_t total;

	if (len < IP6_LEN)
		return -EBADMSG;
	total = IP6_LEN + ((size_t)p[4] << 8 | p[5]);
	if (total > len)
		return -EBADMSG;
	*ret = (struct wgx_inner){
		.len = total,
		.header_len = IP6_LEN,
		.v6 = true,
		.addr_len = 16,
		.src = p + 8,
		.dst = p + 24,
	};
	return 0;
}

int wgx_inner_parse(const uint8_t *p, size_t len, struct wgx_inner *ret)
{
	if (!len)
		return -EBADMSG;
	switch (p[0] >> 4) {
	case 4:
		return parse4(p, len, ret);
	case 6:
		return parse6(p, len, ret);
	default:
		return -EBADMSG;
	}
}

size_t wgx_inner_pad(size_t len, size_t mtu)
{
	size_t unit = len, padded;

	if (mtu && unit > mtu)
		unit %= mtu;
	padded = (unit + WGX_PADDING - 1) & ~(size_t)(WGX_PADDING - 1);
	if (mtu && padded > mtu)
		padded = mtu;
	return len + (padded - unit);
}
