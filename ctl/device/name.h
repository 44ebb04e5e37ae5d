/* SPDX-License-Identifier: MIT */
/*
 * Names of peers, for people: given by them, unique within an interface, gone with the peer. The protocol knows
 * nothing of them, and nor does `wg`.
 */
#ifndef WGX_DEVICE_NAME_H
#define WGX_DEVICE_NAME_H

struct wgx_device;
struct wgx_peer;

#define WGX_PEER_NAME_MAX 63 /* bytes */

/**
 * wgx_peer_name_problem() - what keeps @name from naming a peer
 * 1 to WGX_PEER_NAME_MAX bytes of printable ASCII without the space, so that a terminal, a JSON text and a shell's
 * word hold it as it is. And no public key in base64: where a peer is asked for, either may stand.
 *
 * Return: end of a sentence, or NULL if the name is fine.
 */
const char *wgx_peer_name_problem(const char *name);

/* All below run under the device's lock. */

/**
 * wgx_peer_set_name() - the name in the place of the one that @peer has; NULL: none
 * Return: 0; -EINVAL (wgx_peer_name_problem()), -EEXIST (another peer of the interface has it), -ENOMEM.
 */
int wgx_peer_set_name(struct wgx_peer *peer, const char *name);
/** wgx_peer_name() - the peer's, until it gets another; NULL: it has none */
const char *wgx_peer_name(const struct wgx_peer *peer);
/** wgx_device_find_named() - the peer of this name; or NULL, also where @name could be no peer's */
struct wgx_peer *wgx_device_find_named(struct wgx_device *dev, const char *name);

#endif
