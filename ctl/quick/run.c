/* SPDX-License-Identifier: MIT */
#include "quick/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
	int fd; /* a signalfd; 0: signals are not caught */
	sigset_t old;
	bool interrupted, ignore;
} signals;

int wgx_run_catch_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	signals.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals.fd < 0)
		return -errno;
	sigprocmask(SIG_BLOCK, &set, &signals.old);
	return 0;
}

bool wgx_run_interrupted(void)
{
	struct signalfd_siginfo info;

	if (signals.fd > 0 && read(signals.fd, &info, sizeof(info)) > 0)
		signals.interrupted = true;
	return signals.interrupted && !signals.ignore;
}

void wgx_run_ignore_signals(void)
{
	signals.ignore = true;
}

/* A file with @text, from which a program reads it: no pipe that could fill up */
static int input_file(const char *text)
{
	size_t len = strlen(text);
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET)) {
		close(fd);
		return -EIO;
	}
	return fd;
}

/* In the child. */
static void execute(const char *const argv[], int input, bool quiet)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (signals.fd > 0)
		sigprocmask(SIG_SETMASK, &signals.old, NULL);
	if (null < 0 || (input >= 0 && dup2(input, STDIN_FILENO) < 0) ||
	    (quiet && (dup2(null, STDOUT_FILENO) < 0 || dup2(null, STDERR_FILENO) < 0)))
		_exit(126);
	execvp(argv[0], (char *const *)argv);
	_exit(127);
}

static int exit_status(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int await(pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0), status;
	struct pollfd fds[] = {
		{.fd = pidfd, .events = POLLIN},
		{.fd = signals.fd > 0 && !signals.ignore ? signals.fd : -1, .events = POLLIN},
	};
	bool interrupted = false;

	while (pidfd >= 0 && poll(fds, 2, -1) >= 0 && !fds[0].revents) {
		if (!wgx_run_interrupted())
			continue;
		interrupted = true;
		kill(pid, SIGTERM);
		fds[1].fd = -1;
	}
	status = exit_status(pid);
	if (pidfd >= 0)
		close(pidfd);
	return interrupted ? -EINTR : status;
}

int wgx_run(const char *const argv[], const char *input, bool quiet)
{
	int fd = -1, status;
	pid_t pid;

	if (wgx_run_interrupted())
		return -EINTR;
	if (input) {
		fd = input_file(input);
		if (fd < 0)
			return fd;
	}
	fflush(NULL);
	pid = fork();
	if (!pid)
		execute(argv, fd, quiet);
	status = pid < 0 ? -errno : await(pid);
	if (fd >= 0)
		close(fd);
	return status;
}

bool wgx_run_exists(const char *name)
{
	const char *path = getenv("PATH");
	char copy[4096], file[4096], *save;

	snprintf(copy, sizeof(copy), "%s", path ? path : "/usr/sbin:/usr/bin:/sbin:/bin");
	for (char *dir = strtok_r(copy, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		snprintf(file, sizeof(file), "%s/%s", dir, name);
		if (!access(file, X_OK))
			return true;
	}
	return false;
}
