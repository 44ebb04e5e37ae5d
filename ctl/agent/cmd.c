/* SPDX-License-Identifier: MIT */
/* wgx agent, and what asks a running one. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "agent/agent.h"
#include "cli/cli.h"
#include "cli/client.h"

/* ---- asking the agent ---- */

static int no_agent(const char *interface, int err)
{
	if (err == -ENOENT)
		return wgx_fail("no agent runs for %s in this network namespace", interface);
	if (err == -EACCES || err == -EPERM)
		return wgx_fail("not allowed to talk to the agent; run wgx as root");
	return wgx_fail("the agent for %s does not answer: %s", interface, strerror(-err));
}

/* @ret: the answer. Return: an exit status */
static int ask(const char *interface, const char *cmd, json_t **ret)
{
	json_t *request = json_pack("{s:s}", "cmd", cmd), *answer = NULL;
	char path[256];
	int err = wgx_agent_socket(interface, path, sizeof(path)), fd = -1, status = WGX_EXIT_OK;

	if (!err) {
		fd = wgx_client_open(path, WGX_CLIENT_TIMEOUT_S);
		err = fd < 0 ? fd : wgx_client_call(fd, request, &answer);
	}
	json_decref(request);
	if (fd >= 0)
		close(fd);
	if (err)
		return no_agent(interface, err);
	if (wgx_client_error(answer)) {
		status = wgx_fail("%s", wgx_client_error(answer));
		json_decref(answer);
		return status;
	}
	json_object_del(answer, "ok");
	*ret = answer;
	return WGX_EXIT_OK;
}

static const char *text_of(const json_t *o, const char *member)
{
	const char *text = json_string_value(json_object_get(o, member));

	return text ? text : "none";
}

static long long number_of(const json_t *o, const char *member)
{
	return json_integer_value(json_object_get(o, member));
}

static const char *yes_no(const json_t *o, const char *member)
{
	return json_is_true(json_object_get(o, member)) ? "yes" : "no";
}

static void print_obstacles(const json_t *list)
{
	const json_t *line;
	size_t i;

	json_array_foreach(list, i, line)
		printf("    %s\n", json_string_value(line));
}

static void print_status(const json_t *o)
{
	const char *problem = text_of(o, "problem");

	printf("node: %s\n", text_of(o, "node"));
	printf("  interface: %s\n", text_of(o, "interface"));
	printf("  public key: %s\n", text_of(o, "public_key"));
	printf("  ready: %s\n", yes_no(o, "ready"));
	print_obstacles(json_object_get(o, "not_ready"));
	printf("  strict mode: %s\n",
	       json_is_true(json_object_get(o, "strict")) ? "in force" : "off");
	printf("  registry: %s, %s%s%s\n", text_of(o, "registry"),
	       json_is_true(json_object_get(o, "synced")) ? "synced" : "not synced",
	       *problem ? ": " : "", problem);
	printf("  published: %s\n", yes_no(o, "published"));
	printf("  nodes: %lld, gone %lld, held %lld, refused %lld; peers %lld\n",
	       number_of(o, "nodes"), number_of(o, "gone"), number_of(o, "held"),
	       number_of(o, "refused"), number_of(o, "peers"));
	printf("  rotation: %s\n", text_of(o, "rotation"));
}

static void print_list(const json_t *list, const char *separator)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		printf("%s%s", i ? separator : "", json_string_value(item));
}

static void print_peers(const json_t *o)
{
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(o, "peers"), i, p) {
		printf("%s%s: %s\n", i ? "\n" : "", text_of(p, "node"), text_of(p, "state"));
		printf("  public key: %s\n", text_of(p, "public_key"));
		printf("  endpoint: %s\n", text_of(p, "endpoint"));
		printf("  allowed ips: ");
		if (json_array_size(json_object_get(p, "allowed_ips")))
			print_list(json_object_get(p, "allowed_ips"), ", ");
		else
			printf("none");
		printf("\n");
		if (*text_of(p, "problem"))
			printf("  problem: %s\n", text_of(p, "problem"));
	}
}

static void print_accepted(const json_t *o)
{
	printf("%lld nodes go\n", number_of(o, "accepted"));
}

static void print_rotate(const json_t *o)
{
	puts("the next key is published; wgx agent status tells how it goes on");
}

/* ---- the commands ---- */

static const struct verb {
	const char *name, *cmd;
	void (*print)(const json_t *o);
} verbs[] = {
	{"status", "status", print_status},
	{"peers", "peers", print_peers},
	{"plan", "plan", wgx_agent_print_plan},
	{"rotate", "rotate", print_rotate},
};

static const struct verb accept_verb = {"plan", "accept", print_accepted};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

static int run_verb(const struct verb *v, const char *interface, bool json)
{
	json_t *answer = NULL;
	int status = ask(interface, v->cmd, &answer);

	if (status)
		return status;
	if (json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		v->print(answer);
	}
	json_decref(answer);
	return WGX_EXIT_OK;
}

enum { OPTION_INTERFACE = WGX_OPTION_LONG, OPTION_JSON, OPTION_ACCEPT };

/* wgx agent VERB [--interface=IFACE] [--json | --accept]; argv[0] is the verb */
static int parse_verb(const struct verb *v, int argc, char **argv)
{
	static const struct option options[] = {
		{"interface", required_argument, NULL, OPTION_INTERFACE},
		{"json", no_argument, NULL, OPTION_JSON},
		{"accept", no_argument, NULL, OPTION_ACCEPT},
		{0},
	};
	const char *interface = "wg0";
	bool json = false;
	int c;

	opterr = 0;
	optind = 0; /* glibc: anew */
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == OPTION_INTERFACE && !wgx_name_problem(optarg))
			interface = optarg;
		else if (c == OPTION_INTERFACE)
			return wgx_name_check("agent", "interface", optarg);
		else if (c == OPTION_JSON)
			json = true;
		else if (c == OPTION_ACCEPT && !strcmp(v->name, "plan"))
			v = &accept_verb;
		else if (c == OPTION_ACCEPT)
			return wgx_usage_error("agent", "--accept is for plan");
		else
			return wgx_option_error("agent", c, argv);
	}
	if (optind < argc)
		return wgx_usage_error("agent", "unexpected '%s'", argv[optind]);
	return run_verb(v, interface, json);
}

static int start(struct wgx_agent_options *o, bool dry)
{
	int status = wgx_agent_options_check(o);

	if (!status)
		status = wgx_need_net_admin("keep", o->interface);
	if (status)
		return status;
	return dry ? wgx_agent_dry_plan(o) : wgx_agent_run(o);
}

int wgx_cmd_agent(int argc, char **argv)
{
	struct wgx_agent_options o;
	int status = wgx_agent_options_parse(argc, argv, &o);
	const struct verb *v = NULL;

	if (!status && optind < argc) {
		v = find_verb(argv[optind]);
		if (!v)
			status = wgx_usage_error("agent",
						 "'%s' is none of status, peers, plan, rotate",
						 argv[optind]);
		else if (o.has_any && (strcmp(v->name, "plan") != 0 || optind + 1 < argc))
			status = wgx_usage_error("agent", "options of %s come behind it", v->name);
	}
	if (!status)
		status = v && !o.has_any ? parse_verb(v, argc - optind, argv + optind)
					 : start(&o, v);
	wgx_agent_options_free(&o);
	return status;
}
