/* SPDX-License-Identifier: MIT */
/*
 * The Kubernetes registry with an API server that answers what it likes, when it likes: lists, pages, watches cut
 * anywhere, statuses, silence. An input is a story; HTTP itself is libcurl's, and what would send a request is put in
 * its place here. Checked: one list or watch at a time, at addresses that are one; what is told of nodes is within its
 * bounds and in order; only what the server has taken counts as published; and there is always a next turn.
 */
#include <ctype.h>
#include <sodium.h>
#include <stdio.h>

#include "agent/http.h"
#include "agent/k8s_stream.h"
#include "daemon/log.h"
#include "device/device.h"

/* time and chance are the story's */
static uint64_t now_ms;
static uint64_t story_clock(clockid_t clock);
static uint32_t story_chance(void);
#define wgx_clock_ms story_clock
#define randombytes_random story_chance
#define randombytes_uniform(below) ((below) / 2)
#include "agent/registry_k8s.c"
#undef wgx_clock_ms
#undef randombytes_random
#undef randombytes_uniform

#include "fuzz/fuzz.h"

#define STEPS 200
#define NODES 8

static uint64_t story_clock(clockid_t clock)
{
	return now_ms;
}

static uint32_t story_chance(void)
{
	return 0x80000000u;
}

/* ---- requests ---- */

struct wgx_http_request {
	struct wgx_http_ask ask;
	bool opened;
};

static unsigned int requests;

/* A path is what it is: nothing that a server has said may change the request. */
static void check_path(const char *path)
{
	assert_int_equal(path[0], '/');
	for (; *path; path++)
		assert_true((unsigned char)*path > ' ' && (unsigned char)*path < 0x7f);
}

/* The parameters of a query are those that we know, each once. */
static void check_query(const char *path)
{
	static const char *const known[] = {
		"limit=",	    "continue=",      "watch=true", "allowWatchBookmarks=true",
		"resourceVersion=", "timeoutSeconds="};
	unsigned int found = 0;
	const char *p = strchr(path, '?');

	while (p && *p) {
		size_t i = 0;

		p++;
		while (i < 6 && strncmp(p, known[i], strlen(known[i])) != 0)
			i++;
		assert_true(i < 6);
		assert_false(found & 1u << i);
		found |= 1u << i;
		p = strchr(p, '&');
	}
}

struct wgx_http_request *wgx_http_send(struct wgx_http *h, const struct wgx_http_ask *ask)
{
	struct wgx_http_request *q = calloc(1, sizeof(*q));

	assert_non_null(q);
	check_path(ask->path);
	check_query(ask->path);
	if (ask->body) {
		json_t *o = json_loads(ask->body, JSON_REJECT_DUPLICATES, NULL);

		assert_true(json_is_object(o));
		json_decref(o);
	}
	q->ask = *ask;
	q->ask.path = q->ask.body = q->ask.type = NULL; /* are the caller's */
	requests++;
	return q;
}

void wgx_http_cancel(struct wgx_http_request *q)
{
	requests -= q != NULL;
	free(q);
}

struct wgx_http *wgx_http_open(const struct wgx_kube *kube, int epoll_fd)
{
	return NULL;
}

void wgx_http_close(struct wgx_http *h)
{
}

int wgx_http_run(struct wgx_http *h)
{
	return -1;
}

void wgx_http_stale(struct wgx_http *h)
{
}

/* As libcurl does it */
char *wgx_http_escape(const char *text)
{
	char *escaped = malloc(3 * strlen(text) + 1), *p = escaped;

	assert_non_null(escaped);
	for (; *text; text++)
		if (isalnum((unsigned char)*text) || strchr("-._~", *text))
			*p++ = *text;
		else
			p += sprintf(p, "%%%02X", (unsigned char)*text);
	*p = '\0';
	return escaped;
}

/* ---- what is told ---- */

struct told {
	bool synced, begun;
	unsigned int published;
};

static void check_node(const struct wgx_node *n)
{
	assert_null(wgx_node_name_problem(n->name));
	assert_true(n->n_endpoints <= WGX_NODE_ENDPOINTS && n->n_cidrs <= WGX_NODE_CIDRS &&
		    n->n_seen <= WGX_NODE_SEEN);
	assert_true(!n->has_key || wgx_node_key_usable(n->key));
}

static void on_begin(void *arg)
{
	((struct told *)arg)->begun = true;
}

/* Before the first list nobody is told of anybody. */
static void on_upsert(void *arg, const struct wgx_node *n)
{
	assert_true(((struct told *)arg)->begun);
	check_node(n);
	assert_string_not_equal(n->name, "self");
}

static void on_refuse(void *arg, const char *name, const char *problem)
{
	assert_true(((struct told *)arg)->begun);
	assert_null(wgx_node_name_problem(name));
	assert_true(*problem);
	for (; *problem; problem++)
		assert_true((unsigned char)*problem >= ' ' && *problem != 0x7f);
}

static void on_self(void *arg, const struct wgx_node *n, const struct wgx_endpoint *internal,
		    size_t n_internal, const struct wgx_endpoint *external, size_t n_external)
{
	check_node(n);
	assert_string_equal(n->name, "self");
	assert_true(n_internal <= WGX_NODE_ENDPOINTS && n_external <= WGX_NODE_ENDPOINTS);
}

static void on_published(void *arg)
{
	((struct told *)arg)->published++;
}

static void on_remove(void *arg, const char *name)
{
	assert_true(((struct told *)arg)->begun);
	assert_null(wgx_node_name_problem(name));
}

static void on_synced(void *arg)
{
	struct told *t = arg;

	assert_true(t->begun);
	t->synced = true;
}

static void on_lost(void *arg, const char *why)
{
	assert_true(*why);
	((struct told *)arg)->synced = false;
}

static const struct wgx_registry_events events_of_story = {
	.begin = on_begin,
	.upsert = on_upsert,
	.refuse = on_refuse,
	.self = on_self,
	.published = on_published,
	.remove = on_remove,
	.synced = on_synced,
	.lost = on_lost,
};

/* ---- a story ---- */

static struct wgx_node selves[2];
static const char *texts[NODES];

static json_t *json(const char *text)
{
	json_t *o = json_loads(text, 0, NULL);

	assert_non_null(o);
	return o;
}

static void fuzz_begin(void)
{
	uint8_t secret[WGX_KEY_LEN] = {8, [31] = 64};

	assert_true(sodium_init() >= 0);
	setenv("WGX_LOG", "err", 1);
	wgx_log_init(false);
	for (int i = 0; i < 2; i++) {
		wgx_node_set_name(&selves[i], "self");
		secret[1] = (uint8_t)i;
		crypto_scalarmult_base(selves[i].key, secret);
		selves[i].has_key = true;
	}
	texts[0] =
		"{\"metadata\":{\"name\":\"self\",\"uid\":\"1\",\"resourceVersion\":\"5\"},"
		"\"status\":{\"addresses\":[{\"type\":\"InternalIP\",\"address\":\"192.0.2.1\"}]}}";
	texts[1] = "{\"metadata\":{\"name\":\"node-b\",\"resourceVersion\":\"6\",\"annotations\":{"
		   "\"wgx.dev/public-key\":\"hP0cki/4tEhMN3+Etsf7RWYz5WxB0cFFjiQ5AJ1SQAM=\","
		   "\"wgx.dev/endpoints\":\"192.0.2.2:51820\"}},\"spec\":{\"podCIDR\":"
		   "\"10.244.2.0/24\"}}";
	texts[2] = "{\"metadata\":{\"name\":\"node-c\",\"resourceVersion\":\"7&x=1\"}}";
	texts[3] = "{\"metadata\":{\"name\":\"node-d\",\"annotations\":{\"wgx.dev/public-key\":"
		   "\"x\"}}}";
	texts[4] = "{\"metadata\":{\"name\":\"self\",\"uid\":\"2\",\"annotations\":{"
		   "\"wgx.dev/endpoints\":1}}}";
	texts[5] = "{\"code\":410,\"message\":\"too old\"}";
	texts[6] = "{\"metadata\":{\"resourceVersion\":\"9\"}}";
	texts[7] = "{}";
}

/* What the server says of Nodes: those that the story knows, or bytes of its own */
static char *list_text(struct bytes *b)
{
	uint8_t what = take_u8(b), n = take_u8(b) % 5;
	json_t *items = json_array(), *o;
	char *text, version[2] = {(char)(' ' + take_u8(b) % 95), 0};

	while (n--)
		json_array_append_new(items, json(texts[take_u8(b) % NODES]));
	o = json_pack("{s:{s:s*, s:s*}, s:o}", "metadata", "resourceVersion",
		      what & 1	 ? "100"
		      : what & 2 ? version
				 : NULL,
		      "continue", what & 4 ? "next&page" : NULL, "items", items);
	text = o ? json_dumps(o, JSON_COMPACT) : strdup("{");
	json_decref(o);
	assert_non_null(text);
	return text;
}

static char *own_text(struct bytes *b, size_t *ret_len)
{
	size_t len;
	uint8_t *copy = take_copy(b, take_u16(b) % 1024, &len);
	char *text = malloc(len + 1);

	assert_non_null(text);
	memcpy(text, copy, len);
	text[len] = '\0';
	free(copy);
	*ret_len = len;
	return text;
}

static void end(struct wgx_http_request **at, struct bytes *b)
{
	static const long statuses[] = {200, 0, 201, 400, 401, 404, 410, 429, 500, 503};
	struct wgx_http_request *q = *at;
	uint8_t how = take_u8(b);
	struct wgx_http_answer a = {.status = statuses[how % 10],
				    .retry_after = how & 0x80 ? take_u16(b) : 0};
	struct wgx_http_ask ask;
	size_t len;
	char *text;

	if (!q)
		return;
	text = how & 0x40 ? own_text(b, &len) : list_text(b);
	a.body = text;
	a.len = how & 0x40 ? len : strlen(text);
	if (!a.status) {
		a.error = how & 0x20 ? "it is gone" : NULL;
		a.body = "";
		a.len = 0;
	}
	ask = q->ask;
	free(q);
	requests--;
	ask.on_end(ask.arg, &a);
	free(text);
}

/* A piece of a watch. One that is not taken ends the request, as libcurl does. */
static void data(struct k8s_registry *k, struct bytes *b)
{
	static const char *const types[] = {"ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"};
	struct wgx_http_request *q = k->request;
	const struct wgx_http_answer a = {.error = "aborted", .body = ""};
	struct wgx_http_ask ask;
	uint8_t what = take_u8(b);
	size_t len;
	char *text;

	if (!q || !q->ask.on_data)
		return;
	if (!q->opened && q->ask.on_open)
		q->ask.on_open(q->ask.arg);
	q->opened = true;
	if (what & 0x80) {
		text = own_text(b, &len);
	} else {
		assert_true(asprintf(&text, "{\"type\":\"%s\",\"object\":%s}\n", types[what % 5],
				     texts[what / 5 % NODES]) > 0);
		len = strlen(text);
	}
	ask = q->ask;
	if (!ask.on_data(ask.arg, text, len)) {
		assert_ptr_equal(k->request, q);
		free(q);
		requests--;
		ask.on_end(ask.arg, &a);
	}
	free(text);
}

static void check(struct k8s_registry *k, const struct told *t)
{
	assert_int_equal(requests, !!k->request + !!k->patch + !!k->event);
	if (k->listed)
		assert_true(t->begun && k->version);
}

static void step(struct k8s_registry *k, struct told *t, struct bytes *b)
{
	uint8_t what = take_u8(b);
	unsigned int published = t->published;
	int ms;

	switch (what % 8) {
	case 0:
	case 1:
		now_ms += (uint64_t)(what / 8) * (what & 0x80 ? 20000 : 250);
		ms = run(&k->base);
		assert_in_range(ms + 1, 0, 60001);
		break;
	case 2:
		end(&k->request, b);
		break;
	case 3:
	case 4:
		data(k, b);
		break;
	case 5:
		end(&k->patch, b);
		assert_true(t->published - published <= 1);
		break;
	case 6:
		if (!publish(&k->base, &selves[what / 8 % 2]))
			assert_true(t->published || is_wanted(k, &selves[what / 8 % 2]));
		break;
	default:
		if (what & 0x80)
			end(&k->event, b);
		else
			report(&k->base, "Refused", "a \"text\"\x1b of another");
	}
	check(k, t);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	struct k8s_registry *k = calloc(1, sizeof(*k));
	struct wgx_registry_events events = events_of_story;
	struct bytes b = {bytes, size};
	struct told t = {0};

	assert_non_null(k);
	now_ms = 1000000;
	events.arg = &t;
	k->base.events = &events;
	k->kube.server = strdup("https://api:6443");
	snprintf(k->node, sizeof(k->node), "self");
	for (unsigned int i = 0; i < STEPS && b.left; i++)
		step(k, &t, &b);
	free_registry(&k->base);
	assert_int_equal(requests, 0);
	return 0;
}
