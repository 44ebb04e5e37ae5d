/* SPDX-License-Identifier: MIT */
/*
 * The router path (bpf/lan.h): which devices are LAN devices, and which interfaces there are. Its program is loaded
 * while there is a device. Each interface has a slot in the array of programs that wgx_lan_in goes on to.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "daemon/answer_memory.h"
#include "daemon/log.h"
#include "daemon/state.h"

/* ---- counts ---- */

/* The programs count where they find an entry. */
static int make_counts(const struct wgx_lan_maps *maps, uint32_t ifindex)
{
	int cpus = libbpf_num_possible_cpus(), err = 0;
	struct wgx_lan_counts *zero = cpus > 0 ? calloc((size_t)cpus, sizeof(*zero)) : NULL;

	if (!zero)
		return -ENOMEM;
	if (bpf_map_update_elem(maps->counts, &ifindex, zero, BPF_ANY))
		err = -errno;
	free(zero);
	return err;
}

/* Adds to @ret, which has what was counted before. */
static void sum_counts(struct wgx_daemon *d, uint32_t ifindex, struct wgx_lan_counts *ret)
{
	int cpus = libbpf_num_possible_cpus();
	struct wgx_lan_counts *values =
		cpus > 0 ? wgx_answer_calloc((size_t)cpus, sizeof(*values)) : NULL;

	if (values && d->lan.prog &&
	    !bpf_map_lookup_elem(wgx_lan_maps(d->lan.prog)->counts, &ifindex, values))
		for (int i = 0; i < cpus; i++) {
			ret->packets += values[i].packets;
			ret->bytes += values[i].bytes;
			for (int p = 0; p < WGX_LAN_PASS_COUNT; p++)
				ret->passed[p] += values[i].passed[p];
		}
	free(values);
}

/* ---- interfaces ---- */

static int find_slot(struct wgx_daemon *d, uint32_t *ret)
{
	for (uint32_t i = 0; i < WGX_LAN_TUNNELS; i++)
		if (!d->lan.slots[i]) {
			*ret = i;
			return 0;
		}
	return -ENOSPC;
}

/* The last step lets packets in, the first of leave() keeps them out. */
static int join(struct wgx_daemon *d, struct wgx_served *s, uint32_t slot)
{
	const struct wgx_lan_maps *maps = wgx_lan_maps(d->lan.prog);
	const struct wgx_lan_tunnel tunnel = {.slot = slot, .iface = s->path.dev->id};
	const uint32_t ifindex = (uint32_t)s->link.ifindex;
	int fd = wgx_egress_lan_fd(s->egress), err = make_counts(maps, ifindex);

	if (err)
		return err;
	if (bpf_map_update_elem(maps->egress, &slot, &fd, BPF_ANY))
		return -errno;
	s->lan_link = wgx_lan_attach_tunnel(d->lan.prog, s->link.ifindex);
	if (s->lan_link < 0)
		return s->lan_link;
	return bpf_map_update_elem(maps->tunnels, &ifindex, &tunnel, BPF_ANY) ? -errno : 0;
}

static void leave(struct wgx_served *s)
{
	const struct wgx_lan_maps *maps = wgx_lan_maps(s->daemon->lan.prog);
	const uint32_t ifindex = (uint32_t)s->link.ifindex, slot = (uint32_t)s->lan_slot;

	(void)bpf_map_delete_elem(maps->tunnels, &ifindex);
	(void)bpf_map_delete_elem(maps->egress, &slot);
	if (s->lan_link >= 0)
		close(s->lan_link);
	sum_counts(s->daemon, ifindex, &s->lan_before);
	(void)bpf_map_delete_elem(maps->counts, &ifindex);
	s->daemon->lan.slots[slot] = NULL;
	s->lan_slot = s->lan_link = -1;
}

void wgx_lan_join(struct wgx_served *s)
{
	struct wgx_daemon *d = s->daemon;
	uint32_t slot = 0;
	int err;

	if (!d->lan.prog || s->lan_slot >= 0)
		return;
	err = find_slot(d, &slot);
	if (!err) {
		d->lan.slots[slot] = s;
		s->lan_slot = (int)slot;
		err = join(d, s, slot);
		if (err)
			leave(s);
	}
	if (err)
		wgx_log(WGX_LOG_WARN, "%s: packets of LAN devices go through the stack: %s",
			s->link.name, strerror(-err));
}

void wgx_lan_leave(struct wgx_served *s)
{
	if (s->lan_slot >= 0)
		leave(s);
}

void wgx_lan_link(struct wgx_daemon *d, const struct wgx_link_event *e)
{
	struct wgx_served *s;

	if (!d->lan.prog)
		return;
	cds_list_for_each_entry(s, &d->ifaces, all) {
		if (s->link.ifindex != e->ifindex)
			continue;
		if (e->deleted)
			wgx_lan_leave(s);
		else if (s->lan_slot < 0 && wgx_served_here(s))
			wgx_lan_join(s);
	}
}

/* ---- devices ---- */

static const char *const ways[] = {[WGX_LAN_TCX] = "tcx", [WGX_LAN_NATIVE] = "native"};

int wgx_lan_parse(const char *text, enum wgx_lan_way *ret)
{
	*ret = WGX_LAN_OFF;
	if (!text)
		return 0;
	for (int i = WGX_LAN_TCX; i <= WGX_LAN_NATIVE; i++)
		if (!strcmp(ways[i], text))
			*ret = (enum wgx_lan_way)i;
	return *ret == WGX_LAN_OFF ? -EINVAL : 0;
}

static bool is_on(const struct wgx_attached *a)
{
	return a->lan_link >= 0 || a->lan_xdp;
}

static bool is_wanted(struct wgx_daemon *d)
{
	struct wgx_attached *a;

	cds_list_for_each_entry(a, &d->attached, all)
		if (is_on(a))
			return true;
	return false;
}

static void unload_unwanted(struct wgx_daemon *d)
{
	struct wgx_served *s;

	if (!d->lan.prog || is_wanted(d))
		return;
	cds_list_for_each_entry(s, &d->ifaces, all)
		wgx_lan_leave(s);
	wgx_lan_free(d->lan.prog);
	d->lan.prog = NULL;
}

static int load(struct wgx_daemon *d)
{
	struct wgx_served *s;
	int err;

	if (d->lan.prog)
		return 0;
	err = wgx_lan_load(&d->lan.prog);
	if (err)
		return err;
	cds_list_for_each_entry(s, &d->ifaces, all)
		wgx_lan_join(s);
	return 0;
}

/* Its own bridge or bond has to have it first: the rules there, and its MAC address. */
static int check_master(const struct wgx_link_info *info, char *text, size_t size)
{
	struct wgx_link_info master;

	if (!info->master || wgx_link_query_index(info->master, &master) ||
	    !strcmp(master.kind, "vrf"))
		return 0;
	snprintf(text, size, "%s: it is a port of %s; attach that instead: wgx attach %s --lan",
		 info->name, master.name, master.name);
	return -EINVAL;
}

int wgx_lan_check(struct wgx_daemon *d, const struct wgx_link_info *info, char *text, size_t size)
{
	const char *missing = wgx_lan_missing(d->features);

	if (!missing)
		return check_master(info, text, size);
	snprintf(text, size, "%s: --lan needs Linux 6.9 or later: this kernel lacks %s", info->name,
		 missing);
	return -EOPNOTSUPP;
}

/* The other end of what is no hardware may leave checksums to hardware that is not there. */
static int attach_native(struct wgx_daemon *d, struct wgx_attached *a,
			 const struct wgx_link_info *info, char *text, size_t size)
{
	int err = wgx_lan_native_attach(d->lan.prog, a->ifindex, info->kind[0], text, size,
					&a->lan_xdp);

	return err ?: wgx_attached_open_xsks(d, a, info);
}

static int attach_tcx(struct wgx_daemon *d, struct wgx_attached *a)
{
	a->lan_link = wgx_lan_attach_device(d->lan.prog, a->ifindex);
	if (a->lan_link < 0)
		return a->lan_link;
	wgx_lan_gro_on(d, a);
	return 0;
}

static int add_device(struct wgx_daemon *d, struct wgx_attached *a,
		      const struct wgx_link_info *info, char *text, size_t size)
{
	const struct wgx_lan_maps *maps = wgx_lan_maps(d->lan.prog);
	const uint32_t ifindex = (uint32_t)a->ifindex;
	const uint8_t one = 1;
	int err = make_counts(maps, ifindex);

	if (!err)
		err = a->lan == WGX_LAN_NATIVE ? attach_native(d, a, info, text, size)
					       : attach_tcx(d, a);
	if (err)
		return err;
	return bpf_map_update_elem(maps->devices, &ifindex, &one, BPF_ANY) ? -errno : 0;
}

static void remove_device(struct wgx_daemon *d, struct wgx_attached *a)
{
	const struct wgx_lan_maps *maps = wgx_lan_maps(d->lan.prog);
	const uint32_t ifindex = (uint32_t)a->ifindex;

	wgx_lan_gro_off(d, a);
	(void)bpf_map_delete_elem(maps->devices, &ifindex);
	if (a->lan_link >= 0)
		close(a->lan_link);
	a->lan_link = -1;
	wgx_lan_native_detach(a->lan_xdp);
	a->lan_xdp = NULL;
	sum_counts(d, ifindex, &a->lan_before);
	(void)bpf_map_delete_elem(maps->counts, &ifindex);
}

int wgx_lan_on(struct wgx_daemon *d, struct wgx_attached *a, const struct wgx_link_info *info,
	       char *text, size_t size)
{
	char why[256] = "";
	int err = load(d);

	if (!err) {
		err = add_device(d, a, info, why, sizeof(why));
		if (err) {
			remove_device(d, a);
			wgx_attached_free_xsks(a);
		}
	}
	if (!err)
		return 0;
	unload_unwanted(d);
	snprintf(text, size, "%s: router path: %s", a->name, why[0] ? why : strerror(-err));
	return err;
}

void wgx_lan_off(struct wgx_daemon *d, struct wgx_attached *a)
{
	if (!is_on(a))
		return;
	remove_device(d, a);
	unload_unwanted(d);
}

/* ---- show ---- */

static json_t *integer(uint64_t n)
{
	return json_integer((json_int_t)n);
}

json_t *wgx_lan_json(struct wgx_daemon *d, const struct wgx_attached *a)
{
	static const char *const labels[] = {
#define X(name, label) [WGX_LAN_PASS_##name] = label,
		WGX_LAN_PASSES(X)
#undef X
	};
	struct wgx_lan_counts n = a->lan_before;
	json_t *o, *passed;

	if (!is_on(a))
		return json_null();
	sum_counts(d, (uint32_t)a->ifindex, &n);
	o = json_object();
	passed = json_object();
	for (int i = 0; i < WGX_LAN_PASS_COUNT; i++)
		json_object_set_new(passed, labels[i], integer(n.passed[i]));
	json_object_set_new(o, "way", json_string(ways[a->lan]));
	json_object_set_new(o, "packets", integer(n.packets));
	json_object_set_new(o, "bytes", integer(n.bytes));
	json_object_set_new(o, "passed", passed);
	return o;
}

void wgx_lan_counters_json(const struct wgx_served *s, json_t *counters)
{
	struct wgx_lan_counts n = s->lan_before;
	uint64_t passed = 0;

	sum_counts(s->daemon, (uint32_t)s->link.ifindex, &n);
	for (int i = 0; i < WGX_LAN_PASS_COUNT; i++)
		passed += n.passed[i];
	json_object_set_new(counters, "lan_out_packets", integer(n.packets));
	json_object_set_new(counters, "lan_out_bytes", integer(n.bytes));
	json_object_set_new(counters, "lan_out_passed", integer(passed));
}
