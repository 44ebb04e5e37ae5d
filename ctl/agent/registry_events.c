/* SPDX-License-Identifier: MIT */
/* What the registry tells: nodes that come, change and go, this one's own, and that it does not answer. */
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "daemon/log.h"

static void on_begin(void *arg)
{
	struct wgx_agent *a = arg;

	wgx_members_begin(&a->members);
}

static bool is_self(const struct wgx_agent *a, const char *name)
{
	return !strcmp(name, a->options->node);
}

static void changed(struct wgx_agent *a)
{
	a->save_due = true;
	a->expire_at = 0;
	wgx_agent_soon(a, WGX_AGENT_SETTLE_MS);
}

static void on_upsert(void *arg, const struct wgx_node *node)
{
	struct wgx_agent *a = arg;

	if (is_self(a, node->name))
		return;
	if (wgx_members_upsert(&a->members, node) > 0) {
		struct wgx_member *m = wgx_members_find(&a->members, node->name);

		m->reported = 0;
		changed(a);
	}
}

static void on_refuse(void *arg, const char *name, const char *problem)
{
	struct wgx_agent *a = arg;

	if (!is_self(a, name) && wgx_members_refuse(&a->members, name, problem) > 0) {
		wgx_members_find(&a->members, name)->reported = 0;
		changed(a);
	}
}

static void on_remove(void *arg, const char *name)
{
	struct wgx_agent *a = arg;

	if (!wgx_members_delete(&a->members, name, wgx_agent_now()))
		return;
	wgx_log(WGX_LOG_INFO, "%s: its record is gone; it is kept for %u s", name,
		a->options->grace_s);
	changed(a);
}

static void on_self(void *arg, const struct wgx_node *node, const struct wgx_endpoint *internal,
		    size_t n_internal, const struct wgx_endpoint *external, size_t n_external)
{
	bool use_external;
	struct wgx_agent *a = arg;
	struct wgx_node before = a->self;

	use_external = a->options->endpoint == WGX_ENDPOINT_EXTERNAL;
	a->n_known = use_external ? n_external : n_internal;
	memcpy(a->known, use_external ? external : internal, sizeof(a->known));
	a->self.n_cidrs = 0;
	for (size_t i = 0; i < node->n_cidrs; i++) {
		const struct wgx_prefix *p = &node->cidrs[i];

		for (size_t j = 0; j < a->options->cluster.n; j++)
			if (wgx_prefix_contains(&a->options->cluster.items[j], p))
				a->self.cidrs[a->self.n_cidrs++] = *p;
	}
	if (wgx_agent_known_chosen(a) || !wgx_node_equal(&before, &a->self))
		changed(a);
}

static void on_published(void *arg)
{
	wgx_agent_soon(arg, 0);
}

static void on_synced(void *arg)
{
	struct wgx_agent *a = arg;

	if (a->registry_problem[0] || !a->members.synced)
		wgx_log(WGX_LOG_INFO, "the registry answers");
	a->was_synced = true;
	a->registry_problem[0] = '\0';
	if (wgx_members_end(&a->members, wgx_agent_now()))
		changed(a);
}

static void on_lost(void *arg, const char *why)
{
	struct wgx_agent *a = arg;

	if (!a->registry_problem[0] || a->members.synced)
		wgx_log(WGX_LOG_WARN, "the registry does not answer, all stays as it is: %s", why);
	snprintf(a->registry_problem, sizeof(a->registry_problem), "%s", why);
	wgx_log_defuse(a->registry_problem); /* it may be a server's text */
	a->losses += a->members.synced;
	wgx_members_lost(&a->members);
}

struct wgx_registry_events wgx_agent_registry_events(struct wgx_agent *a)
{
	return (struct wgx_registry_events){
		.begin = on_begin,
		.upsert = on_upsert,
		.refuse = on_refuse,
		.self = on_self,
		.published = on_published,
		.remove = on_remove,
		.synced = on_synced,
		.lost = on_lost,
		.arg = a,
	};
}
