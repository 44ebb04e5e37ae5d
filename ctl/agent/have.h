/* SPDX-License-Identifier: MIT */
/* What an interface has, as its UAPI tells. Pure. */
#ifndef WGX_AGENT_HAVE_H
#define WGX_AGENT_HAVE_H

#include <wgx/wire.h>
#include "device/endpoint.h"
#include "proto/prefix.h"

/**
 * struct wgx_have_peer - @prefixes: sorted, of wgx_have
 * @handshake: Unix time of the last one, in seconds; 0: there was none
 */
struct wgx_have_peer {
	uint8_t key[WGX_KEY_LEN];
	struct wgx_endpoint endpoint; /* AF_UNSPEC: none */
	uint16_t keepalive;
	int64_t handshake;
	struct wgx_prefix *prefixes;
	size_t n_prefixes, room;
};

/** struct wgx_have - @peers: sorted by key; @has_key: its private key is the one that was asked about */
struct wgx_have {
	bool has_key;
	uint16_t listen_port;
	struct wgx_have_peer *peers;
	size_t n_peers, room;
};

/**
 * wgx_have_parse() - the answer to get=1
 * @text: is changed, and holds the private key: the caller wipes it
 * @private_key: that it should have; NULL: whatever
 * @ret: for wgx_have_free()
 *
 * Return: 0, -EPROTO for what the daemon does not say, -ENOMEM.
 */
int wgx_have_parse(char *text, const uint8_t private_key[WGX_KEY_LEN], struct wgx_have *ret);
/** wgx_have_find() - by key, or NULL */
const struct wgx_have_peer *wgx_have_find(const struct wgx_have *h, const uint8_t key[WGX_KEY_LEN]);
void wgx_have_free(struct wgx_have *h);

#endif
