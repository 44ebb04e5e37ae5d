/* SPDX-License-Identifier: MIT */
#include "net/addr.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include "net/netlink.h"

static int addr_len(uint8_t family)
{
	return family == AF_INET6 ? 16 : 4;
}

static bool is_loopback(const struct wgx_prefix *a)
{
	static const uint8_t loopback6[16] = {[15] = 1};

	return a->family == AF_INET ? a->addr[0] == 127 : !memcmp(a->addr, loopback6, 16);
}

static int request(int type, int flags, int ifindex, const struct wgx_prefix *a)
{
	struct ifaddrmsg ifa = {
		.ifa_family = a->family,
		.ifa_prefixlen = a->cidr,
		.ifa_scope = is_loopback(a) ? RT_SCOPE_HOST : RT_SCOPE_UNIVERSE,
		.ifa_index = (unsigned int)ifindex,
	};
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);
	int len = addr_len(a->family), err = -ENOMEM;

	if (!msg)
		return -ENOMEM;
	if (!nlmsg_append(msg, &ifa, sizeof(ifa), NLMSG_ALIGNTO) &&
	    !nla_put(msg, IFA_LOCAL, len, a->addr) && !nla_put(msg, IFA_ADDRESS, len, a->addr))
		err = wgx_nl_call_once(msg, NULL, NULL);
	nlmsg_free(msg);
	return err;
}

int wgx_addr_add(int ifindex, const struct wgx_prefix *addr)
{
	return request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, addr);
}

int wgx_addr_delete(int ifindex, const struct wgx_prefix *addr)
{
	return request(RTM_DELADDR, 0, ifindex, addr);
}

struct reader {
	int ifindex;
	wgx_addr_fn fn;
	void *arg;
};

static int read_addr(void *arg, const struct nlmsghdr *nlh)
{
	const struct ifaddrmsg *ifa = nlmsg_data(nlh);
	struct nlattr *tb[IFA_MAX + 1], *local;
	struct wgx_prefix a = {0};
	struct reader *r = arg;

	if (nlh->nlmsg_type != RTM_NEWADDR)
		return 0;
	if (nlmsg_parse((struct nlmsghdr *)nlh, sizeof(*ifa), tb, IFA_MAX, NULL))
		return -EBADMSG;
	if ((int)ifa->ifa_index != r->ifindex ||
	    (ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6))
		return 0;
	/* on point-to-point devices IFA_ADDRESS is the other side's */
	local = tb[IFA_LOCAL] ?: tb[IFA_ADDRESS];
	if (!local || nla_len(local) != addr_len(ifa->ifa_family) ||
	    ifa->ifa_prefixlen > 8 * nla_len(local))
		return -EBADMSG;
	a.family = ifa->ifa_family;
	a.cidr = ifa->ifa_prefixlen;
	memcpy(a.addr, nla_data(local), (size_t)nla_len(local));
	return r->fn(r->arg, &a);
}

static int each_of(uint8_t family, struct reader *r)
{
	struct ifaddrmsg ifa = {.ifa_family = family};
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETADDR, NLM_F_DUMP);
	int err = -ENOMEM;

	if (!msg)
		return -ENOMEM;
	if (!nlmsg_append(msg, &ifa, sizeof(ifa), NLMSG_ALIGNTO))
		err = wgx_nl_call_once(msg, read_addr, r);
	nlmsg_free(msg);
	return err;
}

int wgx_addr_each(int ifindex, wgx_addr_fn fn, void *arg)
{
	struct reader r = {.ifindex = ifindex, .fn = fn, .arg = arg};
	int err = each_of(AF_INET, &r);

	return err ? err : each_of(AF_INET6, &r);
}
