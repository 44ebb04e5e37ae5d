/* SPDX-License-Identifier: MIT */
/* wgx_ingress loaded, with one interface's port, addresses, session and key; and what it makes of a frame. */
#ifndef WGX_TEST_INGRESS_ENV_H
#define WGX_TEST_INGRESS_ENV_H

#include "harness.h"
#include "proto/cookie.h"
#include "wgx_ingress.skel.h"

#define PORT 51820
#define IFACE 1
#define LOOPBACK 1 /* ifindex of lo */
#define KNOWN 0x80000001U
#define UNKNOWN 0x80000002U
#define FOREIGN 0x80000003U /* known, but another interface's */
#define FLOOR 7 /* slot of KNOWN */
#define LOCAL4 "192.0.2.1"
#define LOCAL6 "2001:db8::1"

/* judge() in bpf/ingress.h */
enum verdict { NOT_OURS, PASS, STEER, MALFORMED, UNKNOWN_RECEIVER, WRONG_MAC1, REPLAY, VERDICTS };

static const uint8_t our_public_key[WGX_KEY_LEN] = {0x77, 0x67, 0x78, 1, 2, 3};

static struct wgx_ingress *skel;
static struct packet pkt;
static int xsk = -1;

static __maybe_unused void configure(__u32 collector, __u32 flags)
{
	struct wgx_bpf_config cfg = {.collector = collector, .flags = flags};
	__u32 zero = 0;

	map_put(skel->maps.config, &zero, &cfg);
}

static __maybe_unused void add_local(const char *text)
{
	map_put_local(skel->maps.locals, text);
}

static __maybe_unused void add_receiver(__u32 index, __u32 iface, __u32 floor)
{
	struct wgx_receiver r = {.peer = 1, .iface = iface, .floor = floor};

	map_put(skel->maps.receivers, &index, &r);
}

/* NULL: the interface has no private key */
static __maybe_unused void set_identity(const uint8_t *public_key)
{
	struct wgx_mac1_key key = {.present = public_key != NULL};
	__u32 iface = IFACE;

	if (public_key)
		wgx_cookie_mac1_state(key.state, public_key);
	map_put(skel->maps.mac1_keys, &iface, &key);
}

static __maybe_unused void set_floor(__u64 floor)
{
	__u32 slot = FLOOR;

	map_put(skel->maps.floors, &slot, &floor);
}

static __maybe_unused void set_xsk(bool on)
{
	__u32 queue = 0;

	if (on)
		map_put(skel->maps.xsks, &queue, &xsk);
	else
		bpf_map_delete_elem(bpf_map__fd(skel->maps.xsks), &queue);
}

static __maybe_unused int setup(void **state)
{
	__u32 port = PORT, iface = IFACE;

	libbpf_set_print(quiet);
	if (!bpf_permitted())
		return 0;
	skel = wgx_ingress__open_and_load();
	assert_non_null(skel);
	map_put(skel->maps.ports, &port, &iface);
	add_receiver(KNOWN, IFACE, FLOOR);
	add_receiver(FOREIGN, IFACE + 1, 0);
	add_local(LOCAL4);
	add_local(LOCAL6);
	set_identity(our_public_key);
	configure(1, 0);
	xsk = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(xsk >= 0);
	set_xsk(true);
	return 0;
}

static __maybe_unused int teardown(void **state)
{
	wgx_ingress__destroy(skel);
	skel = NULL;
	if (xsk >= 0)
		close(xsk);
	xsk = -1;
	return 0;
}

static __maybe_unused void need_bpf(void)
{
	if (!skel)
		skip();
}

/* ---- what a frame comes to, and the counters that tell of it ---- */

struct counts {
	__u64 of[VERDICTS], bytes;
};

static __maybe_unused struct counts counts_now(void)
{
	struct counts c = {
		.of[STEER] = percpu_sum(skel->maps.counters, WGX_CTR_INGRESS_STEERED),
		.of[PASS] = percpu_sum(skel->maps.counters, WGX_CTR_INGRESS_PASSED),
		.of[MALFORMED] = percpu_sum(skel->maps.drops, WGX_DROP_INGRESS_MALFORMED),
		.of[UNKNOWN_RECEIVER] =
			percpu_sum(skel->maps.drops, WGX_DROP_INGRESS_UNKNOWN_RECEIVER),
		.of[WRONG_MAC1] = percpu_sum(skel->maps.drops, WGX_DROP_INGRESS_MAC1),
		.of[REPLAY] = percpu_sum(skel->maps.drops, WGX_DROP_INGRESS_REPLAY),
		.bytes = percpu_sum(skel->maps.counters, WGX_CTR_INGRESS_BYTES),
	};

	return c;
}

/* Exactly one counter has moved, by @n, and only for what is ours */
static __maybe_unused void assert_counted(const struct counts *before, enum verdict want, __u64 n)
{
	struct counts now = counts_now();

	for (int v = 0; v < VERDICTS; v++)
		assert_int_equal(now.of[v] - before->of[v],
				 want != NOT_OURS && v == (int)want ? n : 0);
	assert_int_equal(now.bytes - before->bytes, want == STEER ? n * pkt.len : 0);
}

static __maybe_unused int tc_action(enum verdict v)
{
	return v == STEER ? TC_ACT_REDIRECT : v >= MALFORMED ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}

static __maybe_unused int xdp_action(enum verdict v)
{
	return v == STEER ? XDP_REDIRECT : v >= MALFORMED ? XDP_DROP : XDP_PASS;
}

static __maybe_unused void check_tc(enum verdict want, __u16 gso_size)
{
	struct wgx_stamp stamp = {
		.magic = WGX_STAMP_MAGIC,
		.flags = WGX_STAMP_INGRESS,
		.gso_size = gso_size,
		.device = LOOPBACK, /* test runs are on that */
	};
	struct counts before = counts_now();
	const struct run *r = run_tc(skel->progs.wgx_ingress_tc, &pkt, gso_size, 0);

	assert_int_equal(r->verdict, tc_action(want));
	assert_counted(&before, want, 1);
	assert_int_equal(r->len, pkt.len);
	assert_memory_equal(r->data, want == STEER ? (void *)&stamp : pkt.data, sizeof(stamp));
	assert_memory_equal(r->data + sizeof(stamp), pkt.data + sizeof(stamp),
			    pkt.len - sizeof(stamp));
}

static __maybe_unused void check_xdp_run(const struct run *r, const struct counts *before,
					 enum verdict want)
{
	assert_int_equal(r->verdict, xdp_action(want));
	assert_counted(before, want, 1);
	assert_int_equal(r->len, pkt.len);
	assert_memory_equal(r->data, pkt.data, pkt.len);
}

static __maybe_unused void check_xdp(const struct bpf_program *prog, enum verdict want)
{
	struct counts before = counts_now();

	check_xdp_run(run_xdp(prog, &pkt), &before, want);
}

/* All three programs are of one mind */
static __maybe_unused void check(enum verdict want)
{
	check_tc(want, 0);
	check_xdp(skel->progs.wgx_ingress_xdp, want);
	check_xdp(skel->progs.wgx_ingress_xdp_linear, want);
}

struct expect {
	struct packet_spec spec;
	enum verdict want;
};

#define DATA4 .dst = LOCAL4, .type = WGX_MSG_DATA, .receiver = KNOWN
#define DATA6 .dst = LOCAL6, .type = WGX_MSG_DATA, .receiver = KNOWN

static __maybe_unused void check_table(const struct expect *e, size_t n)
{
	for (size_t i = 0; i < n; i++, e++) {
		packet_build(&pkt, &e->spec);
		if (getenv("WGX_TEST_VERBOSE"))
			print_message("# packet %zu\n", i);
		check(e->want);
	}
}

#endif
