/* SPDX-License-Identifier: MIT */
/* wgx_steer: every frame of a queue with a socket goes to it, all others are dropped and counted. */
#include <sys/socket.h>
#include "harness.h"
#include "wgx_steer.skel.h"

#ifndef AF_XDP
#define AF_XDP 44
#endif

static struct wgx_steer *skel;
static struct packet pkt;

static int setup(void **state)
{
	libbpf_set_print(quiet);
	if (!bpf_permitted())
		return 0;
	skel = wgx_steer__open_and_load();
	assert_non_null(skel);
	return 0;
}

static int teardown(void **state)
{
	wgx_steer__destroy(skel);
	skel = NULL;
	return 0;
}

static void need_bpf(void)
{
	if (!skel)
		skip();
}

static __u64 no_ring(void)
{
	return percpu_sum(skel->maps.drops, WGX_DROP_STEER_NO_RING);
}

static void test_abi(void **state)
{
	static const struct map_abi abi[] = {MAP_DROPS, MAP_XSKS};

	need_bpf();
	check_maps(skel->obj, abi, sizeof(abi) / sizeof(abi[0]));
}

static void check_prog(const struct bpf_program *prog)
{
	static const size_t payloads[] = {0, 1, 1400, 3000, 9000, 60000};
	__u32 queue = 0, other = 1;
	__u64 drops = no_ring();
	int fd = socket(AF_XDP, SOCK_RAW, 0);
	const struct run *r;

	assert_true(fd >= 0);
	map_put(skel->maps.xsks, &other, &fd);
	for (size_t i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
		packet_build(&pkt,
			     &(struct packet_spec){.dst = "10.0.0.1", .payload = payloads[i]});
		assert_int_equal(run_xdp(prog, &pkt)->verdict, XDP_DROP);
		assert_int_equal(no_ring(), ++drops);
		map_put(skel->maps.xsks, &queue, &fd);
		r = run_xdp(prog, &pkt);
		assert_int_equal(r->verdict, XDP_REDIRECT);
		assert_int_equal(r->len, pkt.len);
		assert_memory_equal(r->data, pkt.data, pkt.len);
		assert_int_equal(no_ring(), drops);
		assert_int_equal(bpf_map_delete_elem(bpf_map__fd(skel->maps.xsks), &queue), 0);
	}
	close(fd);
}

static void test_frags(void **state)
{
	need_bpf();
	check_prog(skel->progs.wgx_steer);
}

static void test_linear(void **state)
{
	need_bpf();
	check_prog(skel->progs.wgx_steer_linear);
}

static void test_speed(void **state)
{
	__u32 queue = 0;
	int fd;

	need_bpf();
	fd = socket(AF_XDP, SOCK_RAW, 0);
	assert_true(fd >= 0);
	map_put(skel->maps.xsks, &queue, &fd);
	packet_build(&pkt, &(struct packet_spec){.dst = "10.0.0.1", .payload = 1300});
	print_message("# wgx_steer: %u ns a frame\n", run_ns(skel->progs.wgx_steer, &pkt));
	close(fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_abi),
		TEST(test_frags),
		TEST(test_linear),
		TEST(test_speed),
	};

	return cmocka_run_group_tests_name("bpf_steer", tests, NULL, NULL);
}
