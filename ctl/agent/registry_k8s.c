/* SPDX-License-Identifier: MIT */
/*
 * The Kubernetes registry: Nodes, listed and watched; what a node says of itself is in annotations of its Node.
 *
 *	list, in pages ──► watch from its resourceVersion ──► watch again from the last one that was told
 *	  ▲                       │
 *	  └── 410 Gone, silence, half an hour to an hour, an error ──┘
 *
 * A list is compared with what is known (members.c), so that nothing is ever emptied by a new one.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

#include "agent/http.h"
#include "agent/k8s_stream.h"
#include "agent/registry.h"
#include "daemon/log.h"
#include "device/device.h"
#include "quick/resolve.h"

#define PAGE 500
#define LIST_TIMEOUT_S 60
#define PATCH_TIMEOUT_S 30
#define SILENCE_MS \
	180000 /* bookmarks come each minute: a version of the future is watched in silence */
#define SHORT_MS 5000 /* a watch that ends before, and tells nothing, has failed */
#define RELIST_MS 1800000 /* and as much again by chance */
/*
 * After an outage a list is due as well: etcd may have been restored to an earlier state, and what has changed since is
 * not told to a watch from a later one. Not before all have found back and published themselves, and not all at once.
 */
#define REPAIR_MS 35000
#define REPAIR_SPREAD_MS 60000
#define EVENTS_MAX 16

struct k8s_event {
	char reason[32], text[512];
};

struct k8s_registry {
	struct wgx_registry base;
	struct wgx_kube kube;
	struct wgx_http *http;
	char node[WGX_NODE_NAME_MAX + 1];
	/* list and watch: one of them at a time, or neither, until @next */
	struct wgx_http_request *request;
	bool watching, listed; /* @listed: a list was whole, and a watch may go on from @version */
	char *version, *page; /* resourceVersion; continue, NULL: the first page */
	struct wgx_k8s_frames frames;
	struct wgx_k8s_backoff backoff;
	uint64_t next, began, opened, heard, relist; /* @opened 0: not yet */
	bool down; /* lost() was told, and no synced() since */
	bool told,
		again; /* @told: the watch has told something; @again: it said that a list is needed */
	/* this node */
	struct wgx_http_request *patch;
	struct wgx_node wanted; /* to be published */
	bool wants, patched; /* @patched: @wanted is what the API server has */
	struct wgx_k8s_backoff patch_backoff;
	uint64_t patch_next;
	char uid[64];
	/* Events */
	struct wgx_http_request *event;
	struct k8s_event events[EVENTS_MAX];
	size_t n_events;
};

static struct k8s_registry *of(struct wgx_registry *r)
{
	return (struct k8s_registry *)r;
}

static bool set_text(char **to, const char *text)
{
	char *copy = text ? strdup(text) : NULL;

	free(*to);
	*to = copy;
	return copy;
}

/* ---- failures ---- */

/* What of a Status object is for people */
static void explain(const struct wgx_http_answer *a, char *why, size_t size)
{
	json_t *o = a->status ? json_loadb(a->body, a->len, 0, NULL) : NULL;
	const char *message = json_string_value(json_object_get(o, "message"));

	if (!a->status)
		snprintf(why, size, "%s", a->error ? a->error : "no answer");
	else
		snprintf(why, size, "HTTP status %ld%s%.200s", a->status, message ? ": " : "",
			 message ? message : "");
	json_decref(o);
}

static void fail(struct k8s_registry *k, const char *why, uint32_t retry_after)
{
	uint64_t now = wgx_clock_ms(CLOCK_BOOTTIME);
	char text[512];

	k->request = NULL;
	k->next = now + wgx_k8s_backoff_failed(&k->backoff, now, randombytes_random(), retry_after);
	k->down = true;
	snprintf(text, sizeof(text), "%s: %s", k->kube.server, why);
	k->base.events->lost(k->base.events->arg, text);
}

static void fail_answer(struct k8s_registry *k, const struct wgx_http_answer *a)
{
	char why[400];

	if (a->status == 401)
		wgx_http_stale(k->http);
	explain(a, why, sizeof(why));
	fail(k, why, a->retry_after);
}

/* ---- what is told ---- */

/* Is what @n says of itself what is to be published? Its networks are not for us to say. */
static bool is_wanted(const struct k8s_registry *k, const struct wgx_node *n)
{
	struct wgx_node said = *n;

	said.n_cidrs = k->wanted.n_cidrs;
	memcpy(said.cidrs, k->wanted.cidrs, sizeof(said.cidrs));
	return k->wants && wgx_node_equal(&said, &k->wanted);
}

/* Our record is as we published it, and no other Node has taken our name. */
static void look_at_self(struct k8s_registry *k, const struct wgx_k8s_node *n)
{
	bool same = !k->uid[0] || !strcmp(k->uid, n->uid);

	snprintf(k->uid, sizeof(k->uid), "%s", n->uid);
	if (k->wants && !k->patch)
		k->patched = same && is_wanted(k, &n->node);
}

static void take_node(struct k8s_registry *k, const json_t *object)
{
	const struct wgx_registry_events *e = k->base.events;
	const char *name = wgx_k8s_name(object);
	struct wgx_k8s_node n;
	char problem[256];

	if (!name)
		return;
	if (wgx_k8s_node_parse(object, &n, problem, sizeof(problem))) {
		if (!strcmp(name, k->node) && !k->patch)
			k->patched = false; /* whoever has broken our annotations */
		e->refuse(e->arg, name, problem);
		return;
	}
	if (!strcmp(name, k->node)) {
		look_at_self(k, &n);
		e->self(e->arg, &n.node, n.internal, n.n_internal, n.external, n.n_external);
	} else {
		e->upsert(e->arg, &n.node);
	}
	wgx_node_free(&n.node);
}

/* ---- list ---- */

static void list(struct k8s_registry *k);

/* Return: was it a list? */
static bool take_page(struct k8s_registry *k, const json_t *o)
{
	const json_t *meta = json_object_get(o, "metadata"), *item;
	const json_t *items = json_object_get(o, "items");
	const char *version = json_string_value(json_object_get(meta, "resourceVersion"));
	const char *page = json_string_value(json_object_get(meta, "continue"));
	size_t i;

	if (!version || (items && !json_is_array(items) && !json_is_null(items)))
		return false;
	if (!k->page)
		k->base.events->begin(k->base.events->arg);
	json_array_foreach(items, i, item)
		take_node(k, item);
	set_text(&k->version, version);
	set_text(&k->page, page && *page ? page : NULL);
	return true;
}

static void list_ended(void *arg, const struct wgx_http_answer *a)
{
	struct k8s_registry *k = arg;
	json_t *o = a->status == 200 ? json_loadb(a->body, a->len, 0, NULL) : NULL;
	bool ok = o && take_page(k, o);

	json_decref(o);
	k->request = NULL;
	if (!ok) {
		set_text(&k->page, NULL);
		if (a->status == 200)
			fail(k, "what it lists is no list of Nodes", 0);
		else
			fail_answer(k, a);
		return;
	}
	k->next = 0;
	if (k->page)
		return; /* the next page, at once */
	k->listed = true;
	k->down = false;
	k->relist = wgx_clock_ms(CLOCK_BOOTTIME) + RELIST_MS + randombytes_uniform(RELIST_MS);
	k->base.events->synced(k->base.events->arg);
}

static void list(struct k8s_registry *k)
{
	char *escaped = k->page ? wgx_http_escape(k->page) : NULL, *path;
	int n = asprintf(&path, "/api/v1/nodes?limit=%d%s%s", PAGE, escaped ? "&continue=" : "",
			 escaped ? escaped : "");

	free(escaped);
	k->watching = k->listed = false;
	k->request = n < 0 ? NULL
			   : wgx_http_send(k->http, &(struct wgx_http_ask){
							    .method = "GET",
							    .path = path,
							    .on_end = list_ended,
							    .arg = k,
							    .timeout_s = LIST_TIMEOUT_S,
						    });
	if (n >= 0)
		free(path);
	if (!k->request)
		fail(k, "no memory left", 0);
}

/* ---- watch ---- */

/* Return: does the watch go on? */
static bool take_event(struct k8s_registry *k, const struct wgx_k8s_event *e)
{
	const char *name = wgx_k8s_name(e->object);

	switch (e->type) {
	case WGX_K8S_UPSERT:
		take_node(k, e->object);
		break;
	case WGX_K8S_DELETED:
		if (name)
			k->base.events->remove(k->base.events->arg, name);
		break;
	case WGX_K8S_ERROR:
		wgx_log(WGX_LOG_DEBUG, "watch: error %d: a list is needed", e->code);
		k->again = true;
		return false;
	default:
		break;
	}
	if (e->version)
		set_text(&k->version, e->version);
	k->told = true;
	return true;
}

static bool take_frame(struct k8s_registry *k, const char *text)
{
	struct wgx_k8s_event e;
	bool more;

	if (wgx_k8s_event_parse(text, strlen(text), &e)) {
		k->again = true; /* one that is missing would be missing for ever */
		return false;
	}
	more = take_event(k, &e);
	json_decref(e.root);
	return more;
}

/* It answers again. What this node has published may be gone: a patch that changes nothing costs nothing. */
static void resume(struct k8s_registry *k)
{
	uint64_t repair =
		wgx_clock_ms(CLOCK_BOOTTIME) + REPAIR_MS + randombytes_uniform(REPAIR_SPREAD_MS);

	k->down = false;
	k->patched = false;
	k->patch_next = 0;
	if (repair < k->relist)
		k->relist = repair;
	k->base.events->synced(k->base.events->arg);
}

static void watch_open(void *arg)
{
	struct k8s_registry *k = arg;

	k->opened = k->heard = wgx_clock_ms(CLOCK_BOOTTIME);
}

static bool watch_data(void *arg, const void *data, size_t len)
{
	struct k8s_registry *k = arg;
	size_t at = 0;
	char *text;
	bool more = true;

	k->heard = wgx_clock_ms(CLOCK_BOOTTIME);
	wgx_k8s_backoff_healthy(&k->backoff, k->heard);
	if (wgx_k8s_frames_add(&k->frames, data, len)) {
		k->again = true;
		return false;
	}
	while (more && (text = wgx_k8s_frames_next(&k->frames, &at)))
		more = take_frame(k, text);
	wgx_k8s_frames_drop(&k->frames, at);
	if (more && k->down && k->told)
		resume(k);
	return more;
}

static void watch_ended(void *arg, const struct wgx_http_answer *a)
{
	struct k8s_registry *k = arg;
	uint64_t now = wgx_clock_ms(CLOCK_BOOTTIME);

	k->request = NULL;
	wgx_k8s_frames_free(&k->frames);
	if (k->again || a->status == 410) {
		k->listed = false;
		k->next = now + wgx_k8s_backoff_failed(&k->backoff, now, randombytes_random(),
						       a->retry_after);
	} else if (a->status != 200) {
		fail_answer(k, a);
	} else if (!k->told && now < k->began + SHORT_MS) {
		fail(k, "its watch ends at once", a->retry_after);
	} else {
		k->next = 0; /* its time was over */
	}
}

static void watch(struct k8s_registry *k)
{
	char *version = wgx_http_escape(k->version), *path = NULL;

	k->watching = true;
	k->told = k->again = false;
	k->began = k->heard = wgx_clock_ms(CLOCK_BOOTTIME);
	k->opened = 0;
	if (version &&
	    asprintf(&path,
		     "/api/v1/nodes?watch=true&allowWatchBookmarks=true&resourceVersion=%s"
		     "&timeoutSeconds=%u",
		     version, 300 + randombytes_uniform(300)) < 0)
		path = NULL;
	free(version);
	k->request = path ? wgx_http_send(k->http,
					  &(struct wgx_http_ask){
						  .method = "GET",
						  .path = path,
						  .on_open = watch_open,
						  .on_data = watch_data,
						  .on_end = watch_ended,
						  .arg = k,
					  })
			  : NULL;
	free(path);
	if (!k->request)
		fail(k, "no memory left", 0);
}

/* It hangs, or has gone on for long enough: nobody knows what it has missed. */
static void end_watch(struct k8s_registry *k)
{
	wgx_http_cancel(k->request);
	wgx_k8s_frames_free(&k->frames);
	k->request = NULL;
	k->listed = false;
	k->next = 0;
}

/* ---- publishing ---- */

static void patch_ended(void *arg, const struct wgx_http_answer *a)
{
	struct k8s_registry *k = arg;
	uint64_t now = wgx_clock_ms(CLOCK_BOOTTIME);
	char why[400];

	k->patch = NULL;
	if (a->status == 200) {
		k->patched = true;
		k->patch_backoff.failures = 0;
		k->base.events->published(k->base.events->arg);
		return;
	}
	if (a->status == 401)
		wgx_http_stale(k->http);
	k->patch_next = now + wgx_k8s_backoff_failed(&k->patch_backoff, now, randombytes_random(),
						     a->retry_after);
	explain(a, why, sizeof(why));
	if (k->patch_backoff.failures == 1 || !(k->patch_backoff.failures % 20))
		wgx_log(WGX_LOG_WARN, "cannot publish this node: %s: %s",
			a->status == 404 ? "it has no Node" : k->kube.server, why);
}

static void patch(struct k8s_registry *k)
{
	json_t *o = wgx_k8s_node_patch(&k->wanted);
	char *body = o ? json_dumps(o, JSON_COMPACT) : NULL;
	char path[WGX_NODE_NAME_MAX + 64];

	snprintf(path, sizeof(path), "/api/v1/nodes/%s/status", k->wanted.name);
	if (body)
		k->patch = wgx_http_send(k->http, &(struct wgx_http_ask){
							  .method = "PATCH",
							  .path = path,
							  .type = "application/merge-patch+json",
							  .body = body,
							  .on_end = patch_ended,
							  .arg = k,
							  .timeout_s = PATCH_TIMEOUT_S,
						  });
	k->patch_next = wgx_clock_ms(CLOCK_BOOTTIME) + 1000;
	json_decref(o);
	free(body);
}

/* 0 only once the API server has it: until then the caller asks again. */
static int publish(struct wgx_registry *r, const struct wgx_node *self)
{
	struct k8s_registry *k = of(r);
	struct wgx_node copy;

	if (!is_wanted(k, self)) {
		if (wgx_node_copy(&copy, self))
			return -ENOMEM;
		/* one that is on its way says something else: it may arrive first, and is then changed */
		wgx_http_cancel(k->patch);
		k->patch = NULL;
		wgx_node_free(&k->wanted);
		k->wanted = copy;
		k->wants = true;
		k->patched = false;
		k->patch_next = 0;
	}
	return k->patched ? 0 : -EINPROGRESS;
}

/* ---- Events on the Node ---- */

static void event_ended(void *arg, const struct wgx_http_answer *a)
{
	struct k8s_registry *k = arg;

	k->event = NULL;
	if (a->status != 201)
		wgx_log(WGX_LOG_DEBUG, "an Event was not taken: status %ld", a->status);
}

static json_t *event_json(const struct k8s_registry *k, const struct k8s_event *e)
{
	time_t now = time(NULL);
	struct tm tm;
	char stamp[32];

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
	return json_pack("{s:s, s:s, s:{s:s, s:s}, s:{s:s, s:s, s:s, s:s}, s:s, s:s, s:s, s:{s:s, "
			 "s:s}, s:s, "
			 "s:s, s:i}",
			 "apiVersion", "v1", "kind", "Event", "metadata", "generateName",
			 "wgx-agent-", "namespace", "default", "involvedObject", "apiVersion", "v1",
			 "kind", "Node", "name", k->node, "uid", k->uid[0] ? k->uid : k->node,
			 "reason", e->reason, "message", e->text, "type", "Warning", "source",
			 "component", "wgx-agent", "host", k->node, "firstTimestamp", stamp,
			 "lastTimestamp", stamp, "count", 1);
}

static void send_event(struct k8s_registry *k)
{
	json_t *o = event_json(k, &k->events[0]);
	char *body = o ? json_dumps(o, JSON_COMPACT) : NULL;

	if (body)
		k->event =
			wgx_http_send(k->http, &(struct wgx_http_ask){
						       .method = "POST",
						       .path = "/api/v1/namespaces/default/events",
						       .type = "application/json",
						       .body = body,
						       .on_end = event_ended,
						       .arg = k,
						       .timeout_s = PATCH_TIMEOUT_S,
					       });
	k->n_events--;
	memmove(k->events, k->events + 1, k->n_events * sizeof(k->events[0]));
	json_decref(o);
	free(body);
}

static void report(struct wgx_registry *r, const char *reason, const char *text)
{
	struct k8s_registry *k = of(r);
	struct k8s_event *e;

	if (k->n_events == EVENTS_MAX)
		return;
	e = &k->events[k->n_events++];
	snprintf(e->reason, sizeof(e->reason), "%s", reason);
	snprintf(e->text, sizeof(e->text), "%s", text);
}

/* ---- the loop ---- */

/* When a watch that says nothing is believed: until then it may be one that ends at once. */
static uint64_t believed(const struct k8s_registry *k)
{
	return k->request && k->watching && k->down && k->opened ? k->opened + SHORT_MS
								 : UINT64_MAX;
}

static void go_on(struct k8s_registry *k, uint64_t now)
{
	if (now >= believed(k))
		resume(k);
	if (k->request && k->watching && (now >= k->heard + SILENCE_MS || now >= k->relist))
		end_watch(k);
	if (!k->request && now >= k->next) {
		if (k->listed)
			watch(k);
		else
			list(k);
	}
	if (k->wants && !k->patched && !k->patch && now >= k->patch_next)
		patch(k);
	if (k->n_events && !k->event && k->listed)
		send_event(k);
}

static int sooner(int ms, uint64_t at, uint64_t now)
{
	uint64_t wait = at > now ? at - now : 0;

	return ms >= 0 && (uint64_t)ms < wait ? ms : wait > 60000 ? 60000 : (int)wait;
}

static int run(struct wgx_registry *r)
{
	struct k8s_registry *k = of(r);
	uint64_t now = wgx_clock_ms(CLOCK_BOOTTIME);
	int ms;

	go_on(k, now);
	ms = wgx_http_run(k->http);
	now = wgx_clock_ms(CLOCK_BOOTTIME);
	if (!k->request)
		return sooner(ms, k->next, now);
	if (k->watching) {
		ms = sooner(ms, k->heard + SILENCE_MS, now);
		ms = sooner(ms, k->relist, now);
		ms = sooner(ms, believed(k), now);
	}
	return k->wants && !k->patched && !k->patch ? sooner(ms, k->patch_next, now) : ms;
}

static int start(struct wgx_registry *r)
{
	return 0;
}

static void free_registry(struct wgx_registry *r)
{
	struct k8s_registry *k = of(r);

	wgx_http_cancel(k->request);
	wgx_http_cancel(k->patch);
	wgx_http_cancel(k->event);
	wgx_http_close(k->http);
	wgx_kube_free(&k->kube);
	wgx_k8s_frames_free(&k->frames);
	wgx_node_free(&k->wanted);
	free(k->version);
	free(k->page);
	free(k);
}

size_t wgx_registry_k8s_addresses(const struct wgx_registry *r, struct wgx_endpoint *ret,
				  size_t max)
{
	const struct k8s_registry *k = (const struct k8s_registry *)r;
	struct wgx_resolved resolved;
	size_t n = 0;

	if (wgx_resolve(k->kube.host, 443, &resolved))
		return 0;
	for (; n < resolved.n && n < max; n++)
		ret[n] = resolved.items[n];
	return n;
}

struct wgx_registry *wgx_registry_k8s(const char *kubeconfig, const char *node, int epoll_fd,
				      const struct wgx_registry_events *events, char *error,
				      size_t size)
{
	static const struct wgx_registry_ops ops = {
		.name = "kubernetes",
		.start = start,
		.publish = publish,
		.report = report,
		.run = run,
		.free = free_registry,
	};
	struct k8s_registry *k = calloc(1, sizeof(*k));
	int err;

	snprintf(error, size, "no memory left");
	if (!k)
		return NULL;
	k->base = (struct wgx_registry){.ops = &ops, .events = events, .epoll_fd = epoll_fd};
	snprintf(k->node, sizeof(k->node), "%s", node);
	if (kubeconfig) {
		err = wgx_kube_load(kubeconfig, &k->kube, error, size);
	} else {
		err = wgx_kube_in_cluster(&k->kube);
		if (err == -ENOENT)
			snprintf(error, size, "this is no pod of a cluster: say --kubeconfig");
	}
	if (!err)
		k->http = wgx_http_open(&k->kube, epoll_fd);
	if (k->http)
		return &k->base;
	wgx_kube_free(&k->kube);
	free(k);
	return NULL;
}
