/* SPDX-License-Identifier: MIT */
#include "net/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "net/holder.h"
#include "net/sysctl.h"

#ifndef SIOCGSKNS
#define SIOCGSKNS 0x894C
#endif

#define HOLDER_TRIES 3

/* A piece of work for the thread; lives on its caller's stack. */
struct call {
	int (*fn)(void *arg);
	void *arg;
	int result;
	bool done;
	struct call *next;
};

struct wgx_netns {
	char path[PATH_MAX]; /* of the lock file */
	int lock_fd; /* the daemon's byte is locked as long as it is open */
	int holder; /* pidfd */
	int fd; /* of the namespace */
	bool adopted;
	pthread_t thread;
	/* guarded by lock */
	pthread_mutex_t lock;
	pthread_cond_t work; /* to the thread */
	pthread_cond_t done; /* from it */
	struct call *first, **last;
	bool stop;
};

/* ---- the holder ---- */

/* Two forks: the holder is no child of the daemon, which need not wait for it. */
static _Noreturn void fork_holder(const struct wgx_netns *ns, int ready_fd)
{
	pid_t pid;

	setsid();
	pid = fork();
	if (pid == 0)
		wgx_holder_main(ns->path, ready_fd);
	_exit(pid < 0 ? 1 : 0);
}

/* All signals stay blocked around the fork: a handler of the daemon's must not run in the child. */
static pid_t fork_middle(const struct wgx_netns *ns, int ready_fd)
{
	sigset_t all, old;
	pid_t pid;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0)
		fork_holder(ns, ready_fd);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return pid;
}

static void reap(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static ssize_t read_retry(int fd, void *buf, size_t size)
{
	ssize_t n;

	do
		n = read(fd, buf, size);
	while (n < 0 && errno == EINTR);
	return n;
}

static int start_holder(const struct wgx_netns *ns)
{
	int pipefd[2], err = -EIO, status;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC))
		return -errno;
	pid = fork_middle(ns, pipefd[1]);
	if (pid < 0)
		err = -errno;
	close(pipefd[1]);
	if (pid > 0) {
		if (read_retry(pipefd[0], &status, sizeof(status)) == sizeof(status))
			err = status;
		reap(pid);
	}
	close(pipefd[0]);
	return err;
}

/* Return: the process that has locked @byte of the lock file, 0 if none, or negative errno */
static pid_t lock_owner(int lock_fd, off_t byte)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	if (fcntl(lock_fd, F_GETLK, &lock))
		return -errno;
	if (lock.l_type == F_UNLCK)
		return 0;
	return lock.l_pid > 0
		       ? lock.l_pid
		       : -ESRCH; /* in a PID namespace we cannot see, or an open file's lock */
}

/* Return: a pidfd of the holder, -ENOENT if there is none, or negative errno */
static int find_holder(int lock_fd)
{
	for (int i = 0; i < HOLDER_TRIES; i++) {
		pid_t pid = lock_owner(lock_fd, WGX_HOLDER_BYTE);
		int fd;

		if (pid <= 0)
			return pid ?: -ENOENT;
		fd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (fd < 0 && errno != ESRCH)
			return -errno;
		/* the same owner after as before: the pidfd is the holder's, not a successor's of its pid */
		if (fd >= 0 && lock_owner(lock_fd, WGX_HOLDER_BYTE) == pid)
			return fd;
		if (fd >= 0)
			close(fd);
	}
	return -ESRCH;
}

/*
 * The daemon's lock is the open file's, not the process's: no other close(2) of the file releases it. A
 * holder that looks whether it is needed has it as well, but not for long.
 */
static int lock_daemon_byte(int lock_fd)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = WGX_DAEMON_BYTE, .l_len = 1};

	while (fcntl(lock_fd, F_OFD_SETLK, &lock)) {
		pid_t owner;

		if (errno != EAGAIN && errno != EACCES)
			return -errno;
		owner = lock_owner(lock_fd, WGX_DAEMON_BYTE);
		if (owner && owner != lock_owner(lock_fd, WGX_HOLDER_BYTE))
			return -EBUSY;
		poll(NULL, 0, 1);
	}
	return 0;
}

/* Return: a descriptor of the file that has the name now: a holder that ends removes it */
static int open_locked(const char *path)
{
	struct stat named, opened;
	int fd, err;

	for (;;) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -errno;
		err = lock_daemon_byte(fd);
		if (!err && fstat(fd, &opened))
			err = -errno;
		if (err) {
			close(fd);
			return err;
		}
		if (!stat(path, &named) && named.st_ino == opened.st_ino &&
		    named.st_dev == opened.st_dev)
			return fd;
		close(fd);
	}
}

static int get_holder(struct wgx_netns *ns)
{
	int err, fd;

	ns->lock_fd = open_locked(ns->path);
	if (ns->lock_fd < 0)
		return ns->lock_fd;
	fd = find_holder(ns->lock_fd);
	ns->adopted = fd >= 0;
	if (fd == -ENOENT) {
		err = start_holder(ns);
		if (err) /* nobody waits for it but us */
			unlink(ns->path);
		fd = err ?: find_holder(ns->lock_fd);
	}
	if (fd < 0)
		return fd;
	ns->holder = fd;
	return 0;
}

static int inherit_holder(struct wgx_netns *ns, int lock_fd)
{
	int fd = find_holder(lock_fd);

	if (fd < 0)
		return fd;
	ns->lock_fd = lock_fd;
	ns->holder = fd;
	ns->adopted = true;
	return 0;
}

static void kill_holder(struct wgx_netns *ns)
{
	struct pollfd p = {.fd = ns->holder, .events = POLLIN};

	/* first the name: who opens it from now on finds no holder that is about to die */
	unlink(ns->path);
	if (syscall(SYS_pidfd_send_signal, ns->holder, SIGKILL, NULL, 0))
		return;
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

/* ---- the thread ---- */

static struct call *next_call(struct wgx_netns *ns)
{
	struct call *c;

	while (!ns->first && !ns->stop)
		pthread_cond_wait(&ns->work, &ns->lock);
	c = ns->first;
	if (!c)
		return NULL;
	ns->first = c->next;
	if (!ns->first)
		ns->last = &ns->first;
	return c;
}

static void *thread_main(void *arg)
{
	struct wgx_netns *ns = arg;
	struct call *c;

	prctl(PR_SET_NAME, "wgx-netns", 0, 0, 0);
	pthread_mutex_lock(&ns->lock);
	while ((c = next_call(ns))) {
		int result;

		pthread_mutex_unlock(&ns->lock);
		result = c->fn(c->arg);
		pthread_mutex_lock(&ns->lock);
		c->result = result;
		c->done = true;
		pthread_cond_broadcast(&ns->done);
	}
	pthread_mutex_unlock(&ns->lock);
	return NULL;
}

static int start_thread(struct wgx_netns *ns)
{
	sigset_t all, old;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&ns->thread, NULL, thread_main, ns);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -err;
}

static void stop_thread(struct wgx_netns *ns)
{
	pthread_mutex_lock(&ns->lock);
	ns->stop = true;
	pthread_cond_signal(&ns->work);
	pthread_mutex_unlock(&ns->lock);
	pthread_join(ns->thread, NULL);
}

int wgx_netns_call(struct wgx_netns *ns, int (*fn)(void *arg), void *arg)
{
	struct call c = {.fn = fn, .arg = arg};

	if (pthread_equal(pthread_self(), ns->thread))
		return fn(arg);
	pthread_mutex_lock(&ns->lock);
	*ns->last = &c;
	ns->last = &c.next;
	pthread_cond_signal(&ns->work);
	while (!c.done)
		pthread_cond_wait(&ns->done, &ns->lock);
	pthread_mutex_unlock(&ns->lock);
	return c.result;
}

/* ---- the namespace ---- */

/* The calling thread's network namespace, without /proc. Return: a descriptor or negative errno */
static int current_netns(void)
{
	int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), fd;

	if (s < 0)
		return -errno;
	fd = ioctl(s, SIOCGSKNS);
	if (fd < 0)
		fd = -errno;
	close(s);
	return fd;
}

/* What arrives at the far ends is the workers'; this namespace must not answer or forward any of it. */
static int quiet(void)
{
	int err = wgx_sysctl_set("ipv6/conf/all/disable_ipv6", NULL, "1");

	if (!err)
		err = wgx_sysctl_set("ipv6/conf/default/disable_ipv6", NULL, "1");
	if (!err)
		err = wgx_sysctl_set("ipv6/conf/all/forwarding", NULL, "0");
	if (!err)
		err = wgx_sysctl_set("ipv4/ip_forward", NULL, "0");
	return err;
}

static int enter(void *arg)
{
	struct wgx_netns *ns = arg;

	if (setns(ns->holder, CLONE_NEWNET))
		return -errno;
	ns->fd = current_netns();
	if (ns->fd < 0)
		return ns->fd;
	return quiet();
}

static int make_path(struct wgx_netns *ns, const char *rundir)
{
	int fd = current_netns(), n;
	struct stat st;

	if (fd < 0)
		return fd;
	n = fstat(fd, &st) ? -errno : 0;
	close(fd);
	if (n < 0)
		return n;
	n = snprintf(ns->path, sizeof(ns->path), "%s/%lu.holder", rundir, (unsigned long)st.st_ino);
	return n >= (int)sizeof(ns->path) ? -ENAMETOOLONG : 0;
}

static struct wgx_netns *alloc_netns(void)
{
	struct wgx_netns *ns = calloc(1, sizeof(*ns));

	if (!ns)
		return NULL;
	ns->lock_fd = ns->holder = ns->fd = -1;
	ns->last = &ns->first;
	pthread_mutex_init(&ns->lock, NULL);
	pthread_cond_init(&ns->work, NULL);
	pthread_cond_init(&ns->done, NULL);
	return ns;
}

static void free_netns(struct wgx_netns *ns)
{
	if (ns->fd >= 0)
		close(ns->fd);
	if (ns->holder >= 0)
		close(ns->holder);
	if (ns->lock_fd >= 0)
		close(ns->lock_fd);
	pthread_cond_destroy(&ns->done);
	pthread_cond_destroy(&ns->work);
	pthread_mutex_destroy(&ns->lock);
	free(ns);
}

/* @lock_fd: another daemon's; -1: none */
static int open_netns(const char *rundir, int lock_fd, struct wgx_netns **ret)
{
	struct wgx_netns *ns = alloc_netns();
	int err;

	if (!ns)
		return -ENOMEM;
	err = make_path(ns, rundir);
	if (err)
		goto out_free;
	err = lock_fd < 0 ? get_holder(ns) : inherit_holder(ns, lock_fd);
	if (err)
		goto out_free;
	err = start_thread(ns);
	if (err)
		goto out_holder;
	err = wgx_netns_call(ns, enter, ns);
	if (err)
		goto out_thread;
	*ret = ns;
	return 0;

out_thread:
	stop_thread(ns);
out_holder:
	if (!ns->adopted)
		kill_holder(ns);
out_free:
	if (lock_fd >= 0)
		ns->lock_fd = -1; /* the caller's */
	free_netns(ns);
	return err;
}

int wgx_netns_open(const char *rundir, struct wgx_netns **ret)
{
	return open_netns(rundir, -1, ret);
}

int wgx_netns_succeed(const char *rundir, int lock_fd, struct wgx_netns **ret)
{
	return open_netns(rundir, lock_fd, ret);
}

int wgx_netns_lock_fd(const struct wgx_netns *ns)
{
	return ns->lock_fd;
}

int wgx_netns_fd(const struct wgx_netns *ns)
{
	return ns->fd;
}

bool wgx_netns_adopted(const struct wgx_netns *ns)
{
	return ns->adopted;
}

void wgx_netns_close(struct wgx_netns *ns, bool end_holder)
{
	if (!ns)
		return;
	stop_thread(ns);
	if (end_holder)
		kill_holder(ns);
	free_netns(ns);
}
