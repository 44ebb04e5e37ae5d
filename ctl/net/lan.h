/* SPDX-License-Identifier: MIT */
/*
 * The BPF programs of the router path (bpf/lan.h): plaintext between LAN devices and tunnels, past the stack. One
 * object serves all devices of a network namespace. Nothing of it is pinned: the links end with the daemon, however
 * that ends, and then the stack has all packets.
 *
 * All functions work in the calling thread's network namespace and return 0 or a negative errno.
 */
#ifndef WGX_NET_LAN_H
#define WGX_NET_LAN_H

#include <stdint.h>
#include <wgx/bpf_abi.h>
#include "net/features.h"

struct wgx_lan_prog;

/** struct wgx_lan_maps - file descriptors, see bpf_abi.h */
struct wgx_lan_maps {
	int egress, tunnels, devices, counts;
};

/** wgx_lan_missing() - the first feature that it needs and this kernel lacks; NULL: none */
const char *wgx_lan_missing(const struct wgx_features *f);

int wgx_lan_load(struct wgx_lan_prog **ret);
const struct wgx_lan_maps *wgx_lan_maps(const struct wgx_lan_prog *p);
/** wgx_lan_free() - close; NULL is legal */
void wgx_lan_free(struct wgx_lan_prog *p);

/** wgx_lan_attach_device() - to the ingress of a LAN device, behind what is there. Return: the link, or an error */
int wgx_lan_attach_device(const struct wgx_lan_prog *p, int ifindex);
/** wgx_lan_attach_tunnel() - likewise, of an interface */
int wgx_lan_attach_tunnel(const struct wgx_lan_prog *p, int ifindex);

#endif
