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
#include <wgx/bpf_abi.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/start.h"

enum { OPTION_FOREGROUND = WGX_OPTION_LONG, OPTION_WORKERS };

/* How often a daemon may end between accept and answer, because its last interface has gone. */
#define ATTEMPTS 5

/* How long a daemon may take from its EOF to the end of the interface. */
#define DELETE_TIMEOUT_MS 2000
#define DELETE_POLL_MS 10

/* The daemon that answered the connect ended before it could create: look again. */
#define TRY_AGAIN -1

/* What an interface is to be. */
struct wanted {
	const char *name;
	unsigned int workers; /* 0: as it comes */
};

static int parse_workers(const char *text, unsigned int *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !n || n > WGX_QUEUES_MAX)
		return wgx_usage_error(NULL, "--workers: '%s' is no number from 1 to %d", text,
				       WGX_QUEUES_MAX);
	*ret = (unsigned int)n;
	return WGX_EXIT_OK;
}

static int parse(int argc, char **argv, bool *ret_foreground, struct wanted *ret)
{
	static const struct option options[] = {
		{"foreground", no_argument, NULL, OPTION_FOREGROUND},
		{"workers", required_argument, NULL, OPTION_WORKERS},
		{0},
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":f", options, NULL)) != -1) {
		if (c == OPTION_WORKERS) {
			int status = parse_workers(optarg, &ret->workers);

			if (status)
				return status;
		} else if (c == 'f' || c == OPTION_FOREGROUND) {
			*ret_foreground = true;
		} else {
			return wgx_option_error(NULL, c, argv);
		}
	}
	if (optind == argc)
		return wgx_usage_error(NULL, "no interface name given");
	if (optind + 1 < argc)
		return wgx_usage_error(NULL,
				       "'%s' is no command, and an interface name stands "
				       "alone: unexpected '%s'",
				       argv[optind], argv[optind + 1]);
	ret->name = argv[optind];
	return wgx_name_check(NULL, "interface", ret->name);
}

/* As wireguard-go has it. */
static bool foreground_from_environment(void)
{
	const char *value = getenv("WG_PROCESS_FOREGROUND");

	return value && !strcmp(value, "1");
}

struct caught {
	int fd; /* a signalfd */
	sigset_t old;
};

/* SIGINT, SIGTERM and SIGHUP as a file descriptor instead of death. */
static int catch_signals(struct caught *c)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	c->fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (c->fd < 0)
		return -errno;
	sigprocmask(SIG_BLOCK, &set, &c->old);
	return 0;
}

static void release_signals(const struct caught *c)
{
	close(c->fd);
	sigprocmask(SIG_SETMASK, &c->old, NULL);
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
 * After the daemon's EOF: one that lives deletes the interface at about that time, one that died leaves
 * it behind. @ifindex tells ours from another of that name; 0: it went before we could ask.
 */
static bool left_behind(const char *name, unsigned int ifindex)
{
	for (int ms = 0; ms < DELETE_TIMEOUT_MS; ms += DELETE_POLL_MS) {
		if (!ifindex || if_nametoindex(name) != ifindex)
			return false;
		poll(NULL, 0, DELETE_POLL_MS);
	}
	return true;
}

/*
 * The connection lives as long as the interface. The first signal asks the daemon to delete it, by the
 * end of our half, and we stay until it is gone; a second one ends us as usual.
 */
static int wait_for_end(int fd, const char *name, const struct caught *c)
{
	unsigned int ifindex = if_nametoindex(name);
	struct pollfd fds[] = {
		{.fd = fd, .events = POLLIN},
		{.fd = c->fd, .events = POLLIN},
	};
	struct signalfd_siginfo info;

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	if (fds[1].revents && read(c->fd, &info, sizeof(info)) > 0)
		shutdown(fd, SHUT_WR);
	sigprocmask(SIG_SETMASK, &c->old, NULL);
	block_until_eof(fd);
	if (left_behind(name, ifindex))
		return wgx_fail("the daemon died; %s stays, and carries nothing", name);
	return WGX_EXIT_OK;
}

/* Asks the daemon behind @fd. Return: an exit status or TRY_AGAIN. */
static int request_interface(int fd, const struct wanted *w, bool wait)
{
	json_t *request = json_pack("{s:s, s:s}", "cmd", "create", "interface", w->name);
	json_t *answer = NULL;
	int err, status = WGX_EXIT_OK;

	if (!request || (wait && json_object_set_new(request, "wait", json_true())) ||
	    (w->workers &&
	     json_object_set_new(request, "workers", json_integer((json_int_t)w->workers)))) {
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

/* As create_there(), and stay until the interface is gone. */
static int create_and_wait(int fd, int lock, const struct wanted *w)
{
	struct caught c;
	int status, err = catch_signals(&c); /* before there is anything to be deleted */

	if (err) {
		wgx_start_unlock(lock);
		return wgx_fail("signalfd: %s", strerror(-err));
	}
	status = request_interface(fd, w, true);
	wgx_start_unlock(lock);
	if (status == WGX_EXIT_OK)
		status = wait_for_end(fd, w->name, &c);
	release_signals(&c);
	return status;
}

/* With the daemon behind @fd. @lock is given up. */
static int create_there(int fd, int lock, const struct wanted *w)
{
	int status = request_interface(fd, w, false);

	wgx_start_unlock(lock);
	return status;
}

/* With a new daemon. @lock is given up. */
static int create_here(int lock, const struct wanted *w, bool foreground)
{
	int status;

	if (foreground)
		return wgx_start_foreground(w->name, w->workers, lock);
	status = wgx_start_background(w->name, w->workers, lock);
	wgx_start_unlock(lock);
	return status;
}

static int create(const struct wanted *w, bool foreground)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		int lock = wgx_start_lock(), fd, status;

		if (lock < 0)
			return wgx_fail("cannot lock the start of the daemon: %s", strerror(-lock));
		fd = wgx_client_connect();
		if (fd == -ESRCH)
			return create_here(lock, w, foreground);
		if (fd < 0) {
			wgx_start_unlock(lock);
			return wgx_client_perror(fd);
		}
		status = foreground ? create_and_wait(fd, lock, w) : create_there(fd, lock, w);
		close(fd);
		if (status != TRY_AGAIN)
			return status;
	}
	return wgx_client_perror(-ECONNRESET);
}

int wgx_delete_interface(const char *name)
{
	unsigned int ifindex = if_nametoindex(name);
	json_t *answer;
	int status;

	status = wgx_client_request(json_pack("{s:s, s:s}", "cmd", "delete", "interface", name),
				    &answer);
	if (status)
		return status;
	json_decref(answer);
	return left_behind(name, ifindex) ? wgx_fail("%s: the daemon does not delete it", name)
					  : WGX_EXIT_OK;
}

int wgx_create_interface(const char *name, unsigned int workers)
{
	const struct wanted w = {.name = name, .workers = workers};

	return create(&w, false);
}

int wgx_cmd_interface(int argc, char **argv)
{
	bool foreground = foreground_from_environment();
	struct wanted w = {0};
	int status = parse(argc, argv, &foreground, &w);

	if (!status)
		status = wgx_need_net_admin("create", w.name);
	return status ? status : create(&w, foreground);
}
