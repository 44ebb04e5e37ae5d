/* SPDX-License-Identifier: MIT */
/* What the agent says of its own node: keys, addresses, whose next keys it knows. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include "agent/agent.h"
#include "daemon/log.h"

void wgx_agent_set_keys(struct wgx_agent *a)
{
	struct wgx_node *n = &a->self;
	const struct wgx_state *s = &a->state;

	n->has_key = s->key; /* none where only a plan is made */
	memcpy(n->key, s->public_key, sizeof(n->key));
	n->has_next = s->next_key;
	memcpy(n->next, s->next_public_key, sizeof(n->next));
	n->has_previous = s->has_previous;
	memcpy(n->previous, s->previous, sizeof(n->previous));
}

bool wgx_agent_known_chosen(const struct wgx_agent *a)
{
	return strcmp(a->options->registry, "file") != 0 &&
	       (a->options->endpoint == WGX_ENDPOINT_INTERNAL ||
		a->options->endpoint == WGX_ENDPOINT_EXTERNAL);
}

/* Those of the registry, if that was asked for; the devices are ours. */
static void use_known(struct wgx_agent *a)
{
	if (!wgx_agent_known_chosen(a))
		return;
	a->own.n_endpoints = a->n_known;
	memcpy(a->own.endpoints, a->known, sizeof(a->known));
	for (size_t i = 0; i < a->n_known; i++)
		a->own.endpoints[i].addr.v4.sin_port = htons(a->options->listen_port);
}

void wgx_agent_set_addresses(struct wgx_agent *a)
{
	struct wgx_own_addresses own;

	if (!a->own_due)
		return;
	a->own_due = false;
	if (wgx_own_addresses(a->options, &own)) {
		wgx_log(WGX_LOG_WARN,
			"cannot tell which address this node has; the last one stays");
		return;
	}
	/* a node without an address for a moment is not to be forgotten */
	if (!own.n_endpoints && a->own.n_endpoints)
		return;
	a->own = own;
	use_known(a);
	a->self.n_endpoints = a->own.n_endpoints;
	memcpy(a->self.endpoints, a->own.endpoints, sizeof(a->self.endpoints));
}

/* What we say of others' next keys: that our interface has them, and takes what comes under them. */
static void set_seen(struct wgx_agent *a)
{
	free(a->self.seen);
	a->self.seen = NULL;
	a->self.n_seen = 0;
	for (size_t i = 0; !a->names_due && i < a->want.n_peers; i++) {
		const struct wgx_want_peer *p = &a->want.peers[i];

		if (p->part == WGX_KEY_NEXT && wgx_have_find(&a->have, p->key))
			(void)wgx_node_add_seen(&a->self, p->member->node.name, p->key);
	}
}

void wgx_agent_publish(struct wgx_agent *a)
{
	int err;

	if (!wgx_agent_rotation_settled(a)) {
		wgx_agent_soon(a, WGX_AGENT_SETTLE_MS);
		return;
	}
	wgx_agent_set_keys(a);
	set_seen(a);
	if (!a->publish_due && wgx_node_equal(&a->self, &a->published))
		return;
	err = a->registry->ops->publish(a->registry, &a->self);
	a->publish_due = err;
	if (err && err != -ENOTCONN && err != -EINPROGRESS)
		wgx_log(WGX_LOG_WARN, "cannot publish this node: %s", strerror(-err));
	if (err)
		wgx_agent_soon(a, WGX_AGENT_RETRY_MS);
	wgx_node_free(&a->published);
	if (wgx_node_copy(&a->published, &a->self))
		a->publish_due = true;
}
