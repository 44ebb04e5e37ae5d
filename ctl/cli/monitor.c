/* SPDX-License-Identifier: MIT */
/* wgx monitor: the daemon's events, and of the daemon itself, that it is there or gone. */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/monitor.h"
#include "device/device.h"

#define RETRY_MS 250 /* how often a daemon is looked for */

struct monitor {
	bool json;
	const char *interface; /* NULL: all */
	struct wgx_text text;
	bool gone; /* was told that there is no daemon */
};

static int parse(int argc, char **argv, struct monitor *m)
{
	int status = wgx_json_option("monitor", argc, argv, &m->json);

	if (status)
		return status;
	argc -= optind;
	argv += optind;
	if (argc > 1)
		return wgx_usage_error("monitor", "one interface at a time: unexpected '%s'",
				       argv[1]);
	if (!argc)
		return WGX_EXIT_OK;
	m->interface = argv[0];
	return wgx_name_check("monitor", "interface", m->interface);
}

/* A line at a time, at once. */
static int print(const struct monitor *m, const json_t *event)
{
	if (m->json) {
		json_dumpf(event, stdout, JSON_COMPACT | JSON_REAL_PRECISION(13));
		putchar('\n');
	} else {
		wgx_monitor_print(&m->text, event);
	}
	if (fflush(stdout) || ferror(stdout))
		return wgx_fail("cannot write to standard output: %s", strerror(errno));
	return WGX_EXIT_OK;
}

/* @event: the reference is taken */
static int tell(const struct monitor *m, const char *name, json_t *event)
{
	const uint64_t ms = wgx_clock_ns(CLOCK_REALTIME) / 1000000u;
	json_t *all = json_pack("{s:f, s:s}", "time", (double)ms / 1000, "event", name);
	int status;

	json_object_update(all, event);
	json_decref(event);
	status = print(m, all);
	json_decref(all);
	return status;
}

static int tell_gone(struct monitor *m)
{
	if (m->gone)
		return WGX_EXIT_OK;
	m->gone = true;
	return tell(m, "daemon_gone", NULL);
}

static int tell_up(struct monitor *m, const json_t *answer)
{
	m->gone = false;
	if (!json_is_true(json_object_get(answer, "there")))
		fprintf(stderr, "wgx monitor: %s is not there yet\n", m->interface);
	return tell(m, "daemon_up",
		    json_pack("{s:O, s:O}", "pid", json_object_get(answer, "pid"), "version",
			      json_object_get(answer, "version")));
}

/* Events until there are no more. Return: an exit status; ok: the daemon is gone, or silent */
static int receive(struct monitor *m, int fd, struct wgx_client_lines *l)
{
	int status = WGX_EXIT_OK;

	while (!status) {
		json_t *event;
		int err = wgx_client_next(fd, l, &event);

		if (err == -ETIMEDOUT)
			continue; /* nothing has happened */
		if (err == -ECONNRESET)
			return tell_gone(m);
		if (err)
			return wgx_client_perror(err);
		status = print(m, event);
		json_decref(event);
	}
	return status;
}

static int subscribe(const struct monitor *m, int fd, struct wgx_client_lines *l, json_t **ret)
{
	json_t *request = json_pack("{s:s, s:s*}", "cmd", "monitor", "interface", m->interface);
	int err = request ? wgx_client_ask(fd, request) : -ENOMEM;

	json_decref(request);
	/* one that refuses early may have hung up; its answer still counts */
	return err && err != -ECONNRESET ? err : wgx_client_next(fd, l, ret);
}

static int listen_to(struct monitor *m, int fd)
{
	struct wgx_client_lines l = {0};
	json_t *answer = NULL;
	int err, status;

	err = subscribe(m, fd, &l, &answer);
	if (err == -ECONNRESET)
		status = tell_gone(m); /* it was about to end */
	else if (err)
		status = wgx_client_perror(err);
	else if (wgx_client_error(answer))
		status = wgx_fail("%s", wgx_client_error(answer));
	else
		status = tell_up(m, answer);
	if (!err && !status)
		status = receive(m, fd, &l);
	json_decref(answer);
	free(l.data);
	return status;
}

int wgx_cmd_monitor(int argc, char **argv)
{
	struct monitor m = {0};
	int status = parse(argc, argv, &m);

	wgx_text_init(&m.text, stdout);
	while (!status) {
		int fd = wgx_client_connect();

		if (fd >= 0) {
			status = listen_to(&m, fd);
			close(fd);
		} else if (fd == -ESRCH) {
			status = tell_gone(&m);
		} else {
			status = wgx_client_perror(fd);
		}
		if (!status)
			poll(NULL, 0, RETRY_MS);
	}
	return status;
}
