/* SPDX-License-Identifier: MIT */
/* One interface as the workers see it: its rings, sockets and counters. The control thread makes it. */
#ifndef WGX_PATH_IFACE_H
#define WGX_PATH_IFACE_H

#include "device/device.h"
#include "path/bind.h"
#include "path/coalesce.h"
#include "path/counters.h"
#include "path/credit.h"
#include "path/icmp.h"
#include "path/xsk.h"

struct wgx_iface {
	struct wgx_device *dev;
	struct wgx_bind *bind; /* RCU; NULL while the link was never up */
	uint8_t mac[6]; /* of wg0 */

	/* the seal worker's */
	struct wgx_xsk *xsk; /* on wg0's far end */
	struct wgx_credit_view credit;
	int icmp_fd; /* into wg0, for ICMP unreachable */
	struct wgx_icmp_limit icmp_limit;
	struct wgx_seal_counters seal;

	/* the open worker's */
	int inject_fd; /* into wg0 */
	struct wgx_coalescer *coalescer;
	bool touched; /* the coalescer holds packets */
	struct wgx_open_counters open;
};

#endif
