/* SPDX-License-Identifier: MIT */
#include "net/lan.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include "net/tc_hook.h"
#include "wgx_lan.skel.h"

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

static int load(struct wgx_lan_prog *p)
{
	struct stat st;
	int err;

	if (stat("/proc/thread-self/ns/net", &st))
		return -errno;
	p->skel->rodata->lan_netns = (uint32_t)st.st_ino;
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
