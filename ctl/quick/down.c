/* SPDX-License-Identifier: MIT */
/* wgx down NAME: what `wgx up` did is undone; hooks and SaveConfig are as the file says now. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "quick/quick.h"
#include "quick/run.h"

/* Finds out what is there: the interface of a daemon, that of one that has died, or only what `up` did beside it. */
static int find(struct wgx_quick *q, bool *ret_served)
{
	const char *name = q->conf->name, *noted = wgx_record_get(&q->record, "ifindex");
	int ifindex = (int)if_nametoindex(name);

	*ret_served = ifindex && wgx_quick_served(name);
	if (*ret_served || (ifindex && noted && strtol(noted, NULL, 10) == ifindex))
		q->ifindex = ifindex;
	if (q->ifindex || q->record.found)
		return WGX_EXIT_OK;
	return ifindex ? wgx_fail("%s: not an interface of wgx", name)
		       : wgx_fail("%s: no such interface", name);
}

static int take_down(struct wgx_quick *q)
{
	bool served;
	int status = find(q, &served);

	if (!status && q->ifindex)
		status = wgx_quick_hooks(q->conf, WGX_HOOK_PRE_DOWN);
	if (!status && served && q->conf->save)
		status = wgx_quick_save(q);
	if (status)
		return status;
	if (!q->ifindex)
		fprintf(stderr, "wgx: warning: %s was gone already\n", q->conf->name);
	wgx_run_ignore_signals();
	status = wgx_quick_undo(q);
	return status ? status : wgx_quick_hooks(q->conf, WGX_HOOK_POST_DOWN);
}

static int bring_down(const struct wgx_conf *conf)
{
	struct wgx_quick q = {.conf = conf, .record.lock = -1};
	int err = wgx_run_catch_signals(), status;

	if (!err)
		err = wgx_record_open(conf->name, &q.record);
	if (err == -EBUSY)
		return wgx_fail("%s: another wgx up or down is at work on it", conf->name);
	if (err)
		return wgx_fail("%s: cannot open its record: %s", conf->name, strerror(-err));
	status = take_down(&q);
	wgx_record_close(&q.record);
	return status;
}

int wgx_cmd_down(int argc, char **argv)
{
	struct wgx_conf *conf = NULL;
	int status = wgx_quick_arguments("down", argc, argv, NULL);

	if (!status)
		status = wgx_conf_load("down", argv[optind], &conf);
	if (!status)
		status = wgx_need_net_admin("bring down", conf->name);
	if (!status)
		status = bring_down(conf);
	wgx_conf_free(conf);
	return status;
}
