/* SPDX-License-Identifier: MIT */
/* wgx_egress: cryptokey routing, credit and the stamp, on packets of our own making. */
#include <pthread.h>
#include "egress_env.h"
#include "wgx_egress_plain.skel.h"

#define SUPERFRAME_SEGS 20
#define SUPERFRAME_MSS 1400

static const struct run *run(__u16 gso_size, __u16 gso_segs)
{
	return run_tc(skel->progs.wgx_egress, &pkt, gso_size, gso_segs);
}

static const struct run *run_to(const char *dst)
{
	packet_build(&pkt, &(struct packet_spec){.dst = dst, .payload = 100});
	return run(0, 0);
}

/* The packet passed, stamped, and nothing behind the stamp changed */
static struct wgx_stamp assert_stamped(const struct run *r)
{
	struct wgx_stamp stamp = stamp_of(r->data);

	assert_int_equal(r->verdict, TC_ACT_UNSPEC);
	assert_int_equal(r->len, pkt.len);
	assert_int_equal(stamp.magic, WGX_STAMP_MAGIC);
	assert_memory_equal(r->data + sizeof(stamp), pkt.data + sizeof(stamp),
			    pkt.len - sizeof(stamp));
	return stamp;
}

static void assert_dropped(const struct run *r, enum wgx_drop_reason reason, __u64 count)
{
	assert_int_equal(r->verdict, TC_ACT_SHOT);
	assert_int_equal(drops_of(reason), count);
}

/* Which peer got the packet: the one whose count grew. 0: none */
static __u32 peer_for(const char *dst, __u32 peers)
{
	__u64 before[16];
	struct wgx_stamp stamp;
	__u32 found = 0;

	for (__u32 i = 1; i <= peers; i++)
		before[i] = stats_of(i).tx_packets;
	stamp = assert_stamped(run_to(dst));
	for (__u32 i = 1; i <= peers; i++) {
		if (stats_of(i).tx_packets == before[i])
			continue;
		assert_int_equal(stats_of(i).tx_packets, before[i] + 1);
		assert_int_equal(found, 0);
		found = i;
	}
	assert_int_equal(!!(stamp.flags & WGX_STAMP_NO_PEER), !found);
	return found;
}

/*
 * wg0 for real:
 *
 *   AF_PACKET ──► wg0 (tcx egress: the program) ───veth──► far ──► AF_PACKET
 */
static struct wg0 {
	int home, ns, link, tx, rx;
} wg0 = {-1, -1, -1, -1, -1};

/* Also when a test failed in the middle of it */
static void wg0_close(void)
{
	if (wg0.home >= 0)
		netns_enter(wg0.home);
	for (size_t i = 0; i < sizeof(wg0) / sizeof(int); i++)
		if (((int *)&wg0)[i] >= 0)
			close(((int *)&wg0)[i]);
	wg0 = (struct wg0){-1, -1, -1, -1, -1};
}

/* Skips the test on a kernel without tcx. */
static void wg0_open(const struct bpf_program *prog, int mtu)
{
	wg0.home = netns_self();
	wg0.ns = netns_new();
	veth_new("wg0", "far", wg0.ns, mtu);
	wg0.link = tcx_attach(prog, "wg0", ATTACH_TCX_EGRESS);
	if (wg0.link < 0)
		skip();
	wg0.tx = packet_socket("wg0");
	wg0.rx = packet_socket("far");
}

static int setup(void **state)
{
	libbpf_set_print(quiet);
	if (!bpf_permitted())
		return 0;
	skel = wgx_egress__open();
	assert_non_null(skel);
	assert_int_equal(wgx_egress__load(skel), 0);
	configure(0, 0);
	return 0;
}

static int teardown(void **state)
{
	wg0_close();
	wgx_egress__destroy(skel);
	skel = NULL;
	return 0;
}

static void need_bpf(void)
{
	if (!skel)
		skip();
}

static void test_abi(void **state)
{
	static const struct map_abi abi[] = {
		{"allowed_ips4", BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC, 1048576,
		 sizeof(struct wgx_lpm4), 4, "wgx_lpm4", NULL},
		{"allowed_ips6", BPF_MAP_TYPE_LPM_TRIE, BPF_F_NO_PREALLOC, 1048576,
		 sizeof(struct wgx_lpm6), 4, "wgx_lpm6", NULL},
		{"peers", BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, 131072, 4,
		 sizeof(struct wgx_bpf_peer), NULL, "wgx_bpf_peer"},
		{"peer_stats", BPF_MAP_TYPE_HASH, BPF_F_NO_PREALLOC, 131072, 4,
		 sizeof(struct wgx_bpf_peer_stats), NULL, "wgx_bpf_peer_stats"},
		{"credit", BPF_MAP_TYPE_ARRAY, BPF_F_MMAPABLE, WGX_CREDIT_ENTRIES, 4,
		 sizeof(struct wgx_credit), NULL, "wgx_credit"},
		MAP_CONFIG,
		MAP_DROPS,
		MAP_COUNTERS,
	};

	need_bpf();
	check_maps(skel->obj, abi, sizeof(abi) / sizeof(abi[0]));
}

static void test_malformed(void **state)
{
	static const struct packet_spec bad[] = {
		{.dst = "10.0.0.1", .payload = 100, .version = 6},
		{.dst = "10.0.0.1", .payload = 100, .version = 5},
		{.dst = "10.0.0.1", .payload = 100, .ethertype = ETH_P_IPV6},
		{.dst = "10.0.0.1", .ethertype = ETH_P_ARP},
		{.dst = "10.0.0.1", .vlan = ETH_P_8021Q},
		{.dst = "fd00::1", .version = 4},
		{.dst = "fd00::1", .ethertype = ETH_P_IP},
		{.dst = "fd00::1", .vlan = ETH_P_8021AD},
	};
	__u64 drops;

	need_bpf();
	drops = drops_of(WGX_DROP_EGRESS_MALFORMED);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		packet_build(&pkt, &bad[i]);
		assert_dropped(run(0, 0), WGX_DROP_EGRESS_MALFORMED, ++drops);
	}
	packet_build(&pkt, &(struct packet_spec){.dst = "10.0.0.1"});
	pkt.data[ETH_HLEN] = 0x44; /* an IHL of 16 bytes */
	assert_dropped(run(0, 0), WGX_DROP_EGRESS_MALFORMED, ++drops);
	packet_build(&pkt, &(struct packet_spec){.dst = "10.0.0.1", .options = 10});
	assert_stamped(run(0, 0));
}

static void test_allowed_ips4(void **state)
{
	need_bpf();
	assert_int_equal(peer_for("10.1.2.3", 0), 0);
	for (__u32 peer = 1; peer <= 5; peer++)
		stats_add(peer);
	allow("10.0.0.0", 8, 1);
	allow("10.1.0.0", 16, 2);
	allow("10.1.2.3", 32, 3);
	allow("10.1.2.128", 25, 4);
	assert_int_equal(peer_for("10.9.9.9", 5), 1);
	assert_int_equal(peer_for("10.1.9.9", 5), 2);
	assert_int_equal(peer_for("10.1.2.3", 5), 3);
	assert_int_equal(peer_for("10.1.2.2", 5), 2);
	assert_int_equal(peer_for("10.1.2.127", 5), 2);
	assert_int_equal(peer_for("10.1.2.128", 5), 4);
	assert_int_equal(peer_for("11.0.0.1", 5), 0);
	allow("0.0.0.0", 0, 5);
	assert_int_equal(peer_for("11.0.0.1", 5), 5);
	assert_int_equal(peer_for("10.1.2.3", 5), 3);
	assert_int_equal(peer_for("224.0.0.5", 5), 5); /* a peer's allowed IPs may hold multicast */
}

static void test_allowed_ips6(void **state)
{
	need_bpf();
	for (__u32 peer = 1; peer <= 5; peer++)
		stats_add(peer);
	allow("fd00::", 8, 1);
	allow("fd00:1::", 32, 2);
	allow("fd00:1::1", 128, 3);
	allow("fd00:1:8000::", 33, 4);
	assert_int_equal(peer_for("fdff::1", 5), 1);
	assert_int_equal(peer_for("fd00:1::2", 5), 2);
	assert_int_equal(peer_for("fd00:1::1", 5), 3);
	assert_int_equal(peer_for("fd00:1:8000::1", 5), 4);
	assert_int_equal(peer_for("fd00:1:7fff::1", 5), 2);
	assert_int_equal(peer_for("2001:db8::1", 5), 0);
	allow("::", 0, 5);
	assert_int_equal(peer_for("2001:db8::1", 5), 5);
	assert_int_equal(peer_for("fd00:1::1", 5), 3);
}

static void test_no_peer(void **state)
{
	static const char *const silent[] = {"224.0.0.1", "239.255.255.250", "255.255.255.255",
					     "ff02::2", "ff0e::1"};
	static const char *const unicast[] = {"192.0.2.1", "223.255.255.255", "240.0.0.1",
					      "fe80::1", "2001:db8::1"};
	__u64 drops;

	need_bpf();
	stats_add(0); /* peer 0 is a peer as any other, and gets nothing of this */
	drops = drops_of(WGX_DROP_EGRESS_NO_PEER);
	for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++)
		assert_dropped(run_to(silent[i]), WGX_DROP_EGRESS_NO_PEER, ++drops);
	for (size_t i = 0; i < sizeof(unicast) / sizeof(unicast[0]); i++) {
		struct wgx_stamp stamp = assert_stamped(run_to(unicast[i]));

		assert_int_equal(stamp.flags, WGX_STAMP_NO_PEER);
		assert_int_not_equal(credit_of(stamp.bucket).produced, 0);
	}
	assert_int_equal(drops_of(WGX_DROP_EGRESS_NO_PEER), drops);
	assert_int_equal(stats_of(0).tx_packets, 0);
}

static void test_counters(void **state)
{
	struct wgx_bpf_peer_stats stats;

	need_bpf();
	stats_add(7);
	allow("10.0.0.0", 8, 7);
	percpu_clear(skel->maps.counters);
	packet_build(&pkt, &(struct packet_spec){.dst = "10.0.0.1", .payload = 3000});
	assert_int_equal(assert_stamped(run(1000, 3)).gso_size, 1000);
	stats = stats_of(7);
	assert_int_equal(stats.tx_packets, 3);
	assert_int_equal(stats.tx_bytes, pkt.len - ETH_HLEN);
	assert_stamped(run(1000, 0)); /* of an untrusted source: segments not yet counted */
	assert_int_equal(stats_of(7).tx_packets, 3 + 3);
	assert_int_equal(assert_stamped(run(0, 0)).gso_size, 0);
	assert_int_equal(stats_of(7).tx_packets, 3 + 3 + 1);
	assert_int_equal(percpu_sum(skel->maps.counters, WGX_CTR_EGRESS_FRAMES), 3);
	assert_int_equal(percpu_sum(skel->maps.counters, WGX_CTR_EGRESS_BYTES), 3 * pkt.len);
	/* a peer without an entry is no error */
	allow("10.0.0.0", 8, 8);
	assert_stamped(run(0, 0));
}

#define COUNTERS 4

static void *count_much(void *arg)
{
	return run_ns(skel->progs.wgx_egress, &pkt) ? NULL : arg;
}

/* Many CPUs count in one entry, and no packet is missing. */
static void test_counting_at_once(void **state)
{
	pthread_t threads[COUNTERS];
	void *failed;

	need_bpf();
	stats_add(7);
	allow("10.0.0.0", 8, 7);
	configure(0, 0);
	packet_build(&pkt, &(struct packet_spec){.dst = "10.0.0.1", .payload = 100});
	for (int i = 0; i < COUNTERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count_much, &pkt), 0);
	for (int i = 0; i < COUNTERS; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_int_equal(stats_of(7).tx_packets, COUNTERS * RUN_NS_REPEAT);
	assert_int_equal(stats_of(7).tx_bytes, COUNTERS * RUN_NS_REPEAT * (pkt.len - ETH_HLEN));
}

static const struct run *run_flow(__u16 sport)
{
	packet_build(&pkt,
		     &(struct packet_spec){.dst = "10.0.0.1", .sport = sport, .payload = 100});
	return run(0, 0);
}

/* A source port whose flow falls into another bucket than `bucket` */
static __u16 other_flow(__u32 bucket)
{
	for (__u16 sport = 2000; sport < 4000; sport++)
		if (assert_stamped(run_flow(sport)).bucket != bucket)
			return sport;
	fail_msg("all flows fall into one bucket");
	return 0;
}

static __u32 take_all(__u16 sport, __u32 at_most)
{
	__u32 n = 0;

	while (n < at_most && run_flow(sport)->verdict == TC_ACT_UNSPEC)
		n++;
	return n;
}

static void credit_clear(void)
{
	for (__u32 i = 0; i < WGX_CREDIT_ENTRIES; i++)
		credit_set(i, 0, 0);
}

static void check_shares(__u32 limit, __u32 alpha, __u32 first, __u32 second)
{
	__u32 bucket;
	__u16 sport;
	__u64 drops;

	configure(0, 0);
	bucket = assert_stamped(run_flow(1000)).bucket;
	sport = other_flow(bucket);
	credit_clear();
	configure(limit, alpha);
	drops = drops_of(WGX_DROP_EGRESS_CREDIT);
	assert_int_equal(take_all(1000, 2 * limit), first);
	assert_int_equal(drops_of(WGX_DROP_EGRESS_CREDIT), drops + 1);
	assert_int_equal(credit_of(bucket).produced, first);
	assert_int_equal(credit_of(WGX_CREDIT_TOTAL).produced, first);
	assert_int_equal(take_all(sport, 2 * limit), second);
	assert_dropped(run_flow(sport), WGX_DROP_EGRESS_CREDIT, drops + 3);
	assert_int_equal(credit_of(WGX_CREDIT_TOTAL).produced, first + second);
	/* what the worker took is there again */
	credit_set(bucket, first, 1);
	credit_set(WGX_CREDIT_TOTAL, first + second, first + second - 1);
	assert_stamped(run_flow(sport));
}

static void test_credit_shares(void **state)
{
	need_bpf();
	/* alpha / (1 + alpha) of the limit, then the same of what the first left: see credit_allows() */
	check_shares(300, 2, 200, 67);
	check_shares(400, 1, 200, 100);
	check_shares(400, 0, 200, 100);
	check_shares(450, 8, 400, 45);
	check_shares(100, 4000000000U, 100,
		     0); /* a huge alpha is no share at all, and no overflow */
	configure(0, 0);
}

static void test_credit_resync(void **state)
{
	__u32 bucket;

	need_bpf();
	configure(0, 0);
	bucket = assert_stamped(run_flow(1000)).bucket;
	configure(10, 1);
	/* the worker is ahead for a moment: nothing outstanding, and no overflow into "much" */
	credit_set(bucket, 100, 105);
	credit_set(WGX_CREDIT_TOTAL, 200, 207);
	assert_stamped(run_flow(1000));
	/* the counts wrap */
	credit_set(bucket, 1, ~0ULL);
	credit_set(WGX_CREDIT_TOTAL, 1, ~0ULL);
	assert_stamped(run_flow(1000));
	credit_set(WGX_CREDIT_TOTAL, 9, ~0ULL);
	assert_int_equal(run_flow(1000)->verdict, TC_ACT_SHOT);
	/* no limit: all passes, and is counted all the same */
	configure(0, 1);
	credit_set(bucket, 0xffff, 0);
	assert_int_equal(assert_stamped(run_flow(1000)).seq, 0);
	assert_int_equal(credit_of(bucket).produced, 0x10000);
	credit_clear();
}

/* With several queues each has a sum and a limit of its own, by the bucket. */
static void test_credit_queues(void **state)
{
	struct wgx_bpf_config cfg = {.credit_limit = 40, .credit_alpha = 1, .queues = 3};
	__u32 zero = 0, queue, used = 0;
	__u64 sum[4] = {0};

	need_bpf();
	map_put(skel->maps.config, &zero, &cfg);
	credit_clear();
	for (__u16 sport = 1000; sport < 1100; sport++) {
		const struct run *r = run_flow(sport);

		if (r->verdict == TC_ACT_SHOT)
			continue;
		queue = assert_stamped(r).bucket % 3;
		sum[queue]++;
		for (__u32 q = 0; q < 4; q++)
			assert_int_equal(credit_of(WGX_CREDIT_TOTAL + q).produced, sum[q]);
	}
	for (queue = 0; queue < 3; queue++)
		used += sum[queue] > 0;
	assert_int_equal(used, 3);
	/* one that is full keeps nobody else's frames back */
	credit_clear();
	credit_set(WGX_CREDIT_TOTAL, 40, 0);
	for (__u16 sport = 1000, q[3] = {0}; !q[0] || !q[1] || !q[2]; sport++) {
		const struct run *r;

		cfg.credit_limit = 0;
		map_put(skel->maps.config, &zero, &cfg);
		queue = assert_stamped(run_flow(sport)).bucket % 3;
		cfg.credit_limit = 40;
		map_put(skel->maps.config, &zero, &cfg);
		r = run_flow(sport);
		assert_int_equal(r->verdict == TC_ACT_SHOT, queue == 0);
		q[queue] = 1;
	}
	configure(0, 0);
	credit_clear();
}

static void test_credit_seq(void **state)
{
	need_bpf();
	configure(0, 0);
	credit_clear();
	for (__u16 i = 1; i <= 50; i++) {
		struct wgx_stamp stamp = assert_stamped(run_flow(1000));

		assert_int_equal(stamp.seq, i);
		assert_int_equal(credit_of(stamp.bucket).produced, i);
		assert_int_equal(credit_of(WGX_CREDIT_TOTAL).produced, i);
		assert_int_equal(stamp.flags & WGX_STAMP_PARTIAL, 0);
	}
	credit_clear();
}

/*
 * Every length, sent for real: BPF_PROG_TEST_RUN itself refuses an IP frame without a whole header
 * (6.18). Whole headers pass, less is dropped and counted, before sendmsg() returns.
 */
static void truncate_at_every_length(int fd, const char *dst, size_t headers)
{
	const struct virtio_net_hdr hdr = {};
	__u64 drops = drops_of(WGX_DROP_EGRESS_MALFORMED);
	__u64 frames = percpu_sum(skel->maps.counters, WGX_CTR_EGRESS_FRAMES);
	size_t full;

	packet_build(&pkt, &(struct packet_spec){.dst = dst, .payload = 40});
	full = pkt.len;
	for (pkt.len = ETH_HLEN + 1; pkt.len <= full; pkt.len++) {
		bool whole = pkt.len >= headers;

		assert_int_equal(packet_send(fd, &hdr, &pkt), whole);
		frames += whole;
		drops += !whole;
		assert_int_equal(percpu_sum(skel->maps.counters, WGX_CTR_EGRESS_FRAMES), frames);
		assert_int_equal(drops_of(WGX_DROP_EGRESS_MALFORMED), drops);
	}
}

static void test_truncated(void **state)
{

	need_bpf();
	wg0_open(skel->progs.wgx_egress, 1500);
	truncate_at_every_length(wg0.tx, "10.0.0.1", ETH_HLEN + sizeof(struct iphdr));
	truncate_at_every_length(wg0.tx, "fd00::1", ETH_HLEN + sizeof(struct ipv6hdr));
	wg0_close();
}

/* A frame in pages, of which only the Ethernet header is linear */
static void test_nonlinear(void **state)
{
	const struct virtio_net_hdr in = {.hdr_len = ETH_HLEN};
	static struct packet got;
	struct virtio_net_hdr out;

	need_bpf();
	wg0_open(skel->progs.wgx_egress, 9000);
	for (int v6 = 0; v6 < 2; v6++) {
		packet_build(&pkt, &(struct packet_spec){.dst = v6 ? "fd00::1" : "10.0.0.1",
							 .payload = 8000});
		assert_true(packet_send(wg0.tx, &in, &pkt));
		assert_true(packet_recv(wg0.rx, &out, &got));
		assert_int_equal(stamp_of(got.data).magic, WGX_STAMP_MAGIC);
		assert_int_equal(got.len, pkt.len);
		assert_memory_equal(got.data + 12, pkt.data + 12, pkt.len - 12);
	}
	wg0_close();
}

static void test_vlan_beside(void **state)
{
	const struct virtio_net_hdr none = {};
	__u64 drops;
	int first;

	need_bpf();
	wg0_open(skel->progs.wgx_egress, 1500);
	drops = drops_of(WGX_DROP_EGRESS_MALFORMED);
	packet_build(&pkt, &(struct packet_spec){.dst = "10.0.0.1", .payload = 100});
	assert_true(packet_send(wg0.tx, &none, &pkt));
	assert_int_equal(drops_of(WGX_DROP_EGRESS_MALFORMED), drops);
	close(wg0.link); /* programs run in the order of their attachment */
	first = vlan_push_attach("wg0");
	wg0.link = tcx_attach(skel->progs.wgx_egress, "wg0", ATTACH_TCX_EGRESS);
	assert_true(wg0.link >= 0);
	assert_false(packet_send(wg0.tx, &none, &pkt));
	assert_int_equal(drops_of(WGX_DROP_EGRESS_MALFORMED), drops + 1);
	close(first);
	wg0_close();
}

/* A superframe whose checksum is to be completed. False: dropped */
static bool send_superframe(int fd, const char *dst)
{
	bool v6 = strchr(dst, ':');
	struct virtio_net_hdr hdr = {
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
		.gso_size = SUPERFRAME_MSS,
		.csum_start = ETH_HLEN + (v6 ? sizeof(struct ipv6hdr) : sizeof(struct iphdr)),
		.csum_offset = offsetof(struct tcphdr, check),
	};

	packet_build(&pkt, &(struct packet_spec){.dst = dst,
						 .proto = IPPROTO_TCP,
						 .payload = SUPERFRAME_SEGS * SUPERFRAME_MSS});
	hdr.hdr_len = pkt.len - SUPERFRAME_SEGS * SUPERFRAME_MSS;
	return packet_send(fd, &hdr, &pkt);
}

static struct wgx_stamp superframe_stamp(const char *dst)
{
	static struct packet got;
	struct virtio_net_hdr hdr;
	struct wgx_stamp stamp;
	__u64 before = credit_of(WGX_CREDIT_TOTAL).produced;

	assert_true(send_superframe(wg0.tx, dst));
	assert_true(packet_recv(wg0.rx, &hdr, &got));
	stamp = stamp_of(got.data);
	assert_int_equal(got.len, pkt.len);
	assert_memory_equal(got.data + 12, pkt.data + 12, pkt.len - 12);
	assert_int_equal(hdr.gso_size, SUPERFRAME_MSS); /* it crossed whole */
	assert_int_equal(stamp.magic, WGX_STAMP_MAGIC);
	assert_int_equal(stamp.gso_size, SUPERFRAME_MSS);
	assert_int_equal(credit_of(WGX_CREDIT_TOTAL).produced - before,
			 (pkt.len + WGX_CHUNK_PAYLOAD - 1) / WGX_CHUNK_PAYLOAD);
	assert_int_equal((__u16)credit_of(stamp.bucket).produced, stamp.seq);
	return stamp;
}

static void check_superframes(const struct bpf_program *prog, bool partial)
{
	static const char *const dst[] = {"10.0.0.1", "fd00::1"};

	wg0_open(prog, 1500);
	for (int i = 0; i < 2; i++) {
		struct wgx_stamp stamp = superframe_stamp(dst[i]);
		size_t l3 = i ? sizeof(struct ipv6hdr) : sizeof(struct iphdr);

		assert_int_equal(!!(stamp.flags & WGX_STAMP_PARTIAL), partial);
		assert_int_equal(stamp.csum_start, partial ? l3 : 0);
		assert_int_equal(stamp.csum_offset, partial ? offsetof(struct tcphdr, check) : 0);
	}
	wg0_close();
}

/* A superframe takes all of its descriptors or none: the limit holds to the last of them */
static void test_superframe_credit(void **state)
{
	__u32 descs = (ETH_HLEN + 40 + SUPERFRAME_SEGS * SUPERFRAME_MSS + WGX_CHUNK_PAYLOAD - 1) /
		      WGX_CHUNK_PAYLOAD;

	need_bpf();
	wg0_open(skel->progs.wgx_egress, 1500);
	credit_clear();
	configure(2 * descs - 1, 100);
	assert_true(send_superframe(wg0.tx, "10.0.0.1"));
	assert_false(send_superframe(wg0.tx, "10.0.0.1"));
	assert_int_equal(credit_of(WGX_CREDIT_TOTAL).produced, descs);
	configure(2 * descs, 100);
	assert_true(send_superframe(wg0.tx, "10.0.0.1"));
	assert_int_equal(credit_of(WGX_CREDIT_TOTAL).produced, 2 * descs);
	assert_int_equal(drops_of(WGX_DROP_EGRESS_CREDIT), SUPERFRAME_SEGS);
	wg0_close();
}

static void test_superframe(void **state)
{
	need_bpf();
	stats_add(1);
	allow("0.0.0.0", 0, 1);
	allow("::", 0, 1);
	check_superframes(skel->progs.wgx_egress, true);
	assert_int_equal(stats_of(1).tx_packets, 2 * SUPERFRAME_SEGS);
}

/* The plain program sees no partial checksum */
static void test_superframe_plain(void **state)
{
	struct wgx_egress_plain *plain;

	need_bpf();
	plain = wgx_egress_plain__open();
	assert_non_null(plain);
	assert_int_equal(bpf_map__reuse_fd(plain->maps.config, bpf_map__fd(skel->maps.config)), 0);
	assert_int_equal(bpf_map__reuse_fd(plain->maps.credit, bpf_map__fd(skel->maps.credit)), 0);
	assert_int_equal(wgx_egress_plain__load(plain), 0);
	check_superframes(plain->progs.wgx_egress, false);
	wgx_egress_plain__destroy(plain);
}

/* Dropped, a superframe counts as the packets that it stands for; the peer's count has them, where it has one */
static void test_superframe_drops(void **state)
{
	static const struct {
		struct packet_spec spec;
		__u16 size;
		__u32 packets;
	} frames[] = {
		{{.dst = "10.0.0.1", .payload = 3000}, 1000, 3},
		{{.dst = "10.0.0.1", .payload = 3001}, 1000, 4},
		{{.dst = "10.0.0.1", .payload = 3000, .options = 5}, 1000, 3},
		{{.dst = "10.0.0.1", .payload = 2999, .proto = IPPROTO_TCP}, 100, 30},
		{{.dst = "fd00::1", .payload = 3000}, 1000, 3},
		{{.dst = "fd00::1", .payload = 3200, .proto = IPPROTO_TCP}, 50, 64},
		{{.dst = "10.0.0.1", .payload = 100}, 1000, 1},
	};
	__u64 credit, peer = 0;

	need_bpf();
	stats_add(1);
	allow("10.0.0.1", 32, 1);
	allow("fd00::1", 128, 1);
	allow("fd00::2", 128, 2); /* a peer without an entry is no error */
	configure(0, 0);
	configure(1, 1);
	credit_set(WGX_CREDIT_TOTAL, 1, 0);
	credit = drops_of(WGX_DROP_EGRESS_CREDIT);
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		packet_build(&pkt, &frames[i].spec);
		credit += frames[i].packets;
		peer += frames[i].packets;
		assert_dropped(run(frames[i].size, 0), WGX_DROP_EGRESS_CREDIT, credit);
		assert_int_equal(stats_of(1).egress_credit, peer);
	}
	/* what the kernel has counted counts */
	assert_dropped(run(1000, 7), WGX_DROP_EGRESS_CREDIT, credit + 7);
	assert_int_equal(stats_of(1).egress_credit, peer + 7);
	packet_build(&pkt, &(struct packet_spec){.dst = "fd00::2", .payload = 3000});
	assert_dropped(run(1000, 3), WGX_DROP_EGRESS_CREDIT, credit + 10);
	assert_int_equal(stats_of(1).egress_credit, peer + 7);
	assert_int_equal(stats_of(1).egress_loop, 0);
	packet_build(&pkt, &(struct packet_spec){.dst = "224.0.0.1", .payload = 3000});
	assert_dropped(run(1000, 3), WGX_DROP_EGRESS_NO_PEER, 3);
}

/* bpftool prints the name of a key that is an enum */
static void test_drop_names(void **state)
{
	const struct bpf_map *map;
	const struct btf_type *key;
	struct bpf_map_info info = {};
	__u32 len = sizeof(info);
	struct btf *btf;

	need_bpf();
	map = skel->maps.drops;
	assert_int_equal(bpf_obj_get_info_by_fd(bpf_map__fd(map), &info, &len), 0);
	btf = btf__load_from_kernel_by_id(info.btf_id);
	assert_non_null(btf);
	key = btf__type_by_id(btf, info.btf_key_type_id);
	assert_true(btf_is_enum(key));
	assert_int_equal(btf_vlen(key), WGX_DROP_COUNT + 1);
	assert_string_equal(btf__name_by_offset(btf,
						btf_enum(key)[WGX_DROP_EGRESS_CREDIT].name_off),
			    "WGX_DROP_EGRESS_CREDIT");
	btf__free(btf);
}

static void test_speed(void **state)
{
	need_bpf();
	stats_add(1);
	allow("0.0.0.0", 0, 1);
	packet_build(&pkt, &(struct packet_spec){.dst = "10.0.0.1", .payload = 1300});
	print_message("# wgx_egress: %u ns a frame\n", run_ns(skel->progs.wgx_egress, &pkt));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_abi),
		TEST(test_malformed),
		TEST(test_allowed_ips4),
		TEST(test_allowed_ips6),
		TEST(test_no_peer),
		TEST(test_counters),
		TEST(test_credit_shares),
		TEST(test_credit_resync),
		TEST(test_credit_queues),
		TEST(test_credit_seq),
		TEST(test_truncated),
		TEST(test_nonlinear),
		TEST(test_vlan_beside),
		TEST(test_superframe),
		TEST(test_superframe_credit),
		TEST(test_superframe_plain),
		TEST(test_superframe_drops),
		TEST(test_drop_names),
		TEST(test_counting_at_once),
		TEST(test_speed),
	};

	return cmocka_run_group_tests_name("bpf_egress", tests, NULL, NULL);
}
