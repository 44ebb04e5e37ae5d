/* SPDX-License-Identifier: MIT */
#include "net/strict.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "net/bpffs.h"
#include "net/tc_hook.h"
#include "wgx_strict.skel.h"

struct wgx_strict_prog {
	bool tcx;
	struct wgx_strict *skel;
	struct wgx_strict_maps maps;
	struct ring_buffer *ring;
	void (*on_report)(void *arg, const struct wgx_strict_report *r);
	void *arg;
};

/* The two ways of a device */
static const struct way {
	const char *name;
	enum bpf_tc_attach_point point;
} ways[] = {
	{"egress", BPF_TC_EGRESS},
	{"ingress", BPF_TC_INGRESS},
};

static int prog_fd(const struct wgx_strict_prog *p, const struct way *way)
{
	return bpf_program__fd(way->point == BPF_TC_EGRESS ? p->skel->progs.wgx_strict_out
							   : p->skel->progs.wgx_strict_in);
}

/* ---- maps ---- */

struct pinned {
	struct bpf_map *map;
	const char *name;
};

#define N_PINNED 8

static void list_pinned(const struct wgx_strict *skel, struct pinned ret[N_PINNED])
{
	const struct pinned list[N_PINNED] = {
		{skel->maps.strict_tries4, "tries4"},	{skel->maps.strict_tries6, "tries6"},
		{skel->maps.strict_exempt4, "exempt4"}, {skel->maps.strict_exempt6, "exempt6"},
		{skel->maps.strict_devices, "devices"}, {skel->maps.strict_counts, "counts"},
		{skel->maps.strict_config, "config"},	{skel->maps.drops, "drops"},
	};

	for (int i = 0; i < N_PINNED; i++)
		ret[i] = list[i];
}

/* libbpf takes any descriptor for the map */
static bool fits(const struct bpf_map *map, int fd)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	return !bpf_obj_get_info_by_fd(fd, &info, &len) && info.type == bpf_map__type(map) &&
	       info.key_size == bpf_map__key_size(map) &&
	       info.value_size == bpf_map__value_size(map) &&
	       info.max_entries == bpf_map__max_entries(map);
}

static int reuse(const struct pinned *m)
{
	char path[PATH_MAX];
	int err = wgx_bpffs_strict_path(m->name, path, sizeof(path)), fd;

	if (err)
		return err;
	fd = bpf_obj_get(path);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	err = fits(m->map, fd) ? bpf_map__reuse_fd(m->map, fd) : -EPROTO;
	close(fd);
	return err;
}

static int pin(const struct pinned *m)
{
	char path[PATH_MAX];
	int err = wgx_bpffs_strict_path(m->name, path, sizeof(path));

	err = err ?: bpf_obj_pin(bpf_map__fd(m->map), path);
	return err == -EEXIST ? 0 : err;
}

/* Those that are not: new ones, and where somebody has removed the pins */
static int pin_maps(const struct wgx_strict_prog *p)
{
	struct pinned maps[N_PINNED];
	int err = wgx_bpffs_strict_make();

	list_pinned(p->skel, maps);
	for (int i = 0; !err && i < N_PINNED; i++)
		err = pin(&maps[i]);
	return err;
}

static void fill_maps(struct wgx_strict_prog *p)
{
	p->maps = (struct wgx_strict_maps){
		.tries4 = bpf_map__fd(p->skel->maps.strict_tries4),
		.tries6 = bpf_map__fd(p->skel->maps.strict_tries6),
		.exempt4 = bpf_map__fd(p->skel->maps.strict_exempt4),
		.exempt6 = bpf_map__fd(p->skel->maps.strict_exempt6),
		.devices = bpf_map__fd(p->skel->maps.strict_devices),
		.counts = bpf_map__fd(p->skel->maps.strict_counts),
		.config = bpf_map__fd(p->skel->maps.strict_config),
		.own_sockets = bpf_map__fd(p->skel->maps.own_sockets),
		.drops = bpf_map__fd(p->skel->maps.drops),
	};
}

/* ---- load ---- */

static int on_ring(void *arg, void *data, size_t size)
{
	struct wgx_strict_prog *p = arg;

	if (size >= sizeof(struct wgx_strict_report))
		p->on_report(p->arg, data);
	return 0;
}

static int load(struct wgx_strict_prog *p, const struct wgx_ingress_maps *ingress)
{
	int err = bpf_map__reuse_fd(p->skel->maps.ports, ingress->ports);
	struct pinned maps[N_PINNED];

	list_pinned(p->skel, maps);
	if (!err)
		err = bpf_map__reuse_fd(p->skel->maps.locals, ingress->locals);
	for (int i = 0; !err && i < N_PINNED; i++)
		err = reuse(&maps[i]);
	if (err)
		return err;
	wgx_bpf_log_begin("wgx_strict");
	err = wgx_strict__load(p->skel);
	wgx_bpf_log_begin(NULL);
	return err;
}

bool wgx_strict_left(void)
{
	char path[PATH_MAX];

	return !wgx_bpffs_strict_path("devices", path, sizeof(path)) && !access(path, F_OK);
}

int wgx_strict_load(const struct wgx_features *f, const struct wgx_ingress_maps *ingress,
		    void (*on_report)(void *arg, const struct wgx_strict_report *r), void *arg,
		    struct wgx_strict_prog **ret)
{
	struct wgx_strict_prog *p = calloc(1, sizeof(*p));
	bool left = wgx_strict_left();
	int err = -ENOMEM;

	if (!p)
		return err;
	p->tcx = f->tcx;
	p->on_report = on_report;
	p->arg = arg;
	p->skel = wgx_strict__open();
	if (!p->skel)
		goto out;
	err = load(p, ingress);
	if (err)
		goto out;
	p->ring = ring_buffer__new(bpf_map__fd(p->skel->maps.strict_reports), on_ring, p, NULL);
	err = p->ring ? pin_maps(p) : -errno;
	if (err)
		goto out;
	fill_maps(p);
	*ret = p;
	return 0;

out:
	wgx_strict_free(p);
	if (!left)
		(void)wgx_bpffs_strict_remove();
	return err;
}

const struct wgx_strict_maps *wgx_strict_maps(const struct wgx_strict_prog *p)
{
	return &p->maps;
}

void wgx_strict_free(struct wgx_strict_prog *p)
{
	if (!p)
		return;
	ring_buffer__free(p->ring);
	wgx_strict__destroy(p->skel);
	free(p);
}

/* ---- attach ---- */

static int link_path(const struct way *way, int ifindex, char *path, size_t size)
{
	char name[32];

	snprintf(name, sizeof(name), "%s_%d", way->name, ifindex);
	return wgx_bpffs_strict_path(name, path, size);
}

/* The new link's pin takes the place of the old one's, whose link ends with it: there is one at any time. */
static int pin_link(int link, const char *path)
{
	char beside[PATH_MAX];
	int err = wgx_bpffs_strict_path("new", beside, sizeof(beside));

	if (err)
		return err;
	(void)unlink(beside);
	err = bpf_obj_pin(link, beside);
	if (err)
		return err;
	if (!rename(beside, path))
		return 0;
	err = -errno;
	(void)unlink(beside);
	return err;
}

static int attach_tcx(struct wgx_strict_prog *p, const struct way *way, int ifindex)
{
	char path[PATH_MAX];
	int err = link_path(way, ifindex, path, sizeof(path)), link;

	if (err)
		return err;
	link = wgx_tcx_attach(prog_fd(p, way), ifindex, way->point, true);
	if (link < 0)
		return link;
	err = pin_link(link, path);
	close(link);
	return err;
}

int wgx_strict_attach(struct wgx_strict_prog *p, int ifindex)
{
	int err = pin_maps(p);

	for (int i = 0; !err && i < 2; i++)
		err = p->tcx ? attach_tcx(p, &ways[i], ifindex)
			     : wgx_clsact_attach(prog_fd(p, &ways[i]), ifindex, ways[i].point,
						 WGX_CLSACT_STRICT);
	return err;
}

static bool way_attached(const struct wgx_strict_prog *p, const struct way *way, int ifindex)
{
	char path[PATH_MAX];
	bool there;
	int link;

	if (!p->tcx)
		return wgx_clsact_attached(ifindex, way->point, WGX_CLSACT_STRICT);
	if (link_path(way, ifindex, path, sizeof(path)))
		return true; /* nothing that could be done */
	link = bpf_obj_get(path);
	if (link < 0)
		return link != -ENOENT;
	there = wgx_link_in_force(link);
	close(link);
	return there;
}

bool wgx_strict_attached(const struct wgx_strict_prog *p, int ifindex)
{
	return way_attached(p, &ways[0], ifindex) && way_attached(p, &ways[1], ifindex) &&
	       wgx_strict_left();
}

void wgx_strict_detach(struct wgx_strict_prog *p, int ifindex)
{
	char path[PATH_MAX];

	for (int i = 0; i < 2; i++) {
		if (!link_path(&ways[i], ifindex, path, sizeof(path)))
			(void)unlink(path);
		if (!p->tcx)
			wgx_clsact_detach(ifindex, ways[i].point, WGX_CLSACT_STRICT);
	}
}

/* ---- reports ---- */

int wgx_strict_reports_fd(const struct wgx_strict_prog *p)
{
	return ring_buffer__epoll_fd(p->ring);
}

void wgx_strict_reports(struct wgx_strict_prog *p)
{
	(void)ring_buffer__consume(p->ring);
}
