/* SPDX-License-Identifier: MIT */
#include "agent/k8s_stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/key_text.h"

/* ---- frames ---- */

static int make_room(struct wgx_k8s_frames *f, size_t len)
{
	size_t room = f->room ? f->room : 4096;
	char *data;

	while (room < f->len + len + 1)
		room *= 2;
	if (room == f->room)
		return 0;
	data = realloc(f->data, room);
	if (!data)
		return -ENOMEM;
	f->data = data;
	f->room = room;
	return 0;
}

int wgx_k8s_frames_add(struct wgx_k8s_frames *f, const void *data, size_t len)
{
	int err;

	if (!len)
		return 0;
	if (f->len + len > WGX_K8S_FRAME_MAX)
		return -EMSGSIZE;
	err = make_room(f, len);
	if (err)
		return err;
	memcpy(f->data + f->len, data, len);
	f->len += len;
	return 0;
}

char *wgx_k8s_frames_next(struct wgx_k8s_frames *f, size_t *at)
{
	while (*at < f->len) {
		char *begin = f->data + *at, *end = memchr(begin, '\n', f->len - *at);

		if (!end)
			return NULL;
		*end = '\0';
		*at += (size_t)(end - begin) + 1;
		if (end > begin && end[-1] == '\r')
			end[-1] = '\0';
		if (*begin)
			return begin;
	}
	return NULL;
}

void wgx_k8s_frames_drop(struct wgx_k8s_frames *f, size_t at)
{
	if (!at)
		return;
	memmove(f->data, f->data + at, f->len - at);
	f->len -= at;
}

void wgx_k8s_frames_free(struct wgx_k8s_frames *f)
{
	free(f->data);
	*f = (struct wgx_k8s_frames){0};
}

/* ---- events ---- */

static enum wgx_k8s_event_type type_of(const char *text)
{
	static const struct {
		const char *name;
		enum wgx_k8s_event_type type;
	} types[] = {
		{"ADDED", WGX_K8S_UPSERT},    {"MODIFIED", WGX_K8S_UPSERT},
		{"DELETED", WGX_K8S_DELETED}, {"BOOKMARK", WGX_K8S_BOOKMARK},
		{"ERROR", WGX_K8S_ERROR},
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcmp(types[i].name, text))
			return types[i].type;
	return WGX_K8S_UNKNOWN;
}

static const char *metadata(const json_t *object, const char *member)
{
	return json_string_value(json_object_get(json_object_get(object, "metadata"), member));
}

int wgx_k8s_event_parse(const char *text, size_t len, struct wgx_k8s_event *ret)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);
	json_t *object = json_object_get(root, "object");
	const char *type = json_string_value(json_object_get(root, "type"));

	if (!type || !json_is_object(object)) {
		json_decref(root);
		return -EBADMSG;
	}
	*ret = (struct wgx_k8s_event){
		.type = type_of(type),
		.root = root,
		.object = object,
		.version = metadata(object, "resourceVersion"),
		.code = (int)json_integer_value(json_object_get(object, "code")),
	};
	return 0;
}

/* ---- nodes ---- */

const char *wgx_k8s_name(const json_t *object)
{
	const char *name = metadata(object, "name");

	return name && !wgx_node_name_problem(name) ? name : NULL;
}

static const char *annotation(const json_t *object, const char *name)
{
	const json_t *all = json_object_get(json_object_get(object, "metadata"), "annotations");

	return json_string_value(json_object_get(all, name));
}

static const char *const keys[][2] = {
	{WGX_K8S_PREFIX "public-key", "public_key"},
	{WGX_K8S_PREFIX "next-public-key", "next_public_key"},
	{WGX_K8S_PREFIX "previous-public-key", "previous_public_key"},
};

/* "a,b" as an array of strings */
static json_t *list_of(const char *text)
{
	json_t *list = json_array();

	while (text && *text) {
		size_t len = strcspn(text, ",");

		json_array_append_new(list, json_stringn(text, len));
		text += len + (text[len] == ',');
	}
	return list;
}

/* "node=key,node=key" as an object */
static json_t *seen_of(const char *text)
{
	json_t *o = json_object();
	char name[WGX_NODE_NAME_MAX + 1];

	while (text && *text) {
		size_t len = strcspn(text, ","), end = strcspn(text, "=");

		if (end < len && end <= WGX_NODE_NAME_MAX) {
			memcpy(name, text, end);
			name[end] = '\0';
			json_object_set_new(o, name, json_stringn(text + end + 1, len - end - 1));
		}
		text += len + (text[len] == ',');
	}
	return o;
}

/* The one of dual stack, or the one before it */
static json_t *cidrs_of(const json_t *object)
{
	const json_t *spec = json_object_get(object, "spec");
	json_t *list = json_object_get(spec, "podCIDRs"), *one = json_object_get(spec, "podCIDR");

	if (json_is_array(list))
		return json_incref(list);
	return json_is_string(one) ? json_pack("[O]", one) : json_array();
}

/* As wgx_node_parse() takes it: so there is one set of rules */
static json_t *record_of(const json_t *object)
{
	json_t *o = json_object();

	json_object_set_new(o, "name", json_string(metadata(object, "name")));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const char *key = annotation(object, keys[i][0]);

		if (key)
			json_object_set_new(o, keys[i][1], json_string(key));
	}
	json_object_set_new(o, "endpoints",
			    list_of(annotation(object, WGX_K8S_PREFIX "endpoints")));
	json_object_set_new(o, "pod_cidrs", cidrs_of(object));
	json_object_set_new(o, "seen", seen_of(annotation(object, WGX_K8S_PREFIX "seen")));
	return o;
}

static void add_address(struct wgx_endpoint *list, size_t *n, const char *text)
{
	char with_port[80];

	if (*n == WGX_NODE_ENDPOINTS || strlen(text) > 64)
		return;
	snprintf(with_port, sizeof(with_port), strchr(text, ':') ? "[%s]:0" : "%s:0", text);
	if (!wgx_endpoint_parse(with_port, &list[*n]))
		++*n;
}

static void read_addresses(const json_t *object, struct wgx_k8s_node *n)
{
	const json_t *status = json_object_get(object, "status"), *a;
	size_t i;

	json_array_foreach(json_object_get(status, "addresses"), i, a) {
		const char *type = json_string_value(json_object_get(a, "type"));
		const char *address = json_string_value(json_object_get(a, "address"));

		if (!type || !address)
			continue;
		if (!strcmp(type, "InternalIP"))
			add_address(n->internal, &n->n_internal, address);
		else if (!strcmp(type, "ExternalIP"))
			add_address(n->external, &n->n_external, address);
	}
}

int wgx_k8s_node_parse(const json_t *object, struct wgx_k8s_node *ret, char *error, size_t size)
{
	const char *uid = metadata(object, "uid");
	struct wgx_k8s_node n = {.n_internal = 0};
	json_t *record = record_of(object);
	int err = wgx_node_parse(record, &n.node, error, size);

	json_decref(record);
	if (err)
		return err;
	snprintf(n.uid, sizeof(n.uid), "%s", uid ? uid : "");
	read_addresses(object, &n);
	*ret = n;
	return 0;
}

/* @text: grows by ",more"; NULL: no memory left, which stays so */
static void append(char **text, const char *more)
{
	char *new = NULL;

	if (*text && asprintf(&new, "%s%s%s", *text, **text ? "," : "", more) < 0)
		new = NULL;
	free(*text);
	*text = new;
}

static json_t *endpoints_json(const struct wgx_node *n)
{
	char *all = strdup(""), text[WGX_ENDPOINT_TEXT];
	json_t *o;

	for (size_t i = 0; i < n->n_endpoints; i++)
		append(&all, wgx_endpoint_format(&n->endpoints[i], text));
	o = all ? json_string(all) : NULL;
	free(all);
	return o;
}

static json_t *seen_json(const struct wgx_node *n)
{
	char *all = n->n_seen ? strdup("") : NULL, text[WGX_NODE_NAME_MAX + WGX_KEY_TEXT_SIZE + 2];
	char key[WGX_KEY_TEXT_SIZE];
	json_t *o;

	if (!n->n_seen)
		return json_null();
	for (size_t i = 0; i < n->n_seen; i++) {
		wgx_key_format(n->seen[i].key, key);
		snprintf(text, sizeof(text), "%s=%s", n->seen[i].name, key);
		append(&all, text);
	}
	o = all ? json_string(all) : NULL;
	free(all);
	return o;
}

json_t *wgx_k8s_node_patch(const struct wgx_node *self)
{
	return json_pack("{s:{s:{s:o, s:o, s:o, s:o, s:o}}}", "metadata", "annotations", keys[0][0],
			 wgx_node_key_json(self->has_key, self->key), keys[1][0],
			 wgx_node_key_json(self->has_next, self->next), keys[2][0],
			 wgx_node_key_json(self->has_previous, self->previous),
			 WGX_K8S_PREFIX "endpoints", endpoints_json(self), WGX_K8S_PREFIX "seen",
			 seen_json(self));
}

/* ---- when to try again ---- */

#define FIRST_MS 800
#define LONGEST_MS 30000
#define HEALTHY_MS 120000

uint64_t wgx_k8s_backoff_failed(struct wgx_k8s_backoff *b, uint64_t now, uint32_t chance,
				uint32_t retry_after)
{
	uint64_t longest = b->failures < 6 ? (uint64_t)FIRST_MS << b->failures : LONGEST_MS;
	uint64_t asked = (uint64_t)(retry_after > 3600 ? 3600 : retry_after) * 1000, ms;

	if (longest > LONGEST_MS)
		longest = LONGEST_MS;
	b->failures++;
	b->failed = now;
	ms = chance % longest + 1;
	return ms > asked ? ms : asked;
}

void wgx_k8s_backoff_healthy(struct wgx_k8s_backoff *b, uint64_t now)
{
	if (b->failures && now >= b->failed + HEALTHY_MS)
		b->failures = 0;
}
