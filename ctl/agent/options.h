/* SPDX-License-Identifier: MIT */
/* The command line of `wgx agent`. */
#ifndef WGX_AGENT_OPTIONS_H
#define WGX_AGENT_OPTIONS_H

#include <net/if.h>
#include "agent/node.h"

#define WGX_AGENT_UNDERLAYS 16

/** struct wgx_prefixes - a list of networks; all zero is empty */
struct wgx_prefixes {
	struct wgx_prefix *items;
	size_t n;
};

/** enum wgx_endpoint_choice - under which address the other nodes are to find this one */
enum wgx_endpoint_choice {
	WGX_ENDPOINT_AUTO, /* the addresses by which this node reaches the others */
	WGX_ENDPOINT_INTERNAL, /* as the registry knows the node: InternalIP */
	WGX_ENDPOINT_EXTERNAL, /* ExternalIP */
	WGX_ENDPOINT_NETWORK, /* the address of this node in @endpoint_network */
	WGX_ENDPOINT_FIXED, /* @endpoint_host and @endpoint_port */
};

/**
 * struct wgx_agent_options - for wgx_agent_options_free()
 * @cluster: networks of all pods; @pods: of this node's, for the file registry; @exempt: never dropped, never routed
 * @underlays: devices to be attached; none and @underlay_auto false: none
 * @mtu: 0: that of the underlay, less what the tunnel takes
 * @grace_s: how long a node is kept whose record was deleted
 */
struct wgx_agent_options {
	char node[WGX_NODE_NAME_MAX + 1];
	char interface[IFNAMSIZ];
	const char *registry, *registry_dir, *kubeconfig, *state_dir;
	struct wgx_prefixes cluster, pods, exempt;
	enum wgx_endpoint_choice endpoint;
	struct wgx_prefix endpoint_network;
	char endpoint_host[256];
	uint16_t endpoint_port, listen_port, keepalive;
	char underlays[WGX_AGENT_UNDERLAYS][IFNAMSIZ];
	size_t n_underlays;
	const char *http; /* where health and metrics are served; NULL: nowhere */
	bool underlay_auto, strict;
	bool awaits_daemon; /* somebody else starts it */
	uint32_t mtu, table, priority, grace_s;
	bool has_any; /* one was given at all */
};

/**
 * wgx_agent_options_parse() - from getopt_long()'s arguments
 * @argv: the first is passed over; what is behind the options is left, from optind on
 * Return: an exit status; the user has been told of a mistake.
 */
int wgx_agent_options_parse(int argc, char **argv, struct wgx_agent_options *ret);
/** wgx_agent_options_check() - all that is needed was given; an exit status */
int wgx_agent_options_check(struct wgx_agent_options *o);
void wgx_agent_options_free(struct wgx_agent_options *o);

#endif
