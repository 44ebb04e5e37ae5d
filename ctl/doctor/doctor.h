/* SPDX-License-Identifier: MIT */
/* What the checks of `wgx doctor` know of this host and its daemon. */
#ifndef WGX_DOCTOR_DOCTOR_H
#define WGX_DOCTOR_DOCTOR_H

#include <jansson.h>
#include <net/if.h>
#include <stdbool.h>

#include "device/endpoint.h"
#include "doctor/report.h"
#include "net/features.h"
#include "net/fib.h"

#define WGX_ROUTES_MAX \
	64 /* ways and addresses that are looked at; a gateway has more of the same */

/** struct wgx_way_out - how an interface's messages leave: one of each device, IP version and MTU */
struct wgx_way_out {
	char interface[IFNAMSIZ]; /* empty: there is none yet, and this is the default route */
	struct wgx_way way;
	struct wgx_endpoint endpoint; /* one that they go to */
	uint32_t fwmark;
};

struct wgx_doctor {
	struct wgx_report report;
	json_t *show; /* what the daemon says; NULL: there is none, or it cannot be asked */
	bool no_daemon; /* there is none, for certain */
	bool privileged; /* has what a daemon needs to start */
	const struct wgx_features *features; /* NULL: they could not be tried */
	struct wgx_way_out ways[WGX_ROUTES_MAX];
	unsigned int n_ways;
};

/** wgx_ways_find() - fill @d->ways */
void wgx_ways_find(struct wgx_doctor *d);
/** wgx_way_is_first() - no way before the @i-th is by the same device: to look at each device once */
bool wgx_way_is_first(const struct wgx_doctor *d, unsigned int i);

/* The checks, each in a file or section of its own. */
void wgx_check_privileges(struct wgx_doctor *d);
void wgx_check_kernel(struct wgx_doctor *d);
void wgx_check_features(struct wgx_doctor *d); /* after both of these */
void wgx_check_bpffs(struct wgx_doctor *d);
void wgx_check_hardening(struct wgx_doctor *d);
void wgx_check_driver(struct wgx_doctor *d);
void wgx_check_clock(struct wgx_doctor *d);
void wgx_check_daemon(struct wgx_doctor *d);
void wgx_check_interfaces(struct wgx_doctor *d);
void wgx_check_offloads(struct wgx_doctor *d);
void wgx_check_mtu(struct wgx_doctor *d);
void wgx_check_routes(struct wgx_doctor *d);
void wgx_check_rp_filter(struct wgx_doctor *d);
void wgx_check_firewall(struct wgx_doctor *d);
void wgx_check_mode(struct wgx_doctor *d);

#endif
