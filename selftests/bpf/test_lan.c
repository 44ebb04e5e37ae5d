/* SPDX-License-Identifier: MIT */
/*
 * The router path, wgx_lan_in with wgx_egress_lan behind it, wgx_lan_xdp and wgx_lan_out: what goes past the stack, and
 * that all else is left to it untouched.
 */
#include "lan_env.h"

/* @pkt, on the ingress of @ifindex */
static void expect(const struct bpf_program *prog, unsigned int ifindex, __u32 mark, int pass)
{
	struct wgx_lan_counts before = counts_of(ifindex), after;

	run_on(prog, ifindex, mark);
	after = counts_of(ifindex);
	assert_int_equal(after.packets - before.packets, pass == GO);
	assert_int_equal(after.bytes - before.bytes, pass == GO ? pkt.len - ETH_HLEN : 0);
	for (int n = 0; n < WGX_LAN_PASS_COUNT; n++)
		assert_int_equal(after.passed[n] - before.passed[n], n == pass);
	if (pass == GO)
		return;
	assert_int_equal(r.verdict, TC_ACT_UNSPEC);
	assert_int_equal(r.len, pkt.len);
	assert_memory_equal(r.data, pkt.data, pkt.len);
}

static void expect_in(const struct packet_spec *spec, int pass)
{
	packet_build(&pkt, spec);
	expect(lan->progs.wgx_lan_in, lan0, 0, pass);
}

static void assert_stamped(void)
{
	struct wgx_stamp stamp;

	memcpy(&stamp, r.data, sizeof(stamp));
	assert_int_equal(r.verdict, TC_ACT_REDIRECT);
	assert_int_equal(stamp.magic, WGX_STAMP_MAGIC);
	assert_int_equal(stamp.flags, 0);
	assert_int_equal(stamp.gso_size, 0);
	assert_forwarded(sizeof(stamp));
}

static void expect_steered(const struct packet_spec *spec, __u32 peer)
{
	__u64 before = tx_packets(peer);

	expect_in(spec, GO);
	assert_stamped();
	assert_int_equal(tx_packets(peer), before + 1);
}

/* ---- into the tunnel ---- */

static void test_steered(void **state)
{
	need_bpf();
	expect_steered(&(struct packet_spec){.dst = "10.7.0.2", .payload = 100}, 1);
	expect_steered(&(struct packet_spec){.dst = "10.7.0.2"}, 1);
	expect_steered(&(struct packet_spec){.dst = "10.7.1.255", .proto = IPPROTO_TCP}, 2);
	expect_steered(&(struct packet_spec){.dst = "fd07::2", .payload = 100}, 1);
	expect_steered(&(struct packet_spec){.dst = "fd07::2", .proto = IPPROTO_TCP}, 1);
	/* Ethernet pads what is short */
	expect_steered(&(struct packet_spec){.dst = "10.7.0.2", .padding = 18}, 1);
	/* the largest that fits */
	expect_steered(&(struct packet_spec){.dst = "10.7.0.2", .payload = MTU - 28}, 1);
	expect_steered(&(struct packet_spec){.dst = "fd07::2", .payload = MTU - 48}, 1);
}

/* Each TTL, and so each carry of the checksum */
static void test_ttl(void **state)
{
	need_bpf();
	for (int ttl = 2; ttl < 256; ttl++)
		for (uint16_t sport = 1; sport < 60000; sport += 9973) {
			expect_steered(&(struct packet_spec){.dst = "10.7.0.2",
							     .ttl = (uint8_t)ttl,
							     .payload = sport % 1000},
				       1);
		}
	for (int ttl = 2; ttl < 255; ttl += 11)
		expect_steered(&(struct packet_spec){.dst = "fd07::2", .ttl = (uint8_t)ttl}, 1);
	expect_in(&(struct packet_spec){.dst = "10.7.0.2", .ttl = 1}, WGX_LAN_PASS_TTL);
	expect_in(&(struct packet_spec){.dst = "fd07::2", .ttl = 1}, WGX_LAN_PASS_TTL);
	packet_build(&pkt, &(struct packet_spec){.dst = "fd07::2"});
	pkt.data[ETH_HLEN + 7] = 0;
	expect(lan->progs.wgx_lan_in, lan0, 0, WGX_LAN_PASS_TTL);
}

static void test_not_ours(void **state)
{
	need_bpf();
	packet_build(&pkt, &(struct packet_spec){.dst = "10.7.0.2"});
	pkt.data[5] ^= 2; /* another's MAC address */
	expect(lan->progs.wgx_lan_in, lan0, 0, WGX_LAN_PASS_NOT_OURS);
	memset(pkt.data, 0xff, 6);
	expect(lan->progs.wgx_lan_in, lan0, 0, WGX_LAN_PASS_NOT_OURS);
	packet_build(&pkt, &(struct packet_spec){.dst = "10.7.0.2"});
	expect(lan->progs.wgx_lan_in, lan0, 7, WGX_LAN_PASS_NOT_OURS); /* marked */
	expect_in(&(struct packet_spec){.dst = "10.7.0.2", .vlan = ETH_P_8021Q},
		  WGX_LAN_PASS_NOT_OURS);
	expect_in(&(struct packet_spec){.dst = "10.7.0.2", .ethertype = ETH_P_ARP},
		  WGX_LAN_PASS_NOT_OURS);
}

static void test_unusual(void **state)
{
	static const struct packet_spec specs[] = {
		{.dst = "10.7.0.2", .options = 1},
		{.dst = "10.7.0.2", .frag_off = 0x2000},
		{.dst = "10.7.0.2", .frag_off = 1},
		{.dst = "10.7.0.2", .version = 5},
		{.dst = "224.0.0.5"},
		{.dst = "255.255.255.255"},
		{.dst = "127.0.0.1"},
		{.dst = "10.7.0.2", .src = "224.0.0.5"},
		{.dst = "10.7.0.2", .src = "0.0.0.0"},
		{.dst = "10.7.0.2", .src = "127.0.0.1"},
		{.dst = "fd07::2", .ext = EXT(IPPROTO_HOPOPTS)},
		{.dst = "fd07::2", .ext = EXT(IPPROTO_ROUTING)},
		{.dst = "fd07::2", .ext = EXT(IPPROTO_FRAGMENT)},
		{.dst = "fd07::2", .version = 4},
		{.dst = "ff02::1"},
		{.dst = "fe80::1"},
		{.dst = "::1"},
		{.dst = "fd07::2", .src = "fe80::1"},
		{.dst = "fd07::2", .src = "ff02::1"},
		{.dst = "fd07::2", .src = "::"},
		{.dst = "fd07::2", .proto = IPPROTO_ICMPV6, .ttl = 255},
	};

	need_bpf();
	for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++)
		expect_in(&specs[i], WGX_LAN_PASS_UNUSUAL);
}

static void break_byte(const char *dst, size_t at, uint8_t by)
{
	packet_build(&pkt, &(struct packet_spec){.dst = dst, .payload = 40});
	pkt.data[ETH_HLEN + at] ^= by;
	expect(lan->progs.wgx_lan_in, lan0, 0, WGX_LAN_PASS_UNUSUAL);
}

static void test_malformed(void **state)
{
	need_bpf();
	break_byte("10.7.0.2", 11, 1); /* the checksum */
	break_byte("10.7.0.2", 5, 0x80); /* what it is over */
	break_byte("fd07::2", 4, 0x40); /* longer than the frame */
	/* longer than the frame, and the checksum is right */
	packet_build(&pkt, &(struct packet_spec){.dst = "10.7.0.2", .payload = 40});
	pkt.len--;
	expect(lan->progs.wgx_lan_in, lan0, 0, WGX_LAN_PASS_UNUSUAL);
	packet_build(&pkt, &(struct packet_spec){.dst = "fd07::2", .payload = 40});
	memset(pkt.data + ETH_HLEN + 4, 0, 2); /* as a jumbogram */
	expect(lan->progs.wgx_lan_in, lan0, 0, WGX_LAN_PASS_UNUSUAL);
}

static void test_mtu(void **state)
{
	const struct packet_spec large4 = {.dst = "10.7.0.2", .payload = MTU - 27},
				 large6 = {.dst = "fd07::2", .payload = MTU - 47};

	need_bpf();
	expect_in(&large4, WGX_LAN_PASS_MTU);
	expect_in(&large6, WGX_LAN_PASS_MTU);
	/* that of the route counts if it is locked */
	sh("ip route add 10.7.0.9 dev wg0 mtu lock 1000 && ip route add fd07::9 dev wg0 mtu lock "
	   "1300");
	expect_in(&(struct packet_spec){.dst = "fd07::9", .payload = 1300}, WGX_LAN_PASS_MTU);
	expect_in(&(struct packet_spec){.dst = "10.7.0.9", .payload = 1000}, WGX_LAN_PASS_MTU);
	expect_steered(&(struct packet_spec){.dst = "10.7.0.9", .payload = 972}, 1);
	sh("ip route del 10.7.0.9 && ip route del fd07::9");
}

static void test_route(void **state)
{
	const struct packet_spec plain4 = {.dst = "10.7.0.2"}, plain6 = {.dst = "fd07::2"};

	need_bpf();
	/* this host; its broadcast address; the LAN itself; no route. Allowed IPs have half of the world. */
	expect_in(&(struct packet_spec){.dst = "192.0.2.1"}, WGX_LAN_PASS_ROUTE);
	expect_in(&(struct packet_spec){.dst = "192.0.2.255"}, WGX_LAN_PASS_ROUTE);
	expect_in(&(struct packet_spec){.dst = "192.0.2.7"}, WGX_LAN_PASS_ROUTE);
	expect_in(&(struct packet_spec){.dst = "100.64.0.1"}, WGX_LAN_PASS_ROUTE);
	expect_in(&(struct packet_spec){.dst = "2001:db8::1"}, WGX_LAN_PASS_ROUTE);
	expect_in(&(struct packet_spec){.dst = "2001:db9::1"}, WGX_LAN_PASS_ROUTE);
	/* a rule sends it elsewhere */
	sh("ip rule add from 192.0.2.99 iif lan0 dport 51820 ipproto udp prohibit pref 10");
	expect_in(&plain4, WGX_LAN_PASS_ROUTE);
	expect_steered(&(struct packet_spec){.dst = "10.7.0.2", .dport = 9}, 1);
	sh("ip rule del pref 10");
	/* forwarding is off */
	sh("sysctl -qw net.ipv4.conf.lan0.forwarding=0 net.ipv6.conf.all.forwarding=0");
	expect_in(&plain4, WGX_LAN_PASS_ROUTE);
	expect_in(&plain6, WGX_LAN_PASS_ROUTE);
	sh("sysctl -qw net.ipv4.conf.lan0.forwarding=1 net.ipv6.conf.all.forwarding=1");
	expect_steered(&plain4, 1);
	expect_steered(&plain6, 1);
}

static void test_source(void **state)
{
	const struct packet_spec elsewhere = {.dst = "10.7.0.2", .src = "198.51.100.9"};

	need_bpf();
	expect_in(&elsewhere, WGX_LAN_PASS_SOURCE);
	expect_in(&(struct packet_spec){.dst = "10.7.0.2", .src = "192.0.2.1"},
		  WGX_LAN_PASS_SOURCE);
	expect_in(&(struct packet_spec){.dst = "10.7.0.2", .src = "10.7.0.3"}, WGX_LAN_PASS_SOURCE);
	sh("ip route add 198.51.100.0/24 via 192.0.2.7 dev lan0");
	expect_steered(&elsewhere, 1);
	sh("ip route del 198.51.100.0/24");
}

/* Not in allowed IPs: the stack, which asks wgx_egress, and the worker tells the sender */
static void test_no_peer(void **state)
{
	__u64 before;

	need_bpf();
	before = percpu_sum(wg->maps.counters, WGX_CTR_LAN_PASSED);
	sh("ip route add 198.18.0.0/15 dev wg0");
	packet_build(&pkt, &(struct packet_spec){.dst = "198.18.0.1"});
	run_on(lan->progs.wgx_lan_in, lan0, 0);
	assert_int_equal(r.verdict, TC_ACT_UNSPEC);
	assert_int_equal(r.len, pkt.len);
	assert_memory_equal(r.data, pkt.data, pkt.len);
	assert_int_equal(percpu_sum(wg->maps.counters, WGX_CTR_LAN_PASSED), before + 1);
	sh("ip route del 198.18.0.0/15");
}

static void test_no_credit(void **state)
{
	const struct wgx_credit used = {.produced = 10};
	__u32 total = WGX_CREDIT_TOTAL;

	need_bpf();
	configure(10);
	map_put(wg->maps.credit, &total, &used);
	packet_build(&pkt, &(struct packet_spec){.dst = "10.7.0.2"});
	run_on(lan->progs.wgx_lan_in, lan0, 0);
	assert_int_equal(r.verdict, TC_ACT_SHOT);
	assert_int_equal(percpu_sum(wg->maps.drops, WGX_DROP_EGRESS_CREDIT), 1);
	configure(0);
	expect_steered(&(struct packet_spec){.dst = "10.7.0.2"}, 1);
}

/* An interface that has just gone, or has not come yet */
static void test_no_interface(void **state)
{
	__u32 slot = tunnel.slot;
	int fd;

	need_bpf();
	fd = bpf_program__fd(wg->progs.wgx_egress_lan);
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(lan->maps.lan_egress), &slot), 0);
	packet_build(&pkt, &(struct packet_spec){.dst = "10.7.0.2"});
	run_on(lan->progs.wgx_lan_in, lan0, 0);
	assert_int_equal(r.verdict, TC_ACT_UNSPEC);
	assert_memory_equal(r.data, pkt.data, pkt.len);
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(lan->maps.lan_tunnels), &wg0), 0);
	expect_in(&(struct packet_spec){.dst = "10.7.0.2"}, WGX_LAN_PASS_ROUTE);
	map_put(lan->maps.lan_egress, &slot, &fd);
	map_put(lan->maps.lan_tunnels, &wg0, &tunnel);
	expect_steered(&(struct packet_spec){.dst = "10.7.0.2"}, 1);
}

/* A device that was moved to another namespace keeps its program, but our numbers mean other devices there. */
static void test_elsewhere(void **state)
{
	struct wgx_lan *other;

	need_bpf();
	other = wgx_lan__open();
	assert_non_null(other);
	other->rodata->lan_netns = inode() + 1;
	assert_int_equal(
		bpf_map__reuse_fd(other->maps.lan_counts, bpf_map__fd(lan->maps.lan_counts)), 0);
	assert_int_equal(
		bpf_map__reuse_fd(other->maps.lan_tunnels, bpf_map__fd(lan->maps.lan_tunnels)), 0);
	assert_int_equal(wgx_lan__load(other), 0);
	packet_build(&pkt, &(struct packet_spec){.dst = "10.7.0.2"});
	expect(other->progs.wgx_lan_in, lan0, 0, WGX_LAN_PASS_NOT_OURS);
	expect(other->progs.wgx_lan_out, wg0, 0, WGX_LAN_PASS_NOT_OURS);
	wgx_lan__destroy(other);
}

/* ---- out of it ---- */

static void expect_out(const struct packet_spec *spec, int pass)
{
	packet_build(&pkt, spec);
	expect(lan->progs.wgx_lan_out, wg0, 0, pass);
	if (pass != GO)
		return;
	assert_int_equal(r.verdict, TC_ACT_REDIRECT);
	assert_forwarded(0);
}

static void test_out(void **state)
{
	need_bpf();
	expect_out(&(struct packet_spec){.src = "10.7.0.2", .dst = "192.0.2.7"}, GO);
	expect_out(&(struct packet_spec){.src = "fd07::2", .dst = "2001:db8::7"}, GO);
	expect_out(&(struct packet_spec){.src = "fd07::2", .dst = "2001:db8::7", .ttl = 1},
		   WGX_LAN_PASS_TTL);
	expect_out(&(struct packet_spec){.src = "10.7.0.2", .dst = "192.0.2.7", .options = 2},
		   WGX_LAN_PASS_UNUSUAL);
	expect_out(&(struct packet_spec){.src = "10.7.0.2", .dst = "192.0.2.1"},
		   WGX_LAN_PASS_ROUTE);
	expect_out(&(struct packet_spec){.src = "10.7.0.2", .dst = "10.7.1.2"}, WGX_LAN_PASS_ROUTE);
	expect_out(&(struct packet_spec){.src = "198.51.100.2", .dst = "192.0.2.7"},
		   WGX_LAN_PASS_SOURCE);
	expect_out(&(struct packet_spec){.src = "10.7.0.2", .dst = "192.0.2.7", .payload = 1473},
		   WGX_LAN_PASS_MTU);
	expect_out(&(struct packet_spec){.src = "10.7.0.2", .dst = "192.0.2.7", .payload = 1472},
		   GO);
}

static void test_out_elsewhere(void **state)
{
	__u8 one = 1;

	need_bpf();
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(lan->maps.lan_devices), &lan0), 0);
	expect_out(&(struct packet_spec){.src = "10.7.0.2", .dst = "192.0.2.7"},
		   WGX_LAN_PASS_ROUTE);
	map_put(lan->maps.lan_devices, &lan0, &one);
}

/* ---- by XDP ---- */

static void assert_stamped_native(void)
{
	struct wgx_stamp stamp;

	memcpy(&stamp, r.data, sizeof(stamp));
	assert_int_equal(r.verdict, XDP_REDIRECT);
	assert_int_equal(stamp.magic, WGX_STAMP_MAGIC);
	assert_int_equal(stamp.flags, WGX_STAMP_LAN | WGX_STAMP_UNSURE);
	assert_int_equal(stamp.iface, tunnel.iface);
	assert_forwarded(sizeof(stamp));
}

/* @pkt */
static void expect_native_packet(int pass)
{
	struct wgx_lan_counts before = counts_of(lan0), after;

	run_native();
	after = counts_of(lan0);
	assert_int_equal(after.packets - before.packets, pass == GO);
	assert_int_equal(after.bytes - before.bytes, pass == GO ? pkt.len - ETH_HLEN : 0);
	for (int n = 0; n < WGX_LAN_PASS_COUNT; n++)
		assert_int_equal(after.passed[n] - before.passed[n], n == pass);
	if (pass == GO) {
		assert_stamped_native();
		return;
	}
	assert_int_equal(r.verdict, XDP_PASS);
	assert_int_equal(r.len, pkt.len);
	assert_memory_equal(r.data, pkt.data, pkt.len);
}

static void expect_native(const struct packet_spec *spec, int pass)
{
	packet_build(&pkt, spec);
	expect_native_packet(pass);
}

static void test_native(void **state)
{
	struct xsk_rx socket;
	__u32 queue = 0;

	need_bpf();
	sh("ethtool -K lan0 gro on"); /* or a veth has no receive queue to tell XDP of */
	/* a queue without a socket */
	expect_native(&(struct packet_spec){.dst = "10.7.0.2"}, WGX_LAN_PASS_NOT_OURS);
	xsk_rx_open(&socket, "lan0");
	map_put(native->maps.xsks, &queue, &socket.fd);
	expect_native(&(struct packet_spec){.dst = "10.7.0.2", .payload = 100}, GO);
	expect_native(&(struct packet_spec){.dst = "fd07::2", .payload = 100}, GO);
	expect_native(&(struct packet_spec){.dst = "10.7.0.2", .padding = 18}, GO);
	for (int ttl = 2; ttl < 256; ttl++)
		expect_native(&(struct packet_spec){.dst = "10.7.0.2", .ttl = (uint8_t)ttl}, GO);
	expect_native(&(struct packet_spec){.dst = "10.7.0.2", .ttl = 1}, WGX_LAN_PASS_TTL);
	expect_native(&(struct packet_spec){.dst = "fd07::2", .ttl = 1}, WGX_LAN_PASS_TTL);
	expect_native(&(struct packet_spec){.dst = "10.7.0.2", .options = 1}, WGX_LAN_PASS_UNUSUAL);
	expect_native(&(struct packet_spec){.dst = "10.7.0.2", .frag_off = 0x2000},
		      WGX_LAN_PASS_UNUSUAL);
	expect_native(&(struct packet_spec){.dst = "10.7.0.2", .payload = MTU - 27},
		      WGX_LAN_PASS_MTU);
	expect_native(&(struct packet_spec){.dst = "192.0.2.1"}, WGX_LAN_PASS_ROUTE);
	expect_native(&(struct packet_spec){.dst = "192.0.2.7"}, WGX_LAN_PASS_ROUTE);
	expect_native(&(struct packet_spec){.dst = "10.7.0.2", .src = "198.51.100.9"},
		      WGX_LAN_PASS_SOURCE);
	/* a frame of a VLAN may look so, where the device takes tags off */
	expect_native(&(struct packet_spec){.dst = "fd07::2", .src = "2001:db9::9"},
		      WGX_LAN_PASS_SOURCE);
	expect_native(&(struct packet_spec){.dst = "10.7.0.2", .vlan = ETH_P_8021Q},
		      WGX_LAN_PASS_NOT_OURS);
	packet_build(&pkt, &(struct packet_spec){.dst = "10.7.0.2"});
	pkt.data[5] ^= 2;
	expect_native_packet(WGX_LAN_PASS_NOT_OURS);
	close(socket.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_steered),	     cmocka_unit_test(test_ttl),
		cmocka_unit_test(test_not_ours),     cmocka_unit_test(test_unusual),
		cmocka_unit_test(test_malformed),    cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_route),	     cmocka_unit_test(test_source),
		cmocka_unit_test(test_no_peer),	     cmocka_unit_test(test_no_credit),
		cmocka_unit_test(test_no_interface), cmocka_unit_test(test_elsewhere),
		cmocka_unit_test(test_out),	     cmocka_unit_test(test_out_elsewhere),
		cmocka_unit_test(test_native),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
