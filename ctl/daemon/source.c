/* SPDX-License-Identifier: MIT */
/*
 * The sticky source of IPv4 (P-DT-10). A peer is answered from the address that it reached, as long as the
 * answer leaves by the device that the address was reached by. The kernel's sockets do not look at that:
 * so the route is asked for where a source is new, and all of them where routes change.
 */
#include <errno.h>
#include <sys/timerfd.h>
#include "daemon/log.h"
#include "daemon/state.h"
#include "net/netlink.h"
#include "net/route.h"

/* Routes may change by the thousand: sources are looked at once for all of this time's changes. */
#define GATHER_NS 20000000

/* What comes by a port of a bridge or bond leaves by the bridge or bond. */
static bool is_port_of(uint32_t port, int device)
{
	struct wgx_link_info info;

	return !wgx_link_query_index((int)port, &info) && info.master == device;
}

void wgx_source_check(struct wgx_served *s, struct wgx_peer *peer)
{
	struct wgx_flow flow = {.mark = s->path.dev->fwmark};
	struct wgx_endpoint e;
	int device;

	wgx_endpoint_read(&peer->endpoint, &e);
	if (e.addr.sa.sa_family != AF_INET || !e.src4.s_addr || !e.src_if)
		return;
	flow.src = e.src4;
	flow.dst = e.addr.v4.sin_addr;
	flow.sport = htons(s->path.dev->listen_port);
	flow.dport = e.addr.v4.sin_port;
	device = wgx_route_device(s->route_fd, &flow);
	/* a source that cannot be sent from at all is for the send to find */
	if (device < 0 || device == (int)e.src_if || is_port_of(e.src_if, device))
		return;
	wgx_log(WGX_LOG_DEBUG, "%s: a peer's route leaves by another device: source forgotten",
		s->link.name);
	wgx_endpoint_refuse_source(&peer->endpoint);
}

/* What was refused may be right now: the next packet tells. */
static void check_again(struct wgx_served *s, struct wgx_peer *peer)
{
	struct wgx_endpoint e;

	wgx_endpoint_read(&peer->endpoint, &e);
	if (e.addr.sa.sa_family == AF_INET && !e.src4.s_addr && e.src_if)
		wgx_endpoint_clear_source(&peer->endpoint);
	else
		wgx_source_check(s, peer);
}

static void routes_changed(struct wgx_event *e, uint32_t events)
{
	const struct itimerspec soon = {.it_value.tv_nsec = GATHER_NS};
	struct wgx_daemon *d = e->arg;
	struct itimerspec left;

	wgx_routes_drain(e->fd);
	if (!timerfd_gettime(d->sources_due.fd, &left) && !left.it_value.tv_nsec)
		timerfd_settime(d->sources_due.fd, 0, &soon, NULL);
}

static void check_all(struct wgx_event *e, uint32_t events)
{
	struct wgx_daemon *d = e->arg;
	struct wgx_served *s;
	struct wgx_peer *peer;
	uint64_t expired;

	if (read(e->fd, &expired, sizeof(expired)) < 0)
		return;
	cds_list_for_each_entry(s, &d->ifaces, all) {
		wgx_device_lock(s->path.dev);
		cds_list_for_each_entry(peer, &s->path.dev->peers, all) {
			check_again(s, peer);
			wgx_device_pause(s->path.dev);
		}
		wgx_device_unlock(s->path.dev);
	}
}

int wgx_sources_start(struct wgx_daemon *d)
{
	int fd, err = wgx_event_timer(d->epoll_fd, &d->sources_due, check_all, d);

	if (err)
		return err;
	fd = wgx_routes_open();
	if (fd < 0)
		return fd;
	err = wgx_event_add(d->epoll_fd, &d->routes, fd, routes_changed, d);
	if (err)
		close(fd);
	return err;
}

void wgx_sources_stop(struct wgx_daemon *d)
{
	wgx_event_close(d->epoll_fd, &d->routes);
	wgx_event_close(d->epoll_fd, &d->sources_due);
}
