/* SPDX-License-Identifier: MIT */
/* The plaintext of a data message: what it must look like, and its padding (P-DT-3, P-DT-5). */
#ifndef WGX_PATH_INNER_H
#define WGX_PATH_INNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** struct wgx_inner - an IP packet's measures; the addresses point into the packet */
struct wgx_inner {
	size_t len; /* bytes, by the packet's own length field */
	unsigned int header_len; /* bytes; with IPv4 options, without IPv6 extension headers */
	bool v6;
	uint8_t addr_len; /* 4 or 16 */
	const uint8_t *src, *dst;
};

/**
 * wgx_inner_parse() - check that a payload is an IP packet
 * @len: bytes there are, padding included. Only the first 40 of them are read
 * @ret: untouched on failure
 *
 * Return: 0, or -EBADMSG: neither IPv4 nor IPv6, header not all there, or its length field says
 * more than @len or less than the header.
 */
int wgx_inner_parse(const uint8_t *p, size_t len, struct wgx_inner *ret);

/**
 * wgx_inner_pad() - how long a plaintext of @len bytes is after padding
 * @mtu: of the interface, bytes; 0: unknown
 *
 * The next multiple of 16, but not past the MTU; a packet already longer counts modulo the MTU, as
 * in Linux (drivers/net/wireguard/send.c, calculate_skb_padding).
 */
size_t wgx_inner_pad(size_t len, size_t mtu);

#endif
