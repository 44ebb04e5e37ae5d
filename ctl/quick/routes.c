/* SPDX-License-Identifier: MIT */
/*
 * Addresses, MTU, routes. A default route goes into a table of its own, which all packets look into but those with
 * the mark of wg0's own, and after the routes of the main table that are longer (wg-quick's way):
 *
 *	not from all fwmark MARK lookup TABLE
 *	from all lookup main suppress_prefixlength 0
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/uapi_client.h"
#include "net/addr.h"
#include "net/link.h"
#include "net/sysctl.h"
#include "quick/quick.h"

#define FIRST_TABLE 51820
#define OVERHEAD 80 /* IPv6 40, UDP 8, header and tag 32 */
#define DEFAULT_MTU 1500
#define SRC_VALID_MARK "ipv4/conf/all/src_valid_mark"

int wgx_quick_addresses(struct wgx_quick *q)
{
	const struct wgx_conf_prefixes *list = &q->conf->addresses;
	char text[WGX_PREFIX_TEXT];

	for (size_t i = 0; i < list->n; i++) {
		int err = wgx_addr_add(q->ifindex, &list->items[i]);

		if (err)
			return wgx_fail("%s: cannot add address %s: %s", q->conf->name,
					wgx_prefix_format(&list->items[i], text), strerror(-err));
	}
	return WGX_EXIT_OK;
}

/* ---- the MTU ---- */

static int endpoint_mtu(const struct wgx_conf_peer *p, const struct wgx_resolved *r)
{
	char text[WGX_ENDPOINT_TEXT + 256];
	struct wgx_endpoint e;

	if (p->host_is_name)
		return r->n ? wgx_route_mtu(&r->items[0].addr.sa) : 0;
	if (!p->host)
		return 0;
	snprintf(text, sizeof(text), strchr(p->host, ':') ? "[%s]:%u" : "%s:%u", p->host, p->port);
	return wgx_endpoint_parse(text, &e) ? 0 : wgx_route_mtu(&e.addr.sa);
}

/* Of the way to the endpoint with the largest, else of the default route, else Ethernet's. */
static uint32_t choose_mtu(const struct wgx_quick *q)
{
	const struct wgx_conf *c = q->conf;
	int mtu = 0;

	for (size_t i = 0; i < c->n_peers; i++) {
		int way = endpoint_mtu(&c->peers[i], &q->resolved[i]);

		mtu = way > mtu ? way : mtu;
	}
	if (mtu <= 0)
		mtu = wgx_route_mtu(NULL);
	if (mtu <= OVERHEAD)
		mtu = DEFAULT_MTU;
	/* of a way through lo: more than a device can have */
	if (mtu > WGX_LINK_MTU_MAX)
		mtu = WGX_LINK_MTU_MAX;
	return (uint32_t)mtu - OVERHEAD;
}

int wgx_quick_mtu_and_up(struct wgx_quick *q)
{
	uint32_t mtu = q->conf->mtu ? q->conf->mtu : choose_mtu(q);
	int err = wgx_link_set_mtu(q->ifindex, mtu);

	if (err)
		return wgx_fail("%s: cannot set MTU %u: %s", q->conf->name, mtu, strerror(-err));
	err = wgx_link_set_up(q->ifindex, true);
	return err ? wgx_fail("%s: cannot set it up: %s", q->conf->name, strerror(-err))
		   : WGX_EXIT_OK;
}

/* ---- default routes ---- */

/* The mark of wg0's own packets, which names the table too; one is chosen where none is set. */
static int choose_mark(struct wgx_quick *q, uint32_t *ret)
{
	uint32_t mark = FIRST_TABLE;
	char request[64], text[16];
	int used, err;

	while ((used = wgx_table_in_use(mark)) > 0)
		mark++;
	if (used < 0)
		return used;
	snprintf(request, sizeof(request), "set=1\nfwmark=%u\n\n", mark);
	err = wgx_uapi_ask(q->conf->name, request, NULL);
	snprintf(text, sizeof(text), "%u", mark);
	if (!err)
		err = wgx_record_text(&q->record, "fwmark", text);
	if (!err)
		*ret = mark;
	return err;
}

static int get_mark(struct wgx_quick *q, uint32_t *ret)
{
	const char *chosen = wgx_record_get(&q->record, "fwmark");

	if (q->conf->has_fwmark && q->conf->fwmark) {
		*ret = q->conf->fwmark;
		return 0;
	}
	if (!chosen)
		return choose_mark(q, ret);
	*ret = (uint32_t)strtoul(chosen, NULL, 10);
	return 0;
}

static int add_rule(struct wgx_quick *q, struct wgx_rule *rule)
{
	int err = wgx_rule_add(rule);

	if (err)
		return err;
	err = wgx_record_rule(&q->record, rule);
	if (err)
		wgx_rule_delete(rule);
	return err;
}

static int add_rules(struct wgx_quick *q, uint8_t family, uint32_t mark)
{
	struct wgx_rule marked = {
		.family = family,
		.table = mark,
		.mark = mark,
		.inverted = true,
		.suppress_prefixlength = -1,
	};
	struct wgx_rule longer = {.family = family, .table = WGX_TABLE_MAIN};
	int err = add_rule(q, &marked);

	return err ? err : add_rule(q, &longer);
}

/* The reverse-path filter is to count the mark in, or answers to marked packets look forged. */
static int valid_mark(struct wgx_quick *q)
{
	char value[16];
	int err = wgx_sysctl_get(SRC_VALID_MARK, NULL, value, sizeof(value)), shared = 1;

	if (err)
		return err;
	/* who brought it up first found 0, and whoever goes last puts it back */
	if (strcmp(value, "0"))
		shared = wgx_record_shared(&q->record, "src_valid_mark", "0");
	if (shared <= 0)
		return shared;
	err = wgx_record_text(&q->record, "src_valid_mark", "0");
	return err ? err : wgx_sysctl_set(SRC_VALID_MARK, NULL, "1");
}

static int add_default(struct wgx_quick *q, const struct wgx_prefix *dst)
{
	uint32_t mark = 0;
	int err = get_mark(q, &mark);

	if (!err)
		err = wgx_route_add(q->ifindex, dst, mark);
	if (!err)
		err = add_rules(q, dst->family, mark);
	if (!err && dst->family == AF_INET)
		err = valid_mark(q);
	if (err)
		return wgx_fail("%s: cannot make a default route: %s", q->conf->name,
				strerror(-err));
	return wgx_quick_firewall(q, dst->family, mark);
}

/* ---- routes ---- */

/* Those of the device's own, by its addresses: what they cover needs no route. */
static int add_covered(void *arg, const struct wgx_prefix *dst)
{
	struct wgx_conf_prefixes *list = arg;

	if (list->n == list->room) {
		size_t room = list->room ? 2 * list->room : 16;
		struct wgx_prefix *items = realloc(list->items, room * sizeof(*items));

		if (!items)
			return -ENOMEM;
		list->items = items;
		list->room = room;
	}
	list->items[list->n++] = *dst;
	return 0;
}

static bool is_covered(const struct wgx_conf_prefixes *list, const struct wgx_prefix *p)
{
	for (size_t i = 0; i < list->n; i++)
		if (wgx_prefix_contains(&list->items[i], p))
			return true;
	return false;
}

/* The longest first; among these IPv4, then by address */
static int compare(const void *a, const void *b)
{
	const struct wgx_prefix *x = a, *y = b;

	if (x->cidr != y->cidr)
		return y->cidr - x->cidr;
	if (x->family != y->family)
		return x->family - y->family;
	return memcmp(x->addr, y->addr, sizeof(x->addr));
}

static int add_route(struct wgx_quick *q, const struct wgx_prefix *dst,
		     const struct wgx_conf_prefixes *own)
{
	bool number = q->conf->table == WGX_CONF_TABLE_NUMBER;
	char text[WGX_PREFIX_TEXT];
	int err;

	if (!number && !dst->cidr)
		return add_default(q, dst);
	if (!number && is_covered(own, dst))
		return WGX_EXIT_OK;
	err = wgx_route_add(q->ifindex, dst, number ? q->conf->table_number : WGX_TABLE_MAIN);
	return err ? wgx_fail("%s: cannot add the route to %s: %s", q->conf->name,
			      wgx_prefix_format(dst, text), strerror(-err))
		   : WGX_EXIT_OK;
}

static int own_routes(struct wgx_quick *q, struct wgx_conf_prefixes *ret)
{
	int err = wgx_route_each(AF_INET, q->ifindex, WGX_TABLE_MAIN, add_covered, ret);

	return err ? err : wgx_route_each(AF_INET6, q->ifindex, WGX_TABLE_MAIN, add_covered, ret);
}

int wgx_quick_routes(struct wgx_quick *q)
{
	struct wgx_conf_prefixes own = {0};
	size_t n = q->conf->allowed.n;
	struct wgx_prefix *sorted;
	int status = WGX_EXIT_OK, err;

	if (q->conf->table == WGX_CONF_TABLE_OFF || !n)
		return WGX_EXIT_OK;
	sorted = malloc(n * sizeof(*sorted));
	err = sorted ? own_routes(q, &own) : -ENOMEM;
	if (err) {
		status = wgx_fail("%s: cannot read its routes: %s", q->conf->name, strerror(-err));
		n = 0;
	} else {
		memcpy(sorted, q->conf->allowed.items, n * sizeof(*sorted));
		qsort(sorted, n, sizeof(*sorted), compare);
	}
	for (size_t i = 0; i < n && !status; i++) /* a peer may have what another has had */
		if (!i || compare(&sorted[i - 1], &sorted[i]))
			status = add_route(q, &sorted[i], &own);
	free(sorted);
	free(own.items);
	return status;
}

int wgx_quick_undo_rules(struct wgx_record *r)
{
	struct wgx_rule rule;
	const char *valid = wgx_record_get(r, "src_valid_mark");
	int status = WGX_EXIT_OK, err;

	for (size_t i = 0; (err = wgx_record_rule_at(r, i, &rule)) != -ENOENT; i++) {
		if (err) { /* better one too many than another's too few */
			fprintf(stderr,
				"wgx: warning: %s: its record is damaged, a rule may stay\n",
				r->name);
			continue;
		}
		err = wgx_rule_delete(&rule);
		if (err && err != -ENOENT)
			status = wgx_fail("%s: cannot delete rule %u: %s", r->name, rule.priority,
					  strerror(-err));
	}
	err = valid ? wgx_record_shared(r, "src_valid_mark", "0") : 1;
	if (err > 0)
		return status;
	if (!err)
		err = wgx_sysctl_set(SRC_VALID_MARK, NULL, valid);
	return err ? wgx_fail("%s: cannot set " SRC_VALID_MARK " to %s again: %s", r->name, valid,
			      strerror(-err))
		   : status;
}
