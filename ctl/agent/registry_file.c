/* SPDX-License-Identifier: MIT */
/*
 * The file registry: a directory, with a file NODE.json for each node. inotify tells of changes; since that does not
 * see what another host does to a network file system, the directory is read anew now and then. A directory that is
 * not there is a registry that does not answer: nobody is gone because of it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/file.h"
#include "agent/registry.h"
#include "daemon/log.h"
#include "device/device.h"
#include "daemon/event.h"

#define ENDING ".json"
#define RECORD_MAX 1048576
#define RETRY_MS 1000
#define RESCAN_MS 15000
#define EVENTS                                                                       \
	(IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | \
	 IN_MOVE_SELF | IN_ONLYDIR)

struct file_registry {
	struct wgx_registry base;
	char *path;
	int dir; /* -1: it is not there */
	dev_t dev; /* of @dir: another one may be at its path by now */
	ino_t ino;
	struct wgx_event watch;
	uint64_t next_ms; /* when to look again */
	struct wgx_node self; /* what was published */
	bool published;
	char *text; /* of RECORD_MAX bytes */
};

static struct file_registry *of(struct wgx_registry *r)
{
	return (struct file_registry *)r;
}

static void close_all(struct file_registry *f)
{
	wgx_event_close(f->base.epoll_fd, &f->watch);
	if (f->dir >= 0)
		close(f->dir);
	f->dir = -1;
}

static void lose(struct file_registry *f, const char *what, int err)
{
	char why[512];

	close_all(f);
	f->next_ms = wgx_clock_ms(CLOCK_BOOTTIME) + RETRY_MS;
	snprintf(why, sizeof(why), "%s: %s%s%s", f->path, what, *what ? ": " : "", strerror(-err));
	f->base.events->lost(f->base.events->arg, why);
}

/* Of a record's file the node's name. Return: is it one? */
static bool name_of(const char *file, char name[WGX_NODE_NAME_MAX + 1])
{
	size_t len = strlen(file), end = strlen(ENDING);

	if (len <= end || len - end > WGX_NODE_NAME_MAX || strcmp(file + len - end, ENDING) != 0)
		return false;
	memcpy(name, file, len - end);
	name[len - end] = '\0';
	return !wgx_node_name_problem(name);
}

/* ---- publishing ---- */

static int write_self(struct file_registry *f)
{
	char file[WGX_NODE_NAME_MAX + sizeof(ENDING)];
	json_t *o = wgx_node_json(&f->self);
	int err;

	snprintf(file, sizeof(file), "%s" ENDING, f->self.name);
	err = o ? wgx_file_write_json(f->dir, file, o, 0644) : -ENOMEM;
	json_decref(o);
	return err;
}

static int publish(struct wgx_registry *r, const struct wgx_node *self)
{
	struct file_registry *f = of(r);
	struct wgx_node copy;

	if (wgx_node_copy(&copy, self))
		return -ENOMEM;
	wgx_node_free(&f->self);
	f->self = copy;
	f->published = true;
	return f->dir < 0 ? -ENOTCONN : write_self(f);
}

/* Somebody else has changed or removed our record: it is what we published, unless we have not yet. */
static void defend(struct file_registry *f, const char *name, const struct wgx_node *found)
{
	if (f->published && !strcmp(name, f->self.name) &&
	    (!found || !wgx_node_equal(found, &f->self)))
		(void)write_self(f);
}

/* ---- reading ---- */

static void refuse(struct file_registry *f, const char *name, const char *problem)
{
	f->base.events->refuse(f->base.events->arg, name, problem);
	defend(f, name, NULL);
}

static void take(struct file_registry *f, const char *name, const json_t *o)
{
	char problem[256];
	struct wgx_node n;

	if (wgx_node_parse(o, &n, problem, sizeof(problem))) {
		refuse(f, name, problem);
		return;
	}
	if (strcmp(n.name, name) != 0)
		refuse(f, name, "name: it is another than the file's");
	else
		f->base.events->upsert(f->base.events->arg, &n);
	defend(f, name, &n);
	wgx_node_free(&n);
}

static void read_record(struct file_registry *f, const char *file, const char *name)
{
	ssize_t len = wgx_file_read(f->dir, file, f->text, RECORD_MAX);
	char problem[256];
	json_error_t e;
	json_t *o;

	if (len == -ENOENT) {
		f->base.events->remove(f->base.events->arg, name);
		defend(f, name, NULL);
		return;
	}
	if (len < 0) {
		refuse(f, name, len == -EFBIG ? "it is longer than 1 MB" : strerror((int)-len));
		return;
	}
	o = json_loadb(f->text, (size_t)len, JSON_REJECT_DUPLICATES, &e);
	if (o) {
		take(f, name, o);
	} else {
		snprintf(problem, sizeof(problem), "it is no JSON: line %d: %s", e.line, e.text);
		refuse(f, name, wgx_log_defuse(problem)); /* it quotes the file */
	}
	json_decref(o);
}

static int list(struct file_registry *f)
{
	int fd = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;
	char name[WGX_NODE_NAME_MAX + 1];
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d) {
		err = -errno;
		if (fd >= 0)
			close(fd);
		return err;
	}
	f->base.events->begin(f->base.events->arg);
	for (errno = 0; (e = readdir(d)); errno = 0)
		if (name_of(e->d_name, name))
			read_record(f, e->d_name, name);
	err = -errno;
	closedir(d);
	return err;
}

static int open_directory(struct file_registry *f)
{
	struct stat st;

	f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dir < 0 || fstat(f->dir, &st))
		return -errno;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	return 0;
}

/* Is what we have open still what is at its path, and there? */
static int check_directory(struct file_registry *f)
{
	struct stat st;

	if (stat(f->path, &st))
		return -errno;
	return st.st_dev == f->dev && st.st_ino == f->ino ? 0 : -ESTALE;
}

static void rescan(struct file_registry *f)
{
	int err = check_directory(f);

	if (!err)
		err = list(f);
	/* a directory that goes away while it is read has lost its files first */
	if (!err)
		err = check_directory(f);
	if (err) {
		lose(f, "", err);
		return;
	}
	f->next_ms = wgx_clock_ms(CLOCK_BOOTTIME) + RESCAN_MS;
	f->base.events->synced(f->base.events->arg);
}

/* ---- watching ---- */

static void on_event(struct file_registry *f, const struct inotify_event *e, bool *again)
{
	char name[WGX_NODE_NAME_MAX + 1];

	if (e->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT))
		*again = true;
	else if (e->len && name_of(e->name, name))
		read_record(f, e->name, name);
}

static void watch_ready(struct wgx_event *e, uint32_t events)
{
	char buf[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct file_registry *f = e->arg;
	bool again = false;
	ssize_t n;

	while ((n = read(f->watch.fd, buf, sizeof(buf))) > 0)
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *ev = (const void *)p;

			on_event(f, ev, &again);
			p += sizeof(*ev) + ev->len;
		}
	if (again)
		f->next_ms = 0;
}

static int watch(struct file_registry *f)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = inotify_add_watch(fd, f->path, EVENTS) < 0
		      ? -errno
		      : wgx_event_add(f->base.epoll_fd, &f->watch, fd, watch_ready, f);
	if (err)
		close(fd);
	return err;
}

/* Watched before it is read: so nothing is missed between. */
static void try(struct file_registry *f)
{
	int err = open_directory(f);

	if (!err)
		err = watch(f);
	if (err) {
		lose(f, "", err);
		return;
	}
	err = f->published ? write_self(f) : 0;
	if (err)
		lose(f, "cannot write this node's record", err);
	else
		rescan(f);
}

static int start(struct wgx_registry *r)
{
	return 0;
}

static int run(struct wgx_registry *r)
{
	struct file_registry *f = of(r);
	uint64_t now = wgx_clock_ms(CLOCK_BOOTTIME);

	if (now >= f->next_ms) {
		if (f->dir < 0)
			try(f);
		else
			rescan(f);
		now = wgx_clock_ms(CLOCK_BOOTTIME);
	}
	return f->next_ms > now ? (int)(f->next_ms - now) : 0;
}

static void free_registry(struct wgx_registry *r)
{
	struct file_registry *f = of(r);

	close_all(f);
	wgx_node_free(&f->self);
	free(f->path);
	free(f->text);
	free(f);
}

struct wgx_registry *wgx_registry_file(const char *directory, int epoll_fd,
				       const struct wgx_registry_events *events)
{
	static const struct wgx_registry_ops ops = {
		.name = "file",
		.start = start,
		.publish = publish,
		.run = run,
		.free = free_registry,
	};
	struct file_registry *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->base = (struct wgx_registry){.ops = &ops, .events = events, .epoll_fd = epoll_fd};
	f->dir = f->watch.fd = -1;
	f->path = strdup(directory);
	f->text = malloc(RECORD_MAX);
	if (!f->path || !f->text) {
		free_registry(&f->base);
		return NULL;
	}
	return &f->base;
}
