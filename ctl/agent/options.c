/* SPDX-License-Identifier: MIT */
#include "agent/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "cli/cli.h"
#include "device/host_port.h"
#include "metrics/listen.h"
#include "net/link.h"

#define DEFAULT_PORT 51820
#define DEFAULT_TABLE 51880
#define DEFAULT_PRIORITY 1500 /* behind the table local, before main */
#define DEFAULT_GRACE_S 300
#define STATE_DIR "/var/lib/wgx/agent-"

typedef int (*option_fn)(struct wgx_agent_options *o, char *value);

static int wrong(const char *option, const char *value, const char *problem)
{
	return wgx_usage_error("agent", "option '--%s': '%s' %s", option, value, problem);
}

/* ---- values ---- */

static int number(const char *option, const char *value, uint64_t min, uint64_t max, uint32_t *ret)
{
	char problem[64];
	uint64_t n;

	if (wgx_parse_number(value, strlen(value), max, &n) || n < min) {
		snprintf(problem, sizeof(problem), "is no number from %llu to %llu",
			 (unsigned long long)min, (unsigned long long)max);
		return wrong(option, value, problem);
	}
	*ret = (uint32_t)n;
	return WGX_EXIT_OK;
}

static int networks(const char *option, char *value, struct wgx_prefixes *list)
{
	char *save = NULL;

	for (char *item = strtok_r(value, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		struct wgx_prefix *more = realloc(list->items, (list->n + 1) * sizeof(*more));

		if (!more)
			return wgx_fail("no memory left");
		list->items = more;
		if (wgx_prefix_parse(item, &more[list->n]))
			return wrong(option, item, "is no address or network");
		if (!more[list->n].cidr)
			return wrong(option, item, "is everything");
		list->n++;
	}
	return WGX_EXIT_OK;
}

static int set_registry(struct wgx_agent_options *o, char *value)
{
	if (strcmp(value, "file") != 0 && strcmp(value, "kubernetes") != 0)
		return wrong("registry", value, "is neither file nor kubernetes");
	o->registry = value;
	return WGX_EXIT_OK;
}

static int set_registry_dir(struct wgx_agent_options *o, char *value)
{
	o->registry_dir = value;
	return *value ? WGX_EXIT_OK : wrong("registry-dir", value, "is no directory");
}

static int set_kubeconfig(struct wgx_agent_options *o, char *value)
{
	o->kubeconfig = value;
	return *value ? WGX_EXIT_OK : wrong("kubeconfig", value, "is no file");
}

static int set_state_dir(struct wgx_agent_options *o, char *value)
{
	o->state_dir = value;
	return *value ? WGX_EXIT_OK : wrong("state-dir", value, "is no directory");
}

static int set_node(struct wgx_agent_options *o, char *value)
{
	const char *problem = wgx_node_name_problem(value);

	if (problem)
		return wrong("node", value, problem);
	snprintf(o->node, sizeof(o->node), "%s", value);
	return WGX_EXIT_OK;
}

static int set_interface(struct wgx_agent_options *o, char *value)
{
	int status = wgx_name_check("agent", "interface", value);

	if (!status)
		snprintf(o->interface, sizeof(o->interface), "%s", value);
	return status;
}

static int add_cluster(struct wgx_agent_options *o, char *value)
{
	return networks("cluster-cidr", value, &o->cluster);
}

static int add_pods(struct wgx_agent_options *o, char *value)
{
	return networks("pod-cidr", value, &o->pods);
}

static int add_exempt(struct wgx_agent_options *o, char *value)
{
	return networks("exempt", value, &o->exempt);
}

static int set_fixed(struct wgx_agent_options *o, char *value)
{
	struct wgx_host_port h;
	char error[300];

	if (!strchr(value, ':'))
		return wrong("endpoint", value,
			     "is none of auto, InternalIP, ExternalIP, a network, HOST:PORT");
	if (wgx_host_port_parse(value, &h, error, sizeof(error)))
		return wgx_usage_error("agent", "--endpoint: %s", error);
	snprintf(o->endpoint_host, sizeof(o->endpoint_host), "%s", h.host);
	o->endpoint_port = h.port;
	o->endpoint = WGX_ENDPOINT_FIXED;
	return WGX_EXIT_OK;
}

static int set_endpoint(struct wgx_agent_options *o, char *value)
{
	if (!strcmp(value, "auto"))
		o->endpoint = WGX_ENDPOINT_AUTO;
	else if (!strcmp(value, "InternalIP"))
		o->endpoint = WGX_ENDPOINT_INTERNAL;
	else if (!strcmp(value, "ExternalIP"))
		o->endpoint = WGX_ENDPOINT_EXTERNAL;
	else if (!wgx_prefix_parse(value, &o->endpoint_network))
		o->endpoint = WGX_ENDPOINT_NETWORK;
	else
		return set_fixed(o, value);
	return WGX_EXIT_OK;
}

static int set_listen_port(struct wgx_agent_options *o, char *value)
{
	uint32_t n = 0;
	int status = number("listen-port", value, 1, UINT16_MAX, &n);

	o->listen_port = (uint16_t)n;
	return status;
}

static int set_keepalive(struct wgx_agent_options *o, char *value)
{
	uint32_t n = 0;
	int status = number("keepalive", value, 0, UINT16_MAX, &n);

	o->keepalive = (uint16_t)n;
	return status;
}

static int set_mtu(struct wgx_agent_options *o, char *value)
{
	o->mtu = 0;
	if (!strcmp(value, "auto"))
		return WGX_EXIT_OK;
	return number("mtu", value, 1280, WGX_LINK_MTU_MAX, &o->mtu);
}

static int set_underlay(struct wgx_agent_options *o, char *value)
{
	char *save = NULL;

	o->underlay_auto = !strcmp(value, "auto");
	o->n_underlays = 0;
	if (o->underlay_auto || !strcmp(value, "none"))
		return WGX_EXIT_OK;
	for (char *item = strtok_r(value, ",", &save); item; item = strtok_r(NULL, ",", &save)) {
		if (wgx_name_check("agent", "device", item))
			return WGX_EXIT_USAGE;
		if (o->n_underlays == WGX_AGENT_UNDERLAYS)
			return wrong("underlay", item, "is one more than 16 devices");
		snprintf(o->underlays[o->n_underlays++], IFNAMSIZ, "%s", item);
	}
	return WGX_EXIT_OK;
}

static int set_strict(struct wgx_agent_options *o, char *value)
{
	o->strict = true;
	return WGX_EXIT_OK;
}

static int set_http(struct wgx_agent_options *o, char *value)
{
	struct wgx_metrics_place place;

	o->http = value;
	return wgx_metrics_place_parse(value, &place)
		       ? wrong("http", value, "is no ADDRESS:PORT and no absolute path of a socket")
		       : WGX_EXIT_OK;
}

static int set_daemon(struct wgx_agent_options *o, char *value)
{
	o->awaits_daemon = !strcmp(value, "await");
	if (!o->awaits_daemon && strcmp(value, "start") != 0)
		return wrong("daemon", value, "is neither start nor await");
	return WGX_EXIT_OK;
}

static int set_table(struct wgx_agent_options *o, char *value)
{
	return number("table", value, 1, UINT32_MAX, &o->table);
}

static int set_priority(struct wgx_agent_options *o, char *value)
{
	return number("rule-priority", value, 1, 32765, &o->priority);
}

static int set_grace(struct wgx_agent_options *o, char *value)
{
	return number("grace", value, 0, 31536000, &o->grace_s);
}

/* ---- the table ---- */

static const struct {
	const char *name;
	option_fn set;
	int has_value;
} table[] = {
	{"registry", set_registry, required_argument},
	{"registry-dir", set_registry_dir, required_argument},
	{"kubeconfig", set_kubeconfig, required_argument},
	{"state-dir", set_state_dir, required_argument},
	{"node", set_node, required_argument},
	{"interface", set_interface, required_argument},
	{"cluster-cidr", add_cluster, required_argument},
	{"pod-cidr", add_pods, required_argument},
	{"exempt", add_exempt, required_argument},
	{"endpoint", set_endpoint, required_argument},
	{"listen-port", set_listen_port, required_argument},
	{"keepalive", set_keepalive, required_argument},
	{"mtu", set_mtu, required_argument},
	{"underlay", set_underlay, required_argument},
	{"strict", set_strict, no_argument},
	{"table", set_table, required_argument},
	{"rule-priority", set_priority, required_argument},
	{"grace", set_grace, required_argument},
	{"http", set_http, required_argument},
	{"daemon", set_daemon, required_argument},
};
#define OPTIONS (sizeof(table) / sizeof(table[0]))

int wgx_agent_options_parse(int argc, char **argv, struct wgx_agent_options *ret)
{
	struct option options[OPTIONS + 1] = {{0}};
	int c, status = WGX_EXIT_OK;

	*ret = (struct wgx_agent_options){
		.registry = NULL,
		.interface = "wg0",
		.listen_port = DEFAULT_PORT,
		.underlay_auto = true,
		.table = DEFAULT_TABLE,
		.priority = DEFAULT_PRIORITY,
		.grace_s = DEFAULT_GRACE_S,
	};
	for (size_t i = 0; i < OPTIONS; i++)
		options[i] = (struct option){
			.name = table[i].name,
			.has_arg = table[i].has_value,
			.val = WGX_OPTION_LONG + (int)i,
		};
	opterr = 0;
	while (!status && (c = getopt_long(argc, argv, "+:", options, NULL)) != -1) {
		ret->has_any = true;
		status = c >= WGX_OPTION_LONG ? table[c - WGX_OPTION_LONG].set(ret, optarg)
					      : wgx_option_error("agent", c, argv);
	}
	return status;
}

static int default_node(struct wgx_agent_options *o)
{
	struct utsname u;

	if (uname(&u))
		return wgx_fail("uname: %s", strerror(errno));
	if (wgx_node_name_problem(u.nodename))
		return wgx_fail("the host's name, '%s', can be no node's: say --node", u.nodename);
	snprintf(o->node, sizeof(o->node), "%s", u.nodename);
	return WGX_EXIT_OK;
}

static bool in_cluster(const struct wgx_agent_options *o, const struct wgx_prefix *p)
{
	for (size_t i = 0; i < o->cluster.n; i++)
		if (wgx_prefix_contains(&o->cluster.items[i], p))
			return true;
	return false;
}

static int check_file_registry(const struct wgx_agent_options *o)
{
	char text[WGX_PREFIX_TEXT];

	if (o->kubeconfig)
		return wgx_usage_error("agent", "--kubeconfig means nothing to the file registry");
	if (!o->registry_dir)
		return wgx_usage_error("agent", "the file registry needs --registry-dir");
	if (!o->pods.n)
		return wgx_usage_error("agent", "the file registry needs --pod-cidr");
	if (o->pods.n > WGX_NODE_CIDRS)
		return wgx_usage_error("agent", "more than 16 networks of pods");
	if (o->endpoint == WGX_ENDPOINT_EXTERNAL)
		return wgx_usage_error("agent", "the file registry knows no ExternalIP: give the "
						"address itself, with its port");
	for (size_t i = 0; i < o->pods.n; i++)
		if (!in_cluster(o, &o->pods.items[i]))
			return wgx_usage_error("agent",
					       "--pod-cidr %s is not within --cluster-cidr",
					       wgx_prefix_format(&o->pods.items[i], text));
	return WGX_EXIT_OK;
}

static int check_kubernetes(const struct wgx_agent_options *o)
{
	if (o->registry_dir)
		return wgx_usage_error("agent", "--registry-dir means nothing to kubernetes");
	if (o->pods.n)
		return wgx_usage_error("agent",
				       "--pod-cidr means nothing to kubernetes: the Node has "
				       "them");
	return WGX_EXIT_OK;
}

int wgx_agent_options_check(struct wgx_agent_options *o)
{
	static char state[sizeof(STATE_DIR) + IFNAMSIZ];

	if (!o->registry)
		return wgx_usage_error("agent", "no registry given: --registry=file|kubernetes");
	if (!o->cluster.n)
		return wgx_usage_error("agent", "no networks of pods given: --cluster-cidr");
	if (!o->state_dir) {
		snprintf(state, sizeof(state), STATE_DIR "%s", o->interface);
		o->state_dir = state;
	}
	if (strcmp(o->registry, "file") ? check_kubernetes(o) : check_file_registry(o))
		return WGX_EXIT_USAGE;
	return *o->node ? WGX_EXIT_OK : default_node(o);
}

void wgx_agent_options_free(struct wgx_agent_options *o)
{
	free(o->cluster.items);
	free(o->pods.items);
	free(o->exempt.items);
	*o = (struct wgx_agent_options){0};
}
