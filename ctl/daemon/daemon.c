/* SPDX-License-Identifier: MIT */
#include "daemon/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include "daemon/answer_memory.h"
#include "daemon/handover.h"
#include "daemon/log.h"
#include "daemon/privileges.h"
#include "daemon/socket.h"
#include "daemon/state.h"
#include "net/bpffs.h"

#define PREDECESSOR_TRIES 100 /* of 50 ms */

int wgx_control_path(char *path, size_t size)
{
	struct stat st;

	if (stat("/proc/self/ns/net", &st))
		return -errno;
	snprintf(path, size, WGX_RUN_DIR "/%llu.sock", (unsigned long long)st.st_ino);
	return 0;
}

/* ---- starting ---- */

static void roamed(void *arg, struct wgx_peer *peer)
{
	struct wgx_daemon *d = arg;

	atomic_store(&peer->roamed, true);
	wgx_protocol_wake(&d->protocol, peer);
}

static void signal_ready(struct wgx_event *e, uint32_t events)
{
	struct wgx_daemon *d = e->arg;
	struct signalfd_siginfo info;

	if (read(e->fd, &info, sizeof(info)) == sizeof(info))
		d->stopping = true;
}

static int start_signals(struct wgx_daemon *d)
{
	sigset_t set;
	int fd, err;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return -errno;
	err = wgx_event_add(d->epoll_fd, &d->signals, fd, signal_ready, d);
	if (err)
		close(fd);
	return err;
}

static int make_run_dirs(void)
{
	if (mkdir(WGX_RUN_DIR, 0700) && errno != EEXIST)
		return -errno;
	return mkdir(WGX_UAPI_DIR, 0700) && errno != EEXIST ? -errno : 0;
}

static int allow_group(void)
{
	static const char *const directories[] = {WGX_RUN_DIR, WGX_UAPI_DIR, NULL};

	return wgx_socket_allow_group(getenv("WGX_GROUP"), directories);
}

/* As many as may be, where that many are not allowed */
static void raise_file_limit(void)
{
	struct rlimit files = {65536, 65536};

	if (!setrlimit(RLIMIT_NOFILE, &files) || getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

static void raise_limits(void)
{
	const struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};

	/* keys are locked; before Linux 5.11 BPF maps count as locked memory too */
	(void)setrlimit(RLIMIT_MEMLOCK, &unlimited);
	raise_file_limit();
	/* a large configuration takes tens of megabytes for a moment: they are the kernel's again afterwards */
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 20);
	/* secrets pass through the stacks, which no madvise can leave out of a core dump */
	(void)prctl(PR_SET_DUMPABLE, 0);
}

static int start_threads(struct wgx_daemon *d)
{
	int err = wgx_index_create(&d->index);

	if (err)
		return err;
	err = wgx_protocol_start(&d->protocol, d);
	if (err)
		return err;
	d->open_env = (struct wgx_open_env){.index = d->index,
					    .handshakes = &d->protocol.handshakes.arrived,
					    .openers = &d->openers,
					    .roamed = roamed,
					    .arg = d};
	if (d->heir_of >= 0)
		wgx_protocol_close(&d->protocol);
	wgx_seal_env_init(&d->seal_env);
	err = wgx_workers_need(d, 1);
	if (err)
		return err;
	err = wgx_worker_start(&d->opener, &wgx_open_ops, 0, &d->open_env, wgx_privileges_worker);
	if (!err && d->heir_of >= 0)
		wgx_worker_close(&d->opener);
	return err;
}

static void init(struct wgx_daemon *d)
{
	*d = (struct wgx_daemon){.epoll_fd = -1, .heir_of = -1, .transmit.query_fd = -1};
	d->protocol.wake_fd = d->protocol.timer_fd = d->protocol.suspend.fd = -1;
	d->stamps.dir_fd = -1;
	d->host_event.fd = d->far_event.fd = d->control_listener.fd = d->uapi_watch.fd =
		d->signals.fd = d->routes.fd = d->sources_due.fd = d->restore_due.fd =
			d->strict.reports.fd = d->transmit.watch.fd = d->transmit.wanted.fd =
				d->news.fd = d->news_ready.fd = d->bursts_due.fd = -1;
	CDS_INIT_LIST_HEAD(&d->ifaces);
	CDS_INIT_LIST_HEAD(&d->attached);
	CDS_INIT_LIST_HEAD(&d->awaited);
	CDS_INIT_LIST_HEAD(&d->suspended);
	CDS_INIT_LIST_HEAD(&d->control_clients);
	pthread_mutex_init(&d->ifaces_lock, NULL);
}

struct step {
	const char *what;
	int (*run)(struct wgx_daemon *d);
};

static int step_epoll(struct wgx_daemon *d)
{
	d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return d->epoll_fd < 0 ? -errno : 0;
}

/* One that was killed has its locks until the kernel has taken it apart, rings and programs and all. */
static int step_netns(struct wgx_daemon *d)
{
	int err = d->heir_of >= 0 ? wgx_netns_succeed(WGX_RUN_DIR, d->heir_of, &d->ns)
				  : wgx_netns_open(WGX_RUN_DIR, &d->ns);

	for (int tries = 0; err == -EBUSY && tries < PREDECESSOR_TRIES; tries++) {
		poll(NULL, 0, 50);
		err = wgx_netns_open(WGX_RUN_DIR, &d->ns);
	}
	return err;
}

static int step_features(struct wgx_daemon *d)
{
	d->features = wgx_features_get();
	return 0;
}

static int step_bpffs(struct wgx_daemon *d)
{
	return wgx_bpffs_mount();
}

static const char *state_dir(void)
{
	const char *dir = getenv("WGX_STATE_DIR");

	return dir && *dir ? dir : WGX_STATE_DIR;
}

/* Without it all works but for what outlives the daemon: not a reason to give up. */
static int step_state(struct wgx_daemon *d)
{
	wgx_stamps_open(&d->stamps, state_dir());
	return 0;
}

static int step_privileges(struct wgx_daemon *d)
{
	return wgx_privileges_drop(d->ns, state_dir());
}

/* Without it superframes that the kernel loses count as one: not a reason to give up. */
static int step_lost(struct wgx_daemon *d)
{
	int err = wgx_lost_open(d->features, wgx_netns_fd(d->ns), &d->lost);

	if (err)
		wgx_log(WGX_LOG_WARN, "lost packets are counted by frame: tracepoints: %s",
			strerror(-err));
	return 0;
}

/*
 * In this order: the holder is forked before there are threads and secrets; privileges go when nothing needs
 * CAP_SYS_ADMIN any more, and before the threads begin, which inherit what is left.
 */
static const struct step steps[] = {
	{"event loop", step_epoll},
	{"events", wgx_tell_start},
	{"private network namespace (CAP_SYS_ADMIN)", step_netns},
	{"kernel features", step_features},
	{"mounting " WGX_BPFFS, step_bpffs},
	{"state directory", step_state},
	{"dropping privileges", step_privileges},
	{"signals", start_signals},
	{"threads", start_threads},
	{"loading BPF programs", wgx_ingress_ready},
	{"tracepoints", step_lost},
	{"strict mode", wgx_strict_adopt},
	{"offloads that a dead daemon has left", wgx_lan_gro_adopt},
	{"netlink", wgx_netlink_start},
	{"netlink, routes", wgx_sources_start},
	{"timer", wgx_restore_start},
	{"watching " WGX_UAPI_DIR, wgx_uapi_watch_start},
	{"control socket in " WGX_RUN_DIR, wgx_control_start},
};

/* Of one that takes another's place: these come with the hand-over, or not at all. */
static bool comes_later(const struct step *s)
{
	return s->run == wgx_strict_adopt || s->run == wgx_lan_gro_adopt ||
	       s->run == wgx_control_start;
}

static int start(struct wgx_daemon *d, char *error, size_t size)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int err = d->heir_of >= 0 && comes_later(&steps[i]) ? 0 : steps[i].run(d);

		if (!err)
			continue;
		if (err == -EPERM || err == -EACCES)
			snprintf(error, size, "%s: not permitted; wgx needs root", steps[i].what);
		else
			snprintf(error, size, "%s: %s", steps[i].what, strerror(-err));
		return err;
	}
	return 0;
}

/* ---- ending ---- */

static void finish(struct wgx_daemon *d)
{
	struct wgx_attached *a, *next_a;
	struct wgx_served *s, *next_s;

	wgx_control_stop(d);
	wgx_uapi_watch_stop(d);
	wgx_strict_end_begin(d);
	cds_list_for_each_entry_safe(a, next_a, &d->attached, all)
		wgx_attached_free(d, a);
	wgx_awaited_free(d);
	cds_list_for_each_entry_safe(s, next_s, &d->ifaces, all)
		wgx_served_delete(s);
	wgx_strict_end(d);
	wgx_opening_stop(d);
	wgx_sealers_stop(d);
	wgx_protocol_stop(&d->protocol);
	wgx_rcu_barrier();
	wgx_index_destroy(d->index);
	wgx_floors_close(d->floors);
	wgx_ingress_free(d->ingress);
	wgx_lost_close(d->lost);
	wgx_restore_stop(d);
	wgx_sources_stop(d);
	wgx_tell_stop(d);
	wgx_netlink_stop(d);
	wgx_stamps_close(&d->stamps);
	/* the holder ends by itself, unless interfaces of a dead daemon are there, which are not ours to end */
	wgx_netns_close(d->ns, false);
	wgx_event_close(d->epoll_fd, &d->signals);
	if (d->epoll_fd >= 0)
		close(d->epoll_fd);
}

/* ---- running ---- */

static void delete_doomed(struct wgx_daemon *d)
{
	struct wgx_served *s, *next;

	cds_list_for_each_entry_safe(s, next, &d->ifaces, all)
		if (s->doomed)
			wgx_served_delete(s);
}

/*
 * May we end? Who starts a daemon or asks one for an interface holds the start lock meanwhile (ctl/cli/start.c):
 * while somebody does, we stay, so that nobody finds half a daemon. Ours, it stays locked until we exit.
 */
static bool may_end(void)
{
	char path[128];
	int fd;

	if (wgx_start_lock_path(path, sizeof(path)))
		return true;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return true;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return true; /* deliberately left open */
	close(fd);
	return false;
}

static void loop(struct wgx_daemon *d)
{
	for (;;) {
		bool empty = cds_list_empty(&d->ifaces);
		struct epoll_event ev;
		int n;

		if (d->stopping || (empty && may_end()))
			return;

		/* one at a time: what one handler frees, the next event may have meant */
		wgx_rcu_offline();
		n = epoll_wait(d->epoll_fd, &ev, 1, empty ? 50 : -1);
		wgx_rcu_online();
		if (n == 1) {
			struct wgx_event *e = ev.data.ptr;

			e->ready(e, ev.events);
		}
		delete_doomed(d);
	}
}

static void report(int ready_fd, const char *error)
{
	const char *text = error ? error : "";
	size_t len = error ? strlen(error) : 1;

	if (ready_fd < 0) {
		if (error)
			wgx_log(WGX_LOG_ERR, "%s", error);
		return;
	}
	if (write(ready_fd, text, len) < 0)
		wgx_log(WGX_LOG_DEBUG, "nobody waits for us to be ready");
	close(ready_fd);
}

/* Directories, and all steps. */
static int begin(struct wgx_daemon *d, char *error, size_t size)
{
	int err;

	err = make_run_dirs();
	if (err)
		snprintf(error, size, WGX_RUN_DIR ": %s", strerror(-err));
	if (!err && (err = allow_group()))
		snprintf(error, size, "WGX_GROUP=%s: %s", getenv("WGX_GROUP"),
			 err == -ENOENT ? "no such group" : strerror(-err));
	return err ?: start(d, error, size);
}

static int run(struct wgx_daemon *d, const char *name, unsigned int workers, int ready_fd)
{
	char error[512] = "";
	int err = begin(d, error, sizeof(error));

	if (!err)
		err = wgx_served_create(d, name, workers, error, sizeof(error));
	report(ready_fd, err ? error : NULL);
	if (!err)
		loop(d);
	finish(d);
	return err ? 1 : 0;
}

/* Until the other process has ended, all that there is is its own: where something fails, nothing is undone. */
static int run_heir(struct wgx_daemon *d, int ready_fd)
{
	char error[512] = "";
	unsigned int n = 0;
	int fd, err = wgx_handover_ask(&fd, &d->heir_of, &n, error, sizeof(error));

	if (!err)
		err = begin(d, error, sizeof(error));
	if (!err)
		err = wgx_handover_take(d, fd, n, error, sizeof(error));
	if (err) {
		report(ready_fd, error);
		_exit(err == -EPROTO ? WGX_DAEMON_OTHER_FORMAT : 1);
	}
	d->heir_of = -1; /* the lock is d->ns's */
	wgx_handover_open(d);
	wgx_handover_finish(d);
	wgx_log(WGX_LOG_INFO, "taken over, wgx " WGX_VERSION);
	report(ready_fd, NULL);
	loop(d);
	finish(d);
	return 0;
}

static int daemon_run(const char *name, unsigned int workers, int ready_fd)
{
	static struct wgx_daemon d;
	int status;

	if (sodium_init() < 0) {
		report(ready_fd, "libsodium cannot start");
		return 1;
	}
	init(&d);
	wgx_answer_memory_watch();
	raise_limits();
	wgx_rcu_register();
	status = name ? run(&d, name, workers, ready_fd) : run_heir(&d, ready_fd);
	wgx_rcu_unregister();
	return status;
}

int wgx_daemon_run(const char *name, unsigned int workers, int ready_fd)
{
	return daemon_run(name, workers, ready_fd);
}

int wgx_daemon_succeed(int ready_fd)
{
	return daemon_run(NULL, 0, ready_fd);
}
