/* SPDX-License-Identifier: MIT */
/*
 * The control protocol's client side: one JSON object and a newline each way over the UNIX stream
 * socket at wgx_control_path(). An answer is {"ok":true, ...} or {"ok":false,"error":"text","errno":N}.
 */
#ifndef WGX_CLI_CLIENT_H
#define WGX_CLI_CLIENT_H

#include <jansson.h>

/* The daemon is given this long to answer; loading BPF programs takes it a second or two at worst. */
#define WGX_CLIENT_TIMEOUT_S 30
/* A million allowed IPs are about 30 MB. */
#define WGX_CLIENT_ANSWER_MAX (256u << 20)

/**
 * wgx_client_open() - a connection to a UNIX socket
 * @seconds: how long connecting, and then each sending and receiving, may take
 *
 * Return: a file descriptor, -ENOENT where nobody listens, or another negative errno.
 */
int wgx_client_open(const char *path, int seconds);
/** wgx_client_send() - all of it; 0, -ETIMEDOUT, -ECONNRESET, or another negative errno */
int wgx_client_send(int fd, const char *p, size_t len);

/**
 * wgx_client_connect() - a connection to this network namespace's daemon
 * Return: a file descriptor, -ESRCH when none runs, or another negative errno.
 */
int wgx_client_connect(void);
/** wgx_client_connect_within() - the same, with other @seconds than WGX_CLIENT_TIMEOUT_S */
int wgx_client_connect_within(int seconds);

/** struct wgx_client_lines - what has come and was not asked for yet; zero to begin with; free @data at the end */
struct wgx_client_lines {
	char *data;
	size_t len, size, taken;
};

/** wgx_client_ask() - send @request; 0, -ETIMEDOUT, -ECONNRESET, or another negative errno */
int wgx_client_ask(int fd, const json_t *request);
/** wgx_client_next() - the next object that comes; returns as wgx_client_call(), and may be called again after
 * -ETIMEDOUT */
int wgx_client_next(int fd, struct wgx_client_lines *l, json_t **ret);

/**
 * wgx_client_call() - send @request on @fd and wait for the answer
 * @ret: the answer, an object; the caller drops the reference. Untouched on failure.
 *
 * Return: 0 for whatever the daemon answers; -ECONNRESET when it hangs up instead, -ETIMEDOUT,
 * -EBADMSG for no JSON object, -EMSGSIZE for too long a line, or another negative errno.
 */
int wgx_client_call(int fd, const json_t *request, json_t **ret);

/** wgx_client_error() - the text of a refusal, owned by @answer; NULL when @answer says ok */
const char *wgx_client_error(const json_t *answer);

/** wgx_client_strerror() - what wgx_client_connect() or _call() returned, in words; @buf of @size bytes, 128 do */
const char *wgx_client_strerror(int err, char *buf, size_t size);

/** wgx_client_perror() - tell the user what wgx_client_connect() or _call() returned; exit status */
int wgx_client_perror(int err);

/** wgx_client_once() - connect, call and hang up; @request, NULL for no memory, is taken; returns as these */
int wgx_client_once(json_t *request, json_t **ret);

/**
 * wgx_client_request() - connect, call, report: for subcommands that ask one question
 * @request: the reference is taken. @ret: as for wgx_client_call(); only where the daemon said ok.
 *
 * Return: an exit status; the user has been told of a failure.
 */
int wgx_client_request(json_t *request, json_t **ret);

#endif
