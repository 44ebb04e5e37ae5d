/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/start.h"
#include "daemon/daemon.h"
#include "daemon/log.h"

/* How long a daemon that has given up may take to be gone. */
#define GONE_TIMEOUT_MS 5000

#define TEXT_SIZE 2048

/* Where a detached daemon has its ready_fd; above it nothing is open. */
#define READY_FD 3

/* What a starting daemon says on its ready_fd. */
enum ready {
	READY_YES, /* a byte 0 */
	READY_ERROR, /* a text */
	READY_DEAD, /* nothing */
};

static int make_parent(char *path)
{
	char *slash = strrchr(path, '/');
	int err = 0;

	if (!slash)
		return -EINVAL;
	*slash = '\0';
	if (mkdir(path, 0700) && errno != EEXIST)
		err = -errno;
	*slash = '/';
	return err;
}

int wgx_start_lock(void)
{
	char path[sizeof(((struct sockaddr_un *)0)->sun_path) + sizeof(".lock")];
	int fd, err;

	err = wgx_start_lock_path(path, sizeof(path));
	if (!err)
		err = make_parent(path);
	if (err)
		return err;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX)) {
		if (errno == EINTR)
			continue;
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

void wgx_start_unlock(int lock)
{
	if (lock >= 0)
		close(lock);
}

static int pidfd_of(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

/* Until @ready_fd can be read, or ends, or the process behind @pidfd is dead. */
static void wait_for_word(int ready_fd, int pidfd)
{
	struct pollfd fds[] = {
		{.fd = ready_fd, .events = POLLIN},
		{.fd = pidfd, .events = POLLIN},
	};

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
}

/*
 * Reads on to the end of an error text; stops at the byte 0. The daemon's own end of the pipe may have
 * copies in its children, so death counts as the end too; so does a silent pipe, where @pidfd is -1.
 * @text: @size bytes, terminated.
 */
static enum ready read_word(int ready_fd, int pidfd, char *text, size_t size)
{
	size_t len = 0;

	while (len < size - 1) {
		ssize_t n;

		if (pidfd >= 0)
			wait_for_word(ready_fd, pidfd);
		n = read(ready_fd, text + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) /* EAGAIN: dead, with nothing left in the pipe */
			break;
		if (!len && !text[0])
			return READY_YES;
		len += (size_t)n;
	}
	while (len && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	return len ? READY_ERROR : READY_DEAD;
}

/* The read end does not block: see read_word(). */
static int ready_pipe(int fds[2])
{
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	if (fcntl(fds[0], F_SETFL, O_NONBLOCK)) {
		close(fds[0]);
		close(fds[1]);
		return -errno;
	}
	return 0;
}

/* A daemon keeps nothing of its caller's: no terminal, directory, umask or open file. */
static int detach(int ready_fd)
{
	int null = open("/dev/null", O_RDWR);

	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
		return -errno;
	if (setsid() < 0 || chdir("/"))
		return -errno;
	umask(077);
	if (ready_fd != READY_FD && dup2(ready_fd, READY_FD) < 0)
		return -errno;
	if (fcntl(READY_FD, F_SETFD, FD_CLOEXEC) ||
	    syscall(SYS_close_range, READY_FD + 1u, ~0u, 0u))
		return -errno;
	return 0;
}

/* @name: NULL: in the place of the daemon there is */
static int daemon_child(const char *name, unsigned int workers, int ready_fd)
{
	int err = detach(ready_fd);

	if (err) {
		dprintf(ready_fd, "cannot detach: %s", strerror(-err));
		return WGX_EXIT_FAILURE;
	}
	wgx_log_init(true);
	return name ? wgx_daemon_run(name, workers, READY_FD) : wgx_daemon_succeed(READY_FD);
}

static void reap(pid_t pid, int pidfd, int *status)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	/* the next to get the lock must not meet the rest of this one */
	while (poll(&p, 1, GONE_TIMEOUT_MS) < 0 && errno == EINTR)
		;
	waitpid(pid, status, WNOHANG);
}

static int report_death(const char *what, int status)
{
	if (WIFSIGNALED(status))
		return wgx_fail("the daemon died before %s was ready: %s", what,
				strsignal(WTERMSIG(status)));
	return wgx_fail("the daemon died before %s was ready: exit status %d", what,
			WEXITSTATUS(status));
}

/* @name: NULL: in the place of another; @text: what it said, where it failed */
static int await_background(const char *name, pid_t pid, int ready_fd, char *text, size_t size)
{
	const char *what = name ? name : "it";
	int pidfd = pidfd_of(pid), status = 0;
	enum ready ready;

	if (pidfd < 0) {
		/* it would go on, and nobody had heard of it */
		kill(pid, SIGTERM);
		waitpid(pid, NULL, 0);
		return wgx_fail("pidfd_open: %s", strerror(-pidfd));
	}
	ready = read_word(ready_fd, pidfd, text, size);
	/* it may not be dead, where its word was lost; one that has another's place is not ours to end */
	if (ready == READY_DEAD && name)
		kill(pid, SIGTERM);
	if (ready != READY_YES)
		reap(pid, pidfd, &status);
	close(pidfd);
	switch (ready) {
	case READY_YES:
		return WGX_EXIT_OK;
	case READY_ERROR:
		if (WIFEXITED(status) && WEXITSTATUS(status) == WGX_DAEMON_OTHER_FORMAT)
			return WGX_DAEMON_OTHER_FORMAT;
		return wgx_fail("%s", text);
	default:
		return report_death(what, status);
	}
}

static int start(const char *name, unsigned int workers, int lock, char *text, size_t size)
{
	int fds[2], status, err = ready_pipe(fds);
	pid_t pid;

	if (err)
		return wgx_fail("pipe: %s", strerror(-err));
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		status = wgx_fail("fork: %s", strerror(errno));
		goto out;
	}
	if (!pid) {
		close(lock); /* the parent's: flock(2) ends with the last copy */
		exit(daemon_child(name, workers, fds[1]));
	}
	close(fds[1]);
	fds[1] = -1;
	status = await_background(name, pid, fds[0], text, size);
out:
	close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	return status;
}

int wgx_start_background(const char *name, unsigned int workers, int lock)
{
	char text[TEXT_SIZE];

	return start(name, workers, lock, text, sizeof(text));
}

int wgx_start_successor(int lock, char *text, size_t size)
{
	return start(NULL, 0, lock, text, size);
}

/*
 * Nobody waits for a daemon in the foreground, and only its own thread may go where it goes next, so
 * that a process of its own keeps the lock until the daemon is ready. It is a grandchild: the daemon
 * must not find a child that it does not know. It looks at the pipe and leaves the word in it.
 */
static int fork_lock_keeper(int ready_fd, int write_fd)
{
	int pidfd = pidfd_of(getpid());
	pid_t pid;

	if (pidfd < 0)
		return pidfd;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		if (fork())
			_exit(0);
		close(write_fd);
		wait_for_word(ready_fd, pidfd);
		_exit(0);
	}
	close(pidfd);
	if (pid < 0)
		return -errno;
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

int wgx_start_foreground(const char *name, unsigned int workers, int lock)
{
	int fds[2], status, err = ready_pipe(fds);
	char text[TEXT_SIZE];

	if (err)
		return wgx_fail("pipe: %s", strerror(-err));
	err = fork_lock_keeper(fds[0], fds[1]);
	if (err) {
		close(fds[1]);
		status = wgx_fail("fork: %s", strerror(-err));
		goto out;
	}
	close(lock);
	wgx_log_init(false);
	status = wgx_daemon_run(name, workers, fds[1]);
	if (status && read_word(fds[0], -1, text, sizeof(text)) == READY_ERROR)
		wgx_fail("%s", text);
out:
	close(fds[0]);
	return status;
}
