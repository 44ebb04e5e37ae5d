/* SPDX-License-Identifier: MIT */
/* The routes of the agent's interface, in a table of their own, and the rules that lead there. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/tunnel.h"
#include "daemon/log.h"
#include "net/fib.h"

static int keep(struct wgx_prefixes *list, const struct wgx_prefix *p)
{
	struct wgx_prefix *more = realloc(list->items, (list->n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	list->items = more;
	more[list->n++] = *p;
	return 0;
}

static int found_route(void *arg, const struct wgx_prefix *dst)
{
	return keep(arg, dst);
}

static bool in_list(const struct wgx_prefixes *list, const struct wgx_prefix *p)
{
	for (size_t i = 0; i < list->n; i++)
		if (wgx_prefix_equal(&list->items[i], p))
			return true;
	return false;
}

/* @ifindex 0: those that throw */
static int read_routes(int ifindex, uint32_t table, struct wgx_prefixes *ret)
{
	static const uint8_t families[] = {AF_INET, AF_INET6};
	int err = 0;

	for (size_t i = 0; i < 2 && !err; i++)
		err = ifindex ? wgx_route_each(families[i], ifindex, table, found_route, ret)
			      : wgx_throw_each(families[i], table, found_route, ret);
	return err;
}

static int add_missing(int ifindex, uint32_t table, const struct wgx_prefixes *wanted,
		       const struct wgx_prefixes *found)
{
	int err = 0;

	for (size_t i = 0; i < wanted->n && !err; i++) {
		const struct wgx_prefix *p = &wanted->items[i];

		if (in_list(found, p))
			continue;
		err = ifindex ? wgx_route_add(ifindex, p, table) : wgx_route_throw(p, table);
		if (err == -EEXIST)
			err = 0;
	}
	return err;
}

static int delete_rest(int ifindex, uint32_t table, const struct wgx_prefixes *wanted,
		       const struct wgx_prefixes *found)
{
	int err = 0;

	for (size_t i = 0; i < found->n && !err; i++) {
		if (in_list(wanted, &found->items[i]))
			continue;
		err = wgx_route_delete(ifindex, &found->items[i], table);
		if (err == -ESRCH)
			err = 0;
	}
	return err;
}

static int want_routes(const struct wgx_agent_options *o, const struct wgx_want *want,
		       struct wgx_prefixes *ret)
{
	int err = 0;

	for (size_t i = 0; o->strict && i < o->cluster.n && !err; i++)
		err = keep(ret, &o->cluster.items[i]);
	for (size_t i = 0; !o->strict && i < want->n_peers && !err; i++)
		for (size_t j = 0; j < want->peers[i].n_prefixes && !err; j++)
			err = keep(ret, &want->peers[i].prefixes[j]);
	return err;
}

static int want_throws(const struct wgx_agent_options *o, const struct wgx_node *self,
		       const struct wgx_prefixes *exempt, struct wgx_prefixes *ret)
{
	int err = 0;

	for (size_t i = 0; i < self->n_cidrs && !err; i++)
		err = keep(ret, &self->cidrs[i]);
	for (size_t i = 0; i < o->exempt.n && !err; i++)
		err = keep(ret, &o->exempt.items[i]);
	for (size_t i = 0; i < exempt->n && !err; i++)
		err = keep(ret, &exempt->items[i]);
	return err;
}

static int ensure_rules(const struct wgx_agent_options *o)
{
	struct wgx_rule rule = {
		.table = o->table,
		.suppress_prefixlength = -1,
		.priority = o->priority,
	};
	int err;

	rule.family = AF_INET;
	err = wgx_rule_ensure(&rule);
	rule.family = AF_INET6;
	return err ? err : wgx_rule_ensure(&rule);
}

/* What throws is there before what it is an exception from, and goes after it. */
static int change_routes(struct wgx_tunnel *t, const struct wgx_prefixes wanted[2])
{
	const struct wgx_agent_options *o = t->options;
	struct wgx_prefixes routes = {0}, throws = {0};
	int err = read_routes(t->ifindex, o->table, &routes);

	if (!err)
		err = read_routes(0, o->table, &throws);
	if (!err)
		err = add_missing(0, o->table, &wanted[1], &throws);
	if (!err)
		err = add_missing(t->ifindex, o->table, &wanted[0], &routes);
	if (!err)
		err = ensure_rules(o);
	if (!err)
		err = delete_rest(t->ifindex, o->table, &wanted[0], &routes);
	if (!err)
		err = delete_rest(0, o->table, &wanted[1], &throws);
	free(routes.items);
	free(throws.items);
	return err;
}

int wgx_tunnel_route(struct wgx_tunnel *t, const struct wgx_node *self, const struct wgx_want *want,
		     const struct wgx_prefixes *exempt)
{
	struct wgx_prefixes wanted[2] = {{0}}; /* by the interface; thrown */
	int err;

	t->routed = false;
	/* the cluster's networks have this node's pods in them: not before these are known */
	if (!self->n_cidrs)
		return 0;
	err = want_routes(t->options, want, &wanted[0]);

	if (!err)
		err = want_throws(t->options, self, exempt, &wanted[1]);
	if (!err)
		err = change_routes(t, wanted);
	if (err)
		wgx_log(WGX_LOG_ERR, "%s: cannot set the routes of table %u: %s",
			t->options->interface, t->options->table, strerror(-err));
	t->routed = !err;
	free(wanted[0].items);
	free(wanted[1].items);
	return err;
}

static bool rules_there(const struct wgx_agent_options *o)
{
	struct wgx_rule rule = {.family = AF_INET, .table = o->table, .priority = o->priority};

	if (wgx_rule_there(&rule) != 1)
		return false;
	rule.family = AF_INET6;
	return wgx_rule_there(&rule) == 1;
}

bool wgx_tunnel_routes_problem(const struct wgx_tunnel *t, const struct wgx_want *want, char *text,
			       size_t size)
{
	const struct wgx_agent_options *o = t->options;
	struct wgx_prefixes wanted = {0}, found = {0};
	char network[WGX_PREFIX_TEXT];
	size_t i = 0;

	*text = '\0';
	if (!rules_there(o))
		snprintf(text, size, "no rule of priority %u leads to table %u", o->priority,
			 o->table);
	else if (want_routes(o, want, &wanted) || read_routes(t->ifindex, o->table, &found))
		snprintf(text, size, "the routes of table %u cannot be read", o->table);
	while (!*text && i < wanted.n && in_list(&found, &wanted.items[i]))
		i++;
	if (!*text && i < wanted.n)
		snprintf(text, size, "%s has no route into %s",
			 wgx_prefix_format(&wanted.items[i], network), o->interface);
	free(wanted.items);
	free(found.items);
	return *text;
}
