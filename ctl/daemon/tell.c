/* SPDX-License-Identifier: MIT */
/* What happens, told to those who listen (daemon/news.h); and lost packets looked for while somebody does. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include "daemon/drops.h"
#include "daemon/state.h"
#include "device/name.h"

void wgx_tell_interface(struct wgx_served *s, enum wgx_news_type type)
{
	struct wgx_news_item item = {.type = type};

	memcpy(item.interface, s->link.name, sizeof(item.interface));
	if (type == WGX_NEWS_UP)
		item.port = s->path.dev->listen_port;
	wgx_news_add(&s->daemon->news, &item);
}

void wgx_tell_device(struct wgx_daemon *d, enum wgx_news_type type, const char *device,
		     const char *mode)
{
	struct wgx_news_item item = {.type = type, .mode = mode};

	snprintf(item.device, sizeof(item.device), "%s", device);
	wgx_news_add(&d->news, &item);
}

void wgx_tell_peer(struct wgx_served *s, enum wgx_news_type type, const struct wgx_peer *peer)
{
	struct wgx_news_item item = {.type = type, .of_peer = true};
	const char *name = wgx_peer_name(peer);
	struct wgx_endpoint e;

	if (!wgx_news_wanted(&s->daemon->news))
		return;
	memcpy(item.interface, s->link.name, sizeof(item.interface));
	memcpy(item.public_key, peer->session.handshake.remote_static, sizeof(item.public_key));
	snprintf(item.name, sizeof(item.name), "%s", name ? name : "");
	wgx_endpoint_read(&peer->endpoint, &e);
	if (e.addr.sa.sa_family != AF_UNSPEC)
		wgx_endpoint_format(&e, item.endpoint);
	wgx_news_add(&s->daemon->news, &item);
}

/* ---- lost packets ---- */

static void begin_bursts(struct wgx_burst bursts[WGX_DROP_COUNT],
			 const uint64_t counts[WGX_DROP_COUNT])
{
	for (size_t i = 0; i < WGX_DROP_COUNT; i++)
		wgx_burst_begin(&bursts[i], counts[i]);
}

/* @interface: NULL: of none */
static void tell_bursts(struct wgx_daemon *d, const char *interface,
			struct wgx_burst bursts[WGX_DROP_COUNT],
			const uint64_t counts[WGX_DROP_COUNT])
{
	const uint64_t now = wgx_clock_ns(CLOCK_MONOTONIC) / 1000000000u + 1;

	for (size_t i = 0; i < WGX_DROP_COUNT; i++) {
		struct wgx_news_item item = {.type = WGX_NEWS_DROPS,
					     .reason = (enum wgx_drop_reason)i};

		if (!wgx_burst_due(&bursts[i], counts[i], now, &item.packets, &item.seconds))
			continue;
		if (interface)
			snprintf(item.interface, sizeof(item.interface), "%s", interface);
		wgx_news_add(&d->news, &item);
	}
}

static void count_interface(struct wgx_served *s, uint64_t counts[WGX_DROP_COUNT])
{
	wgx_device_lock(s->path.dev);
	wgx_drops_of_interface(s, counts);
	wgx_device_unlock(s->path.dev);
}

static void bursts_due(struct wgx_event *e, uint32_t events)
{
	struct wgx_daemon *d = e->arg;
	uint64_t dummy, counts[WGX_DROP_COUNT];
	struct wgx_served *s;

	if (read(e->fd, &dummy, sizeof(dummy)) < 0)
		return;
	wgx_drops_of_nobody(d, counts);
	tell_bursts(d, NULL, d->bursts, counts);
	cds_list_for_each_entry(s, &d->ifaces, all) {
		count_interface(s, counts);
		tell_bursts(d, s->link.name, s->bursts, counts);
	}
}

static void watch_bursts(struct wgx_daemon *d)
{
	const struct itimerspec second = {.it_interval.tv_sec = 1, .it_value.tv_sec = 1};
	uint64_t counts[WGX_DROP_COUNT];
	struct wgx_served *s;

	wgx_drops_of_nobody(d, counts);
	begin_bursts(d->bursts, counts);
	cds_list_for_each_entry(s, &d->ifaces, all) {
		count_interface(s, counts);
		begin_bursts(s->bursts, counts);
	}
	timerfd_settime(d->bursts_due.fd, 0, &second, NULL);
}

/* ---- listeners ---- */

int wgx_tell_listen(struct wgx_daemon *d, uint64_t *ret_cursor)
{
	bool first = !wgx_news_wanted(&d->news);
	int err = wgx_news_listen(&d->news, ret_cursor);

	if (!err && first)
		watch_bursts(d);
	return err;
}

void wgx_tell_leave(struct wgx_daemon *d)
{
	const struct itimerspec off = {0};

	wgx_news_leave(&d->news);
	if (!wgx_news_wanted(&d->news))
		timerfd_settime(d->bursts_due.fd, 0, &off, NULL);
}

static void news_ready(struct wgx_event *e, uint32_t events)
{
	uint64_t dummy;

	if (read(e->fd, &dummy, sizeof(dummy)) < 0)
		return;
	wgx_control_tell(e->arg);
}

int wgx_tell_start(struct wgx_daemon *d)
{
	int err = wgx_news_init(&d->news);

	if (!err)
		err = wgx_event_add(d->epoll_fd, &d->news_ready, d->news.fd, news_ready, d);
	return err ?: wgx_event_timer(d->epoll_fd, &d->bursts_due, bursts_due, d);
}

void wgx_tell_stop(struct wgx_daemon *d)
{
	wgx_event_close(d->epoll_fd, &d->bursts_due);
	wgx_news_free(&d->news); /* and out of the loop with its descriptor */
	d->news_ready.fd = -1;
}
