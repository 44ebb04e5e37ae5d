/* SPDX-License-Identifier: MIT */
/* The model of an interface as bytes, from one process to the next: identity, peers, allowed IPs, sessions. */
#ifndef WGX_DEVICE_DEVICE_STATE_H
#define WGX_DEVICE_DEVICE_STATE_H

struct wgx_codec;
struct wgx_device;
struct wgx_prefix;

/**
 * wgx_device_codec() - write @dev, while neither workers nor the protocol thread run; or read into one that was just
 *	made, before they do
 * Under the lock. What is read is as it was, up or down, but for its sockets, which are the caller's to open: the
 * ops->rebind and unbind are not called. @c may have failed then; @dev is whole all the same, and can be destroyed.
 * Packets that wait for a handshake are not in it.
 */
void wgx_device_codec(struct wgx_device *dev, struct wgx_codec *c);
/** wgx_prefix_codec() - one network; of what is read only the length is judged, and that by no more than 128 */
void wgx_prefix_codec(struct wgx_codec *c, struct wgx_prefix *p);

#endif
