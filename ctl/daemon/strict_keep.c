/* SPDX-License-Identifier: MIT */
/*
 * Strict mode goes on where a daemon ends: what one that died has left is taken over by the next, and one that ends in
 * good order leaves what protects networks, and what it has not confirmed.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/log.h"
#include "daemon/strict.h"
#include "net/holder.h"

/* ---- what a dead daemon left ---- */

static void read_exemptions(const struct wgx_strict_maps *maps, uint32_t key, struct wgx_guard *g)
{
	struct wgx_exempt4 key4, *last4 = NULL;
	struct wgx_exempt6 key6, *last6 = NULL;

	while (!bpf_map_get_next_key(maps->exempt4, last4, &key4)) {
		struct wgx_prefix p = {.family = AF_INET, .cidr = (uint8_t)(key4.prefixlen - 32)};

		last4 = &key4;
		memcpy(p.addr, key4.addr, sizeof(key4.addr));
		if (key4.device == key)
			(void)wgx_guard_add(g, &p);
	}
	while (!bpf_map_get_next_key(maps->exempt6, last6, &key6)) {
		struct wgx_prefix p = {.family = AF_INET6, .cidr = (uint8_t)(key6.prefixlen - 32)};

		last6 = &key6;
		memcpy(p.addr, key6.addr, sizeof(key6.addr));
		if (key6.device == key)
			(void)wgx_guard_add(g, &p);
	}
}

static struct wgx_attached *new_inherited(struct wgx_daemon *d, uint32_t key,
					  const struct wgx_strict_device *device)
{
	struct wgx_attached *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	snprintf(a->name, sizeof(a->name), "%s", device->name);
	a->wanted = "none";
	a->mode = WGX_INGRESS_NONE;
	a->lan_link = -1;
	a->guard = (struct wgx_guard){
		.on = true,
		.inherited = true,
		.key = key,
		.report = device->flags & WGX_STRICT_REPORT,
		.no_exemptions = device->flags & WGX_STRICT_NO_EXEMPTIONS,
		.keep = device->flags & WGX_STRICT_KEEP,
	};
	read_exemptions(wgx_strict_maps(d->strict.prog), key, &a->guard);
	return a;
}

/* The device is there: our program takes the old one's place. It is not: it is awaited. */
static void adopt(struct wgx_daemon *d, uint32_t key, const struct wgx_strict_device *device)
{
	struct wgx_attached *a = new_inherited(d, key, device);
	struct wgx_link_info info;
	int err;

	if (!a) {
		wgx_log(WGX_LOG_ERR, "%s: no memory to take its strict mode over", device->name);
		d->strict.keep = true; /* it stays in force */
		return;
	}
	if (wgx_link_query_index((int)key, &info)) {
		cds_list_add_tail(&a->all, &d->awaited);
		wgx_strict_detach(d->strict.prog, (int)key);
		wgx_attached_back(d, a->name);
		return;
	}
	memcpy(a->name, info.name, sizeof(a->name)); /* it may have been renamed */
	a->ifindex = info.ifindex;
	cds_list_add_tail(&a->all, &d->attached);
	err = wgx_strict_attach(d->strict.prog, a->ifindex);
	if (err) /* what the dead daemon attached is in force still */
		wgx_log(WGX_LOG_ERR, "%s: taking its strict mode over: %s", a->name,
			strerror(-err));
	else
		wgx_log(WGX_LOG_WARN,
			"%s: strict mode goes on as the daemon that died had it; confirm it with "
			"wgx attach %s --strict, or end it with wgx detach %s",
			a->name, a->name, a->name);
}

int wgx_strict_adopt(struct wgx_daemon *d)
{
	struct wgx_strict_device device;
	uint32_t key, next;
	int err, fd;

	if (!wgx_strict_left())
		return 0;
	err = wgx_strict_ready(d);
	if (err) { /* what the dead daemon attached drops packets: no reason to give up */
		wgx_log(WGX_LOG_ERR, "taking strict mode of the daemon that died over: %s",
			strerror(-err));
		return 0;
	}
	fd = wgx_strict_maps(d->strict.prog)->devices;
	for (err = bpf_map_get_next_key(fd, NULL, &key); !err; key = next) {
		err = bpf_map_get_next_key(fd, &key, &next); /* adopt() may delete this one */
		if (!bpf_map_lookup_elem(fd, &key, &device))
			adopt(d, key, &device);
	}
	if (err != -ENOENT) { /* there may be others */
		wgx_log(WGX_LOG_ERR, "taking strict mode of the daemon that died over: %s",
			strerror(-err));
		d->strict.keep = true;
	}
	wgx_strict_unload(d);
	return 0;
}

/* ---- the end ---- */

struct far_ends {
	unsigned int collector; /* ifindex */
	unsigned int n; /* of interfaces */
};

static int count_far_ends(void *arg)
{
	struct far_ends *f = arg;
	struct if_nameindex *list = if_nameindex();

	if (!list)
		return -errno;
	for (const struct if_nameindex *i = list; i->if_index; i++)
		if (!strncmp(i->if_name, WGX_FAR_PREFIX, strlen(WGX_FAR_PREFIX)) &&
		    i->if_index != f->collector)
			f->n++;
	if_freenameindex(list);
	return 0;
}

/* Are there interfaces of the dead daemon that this one has not taken over? */
static bool others_left(struct wgx_daemon *d)
{
	struct wgx_link_info collector = {0};
	struct far_ends f = {0};
	struct wgx_served *s;
	unsigned int ours = 0;

	if (!wgx_link_query(WGX_COLLECTOR_NAME, &collector))
		f.collector = (unsigned int)collector.link;
	if (wgx_netns_call(d->ns, count_far_ends, &f))
		return true;
	cds_list_for_each_entry(s, &d->ifaces, all)
		ours++;
	return f.n > ours;
}

/* Those that protect networks, and what is @inherited too, stay. Return: one does */
static bool forget(struct cds_list_head *list, bool inherited)
{
	struct wgx_attached *a;
	bool any = false;

	cds_list_for_each_entry(a, list, all)
		if (a->guard.keep || (inherited && a->guard.inherited)) {
			wgx_guard_free(&a->guard);
			any = true;
		}
	return any;
}

void wgx_strict_end_begin(struct wgx_daemon *d)
{
	bool inherited;

	if (!d->strict.prog)
		return;
	inherited = others_left(d);
	d->strict.keep |= forget(&d->attached, inherited);
	d->strict.keep |= forget(&d->awaited, inherited);
}

void wgx_strict_end(struct wgx_daemon *d)
{
	wgx_strict_unload(d);
	d->strict.reports.fd = -1;
	wgx_strict_free(d->strict.prog);
	d->strict.prog = NULL;
}
