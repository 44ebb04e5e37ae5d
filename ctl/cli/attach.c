/* SPDX-License-Identifier: MIT */
/* wgx attach DEV, wgx detach DEV: packets of an underlay device go through BPF to the workers. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"

enum { OPTION_MODE = WGX_OPTION_LONG };

static const char *const modes[] = {"auto", "tcx", "native"};

static bool mode_known(const char *mode)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		if (!strcmp(mode, modes[i]))
			return true;
	return false;
}

/* The one device that must be left of the arguments. */
static int device_argument(const char *command, int argc, char **argv)
{
	if (optind == argc)
		return wgx_usage_error(command, "no device given");
	if (optind + 1 < argc)
		return wgx_usage_error(command, "one device at a time: unexpected '%s'",
				       argv[optind + 1]);
	return wgx_name_check(command, "device", argv[optind]);
}

static int parse_attach(int argc, char **argv, const char **ret_mode)
{
	static const struct option options[] = {
		{"mode", required_argument, NULL, OPTION_MODE},
		{0},
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c != OPTION_MODE)
			return wgx_option_error("attach", c, argv);
		if (!mode_known(optarg))
			return wgx_usage_error("attach", "mode '%s' is none of auto, tcx, native",
					       optarg);
		*ret_mode = optarg;
	}
	return device_argument("attach", argc, argv);
}

int wgx_cmd_attach(int argc, char **argv)
{
	const char *mode = "auto", *device, *text;
	json_t *answer;
	int status;

	status = parse_attach(argc, argv, &mode);
	if (status)
		return status;
	device = argv[optind];
	status = wgx_need_net_admin("attach", device);
	if (status)
		return status;
	status = wgx_client_request(json_pack("{s:s, s:s, s:s}", "cmd", "attach", "device", device,
					      "mode", mode),
				    &answer);
	if (status)
		return status;
	text = json_string_value(json_object_get(answer, "mode"));
	printf("%s: attached, mode %s\n", device, text ? text : "unknown");
	text = json_string_value(json_object_get(answer, "note"));
	if (text)
		printf("%s: %s\n", device, text);
	json_decref(answer);
	return WGX_EXIT_OK;
}

int wgx_cmd_detach(int argc, char **argv)
{
	json_t *answer;
	static const struct option options[] = {{0}};
	int status, c;

	opterr = 0;
	c = getopt_long(argc, argv, ":", options, NULL);
	if (c != -1)
		return wgx_option_error("detach", c, argv);
	status = device_argument("detach", argc, argv);
	if (!status)
		status = wgx_need_net_admin("detach", argv[optind]);
	if (status)
		return status;
	status = wgx_client_request(
		json_pack("{s:s, s:s}", "cmd", "detach", "device", argv[optind]), &answer);
	if (!status)
		json_decref(answer);
	return status;
}
