/* SPDX-License-Identifier: MIT */
/* Peers as the control socket speaks of them: by their names or public keys. */
#ifndef WGX_DAEMON_PEER_H
#define WGX_DAEMON_PEER_H

#include <stddef.h>

struct wgx_daemon;
struct wgx_peer;
struct wgx_served;

/**
 * wgx_peer_find() - the peer of @s that has this name, or this public key in base64; under the model's lock
 * @error: for the user, of @size bytes, where the return is NULL: there is none
 */
struct wgx_peer *wgx_peer_find(struct wgx_served *s, const char *peer, char *error, size_t size);

/**
 * wgx_peer_rename() - wgx_peer_set_name() by names
 * @peer: a name or a public key
 * @error: for the user, of @size bytes, on failure
 *
 * Return: 0; -ENODEV, -ENOENT (no such peer), or as wgx_peer_set_name().
 */
int wgx_peer_rename(struct wgx_daemon *d, const char *interface, const char *peer, const char *name,
		    char *error, size_t size);

/**
 * wgx_peer_pair() - wgx_peer_set_twin() by names; @twin NULL: none
 * @error: as above. Return: 0, -ENODEV, -ENOENT, or -EINVAL (a peer is no twin of its own).
 */
int wgx_peer_pair(struct wgx_daemon *d, const char *interface, const char *peer, const char *twin,
		  char *error, size_t size);

#endif
