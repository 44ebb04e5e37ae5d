/* SPDX-License-Identifier: MIT */
#include "net/hook.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <unistd.h>
#include "net/tc_hook.h"

static int attach_filter(struct wgx_hook *h, int ifindex)
{
	int err = wgx_clsact_attach(h->prog_fd, ifindex, h->point, WGX_CLSACT);

	if (!err)
		h->ifindex = ifindex;
	return err;
}

static int attach_xdp(const struct wgx_hook *h, int ifindex)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts,
		    .flags = h->way == WGX_HOOK_XDP_NATIVE ? XDP_FLAGS_DRV_MODE
							   : XDP_FLAGS_SKB_MODE);
	int link = bpf_link_create(h->prog_fd, ifindex, BPF_XDP, &opts);

	return link == -EEXIST ? -EBUSY : link; /* there is one in the other mode */
}

int wgx_hook_attach(struct wgx_hook *h, int ifindex)
{
	int link;

	if (wgx_hook_in_force(h))
		return -EALREADY;
	wgx_hook_detach(h);
	if (h->way == WGX_HOOK_CLSACT)
		return attach_filter(h, ifindex);
	link = h->way == WGX_HOOK_TCX ? wgx_tcx_attach(h->prog_fd, ifindex, h->point, false)
				      : attach_xdp(h, ifindex);
	if (link < 0)
		return link;
	h->link = link;
	return 0;
}

int wgx_hook_replace(struct wgx_hook *h, int link, int ifindex)
{
	if (h->link >= 0 && h->link != link)
		return -EALREADY;
	if ((h->way == WGX_HOOK_CLSACT) != (link < 0))
		return -EOPNOTSUPP;
	if (link < 0)
		return attach_filter(h, ifindex);
	if (bpf_link_update(link, h->prog_fd, NULL))
		return -errno;
	h->link = link;
	return 0;
}

bool wgx_hook_in_force(const struct wgx_hook *h)
{
	if (h->link >= 0)
		return wgx_link_in_force(h->link);
	return h->ifindex && wgx_clsact_attached(h->ifindex, h->point, WGX_CLSACT);
}

void wgx_hook_detach(struct wgx_hook *h)
{
	if (h->link >= 0)
		close(h->link);
	if (h->ifindex)
		wgx_clsact_detach(h->ifindex, h->point, WGX_CLSACT);
	h->link = -1;
	h->ifindex = 0;
}
