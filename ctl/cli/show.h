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

#endif
