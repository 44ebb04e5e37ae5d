/* SPDX-License-Identifier: MIT */
/* What `wgx show` prints of the daemon's answer. */
#ifndef WGX_CLI_SHOW_H
#define WGX_CLI_SHOW_H

#include <stdint.h>

#include <jansson.h>

#include "cli/text.h"

/**
 * wgx_show_print() - the answer to {"cmd":"show"} for people
 * @now: Unix seconds. Members that are missing, null or zero are left out, as wg does.
 */
void wgx_show_print(const struct wgx_text *t, const json_t *answer, int64_t now);

/** wgx_show_peer_print() - of an answer about one peer, that peer, and what was lost of its packets */
void wgx_show_peer_print(const struct wgx_text *t, const json_t *answer, int64_t now);

/**
 * wgx_show_drops_print() - of the same answer, what was lost
 *
 * A line for each reason: its name, packets, where, what happened; under the interface, each peer of which the
 * peer was known and something was lost, and at last what is of no interface. The form is for programs too.
 */
void wgx_show_drops_print(const struct wgx_text *t, const json_t *answer);

/** wgx_show_peer_drops_print() - of an answer about one peer: its lines, or "none" */
void wgx_show_peer_drops_print(const struct wgx_text *t, const json_t *answer);

#endif
