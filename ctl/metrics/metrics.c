/* SPDX-License-Identifier: MIT */
/*
 * wgx metrics: the numbers of `wgx show --json` for Prometheus, over HTTP or on standard output. A process of its
 * own, which needs nothing but the right to look into the daemon's control socket.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "daemon/log.h"
#include "daemon/privileges.h"
#include "metrics/listen.h"
#include "metrics/server.h"
#include "metrics/source.h"
#include "metrics/text.h"

#define DEFAULT_PLACE "127.0.0.1:9586"

enum { OPTION_LISTEN = WGX_OPTION_LONG, OPTION_ONCE };

struct options {
	const char *where; /* NULL: not given */
	bool once;
	struct wgx_metrics_place place;
};

static int parse_options(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{"listen", required_argument, NULL, OPTION_LISTEN},
		{"once", no_argument, NULL, OPTION_ONCE},
		{0},
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == OPTION_LISTEN && o->where)
			return wgx_usage_error("metrics", "option '--listen' is given twice");
		if (c == OPTION_LISTEN)
			o->where = optarg;
		else if (c == OPTION_ONCE)
			o->once = true;
		else
			return wgx_option_error("metrics", c, argv);
	}
	return WGX_EXIT_OK;
}

static int parse(int argc, char **argv, struct options *o)
{
	int status = parse_options(argc, argv, o);

	if (status)
		return status;
	if (optind < argc)
		return wgx_usage_error("metrics", "unexpected '%s'", argv[optind]);
	if (o->once && o->where)
		return wgx_usage_error("metrics", "--listen or --once: not both");
	if (wgx_metrics_place_parse(o->where ? o->where : DEFAULT_PLACE, &o->place))
		return wgx_usage_error("metrics",
				       "'%s' is no ADDRESS:PORT and no absolute path of a socket",
				       o->where);
	return WGX_EXIT_OK;
}

/* ---- --once ---- */

static int print(struct wgx_metrics_text *text)
{
	char buf[65536];
	ssize_t n;

	while ((n = wgx_metrics_text_read(text, buf, sizeof(buf))) > 0)
		if (fwrite(buf, 1, (size_t)n, stdout) != (size_t)n)
			return WGX_EXIT_OK; /* main() tells */
	return n ? wgx_client_perror((int)n) : WGX_EXIT_OK;
}

static int print_once(void)
{
	struct wgx_metrics_source source = {.told = 0};
	const struct wgx_metrics_answer *a = wgx_metrics_ask(&source, true);
	struct wgx_metrics_text *text;
	int status;

	if (!a->answer)
		return wgx_client_perror(a->err);
	text = wgx_metrics_text_open(wgx_families, wgx_families_count, a->answer, a->took_ns);
	status = text ? print(text) : wgx_client_perror(-ENOMEM);
	wgx_metrics_text_close(text);
	wgx_metrics_source_close(&source);
	return status;
}

/* ---- the server ---- */

static int explain(const struct options *o, int err)
{
	const char *where = o->where ? o->where : DEFAULT_PLACE;

	if (err == -EADDRINUSE)
		return wgx_fail("cannot listen at %s: another process does", where);
	return wgx_fail("cannot listen at %s: %s", where, strerror(-err));
}

static void announce(const struct wgx_metrics_place *place)
{
	char text[WGX_ENDPOINT_TEXT];

	if (place->path)
		wgx_log(WGX_LOG_INFO, "metrics are at %s", place->path);
	else
		wgx_log(WGX_LOG_INFO, "metrics are at http://%s/metrics",
			wgx_endpoint_format(&place->tcp, text));
}

static int serve(struct options *o)
{
	int fd = wgx_metrics_listen(&o->place), err;

	if (fd < 0)
		return explain(o, fd);
	wgx_log_init(false);
	err = wgx_privileges_none();
	if (err)
		close(fd);
	else
		announce(&o->place);
	err = err ?: wgx_metrics_serve(fd);
	if (o->place.path)
		unlink(o->place.path);
	return err ? wgx_fail("metrics: %s", strerror(-err)) : WGX_EXIT_OK;
}

int wgx_cmd_metrics(int argc, char **argv)
{
	struct options o = {.where = NULL};
	int status = parse(argc, argv, &o);

	if (status)
		return status;
	return o.once ? print_once() : serve(&o);
}
