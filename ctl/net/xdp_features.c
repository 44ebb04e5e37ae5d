/* SPDX-License-Identifier: MIT */
#include "net/xdp_features.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <unistd.h>
#include "net/netlink.h"

/* include/uapi/linux/netdev.h, which Debian 12 does not have */
#define FAMILY "netdev"
#define CMD_DEV_GET 1
#define XSK_ZEROCOPY (1u << 3) /* NETDEV_XDP_ACT_XSK_ZEROCOPY */
enum {
	A_IFINDEX = 1,
	A_XDP_FEATURES = 3, /* 64 bits */
	A_XDP_ZC_MAX_SEGS = 4, /* Linux 6.6, where it has zero-copy */
	A_MAX = A_XDP_ZC_MAX_SEGS,
};

static int read_family(void *arg, const struct nlmsghdr *nlh)
{
	struct nlattr *tb[CTRL_ATTR_FAMILY_ID + 1];
	uint16_t *ret = arg;

	if (nlmsg_parse((struct nlmsghdr *)nlh, GENL_HDRLEN, tb, CTRL_ATTR_FAMILY_ID, NULL) ||
	    !tb[CTRL_ATTR_FAMILY_ID] || nla_len(tb[CTRL_ATTR_FAMILY_ID]) < (int)sizeof(*ret))
		return -EBADMSG;
	*ret = nla_get_u16(tb[CTRL_ATTR_FAMILY_ID]);
	return 0;
}

static int read_features(void *arg, const struct nlmsghdr *nlh)
{
	struct nlattr *tb[A_MAX + 1];
	struct wgx_xdp_features *ret = arg;

	if (nlmsg_parse((struct nlmsghdr *)nlh, GENL_HDRLEN, tb, A_MAX, NULL) ||
	    !tb[A_XDP_FEATURES] || nla_len(tb[A_XDP_FEATURES]) < (int)sizeof(uint64_t))
		return -EBADMSG;
	ret->zero_copy = nla_get_u64(tb[A_XDP_FEATURES]) & XSK_ZEROCOPY;
	ret->max_segments = wgx_nl_u32(tb[A_XDP_ZC_MAX_SEGS], 1);
	return 0;
}

/* NULL: no memory */
static struct nl_msg *genl_message(uint16_t family, uint8_t command)
{
	const struct genlmsghdr header = {.cmd = command, .version = 1};
	struct nl_msg *msg = nlmsg_alloc_simple(family, 0);

	if (msg && nlmsg_append(msg, (void *)&header, sizeof(header), NLMSG_ALIGNTO)) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

static int find_netdev(int fd, uint16_t *ret)
{
	struct nl_msg *msg = genl_message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	int err = -ENOMEM;

	if (msg && !nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, FAMILY))
		err = wgx_nl_call(fd, msg, read_family, ret);
	nlmsg_free(msg);
	return err;
}

static int ask(int fd, int ifindex, struct wgx_xdp_features *ret)
{
	uint16_t family = 0;
	int err = find_netdev(fd, &family);
	struct nl_msg *msg;

	if (err)
		return err;
	msg = genl_message(family, CMD_DEV_GET);
	err = -ENOMEM;
	if (msg && !nla_put_u32(msg, A_IFINDEX, (uint32_t)ifindex))
		err = wgx_nl_call(fd, msg, read_features, ret);
	nlmsg_free(msg);
	return err;
}

int wgx_xdp_features_query(int ifindex, struct wgx_xdp_features *ret)
{
	struct wgx_xdp_features found = {0};
	int fd = wgx_nl_open_generic(), err;

	if (fd < 0)
		return fd;
	err = ask(fd, ifindex, &found);
	close(fd);
	if (!err)
		*ret = found;
	return err;
}
