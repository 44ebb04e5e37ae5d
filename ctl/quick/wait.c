/* SPDX-License-Identifier: MIT */
/* wgx up --wait: for a service manager, which is to know when the daemon has died. */
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "quick/quick.h"

#define SUCCESSOR_MS 1000 /* a daemon that hands its interfaces on hangs up too */
#define POLL_MS 50

/* sd_notify(3), without its library */
static void tell_ready(void)
{
	static const char word[] = "READY=1";
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t len = path ? strlen(path) : 0;
	int fd;

	if (!len || len >= sizeof(addr.sun_path))
		return;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)sendto(fd, word, sizeof(word) - 1, 0, (struct sockaddr *)&addr,
		     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

/* Until @fd ends. Return: the interface was deleted */
static bool hear_of_end(int fd, struct wgx_client_lines *l)
{
	for (;;) {
		json_t *event;
		const char *what;
		bool removed;
		int err = wgx_client_next(fd, l, &event);

		if (err == -ETIMEDOUT)
			continue; /* nothing has happened */
		if (err)
			return false;
		what = json_string_value(json_object_get(event, "event"));
		removed = what && !strcmp(what, "interface_removed");
		json_decref(event);
		if (removed)
			return true;
	}
}

/* With one daemon. Return: the interface was deleted */
static bool wait_with(const char *name)
{
	json_t *request = json_pack("{s:s, s:s}", "cmd", "monitor", "interface", name),
	       *answer = NULL;
	struct wgx_client_lines l = {0};
	int fd = wgx_client_connect();
	bool gone = false;

	if (fd >= 0 && !wgx_client_ask(fd, request) && !wgx_client_next(fd, &l, &answer))
		gone = json_is_false(json_object_get(answer, "there")) || hear_of_end(fd, &l);
	if (fd >= 0)
		close(fd);
	free(l.data);
	json_decref(request);
	json_decref(answer);
	return gone;
}

static bool has_successor(const char *name)
{
	for (int ms = 0; ms < SUCCESSOR_MS; ms += POLL_MS) {
		poll(NULL, 0, POLL_MS);
		if (wgx_quick_served(name))
			return true;
	}
	return false;
}

int wgx_quick_wait(const char *name)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_UNBLOCK, &signals, NULL);
	tell_ready();
	do {
		if (wait_with(name) || !if_nametoindex(name))
			return WGX_EXIT_OK;
	} while (has_successor(name));
	if (!if_nametoindex(name))
		return WGX_EXIT_OK;
	(void)wgx_fail("%s: its daemon has died", name);
	return WGX_QUICK_DAEMON_DIED;
}
