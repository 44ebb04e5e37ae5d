/* SPDX-License-Identifier: MIT */
/* Under which addresses this node is found, and on which devices these are. */
#ifndef WGX_AGENT_ADDRESS_H
#define WGX_AGENT_ADDRESS_H

#include "agent/options.h"

/** struct wgx_own_addresses - @endpoints: the preferred first; @devices: that have them, each once */
struct wgx_own_addresses {
	struct wgx_endpoint endpoints[WGX_NODE_ENDPOINTS];
	size_t n_endpoints;
	char devices[WGX_AGENT_UNDERLAYS][IFNAMSIZ];
	size_t n_devices;
};

/**
 * wgx_own_addresses() - as @o->endpoint chooses, from this network namespace
 *
 * auto and InternalIP: of each family the address from which this host goes to the outside; where it has no default
 * route, the first address of global scope. Addresses of the interface itself, and in the cluster's networks, do not
 * count. A host name is resolved, which may take a while.
 *
 * Return: 0, with no endpoints where there are none; or negative errno.
 */
int wgx_own_addresses(const struct wgx_agent_options *o, struct wgx_own_addresses *ret);

/** wgx_own_mtu() - what fits through all of @devices, less what a tunnel takes */
uint32_t wgx_own_mtu(const struct wgx_own_addresses *a);

#endif
