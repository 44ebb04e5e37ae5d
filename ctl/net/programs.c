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
#include "wgx_egress.skel.h"
#include "wgx_ingress.skel.h"
#include "wgx_steer.skel.h"

/* enum bpf_attach_type, 6.6; newer than the headers that this is built with */
#define TCX_INGRESS 46
#define TCX_EGRESS 47

/* Ours among clsact filters: who comes first does not matter, whom we replace does. */
#define CLSACT_HANDLE 1
#define CLSACT_PRIORITY 0x7767

/* A tc program on a device: a link where there is tcx, else a clsact filter. */
struct tc_hook {
	int link; /* -1: none */
	int ifindex; /* of the clsact filter; 0: none */
	enum bpf_tc_attach_point point;
};

#define TC_HOOK_NONE ((struct tc_hook){.link = -1})

struct wgx_egress_prog {
	bool tcx;
	struct wgx_egress *skel;
	struct bpf_program *prog;
	struct wgx_egress_maps maps;
	struct tc_hook hook;
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
	struct tc_hook hook;
	struct wgx_ingress *skel; /* XDP modes: a program with an xsks map of its own */
	int link;
};

/* ---- hooks ---- */

static int attach_clsact(int prog_fd, int ifindex, enum bpf_tc_attach_point point)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
		    .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = prog_fd, .handle = CLSACT_HANDLE,
		    .priority = CLSACT_PRIORITY, .flags = BPF_TC_F_REPLACE);
	int err = bpf_tc_hook_create(&hook);

	/* the qdisc may be another's, and others may come to use ours: it stays */
	if (err && err != -EEXIST)
		return err;
	hook.attach_point = point;
	return bpf_tc_attach(&hook, &opts);
}

static void detach_clsact(int ifindex, enum bpf_tc_attach_point point)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex, .attach_point = point);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = CLSACT_HANDLE, .priority = CLSACT_PRIORITY);

	bpf_tc_detach(&hook, &opts);
}

static int attach_tc(bool tcx, int prog_fd, int ifindex, enum bpf_tc_attach_point point,
		     struct tc_hook *ret)
{
	int type = point == BPF_TC_EGRESS ? TCX_EGRESS : TCX_INGRESS, err;

	if (tcx) {
		int link = bpf_link_create(prog_fd, ifindex, (enum bpf_attach_type)type, NULL);

		if (link < 0)
			return link;
		*ret = (struct tc_hook){.link = link};
		return 0;
	}
	err = attach_clsact(prog_fd, ifindex, point);
	if (!err)
		*ret = (struct tc_hook){.link = -1, .ifindex = ifindex, .point = point};
	return err;
}

static void detach_tc(struct tc_hook *h)
{
	if (h->link >= 0)
		close(h->link);
	if (h->ifindex)
		detach_clsact(h->ifindex, h->point);
	*h = TC_HOOK_NONE;
}

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

/* ---- egress ---- */

static void fill_egress_maps(struct wgx_egress_prog *p)
{
	p->maps = (struct wgx_egress_maps){
		.allowed_ips4 = bpf_map__fd(p->skel->maps.allowed_ips4),
		.allowed_ips6 = bpf_map__fd(p->skel->maps.allowed_ips6),
		.peers = bpf_map__fd(p->skel->maps.peers),
		.peer_stats = bpf_map__fd(p->skel->maps.peer_stats),
		.credit = bpf_map__fd(p->skel->maps.credit),
		.config = bpf_map__fd(p->skel->maps.config),
		.drops = bpf_map__fd(p->skel->maps.drops),
		.counters = bpf_map__fd(p->skel->maps.counters),
	};
}

int wgx_egress_load(const struct wgx_features *f, struct wgx_egress_prog **ret)
{
	struct wgx_egress_prog *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->tcx = f->tcx;
	p->hook = TC_HOOK_NONE;
	p->skel = wgx_egress__open();
	if (!p->skel) {
		err = open_error();
		goto out;
	}
	/* without superframes wg0 has no checksum offload: what egress sees as partial, the kernel finishes */
	p->skel->rodata->have_kern_ctx = wgx_features_superframes(f);
	p->prog = f->kern_ctx ? p->skel->progs.wgx_egress : p->skel->progs.wgx_egress_plain;
	bpf_program__set_autoload(p->skel->progs.wgx_egress, f->kern_ctx);
	bpf_program__set_autoload(p->skel->progs.wgx_egress_plain, !f->kern_ctx);
	err = wgx_egress__load(p->skel);
	if (err)
		goto out;
	fill_egress_maps(p);
	*ret = p;
	return 0;

out:
	wgx_egress_free(p);
	return err;
}

const struct wgx_egress_maps *wgx_egress_maps(const struct wgx_egress_prog *p)
{
	return &p->maps;
}

int wgx_egress_attach(struct wgx_egress_prog *p, int ifindex)
{
	if (p->hook.link >= 0 || p->hook.ifindex)
		return -EALREADY;
	return attach_tc(p->tcx, bpf_program__fd(p->prog), ifindex, BPF_TC_EGRESS, &p->hook);
}

void wgx_egress_detach(struct wgx_egress_prog *p)
{
	detach_tc(&p->hook);
}

void wgx_egress_free(struct wgx_egress_prog *p)
{
	if (!p)
		return;
	wgx_egress_detach(p);
	wgx_egress__destroy(p->skel);
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
	err = wgx_steer__load(p->skel);
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

void wgx_steer_detach(struct wgx_steer_prog *p)
{
	if (p->link >= 0)
		close(p->link);
	p->link = -1;
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
	err = wgx_ingress__load(p->skel);
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
		{skel->maps.receivers, maps->receivers}, {skel->maps.ports, maps->ports},
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
	return err ?: wgx_ingress__load(a->skel);
}

/* Who is there. To ask for a name takes CAP_SYS_ADMIN; else the id must do. */
static void tell_other(int ifindex, char *msg, size_t size)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, q);
	struct bpf_prog_info info = {0};
	uint32_t id = 0, len = sizeof(info);
	int fd;

	if (!bpf_xdp_query(ifindex, 0, &q))
		id = q.drv_prog_id ?: q.skb_prog_id ?: q.hw_prog_id ?: q.prog_id;
	if (!id) {
		snprintf(msg, size, "another XDP program is attached");
		return;
	}
	fd = bpf_prog_get_fd_by_id(id);
	if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &info, &len) && info.name[0])
		snprintf(msg, size, "XDP program %s (id %u) is attached", info.name, id);
	else
		snprintf(msg, size, "an XDP program (id %u) is attached", id);
	if (fd >= 0)
		close(fd);
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

static int attach_ingress_xdp(const struct wgx_ingress_prog *p, int ifindex, char *msg, size_t size,
			      struct wgx_ingress_attachment *a)
{
	bool frags = wants_frags(&p->features, a->mode);
	uint32_t flags =
		a->mode == WGX_INGRESS_XDP_NATIVE ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
	int err = load_xdp(p, a, frags);

	if (err)
		return err;
	a->link = attach_xdp(bpf_program__fd(xdp_program(a->skel, frags)), ifindex, flags);
	return a->link < 0 ? explain(a->link, ifindex, msg, size) : 0;
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
	a->hook = TC_HOOK_NONE;
	a->link = -1;
	if (mode == WGX_INGRESS_TC)
		err = attach_tc(p->features.tcx, bpf_program__fd(p->skel->progs.wgx_ingress_tc),
				ifindex, BPF_TC_INGRESS, &a->hook);
	else
		err = attach_ingress_xdp(p, ifindex, msg, msg_size, a);
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

void wgx_ingress_detach(struct wgx_ingress_attachment *a)
{
	if (!a)
		return;
	detach_tc(&a->hook);
	if (a->link >= 0)
		close(a->link);
	wgx_ingress__destroy(a->skel);
	free(a);
}
