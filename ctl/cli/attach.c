/* SPDX-License-Identifier: MIT */
/* wgx attach DEV, wgx detach DEV: packets of a device go through BPF to the workers; strict mode. */
#include <getopt.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "net/netfilter.h"
#include "net/programs.h"
#include "proto/prefix.h"

enum {
	OPTION_MODE = WGX_OPTION_LONG,
	OPTION_LAN,
	OPTION_TRANSMIT,
	OPTION_COPY,
	OPTION_STRICT,
	OPTION_EXEMPT,
	OPTION_PROTECT,
	OPTION_REPORT,
};

static const char *const modes[] = {"auto", "tcx", "native", "none"};

struct attach_options {
	const char *mode; /* NULL: not given */
	const char *lan; /* NULL: not given */
	bool transmit, copy, strict, report;
	json_t *exempt, *protect; /* NULL: not given */
};

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

/* Networks of an option that may be given more than once; @what, @everything: for messages */
static int add_networks(json_t **to, char *list, const char *what, const char *everything)
{
	struct wgx_prefix prefix;
	char *save = NULL;

	for (char *item = strtok_r(list, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		if (wgx_prefix_parse(item, &prefix))
			return wgx_usage_error("attach", "%s '%s' is no address or network", what,
					       item);
		if (!prefix.cidr)
			return wgx_usage_error("attach", "%s '%s' would %s everything", what, item,
					       everything);
		json_array_append_new(*to, json_string(item));
	}
	return WGX_EXIT_OK;
}

/* "none", or a list */
static int add_exemptions(struct attach_options *o, char *list)
{
	if (!o->exempt)
		o->exempt = json_array();
	if (!strcmp(list, "none"))
		return WGX_EXIT_OK;
	if (!list[strspn(list, ",")])
		return wgx_usage_error("attach", "option '--exempt' needs a network, or none");
	return add_networks(&o->exempt, list, "exemption", "exempt");
}

static int add_protected(struct attach_options *o, char *list)
{
	if (!o->protect)
		o->protect = json_array();
	if (!list[strspn(list, ",")])
		return wgx_usage_error("attach", "option '--protect' needs a network");
	return add_networks(&o->protect, list, "protected network", "protect");
}

static int set_mode(struct attach_options *o, const char *mode)
{
	if (!mode_known(mode))
		return wgx_usage_error("attach", "mode '%s' is none of auto, tcx, native, none",
				       mode);
	o->mode = mode;
	return WGX_EXIT_OK;
}

static int set_lan(struct attach_options *o, const char *way)
{
	o->lan = way ? way : "tcx";
	if (!strcmp(o->lan, "tcx") || !strcmp(o->lan, "native"))
		return WGX_EXIT_OK;
	return wgx_usage_error("attach", "router path '%s' is none of tcx, native", way);
}

static int set_option(struct attach_options *o, int c, char **argv)
{
	switch (c) {
	case OPTION_MODE:
		return set_mode(o, optarg);
	case OPTION_LAN:
		return set_lan(o, optarg);
	case OPTION_TRANSMIT:
		o->transmit = true;
		return WGX_EXIT_OK;
	case OPTION_COPY:
		o->copy = true;
		return WGX_EXIT_OK;
	case OPTION_STRICT:
		o->strict = true;
		return WGX_EXIT_OK;
	case OPTION_EXEMPT:
		return add_exemptions(o, optarg);
	case OPTION_PROTECT:
		return add_protected(o, optarg);
	case OPTION_REPORT:
		o->report = true;
		return WGX_EXIT_OK;
	default:
		return wgx_option_error("attach", c, argv);
	}
}

/* Those that mean nothing without --strict. A LAN device carries no WireGuard, where nobody says otherwise. */
static int check_options(struct attach_options *o)
{
	const char *name = o->exempt	? "--exempt"
			   : o->protect ? "--protect"
			   : o->report	? "--report"
					: NULL;

	if (!o->mode)
		o->mode = o->lan && !o->transmit ? "none" : "auto";
	if (!o->strict && name)
		return wgx_usage_error("attach", "%s means nothing without --strict", name);
	if (o->copy && strcmp(o->mode, "native") != 0 && (!o->lan || strcmp(o->lan, "native") != 0))
		return wgx_usage_error(
			"attach", "--copy means nothing without --mode native or --lan=native");
	if (!o->strict && !o->lan && !o->transmit && !strcmp(o->mode, "none"))
		return wgx_usage_error(
			"attach",
			"--mode none means nothing without --strict, --lan or --transmit");
	return WGX_EXIT_OK;
}

static int parse_attach(int argc, char **argv, struct attach_options *o)
{
	static const struct option options[] = {
		{"mode", required_argument, NULL, OPTION_MODE},
		{"lan", optional_argument, NULL, OPTION_LAN},
		{"transmit", no_argument, NULL, OPTION_TRANSMIT},
		{"copy", no_argument, NULL, OPTION_COPY},
		{"strict", no_argument, NULL, OPTION_STRICT},
		{"exempt", required_argument, NULL, OPTION_EXEMPT},
		{"protect", required_argument, NULL, OPTION_PROTECT},
		{"report", no_argument, NULL, OPTION_REPORT},
		{0},
	};
	int c, status;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		status = set_option(o, c, argv);
		if (status)
			return status;
	}
	status = check_options(o);
	return status ? status : device_argument("attach", argc, argv);
}

static json_t *attach_request(const char *device, const struct attach_options *o)
{
	json_t *request =
		json_pack("{s:s, s:s, s:s}", "cmd", "attach", "device", device, "mode", o->mode);

	if (o->lan)
		json_object_set_new(request, "lan", json_string(o->lan));
	if (o->transmit)
		json_object_set_new(request, "transmit", json_true());
	if (o->copy)
		json_object_set_new(request, "copy", json_true());
	if (!o->strict)
		return request;
	json_object_set_new(request, "strict", json_true());
	if (o->report)
		json_object_set_new(request, "report", json_true());
	if (o->exempt)
		json_object_set(request, "exempt", o->exempt);
	if (o->protect)
		json_object_set(request, "protect", o->protect);
	return request;
}

/* What stands in the way of native XDP has a name, which the daemon may not ask for. */
static void name_xdp_program(const char *device)
{
	int ifindex = (int)if_nametoindex(device);
	char name[BPF_OBJ_NAME_LEN];
	uint32_t id = ifindex ? wgx_xdp_other(ifindex, name, sizeof(name)) : 0;

	if (id && name[0])
		fprintf(stderr, "wgx: XDP program %u is %s\n", id, name);
}

/* Who wants the router path should know what it goes past. */
static void note_firewall(const char *device)
{
	char chain[256];

	if (wgx_netfilter_forwards(chain, sizeof(chain)))
		printf("%s: note: the firewall (%s) does not see packets past the stack\n", device,
		       chain);
}

static int request_attach(const char *device, const struct attach_options *o)
{
	json_t *answer;
	const char *text;
	int status = wgx_need_net_admin("attach", device);

	if (!status)
		status = wgx_client_request(attach_request(device, o), &answer);
	if (status && !strcmp(o->mode, "native"))
		name_xdp_program(device);
	if (status)
		return status;
	text = json_string_value(json_object_get(answer, "mode"));
	printf("%s: attached, mode %s%s%s%s\n", device, text ? text : "unknown",
	       !o->lan		       ? ""
	       : strcmp(o->lan, "tcx") ? ", lan native"
				       : ", lan",
	       o->transmit ? ", transmit" : "", o->strict ? ", strict" : "");
	text = json_string_value(json_object_get(answer, "note"));
	if (text)
		printf("%s: %s\n", device, text);
	if (o->lan)
		note_firewall(device);
	json_decref(answer);
	return WGX_EXIT_OK;
}

int wgx_cmd_attach(int argc, char **argv)
{
	struct attach_options o = {0};
	int status = parse_attach(argc, argv, &o);

	if (!status)
		status = request_attach(argv[optind], &o);
	json_decref(o.exempt);
	json_decref(o.protect);
	return status;
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
