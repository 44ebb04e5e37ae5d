/* SPDX-License-Identifier: MIT */
/* HOST:PORT, as people write an endpoint: the same in files, in wgconfig and in the agent's options. */
#ifndef WGX_DEVICE_HOST_PORT_H
#define WGX_DEVICE_HOST_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WGX_HOST_MAX 253 /* RFC 1035, without the last dot */

/**
 * struct wgx_host_port - an endpoint that may have to be resolved
 * @host: an address, without brackets, or a host name
 * @port: not 0
 * @is_name: @host has to be resolved
 */
struct wgx_host_port {
	char host[WGX_HOST_MAX + 1];
	uint16_t port;
	bool is_name;
};

/**
 * wgx_host_port_parse() - "192.0.2.1:51820", "[fe80::1%eth0]:51820" or "vpn.example.net:51820"
 * @ret: untouched on failure
 * @error: what is wrong, in @size bytes: "'vpn.example.net' has no port"
 *
 * The last colon counts, as for wg(8) and NetBSD's wgconfig(8): an IPv6 address may do without brackets.
 *
 * Return: 0 or -EINVAL
 */
int wgx_host_port_parse(const char *text, struct wgx_host_port *ret, char *error, size_t size);

#endif
