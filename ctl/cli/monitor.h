/* SPDX-License-Identifier: MIT */
/* What `wgx monitor` prints of an event. */
#ifndef WGX_CLI_MONITOR_H
#define WGX_CLI_MONITOR_H

#include <jansson.h>

#include "cli/text.h"

/** wgx_monitor_print() - an event of docs/json.md as one line for people, in local time */
void wgx_monitor_print(const struct wgx_text *t, const json_t *event);

#endif
