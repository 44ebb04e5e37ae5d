/* SPDX-License-Identifier: MIT */
/*
 * The BPF programs of strict mode (bpf/strict.h): load, attach, pin. One object serves all devices of a network
 * namespace. Its links and maps are pinned (net/bpffs.h), so that it goes on dropping when the daemon has died;
 * the next daemon's program uses the same maps and takes the old one's place on each device.
 *
 * All functions work in the calling thread's network namespace and return 0 or a negative errno.
 */
#ifndef WGX_NET_STRICT_H
#define WGX_NET_STRICT_H

#include <stdbool.h>
#include <stdint.h>
#include <wgx/bpf_abi.h>
#include "net/features.h"
#include "net/programs.h"

struct wgx_strict_prog;

/** struct wgx_strict_maps - file descriptors, see bpf_abi.h */
struct wgx_strict_maps {
	int tries4, tries6;
	int exempt4, exempt6;
	int devices, counts, config;
	int own_sockets;
	int drops;
};

/** wgx_strict_left() - a daemon that died, or this one, has left its pins */
bool wgx_strict_left(void);

/**
 * wgx_strict_load() - the programs, with the maps that are pinned, or new ones, which it pins
 * @ingress: ports and locals are these
 * @on_report: called by wgx_strict_reports() for each report
 *
 * Return: -EPROTO: what is pinned does not fit this version.
 */
int wgx_strict_load(const struct wgx_features *f, const struct wgx_ingress_maps *ingress,
		    void (*on_report)(void *arg, const struct wgx_strict_report *r), void *arg,
		    struct wgx_strict_prog **ret);
const struct wgx_strict_maps *wgx_strict_maps(const struct wgx_strict_prog *p);
/** wgx_strict_free() - close; what is pinned stays, and in force. NULL is legal */
void wgx_strict_free(struct wgx_strict_prog *p);

/**
 * wgx_strict_attach() - to both ways of @ifindex, before other programs; in the place of a dead daemon's, at once
 *
 * Where somebody has removed the pins of the maps, they are made anew.
 * Where it fails, one of them may be there: see wgx_strict_detach().
 */
int wgx_strict_attach(struct wgx_strict_prog *p, int ifindex);
/**
 * wgx_strict_attached() - on both ways, and pinned: nobody has detached it or removed the pins. False where the device
 * is gone
 */
bool wgx_strict_attached(const struct wgx_strict_prog *p, int ifindex);
/** wgx_strict_detach() - from a device that is there, or was */
void wgx_strict_detach(struct wgx_strict_prog *p, int ifindex);

/** wgx_strict_reports_fd() - to be polled for reading */
int wgx_strict_reports_fd(const struct wgx_strict_prog *p);
/** wgx_strict_reports() - hand out the reports that there are */
void wgx_strict_reports(struct wgx_strict_prog *p);

#endif
