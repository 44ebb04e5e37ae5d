/* SPDX-License-Identifier: MIT */
/* wgx doctor: one check after the other; what each has found is the report. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "daemon/log.h"
#include "doctor/doctor.h"

/* From what all need to what few do; some look at what those before them have learnt. */
static void (*const checks[])(struct wgx_doctor *d) = {
	wgx_check_privileges, wgx_check_kernel,	   wgx_check_features, wgx_check_bpffs,
	wgx_check_hardening,  wgx_check_driver,	   wgx_check_clock,    wgx_check_daemon,
	wgx_check_interfaces, wgx_check_mode,	   wgx_check_offloads, wgx_check_mtu,
	wgx_check_routes,     wgx_check_rp_filter, wgx_check_firewall,
};

static int parse(int argc, char **argv, bool *json)
{
	int status = wgx_json_option("doctor", argc, argv, json);

	if (status)
		return status;
	if (argc > optind)
		return wgx_usage_error("doctor", "takes no argument: '%s'", argv[optind]);
	return WGX_EXIT_OK;
}

/* No daemon is no failure here; nor is one that ends at this moment. */
static void ask_daemon(struct wgx_doctor *d)
{
	int err = wgx_client_once(json_pack("{s:s}", "cmd", "show"), &d->show);

	d->no_daemon = err == -ESRCH || err == -ECONNRESET;
	if (err || !wgx_client_error(d->show))
		return;
	json_decref(d->show);
	d->show = NULL;
}

static void print(const struct wgx_report *r, bool json)
{
	struct wgx_text t;
	json_t *o;

	if (!json) {
		wgx_text_init(&t, stdout);
		wgx_report_print(r, &t);
		return;
	}
	o = wgx_report_json(r);
	json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(o);
}

int wgx_cmd_doctor(int argc, char **argv)
{
	struct wgx_doctor d = {0};
	bool json = false, ill;
	int status = parse(argc, argv, &json);

	if (status)
		return status;
	wgx_log_init(false);
	ask_daemon(&d);
	wgx_ways_find(&d);
	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++)
		checks[i](&d);
	print(&d.report, json);
	ill = d.report.counts[WGX_PROBLEM];
	wgx_report_free(&d.report);
	json_decref(d.show);
	return ill ? WGX_EXIT_FAILURE : WGX_EXIT_OK;
}
