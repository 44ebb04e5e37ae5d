/* SPDX-License-Identifier: MIT */
/* Threads for the packets: as many seal as the interface with the most queues has; one opens, all but one as many help it. */
#include "daemon/privileges.h"
#include "daemon/state.h"

static int start_sealer(struct wgx_daemon *d)
{
	struct wgx_worker *w = &d->sealers[d->n_sealers];
	int err = wgx_worker_start(w, &wgx_seal_ops, d->n_sealers, &d->seal_env,
				   wgx_privileges_worker);

	if (!err)
		d->n_sealers++;
	return err;
}

int wgx_workers_need(struct wgx_daemon *d, unsigned int n)
{
	const bool closed = d->heir_of >= 0;
	int err = 0;

	while (!err && d->n_sealers < n) {
		wgx_rcu_offline(); /* it registers, and others may be waiting for a grace period */
		err = start_sealer(d);
		wgx_rcu_online();
		if (!err && closed)
			wgx_worker_close(&d->sealers[d->n_sealers - 1]);
	}
	while (!err && wgx_openers_count(&d->openers) + 1 < n) {
		wgx_rcu_offline();
		err = wgx_openers_start(&d->openers, wgx_privileges_worker);
		wgx_rcu_online();
		if (!err && closed)
			wgx_worker_close(&d->openers.helpers[wgx_openers_count(&d->openers) - 1]);
	}
	return err;
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

void wgx_opening_close(struct wgx_daemon *d)
{
	wgx_worker_close(&d->opener); /* first: nothing is listed then */
	for (unsigned int i = 0; i < wgx_openers_count(&d->openers); i++)
		wgx_worker_close(&d->openers.helpers[i]);
}

void wgx_opening_open(struct wgx_daemon *d)
{
	for (unsigned int i = 0; i < wgx_openers_count(&d->openers); i++)
		wgx_worker_open(&d->openers.helpers[i]);
	wgx_worker_open(&d->opener);
}

void wgx_opening_stop(struct wgx_daemon *d)
{
	wgx_worker_stop(&d->opener);
	wgx_openers_stop(&d->openers);
}
