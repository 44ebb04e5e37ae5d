/* SPDX-License-Identifier: MIT */
/*
 * What netlink says, as it would reach the monitors of links and addresses, the readers of links, routes, rules,
 * addresses and a driver's features, and the holder; and answers with errors. The kernel is trusted; but a newer one may send attributes that
 * are shorter, longer or otherwise than this one's. An input: a byte of flags, then messages. Each: a byte that says
 * of which type, one or two with its length, and what follows its header.
 *
 * Checked: nothing is read past a message's end, what is told of devices, addresses and routes is consistent, and an
 * error is one.
 */
#include "net/monitor.c"
#include "net/fib.c"
#include "net/route.c"
#include "net/link.c"
#define addr_len addr_len_of
#include "net/addr.c"
#undef addr_len
#define read_nsid read_nsid_answer
#define read_answer read_whole_answer
#include "net/netlink.c"
#undef read_nsid
#undef read_answer
#include "net/holder.c"
#include "net/xdp_features.c"

#include "fuzz/fuzz.h"

static struct wgx_monitor monitors[2];

static void told_link(void *arg, const struct wgx_link_event *e)
{
	assert_true(memchr(e->name, '\0', sizeof(e->name)) != NULL);
	assert_true(!e->moved || e->deleted);
	assert_false(e->appeared && e->deleted);
}

static void told_addr(void *arg, const struct wgx_addr_event *e)
{
	assert_true(e->family == AF_INET || e->family == AF_INET6);
	assert_true(e->deleted || e->holders >= 1);
}

static void fuzz_begin(void)
{
	static const struct wgx_monitor_ops ops = {.on_link = told_link, .on_addr = told_addr};

	for (int i = 0; i < 2; i++) {
		struct wgx_monitor *m = &monitors[i];

		m->kind = i ? WGX_MONITOR_FAR : WGX_MONITOR_HOST;
		m->ops = &ops;
		m->events = m->dump = m->query = m->timer = m->epoll = -1;
		m->links.item_size = sizeof(struct known_link);
		m->links.compare = compare_links;
		m->addrs.item_size = sizeof(struct known_addr);
		m->addrs.compare = compare_addrs;
	}
}

static int count(void *arg, const struct wgx_prefix *p)
{
	++*(unsigned int *)arg;
	assert_true(p->cidr <= (p->family == AF_INET6 ? 128 : 32));
	return 0;
}

static void read_as_link(const struct nlmsghdr *nlh)
{
	struct wgx_link_info info = {0};

	if (!parse_info(&info, nlh)) {
		assert_non_null(memchr(info.name, '\0', sizeof(info.name)));
		assert_non_null(memchr(info.kind, '\0', sizeof(info.kind)));
	}
	(void)is_far_end(nlh);
}

static void read_as_route(const struct nlmsghdr *nlh)
{
	unsigned int routes = 0;
	struct route_reader reader = {
		.table = WGX_TABLE_MAIN, .type = RTN_UNICAST, .fn = count, .arg = &routes};
	struct way way = {0}, default_way = {.default_only = true};
	int device = 0;

	(void)read_route(&reader, nlh);
	reader.ifindex = 2;
	(void)read_route(&reader, nlh);
	(void)read_way(&way, nlh);
	(void)read_way(&default_way, nlh);
	(void)read_device(&device, nlh);
	assert_true(routes <= 2);
}

static void read_as_rule(const struct nlmsghdr *nlh)
{
	const struct wgx_rule wanted = {.family = AF_INET, .table = WGX_TABLE_MAIN};
	struct rule_reader rule = {.rule = &wanted};
	uint32_t priority = 0;

	(void)read_rule(&rule, nlh);
	(void)read_priority(&priority, nlh);
}

static void read_as_answer(const struct nlmsghdr *nlh)
{
	struct query q = {.event.nsid = WGX_NSID_SELF};
	struct answer a = {.fn = read_query, .arg = &q};
	int err = 0, nsid = 0;

	if (read_message(&a, nlh, &err))
		assert_in_range(-err, 0, 4095);
	if (q.answered)
		assert_non_null(memchr(q.event.name, '\0', sizeof(q.event.name)));
	(void)read_nsid_answer(&nsid, nlh);
}

static void read_as_features(const struct nlmsghdr *nlh)
{
	struct wgx_xdp_features features = {0};
	uint16_t family = 0;

	(void)read_family(&family, nlh);
	if (read_features(&features, nlh))
		assert_false(features.zero_copy || features.max_segments);
}

/* Those who read answers, all of them: each finds out by itself whether it is meant. */
static void read_all_ways(const struct nlmsghdr *nlh)
{
	unsigned int addresses = 0;
	struct reader reader = {.ifindex = 2, .fn = count, .arg = &addresses};

	read_as_link(nlh);
	read_as_route(nlh);
	read_as_rule(nlh);
	read_as_answer(nlh);
	read_as_features(nlh);
	(void)read_addr(&reader, nlh);
}

/* One message in memory of its own, with nothing behind it */
static void one_message(struct bytes *in, bool far)
{
	static const uint16_t types[] = {RTM_NEWLINK,  RTM_DELLINK, RTM_NEWADDR, RTM_DELADDR,
					 RTM_NEWROUTE, NLMSG_DONE,  RTM_NEWRULE, NLMSG_ERROR};
	uint8_t kind = take_u8(in);
	size_t len, want = take_u8(in);
	struct nlmsghdr *nlh;
	uint8_t *body;

	if ((kind & 0x90) == 0x10) /* those of links have more than 255 bytes */
		want = want << 8 | take_u8(in);
	body = take_copy(in, want, &len);

	nlh = malloc(NLMSG_HDRLEN + len);
	assert_non_null(nlh);
	*nlh = (struct nlmsghdr){.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len),
				 .nlmsg_type = types[kind % 8],
				 .nlmsg_flags = kind & 8 ? NLM_F_ACK_TLVS : 0};
	memcpy(nlmsg_data(nlh), body, len);
	free(body);
	(void)handle(&monitors[far], nlh, kind & 0x80 ? kind >> 4 & 7 : WGX_NSID_SELF);
	read_all_ways(nlh);
	free(nlh);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data, size};
	bool far = take_u8(&in) & 1;

	while (in.left)
		one_message(&in, far);
	/* a dump that none of them was in */
	monitors[far].round++;
	forget_unseen(&monitors[far]);
	assert_int_equal(monitors[far].links.n + monitors[far].addrs.n, 0);
	for (int i = 0; i < 2; i++) {
		wgx_sorted_free(&monitors[i].links);
		wgx_sorted_free(&monitors[i].addrs);
		monitors[i].links.n = monitors[i].addrs.n = 0;
	}
	return 0;
}
