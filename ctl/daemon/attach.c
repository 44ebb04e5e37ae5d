/* SPDX-License-Identifier: MIT */
/* Accelerated devices: wgx attach, wgx detach, and the mode ladder. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/attach.h"
#include "daemon/log.h"
#include "net/bpffs.h"

/* The ladder: "auto" takes the first that is allowed to it and works. */
static const struct mode {
	const char *name;
	enum wgx_ingress_mode mode;
	bool automatic; /* native switches a device's offloads off: only if asked for */
} modes[] = {
	{"tcx", WGX_INGRESS_TC, true},
	{"native", WGX_INGRESS_XDP_NATIVE, false},
	{"none", WGX_INGRESS_NONE, false}, /* for strict mode alone */
};
#define N_MODES (sizeof(modes) / sizeof(modes[0]))

const char *wgx_attached_mode(const struct wgx_attached *a)
{
	for (size_t i = 0; i < N_MODES; i++)
		if (modes[i].mode == a->mode)
			return modes[i].name;
	return "unknown";
}

struct wgx_attach_wish wgx_attached_wish(const struct wgx_attached *a)
{
	return (struct wgx_attach_wish){
		.mode = a->wanted, .lan = a->lan, .transmit = a->transmit, .copy = a->copy};
}

const char *wgx_attached_wanted(const char *name)
{
	for (size_t i = 0; i < N_MODES; i++)
		if (!strcmp(modes[i].name, name))
			return modes[i].name;
	return "auto";
}

int wgx_ingress_ready(struct wgx_daemon *d)
{
	int err;

	if (d->ingress)
		return 0;
	err = wgx_ingress_load(d->features, &d->ingress);
	if (err)
		return err;
	err = wgx_floors_open(wgx_ingress_maps(d->ingress)->floors, &d->floors);
	if (err)
		return err;
	wgx_index_set_floors(d->index, d->floors);
	return 0;
}

/* ---- one device ---- */

static int attach_xdp(struct wgx_daemon *d, struct wgx_attached *a,
		      const struct wgx_link_info *info, char *error, size_t size)
{
	int err = wgx_ingress_attach(d->ingress, a->ifindex, a->mode, error, size, &a->attachment);

	if (err)
		return err;
	err = wgx_attached_open_xsks(d, a, info);
	if (err) {
		wgx_ingress_detach(a->attachment);
		a->attachment = NULL;
		wgx_attached_free_xsks(a);
	}
	return err;
}

int wgx_attached_hook(struct wgx_daemon *d, struct wgx_attached *a,
		      const struct wgx_link_info *info, char *error, size_t size)
{
	int err;

	if (a->mode == WGX_INGRESS_NONE)
		return 0;
	if (a->mode != WGX_INGRESS_TC)
		return attach_xdp(d, a, info, error, size);
	err = wgx_collector_make(d);
	if (err)
		return err;
	return wgx_ingress_attach(d->ingress, a->ifindex, a->mode, error, size, &a->attachment);
}

static int check_device(struct wgx_daemon *d, const char *device, struct wgx_link_info *info,
			char *error, size_t size)
{
	const struct wgx_attached *a;
	int err = wgx_link_query(device, info);

	if (err) {
		snprintf(error, size, "%s: no such device in this network namespace", device);
		return err;
	}
	/* by its own name: it may have been asked for by an alternative one */
	a = wgx_attached_find(&d->attached, info->name);
	if (a && !a->guard.inherited) {
		snprintf(error, size, "%s: attached already; detach it first: wgx detach %s",
			 device, info->name);
		return -EALREADY;
	}
	if (wgx_served_find(d, info->name) || info->ifindex == d->collector.link.ifindex) {
		snprintf(error, size, "%s: it is wgx's own; attach the device below: eth0, say",
			 device);
		return -EINVAL;
	}
	if (info->flags & IFF_LOOPBACK || !wgx_link_is_ethernet(info)) {
		snprintf(error, size,
			 "%s: not an Ethernet device; its packets go by the UDP socket", device);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int find_modes(const char *name, size_t *ret_first, size_t *ret_end, char *error,
		      size_t size)
{
	*ret_first = 0;
	*ret_end = N_MODES;
	if (!strcmp(name, "auto"))
		return 0;
	for (size_t i = 0; i < N_MODES; i++)
		if (!strcmp(modes[i].name, name)) {
			*ret_first = i;
			*ret_end = i + 1;
			return 0;
		}
	snprintf(error, size, "%s: unknown mode (auto, tcx, native, none)", name);
	return -EINVAL;
}

static int try_modes(struct wgx_daemon *d, struct wgx_attached *a, const struct wgx_link_info *info,
		     size_t first, size_t end, char *error, size_t size)
{
	bool one = end - first == 1;
	int err = -EOPNOTSUPP;

	for (size_t i = first; i < end; i++) {
		if (!one && !modes[i].automatic)
			continue;
		a->mode = modes[i].mode;
		error[0] = 0;
		err = wgx_attached_hook(d, a, info, error, size);
		if (!err) {
			a->wanted = one ? modes[i].name : "auto";
			return 0;
		}
		if (!error[0])
			snprintf(error, size, "%s: mode %s: %s", info->name, modes[i].name,
				 strerror(-err));
	}
	a->mode = WGX_INGRESS_NONE;
	return err;
}

/* A frame for a bridge or a bond is ours before that has seen it. */
static void note_master(const struct wgx_link_info *info, char *text, size_t size)
{
	struct wgx_link_info master;

	text[0] = 0;
	if (info->master && !wgx_link_query_index(info->master, &master))
		snprintf(text, size,
			 "it is a port of %s, whose own rules are not asked; better attach %s",
			 master.name, master.name);
}

/* What its driver has kept it from */
static void note_copy(const struct wgx_attached *a, char *text, size_t size)
{
	if (!text[0] && a->why_copy[0] && !a->copy)
		snprintf(text, size, "AF_XDP in copy mode: %s", a->why_copy);
}

static struct wgx_attached *new_attached(struct wgx_daemon *d, const struct wgx_link_info *info)
{
	struct wgx_attached *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	memcpy(a->name, info->name, sizeof(a->name));
	a->ifindex = info->ifindex;
	a->wanted = "none";
	a->lan_link = -1;
	cds_list_add_tail(&a->all, &d->attached);
	return a;
}

static int check_guard(const struct wgx_attached *a, enum wgx_ingress_mode mode,
		       const struct wgx_guard *guard, char *error, size_t size)
{
	if (guard->on)
		return 0;
	if (a->guard.on)
		snprintf(error, size,
			 "%s: strict mode of the daemon that died is on: attach with --strict, or "
			 "detach it first",
			 a->name);
	else if (mode == WGX_INGRESS_NONE && !a->lan && !a->transmit)
		snprintf(error, size,
			 "%s: mode none does nothing without strict mode, the router path or "
			 "transmission",
			 a->name);
	else
		return 0;
	return -EINVAL;
}

static void explain_strict(int err, const char *device, char *text, size_t size)
{
	if (err == -EPROTO)
		snprintf(text, size,
			 "%s: strict mode of another version of wgx is in force; to end that, "
			 "remove " WGX_BPFFS_STRICT_DIR,
			 device);
	else
		snprintf(text, size, "%s: strict mode: %s", device, strerror(-err));
}

/* Strict mode first: from then on nothing leaks. Where this fails, see undo(). */
static int fill_attached(struct wgx_daemon *d, struct wgx_attached *a,
			 const struct wgx_link_info *info, const struct wgx_attach_wish *wish,
			 const struct wgx_guard *guard, char *text, size_t size)
{
	size_t first, end;
	int err = find_modes(wish->mode, &first, &end, text, size);

	a->lan = wish->lan;
	a->transmit = wish->transmit;
	a->copy = wish->copy;
	if (!err)
		err = check_guard(a, modes[first].mode, guard, text, size);
	if (!err && a->lan)
		err = wgx_lan_check(d, info, text, size);
	if (!err && a->transmit)
		err = wgx_transmit_check(info, text, size);
	if (!err && guard->on) {
		err = wgx_strict_set(d, a, guard);
		if (err)
			explain_strict(err, info->name, text, size);
	}
	if (!err)
		err = try_modes(d, a, info, first, end, text, size);
	if (!err && a->lan)
		err = wgx_lan_on(d, a, info, text, size);
	if (!err && a->transmit)
		err = wgx_transmit_on(d, a, text, size);
	if (err)
		return err;
	snprintf(text, size, "%s: no memory", info->name);
	return wgx_ports_update(d);
}

/* Back to what it was: not there, or what a dead daemon had left. */
static void undo(struct wgx_daemon *d, struct wgx_attached *a, bool inherited,
		 const struct wgx_guard *before)
{
	if (!inherited) {
		wgx_attached_free(d, a);
		return;
	}
	if (!wgx_attached_release(d, a))
		return;
	a->mode = WGX_INGRESS_NONE;
	a->lan = WGX_LAN_OFF;
	a->transmit = false;
	a->copy = false;
	cds_list_add_tail(&a->all, &d->attached);
	(void)wgx_strict_set(d, a, before);
}

/* @a: what a dead daemon left on the device, or NULL */
static int attach_device(struct wgx_daemon *d, struct wgx_attached *a,
			 const struct wgx_link_info *info, const struct wgx_attach_wish *wish,
			 const struct wgx_guard *guard, char *text, size_t size)
{
	struct wgx_guard before = {0};
	bool inherited = a;
	int err;

	snprintf(text, size, "%s: no memory", info->name);
	if (inherited && wgx_guard_copy(&before, &a->guard))
		return -ENOMEM;
	if (!inherited)
		a = new_attached(d, info);
	err = a ? fill_attached(d, a, info, wish, guard, text, size) : -ENOMEM;
	if (a && err)
		undo(d, a, inherited, &before);
	wgx_guard_free(&before);
	return err;
}

/* It is in strict mode, and is to be with other networks: at once, and with no moment without. NULL: that is not so */
static struct wgx_attached *find_changeable(struct wgx_daemon *d, const char *device,
					    const struct wgx_attach_wish *wish,
					    const struct wgx_guard *guard)
{
	struct wgx_link_info info;
	struct wgx_attached *a =
		wgx_link_query(device, &info) ? NULL : wgx_attached_find(&d->attached, info.name);

	if (!a || a->guard.inherited || !a->guard.on || !guard->on || a->lan != wish->lan ||
	    a->transmit != wish->transmit || a->copy != wish->copy)
		return NULL;
	return !strcmp(wish->mode, "auto") || !strcmp(wish->mode, wgx_attached_mode(a)) ? a : NULL;
}

static int change_attached(struct wgx_daemon *d, struct wgx_attached *a,
			   const struct wgx_guard *guard, const char **ret_mode, char *text,
			   size_t size)
{
	int err = wgx_strict_set(d, a, guard);

	text[0] = '\0';
	if (err)
		explain_strict(err, a->name, text, size);
	*ret_mode = wgx_attached_mode(a);
	return err;
}

int wgx_attach(struct wgx_daemon *d, const char *device, const struct wgx_attach_wish *wish,
	       const struct wgx_guard *guard, const char **ret_mode, char *text, size_t size)
{
	struct wgx_link_info info;
	struct wgx_attached *a = find_changeable(d, device, wish, guard);
	const char *copies;
	int err;

	if (a)
		return change_attached(d, a, guard, ret_mode, text, size);
	snprintf(text, size, "%s: no memory", device);
	err = check_device(d, device, &info, text, size);
	if (!err)
		err = wgx_ingress_ready(d);
	if (!err)
		err = attach_device(d, wgx_attached_find(&d->attached, info.name), &info, wish,
				    guard, text, size);
	if (err)
		return err;
	(void)wgx_awaited_forget(d, info.name);
	a = wgx_attached_find(&d->attached, info.name);
	note_master(&info, text, size);
	note_copy(a, text, size);
	*ret_mode = wgx_attached_mode(a);
	copies = wgx_attached_copies(a);
	wgx_log(WGX_LOG_INFO, "%s: attached, mode %s%s%s%s%s%s", info.name, *ret_mode,
		copies ? ", " : "", copies ?: "",
		a->lan == WGX_LAN_NATIVE ? ", lan native"
		: a->lan		 ? ", lan"
					 : "",
		a->transmit ? ", transmit" : "", a->guard.on ? ", strict" : "");
	wgx_tell_device(d, WGX_NEWS_ATTACHED, info.name, *ret_mode);
	return 0;
}

int wgx_detach(struct wgx_daemon *d, const char *device, char *error, size_t size)
{
	struct wgx_link_info info;
	struct wgx_attached *a;

	/* it may be an alternative name */
	a = wgx_attached_find(&d->attached, wgx_link_query(device, &info) ? device : info.name);
	if (!a && wgx_awaited_forget(d, device)) {
		wgx_tell_device(d, WGX_NEWS_DETACHED, device, NULL);
		return 0;
	}
	if (!a) {
		snprintf(error, size, "%s: not attached", device);
		return -ENOENT;
	}
	wgx_attached_free(d, a);
	wgx_log(WGX_LOG_INFO, "%s: detached", device);
	wgx_tell_device(d, WGX_NEWS_DETACHED, device, NULL);
	return 0;
}
