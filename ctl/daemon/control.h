/* SPDX-License-Identifier: MIT */
/* A connection at the control socket (control.c), and what it asks for (requests.c). */
#ifndef WGX_DAEMON_CONTROL_H
#define WGX_DAEMON_CONTROL_H

#include <jansson.h>
#include "daemon/state.h"

struct wgx_control_client {
	struct cds_list_head all;
	struct wgx_event event;
	struct wgx_daemon *daemon;
	struct wgx_served
		*waits_for; /* wgx -f: deleted when the client goes, and the other way round */
	char *in;
	size_t in_len;
	char *out; /* an answer being sent, or events */
	size_t out_len, out_at;
	bool looks_only; /* see wgx_socket_may_use(): may show, and no more */
	bool heir; /* a process that asked for a hand-over */
	bool listens; /* wgx monitor: @cursor is where in the news, @only the interface, or empty */
	uint64_t cursor;
	char only[IFNAMSIZ];
};

/** wgx_control_answer() - do what a request, a JSON object of @len bytes, asks for; the answer, or NULL: no memory */
json_t *wgx_control_answer(struct wgx_control_client *c, const char *line, size_t len);

#endif
