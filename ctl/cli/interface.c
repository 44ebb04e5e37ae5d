/* SPDX-License-Identifier: MIT */
/*
 * wgx IFACE, wgx -f IFACE: create an interface. The daemon of this network namespace does it; where
 * none runs, this process forks or becomes it.
 */
#include <errno.h>
#include <getopt.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/start.h"

enum { OPTION_FOREGROUND = WGX_OPTION_LONG };

/* How often a daemon may end between accept and answer, because its last interface has gone. */
#define ATTEMPTS 5

/* The daemon that answered the connect ended before it could create: look again. */
#define TRY_AGAIN -1

static int parse(int argc, char **argv, bool *ret_foreground)
{
	static const struct option options[] = {
		{"foreground", no_argument, NULL, OPTION_FOREGROUND},
		{0},
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":f", options, NULL)) != -1) {
		if (c != 'f' && c != OPTION_FOREGROUND)
			return wgx_option_error(NULL, c, argv);
		*ret_foreground = true;
	}
	if (optind == argc)
		return wgx_usage_error(NULL, "no interface name given");
	if (optind + 1 < argc)
		return wgx_usage_error(NULL,
				       "'%s' is no command, and an interface name stands "
				       "alone: unexpected '%s'",
				       argv[optind], argv[optind + 1]);
	return wgx_name_check(NULL, "interface", argv[optind]);
}

/* As wireguard-go has it. */
static bool foreground_from_environment(void)
{
	const char *value = getenv("WG_PROCESS_FOREGROUND");

	return value && !strcmp(value, "1");
}

/* SIGINT, SIGTERM and SIGHUP as a file descriptor instead of death. */
static int catch_signals(sigset_t *old)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, old))
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int block_until_eof(int fd)
{
	const struct timeval forever = {0};
	char buf[256];
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever));
	do
		n = recv(fd, buf, sizeof(buf), 0);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

/*
 * The connection lives as long as the interface. The first signal asks the daemon to delete it, by the
 * end of our half, and we stay until it is gone; a second one ends us as usual.
 */
static int wait_for_end(int fd, const char *name)
{
	sigset_t old;
	int signals = catch_signals(&old);
	struct pollfd fds[] = {
		{.fd = fd, .events = POLLIN},
		{.fd = signals, .events = POLLIN},
	};
	struct signalfd_siginfo info;

	if (signals < 0)
		return wgx_fail("signalfd: %s", strerror(-signals));
	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	if (fds[1].revents && read(signals, &info, sizeof(info)) > 0)
		shutdown(fd, SHUT_WR);
	close(signals);
	sigprocmask(SIG_SETMASK, &old, NULL);
	block_until_eof(fd);
	/* a daemon that died leaves its interfaces behind */
	if (if_nametoindex(name))
		return wgx_fail("the daemon died; %s stays, and carries nothing", name);
	return WGX_EXIT_OK;
}

/* Asks the daemon behind @fd. Return: an exit status or TRY_AGAIN. */
static int request_interface(int fd, const char *name, bool wait)
{
	json_t *request = json_pack("{s:s, s:s}", "cmd", "create", "interface", name);
	json_t *answer = NULL;
	int err, status = WGX_EXIT_OK;

	if (!request || (wait && json_object_set_new(request, "wait", json_true()))) {
		json_decref(request);
		return wgx_client_perror(-ENOMEM);
	}
	err = wgx_client_call(fd, request, &answer);
	json_decref(request);
	if (err == -ECONNRESET)
		return TRY_AGAIN;
	if (err)
		return wgx_client_perror(err);
	if (wgx_client_error(answer))
		status = wgx_fail("%s", wgx_client_error(answer));
	json_decref(answer);
	return status;
}

/* With the daemon behind @fd. @lock is given up. */
static int create_there(int fd, int lock, const char *name, bool wait)
{
	int status = request_interface(fd, name, wait);

	wgx_start_unlock(lock);
	if (status == WGX_EXIT_OK && wait)
		status = wait_for_end(fd, name);
	close(fd);
	return status;
}

/* With a new daemon. @lock is given up. */
static int create_here(int lock, const char *name, bool foreground)
{
	int status;

	if (foreground)
		return wgx_start_foreground(name, lock);
	status = wgx_start_background(name, lock);
	wgx_start_unlock(lock);
	return status;
}

static int create(const char *name, bool foreground)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		int lock = wgx_start_lock(), fd, status;

		if (lock < 0)
			return wgx_fail("cannot lock the start of the daemon: %s", strerror(-lock));
		fd = wgx_client_connect();
		if (fd == -ESRCH)
			return create_here(lock, name, foreground);
		if (fd < 0) {
			wgx_start_unlock(lock);
			return wgx_client_perror(fd);
		}
		status = create_there(fd, lock, name, foreground);
		if (status != TRY_AGAIN)
			return status;
	}
	return wgx_client_perror(-ECONNRESET);
}

int wgx_cmd_interface(int argc, char **argv)
{
	bool foreground = foreground_from_environment();
	int status = parse(argc, argv, &foreground);

	if (!status)
		status = wgx_need_net_admin("create", argv[optind]);
	return status ? status : create(argv[optind], foreground);
}
