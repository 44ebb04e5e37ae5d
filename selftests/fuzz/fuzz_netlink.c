/* SPDX-License-Identifier: MIT */
/*
 * What netlink says, as it would reach the monitors of links and addresses, and the readers of routes, rules and
 * addresses. The kernel is trusted; but a newer one may send attributes that are shorter, longer or otherwise than
 * this one's. An input: a byte of flags, then messages. Each: a byte that says of which type, one with its length,
 * and what follows its header.
 *
 * Checked: nothing is read past a message's end, and what is told of devices is consistent.
 */
#include "net/monitor.c"
#include "net/fib.c"
#include "net/route.c"

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

static int count_route(void *arg, const struct wgx_prefix *dst)
{
	++*(unsigned int *)arg;
	return 0;
}

/* Those who read answers, all of them: each finds out by itself whether it is meant. */
static void read_answer(const struct nlmsghdr *nlh)
{
	unsigned int routes = 0;
	struct route_reader reader = {.table = WGX_TABLE_MAIN, .fn = count_route, .arg = &routes};
	struct way way = {0}, default_way = {.default_only = true};
	uint32_t priority = 0;
	int device = 0;

	(void)read_route(&reader, nlh);
	reader.ifindex = 2;
	(void)read_route(&reader, nlh);
	(void)read_way(&way, nlh);
	(void)read_way(&default_way, nlh);
	(void)read_priority(&priority, nlh);
	(void)read_device(&device, nlh);
	assert_true(routes <= 2);
}

/* One message in memory of its own, with nothing behind it */
static void one_message(struct bytes *in, bool far)
{
	static const uint16_t types[] = {RTM_NEWLINK,  RTM_DELLINK,  RTM_NEWADDR, RTM_DELADDR,
					 RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWRULE, NLMSG_ERROR};
	uint8_t kind = take_u8(in), want = take_u8(in);
	struct nlmsghdr *nlh;
	size_t len;
	uint8_t *body = take_copy(in, want, &len);

	nlh = malloc(NLMSG_HDRLEN + len);
	assert_non_null(nlh);
	*nlh = (struct nlmsghdr){.nlmsg_len = (uint32_t)(NLMSG_HDRLEN + len),
				 .nlmsg_type = types[kind % 8]};
	memcpy(nlmsg_data(nlh), body, len);
	free(body);
	(void)handle(&monitors[far], nlh, kind & 0x80 ? kind >> 4 & 7 : WGX_NSID_SELF);
	read_answer(nlh);
	free(nlh);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data, size};
	bool far = take_u8(&in) & 1;

	while (in.left)
		one_message(&in, far);
	for (int i = 0; i < 2; i++) {
		wgx_sorted_free(&monitors[i].links);
		wgx_sorted_free(&monitors[i].addrs);
		monitors[i].links.n = monitors[i].addrs.n = 0;
	}
	return 0;
}
