/* SPDX-License-Identifier: MIT */
#include "net/fib.h"

#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <string.h>
#include <unistd.h>
#include "net/link.h"
#include "net/netlink.h"

static int addr_len(uint8_t family)
{
	return family == AF_INET6 ? 16 : 4;
}

/* ---- routes ---- */

/* The field of the header has 8 bits only. */
static uint8_t short_table(uint32_t table)
{
	return table < 256 ? (uint8_t)table : RT_TABLE_COMPAT;
}

/* @ifindex 0: it throws */
static int change_route(int command, int flags, int ifindex, const struct wgx_prefix *dst,
			uint32_t table)
{
	bool link = dst->family == AF_INET && ifindex;
	struct rtmsg rtm = {
		.rtm_family = dst->family,
		.rtm_dst_len = dst->cidr,
		.rtm_table = short_table(table),
		.rtm_protocol = RTPROT_BOOT,
		.rtm_scope = link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
		.rtm_type = ifindex ? RTN_UNICAST : RTN_THROW,
	};
	struct nl_msg *msg = nlmsg_alloc_simple(command, flags);
	int err = -ENOMEM;

	if (!msg)
		return -ENOMEM;
	if (!nlmsg_append(msg, &rtm, sizeof(rtm), NLMSG_ALIGNTO) &&
	    !nla_put(msg, RTA_DST, addr_len(dst->family), dst->addr) &&
	    (!ifindex || !nla_put_u32(msg, RTA_OIF, (uint32_t)ifindex)) &&
	    !nla_put_u32(msg, RTA_TABLE, table))
		err = wgx_nl_call_once(msg, NULL, NULL);
	nlmsg_free(msg);
	return err;
}

int wgx_route_add(int ifindex, const struct wgx_prefix *dst, uint32_t table)
{
	return change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, ifindex, dst, table);
}

int wgx_route_throw(const struct wgx_prefix *dst, uint32_t table)
{
	return change_route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, 0, dst, table);
}

int wgx_route_delete(int ifindex, const struct wgx_prefix *dst, uint32_t table)
{
	return change_route(RTM_DELROUTE, 0, ifindex, dst, table);
}

/* What is looked for among the routes; 0: any */
struct route_reader {
	int ifindex;
	uint32_t table;
	uint8_t type; /* of what @fn gets */
	wgx_route_fn fn;
	void *arg;
	bool found;
};

static int read_route(void *arg, const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = nlmsg_data(nlh);
	struct nlattr *tb[RTA_MAX + 1];
	struct route_reader *r = arg;
	struct wgx_prefix dst = {0};
	uint32_t table;

	if (nlh->nlmsg_type != RTM_NEWROUTE)
		return 0;
	if (nlmsg_parse((struct nlmsghdr *)nlh, sizeof(*rtm), tb, RTA_MAX, NULL))
		return -EBADMSG;
	if (rtm->rtm_flags & RTM_F_CLONED)
		return 0;
	table = wgx_nl_u32(tb[RTA_TABLE], rtm->rtm_table);
	if (table != r->table)
		return 0;
	if (r->ifindex && (int)wgx_nl_u32(tb[RTA_OIF], 0) != r->ifindex)
		return 0;
	r->found = true;
	if (!r->fn || rtm->rtm_type != r->type)
		return 0;
	if (rtm->rtm_dst_len > 8 * addr_len(rtm->rtm_family))
		return -EBADMSG;
	dst.family = rtm->rtm_family;
	dst.cidr = rtm->rtm_dst_len;
	if (tb[RTA_DST])
		nla_memcpy(dst.addr, tb[RTA_DST], sizeof(dst.addr));
	return r->fn(r->arg, &dst);
}

/* Where the kernel takes the filter (4.20) it does not send what would be left out here. */
static int dump_filtered(struct nl_msg *msg, struct route_reader *r)
{
	int fd = wgx_nl_open(0, 0), one = 1, err;

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one));
	err = wgx_nl_call(fd, msg, read_route, r);
	close(fd);
	/* such a table, or that protocol, is not there */
	return err == -ENOENT || err == -EAFNOSUPPORT ? 0 : err;
}

static int dump_routes(uint8_t family, struct route_reader *r)
{
	struct rtmsg rtm = {.rtm_family = family, .rtm_table = short_table(r->table)};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_DUMP);
	int err = -ENOMEM;

	if (!msg)
		return -ENOMEM;
	if (!nlmsg_append(msg, &rtm, sizeof(rtm), NLMSG_ALIGNTO) &&
	    !nla_put_u32(msg, RTA_TABLE, r->table) &&
	    (!r->ifindex || !nla_put_u32(msg, RTA_OIF, (uint32_t)r->ifindex)))
		err = dump_filtered(msg, r);
	nlmsg_free(msg);
	return err;
}

int wgx_route_each(uint8_t family, int ifindex, uint32_t table, wgx_route_fn fn, void *arg)
{
	struct route_reader r = {
		.ifindex = ifindex, .table = table, .type = RTN_UNICAST, .fn = fn, .arg = arg};

	return dump_routes(family, &r);
}

int wgx_throw_each(uint8_t family, uint32_t table, wgx_route_fn fn, void *arg)
{
	struct route_reader r = {.table = table, .type = RTN_THROW, .fn = fn, .arg = arg};

	return dump_routes(family, &r);
}

int wgx_table_in_use(uint32_t table)
{
	struct route_reader r = {.table = table};
	int err = dump_routes(AF_INET, &r);

	if (!err && !r.found)
		err = dump_routes(AF_INET6, &r);
	return err ? err : r.found;
}

/* ---- the MTU of a way ---- */

struct way {
	uint32_t mtu;
	int ifindex;
	bool default_only; /* the answer is a dump of the main table */
	bool found;
};

static int read_way(void *arg, const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = nlmsg_data(nlh);
	struct nlattr *tb[RTA_MAX + 1], *metrics[RTAX_MAX + 1];
	struct way *w = arg;
	uint32_t table;

	if (nlh->nlmsg_type != RTM_NEWROUTE || w->found)
		return 0;
	if (nlmsg_parse((struct nlmsghdr *)nlh, sizeof(*rtm), tb, RTA_MAX, NULL))
		return -EBADMSG;
	table = wgx_nl_u32(tb[RTA_TABLE], rtm->rtm_table);
	if (w->default_only && (rtm->rtm_dst_len || table != WGX_TABLE_MAIN))
		return 0;
	w->found = true;
	if (tb[RTA_METRICS] && !nla_parse_nested(metrics, RTAX_MAX, tb[RTA_METRICS], NULL))
		w->mtu = wgx_nl_u32(metrics[RTAX_MTU], 0);
	w->ifindex = (int)wgx_nl_u32(tb[RTA_OIF], 0);
	return 0;
}

static int put_destination(struct nl_msg *msg, const struct sockaddr *dst)
{
	const struct sockaddr_in *v4 = (const void *)dst;
	const struct sockaddr_in6 *v6 = (const void *)dst;

	if (dst->sa_family == AF_INET)
		return nla_put(msg, RTA_DST, 4, &v4->sin_addr);
	if (v6->sin6_scope_id && nla_put_u32(msg, RTA_OIF, v6->sin6_scope_id))
		return -ENOMEM;
	return nla_put(msg, RTA_DST, 16, &v6->sin6_addr);
}

static int find_way(const struct sockaddr *dst, uint32_t mark, struct way *w)
{
	struct rtmsg rtm = {.rtm_family = AF_INET};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETROUTE, dst ? 0 : NLM_F_DUMP);
	int err = -ENOMEM;

	if (!msg)
		return -ENOMEM;
	if (dst) {
		rtm.rtm_family = (uint8_t)dst->sa_family;
		rtm.rtm_dst_len = dst->sa_family == AF_INET ? 32 : 128;
	}
	if (!nlmsg_append(msg, &rtm, sizeof(rtm), NLMSG_ALIGNTO) &&
	    (!dst || !put_destination(msg, dst)) && (!mark || !nla_put_u32(msg, RTA_MARK, mark)))
		err = wgx_nl_call_once(msg, read_way, w);
	nlmsg_free(msg);
	return err == -ENETUNREACH || err == -EHOSTUNREACH ? 0 : err;
}

int wgx_route_mtu(const struct sockaddr *dst)
{
	struct way w = {.default_only = !dst};
	struct wgx_link_info info;
	int err = find_way(dst, 0, &w);

	if (err || w.mtu || !w.ifindex)
		return err ? err : (int)w.mtu;
	err = wgx_link_query_index(w.ifindex, &info);
	return err ? err : (int)info.mtu;
}

int wgx_route_way(const struct sockaddr *dst, uint32_t mark, struct wgx_way *ret)
{
	struct way w = {0};
	struct wgx_link_info info;
	int err = find_way(dst, mark, &w);

	if (err)
		return err;
	if (!w.ifindex)
		return -ENETUNREACH;
	err = wgx_link_query_index(w.ifindex, &info);
	if (err)
		return err;
	ret->ifindex = w.ifindex;
	memcpy(ret->device, info.name, sizeof(ret->device));
	ret->mtu = w.mtu ? w.mtu : info.mtu;
	return 0;
}

/* ---- rules ---- */

static int put_rule(struct nl_msg *msg, const struct wgx_rule *r)
{
	struct fib_rule_hdr hdr = {
		.family = r->family,
		.table = short_table(r->table),
		.action = FR_ACT_TO_TBL,
		.flags = r->inverted ? FIB_RULE_INVERT : 0,
	};

	if (nlmsg_append(msg, &hdr, sizeof(hdr), NLMSG_ALIGNTO) ||
	    nla_put_u32(msg, FRA_TABLE, r->table))
		return -ENOMEM;
	if (r->mark && nla_put_u32(msg, FRA_FWMARK, r->mark))
		return -ENOMEM;
	if (r->priority && nla_put_u32(msg, FRA_PRIORITY, r->priority))
		return -ENOMEM;
	return r->suppress_prefixlength >= 0 ? nla_put_u32(msg, FRA_SUPPRESS_PREFIXLEN,
							   (uint32_t)r->suppress_prefixlength)
					     : 0;
}

static int read_priority(void *arg, const struct nlmsghdr *nlh)
{
	struct nlattr *tb[FRA_MAX + 1];

	if (nlh->nlmsg_type != RTM_NEWRULE)
		return 0;
	if (nlmsg_parse((struct nlmsghdr *)nlh, sizeof(struct fib_rule_hdr), tb, FRA_MAX, NULL) ||
	    !tb[FRA_PRIORITY])
		return -EBADMSG;
	*(uint32_t *)arg = wgx_nl_u32(tb[FRA_PRIORITY], 0);
	return 0;
}

int wgx_rule_add(struct wgx_rule *rule)
{
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWRULE, NLM_F_CREATE | NLM_F_ECHO);
	int err = -ENOMEM;

	if (!msg)
		return -ENOMEM;
	rule->priority = 0;
	if (!put_rule(msg, rule))
		err = wgx_nl_call_once(msg, read_priority, &rule->priority);
	nlmsg_free(msg);
	return err;
}

static int call_rule(int command, int flags, const struct wgx_rule *rule)
{
	struct nl_msg *msg = nlmsg_alloc_simple(command, flags);
	int err = -ENOMEM;

	if (!msg)
		return -ENOMEM;
	if (!put_rule(msg, rule))
		err = wgx_nl_call_once(msg, NULL, NULL);
	nlmsg_free(msg);
	return err;
}

int wgx_rule_ensure(const struct wgx_rule *rule)
{
	int err = call_rule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule);

	return err == -EEXIST ? 0 : err;
}

struct rule_reader {
	const struct wgx_rule *rule;
	bool found;
};

static bool is_for_all(const struct fib_rule_hdr *hdr, struct nlattr *const *tb)
{
	return !hdr->src_len && !hdr->dst_len && !hdr->tos && !(hdr->flags & FIB_RULE_INVERT) &&
	       !tb[FRA_FWMARK] && !tb[FRA_IIFNAME] && !tb[FRA_OIFNAME] && !tb[FRA_IP_PROTO] &&
	       !tb[FRA_UID_RANGE] && !tb[FRA_SPORT_RANGE] && !tb[FRA_DPORT_RANGE];
}

static int read_rule(void *arg, const struct nlmsghdr *nlh)
{
	const struct fib_rule_hdr *hdr = nlmsg_data(nlh);
	struct rule_reader *r = arg;
	struct nlattr *tb[FRA_MAX + 1];

	if (nlh->nlmsg_type != RTM_NEWRULE)
		return 0;
	if (nlmsg_parse((struct nlmsghdr *)nlh, sizeof(*hdr), tb, FRA_MAX, NULL))
		return -EBADMSG;
	if (hdr->family == r->rule->family && hdr->action == FR_ACT_TO_TBL && is_for_all(hdr, tb) &&
	    wgx_nl_u32(tb[FRA_TABLE], hdr->table) == r->rule->table &&
	    wgx_nl_u32(tb[FRA_PRIORITY], 0) == r->rule->priority)
		r->found = true;
	return 0;
}

int wgx_rule_there(const struct wgx_rule *rule)
{
	struct fib_rule_hdr hdr = {.family = rule->family};
	struct rule_reader r = {.rule = rule};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETRULE, NLM_F_DUMP);
	int err = -ENOMEM;

	if (!msg)
		return -ENOMEM;
	if (!nlmsg_append(msg, &hdr, sizeof(hdr), NLMSG_ALIGNTO))
		err = wgx_nl_call_once(msg, read_rule, &r);
	nlmsg_free(msg);
	return err ? err : r.found;
}

int wgx_rule_delete(const struct wgx_rule *rule)
{
	return call_rule(RTM_DELRULE, 0, rule);
}
