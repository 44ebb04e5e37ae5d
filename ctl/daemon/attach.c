/* SPDX-License-Identifier: MIT */
/* Accelerated devices: the mode ladder, the collector, and the sockets that each mode needs. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wgx/bpf_abi.h>
#include "daemon/drops.h"
#include "daemon/log.h"
#include "daemon/state.h"
#include "net/bpffs.h"

#define OPEN_RING 4096 /* shorter ones overflow while the worker is descheduled (measured) */
#define QUEUES_MAX 64 /* entries of the ingress program's xsks map */
#define DRAIN_TRIES \
	1000 /* of a millisecond: a worker that shares its processor with forty others took 20 */

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

/* Nothing comes into the ring any more: the open worker takes what is there, if it gets the processor. */
static void wait_until_served(const struct wgx_xsk *x)
{
	const struct timespec wait = {.tv_nsec = 1000000};

	for (int tries = DRAIN_TRIES; tries && !wgx_xsk_idle(x); tries--)
		nanosleep(&wait, NULL);
}

/* ---- the collector ---- */

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

	return wgx_steer_attach(c->steer,
				d->features->redirect_peer ? c->link.far_ifindex : c->link.ifindex);
}

static int open_collector(void *arg)
{
	struct wgx_daemon *d = arg;
	struct wgx_collector *c = &d->collector;
	bool far = d->features->redirect_peer;
	int err;

	err = wgx_xsk_create(far ? c->link.far_name : c->link.name, 0, OPEN_RING, false,
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

	if (!c->there || wgx_steer_attached(c->steer))
		return -EALREADY;
	wgx_steer_detach(c->steer);
	return d->features->redirect_peer ? wgx_netns_call(d->ns, attach_collector, d)
					  : attach_collector(d);
}

static void free_collector(struct wgx_daemon *d)
{
	struct wgx_collector *c = &d->collector;

	wgx_steer_free(c->steer);
	wgx_xsk_destroy(c->xsk);
	if (c->link.ifindex)
		(void)wgx_link_delete(c->link.ifindex);
	*c = (struct wgx_collector){0};
}

static int make_collector(struct wgx_daemon *d)
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

/* After a device went: the collector too, if it was the last; but first from the worker's set. */
static void drop_unneeded_collector(struct wgx_daemon *d)
{
	if (!d->collector.there || collector_needed(d))
		return;
	(void)set_collector(d, 0);
	wait_until_served(d->collector.xsk);
	d->collector.there = false;
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

	(void)set_collector(d, 0); /* from here on the UDP sockets take all */
	wait_until_served(d->collector.xsk);
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
	err = make_collector(d);
	if (!err && (err = wgx_ports_update(d)))
		(void)set_collector(d, 0);
	if (err)
		wgx_log(WGX_LOG_ERR, "the collector was deleted, and making another failed: %s",
			strerror(-err));
	else
		wgx_log(WGX_LOG_WARN, "the collector was deleted; made another");
}

/* ---- one device ---- */

void wgx_attached_free_xsks(struct wgx_attached *a)
{
	for (unsigned int i = 0; i < a->n_xsks; i++)
		wgx_xsk_destroy(a->xsks[i]);
	free(a->xsks);
	a->xsks = NULL;
	a->n_xsks = 0;
}

/* The kernel lets go of a closed socket's queue a little later: one that was just detached is busy. */
static int create_xsk(const char *name, unsigned int queue, bool multi, struct wgx_xsk **ret)
{
	const struct timespec wait = {.tv_nsec = 10000000};
	int err = -EBUSY;

	for (int tries = 0; tries < 30 && err == -EBUSY; tries++) {
		if (tries)
			nanosleep(&wait, NULL);
		err = wgx_xsk_create(name, queue, OPEN_RING, false, multi, ret);
	}
	return err;
}

static int set_xsk(struct wgx_attached *a, unsigned int queue, int fd)
{
	return a->lan_xdp ? wgx_lan_native_set_xsk(a->lan_xdp, queue, fd)
			  : wgx_ingress_set_xsk(a->attachment, queue, fd);
}

/* A socket on each of the device's queues: what comes in on one without would pass to the UDP socket, or the stack. */
int wgx_attached_open_xsks(struct wgx_daemon *d, struct wgx_attached *a,
			   const struct wgx_link_info *info)
{
	unsigned int queues = info->n_rx_queues ? info->n_rx_queues : 1;
	bool multi = wgx_features_superframes(d->features);
	int err = 0;

	if (queues > QUEUES_MAX)
		queues = QUEUES_MAX;
	a->xsks = calloc(queues, sizeof(struct wgx_xsk *));
	if (!a->xsks)
		return -ENOMEM;
	for (unsigned int q = 0; q < queues && !err; q++) {
		err = create_xsk(a->name, q, multi, &a->xsks[q]);
		if (err == -EINVAL && q)
			return 0; /* queues that the device could have, but has not */
		if (err)
			break;
		a->n_xsks++;
		err = set_xsk(a, q, a->xsks[q]->fd);
	}
	return err;
}

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

static int attach_mode(struct wgx_daemon *d, struct wgx_attached *a,
		       const struct wgx_link_info *info, char *error, size_t size)
{
	int err;

	if (a->mode == WGX_INGRESS_NONE)
		return 0;
	if (a->mode != WGX_INGRESS_TC)
		return attach_xdp(d, a, info, error, size);
	err = make_collector(d);
	if (err)
		return err;
	return wgx_ingress_attach(d->ingress, a->ifindex, a->mode, error, size, &a->attachment);
}

static struct wgx_attached *find_in(struct cds_list_head *list, const char *device)
{
	struct wgx_attached *a;

	cds_list_for_each_entry(a, list, all)
		if (!strcmp(a->name, device))
			return a;
	return NULL;
}

/* Return: whether it was awaited */
static bool forget_awaited(struct wgx_daemon *d, const char *device)
{
	struct wgx_attached *a = find_in(&d->awaited, device);

	if (!a)
		return false;
	wgx_strict_off(d, a);
	cds_list_del(&a->all);
	free(a);
	return true;
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
	a = find_in(&d->attached, info->name);
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
		err = attach_mode(d, a, info, error, size);
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
		       enum wgx_lan_way lan, const struct wgx_guard *guard, char *error,
		       size_t size)
{
	if (guard->on)
		return 0;
	if (a->guard.on)
		snprintf(error, size,
			 "%s: strict mode of the daemon that died is on: attach with --strict, or "
			 "detach it first",
			 a->name);
	else if (mode == WGX_INGRESS_NONE && !lan)
		snprintf(error, size,
			 "%s: mode none does nothing without strict mode or the router path",
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
			 const struct wgx_link_info *info, const char *mode, enum wgx_lan_way lan,
			 const struct wgx_guard *guard, char *text, size_t size)
{
	size_t first, end;
	int err = find_modes(mode, &first, &end, text, size);

	a->lan = lan;
	if (!err)
		err = check_guard(a, modes[first].mode, lan, guard, text, size);
	if (!err && lan)
		err = wgx_lan_check(d, info, text, size);
	if (!err && guard->on) {
		err = wgx_strict_set(d, a, guard);
		if (err)
			explain_strict(err, info->name, text, size);
	}
	if (!err)
		err = try_modes(d, a, info, first, end, text, size);
	if (!err && lan)
		err = wgx_lan_on(d, a, info, text, size);
	if (err)
		return err;
	snprintf(text, size, "%s: no memory", info->name);
	return wgx_ports_update(d);
}

/* Take down what was attached. Return: false where a worker may still look at it */
static bool release(struct wgx_daemon *d, struct wgx_attached *a)
{
	wgx_lan_off(d, a);
	wgx_ingress_detach(a->attachment);
	a->attachment = NULL;
	for (unsigned int i = 0; i < a->n_xsks; i++)
		wait_until_served(a->xsks[i]);
	cds_list_del(&a->all);
	if (a->n_xsks && wgx_ports_update(d)) {
		wgx_log(WGX_LOG_ERR, "%s: no memory to let go of it", a->name);
		return false;
	}
	for (unsigned int i = 0; i < a->n_xsks; i++)
		wgx_drops_retire_ring(d, a->xsks[i], false);
	wgx_attached_free_xsks(a);
	drop_unneeded_collector(d);
	return true;
}

/* Back to what it was: not there, or what a dead daemon had left. */
static void undo(struct wgx_daemon *d, struct wgx_attached *a, bool inherited,
		 const struct wgx_guard *before)
{
	if (!inherited) {
		wgx_attached_free(d, a);
		return;
	}
	if (!release(d, a))
		return;
	a->mode = WGX_INGRESS_NONE;
	a->lan = WGX_LAN_OFF;
	cds_list_add_tail(&a->all, &d->attached);
	(void)wgx_strict_set(d, a, before);
}

/* @a: what a dead daemon left on the device, or NULL */
static int attach_device(struct wgx_daemon *d, struct wgx_attached *a,
			 const struct wgx_link_info *info, const char *mode, enum wgx_lan_way lan,
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
	err = a ? fill_attached(d, a, info, mode, lan, guard, text, size) : -ENOMEM;
	if (a && err)
		undo(d, a, inherited, &before);
	wgx_guard_free(&before);
	return err;
}

/* It is in strict mode, and is to be with other networks: at once, and with no moment without. NULL: that is not so */
static struct wgx_attached *find_changeable(struct wgx_daemon *d, const char *device,
					    const char *mode, enum wgx_lan_way lan,
					    const struct wgx_guard *guard)
{
	struct wgx_link_info info;
	struct wgx_attached *a =
		wgx_link_query(device, &info) ? NULL : find_in(&d->attached, info.name);

	if (!a || a->guard.inherited || !a->guard.on || !guard->on || a->lan != lan)
		return NULL;
	return !strcmp(mode, "auto") || !strcmp(mode, wgx_attached_mode(a)) ? a : NULL;
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

int wgx_attach(struct wgx_daemon *d, const char *device, const char *mode, enum wgx_lan_way lan,
	       const struct wgx_guard *guard, const char **ret_mode, char *text, size_t size)
{
	struct wgx_link_info info;
	struct wgx_attached *a = find_changeable(d, device, mode, lan, guard);
	int err;

	if (a)
		return change_attached(d, a, guard, ret_mode, text, size);
	snprintf(text, size, "%s: no memory", device);
	err = check_device(d, device, &info, text, size);
	if (!err)
		err = wgx_ingress_ready(d);
	if (!err)
		err = attach_device(d, find_in(&d->attached, info.name), &info, mode, lan, guard,
				    text, size);
	if (err)
		return err;
	(void)forget_awaited(d, info.name);
	a = find_in(&d->attached, info.name);
	note_master(&info, text, size);
	*ret_mode = wgx_attached_mode(a);
	wgx_log(WGX_LOG_INFO, "%s: attached, mode %s%s%s", info.name, *ret_mode,
		a->lan == WGX_LAN_NATIVE ? ", lan native"
		: a->lan		 ? ", lan"
					 : "",
		a->guard.on ? ", strict" : "");
	wgx_tell_device(d, WGX_NEWS_ATTACHED, info.name, *ret_mode);
	return 0;
}

void wgx_attached_suspend(struct wgx_daemon *d)
{
	struct wgx_attached *a, *next;

	cds_list_for_each_entry_safe(a, next, &d->attached, all) {
		(void)release(d, a);
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
	err = attach_mode(d, a, &info, text, sizeof(text));
	if (err)
		a->mode = WGX_INGRESS_NONE;
	if (!err && a->lan)
		err = wgx_lan_on(d, a, &info, text, sizeof(text));
	if (err)
		wgx_log(WGX_LOG_ERR, "%s: attached again: %s", a->name,
			*text ? text : strerror(-err));
}

void wgx_attached_resume(struct wgx_daemon *d)
{
	struct wgx_attached *a, *next;

	cds_list_for_each_entry_safe(a, next, &d->suspended, all)
		resume(d, a);
	if (wgx_ports_update(d))
		wgx_log(WGX_LOG_ERR, "no memory to serve the devices again");
}

void wgx_attached_free(struct wgx_daemon *d, struct wgx_attached *a)
{
	wgx_strict_off(d, a);
	if (release(d, a))
		free(a);
}

void wgx_attached_lost(struct wgx_daemon *d, struct wgx_attached *a)
{
	wgx_log(WGX_LOG_WARN, "%s: the device went away; attached again when it is back", a->name);
	wgx_tell_device(d, WGX_NEWS_DEVICE_GONE, a->name, NULL);
	wgx_strict_lost(d, a);
	if (!release(d, a))
		return;
	a->ifindex = 0;
	cds_list_add_tail(&a->all, &d->awaited);
	wgx_attached_back(d, a->name); /* it may be back, and that have been told before */
}

void wgx_attached_back(struct wgx_daemon *d, const char *name)
{
	struct wgx_attached *a = find_in(&d->awaited, name);
	struct wgx_link_info info;
	const char *mode;
	char error[512];

	if (!a || wgx_link_query(name, &info) ||
	    !wgx_attach(d, name, a->wanted, a->lan, &a->guard, &mode, error, sizeof(error)))
		return;
	wgx_log(WGX_LOG_WARN, "it is back: %s", error);
	/* slower than wanted, but nothing leaks */
	if (a->guard.on &&
	    wgx_attach(d, name, "none", WGX_LAN_OFF, &a->guard, &mode, error, sizeof(error)))
		wgx_log(WGX_LOG_ERR, "%s", error);
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

int wgx_detach(struct wgx_daemon *d, const char *device, char *error, size_t size)
{
	struct wgx_link_info info;
	struct wgx_attached *a;

	/* it may be an alternative name */
	a = find_in(&d->attached, wgx_link_query(device, &info) ? device : info.name);
	if (!a && forget_awaited(d, device)) {
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
