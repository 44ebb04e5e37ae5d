/* SPDX-License-Identifier: MIT */
#include "daemon/news.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "daemon/drops.h"
#include "device/device.h"
#include "proto/key_text.h"

static const char *const events[] = {
#define X(name, event) [WGX_NEWS_##name] = event,
	WGX_NEWS_TYPES(X)
#undef X
};

int wgx_news_init(struct wgx_news *n)
{
	*n = (struct wgx_news){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	pthread_mutex_init(&n->lock, NULL);
	return n->fd < 0 ? -errno : 0;
}

void wgx_news_free(struct wgx_news *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
	free(n->ring);
	n->ring = NULL;
}

int wgx_news_listen(struct wgx_news *n, uint64_t *ret_cursor)
{
	int err = 0;

	pthread_mutex_lock(&n->lock);
	if (!n->ring)
		n->ring = calloc(WGX_NEWS_MAX, sizeof(*n->ring));
	if (n->ring)
		*ret_cursor = n->end;
	else
		err = -ENOMEM;
	pthread_mutex_unlock(&n->lock);
	if (!err)
		atomic_fetch_add(&n->listeners, 1);
	return err;
}

void wgx_news_leave(struct wgx_news *n)
{
	if (atomic_fetch_sub(&n->listeners, 1) != 1)
		return;
	pthread_mutex_lock(&n->lock);
	free(n->ring);
	n->ring = NULL;
	pthread_mutex_unlock(&n->lock);
}

void wgx_news_add(struct wgx_news *n, const struct wgx_news_item *item)
{
	const uint64_t one = 1, now = wgx_clock_ns(CLOCK_REALTIME);
	struct wgx_news_item *slot;

	if (!wgx_news_wanted(n))
		return;
	pthread_mutex_lock(&n->lock);
	if (n->ring) {
		slot = &n->ring[n->end++ % WGX_NEWS_MAX];
		*slot = *item;
		slot->real = now;
	}
	pthread_mutex_unlock(&n->lock);
	if (write(n->fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: they know */
}

bool wgx_news_next(struct wgx_news *n, uint64_t *cursor, struct wgx_news_item *ret,
		   uint64_t *ret_missed)
{
	uint64_t oldest, at = *cursor;
	bool there;

	pthread_mutex_lock(&n->lock);
	oldest = n->end > WGX_NEWS_MAX ? n->end - WGX_NEWS_MAX : 0;
	at = at < oldest ? oldest : at;
	there = n->ring && at < n->end;
	if (there)
		*ret = n->ring[at % WGX_NEWS_MAX];
	pthread_mutex_unlock(&n->lock);
	if (!there)
		return false;
	*ret_missed = at - *cursor;
	*cursor = at + 1;
	return true;
}

/* ---- as JSON ---- */

/* To the millisecond: a double holds that. */
static json_t *event_json(const char *event, uint64_t real)
{
	const uint64_t ms = real / 1000000u;
	json_t *o = json_object();

	json_object_set_new(o, "time", json_real((double)ms / 1000));
	json_object_set_new(o, "event", json_string(event));
	return o;
}

static json_t *text_or_null(const char *text)
{
	return *text ? json_string(text) : json_null();
}

static void add_peer(json_t *o, const struct wgx_news_item *i)
{
	char key[WGX_KEY_TEXT_SIZE];

	wgx_key_format(i->public_key, key);
	json_object_set_new(o, "public_key", json_string(key));
	json_object_set_new(o, "name", text_or_null(i->name));
	if (i->type == WGX_NEWS_ENDPOINT || i->type == WGX_NEWS_HANDSHAKE)
		json_object_set_new(o, "endpoint", text_or_null(i->endpoint));
}

static void add_drops(json_t *o, const struct wgx_news_item *i)
{
	json_object_set_new(o, "reason", json_string(wgx_drop_label(i->reason)));
	json_object_set_new(o, "packets", json_integer((json_int_t)i->packets));
	json_object_set_new(o, "seconds", json_integer((json_int_t)i->seconds));
}

json_t *wgx_news_json(const struct wgx_news_item *i)
{
	json_t *o = event_json(events[i->type], i->real);

	if (i->type == WGX_NEWS_DROPS || *i->interface)
		json_object_set_new(o, "interface", text_or_null(i->interface));
	if (*i->device)
		json_object_set_new(o, "device", json_string(i->device));
	if (i->mode)
		json_object_set_new(o, "mode", json_string(i->mode));
	if (i->of_peer)
		add_peer(o, i);
	if (i->type == WGX_NEWS_DROPS)
		add_drops(o, i);
	if (i->type == WGX_NEWS_UP)
		json_object_set_new(o, "listen_port", json_integer(i->port));
	return o;
}

json_t *wgx_news_missed_json(uint64_t missed)
{
	json_t *o = event_json("missed", wgx_clock_ns(CLOCK_REALTIME));

	json_object_set_new(o, "events", json_integer((json_int_t)missed));
	return o;
}
