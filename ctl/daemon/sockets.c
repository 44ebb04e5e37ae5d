/* SPDX-License-Identifier: MIT */
/* The UDP sockets of an interface: opened, replaced and closed such that each datagram is served or counted. */
#include <time.h>
#include "daemon/drops.h"
#include "daemon/log.h"
#include "daemon/state.h"

#define DRAIN_TRIES \
	20 /* of a millisecond: the worker takes what waits in less, if it gets the processor */

/* BPF is told of them: what they lose has a name, and what they send is no leak. */
static void watch(struct wgx_served *s, const struct wgx_bind *b, bool on)
{
	for (int i = 0; i < WGX_BIND_SOCKETS; i++)
		if (on)
			wgx_lost_watch_socket(s->daemon->lost, b->cookies[i]);
		else
			wgx_lost_unwatch_socket(s->daemon->lost, b->cookies[i]);
	wgx_strict_sockets(s, b, on);
}

/* The open worker serves it still. */
static void wait_until_served(const struct wgx_bind *b)
{
	const struct timespec wait = {.tv_nsec = 1000000};

	for (int tries = DRAIN_TRIES; tries && wgx_bind_pending(b); tries--)
		nanosleep(&wait, NULL);
}

/* No worker knows it any more; nor does the protocol thread, which reads under the model's lock. */
static void retire(struct wgx_served *s, struct wgx_bind *b)
{
	if (!b)
		return;
	wgx_handshakes_unlisten(&s->daemon->protocol.handshakes, b);
	wgx_bind_deafen(b);
	wgx_count(&s->drops[WGX_DROP_SOCKET_CLOSED], wgx_bind_drain(b));
	wgx_count(&s->drops[WGX_DROP_SOCKET_OVERFLOW], wgx_drops_of_sockets(s->daemon, b));
	wgx_count(&s->drops[WGX_DROP_SEND_UNRESOLVED], wgx_drops_unresolved(s->daemon, b));
	watch(s, b, false);
	wgx_bind_close(b);
}

int wgx_sockets_rebind(struct wgx_device *dev, uint16_t port, uint32_t fwmark, uint16_t *ret_port)
{
	struct wgx_served *s = wgx_served_of(dev);
	struct wgx_bind *old = s->path.bind, *new;
	int err;

	wgx_transmit_stale(s->daemon); /* another mark, another way */
	/* the same port cannot be bound twice: only the mark can have changed */
	if (old && port && port == old->port) {
		*ret_port = port;
		return wgx_bind_set_mark(old, fwmark);
	}
	err = wgx_bind_open(port, fwmark, &new);
	if (err)
		return err;
	watch(s, new, true);
	wgx_publish(s->path.bind, new);
	if (old) {
		wgx_rcu_synchronize(); /* nobody sends by the old ones */
		wgx_bind_deafen(old);
		wait_until_served(old);
	}
	err = wgx_handshakes_listen(&s->daemon->protocol.handshakes, dev->id, new);
	err = err ?: wgx_ports_update(s->daemon);
	if (err) {
		if (old)
			wgx_bind_hear(old);
		wgx_publish(s->path.bind, old);
		wgx_rcu_synchronize();
		retire(s, new);
		return err;
	}
	wgx_mirror_sockets(s, old, new);
	retire(s, old);
	*ret_port = new->port;
	return 0;
}

int wgx_sockets_inherit(struct wgx_served *s, struct wgx_bind *b)
{
	watch(s, b, true);
	wgx_publish(s->path.bind, b);
	wgx_mirror_sockets(s, NULL, b);
	return wgx_handshakes_listen(&s->daemon->protocol.handshakes, s->path.dev->id, b);
}

void wgx_sockets_unbind(struct wgx_device *dev)
{
	struct wgx_served *s = wgx_served_of(dev);
	struct wgx_bind *old = s->path.bind;

	wgx_publish(s->path.bind, NULL);
	wgx_handshakes_unlisten(&s->daemon->protocol.handshakes, old);
	wgx_mirror_sockets(s, old, NULL);
	if (wgx_ports_update(
		    s->daemon)) /* a worker may still look at it: better lost than closed */
		wgx_log(WGX_LOG_ERR, "%s: no memory to close its sockets", dev->name);
	else
		retire(s, old);
}
