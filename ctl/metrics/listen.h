/* SPDX-License-Identifier: MIT */
/* Where metrics are to be had. */
#ifndef WGX_METRICS_LISTEN_H
#define WGX_METRICS_LISTEN_H

#include "device/endpoint.h"

/** struct wgx_metrics_place - @path: a UNIX socket; NULL: @tcp */
struct wgx_metrics_place {
	const char *path;
	struct wgx_endpoint tcp;
};

/** wgx_metrics_place_parse() - "127.0.0.1:9586", "[::1]:9586", or an absolute path, which ret keeps; -EINVAL */
int wgx_metrics_place_parse(const char *text, struct wgx_metrics_place *ret);

/**
 * wgx_metrics_listen() - a socket there, non-blocking
 * @place: port 0 becomes the one that the kernel has chosen
 *
 * A UNIX socket takes the place of one to which nobody listens, and anybody may connect who can reach it.
 * Return: a descriptor, or a negative errno.
 */
int wgx_metrics_listen(struct wgx_metrics_place *place);

#endif
