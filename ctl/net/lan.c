/* SPDX-License-Identifier: MIT */
#include "net/lan.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "net/programs.h"
#include "net/tc_hook.h"
#include "wgx_lan.skel.h"
#include "wgx_lan_xdp.skel.h"

struct wgx_lan_prog {
	struct wgx_lan *skel;
	struct wgx_lan_maps maps;
};

const char *wgx_lan_missing(const struct wgx_features *f)
{
	if (!f->tcx)
		return "tcx"; /* clsact filters would outlive the daemon */
	if (!f->redirect_peer)
		return "redirect_peer";
	if (!f->kern_ctx)
		return "kern_ctx";
	if (!f->xsk_sg)
		return "xsk_sg";
	return f->generic_frags ? NULL : "generic_frags";
}

struct wgx_lan_native {
	struct wgx_lan_xdp *skel;
	struct wgx_hook hook;
};

/* Return: 0 or a negative errno */
static int own_netns(uint32_t *ret)
{
	struct stat st;

	if (stat("/proc/thread-self/ns/net", &st))
		return -errno;
	*ret = (uint32_t)st.st_ino;
	return 0;
}

static int load(struct wgx_lan_prog *p)
{
	uint32_t netns = 0;
	int err = own_netns(&netns);

	if (err)
		return err;
	p->skel->rodata->lan_netns = netns;
	wgx_bpf_log_begin("wgx_lan");
	err = wgx_lan__load(p->skel);
	wgx_bpf_log_begin(NULL);
	return err;
}

int wgx_lan_load(struct wgx_lan_prog **ret)
{
	struct wgx_lan_prog *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return -ENOMEM;
	p->skel = wgx_lan__open();
	err = p->skel ? load(p) : -errno;
	if (err) {
		wgx_lan_free(p);
		return err;
	}
	p->maps = (struct wgx_lan_maps){
		.egress = bpf_map__fd(p->skel->maps.lan_egress),
		.tunnels = bpf_map__fd(p->skel->maps.lan_tunnels),
		.devices = bpf_map__fd(p->skel->maps.lan_devices),
		.counts = bpf_map__fd(p->skel->maps.lan_counts),
	};
	*ret = p;
	return 0;
}

const struct wgx_lan_maps *wgx_lan_maps(const struct wgx_lan_prog *p)
{
	return &p->maps;
}

void wgx_lan_free(struct wgx_lan_prog *p)
{
	if (!p)
		return;
	wgx_lan__destroy(p->skel);
	free(p);
}

int wgx_lan_attach_device(const struct wgx_lan_prog *p, int ifindex)
{
	return wgx_tcx_attach(bpf_program__fd(p->skel->progs.wgx_lan_in), ifindex, BPF_TC_INGRESS,
			      false);
}

int wgx_lan_attach_tunnel(const struct wgx_lan_prog *p, int ifindex)
{
	return wgx_tcx_attach(bpf_program__fd(p->skel->progs.wgx_lan_out), ifindex, BPF_TC_INGRESS,
			      false);
}

/* ---- by XDP ---- */

static int load_xdp(const struct wgx_lan_prog *p, bool unsure, struct wgx_lan_native *x)
{
	uint32_t netns = 0;
	int err = own_netns(&netns);

	if (err)
		return err;
	x->skel = wgx_lan_xdp__open();
	if (!x->skel)
		return -errno;
	x->skel->rodata->lan_netns = netns;
	x->skel->rodata->lan_unsure = unsure;
	err = bpf_map__reuse_fd(x->skel->maps.lan_tunnels, p->maps.tunnels);
	if (!err)
		err = bpf_map__reuse_fd(x->skel->maps.lan_counts, p->maps.counts);
	if (err)
		return err;
	wgx_bpf_log_begin("wgx_lan_xdp");
	err = wgx_lan_xdp__load(x->skel);
	wgx_bpf_log_begin(NULL);
	if (!err)
		x->hook.prog_fd = bpf_program__fd(x->skel->progs.wgx_lan_xdp);
	return err;
}

int wgx_lan_native_attach(const struct wgx_lan_prog *p, int ifindex, bool unsure, char *msg,
			  size_t size, struct wgx_lan_native **ret)
{
	struct wgx_lan_native *x = calloc(1, sizeof(*x));
	int err;

	if (!x)
		return -ENOMEM;
	x->hook = WGX_HOOK(WGX_HOOK_XDP_NATIVE, 0, -1);
	err = load_xdp(p, unsure, x);
	if (!err)
		err = wgx_xdp_attach(&x->hook, ifindex, msg, size);
	if (err)
		wgx_lan_native_detach(x);
	else
		*ret = x;
	return err;
}

int wgx_lan_native_set_xsk(struct wgx_lan_native *x, uint32_t queue, int xsk_fd)
{
	return bpf_map_update_elem(bpf_map__fd(x->skel->maps.xsks), &queue, &xsk_fd, BPF_ANY);
}

struct wgx_hook *wgx_lan_native_hook(struct wgx_lan_native *x)
{
	return &x->hook;
}

void wgx_lan_native_detach(struct wgx_lan_native *x)
{
	if (!x)
		return;
	wgx_hook_detach(&x->hook);
	wgx_lan_xdp__destroy(x->skel);
	free(x);
}
