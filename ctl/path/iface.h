/* SPDX-License-Identifier: MIT */
/* One interface as the workers see it: its rings, sockets and counters. The control thread makes it. */
#ifndef WGX_PATH_IFACE_H
#define WGX_PATH_IFACE_H

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include "device/device.h"
#include "path/bind.h"
#include "path/coalesce.h"
#include "path/counters.h"
#include "path/credit.h"
#include "path/icmp.h"
#include "path/xsk.h"

struct wgx_iface {
	struct wgx_device *dev;
	struct wgx_bind *bind; /* RCU; NULL while the link is down */
	_Atomic uint64_t mac; /* of wg0: wgx_iface_mac() */

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

/** wgx_iface_set_mac() - wg0's address, which somebody may change at any time; any one thread */
static inline void wgx_iface_set_mac(struct wgx_iface *i, const uint8_t mac[6])
{
	uint64_t value = 0;

	memcpy(&value, mac, 6);
	atomic_store_explicit(&i->mac, value, memory_order_relaxed);
}

/** wgx_iface_mac() - wg0 takes no packet that is for another; any thread */
static inline void wgx_iface_mac(const struct wgx_iface *i, uint8_t ret_mac[6])
{
	const uint64_t value = atomic_load_explicit(&i->mac, memory_order_relaxed);

	memcpy(ret_mac, &value, 6);
}

#endif
