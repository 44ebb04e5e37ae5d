/* SPDX-License-Identifier: MIT */
#include "net/link.h"

#include <ctype.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <netlink/attr.h>
#include <string.h>
#include <wgx/bpf_abi.h>
#include "net/ethtool.h"
#include "net/holder.h"
#include "net/netlink.h"
#include "net/sysctl.h"

#define FAR_NAME WGX_FAR_PREFIX "%d" /* the kernel puts the number in */
#define GSO_MAX_SIZE 65536 /* an IPv4 length field and AF_XDP frames end there: no BIG TCP */
#define DELETE_TRIES 3

/*
 * Locally administered; every interface has the same, for nothing but its own far end ever sees it. By near_mac
 * the files in deploy/ tell managers of networks which veth devices are ours.
 */
static const uint8_t near_mac[6] = {0x02, 0x77, 0x67, 0x78, 0x00, 0x01};
static const uint8_t far_mac[6] = {0x02, 0x77, 0x67, 0x78, 0x00, 0x02};

/* What the pair is made with. */
struct pair {
	const char *name;
	uint32_t mtu;
	uint32_t n_queues;
	int far_netns;
};

/* ---- questions ---- */

static void parse_kind(struct nlattr *linkinfo, struct wgx_link_info *ret)
{
	struct nlattr *tb[IFLA_INFO_MAX + 1];

	if (!linkinfo || nla_parse_nested(tb, IFLA_INFO_MAX, linkinfo, NULL) || !tb[IFLA_INFO_KIND])
		return;
	nla_strlcpy(ret->kind, tb[IFLA_INFO_KIND], sizeof(ret->kind));
}

static uint64_t get_tx_dropped(struct nlattr *attr)
{
	struct rtnl_link_stats64 stats = {0};

	if (attr)
		nla_memcpy(&stats, attr, sizeof(stats));
	return stats.tx_dropped;
}

static int parse_info(void *arg, const struct nlmsghdr *nlh)
{
	const struct ifinfomsg *ifi = nlmsg_data(nlh);
	struct wgx_link_info *ret = arg;
	struct nlattr *tb[IFLA_MAX + 1];

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return 0;
	if (nlmsg_parse((struct nlmsghdr *)nlh, sizeof(*ifi), tb, IFLA_MAX, NULL) ||
	    !tb[IFLA_IFNAME])
		return -EBADMSG;
	*ret = (struct wgx_link_info){
		.ifindex = ifi->ifi_index,
		.flags = ifi->ifi_flags,
		.type = ifi->ifi_type,
		.mtu = wgx_nl_u32(tb[IFLA_MTU], 0),
		.tx_dropped = get_tx_dropped(tb[IFLA_STATS64]),
		.link = (int)wgx_nl_u32(tb[IFLA_LINK], 0),
		.link_nsid = (int)wgx_nl_u32(tb[IFLA_LINK_NETNSID], (uint32_t)-1),
		.master = (int)wgx_nl_u32(tb[IFLA_MASTER], 0),
		.n_rx_queues = wgx_nl_u32(tb[IFLA_NUM_RX_QUEUES], 1),
		.n_tx_queues = wgx_nl_u32(tb[IFLA_NUM_TX_QUEUES], 1),
	};
	nla_strlcpy(ret->name, tb[IFLA_IFNAME], sizeof(ret->name));
	if (tb[IFLA_ADDRESS] && nla_len(tb[IFLA_ADDRESS]) == sizeof(ret->mac))
		memcpy(ret->mac, nla_data(tb[IFLA_ADDRESS]), sizeof(ret->mac));
	parse_kind(tb[IFLA_LINKINFO], ret);
	return 0;
}

/* A link message with nothing but its header. NULL: no memory */
static struct nl_msg *link_message(int type, int flags, const struct ifinfomsg *ifi)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

	if (msg && nlmsg_append(msg, (void *)ifi, sizeof(*ifi), NLMSG_ALIGNTO)) {
		nlmsg_free(msg);
		msg = NULL;
	}
	return msg;
}

static int query(const char *name, int ifindex, struct wgx_link_info *ret)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	struct nl_msg *msg = link_message(RTM_GETLINK, 0, &ifi);
	struct wgx_link_info info;
	int err = -ENOMEM;

	if (msg && (!name || !nla_put_string(msg, IFLA_IFNAME, name)))
		err = wgx_nl_call_once(msg, parse_info, &info);
	nlmsg_free(msg);
	if (!err)
		*ret = info;
	return err;
}

int wgx_link_query(const char *name, struct wgx_link_info *ret)
{
	if (strlen(name) >= IFNAMSIZ)
		return -ENODEV;
	return query(name, 0, ret);
}

int wgx_link_query_index(int ifindex, struct wgx_link_info *ret)
{
	return ifindex > 0 ? query(NULL, ifindex, ret) : -ENODEV;
}

bool wgx_link_is_ours(const struct wgx_link_info *info)
{
	return !strcmp(info->kind, "veth") && !memcmp(info->mac, near_mac, sizeof(near_mac));
}

bool wgx_link_is_ethernet(const struct wgx_link_info *info)
{
	return info->type == ARPHRD_ETHER;
}

/* ---- changes ---- */

static int change_flags(int ifindex, uint32_t flags, uint32_t change)
{
	struct ifinfomsg ifi = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = ifindex,
		.ifi_flags = flags,
		.ifi_change = change,
	};
	struct nl_msg *msg = link_message(RTM_SETLINK, 0, &ifi);
	int err = msg ? wgx_nl_call_once(msg, NULL, NULL) : -ENOMEM;

	nlmsg_free(msg);
	return err;
}

static int set_u32(int ifindex, int attribute, uint32_t value)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	struct nl_msg *msg = link_message(RTM_SETLINK, 0, &ifi);
	int err = -ENOMEM;

	if (msg && !nla_put_u32(msg, attribute, value))
		err = wgx_nl_call_once(msg, NULL, NULL);
	nlmsg_free(msg);
	return err;
}

static int put_addr_gen_none(struct nl_msg *msg)
{
	struct nlattr *spec, *inet6;

	spec = nla_nest_start(msg, IFLA_AF_SPEC);
	if (!spec)
		return -ENOMEM;
	inet6 = nla_nest_start(msg, AF_INET6);
	if (!inet6 || nla_put_u8(msg, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE))
		return -ENOMEM;
	nla_nest_end(msg, inet6);
	nla_nest_end(msg, spec);
	return 0;
}

/* No link-local address by itself, as the Linux driver has it */
static int set_addr_gen_none(int ifindex)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	struct nl_msg *msg = link_message(RTM_SETLINK, 0, &ifi);
	int err = -ENOMEM;

	if (msg && !put_addr_gen_none(msg))
		err = wgx_nl_call_once(msg, NULL, NULL);
	nlmsg_free(msg);
	/* a device, or a kernel, without IPv6 */
	return err == -EAFNOSUPPORT || err == -EOPNOTSUPP ? 0 : err;
}

int wgx_link_set_up(int ifindex, bool up)
{
	return change_flags(ifindex, up ? IFF_UP : 0, IFF_UP);
}

int wgx_link_set_mtu(int ifindex, uint32_t mtu)
{
	return set_u32(ifindex, IFLA_MTU, mtu);
}

int wgx_link_set_alias(int ifindex, const char *text)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	struct nl_msg *msg = link_message(RTM_SETLINK, 0, &ifi);
	int err = -ENOMEM;

	if (msg && !nla_put(msg, IFLA_IFALIAS, (int)strlen(text), text))
		err = wgx_nl_call_once(msg, NULL, NULL);
	nlmsg_free(msg);
	return err;
}

static int delete_once(int ifindex, const char *name)
{
	struct ifinfomsg ifi = {.ifi_family = AF_UNSPEC, .ifi_index = ifindex};
	struct nl_msg *msg = link_message(RTM_DELLINK, 0, &ifi);
	int err = msg && (!name || !nla_put_string(msg, IFLA_IFNAME, name)) ? 0 : -ENOMEM;

	if (!err)
		err = wgx_nl_call_once(msg, NULL, NULL);
	nlmsg_free(msg);
	return err;
}

/* Most often this undoes something, for want of memory, say; what stays would be in the way of the next try. */
static int delete_link(int ifindex, const char *name)
{
	int err = -ENODEV;

	for (int i = 0; i < DELETE_TRIES; i++) {
		err = delete_once(ifindex, name);
		if (!err || err == -ENODEV || err == -EPERM)
			break;
	}
	return err;
}

int wgx_link_delete(int ifindex)
{
	return ifindex > 0 ? delete_link(ifindex, NULL) : -ENODEV;
}

/* ---- the pair ---- */

/*
 * IPv6 does not see a device of less than 1280 bytes. A router's would else join the groups of routers before its
 * flags say that it knows no multicast, and report so (MLD) whenever it goes up.
 */
#define BIRTH_MTU 1000

/* As the kernel's dev_valid_name(), and no '%', which would ask for a number. */
static int check_name(const char *name)
{
	size_t len = strlen(name);

	if (len >= IFNAMSIZ)
		return -ENAMETOOLONG;
	if (!len || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (strchr("/:%", name[i]) || isspace((unsigned char)name[i]))
			return -EINVAL;
	return 0;
}

static int put_end(struct nl_msg *msg, const char *name, const uint8_t *mac, uint32_t mtu,
		   uint32_t tx_queues, uint32_t rx_queues)
{
	NLA_PUT_STRING(msg, IFLA_IFNAME, name);
	NLA_PUT(msg, IFLA_ADDRESS, 6, mac);
	NLA_PUT_U32(msg, IFLA_MTU, mtu);
	NLA_PUT_U32(msg, IFLA_NUM_TX_QUEUES, tx_queues);
	NLA_PUT_U32(msg, IFLA_NUM_RX_QUEUES, rx_queues);
	return 0;

nla_put_failure:
	return -ENOMEM;
}

/* Queue q of the far end gets what is sent by queue q + 1: bpf/credit.h tells why */
static uint32_t to_send_by(uint32_t far_queues)
{
	return far_queues > 1 ? far_queues + 1 : 1;
}

static int put_far_end(struct nl_msg *msg, const struct pair *p)
{
	struct ifinfomsg ifi = {
		.ifi_family = AF_UNSPEC,
		.ifi_flags = IFF_NOARP,
		.ifi_change = IFF_NOARP | IFF_MULTICAST,
	};
	struct nlattr *info, *data, *peer;

	info = nla_nest_start(msg, IFLA_LINKINFO);
	if (!info || nla_put_string(msg, IFLA_INFO_KIND, "veth"))
		return -ENOMEM;
	data = nla_nest_start(msg, IFLA_INFO_DATA);
	peer = data ? nla_nest_start(msg, VETH_INFO_PEER) : NULL;
	if (!peer || nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO) ||
	    put_end(msg, FAR_NAME, far_mac, WGX_LINK_MTU_MAX, 1, p->n_queues) ||
	    nla_put_u32(msg, IFLA_NET_NS_FD, (uint32_t)p->far_netns))
		return -ENOMEM;
	nla_nest_end(msg, peer);
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	return 0;
}

static int create_pair(const struct pair *p)
{
	struct ifinfomsg ifi = {
		.ifi_family = AF_UNSPEC,
		.ifi_flags = IFF_NOARP,
		.ifi_change = IFF_NOARP | IFF_MULTICAST,
	};
	struct nl_msg *msg = link_message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &ifi);
	int err = -ENOMEM;

	if (msg && !put_end(msg, p->name, near_mac, BIRTH_MTU, to_send_by(p->n_queues), 1) &&
	    !put_far_end(msg, p))
		err = wgx_nl_call_once(msg, NULL, NULL);
	nlmsg_free(msg);
	return err;
}

/*
 * Kept are the offloads that the seal worker does itself. Of the others it knows nothing, so the stack
 * must have done them before a packet comes to wg0. TSO without tx checksums does not exist: the last
 * group goes off together.
 */
static const struct wgx_feature offloads[] = {
	{"tx-scatter-gather", true},
	{"tx-checksum-sctp", false},
	{"tx-sctp-segmentation", false},
	{"tx-gre-segmentation", false},
	{"tx-gre-csum-segmentation", false},
	{"tx-ipxip4-segmentation", false},
	{"tx-ipxip6-segmentation", false},
	{"tx-udp_tnl-segmentation", false},
	{"tx-udp_tnl-csum-segmentation", false},
	{"tx-tunnel-remcsum-segmentation", false},
	{"tx-gso-partial", false},
	{"tx-gso-list", false},
	{"tx-esp-segmentation", false},
	{"tx-fcoe-segmentation", false},
	{"tx-tcp-accecn-segmentation", false},
	{"tx-vlan-hw-insert", false},
	{"tx-vlan-stag-hw-insert", false},
	{"rx-vlan-hw-parse", false},
	{"rx-vlan-stag-hw-parse", false},
};

static const char *const superframe_offloads[] = {
	"tx-checksum-ip-generic",  "tx-tcp-segmentation",	   "tx-tcp6-segmentation",
	"tx-tcp-ecn-segmentation", "tx-tcp-mangleid-segmentation", "tx-udp-segmentation",
};

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static int set_offloads(int ifindex, bool superframes)
{
	struct wgx_feature f[ARRAY_SIZE(offloads) + ARRAY_SIZE(superframe_offloads)];
	size_t n = ARRAY_SIZE(offloads);

	memcpy(f, offloads, sizeof(offloads));
	for (size_t i = 0; i < ARRAY_SIZE(superframe_offloads); i++)
		f[n++] = (struct wgx_feature){superframe_offloads[i], superframes};
	return wgx_ethtool_set(ifindex, f, n);
}

/* Nothing is sent on NAME but what users send: no router solicitation, no DAD, no MLD. */
static int quiet_ipv6(const char *name, int ifindex)
{
	static const char *const off[] = {
		"ipv6/conf/%s/accept_ra",
		"ipv6/conf/%s/autoconf",
		"ipv6/conf/%s/router_solicitations",
		"ipv6/conf/%s/accept_dad",
		"ipv6/conf/%s/dad_transmits",
	};
	int err = set_addr_gen_none(ifindex);

	for (size_t i = 0; !err && i < ARRAY_SIZE(off); i++)
		err = wgx_sysctl_set(off[i], name, "0");
	return err;
}

static int configure_near(const struct wgx_link_info *info, const struct wgx_link_options *options)
{
	int err = change_flags(info->ifindex, IFF_NOARP, IFF_NOARP | IFF_MULTICAST);

	if (!err)
		err = set_u32(info->ifindex, IFLA_GSO_MAX_SIZE, GSO_MAX_SIZE);
	if (!err)
		err = quiet_ipv6(info->name, info->ifindex);
	if (!err)
		err = set_offloads(info->ifindex, options->superframes);
	return err;
}

struct far_call {
	int near_ifindex;
	struct wgx_link *link;
};

/* In the private namespace: the far end right and up, and what it is called. */
static int configure_far(void *arg)
{
	struct far_call *c = arg;
	struct wgx_link_info info;
	int err = wgx_link_query_index(c->link->far_ifindex, &info);

	if (err)
		return err;
	if (strcmp(info.kind, "veth") || info.link != c->near_ifindex)
		return -EEXIST;
	if (info.mtu != WGX_LINK_MTU_MAX)
		err = set_u32(info.ifindex, IFLA_MTU, WGX_LINK_MTU_MAX);
	if (!err)
		err = set_addr_gen_none(info.ifindex);
	if (!err)
		err = change_flags(info.ifindex, IFF_NOARP | IFF_UP,
				   IFF_NOARP | IFF_MULTICAST | IFF_UP);
	if (info.n_rx_queues < c->link->n_queues)
		c->link->n_queues = info.n_rx_queues;
	memcpy(c->link->far_name, info.name, sizeof(info.name));
	memcpy(c->link->far_mac, info.mac, sizeof(info.mac));
	return err;
}

/* From a pair that stands to one that is ready. */
static int configure(struct wgx_netns *ns, const struct wgx_link_info *info,
		     const struct wgx_link_options *options, struct wgx_link *link)
{
	struct far_call call = {.near_ifindex = info->ifindex, .link = link};
	int err;

	memcpy(link->name, info->name, sizeof(info->name));
	memcpy(link->mac, info->mac, sizeof(info->mac));
	link->ifindex = info->ifindex;
	link->far_ifindex = info->link;
	link->n_queues = WGX_QUEUES_MAX;
	while (link->n_queues > 1 && to_send_by(link->n_queues) > info->n_tx_queues)
		link->n_queues--;
	err = configure_near(info, options);
	return err ?: wgx_netns_call(ns, configure_far, &call);
}

/* Return: 0 where the device is a veth with its other end in @ns, else -EEXIST or another errno */
static int check_orphan(struct wgx_netns *ns, const struct wgx_link_info *info)
{
	int nsid, err;

	if (strcmp(info->kind, "veth") || info->link_nsid < 0)
		return -EEXIST;
	err = wgx_nl_nsid(wgx_netns_fd(ns), &nsid);
	if (err)
		return err == -ENODATA ? -EEXIST : err;
	return nsid == info->link_nsid ? 0 : -EEXIST;
}

/* Make the pair if it is not there; *ret_info tells of its near end. */
static int find_or_create(struct wgx_netns *ns, const struct pair *p,
			  struct wgx_link_info *ret_info, bool *ret_adopted)
{
	int err = wgx_link_query(p->name, ret_info);

	*ret_adopted = !err;
	if (!err)
		return check_orphan(ns, ret_info);
	if (err != -ENODEV)
		return err;
	err = create_pair(p);
	if (err)
		return err;
	err = wgx_link_query(p->name, ret_info);
	if (!err)
		err = change_flags(ret_info->ifindex, IFF_NOARP, IFF_NOARP | IFF_MULTICAST);
	if (!err)
		err = set_u32(ret_info->ifindex, IFLA_MTU, p->mtu);
	if (!err)
		err = wgx_link_query(p->name, ret_info);
	if (err)
		(void)delete_link(0, p->name);
	return err;
}

int wgx_link_create(struct wgx_netns *ns, const char *name, const struct wgx_link_options *options,
		    struct wgx_link *ret)
{
	struct pair p = {
		.name = name,
		.mtu = WGX_LINK_MTU,
		.n_queues = options->n_queues ?: 1,
		.far_netns = wgx_netns_fd(ns),
	};
	struct wgx_link link = {0};
	struct wgx_link_info info;
	int err = check_name(name);

	if (!err)
		err = find_or_create(ns, &p, &info, &link.adopted);
	if (err)
		return err;
	err = configure(ns, &info, options, &link);
	if (err) {
		if (!link.adopted)
			wgx_link_delete(info.ifindex);
		return err;
	}
	*ret = link;
	return 0;
}

static int configure_collector(struct wgx_netns *ns, const struct wgx_link_info *info,
			       struct wgx_link *link)
{
	static const struct wgx_link_options options = {.superframes = true};
	int err = configure(ns, info, &options, link);

	if (!err)
		err = wgx_sysctl_set("ipv6/conf/%s/disable_ipv6", info->name, "1");
	if (!err && info->mtu != WGX_LINK_MTU_MAX)
		err = set_u32(info->ifindex, IFLA_MTU, WGX_LINK_MTU_MAX);
	return err ?: wgx_link_set_up(info->ifindex, true);
}

int wgx_link_collector_create(struct wgx_netns *ns, struct wgx_link *ret)
{
	struct pair p = {
		.name = WGX_COLLECTOR_NAME,
		.mtu = WGX_LINK_MTU_MAX,
		.n_queues = 1,
		.far_netns = wgx_netns_fd(ns),
	};
	struct wgx_link link = {0};
	struct wgx_link_info info;
	int err = find_or_create(ns, &p, &info, &link.adopted);

	if (err)
		return err;
	err = configure_collector(ns, &info, &link);
	if (err) {
		if (!link.adopted)
			wgx_link_delete(info.ifindex);
		return err;
	}
	*ret = link;
	return 0;
}
