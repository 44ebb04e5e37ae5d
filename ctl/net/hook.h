/* SPDX-License-Identifier: MIT */
/*
 * The place of one program on one device: a BPF link (tcx, XDP), which ends with the daemon, however that ends, or a
 * clsact filter (kernels before 6.6), which stays until it is detached or replaced.
 *
 * Devices are those of the calling thread's network namespace; what is a link may be looked at, replaced and detached
 * from any.
 */
#ifndef WGX_NET_HOOK_H
#define WGX_NET_HOOK_H

#include <bpf/libbpf.h>
#include <stdbool.h>

enum wgx_hook_way {
	WGX_HOOK_TCX,
	WGX_HOOK_CLSACT, /* of priority WGX_CLSACT */
	WGX_HOOK_XDP_NATIVE, /* in the driver */
	WGX_HOOK_XDP_GENERIC, /* in the stack: superframes stay whole */
};

/** struct wgx_hook - all but @way, @point and @prog_fd are the functions' below; see WGX_HOOK() */
struct wgx_hook {
	enum wgx_hook_way way;
	enum bpf_tc_attach_point point; /* of tcx and clsact */
	int prog_fd; /* its program's own */
	int link; /* -1: none */
	int ifindex; /* of the clsact filter; 0: none */
};

/** WGX_HOOK() - of a program that is loaded, and attached to nothing yet */
#define WGX_HOOK(w, p, fd) \
	((struct wgx_hook){.way = (w), .point = (p), .prog_fd = (fd), .link = -1})

/**
 * wgx_hook_attach() - the program to @ifindex, behind those that are there
 *
 * Where it has been attached before, and somebody has detached it, it is attached anew.
 * Return: 0; -EALREADY: it is there, in force; -EBUSY: another XDP program is; negative errno.
 */
int wgx_hook_attach(struct wgx_hook *h, int ifindex);
/**
 * wgx_hook_replace() - the program in the place of the one that is there, at once, without a packet between them
 * @link: that one's, from another process, and @h's own on success; or @h's own, where another process may have put
 *	its program there; -1: a clsact filter
 *
 * Return: 0; -EALREADY: @h has another link; -EOPNOTSUPP: what is there is of another kind; negative errno.
 */
int wgx_hook_replace(struct wgx_hook *h, int link, int ifindex);
/** wgx_hook_in_force() - nobody else has detached it, and the device is there */
bool wgx_hook_in_force(const struct wgx_hook *h);
/** wgx_hook_detach() - legal where it is not attached */
void wgx_hook_detach(struct wgx_hook *h);

#endif
