/* SPDX-License-Identifier: MIT */
/* The agent's own socket: a line of JSON, and a line back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/agent.h"
#include "daemon/daemon.h"
#include "daemon/socket.h"

#define REQUEST_MAX 1024

struct client {
	struct wgx_event event;
	struct wgx_agent *agent;
	char in[REQUEST_MAX];
	size_t in_len;
	char *out;
	size_t out_len, out_at;
};

int wgx_agent_socket(const char *interface, char *path, size_t size)
{
	char control[128];
	int err = wgx_control_path(control, sizeof(control));
	char *dot = err ? NULL : strrchr(control, '.');

	if (err)
		return err;
	if (dot)
		*dot = '\0';
	return snprintf(path, size, "%s.%s.agent", control, interface) < (int)size ? 0
										   : -ENAMETOOLONG;
}

/* ---- answers ---- */

static json_t *refuse(const char *error)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error", error);
}

static json_t *do_accept(struct wgx_agent *a)
{
	size_t n = wgx_members_accept(&a->members);

	a->expire_at = 0;
	wgx_agent_soon(a, 0);
	return json_pack("{s:I}", "accepted", (json_int_t)n);
}

static json_t *do_rotate(struct wgx_agent *a)
{
	const char *error = wgx_agent_rotate(a);

	return error ? refuse(error) : json_object();
}

static json_t *do_status(struct wgx_agent *a)
{
	return wgx_agent_status_json(a);
}

static json_t *do_peers(struct wgx_agent *a)
{
	return wgx_agent_peers_json(a);
}

static json_t *do_plan(struct wgx_agent *a)
{
	return wgx_agent_plan_json(a);
}

static const struct {
	const char *name;
	json_t *(*run)(struct wgx_agent *a);
} commands[] = {
	{"status", do_status}, {"peers", do_peers},   {"plan", do_plan},
	{"accept", do_accept}, {"rotate", do_rotate},
};

static json_t *answer(struct wgx_agent *a, const char *line, size_t len)
{
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL), *reply = NULL;
	const char *cmd = json_string_value(json_object_get(request, "cmd"));

	for (size_t i = 0; cmd && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(cmd, commands[i].name))
			reply = commands[i].run(a);
	json_decref(request);
	if (!reply)
		return refuse(cmd ? "unknown command" : "malformed request");
	if (!json_object_get(reply, "ok"))
		json_object_set_new(reply, "ok", json_true());
	return reply;
}

/* ---- connections ---- */

static void free_client(struct client *c)
{
	wgx_event_close(c->agent->epoll_fd, &c->event);
	free(c->out);
	free(c);
}

/* Return: is there more to be done? */
static bool send_more(struct client *c)
{
	while (c->out_at < c->out_len) {
		ssize_t n = send(c->event.fd, c->out + c->out_at, c->out_len - c->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			wgx_event_want(c->agent->epoll_fd, &c->event, EPOLLOUT);
			return true;
		}
		if (n < 0)
			return false;
		c->out_at += (size_t)n;
	}
	return false;
}

static bool reply(struct client *c, size_t len)
{
	json_t *o = answer(c->agent, c->in, len);

	c->out = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (!c->out)
		return false;
	c->out_len = strlen(c->out);
	c->out[c->out_len++] = '\n'; /* in the place of the terminator */
	return send_more(c);
}

static bool read_more(struct client *c)
{
	ssize_t n = recv(c->event.fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);
	char *newline;

	if (n < 0 && errno == EAGAIN)
		return true;
	if (n <= 0)
		return false;
	newline = memchr(c->in + c->in_len, '\n', (size_t)n);
	c->in_len += (size_t)n;
	if (newline)
		return reply(c, (size_t)(newline - c->in));
	return c->in_len < sizeof(c->in);
}

static void client_ready(struct wgx_event *e, uint32_t events)
{
	struct client *c = e->arg;

	if (!(c->out ? send_more(c) : read_more(c)))
		free_client(c);
}

static void listener_ready(struct wgx_event *e, uint32_t events)
{
	struct wgx_agent *a = e->arg;
	int fd = accept4(e->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c = fd < 0 ? NULL : calloc(1, sizeof(*c));

	if (fd < 0)
		return;
	if (c)
		c->agent = a;
	if (!c || wgx_event_add(a->epoll_fd, &c->event, fd, client_ready, c)) {
		close(fd);
		free(c);
	}
}

int wgx_agent_serve(struct wgx_agent *a)
{
	char *path = a->socket_path;
	int fd, err = wgx_agent_socket(a->options->interface, path, sizeof(a->socket_path));

	if (err)
		return err;
	/* nobody else's: the state directory is locked */
	unlink(path);
	fd = wgx_socket_listen(WGX_RUN_DIR, path, 0600);
	if (fd < 0)
		return fd;
	err = wgx_event_add(a->epoll_fd, &a->server, fd, listener_ready, a);
	if (err) {
		close(fd);
		unlink(path);
	}
	return err;
}

void wgx_agent_serve_end(struct wgx_agent *a)
{
	if (a->server.fd < 0)
		return;
	wgx_event_close(a->epoll_fd, &a->server);
	unlink(a->socket_path);
}
