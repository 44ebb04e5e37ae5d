/* SPDX-License-Identifier: MIT */
/*
 * A router with the programs of the router path loaded, and what they make of a frame.
 *
 *	lan0 192.0.2.1/24, 2001:db8::1/64, 02:00:00:00:00:01 --- its other end, in another namespace
 *	wg0, MTU 1420: 10.7.0.0/16, fd07::/64 ------------------ likewise
 */
#ifndef WGX_TEST_LAN_ENV_H
#define WGX_TEST_LAN_ENV_H

#include <sys/stat.h>
#include "xsk_rx.h"
#include "wgx_egress.skel.h"
#include "wgx_lan.skel.h"
#include "wgx_lan_xdp.skel.h"

static struct wgx_lan *lan;
static struct wgx_lan_xdp *native;
static struct wgx_egress *wg;
static struct packet pkt;
static int home = -1;
static unsigned int lan0, wg0;
static const struct wgx_lan_tunnel tunnel = {.slot = 5, .iface = 77};

#define MTU 1420
#define GO (-1) /* else: an enum wgx_lan_pass */

/* ---- the hosts, and the programs ---- */

static __maybe_unused unsigned int inode(void)
{
	struct stat st;

	assert_int_equal(stat("/proc/thread-self/ns/net", &st), 0);
	return (unsigned int)st.st_ino;
}

static __maybe_unused void device(const char *name, const char *peer, int netns, int mtu)
{
	sh("ip link add %s mtu %d type veth peer name %s", name, mtu, peer);
	sh("ip link set %s netns /proc/%d/fd/%d", peer, getpid(), netns);
	sh("ip link set %s address 02:00:00:00:00:01", name);
	sh("sysctl -qw net.ipv6.conf.%s.accept_dad=0 && ip link set %s up", name, name);
}

static __maybe_unused void peer_up(const char *name, int netns)
{
	int self = netns_self();

	netns_enter(netns);
	sh("ip link set %s up", name);
	netns_enter(self);
	close(self);
}

static __maybe_unused void make_host(void)
{
	int far, here;

	home = netns_self();
	far = netns_new();
	here = netns_new();
	device("lan0", "lanp", far, 1500);
	device("wg0", "wgp", far, MTU);
	peer_up("lanp", far);
	peer_up("wgp", far);
	sh("ip link set wg0 arp off && ip link set lo up");
	sh("ip addr add 192.0.2.1/24 dev lan0 && ip addr add 2001:db8::1/64 dev lan0 nodad");
	sh("ip route add 10.7.0.0/16 dev wg0 && ip -6 route add fd07::/64 dev wg0");
	sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
	lan0 = if_nametoindex("lan0");
	wg0 = if_nametoindex("wg0");
	(void)far; /* its devices keep neither namespace: the descriptors do, to the end */
	(void)here;
}

static __maybe_unused void watch(unsigned int ifindex)
{
	int cpus = libbpf_num_possible_cpus();
	struct wgx_lan_counts *zero = calloc((size_t)cpus, sizeof(*zero));

	assert_non_null(zero);
	map_put(lan->maps.lan_counts, &ifindex, zero);
	free(zero);
}

static __maybe_unused void allow(const char *prefix, __u32 len, __u32 peer)
{
	struct wgx_lpm4 key4 = {.prefixlen = len};
	struct wgx_lpm6 key6 = {.prefixlen = len};

	if (inet_pton(AF_INET, prefix, key4.addr) == 1)
		map_put(wg->maps.allowed_ips4, &key4, &peer);
	else if (inet_pton(AF_INET6, prefix, key6.addr) == 1)
		map_put(wg->maps.allowed_ips6, &key6, &peer);
	map_put(wg->maps.peer_stats, &peer, &(struct wgx_bpf_peer_stats){});
}

static __maybe_unused void configure(__u32 credit)
{
	struct wgx_bpf_config cfg = {.credit_limit = credit};
	__u32 zero = 0;

	map_put(wg->maps.config, &zero, &cfg);
}

static __maybe_unused void fill_maps(void)
{
	int fd = bpf_program__fd(wg->progs.wgx_egress_lan);
	__u32 slot = tunnel.slot;
	__u8 one = 1;

	map_put(lan->maps.lan_egress, &slot, &fd);
	map_put(lan->maps.lan_tunnels, &wg0, &tunnel);
	map_put(lan->maps.lan_devices, &lan0, &one);
	watch(lan0);
	watch(wg0);
	configure(0);
	allow("10.7.0.0", 24, 1);
	allow("10.7.1.0", 24, 2);
	allow("fd07::", 64, 1);
	allow("0.0.0.0", 1, 3);
}

static __maybe_unused void load_native(void)
{
	native = wgx_lan_xdp__open();
	assert_non_null(native);
	native->rodata->lan_netns = inode();
	native->rodata->lan_unsure = 1;
	assert_int_equal(
		bpf_map__reuse_fd(native->maps.lan_counts, bpf_map__fd(lan->maps.lan_counts)), 0);
	assert_int_equal(
		bpf_map__reuse_fd(native->maps.lan_tunnels, bpf_map__fd(lan->maps.lan_tunnels)), 0);
	assert_int_equal(wgx_lan_xdp__load(native), 0);
}

static __maybe_unused int setup(void **state)
{
	libbpf_set_print(quiet);
	if (!bpf_permitted())
		return 0;
	make_host();
	lan = wgx_lan__open();
	wg = wgx_egress__open();
	assert_non_null(lan);
	assert_non_null(wg);
	lan->rodata->lan_netns = inode();
	assert_int_equal(wgx_lan__load(lan), 0);
	assert_int_equal(wgx_egress__load(wg), 0);
	load_native();
	fill_maps();
	return 0;
}

static __maybe_unused int teardown(void **state)
{
	wgx_lan_xdp__destroy(native);
	wgx_lan__destroy(lan);
	wgx_egress__destroy(wg);
	if (home >= 0)
		netns_enter(home);
	return 0;
}

static __maybe_unused void need_bpf(void)
{
	if (!lan)
		skip();
}

/* ---- running ---- */

static struct run r;

static __maybe_unused void run_as(const struct bpf_program *prog, struct __sk_buff *ctx)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = pkt.data, .data_size_in = (__u32)pkt.len,
		    .data_out = r.data, .data_size_out = sizeof(r.data), .ctx_in = ctx,
		    .ctx_size_in = sizeof(*ctx), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(prog), &o), 0);
	r.verdict = (int)o.retval;
	r.len = o.data_size_out;
}

static __maybe_unused void run_on(const struct bpf_program *prog, unsigned int ifindex, __u32 mark)
{
	struct __sk_buff ctx = {.ifindex = ifindex, .mark = mark};

	run_as(prog, &ctx);
}

static __maybe_unused struct wgx_lan_counts counts_of(unsigned int ifindex)
{
	int cpus = libbpf_num_possible_cpus();
	struct wgx_lan_counts sum = {0}, *values = calloc((size_t)cpus, sizeof(*values));

	assert_non_null(values);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(lan->maps.lan_counts), &ifindex, values),
			 0);
	for (int i = 0; i < cpus; i++) {
		sum.packets += values[i].packets;
		sum.bytes += values[i].bytes;
		for (int n = 0; n < WGX_LAN_PASS_COUNT; n++)
			sum.passed[n] += values[i].passed[n];
	}
	free(values);
	return sum;
}

static __maybe_unused __u64 tx_packets(__u32 peer)
{
	struct wgx_bpf_peer_stats stats;

	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(wg->maps.peer_stats), &peer, &stats), 0);
	return stats.tx_packets;
}

/* As a router forwards it: nothing but TTL and header checksum has changed behind @from */
static __maybe_unused void assert_forwarded(size_t from)
{
	bool v6 = pkt.data[13] == 0xdd;
	struct packet want = pkt;

	if (v6) {
		want.data[ETH_HLEN + 7]--;
	} else {
		want.data[ETH_HLEN + 8]--;
		memset(want.data + ETH_HLEN + 10, 0, 2);
		memcpy(want.data + ETH_HLEN + 10,
		       &(uint16_t){ip_checksum(want.data + ETH_HLEN, 20)}, 2);
	}
	assert_int_equal(r.len, want.len);
	assert_memory_equal(r.data + from, want.data + from, want.len - from);
}

static __maybe_unused void run_native(void)
{
	struct xdp_md ctx = {.data_end = (__u32)pkt.len, .ingress_ifindex = lan0};
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = pkt.data, .data_size_in = (__u32)pkt.len,
		    .data_out = r.data, .data_size_out = sizeof(r.data), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(native->progs.wgx_lan_xdp), &o), 0);
	r.verdict = (int)o.retval;
	r.len = o.data_size_out;
}

#endif
