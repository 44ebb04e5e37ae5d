/* SPDX-License-Identifier: MIT */
/*
 * Programs of ours that somebody else has detached are put back. The kernel tells nobody of a link that is detached, so
 * each is looked at every two seconds. Meanwhile what wg0's program would have stamped is lost, and counted
 * (seal_unstamped, egress_lost); what an underlay's would have steered comes by the UDP socket.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "daemon/log.h"
#include "daemon/state.h"
#include "net/tc_hook.h"

#define PERIOD_S 2

/*
 * @err: of attaching it again; -EALREADY: nobody has detached it
 * @told: of this one, that it cannot be put back; once, not each time
 */
static void restored(struct wgx_daemon *d, const char *name, const char *what, int err, bool *told)
{
	if (err == -EALREADY)
		return;
	if (!err) {
		d->restored++;
		*told = false;
		wgx_log(WGX_LOG_WARN, "%s: somebody detached %s; it is back", name, what);
		return;
	}
	if (!*told)
		wgx_log(WGX_LOG_ERR, "%s: somebody detached %s, and attaching it again failed: %s",
			name, what, strerror(-err));
	*told = true;
}

/* ---- interfaces ---- */

static int attach_steer(void *arg)
{
	struct wgx_served *s = arg;

	return wgx_hook_attach(wgx_steer_hook(s->steer), s->link.far_ifindex);
}

static void restore_egress(struct wgx_served *s)
{
	struct wgx_hook *h = wgx_egress_hook(s->egress);
	int err;

	if (wgx_hook_in_force(h)) {
		s->unhooked = false;
		return;
	}
	err = wgx_served_here(s) ? wgx_hook_attach(h, s->link.ifindex) : -EXDEV;
	restored(s->daemon, s->link.name, "wgx_egress", err, &s->unhooked);
}

static void restore_lan_tunnel(struct wgx_served *s)
{
	if (s->lan_link < 0 || wgx_link_in_force(s->lan_link) || !wgx_served_here(s))
		return;
	wgx_lan_leave(s);
	wgx_lan_join(s); /* tells where it fails */
	if (s->lan_slot >= 0)
		restored(s->daemon, s->link.name, "wgx_lan_out", 0, &(bool){false});
}

static void restore_interface(struct wgx_served *s)
{
	restore_egress(s);
	restore_lan_tunnel(s);
	if (!wgx_hook_in_force(wgx_steer_hook(s->steer)))
		restored(s->daemon, s->link.name, "wgx_steer",
			 wgx_netns_call(s->daemon->ns, attach_steer, s), &s->unhooked_far);
}

/* ---- devices ---- */

static int restore_lan_device(struct wgx_daemon *d, struct wgx_attached *a)
{
	if (a->lan_xdp)
		return wgx_hook_attach(wgx_lan_native_hook(a->lan_xdp), a->ifindex);
	if (a->lan_link < 0 || wgx_link_in_force(a->lan_link))
		return -EALREADY;
	close(a->lan_link);
	a->lan_link = wgx_lan_attach_device(d->lan.prog, a->ifindex);
	return a->lan_link < 0 ? a->lan_link : 0;
}

static void restore_device(struct wgx_daemon *d, struct wgx_attached *a)
{
	struct wgx_link_info info;

	if (wgx_link_query_index(a->ifindex, &info))
		return; /* it went: netlink tells */
	if (a->guard.on && !wgx_strict_attached(d->strict.prog, a->ifindex))
		restored(d, a->name, "strict mode", wgx_strict_attach(d->strict.prog, a->ifindex),
			 &a->unguarded);
	if (a->attachment)
		restored(d, a->name, "wgx_ingress",
			 wgx_hook_attach(wgx_ingress_hook(a->attachment), a->ifindex),
			 &a->unhooked);
	restored(d, a->name, "the router path", restore_lan_device(d, a), &a->unhooked);
}

/* Those that could not be attached when they came back, or after a hand-over */
static void retry_awaited(struct wgx_daemon *d)
{
	struct wgx_attached *a, *next;

	cds_list_for_each_entry_safe(a, next, &d->awaited, all)
		wgx_attached_back(d, a->name);
}

/* ---- every two seconds ---- */

static void restore_due(struct wgx_event *e, uint32_t events)
{
	struct wgx_daemon *d = e->arg;
	struct wgx_attached *a;
	struct wgx_served *s;
	uint64_t expired;

	if (read(e->fd, &expired, sizeof(expired)) < 0)
		return;
	cds_list_for_each_entry(s, &d->ifaces, all)
		if (!s->doomed)
			restore_interface(s);
	restored(d, WGX_COLLECTOR_NAME, "wgx_steer", wgx_collector_again(d),
		 &d->collector.unhooked);
	cds_list_for_each_entry(a, &d->attached, all)
		restore_device(d, a);
	retry_awaited(d);
	wgx_strict_unload(d);
}

int wgx_restore_start(struct wgx_daemon *d)
{
	const struct itimerspec period = {.it_interval.tv_sec = PERIOD_S,
					  .it_value.tv_sec = PERIOD_S};
	int err = wgx_event_timer(d->epoll_fd, &d->restore_due, restore_due, d);

	if (err)
		return err;
	return timerfd_settime(d->restore_due.fd, 0, &period, NULL) ? -errno : 0;
}

void wgx_restore_stop(struct wgx_daemon *d)
{
	wgx_event_close(d->epoll_fd, &d->restore_due);
}
