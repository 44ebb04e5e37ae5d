/* SPDX-License-Identifier: MIT */
/*
 * The BPF programs: load, and hold. Each has a hook (net/hook.h), by which it is attached, looked at and detached.
 *
 * All functions return 0 or negative errno, -EPERM where BPF is not permitted. Hooks and map descriptors stay the
 * program's own.
 */
#ifndef WGX_NET_PROGRAMS_H
#define WGX_NET_PROGRAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "net/features.h"
#include "net/hook.h"

/* ---- egress: one for each interface ---- */

struct wgx_egress_prog;

/** struct wgx_egress_maps - file descriptors, see bpf_abi.h */
struct wgx_egress_maps {
	int allowed_ips4, allowed_ips6;
	int peers, peer_stats;
	int credit, config;
	int drops, counters;
};

int wgx_egress_load(const struct wgx_features *f, struct wgx_egress_prog **ret);
const struct wgx_egress_maps *wgx_egress_maps(const struct wgx_egress_prog *p);
/** wgx_egress_lan_fd() - its program for the router path, net/lan.h; -1: none without superframes */
int wgx_egress_lan_fd(const struct wgx_egress_prog *p);
/** wgx_egress_hook() - its place on the egress of the interface */
struct wgx_hook *wgx_egress_hook(struct wgx_egress_prog *p);
/** wgx_egress_free() - detach and close; NULL is legal */
void wgx_egress_free(struct wgx_egress_prog *p);

/* ---- steer: one for each far end ---- */

struct wgx_steer_prog;

struct wgx_steer_maps {
	int xsks; /* receive queue -> AF_XDP socket */
	int drops;
};

int wgx_steer_load(const struct wgx_features *f, struct wgx_steer_prog **ret);
const struct wgx_steer_maps *wgx_steer_maps(const struct wgx_steer_prog *p);
/** wgx_steer_hook() - its place, by generic XDP: superframes stay whole; for far ends, by wgx_netns_call() */
struct wgx_hook *wgx_steer_hook(struct wgx_steer_prog *p);
/** wgx_steer_set_xsk() - frames of @queue go to the AF_XDP socket @xsk_fd, bound to that device and queue */
int wgx_steer_set_xsk(struct wgx_steer_prog *p, uint32_t queue, int xsk_fd);
/** wgx_steer_free() - detach and close; NULL is legal */
void wgx_steer_free(struct wgx_steer_prog *p);

/* ---- ingress: one for the daemon, attached to many devices ---- */

enum wgx_ingress_mode {
	WGX_INGRESS_NONE, /* no program; the device is attached for strict mode alone */
	WGX_INGRESS_TC, /* tcx or clsact, to the collector */
	WGX_INGRESS_XDP_NATIVE, /* in the driver, to the device's own sockets */
	/* likewise, in the stack; no mode of `wgx attach`: see docs/architecture.md, "Why so" */
	WGX_INGRESS_XDP_GENERIC,
};

struct wgx_ingress_prog;
struct wgx_ingress_attachment;

/** struct wgx_ingress_maps - shared by all attachments */
struct wgx_ingress_maps {
	int receivers, floors, mac1_keys, ports, locals;
	int config;
	int drops, counters;
};

int wgx_ingress_load(const struct wgx_features *f, struct wgx_ingress_prog **ret);
const struct wgx_ingress_maps *wgx_ingress_maps(const struct wgx_ingress_prog *p);
/** wgx_ingress_free() - close; its attachments must be detached before. NULL is legal */
void wgx_ingress_free(struct wgx_ingress_prog *p);

/**
 * wgx_ingress_attach() - to the ingress of @ifindex
 * @msg: what stands in the way, for the user, where there is more to say than the errno; else empty
 *
 * XDP modes: the program passes everything until wgx_ingress_set_xsk() gave it a socket for the queue.
 * Return: 0; -EBUSY: another XDP program is there (@msg has its id and name); -EOPNOTSUPP: the driver has
 * no XDP, or not with the device's settings; -ENODEV; negative errno.
 */
int wgx_ingress_attach(struct wgx_ingress_prog *p, int ifindex, enum wgx_ingress_mode mode,
		       char *msg, size_t msg_size, struct wgx_ingress_attachment **ret);
/** wgx_ingress_hook() - its place; attached anew there, it has its AF_XDP sockets as before */
struct wgx_hook *wgx_ingress_hook(struct wgx_ingress_attachment *a);
/** wgx_xdp_attach() - wgx_hook_attach() of any XDP program, with @msg, and what it returns, as above */
int wgx_xdp_attach(struct wgx_hook *h, int ifindex, char *msg, size_t msg_size);
/**
 * wgx_xdp_other() - the XDP program on a device
 * @name: of @size bytes; empty where it has none, or the caller lacks CAP_SYS_ADMIN
 *
 * Return: its id; 0: none.
 */
uint32_t wgx_xdp_other(int ifindex, char *name, size_t size);
/** wgx_ingress_set_xsk() - XDP modes; -EINVAL in tc mode */
int wgx_ingress_set_xsk(struct wgx_ingress_attachment *a, uint32_t queue, int xsk_fd);
/** wgx_ingress_detach() - NULL is legal */
void wgx_ingress_detach(struct wgx_ingress_attachment *a);

#endif
