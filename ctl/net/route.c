/* SPDX-License-Identifier: MIT */
#include "net/route.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <string.h>
#include <sys/socket.h>
#include "net/netlink.h"

static int put_flow(struct nl_msg *msg, const struct wgx_flow *f)
{
	struct rtmsg rtm = {.rtm_family = AF_INET, .rtm_src_len = 32, .rtm_dst_len = 32};

	if (nlmsg_append(msg, &rtm, sizeof(rtm), NLMSG_ALIGNTO) ||
	    nla_put(msg, RTA_DST, sizeof(f->dst), &f->dst) ||
	    nla_put(msg, RTA_SRC, sizeof(f->src), &f->src) ||
	    nla_put_u8(msg, RTA_IP_PROTO, IPPROTO_UDP) || nla_put_u16(msg, RTA_SPORT, f->sport) ||
	    nla_put_u16(msg, RTA_DPORT, f->dport))
		return -ENOMEM;
	return f->mark && nla_put_u32(msg, RTA_MARK, f->mark) ? -ENOMEM : 0;
}

static int read_device(void *arg, const struct nlmsghdr *nlh)
{
	struct nlattr *tb[RTA_MAX + 1];
	int *ret = arg;

	if (nlh->nlmsg_type != RTM_NEWROUTE)
		return 0;
	if (nlmsg_parse((struct nlmsghdr *)nlh, sizeof(struct rtmsg), tb, RTA_MAX, NULL) ||
	    !tb[RTA_OIF])
		return -EBADMSG;
	*ret = (int)wgx_nl_u32(tb[RTA_OIF], 0);
	return 0;
}

int wgx_route_device(int fd, const struct wgx_flow *flow)
{
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETROUTE, 0);
	int device = -ENETUNREACH, err;

	if (!msg)
		return -ENOMEM;
	err = put_flow(msg, flow);
	if (!err)
		err = wgx_nl_call(fd, msg, read_device, &device);
	nlmsg_free(msg);
	return err ?: device;
}

int wgx_routes_open(void)
{
	/* routes that go with a link or an address go without a word of their own */
	int fd = wgx_nl_open(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE |
				     RTMGRP_IPV4_RULE,
			     SOCK_NONBLOCK),
	    group = RTNLGRP_NEXTHOP;

	if (fd >= 0) /* 5.3 */
		setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group));
	return fd;
}

void wgx_routes_drain(int fd)
{
	char byte;

	/* what was lost for want of room (ENOBUFS) is a change as well */
	while (recv(fd, &byte, sizeof(byte), MSG_TRUNC) >= 0 || errno == ENOBUFS || errno == EINTR)
		;
}
