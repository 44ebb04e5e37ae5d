/* SPDX-License-Identifier: MIT */
/* The daemon's state as JSON, for `wgx show`. */
#ifndef WGX_DAEMON_SHOW_H
#define WGX_DAEMON_SHOW_H

#include <stdbool.h>

#include <jansson.h>

struct wgx_daemon;

/**
 * wgx_show() - of the interface @name, or all when NULL
 * @peer: of @name only that one, by its name or public key; NULL: all
 * @peers: false: leave out the interfaces' peers, which cost most
 * @error: for the user, of @size bytes, on failure: there is no such interface or peer
 *
 * Return: a new object, described in docs/json.md; or NULL.
 */
json_t *wgx_show(struct wgx_daemon *d, const char *name, const char *peer, bool peers, char *error,
		 size_t size);

#endif
