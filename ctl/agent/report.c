/* SPDX-License-Identifier: MIT */
/* What the agent tells of itself. */
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"

static size_t count_gone(const struct wgx_members *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++)
		n += m->items[i]->gone;
	return n;
}

json_t *wgx_agent_status_json(struct wgx_agent *a)
{
	static const char *const rotations[] = {"none", "announced", "retiring"};
	json_t *obstacles = wgx_agent_obstacles(a);
	json_t *o =
		json_pack("{s:s, s:s, s:s, s:b, s:s, s:b, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:s}",
			  "node", a->self.name, "interface", a->options->interface, "registry",
			  a->registry->ops->name, "synced", a->members.synced, "problem",
			  a->registry_problem, "published", !a->publish_due, "strict",
			  wgx_agent_strict(a), "ready", !json_array_size(obstacles), "nodes",
			  (json_int_t)a->members.n, "gone", (json_int_t)count_gone(&a->members),
			  "held", (json_int_t)a->members.held, "peers", (json_int_t)a->want.n_peers,
			  "refused", (json_int_t)a->want.n_refusals, "rotation",
			  rotations[a->rotation]);

	if (!o) {
		json_decref(obstacles);
		return NULL;
	}
	json_object_set_new(o, "not_ready", obstacles);
	json_object_set_new(o, "steps", json_integer((json_int_t)a->plan.n));
	json_object_set_new(o, "losses", json_integer((json_int_t)a->losses));
	json_object_set_new(o, "converged", json_integer((json_int_t)a->converged));
	json_object_set_new(o, "public_key", wgx_node_key_json(true, a->state.public_key));
	json_object_set_new(o, "next_public_key",
			    wgx_node_key_json(a->state.next_key, a->state.next_public_key));
	json_object_set_new(o, "waits_for", wgx_agent_waits_for(a));
	return o;
}

static const struct wgx_want_peer *peer_of(const struct wgx_agent *a, const struct wgx_member *m)
{
	for (size_t i = 0; i < a->want.n_peers; i++)
		if (a->want.peers[i].member == m && a->want.peers[i].part == WGX_KEY_CURRENT)
			return &a->want.peers[i];
	return NULL;
}

static const char *state_of(const struct wgx_agent *a, const struct wgx_member *m,
			    const struct wgx_want_peer *p)
{
	if (m->gone)
		return "gone";
	if (!m->node.has_key)
		return m->problem[0] ? "refused" : "no key";
	if (!p)
		return "refused";
	return wgx_have_find(&a->have, p->key) ? "peer" : "missing";
}

static json_t *member_json(const struct wgx_agent *a, const struct wgx_member *m)
{
	const struct wgx_want_peer *p = peer_of(a, m);
	const struct wgx_have_peer *h = p ? wgx_have_find(&a->have, p->key) : NULL;
	json_t *allowed = json_array();
	char text[WGX_ENDPOINT_TEXT];
	json_t *o;

	for (size_t i = 0; p && i < p->n_prefixes; i++)
		json_array_append_new(allowed,
				      json_string(wgx_prefix_format(&p->prefixes[i], text)));
	o = json_pack("{s:s, s:s, s:o, s:o, s:s}", "node", m->node.name, "state", state_of(a, m, p),
		      "public_key", wgx_node_key_json(m->node.has_key, m->node.key), "allowed_ips",
		      allowed, "problem", m->problem);
	if (o)
		json_object_set_new(o, "endpoint",
				    h && h->endpoint.addr.sa.sa_family != AF_UNSPEC
					    ? json_string(wgx_endpoint_format(&h->endpoint, text))
					    : json_null());
	return o;
}

json_t *wgx_agent_peers_json(const struct wgx_agent *a)
{
	json_t *list = json_array();

	for (size_t i = 0; i < a->members.n; i++)
		json_array_append_new(list, member_json(a, a->members.items[i]));
	return json_pack("{s:o}", "peers", list);
}

/* ---- the plan ---- */

static json_t *steps_json(const struct wgx_agent *a)
{
	json_t *list = json_array();
	char text[WGX_STEP_TEXT_MAX];

	for (size_t i = 0; i < a->plan.n; i++)
		json_array_append_new(
			list, json_string(wgx_step_text(&a->plan.steps[i], text, sizeof(text))));
	return list;
}

static void add_pending(json_t *list, const struct wgx_agent *a, const struct wgx_member *m)
{
	uint64_t now = wgx_agent_now(), end = m->gone_since + a->members.grace_ms;
	const char *held = a->members.held	? "; held, for more than half of all nodes would go"
			   : !a->members.synced ? "; not while the registry does not answer"
						: "";
	char text[WGX_NODE_NAME_MAX + 160];

	snprintf(text, sizeof(text), "%s: remove in %llu s: its record is gone%s", m->node.name,
		 (unsigned long long)(end > now ? (end - now + 999) / 1000 : 0), held);
	json_array_append_new(list, json_string(text));
}

static json_t *pending_json(const struct wgx_agent *a)
{
	json_t *list = json_array(), *names = wgx_agent_waits_for(a), *name;
	char text[WGX_NODE_NAME_MAX + 64];
	size_t i;

	for (i = 0; i < a->members.n; i++)
		if (a->members.items[i]->gone)
			add_pending(list, a, a->members.items[i]);
	json_array_foreach(names, i, name) {
		snprintf(text, sizeof(text), "switch to the next key: waits for %s",
			 json_string_value(name));
		json_array_append_new(list, json_string(text));
	}
	json_decref(names);
	return list;
}

json_t *wgx_agent_plan_json(const struct wgx_agent *a)
{
	json_t *refused = json_array();
	char text[512];

	for (size_t i = 0; i < a->want.n_refusals; i++)
		json_array_append_new(refused, json_string(wgx_refusal_text(&a->want.refusals[i],
									    text, sizeof(text))));
	return json_pack("{s:o, s:o, s:o}", "steps", steps_json(a), "pending", pending_json(a),
			 "refused", refused);
}

static void print_lines(const json_t *list, const char *before)
{
	const json_t *line;
	size_t i;

	json_array_foreach(list, i, line)
		printf("%s%s\n", before, json_string_value(line));
}

void wgx_agent_print_plan(const json_t *plan)
{
	print_lines(json_object_get(plan, "steps"), "");
	print_lines(json_object_get(plan, "pending"), "");
	print_lines(json_object_get(plan, "refused"), "refused: ");
}
