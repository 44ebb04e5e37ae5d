/* SPDX-License-Identifier: MIT */
#include "daemon/handover_state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/counters.h"
#include "daemon/drops.h"
#include "daemon/state.h"
#include "device/device_state.h"

#define MAGIC UINT32_C(0x77677868)
#define IFACES_MAX 4096
#define DEVICES_MAX 4096
#define PREFIXES_MAX 65536

void wgx_handover_fd(struct wgx_handover *h, int *fd)
{
	bool there = *fd >= 0;

	wgx_codec_bool(&h->c, &there);
	if (h->c.reading) {
		*fd = -1;
		if (!there)
			return;
		if (h->next == h->n_fds) {
			h->c.failed = true;
			return;
		}
		*fd = h->fds[h->next];
		h->fds[h->next++] = -1;
	} else if (there) {
		if (h->c.p)
			h->fds[h->next] = *fd;
		h->next++;
	}
}

void wgx_handover_drop(struct wgx_handover *h)
{
	for (uint32_t i = 0; i < h->n_fds; i++)
		if (h->fds[i] >= 0)
			close(h->fds[i]);
}

/* ---- devices ---- */

static void prefixes(struct wgx_codec *c, struct wgx_prefix **list, unsigned int *n)
{
	uint32_t count = *n;

	wgx_codec_upto(c, &count, PREFIXES_MAX);
	if (c->reading && count) {
		*list = calloc(count, sizeof(**list));
		if (!*list) {
			c->failed = true;
			return;
		}
	}
	*n = count;
	for (uint32_t i = 0; i < count; i++)
		wgx_prefix_codec(c, &(*list)[i]);
}

static void guard(struct wgx_codec *c, struct wgx_guard *g)
{
	wgx_codec_bool(c, &g->on);
	wgx_codec_bool(c, &g->report);
	wgx_codec_bool(c, &g->no_exemptions);
	wgx_codec_bool(c, &g->inherited);
	wgx_codec_bool(c, &g->keep);
	prefixes(c, &g->exempt, &g->n_exempt);
	prefixes(c, &g->protect, &g->n_protect);
}

/* As it is to be attached again; by name. */
static void device(struct wgx_codec *c, struct wgx_attached *a, char wanted[16])
{
	uint32_t lan = a->lan;

	wgx_codec_text(c, a->name, sizeof(a->name));
	wgx_codec_text(c, wanted, 16);
	wgx_codec_upto(c, &lan, WGX_LAN_NATIVE);
	a->lan = (enum wgx_lan_way)lan;
	wgx_codec_bool(c, &a->transmit);
	wgx_codec_bool(c, &a->copy);
	wgx_codec_bytes(c, &a->lan_before, sizeof(a->lan_before));
	guard(c, &a->guard);
}

static void write_devices(struct wgx_codec *c, struct cds_list_head *list)
{
	struct wgx_attached *a;
	uint32_t n = 0;

	cds_list_for_each_entry(a, list, all)
		n++;
	wgx_codec_u32(c, &n);
	cds_list_for_each_entry(a, list, all) {
		char wanted[16] = "";

		strncpy(wanted, a->wanted, sizeof(wanted) - 1);
		device(c, a, wanted);
	}
}

/* They are attached when this process is the daemon: wgx_handover_finish(). */
static void read_devices(struct wgx_codec *c, struct wgx_daemon *d)
{
	uint32_t n = 0;

	wgx_codec_upto(c, &n, DEVICES_MAX);
	for (; n && !c->failed; n--) {
		struct wgx_attached *a = calloc(1, sizeof(*a));
		char wanted[16];

		if (!a) {
			c->failed = true;
			return;
		}
		device(c, a, wanted);
		a->wanted = wgx_attached_wanted(wanted);
		a->lan_link = -1;
		cds_list_add_tail(&a->all, &d->suspended);
	}
}

/* ---- interfaces ---- */

static void link_of(struct wgx_codec *c, struct wgx_link *l)
{
	uint32_t near = (uint32_t)l->ifindex, far = (uint32_t)l->far_ifindex;

	wgx_codec_text(c, l->name, sizeof(l->name));
	wgx_codec_text(c, l->far_name, sizeof(l->far_name));
	wgx_codec_upto(c, &near, INT32_MAX);
	wgx_codec_upto(c, &far, INT32_MAX);
	wgx_codec_bytes(c, l->mac, sizeof(l->mac));
	wgx_codec_bytes(c, l->far_mac, sizeof(l->far_mac));
	wgx_codec_upto(c, &l->n_queues, WGX_QUEUES_MAX);
	if (!l->n_queues)
		c->failed = true;
	l->ifindex = (int)near;
	l->far_ifindex = (int)far;
}

static void inherited(struct wgx_handover *h, struct wgx_inherited *i)
{
	link_of(&h->c, &i->link);
	wgx_codec_bool(&h->c, &i->superframes);
	for (int n = 0; n < WGX_BIND_SOCKETS; n++)
		wgx_handover_fd(h, &i->sockets[n]);
	for (uint32_t n = 0; n < i->link.n_queues; n++) {
		wgx_handover_fd(h, &i->xsk[n]);
		wgx_handover_fd(h, &i->umem[n]);
	}
	wgx_codec_u32(&h->c, &i->ring_size);
	wgx_codec_bool(&h->c, &i->multi_buffer);
	wgx_handover_fd(h, &i->egress);
	wgx_handover_fd(h, &i->steer);
	wgx_handover_fd(h, &i->listener);
}

static void counters(struct wgx_codec *c, struct wgx_served *s)
{
	uint32_t n = WGX_DROP_COUNT;
	struct wgx_seal_counters sealed; /* of all seal workers: the first one's afterwards */

	wgx_iface_sealed(&s->path, &sealed);
#define X(name)                            \
	wgx_codec_atomic(c, &sealed.name); \
	if (c->reading)                    \
		wgx_count(&s->path.seal[0].name, atomic_load(&sealed.name));
	WGX_SEAL_COUNTERS(X)
#undef X
#define X(name) wgx_codec_atomic(c, &s->path.open.name);
	WGX_OPEN_COUNTERS(X)
#undef X
	wgx_counters_codec(c, wgx_egress_maps(s->egress)->counters, s->counted);
	wgx_codec_bytes(c, &s->lan_before, sizeof(s->lan_before));
	wgx_codec_u32(c, &n);
	if (n != WGX_DROP_COUNT)
		c->failed = true;
	for (uint32_t i = 0; i < WGX_DROP_COUNT; i++)
		wgx_codec_u64(c, &s->handed_drops[i]);
}

/* The rest: counters, the model, and its sockets */
static void model(struct wgx_handover *h, struct wgx_served *s, const struct wgx_inherited *i)
{
	struct wgx_device *dev = s->path.dev;
	struct wgx_bind *b;

	counters(&h->c, s);
	wgx_device_lock(dev);
	wgx_device_codec(dev, &h->c);
	if (h->c.reading && !h->c.failed && i->sockets[0] >= 0) {
		if (wgx_bind_adopt(i->sockets, &b) || wgx_sockets_inherit(s, b))
			h->c.failed = true;
	} else if (h->c.reading && dev->up) {
		h->c.failed = true; /* it has no sockets */
	}
	if (h->c.reading)
		wgx_device_commit(dev);
	else
		wgx_device_unlock(dev);
}

static void write_ifaces(struct wgx_handover *h, struct wgx_daemon *d)
{
	struct wgx_served *s;
	uint32_t n = 0;

	cds_list_for_each_entry(s, &d->ifaces, all)
		n++;
	wgx_codec_u32(&h->c, &n);
	cds_list_for_each_entry(s, &d->ifaces, all) {
		struct wgx_inherited i;

		wgx_served_bequeath(s, &i);
		inherited(h, &i);
		model(h, s, &i);
	}
}

static void read_ifaces(struct wgx_handover *h, struct wgx_daemon *d)
{
	uint32_t n = 0;

	wgx_codec_upto(&h->c, &n, IFACES_MAX);
	for (; n && !h->c.failed; n--) {
		struct wgx_inherited *i = calloc(1, sizeof(*i));
		struct wgx_served *s;
		int err = -ENOMEM;

		if (i) {
			inherited(h, i);
			err = h->c.failed ? -EBADMSG : wgx_served_inherit(d, i, &s);
		}
		if (err) {
			free(i);
			h->error = err;
			h->c.failed = true;
			return;
		}
		s->from = i;
		model(h, s, i);
	}
}

/* ---- all ---- */

static void header(struct wgx_codec *c)
{
	uint32_t magic = MAGIC, format = WGX_HANDOVER_FORMAT;

	wgx_codec_u32(c, &magic);
	wgx_codec_u32(c, &format);
	if (magic != MAGIC || format != WGX_HANDOVER_FORMAT)
		c->failed = true;
}

static void daemon_wide(struct wgx_codec *c, struct wgx_daemon *d)
{
	wgx_codec_bytes(c, d->stamps.sent, sizeof(d->stamps.sent));
	wgx_codec_bytes(c, d->stamps.mark, sizeof(d->stamps.mark));
	wgx_codec_bytes(c, d->stamps.written, sizeof(d->stamps.written));
	for (uint32_t i = 0; i < WGX_DROP_COUNT; i++)
		wgx_codec_u64(c, &d->handed_drops[i]);
	wgx_codec_u64(c, &d->frozen);
	wgx_codec_u32(c, &d->handovers);
	wgx_codec_u64(c, &d->restored);
	wgx_codec_atomic(c, &d->protocol.handshakes.initiations);
	wgx_codec_atomic(c, &d->protocol.handshakes.responses);
	wgx_codec_atomic(c, &d->protocol.handshakes.cookies);
	wgx_counters_codec(c, wgx_ingress_maps(d->ingress)->counters, d->counted);
}

void wgx_handover_codec(struct wgx_handover *h, struct wgx_daemon *d, int heir)
{
	h->next = 0;
	header(&h->c);
	if (h->c.failed)
		return;
	daemon_wide(&h->c, d);
	if (h->c.reading)
		read_ifaces(h, d);
	else
		write_ifaces(h, d);
	if (h->c.failed)
		return;
	wgx_control_codec(d, h, heir);
	if (h->c.reading) {
		read_devices(&h->c, d);
		read_devices(&h->c, d);
		if (h->c.at != h->c.size || h->next != h->n_fds)
			h->c.failed = true;
	} else {
		write_devices(&h->c, &d->suspended);
		write_devices(&h->c, &d->awaited);
	}
}
