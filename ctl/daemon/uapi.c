/* SPDX-License-Identifier: MIT */
/* The UAPI sockets: listening, conversations, and the watch that makes deleting one delete its interface. */
#include "device/uapi.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/socket.h"
#include "daemon/state.h"

#define CLIENTS_MAX 64 /* of one interface at once */

struct client {
	struct cds_list_head all; /* wgx_served.uapi_clients, who was silent for longest first */
	struct wgx_event event;
	struct wgx_uapi_conn *conn; /* owns the descriptor */
	struct wgx_served *served;
};

static void path_of(const struct wgx_served *s, char *path, size_t size)
{
	snprintf(path, size, WGX_UAPI_DIR "/%s.sock", s->path.dev->name);
}

static void free_client(struct client *c)
{
	cds_list_del(&c->all);
	(void)epoll_ctl(c->served->daemon->epoll_fd, EPOLL_CTL_DEL, c->event.fd, NULL);
	wgx_uapi_close(c->conn);
	free(c);
}

static void client_ready(struct wgx_event *e, uint32_t events)
{
	struct client *c = e->arg;
	int want = wgx_uapi_ready(c->conn);

	if (want <= 0) {
		free_client(c);
		return;
	}
	wgx_event_want(c->served->daemon->epoll_fd, e, (uint32_t)want);
	cds_list_del(&c->all);
	cds_list_add_tail(&c->all, &c->served->uapi_clients);
}

static unsigned int count_clients(const struct wgx_served *s)
{
	const struct cds_list_head *l;
	unsigned int n = 0;

	for (l = s->uapi_clients.next; l != &s->uapi_clients; l = l->next)
		n++;
	return n;
}

/* Those who hold connections and say nothing must not keep `wg` out. */
static void make_room(struct wgx_served *s)
{
	if (count_clients(s) >= CLIENTS_MAX)
		free_client(cds_list_first_entry(&s->uapi_clients, struct client, all));
}

static void listener_ready(struct wgx_event *e, uint32_t events)
{
	struct wgx_served *s = e->arg;
	int fd = wgx_socket_accept(e->fd);
	struct client *c;

	if (fd < 0)
		return;
	make_room(s);
	c = calloc(1, sizeof(*c));
	if (!c || wgx_uapi_open(s->path.dev, fd, &c->conn)) {
		close(fd);
		free(c);
		return;
	}
	c->served = s;
	cds_list_add_tail(&c->all, &s->uapi_clients);
	if (wgx_event_add(s->daemon->epoll_fd, &c->event, fd, client_ready, c))
		free_client(c);
}

int wgx_uapi_listen(struct wgx_served *s)
{
	char path[128];
	int fd, err;

	path_of(s, path, sizeof(path));
	fd = wgx_socket_listen(WGX_UAPI_DIR, path, 0600);
	if (fd < 0)
		return fd;
	err = wgx_event_add(s->daemon->epoll_fd, &s->uapi_listener, fd, listener_ready, s);
	if (err) {
		close(fd);
		unlink(path);
	}
	return err;
}

int wgx_uapi_inherit(struct wgx_served *s, int fd)
{
	if (fd < 0)
		return -EBADF;
	return wgx_event_add(s->daemon->epoll_fd, &s->uapi_listener, fd, listener_ready, s);
}

void wgx_uapi_unlisten(struct wgx_served *s)
{
	struct client *c, *next;
	char path[128];

	cds_list_for_each_entry_safe(c, next, &s->uapi_clients, all)
		free_client(c);
	if (s->uapi_listener.fd < 0)
		return;
	wgx_event_close(s->daemon->epoll_fd, &s->uapi_listener);
	path_of(s, path, sizeof(path));
	unlink(path);
}

/* ---- the watch ---- */

static void deleted(struct wgx_daemon *d, const char *file)
{
	struct wgx_served *s;
	char path[128];

	cds_list_for_each_entry(s, &d->ifaces, all) {
		path_of(s, path, sizeof(path));
		/* one of the same name may stand there again: then it was replaced, not deleted */
		if (!strcmp(path + sizeof(WGX_UAPI_DIR), file) && access(path, F_OK))
			s->doomed = true;
	}
}

static void watch_ready(struct wgx_event *e, uint32_t events)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	ssize_t n = read(e->fd, buf, sizeof(buf));

	for (char *p = buf; p < buf + n;) {
		const struct inotify_event *ev = (const struct inotify_event *)p;

		if (ev->len)
			deleted(e->arg, ev->name);
		p += sizeof(*ev) + ev->len;
	}
}

int wgx_uapi_watch_start(struct wgx_daemon *d)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK), err;

	if (fd < 0)
		return -errno;
	err = inotify_add_watch(fd, WGX_UAPI_DIR, IN_DELETE | IN_MOVED_FROM) < 0
		      ? -errno
		      : wgx_event_add(d->epoll_fd, &d->uapi_watch, fd, watch_ready, d);
	if (err)
		close(fd);
	return err;
}

void wgx_uapi_watch_stop(struct wgx_daemon *d)
{
	wgx_event_close(d->epoll_fd, &d->uapi_watch);
}
