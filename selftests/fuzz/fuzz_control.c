/* SPDX-License-Identifier: MIT */
/*
 * The control socket of a daemon, with connections as `wgx` makes them: the input is what one sends, in pieces of
 * so many bytes as its first one says. Interfaces and devices are not there: what would make them is put in their
 * place here. Checked: each line gets one answer, which is a JSON object with "ok"; and nothing is left of a
 * connection.
 */
#include "daemon/control.c"

#include <stddef.h>
#include "daemon/peer.h"
#include "daemon/show.h"
#include "fuzz/fuzz.h"

static struct wgx_daemon d;
static max_align_t no_namespace[1024]; /* a struct wgx_netns of zeroes */

static void fuzz_begin(void)
{
	d.ns = (struct wgx_netns *)no_namespace;
	d.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	assert_true(d.epoll_fd >= 0);
	CDS_INIT_LIST_HEAD(&d.ifaces);
	CDS_INIT_LIST_HEAD(&d.attached);
	CDS_INIT_LIST_HEAD(&d.awaited);
	CDS_INIT_LIST_HEAD(&d.control_clients);
	d.control_listener.fd = -1;
}

/* ---- what the daemon would do ---- */

int wgx_control_path(char *path, size_t size)
{
	return -ENOSYS;
}

static int refuse_with(int err, char *error, size_t size, const char *what)
{
	snprintf(error, size, "%s: refused", what);
	return err;
}

int wgx_served_create(struct wgx_daemon *daemon, const char *name, unsigned int workers,
		      char *error, size_t size)
{
	return refuse_with(-EEXIST, error, size, name);
}

struct wgx_served *wgx_served_find(struct wgx_daemon *daemon, const char *name)
{
	return NULL;
}

int wgx_attach(struct wgx_daemon *daemon, const char *device, const struct wgx_attach_wish *wish,
	       const struct wgx_guard *guard, const char **ret_mode, char *text, size_t size)
{
	assert_true(guard->on || (!guard->n_exempt && !guard->n_protect));
	for (unsigned int i = 0; i < guard->n_exempt; i++)
		assert_true(guard->exempt[i].cidr <=
			    (guard->exempt[i].family == AF_INET ? 32 : 128));
	if (strcmp(device, "eth0"))
		return refuse_with(-ENODEV, text, size, device);
	*ret_mode = wish->mode;
	snprintf(text, size, "%s", wish->mode);
	return 0;
}

int wgx_detach(struct wgx_daemon *daemon, const char *device, char *error, size_t size)
{
	return refuse_with(-ENODEV, error, size, device);
}

int wgx_lan_parse(const char *text, enum wgx_lan_way *ret)
{
	*ret = text ? WGX_LAN_TCX : WGX_LAN_OFF;
	return text && strcmp(text, "tcx") ? -EINVAL : 0;
}

bool wgx_strict_default_route(struct wgx_daemon *daemon)
{
	return true;
}

void wgx_strict_confirm(struct wgx_daemon *daemon)
{
}

json_t *wgx_show(struct wgx_daemon *daemon, const char *name, const char *peer, bool peers,
		 char *error, size_t size)
{
	if (name && refuse_with(-ENOENT, error, size, peer ? peer : name))
		return NULL;
	return json_object();
}

int wgx_peer_rename(struct wgx_daemon *daemon, const char *interface, const char *peer,
		    const char *name, char *error, size_t size)
{
	return refuse_with(-ENODEV, error, size, interface);
}

int wgx_peer_pair(struct wgx_daemon *daemon, const char *interface, const char *peer,
		  const char *twin, char *error, size_t size)
{
	return refuse_with(-ENODEV, error, size, interface);
}

int wgx_tell_listen(struct wgx_daemon *daemon, uint64_t *cursor)
{
	*cursor = 0;
	return 0;
}

void wgx_tell_leave(struct wgx_daemon *daemon)
{
}

int wgx_handover_give(struct wgx_daemon *daemon, int fd, char *error, size_t size)
{
	return refuse_with(-ECANCELED, error, size, "heir");
}

void wgx_handover_fd(struct wgx_handover *h, int *fd)
{
}

/* ---- a connection ---- */

static struct wgx_control_client *open_client(int fd)
{
	struct wgx_control_client *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->in = malloc(REQUEST_MAX);
	assert_non_null(c->in);
	c->daemon = &d;
	cds_list_add_tail(&c->all, &d.control_clients);
	assert_int_equal(wgx_event_add(d.epoll_fd, &c->event, fd, client_ready, c), 0);
	return c;
}

/* Reads what was answered; how many lines there were of it. */
static unsigned int read_answers(int fd)
{
	static char buf[1 << 20];
	ssize_t n = recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT);
	unsigned int lines = 0;

	if (n <= 0)
		return 0;
	buf[n] = '\0';
	for (char *line = buf, *end; (end = strchr(line, '\n')); line = end + 1) {
		json_t *o = json_loadb(line, (size_t)(end - line), 0, NULL);

		assert_non_null(o);
		assert_true(json_is_boolean(json_object_get(o, "ok")));
		if (json_is_false(json_object_get(o, "ok")))
			assert_true(json_is_string(json_object_get(o, "error")));
		json_decref(o);
		lines++;
	}
	return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t step = size && data[0] ? data[0] * 8u : SIZE_MAX, sent = 1;
	unsigned int asked = 0, answered = 0;
	struct wgx_control_client *c;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	c = open_client(fds[0]);
	while (sent < size && !cds_list_empty(&d.control_clients)) {
		size_t n = size - sent < step ? size - sent : step;

		for (size_t i = 0; i < n; i++)
			asked += data[sent + i] == '\n';
		assert_int_equal(send(fds[1], data + sent, n, MSG_NOSIGNAL), n);
		sent += n;
		client_ready(&c->event, EPOLLIN);
		answered += read_answers(fds[1]);
	}
	if (!cds_list_empty(&d.control_clients)) {
		assert_int_equal(answered, asked);
		free_client(c);
	}
	close(fds[1]);
	return 0;
}
