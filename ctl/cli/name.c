/* SPDX-License-Identifier: MIT */
/* wgx name IFACE PEER NAME: the name by which people know a peer. */
#include <getopt.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "device/name.h"

enum { OPTION_NONE = WGX_OPTION_LONG };

static int check_name(const char *name)
{
	const char *problem = wgx_peer_name_problem(name);

	return problem ? wgx_usage_error("name", "name '%s' %s", name, problem) : WGX_EXIT_OK;
}

/* @ret_name: NULL: the peer is to have none */
static int parse(int argc, char **argv, const char **ret_name)
{
	static const struct option options[] = {
		{"none", no_argument, NULL, OPTION_NONE},
		{0},
	};
	static const char *const missing[] = {"no interface given", "no peer given",
					      "no name given"};
	int c, wanted = 3, status;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c != OPTION_NONE)
			return wgx_option_error("name", c, argv);
		wanted = 2;
	}
	argc -= optind;
	argv += optind;
	if (argc < wanted)
		return wgx_usage_error("name", "%s", missing[argc]);
	if (argc > wanted)
		return wgx_usage_error("name", "one name at a time: unexpected '%s'", argv[wanted]);
	status = wgx_name_check("name", "interface", argv[0]);
	if (!status)
		status = wgx_peer_check("name", argv[1]);
	*ret_name = wanted == 3 ? argv[2] : NULL;
	return status || !*ret_name ? status : check_name(*ret_name);
}

int wgx_cmd_name(int argc, char **argv)
{
	const char *name = NULL;
	json_t *answer;
	int status = parse(argc, argv, &name);

	if (!status)
		status = wgx_need_net_admin("name a peer of", argv[optind]);
	if (!status)
		status = wgx_client_request(json_pack("{s:s, s:s, s:s, s:s?}", "cmd", "name",
						      "interface", argv[optind], "peer",
						      argv[optind + 1], "name", name),
					    &answer);
	if (!status)
		json_decref(answer);
	return status;
}
