/* SPDX-License-Identifier: MIT */
/* wgconfig IFACE add peer NAME KEY [OPTION ...]: from arguments to a request of the configuration protocol. */
#ifndef WGX_NETBSD_PEER_OPTIONS_H
#define WGX_NETBSD_PEER_OPTIONS_H

#include <wgx/wire.h>
#include "cli/secbuf.h"
#include "device/endpoint.h"
#include "device/host_port.h"

/* Zeroed: none. Texts are the arguments'. */
struct wgx_peer_options {
	const char *name;
	const char *preshared_key_file, *endpoint_text, *allowed_ips; /* NULL: not given */
	uint8_t public_key[WGX_KEY_LEN], preshared_key[WGX_KEY_LEN];
	struct wgx_host_port host_port; /* what @endpoint_text says, and @endpoint where it leads */
	struct wgx_endpoint endpoint;
};

/** wgx_peer_options_parse() - NAME KEY [OPTION ...]; an exit status, and the user has been told */
int wgx_peer_options_parse(struct wgx_peer_options *o, int argc, char **argv);
/**
 * wgx_peer_options_resolve() - read the file, and look the endpoint up where it is a host's name
 * Return: an exit status; the user has been told of a failure.
 */
int wgx_peer_options_resolve(struct wgx_peer_options *o);
/** wgx_peer_options_request() - append the set operation to @b */
void wgx_peer_options_request(const struct wgx_peer_options *o, struct wgx_secbuf *b);
void wgx_peer_options_wipe(struct wgx_peer_options *o);

#endif
