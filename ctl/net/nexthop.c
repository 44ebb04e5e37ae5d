/* SPDX-License-Identifier: MIT */
#include "net/nexthop.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/netlink.h"

static int addr_len(uint8_t family)
{
	return family == AF_INET6 ? 16 : 4;
}

/* ---- routes ---- */

static int put_flow(struct nl_msg *msg, const struct wgx_nexthop_flow *f, bool whole_entry)
{
	const int len = addr_len(f->family);
	struct rtmsg rtm = {
		.rtm_family = f->family,
		.rtm_dst_len = (unsigned char)(8 * len),
		.rtm_src_len = f->bound ? (unsigned char)(8 * len) : 0,
		.rtm_flags = whole_entry ? RTM_F_FIB_MATCH : 0,
	};

	if (nlmsg_append(msg, &rtm, sizeof(rtm), NLMSG_ALIGNTO) ||
	    nla_put(msg, RTA_DST, len, f->dst) ||
	    (f->bound && nla_put(msg, RTA_SRC, len, f->src)) ||
	    (f->scope && nla_put_u32(msg, RTA_OIF, f->scope)) ||
	    nla_put_u8(msg, RTA_IP_PROTO, IPPROTO_UDP) || nla_put_u16(msg, RTA_SPORT, f->sport) ||
	    nla_put_u16(msg, RTA_DPORT, f->dport))
		return -ENOMEM;
	return f->mark && nla_put_u32(msg, RTA_MARK, f->mark) ? -ENOMEM : 0;
}

struct answer {
	const struct wgx_nexthop_flow *flow;
	struct wgx_nexthop hop;
	bool whole_entry; /* it is what the table has, with all its ways, and not the one that was chosen */
	bool found, plain;
};

static void read_metrics(struct nlattr *attr, struct wgx_nexthop *ret)
{
	struct nlattr *tb[RTAX_MAX + 1];

	if (!attr || nla_parse_nested(tb, RTAX_MAX, attr, NULL))
		return;
	ret->mtu = wgx_nl_u32(tb[RTAX_MTU], 0);
	ret->hops = wgx_nl_u32(tb[RTAX_HOPLIMIT], 0);
}

/* A label or a tunnel on the route has its own attribute; so has a gateway of the other family. */
static bool is_plain(const struct rtmsg *rtm, struct nlattr *const *tb)
{
	return rtm->rtm_type == RTN_UNICAST && tb[RTA_OIF] && !tb[RTA_MULTIPATH] &&
	       !tb[RTA_ENCAP] && !tb[RTA_ENCAP_TYPE] && !tb[RTA_VIA] && !tb[RTA_NEWDST];
}

static int read_route(void *arg, const struct nlmsghdr *nlh)
{
	const struct rtmsg *rtm = nlmsg_data(nlh);
	struct nlattr *tb[RTA_MAX + 1];
	struct answer *a = arg;
	const int len = addr_len(a->flow->family);

	if (nlh->nlmsg_type != RTM_NEWROUTE || a->found)
		return 0;
	if (nlmsg_parse((struct nlmsghdr *)nlh, sizeof(*rtm), tb, RTA_MAX, NULL))
		return -EBADMSG;
	a->found = true;
	a->plain = rtm->rtm_family == a->flow->family && is_plain(rtm, tb);
	if (!a->plain || a->whole_entry)
		return 0;
	a->hop.ifindex = (int)wgx_nl_u32(tb[RTA_OIF], 0);
	read_metrics(tb[RTA_METRICS], &a->hop);
	memcpy(a->hop.gateway, a->flow->dst, 16);
	if (tb[RTA_GATEWAY])
		nla_memcpy(a->hop.gateway, tb[RTA_GATEWAY], len);
	if (a->flow->bound)
		memcpy(a->hop.src, a->flow->src, 16);
	else if (tb[RTA_PREFSRC])
		nla_memcpy(a->hop.src, tb[RTA_PREFSRC], len);
	else
		a->plain = false;
	return 0;
}

static int ask(int fd, struct answer *a)
{
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETROUTE, 0);
	int err;

	if (!msg)
		return -ENOMEM;
	err = put_flow(msg, a->flow, a->whole_entry);
	if (!err)
		err = wgx_nl_call(fd, msg, read_route, a);
	nlmsg_free(msg);
	if (!err && !a->found)
		err = -ENETUNREACH;
	return err ? err : a->plain ? 0 : -EOPNOTSUPP;
}

/* Which of several ways a packet takes depends on what the stack alone knows: none of them is taken here. */
int wgx_nexthop_find(int fd, const struct wgx_nexthop_flow *flow, struct wgx_nexthop *ret)
{
	struct answer chosen = {.flow = flow}, entry = {.flow = flow, .whole_entry = true};
	int err = ask(fd, &chosen);

	err = err ?: ask(fd, &entry);
	if (!err)
		*ret = chosen.hop;
	return err;
}

/* ---- neighbours ---- */

/* Return: whether it is one of ours to look at: no entry of a bridge, nor one that we answer for */
static bool parse_neigh(const struct nlmsghdr *nlh, struct wgx_neigh *ret)
{
	const struct ndmsg *ndm = nlmsg_data(nlh);
	struct nlattr *tb[NDA_MAX + 1];

	if (nlmsg_parse((struct nlmsghdr *)nlh, sizeof(*ndm), tb, NDA_MAX, NULL))
		return false;
	if ((ndm->ndm_family != AF_INET && ndm->ndm_family != AF_INET6) ||
	    ndm->ndm_flags & NTF_PROXY || !tb[NDA_DST] ||
	    nla_len(tb[NDA_DST]) != addr_len(ndm->ndm_family))
		return false;
	*ret = (struct wgx_neigh){.ifindex = ndm->ndm_ifindex, .family = ndm->ndm_family};
	nla_memcpy(ret->addr, tb[NDA_DST], sizeof(ret->addr));
	if (nlh->nlmsg_type == RTM_NEWNEIGH)
		ret->state = ndm->ndm_state;
	if (tb[NDA_LLADDR] && nla_len(tb[NDA_LLADDR]) == sizeof(ret->mac))
		memcpy(ret->mac, nla_data(tb[NDA_LLADDR]), sizeof(ret->mac));
	else
		ret->state &= NUD_INCOMPLETE | NUD_FAILED; /* no Ethernet address */
	return true;
}

static int read_neigh(void *arg, const struct nlmsghdr *nlh)
{
	struct wgx_neigh *ret = arg, n;

	if (nlh->nlmsg_type == RTM_NEWNEIGH && parse_neigh(nlh, &n) && n.ifindex == ret->ifindex &&
	    n.family == ret->family && !memcmp(n.addr, ret->addr, (size_t)addr_len(n.family)))
		*ret = n;
	return 0;
}

int wgx_neigh_get(int fd, struct wgx_neigh *ret)
{
	struct ndmsg ndm = {.ndm_family = ret->family, .ndm_ifindex = ret->ifindex};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETNEIGH, 0);
	int err = -ENOMEM;

	if (!msg)
		return -ENOMEM;
	ret->state = 0;
	memset(ret->mac, 0, sizeof(ret->mac));
	if (!nlmsg_append(msg, &ndm, sizeof(ndm), NLMSG_ALIGNTO) &&
	    !nla_put(msg, NDA_DST, addr_len(ret->family), ret->addr))
		err = wgx_nl_call(fd, msg, read_neigh, ret);
	nlmsg_free(msg);
	return err == -ENOENT ? 0 : err;
}

/* ---- changes ---- */

int wgx_nexthop_watch(void)
{
	/* routes that go with a link or an address go without a word of their own */
	const uint32_t groups = RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_IFADDR |
				RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE |
				RTMGRP_IPV4_RULE;
	const int more[] = {RTNLGRP_IPV6_RULE, RTNLGRP_NEXTHOP};
	int fd = wgx_nl_open(groups, SOCK_NONBLOCK);

	for (size_t i = 0; fd >= 0 && i < sizeof(more) / sizeof(more[0]); i++) /* nexthops: 5.3 */
		(void)setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &more[i],
				 sizeof(more[i]));
	return fd;
}

bool wgx_nexthop_changes(int fd, void (*neigh)(void *arg, const struct wgx_neigh *n), void *arg)
{
	_Alignas(struct nlmsghdr) char buf[WGX_NL_BUFFER];
	bool others = false;
	struct wgx_neigh n;
	ssize_t len;

	while ((len = recv(fd, buf, sizeof(buf), MSG_TRUNC)) >= 0 || errno == ENOBUFS ||
	       errno == EINTR) {
		struct nlmsghdr *nlh = (struct nlmsghdr *)buf;
		int left = (int)len;

		if (len < 0 || len > (ssize_t)sizeof(buf)) {
			others = others || len >= 0 || errno == ENOBUFS;
			continue;
		}
		for (; nlmsg_ok(nlh, left); nlh = nlmsg_next(nlh, &left)) {
			bool of_neigh =
				nlh->nlmsg_type == RTM_NEWNEIGH || nlh->nlmsg_type == RTM_DELNEIGH;

			if (!of_neigh)
				others = true;
			else if (parse_neigh(nlh, &n))
				neigh(arg, &n);
		}
	}
	return others;
}
