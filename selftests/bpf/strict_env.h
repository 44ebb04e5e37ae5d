/* SPDX-License-Identifier: MIT */
/* wgx_strict loaded, for two interfaces' allowed IPs and one device. */
#ifndef WGX_TEST_STRICT_ENV_H
#define WGX_TEST_STRICT_ENV_H

#include "netns.h"
#include "wgx_strict.skel.h"

#define DEVICE 1 /* lo: BPF_PROG_TEST_RUN's device where none is named */
#define PORT 51820
#define LOCAL4 "192.0.2.1"
#define LOCAL6 "2001:db8::1"

static struct wgx_strict *skel;
static struct packet pkt;
static int tries[4] = {-1, -1, -1, -1}; /* of two interfaces: IPv4, IPv6, IPv4, IPv6 */

/* ---- the maps ---- */

static __maybe_unused int trie_new(size_t key_size)
{
	LIBBPF_OPTS(bpf_map_create_opts, o, .map_flags = BPF_F_NO_PREALLOC);
	int fd = bpf_map_create(BPF_MAP_TYPE_LPM_TRIE, "trie", key_size, 4, 1024, &o);

	assert_true(fd >= 0);
	return fd;
}

/* of interface 0 or 1 */
static __maybe_unused void allow(int iface, const char *addr, __u32 cidr)
{
	struct wgx_lpm4 key4 = {.prefixlen = cidr};
	struct wgx_lpm6 key6 = {.prefixlen = cidr};
	__u32 peer = 1;

	if (inet_pton(AF_INET, addr, key4.addr) == 1) {
		assert_int_equal(bpf_map_update_elem(tries[2 * iface], &key4, &peer, BPF_ANY), 0);
		return;
	}
	assert_int_equal(inet_pton(AF_INET6, addr, key6.addr), 1);
	assert_int_equal(bpf_map_update_elem(tries[2 * iface + 1], &key6, &peer, BPF_ANY), 0);
}

static __maybe_unused void exempt(__u32 device, const char *addr, __u32 cidr)
{
	struct wgx_exempt4 key4 = {.prefixlen = 32 + cidr, .device = device};
	struct wgx_exempt6 key6 = {.prefixlen = 32 + cidr, .device = device};
	__u8 one = 1;

	if (inet_pton(AF_INET, addr, key4.addr) == 1) {
		map_put(skel->maps.strict_exempt4, &key4, &one);
		return;
	}
	assert_int_equal(inet_pton(AF_INET6, addr, key6.addr), 1);
	map_put(skel->maps.strict_exempt6, &key6, &one);
}

static __maybe_unused void add_local(const char *text)
{
	map_put_local(skel->maps.locals, text);
}

static __maybe_unused void add_device(__u32 device, __u32 flags)
{
	struct wgx_strict_device d = {.name = "lo", .flags = flags};
	struct wgx_strict_counts *zero = calloc(libbpf_num_possible_cpus(), sizeof(*zero));

	assert_non_null(zero);
	map_put(skel->maps.strict_devices, &device, &d);
	map_put(skel->maps.strict_counts, &device, zero);
	free(zero);
}

static __maybe_unused void configure(__u32 n_tries, __u32 flags)
{
	struct wgx_strict_config cfg = {.tries = n_tries, .flags = flags};
	__u32 zero = 0;

	map_put(skel->maps.strict_config, &zero, &cfg);
}

/* Two interfaces, the second in the last slot but one of those that the program is told of. */
static __maybe_unused int setup(void **state)
{
	__u32 port = PORT, iface = 1, slots[2] = {0, 5};

	libbpf_set_print(quiet);
	if (!bpf_permitted())
		return 0;
	skel = wgx_strict__open_and_load();
	assert_non_null(skel);
	for (int i = 0; i < 4; i++)
		tries[i] = trie_new(i % 2 ? sizeof(struct wgx_lpm6) : sizeof(struct wgx_lpm4));
	for (int i = 0; i < 2; i++) {
		map_put(skel->maps.strict_tries4, &slots[i], &tries[2 * i]);
		map_put(skel->maps.strict_tries6, &slots[i], &tries[2 * i + 1]);
	}
	configure(7, 0);
	add_device(DEVICE, 0);
	map_put(skel->maps.ports, &port, &iface);
	add_local(LOCAL4);
	add_local(LOCAL6);
	allow(0, "10.7.0.0", 24);
	allow(0, "fd07::", 64);
	allow(1, "10.8.0.0", 16);
	allow(1, "fd08::", 48);
	return 0;
}

static __maybe_unused int teardown(void **state)
{
	for (int i = 0; i < 4; i++) {
		if (tries[i] >= 0)
			close(tries[i]);
		tries[i] = -1;
	}
	wgx_strict__destroy(skel);
	skel = NULL;
	return 0;
}

static __maybe_unused void need_bpf(void)
{
	if (!skel)
		skip();
}

static __maybe_unused struct wgx_strict_counts counts_of(__u32 device)
{
	int cpus = libbpf_num_possible_cpus();
	struct wgx_strict_counts sum = {}, *values = calloc(cpus, sizeof(*values));

	assert_non_null(values);
	assert_int_equal(
		bpf_map_lookup_elem(bpf_map__fd(skel->maps.strict_counts), &device, values), 0);
	for (int i = 0; i < cpus; i++) {
		sum.egress += values[i].egress;
		sum.ingress += values[i].ingress;
	}
	free(values);
	return sum;
}

#endif
