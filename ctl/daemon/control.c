/* SPDX-License-Identifier: MIT */
/* The control socket: one JSON object a line, from ctl/cli. */
#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "daemon/daemon.h"
#include "daemon/handover.h"
#include "daemon/log.h"
#include "daemon/peer.h"
#include "daemon/show.h"
#include "daemon/socket.h"
#include "daemon/state.h"

#define REQUEST_MAX 65536
#define CLIENTS_MAX 64
#define LOOKERS_MAX 16 /* of these, those who may only look */
#define EVENTS_BATCH 16384 /* bytes; a little more at most */
#define LARGE_REPLY (1u << 20)

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

static void free_client(struct wgx_control_client *c)
{
	if (c->waits_for) {
		c->waits_for->waiting = NULL;
		c->waits_for->doomed = true;
	}
	if (c->listens)
		wgx_tell_leave(c->daemon);
	cds_list_del(&c->all);
	wgx_event_close(c->daemon->epoll_fd, &c->event);
	free(c->in);
	free(c->out);
	free(c);
}

void wgx_control_gone(struct wgx_control_client *c)
{
	c->waits_for = NULL;
	free_client(c);
}

/* ---- requests ---- */

static json_t *refuse(int err, const char *error)
{
	return json_pack("{s:b, s:s, s:i}", "ok", 0, "error", error, "errno", -err);
}

static json_t *do_create(struct wgx_control_client *c, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "interface"));
	char error[256];
	int err;

	if (!name)
		return refuse(-EINVAL, "create: no interface named");
	if (c->waits_for)
		return refuse(-EBUSY, "create: this connection waits for an interface already");
	err = wgx_served_create(c->daemon, name, error, sizeof(error));
	if (err)
		return refuse(err, error);
	if (json_is_true(json_object_get(request, "wait"))) {
		c->waits_for = wgx_served_find(c->daemon, name);
		c->waits_for->waiting = c;
	}
	return json_pack("{s:b}", "ok", 1);
}

static json_t *do_delete(struct wgx_control_client *c, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "interface"));
	struct wgx_served *s = name ? wgx_served_find(c->daemon, name) : NULL;
	char error[256];

	if (!name)
		return refuse(-EINVAL, "delete: no interface named");
	if (!s) {
		snprintf(error, sizeof(error),
			 "%s: no such wgx interface in this network namespace", name);
		return refuse(-ENODEV, error);
	}
	s->doomed = true;
	return json_pack("{s:b}", "ok", 1);
}

/* A full tunnel leaves no plaintext, not even to the neighbours, unless somebody says what may stay. */
static int check_exemptions(struct wgx_daemon *d, const struct wgx_guard *g, char *text,
			    size_t size)
{
	if (!g->on || g->n_exempt || g->no_exemptions || !wgx_strict_default_route(d))
		return 0;
	snprintf(text, size,
		 "attach: allowed IPs have a default route: strict mode needs --exempt "
		 "with what may stay plaintext, or --exempt none");
	return -EINVAL;
}

static json_t *do_attach(struct wgx_control_client *c, const json_t *request)
{
	const char *device = json_string_value(json_object_get(request, "device"));
	const char *mode = json_string_value(json_object_get(request, "mode"));
	enum wgx_lan_way lan;
	bool strict;
	struct wgx_guard guard;
	const char *used;
	char text[512];
	json_t *reply;
	int err;

	if (!device)
		return refuse(-EINVAL, "attach: no device named");
	if (wgx_lan_parse(json_string_value(json_object_get(request, "lan")), &lan))
		return refuse(-EINVAL, "attach: unknown router path");
	err = wgx_guard_parse(request, &guard, text, sizeof(text));
	if (!err)
		err = check_exemptions(c->daemon, &guard, text, sizeof(text));
	if (!err)
		err = wgx_attach(c->daemon, device, mode ? mode : "auto", lan, &guard, &used, text,
				 sizeof(text));
	strict = guard.on;
	wgx_guard_free(&guard);
	if (err)
		return refuse(err, text);
	if (strict)
		wgx_strict_confirm(c->daemon);
	reply = json_pack("{s:b, s:s, s:b}", "ok", 1, "mode", used, "strict", strict);
	if (text[0])
		json_object_set_new(reply, "note", json_string(text));
	return reply;
}

static json_t *do_detach(struct wgx_control_client *c, const json_t *request)
{
	const char *device = json_string_value(json_object_get(request, "device"));
	char error[256];
	int err;

	if (!device)
		return refuse(-EINVAL, "detach: no device named");
	err = wgx_detach(c->daemon, device, error, sizeof(error));
	return err ? refuse(err, error) : json_pack("{s:b}", "ok", 1);
}

static json_t *do_show(struct wgx_control_client *c, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "interface"));
	const char *peer = json_string_value(json_object_get(request, "peer"));
	char error[256];
	json_t *o;

	if (peer && !name)
		return refuse(-EINVAL, "show: a peer, but no interface named");
	o = wgx_show(c->daemon, name, peer, !json_is_false(json_object_get(request, "peers")),
		     error, sizeof(error));
	if (!o)
		return refuse(name && !wgx_served_find(c->daemon, name) ? -ENODEV : -ENOENT, error);
	json_object_set_new(o, "ok", json_true());
	return o;
}

/* "name" null: it has none any more */
static json_t *do_name(struct wgx_control_client *c, const json_t *request)
{
	const char *interface = json_string_value(json_object_get(request, "interface"));
	const char *peer = json_string_value(json_object_get(request, "peer"));
	const json_t *name = json_object_get(request, "name");
	char error[256];
	int err;

	if (!interface || !peer || !(json_is_string(name) || json_is_null(name)))
		return refuse(-EINVAL, "name: an interface, a peer and its name are needed");
	err = wgx_peer_rename(c->daemon, interface, peer, json_string_value(name), error,
			      sizeof(error));
	return err ? refuse(err, error) : json_pack("{s:b}", "ok", 1);
}

/* "there": is the interface; it need not be, yet */
static json_t *do_monitor(struct wgx_control_client *c, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "interface"));

	if (c->listens)
		return refuse(-EBUSY, "monitor: this connection does already");
	if (wgx_tell_listen(c->daemon, &c->cursor))
		return refuse(-ENOMEM, "monitor: no memory");
	c->listens = true;
	snprintf(c->only, sizeof(c->only), "%s", name ? name : "");
	return json_pack("{s:b, s:s, s:i, s:b}", "ok", 1, "version", WGX_VERSION, "pid",
			 (int)getpid(), "there", !name || wgx_served_find(c->daemon, name));
}

/* Whoever gets it gets all keys. */
static json_t *check_heir(struct wgx_control_client *c)
{
	return wgx_socket_is_ours(c->event.fd)
		       ? NULL
		       : refuse(-EPERM, "a hand-over is for root's processes alone");
}

/* What this daemon was started with */
static json_t *environment_json(void)
{
	static const char *const names[] = {"WGX_AEAD", "WGX_DISABLE", "WGX_GROUP",
					    "WGX_LOG",	"WGX_SECCOMP", "WGX_STATE_DIR"};
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (getenv(names[i]))
			json_object_set_new(o, names[i], json_string(getenv(names[i])));
	return o;
}

/* The lock comes before the answer: see daemon/handover.h */
static json_t *do_handover(struct wgx_control_client *c, const json_t *request)
{
	const json_t *format = json_object_get(request, "format");
	json_t *no = check_heir(c);
	char error[128];
	int lock = wgx_netns_lock_fd(c->daemon->ns), err, n = 0;
	const struct wgx_served *s;

	if (no)
		return no;
	if (!json_is_integer(format) || json_integer_value(format) != WGX_HANDOVER_FORMAT) {
		snprintf(error, sizeof(error),
			 "the daemon, wgx " WGX_VERSION ", hands over in format %d, not %lld",
			 WGX_HANDOVER_FORMAT, (long long)json_integer_value(format));
		return refuse(-EPROTO, error);
	}
	err = wgx_socket_send_fds(c->event.fd, "L", 1, &lock, 1);
	if (err)
		return refuse(err, strerror(-err));
	c->heir = true;
	cds_list_for_each_entry(s, &c->daemon->ifaces, all)
		n++;
	return json_pack("{s:b, s:s, s:i, s:i, s:o}", "ok", 1, "version", WGX_VERSION, "pid",
			 (int)getpid(), "interfaces", n, "environment", environment_json());
}

static json_t *do_freeze(struct wgx_control_client *c, const json_t *request)
{
	char error[256];
	int err;

	if (!c->heir)
		return refuse(-EINVAL, "freeze: a hand-over was not asked for");
	err = wgx_handover_give(c->daemon, c->event.fd, error, sizeof(error));
	return refuse(err, error);
}

/* "twin" null: it has none any more */
static json_t *do_twin(struct wgx_control_client *c, const json_t *request)
{
	const char *interface = json_string_value(json_object_get(request, "interface"));
	const char *peer = json_string_value(json_object_get(request, "peer"));
	const json_t *twin = json_object_get(request, "twin");
	char error[256];
	int err;

	if (!interface || !peer || !(json_is_string(twin) || json_is_null(twin)))
		return refuse(-EINVAL, "twin: an interface and two peers are needed");
	err = wgx_peer_pair(c->daemon, interface, peer, json_string_value(twin), error,
			    sizeof(error));
	return err ? refuse(err, error) : json_pack("{s:b}", "ok", 1);
}

static const struct {
	const char *name;
	json_t *(*run)(struct wgx_control_client *c, const json_t *request);
	bool looks; /* changes nothing and tells no secret */
} commands[] = {
	{"create", do_create, false},	  {"delete", do_delete, false},
	{"attach", do_attach, false},	  {"detach", do_detach, false},
	{"show", do_show, true},	  {"name", do_name, false},
	{"monitor", do_monitor, true},	  {"twin", do_twin, false},
	{"handover", do_handover, false}, {"freeze", do_freeze, false},
};

static json_t *answer(struct wgx_control_client *c, const char *line, size_t len)
{
	json_t *request = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL), *reply = NULL;
	const char *cmd = json_string_value(json_object_get(request, "cmd"));

	for (size_t i = 0; cmd && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(cmd, commands[i].name))
			reply = c->looks_only && !commands[i].looks
					? refuse(-EPERM, "not permitted; run wgx as root")
					: commands[i].run(c, request);
	if (!reply)
		reply = refuse(-EINVAL, cmd ? "unknown command" : "malformed request");
	json_decref(request);
	return reply;
}

/* ---- the socket ---- */

static int send_more(struct wgx_control_client *c)
{
	while (c->out && c->out_at < c->out_len) {
		ssize_t n = send(c->event.fd, c->out + c->out_at, c->out_len - c->out_at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN) {
			wgx_event_want(c->daemon->epoll_fd, &c->event, EPOLLIN | EPOLLOUT);
			return 0;
		}
		if (n < 0)
			return -errno;
		c->out_at += (size_t)n;
	}
	free(c->out);
	c->out = NULL;
	c->out_len = 0;
	wgx_event_want(c->daemon->epoll_fd, &c->event, EPOLLIN);
	return 0;
}

/* ---- events ---- */

static void append(FILE *f, json_t *o)
{
	if (o && !json_dumpf(o, f, JSON_COMPACT | JSON_REAL_PRECISION(13)))
		fputc('\n', f);
	json_decref(o);
}

/* What is of no interface is for all. */
static bool listens_to(const struct wgx_control_client *c, const struct wgx_news_item *item)
{
	return !*c->only || !*item->interface || !strcmp(c->only, item->interface);
}

/* A batch of what is new into c->out, which is empty. Return: 0 or -ENOMEM. */
static int gather(struct wgx_control_client *c)
{
	FILE *f = open_memstream(&c->out, &c->out_len);
	struct wgx_news_item item;
	uint64_t missed = 0;

	if (!f)
		return -ENOMEM;
	while (ftell(f) < EVENTS_BATCH &&
	       wgx_news_next(&c->daemon->news, &c->cursor, &item, &missed)) {
		if (missed)
			append(f, wgx_news_missed_json(missed));
		if (listens_to(c, &item))
			append(f, wgx_news_json(&item));
	}
	c->out_at = 0;
	return fclose(f) ? -ENOMEM : 0;
}

/* One batch at a time: who does not read it gets no more, and misses what the ring forgets meanwhile. */
static int tell(struct wgx_control_client *c)
{
	int err = 0;

	while (!err && c->listens && !c->out) {
		err = gather(c);
		if (!err && !c->out_len)
			break;
		if (!err)
			err = send_more(c);
	}
	if (!c->out_len) {
		free(c->out);
		c->out = NULL;
	}
	return err;
}

void wgx_control_tell(struct wgx_daemon *d)
{
	struct wgx_control_client *c, *next;

	cds_list_for_each_entry_safe(c, next, &d->control_clients, all)
		if (c->listens && tell(c))
			free_client(c);
}

static int handle_line(struct wgx_control_client *c, size_t len)
{
	json_t *reply = answer(c, c->in, len);
	char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;

	json_decref(reply);
	if (text && strlen(text) > LARGE_REPLY)
		malloc_trim(0); /* many peers are a hundred megabytes of JSON in small pieces */
	memmove(c->in, c->in + len + 1, c->in_len - len - 1);
	c->in_len -= len + 1;
	if (!text)
		return -ENOMEM;
	c->out_len = strlen(text);
	c->out = realloc(text, c->out_len + 1);
	if (!c->out) {
		free(text);
		return -ENOMEM;
	}
	c->out[c->out_len++] = '\n';
	c->out_at = 0;
	return send_more(c);
}

static int read_more(struct wgx_control_client *c)
{
	ssize_t n = recv(c->event.fd, c->in + c->in_len, REQUEST_MAX - c->in_len, MSG_DONTWAIT);
	char *newline;
	int err = 0;

	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	c->in_len += (size_t)n;
	/* one answer at a time: a client that does not read does not get to ask more */
	while (!err && !c->out && (newline = memchr(c->in, '\n', c->in_len)))
		err = handle_line(c, (size_t)(newline - c->in));
	return c->in_len == REQUEST_MAX ? -EMSGSIZE : err;
}

static void client_ready(struct wgx_event *e, uint32_t events)
{
	struct wgx_control_client *c = e->arg;
	int err = events & EPOLLOUT ? send_more(c) : 0;

	if (!err && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
		err = read_more(c);
	if (!err)
		err = tell(c);
	if (err)
		free_client(c);
}

/* So many that only look cannot keep root out. */
static bool has_room(struct wgx_daemon *d, bool looks_only)
{
	unsigned int n = 0, lookers = 0;
	struct wgx_control_client *c;

	cds_list_for_each_entry(c, &d->control_clients, all) {
		n++;
		lookers += c->looks_only;
	}
	return n < CLIENTS_MAX && (!looks_only || lookers < LOOKERS_MAX);
}

static void listener_ready(struct wgx_event *e, uint32_t events)
{
	struct wgx_daemon *d = e->arg;
	int fd = accept4(e->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct wgx_control_client *c;
	bool looks;

	if (fd < 0)
		return;
	looks = !wgx_socket_may_use(fd); /* of the directory's group: wgx metrics, say */
	c = has_room(d, looks) ? calloc(1, sizeof(*c)) : NULL;
	if (!c || !(c->in = malloc(REQUEST_MAX))) {
		free(c);
		close(fd);
		return;
	}
	c->daemon = d;
	c->looks_only = looks;
	cds_list_add_tail(&c->all, &d->control_clients);
	if (wgx_event_add(d->epoll_fd, &c->event, fd, client_ready, c)) {
		close(fd);
		free_client(c);
	}
}

/* ---- from one process to the next ---- */

static uint32_t place_of(struct wgx_daemon *d, const struct wgx_served *s)
{
	const struct wgx_served *at;
	uint32_t n = 0;

	cds_list_for_each_entry(at, &d->ifaces, all) {
		n++;
		if (at == s)
			return n;
	}
	return 0;
}

static struct wgx_served *served_at(struct wgx_daemon *d, uint32_t place)
{
	struct wgx_served *s;

	cds_list_for_each_entry(s, &d->ifaces, all)
		if (!--place)
			return s;
	return NULL;
}

static void client_codec(struct wgx_handover *h, struct wgx_control_client *c, int *fd)
{
	uint32_t waits = c->waits_for ? place_of(c->daemon, c->waits_for) : 0;

	wgx_handover_fd(h, fd);
	wgx_codec_bool(&h->c, &c->looks_only);
	wgx_codec_bool(&h->c, &c->listens);
	wgx_codec_text(&h->c, c->only, sizeof(c->only));
	wgx_codec_u32(&h->c, &waits);
	if (h->c.reading && waits)
		c->waits_for = served_at(c->daemon, waits);
}

static void read_client(struct wgx_handover *h, struct wgx_daemon *d)
{
	struct wgx_control_client *c = calloc(1, sizeof(*c));
	int fd = -1;

	if (!c || !(c->in = malloc(REQUEST_MAX))) {
		free(c);
		h->c.failed = true;
		return;
	}
	c->daemon = d;
	c->event.fd = -1;
	client_codec(h, c, &fd);
	cds_list_add_tail(&c->all, &d->control_clients);
	if (fd < 0 || wgx_event_add(d->epoll_fd, &c->event, fd, client_ready, c) ||
	    (c->listens && wgx_tell_listen(d, &c->cursor)))
		h->c.failed = true;
	if (c->waits_for)
		c->waits_for->waiting = c;
}

static bool goes_along(const struct wgx_control_client *c, int heir)
{
	return c->event.fd != heir && !c->out;
}

void wgx_control_codec(struct wgx_daemon *d, struct wgx_handover *h, int heir)
{
	struct wgx_control_client *c;
	int listener = d->control_listener.fd;
	uint32_t n = 0;

	wgx_handover_fd(h, &listener);
	if (h->c.reading && (listener < 0 || wgx_event_add(d->epoll_fd, &d->control_listener,
							   listener, listener_ready, d)))
		h->c.failed = true;
	cds_list_for_each_entry(c, &d->control_clients, all)
		n += goes_along(c, heir);
	wgx_codec_upto(&h->c, &n, CLIENTS_MAX);
	for (; h->c.reading && n && !h->c.failed; n--)
		read_client(h, d);
	if (h->c.reading)
		return;
	cds_list_for_each_entry(c, &d->control_clients, all) {
		int fd = c->event.fd;

		if (goes_along(c, heir))
			client_codec(h, c, &fd);
	}
}

int wgx_control_start(struct wgx_daemon *d)
{
	char path[128];
	int fd, err = wgx_control_path(path, sizeof(path));

	if (err)
		return err;
	fd = wgx_socket_listen(WGX_RUN_DIR, path, 0660);
	if (fd < 0)
		return fd;
	err = wgx_event_add(d->epoll_fd, &d->control_listener, fd, listener_ready, d);
	if (err) {
		unlink(path);
		close(fd);
	}
	return err;
}

void wgx_control_stop(struct wgx_daemon *d)
{
	struct wgx_control_client *c, *next;
	char path[128];

	cds_list_for_each_entry_safe(c, next, &d->control_clients, all) {
		(void)tell(c); /* that the last interface is gone, say */
		free_client(c);
	}
	if (d->control_listener.fd < 0)
		return;
	wgx_event_close(d->epoll_fd, &d->control_listener);
	if (!wgx_control_path(path, sizeof(path)))
		unlink(path);
}
