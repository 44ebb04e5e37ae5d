/* SPDX-License-Identifier: MIT */
/*
 * wgx_egress by BPF_PROG_TEST_RUN, against what the daemon would do. An input: a byte of flags, gso_size, the limit of
 * credit and what is used of it, then the frame. Checked: the peer is the one that the allowed IPs of the model name,
 * for what has none the sender is told or not, what has no room is dropped, what is malformed too; the stamp is right,
 * behind it the frame is as it was, each is counted once; and the program for kernels without BTF agrees. BPF gives
 * libFuzzer no coverage: the model here does.
 */
#include "fuzz/fuzz.h"
#include "bpf/egress_env.h"
#include "fuzz/frame.h"
#include "proto/prefix.h"
#include "wgx_egress_plain.skel.h"

#define PEERS 4

static struct wgx_egress_plain *plain;
static const struct {
	const char *addr;
	int len;
	uint32_t peer;
} networks[] = {
	{"10.7.0.0", 24, 1},  {"10.7.1.0", 24, 2}, {"10.0.0.0", 8, 3},
	{"224.1.0.0", 16, 4}, {"fd07::", 64, 1},   {"fd07::7", 128, 2},
	{"fd00::", 8, 3},     {"ff05::", 16, 4},   {"255.255.255.0", 24, 2},
};
#define NETWORKS (sizeof(networks) / sizeof(*networks))
static struct wgx_prefix prefixes[NETWORKS];
static uint8_t seen[64] __attribute__((section("__libfuzzer_extra_counters")));

static void share(struct bpf_map *to, const struct bpf_map *map)
{
	assert_int_equal(bpf_map__reuse_fd(to, bpf_map__fd(map)), 0);
}

/* With the same configuration and allowed IPs, and credit and counters of its own */
static void load_plain(void)
{
	plain = wgx_egress_plain__open();
	assert_non_null(plain);
	share(plain->maps.config, skel->maps.config);
	share(plain->maps.allowed_ips4, skel->maps.allowed_ips4);
	share(plain->maps.allowed_ips6, skel->maps.allowed_ips6);
	assert_int_equal(wgx_egress_plain__load(plain), 0);
}

static void fuzz_begin(void)
{
	libbpf_set_print(quiet);
	skip_without_bpf(bpf_permitted());
	skel = wgx_egress__open_and_load();
	assert_non_null(skel);
	load_plain();
	for (size_t i = 0; i < NETWORKS; i++) {
		char text[64];

		snprintf(text, sizeof(text), "%s/%d", networks[i].addr, networks[i].len);
		assert_int_equal(wgx_prefix_parse(text, &prefixes[i]), 0);
		allow(networks[i].addr, networks[i].len, networks[i].peer);
	}
	for (uint32_t peer = 1; peer <= PEERS; peer++)
		stats_add(peer);
}

/* ---- the model ---- */

enum fate { TO_PEER, TELL, SILENT, MALFORMED };

static uint32_t peer_of(bool v6, const uint8_t *addr)
{
	struct wgx_prefix one = {.family = v6 ? AF_INET6 : AF_INET, .cidr = v6 ? 128 : 32};
	uint32_t peer = 0;
	int longest = -1;

	memcpy(one.addr, addr, v6 ? 16 : 4);
	for (size_t i = 0; i < NETWORKS; i++) {
		if (networks[i].len <= longest || !wgx_prefix_contains(&prefixes[i], &one))
			continue;
		longest = networks[i].len;
		peer = networks[i].peer;
	}
	return peer;
}

static enum fate fate_of(uint32_t *ret_peer)
{
	static const uint8_t broadcast[4] = {255, 255, 255, 255};
	const uint8_t *ip = pkt.data + ETH_HLEN, *to;
	size_t len = pkt.len - ETH_HLEN;
	unsigned int type = (unsigned int)pkt.data[12] << 8 | pkt.data[13];
	bool v6 = type == ETH_P_IPV6, many;

	if (type == ETH_P_IP) {
		if (len < 20 || ip[0] >> 4 != 4 || (ip[0] & 15) < 5)
			return MALFORMED;
	} else if (!v6 || len < 40 || ip[0] >> 4 != 6) {
		return MALFORMED;
	}
	to = ip + (v6 ? 24 : 16);
	*ret_peer = peer_of(v6, to);
	if (*ret_peer)
		return TO_PEER;
	many = v6 ? to[0] == 0xff : to[0] >> 4 == 14 || !memcmp(to, broadcast, 4);
	return many ? SILENT : TELL;
}

/* ---- the program ---- */

struct counted {
	uint64_t frames, bytes, credit, no_peer, malformed, tx[PEERS + 1], refused[PEERS + 1];
};

static struct counted counted_now(void)
{
	struct counted c = {
		.frames = percpu_sum(skel->maps.counters, WGX_CTR_EGRESS_FRAMES),
		.bytes = percpu_sum(skel->maps.counters, WGX_CTR_EGRESS_BYTES),
		.credit = drops_of(WGX_DROP_EGRESS_CREDIT),
		.no_peer = drops_of(WGX_DROP_EGRESS_NO_PEER),
		.malformed = drops_of(WGX_DROP_EGRESS_MALFORMED),
	};

	for (uint32_t peer = 1; peer <= PEERS; peer++) {
		struct wgx_bpf_peer_stats stats = stats_of(peer);

		c.tx[peer] = stats.tx_packets;
		c.refused[peer] = stats.egress_credit;
	}
	return c;
}

/* As many as the frame stands for: one, or of a superframe as many as its headers say */
static void assert_moved(uint64_t before, uint64_t now, bool moved, bool super)
{
	if (!moved)
		assert_int_equal(now, before);
	else if (!super)
		assert_int_equal(now, before + 1);
	else
		assert_in_range(now - before, 1, pkt.len);
}

static void check_counted(const struct counted *b, enum fate fate, uint32_t peer, bool room,
			  bool super)
{
	struct counted now = counted_now();
	bool out = room && (fate == TO_PEER || fate == TELL);
	bool full = !room && (fate == TO_PEER || fate == TELL);

	assert_int_equal(now.frames - b->frames, out);
	assert_int_equal(now.bytes - b->bytes, out ? pkt.len : 0);
	assert_moved(b->credit, now.credit, full, super);
	assert_moved(b->no_peer, now.no_peer, fate == SILENT, super);
	assert_moved(b->malformed, now.malformed, fate == MALFORMED, super);
	for (uint32_t i = 1; i <= PEERS; i++) {
		bool its = fate == TO_PEER && i == peer;

		assert_moved(b->tx[i], now.tx[i], out && its, super);
		assert_moved(b->refused[i], now.refused[i], full && its, super);
	}
}

static void check_stamp(const struct run *r, enum fate fate, uint16_t gso_size)
{
	const struct wgx_stamp stamp = stamp_of(r->data);

	assert_int_equal(stamp.magic, WGX_STAMP_MAGIC);
	assert_int_equal(stamp.flags, fate == TELL ? WGX_STAMP_NO_PEER : 0);
	assert_int_equal(stamp.gso_size, gso_size);
	assert_true(stamp.bucket < WGX_CREDIT_BUCKETS);
	assert_int_equal(credit_of(stamp.bucket).produced, stamp.seq);
	assert_int_equal(stamp.seq, 1); /* a frame of an input is one descriptor */
	credit_set(stamp.bucket, 0, 0);
}

static void judge(uint16_t gso_size, uint8_t limit, uint8_t used)
{
	struct counted before = counted_now();
	uint32_t peer = 0;
	enum fate fate = fate_of(&peer);
	bool room = !limit || used < limit, pass = room && (fate == TO_PEER || fate == TELL);
	const struct run *r;

	configure(limit, 1);
	credit_set(WGX_CREDIT_TOTAL, used, 0);
	r = run_tc(skel->progs.wgx_egress, &pkt, gso_size, 0);
	check_counted(&before, fate, peer, room, gso_size);
	assert_int_equal(r->verdict, pass ? TC_ACT_UNSPEC : TC_ACT_SHOT);
	assert_int_equal(r->len, pkt.len);
	assert_memory_equal(r->data + sizeof(struct wgx_stamp), pkt.data + sizeof(struct wgx_stamp),
			    pkt.len - sizeof(struct wgx_stamp));
	if (pass)
		check_stamp(r, fate, gso_size);
	else
		assert_memory_equal(r->data, pkt.data, sizeof(struct wgx_stamp));
	if (!limit)
		assert_int_equal(run_tc(plain->progs.wgx_egress, &pkt, gso_size, 0)->verdict,
				 pass ? TC_ACT_UNSPEC : TC_ACT_SHOT);
	seen[fate * 8 + room * 4 + (gso_size != 0) * 2 + (pkt.data[12] == 0x86)]++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data, size};
	uint8_t flags = take_u8(&in);
	uint16_t gso_size = take_u16(&in);
	uint8_t limit = take_u8(&in), used = take_u8(&in);

	if (!take_frame(&in, &pkt))
		return 0;
	gso_size = gso_of(&pkt, flags & 1, gso_size);
	judge(gso_size, flags & 2 ? limit : 0, used);
	return 0;
}
