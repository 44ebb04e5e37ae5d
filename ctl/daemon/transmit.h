/* SPDX-License-Identifier: MIT */
/* Devices by which sealed packets leave past the stack (path/transmit.h): wgx attach DEV --transmit. */
#ifndef WGX_DAEMON_TRANSMIT_H
#define WGX_DAEMON_TRANSMIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "daemon/event.h"

struct wgx_attached;
struct wgx_daemon;
struct wgx_link_info;
struct wgx_peer_link;

/** struct wgx_transmit_state - while there is such a device */
struct wgx_transmit_state {
	struct wgx_event watch, wanted; /* what changes; peers whose way is asked for */
	struct wgx_peer_link *taken; /* of these, their turn is to come */
	int query_fd; /* netlink; -1: none */
	uint64_t last_epoch;
};

/** wgx_transmit_check() - can it be done on this device? @text: for the user, of @size bytes, where it cannot */
int wgx_transmit_check(const struct wgx_link_info *info, char *text, size_t size);
/**
 * wgx_transmit_on() - from now on; a device with sockets of its own sends by that of its first queue, which was made
 *	for it
 * @text: for the user, of @size bytes, where it fails. Return: 0 or a negative errno.
 */
int wgx_transmit_on(struct wgx_daemon *d, struct wgx_attached *a, char *text, size_t size);
/** wgx_transmit_off() - what is in its ring goes first; the device may be gone */
void wgx_transmit_off(struct wgx_daemon *d, struct wgx_attached *a);
/** wgx_transmit_stale() - what is known of the ways to peers may be wrong: they are asked for anew */
void wgx_transmit_stale(struct wgx_daemon *d);
/** wgx_transmit_lost() - packets that the device did not take, of nobody */
uint64_t wgx_transmit_lost(const struct wgx_attached *a);
/** wgx_transmit_json() - for `wgx show`, of a device; null where it is off */
json_t *wgx_transmit_json(const struct wgx_attached *a);

#endif
