/* SPDX-License-Identifier: MIT */
/* Which ports the workers serve, from what there is: interfaces, the collector, devices, sockets. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include "daemon/state.h"

static unsigned int count_ifaces(struct wgx_daemon *d)
{
	struct wgx_served *s;
	unsigned int n = 0;

	cds_list_for_each_entry(s, &d->ifaces, all)
		n++;
	return n;
}

static unsigned int count_device_xsks(struct wgx_daemon *d)
{
	struct wgx_attached *a;
	unsigned int n = 0;

	cds_list_for_each_entry(a, &d->attached, all)
		n += a->n_xsks;
	return n;
}

static void add_xsk(struct wgx_portset *set, enum wgx_port_kind kind, struct wgx_xsk *xsk,
		    struct wgx_iface *iface, int device)
{
	set->ports[set->n_ports++] = (struct wgx_port){
		.kind = kind,
		.fd = xsk->fd,
		.xsk = xsk,
		.iface = iface,
		.device = (uint32_t)device,
	};
}

static void add_socket(struct wgx_portset *set, int fd, struct wgx_iface *iface)
{
	if (fd >= 0)
		set->ports[set->n_ports++] =
			(struct wgx_port){.kind = WGX_PORT_SOCKET, .fd = fd, .iface = iface};
}

/*
 * @seal: one for each seal worker. A port is the same worker's as long as it is there: so a flow keeps its order, and no
 * ring has two readers while sets are changed one after the other.
 */
static void collect(struct wgx_daemon *d, struct wgx_portset *seal, struct wgx_portset *open)
{
	struct wgx_attached *a;
	struct wgx_served *s;

	assert(d->n_sealers > 0);
	if (d->collector.there)
		add_xsk(open, WGX_PORT_COLLECTOR, d->collector.xsk, NULL, 0);
	cds_list_for_each_entry(a, &d->attached, all)
		for (unsigned int i = 0; i < a->n_xsks; i++)
			add_xsk(a->lan_xdp ? &seal[0] : open,
				a->lan_xdp ? WGX_PORT_LAN : WGX_PORT_DEVICE, a->xsks[i], NULL,
				a->ifindex);
	cds_list_for_each_entry(s, &d->ifaces, all) {
		const struct wgx_bind *b = wgx_read(s->path.bind);

		open->ifaces[open->n_ifaces++] = &s->path;
		for (unsigned int i = 0; i < d->n_sealers; i++)
			seal[i].ifaces[seal[i].n_ifaces++] = &s->path;
		assert(s->path.n_queues <= d->n_sealers); /* wgx_workers_need() */
		for (unsigned int q = 0; q < s->path.n_queues; q++)
			add_xsk(&seal[q], WGX_PORT_WG, s->path.xsk[q], &s->path, 0);
		if (b) {
			add_socket(open, b->fd4, &s->path);
			add_socket(open, b->fd6, &s->path);
		}
	}
}

static int alloc_set(struct wgx_portset *set, unsigned int ports, unsigned int ifaces)
{
	set->ports = calloc(ports + 1, sizeof(*set->ports));
	set->ifaces = calloc(ifaces + 1, sizeof(struct wgx_iface *));
	return set->ports && set->ifaces ? 0 : -ENOMEM;
}

static void free_set(struct wgx_portset *set)
{
	free(set->ports);
	free(set->ifaces);
}

int wgx_ports_update(struct wgx_daemon *d)
{
	unsigned int ifaces = count_ifaces(d), xsks = count_device_xsks(d);
	struct wgx_portset seal[WGX_QUEUES_MAX] = {0}, open = {0};
	int err = alloc_set(&open, 1 + xsks + 2 * ifaces, ifaces);

	for (unsigned int i = 0; !err && i < d->n_sealers; i++)
		err = alloc_set(&seal[i], ifaces + xsks, ifaces);
	if (!err)
		collect(d, seal, &open);
	for (unsigned int i = 0; !err && i < d->n_sealers; i++)
		err = wgx_worker_set(&d->sealers[i], &seal[i]);
	if (!err)
		err = wgx_worker_set(&d->opener, &open);
	for (unsigned int i = 0; i < d->n_sealers; i++)
		free_set(&seal[i]);
	free_set(&open);
	return err;
}
