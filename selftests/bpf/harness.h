/* SPDX-License-Identifier: MIT */
/* Running loaded programs on packets of our own making (BPF_PROG_TEST_RUN), and reading their maps. */
#ifndef WGX_TEST_HARNESS_H
#define WGX_TEST_HARNESS_H

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <wgx/bpf_abi.h>
#include <wgx/drops.h>
#include "packets.h"

#define __maybe_unused __attribute__((unused))

struct run {
	int verdict;
	__u32 len;
	__u8 data[PACKET_MAX];
};

static __maybe_unused int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return level == LIBBPF_WARN && getenv("WGX_TEST_VERBOSE") ? vfprintf(stderr, fmt, args) : 0;
}

/* BPF needs privileges: a test that lacks them is skipped, not passed. */
static __maybe_unused bool bpf_permitted(void)
{
	LIBBPF_OPTS(bpf_map_create_opts, o, .map_flags = BPF_F_NO_PREALLOC);
	int fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, NULL, 8, 4, 1, &o);

	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* Runs a tc program once on a frame with the given GSO metadata. The result is valid until the next run. */
static __maybe_unused const struct run *run_tc(const struct bpf_program *prog,
					       const struct packet *p, __u16 gso_size,
					       __u16 gso_segs)
{
	static struct run r;
	struct __sk_buff ctx = {.gso_size = gso_size, .gso_segs = gso_segs};
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = p->data, .data_size_in = p->len,
		    .data_out = r.data, .data_size_out = sizeof(r.data), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(prog), &o), 0);
	r.verdict = (int)o.retval;
	r.len = o.data_size_out;
	return &r;
}

static __maybe_unused const struct run *run_xdp(const struct bpf_program *prog,
						const struct packet *p)
{
	static struct run r;
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = p->data, .data_size_in = p->len,
		    .data_out = r.data, .data_size_out = sizeof(r.data), .repeat = 1);

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(prog), &o), 0);
	r.verdict = (int)o.retval;
	r.len = o.data_size_out;
	return &r;
}

/*
 * Likewise, with @linear bytes of the frame in the linear part and the rest in a fragment. NULL: this kernel
 * cannot be told so (before 6.18).
 */
static __maybe_unused const struct run *run_xdp_frags(const struct bpf_program *prog,
						      const struct packet *p, __u32 linear)
{
	static struct run r;
	struct xdp_md ctx = {.data_end = linear};
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = p->data, .data_size_in = p->len,
		    .data_out = r.data, .data_size_out = sizeof(r.data), .ctx_in = &ctx,
		    .ctx_size_in = sizeof(ctx), .repeat = 1);
	int err = bpf_prog_test_run_opts(bpf_program__fd(prog), &o);

	if (err == -EINVAL)
		return NULL;
	assert_int_equal(err, 0);
	r.verdict = (int)o.retval;
	r.len = o.data_size_out;
	return &r;
}

#define RUN_NS_REPEAT 1000000

/* Average nanoseconds of one run: printed, never judged. */
static __maybe_unused unsigned int run_ns(const struct bpf_program *prog, const struct packet *p)
{
	LIBBPF_OPTS(bpf_test_run_opts, o, .data_in = p->data, .data_size_in = p->len,
		    .repeat = RUN_NS_REPEAT);

	return bpf_prog_test_run_opts(bpf_program__fd(prog), &o) ? 0 : o.duration;
}

/* Sum over all CPUs of element `index` of a PERCPU_ARRAY or PERCPU_HASH of __u64; no element: 0. */
static __maybe_unused __u64 percpu_sum(const struct bpf_map *map, __u32 index)
{
	int cpus = libbpf_num_possible_cpus();
	__u64 sum = 0, *values = calloc(cpus, sizeof(*values));

	assert_non_null(values);
	if (bpf_map_lookup_elem(bpf_map__fd(map), &index, values))
		assert_int_equal(errno, ENOENT);
	for (int i = 0; i < cpus; i++)
		sum += values[i];
	free(values);
	return sum;
}

static __maybe_unused void percpu_clear(const struct bpf_map *map)
{
	int cpus = libbpf_num_possible_cpus();
	__u64 *zero = calloc(cpus, sizeof(*zero));

	assert_non_null(zero);
	for (__u32 i = 0; i < bpf_map__max_entries(map); i++)
		assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), &i, zero, BPF_ANY), 0);
	free(zero);
}

static __maybe_unused void map_put(const struct bpf_map *map, const void *key, const void *value)
{
	assert_int_equal(bpf_map_update_elem(bpf_map__fd(map), key, value, BPF_ANY), 0);
}

/* @text: an address of this host; @locals: where the program has them */
static __maybe_unused void map_put_local(const struct bpf_map *locals, const char *text)
{
	struct wgx_addr a = {.addr = {[10] = 0xff, [11] = 0xff}};
	__u8 one = 1;

	if (inet_pton(AF_INET, text, a.addr + 12) != 1)
		assert_int_equal(inet_pton(AF_INET6, text, a.addr), 1);
	map_put(locals, &a, &one);
}

/* What a map of a loaded object must look like: sizes as in the ABI header, types as in its BTF. */
struct map_abi {
	const char *name;
	enum bpf_map_type type;
	__u32 flags;
	__u32 max_entries;
	__u32 key_size;
	__u32 value_size;
	const char *key_type; /* struct name, or NULL for an integer */
	const char *value_type;
};

static __maybe_unused void check_type(const struct btf *btf, __u32 id, const char *name, __u32 size)
{
	const struct btf_type *t = btf__type_by_id(btf, id);

	assert_int_equal(btf__resolve_size(btf, id), size);
	if (!name)
		return;
	assert_non_null(t);
	assert_true(btf_is_struct(t));
	assert_string_equal(btf__name_by_offset(btf, t->name_off), name);
}

static __maybe_unused void check_maps(const struct bpf_object *obj, const struct map_abi *abi,
				      size_t n)
{
	const struct btf *btf = bpf_object__btf(obj);

	for (size_t i = 0; i < n; i++, abi++) {
		struct bpf_map_info info = {};
		__u32 len = sizeof(info);
		const struct bpf_map *map = bpf_object__find_map_by_name(obj, abi->name);

		assert_non_null(map);
		assert_int_equal(bpf_obj_get_info_by_fd(bpf_map__fd(map), &info, &len), 0);
		assert_int_equal(info.type, abi->type);
		assert_int_equal(info.map_flags, abi->flags);
		assert_int_equal(info.max_entries, abi->max_entries);
		assert_int_equal(info.key_size, abi->key_size);
		assert_int_equal(info.value_size, abi->value_size);
		if (abi->type == BPF_MAP_TYPE_XSKMAP) /* the kernel takes no BTF for it */
			continue;
		check_type(btf, bpf_map__btf_key_type_id(map), abi->key_type, abi->key_size);
		check_type(btf, bpf_map__btf_value_type_id(map), abi->value_type, abi->value_size);
	}
}

#define MAP_DROPS                                                                      \
	{                                                                              \
		"drops", BPF_MAP_TYPE_PERCPU_HASH, 0, WGX_DROP_COUNT, 4, 8, NULL, NULL \
	}
#define MAP_COUNTERS                                                                      \
	{                                                                                 \
		"counters", BPF_MAP_TYPE_PERCPU_ARRAY, 0, WGX_CTR_COUNT, 4, 8, NULL, NULL \
	}
#define MAP_CONFIG                                                                          \
	{                                                                                   \
		"config", BPF_MAP_TYPE_ARRAY, 0, 1, 4, sizeof(struct wgx_bpf_config), NULL, \
			"wgx_bpf_config"                                                    \
	}
#define MAP_XSKS                                                     \
	{                                                            \
		"xsks", BPF_MAP_TYPE_XSKMAP, 0, 64, 4, 4, NULL, NULL \
	}

#endif
