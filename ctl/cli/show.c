/* SPDX-License-Identifier: MIT */
/* wgx show: ask the daemon, print its answer for people or as it is. */
#include <getopt.h>
#include <stdio.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/show.h"

enum { OPTION_JSON = WGX_OPTION_LONG };

static int parse(int argc, char **argv, bool *ret_json, const char **ret_name)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, OPTION_JSON},
		{0},
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c != OPTION_JSON)
			return wgx_option_error("show", c, argv);
		*ret_json = true;
	}
	if (optind == argc)
		return WGX_EXIT_OK;
	if (optind + 1 < argc)
		return wgx_usage_error("show", "one interface at a time: unexpected '%s'",
				       argv[optind + 1]);
	*ret_name = argv[optind];
	return wgx_name_check("show", "interface", argv[optind]);
}

int wgx_cmd_show(int argc, char **argv)
{
	const char *name = NULL;
	bool json = false;
	struct wgx_text t;
	json_t *answer;
	int status;

	status = parse(argc, argv, &json, &name);
	if (status)
		return status;
	/* s* leaves a NULL out */
	status = wgx_client_request(json_pack("{s:s, s:s*}", "cmd", "show", "interface", name),
				    &answer);
	if (status)
		return status;
	if (json) {
		json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
	} else {
		wgx_text_init(&t, stdout);
		wgx_show_print(&t, answer, (int64_t)time(NULL));
	}
	json_decref(answer);
	return WGX_EXIT_OK;
}
