/* SPDX-License-Identifier: MIT */
/*
 * wgx_lost: what the kernel loses of ours counts in packets, and what it loses of others does not.
 *
 *	near (wgx_egress) ======== far (wgx_steer, a ring that nobody reads), in a namespace of its own
 */
#include <netinet/in.h>
#include <linux/sock_diag.h>
#include <sys/stat.h>
#include "wgx_egress.skel.h"
#include "wgx_lost.skel.h"
#include "wgx_steer.skel.h"
#include "xsk_rx.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

static struct {
	struct wgx_lost *lost;
	struct wgx_egress *egress;
	struct wgx_steer *steer;
	struct wgx_lost_device near, far;
	struct xsk_rx xsk;
	int self, other; /* namespaces */
	int links[3], tx; /* tracepoint, egress, steer; a packet socket on near */
} t;
static struct packet pkt;

static __u32 inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void watch(const struct bpf_map *map, const void *key, size_t size)
{
	void *zero = calloc(libbpf_num_possible_cpus(), size);

	assert_non_null(zero);
	map_put(map, key, zero);
	free(zero);
}

static void load(void)
{
	t.lost = wgx_lost__open();
	assert_non_null(t.lost);
	t.lost->rodata->lost_netns_host = inode(t.self);
	t.lost->rodata->lost_netns_far = inode(t.other);
	assert_int_equal(wgx_lost__load(t.lost), 0);
	t.links[0] = bpf_raw_tracepoint_open(NULL, bpf_program__fd(t.lost->progs.wgx_lost_frame));
	assert_true(t.links[0] >= 0);
	t.egress = wgx_egress__open_and_load();
	t.steer = wgx_steer__open_and_load();
	assert_non_null(t.egress);
	assert_non_null(t.steer);
}

static void open_far(void)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_SKB_MODE);
	__u32 queue = 0;

	netns_enter(t.other);
	t.far = (struct wgx_lost_device){inode(t.other), if_nametoindex("far")};
	xsk_rx_open(&t.xsk, "far");
	map_put(t.steer->maps.xsks, &queue, &t.xsk.fd);
	t.links[2] = bpf_link_create(bpf_program__fd(t.steer->progs.wgx_steer), t.far.ifindex,
				     BPF_XDP, &opts);
	assert_true(t.links[2] >= 0);
	netns_enter(t.self);
}

static int setup(void **state)
{
	struct wgx_bpf_config no_limit = {};
	struct wgx_lpm4 all4 = {};
	struct wgx_lpm6 all6 = {};
	__u32 zero = 0, peer = 1;

	libbpf_set_print(quiet);
	if (!bpf_permitted())
		return 0;
	t.other = netns_new();
	t.self = netns_new();
	load();
	map_put(t.egress->maps.config, &zero, &no_limit);
	map_put(t.egress->maps.allowed_ips4, &all4, &peer);
	map_put(t.egress->maps.allowed_ips6, &all6, &peer);
	veth_new("near", "far", t.other, 1500);
	sh("ethtool -L near tx 1"); /* the ring is on queue 0 */
	t.near = (struct wgx_lost_device){inode(t.self), if_nametoindex("near")};
	t.links[1] = tcx_attach(t.egress->progs.wgx_egress, "near", ATTACH_TCX_EGRESS);
	assert_true(t.links[1] >= 0);
	open_far();
	watch(t.lost->maps.lost_frames, &t.near, sizeof(struct wgx_lost_frames));
	watch(t.lost->maps.lost_frames, &t.far, sizeof(struct wgx_lost_frames));
	t.tx = packet_socket("near");
	return 0;
}

static int teardown(void **state)
{
	if (!t.lost)
		return 0;
	close(t.tx);
	for (int i = 0; i < 3; i++)
		close(t.links[i]);
	xsk_rx_close(&t.xsk);
	wgx_lost__destroy(t.lost);
	wgx_egress__destroy(t.egress);
	wgx_steer__destroy(t.steer);
	close(t.self);
	close(t.other);
	memset(&t, 0, sizeof(t));
	return 0;
}

#define need_bpf()              \
	do {                    \
		if (!t.lost)    \
			skip(); \
	} while (0)

static void sum_entry(const struct bpf_map *map, const void *key, unsigned int words, __u64 *sum)
{
	int cpus = libbpf_num_possible_cpus();
	__u64 *values = calloc(cpus * words, sizeof(*values));

	assert_non_null(values);
	assert_int_equal(bpf_map_lookup_elem(bpf_map__fd(map), key, values), 0);
	memset(sum, 0, words * sizeof(*sum));
	for (unsigned int i = 0; i < cpus * words; i++)
		sum[i % words] += values[i];
	free(values);
}

static struct wgx_lost_frames frames_of(const struct wgx_lost_device *d)
{
	struct wgx_lost_frames f;

	sum_entry(t.lost->maps.lost_frames, d, sizeof(f) / 8, (__u64 *)&f);
	return f;
}

/* Sooner or later: the far end's frames wait in a backlog, if ksoftirqd has it. */
static void expect(__u64 no_ring, __u64 between)
{
	for (int tries = 0; tries < 10000 && frames_of(&t.far).no_ring < no_ring; tries++)
		usleep(1000);
	assert_int_equal(frames_of(&t.far).no_ring, no_ring);
	assert_int_equal(frames_of(&t.far).backlog, 0);
	assert_int_equal(frames_of(&t.near).between, between);
}

static const struct virtio_net_hdr plain;

static void send_plain(unsigned int n)
{
	packet_build(&pkt, &(struct packet_spec){.dst = "10.0.0.1", .payload = 100});
	while (n--)
		assert_true(packet_send(t.tx, &plain, &pkt));
}

/* One that the kernel has not counted the segments of: it comes from a packet socket */
static void send_super(const char *dst, uint8_t proto, size_t payload, uint16_t mss)
{
	bool v6 = strchr(dst, ':'), tcp = proto == IPPROTO_TCP;
	struct virtio_net_hdr hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = !tcp ? VIRTIO_NET_HDR_GSO_UDP_L4
			    : v6 ? VIRTIO_NET_HDR_GSO_TCPV6
				 : VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = mss,
		.csum_start = ETH_HLEN + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)),
		.csum_offset =
			tcp ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check),
	};

	packet_build(&pkt, &(struct packet_spec){.dst = dst, .proto = proto, .payload = payload});
	hdr.hdr_len = pkt.len - payload;
	assert_true(packet_send(t.tx, &hdr, &pkt));
}

static void test_abi(void **state)
{
	static const struct map_abi abi[] = {
		{"lost_frames", BPF_MAP_TYPE_PERCPU_HASH, BPF_F_NO_PREALLOC, 4096,
		 sizeof(struct wgx_lost_device), sizeof(struct wgx_lost_frames), "wgx_lost_device",
		 "wgx_lost_frames"},
		{"lost_datagrams", BPF_MAP_TYPE_PERCPU_HASH, BPF_F_NO_PREALLOC, 4096, 8,
		 sizeof(struct wgx_lost_datagrams), NULL, "wgx_lost_datagrams"},
	};

	need_bpf();
	check_maps(t.lost->obj, abi, sizeof(abi) / sizeof(abi[0]));
}

/* What no longer fits the ring */
static void test_ring_full(void **state)
{
	__u64 lost = 7;

	need_bpf();
	send_plain(XSK_FRAMES + 7);
	expect(lost, 0);
	send_super("10.0.0.1", IPPROTO_UDP, 5000, 1000);
	expect(lost += 5, 0);
	send_super("10.0.0.1", IPPROTO_UDP, 5001, 1000);
	expect(lost += 6, 0);
	send_super("fd00::1", IPPROTO_UDP, 1001, 1000);
	expect(lost += 2, 0);
	send_super("10.0.0.1", IPPROTO_TCP, 20 * 1400, 1400);
	expect(lost += 20, 0);
	send_super("fd00::1", IPPROTO_TCP, 19 * 1400 + 1, 1400);
	expect(lost += 20, 0);
}

/* Frames that nobody stamped are lost there as well, and only what is watched is counted. */
static void test_others(void **state)
{
	struct wgx_lost_device unknown = {inode(t.self), 99};
	int one = 1, bypass;

	need_bpf();
	bypass = packet_socket("near");
	assert_int_equal(setsockopt(bypass, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)), 0);
	send_plain(XSK_FRAMES);
	for (int i = 0; i < 5; i++)
		assert_true(packet_send(bypass, &plain, &pkt));
	expect(5, 0);
	assert_int_not_equal(bpf_map_delete_elem(bpf_map__fd(t.lost->maps.lost_frames), &unknown),
			     0);
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(t.lost->maps.lost_frames), &t.far), 0);
	send_plain(3);
	watch(t.lost->maps.lost_frames, &t.far, sizeof(struct wgx_lost_frames));
	send_plain(2);
	expect(2, 0);
	close(bypass);
}

/* wgx_steer's own verdict, where there is no socket: a drop like any other */
static void test_no_socket(void **state)
{
	__u32 queue = 0;

	need_bpf();
	assert_int_equal(bpf_map_delete_elem(bpf_map__fd(t.steer->maps.xsks), &queue), 0);
	send_plain(4);
	send_super("10.0.0.1", IPPROTO_UDP, 3000, 1000);
	expect(7, 0);
}

static int attach_shot(void)
{
	static const struct bpf_insn shot[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = TC_ACT_SHOT},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return tcx_attach_insns(shot, 2, "near", ATTACH_TCX_EGRESS);
}

/* Another program behind ours; without ours, its drops are not our business. */
static void test_between(void **state)
{
	int shot;

	need_bpf();
	shot = attach_shot();
	packet_build(&pkt, &(struct packet_spec){.dst = "10.0.0.1", .payload = 100});
	assert_false(packet_send(t.tx, &plain, &pkt));
	expect(0, 1);
	close(t.links[1]);
	assert_false(packet_send(t.tx, &plain, &pkt));
	expect(0, 1);
	close(shot);
	t.links[1] = tcx_attach(t.egress->progs.wgx_egress, "near", ATTACH_TCX_EGRESS);
}

/* Somebody who listens on near and does not keep up: his copies are no packets of ours. */
static void test_tap_full(void **state)
{
	int tap, buffer = 1, drops = 0;
	struct tpacket_stats stats = {};
	socklen_t len = sizeof(stats);

	need_bpf();
	tap = packet_socket("near");
	assert_int_equal(setsockopt(tap, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)), 0);
	send_plain(XSK_FRAMES);
	assert_int_equal(getsockopt(tap, SOL_PACKET, PACKET_STATISTICS, &stats, &len), 0);
	drops = stats.tp_drops;
	assert_true(drops > 0);
	expect(0, 0);
	close(tap);
}

/* ---- UDP sockets ---- */

static int udp_socket(uint16_t port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_port = htons(port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), small = 40000, one = 1;

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof(one)), 0);
	return fd;
}

static unsigned int send_udp(uint16_t port, unsigned int superframes, int segments)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), size = 500;
	static char payload[20000];

	assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)), 0);
	for (unsigned int i = 0; i < superframes; i++)
		assert_int_equal(sendto(fd, payload, segments * size, 0, (struct sockaddr *)&to,
					sizeof(to)),
				 segments * size);
	close(fd);
	return superframes * segments;
}

/* What is in its queue, in datagrams */
static unsigned int receive_udp(int fd)
{
	static char payload[65536];
	unsigned int datagrams = 0;
	ssize_t n;

	while ((n = recv(fd, payload, sizeof(payload), MSG_DONTWAIT)) > 0)
		datagrams += (n + 499) / 500;
	return datagrams;
}

static void test_socket(void **state)
{
	struct wgx_lost_datagrams d;
	uint32_t info[SK_MEMINFO_VARS];
	socklen_t len;
	unsigned int sent, got;
	__u64 cookie;
	int ours, other, link;

	need_bpf();
	link = bpf_raw_tracepoint_open(NULL, bpf_program__fd(t.lost->progs.wgx_lost_datagram));
	assert_true(link >= 0);
	sh("ip link set lo up");
	ours = udp_socket(4000);
	other = udp_socket(4001);
	len = sizeof(cookie);
	assert_int_equal(getsockopt(ours, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	watch(t.lost->maps.lost_datagrams, &cookie, sizeof(d));
	sent = send_udp(4000, 50, 20) + send_udp(4000, 10, 1);
	send_udp(4001, 50, 20);
	got = receive_udp(ours);
	sum_entry(t.lost->maps.lost_datagrams, &cookie, sizeof(d) / 8, (__u64 *)&d);
	assert_in_range(got, 1, sent - 1);
	assert_int_equal(got + d.packets, sent);
	len = sizeof(info);
	assert_int_equal(getsockopt(ours, SOL_SOCKET, SO_MEMINFO, info, &len), 0);
	assert_int_equal(d.skbs, info[SK_MEMINFO_DROPS]);
	close(link);
	close(ours);
	close(other);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_abi),	    TEST(test_ring_full), TEST(test_others), TEST(test_no_socket),
		TEST(test_between), TEST(test_tap_full),  TEST(test_socket),
	};

	return cmocka_run_group_tests_name("bpf_lost", tests, NULL, NULL);
}
