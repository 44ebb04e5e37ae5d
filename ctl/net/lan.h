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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wgx/bpf_abi.h>
#include "net/features.h"
#include "net/hook.h"

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

struct wgx_lan_native;

/**
 * wgx_lan_native_attach() - to a LAN device's driver, in place of wgx_lan_attach_device()
 * @unsure: packets may have come without a device, their checksums unfinished, as from a veth's other end
 * @msg: what stands in the way, for the user, of @size bytes, where there is more to say than the errno; else empty
 *
 * Passes all packets until it has got sockets. Return: as wgx_ingress_attach().
 */
int wgx_lan_native_attach(const struct wgx_lan_prog *p, int ifindex, bool unsure, char *msg,
			  size_t size, struct wgx_lan_native **ret);
int wgx_lan_native_set_xsk(struct wgx_lan_native *x, uint32_t queue, int xsk_fd);
/** wgx_lan_native_hook() - its place, as wgx_ingress_hook() */
struct wgx_hook *wgx_lan_native_hook(struct wgx_lan_native *x);
/** wgx_lan_native_detach() - NULL is legal */
void wgx_lan_native_detach(struct wgx_lan_native *x);

#endif
