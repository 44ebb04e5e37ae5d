/* SPDX-License-Identifier: MIT */
#include "net/programs.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "wgx_egress.skel.h"
#include "wgx_egress_plain.skel.h"
#include "wgx_ingress.skel.h"
#include "wgx_steer.skel.h"

struct wgx_egress_prog {
	struct wgx_egress *skel; /* one of the two */
	struct wgx_egress_plain *plain;
	struct wgx_egress_maps maps;
	struct wgx_hook hook;
};

struct wgx_steer_prog {
	struct wgx_steer *skel;
	struct wgx_steer_maps maps;
	struct wgx_hook hook;
};

struct wgx_ingress_prog {
	struct wgx_features features;
	struct wgx_ingress *skel; /* the tc program, and the maps that all share */
	struct wgx_ingress_maps maps;
};

struct wgx_ingress_attachment {
	struct wgx_ingress *skel; /* XDP modes: a program with an xsks map of its own */
	struct wgx_hook hook;
};

/* ---- what they share ---- */

static enum wgx_hook_way tc_way(const struct wgx_features *f)
{
	return f->tcx ? WGX_HOOK_TCX : WGX_HOOK_CLSACT;
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
	p->hook.prog_fd = bpf_program__fd(prog);
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
	p->hook = WGX_HOOK(tc_way(f), BPF_TC_EGRESS, -1);
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

struct wgx_hook *wgx_egress_hook(struct wgx_egress_prog *p)
{
	return &p->hook;
}

void wgx_egress_free(struct wgx_egress_prog *p)
{
	if (!p)
		return;
	wgx_hook_detach(&p->hook);
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
	p->hook = WGX_HOOK(WGX_HOOK_XDP_GENERIC, 0, -1);
	p->skel = wgx_steer__open();
	if (!p->skel) {
		err = open_error();
		goto out;
	}
	bpf_program__set_autoload(p->skel->progs.wgx_steer, frags);
	bpf_program__set_autoload(p->skel->progs.wgx_steer_linear, !frags);
	err = load("wgx_steer", p->skel->skeleton);
	if (err)
		goto out;
	p->hook.prog_fd =
		bpf_program__fd(frags ? p->skel->progs.wgx_steer : p->skel->progs.wgx_steer_linear);
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

struct wgx_hook *wgx_steer_hook(struct wgx_steer_prog *p)
{
	return &p->hook;
}

int wgx_steer_set_xsk(struct wgx_steer_prog *p, uint32_t queue, int xsk_fd)
{
	return set_xsk(p->maps.xsks, queue, xsk_fd);
}

void wgx_steer_free(struct wgx_steer_prog *p)
{
	if (!p)
		return;
	wgx_hook_detach(&p->hook);
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

static int load_xdp(const struct wgx_ingress_prog *p, enum wgx_ingress_mode mode,
		    struct wgx_ingress_attachment *a)
{
	struct bpf_program *prog;
	int err;

	a->skel = open_ingress();
	if (!a->skel)
		return open_error();
	prog = wants_frags(&p->features, mode) ? a->skel->progs.wgx_ingress_xdp
					       : a->skel->progs.wgx_ingress_xdp_linear;
	bpf_program__set_autoload(prog, true);
	err = share_maps(a->skel, &p->maps);
	if (!err)
		err = load("wgx_ingress", a->skel->skeleton);
	if (err)
		return err;
	a->hook = WGX_HOOK(mode == WGX_INGRESS_XDP_NATIVE ? WGX_HOOK_XDP_NATIVE
							  : WGX_HOOK_XDP_GENERIC,
			   0, bpf_program__fd(prog));
	return 0;
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
		tell_other(ifindex, msg, size);
		return err;
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

int wgx_xdp_attach(struct wgx_hook *h, int ifindex, char *msg, size_t msg_size)
{
	int err = wgx_hook_attach(h, ifindex);

	return err && err != -EALREADY ? explain(err, ifindex, msg, msg_size) : err;
}

static int attach_ingress(const struct wgx_ingress_prog *p, int ifindex, enum wgx_ingress_mode mode,
			  char *msg, size_t size, struct wgx_ingress_attachment *a)
{
	int err;

	if (mode == WGX_INGRESS_TC) {
		a->hook.prog_fd = bpf_program__fd(p->skel->progs.wgx_ingress_tc);
		return wgx_hook_attach(&a->hook, ifindex);
	}
	err = load_xdp(p, mode, a);
	return err ?: wgx_xdp_attach(&a->hook, ifindex, msg, size);
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
	a->hook = WGX_HOOK(tc_way(&p->features), BPF_TC_INGRESS, -1);
	err = attach_ingress(p, ifindex, mode, msg, msg_size, a);
	if (err) {
		wgx_ingress_detach(a);
		return err;
	}
	*ret = a;
	return 0;
}

struct wgx_hook *wgx_ingress_hook(struct wgx_ingress_attachment *a)
{
	return &a->hook;
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
	wgx_hook_detach(&a->hook);
	wgx_ingress__destroy(a->skel);
	free(a);
}
