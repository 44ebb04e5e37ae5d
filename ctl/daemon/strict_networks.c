/* SPDX-License-Identifier: MIT */
/*
 * What strict mode's program (bpf/strict.h) takes for ours. It looks into the interfaces' own allowed_ips maps, each in
 * a slot of tries4 and tries6. The slots that a dead daemon filled stay in force until somebody asks for strict mode
 * anew. One slot is for networks that are protected whether a peer has them or not.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include "daemon/log.h"
#include "daemon/strict.h"

/* ---- slots: the allowed IPs of interfaces ---- */

static bool slot_used(const struct wgx_strict_state *st, uint32_t slot)
{
	return st->slots[slot] || st->inherited[slot] || slot + 1 == st->protect_slot;
}

/* From the first free slot on; what cannot be known by the program is taken for everything. */
static void update_config(struct wgx_daemon *d)
{
	struct wgx_strict_state *st = &d->strict;
	struct wgx_strict_config config = {0};
	const uint32_t zero = 0;
	struct wgx_served *s;

	for (uint32_t i = 0; i < WGX_STRICT_TRIES; i++)
		if (slot_used(st, i))
			config.tries = i + 1;
	cds_list_for_each_entry(s, &d->ifaces, all)
		if (s->strict_slot < 0 || s->strict_incomplete)
			config.flags = WGX_STRICT_ALL;
	if (st->protect_incomplete)
		config.flags = WGX_STRICT_ALL;
	st->all = config.flags;
	(void)bpf_map_update_elem(wgx_strict_maps(st->prog)->config, &zero, &config, BPF_ANY);
}

static int fill_slot(struct wgx_daemon *d, struct wgx_served *s, uint32_t slot)
{
	const struct wgx_strict_maps *maps = wgx_strict_maps(d->strict.prog);
	const struct wgx_egress_maps *e = wgx_egress_maps(s->egress);

	if (bpf_map_update_elem(maps->tries4, &slot, &e->allowed_ips4, BPF_ANY) ||
	    bpf_map_update_elem(maps->tries6, &slot, &e->allowed_ips6, BPF_ANY))
		return -errno;
	d->strict.slots[slot] = s;
	s->strict_slot = (int)slot;
	return 0;
}

static void empty_slot(struct wgx_daemon *d, uint32_t slot)
{
	const struct wgx_strict_maps *maps = wgx_strict_maps(d->strict.prog);

	(void)bpf_map_delete_elem(maps->tries4, &slot);
	(void)bpf_map_delete_elem(maps->tries6, &slot);
	d->strict.slots[slot] = NULL;
	d->strict.inherited[slot] = false;
}

/* Return: WGX_STRICT_TRIES: there is none */
static uint32_t free_slot(const struct wgx_strict_state *st)
{
	uint32_t slot = 0;

	while (slot < WGX_STRICT_TRIES && slot_used(st, slot))
		slot++;
	return slot;
}

static int take_slot(struct wgx_daemon *d, struct wgx_served *s)
{
	uint32_t slot = free_slot(&d->strict);

	return slot < WGX_STRICT_TRIES ? fill_slot(d, s, slot) : -ENOSPC;
}

/* Slots are free: for those that got none. */
static void take_slots(struct wgx_daemon *d)
{
	struct wgx_served *s;

	cds_list_for_each_entry(s, &d->ifaces, all)
		if (s->strict_slot < 0 && take_slot(d, s))
			break;
	update_config(d);
}

void wgx_strict_join(struct wgx_served *s)
{
	struct wgx_daemon *d = s->daemon;

	s->strict_slot = -1;
	if (!d->strict.prog)
		return;
	if (take_slot(d, s))
		wgx_log(WGX_LOG_ERR,
			"%s: strict mode cannot look into its allowed IPs: drops all plaintext",
			s->link.name);
	wgx_strict_sockets(s, s->path.bind, true);
	update_config(d);
}

void wgx_strict_leave(struct wgx_served *s)
{
	struct wgx_daemon *d = s->daemon;

	if (!d->strict.prog)
		return;
	if (s->strict_slot >= 0)
		empty_slot(d, (uint32_t)s->strict_slot);
	wgx_strict_sockets(s, s->path.bind, false);
	take_slots(d);
}

void wgx_strict_sockets(struct wgx_served *s, const struct wgx_bind *b, bool there)
{
	struct wgx_strict_prog *prog = s->daemon->strict.prog;
	const uint8_t one = 1;

	for (int i = 0; prog && b && i < 2; i++) {
		int fd = wgx_strict_maps(prog)->own_sockets;

		if (!there)
			(void)bpf_map_delete_elem(fd, &b->cookies[i]);
		else if (b->cookies[i] && bpf_map_update_elem(fd, &b->cookies[i], &one, BPF_ANY))
			wgx_log(WGX_LOG_ERR, "%s: strict mode takes its packets for plaintext: %s",
				s->link.name, strerror(errno));
	}
}

void wgx_strict_incomplete(struct wgx_served *s)
{
	if (s->strict_incomplete)
		return;
	s->strict_incomplete = true;
	if (!s->daemon->strict.prog)
		return;
	wgx_log(WGX_LOG_ERR,
		"%s: strict mode does not know all of its allowed IPs: drops all plaintext",
		s->link.name);
	update_config(s->daemon);
}

/* ---- networks that are protected ---- */

/* As allowed_ips4 or allowed_ips6 of an interface; the value means nothing here. */
static int protect_map(bool v6)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = BPF_F_NO_PREALLOC);
	int fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "wgx_protect",
				v6 ? sizeof(struct wgx_lpm6) : sizeof(struct wgx_lpm4),
				sizeof(uint32_t), WGX_STRICT_PROTECTED, &opts);

	return fd < 0 ? -errno : fd;
}

static int put_protected(int fd4, int fd6, const struct wgx_guard *g)
{
	const uint32_t value = 0;

	for (unsigned int i = 0; g->on && i < g->n_protect; i++) {
		const struct wgx_prefix *p = &g->protect[i];
		struct wgx_lpm4 key4 = {.prefixlen = p->cidr};
		struct wgx_lpm6 key6 = {.prefixlen = p->cidr};
		bool v6 = p->family == AF_INET6;

		memcpy(key4.addr, p->addr, sizeof(key4.addr));
		memcpy(key6.addr, p->addr, sizeof(key6.addr));
		if (bpf_map_update_elem(v6 ? fd6 : fd4, v6 ? (void *)&key6 : (void *)&key4, &value,
					BPF_ANY))
			return -errno;
	}
	return 0;
}

/* Those of all devices: they share the program's tables. */
static int put_all_protected(struct wgx_daemon *d, int fd4, int fd6)
{
	struct wgx_attached *a;
	int err = 0;

	cds_list_for_each_entry(a, &d->attached, all)
		err = err ?: put_protected(fd4, fd6, &a->guard);
	cds_list_for_each_entry(a, &d->awaited, all)
		err = err ?: put_protected(fd4, fd6, &a->guard);
	return err;
}

static int fill_protect_slot(struct wgx_daemon *d, int fd4, int fd6)
{
	const struct wgx_strict_maps *maps = wgx_strict_maps(d->strict.prog);
	struct wgx_strict_state *st = &d->strict;
	uint32_t slot = st->protect_slot ? st->protect_slot - 1 : free_slot(st);
	int err = put_all_protected(d, fd4, fd6);

	if (err || slot == WGX_STRICT_TRIES)
		return err ?: -ENOSPC;
	/* in place of those of before, at once */
	if (bpf_map_update_elem(maps->tries4, &slot, &fd4, BPF_ANY) ||
	    bpf_map_update_elem(maps->tries6, &slot, &fd6, BPF_ANY))
		return -errno;
	st->protect_slot = slot + 1;
	return 0;
}

static int make_protect_slot(struct wgx_daemon *d)
{
	int fd4 = protect_map(false), fd6 = protect_map(true);
	int err = fd4 < 0 ? fd4 : fd6 < 0 ? fd6 : fill_protect_slot(d, fd4, fd6);

	if (fd4 >= 0)
		close(fd4);
	if (fd6 >= 0)
		close(fd6);
	return err;
}

static bool any_protected(struct wgx_daemon *d)
{
	struct wgx_attached *a;

	cds_list_for_each_entry(a, &d->attached, all)
		if (a->guard.on && a->guard.n_protect)
			return true;
	cds_list_for_each_entry(a, &d->awaited, all)
		if (a->guard.on && a->guard.n_protect)
			return true;
	return false;
}

void wgx_strict_protect(struct wgx_daemon *d)
{
	struct wgx_strict_state *st = &d->strict;
	int err = 0;

	if (!st->prog || st->keep)
		return;
	if (any_protected(d)) {
		err = make_protect_slot(d);
	} else if (st->protect_slot) {
		uint32_t slot = st->protect_slot - 1;

		st->protect_slot = 0;
		empty_slot(d, slot);
	}
	if (err)
		wgx_log(WGX_LOG_ERR,
			"strict mode does not know all networks that are protected (%s): drops all "
			"plaintext",
			strerror(-err));
	st->protect_incomplete = err;
	update_config(d);
}

/* ---- what a dead daemon left, or one that was to take over ---- */

/* Return: the slot has something that a dead daemon put there */
static bool slot_inherited(const struct wgx_strict_maps *maps, uint32_t slot)
{
	uint32_t id = 0;

	return (!bpf_map_lookup_elem(maps->tries4, &slot, &id) && id) ||
	       (!bpf_map_lookup_elem(maps->tries6, &slot, &id) && id);
}

void wgx_strict_networks_start(struct wgx_daemon *d)
{
	struct wgx_served *s;

	for (uint32_t i = 0; i < WGX_STRICT_TRIES; i++)
		d->strict.inherited[i] = slot_inherited(wgx_strict_maps(d->strict.prog), i);
	cds_list_for_each_entry(s, &d->ifaces, all)
		wgx_strict_join(s);
	update_config(d);
}

void wgx_strict_confirm(struct wgx_daemon *d)
{
	for (uint32_t i = 0; i < WGX_STRICT_TRIES; i++)
		if (d->strict.inherited[i])
			empty_slot(d, i);
	take_slots(d);
}

void wgx_strict_reclaim(struct wgx_daemon *d)
{
	struct wgx_strict_state *st = &d->strict;

	if (!st->prog)
		return;
	for (uint32_t i = 0; i < WGX_STRICT_TRIES; i++)
		if (!slot_used(st, i) && slot_inherited(wgx_strict_maps(st->prog), i))
			empty_slot(d, i);
	update_config(d);
}
