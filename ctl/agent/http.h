/* SPDX-License-Identifier: MIT */
/* HTTP requests to the API server, in the agent's loop: libcurl's multi interface. */
#ifndef WGX_AGENT_HTTP_H
#define WGX_AGENT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "agent/kubeconfig.h"

struct wgx_http;
struct wgx_http_request;

/**
 * struct wgx_http_answer - how a request has ended
 * @status: HTTP's; 0: there was no answer, and @error says why
 * @body: without on_data: of @len bytes, terminated
 * @retry_after: in seconds; 0: not said
 */
struct wgx_http_answer {
	long status;
	const char *error;
	const char *body;
	size_t len;
	uint32_t retry_after;
};

/**
 * struct wgx_http_ask - @method: GET, PATCH or POST
 * @path: with its query; @type, @body: or NULL
 * @on_open: the headers of an answer of status 200 have come; or NULL
 * @on_data: for each piece of a body of status 200, as it comes; false ends the request. NULL: it is gathered.
 * @on_end: once; the request is gone then. Not after wgx_http_cancel().
 * @timeout_s: of all of it; 0: none
 */
struct wgx_http_ask {
	const char *method, *path, *type, *body;
	void (*on_open)(void *arg);
	bool (*on_data)(void *arg, const void *data, size_t len);
	void (*on_end)(void *arg, const struct wgx_http_answer *a);
	void *arg;
	uint32_t timeout_s;
};

/** wgx_http_open() - @kube: borrowed; NULL: no memory left, or libcurl does not start */
struct wgx_http *wgx_http_open(const struct wgx_kube *kube, int epoll_fd);
void wgx_http_close(struct wgx_http *h);
/** wgx_http_send() - begin a request; NULL: no memory left */
struct wgx_http_request *wgx_http_send(struct wgx_http *h, const struct wgx_http_ask *ask);
/** wgx_http_cancel() - NULL is legal */
void wgx_http_cancel(struct wgx_http_request *q);
/** wgx_http_run() - at each turn; returns when it wants the next at the latest, in ms; -1: when something happens */
int wgx_http_run(struct wgx_http *h);
/** wgx_http_escape() - as a part of a query; for free(); NULL: no memory left */
char *wgx_http_escape(const char *text);
/** wgx_http_stale() - the token is to be read again before the next request */
void wgx_http_stale(struct wgx_http *h);

#endif
