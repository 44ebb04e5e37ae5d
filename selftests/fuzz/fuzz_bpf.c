/* SPDX-License-Identifier: MIT */
/*
 * wgx_ingress by BPF_PROG_TEST_RUN, against the daemon's own parser of outer headers. An input: a byte of flags,
 * gso_size, then the frame. Checked: the three programs (tc, XDP, XDP on one linear frame) agree; a frame that is
 * not ours passes unchanged; what is steered is what the daemon's parser takes, for one of our addresses and ports;
 * and where that refuses, nothing is steered. BPF gives libFuzzer no coverage: the verdicts are given to it in its
 * place.
 */
#include "fuzz/fuzz.h"
#include "bpf/ingress_env.h"
#include "fuzz/frame.h"
#include "path/outer.h"

/* libFuzzer takes these for coverage */
static uint8_t seen[VERDICTS * 16] __attribute__((section("__libfuzzer_extra_counters")));

static void fuzz_begin(void)
{
	setup(NULL);
	skip_without_bpf(skel);
}

static enum verdict verdict_of(const struct counts *before)
{
	struct counts now = counts_now();
	enum verdict v = NOT_OURS;

	for (int i = 0; i < VERDICTS; i++) {
		if (now.of[i] == before->of[i])
			continue;
		assert_int_equal(v, NOT_OURS);
		v = i;
	}
	return v;
}

static bool is_local(const struct wgx_outer *o, const uint8_t *frame)
{
	uint8_t addr[16];

	(void)frame;
	if (o->from.addr.sa.sa_family == AF_INET) {
		assert_int_equal(inet_pton(AF_INET, LOCAL4, addr), 1);
		return !memcmp(frame + 14 + 16, addr, 4);
	}
	assert_int_equal(inet_pton(AF_INET6, LOCAL6, addr), 1);
	return !memcmp(frame + 14 + 24, addr, 16);
}

static void judge(uint16_t gso_size)
{
	struct counts before = counts_now();
	const struct run *r = run_tc(skel->progs.wgx_ingress_tc, &pkt, gso_size, 0);
	enum verdict v = verdict_of(&before);
	struct wgx_outer o;
	bool parsed = !wgx_outer_parse(pkt.data, pkt.len, pkt.len, &o);

	assert_int_equal(r->verdict, tc_action(v));
	assert_int_equal(r->len, pkt.len);
	if (v != STEER)
		assert_memory_equal(r->data, pkt.data, pkt.len);
	if (v != NOT_OURS && v != PASS && v != MALFORMED) {
		assert_true(parsed);
		assert_int_equal(o.port, PORT);
		assert_true(is_local(&o, pkt.data));
	}
	seen[v * 16 + (gso_size != 0) * 8 + (parsed ? 4 : 0) + (pkt.data[12] == 0x86) * 2]++;
	if (gso_size)
		return;
	before = counts_now();
	assert_int_equal(run_xdp(skel->progs.wgx_ingress_xdp, &pkt)->verdict, xdp_action(v));
	assert_int_equal(verdict_of(&before), v);
	before = counts_now();
	assert_int_equal(run_xdp(skel->progs.wgx_ingress_xdp_linear, &pkt)->verdict, xdp_action(v));
	assert_int_equal(verdict_of(&before), v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes in = {data, size};
	uint8_t flags = take_u8(&in);
	uint16_t gso_size = take_u16(&in);

	if (!take_frame(&in, &pkt))
		return 0;
	gso_size = gso_of(&pkt, flags & 1, gso_size);
	set_identity(flags & 2 ? NULL : our_public_key);
	judge(gso_size);
	return 0;
}
