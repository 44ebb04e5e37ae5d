/* SPDX-License-Identifier: MIT */
#include "agent/node.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "daemon/log.h"
#include "proto/key_text.h"

const char *wgx_node_name_problem(const char *name)
{
	size_t len = strlen(name);

	if (!len)
		return "is empty";
	if (len > WGX_NODE_NAME_MAX)
		return "is longer than 253 bytes";
	if (!isalnum((unsigned char)name[0]) || !isalnum((unsigned char)name[len - 1]))
		return "does not begin and end with a letter or digit";
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '.')
			return "has other characters than letters, digits, '-' and '.'";
	return NULL;
}

void wgx_node_set_name(struct wgx_node *n, const char *name)
{
	snprintf(n->name, sizeof(n->name), "%s", name);
}

int wgx_node_add_seen(struct wgx_node *n, const char *name, const uint8_t key[WGX_KEY_LEN])
{
	struct wgx_node_seen *more;

	if (n->n_seen == WGX_NODE_SEEN)
		return -E2BIG;
	more = realloc(n->seen, (n->n_seen + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	n->seen = more;
	more += n->n_seen++;
	snprintf(more->name, sizeof(more->name), "%s", name);
	memcpy(more->key, key, sizeof(more->key));
	return 0;
}

bool wgx_node_has_seen(const struct wgx_node *n, const char *name, const uint8_t key[WGX_KEY_LEN])
{
	for (size_t i = 0; i < n->n_seen; i++)
		if (!strcmp(n->seen[i].name, name))
			return !memcmp(n->seen[i].key, key, WGX_KEY_LEN);
	return false;
}

int wgx_node_copy(struct wgx_node *ret, const struct wgx_node *n)
{
	struct wgx_node_seen *seen = NULL;

	if (n->n_seen) {
		seen = malloc(n->n_seen * sizeof(*seen));
		if (!seen)
			return -ENOMEM;
		memcpy(seen, n->seen, n->n_seen * sizeof(*seen));
	}
	*ret = *n;
	ret->seen = seen;
	return 0;
}

static bool same_key(bool has_a, const uint8_t *a, bool has_b, const uint8_t *b)
{
	return has_a == has_b && (!has_a || !memcmp(a, b, WGX_KEY_LEN));
}

static bool same_endpoints(const struct wgx_node *a, const struct wgx_node *b)
{
	if (a->n_endpoints != b->n_endpoints)
		return false;
	for (size_t i = 0; i < a->n_endpoints; i++)
		if (!wgx_endpoint_same_destination(&a->endpoints[i], &b->endpoints[i]))
			return false;
	return true;
}

bool wgx_node_same_cidrs(const struct wgx_node *a, const struct wgx_node *b)
{
	if (a->n_cidrs != b->n_cidrs)
		return false;
	for (size_t i = 0; i < a->n_cidrs; i++)
		if (!wgx_prefix_equal(&a->cidrs[i], &b->cidrs[i]))
			return false;
	return true;
}

static bool same_seen(const struct wgx_node *a, const struct wgx_node *b)
{
	if (a->n_seen != b->n_seen)
		return false;
	for (size_t i = 0; i < a->n_seen; i++)
		if (!wgx_node_has_seen(b, a->seen[i].name, a->seen[i].key))
			return false;
	return true;
}

bool wgx_node_equal(const struct wgx_node *a, const struct wgx_node *b)
{
	return !strcmp(a->name, b->name) && same_key(a->has_key, a->key, b->has_key, b->key) &&
	       same_key(a->has_next, a->next, b->has_next, b->next) &&
	       same_key(a->has_previous, a->previous, b->has_previous, b->previous) &&
	       same_endpoints(a, b) && wgx_node_same_cidrs(a, b) && same_seen(a, b);
}

void wgx_node_free(struct wgx_node *n)
{
	free(n->seen);
	*n = (struct wgx_node){0};
}

/* ---- as JSON ---- */

json_t *wgx_node_key_json(bool has, const uint8_t key[WGX_KEY_LEN])
{
	char text[WGX_KEY_TEXT_SIZE];

	if (!has)
		return json_null();
	wgx_key_format(key, text);
	return json_string(text);
}

static void put_key(json_t *o, const char *member, bool has, const uint8_t key[WGX_KEY_LEN])
{
	if (has)
		json_object_set_new(o, member, wgx_node_key_json(true, key));
}

json_t *wgx_node_json(const struct wgx_node *n)
{
	json_t *o = json_pack("{s:s, s:[], s:[]}", "name", n->name, "endpoints", "pod_cidrs");
	json_t *endpoints = json_object_get(o, "endpoints"), *cidrs, *seen;
	char text[WGX_ENDPOINT_TEXT];

	if (!o)
		return NULL;
	cidrs = json_object_get(o, "pod_cidrs");
	put_key(o, "public_key", n->has_key, n->key);
	put_key(o, "next_public_key", n->has_next, n->next);
	put_key(o, "previous_public_key", n->has_previous, n->previous);
	for (size_t i = 0; i < n->n_endpoints; i++)
		json_array_append_new(endpoints,
				      json_string(wgx_endpoint_format(&n->endpoints[i], text)));
	for (size_t i = 0; i < n->n_cidrs; i++)
		json_array_append_new(cidrs, json_string(wgx_prefix_format(&n->cidrs[i], text)));
	seen = n->n_seen ? json_object() : NULL;
	for (size_t i = 0; i < n->n_seen; i++)
		put_key(seen, n->seen[i].name, true, n->seen[i].key);
	if (seen)
		json_object_set_new(o, "seen", seen);
	return o;
}

/* ---- from JSON ---- */

struct reader {
	struct wgx_node node;
	char *error;
	size_t size;
};

/* The text is another's: as JSON, so that it cannot break out of a line of the log, nor reach a terminal as it is. */
static int wrong(struct reader *r, const char *member, const json_t *value, const char *problem)
{
	char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;

	if (text)
		snprintf(r->error, r->size, "%s: %.100s %s", member, text, problem);
	else
		snprintf(r->error, r->size, "%s %s", member, problem);
	wgx_log_defuse(r->error); /* JSON has DEL as it is */
	free(text);
	return -EINVAL;
}

bool wgx_node_key_usable(const uint8_t key[WGX_KEY_LEN])
{
	static const uint8_t scalar[WGX_KEY_LEN] = {[0] = 8, [31] = 64};
	uint8_t point[WGX_KEY_LEN];

	return !crypto_scalarmult(point, scalar, key);
}

static int read_key(struct reader *r, const json_t *o, const char *member, bool *has,
		    uint8_t key[WGX_KEY_LEN])
{
	const json_t *value = json_object_get(o, member);

	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value) || wgx_key_parse(json_string_value(value), key))
		return wrong(r, member, value, "is no public key");
	if (!wgx_node_key_usable(key))
		return wrong(r, member, value, "is a key that nobody can have");
	*has = true;
	return 0;
}

static int read_endpoints(struct reader *r, const json_t *o)
{
	const json_t *list = json_object_get(o, "endpoints"), *item;
	struct wgx_node *n = &r->node;
	size_t i;

	if (list && !json_is_array(list))
		return wrong(r, "endpoints", NULL, "is no array");
	if (json_array_size(list) > WGX_NODE_ENDPOINTS)
		return wrong(r, "endpoints", NULL, "has more than 8 items");
	json_array_foreach(list, i, item) {
		const char *text = json_string_value(item);

		if (!text || wgx_endpoint_parse(text, &n->endpoints[n->n_endpoints]) ||
		    !n->endpoints[n->n_endpoints].addr.v4.sin_port)
			return wrong(r, "endpoints", item, "is no address with a port");
		n->n_endpoints++;
	}
	return 0;
}

static int read_cidrs(struct reader *r, const json_t *o)
{
	const json_t *list = json_object_get(o, "pod_cidrs"), *item;
	struct wgx_node *n = &r->node;
	size_t i;

	if (list && !json_is_array(list))
		return wrong(r, "pod_cidrs", NULL, "is no array");
	if (json_array_size(list) > WGX_NODE_CIDRS)
		return wrong(r, "pod_cidrs", NULL, "has more than 16 items");
	json_array_foreach(list, i, item) {
		const char *text = json_string_value(item);

		if (!text || wgx_prefix_parse(text, &n->cidrs[n->n_cidrs]))
			return wrong(r, "pod_cidrs", item, "is no network");
		n->n_cidrs++;
	}
	return 0;
}

static int read_seen(struct reader *r, const json_t *o)
{
	json_t *seen = json_object_get(o, "seen"), *value;
	const char *name;
	uint8_t key[WGX_KEY_LEN];
	int err;

	if (seen && !json_is_object(seen))
		return wrong(r, "seen", NULL, "is no object");
	json_object_foreach(seen, name, value) {
		if (wgx_node_name_problem(name))
			return wrong(r, "seen", NULL, "has a member that is no node's name");
		if (!json_is_string(value) || wgx_key_parse(json_string_value(value), key))
			return wrong(r, "seen", value, "is no public key");
		err = wgx_node_add_seen(&r->node, name, key);
		if (err == -E2BIG)
			return wrong(r, "seen", NULL, "has more than 4096 members");
		if (err)
			return err;
	}
	return 0;
}

static int read_all(struct reader *r, const json_t *o)
{
	const char *name = json_string_value(json_object_get(o, "name"));
	struct wgx_node *n = &r->node;
	int err;

	if (!json_is_object(o))
		return wrong(r, "the record", NULL, "is no object");
	if (!name || wgx_node_name_problem(name))
		return wrong(r, "name", json_object_get(o, "name"), "is no node's name");
	wgx_node_set_name(n, name);
	err = read_key(r, o, "public_key", &n->has_key, n->key);
	if (!err)
		err = read_key(r, o, "next_public_key", &n->has_next, n->next);
	if (!err)
		err = read_key(r, o, "previous_public_key", &n->has_previous, n->previous);
	if (!err)
		err = read_endpoints(r, o);
	if (!err)
		err = read_cidrs(r, o);
	return err ? err : read_seen(r, o);
}

int wgx_node_parse(const json_t *o, struct wgx_node *ret, char *error, size_t size)
{
	struct reader r = {.error = error, .size = size};
	int err = read_all(&r, o);

	if (err == -ENOMEM)
		snprintf(error, size, "no memory left");
	if (err)
		wgx_node_free(&r.node);
	else
		*ret = r.node;
	return err;
}

/* ---- networks ---- */

struct wgx_prefix wgx_prefix_of_address(const struct wgx_endpoint *e)
{
	bool v6 = e->addr.sa.sa_family == AF_INET6;
	struct wgx_prefix p = {.family = v6 ? AF_INET6 : AF_INET, .cidr = v6 ? 128 : 32};

	if (v6)
		memcpy(p.addr, &e->addr.v6.sin6_addr, 16);
	else
		memcpy(p.addr, &e->addr.v4.sin_addr, 4);
	return p;
}
