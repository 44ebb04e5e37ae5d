/* SPDX-License-Identifier: MIT */
/* The daemon's state as bytes and descriptors: daemon/handover.h. */
#ifndef WGX_DAEMON_HANDOVER_STATE_H
#define WGX_DAEMON_HANDOVER_STATE_H

#include "daemon/handover.h"

struct wgx_daemon;

/**
 * wgx_handover_codec() - all of @d, whose threads stand, to bytes; or from them into one that has no interface yet
 * @heir: writing: the connection of the process that gets it
 *
 * Reading: BPF's links are not touched yet. h->c has failed where something was wrong.
 */
void wgx_handover_codec(struct wgx_handover *h, struct wgx_daemon *d, int heir);
/** wgx_handover_drop() - close the descriptors that were not taken */
void wgx_handover_drop(struct wgx_handover *h);

#endif
