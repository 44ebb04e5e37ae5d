/* SPDX-License-Identifier: MIT */
/* The daemon's state as JSON, for `wgx show`. */
#ifndef WGX_DAEMON_SHOW_H
#define WGX_DAEMON_SHOW_H

#include <jansson.h>

struct wgx_daemon;

/** wgx_show() - of @name, or all when NULL; a new object; NULL: no such interface, or no memory */
json_t *wgx_show(struct wgx_daemon *d, const char *name);

#endif
