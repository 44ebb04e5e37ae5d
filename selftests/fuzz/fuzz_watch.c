/* SPDX-License-Identifier: MIT */
/*
 * What an API server sends: the body of a watch, cut anywhere, with anything in it. Checked: the frames are the lines,
 * however they were cut; a Node that is accepted is within its bounds, and what would be published of it names our own
 * annotations only and reads back as the same.
 */
#include "fuzz/fuzz.h"

#include <sodium.h>

#include "agent/k8s_stream.h"

static void fuzz_begin(void)
{
	assert_true(sodium_init() >= 0);
}

/* ---- a Node ---- */

static void check_node(const struct wgx_node *n)
{
	assert_null(wgx_node_name_problem(n->name));
	assert_true(n->n_endpoints <= WGX_NODE_ENDPOINTS);
	assert_true(n->n_cidrs <= WGX_NODE_CIDRS);
	assert_true(n->n_seen <= WGX_NODE_SEEN);
	assert_true(!n->has_key || wgx_node_key_usable(n->key));
	for (size_t i = 0; i < n->n_cidrs; i++) {
		assert_true(n->cidrs[i].family == AF_INET || n->cidrs[i].family == AF_INET6);
		assert_true(n->cidrs[i].cidr <= (n->cidrs[i].family == AF_INET ? 32 : 128));
	}
	for (size_t i = 0; i < n->n_endpoints; i++)
		assert_int_not_equal(n->endpoints[i].addr.v4.sin_port, 0);
}

/* The annotations that a patch leaves: null takes one away */
static json_t *annotations_of(const json_t *patch)
{
	json_t *meta = json_object_get(patch, "metadata"), *all, *left = json_object(), *value;
	const char *name;

	assert_int_equal(json_object_size(patch), 1);
	assert_int_equal(json_object_size(meta), 1);
	all = json_object_get(meta, "annotations");
	assert_true(json_is_object(all));
	json_object_foreach(all, name, value) {
		assert_int_equal(strncmp(name, WGX_K8S_PREFIX, strlen(WGX_K8S_PREFIX)), 0);
		if (!json_is_null(value))
			json_object_set(left, name, value);
	}
	return left;
}

static void check_patch(const struct wgx_node *n)
{
	json_t *patch = wgx_k8s_node_patch(n), *object;
	struct wgx_k8s_node again;
	char error[256];

	assert_non_null(patch);
	object = json_pack("{s:{s:s, s:o}}", "metadata", "name", n->name, "annotations",
			   annotations_of(patch));
	assert_int_equal(wgx_k8s_node_parse(object, &again, error, sizeof(error)), 0);
	again.node.n_cidrs = n->n_cidrs; /* which are not for a node to say */
	memcpy(again.node.cidrs, n->cidrs, sizeof(n->cidrs));
	assert_true(wgx_node_equal(&again.node, n));
	wgx_node_free(&again.node);
	json_decref(object);
	json_decref(patch);
}

/* As the file registry would have it, and as it is kept */
static void check_record(const struct wgx_node *n)
{
	json_t *o = wgx_node_json(n);
	struct wgx_node again, copy;
	char error[256];

	assert_int_equal(wgx_node_parse(o, &again, error, sizeof(error)), 0);
	assert_true(wgx_node_equal(&again, n) && wgx_node_same_cidrs(&again, n));
	assert_int_equal(wgx_node_copy(&copy, &again), 0);
	wgx_node_free(&again);
	assert_true(wgx_node_equal(&copy, n));
	wgx_node_free(&copy);
	json_decref(o);
}

static void check_object(const json_t *object)
{
	struct wgx_k8s_node n;
	char error[256] = "";

	if (wgx_k8s_node_parse(object, &n, error, sizeof(error))) {
		assert_true(error[0] && memchr(error, '\0', sizeof(error)));
		/* it is for a log, and for a terminal */
		for (const char *p = error; *p; p++)
			assert_true((unsigned char)*p >= ' ' && *p != 0x7f);
		return;
	}
	check_node(&n.node);
	assert_true(n.n_internal <= WGX_NODE_ENDPOINTS && n.n_external <= WGX_NODE_ENDPOINTS);
	assert_true(memchr(n.uid, '\0', sizeof(n.uid)));
	check_patch(&n.node);
	check_record(&n.node);
	wgx_node_free(&n.node);
}

static void check_frame(const char *text)
{
	struct wgx_k8s_event e;

	if (wgx_k8s_event_parse(text, strlen(text), &e))
		return;
	assert_true(json_is_object(e.object));
	assert_true(wgx_k8s_name(e.object) == NULL ||
		    !wgx_node_name_problem(wgx_k8s_name(e.object)));
	check_object(e.object);
	json_decref(e.root);
}

/* ---- frames ---- */

/* The next line of @b that is no empty one, as a text for free(); NULL: there is no whole one */
static char *next_line(struct bytes *b)
{
	const uint8_t *end;

	while ((end = b->left ? memchr(b->p, '\n', b->left) : NULL)) {
		size_t len = (size_t)(end - b->p), n;
		char *line = calloc(1, len + 1);

		assert_non_null(line);
		memcpy(line, b->p, len);
		b->left -= len + 1;
		b->p = end + 1;
		n = len && line[len - 1] == '\r' ? len - 1 : len;
		line[n] = '\0';
		if (*line)
			return line;
		free(line);
	}
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes b = {data, size}, whole;
	struct wgx_k8s_frames f = {0};
	uint8_t cut = take_u8(&b);
	char *want, *got;
	size_t at;

	whole = b;
	for (size_t len; b.left; cut = (uint8_t)(cut * 5 + 1)) {
		uint8_t *piece = take_copy(&b, 1 + cut % 64, &len);

		assert_int_equal(wgx_k8s_frames_add(&f, piece, len), 0);
		free(piece);
		for (at = 0; (got = wgx_k8s_frames_next(&f, &at));) {
			want = next_line(&whole);
			assert_non_null(want);
			assert_string_equal(got, want);
			check_frame(got);
			free(want);
		}
		wgx_k8s_frames_drop(&f, at);
	}
	want = next_line(&whole);
	assert_null(want);
	wgx_k8s_frames_free(&f);
	return 0;
}
