/* SPDX-License-Identifier: MIT */
#include "net/netfilter.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdio.h>
#include <string.h>

struct search {
	bool found;
	char *text;
	size_t size;
};

static const char *family_name(uint8_t family)
{
	switch (family) {
	case NFPROTO_INET:
		return "inet";
	case NFPROTO_IPV4:
		return "ip";
	case NFPROTO_IPV6:
		return "ip6";
	default:
		return NULL; /* bridge, arp, netdev: they see other packets */
	}
}

/* Base chains have a hook; what forwarded packets do not pass are input and output. */
static bool is_on_the_way(struct nlattr *hook)
{
	struct nlattr *attrs[NFTA_HOOK_MAX + 1];
	uint32_t number;

	if (!hook || nla_parse_nested(attrs, NFTA_HOOK_MAX, hook, NULL) ||
	    !attrs[NFTA_HOOK_HOOKNUM])
		return false;
	number = ntohl(nla_get_u32(attrs[NFTA_HOOK_HOOKNUM]));
	return number == NF_INET_PRE_ROUTING || number == NF_INET_FORWARD ||
	       number == NF_INET_POST_ROUTING;
}

/* Those of `wgx up` keep others from reaching an inner address of this host; they decide on nothing that is forwarded. */
static bool is_own(const char *table)
{
	return !strncmp(table, "wgx-", 4);
}

static int on_chain(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *header = nlmsg_hdr(msg);
	struct nlattr *attrs[NFTA_CHAIN_MAX + 1];
	const struct nfgenmsg *gen = nlmsg_data(header);
	const char *family = family_name(gen->nfgen_family);
	struct search *s = arg;

	if (s->found || !family || nlmsg_parse(header, sizeof(*gen), attrs, NFTA_CHAIN_MAX, NULL) ||
	    !attrs[NFTA_CHAIN_TABLE] || !attrs[NFTA_CHAIN_NAME] ||
	    is_own(nla_get_string(attrs[NFTA_CHAIN_TABLE])) ||
	    !is_on_the_way(attrs[NFTA_CHAIN_HOOK]))
		return NL_OK;
	s->found = true;
	snprintf(s->text, s->size, "table %s %s, chain %s", family,
		 nla_get_string(attrs[NFTA_CHAIN_TABLE]), nla_get_string(attrs[NFTA_CHAIN_NAME]));
	return NL_OK;
}

bool wgx_netfilter_forwards(char *text, size_t size)
{
	struct nfgenmsg gen = {.nfgen_family = NFPROTO_UNSPEC, .version = NFNETLINK_V0};
	struct search s = {.text = text, .size = size};
	struct nl_sock *sock = nl_socket_alloc();

	if (!sock)
		return false;
	nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_chain, &s);
	if (!nl_connect(sock, NETLINK_NETFILTER) &&
	    nl_send_simple(sock, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, NLM_F_DUMP, &gen,
			   sizeof(gen)) >= 0)
		(void)nl_recvmsgs_default(sock);
	nl_socket_free(sock);
	return s.found;
}
