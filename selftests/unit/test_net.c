/* SPDX-License-Identifier: MIT */
/*
 * The private namespace and its devices:
 *
 *	the test's namespace          private namespace
 *	wg0 ------------------------- wgx0
 *	wgx-rx ---------------------- wgx1
 */
#include "net_env.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/udp.h>
#include <netinet/icmp6.h>
#include <netinet/ip6.h>
#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include "net/ethtool.h"
#include "net/netlink.h"
#include "net/route.h"

static bool feature(int ifindex, const char *name)
{
	bool on;

	assert_int_equal(wgx_ethtool_get(ifindex, name, &on), 0);
	return on;
}

/* ---- netns ---- */

static int get_inode(void *arg)
{
	int fd = env_netns_fd();

	*(ino_t *)arg = env_inode(fd);
	close(fd);
	return 0;
}

static ino_t private_inode(void)
{
	ino_t inode = 0;

	assert_int_equal(wgx_netns_call(env_ns, get_inode, &inode), 0);
	return inode;
}

static pid_t holder_pid(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	char path[64];
	ino_t here = 0;
	int fd;

	get_inode(&here);
	snprintf(path, sizeof(path), ENV_RUN "/%lu.holder", (unsigned long)here);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return 0;
	assert_int_equal(fcntl(fd, F_GETLK, &lock), 0);
	close(fd);
	return lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

static int check_quiet(void *arg)
{
	struct wgx_link_info lo;
	char value[16];

	env_read(value, sizeof(value), "cat /proc/thread-self/net/if_inet6");
	if (value[0])
		return -EADDRINUSE;
	if (wgx_link_query("lo", &lo) || lo.flags & IFF_UP)
		return -EISCONN;
	return 0;
}

static void test_netns_private(void **state)
{
	char value[64];
	ino_t here = 0;

	env_require();
	get_inode(&here);
	assert_int_not_equal(private_inode(), here);
	assert_int_equal(env_inode(wgx_netns_fd(env_ns)), private_inode());
	assert_false(wgx_netns_adopted(env_ns));
	assert_int_equal(wgx_netns_call(env_ns, check_quiet, NULL), 0);
	env_read(value, sizeof(value), "nsenter --net=/proc/%d/ns/net cat %s", holder_pid(),
		 "/proc/sys/net/ipv6/conf/default/disable_ipv6");
	assert_string_equal(value, "1");
	env_read(value, sizeof(value), "nsenter --net=/proc/%d/ns/net cat %s", holder_pid(),
		 "/proc/sys/net/ipv4/ip_forward");
	assert_string_equal(value, "0");
}

static int count_fds(pid_t pid)
{
	char value[16];

	env_read(value, sizeof(value), "ls /proc/%d/fd | wc -l", pid);
	return atoi(value);
}

/* The holder has a name, nothing open that it does not need, no capability, and a session of its own. */
static void test_netns_holder(void **state)
{
	pid_t pid;
	char value[64];

	env_require();
	pid = holder_pid();
	assert_true(pid > 0);
	env_read(value, sizeof(value), "cat /proc/%d/comm", pid);
	assert_string_equal(value, "wgx-holder");
	/* the lock and a netlink socket, once it has closed the pipe by which it said that it is ready */
	env_await(count_fds(pid) == 2);
	env_read(value, sizeof(value), "awk '/^Cap(Eff|Prm)/ { print $2 }' /proc/%d/status | uniq",
		 pid);
	assert_string_equal(value, "0000000000000000");
	assert_int_not_equal(getsid(pid), getsid(0));
	assert_int_equal(waitpid(pid, NULL, WNOHANG), -1); /* no child of ours */
}

static void test_netns_outlives(void **state)
{
	ino_t private;
	pid_t holder;

	env_require();
	private = private_inode();
	holder = holder_pid();
	env_create("wg0");
	env_close(false);
	env_open();
	assert_true(wgx_netns_adopted(env_ns));
	assert_int_equal(private_inode(), private);
	assert_int_equal(holder_pid(), holder);
	env_close(true);
	assert_int_equal(holder_pid(), 0);
	env_open();
	assert_false(wgx_netns_adopted(env_ns));
}

static int count_files(void)
{
	char value[16];

	env_read(value, sizeof(value), "ls " ENV_RUN " | wc -l");
	return atoi(value);
}

/* Nobody needs a holder without a daemon and without devices, whichever goes last. */
static void test_netns_ends(void **state)
{
	struct wgx_link link;
	int files;

	env_require();
	files = count_files();
	env_close(false);
	env_await(!holder_pid());
	env_await(count_files() < files);
	assert_int_equal(count_files(), files - 1);
	env_open();
	assert_false(wgx_netns_adopted(env_ns));
	link = env_create("wg0");
	env_create("wg1");
	assert_int_equal(wgx_link_delete(link.ifindex), 0);
	env_close(false);
	env_open();
	assert_true(wgx_netns_adopted(env_ns));
	env_close(false);
	env_sh("ip link set wg1 up && ip link set wg1 down");
	assert_true(holder_pid() > 0);
	env_sh("ip link del wg1");
	env_await(!holder_pid());
	env_open();
	assert_false(wgx_netns_adopted(env_ns));
}

/* One daemon for a namespace. */
static void test_netns_busy(void **state)
{
	struct wgx_netns *ns = NULL;
	int status;
	pid_t pid;

	env_require();
	assert_int_equal(wgx_netns_open(ENV_RUN, &ns), -EBUSY);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(wgx_netns_open(ENV_RUN, &ns) != -EBUSY);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(wgx_netns_call(env_ns, check_quiet, NULL), 0);
}

/* A dead holder's file is there, and means nothing; another namespace has a holder of its own. */
static void test_netns_stale(void **state)
{
	ino_t private;

	env_require();
	assert_int_equal(kill(holder_pid(), SIGKILL), 0);
	env_await(!holder_pid());
	env_close(false);
	env_open();
	assert_false(wgx_netns_adopted(env_ns));
	private = private_inode();
	env_create("wg0");
	env_close(false);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	env_open();
	assert_false(wgx_netns_adopted(env_ns));
	assert_int_not_equal(private_inode(), private);
}

static int count(void *arg)
{
	return ++*(int *)arg;
}

static int count_nested(void *arg)
{
	return wgx_netns_call(env_ns, count, arg);
}

#define CALLS 1000

static void *call_often(void *arg)
{
	for (int i = 0; i < CALLS; i++)
		wgx_netns_call(env_ns, i % 2 ? count : count_nested, arg);
	return NULL;
}

/* Calls from many threads run one after another. */
static void test_netns_calls(void **state)
{
	pthread_t threads[4];
	int n = 0;

	env_require();
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, call_often, &n), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(wgx_netns_call(env_ns, count, &n), 4 * CALLS + 1);
}

static void test_netns_errors(void **state)
{
	struct wgx_netns *ns = NULL;
	int status;
	pid_t pid;

	env_require();
	assert_int_equal(wgx_netns_open("/no/such/directory", &ns), -ENOENT);
	assert_null(ns);
	wgx_netns_close(NULL, true);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(setuid(65534) || wgx_netns_open(ENV_RUN, &ns) != -EPERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- the pair ---- */

static void check_offloads(int ifindex, bool superframes)
{
	static const char *const off[] = {
		"tx-checksum-sctp",
		"tx-sctp-segmentation",
		"tx-gre-segmentation",
		"tx-gre-csum-segmentation",
		"tx-ipxip4-segmentation",
		"tx-ipxip6-segmentation",
		"tx-udp_tnl-segmentation",
		"tx-udp_tnl-csum-segmentation",
		"tx-gso-list",
		"tx-gso-partial",
		"tx-esp-segmentation",
		"tx-vlan-hw-insert",
		"rx-vlan-hw-parse",
	};
	static const char *const kept[] = {
		"tx-checksum-ip-generic",
		"tx-tcp-segmentation",
		"tx-tcp6-segmentation",
		"tx-udp-segmentation",
	};

	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++)
		if (feature(ifindex, off[i]))
			fail_msg("%s is on", off[i]);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		if (feature(ifindex, kept[i]) != superframes)
			fail_msg("%s is %s", kept[i], superframes ? "off" : "on");
	assert_true(feature(ifindex, "tx-scatter-gather"));
}

static void check_flags(const struct wgx_link_info *info)
{
	assert_true(info->flags & IFF_NOARP);
	assert_false(info->flags & IFF_MULTICAST);
	assert_string_equal(info->kind, "veth");
	assert_int_equal(info->n_rx_queues, 1);
}

/* On the private namespace's thread, where cmocka's assertions must not fail: -line of what is wrong */
static int check_far(void *arg)
{
	const struct wgx_link *link = arg;
	struct wgx_link_info info;

#define WANT(condition)   \
	if (!(condition)) \
		return -__LINE__;
	WANT(!wgx_link_query(link->far_name, &info));
	WANT(info.ifindex == link->far_ifindex && info.link == link->ifindex);
	WANT(info.mtu == WGX_LINK_MTU_MAX);
	WANT(info.flags & IFF_UP && info.flags & IFF_NOARP && !(info.flags & IFF_MULTICAST));
	WANT(!memcmp(info.mac, link->far_mac, 6));
	WANT(!strcmp(info.kind, "veth"));
#undef WANT
	return 0;
}

static void test_link_settings(void **state)
{
	struct wgx_link_info info;
	struct wgx_link link;
	char value[32];

	env_require();
	link = env_create("wg0");
	assert_false(link.adopted);
	assert_string_equal(link.name, "wg0");
	assert_int_equal(wgx_link_query("wg0", &info), 0);
	assert_int_equal(info.ifindex, link.ifindex);
	assert_int_equal(info.mtu, 1420);
	assert_int_equal(info.type, ARPHRD_ETHER);
	assert_false(info.flags & IFF_UP);
	assert_memory_equal(info.mac, link.mac, 6);
	assert_memory_not_equal(link.mac, link.far_mac, 6);
	check_flags(&info);
	check_offloads(link.ifindex, true);
	env_read(value, sizeof(value), "cat /proc/sys/net/ipv6/conf/wg0/addr_gen_mode");
	assert_string_equal(value, "1");
	env_read(value, sizeof(value),
		 "ip -d link show wg0 | grep -o 'gso_max_size [0-9]*' | cut -d' ' -f2");
	assert_string_equal(value, "65536");
	assert_int_equal(wgx_netns_call(env_ns, check_far, &link), 0);
}

static void test_link_plain(void **state)
{
	const struct wgx_link_options options = {.superframes = false, .n_queues = 3};
	struct wgx_link_info info;
	struct wgx_link link;

	env_require();
	assert_int_equal(wgx_link_create(env_ns, "wg0", &options, &link), 0);
	check_offloads(link.ifindex, false);
	assert_int_equal(wgx_link_query("wg0", &info), 0);
	assert_int_equal(info.n_rx_queues, 1);
	assert_int_equal(info.n_tx_queues, 4);
	assert_int_equal(link.n_queues, 3);
	/* one that is there keeps its own */
	assert_int_equal(wgx_link_create(env_ns, "wg0", &(struct wgx_link_options){0}, &link), 0);
	assert_true(link.adopted);
	assert_int_equal(link.n_queues, 3);
}

static void test_link_names(void **state)
{
	static const char *const bad[] = {"", ".", "..", "a/b", "a b", "a:b", "wg%d", "a\n"};
	const struct wgx_link_options options = {.superframes = true};
	struct wgx_link link;

	env_require();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(wgx_link_create(env_ns, bad[i], &options, &link), -EINVAL);
	assert_int_equal(wgx_link_create(env_ns, "sixteen-letters-", &options, &link),
			 -ENAMETOOLONG);
	link = env_create("fifteen-letters");
	assert_string_equal(link.name, "fifteen-letters");
	link = env_create("wg.1");
	assert_string_equal(link.name, "wg.1");
}

static void check_same(const struct wgx_link_info *a, const struct wgx_link_info *b)
{
	assert_int_equal(a->ifindex, b->ifindex);
	assert_int_equal(a->mtu, b->mtu);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->link, b->link);
	assert_memory_equal(a->mac, b->mac, sizeof(a->mac));
}

/* Whatever has the name and is not ours stays what it is. */
static void test_link_exists(void **state)
{
	const struct wgx_link_options options = {.superframes = true};
	struct wgx_link_info before, after;
	struct wgx_link link;

	env_require();
	env_sh("ip link add wg0 type veth peer name other");
	env_sh("ip link set lo up && ip tuntap add wg1 mode tun");
	env_create("wg2"); /* so that the private namespace has an id here */
	assert_int_equal(wgx_link_query("wg0", &before), 0);
	assert_int_equal(wgx_link_create(env_ns, "wg0", &options, &link), -EEXIST);
	assert_int_equal(wgx_link_create(env_ns, "wg1", &options, &link), -EEXIST);
	assert_int_equal(wgx_link_query("wg0", &after), 0);
	check_same(&before, &after);
}

/* A veth whose other end is in a namespace that is not the private one. */
static void test_link_exists_elsewhere(void **state)
{
	const struct wgx_link_options options = {.superframes = true};
	struct wgx_link_info before, after;
	struct wgx_link link;
	int here, there;

	env_require();
	here = env_netns_fd();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	there = env_netns_fd();
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	env_sh("ip link add wg0 type veth peer name wgx0 netns /proc/%d/fd/%d", getpid(), there);
	env_create("wg1");
	assert_int_equal(wgx_link_query("wg0", &before), 0);
	assert_int_equal(wgx_link_create(env_ns, "wg0", &options, &link), -EEXIST);
	assert_int_equal(wgx_link_query("wg0", &after), 0);
	check_same(&before, &after);
	assert_true(feature(after.ifindex, "tx-sctp-segmentation"));
	close(there);
	close(here);
}

/* What fails leaves nothing: at once, for more queues than a device can have, or half way, for want of files. */
static void test_link_failure(void **state)
{
	const struct wgx_link_options many = {.superframes = true, .n_queues = 100000};
	const struct wgx_link_options options = {.superframes = true};
	struct rlimit limit, old;
	struct wgx_link link;
	struct wgx_link_info info;
	int next;

	env_require();
	assert_true(wgx_link_create(env_ns, "wg0", &many, &link) < 0);
	assert_int_equal(wgx_link_query("wg0", &info), -ENODEV);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	next = dup(STDOUT_FILENO);
	close(next);
	limit = (struct rlimit){.rlim_cur = (rlim_t)next + 1, .rlim_max = old.rlim_max};
	/* a netlink socket is one file, ethtool requests have two open */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	next = wgx_link_create(env_ns, "wg0", &options, &link);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_true(next < 0);
	assert_int_equal(wgx_link_query("wg0", &info), -ENODEV);
}

static void test_link_adopt(void **state)
{
	static const struct wgx_feature wrong[] = {
		{"tx-tcp-segmentation", false},
		{"tx-sctp-segmentation", true},
	};
	struct wgx_link link, again;
	struct wgx_link_info info;
	char value[64];

	env_require();
	link = env_create("wg0");
	env_sh("ip addr add 10.7.0.1/24 dev wg0 && ip link set wg0 mtu 1380 multicast on up");
	env_sh("ip route add 10.8.0.0/16 dev wg0");
	assert_int_equal(wgx_ethtool_set(link.ifindex, wrong, 2), 0);
	assert_true(feature(link.ifindex, "tx-sctp-segmentation"));
	env_close(false);
	env_open();
	again = env_create("wg0");
	assert_true(again.adopted);
	assert_int_equal(again.ifindex, link.ifindex);
	assert_int_equal(again.far_ifindex, link.far_ifindex);
	assert_int_equal(wgx_link_query("wg0", &info), 0);
	assert_int_equal(info.mtu, 1380);
	assert_true(info.flags & IFF_UP);
	check_flags(&info);
	check_offloads(link.ifindex, true);
	assert_int_equal(wgx_netns_call(env_ns, check_far, &again), 0);
	env_read(value, sizeof(value), "ip -o route show 10.8.0.0/16");
	assert_string_equal(value, "10.8.0.0/16");
}

static void test_link_delete(void **state)
{
	struct wgx_link_info info;
	struct wgx_link link;

	env_require();
	link = env_create("wg0");
	assert_int_equal(wgx_link_delete(link.ifindex), 0);
	assert_int_equal(wgx_link_query("wg0", &info), -ENODEV);
	assert_int_equal(wgx_link_query_index(link.ifindex, &info), -ENODEV);
	assert_int_equal(wgx_link_delete(link.ifindex), -ENODEV);
	assert_int_equal(wgx_link_delete(0), -ENODEV);
	link = env_create("wg0");
	env_close(true);
	/* the namespace is taken apart when its last user is gone, by a worker of the kernel's */
	env_await(wgx_link_query("wg0", &info) == -ENODEV);
}

static void test_link_query(void **state)
{
	struct wgx_link_info info;

	env_require();
	assert_int_equal(wgx_link_query("lo", &info), 0);
	assert_int_equal(info.ifindex, 1);
	assert_string_equal(info.kind, "");
	assert_true(info.flags & IFF_LOOPBACK);
	assert_false(wgx_link_is_ethernet(&info));
	env_sh("ip link add br0 type bridge && ip link add va type veth peer name vb");
	env_sh("ip link set va master br0 && ip link set va mtu 1300");
	assert_int_equal(wgx_link_query("br0", &info), 0);
	assert_string_equal(info.kind, "bridge");
	assert_true(wgx_link_is_ethernet(&info));
	assert_int_equal(wgx_link_query("va", &info), 0);
	assert_int_equal(info.mtu, 1300);
	assert_int_equal(info.master, (int)if_nametoindex("br0"));
	assert_int_equal(info.link, (int)if_nametoindex("vb"));
	assert_int_equal(info.link_nsid, -1);
	assert_int_equal(wgx_link_query("much-too-long-a-name", &info), -ENODEV);
}

/* By mark, port and source; and the changes that are told of (P-DT-10) */
static void test_route(void **state)
{
	struct wgx_flow flow = {.sport = htons(1), .dport = htons(2)};
	int fd, changes, va;

	env_require();
	env_sh("ip link add va type veth peer name vb && ip link set va up && ip link set vb up");
	env_sh("ip addr add 192.0.2.1/24 dev va && ip addr add 198.51.100.1/24 dev vb");
	va = (int)if_nametoindex("va");
	fd = wgx_nl_open(0, 0);
	changes = wgx_routes_open();
	assert_true(fd >= 0 && changes >= 0);
	flow.dst.s_addr = inet_addr("192.0.2.9");
	assert_int_equal(wgx_route_device(fd, &flow), va);
	flow.src.s_addr = inet_addr("198.51.100.1");
	assert_int_equal(wgx_route_device(fd, &flow), va);
	flow.src.s_addr = inet_addr("198.51.100.2");
	assert_true(wgx_route_device(fd, &flow) < 0); /* -EINVAL, later -ENETUNREACH */
	flow.src.s_addr = 0;
	flow.dst.s_addr = inet_addr("203.0.113.1");
	assert_int_equal(wgx_route_device(fd, &flow), -ENETUNREACH);
	wgx_routes_drain(changes);
	env_sh("ip route add 203.0.113.0/24 dev vb table 7 && ip rule add fwmark 5 table 7");
	assert_int_equal(poll(&(struct pollfd){.fd = changes, .events = POLLIN}, 1, 1000), 1);
	wgx_routes_drain(changes);
	flow.mark = 5;
	assert_int_equal(wgx_route_device(fd, &flow), (int)if_nametoindex("vb"));
	env_sh("ip link set vb down"); /* takes its routes along without a word of them */
	assert_int_equal(poll(&(struct pollfd){.fd = changes, .events = POLLIN}, 1, 1000), 1);
	close(changes);
	close(fd);
}

static void check_collector(const struct wgx_link *link)
{
	struct wgx_link_info info;
	char value[64];

	assert_int_equal(wgx_link_query(WGX_COLLECTOR_NAME, &info), 0);
	assert_int_equal(info.ifindex, link->ifindex);
	assert_int_equal(info.mtu, WGX_LINK_MTU_MAX);
	assert_true(info.flags & IFF_UP && info.flags & IFF_LOWER_UP);
	check_flags(&info);
	env_read(value, sizeof(value), "cat /proc/sys/net/ipv6/conf/%s/disable_ipv6", info.name);
	assert_string_equal(value, "1");
	env_read(value, sizeof(value), "ip -o addr show dev %s", info.name);
	assert_string_equal(value, "");
}

static void test_collector(void **state)
{
	struct wgx_link link, again;

	env_require();
	assert_int_equal(wgx_link_collector_create(env_ns, &link), 0);
	check_collector(&link);
	assert_false(link.adopted);
	assert_int_equal(wgx_netns_call(env_ns, check_far, &link), 0);
	env_close(false);
	env_open();
	assert_int_equal(wgx_link_collector_create(env_ns, &again), 0);
	assert_true(again.adopted);
	assert_int_equal(again.far_ifindex, link.far_ifindex);
	check_collector(&again);
	assert_int_equal(wgx_link_delete(link.ifindex), 0);
	env_sh("ip link add %s type bridge", WGX_COLLECTOR_NAME);
	assert_int_equal(wgx_link_collector_create(env_ns, &again), -EEXIST);
}

static void test_ethtool(void **state)
{
	static const struct wgx_feature set[] = {
		{"no-such-feature", true},
		{"tx-lockless", false}, /* fixed */
		{"tx-udp-segmentation", false},
	};
	struct wgx_link link;
	bool on;

	env_require();
	link = env_create("wg0");
	assert_true(feature(link.ifindex, "tx-udp-segmentation"));
	assert_int_equal(wgx_ethtool_set(link.ifindex, set, 3), 0);
	assert_false(feature(link.ifindex, "tx-udp-segmentation"));
	assert_true(feature(link.ifindex, "tx-tcp-segmentation"));
	assert_int_equal(wgx_ethtool_get(link.ifindex, "no-such-feature", &on), -ENOENT);
	assert_int_equal(wgx_ethtool_get(9999, "tx-udp-segmentation", &on), -ENODEV);
	assert_int_equal(wgx_ethtool_set(9999, set, 3), -ENODEV);
}

/* ---- packets ---- */

struct tap {
	const char *device;
	int fd;
};

/* All frames that arrive at a device of the calling thread's namespace */
static int open_tap(void *arg)
{
	struct tap *tap = arg;
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(tap->device),
	};

	tap->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (tap->fd < 0 || !addr.sll_ifindex)
		return -1;
	return bind(tap->fd, (struct sockaddr *)&addr, sizeof(addr));
}

/* The next frame that came in, not one that went out; 0: none. Return: its length */
static size_t read_tap(const struct tap *tap, uint8_t *frame, size_t size)
{
	struct sockaddr_ll from;
	socklen_t len = sizeof(from);
	ssize_t n;

	do
		n = recvfrom(tap->fd, frame, size, MSG_TRUNC, (struct sockaddr *)&from, &len);
	while (n > 0 && from.sll_pkttype == PACKET_OUTGOING);
	return n > 0 ? (size_t)n : 0;
}

static bool is_router_solicitation(const uint8_t *frame, size_t n)
{
	return n > ETH_HLEN + sizeof(struct ip6_hdr) && frame[12] == 0x86 && frame[13] == 0xdd &&
	       frame[ETH_HLEN + 6] == IPPROTO_ICMPV6 &&
	       frame[ETH_HLEN + sizeof(struct ip6_hdr)] == ND_ROUTER_SOLICIT;
}

/*
 * wg0 goes up, and gets addresses, and says nothing. An ordinary veth beside it shows that the kernel has had
 * the time to say all it says then: the router solicitation comes last.
 */
static void test_link_silent(void **state)
{
	struct tap tap, control = {.device = "vb"};
	struct wgx_link link;
	struct ifaddrs *all;
	uint8_t frame[2048];
	size_t n;

	env_require();
	link = env_create("wg0");
	tap.device = link.far_name;
	env_sh("ip link add va type veth peer name vb");
	assert_int_equal(wgx_netns_call(env_ns, open_tap, &tap), 0);
	assert_int_equal(open_tap(&control), 0);
	env_sh("echo 1 >/proc/sys/net/ipv6/conf/vb/disable_ipv6");
	env_sh("ip link set wg0 up; ip link set vb up; ip link set va up");
	env_sh("ip addr add 10.7.0.1/24 dev wg0; ip addr add fd07::1/64 dev wg0");
	do {
		struct pollfd p = {.fd = control.fd, .events = POLLIN};

		if (poll(&p, 1, 20000) <= 0)
			fail_msg("the control veth is silent as well");
		n = read_tap(&control, frame, sizeof(frame));
	} while (!is_router_solicitation(frame, n));
	assert_int_equal(read_tap(&tap, frame, sizeof(frame)), 0);
	assert_int_equal(getifaddrs(&all), 0);
	for (const struct ifaddrs *a = all; a; a = a->ifa_next) {
		if (strcmp(a->ifa_name, "wg0") || !a->ifa_addr ||
		    a->ifa_addr->sa_family != AF_INET6)
			continue;
		assert_int_equal(((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr.s6_addr[0], 0xfd);
	}
	freeifaddrs(all);
	close(tap.fd);
	close(control.fd);
}

#define SEGMENT 1000
#define SEGMENTS 40

/* Datagrams sent together reach the far end together, or one by one, as offloads say. */
static size_t send_many(const struct wgx_link *link)
{
	static uint8_t data[SEGMENT * SEGMENTS];
	struct tap tap = {.device = link->far_name};
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	uint8_t frame[64];
	int fd, size = SEGMENT;
	size_t n;

	assert_int_equal(wgx_netns_call(env_ns, open_tap, &tap), 0);
	to.sin_addr.s_addr = inet_addr("10.7.0.2");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)), 0);
	assert_int_equal(sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&to, sizeof(to)),
			 sizeof(data));
	assert_int_equal(poll(&(struct pollfd){.fd = tap.fd, .events = POLLIN}, 1, 10000), 1);
	n = read_tap(&tap, frame, sizeof(frame));
	/* NOARP: the destination is the sender's own address, for the stamp to be written over */
	assert_memory_equal(frame + 6, link->mac, 6);
	close(fd);
	close(tap.fd);
	return n;
}

static void test_link_superframes(void **state)
{
	const struct wgx_link_options plain = {.superframes = false};
	struct wgx_link link;

	env_require();
	link = env_create("wg0");
	env_sh("ip addr add 10.7.0.1/24 dev wg0 && ip link set wg0 up");
	assert_int_equal(send_many(&link), ETH_HLEN + 28 + SEGMENT * SEGMENTS);
	assert_int_equal(wgx_link_create(env_ns, "wg0", &plain, &link), 0);
	assert_int_equal(send_many(&link), ETH_HLEN + 28 + SEGMENT);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		env_test(test_netns_private),
		env_test(test_netns_holder),
		env_test(test_netns_outlives),
		env_test(test_netns_ends),
		env_test(test_netns_busy),
		env_test(test_netns_stale),
		env_test(test_netns_calls),
		env_test(test_netns_errors),
		env_test(test_link_settings),
		env_test(test_link_plain),
		env_test(test_link_names),
		env_test(test_link_exists),
		env_test(test_link_exists_elsewhere),
		env_test(test_link_failure),
		env_test(test_link_adopt),
		env_test(test_link_delete),
		env_test(test_link_query),
		env_test(test_route),
		env_test(test_link_silent),
		env_test(test_link_superframes),
		env_test(test_collector),
		env_test(test_ethtool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return env_main(run);
}
