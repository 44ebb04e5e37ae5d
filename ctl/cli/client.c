/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "daemon/daemon.h"

#define FIRST_READ 4096u

static int set_timeouts(int fd, int seconds)
{
	const struct timeval tv = {.tv_sec = seconds};

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)))
		return -errno;
	return 0;
}

int wgx_client_open(const char *path, int seconds)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, err;

	if (snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path) >=
	    (int)sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = set_timeouts(fd, seconds);
	if (err)
		goto out_close;
	if (!connect(fd, (const struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	/* a dead daemon leaves its socket behind */
	err = errno == ECONNREFUSED ? -ENOENT : -errno;
out_close:
	close(fd);
	return err;
}

int wgx_client_connect_within(int seconds)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd = wgx_control_path(path, sizeof(path));

	if (fd < 0)
		return fd;
	fd = wgx_client_open(path, seconds);
	return fd == -ENOENT ? -ESRCH : fd;
}

int wgx_client_connect(void)
{
	return wgx_client_connect_within(WGX_CLIENT_TIMEOUT_S);
}

/* EAGAIN is how a socket timeout shows, EPIPE that the daemon has hung up. */
static int socket_error(void)
{
	if (errno == EAGAIN)
		return -ETIMEDOUT;
	return errno == EPIPE ? -ECONNRESET : -errno;
}

int wgx_client_send(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return socket_error();
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* In one piece: a daemon that reads it at once finds a whole line. */
int wgx_client_ask(int fd, const json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT), *line = NULL;
	int err, len = text ? asprintf(&line, "%s\n", text) : -1;

	free(text);
	if (len < 0)
		return -ENOMEM;
	err = wgx_client_send(fd, line, (size_t)len);
	free(line);
	return err;
}

static int grow(struct wgx_client_lines *l)
{
	size_t size = l->size ? l->size * 2 : FIRST_READ;
	char *data;

	if (l->size >= WGX_CLIENT_ANSWER_MAX)
		return -EMSGSIZE;
	data = realloc(l->data, size);
	if (!data)
		return -ENOMEM;
	l->data = data;
	l->size = size;
	return 0;
}

/* The line that was given out last makes room. */
static void forget_line(struct wgx_client_lines *l)
{
	if (l->taken)
		memmove(l->data, l->data + l->taken, l->len - l->taken);
	l->len -= l->taken;
	l->taken = 0;
}

/* A whole line at the beginning of @l: l->taken bytes with its newline. */
static int read_line(int fd, struct wgx_client_lines *l)
{
	size_t looked_at = 0;

	forget_line(l);
	for (;;) {
		char *end = l->len > looked_at
				    ? memchr(l->data + looked_at, '\n', l->len - looked_at)
				    : NULL;
		ssize_t n;
		int err;

		if (end) {
			l->taken = (size_t)(end - l->data) + 1;
			return 0;
		}
		looked_at = l->len;
		err = l->len == l->size ? grow(l) : 0;
		if (err)
			return err;
		n = recv(fd, l->data + l->len, l->size - l->len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return socket_error();
		if (!n)
			return -ECONNRESET;
		l->len += (size_t)n;
	}
}

int wgx_client_next(int fd, struct wgx_client_lines *l, json_t **ret)
{
	json_t *answer;
	int err;

	err = read_line(fd, l);
	if (err)
		return err;
	answer = json_loadb(l->data, l->taken - 1, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(answer)) {
		json_decref(answer);
		return -EBADMSG;
	}
	*ret = answer;
	return 0;
}

int wgx_client_call(int fd, const json_t *request, json_t **ret)
{
	struct wgx_client_lines l = {0};
	int err;

	/* A daemon that refuses early may hang up before it has read all; its answer still counts. */
	err = wgx_client_ask(fd, request);
	if (!err || err == -ECONNRESET)
		err = wgx_client_next(fd, &l, ret);
	free(l.data);
	return err;
}

const char *wgx_client_error(const json_t *answer)
{
	const char *text;

	if (json_is_true(json_object_get(answer, "ok")))
		return NULL;
	text = json_string_value(json_object_get(answer, "error"));
	return text ? text : "the wgx daemon refused without a reason";
}

const char *wgx_client_strerror(int err, char *buf, size_t size)
{
	switch (err) {
	case -ESRCH:
		return "no wgx daemon runs in this network namespace; create an interface first: "
		       "wgx wg0";
	case -EACCES:
	case -EPERM:
		return "not allowed to talk to the wgx daemon; run wgx as root";
	case -ECONNRESET:
		return "the wgx daemon ended without an answer";
	case -ETIMEDOUT:
		return "the wgx daemon does not answer";
	case -EBADMSG:
		return "the wgx daemon's answer is not a JSON object";
	case -EMSGSIZE:
		snprintf(buf, size, "the wgx daemon's answer is over %u MiB",
			 WGX_CLIENT_ANSWER_MAX >> 20);
		return buf;
	default:
		snprintf(buf, size, "cannot talk to the wgx daemon: %s", strerror(-err));
		return buf;
	}
}

int wgx_client_perror(int err)
{
	char text[128];

	if (err == -ETIMEDOUT)
		return wgx_fail("the wgx daemon has not answered for %d seconds",
				WGX_CLIENT_TIMEOUT_S);
	return wgx_fail("%s", wgx_client_strerror(err, text, sizeof(text)));
}

int wgx_client_once(json_t *request, json_t **ret)
{
	int fd = request ? wgx_client_connect() : -ENOMEM;
	int err = fd < 0 ? fd : wgx_client_call(fd, request, ret);

	if (fd >= 0)
		close(fd);
	json_decref(request);
	return err;
}

int wgx_client_request(json_t *request, json_t **ret)
{
	json_t *answer = NULL;
	int status, err = wgx_client_once(request, &answer);

	if (err < 0)
		return wgx_client_perror(err);
	if (!wgx_client_error(answer)) {
		*ret = answer;
		return WGX_EXIT_OK;
	}
	status = wgx_fail("%s", wgx_client_error(answer));
	json_decref(answer);
	return status;
}
