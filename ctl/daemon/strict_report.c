/* SPDX-License-Identifier: MIT */
/* What strict mode has dropped: single packets in the log, where a device is to report them, and counts for `wgx show`. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/log.h"
#include "daemon/strict.h"

/* ---- reports ---- */

static const char *device_name(struct wgx_daemon *d, uint32_t key)
{
	struct wgx_attached *a;

	cds_list_for_each_entry(a, &d->attached, all)
		if (a->guard.key == key)
			return a->name;
	return "?";
}

static void format_addr(const struct wgx_addr *addr, char text[INET6_ADDRSTRLEN])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (!memcmp(addr->addr, mapped, sizeof(mapped)))
		inet_ntop(AF_INET, addr->addr + 12, text, INET6_ADDRSTRLEN);
	else
		inet_ntop(AF_INET6, addr->addr, text, INET6_ADDRSTRLEN);
}

void wgx_strict_on_report(void *arg, const struct wgx_strict_report *r)
{
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN];

	format_addr(&r->src, src);
	format_addr(&r->dst, dst);
	wgx_log(WGX_LOG_WARN, "%s: %s: from %s port %u to %s port %u, protocol %u",
		device_name(arg, r->device), r->egress ? "strict_egress" : "strict_ingress", src,
		r->sport, dst, r->dport, r->proto);
}

static void reports_ready(struct wgx_event *e, uint32_t events)
{
	struct wgx_daemon *d = e->arg;

	wgx_strict_reports(d->strict.prog);
}

int wgx_strict_listen(struct wgx_daemon *d)
{
	struct wgx_strict_state *st = &d->strict;

	return wgx_event_add(d->epoll_fd, &st->reports, wgx_strict_reports_fd(st->prog),
			     reports_ready, d);
}

/* ---- show ---- */

static json_t *counts_json(const struct wgx_strict_maps *maps, uint32_t key)
{
	int cpus = libbpf_num_possible_cpus();
	struct wgx_strict_counts sum = {0},
				 *values = cpus > 0 ? calloc((size_t)cpus, sizeof(*values)) : NULL;

	if (values && !bpf_map_lookup_elem(maps->counts, &key, values))
		for (int i = 0; i < cpus; i++) {
			sum.egress += values[i].egress;
			sum.ingress += values[i].ingress;
		}
	free(values);
	return json_pack("{s:I, s:I}", "strict_egress", (json_int_t)sum.egress, "strict_ingress",
			 (json_int_t)sum.ingress);
}

json_t *wgx_strict_json(struct wgx_daemon *d, const struct wgx_guard *g)
{
	json_t *exempt, *protect;
	char text[WGX_PREFIX_TEXT];

	if (!g->on)
		return json_null();
	exempt = json_array();
	for (unsigned int i = 0; i < g->n_exempt; i++)
		json_array_append_new(exempt, json_string(wgx_prefix_format(&g->exempt[i], text)));
	protect = json_array();
	for (unsigned int i = 0; i < g->n_protect; i++)
		json_array_append_new(protect,
				      json_string(wgx_prefix_format(&g->protect[i], text)));
	return json_pack("{s:o, s:o, s:b, s:b, s:b, s:o}", "exempt", exempt, "protect", protect,
			 "report", g->report, "inherited", g->inherited, "all_plaintext",
			 wgx_strict_shuts(d, g), "drops",
			 counts_json(wgx_strict_maps(d->strict.prog), g->key));
}
