/* SPDX-License-Identifier: MIT */
/* wgx up NAME: an interface as its file says, or nothing at all. */
#include <errno.h>
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "quick/quick.h"
#include "quick/run.h"

enum { OPTION_WAIT = WGX_OPTION_LONG };

static int pre_up(struct wgx_quick *q)
{
	return wgx_quick_hooks(q->conf, WGX_HOOK_PRE_UP);
}

static int create(struct wgx_quick *q)
{
	char text[16];
	/* a run that was killed has done this part, perhaps */
	int status = q->ifindex && wgx_quick_served(q->conf->name)
			     ? WGX_EXIT_OK
			     : wgx_create_interface(q->conf->name, q->conf->workers);

	if (status)
		return status;
	q->made = true;
	q->ifindex = (int)if_nametoindex(q->conf->name);
	snprintf(text, sizeof(text), "%d", q->ifindex);
	if (!q->ifindex || wgx_record_text(&q->record, "ifindex", text))
		return wgx_fail("%s: cannot note that it was made", q->conf->name);
	return WGX_EXIT_OK;
}

static int post_up(struct wgx_quick *q)
{
	return wgx_quick_hooks(q->conf, WGX_HOOK_POST_UP);
}

static int note_up(struct wgx_quick *q)
{
	return wgx_record_text(&q->record, "up", "yes")
		       ? wgx_fail("%s: cannot write its record", q->conf->name)
		       : WGX_EXIT_OK;
}

static int (*const steps[])(struct wgx_quick *q) = {
	pre_up,
	create,
	wgx_quick_configure,
	wgx_quick_name_peers,
	wgx_quick_addresses,
	wgx_quick_mtu_and_up,
	wgx_quick_dns,
	wgx_quick_routes,
	wgx_quick_attach,
	wgx_quick_resolver,
	post_up,
	note_up,
};

/* After a crash: what the daemon had. Addresses, MTU, routes, rules, DNS and what hooks did are there still. */
static int (*const again[])(struct wgx_quick *q) = {
	create,		  wgx_quick_configure, wgx_quick_name_peers,
	wgx_quick_attach, wgx_quick_resolver,  note_up,
};

/* One after the other; where one fails, all are undone. */
static int run_steps(struct wgx_quick *q)
{
	int status = WGX_EXIT_OK;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !status; i++) {
		status = wgx_run_interrupted() ? wgx_fail("%s: interrupted", q->conf->name)
					       : steps[i](q);
	}
	if (!status && wgx_run_interrupted())
		status = wgx_fail("%s: interrupted", q->conf->name);
	if (status) {
		wgx_run_ignore_signals();
		wgx_quick_undo(q);
	}
	return status;
}

/*
 * The daemon that served it has died. Where a step fails the interface stays, and lets nothing out in the clear; the
 * record tells the next run that it was not the last.
 */
static int run_again(struct wgx_quick *q)
{
	const char *name = q->conf->name;
	int status = WGX_EXIT_OK;

	if (!q->conf->private_key)
		return wgx_fail("%s: its daemon died, and %s has no PrivateKey to go on with; "
				"wgx down and wgx up make it anew",
				name, q->conf->file);
	if (wgx_record_text(&q->record, "up", "again"))
		return wgx_fail("%s: cannot write its record", name);
	status = wgx_quick_undo_resolver(&q->record);
	for (size_t i = 0; i < sizeof(again) / sizeof(again[0]) && !status; i++)
		status = wgx_run_interrupted() ? wgx_fail("%s: interrupted", name) : again[i](q);
	if (!status)
		fprintf(stderr, "wgx: %s: its daemon had died; configured again\n", name);
	return status;
}

/* What cannot be resolved yet will be, once the network is there; what never can is a mistake. */
static int resolve(const struct wgx_conf *c, struct wgx_resolved *resolved)
{
	for (size_t i = 0; i < c->n_peers; i++) {
		const struct wgx_conf_peer *p = &c->peers[i];
		int err = p->host_is_name ? wgx_resolve(p->host, p->port, &resolved[i]) : 0;

		if (!err)
			continue;
		if (!wgx_resolve_is_temporary(err))
			return wgx_fail("%s:%u: Endpoint: %s: %s", c->file, p->endpoint_line,
					p->host, gai_strerror(err));
		fprintf(stderr, "wgx: warning: %s:%u: Endpoint: %s: %s; it is tried again\n",
			c->file, p->endpoint_line, p->host, gai_strerror(err));
	}
	return WGX_EXIT_OK;
}

enum found {
	NOTHING,
	LEFT, /* it was up and has lost its daemon, or a run has not finished to configure it after that */
	UP,
	ANOTHER, /* one that we have not made, or not wholly */
};

static enum found find(const struct wgx_quick *q)
{
	const char *up = wgx_record_get(&q->record, "up"),
		   *ifindex = wgx_record_get(&q->record, "ifindex");

	if (!q->ifindex)
		return NOTHING;
	if (!up || !ifindex || strtol(ifindex, NULL, 10) != q->ifindex)
		return ANOTHER;
	return !strcmp(up, "again") || !wgx_quick_served(q->conf->name) ? LEFT : UP;
}

/* @wait: one that is up already is good enough */
static int begin(struct wgx_quick *q, bool wait, enum found *ret)
{
	const char *name = q->conf->name;
	int err = wgx_record_open(name, &q->record);

	if (err == -EBUSY)
		return wgx_fail("%s: another wgx up or down is at work on it", name);
	if (err)
		return wgx_fail("%s: cannot open its record: %s", name, strerror(-err));
	q->ifindex = (int)if_nametoindex(name);
	*ret = find(q);
	if (*ret == ANOTHER || (*ret == UP && !wait))
		return wgx_fail("%s: already exists", name);
	/* a run that was killed, or an interface deleted by hand */
	if (*ret == NOTHING && q->record.found)
		wgx_quick_undo(q);
	return WGX_EXIT_OK;
}

static int make(struct wgx_quick *q, enum found found)
{
	int status = resolve(q->conf, q->resolved);

	if (status)
		return status;
	return found == LEFT ? run_again(q) : run_steps(q);
}

static int bring_up(const struct wgx_conf *conf, bool wait)
{
	struct wgx_quick q = {.conf = conf, .record.lock = -1};
	int err = wgx_run_catch_signals(), status;
	enum found found = NOTHING;

	if (err)
		return wgx_fail("signalfd: %s", strerror(-err));
	q.resolved = calloc(conf->n_peers + 1, sizeof(*q.resolved));
	if (!q.resolved)
		return wgx_fail("no memory left");
	status = begin(&q, wait, &found);
	if (!status && found != UP)
		status = make(&q, found);
	wgx_record_close(&q.record);
	free(q.resolved);
	return status;
}

int wgx_quick_arguments(const char *command, int argc, char **argv, bool *ret_wait)
{
	static const struct option waits[] = {{"wait", no_argument, NULL, OPTION_WAIT}, {0}},
				   none[] = {{0}};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", ret_wait ? waits : none, NULL)) != -1) {
		if (c != OPTION_WAIT)
			return wgx_option_error(command, c, argv);
		*ret_wait = true;
	}
	if (optind == argc)
		return wgx_usage_error(command, "no interface or file given");
	if (optind + 1 < argc)
		return wgx_usage_error(command, "one interface at a time: unexpected '%s'",
				       argv[optind + 1]);
	return WGX_EXIT_OK;
}

int wgx_cmd_up(int argc, char **argv)
{
	struct wgx_conf *conf = NULL;
	bool wait = false;
	int status = wgx_quick_arguments("up", argc, argv, &wait);

	if (!status)
		status = wgx_conf_load("up", argv[optind], &conf);
	if (!status)
		status = wgx_need_net_admin("bring up", conf->name);
	if (!status)
		status = wgx_quick_check_dns(conf);
	if (!status)
		status = bring_up(conf, wait);
	if (!status && wait)
		status = wgx_quick_wait(conf->name);
	wgx_conf_free(conf);
	return status;
}
