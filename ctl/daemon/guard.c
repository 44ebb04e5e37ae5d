/* SPDX-License-Identifier: MIT */
#include "daemon/guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int wgx_guard_add(struct wgx_guard *g, const struct wgx_prefix *p)
{
	struct wgx_prefix *more = realloc(g->exempt, (g->n_exempt + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	g->exempt = more;
	g->exempt[g->n_exempt++] = *p;
	return 0;
}

bool wgx_guard_exempts(const struct wgx_guard *g, const struct wgx_prefix *p)
{
	for (unsigned int i = 0; i < g->n_exempt; i++)
		if (wgx_prefix_equal(&g->exempt[i], p))
			return true;
	return false;
}

static int parse_exemption(const char *text, struct wgx_guard *g, char *error, size_t size)
{
	struct wgx_prefix p = {0};

	if (!text || wgx_prefix_parse(text, &p)) {
		snprintf(error, size, "attach: exemption '%s' is no address or network",
			 text ? text : "");
		return -EINVAL;
	}
	if (!p.cidr) {
		snprintf(error, size, "attach: exemption '%s' would exempt everything", text);
		return -EINVAL;
	}
	return wgx_guard_exempts(g, &p) ? 0 : wgx_guard_add(g, &p);
}

int wgx_guard_parse(const json_t *request, struct wgx_guard *ret, char *error, size_t size)
{
	const json_t *exempt = json_object_get(request, "exempt"), *item;
	size_t i;
	int err;

	*ret = (struct wgx_guard){
		.on = json_is_true(json_object_get(request, "strict")),
		.report = json_is_true(json_object_get(request, "report")),
		.no_exemptions = exempt && !json_array_size(exempt),
	};
	json_array_foreach(exempt, i, item) {
		err = parse_exemption(json_string_value(item), ret, error, size);
		if (err) {
			wgx_guard_free(ret);
			return err;
		}
	}
	return 0;
}

int wgx_guard_copy(struct wgx_guard *ret, const struct wgx_guard *g)
{
	struct wgx_prefix *list = NULL;

	if (g->n_exempt) {
		list = malloc(g->n_exempt * sizeof(*list));
		if (!list)
			return -ENOMEM;
		memcpy(list, g->exempt, g->n_exempt * sizeof(*list));
	}
	*ret = *g;
	ret->key = 0;
	ret->exempt = list;
	return 0;
}

void wgx_guard_free(struct wgx_guard *g)
{
	free(g->exempt);
	*g = (struct wgx_guard){0};
}
