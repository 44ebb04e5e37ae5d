/* SPDX-License-Identifier: MIT */
#include "daemon/handover.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include "daemon/attach.h"
#include "daemon/daemon.h"
#include "daemon/drops.h"
#include "daemon/handover_state.h"
#include "daemon/log.h"
#include "daemon/socket.h"
#include "daemon/state.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

#define PATIENCE_S 15 /* and a second more for each of these: */
#define BYTES_A_SECOND (1 << 20)
#define EMPTY_TRIES 500 /* of a millisecond */
#define END_MS 5000 /* until one that was killed is gone */
#define STATE_MAX (SIZE_MAX / 4)
#define PREPARED_MAX 64 /* interfaces whose programs are loaded ahead */

struct start {
	char tag; /* 'S' */
	uint32_t n_fds;
	uint64_t size;
};

/* Tests have the new process fail at some point: in the ways that a defect of it could. */
static bool to_fail(const char *where)
{
	const char *wanted = getenv("WGX_HANDOVER_FAIL");

	return wanted && !strcmp(wanted, where);
}

/* ---- memory that both processes see ---- */

static void *map_state(int fd, size_t size, bool ours)
{
	void *p = mmap(NULL, size, ours ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, size, MADV_DONTDUMP);
	(void)mlock(p, size); /* all of it is, or the limit is too low, as secmem.c has told */
	return p;
}

/* Others can neither write it nor change its size; our mapping stays, to wipe it by. */
static int seal(int fd)
{
	return fcntl(fd, F_ADD_SEALS,
		     F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)
		       ? -errno
		       : 0;
}

/* ---- the old process ---- */

static void close_gates(struct wgx_daemon *d)
{
	/* in the order in which they give each other work */
	wgx_opening_close(d);
	wgx_protocol_close(&d->protocol);
	wgx_sealers_close(d);
}

static void open_gates(struct wgx_daemon *d)
{
	wgx_sealers_open(d);
	wgx_protocol_open(&d->protocol);
	wgx_opening_open(d);
}

struct legacy {
	struct wgx_handover h;
	int memfd;
};

/* Return: 0 or -errno; the caller frees what there is. */
static int write_state(struct wgx_daemon *d, int heir, struct legacy *l)
{
	struct wgx_handover *h = &l->h;

	wgx_handover_codec(h, d, heir); /* how much is it? */
	h->n_fds = h->next;
	h->c.size = h->c.at;
	h->c.at = 0;
	h->fds = calloc(h->n_fds + 1, sizeof(*h->fds));
	l->memfd = memfd_create("wgx-state", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (!h->fds || l->memfd < 0)
		return h->fds ? -errno : -ENOMEM;
	if (ftruncate(l->memfd, (off_t)h->c.size))
		return -errno;
	h->c.p = map_state(l->memfd, h->c.size, true);
	if (!h->c.p)
		return -errno;
	wgx_handover_codec(h, d, heir);
	if (h->c.failed || h->c.at != h->c.size)
		return -EBADMSG;
	return seal(l->memfd);
}

static void free_state(struct legacy *l)
{
	if (l->h.c.p) {
		sodium_memzero(l->h.c.p, l->h.c.size);
		munmap(l->h.c.p, l->h.c.size);
	}
	if (l->memfd >= 0)
		close(l->memfd);
	free(l->h.fds);
	*l = (struct legacy){.memfd = -1};
}

static int send_state(const struct legacy *l, int fd)
{
	const struct start s = {.tag = 'S', .n_fds = l->h.n_fds, .size = l->h.c.size};
	int err = wgx_socket_send_fds(fd, &s, sizeof(s), &l->memfd, 1);

	for (uint32_t at = 0; !err && at < s.n_fds;) {
		uint32_t n = s.n_fds - at < WGX_SOCKET_FDS ? s.n_fds - at : WGX_SOCKET_FDS;

		err = wgx_socket_send_fds(fd, "D", 1, l->h.fds + at, n);
		at += n;
	}
	return err;
}

static void set_patience(int fd, size_t size)
{
	const struct timeval t = {.tv_sec = PATIENCE_S + (time_t)(size / BYTES_A_SECOND)};

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
	(void)fcntl(fd, F_SETFL, 0);
}

/* Until the new process has all: 'C', or why not */
static int await_commit(int fd, char *error, size_t size)
{
	char answer[200] = "";
	unsigned int n;
	int got = wgx_socket_receive_fds(fd, answer, sizeof(answer) - 1, NULL, 0, &n);

	if (got == 1 && answer[0] == 'C')
		return 0;
	if (got > 0)
		snprintf(error, size, "%s", answer[0] == 'F' ? answer + 1 : "it spoke nonsense");
	else
		snprintf(error, size, "%s", got ? strerror(-got) : "it ended");
	return got > 0 && answer[0] == 'F' ? -ECANCELED : -EPIPE;
}

static void wait_for_end(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char bytes[64];

	while (poll(&p, 1, END_MS) > 0 && recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

/* So that it does nothing any more, when we go on. */
static void end_heir(int fd, bool ending)
{
	struct ucred cred = {0};
	socklen_t len = sizeof(int);
	int pidfd = -1;

	if (ending) /* it has something to say to its user first */
		wait_for_end(fd);
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len)) {
		(void)syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0);
		close(pidfd);
	} else {
		len = sizeof(cred);
		if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) && cred.pid > 1)
			(void)syscall(SYS_tgkill, cred.pid, cred.pid, SIGKILL);
	}
	wait_for_end(fd);
}

/*
 * What has waited in the UDP sockets comes before what devices bring, when they are attached again: else a second of
 * it would be so late that the replay window refuses it.
 */
static void empty_sockets(struct wgx_daemon *d)
{
	const struct timespec wait = {.tv_nsec = 1000000};
	struct wgx_served *s;

	cds_list_for_each_entry(s, &d->ifaces, all)
		for (int tries = EMPTY_TRIES;
		     tries && s->path.bind && wgx_bind_pending(s->path.bind); tries--)
			nanosleep(&wait, NULL);
}

static void go_on(struct wgx_daemon *d)
{
	struct wgx_served *s;

	cds_list_for_each_entry(s, &d->ifaces, all)
		wgx_served_reassert(s);
	open_gates(d);
	cds_list_for_each_entry(s, &d->ifaces, all)
		wgx_served_settle(s);
	wgx_strict_reclaim(d);
	empty_sockets(d);
	wgx_attached_resume(d);
}

static void note_drops(struct wgx_daemon *d)
{
	struct wgx_served *s;

	cds_list_for_each_entry(s, &d->ifaces, all)
		wgx_drops_of_interface(s, s->handed_drops);
	wgx_drops_of_nobody(d, d->handed_drops);
}

/* From here on nothing but the kernel's end of this process: what is the other's now must not be undone. */
static _Noreturn void end(void)
{
	wgx_log(WGX_LOG_INFO, "handed over");
	_exit(0);
}

int wgx_handover_give(struct wgx_daemon *d, int fd, char *error, size_t size)
{
	struct legacy l = {.memfd = -1};
	int err;

	wgx_attached_suspend(d);
	note_drops(d);
	d->frozen = wgx_clock_ns(CLOCK_MONOTONIC);
	close_gates(d);
	err = write_state(d, fd, &l);
	set_patience(fd, l.h.c.size);
	if (!err)
		err = send_state(&l, fd);
	if (err)
		snprintf(error, size, "%s", strerror(-err));
	else
		err = await_commit(fd, error, size);
	free_state(&l);
	if (!err) {
		err = wgx_socket_send_fds(fd, "A", 1, NULL, 0);
		if (!err)
			end();
		snprintf(error, size, "it ended");
	}
	end_heir(fd, err == -ECANCELED);
	go_on(d);
	wgx_log(WGX_LOG_ERR, "handing over failed, this process goes on: %s", error);
	return err;
}

/* ---- the new process ---- */

static int open_control(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	char path[128];
	int fd, err = wgx_control_path(path, sizeof(path));

	if (err || strlen(path) >= sizeof(a.sun_path))
		return err ?: -ENAMETOOLONG;
	memcpy(a.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	set_patience(fd, 0);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* A line of JSON, byte by byte: behind it there may be descriptors. Return: NULL: none came */
static json_t *read_line(int fd, const char *begun)
{
	char line[1024];
	size_t len = strlen(begun);

	memcpy(line, begun, len);
	while (len < sizeof(line) && recv(fd, line + len, 1, 0) == 1 && line[len] != '\n')
		len++;
	return json_loadb(line, len, 0, NULL);
}

/*
 * Into its control group (cgroup v2), so that the service manager finds us where it put the daemon, whoever said wgx
 * restart and wherever. Where that cannot be, we stay in the caller's.
 */
static void join_group(pid_t pid)
{
	char path[64], line[512], *name = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	f = fopen(path, "re");
	while (f && !name && fgets(line, sizeof(line), f))
		if (!strncmp(line, "0::/", 4))
			name = line + 3;
	if (f)
		fclose(f);
	if (name) {
		char procs[sizeof(line) + 64];

		name[strcspn(name, "\n")] = '\0';
		snprintf(procs, sizeof(procs), "/sys/fs/cgroup%s/cgroup.procs", name);
		f = fopen(procs, "we");
		if (f) {
			fprintf(f, "%d\n", (int)getpid());
			fclose(f);
		}
	}
}

/* What it was started with holds for us too, but for what is said anew. */
static void take_environment(const json_t *answer)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)answer, name, value)
		if (!strncmp(name, "WGX_", 4) && json_is_string(value))
			(void)setenv(name, json_string_value(value), 0);
}

/* One that does not know the command, or hands over otherwise, or cannot for the moment */
static int refused(const json_t *answer)
{
	int err = (int)json_integer_value(json_object_get(answer, "errno"));

	return err == EINVAL || err <= 0 ? -EPROTO : -err;
}

static int ask(int fd, int *ret_lock, unsigned int *ret_n, char *error, size_t size)
{
	char request[96], first[2] = "";
	json_t *answer;
	unsigned int n;
	int err = 0, format = to_fail("format") ? WGX_HANDOVER_FORMAT + 1 : WGX_HANDOVER_FORMAT;

	snprintf(request, sizeof(request), "{\"cmd\":\"handover\",\"format\":%d}\n", format);
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		return -errno;
	if (wgx_socket_receive_fds(fd, first, 1, ret_lock, 1, &n) != 1)
		return -ECONNRESET;
	answer = read_line(fd, *first == 'L' ? "" : first);
	if (json_is_false(json_object_get(answer, "ok"))) {
		const char *why = json_string_value(json_object_get(answer, "error"));

		snprintf(error, size, "%s", why ? why : "the daemon refuses");
		err = refused(answer);
	} else if (*first != 'L' || n != 1 || !answer) {
		snprintf(error, size, "the daemon's answer is none");
		err = -ECONNRESET;
	}
	*ret_n = (unsigned int)json_integer_value(json_object_get(answer, "interfaces"));
	take_environment(json_object_get(answer, "environment"));
	if (!err)
		join_group((pid_t)json_integer_value(json_object_get(answer, "pid")));
	json_decref(answer);
	return err;
}

int wgx_handover_ask(int *ret_fd, int *ret_lock, unsigned int *ret_n, char *error, size_t size)
{
	int fd = open_control(), err;

	*error = '\0';
	*ret_lock = -1;
	err = fd < 0 ? fd : ask(fd, ret_lock, ret_n, error, size);
	if (!err) {
		*ret_fd = fd;
		return 0;
	}
	if (!*error)
		snprintf(error, size, "the control socket: %s", strerror(-err));
	if (*ret_lock >= 0)
		close(*ret_lock);
	if (fd >= 0)
		close(fd);
	return err;
}

static int receive_fds(struct wgx_handover *h, int fd, uint32_t count)
{
	uint32_t at = 0;

	h->fds = calloc(count + 1ul, sizeof(*h->fds));
	if (!h->fds)
		return -ENOMEM;
	h->n_fds = count;
	memset(h->fds, -1, h->n_fds * sizeof(*h->fds));
	while (at < h->n_fds) {
		unsigned int n;
		char tag;
		int got = wgx_socket_receive_fds(fd, &tag, 1, h->fds + at, h->n_fds - at, &n);

		if (got != 1 || tag != 'D' || !n)
			return got < 0 ? got : -EPROTO;
		at += n;
	}
	return 0;
}

/* A copy, so that it is ours alone while it is judged; locked, and not dumped. */
static int copy_state(struct wgx_handover *h, int memfd, size_t size)
{
	struct stat st;
	void *theirs, *p;

	if (fstat(memfd, &st))
		return -errno;
	if ((uint64_t)st.st_size != size || !size)
		return -EPROTO;
	theirs = map_state(memfd, size, false);
	if (!theirs)
		return -errno;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p != MAP_FAILED) {
		(void)madvise(p, size, MADV_DONTDUMP);
		(void)mlock(p, size);
		memcpy(p, theirs, size);
		h->c = (struct wgx_codec){.p = p, .size = size, .reading = true};
	}
	munmap(theirs, size);
	return p == MAP_FAILED ? -ENOMEM : 0;
}

static int receive_state(struct wgx_handover *h, int fd)
{
	struct start s = {0};
	int memfd = -1, err;
	unsigned int n;
	int got = wgx_socket_receive_fds(fd, &s, sizeof(s), &memfd, 1, &n);

	if (got != sizeof(s) || s.tag != 'S' || n != 1 || s.size > STATE_MAX)
		return got < 0 ? got : -EPROTO;
	err = copy_state(h, memfd, s.size);
	close(memfd);
	return err ?: receive_fds(h, fd, s.n_fds);
}

static void free_copy(struct wgx_handover *h)
{
	if (h->c.p) {
		sodium_memzero(h->c.p, h->c.size);
		munmap(h->c.p, h->c.size);
	}
	wgx_handover_drop(h);
	free(h->fds);
}

/* All is made; now BPF's links, and then it is decided. */
static int succeed(struct wgx_daemon *d, int fd)
{
	struct wgx_served *s;
	char answer;
	int err = wgx_ports_update(d);

	cds_list_for_each_entry(s, &d->ifaces, all)
		if (!err)
			err = wgx_served_succeed(s, s->from);
	if (err)
		return err;
	if (to_fail("late"))
		_exit(1);
	err = wgx_socket_send_fds(fd, "C", 1, NULL, 0);
	if (err)
		return err;
	if (recv(fd, &answer, 1, 0) != 1 || answer != 'A')
		return -ECONNRESET;
	return 0;
}

static int read_state(struct wgx_daemon *d, int fd)
{
	struct wgx_handover h = {0};
	int err = receive_state(&h, fd);

	if (!err && to_fail("early"))
		_exit(1);
	if (!err) {
		wgx_strict_adopt(d);
		wgx_handover_codec(&h, d, -1);
		if (h.c.failed)
			err = h.error ?: -EBADMSG;
	}
	free_copy(&h);
	return err;
}

int wgx_handover_take(struct wgx_daemon *d, int fd, unsigned int n, char *error, size_t size)
{
	static const char freeze[] = "{\"cmd\":\"freeze\"}\n";
	int err = wgx_served_prepare(d, n < PREPARED_MAX ? n : PREPARED_MAX);

	if (!err && send(fd, freeze, sizeof(freeze) - 1, MSG_NOSIGNAL) < 0)
		err = -errno;
	if (!err)
		err = read_state(d, fd);
	if (to_fail("hang"))
		poll(NULL, 0, -1);
	if (!err)
		err = succeed(d, fd);
	if (!err) {
		close(fd);
		return 0;
	}
	snprintf(error, size, "Ftaking over: %s", strerror(-err));
	(void)send(fd, error, strlen(error), MSG_NOSIGNAL);
	memmove(error, error + 1, strlen(error));
	return err;
}

/* What the counters that were not handed on have already is not counted again. */
static void take_drops(const uint64_t handed[WGX_DROP_COUNT], const uint64_t now[WGX_DROP_COUNT],
		       _Atomic uint64_t *drops)
{
	for (uint32_t i = 0; i < WGX_DROP_COUNT; i++)
		if (handed[i] > now[i])
			wgx_count(&drops[i], handed[i] - now[i]);
}

/* As wgx_attach() has it: strict mode that was left is as wanted again, and what was inherited before stays so. */
static void attach_again(struct wgx_daemon *d, struct wgx_attached *a)
{
	const struct wgx_attach_wish wish = wgx_attached_wish(a);
	struct wgx_link_info info;
	struct wgx_attached *new;
	const char *mode;
	char text[512];

	if (!a->guard.on && wgx_link_query(a->name, &info)) { /* awaited */
		a->ifindex = 0;
		cds_list_add_tail(&a->all, &d->awaited);
		return;
	}
	if (!a->guard.inherited && /* those wgx_strict_adopt() has */
	    wgx_attach(d, a->name, &wish, &a->guard, &mode, text, sizeof(text))) {
		wgx_log(WGX_LOG_ERR, "attached before the hand-over: %s", text);
		a->ifindex = 0;
		a->unhooked = true; /* told */
		cds_list_add_tail(&a->all, &d->awaited); /* daemon/restore.c tries again */
		return;
	}
	new = wgx_attached_find(&d->attached, a->name);
	if (new)
		new->lan_before = a->lan_before;
	wgx_guard_free(&a->guard);
	free(a);
}

void wgx_handover_open(struct wgx_daemon *d)
{
	struct wgx_served *s;
	struct wgx_peer *peer;

	open_gates(d);
	d->handover_pause = wgx_clock_ns(CLOCK_MONOTONIC) - d->frozen;
	d->handovers++;
	cds_list_for_each_entry(s, &d->ifaces, all) {
		wgx_device_lock(s->path.dev);
		cds_list_for_each_entry(peer, &s->path.dev->peers, all) {
			wgx_protocol_wake(&d->protocol, peer); /* its timers are armed then */
			wgx_device_pause(s->path.dev);
		}
		wgx_device_unlock(s->path.dev);
	}
}

void wgx_handover_finish(struct wgx_daemon *d)
{
	struct wgx_attached *a, *next;
	uint64_t now[WGX_DROP_COUNT];
	bool strict = false, inherited = false;
	struct wgx_served *s;

	cds_list_for_each_entry(s, &d->ifaces, all) {
		wgx_drops_of_interface(s, now);
		take_drops(s->handed_drops, now, s->drops);
		wgx_served_settle(s);
		free(s->from);
		s->from = NULL;
	}
	wgx_served_prepared(d);
	wgx_drops_of_nobody(d, now);
	take_drops(d->handed_drops, now, d->drops);
	empty_sockets(d);
	cds_list_for_each_entry_safe(a, next, &d->suspended, all) {
		cds_list_del(&a->all);
		strict |= a->guard.on && !a->guard.inherited;
		inherited |= a->guard.inherited;
		attach_again(d, a);
	}
	if (strict && !inherited)
		wgx_strict_confirm(d);
}
