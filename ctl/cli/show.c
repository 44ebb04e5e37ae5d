/* SPDX-License-Identifier: MIT */
/* wgx show: ask the daemon, print its answer for people or as it is. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/show.h"

enum { OPTION_JSON = WGX_OPTION_LONG, OPTION_DROPS };

struct show {
	int form; /* one of the options, or 0 */
	const char *interface, *peer; /* NULL: all */
};

static int parse_options(int argc, char **argv, struct show *show)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, OPTION_JSON},
		{"drops", no_argument, NULL, OPTION_DROPS},
		{0},
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c != OPTION_JSON && c != OPTION_DROPS)
			return wgx_option_error("show", c, argv);
		if (show->form && show->form != c)
			return wgx_usage_error("show", "--drops or --json: not both");
		show->form = c;
	}
	return WGX_EXIT_OK;
}

/* [IFACE [peer PEER]] */
static int parse(int argc, char **argv, struct show *show)
{
	int status = parse_options(argc, argv, show);

	argc -= optind;
	argv += optind;
	if (status || !argc)
		return status;
	show->interface = argv[0];
	if (argc > 1 && strcmp(argv[1], "peer") != 0)
		return wgx_usage_error("show", "one interface at a time: unexpected '%s'", argv[1]);
	if (argc == 2)
		return wgx_usage_error("show", "no peer given");
	if (argc > 3)
		return wgx_usage_error("show", "one peer at a time: unexpected '%s'", argv[3]);
	status = wgx_name_check("show", "interface", show->interface);
	if (status || argc == 1)
		return status;
	show->peer = argv[2];
	return wgx_peer_check("show", show->peer);
}

static void print(const struct show *show, const json_t *answer)
{
	struct wgx_text t;

	wgx_text_init(&t, stdout);
	if (show->form == OPTION_JSON) {
		json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
	} else if (show->form == OPTION_DROPS && show->peer) {
		wgx_show_peer_drops_print(&t, answer);
	} else if (show->form == OPTION_DROPS) {
		wgx_show_drops_print(&t, answer);
	} else if (show->peer) {
		wgx_show_peer_print(&t, answer, (int64_t)time(NULL));
	} else {
		wgx_show_print(&t, answer, (int64_t)time(NULL));
	}
}

int wgx_cmd_show(int argc, char **argv)
{
	struct show show = {0};
	json_t *answer;
	int status;

	status = parse(argc, argv, &show);
	if (status)
		return status;
	/* s* leaves a NULL out */
	status = wgx_client_request(json_pack("{s:s, s:s*, s:s*}", "cmd", "show", "interface",
					      show.interface, "peer", show.peer),
				    &answer);
	if (status)
		return status;
	print(&show, answer);
	json_decref(answer);
	return WGX_EXIT_OK;
}
