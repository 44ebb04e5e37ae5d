/* SPDX-License-Identifier: MIT */
/*
 * The HTTP server: one thread, one request a connection. Neither the number of connections nor a slow one keeps
 * others out: a connection lasts WGX_METRICS_DEADLINE_S at most, and where there are too many the oldest is ended.
 */
#ifndef WGX_METRICS_SERVER_H
#define WGX_METRICS_SERVER_H

#define WGX_METRICS_DEADLINE_S 30
#define WGX_METRICS_CONNECTIONS 32
/* Each may hold an answer of its own. */
#define WGX_METRICS_STREAMS 4

/**
 * wgx_metrics_serve() - until SIGTERM, SIGINT or SIGHUP
 * @fd: a listening socket, non-blocking; closed at the end
 *
 * Return: 0 or a negative errno.
 */
int wgx_metrics_serve(int fd);

#endif
