/* SPDX-License-Identifier: MIT */
/*
 * What the kernel loses on the way from our programs to the workers, in packets (bpf/wgx_lost.bpf.c). It ends
 * with the daemon. Control thread, but for what says otherwise.
 */
#ifndef WGX_NET_LOST_H
#define WGX_NET_LOST_H

#include <stdbool.h>
#include <stdint.h>
#include <wgx/bpf_abi.h>
#include "net/features.h"

struct wgx_lost_prog;

/**
 * wgx_lost_open() - listen, as far as the kernel can tell
 * @far_netns: the namespace of the far ends; the other one is the calling thread's
 *
 * Return: 0, also where it can tell nothing; -ENOMEM; or why it does not let us, negative errno.
 */
int wgx_lost_open(const struct wgx_features *f, int far_netns, struct wgx_lost_prog **ret);
void wgx_lost_close(struct wgx_lost_prog *l); /* NULL is legal, here and below: it knows nothing */

/** wgx_lost_watch() - count from 0 what is lost at a device of the far ends' namespace, or of this one */
void wgx_lost_watch(struct wgx_lost_prog *l, bool far, int ifindex);
void wgx_lost_unwatch(struct wgx_lost_prog *l, bool far, int ifindex);
/** wgx_lost_frames() - adds to @sum. Return: false where this kernel does not tell: ask its own counters */
bool wgx_lost_frames(const struct wgx_lost_prog *l, bool far, int ifindex,
		     struct wgx_lost_frames *sum);
/** wgx_lost_steered() - what was on its way from wgx_ingress to the collector; return as above */
bool wgx_lost_steered(const struct wgx_lost_prog *l, uint64_t *ret);

/** wgx_lost_watch_socket() - count what the UDP socket @cookie (SO_COOKIE) has no room for */
void wgx_lost_watch_socket(struct wgx_lost_prog *l, uint64_t cookie);
void wgx_lost_unwatch_socket(struct wgx_lost_prog *l, uint64_t cookie);
/** wgx_lost_datagrams() - so far; return as above */
bool wgx_lost_datagrams(const struct wgx_lost_prog *l, uint64_t cookie,
			struct wgx_lost_datagrams *ret);

/** wgx_lost_unresolved() - what the socket has sent and had no next hop's address; 0 where this kernel does not tell */
uint64_t wgx_lost_unresolved(const struct wgx_lost_prog *l, uint64_t cookie);

#endif
