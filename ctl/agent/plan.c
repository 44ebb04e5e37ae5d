/* SPDX-License-Identifier: MIT */
#include "agent/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "proto/key_text.h"

static struct wgx_step *add_step(struct wgx_plan *p, enum wgx_step_kind kind,
				 const uint8_t key[WGX_KEY_LEN], const char *why)
{
	struct wgx_step *s;

	if (p->n == p->room) {
		size_t room = p->room ? 2 * p->room : 16;

		s = realloc(p->steps, room * sizeof(*s));
		if (!s)
			return NULL;
		p->steps = s;
		p->room = room;
	}
	s = &p->steps[p->n++];
	*s = (struct wgx_step){.kind = kind, .why = why};
	memcpy(s->key, key, sizeof(s->key));
	return s;
}

static struct wgx_step *step_of(struct wgx_plan *p, enum wgx_step_kind kind,
				const struct wgx_want_peer *w, const char *why)
{
	struct wgx_step *s = add_step(p, kind, w->key, why);

	if (s)
		memcpy(s->name, w->member->node.name, sizeof(s->name));
	return s;
}

static bool has_prefix(const struct wgx_prefix *list, size_t n, const struct wgx_prefix *p)
{
	for (size_t i = 0; i < n; i++)
		if (wgx_prefix_equal(&list[i], p))
			return true;
	return false;
}

/* ---- what comes ---- */

static int add_peer(struct wgx_plan *p, const struct wgx_want_peer *w)
{
	static const char *const why[] = {
		[WGX_KEY_CURRENT] = "its node is in the cluster",
		[WGX_KEY_NEXT] = "it is the next key of its node",
		[WGX_KEY_PREVIOUS] = "it was the key of its node until now",
	};
	struct wgx_step *s = step_of(p, WGX_STEP_ADD_PEER, w, why[w->part]);

	if (!s)
		return -ENOMEM;
	s->endpoint = w->endpoint;
	s->keepalive = w->keepalive;
	return 0;
}

static int add_prefixes(struct wgx_plan *p, const struct wgx_want_peer *w,
			const struct wgx_have_peer *h)
{
	for (size_t i = 0; i < w->n_prefixes; i++) {
		struct wgx_step *s;

		if (h && has_prefix(h->prefixes, h->n_prefixes, &w->prefixes[i]))
			continue;
		s = step_of(p, WGX_STEP_ADD_PREFIX, w, "it is a pod CIDR of its node");
		if (!s)
			return -ENOMEM;
		s->prefix = w->prefixes[i];
	}
	return 0;
}

/* ---- what changes ---- */

static bool is_stale(const struct wgx_have_peer *h, int64_t now)
{
	return h->handshake + WGX_PLAN_STALE_S < now;
}

/* NULL: leave it where it is */
static const char *endpoint_reason(const struct wgx_want_peer *w, const struct wgx_have_peer *h,
				   int64_t now)
{
	if (w->endpoint.addr.sa.sa_family == AF_UNSPEC ||
	    wgx_endpoint_same_destination(&w->endpoint, &h->endpoint))
		return NULL;
	if (h->endpoint.addr.sa.sa_family == AF_UNSPEC)
		return "it has none";
	if (!wgx_endpoint_same_destination(&w->endpoint, &w->member->told))
		return "its node has a new one";
	return is_stale(h, now) ? "it does not answer where it was last" : NULL;
}

static int change(struct wgx_plan *p, const struct wgx_want_peer *w, const struct wgx_have_peer *h,
		  int64_t now)
{
	const char *why = endpoint_reason(w, h, now);
	struct wgx_step *s;

	if (why) {
		s = step_of(p, WGX_STEP_SET_ENDPOINT, w, why);
		if (!s)
			return -ENOMEM;
		s->endpoint = w->endpoint;
	}
	if (w->keepalive != h->keepalive) {
		s = step_of(p, WGX_STEP_SET_KEEPALIVE, w, "that is how it is configured");
		if (!s)
			return -ENOMEM;
		s->keepalive = w->keepalive;
	}
	return 0;
}

/* ---- what goes ---- */

static int remove_prefixes(struct wgx_plan *p, const struct wgx_want_peer *w,
			   const struct wgx_have_peer *h)
{
	for (size_t i = 0; i < h->n_prefixes; i++) {
		struct wgx_step *s;

		if (has_prefix(w->prefixes, w->n_prefixes, &h->prefixes[i]))
			continue;
		s = step_of(p, WGX_STEP_REMOVE_PREFIX, w, "it is no pod CIDR of its node");
		if (!s)
			return -ENOMEM;
		s->prefix = h->prefixes[i];
	}
	return 0;
}

static const struct wgx_want_peer *find_wanted(const struct wgx_want *want,
					       const uint8_t key[WGX_KEY_LEN])
{
	size_t low = 0, high = want->n_peers;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(want->peers[middle].key, key, WGX_KEY_LEN);

		if (!order)
			return &want->peers[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* ---- all of it ---- */

static int compare_kinds(const void *a, const void *b)
{
	const struct wgx_step *x = a, *y = b;

	if (x->kind != y->kind)
		return (int)x->kind - (int)y->kind;
	return memcmp(x->key, y->key, WGX_KEY_LEN);
}

static int plan_peer(struct wgx_plan *p, const struct wgx_want_peer *w, const struct wgx_have *have,
		     int64_t now)
{
	const struct wgx_have_peer *h = wgx_have_find(have, w->key);
	int err = h ? change(p, w, h, now) : add_peer(p, w);

	if (!err)
		err = add_prefixes(p, w, h);
	return err || !h ? err : remove_prefixes(p, w, h);
}

int wgx_plan_make(const struct wgx_want *want, const struct wgx_have *have, int64_t now,
		  struct wgx_plan *ret)
{
	struct wgx_plan p = {0};
	int err = 0;

	for (size_t i = 0; i < want->n_peers && !err; i++)
		err = plan_peer(&p, &want->peers[i], have, now);
	for (size_t i = 0; i < have->n_peers && !err; i++)
		if (!find_wanted(want, have->peers[i].key) &&
		    !add_step(&p, WGX_STEP_REMOVE_PEER, have->peers[i].key, "no node has its key"))
			err = -ENOMEM;
	if (err) {
		wgx_plan_free(&p);
		return err;
	}
	if (p.n)
		qsort(p.steps, p.n, sizeof(*p.steps), compare_kinds);
	*ret = p;
	return 0;
}

void wgx_plan_free(struct wgx_plan *p)
{
	free(p->steps);
	*p = (struct wgx_plan){0};
}

/* ---- for the daemon, and for people ---- */

int wgx_step_uapi(const struct wgx_step *s, char *text, size_t size)
{
	char key[2 * WGX_KEY_LEN + 1], endpoint[WGX_ENDPOINT_TEXT], prefix[WGX_PREFIX_TEXT];
	bool has_endpoint = s->endpoint.addr.sa.sa_family != AF_UNSPEC;
	const char *peer = s->kind == WGX_STEP_ADD_PEER ? "" : "update_only=true\n";
	int n = 0;

	sodium_bin2hex(key, sizeof(key), s->key, WGX_KEY_LEN);
	n += snprintf(text, size, "public_key=%s\n%s", key, peer);
	if (has_endpoint && (s->kind == WGX_STEP_ADD_PEER || s->kind == WGX_STEP_SET_ENDPOINT))
		n += snprintf(text + n, size - (size_t)n, "endpoint=%s\n",
			      wgx_endpoint_format(&s->endpoint, endpoint));
	if (s->kind == WGX_STEP_ADD_PEER || s->kind == WGX_STEP_SET_KEEPALIVE)
		n += snprintf(text + n, size - (size_t)n, "persistent_keepalive_interval=%u\n",
			      s->keepalive);
	if (s->kind == WGX_STEP_ADD_PREFIX || s->kind == WGX_STEP_REMOVE_PREFIX)
		n += snprintf(text + n, size - (size_t)n, "allowed_ip=%s%s\n",
			      s->kind == WGX_STEP_REMOVE_PREFIX ? "-" : "",
			      wgx_prefix_format(&s->prefix, prefix));
	if (s->kind == WGX_STEP_REMOVE_PEER)
		n += snprintf(text + n, size - (size_t)n, "remove=true\n");
	return n;
}

const char *wgx_step_text(const struct wgx_step *s, char *text, size_t size)
{
	char key[WGX_KEY_TEXT_SIZE], endpoint[WGX_ENDPOINT_TEXT], prefix[WGX_PREFIX_TEXT] = "";
	char what[WGX_ENDPOINT_TEXT + 48];

	wgx_key_format(s->key, key);
	if (s->prefix.family)
		wgx_prefix_format(&s->prefix, prefix);
	if (s->endpoint.addr.sa.sa_family == AF_UNSPEC)
		snprintf(endpoint, sizeof(endpoint), "none");
	else
		wgx_endpoint_format(&s->endpoint, endpoint);
	switch (s->kind) {
	case WGX_STEP_ADD_PEER:
		snprintf(what, sizeof(what), "add, endpoint %s", endpoint);
		break;
	case WGX_STEP_ADD_PREFIX:
		snprintf(what, sizeof(what), "allow %s", prefix);
		break;
	case WGX_STEP_SET_ENDPOINT:
		snprintf(what, sizeof(what), "endpoint %s", endpoint);
		break;
	case WGX_STEP_SET_KEEPALIVE:
		snprintf(what, sizeof(what), "keepalive %u s", s->keepalive);
		break;
	case WGX_STEP_REMOVE_PREFIX:
		snprintf(what, sizeof(what), "allow %s no more", prefix);
		break;
	case WGX_STEP_REMOVE_PEER:
		snprintf(what, sizeof(what), "remove");
		break;
	}
	snprintf(text, size, "%s%s%s: %s: %s", s->name, *s->name ? " " : "", key, what, s->why);
	return text;
}
