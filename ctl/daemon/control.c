/* SPDX-License-Identifier: MIT */
/* The control socket: one JSON object a line, from ctl/cli; what is asked is done in requests.c. */
#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "daemon/answer_memory.h"
#include "daemon/control.h"
#include "daemon/daemon.h"
#include "daemon/handover.h"
#include "daemon/log.h"
#include "daemon/socket.h"
#include "daemon/state.h"

#define REQUEST_MAX 65536
#define CLIENTS_MAX 64
#define LOOKERS_MAX 16 /* of these, those who may only look */
#define EVENTS_BATCH 16384 /* bytes; a little more at most */
#define TEXT(n) #n
#define TEXT_OF(n) TEXT(n)
#define LARGE_REPLY (1u << 20)

/* in place of an answer */
#define NO_MEMORY                                                                               \
	"{\"ok\":false,\"errno\":12,\"error\":\"the daemon has no memory for the answer; what " \
	"was asked "                                                                            \
	"for may be done\"}"
_Static_assert(ENOMEM == 12, "as it is in NO_MEMORY");

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

/* Return: 0, or -1: there is half of it at most */
static int append(FILE *f, json_t *o)
{
	int err = json_dumpf(o, f, JSON_COMPACT | JSON_REAL_PRECISION(13));

	fputc('\n', f);
	json_decref(o);
	return err;
}

/* What is of no interface is for all. */
static bool listens_to(const struct wgx_control_client *c, const struct wgx_news_item *item)
{
	return !*c->only || !*item->interface || !strcmp(c->only, item->interface);
}

/* A batch of what is new into c->out, which is empty. Return: 0 or -ENOMEM: it must not go out. */
static int gather(struct wgx_control_client *c)
{
	FILE *f = open_memstream(&c->out, &c->out_len);
	struct wgx_news_item item;
	uint64_t missed = 0;
	int err = 0;

	if (!f)
		return -ENOMEM;
	wgx_answer_memory_begin();
	while (!err && ftell(f) < EVENTS_BATCH &&
	       wgx_news_next(&c->daemon->news, &c->cursor, &item, &missed)) {
		if (missed)
			err = append(f, wgx_news_missed_json(missed));
		if (!err && listens_to(c, &item))
			err = append(f, wgx_news_json(&item));
	}
	c->out_at = 0;
	return fclose(f) || err || wgx_answer_memory_failed() ? -ENOMEM : 0;
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

/* NULL: there is no memory for either. Jansson may go on where it has none for a member's name. */
static char *answer_text(struct wgx_control_client *c, size_t len)
{
	json_t *reply = wgx_control_answer(c, c->in, len);
	char *text = reply ? json_dumps(reply, JSON_COMPACT) : NULL;

	json_decref(reply);
	if (wgx_answer_memory_failed()) { /* Jansson leaves out a name for which its text cannot grow */
		free(text);
		text = NULL;
	}
	return text ?: strdup(NO_MEMORY);
}

static int handle_line(struct wgx_control_client *c, size_t len)
{
	char *text = answer_text(c, len);

	if (text && strlen(text) > LARGE_REPLY)
		malloc_trim(0); /* many peers are a hundred megabytes of JSON in small pieces */
	memmove(c->in, c->in + len + 1, c->in_len - len - 1);
	c->in_len -= len + 1;
	if (!text)
		return -ENOMEM;
	/* in the place of its end, so that what was done is told though there be no memory left */
	c->out = text;
	c->out_len = strlen(text);
	c->out[c->out_len++] = '\n';
	c->out_at = 0;
	return send_more(c);
}

static int read_more(struct wgx_control_client *c)
{
	ssize_t n = recv(c->event.fd, c->in + c->in_len, REQUEST_MAX - c->in_len, MSG_DONTWAIT);

	if (n == 0)
		return -EPIPE;
	if (n < 0)
		return errno == EAGAIN ? 0 : -errno;
	c->in_len += (size_t)n;
	return 0;
}

/* One at a time: a client that does not read does not get to ask more. */
static int handle_lines(struct wgx_control_client *c)
{
	char *newline;
	int err = 0;

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
		err = handle_lines(c); /* what waited for an answer to go, too */
	if (!err)
		err = tell(c);
	if (err)
		free_client(c);
}

/* So many that only look cannot keep root out. Return: NULL, or why there is no room for one more */
static const char *check_room(struct wgx_daemon *d, bool looks_only)
{
	unsigned int n = 0, lookers = 0;
	struct wgx_control_client *c;

	cds_list_for_each_entry(c, &d->control_clients, all) {
		n++;
		lookers += c->looks_only;
	}
	if (n >= CLIENTS_MAX)
		return "the daemon has " TEXT_OF(CLIENTS_MAX) " clients already: wgx monitor, say";
	if (looks_only && lookers >= LOOKERS_MAX)
		return "the daemon has " TEXT_OF(
			LOOKERS_MAX) " clients already that may only look: wgx monitor, say";
	return NULL;
}

/* It has not asked yet, and gets its answer: else it would take us for one that has ended. */
static void turn_away(int fd, int err, const char *why)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "{\"ok\":false,\"errno\":%d,\"error\":\"%s\"}\n",
			   -err, why);

	(void)send(fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static void listener_ready(struct wgx_event *e, uint32_t events)
{
	struct wgx_daemon *d = e->arg;
	int fd = accept4(e->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct wgx_control_client *c;
	const char *full;
	bool looks;

	if (fd < 0)
		return;
	looks = !wgx_socket_may_use(fd); /* of the directory's group: wgx metrics, say */
	full = check_room(d, looks);
	if (full) {
		turn_away(fd, -EBUSY, full);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c || !(c->in = malloc(REQUEST_MAX))) {
		free(c);
		turn_away(fd, -ENOMEM, "the daemon has no memory for another client");
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
	if (h->c.reading &&
	    (listener < 0 || wgx_control_path(d->control_path, sizeof(d->control_path)) ||
	     wgx_event_add(d->epoll_fd, &d->control_listener, listener, listener_ready, d)))
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
	int fd, err = wgx_control_path(d->control_path, sizeof(d->control_path));

	if (err)
		return err;
	fd = wgx_socket_listen(WGX_RUN_DIR, d->control_path, 0660);
	if (fd < 0)
		return fd;
	err = wgx_event_add(d->epoll_fd, &d->control_listener, fd, listener_ready, d);
	if (err) {
		unlink(d->control_path);
		close(fd);
	}
	return err;
}

void wgx_control_stop(struct wgx_daemon *d)
{
	struct wgx_control_client *c, *next;

	cds_list_for_each_entry_safe(c, next, &d->control_clients, all) {
		(void)tell(c); /* that the last interface is gone, say */
		free_client(c);
	}
	if (d->control_listener.fd < 0)
		return;
	wgx_event_close(d->epoll_fd, &d->control_listener);
	unlink(d->control_path);
}
