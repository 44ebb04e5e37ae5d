/* SPDX-License-Identifier: MIT */
/* Between uapi.c, uapi_set.c and uapi_get.c only. */
#ifndef WGX_DEVICE_UAPI_INTERNAL_H
#define WGX_DEVICE_UAPI_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include "device/device.h"

/** struct wgx_uapi_out - an answer on its way: blocks of locked memory, given back as they are sent */
struct wgx_uapi_out {
	struct wgx_uapi_block *first, *last;
	bool failed; /* no memory: part of the answer is missing */
};

/** wgx_uapi_printf() - append; a line of at most 255 bytes */
void wgx_uapi_printf(struct wgx_uapi_out *o, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/** wgx_uapi_clear() - wipe and forget what was not sent */
void wgx_uapi_clear(struct wgx_uapi_out *o);

/** wgx_uapi_get() - append all of @dev's configuration and state; under the lock, with pauses */
void wgx_uapi_get(struct wgx_uapi_out *o, struct wgx_device *dev);

struct wgx_uapi_set_peer;
struct wgx_uapi_prefix_op;

/**
 * struct wgx_uapi_set - one set operation, read and checked line by line before any of it is applied
 * Zeroed: empty. In locked memory, as it holds keys.
 */
struct wgx_uapi_set {
	int err; /* of the first line that was wrong; what follows is not looked at */
	bool has_private_key, has_listen_port, has_fwmark, replace_peers;
	bool keep_sessions; /* wgx's own: the key is one that all peers know, wgx_device_succeed_private_key() */
	uint8_t private_key[WGX_KEY_LEN];
	uint16_t listen_port;
	uint32_t fwmark;
	struct wgx_uapi_set_peer *peers; /* locked memory */
	size_t n_peers, max_peers;
	struct wgx_uapi_prefix_op *ops; /* of all peers, one after the other */
	size_t n_ops, max_ops;
};

/** wgx_uapi_set_line() - "key=value" without its newline; errors go to set->err */
void wgx_uapi_set_line(struct wgx_uapi_set *set, const char *line, size_t len);
/** wgx_uapi_set_fail() - make all of it void */
void wgx_uapi_set_fail(struct wgx_uapi_set *set, int err);
/**
 * wgx_uapi_set_apply() - under the lock, with pauses. Return: 0; set->err, or what the sockets say (-EADDRINUSE …):
 * nothing was changed; -ENOMEM: what came before was applied, and no half-configured new peer is left.
 */
int wgx_uapi_set_apply(const struct wgx_uapi_set *set, struct wgx_device *dev);
/** wgx_uapi_set_clear() - wipe, free, and empty */
void wgx_uapi_set_clear(struct wgx_uapi_set *set);

#endif
