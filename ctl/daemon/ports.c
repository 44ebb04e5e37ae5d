/* SPDX-License-Identifier: MIT */
/* Which ports the workers serve, from what there is: interfaces, the collector, devices, sockets. */
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

static void collect(struct wgx_daemon *d, struct wgx_portset *seal, struct wgx_portset *open)
{
	struct wgx_attached *a;
	struct wgx_served *s;

	if (d->collector.there)
		add_xsk(open, WGX_PORT_COLLECTOR, d->collector.xsk, NULL, 0);
	cds_list_for_each_entry(a, &d->attached, all)
		for (unsigned int i = 0; i < a->n_xsks; i++)
			add_xsk(a->lan_xdp ? seal : open,
				a->lan_xdp ? WGX_PORT_LAN : WGX_PORT_DEVICE, a->xsks[i], NULL,
				a->ifindex);
	cds_list_for_each_entry(s, &d->ifaces, all) {
		const struct wgx_bind *b = wgx_read(s->path.bind);

		seal->ifaces[seal->n_ifaces++] = open->ifaces[open->n_ifaces++] = &s->path;
		add_xsk(seal, WGX_PORT_WG, s->path.xsk, &s->path, 0);
		if (b) {
			add_socket(open, b->fd4, &s->path);
			add_socket(open, b->fd6, &s->path);
		}
	}
}

int wgx_ports_update(struct wgx_daemon *d)
{
	unsigned int ifaces = count_ifaces(d), xsks = count_device_xsks(d);
	struct wgx_portset seal = {0}, open = {0};
	int err = -ENOMEM;

	seal.ports = calloc(ifaces + xsks + 1, sizeof(*seal.ports));
	open.ports = calloc(1 + xsks + 2 * ifaces, sizeof(*open.ports));
	seal.ifaces = calloc(ifaces + 1, sizeof(struct wgx_iface *));
	open.ifaces = calloc(ifaces + 1, sizeof(struct wgx_iface *));
	if (seal.ports && open.ports && seal.ifaces && open.ifaces) {
		collect(d, &seal, &open);
		err = wgx_worker_set(&d->sealer, &seal);
		if (!err)
			err = wgx_worker_set(&d->opener, &open);
	}
	free(seal.ports);
	free(open.ports);
	free(seal.ifaces);
	free(open.ifaces);
	return err;
}
