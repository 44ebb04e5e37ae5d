/* SPDX-License-Identifier: MIT */
#include "net/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "net/tc_hook.h"
#include "wgx_egress.skel.h"
#include "wgx_egress_plain.skel.h"
#include "wgx_ingress.skel.h"
#include "wgx_steer.skel.h"

struct wgx_egress_prog {
	bool tcx;
	struct wgx_egress *skel; /* one of the two */
	struct wgx_egress_plain *plain;
	int fd;
	struct wgx_egress_maps maps;
	struct wgx_tc_hook hook;
};

struct wgx_steer_prog {
	struct wgx_steer *skel;
	struct bpf_program *prog;
	struct wgx_steer_maps maps;
	int link;
};

struct wgx_ingress_prog {
	struct wgx_features features;
	struct wgx_ingress *skel; /* the tc program, and the maps that all share */
	struct wgx_ingress_maps maps;
};

struct wgx_ingress_attachment {
	enum wgx_ingress_mode mode;
	bool frags; /* XDP modes: which of the programs */
	struct wgx_tc_hook hook;
	struct wgx_ingress *skel; /* XDP modes: a program with an xsks map of its own */
	int link;
};

/* ---- XDP, maps, errors ---- */

static int attach_xdp(int prog_fd, int ifindex, uint32_t flags)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = flags);

	return bpf_link_create(prog_fd, ifindex, BPF_XDP, &opts);
}

static int set_xsk(int map, uint32_t queue, int xsk_fd)
{
	return bpf_map_update_elem(map, &queue, &xsk_fd, BPF_ANY);
}

/* A skeleton's open() has set errno where it returns NULL. */
static int open_error(void)
{
	return errno ? -errno : -ENOMEM;
}

/* What libbpf has to say of a failure is logged as an error, after the program's name. */
static int load(const char *name, struct bpf_object_skeleton *s)
{
	int err;

	wgx_bpf_log_begin(name);
	err = bpf_object__load_skeleton(s);
	wgx_bpf_log_begin(NULL);
	return err;
}

/* ---- egress ---- */

static void fill_egress(struct wgx_egress_prog *p, const struct bpf_object *o,
			const struct bpf_program *prog)
{
	p->fd = bpf_program__fd(prog);
	p->maps = (struct wgx_egress_maps){
		.allowed_ips4 = bpf_object__find_map_fd_by_name(o, "allowed_ips4"),
		.allowed_ips6 = bpf_object__find_map_fd_by_name(o, "allowed_ips6"),
		.peers = bpf_object__find_map_fd_by_name(o, "peers"),
		.peer_stats = bpf_object__find_map_fd_by_name(o, "peer_stats"),
		.credit = bpf_object__find_map_fd_by_name(o, "credit"),
		.config = bpf_object__find_map_fd_by_name(o, "config"),
		.drops = bpf_object__find_map_fd_by_name(o, "drops"),
		.counters = bpf_object__find_map_fd_by_name(o, "counters"),
	};
}

static int load_egress(struct wgx_egress_prog *p)
{
	int err;

	p->skel = wgx_egress__open();
	if (!p->skel)
		return open_error();
	err = load("wgx_egress", p->skel->skeleton);
	if (!err)
		fill_egress(p, p->skel->obj, p->skel->progs.wgx_egress);
	return err;
}

static int load_egress_plain(struct wgx_egress_prog *p)
{
	int err;

	p->plain = wgx_egress_plain__open();
	if (!p->plain)
		return open_error();
	err = load("wgx_egress_plain", p->plain->skeleton);
	if (!err)
		fill_egress(p, p->plain->obj, p->plain->progs.wgx_egress);
	return err;
}

int wgx_egress_load(const struct wgx_features *f, struct wgx_egress_prog **ret)
{
	struct wgx_egress_prog *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->tcx = f->tcx;
	p->hook = WGX_TC_HOOK_NONE;
	err = wgx_features_superframes(f) ? load_egress(p) : load_egress_plain(p);
	if (err) {
		wgx_egress_free(p);
		return err;
	}
	*ret = p;
	return 0;
}

const struct wgx_egress_maps *wgx_egress_maps(const struct wgx_egress_prog *p)
{
	return &p->maps;
}

int wgx_egress_lan_fd(const struct wgx_egress_prog *p)
{
	return p->skel ? bpf_program__fd(p->skel->progs.wgx_egress_lan) : -1;
}

int wgx_egress_attach(struct wgx_egress_prog *p, int ifindex)
{
	if (p->hook.link >= 0 || p->hook.ifindex)
		return -EALREADY;
	return wgx_tc_attach(p->tcx, p->fd, ifindex, BPF_TC_EGRESS, &p->hook);
}

int wgx_egress_link(const struct wgx_egress_prog *p)
{
	return p->hook.link;
}

int wgx_egress_succeed(struct wgx_egress_prog *p, int link, int ifindex)
{
	if (p->hook.link >= 0 || p->hook.ifindex)
		return -EALREADY;
	if (p->tcx != (link >= 0))
		return -EOPNOTSUPP;
	if (link < 0) /* it replaces what is there */
		return wgx_egress_attach(p, ifindex);
	if (bpf_link_update(link, p->fd, NULL))
		return -errno;
	p->hook.link = link;
	return 0;
}

int wgx_egress_reassert(struct wgx_egress_prog *p, int ifindex)
{
	if (p->hook.link >= 0)
		return bpf_link_update(p->hook.link, p->fd, NULL) ? -errno : 0;
	return wgx_tc_attach(false, p->fd, ifindex, BPF_TC_EGRESS, &p->hook);
}

void wgx_egress_detach(struct wgx_egress_prog *p)
{
	wgx_tc_detach(&p->hook);
}

bool wgx_egress_attached(const struct wgx_egress_prog *p)
{
	return wgx_tc_attached(&p->hook);
}

void wgx_egress_free(struct wgx_egress_prog *p)
{
	if (!p)
		return;
	wgx_egress_detach(p);
	wgx_egress__destroy(p->skel);
	wgx_egress_plain__destroy(p->plain);
	free(p);
}

/* ---- steer ---- */

int wgx_steer_load(const struct wgx_features *f, struct wgx_steer_prog **ret)
{
	struct wgx_steer_prog *p = calloc(1, sizeof(*p));
	bool frags = f->generic_frags && f->xsk_sg;
	int err;

	if (!p)
		return -ENOMEM;
	p->link = -1;
	p->skel = wgx_steer__open();
	if (!p->skel) {
		err = open_error();
		goto out;
	}
	p->prog = frags ? p->skel->progs.wgx_steer : p->skel->progs.wgx_steer_linear;
	bpf_program__set_autoload(p->skel->progs.wgx_steer, frags);
	bpf_program__set_autoload(p->skel->progs.wgx_steer_linear, !frags);
	err = load("wgx_steer", p->skel->skeleton);
	if (err)
		goto out;
	p->maps.xsks = bpf_map__fd(p->skel->maps.xsks);
	p->maps.drops = bpf_map__fd(p->skel->maps.drops);
	*ret = p;
	return 0;

out:
	wgx_steer_free(p);
	return err;
}

const struct wgx_steer_maps *wgx_steer_maps(const struct wgx_steer_prog *p)
{
	return &p->maps;
}

int wgx_steer_attach(struct wgx_steer_prog *p, int ifindex)
{
	int link;

	if (p->link >= 0)
		return -EALREADY;
	link = attach_xdp(bpf_program__fd(p->prog), ifindex, XDP_FLAGS_SKB_MODE);
	if (link < 0)
		return link;
	p->link = link;
	return 0;
}

int wgx_steer_set_xsk(struct wgx_steer_prog *p, uint32_t queue, int xsk_fd)
{
	return set_xsk(p->maps.xsks, queue, xsk_fd);
}

int wgx_steer_link(const struct wgx_steer_prog *p)
{
	return p->link;
}

int wgx_steer_succeed(struct wgx_steer_prog *p, int link)
{
	if (p->link >= 0)
		return -EALREADY;
	if (bpf_link_update(link, bpf_program__fd(p->prog), NULL))
		return -errno;
	p->link = link;
	return 0;
}

int wgx_steer_reassert(struct wgx_steer_prog *p)
{
	return bpf_link_update(p->link, bpf_program__fd(p->prog), NULL) ? -errno : 0;
}

void wgx_steer_detach(struct wgx_steer_prog *p)
{
	if (p->link >= 0)
		close(p->link);
	p->link = -1;
}

bool wgx_steer_attached(const struct wgx_steer_prog *p)
{
	return p->link >= 0 && wgx_link_in_force(p->link);
}

void wgx_steer_free(struct wgx_steer_prog *p)
{
	if (!p)
		return;
	wgx_steer_detach(p);
	wgx_steer__destroy(p->skel);
	free(p);
}

/* ---- ingress ---- */

/* None of the three programs is loaded but what the caller then switches on. */
static struct wgx_ingress *open_ingress(void)
{
	struct wgx_ingress *skel = wgx_ingress__open();

	if (!skel)
		return NULL;
	bpf_program__set_autoload(skel->progs.wgx_ingress_tc, false);
	bpf_program__set_autoload(skel->progs.wgx_ingress_xdp, false);
	bpf_program__set_autoload(skel->progs.wgx_ingress_xdp_linear, false);
	return skel;
}

static void fill_ingress_maps(struct wgx_ingress_prog *p)
{
	p->maps = (struct wgx_ingress_maps){
		.receivers = bpf_map__fd(p->skel->maps.receivers),
		.floors = bpf_map__fd(p->skel->maps.floors),
		.mac1_keys = bpf_map__fd(p->skel->maps.mac1_keys),
		.ports = bpf_map__fd(p->skel->maps.ports),
		.locals = bpf_map__fd(p->skel->maps.locals),
		.config = bpf_map__fd(p->skel->maps.config),
		.drops = bpf_map__fd(p->skel->maps.drops),
		.counters = bpf_map__fd(p->skel->maps.counters),
	};
}

int wgx_ingress_load(const struct wgx_features *f, struct wgx_ingress_prog **ret)
{
	struct wgx_ingress_prog *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->features = *f;
	p->skel = open_ingress();
	if (!p->skel) {
		err = open_error();
		goto out;
	}
	bpf_program__set_autoload(p->skel->progs.wgx_ingress_tc, true);
	bpf_map__set_autocreate(p->skel->maps.xsks, false);
	err = load("wgx_ingress", p->skel->skeleton);
	if (err)
		goto out;
	fill_ingress_maps(p);
	*ret = p;
	return 0;

out:
	wgx_ingress_free(p);
	return err;
}

const struct wgx_ingress_maps *wgx_ingress_maps(const struct wgx_ingress_prog *p)
{
	return &p->maps;
}

void wgx_ingress_free(struct wgx_ingress_prog *p)
{
	if (!p)
		return;
	wgx_ingress__destroy(p->skel);
	free(p);
}

static int share_maps(struct wgx_ingress *skel, const struct wgx_ingress_maps *maps)
{
	const struct {
		struct bpf_map *map;
		int fd;
	} shared[] = {
		{skel->maps.receivers, maps->receivers}, {skel->maps.floors, maps->floors},
		{skel->maps.mac1_keys, maps->mac1_keys}, {skel->maps.ports, maps->ports},
		{skel->maps.locals, maps->locals},	 {skel->maps.config, maps->config},
		{skel->maps.drops, maps->drops},	 {skel->maps.counters, maps->counters},
	};

	for (size_t i = 0; i < sizeof(shared) / sizeof(shared[0]); i++) {
		int err = bpf_map__reuse_fd(shared[i].map, shared[i].fd);

		if (err)
			return err;
	}
	return 0;
}

/* Drivers had multi-buffer XDP long before generic XDP; without XDP_USE_SG neither is of use. */
static bool wants_frags(const struct wgx_features *f, enum wgx_ingress_mode mode)
{
	return f->xsk_sg && (mode == WGX_INGRESS_XDP_NATIVE || f->generic_frags);
}

static struct bpf_program *xdp_program(const struct wgx_ingress *skel, bool frags)
{
	return frags ? skel->progs.wgx_ingress_xdp : skel->progs.wgx_ingress_xdp_linear;
}

static int load_xdp(const struct wgx_ingress_prog *p, struct wgx_ingress_attachment *a, bool frags)
{
	int err;

	a->skel = open_ingress();
	if (!a->skel)
		return open_error();
	bpf_program__set_autoload(xdp_program(a->skel, frags), true);
	err = share_maps(a->skel, &p->maps);
	return err ?: load("wgx_ingress", a->skel->skeleton);
}

uint32_t wgx_xdp_other(int ifindex, char *name, size_t size)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	struct bpf_prog_info info = {0};
	uint32_t id = 0, len = sizeof(info);
	int fd;

	name[0] = '\0';
	if (!bpf_xdp_query(ifindex, 0, &q))
		id = q.drv_prog_id ?: q.skb_prog_id ?: q.hw_prog_id ?: q.prog_id;
	fd = id ? bpf_prog_get_fd_by_id(id) : -1;
	if (fd < 0)
		return id;
	if (!bpf_obj_get_info_by_fd(fd, &info, &len))
		snprintf(name, size, "%s", info.name);
	close(fd);
	return id;
}

/* Who is there. The daemon, without CAP_SYS_ADMIN, does not hear the name; `wgx attach` adds it. */
static void tell_other(int ifindex, char *msg, size_t size)
{
	char name[BPF_OBJ_NAME_LEN];
	uint32_t id = wgx_xdp_other(ifindex, name, sizeof(name));

	if (!id)
		snprintf(msg, size, "another XDP program is attached");
	else if (name[0])
		snprintf(msg, size, "XDP program %s (id %u) is attached", name, id);
	else
		snprintf(msg, size, "an XDP program (id %u) is attached", id);
}

/* Return: the errno that callers know, with the text for the user where there is one */
static int explain(int err, int ifindex, char *msg, size_t size)
{
	char name[IF_NAMESIZE];

	/* an XDP link to a device that is not there fails with EINVAL */
	if (!if_indextoname((unsigned int)ifindex, name))
		return -ENODEV;
	switch (err) {
	case -EBUSY:
	case -EEXIST: /* one in the other mode, native or generic */
		tell_other(ifindex, msg, size);
		return -EBUSY;
	case -EOPNOTSUPP:
		snprintf(msg, size, "the driver has no XDP");
		return err;
	case -EINVAL:
	case -ERANGE:
		snprintf(msg, size, "the driver has no XDP with the device's MTU and offloads");
		return -EOPNOTSUPP;
	default:
		return err;
	}
}

int wgx_xdp_attach(int prog_fd, int ifindex, bool native, char *msg, size_t msg_size)
{
	int link = attach_xdp(prog_fd, ifindex, native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE);

	return link < 0 ? explain(link, ifindex, msg, msg_size) : link;
}

static int attach_ingress_xdp(const struct wgx_ingress_prog *p, int ifindex, char *msg, size_t size,
			      struct wgx_ingress_attachment *a)
{
	int err;

	if (!a->skel) {
		a->frags = wants_frags(&p->features, a->mode);
		err = load_xdp(p, a, a->frags);
		if (err)
			return err;
	}
	a->link = wgx_xdp_attach(bpf_program__fd(xdp_program(a->skel, a->frags)), ifindex,
				 a->mode == WGX_INGRESS_XDP_NATIVE, msg, size);
	return a->link < 0 ? a->link : 0;
}

static int attach_ingress(const struct wgx_ingress_prog *p, int ifindex, char *msg, size_t size,
			  struct wgx_ingress_attachment *a)
{
	if (a->mode == WGX_INGRESS_TC)
		return wgx_tc_attach(p->features.tcx,
				     bpf_program__fd(p->skel->progs.wgx_ingress_tc), ifindex,
				     BPF_TC_INGRESS, &a->hook);
	return attach_ingress_xdp(p, ifindex, msg, size, a);
}

int wgx_ingress_attach(struct wgx_ingress_prog *p, int ifindex, enum wgx_ingress_mode mode,
		       char *msg, size_t msg_size, struct wgx_ingress_attachment **ret)
{
	struct wgx_ingress_attachment *a = calloc(1, sizeof(*a));
	int err;

	if (!a)
		return -ENOMEM;
	if (msg_size)
		msg[0] = '\0';
	a->mode = mode;
	a->hook = WGX_TC_HOOK_NONE;
	a->link = -1;
	err = attach_ingress(p, ifindex, msg, msg_size, a);
	if (err) {
		wgx_ingress_detach(a);
		return err;
	}
	*ret = a;
	return 0;
}

int wgx_ingress_set_xsk(struct wgx_ingress_attachment *a, uint32_t queue, int xsk_fd)
{
	if (!a->skel)
		return -EINVAL;
	return set_xsk(bpf_map__fd(a->skel->maps.xsks), queue, xsk_fd);
}

bool wgx_ingress_attached(const struct wgx_ingress_attachment *a)
{
	return a->mode == WGX_INGRESS_TC ? wgx_tc_attached(&a->hook)
					 : a->link >= 0 && wgx_link_in_force(a->link);
}

static void unhook(struct wgx_ingress_attachment *a)
{
	wgx_tc_detach(&a->hook);
	if (a->link >= 0)
		close(a->link);
	a->link = -1;
}

int wgx_ingress_again(struct wgx_ingress_prog *p, int ifindex, struct wgx_ingress_attachment *a)
{
	char msg[128];

	unhook(a);
	return attach_ingress(p, ifindex, msg, sizeof(msg), a);
}

void wgx_ingress_detach(struct wgx_ingress_attachment *a)
{
	if (!a)
		return;
	unhook(a);
	wgx_ingress__destroy(a->skel);
	free(a);
}
