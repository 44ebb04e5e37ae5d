/* SPDX-License-Identifier: MIT */
/*
 * The HTTP server: one thread, one request a connection. Neither the number of connections nor a slow one keeps
 * others out: a connection lasts WGX_METRICS_DEADLINE_S at most, and where there are too many the oldest is ended.
 */
#ifndef WGX_METRICS_SERVER_H
#define WGX_METRICS_SERVER_H

#include "metrics/families.h"
#include "metrics/source.h"

#define WGX_METRICS_DEADLINE_S 30
#define WGX_METRICS_CONNECTIONS 32
/* Each may hold an answer of its own. */
#define WGX_METRICS_STREAMS 4

/**
 * struct wgx_metrics_extra - what a server has beside the daemon's metrics
 * @families: @n_families more of them, of the object that @tell makes for each scrape
 * @page: the status of a page, with its text in *@ret for free(); 0: it has no such page. It is asked first: it may have
 *	a /healthz of its own.
 */
struct wgx_metrics_extra {
	const struct wgx_family *families;
	size_t n_families;
	json_t *(*tell)(void *arg);
	unsigned int (*page)(void *arg, const char *url, char **ret);
	void *arg;
};

struct wgx_metrics_server;

/**
 * wgx_metrics_server_open() - for the loop of its caller
 * @fd: a listening socket, non-blocking; closed at the end, or on failure
 * @source: of the daemon's answers, the caller's
 * @extra: NULL: nothing; else it lives as long as the server
 *
 * Return: NULL: it cannot be started.
 */
struct wgx_metrics_server *wgx_metrics_server_open(int fd, struct wgx_metrics_source *source,
						   const struct wgx_metrics_extra *extra);
/** wgx_metrics_server_fd() - an epoll instance, the server's: run it when that is readable */
int wgx_metrics_server_fd(const struct wgx_metrics_server *s);
/** wgx_metrics_server_run() - all that there is to do. Return: ms until the next time at the latest, -1: none; -2: it
 * does not work */
int wgx_metrics_server_run(struct wgx_metrics_server *s);
/** wgx_metrics_server_close() - at once, and the socket; NULL is none */
void wgx_metrics_server_close(struct wgx_metrics_server *s);

/**
 * wgx_metrics_serve() - until SIGTERM, SIGINT or SIGHUP
 * @fd: a listening socket, non-blocking; closed at the end
 *
 * Return: 0 or a negative errno.
 */
int wgx_metrics_serve(int fd);

#endif
