/* SPDX-License-Identifier: MIT */
/*
 * What the files of accelerated devices share; the rest of the daemon has daemon/state.h. They work in the control
 * thread.
 *
 *	attach.c    `wgx attach`, `wgx detach`, and the mode ladder
 *	attached.c  devices that go away, come back, or stand aside for a while
 *	collector.c where tcx ingress sends what is ours
 *	xsks.c	    AF_XDP sockets on a device's own queues
 */
#ifndef WGX_DAEMON_ATTACH_H
#define WGX_DAEMON_ATTACH_H

#include "daemon/state.h"

/* ---- attach.c ---- */

/** wgx_attached_hook() - the program of a->mode, with sockets or collector; return and @error: as wgx_ingress_attach() */
int wgx_attached_hook(struct wgx_daemon *d, struct wgx_attached *a,
		      const struct wgx_link_info *info, char *error, size_t size);

/* ---- attached.c ---- */

/** wgx_attached_find() - by the device's name, in one of the daemon's lists; NULL: it is not there */
struct wgx_attached *wgx_attached_find(struct cds_list_head *list, const char *device);
/**
 * wgx_attached_release() - take down all but strict mode, and out of its list
 *
 * Return: false where a worker may still look at @a, which is then lost: there was no memory.
 */
bool wgx_attached_release(struct wgx_daemon *d, struct wgx_attached *a);
/** wgx_awaited_forget() - Return: whether @device was awaited */
bool wgx_awaited_forget(struct wgx_daemon *d, const char *device);

/* ---- collector.c ---- */

/** wgx_collector_make() - if there is none; 0 or a negative errno */
int wgx_collector_make(struct wgx_daemon *d);
/** wgx_collector_drop_unneeded() - after a device went: the collector too, if that was the last */
void wgx_collector_drop_unneeded(struct wgx_daemon *d);

/* ---- xsks.c ---- */

/** the open worker's rings; shorter ones overflow while it is descheduled (measured) */
#define WGX_OPEN_RING 4096

/**
 * wgx_attached_create_xsk() - on a device that may just have been let go of
 * @ring_size, @tx_size: as wgx_xsk_create_sending() has them; 0: it does not receive, or not send
 */
int wgx_attached_create_xsk(const char *name, unsigned int queue, uint32_t ring_size,
			    bool zero_copy, bool multi, uint32_t tx_size, struct wgx_xsk **ret);
/**
 * wgx_xsks_drain() - a device sends nothing to these any more: their worker takes what is there and what is on its way, if it
 * gets the processor within a second. What other devices send meanwhile is not waited for.
 */
void wgx_xsks_drain(struct wgx_xsk *const *xsks, unsigned int n);

#endif
