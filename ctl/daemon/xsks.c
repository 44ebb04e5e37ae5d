/* SPDX-License-Identifier: MIT */
/* AF_XDP sockets on a device's own queues, for the modes in which its driver hands frames out. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "daemon/attach.h"
#include "daemon/log.h"
#include "net/xdp_features.h"

#define BACKLOG_NS 10000000 /* a scheduler's turn or two, in which ksoftirqd may wait */
#define QUEUES_MAX 64 /* entries of the ingress program's xsks map */
#define DRAIN_TRIES \
	1000 /* of a millisecond: a worker that shares its processor with forty others took 20 */

void wgx_attached_free_xsks(struct wgx_attached *a)
{
	for (unsigned int i = 0; i < a->n_xsks; i++)
		wgx_xsk_destroy(a->xsks[i]);
	free(a->xsks);
	a->xsks = NULL;
	a->n_xsks = 0;
	a->mtu_max = 0;
	a->why_copy[0] = '\0';
}

/* The kernel lets go of a closed socket's queue a little later: one that was just detached is busy. */
int wgx_attached_create_xsk(const char *name, unsigned int queue, uint32_t ring_size,
			    bool zero_copy, bool multi, uint32_t tx_size, struct wgx_xsk **ret)
{
	const struct timespec wait = {.tv_nsec = 10000000};
	int err = -EBUSY;

	for (int tries = 0; tries < 30 && err == -EBUSY; tries++) {
		if (tries)
			nanosleep(&wait, NULL);
		err = tx_size ? wgx_xsk_create_sending(name, queue, ring_size, zero_copy, multi,
						       tx_size, ret)
			      : wgx_xsk_create(name, queue, ring_size, zero_copy, multi, ret);
	}
	return err;
}

static int set_xsk(struct wgx_attached *a, unsigned int queue, int fd)
{
	return a->lan_xdp ? wgx_lan_native_set_xsk(a->lan_xdp, queue, fd)
			  : wgx_ingress_set_xsk(a->attachment, queue, fd);
}

/* ---- zero-copy, or not ---- */

static const char no_zero_copy[] = "the driver has no zero-copy";

/** struct rung - a way to open a queue's socket; @mtu_max: of its frames, where that has a limit */
struct rung {
	bool zero_copy, multi;
	uint32_t mtu_max;
};

/** struct ladder - from @next on; the last one, copy mode, works with any driver and any MTU */
struct ladder {
	struct rung rungs[3];
	unsigned int n, next;
};

static void add_rung(struct ladder *l, bool zero_copy, bool multi, uint32_t mtu_max)
{
	l->rungs[l->n++] =
		(struct rung){.zero_copy = zero_copy, .multi = multi, .mtu_max = mtu_max};
}

/* Those that the device's MTU allows: some drivers would take a socket, and lose what is longer. */
static void add_zero_copy(struct ladder *l, const struct wgx_xdp_features *driver, bool multi,
			  uint32_t mtu)
{
	const uint64_t several =
		(uint64_t)driver->max_segments * WGX_XSK_ROOM_OF_SEVERAL - WGX_XSK_FRAME_OVERHEAD;
	const uint32_t one = WGX_XSK_ROOM - WGX_XSK_FRAME_OVERHEAD;

	if (multi && driver->max_segments > 1 && mtu <= several)
		add_rung(l, true, true, several < UINT32_MAX ? (uint32_t)several : UINT32_MAX);
	if (mtu <= one)
		add_rung(l, true, false, one);
}

/* A kernel that does not tell (before 6.3) has no frames of several chunks; there bind(2) tells. */
static void make_ladder(struct wgx_daemon *d, struct wgx_attached *a,
			const struct wgx_link_info *info, struct ladder *l)
{
	struct wgx_xdp_features driver = {.zero_copy = true, .max_segments = 1};
	bool multi = wgx_features_superframes(d->features);

	*l = (struct ladder){0};
	(void)wgx_xdp_features_query(info->ifindex, &driver);
	if (a->copy)
		snprintf(a->why_copy, sizeof(a->why_copy), "as asked for");
	else if (!driver.zero_copy)
		snprintf(a->why_copy, sizeof(a->why_copy), "%s", no_zero_copy);
	else
		add_zero_copy(l, &driver, multi, info->mtu);
	if (!l->n && !a->why_copy[0])
		snprintf(a->why_copy, sizeof(a->why_copy),
			 "an MTU of %u is more than zero-copy takes", info->mtu);
	add_rung(l, false, multi, 0);
}

static int open_queue(struct wgx_attached *a, unsigned int queue, struct ladder *l)
{
	const uint32_t tx_size = a->transmit && !queue ? WGX_TRANSMIT_RING : 0;
	int err = -EINVAL, refused = 0;

	for (unsigned int i = l->next; i < l->n; i++) {
		const struct rung *r = &l->rungs[i];

		err = wgx_attached_create_xsk(a->name, queue, WGX_OPEN_RING, r->zero_copy, r->multi,
					      tx_size, &a->xsks[queue]);
		if (!err && r->zero_copy && (!a->mtu_max || r->mtu_max < a->mtu_max))
			a->mtu_max = r->mtu_max;
		if (!err)
			break;
		refused = err;
		if (err == -EOPNOTSUPP && r->zero_copy)
			l->next = i + 1; /* it will not on other queues either */
	}
	/* not where copy mode was refused as well: there is no such queue */
	if (!err && refused && !a->xsks[queue]->zero_copy)
		snprintf(a->why_copy, sizeof(a->why_copy), "%s",
			 refused == -EOPNOTSUPP ? no_zero_copy : strerror(-refused));
	return err;
}

static unsigned int count_zero_copy(const struct wgx_attached *a)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < a->n_xsks; i++)
		n += a->xsks[i]->zero_copy;
	return n;
}

const char *wgx_attached_copies(const struct wgx_attached *a)
{
	unsigned int n = count_zero_copy(a);

	if (!a->n_xsks)
		return NULL;
	return n == a->n_xsks ? "zero-copy" : n ? "zero-copy and copy" : "copy";
}

json_t *wgx_attached_xsks_json(const struct wgx_attached *a)
{
	if (!a->n_xsks)
		return json_null();
	return json_pack("{s:i, s:i, s:s}", "queues", (int)a->n_xsks, "zero_copy",
			 (int)count_zero_copy(a), "why_copy", a->why_copy);
}

/* ---- all queues ---- */

static void tell(const struct wgx_attached *a)
{
	unsigned int copying = a->n_xsks - count_zero_copy(a);

	if (copying)
		wgx_log(WGX_LOG_INFO, "%s: AF_XDP in copy mode, %u of %u queues: %s", a->name,
			copying, a->n_xsks, a->why_copy);
}

int wgx_attached_open_xsks(struct wgx_daemon *d, struct wgx_attached *a,
			   const struct wgx_link_info *info)
{
	unsigned int queues = info->n_rx_queues ? info->n_rx_queues : 1;
	struct ladder ladder;
	int err = 0;

	if (queues > QUEUES_MAX)
		queues = QUEUES_MAX;
	a->xsks = calloc(queues, sizeof(struct wgx_xsk *));
	if (!a->xsks)
		return -ENOMEM;
	make_ladder(d, a, info, &ladder);
	for (unsigned int q = 0; q < queues && !err; q++) {
		err = open_queue(a, q, &ladder);
		if (err == -EINVAL && q) {
			err = 0; /* queues that the device could have, but has not */
			break;
		}
		if (err)
			break;
		a->n_xsks++;
		err = set_xsk(a, q, a->xsks[q]->fd);
	}
	if (!err)
		tell(a);
	return err;
}

void wgx_xsks_drain(struct wgx_xsk *const *xsks, unsigned int n)
{
	const struct timespec wait = {.tv_nsec = 1000000}, backlog = {.tv_nsec = BACKLOG_NS};
	int tries = DRAIN_TRIES;

	/* a processor's backlog may have what a program has sent to the ring, and the ring not yet */
	nanosleep(&backlog, NULL);
	for (unsigned int i = 0; i < n; i++)
		for (uint32_t end = wgx_xsk_end(xsks[i]); tries && !wgx_xsk_passed(xsks[i], end);
		     tries--)
			nanosleep(&wait, NULL);
}
