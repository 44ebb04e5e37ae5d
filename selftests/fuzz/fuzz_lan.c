/* SPDX-License-Identifier: MIT */
/*
 * The router path by BPF_PROG_TEST_RUN: wgx_lan_in with wgx_egress_lan behind it, wgx_lan_xdp, and wgx_lan_out, each
 * on the same frame. An input: a byte of flags, gso_size, then the frame. Checked: what is left to the stack is as it
 * was and counted for one reason; what is not has lost one of its TTL or hop limit, with a header checksum that is
 * right, and is a packet that the worker takes and that a router may forward; and tc and XDP agree. BPF gives
 * libFuzzer no coverage: the verdicts are given to it in its place, and the model here.
 */
#include "fuzz/fuzz.h"
#include "bpf/lan_env.h"
#include "fuzz/frame.h"
#include "path/inner.h"

static uint8_t seen[512] __attribute__((section("__libfuzzer_extra_counters")));

static void fuzz_begin(void)
{
	static struct xsk_rx socket;
	__u32 queue = 0;

	skip_without_bpf(bpf_permitted());
	setup(NULL);
	sh("ethtool -K lan0 gro on"); /* or a veth has no receive queue to tell XDP of */
	xsk_rx_open(&socket, "lan0");
	map_put(native->maps.xsks, &queue, &socket.fd);
}

/* ---- the model ---- */

/* Of a link, of this host, or of nobody: no router forwards from or to it. */
static bool is_routable(bool v6, const uint8_t *a)
{
	static const uint8_t none[15];

	if (!v6)
		return a[0] != 0 && a[0] != 127 && a[0] < 224;
	return a[0] != 0xff && !(a[0] == 0xfe && a[1] >> 6 == 2) &&
	       (memcmp(a, none, sizeof(none)) || a[15] > 1);
}

/* What the kernel's ip_rcv() and ip_forward() want of a packet, and the worker. */
static bool may_forward(void)
{
	const uint8_t *ip = pkt.data + ETH_HLEN;
	struct wgx_inner inner;
	bool v6 = pkt.data[13] == 0xdd;

	if (wgx_inner_parse(ip, pkt.len - ETH_HLEN, &inner) || inner.v6 != v6)
		return false;
	if (!is_routable(v6, inner.src) || !is_routable(v6, inner.dst))
		return false;
	if (v6)
		return ip[7] > 1;
	return ip[8] > 1 && (ip[0] & 15) == 5 && !((ip[6] & 0x3f) | ip[7]) && !ip_checksum(ip, 20);
}

/* ---- the programs ---- */

/* Which of the reasons was counted, once; GO: none, and @sent packets were */
static int reason(const struct wgx_lan_counts *before, unsigned int ifindex, bool super)
{
	struct wgx_lan_counts now = counts_of(ifindex);
	uint64_t sent = now.packets - before->packets;
	int found = GO;

	for (int n = 0; n < WGX_LAN_PASS_COUNT; n++) {
		uint64_t passed = now.passed[n] - before->passed[n];

		if (!passed)
			continue;
		assert_int_equal(found, GO);
		assert_int_equal(sent, 0);
		if (!super)
			assert_int_equal(passed, 1);
		found = n;
	}
	if (found == GO)
		assert_in_range(sent, 1, super ? pkt.len : 1);
	assert_int_equal(now.bytes - before->bytes, found == GO ? pkt.len - ETH_HLEN : 0);
	return found;
}

static void assert_untouched(int verdict)
{
	assert_int_equal(r.verdict, verdict);
	assert_int_equal(r.len, pkt.len);
	assert_memory_equal(r.data, pkt.data, pkt.len);
}

static void go_in(uint16_t gso_size)
{
	struct __sk_buff ctx = {.ifindex = lan0, .gso_size = gso_size};

	run_as(lan->progs.wgx_lan_in, &ctx);
}

static void go_xdp(uint16_t gso_size)
{
	run_native();
}

static void go_out(uint16_t gso_size)
{
	run_on(lan->progs.wgx_lan_out, wg0, 0);
}

enum { IN, NATIVE, OUT };

static const struct way {
	void (*run)(uint16_t gso_size);
	const unsigned int *device; /* that it counts for */
	int pass, redirect;
	size_t stamp; /* its length; 0: there is none */
	uint8_t flags;
} ways[] = {
	[IN] = {go_in, &lan0, TC_ACT_UNSPEC, TC_ACT_REDIRECT, sizeof(struct wgx_stamp), 0},
	[NATIVE] = {go_xdp, &lan0, XDP_PASS, XDP_REDIRECT, sizeof(struct wgx_stamp),
		    WGX_STAMP_LAN | WGX_STAMP_UNSURE},
	[OUT] = {go_out, &wg0, TC_ACT_UNSPEC, TC_ACT_REDIRECT, 0, 0},
};

static void check_stamp(const struct way *w)
{
	struct wgx_stamp stamp;

	memcpy(&stamp, r.data, sizeof(stamp));
	assert_int_equal(stamp.magic, WGX_STAMP_MAGIC);
	assert_int_equal(stamp.flags, w->flags);
	if (w->flags & WGX_STAMP_LAN)
		assert_int_equal(stamp.iface, tunnel.iface);
}

/* Where there is no peer for it, wgx_egress_lan leaves it to the stack after all. Return: as reason() */
static int judge(unsigned int way, uint16_t gso_size)
{
	const struct way *w = &ways[way];
	struct wgx_lan_counts before = counts_of(*w->device);
	uint64_t no_peer = percpu_sum(wg->maps.counters, WGX_CTR_LAN_PASSED);
	int found;

	w->run(gso_size);
	found = reason(&before, *w->device, gso_size);
	no_peer = percpu_sum(wg->maps.counters, WGX_CTR_LAN_PASSED) - no_peer;
	assert_true(!no_peer || way == IN);
	if (found != GO || no_peer) {
		assert_untouched(w->pass);
	} else {
		assert_int_equal(r.verdict, w->redirect);
		if (w->stamp)
			check_stamp(w);
		assert_forwarded(w->stamp);
		assert_true(may_forward());
	}
	seen[way * 128 + (unsigned int)(found + 1) * 4 + (pkt.data[13] == 0xdd) * 2 +
	     may_forward()]++;
	return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data, size};
	uint8_t flags = take_u8(&in);
	uint16_t gso_size = take_u16(&in);
	int tc, xdp;

	if (!take_frame(&in, &pkt))
		return 0;
	tc = judge(IN, 0);
	xdp = judge(NATIVE, 0);
	/* in IPv6 XDP wants the way back as well */
	if (xdp == GO || (tc == GO && xdp != WGX_LAN_PASS_SOURCE))
		assert_int_equal(tc, xdp);
	if (xdp == WGX_LAN_PASS_SOURCE && tc == GO)
		assert_int_equal(pkt.data[13], 0xdd);
	(void)judge(OUT, 0);
	/* a test run's superframe has no checksum to be completed, as no real one is: it is the stack's */
	if (flags & 1 && gso_size && gso_size < pkt.len)
		assert_int_not_equal(judge(IN, gso_size), GO);
	return 0;
}
