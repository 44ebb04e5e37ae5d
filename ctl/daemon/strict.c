/* SPDX-License-Identifier: MIT */
/* Strict mode (bpf/strict.h): on which devices it is, and how each wants it. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/log.h"
#include "daemon/strict.h"
#include "net/bpffs.h"

/* ---- the program ---- */

int wgx_strict_ready(struct wgx_daemon *d)
{
	struct wgx_strict_state *st = &d->strict;
	int err;

	if (st->prog)
		return 0;
	err = wgx_strict_load(d->features, wgx_ingress_maps(d->ingress), wgx_strict_on_report, d,
			      &st->prog);
	if (err)
		return err;
	wgx_strict_networks_start(d);
	return wgx_strict_listen(d);
}

static bool is_wanted(struct wgx_daemon *d)
{
	struct wgx_attached *a;

	cds_list_for_each_entry(a, &d->attached, all)
		if (a->guard.on) /* the analyzer does not follow cds_list_del() */
			return true; /* NOLINT(clang-analyzer-unix.Malloc) */
	cds_list_for_each_entry(a, &d->awaited, all)
		if (a->guard.on)
			return true;
	cds_list_for_each_entry(a, &d->suspended, all)
		if (a->guard.on)
			return true;
	return false;
}

void wgx_strict_unload(struct wgx_daemon *d)
{
	struct wgx_strict_state *st = &d->strict;
	int err;

	if (!st->prog || st->keep || is_wanted(d))
		return;
	/* first: pins that stay would be a dead daemon's strict mode to the next one */
	err = wgx_bpffs_strict_remove();
	if (err && !st->unremoved)
		wgx_log(WGX_LOG_ERR, WGX_BPFFS_STRICT_DIR ": %s; it is tried again",
			strerror(-err));
	st->unremoved = err;
	if (err)
		return;
	wgx_strict_free(st->prog); /* closes what is in the loop */
	*st = (struct wgx_strict_state){.reports.fd = -1};
}

/* ---- devices ---- */

static int exempt_entry(const struct wgx_strict_maps *maps, uint32_t key,
			const struct wgx_prefix *p, bool there)
{
	struct wgx_exempt4 key4 = {.prefixlen = 32 + p->cidr, .device = key};
	struct wgx_exempt6 key6 = {.prefixlen = 32 + p->cidr, .device = key};
	bool v6 = p->family == AF_INET6;
	int fd = v6 ? maps->exempt6 : maps->exempt4;
	const void *k = v6 ? (void *)&key6 : (void *)&key4;
	const uint8_t one = 1;

	memcpy(key4.addr, p->addr, sizeof(key4.addr));
	memcpy(key6.addr, p->addr, sizeof(key6.addr));
	if (there ? bpf_map_update_elem(fd, k, &one, BPF_ANY) : bpf_map_delete_elem(fd, k))
		return -errno;
	return 0;
}

static int put_device(const struct wgx_strict_maps *maps, const char *name,
		      const struct wgx_guard *g, uint32_t key)
{
	struct wgx_strict_device value = {
		.flags = (g->report ? WGX_STRICT_REPORT : 0) |
			 (g->no_exemptions ? WGX_STRICT_NO_EXEMPTIONS : 0) |
			 (g->keep ? WGX_STRICT_KEEP : 0),
	};

	snprintf(value.name, sizeof(value.name), "%s", name);
	return bpf_map_update_elem(maps->devices, &key, &value, BPF_ANY) ? -errno : 0;
}

/* The program counts where it finds an entry; one that is there keeps its counts. */
static int make_counts(const struct wgx_strict_maps *maps, uint32_t key)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	struct wgx_strict_counts *zero = cpus > 0 ? calloc((size_t)cpus, sizeof(*zero)) : NULL;

	if (!zero)
		return -ENOMEM;
	if (bpf_map_update_elem(maps->counts, &key, zero, BPF_NOEXIST) && errno != EEXIST)
		err = -errno;
	free(zero);
	return err;
}

/* Another device may have got that number in the meantime. */
static bool key_taken(struct wgx_daemon *d, const struct wgx_guard *g)
{
	struct wgx_attached *a;

	cds_list_for_each_entry(a, &d->attached, all)
		if (&a->guard != g && a->guard.key == g->key)
			return true;
	return false;
}

static void remove_device(struct wgx_daemon *d, const struct wgx_guard *g)
{
	const struct wgx_strict_maps *maps = wgx_strict_maps(d->strict.prog);

	if (key_taken(d, g))
		return;
	wgx_strict_detach(d->strict.prog, (int)g->key);
	for (unsigned int i = 0; i < g->n_exempt; i++)
		(void)exempt_entry(maps, g->key, &g->exempt[i], false);
	(void)bpf_map_delete_elem(maps->devices, &g->key);
	(void)bpf_map_delete_elem(maps->counts, &g->key);
}

static int put_entries(struct wgx_daemon *d, const char *name, const struct wgx_guard *g,
		       uint32_t key)
{
	const struct wgx_strict_maps *maps = wgx_strict_maps(d->strict.prog);
	int err = make_counts(maps, key);

	for (unsigned int i = 0; !err && i < g->n_exempt; i++)
		err = exempt_entry(maps, key, &g->exempt[i], true);
	return err ?: put_device(maps, name, g, key);
}

/* What was exempt and is no more */
static void remove_exemptions(struct wgx_daemon *d, const struct wgx_guard *old,
			      const struct wgx_guard *new)
{
	for (unsigned int i = 0; i < old->n_exempt; i++)
		if (!wgx_guard_exempts(new, &old->exempt[i]))
			(void)exempt_entry(wgx_strict_maps(d->strict.prog), old->key,
					   &old->exempt[i], false);
}

/* It is on: as wanted now. */
static int change(struct wgx_daemon *d, struct wgx_attached *a, struct wgx_guard *new)
{
	int err = put_entries(d, a->name, new, a->guard.key);

	if (err)
		return err;
	remove_exemptions(d, &a->guard, new);
	new->key = a->guard.key;
	return 0;
}

static int turn_on(struct wgx_daemon *d, struct wgx_attached *a, struct wgx_guard *new)
{
	int err = wgx_strict_ready(d);

	if (err)
		return err;
	new->key = (uint32_t)a->ifindex;
	err = put_entries(d, a->name, new, new->key);
	if (!err)
		err = wgx_strict_attach(d->strict.prog, a->ifindex);
	if (err)
		remove_device(d, new);
	return err;
}

int wgx_strict_set(struct wgx_daemon *d, struct wgx_attached *a, const struct wgx_guard *wanted)
{
	struct wgx_guard new;
	int err = wgx_guard_copy(&new, wanted);

	if (err)
		return err;
	if (new.on)
		err = a->guard.on ? change(d, a, &new) : turn_on(d, a, &new);
	else if (a->guard.on)
		remove_device(d, &a->guard);
	if (err) {
		wgx_guard_free(&new);
	} else {
		wgx_guard_free(&a->guard);
		a->guard = new;
		wgx_strict_protect(d);
	}
	wgx_strict_unload(d);
	return err;
}

void wgx_strict_off(struct wgx_daemon *d, struct wgx_attached *a)
{
	static const struct wgx_guard off;

	(void)wgx_strict_set(d, a, &off);
}

void wgx_strict_lost(struct wgx_daemon *d, struct wgx_attached *a)
{
	if (a->guard.on)
		wgx_strict_detach(d->strict.prog, (int)a->guard.key);
}

void wgx_strict_renamed(struct wgx_daemon *d, struct wgx_attached *a)
{
	if (a->guard.on)
		(void)put_device(wgx_strict_maps(d->strict.prog), a->name, &a->guard, a->guard.key);
}
