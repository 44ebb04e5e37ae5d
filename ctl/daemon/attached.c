/* SPDX-License-Identifier: MIT */
/*
 * Devices that are attached, and what becomes of them: they go away and come back, and stand aside while another
 * process takes over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/attach.h"
#include "daemon/drops.h"
#include "daemon/log.h"

struct wgx_attached *wgx_attached_find(struct cds_list_head *list, const char *device)
{
	struct wgx_attached *a;

	cds_list_for_each_entry(a, list, all)
		if (!strcmp(a->name, device))
			return a;
	return NULL;
}

static bool release(struct wgx_daemon *d, struct wgx_attached *a)
{
	wgx_transmit_off(d, a);
	wgx_lan_off(d, a);
	wgx_ingress_detach(a->attachment);
	a->attachment = NULL;
	if (a->n_xsks)
		wgx_xsks_drain(a->xsks, a->n_xsks);
	if (a->mode == WGX_INGRESS_TC && d->collector.there)
		wgx_xsks_drain(&d->collector.xsk, 1);
	cds_list_del(&a->all);
	if (a->n_xsks && wgx_ports_update(d)) {
		wgx_log(WGX_LOG_ERR, "%s: no memory to let go of it", a->name);
		return false;
	}
	for (unsigned int i = 0; i < a->n_xsks; i++)
		wgx_drops_retire_ring(d, a->xsks[i], false);
	wgx_attached_free_xsks(a);
	wgx_collector_drop_unneeded(d);
	return true;
}

bool wgx_attached_release(struct wgx_daemon *d, struct wgx_attached *a)
{
	bool released;

	wgx_open_hold_sockets(&d->open_env, true);
	released = release(d, a);
	wgx_open_hold_sockets(&d->open_env, false);
	return released;
}

void wgx_attached_free(struct wgx_daemon *d, struct wgx_attached *a)
{
	wgx_strict_off(d, a);
	if (wgx_attached_release(d, a))
		free(a);
}

/* ---- it goes away ---- */

void wgx_attached_lost(struct wgx_daemon *d, struct wgx_attached *a)
{
	wgx_log(WGX_LOG_WARN, "%s: the device went away; attached again when it is back", a->name);
	wgx_tell_device(d, WGX_NEWS_DEVICE_GONE, a->name, NULL);
	wgx_strict_lost(d, a);
	if (!wgx_attached_release(d, a))
		return;
	a->ifindex = 0;
	cds_list_add_tail(&a->all, &d->awaited);
	wgx_attached_back(d, a->name); /* it may be back, and that have been told before */
}

void wgx_attached_back(struct wgx_daemon *d, const char *name)
{
	struct wgx_attached *a = wgx_attached_find(&d->awaited, name);
	const struct wgx_attach_wish none = {.mode = "none"};
	struct wgx_attach_wish wish;
	struct wgx_link_info info;
	const char *mode;
	char error[512];

	if (!a || wgx_link_query(name, &info))
		return;
	wish = wgx_attached_wish(a);
	if (!wgx_attach(d, name, &wish, &a->guard, &mode, error, sizeof(error)))
		return;
	if (!a->unhooked)
		wgx_log(WGX_LOG_WARN, "it is back: %s", error);
	a->unhooked = true; /* told; it is tried again */
	/* slower than wanted, but nothing leaks */
	if (a->guard.on && wgx_attach(d, name, &none, &a->guard, &mode, error, sizeof(error)))
		wgx_log(WGX_LOG_ERR, "%s", error);
}

bool wgx_awaited_forget(struct wgx_daemon *d, const char *device)
{
	struct wgx_attached *a = wgx_attached_find(&d->awaited, device);

	if (!a)
		return false;
	wgx_strict_off(d, a);
	cds_list_del(&a->all);
	free(a);
	return true;
}

void wgx_awaited_free(struct wgx_daemon *d)
{
	struct wgx_attached *a, *next;

	cds_list_for_each_entry_safe(a, next, &d->awaited, all) {
		wgx_strict_off(d, a);
		cds_list_del(&a->all);
		free(a);
	}
}

/* ---- it stands aside ---- */

void wgx_attached_suspend(struct wgx_daemon *d)
{
	struct wgx_attached *a, *next;

	cds_list_for_each_entry_safe(a, next, &d->attached, all) {
		(void)wgx_attached_release(d, a);
		cds_list_add_tail(&a->all, &d->suspended);
	}
}

static void resume(struct wgx_daemon *d, struct wgx_attached *a)
{
	struct wgx_link_info info;
	char text[512] = "";
	int err = wgx_link_query_index(a->ifindex, &info);

	cds_list_del(&a->all);
	cds_list_add_tail(&a->all, &d->attached);
	if (err)
		return; /* netlink tells of it */
	err = wgx_attached_hook(d, a, &info, text, sizeof(text));
	if (err)
		a->mode = WGX_INGRESS_NONE;
	if (!err && a->lan)
		err = wgx_lan_on(d, a, &info, text, sizeof(text));
	if (!err && a->transmit)
		err = wgx_transmit_on(d, a, text, sizeof(text));
	if (err)
		wgx_log(WGX_LOG_ERR, "%s: attached again: %s", a->name,
			*text ? text : strerror(-err));
}

static void serve_again(struct wgx_daemon *d)
{
	if (wgx_ports_update(d))
		wgx_log(WGX_LOG_ERR, "no memory to serve the devices again");
}

void wgx_attached_resume(struct wgx_daemon *d)
{
	struct wgx_attached *a, *next;

	cds_list_for_each_entry_safe(a, next, &d->suspended, all)
		resume(d, a);
	serve_again(d);
}

/* ---- its MTU changes ---- */

void wgx_attached_resized(struct wgx_daemon *d, struct wgx_attached *a, uint32_t mtu)
{
	if (!a->mtu_max || mtu <= a->mtu_max)
		return;
	wgx_log(WGX_LOG_INFO, "%s: an MTU of %u is more than its zero-copy takes", a->name, mtu);
	if (!wgx_attached_release(d, a))
		return;
	cds_list_add_tail(&a->all, &d->suspended);
	resume(d, a);
	serve_again(d);
}
