/* SPDX-License-Identifier: MIT */
/* The collector: a veth pair to which wgx_ingress, in mode tcx, sends what is ours, and whose ring the open worker takes. */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include <wgx/bpf_abi.h>
#include "daemon/attach.h"
#include "daemon/drops.h"
#include "daemon/log.h"

static int set_collector(struct wgx_daemon *d, uint32_t ifindex)
{
	const struct wgx_bpf_config config = {
		.collector = ifindex,
		.flags = (d->features->redirect_peer ? WGX_CONFIG_REDIRECT_PEER : 0) |
			 (wgx_features_superframes(d->features) ? 0 : WGX_CONFIG_GSO_TO_SOCKET),
	};
	const uint32_t zero = 0;

	return bpf_map_update_elem(wgx_ingress_maps(d->ingress)->config, &zero, &config, BPF_ANY)
		       ? -errno
		       : 0;
}

/*
 * With bpf_redirect_peer() frames arrive at the far end, in the private namespace; without it, at the near end.
 * Steered they are where they arrive.
 */
static int attach_collector(void *arg)
{
	const struct wgx_daemon *d = arg;
	const struct wgx_collector *c = &d->collector;

	return wgx_hook_attach(wgx_steer_hook(c->steer),
			       d->features->redirect_peer ? c->link.far_ifindex : c->link.ifindex);
}

static int open_collector(void *arg)
{
	struct wgx_daemon *d = arg;
	struct wgx_collector *c = &d->collector;
	bool far = d->features->redirect_peer;
	int err;

	err = wgx_xsk_create(far ? c->link.far_name : c->link.name, 0, WGX_OPEN_RING, false,
			     wgx_features_superframes(d->features), &c->xsk);
	if (err)
		return err;
	err = wgx_steer_set_xsk(c->steer, 0, c->xsk->fd);
	if (err)
		return err;
	return attach_collector(d);
}

int wgx_collector_again(struct wgx_daemon *d)
{
	struct wgx_collector *c = &d->collector;

	if (!c->there || wgx_hook_in_force(wgx_steer_hook(c->steer)))
		return -EALREADY;
	return d->features->redirect_peer ? wgx_netns_call(d->ns, attach_collector, d)
					  : attach_collector(d);
}

static void free_collector(struct wgx_daemon *d)
{
	struct wgx_collector *c = &d->collector;
	int err;

	wgx_steer_free(c->steer);
	wgx_xsk_destroy(c->xsk);
	err = c->link.ifindex ? wgx_link_delete(c->link.ifindex) : 0;
	if (err && err != -ENODEV)
		wgx_log(WGX_LOG_ERR, WGX_COLLECTOR_NAME ": deleting it: %s", strerror(-err));
	*c = (struct wgx_collector){0};
}

int wgx_collector_make(struct wgx_daemon *d)
{
	struct wgx_collector *c = &d->collector;
	int err;

	if (c->there)
		return 0;
	err = wgx_steer_load(d->features, &c->steer);
	if (!err)
		err = wgx_link_collector_create(d->ns, &c->link);
	if (!err)
		err = d->features->redirect_peer ? wgx_netns_call(d->ns, open_collector, d)
						 : open_collector(d);
	if (!err)
		err = set_collector(d, (uint32_t)c->link.ifindex);
	if (err)
		free_collector(d);
	else
		c->there = true;
	return err;
}

static bool collector_needed(struct wgx_daemon *d)
{
	struct wgx_attached *a;

	cds_list_for_each_entry(a, &d->attached, all)
		/* the analyzer does not follow cds_list_del() */
		if (a->mode == WGX_INGRESS_TC) /* NOLINT(clang-analyzer-unix.Malloc) */
			return true;
	return false;
}

void wgx_collector_drop_unneeded(struct wgx_daemon *d)
{
	if (!d->collector.there || collector_needed(d))
		return;
	(void)set_collector(d, 0);
	d->collector.there = false; /* first from the worker's set */
	if (wgx_ports_update(d)) {
		d->collector.there = true; /* no memory: it stays, unused */
		return;
	}
	wgx_drops_retire_ring(d, d->collector.xsk, true);
	free_collector(d);
}

void wgx_collector_lost(struct wgx_daemon *d)
{
	int err;

	wgx_open_hold_sockets(&d->open_env, true);
	(void)set_collector(d, 0); /* from here on the UDP sockets take all */
	wgx_xsks_drain(&d->collector.xsk, 1);
	wgx_open_hold_sockets(&d->open_env, false);
	d->collector.there = false;
	if (wgx_ports_update(d)) {
		wgx_log(WGX_LOG_ERR, "no memory to let go of the collector");
		return;
	}
	d->collector.link.ifindex = 0; /* nothing to delete */
	wgx_drops_retire_ring(d, d->collector.xsk, true);
	free_collector(d);
	if (!collector_needed(d))
		return;
	err = wgx_collector_make(d);
	if (!err && (err = wgx_ports_update(d)))
		(void)set_collector(d, 0);
	if (err)
		wgx_log(WGX_LOG_ERR, "the collector was deleted, and making another failed: %s",
			strerror(-err));
	else
		wgx_log(WGX_LOG_WARN, "the collector was deleted; made another");
}
