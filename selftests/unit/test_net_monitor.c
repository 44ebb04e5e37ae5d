/* SPDX-License-Identifier: MIT */
/*
 * What the monitors tell:
 *
 *	the test's namespace      private namespace      a third namespace
 *	wg0 --------------------- wgx0
 *	 '-- moved ------------------------------------> wg0
 */
#include "net_env.h"

#include <arpa/inet.h>
#include <linux/if.h>
#include "net/monitor.h"

#define EVENTS_MAX 65536

/* What was told at the last dispatch, in order */
static struct wgx_link_event links[EVENTS_MAX];
static struct wgx_addr_event addrs[EVENTS_MAX];
static size_t n_links, n_addrs;
static struct wgx_monitor *monitor;

static void on_link(void *arg, const struct wgx_link_event *event)
{
	assert_in_range(n_links, 0, EVENTS_MAX - 1);
	links[n_links++] = *event;
}

static void on_addr(void *arg, const struct wgx_addr_event *event)
{
	assert_in_range(n_addrs, 0, EVENTS_MAX - 1);
	addrs[n_addrs++] = *event;
}

static const struct wgx_monitor_ops ops = {.on_link = on_link, .on_addr = on_addr};

static int open_far(void *arg)
{
	return wgx_monitor_open(WGX_MONITOR_FAR, &ops, NULL, &monitor);
}

static void open_monitor(enum wgx_monitor_kind kind)
{
	n_links = n_addrs = 0;
	if (kind == WGX_MONITOR_FAR)
		assert_int_equal(wgx_netns_call(env_ns, open_far, NULL), 0);
	else
		assert_int_equal(wgx_monitor_open(kind, &ops, NULL, &monitor), 0);
}

static int teardown(void **state)
{
	wgx_monitor_close(monitor);
	monitor = NULL;
	return env_teardown(state);
}

static bool readable(int ms)
{
	struct pollfd p = {.fd = wgx_monitor_fd(monitor), .events = POLLIN};

	return poll(&p, 1, ms) == 1;
}

static void dispatch_more(void)
{
	assert_true(readable(10000));
	do
		assert_int_equal(wgx_monitor_dispatch(monitor), 0);
	while (readable(0));
}

/* All there is up to now, and at least one; some comes later (linkwatch, IPv6 addresses): await() it */
static void dispatch(void)
{
	n_links = n_addrs = 0;
	dispatch_more();
}

#define await(condition)                 \
	do {                             \
		while (!(condition))     \
			dispatch_more(); \
	} while (0)

/* The last event of a device; NULL: none */
static const struct wgx_link_event *link_event(int nsid, const char *name)
{
	for (size_t i = n_links; i-- > 0;)
		if (links[i].nsid == nsid && !strcmp(links[i].name, name))
			return &links[i];
	return NULL;
}

static const struct wgx_addr_event *addr_event(const char *text)
{
	struct in6_addr a;
	char mapped[64];

	snprintf(mapped, sizeof(mapped), "%s%s", strchr(text, ':') ? "" : "::ffff:", text);
	assert_int_equal(inet_pton(AF_INET6, mapped, &a), 1);
	for (size_t i = n_addrs; i-- > 0;)
		if (!memcmp(addrs[i].addr, &a, sizeof(a)))
			return &addrs[i];
	return NULL;
}

/* ---- this namespace ---- */

static void test_host_begin(void **state)
{
	const struct wgx_link_event *e;

	env_require();
	open_monitor(WGX_MONITOR_HOST);
	dispatch();
	e = link_event(WGX_NSID_SELF, "lo");
	assert_non_null(e);
	assert_int_equal(e->ifindex, 1);
	assert_true(e->appeared && !e->deleted && e->flags & IFF_UP && e->flags & IFF_LOOPBACK);
	assert_non_null(addr_event("127.0.0.1"));
	assert_non_null(addr_event("::1"));
	assert_int_equal(addr_event("127.0.0.1")->family, AF_INET);
	assert_int_equal(addr_event("127.0.0.1")->prefixlen, 8);
	/* nothing happens, nothing is told */
	assert_false(readable(0));
	n_links = n_addrs = 0;
	assert_int_equal(wgx_monitor_dispatch(monitor), 0);
	assert_int_equal(n_links + n_addrs, 0);
}

static void test_host_links(void **state)
{
	const struct wgx_link_event *e;

	env_require();
	open_monitor(WGX_MONITOR_HOST);
	dispatch();
	env_sh("ip link add va type veth peer name vb");
	dispatch();
	e = link_event(WGX_NSID_SELF, "va");
	assert_non_null(e);
	assert_false(e->flags & IFF_UP);
	assert_int_equal(e->link_nsid, WGX_NSID_SELF);
	assert_int_equal(e->link, (int)if_nametoindex("vb"));
	env_sh("ip link set va mtu 1300 up && ip link set vb up");
	dispatch();
	e = link_event(WGX_NSID_SELF, "va");
	assert_non_null(e);
	assert_int_equal(e->mtu, 1300);
	assert_true(e->flags & IFF_UP && !e->appeared);
	await((e = link_event(WGX_NSID_SELF, "va")) && e->flags & IFF_LOWER_UP);
	/* a bridge port that comes and goes leaves the device what it is */
	env_sh("ip link add br0 type bridge && ip link set va master br0");
	dispatch();
	env_sh("ip link set va nomaster");
	dispatch();
	for (size_t i = 0; i < n_links; i++)
		assert_false(links[i].deleted);
	env_sh("ip link del va");
	dispatch();
	assert_true(link_event(WGX_NSID_SELF, "va")->deleted);
	assert_true(link_event(WGX_NSID_SELF, "vb")->deleted);
	assert_false(link_event(WGX_NSID_SELF, "va")->moved);
}

static void test_host_addresses(void **state)
{
	const struct wgx_addr_event *e;

	env_require();
	env_sh("ip link add d0 type veth peer name d1");
	open_monitor(WGX_MONITOR_HOST);
	dispatch();
	env_sh("ip addr add 10.9.0.1/24 dev d0 && ip addr add fd09::1/64 dev d0 nodad");
	env_sh("ip addr add 10.9.1.1 peer 10.9.1.2/32 dev d0");
	dispatch();
	e = addr_event("10.9.0.1");
	assert_non_null(e);
	assert_int_equal(e->ifindex, (int)if_nametoindex("d0"));
	assert_int_equal(e->prefixlen, 24);
	assert_int_equal(e->holders, 1);
	assert_false(e->deleted);
	await(addr_event("fd09::1"));
	assert_int_equal(addr_event("fd09::1")->family, AF_INET6);
	assert_non_null(addr_event("10.9.1.1"));
	assert_null(addr_event("10.9.1.2")); /* the other side's */
	/* an address on two devices is local until both have lost it */
	env_sh("ip addr add 10.9.0.1/32 dev d1");
	dispatch();
	assert_int_equal(addr_event("10.9.0.1")->holders, 2);
	env_sh("ip addr del 10.9.0.1/24 dev d0");
	dispatch();
	e = addr_event("10.9.0.1");
	assert_true(e->deleted && e->holders == 1);
	env_sh("ip link del d0");
	dispatch();
	e = addr_event("10.9.0.1");
	assert_true(e->deleted && e->holders == 0);
	assert_true(addr_event("fd09::1")->deleted);
}

static bool messages_lost(void)
{
	char value[16];

	/* the column Drops of what belongs to this namespace */
	env_read(value, sizeof(value),
		 "awk 'NR > 1 && $9 > 0 { print \"yes\"; exit }' /proc/net/netlink");
	return !strcmp(value, "yes");
}

/* More happens than the socket can hold: what is told in the end is how things are. */
static void test_host_overflow(void **state)
{
	env_require();
	env_sh("ip link add d0 type veth peer name d1 && ip addr add 10.9.0.1/24 dev d0");
	env_sh("ip link add e0 type veth peer name e1");
	open_monitor(WGX_MONITOR_HOST);
	dispatch();
	env_sh("{ for i in $(seq 1 24); do for j in $(seq 1 250); do"
	       " echo addr add 10.77.$i.$j/32 dev lo; done; done;"
	       " echo addr flush dev lo; } | ip -batch - 2>/dev/null; true");
	env_sh("ip addr flush dev lo; ip addr del 10.9.0.1/24 dev d0; ip link del e0");
	env_sh("ip addr add 10.9.0.2/24 dev d0; ip link set d0 mtu 1299");
	assert_true(messages_lost());
	dispatch();
	assert_true(addr_event("10.9.0.1")->deleted);
	assert_false(addr_event("10.9.0.2")->deleted);
	assert_true(link_event(WGX_NSID_SELF, "e0")->deleted);
	assert_int_equal(link_event(WGX_NSID_SELF, "d0")->mtu, 1299);
	env_sh("ip addr add 10.9.0.3/24 dev d0");
	dispatch();
	assert_non_null(addr_event("10.9.0.3"));
}

/* ---- far ends, and their NAMEs wherever they are ---- */

/* The last event of @far_ifindex's NAME, in whatever namespace */
static const struct wgx_link_event *near_event(int far_ifindex)
{
	for (size_t i = n_links; i-- > 0;)
		if (links[i].far_ifindex == far_ifindex)
			return &links[i];
	return NULL;
}

static bool near_appeared(int far_ifindex)
{
	for (size_t i = 0; i < n_links; i++)
		if (links[i].far_ifindex == far_ifindex && links[i].appeared)
			return true;
	return false;
}

static void test_far_begin(void **state)
{
	const struct wgx_link_event *e;
	struct wgx_link link;

	env_require();
	link = env_create("wg0");
	env_sh("ip link set wg0 up");
	open_monitor(WGX_MONITOR_FAR);
	dispatch();
	e = link_event(WGX_NSID_SELF, link.far_name);
	assert_non_null(e);
	assert_int_equal(e->ifindex, link.far_ifindex);
	assert_int_equal(e->link, link.ifindex);
	assert_int_equal(e->far_ifindex, 0);
	e = near_event(link.far_ifindex);
	assert_non_null(e);
	assert_true(e->nsid >= 0);
	assert_true(near_appeared(link.far_ifindex));
	assert_int_equal(e->ifindex, link.ifindex);
	assert_int_equal(e->mtu, 1420);
	assert_true(e->flags & IFF_UP);
}

static void test_far_changes(void **state)
{
	struct wgx_link link;

	env_require();
	open_monitor(WGX_MONITOR_FAR);
	dispatch();
	link = env_create("wg0");
	dispatch();
	assert_string_equal(near_event(link.far_ifindex)->name, "wg0");
	env_sh("ip link add unrelated type veth peer name other && ip link set unrelated up");
	env_sh("ip link set wg0 mtu 1400 up");
	dispatch();
	assert_int_equal(near_event(link.far_ifindex)->mtu, 1400);
	assert_true(near_event(link.far_ifindex)->flags & IFF_UP);
	for (size_t i = 0; i < n_links; i++)
		assert_true(links[i].far_ifindex || links[i].nsid == WGX_NSID_SELF);
	env_sh("ip link set wg0 down");
	dispatch();
	assert_false(near_event(link.far_ifindex)->flags & IFF_UP);
	env_sh("ip link set wg0 name wg7");
	dispatch();
	assert_string_equal(near_event(link.far_ifindex)->name, "wg7");
	env_sh("ip link del wg7");
	dispatch();
	assert_true(near_event(link.far_ifindex)->deleted);
	assert_true(link_event(WGX_NSID_SELF, link.far_name)->deleted);
}

/* wg0 moves to a third namespace: gone here, there from then on. */
static void test_far_moved(void **state)
{
	const struct wgx_link_event *e = NULL;
	char nsenter[64];
	struct wgx_link link;
	int here, there, home = -1;

	env_require();
	here = env_netns_fd();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	there = env_netns_fd();
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	snprintf(nsenter, sizeof(nsenter), "nsenter --net=/proc/%d/fd/%d", getpid(), there);
	/* so that wg0's index is taken where it goes */
	env_sh("%s ip link add pad0 type veth peer name pad1", nsenter);
	open_monitor(WGX_MONITOR_FAR);
	dispatch();
	link = env_create("wg0");
	dispatch();
	home = near_event(link.far_ifindex)->nsid;
	env_sh("ip link set wg0 netns /proc/%d/fd/%d", getpid(), there);
	dispatch();
	assert_true(link_event(home, "wg0")->deleted && link_event(home, "wg0")->moved);
	e = near_event(link.far_ifindex);
	assert_true(e->nsid >= 0 && e->nsid != home);
	assert_true(near_appeared(link.far_ifindex) && !e->deleted);
	assert_string_equal(e->name, "wg0");
	env_sh("%s ip link set wg0 mtu 1390 up", nsenter);
	dispatch();
	e = near_event(link.far_ifindex);
	assert_int_equal(e->mtu, 1390);
	assert_true(e->flags & IFF_UP);
	env_sh("%s ip link del wg0", nsenter);
	dispatch();
	assert_true(near_event(link.far_ifindex)->deleted && !near_event(link.far_ifindex)->moved);
	close(there);
	close(here);
}

/* A daemon that comes back finds a NAME that moved meanwhile. */
static void test_far_moved_before(void **state)
{
	const struct wgx_link_event *e;
	struct wgx_link link;
	int here, there;

	env_require();
	here = env_netns_fd();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	there = env_netns_fd();
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	link = env_create("wg0");
	env_sh("ip link set wg0 netns /proc/%d/fd/%d", getpid(), there);
	open_monitor(WGX_MONITOR_FAR);
	dispatch();
	e = near_event(link.far_ifindex);
	assert_non_null(e);
	assert_true(near_appeared(link.far_ifindex) && !e->deleted);
	/* and when that namespace goes, so does it */
	close(there);
	do
		assert_true(poll(&(struct pollfd){wgx_monitor_fd(monitor), POLLIN, 0}, 1, 30000) ==
			    1);
	while (dispatch(), !near_event(link.far_ifindex) || !near_event(link.far_ifindex)->deleted);
	close(here);
}

#define monitor_test(fn) cmocka_unit_test_setup_teardown(fn, env_setup, teardown)

static int run(void)
{
	const struct CMUnitTest tests[] = {
		monitor_test(test_host_begin),	   monitor_test(test_host_links),
		monitor_test(test_host_addresses), monitor_test(test_host_overflow),
		monitor_test(test_far_begin),	   monitor_test(test_far_changes),
		monitor_test(test_far_moved),	   monitor_test(test_far_moved_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return env_main(run);
}
