/* SPDX-License-Identifier: MIT */
/* What the kernel tells of links and addresses, and what follows from it. */
#include <string.h>
#include "daemon/log.h"
#include "daemon/state.h"

static void on_host_link(void *arg, const struct wgx_link_event *e)
{
	struct wgx_daemon *d = arg;
	struct wgx_attached *a, *next;

	if (e->deleted && d->collector.there && e->ifindex == d->collector.link.ifindex)
		wgx_collector_lost(d);
	wgx_lan_link(d, e);
	cds_list_for_each_entry_safe(a, next, &d->attached, all) {
		if (a->ifindex != e->ifindex)
			continue;
		if (e->deleted) {
			wgx_attached_lost(d, a);
		} else if (strcmp(a->name, e->name)) {
			memcpy(a->name, e->name, sizeof(a->name));
			wgx_strict_renamed(d, a);
		} else {
			wgx_attached_resized(d, a, e->mtu);
		}
	}
	if (!e->deleted)
		wgx_attached_back(d, e->name);
}

static void on_host_addr(void *arg, const struct wgx_addr_event *e)
{
	wgx_mirror_local(arg, e->addr, !e->deleted || e->holders);
	wgx_transmit_stale(arg);
}

/* Of the private namespace: a far end that goes takes its interface along; a NAME tells MTU, address and up or down. */
static void on_far_link(void *arg, const struct wgx_link_event *e)
{
	struct wgx_daemon *d = arg;
	struct wgx_served *s;

	cds_list_for_each_entry(s, &d->ifaces, all) {
		if (e->nsid == WGX_NSID_SELF && e->deleted && e->ifindex == s->link.far_ifindex)
			s->doomed = true;
		if (!e->far_ifindex || e->far_ifindex != s->link.far_ifindex || e->deleted)
			continue;
		wgx_served_link(s, e);
		if (e->ifindex != s->link.ifindex || strcmp(e->name, s->link.name))
			wgx_log(WGX_LOG_INFO, "%s: now %s", s->link.name, e->name);
	}
}

static const struct wgx_monitor_ops host_ops = {.on_link = on_host_link, .on_addr = on_host_addr};
static const struct wgx_monitor_ops far_ops = {.on_link = on_far_link};

static void dispatch(struct wgx_event *e, uint32_t events)
{
	struct wgx_monitor **m = e->arg;
	int err = wgx_monitor_dispatch(*m);

	if (err)
		wgx_log(WGX_LOG_WARN, "netlink: %s", strerror(-err));
}

static int open_far_monitor(void *arg)
{
	struct wgx_daemon *d = arg;

	return wgx_monitor_open(WGX_MONITOR_FAR, &far_ops, d, &d->far_monitor);
}

int wgx_netlink_start(struct wgx_daemon *d)
{
	int err = wgx_monitor_open(WGX_MONITOR_HOST, &host_ops, d, &d->host_monitor);

	if (!err)
		err = wgx_netns_call(d->ns, open_far_monitor, d);
	if (!err)
		err = wgx_event_add(d->epoll_fd, &d->host_event, wgx_monitor_fd(d->host_monitor),
				    dispatch, &d->host_monitor);
	if (!err)
		err = wgx_event_add(d->epoll_fd, &d->far_event, wgx_monitor_fd(d->far_monitor),
				    dispatch, &d->far_monitor);
	return err;
}

void wgx_netlink_stop(struct wgx_daemon *d)
{
	wgx_monitor_close(d->host_monitor);
	wgx_monitor_close(d->far_monitor);
	d->host_monitor = d->far_monitor = NULL;
}
