/* SPDX-License-Identifier: MIT */
/* The configuration protocol's client side, as `wg` speaks it: for what holds keys. */
#ifndef WGX_CLI_UAPI_CLIENT_H
#define WGX_CLI_UAPI_CLIENT_H

#include <stdbool.h>
#include "cli/secbuf.h"

/**
 * wgx_uapi_ask() - one operation on an interface
 * @request: "get=1\n\n", or "set=1\n" with lines and "\n"; the caller wipes it where it holds keys
 * @ret: the answer's lines, for wgx_secbuf_free(); NULL: they are not wanted. Untouched on failure.
 *
 * Return: 0; the negative errno of the answer; -ENODEV where nobody listens for @interface; -ETIMEDOUT after
 * WGX_CLIENT_TIMEOUT_S; -EPROTO for no answer; or another negative errno.
 */
int wgx_uapi_ask(const char *interface, const char *request, struct wgx_secbuf *ret);

/**
 * wgx_uapi_next() - the next KEY=VALUE of an answer
 * @at: begins as the answer's text, which is changed
 *
 * Return: was there one?
 */
bool wgx_uapi_next(char **at, char **ret_key, char **ret_value);

#endif
