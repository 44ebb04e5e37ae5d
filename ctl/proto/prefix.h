/* SPDX-License-Identifier: MIT */
/* Networks as people write them: 10.0.0.0/8, fd00::/8, 192.0.2.1. */
#ifndef WGX_PROTO_PREFIX_H
#define WGX_PROTO_PREFIX_H

#include <stdbool.h>
#include <stddef.h>
#include "proto/allowedips.h"

#define WGX_PREFIX_TEXT 50 /* INET6_ADDRSTRLEN and "/128" */

/**
 * wgx_prefix_parse() - an address, or address/length; without a length it is that address alone
 *
 * Host bits are cleared, as wg(8) does. Return: 0, or -EINVAL with *@ret as it was.
 */
int wgx_prefix_parse(const char *text, struct wgx_prefix *ret);
/** wgx_prefix_parse_address() - as wgx_prefix_parse(), but the host bits stay: of a device's address */
int wgx_prefix_parse_address(const char *text, struct wgx_prefix *ret);
/** wgx_prefix_equal() - the same network, or with host bits the same address and length */
bool wgx_prefix_equal(const struct wgx_prefix *a, const struct wgx_prefix *b);
/** wgx_prefix_contains() - is @p within @net? @net has no host bits. */
bool wgx_prefix_contains(const struct wgx_prefix *net, const struct wgx_prefix *p);
/** wgx_prefix_format() - always with its length; returns @text */
const char *wgx_prefix_format(const struct wgx_prefix *p, char text[WGX_PREFIX_TEXT]);

#endif
