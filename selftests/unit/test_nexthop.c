/* SPDX-License-Identifier: MIT */
/* Routes and neighbours, set with ip(8) and asked for. */
#include "net_env.h"

#include <arpa/inet.h>
#include <linux/neighbour.h>
#include "net/netlink.h"
#include "net/nexthop.h"

static int query, device;

static void make(void)
{
	struct wgx_link_info info;

	env_sh("ip link add d0 type veth peer d1");
	env_sh("ip link set d0 addrgenmode none && ip link set d0 up && ip link set d1 up");
	env_sh("ip addr add 192.0.2.1/24 dev d0 && ip addr add 2001:db8::1/64 dev d0 nodad");
	env_sh("ip route add default via 192.0.2.254");
	env_sh("ip -6 route add default via 2001:db8::fe");
	assert_int_equal(wgx_link_query("d0", &info), 0);
	device = info.ifindex;
	query = wgx_nl_open(0, 0);
	assert_true(query >= 0);
}

static void put_address(uint8_t family, uint8_t to[16], const char *text)
{
	memset(to, 0, 16);
	assert_int_equal(inet_pton(family, text, to), 1);
}

/* @src: NULL: the kernel's choice */
static int find(const char *src, const char *dst, uint32_t mark, struct wgx_nexthop *ret)
{
	struct wgx_nexthop_flow f = {.family = strchr(dst, ':') ? AF_INET6 : AF_INET,
				     .sport = htons(51820),
				     .dport = htons(51820),
				     .mark = mark,
				     .bound = src};

	put_address(f.family, f.dst, dst);
	if (src)
		put_address(f.family, f.src, src);
	return wgx_nexthop_find(query, &f, ret);
}

static void assert_way(const char *dst, const char *gateway, const char *src)
{
	const uint8_t family = strchr(dst, ':') ? AF_INET6 : AF_INET;
	struct wgx_nexthop n;
	uint8_t addr[16];

	for (int bound = 0; bound < 2; bound++) {
		assert_int_equal(find(bound ? src : NULL, dst, 0, &n), 0);
		assert_int_equal(n.ifindex, device);
		put_address(family, addr, gateway);
		assert_memory_equal(n.gateway, addr, 16);
		put_address(family, addr, src);
		assert_memory_equal(n.src, addr, 16);
	}
}

static void test_plain(void **state)
{
	struct wgx_nexthop n;

	env_require();
	make();
	assert_way("192.0.2.7", "192.0.2.7", "192.0.2.1");
	assert_way("198.51.100.7", "192.0.2.254", "192.0.2.1");
	assert_way("2001:db8::7", "2001:db8::7", "2001:db8::1");
	assert_way("2001:db8:5::7", "2001:db8::fe", "2001:db8::1");
	env_sh("ip addr add 192.0.2.9/24 dev d0");
	assert_int_equal(find("192.0.2.9", "198.51.100.7", 0, &n), 0);
	/* -EINVAL of older kernels */
	assert_true(find("192.0.2.10", "198.51.100.7", 0, &n) < 0);
	close(query);
}

static void test_metrics_and_marks(void **state)
{
	struct wgx_nexthop n;

	env_require();
	make();
	assert_int_equal(find(NULL, "198.51.100.7", 0, &n), 0);
	assert_int_equal(n.mtu, 0);
	assert_int_equal(n.hops, 0);
	env_sh("ip route add 198.51.100.0/24 via 192.0.2.253 mtu 1300 hoplimit 9");
	assert_int_equal(find(NULL, "198.51.100.7", 0, &n), 0);
	assert_int_equal(n.mtu, 1300);
	assert_int_equal(n.hops, 9);
	env_sh("ip -6 route add 2001:db8:5::/64 via 2001:db8::fd mtu 1400 hoplimit 8");
	assert_int_equal(find(NULL, "2001:db8:5::7", 0, &n), 0);
	assert_int_equal(n.mtu, 1400);
	assert_int_equal(n.hops, 8);
	env_sh("ip route add default via 192.0.2.77 table 7 && ip rule add fwmark 7 lookup 7");
	assert_int_equal(find(NULL, "198.51.100.7", 7, &n), 0);
	assert_int_equal(n.gateway[3], 77);
	assert_int_equal(find(NULL, "198.51.100.7", 8, &n), 0);
	assert_int_equal(n.gateway[3], 253);
	close(query);
}

static void assert_not_plain(const char *dst, int err)
{
	struct wgx_nexthop n = {.ifindex = -77};

	assert_int_equal(find(NULL, dst, 0, &n), err);
	assert_int_equal(n.ifindex, -77);
}

static void test_not_plain(void **state)
{
	struct wgx_nexthop n;

	env_require();
	make();
	env_sh("ip route add 203.0.113.0/24 nexthop via 192.0.2.10 nexthop via 192.0.2.11");
	assert_not_plain("203.0.113.1", -EOPNOTSUPP);
	env_sh("ip -6 route add 2001:db8:6::/64 nexthop via 2001:db8::10 nexthop via 2001:db8::11");
	assert_not_plain("2001:db8:6::1", -EOPNOTSUPP);
	env_sh("ip nexthop add id 1 via 192.0.2.10 dev d0 && ip nexthop add id 2 via 192.0.2.11 "
	       "dev d0");
	env_sh("ip nexthop add id 3 group 1/2 && ip route add 203.0.113.16/28 nhid 3");
	assert_not_plain("203.0.113.17", -EOPNOTSUPP);
	env_sh("ip route add 203.0.113.32/28 nhid 1");
	assert_int_equal(find(NULL, "203.0.113.33", 0, &n), 0);
	assert_int_equal(n.gateway[3], 10);
	/* with which a route tells no more of nexthop objects than their numbers */
	env_sh("echo 0 >/proc/sys/net/ipv4/nexthop_compat_mode");
	assert_not_plain("203.0.113.17", -EOPNOTSUPP);
	env_sh("ip route add 203.0.113.48/28 via inet6 2001:db8::10 dev d0");
	assert_not_plain("203.0.113.49", -EOPNOTSUPP);
	env_sh("ip route add unreachable 203.0.113.64/28");
	assert_not_plain("203.0.113.65", -EHOSTUNREACH);
	env_sh("ip -6 route del default && ip route del default");
	assert_not_plain("198.51.100.7", -ENETUNREACH);
	assert_not_plain("2001:db8:5::7", -ENETUNREACH);
	assert_not_plain("192.0.2.1", -EOPNOTSUPP); /* it is we */
	assert_not_plain("192.0.2.255", -EOPNOTSUPP); /* broadcast */
	close(query);
}

static struct wgx_neigh neigh(const char *text)
{
	struct wgx_neigh n = {.ifindex = device, .family = strchr(text, ':') ? AF_INET6 : AF_INET};

	put_address(n.family, n.addr, text);
	assert_int_equal(wgx_neigh_get(query, &n), 0);
	return n;
}

static void test_neighbours(void **state)
{
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 9};
	struct wgx_neigh n;

	env_require();
	make();
	assert_int_equal(neigh("192.0.2.9").state, 0);
	env_sh("ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev d0 nud permanent");
	env_sh("ip neigh add 2001:db8::9 lladdr 02:00:00:00:00:09 dev d0 nud stale");
	n = neigh("192.0.2.9");
	assert_int_equal(n.state, NUD_PERMANENT);
	assert_memory_equal(n.mac, mac, 6);
	n = neigh("2001:db8::9");
	assert_int_equal(n.state, NUD_STALE);
	assert_memory_equal(n.mac, mac, 6);
	assert_int_equal(neigh("2001:db8::8").state, 0);
	close(query);
}

struct seen {
	unsigned int n;
	struct wgx_neigh last;
};

static void see(void *arg, const struct wgx_neigh *n)
{
	struct seen *s = arg;

	if (n->ifindex != device || n->family != AF_INET)
		return;
	s->n++;
	s->last = *n;
}

/* Those of the addresses above come when they like. */
static bool quiet(int fd, struct seen *s)
{
	memset(s, 0, sizeof(*s));
	poll(NULL, 0, 50);
	return !wgx_nexthop_changes(fd, see, s);
}

/* Within ten seconds: what follows from a new address the kernel does later. */
static bool told(int fd, struct seen *s)
{
	for (int ms = 0; ms < 10000; ms++) {
		if (wgx_nexthop_changes(fd, see, s))
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}

static void test_changes(void **state)
{
	static const char *const others[] = {
		"ip route add 198.51.100.0/24 via 192.0.2.7",
		"ip route del 198.51.100.0/24",
		"ip -6 route add 2001:db8:9::/64 via 2001:db8::7",
		"ip addr add 192.0.2.66/24 dev d0",
		"ip -6 addr add 2001:db8::66/64 dev d0 nodad",
		"ip rule add fwmark 9 lookup 9",
		"ip -6 rule add fwmark 9 lookup 9",
		"ip nexthop add id 9 via 192.0.2.7 dev d0",
		"ip link set d0 mtu 1400",
	};
	struct seen s;
	int fd;

	env_require();
	make();
	fd = wgx_nexthop_watch();
	assert_true(fd >= 0);
	env_await(quiet(fd, &s));
	env_sh("ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev d0 nud reachable");
	(void)wgx_nexthop_changes(fd, see, &s);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.last.state, NUD_REACHABLE);
	assert_int_equal(s.last.addr[3], 9);
	env_sh("ip neigh replace 192.0.2.9 lladdr 02:00:00:00:00:0a dev d0 nud stale");
	(void)wgx_nexthop_changes(fd, see, &s);
	assert_int_equal(s.last.state, NUD_STALE);
	assert_int_equal(s.last.mac[5], 10);
	env_sh("ip neigh del 192.0.2.9 dev d0");
	(void)wgx_nexthop_changes(fd, see, &s);
	assert_int_equal(s.last.state & (NUD_REACHABLE | NUD_STALE), 0);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		env_await(quiet(fd, &s));
		env_sh("%s", others[i]);
		if (!told(fd, &s))
			fail_msg("not seen: %s", others[i]);
	}
	close(fd);
	close(query);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		env_test(test_plain),	  env_test(test_metrics_and_marks),
		env_test(test_not_plain), env_test(test_neighbours),
		env_test(test_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return env_main(run);
}
