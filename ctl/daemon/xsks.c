/* SPDX-License-Identifier: MIT */
/* AF_XDP sockets on a device's own queues, for the modes in which its driver hands frames out. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include "daemon/attach.h"

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
}

/* The kernel lets go of a closed socket's queue a little later: one that was just detached is busy. */
int wgx_attached_create_xsk(const char *name, unsigned int queue, uint32_t ring_size, bool multi,
			    uint32_t tx_size, struct wgx_xsk **ret)
{
	const struct timespec wait = {.tv_nsec = 10000000};
	int err = -EBUSY;

	for (int tries = 0; tries < 30 && err == -EBUSY; tries++) {
		if (tries)
			nanosleep(&wait, NULL);
		err = tx_size ? wgx_xsk_create_sending(name, queue, ring_size, multi, tx_size, ret)
			      : wgx_xsk_create(name, queue, ring_size, false, multi, ret);
	}
	return err;
}

static int set_xsk(struct wgx_attached *a, unsigned int queue, int fd)
{
	return a->lan_xdp ? wgx_lan_native_set_xsk(a->lan_xdp, queue, fd)
			  : wgx_ingress_set_xsk(a->attachment, queue, fd);
}

int wgx_attached_open_xsks(struct wgx_daemon *d, struct wgx_attached *a,
			   const struct wgx_link_info *info)
{
	unsigned int queues = info->n_rx_queues ? info->n_rx_queues : 1;
	bool multi = wgx_features_superframes(d->features);
	int err = 0;

	if (queues > QUEUES_MAX)
		queues = QUEUES_MAX;
	a->xsks = calloc(queues, sizeof(struct wgx_xsk *));
	if (!a->xsks)
		return -ENOMEM;
	for (unsigned int q = 0; q < queues && !err; q++) {
		err = wgx_attached_create_xsk(a->name, q, WGX_OPEN_RING, multi,
					      a->transmit && !q ? WGX_TRANSMIT_RING : 0,
					      &a->xsks[q]);
		if (err == -EINVAL && q)
			return 0; /* queues that the device could have, but has not */
		if (err)
			break;
		a->n_xsks++;
		err = set_xsk(a, q, a->xsks[q]->fd);
	}
	return err;
}

void wgx_xsks_drain(const struct wgx_xsk *x)
{
	const struct timespec wait = {.tv_nsec = 1000000};

	for (int tries = DRAIN_TRIES; tries && !wgx_xsk_idle(x); tries--)
		nanosleep(&wait, NULL);
}
