/* SPDX-License-Identifier: MIT */
/*
 * Strict mode's programs on a device: their place among others, their pins, and who takes them over.
 *
 *	va (both ways) --- vb
 */
#include "net_env.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <net/if.h>
#include "net/bpffs.h"
#include "net/strict.h"

#define TCX_INGRESS 46
#define TCX_EGRESS 47

static bool bpf_permitted(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "wgx_test", 4, 4, 1, NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static struct wgx_features all_but(const char *disabled)
{
	struct wgx_features f = *wgx_features_get();

	assert_int_equal(wgx_features_disable(&f, disabled), 0);
	return f;
}

/* Without BPF, skips. Each test has a bpffs of its own. */
static struct wgx_ingress_prog *begin(void)
{
	struct wgx_features f;
	struct wgx_ingress_prog *ingress;

	env_require();
	if (!bpf_permitted())
		skip();
	f = all_but("");
	assert_int_equal(mount("bpf", WGX_BPFFS, "bpf", 0, NULL), 0);
	assert_int_equal(wgx_ingress_load(&f, &ingress), 0);
	return ingress;
}

static int make_veth(void)
{
	env_sh("ip link add va type veth peer name vb && ip link set va up && ip link set vb up");
	return (int)if_nametoindex("va");
}

static void no_report(void *arg, const struct wgx_strict_report *r)
{
}

static struct wgx_strict_prog *load(const struct wgx_features *f, struct wgx_ingress_prog *ingress)
{
	struct wgx_strict_prog *p;

	assert_int_equal(wgx_strict_load(f, wgx_ingress_maps(ingress), no_report, NULL, &p), 0);
	return p;
}

/* The programs there, in the order in which they run. Return: how many */
static uint32_t programs(int ifindex, int type, char names[4][BPF_OBJ_NAME_LEN],
			 uint32_t ids[static 4])
{
	uint32_t n = 4, flags = 0;

	assert_int_equal(bpf_prog_query(ifindex, (enum bpf_attach_type)type, 0, &flags, ids, &n),
			 0);
	for (uint32_t i = 0; i < n; i++) {
		struct bpf_prog_info info = {0};
		uint32_t len = sizeof(info);
		int fd = bpf_prog_get_fd_by_id(ids[i]);

		assert_true(fd >= 0);
		assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
		memcpy(names[i], info.name, BPF_OBJ_NAME_LEN);
		close(fd);
	}
	return n;
}

/* A program that ends the chain, as many do. Return: its link */
static int attach_last_word(int ifindex, int type)
{
	static const struct bpf_insn accept[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = TC_ACT_OK},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "last_word", "GPL", accept, 2, NULL);
	int link;

	assert_true(prog >= 0);
	link = bpf_link_create(prog, ifindex, (enum bpf_attach_type)type, NULL);
	assert_true(link >= 0);
	close(prog);
	return link;
}

/* Return: the id of strict mode's program, which is the first of two. Links are let go by a worker of the kernel's */
static uint32_t check_first(int ifindex, int type)
{
	char names[4][BPF_OBJ_NAME_LEN];
	uint32_t ids[4] = {0};

	env_await(programs(ifindex, type, names, ids) == 2);
	assert_string_equal(names[0], type == TCX_EGRESS ? "wgx_strict_out" : "wgx_strict_in");
	return ids[0];
}

static void test_first(void **state)
{
	struct wgx_ingress_prog *ingress = begin();
	struct wgx_features f = all_but("");
	char names[4][BPF_OBJ_NAME_LEN];
	struct wgx_strict_prog *p, *next;
	uint32_t ids[4], out, in;
	int va, a, b;

	if (!f.tcx)
		skip();
	va = make_veth();
	a = attach_last_word(va, TCX_EGRESS);
	b = attach_last_word(va, TCX_INGRESS);
	p = load(&f, ingress);
	assert_int_equal(wgx_strict_attach(p, va), 0);
	out = check_first(va, TCX_EGRESS);
	in = check_first(va, TCX_INGRESS);
	wgx_strict_free(p); /* the daemon dies */
	assert_int_equal(check_first(va, TCX_EGRESS), out);
	assert_int_equal(check_first(va, TCX_INGRESS), in);
	assert_true(wgx_strict_left());
	next = load(&f, ingress);
	assert_int_equal(wgx_strict_attach(next, va), 0);
	assert_int_not_equal(check_first(va, TCX_EGRESS), out);
	assert_int_not_equal(check_first(va, TCX_INGRESS), in);
	wgx_strict_detach(next, va);
	env_await(programs(va, TCX_EGRESS, names, ids) == 1);
	assert_string_equal(names[0], "last_word");
	env_await(programs(va, TCX_INGRESS, names, ids) == 1);
	assert_string_equal(names[0], "last_word");
	assert_int_equal(wgx_strict_attach(next, 9999), -ENODEV);
	wgx_strict_free(next);
	wgx_strict_free(NULL);
	close(a);
	close(b);
	wgx_ingress_free(ingress);
}

static int count_filters(const char *direction)
{
	char value[16];

	env_read(value, sizeof(value), "tc filter show dev va %s | grep -c wgx_strict_", direction);
	return atoi(value);
}

static void test_clsact(void **state)
{
	struct wgx_ingress_prog *ingress = begin();
	struct wgx_features f = all_but("tcx");
	struct wgx_strict_prog *p;
	int va = make_veth();

	for (int daemon = 0; daemon < 2; daemon++) {
		p = load(&f, ingress);
		assert_int_equal(wgx_strict_attach(p, va), 0);
		wgx_strict_free(p);
		assert_int_equal(count_filters("egress"), 1);
		assert_int_equal(count_filters("ingress"), 1);
	}
	p = load(&f, ingress);
	wgx_strict_detach(p, va);
	assert_int_equal(count_filters("egress"), 0);
	assert_int_equal(count_filters("ingress"), 0);
	wgx_strict_free(p);
	wgx_ingress_free(ingress);
}

/* What is in the maps outlives the daemon. */
static void test_maps(void **state)
{
	struct wgx_ingress_prog *ingress = begin();
	struct wgx_features f = all_but("");
	struct wgx_strict_device device = {.name = "va", .flags = WGX_STRICT_REPORT}, got;
	struct wgx_strict_prog *p = load(&f, ingress);
	uint32_t key = 7;
	uint64_t cookie = 8;
	uint8_t one = 1;

	assert_int_equal(bpf_map_update_elem(wgx_strict_maps(p)->devices, &key, &device, BPF_ANY),
			 0);
	assert_int_equal(
		bpf_map_update_elem(wgx_strict_maps(p)->own_sockets, &cookie, &one, BPF_ANY), 0);
	wgx_strict_free(p);
	p = load(&f, ingress);
	assert_int_equal(bpf_map_lookup_elem(wgx_strict_maps(p)->devices, &key, &got), 0);
	assert_memory_equal(&got, &device, sizeof(got));
	/* but for sockets */
	assert_int_not_equal(bpf_map_lookup_elem(wgx_strict_maps(p)->own_sockets, &cookie, &one),
			     0);
	wgx_strict_free(p);
	assert_int_equal(wgx_bpffs_strict_remove(), 0);
	assert_false(wgx_strict_left());
	wgx_ingress_free(ingress);
}

/* A map of another shape under a pin of ours: nothing is changed. */
static void test_other_version(void **state)
{
	struct wgx_ingress_prog *ingress = begin();
	struct wgx_features f = all_but("");
	struct wgx_strict_prog *p = load(&f, ingress), *none = NULL;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "config", 4, 64, 1, NULL);
	char path[256];

	wgx_strict_free(p);
	assert_true(fd >= 0);
	assert_int_equal(wgx_bpffs_strict_path("config", path, sizeof(path)), 0);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(bpf_obj_pin(fd, path), 0);
	close(fd);
	assert_int_equal(wgx_strict_load(&f, wgx_ingress_maps(ingress), no_report, NULL, &none),
			 -EPROTO);
	assert_null(none);
	assert_true(wgx_strict_left());
	assert_int_equal(wgx_bpffs_strict_remove(), 0);
	wgx_ingress_free(ingress);
}

/* Where it cannot be loaded, nothing is left. */
static void test_load_fails(void **state)
{
	struct wgx_ingress_prog *ingress = begin();
	struct wgx_features f = all_but("");
	struct wgx_ingress_maps maps = *wgx_ingress_maps(ingress);
	struct wgx_strict_prog *none = NULL;
	char path[256];

	maps.locals = -1;
	assert_true(wgx_strict_load(&f, &maps, no_report, NULL, &none) < 0);
	assert_null(none);
	assert_int_equal(wgx_bpffs_strict_path(NULL, path, sizeof(path)), 0);
	assert_int_equal(access(path, F_OK), -1);
	wgx_ingress_free(ingress);
}

/* Each network namespace has a directory of its own. */
static void test_paths(void **state)
{
	char here[256], there[256], again[256];
	int fd;

	env_require();
	fd = env_netns_fd();
	assert_int_equal(wgx_bpffs_strict_path("devices", here, sizeof(here)), 0);
	assert_memory_equal(here, WGX_BPFFS_STRICT_DIR "/", strlen(WGX_BPFFS_STRICT_DIR "/"));
	assert_int_equal(wgx_bpffs_strict_path("devices", there, 12), -ENAMETOOLONG);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(wgx_bpffs_strict_path("devices", there, sizeof(there)), 0);
	assert_string_not_equal(here, there);
	assert_int_equal(setns(fd, CLONE_NEWNET), 0);
	assert_int_equal(wgx_bpffs_strict_path("devices", again, sizeof(again)), 0);
	assert_string_equal(here, again);
	close(fd);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		env_test(test_paths), env_test(test_first),	 env_test(test_clsact),
		env_test(test_maps),  env_test(test_load_fails), env_test(test_other_version),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return env_main(run);
}
