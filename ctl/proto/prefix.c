/* SPDX-License-Identifier: MIT */
#include "proto/prefix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Digits and no more, the first of several not 0. Return: -EINVAL, or at most @max */
static int parse_length(const char *text, int max)
{
	int n = 0;

	if (!*text || (text[0] == '0' && text[1]))
		return -EINVAL;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		n = 10 * n + *text - '0';
		if (n > max)
			return -EINVAL;
	}
	return n;
}

int wgx_prefix_parse_address(const char *text, struct wgx_prefix *ret)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	char addr[INET6_ADDRSTRLEN];
	struct wgx_prefix p = {0};
	int max, cidr;

	if (len >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, len);
	addr[len] = '\0';
	p.family = strchr(addr, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(p.family, addr, p.addr) != 1)
		return -EINVAL;
	max = p.family == AF_INET6 ? 128 : 32;
	cidr = slash ? parse_length(slash + 1, max) : max;
	if (cidr < 0)
		return cidr;
	p.cidr = (uint8_t)cidr;
	*ret = p;
	return 0;
}

int wgx_prefix_parse(const char *text, struct wgx_prefix *ret)
{
	int err = wgx_prefix_parse_address(text, ret);

	return err ? err : wgx_prefix_canonical(ret);
}

const char *wgx_prefix_format(const struct wgx_prefix *p, char text[WGX_PREFIX_TEXT])
{
	char addr[INET6_ADDRSTRLEN];

	inet_ntop(p->family, p->addr, addr, sizeof(addr));
	snprintf(text, WGX_PREFIX_TEXT, "%s/%u", addr, p->cidr);
	return text;
}

bool wgx_prefix_equal(const struct wgx_prefix *a, const struct wgx_prefix *b)
{
	return a->family == b->family && a->cidr == b->cidr &&
	       !memcmp(a->addr, b->addr, sizeof(a->addr));
}

bool wgx_prefix_contains(const struct wgx_prefix *net, const struct wgx_prefix *p)
{
	struct wgx_prefix cut = *p;

	if (net->family != p->family || net->cidr > p->cidr)
		return false;
	cut.cidr = net->cidr;
	wgx_prefix_canonical(&cut);
	return wgx_prefix_equal(net, &cut);
}
