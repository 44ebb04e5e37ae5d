/* SPDX-License-Identifier: MIT */
/*
 * wgx_ingress: what is ours, what is dropped, what goes to a worker; the same for tc and XDP; and
 * the whole way of a superframe from the underlay to an AF_XDP socket.
 */
#include "ingress_env.h"
#include "xsk_rx.h"
#include "device/floors.h"
#include "unit/line_test.h"
#include "wgx_steer.skel.h"

/*
 * The whole way, with real packets:
 *
 *   far host's namespace │ this host's namespace                │ private namespace
 *                        │                                      │
 *   AF_PACKET ──► u0 ──veth──► eth0 (tcx: wgx_ingress_tc)       │
 *                        │       │  bpf_redirect(F_INGRESS)     │
 *                        │       ├──► col (XDP: wgx_steer) ──► AF_XDP
 *                        │       │                              │
 *                        │       └──► col ······· veth ········ ──► colp (XDP: wgx_steer) ──► AF_XDP
 *                        │          bpf_redirect_peer()         │
 */
static struct world {
	int home, far, host, private;
	int queue_link, link, tx;
	struct wgx_steer *steer;
	struct xsk_rx rx;
	__u32 device; /* ifindex of eth0 */
} world;

/* Also when a test failed in the middle of it */
static void world_close(void)
{
	const int fds[] = {world.tx,   world.link,    world.queue_link, world.far,
			   world.host, world.private, world.home};

	if (world.home)
		netns_enter(world.home);
	if (world.rx.fd)
		xsk_rx_close(&world.rx);
	wgx_steer__destroy(world.steer);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] > 0)
			close(fds[i]);
	world = (struct world){};
}

/* Before ours on eth0: packets of a NIC's third queue, where the collector's socket is on the first */
static int queue_attach(void)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 3},
		{.code = BPF_STX | BPF_MEM | BPF_W,
		 .dst_reg = 1,
		 .src_reg = 2,
		 .off = offsetof(struct __sk_buff, queue_mapping)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = TC_ACT_UNSPEC},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return tcx_attach_insns(insns, sizeof(insns) / sizeof(insns[0]), "eth0",
				ATTACH_TCX_INGRESS);
}

/* Skips the test on a kernel without tcx. Leaves the thread in the far host's namespace. */
static void world_open(bool redirect_peer)
{
	const char *dev = redirect_peer ? "colp" : "col";
	__u32 queue = 0;

	world.home = netns_self();
	world.private = netns_new();
	world.host = netns_new();
	world.far = netns_new();
	veth_new("u0", "eth0", world.host, 1500);
	netns_enter(world.host);
	veth_new("col", "colp", world.private, 65535);
	world.device = if_nametoindex("eth0");
	configure(if_nametoindex("col"), redirect_peer ? WGX_CONFIG_REDIRECT_PEER : 0);
	world.link = tcx_attach(skel->progs.wgx_ingress_tc, "eth0", ATTACH_TCX_INGRESS);
	if (world.link < 0)
		skip();
	close(world.link);
	world.queue_link = queue_attach();
	world.link = tcx_attach(skel->progs.wgx_ingress_tc, "eth0", ATTACH_TCX_INGRESS);
	if (redirect_peer)
		netns_enter(world.private);
	world.steer = wgx_steer__open_and_load();
	assert_non_null(world.steer);
	xsk_rx_open(&world.rx, dev);
	map_put(world.steer->maps.xsks, &queue, &world.rx.fd);
	assert_int_equal(bpf_xdp_attach(if_nametoindex(dev),
					bpf_program__fd(world.steer->progs.wgx_steer),
					XDP_FLAGS_SKB_MODE, NULL),
			 0);
	netns_enter(world.far);
	world.tx = packet_socket("u0");
}

static int world_teardown(void **state)
{
	world_close();
	return teardown(state);
}

static void test_abi(void **state)
{
	static const struct map_abi abi[] = {
		{"receivers", BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, 1048576, 4,
		 sizeof(struct wgx_receiver), NULL, "wgx_receiver"},
		{"floors", BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE, WGX_FLOORS, 4, 8, NULL, NULL},
		{"mac1_keys", BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, 65536, 4,
		 sizeof(struct wgx_mac1_key), NULL, "wgx_mac1_key"},
		{"ports", BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, 1024, 4, 4, NULL, NULL},
		{"locals", BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, 65536, sizeof(struct wgx_addr), 1,
		 "wgx_addr", NULL},
		MAP_CONFIG,
		MAP_DROPS,
		MAP_COUNTERS,
		MAP_XSKS,
	};

	need_bpf();
	check_maps(skel->obj, abi, sizeof(abi) / sizeof(abi[0]));
}

static const struct expect whose[] = {
	{{DATA4, .payload = 64}, STEER},
	{{DATA6, .payload = 64}, STEER},
	{{DATA4, .payload = 1452}, STEER},
	{{DATA6, .payload = 1452}, STEER},
	/* not UDP, not to a port or an address of ours */
	{{DATA4, .payload = 64, .proto = IPPROTO_TCP, .dport = PORT}, NOT_OURS},
	{{DATA6, .payload = 64, .proto = IPPROTO_TCP, .dport = PORT}, NOT_OURS},
	{{DATA4, .payload = 64, .dport = PORT + 1}, NOT_OURS},
	{{DATA4, .payload = 64, .dport = 0x6cca}, NOT_OURS}, /* the port in the wrong byte order */
	{{DATA6, .payload = 64, .dport = PORT - 1}, NOT_OURS},
	{{.dst = "192.0.2.2", .type = 4, .receiver = KNOWN, .payload = 64}, NOT_OURS},
	{{.dst = "2001:db8::2", .type = 4, .receiver = KNOWN, .payload = 64}, NOT_OURS},
	{{.dst = "::ffff:192.0.2.2", .type = 4, .receiver = KNOWN, .payload = 64}, NOT_OURS},
	{{.dst = "192.0.2.2", .type = 1, .payload = 148}, NOT_OURS},
	/* tags, options, extension headers, fragments: the stack's */
	{{DATA4, .payload = 64, .vlan = ETH_P_8021Q}, NOT_OURS},
	{{DATA6, .payload = 64, .vlan = ETH_P_8021AD}, NOT_OURS},
	{{DATA4, .payload = 64, .options = 1}, NOT_OURS},
	{{DATA4, .payload = 64, .options = 10}, NOT_OURS},
	{{DATA6, .payload = 64, .ext = EXT(IPPROTO_HOPOPTS)}, NOT_OURS},
	{{DATA6, .payload = 64, .ext = EXT(IPPROTO_FRAGMENT)}, NOT_OURS},
	{{DATA6, .payload = 64, .ext = EXT(IPPROTO_DSTOPTS)}, NOT_OURS},
	{{DATA4, .payload = 64, .frag_off = 0x2000}, NOT_OURS}, /* first fragment */
	{{DATA4, .payload = 64, .frag_off = 0x2010}, NOT_OURS}, /* one in the middle */
	{{DATA4, .payload = 64, .frag_off = 0x0010}, NOT_OURS}, /* the last one */
	{{DATA4, .payload = 64, .frag_off = 0x1fff}, NOT_OURS},
	{{DATA4, .payload = 64, .frag_off = 0x4000}, STEER}, /* DF is no fragment */
	{{DATA4, .payload = 64, .version = 6}, NOT_OURS},
	{{DATA6, .payload = 64, .version = 4}, NOT_OURS},
	{{DATA4, .payload = 64, .ethertype = ETH_P_IPV6}, NOT_OURS},
	{{DATA6, .payload = 64, .ethertype = ETH_P_IP}, NOT_OURS},
	{{DATA4, .payload = 64, .ethertype = ETH_P_LOOP}, NOT_OURS},
};

static const struct expect messages[] = {
	/* types and lengths; test_mac1 has the messages whose mac1 is right */
	{{.dst = LOCAL4, .type = 1, .payload = 148}, WRONG_MAC1},
	{{.dst = LOCAL4, .type = 2, .receiver = KNOWN, .payload = 92}, WRONG_MAC1},
	{{.dst = LOCAL4, .type = 3, .receiver = KNOWN, .payload = 64}, PASS},
	{{.dst = LOCAL6, .type = 1, .payload = 148}, WRONG_MAC1},
	{{.dst = LOCAL6, .type = 2, .payload = 92}, WRONG_MAC1},
	{{.dst = LOCAL6, .type = 3, .receiver = KNOWN, .payload = 64}, PASS},
	{{.dst = LOCAL4, .type = 1, .payload = 147}, MALFORMED},
	{{.dst = LOCAL6, .type = 1, .payload = 149}, MALFORMED},
	{{.dst = LOCAL4, .type = 1, .payload = 92}, MALFORMED},
	{{.dst = LOCAL4, .type = 1, .payload = 4}, MALFORMED},
	{{.dst = LOCAL4, .type = 2, .payload = 91}, MALFORMED},
	{{.dst = LOCAL6, .type = 2, .payload = 93}, MALFORMED},
	{{.dst = LOCAL6, .type = 2, .payload = 148}, MALFORMED},
	{{.dst = LOCAL4, .type = 3, .receiver = KNOWN, .payload = 63}, MALFORMED},
	{{.dst = LOCAL6, .type = 3, .receiver = KNOWN, .payload = 65}, MALFORMED},
	/* other types, and reserved bytes that are not zero */
	{{.dst = LOCAL4, .type = 0, .receiver = KNOWN, .payload = 64}, MALFORMED},
	{{.dst = LOCAL4, .type = 5, .receiver = KNOWN, .payload = 64}, MALFORMED},
	{{.dst = LOCAL6, .type = 255, .receiver = KNOWN, .payload = 64}, MALFORMED},
	{{.dst = LOCAL4, .type = 0x104, .receiver = KNOWN, .payload = 64}, MALFORMED},
	{{.dst = LOCAL4, .type = 0x10003, .receiver = KNOWN, .payload = 64}, MALFORMED},
	{{.dst = LOCAL4, .type = 0x80000001, .payload = 148}, MALFORMED},
	{{.dst = LOCAL6, .type = 0x04000000, .receiver = KNOWN, .payload = 64}, MALFORMED},
	/* receivers */
	{{.dst = LOCAL4, .type = 4, .receiver = UNKNOWN, .payload = 64}, UNKNOWN_RECEIVER},
	{{.dst = LOCAL6, .type = 4, .receiver = UNKNOWN, .payload = 64}, UNKNOWN_RECEIVER},
	{{.dst = LOCAL4, .type = 4, .receiver = 0x01000080, .payload = 64}, UNKNOWN_RECEIVER},
	{{.dst = LOCAL4, .type = 4, .receiver = 0, .payload = 64}, UNKNOWN_RECEIVER},
	{{.dst = LOCAL4, .type = 4, .receiver = FOREIGN, .payload = 64}, UNKNOWN_RECEIVER},
	{{.dst = LOCAL4, .type = 3, .receiver = UNKNOWN, .payload = 64}, UNKNOWN_RECEIVER},
	{{.dst = LOCAL6, .type = 3, .receiver = 0, .payload = 64}, UNKNOWN_RECEIVER},
	{{.dst = LOCAL4, .type = 3, .receiver = FOREIGN, .payload = 64}, UNKNOWN_RECEIVER},
	/* too short for a type; for a data message; the shortest data message, a keepalive */
	{{.dst = LOCAL4, .payload = 0}, MALFORMED},
	{{DATA4, .payload = 3}, MALFORMED},
	{{DATA6, .payload = 3}, MALFORMED},
	{{DATA4, .payload = 4}, MALFORMED},
	{{DATA4, .payload = 8}, MALFORMED},
	{{DATA4, .payload = 31}, MALFORMED},
	{{DATA6, .payload = 31}, MALFORMED},
	{{.dst = LOCAL4, .type = 4, .receiver = UNKNOWN, .payload = 31}, MALFORMED},
	{{DATA4, .payload = 32}, STEER},
	{{DATA6, .payload = 32}, STEER},
	/* the UDP length governs: padding behind it, a length past the frame, below the header */
	{{DATA4, .payload = 32, .padding = 18}, STEER},
	{{DATA4, .payload = 31, .padding = 18}, MALFORMED},
	{{DATA4, .payload = 64, .udp_len_off = 1}, PASS},
	{{DATA6, .payload = 64, .udp_len_off = 1}, PASS},
	{{DATA4, .payload = 64, .udp_len_off = 1, .padding = 1}, STEER},
	{{DATA4, .payload = 64, .udp_len_off = -33}, MALFORMED},
	{{DATA4, .payload = 64, .udp_len_off = -65}, PASS},
	{{DATA4, .payload = 64, .udp_len_off = -72}, PASS},
};

static void test_whose(void **state)
{
	need_bpf();
	check_table(whose, sizeof(whose) / sizeof(whose[0]));
}

/* Options that look like a UDP header and a message of ours, where a header without them would be */
static void test_options_in_disguise(void **state)
{
	static struct packet bait;

	need_bpf();
	packet_build(&bait, &(struct packet_spec){DATA4, .payload = 32});
	packet_build(&pkt, &(struct packet_spec){DATA4, .payload = 64, .options = 10});
	memcpy(pkt.data + ETH_HLEN + sizeof(struct iphdr),
	       bait.data + ETH_HLEN + sizeof(struct iphdr), 40);
	check(NOT_OURS);
	packet_build(&bait, &(struct packet_spec){DATA6, .payload = 32});
	packet_build(&pkt,
		     &(struct packet_spec){DATA6, .payload = 64, .ext = EXT(IPPROTO_ROUTING)});
	memcpy(pkt.data + ETH_HLEN + sizeof(struct ipv6hdr),
	       bait.data + ETH_HLEN + sizeof(struct ipv6hdr), 40);
	check(NOT_OURS);
}

static void test_messages(void **state)
{
	need_bpf();
	check_table(messages, sizeof(messages) / sizeof(messages[0]));
}

/* A frame cut at every length: not ours before the UDP header is whole, then the stack's to refuse */
static void check_truncated(const struct packet_spec *spec, size_t l3)
{
	size_t full;

	packet_build(&pkt, spec);
	full = pkt.len;
	for (pkt.len = ETH_HLEN; pkt.len <= full; pkt.len++) {
		enum verdict want = pkt.len < ETH_HLEN + l3 + sizeof(struct udphdr) ? NOT_OURS
				    : pkt.len < full				    ? PASS
										    : STEER;

		check_xdp(skel->progs.wgx_ingress_xdp, want);
		check_xdp(skel->progs.wgx_ingress_xdp_linear, want);
		/* BPF_PROG_TEST_RUN refuses shorter skbs (6.18): test_collector() sends those */
		if (pkt.len >= ETH_HLEN + l3)
			check_tc(want, 0);
	}
}

static void test_truncated(void **state)
{
	need_bpf();
	check_truncated(&(struct packet_spec){DATA4, .payload = 64}, sizeof(struct iphdr));
	check_truncated(&(struct packet_spec){DATA6, .payload = 64}, sizeof(struct ipv6hdr));
}

/* Superframes are judged by their first message's type alone, and never dropped */
static void test_gso(void **state)
{
	static const struct expect frames[] = {
		{{DATA4, .payload = 3000}, STEER},
		{{DATA6, .payload = 3000}, STEER},
		{{.dst = LOCAL4, .type = 4, .receiver = UNKNOWN, .payload = 3000}, STEER},
		{{.dst = LOCAL6, .type = 4, .receiver = UNKNOWN, .payload = 3000}, STEER},
		{{.dst = LOCAL4, .type = 4, .payload = 20}, STEER}, /* the worker drops it */
		{{DATA4, .payload = 3000, .counter = ~0ULL}, STEER},
		{{.dst = LOCAL4, .type = 1, .payload = 148}, PASS},
		{{.dst = LOCAL4, .type = 1, .payload = 3000}, PASS},
		{{.dst = LOCAL4, .type = 0, .payload = 3000}, PASS},
		{{.dst = LOCAL6, .type = 0x104, .payload = 3000}, PASS},
		{{.dst = LOCAL4, .payload = 3}, PASS},
		{{.dst = LOCAL4, .type = 3, .receiver = UNKNOWN, .payload = 64}, PASS},
		{{.dst = LOCAL6, .type = 2, .payload = 3000}, PASS},
		{{.dst = LOCAL4, .type = 3, .payload = 3000}, PASS},
		{{DATA4, .payload = 3000, .udp_len_off = 1}, PASS},
		{{DATA4, .payload = 3000, .dport = PORT + 1}, NOT_OURS},
		{{.dst = "192.0.2.2", .type = 4, .receiver = KNOWN, .payload = 3000}, NOT_OURS},
	};

	need_bpf();
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		packet_build(&pkt, &frames[i].spec);
		check_tc(frames[i].want, 148);
		check_tc(frames[i].want, 1452);
	}
}

static void check_counter(__u64 counter, enum verdict want)
{
	packet_build(&pkt, &(struct packet_spec){DATA4, .payload = 64, .counter = counter});
	check(want);
	packet_build(&pkt, &(struct packet_spec){DATA6, .payload = 1452, .counter = counter});
	check(want);
}

/* What the window is certain to refuse, and no counter more; it is told by a store to the mapped map */
static void test_floor(void **state)
{
	const __u64 reject = WGX_REJECT_AFTER_MESSAGES;
	struct wgx_floors *floors;
	_Atomic uint64_t *floor;

	need_bpf();
	assert_int_equal(wgx_floors_open(bpf_map__fd(skel->maps.floors), &floors), 0);
	floor = wgx_floors_at(floors, FLOOR);
	check_counter(0, STEER);
	check_counter(reject - 1, STEER);
	check_counter(reject, REPLAY);
	check_counter(~0ULL, REPLAY);
	atomic_store(floor, 5000);
	check_counter(0, REPLAY);
	check_counter(4999, REPLAY);
	check_counter(5000, STEER);
	check_counter(5001, STEER);
	check_counter(5000ULL << 32, STEER);
	check_counter(reject - 1, STEER);
	atomic_store(floor, 1ULL << 63);
	check_counter((1ULL << 63) - 1, REPLAY);
	check_counter(1ULL << 63, STEER);
	atomic_store(wgx_floors_at(floors, FLOOR + 1), ~0ULL); /* another's */
	atomic_store(floor, 0);
	check_counter(0, STEER);
	wgx_floors_close(floors);
}

/* Who has no slot is judged by the worker alone */
static void test_no_floor(void **state)
{
	need_bpf();
	add_receiver(KNOWN, IFACE, 0);
	set_floor(~0ULL);
	check_counter(0, STEER);
	check_counter(~0ULL, REPLAY);
	add_receiver(KNOWN, IFACE, WGX_FLOORS); /* a daemon that errs */
	check_counter(0, STEER);
}

/* A jumbo frame in XDP fragments: the length of all of it counts, where the program can know it */
static void test_jumbo(void **state)
{
	need_bpf();
	packet_build(&pkt, &(struct packet_spec){DATA4, .payload = 8900});
	check_xdp(skel->progs.wgx_ingress_xdp, STEER);
	check_xdp(skel->progs.wgx_ingress_xdp_linear, PASS);
	packet_build(&pkt, &(struct packet_spec){DATA6, .payload = 8900, .udp_len_off = 1});
	check_xdp(skel->progs.wgx_ingress_xdp, PASS);
}

/* Where there is nobody to steer to, all goes to the UDP socket */
static void test_nobody(void **state)
{
	need_bpf();
	packet_build(&pkt, &(struct packet_spec){DATA4, .payload = 64});
	set_xsk(false);
	check_xdp(skel->progs.wgx_ingress_xdp, PASS);
	check_xdp(skel->progs.wgx_ingress_xdp_linear, PASS);
	configure(0, 0);
	check_tc(NOT_OURS, 0);
	packet_build(&pkt, &(struct packet_spec){.dst = LOCAL4, .type = 4, .payload = 64});
	check_tc(NOT_OURS, 0);
	configure(1, WGX_CONFIG_REDIRECT_PEER);
	packet_build(&pkt, &(struct packet_spec){DATA4, .payload = 64});
	check_tc(STEER, 0);
}

/* Few bytes linear, as from a NIC that puts packets into pages: the program has to pull */
static void send_data(__u32 segs, __u16 size)
{
	const size_t headers = ETH_HLEN + sizeof(struct iphdr) + sizeof(struct udphdr);
	struct virtio_net_hdr hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4,
		.gso_size = size,
		.hdr_len = ETH_HLEN,
		.csum_start = ETH_HLEN + sizeof(struct iphdr),
		.csum_offset = offsetof(struct udphdr, check),
	};

	packet_build(&pkt, &(struct packet_spec){DATA4, .payload = segs * size});
	/* GRO mixes types: every other message is a handshake's, and each has other content */
	for (__u32 i = 1; i < segs; i++) {
		memset(pkt.data + headers + i * size, i, size);
		memcpy(pkt.data + headers + i * size, i % 2 ? "\1\0\0" : "\4\0\0", 4);
	}
	if (segs == 1)
		hdr = (struct virtio_net_hdr){};
	assert_true(packet_send(world.tx, &hdr, &pkt));
}

/* The frame just sent arrives at the AF_XDP socket whole, and with its stamp */
static void expect_data(__u16 gso_size, int descs)
{
	static struct packet got;
	struct wgx_stamp want = {
		.magic = WGX_STAMP_MAGIC,
		.flags = WGX_STAMP_INGRESS,
		.gso_size = gso_size,
		.device = world.device,
	};
	int got_descs;

	assert_true(xsk_rx_frame(&world.rx, &got, &got_descs));
	assert_int_equal(got.len, pkt.len);
	assert_int_equal(got_descs, descs);
	assert_memory_equal(got.data, &want, sizeof(want));
	assert_memory_equal(got.data + sizeof(want), pkt.data + sizeof(want),
			    pkt.len - sizeof(want));
}

/* Frames that must pass by, then one that is steered: it must be the first to arrive */
static void send_strangers(void)
{
	const struct virtio_net_hdr none = {};

	packet_build(&pkt, &(struct packet_spec){DATA4, .payload = 64, .vlan = ETH_P_8021Q});
	assert_true(packet_send(world.tx, &none, &pkt));
	packet_build(&pkt, &(struct packet_spec){DATA4, .payload = 64, .options = 1});
	assert_true(packet_send(world.tx, &none, &pkt));
	packet_build(&pkt, &(struct packet_spec){DATA4, .payload = 64});
	for (pkt.len = ETH_HLEN + 1; pkt.len < ETH_HLEN + 28; pkt.len++)
		assert_true(packet_send(world.tx, &none, &pkt));
}

static void check_collector(bool redirect_peer)
{
	struct counts before = counts_now(), after;

	world_open(redirect_peer);
	send_strangers();
	send_data(1, 1452);
	expect_data(0, 1);
	send_data(20, 1452);
	expect_data(1452, (pkt.len + WGX_CHUNK_PAYLOAD - 1) / WGX_CHUNK_PAYLOAD);
	send_data(44, 1452);
	expect_data(1452, (pkt.len + WGX_CHUNK_PAYLOAD - 1) / WGX_CHUNK_PAYLOAD);
	send_data(1, 32);
	expect_data(0, 1);
	after = counts_now();
	for (int v = 0; v < VERDICTS; v++)
		assert_int_equal(after.of[v] - before.of[v], v == STEER ? 4 : 0);
	assert_int_equal(percpu_sum(world.steer->maps.drops, WGX_DROP_STEER_NO_RING), 0);
}

static void test_collector(void **state)
{
	need_bpf();
	check_collector(false);
}

static void test_collector_peer(void **state)
{
	need_bpf();
	check_collector(true);
}

static void test_speed(void **state)
{
	need_bpf();
	packet_build(&pkt, &(struct packet_spec){DATA4, .payload = 1452});
	print_message("# wgx_ingress_tc: %u ns a frame steered\n",
		      run_ns(skel->progs.wgx_ingress_tc, &pkt));
	print_message("# wgx_ingress_xdp: %u ns a frame steered\n",
		      run_ns(skel->progs.wgx_ingress_xdp, &pkt));
	packet_build(&pkt, &(struct packet_spec){DATA4, .payload = 1452, .dport = 9});
	print_message("# wgx_ingress_tc: %u ns a frame of others\n",
		      run_ns(skel->progs.wgx_ingress_tc, &pkt));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, world_teardown)
#define LINE_TEST(line, f) line_test_setup_teardown(line, f, setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_abi),
		TEST(test_whose),
		TEST(test_options_in_disguise),
		LINE_TEST("P-MSG-1 P-MSG-2 P-MSG-3", test_messages),
		TEST(test_truncated),
		TEST(test_gso),
		LINE_TEST("P-DT-2", test_floor),
		TEST(test_no_floor),
		TEST(test_jumbo),
		TEST(test_nobody),
		TEST(test_collector),
		TEST(test_collector_peer),
		TEST(test_speed),
	};

	return cmocka_run_group_tests_name("bpf_ingress", tests, NULL, NULL);
}
