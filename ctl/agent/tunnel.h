/* SPDX-License-Identifier: MIT */
/*
 * The interface of the agent: made where it is not there, and changed where it is not as wanted, never anew. All
 * functions may be repeated. They talk to the daemon and to the kernel, and wait for their answers.
 */
#ifndef WGX_AGENT_TUNNEL_H
#define WGX_AGENT_TUNNEL_H

#include "agent/address.h"
#include "agent/plan.h"
#include "agent/state.h"

/**
 * struct wgx_tunnel - @ifindex: 0: not there
 * @attached: what was asked of the daemon for each underlay, as text; it is asked again when that changes
 */
struct wgx_tunnel {
	const struct wgx_agent_options *options;
	int ifindex;
	char *attached;
	bool routed, filtered; /* as of the last time */
	bool awaits; /* the daemon, which has been logged */
};

/**
 * wgx_tunnel_ensure() - daemon, interface, private key, port
 * @have: what the interface has then, for wgx_have_free()
 * Return: 1: it had to be made, or a dead daemon's taken over; 0; negative errno, which has been logged.
 */
int wgx_tunnel_ensure(struct wgx_tunnel *t, const struct wgx_state *s, struct wgx_have *have);

/** wgx_tunnel_look() - the same without changing anything; 0, -ENODEV, or another negative errno */
int wgx_tunnel_look(struct wgx_tunnel *t, const struct wgx_state *s, struct wgx_have *have);

/**
 * wgx_tunnel_filter() - attach the underlays; with strict mode, plaintext of the cluster's networks is dropped there
 * @exempt: what may pass all the same, beside the options'
 * Return: 0 or negative errno, which has been logged
 */
int wgx_tunnel_filter(struct wgx_tunnel *t, const struct wgx_own_addresses *own,
		      const struct wgx_prefixes *exempt);

/**
 * wgx_tunnel_filter_problem() - is strict mode in force, as the daemon sees it?
 * @show: its answer to {"cmd":"show"}. @text: what is missing, of @size bytes. Return: is something?
 */
bool wgx_tunnel_filter_problem(const struct wgx_tunnel *t, const struct wgx_own_addresses *own,
			       const json_t *show, char *text, size_t size);

/**
 * wgx_tunnel_up() - addresses, MTU and link: this node's own packets come from the first address of its pods' networks
 * Return: 0 or negative errno, which has been logged
 */
int wgx_tunnel_up(struct wgx_tunnel *t, const struct wgx_node *self,
		  const struct wgx_own_addresses *own);

/**
 * wgx_tunnel_route() - in a table of its own: strict, the cluster's networks; else those of the peers
 *
 * What is missing is added before what is too much goes. Networks of this node's own pods and exempt ones go on to the
 * tables behind. Return: 0 or negative errno, which has been logged.
 */
int wgx_tunnel_route(struct wgx_tunnel *t, const struct wgx_node *self, const struct wgx_want *want,
		     const struct wgx_prefixes *exempt);

/** wgx_tunnel_routes_problem() - do the routes and the rules stand, as the kernel sees it? As above. */
bool wgx_tunnel_routes_problem(const struct wgx_tunnel *t, const struct wgx_want *want, char *text,
			       size_t size);

/**
 * wgx_tunnel_apply() - the steps of a plan: all at once; where that fails, one by one, so that a bad one fails alone
 * Return: how many failed, which has been logged.
 */
size_t wgx_tunnel_apply(struct wgx_tunnel *t, const struct wgx_plan *plan);

/**
 * wgx_tunnel_names() - peers are called as their nodes, and are twins (wgx_peer_set_twin()) while a node has two keys
 * Return: 0, or a negative errno where a pair could not be made; names do not count.
 */
int wgx_tunnel_names(struct wgx_tunnel *t, const struct wgx_want *want);

void wgx_tunnel_free(struct wgx_tunnel *t);

#endif
