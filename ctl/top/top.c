/* SPDX-License-Identifier: MIT */
/* wgx top: the command, and how it asks the daemon. */
#include "top/top.h"

#include <errno.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "device/device.h"

#define SECOND UINT64_C(1000000000)
#define INTERVAL_MAX 3600 /* seconds */
#define ONCE_WIDTH 132 /* keys and endpoints are whole */

enum { OPTION_ONCE = WGX_OPTION_LONG, OPTION_INTERVAL, OPTION_SORT };

struct arguments {
	struct wgx_top_source source;
	enum wgx_top_sort sort;
	bool once;
};

static int parse_option(int c, struct arguments *a)
{
	uint64_t seconds;

	switch (c) {
	case OPTION_ONCE:
		a->once = true;
		return WGX_EXIT_OK;
	case OPTION_INTERVAL:
		if (wgx_parse_number(optarg, strlen(optarg), INTERVAL_MAX, &seconds) || !seconds)
			return wgx_usage_error("top", "interval '%s' is not 1 to %d seconds",
					       optarg, INTERVAL_MAX);
		a->source.interval = seconds * SECOND;
		return WGX_EXIT_OK;
	default:
		a->sort = wgx_top_sort_find(optarg);
		if (a->sort == WGX_TOP_SORT_COUNT)
			return wgx_usage_error("top",
					       "sort '%s' is none of traffic, handshake, "
					       "drops, name",
					       optarg);
		return WGX_EXIT_OK;
	}
}

static int parse(int argc, char **argv, struct arguments *a)
{
	static const struct option options[] = {
		{"once", no_argument, NULL, OPTION_ONCE},
		{"interval", required_argument, NULL, OPTION_INTERVAL},
		{"sort", required_argument, NULL, OPTION_SORT},
		{0},
	};
	int c, status = WGX_EXIT_OK;

	opterr = 0;
	while (!status && (c = getopt_long(argc, argv, ":", options, NULL)) != -1)
		status =
			c < WGX_OPTION_LONG ? wgx_option_error("top", c, argv) : parse_option(c, a);
	argc -= optind;
	argv += optind;
	if (status || !argc)
		return status;
	if (argc > 1)
		return wgx_usage_error("top", "one interface at a time: unexpected '%s'", argv[1]);
	a->source.interface = argv[0];
	return wgx_name_check("top", "interface", a->source.interface);
}

/* ---- samples ---- */

int wgx_top_ask(const struct wgx_top_source *s, struct wgx_top *t)
{
	json_t *answer;
	int err = wgx_client_once(
		json_pack("{s:s, s:s*}", "cmd", "show", "interface", s->interface), &answer);

	if (err)
		return err;
	err = wgx_client_error(answer) ? -ENOENT
				       : wgx_top_sample(t, answer, wgx_clock_ns(CLOCK_MONOTONIC),
							(int64_t)time(NULL));
	json_decref(answer);
	return err;
}

static int explain(int err, const struct wgx_top_source *s)
{
	if (err == -ENOENT)
		return wgx_fail("%s: no such wgx interface in this network namespace",
				s->interface);
	return wgx_client_perror(err);
}

/* ---- once ---- */

static int print_once(const struct wgx_top *t)
{
	struct wgx_top_view v = {.width = ONCE_WIDTH, .height = t->n_peers + t->n_interfaces + 3};
	struct wgx_top_line *lines = calloc(v.height, sizeof(*lines));
	size_t n = lines ? wgx_top_frame(t, &v, lines) : 0;

	if (!lines)
		return wgx_fail("no memory");
	for (size_t i = 0; i < n; i++)
		puts(lines[i].text);
	free(lines);
	return WGX_EXIT_OK;
}

static int once(const struct wgx_top_source *s, struct wgx_top *t)
{
	const struct timespec pause = {.tv_sec = (time_t)(s->interval / SECOND)};
	int err;

	/* rates want two */
	(void)nanosleep(&pause, NULL);
	err = wgx_top_ask(s, t);
	return err ? explain(err, s) : print_once(t);
}

bool wgx_top_utf8(void)
{
	return !strcmp(nl_langinfo(CODESET), "UTF-8");
}

int wgx_cmd_top(int argc, char **argv)
{
	struct arguments a = {.source.interval = SECOND};
	struct wgx_top t = {0};
	int status, err;

	status = parse(argc, argv, &a);
	if (status)
		return status;
	if (!a.once && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		return wgx_fail("top needs a terminal; wgx top --once prints one picture");
	(void)setlocale(LC_CTYPE, "");
	t.sort = a.sort;
	err = wgx_top_ask(&a.source, &t);
	if (err)
		status = explain(err, &a.source);
	else
		status = a.once ? once(&a.source, &t) : wgx_top_screen(&a.source, &t);
	wgx_top_free(&t);
	return status;
}
