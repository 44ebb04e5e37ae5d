/* SPDX-License-Identifier: MIT */
/* Routes and policy rules, made and asked for. "Here" is the calling thread's network namespace. */
#ifndef WGX_NET_FIB_H
#define WGX_NET_FIB_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include "proto/prefix.h"

#define WGX_TABLE_MAIN 254 /* RT_TABLE_MAIN */

/** wgx_route_add() - as `ip route add DST dev IFINDEX table TABLE`; 0, -EEXIST, negative errno */
int wgx_route_add(int ifindex, const struct wgx_prefix *dst, uint32_t table);

/** wgx_route_throw() - as `ip route add throw DST table TABLE`: what it matches goes on to the next rule's table */
int wgx_route_throw(const struct wgx_prefix *dst, uint32_t table);
/** wgx_route_delete() - by a device here, or with @ifindex 0 one that throws; 0, -ESRCH, negative errno */
int wgx_route_delete(int ifindex, const struct wgx_prefix *dst, uint32_t table);

/** wgx_route_fn - the destination of one route; a negative return stops the reading and is passed on */
typedef int (*wgx_route_fn)(void *arg, const struct wgx_prefix *dst);
/** wgx_route_each() - of the unicast routes by a device in a table, of one family */
int wgx_route_each(uint8_t family, int ifindex, uint32_t table, wgx_route_fn fn, void *arg);
/** wgx_throw_each() - of the routes of a table that throw, of one family */
int wgx_throw_each(uint8_t family, uint32_t table, wgx_route_fn fn, void *arg);
/** wgx_table_in_use() - has @table a route, of IPv4 or IPv6? 1, 0, negative errno */
int wgx_table_in_use(uint32_t table);

/**
 * wgx_route_mtu() - of the way to an address: the route's, or else its device's
 * @dst: NULL: the way of the first IPv4 default route of the main table
 *
 * Return: the MTU; 0: there is no way; negative errno.
 */
int wgx_route_mtu(const struct sockaddr *dst);

/** struct wgx_way - by which device, and the route's MTU, or else the device's */
struct wgx_way {
	int ifindex;
	char device[IFNAMSIZ];
	uint32_t mtu;
};

/** wgx_route_way() - of a packet of this host to @dst with @mark; 0, -ENETUNREACH, negative errno */
int wgx_route_way(const struct sockaddr *dst, uint32_t mark, struct wgx_way *ret);

/**
 * struct wgx_rule - a policy rule that looks a table up
 * @mark: 0: whatever the mark
 * @inverted: for those packets that have another mark
 * @suppress_prefixlength: routes of such a length, or a shorter one, do not count; -1: all do
 * @priority: the kernel's choice, see wgx_rule_add()
 */
struct wgx_rule {
	uint8_t family;
	uint32_t table;
	uint32_t mark;
	bool inverted;
	int suppress_prefixlength;
	uint32_t priority;
};

/**
 * wgx_rule_add() - before all rules but the first, as `ip rule add` without a priority does
 *
 * @rule's priority is set. A rule like one that is there already is added as well.
 * Return: 0 or negative errno.
 */
int wgx_rule_add(struct wgx_rule *rule);
/** wgx_rule_ensure() - at @rule's own priority, which is not 0; one that is there already is fine */
int wgx_rule_ensure(const struct wgx_rule *rule);
/** wgx_rule_there() - one with @rule's family, table and priority, for all packets? 1, 0, negative errno */
int wgx_rule_there(const struct wgx_rule *rule);
/** wgx_rule_delete() - the one that is like @rule in all; 0, -ENOENT, negative errno */
int wgx_rule_delete(const struct wgx_rule *rule);

#endif
