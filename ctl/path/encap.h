/* SPDX-License-Identifier: MIT */
/* Ethernet, IP and UDP headers before a sealed message, where no stack writes them. */
#ifndef WGX_PATH_ENCAP_H
#define WGX_PATH_ENCAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "device/endpoint.h"

#define WGX_ENCAP_MAX (14 + 40 + 8)

/** struct wgx_encap - what is the same in all frames of one flow */
struct wgx_encap {
	uint8_t header[WGX_ENCAP_MAX];
	uint8_t len; /* bytes of @header in use */
	bool v6;
	uint32_t sum; /* of addresses, protocol and ports: what the UDP checksum begins with */
};

/**
 * wgx_encap_init() - @to from its source, which is known, and @port, host byte order
 * @mac: the sending device's
 * @hops: TTL or hop limit
 *
 * As the UDP sockets have it (path/bind.c): DF clear, no flow label, no options.
 */
void wgx_encap_init(struct wgx_encap *e, const struct wgx_endpoint *to, uint16_t port,
		    const uint8_t mac[6], uint8_t hops);

/**
 * wgx_encap_write() - a whole frame
 * @mac: to whom
 * @tos: DSCP and ECN
 * @id: of the IPv4 header, host byte order
 * @payload: @len bytes, with which the IP packet is 65,535 at most
 * @frame: room for e->len + @len bytes
 *
 * Return: the frame's length.
 */
size_t wgx_encap_write(const struct wgx_encap *e, const uint8_t mac[6], uint8_t tos, uint16_t id,
		       const void *payload, size_t len, uint8_t *frame);

/** wgx_encap_packet_len() - of the IP packet around @len bytes */
static inline size_t wgx_encap_packet_len(const struct wgx_encap *e, size_t len)
{
	return e->len - 14u + len;
}

#endif
