/* SPDX-License-Identifier: MIT */
/* The outer headers of a frame that AF_XDP brought: what the UDP socket would have told us. */
#ifndef WGX_PATH_OUTER_H
#define WGX_PATH_OUTER_H

#include <stddef.h>
#include <stdint.h>
#include "device/endpoint.h"

struct wgx_outer {
	size_t header_len; /* Ethernet, IP and UDP */
	size_t payload_len; /* by the UDP header: what follows is padding (P-MSG-3) */
	uint16_t port; /* destination, host byte order */
	uint8_t tos;
	struct wgx_endpoint from; /* with the address it was sent to as the one to answer from */
};

/**
 * wgx_outer_parse() - of a frame of @len bytes whose first @contiguous are at @frame
 * Return: 0, or -EBADMSG (not Ethernet, IPv4 or IPv6, UDP; or a length that does not fit).
 */
int wgx_outer_parse(const uint8_t *frame, size_t contiguous, size_t len, struct wgx_outer *ret);

#endif
