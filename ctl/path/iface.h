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

	/* the seal workers' */
	unsigned int n_queues; /* of wg0's far end */
	struct wgx_xsk *xsk[WGX_QUEUES_MAX]; /* by queue, each with the worker of that number */
	struct wgx_credit_view credit;
	int icmp_fd; /* into wg0, for ICMP unreachable */
	struct wgx_icmp_limit icmp_limit; /* under wgx_seal_env.lock */
	struct wgx_seal_counters seal[WGX_QUEUES_MAX]; /* by worker */

	/* the open worker's */
	int inject_fd; /* into wg0 */
	struct wgx_coalescer *coalescer;
	bool touched; /* the coalescer holds packets */
	struct wgx_open_counters open;
};

/** wgx_iface_sealed() - what all seal workers have counted, together; any thread */
static inline void wgx_iface_sealed(const struct wgx_iface *i, struct wgx_seal_counters *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (unsigned int w = 0; w < WGX_QUEUES_MAX; w++) {
		const struct wgx_seal_counters *c = &i->seal[w];

#define X(name) wgx_count(&ret->name, atomic_load_explicit(&c->name, memory_order_relaxed));
		WGX_SEAL_COUNTERS(X)
#undef X
		for (unsigned int r = 0; r < WGX_DROP_COUNT; r++)
			wgx_count(&ret->drops[r],
				  atomic_load_explicit(&c->drops[r], memory_order_relaxed));
	}
}

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
