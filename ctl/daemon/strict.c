/* SPDX-License-Identifier: MIT */
/*
 * Strict mode (bpf/strict.h): what its program knows of interfaces, and on which devices it is. The program looks
 * into the interfaces' own allowed_ips maps, each in a slot of tries4 and tries6. The slots that a dead daemon
 * filled stay in force until somebody asks for strict mode anew. One slot is for networks that are protected whether
 * a peer has them or not; where there are such, strict mode stays also when the daemon ends in good order.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/log.h"
#include "daemon/state.h"
#include "net/bpffs.h"
#include "net/holder.h"

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

/* As the devices want it now. Where that fails, everything is taken for protected. */
static void update_protected(struct wgx_daemon *d)
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

/* ---- default routes ---- */

/* The bit of 0.0.0.0/0, 0.0.0.0/1, 128.0.0.0/1, ::/0, ::/1 or 8000::/1; 0: another prefix */
static uint8_t default_bit(const struct wgx_prefix *p)
{
	if (p->cidr > 1)
		return 0;
	return (uint8_t)(1U << ((p->family == AF_INET6 ? 3 : 0) + p->cidr +
				(p->cidr ? p->addr[0] >> 7 : 0)));
}

bool wgx_strict_default_route(struct wgx_daemon *d)
{
	struct wgx_served *s;
	uint8_t bits = 0;

	cds_list_for_each_entry(s, &d->ifaces, all)
		bits |= s->default_routes;
	return bits & 011 || (bits & 06) == 06 || (bits & 060) == 060;
}

/* The device drops all plaintext, which nobody may have meant. */
static bool shuts(struct wgx_daemon *d, const struct wgx_guard *g)
{
	return d->strict.all || (!g->n_exempt && !g->no_exemptions && wgx_strict_default_route(d));
}

static void warn_of_default_route(struct wgx_daemon *d)
{
	struct wgx_attached *a;

	cds_list_for_each_entry(a, &d->attached, all)
		if (a->guard.on && shuts(d, &a->guard))
			wgx_log(WGX_LOG_WARN,
				"%s: strict: allowed IPs have a default route, and nothing is "
				"exempt: "
				"all plaintext is dropped",
				a->name);
}

static void note_default(struct wgx_served *s, uint8_t bit, bool there)
{
	bool before = wgx_strict_default_route(s->daemon);

	if (there)
		s->default_routes |= bit;
	else
		s->default_routes &= (uint8_t)~bit;
	if (!before && wgx_strict_default_route(s->daemon))
		warn_of_default_route(s->daemon);
}

void wgx_strict_prefix(struct wgx_served *s, const struct wgx_prefix *prefix, bool there)
{
	uint8_t bit = default_bit(prefix);

	if (bit)
		note_default(s, bit, there);
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

/* ---- the program ---- */

static const char *device_name(struct wgx_daemon *d, uint32_t key)
{
	struct wgx_attached *a;

	cds_list_for_each_entry(a, &d->attached, all)
		if (a->guard.key == key)
			return a->name;
	return "?";
}

static void format_addr(const struct wgx_addr *addr, char text[INET6_ADDRSTRLEN])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (!memcmp(addr->addr, mapped, sizeof(mapped)))
		inet_ntop(AF_INET, addr->addr + 12, text, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, addr->addr, text, INET6_ADDRSTRLEN);
}

static void on_report(void *arg, const struct wgx_strict_report *r)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

	format_addr(&r->src, src);
	format_addr(&r->dst, dst);
	wgx_log(WGX_LOG_WARN, "%s: %s: from %s port %u to %s port %u, protocol %u",
		device_name(arg, r->device), r->egress ? "strict_egress" : "strict_ingress", src,
		r->sport, dst, r->dport, r->proto);
}

static void reports_ready(struct wgx_event *e, uint32_t events)
{
	struct wgx_daemon *d = e->arg;

	wgx_strict_reports(d->strict.prog);
}

/* Return: the slot has something that a dead daemon put there */
static bool slot_inherited(const struct wgx_strict_maps *maps, uint32_t slot)
{
	uint32_t id = 0;

	return (!bpf_map_lookup_elem(maps->tries4, &slot, &id) && id) ||
	       (!bpf_map_lookup_elem(maps->tries6, &slot, &id) && id);
}

static int load(struct wgx_daemon *d)
{
	struct wgx_strict_state *st = &d->strict;
	struct wgx_served *s;
	int err;

	if (st->prog)
		return 0;
	err = wgx_strict_load(d->features, wgx_ingress_maps(d->ingress), on_report, d, &st->prog);
	if (err)
		return err;
	for (uint32_t i = 0; i < WGX_STRICT_TRIES; i++)
		st->inherited[i] = slot_inherited(wgx_strict_maps(st->prog), i);
	cds_list_for_each_entry(s, &d->ifaces, all)
		wgx_strict_join(s);
	update_config(d);
	return wgx_event_add(d->epoll_fd, &st->reports, wgx_strict_reports_fd(st->prog),
			     reports_ready, d);
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
	return false;
}

/* Nothing of it is left where no device has it. */
static void unload_unwanted(struct wgx_daemon *d)
{
	struct wgx_strict_state *st = &d->strict;
	int err;

	if (!st->prog || st->keep || is_wanted(d))
		return;
	wgx_strict_free(st->prog); /* closes what is in the loop */
	err = wgx_bpffs_strict_remove();
	if (err)
		wgx_log(WGX_LOG_ERR, WGX_BPFFS_STRICT_DIR ": %s", strerror(-err));
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
	int err = load(d);

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
		update_protected(d);
	}
	unload_unwanted(d);
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

/* ---- what a dead daemon left ---- */

void wgx_strict_confirm(struct wgx_daemon *d)
{
	for (uint32_t i = 0; i < WGX_STRICT_TRIES; i++)
		if (d->strict.inherited[i])
			empty_slot(d, i);
	take_slots(d);
}

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
	err = load(d);
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
	unload_unwanted(d);
	return 0;
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
	d->strict.keep = forget(&d->attached, inherited);
	d->strict.keep |= forget(&d->awaited, inherited);
}

void wgx_strict_end(struct wgx_daemon *d)
{
	d->strict.reports.fd = -1;
	wgx_strict_free(d->strict.prog);
	d->strict.prog = NULL;
}

/* ---- show ---- */

static json_t *counts_json(const struct wgx_strict_maps *maps, uint32_t key)
{
	int cpus = libbpf_num_possible_cpus();
	struct wgx_strict_counts sum = {0},
				 *values = cpus > 0 ? calloc((size_t)cpus, sizeof(*values)) : NULL;

	if (values && !bpf_map_lookup_elem(maps->counts, &key, values))
		for (int i = 0; i < cpus; i++) {
			sum.egress += values[i].egress;
			sum.ingress += values[i].ingress;
		}
	free(values);
	return json_pack("{s:I, s:I}", "strict_egress", (json_int_t)sum.egress, "strict_ingress",
			 (json_int_t)sum.ingress);
}

json_t *wgx_strict_json(struct wgx_daemon *d, const struct wgx_guard *g)
{
	json_t *exempt, *protect;
	char text[WGX_PREFIX_TEXT];

	if (!g->on)
		return json_null();
	exempt = json_array();
	for (unsigned int i = 0; i < g->n_exempt; i++)
		json_array_append_new(exempt, json_string(wgx_prefix_format(&g->exempt[i], text)));
	protect = json_array();
	for (unsigned int i = 0; i < g->n_protect; i++)
		json_array_append_new(protect,
				      json_string(wgx_prefix_format(&g->protect[i], text)));
	return json_pack("{s:o, s:o, s:b, s:b, s:b, s:o}", "exempt", exempt, "protect", protect,
			 "report", g->report, "inherited", g->inherited, "all_plaintext",
			 shuts(d, g), "drops",
			 counts_json(wgx_strict_maps(d->strict.prog), g->key));
}
