/* SPDX-License-Identifier: MIT */
/* Threads for the packets: as many seal as the interface with the most queues has. */
#include "daemon/privileges.h"
#include "daemon/state.h"

int wgx_workers_need(struct wgx_daemon *d, unsigned int n)
{
	while (d->n_sealers < n) {
		struct wgx_worker *w = &d->sealers[d->n_sealers];
		int err;

		wgx_rcu_offline(); /* it registers, and others may be waiting for a grace period */
		err = wgx_worker_start(w, &wgx_seal_ops, d->n_sealers, &d->seal_env,
				       wgx_privileges_worker);
		wgx_rcu_online();
		if (err)
			return err;
		d->n_sealers++;
		if (d->heir_of >= 0)
			wgx_worker_close(w);
	}
	return 0;
}

void wgx_sealers_close(struct wgx_daemon *d)
{
	for (unsigned int i = 0; i < d->n_sealers; i++)
		wgx_worker_close(&d->sealers[i]);
}

void wgx_sealers_open(struct wgx_daemon *d)
{
	for (unsigned int i = 0; i < d->n_sealers; i++)
		wgx_worker_open(&d->sealers[i]);
}

void wgx_sealers_stop(struct wgx_daemon *d)
{
	while (d->n_sealers)
		wgx_worker_stop(&d->sealers[--d->n_sealers]);
}
