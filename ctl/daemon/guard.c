/* SPDX-License-Identifier: MIT */
#include "daemon/guard.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add(struct wgx_prefix **list, unsigned int *n, const struct wgx_prefix *p)
{
	struct wgx_prefix *more = realloc(*list, (*n + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	*list = more;
	more[(*n)++] = *p;
	return 0;
}

int wgx_guard_add(struct wgx_guard *g, const struct wgx_prefix *p)
{
	return add(&g->exempt, &g->n_exempt, p);
}

bool wgx_guard_exempts(const struct wgx_guard *g, const struct wgx_prefix *p)
{
	for (unsigned int i = 0; i < g->n_exempt; i++)
		if (wgx_prefix_equal(&g->exempt[i], p))
			return true;
	return false;
}

static int parse_network(const char *what, const char *everything, const char *text,
			 struct wgx_prefix *ret, char *error, size_t size)
{
	if (!text || wgx_prefix_parse(text, ret)) {
		snprintf(error, size, "attach: %s '%s' is no address or network", what,
			 text ? text : "");
		return -EINVAL;
	}
	if (!ret->cidr) {
		snprintf(error, size, "attach: %s '%s' would %s everything", what, text,
			 everything);
		return -EINVAL;
	}
	return 0;
}

static int parse_exempt(const json_t *list, struct wgx_guard *g, char *error, size_t size)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		struct wgx_prefix p = {0};
		int err = parse_network("exemption", "exempt", json_string_value(item), &p, error,
					size);

		if (!err && !wgx_guard_exempts(g, &p))
			err = wgx_guard_add(g, &p);
		if (err)
			return err;
	}
	return 0;
}

static int parse_protect(const json_t *list, struct wgx_guard *g, char *error, size_t size)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		struct wgx_prefix p = {0};
		int err = parse_network("protected network", "protect", json_string_value(item), &p,
					error, size);

		if (!err)
			err = add(&g->protect, &g->n_protect, &p);
		if (err)
			return err;
	}
	g->keep = g->n_protect;
	return 0;
}

int wgx_guard_parse(const json_t *request, struct wgx_guard *ret, char *error, size_t size)
{
	const json_t *exempt = json_object_get(request, "exempt");
	const json_t *protect = json_object_get(request, "protect");
	const struct wgx_guard wanted = {
		.on = json_is_true(json_object_get(request, "strict")),
		.report = json_is_true(json_object_get(request, "report")),
		.no_exemptions = exempt && !json_array_size(exempt),
	};
	int err;

	*ret = (struct wgx_guard){0};
	if ((exempt && !json_is_array(exempt)) || (protect && !json_is_array(protect))) {
		snprintf(error, size, "attach: %s no list",
			 json_is_array(exempt) || !exempt ? "protected networks are"
							  : "exemptions are");
		return -EINVAL;
	}
	if (!wanted.on && (exempt || protect || wanted.report)) {
		snprintf(error, size,
			 "attach: exemptions, protected networks and reports mean nothing without "
			 "strict "
			 "mode");
		return -EINVAL;
	}
	*ret = wanted;
	err = parse_exempt(exempt, ret, error, size);
	if (!err)
		err = parse_protect(protect, ret, error, size);
	if (err)
		wgx_guard_free(ret);
	return err;
}

static int copy(const struct wgx_prefix *list, unsigned int n, struct wgx_prefix **ret)
{
	*ret = NULL;
	if (!n)
		return 0;
	*ret = malloc(n * sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	memcpy(*ret, list, n * sizeof(**ret));
	return 0;
}

int wgx_guard_copy(struct wgx_guard *ret, const struct wgx_guard *g)
{
	struct wgx_prefix *exempt, *protect;

	if (copy(g->exempt, g->n_exempt, &exempt))
		return -ENOMEM;
	if (copy(g->protect, g->n_protect, &protect)) {
		free(exempt);
		return -ENOMEM;
	}
	*ret = *g;
	ret->key = 0;
	ret->exempt = exempt;
	ret->protect = protect;
	return 0;
}

void wgx_guard_free(struct wgx_guard *g)
{
	free(g->exempt);
	free(g->protect);
	*g = (struct wgx_guard){0};
}
