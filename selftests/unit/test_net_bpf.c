/* SPDX-License-Identifier: MIT */
/*
 * Features, pins, and the programs on their hooks:
 *
 *	the test's namespace                     private namespace
 *	wg0 (egress) --------------------------- wgx0 (steer)
 *	va (ingress) --- vb (raw sender)
 */
#include "net_env.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <linux/magic.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <wgx/bpf_abi.h>
#include <wgx/drops.h>
#include <wgx/wire.h>
#include "net/bpffs.h"
#include "net/ethtool.h"
#include "net/features.h"
#include "net/programs.h"

#define TCX_INGRESS 46
#define TCX_EGRESS 47
#define PORT 51820

static bool bpf_permitted(void)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "wgx_test", 4, 4, 1, NULL);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

#define bpf_require()                 \
	do {                          \
		env_require();        \
		if (!bpf_permitted()) \
			skip();       \
	} while (0)

/* ---- features ---- */

/* A kernel as new as the list says has the feature: it is its own witness against a probe that fails. */
static void test_features_release(void **state)
{
	const struct wgx_features *f = wgx_features_get();
	unsigned int major, minor, want_major, want_minor;
	struct utsname u;

	bpf_require();
	assert_int_equal(uname(&u), 0);
	assert_int_equal(sscanf(u.release, "%u.%u", &major, &minor), 2);
#define X(field, kernel, text)                                                                 \
	assert_int_equal(sscanf(kernel, "%u.%u", &want_major, &want_minor), 2);                \
	if ((major > want_major || (major == want_major && minor >= want_minor)) && !f->field) \
		fail_msg("%s not found on Linux %s", #field, u.release);
	WGX_FEATURES(X)
#undef X
	assert_ptr_equal(wgx_features_get(), f);
}

static void test_features_disable(void **state)
{
	struct wgx_features f;

	memset(&f, true, sizeof(f));
	assert_true(wgx_features_superframes(&f));
	assert_int_equal(wgx_features_disable(&f, ""), 0);
	assert_int_equal(wgx_features_disable(&f, "tcx,uso"), 0);
	assert_false(f.tcx || f.uso);
	assert_true(f.kern_ctx && f.xsk_sg && f.udp_gso);
	assert_int_equal(wgx_features_disable(&f, "udp,xsk_sg,"), -EINVAL);
	assert_false(f.xsk_sg);
	assert_true(f.udp_gso && f.udp_gro);
	assert_false(wgx_features_superframes(&f));
	assert_int_equal(wgx_features_disable(&f, "kern_ctxx"), -EINVAL);
	assert_true(f.kern_ctx);
}

/* WGX_DISABLE works for the process that has it from its start. */
static void test_features_environment(void **state)
{
	int status;
	pid_t pid;

	env_require();
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setenv("WGX_DISABLE", "udp_gro,tcx", 1);
		_exit(wgx_features_get()->tcx || wgx_features_get()->udp_gro ||
		      !wgx_features_get()->udp_gso);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* ---- pins ---- */

static bool is_bpffs(void)
{
	struct statfs fs;

	return !statfs(WGX_BPFFS, &fs) && fs.f_type == BPF_FS_MAGIC;
}

static int make_map(uint32_t value)
{
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "wgx_test", 4, 4, 1, NULL);
	uint32_t key = 0;

	assert_true(fd >= 0);
	assert_int_equal(bpf_map_update_elem(fd, &key, &value, 0), 0);
	return fd;
}

static uint32_t read_pin(const char *path)
{
	int fd = bpf_obj_get(path);
	uint32_t key = 0, value = 0;

	if (fd < 0)
		return 0;
	assert_int_equal(bpf_map_lookup_elem(fd, &key, &value), 0);
	close(fd);
	return value;
}

static void test_bpffs(void **state)
{
	char path[128];
	struct stat st;
	int one, two;

	bpf_require();
	/* neither ours nor anybody's: it is mounted where it is not, but by wgx_bpffs_mount() alone */
	assert_int_equal(mount("tmpfs", WGX_BPFFS, "tmpfs", 0, NULL), 0);
	assert_false(is_bpffs());
	one = make_map(1);
	two = make_map(2);
	assert_true(wgx_bpffs_pin("wg0", "peers", one) < 0);
	assert_int_equal(wgx_bpffs_remove("wg0"), 0);
	assert_int_equal(wgx_bpffs_make("wg0"), -ENOENT);
	assert_int_equal(wgx_bpffs_mount(), 0);
	assert_true(is_bpffs());
	assert_int_equal(wgx_bpffs_make("wg0"), 0);
	assert_int_equal(stat(WGX_BPFFS_DIR "/wg0", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(wgx_bpffs_pin("wg0", "peers", one), 0);
	assert_int_equal(read_pin(WGX_BPFFS_DIR "/wg0/peers"), 1);
	assert_int_equal(wgx_bpffs_pin("wg0", "peers", two), 0);
	assert_int_equal(read_pin(WGX_BPFFS_DIR "/wg0/peers"), 2);
	/* a name with dots, and another's pins stay what they are */
	assert_int_equal(wgx_bpffs_make("a.b.c"), 0);
	assert_int_equal(wgx_bpffs_pin("a.b.c", "drops", one), 0);
	assert_int_equal(wgx_bpffs_path("a.b.c", "drops", path, sizeof(path)), 0);
	assert_string_equal(path, WGX_BPFFS_DIR "/a%2eb%2ec/drops");
	assert_int_equal(read_pin(path), 1);
	/* what a dead daemon left */
	assert_int_equal(wgx_bpffs_make("wg0"), 0);
	assert_int_equal(read_pin(WGX_BPFFS_DIR "/wg0/peers"), 0);
	assert_int_equal(wgx_bpffs_remove("wg0"), 0);
	assert_int_equal(stat(WGX_BPFFS_DIR "/wg0", &st), -1);
	assert_int_equal(read_pin(path), 1);
	assert_int_equal(wgx_bpffs_remove("wg0"), 0);
	assert_int_equal(wgx_bpffs_remove("a.b.c"), 0);
	assert_int_equal(stat(WGX_BPFFS_DIR, &st), -1);
	close(one);
	close(two);
	assert_int_equal(umount(WGX_BPFFS), 0);
	assert_int_equal(umount(WGX_BPFFS), 0);
}

static void test_bpffs_names(void **state)
{
	char path[128];

	assert_int_equal(wgx_bpffs_path("wg0", NULL, path, sizeof(path)), 0);
	assert_string_equal(path, WGX_BPFFS_DIR "/wg0");
	assert_int_equal(wgx_bpffs_path("", NULL, path, sizeof(path)), -EINVAL);
	assert_int_equal(wgx_bpffs_path("../x", NULL, path, sizeof(path)), -EINVAL);
	assert_int_equal(wgx_bpffs_path("sixteen-letters-", NULL, path, sizeof(path)), -EINVAL);
	assert_int_equal(wgx_bpffs_path("wg0", "../x", path, sizeof(path)), -EINVAL);
	assert_int_equal(wgx_bpffs_path("wg0", "peers", path, 12), -ENAMETOOLONG);
	/* two dots are a valid name for a device in no kernel, and here no way up */
	assert_int_equal(wgx_bpffs_path("..", NULL, path, sizeof(path)), 0);
	assert_string_equal(path, WGX_BPFFS_DIR "/%2e%2e");
}

/* ---- hooks ---- */

static struct wgx_features all_but(const char *disabled)
{
	struct wgx_features f = *wgx_features_get();

	assert_int_equal(wgx_features_disable(&f, disabled), 0);
	return f;
}

static uint32_t count_tcx(int ifindex, int type)
{
	uint32_t ids[8] = {0}, n = 8, flags = 0;

	assert_int_equal(bpf_prog_query(ifindex, (enum bpf_attach_type)type, 0, &flags, ids, &n),
			 0);
	return n;
}

static bool has_filter(const char *device, const char *direction)
{
	char value[16];

	env_read(value, sizeof(value), "tc filter show dev %s %s | grep -c 'wgx_'", device,
		 direction);
	return strcmp(value, "0") != 0;
}

static void test_egress_tcx(void **state)
{
	struct wgx_features f = all_but("");
	struct wgx_egress_prog *p;
	struct wgx_link link;

	bpf_require();
	if (!f.tcx)
		skip();
	link = env_create("wg0");
	assert_int_equal(wgx_egress_load(&f, &p), 0);
	assert_int_equal(count_tcx(link.ifindex, TCX_EGRESS), 0);
	assert_int_equal(wgx_hook_attach(wgx_egress_hook(p), link.ifindex), 0);
	assert_int_equal(count_tcx(link.ifindex, TCX_EGRESS), 1);
	assert_int_equal(count_tcx(link.ifindex, TCX_INGRESS), 0);
	assert_int_equal(wgx_hook_attach(wgx_egress_hook(p), link.ifindex), -EALREADY);
	wgx_hook_detach(wgx_egress_hook(p));
	assert_int_equal(count_tcx(link.ifindex, TCX_EGRESS), 0);
	assert_int_equal(wgx_hook_attach(wgx_egress_hook(p), 9999), -ENODEV);
	assert_int_equal(wgx_hook_attach(wgx_egress_hook(p), link.ifindex), 0);
	wgx_egress_free(p);
	assert_int_equal(count_tcx(link.ifindex, TCX_EGRESS), 0);
	wgx_egress_free(NULL);
}

static void test_egress_clsact(void **state)
{
	struct wgx_features f = all_but("tcx,kern_ctx");
	struct wgx_egress_prog *p, *after;
	struct wgx_link link;

	bpf_require();
	link = env_create("wg0");
	assert_int_equal(wgx_egress_load(&f, &p), 0);
	assert_int_equal(wgx_hook_attach(wgx_egress_hook(p), link.ifindex), 0);
	assert_true(has_filter("wg0", "egress"));
	assert_false(has_filter("wg0", "ingress"));
	/* the next daemon's takes the place of a dead one's */
	assert_int_equal(wgx_egress_load(&f, &after), 0);
	assert_int_equal(wgx_hook_attach(wgx_egress_hook(after), link.ifindex), 0);
	wgx_egress_free(after);
	assert_false(has_filter("wg0", "egress"));
	wgx_egress_free(p);
	assert_true(wgx_egress_load(&f, &p) == 0 && wgx_hook_attach(wgx_egress_hook(p), 9999) < 0);
	wgx_egress_free(p);
}

static void check_map(int fd, const char *name, uint32_t type, uint32_t key, uint32_t value)
{
	struct bpf_map_info info = {0};
	uint32_t len = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	assert_string_equal(info.name, name);
	assert_int_equal(info.type, type);
	assert_int_equal(info.key_size, key);
	assert_int_equal(info.value_size, value);
}

static void test_maps(void **state)
{
	struct wgx_features f = all_but("");
	const struct wgx_egress_maps *e;
	const struct wgx_ingress_maps *i;
	struct wgx_egress_prog *egress;
	struct wgx_ingress_prog *ingress;
	struct wgx_steer_prog *steer;

	bpf_require();
	assert_int_equal(wgx_egress_load(&f, &egress), 0);
	assert_int_equal(wgx_ingress_load(&f, &ingress), 0);
	assert_int_equal(wgx_steer_load(&f, &steer), 0);
	e = wgx_egress_maps(egress);
	i = wgx_ingress_maps(ingress);
	check_map(e->allowed_ips4, "allowed_ips4", BPF_MAP_TYPE_LPM_TRIE, 8, 4);
	check_map(e->allowed_ips6, "allowed_ips6", BPF_MAP_TYPE_LPM_TRIE, 20, 4);
	check_map(e->peers, "peers", BPF_MAP_TYPE_HASH, 4, sizeof(struct wgx_bpf_peer));
	check_map(e->peer_stats, "peer_stats", BPF_MAP_TYPE_HASH, 4,
		  sizeof(struct wgx_bpf_peer_stats));
	check_map(e->credit, "credit", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct wgx_credit));
	check_map(e->config, "config", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct wgx_bpf_config));
	check_map(e->drops, "drops", BPF_MAP_TYPE_PERCPU_HASH, 4, 8);
	check_map(e->counters, "counters", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8);
	check_map(i->receivers, "receivers", BPF_MAP_TYPE_HASH, 4, sizeof(struct wgx_receiver));
	check_map(i->ports, "ports", BPF_MAP_TYPE_HASH, 4, 4);
	check_map(i->locals, "locals", BPF_MAP_TYPE_HASH, 16, 1);
	check_map(i->config, "config", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct wgx_bpf_config));
	check_map(i->drops, "drops", BPF_MAP_TYPE_PERCPU_HASH, 4, 8);
	check_map(i->counters, "counters", BPF_MAP_TYPE_PERCPU_ARRAY, 4, 8);
	check_map(wgx_steer_maps(steer)->xsks, "xsks", BPF_MAP_TYPE_XSKMAP, 4, 4);
	check_map(wgx_steer_maps(steer)->drops, "drops", BPF_MAP_TYPE_PERCPU_HASH, 4, 8);
	wgx_steer_free(steer);
	wgx_ingress_free(ingress);
	wgx_egress_free(egress);
}

static uint64_t count_of(int map, uint32_t index)
{
	int n = libbpf_num_possible_cpus();
	uint64_t *values = calloc((size_t)n, sizeof(*values)), sum = 0;

	if (bpf_map_lookup_elem(map, &index, values))
		assert_int_equal(errno, ENOENT);
	for (int i = 0; i < n; i++)
		sum += values[i];
	free(values);
	return sum;
}

static void await_count(int map, uint32_t index)
{
	env_await(count_of(map, index));
}

/* ---- steer ---- */

struct steer_call {
	struct wgx_steer_prog *p;
	int ifindex;
	struct bpf_xdp_query_opts query;
};

static int attach_steer(void *arg)
{
	struct steer_call *c = arg;

	return wgx_hook_attach(wgx_steer_hook(c->p), c->ifindex);
}

static int query_xdp(void *arg)
{
	struct steer_call *c = arg;

	c->query = (struct bpf_xdp_query_opts){.sz = sizeof(c->query)};
	return bpf_xdp_query(c->ifindex, 0, &c->query);
}

static uint32_t steer_id(struct steer_call *c)
{
	assert_int_equal(wgx_netns_call(env_ns, query_xdp, c), 0);
	assert_int_equal(c->query.drv_prog_id, 0);
	return c->query.skb_prog_id;
}

static void check_program_name(uint32_t id, const char *name)
{
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	int fd = bpf_prog_get_fd_by_id(id);

	assert_true(fd >= 0);
	assert_int_equal(bpf_obj_get_info_by_fd(fd, &info, &len), 0);
	assert_string_equal(info.name, name);
	close(fd);
}

static void test_steer(void **state)
{
	struct wgx_features f = all_but(""), old = all_but("generic_frags");
	struct steer_call call = {0};
	struct wgx_link link;
	bool tso = false;
	int xsk;

	bpf_require();
	link = env_create("wg0");
	call.ifindex = link.far_ifindex;
	assert_int_equal(wgx_steer_load(&f, &call.p), 0);
	assert_int_equal(wgx_netns_call(env_ns, attach_steer, &call), 0);
	if (f.generic_frags)
		check_program_name(steer_id(&call), "wgx_steer");
	assert_int_equal(wgx_netns_call(env_ns, attach_steer, &call), -EALREADY);
	/* native XDP there would have switched it off */
	assert_int_equal(wgx_ethtool_get(link.ifindex, "tx-tcp-segmentation", &tso), 0);
	assert_true(tso);
	wgx_hook_detach(wgx_steer_hook(call.p));
	assert_int_equal(steer_id(&call), 0);
	xsk = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(xsk >= 0);
	assert_true(wgx_steer_set_xsk(call.p, 64, xsk) < 0);
	close(xsk);
	wgx_steer_free(call.p);
	assert_int_equal(wgx_steer_load(&old, &call.p), 0);
	assert_int_equal(wgx_netns_call(env_ns, attach_steer, &call), 0);
	check_program_name(steer_id(&call), "wgx_steer_linea"); /* the kernel keeps 15 letters */
	wgx_steer_free(call.p);
	assert_int_equal(steer_id(&call), 0);
	wgx_steer_free(NULL);
}

/* A packet sent on wg0 passes egress and comes to steer, which has no socket for it. */
static void test_egress_to_steer(void **state)
{
	struct wgx_features f = all_but("");
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct wgx_lpm4 prefix = {.prefixlen = 24, .addr = {10, 7, 0, 0}};
	struct wgx_egress_prog *egress;
	struct steer_call call = {0};
	struct wgx_link link;
	uint32_t peer = 5;
	int fd;

	bpf_require();
	link = env_create("wg0");
	assert_int_equal(wgx_egress_load(&f, &egress), 0);
	assert_int_equal(wgx_steer_load(&f, &call.p), 0);
	call.ifindex = link.far_ifindex;
	assert_int_equal(wgx_netns_call(env_ns, attach_steer, &call), 0);
	assert_int_equal(wgx_hook_attach(wgx_egress_hook(egress), link.ifindex), 0);
	assert_int_equal(
		bpf_map_update_elem(wgx_egress_maps(egress)->allowed_ips4, &prefix, &peer, 0), 0);
	env_sh("ip addr add 10.7.0.1/24 dev wg0 && ip link set wg0 up");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	to.sin_addr.s_addr = inet_addr("10.7.0.2");
	assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)), 1);
	close(fd);
	await_count(wgx_egress_maps(egress)->counters, WGX_CTR_EGRESS_FRAMES);
	await_count(wgx_steer_maps(call.p)->drops, WGX_DROP_STEER_NO_RING);
	assert_int_equal(count_of(wgx_egress_maps(egress)->drops, WGX_DROP_EGRESS_NO_PEER), 0);
	wgx_steer_free(call.p);
	wgx_egress_free(egress);
}

/* ---- ingress ---- */

static int make_veth(void)
{
	env_sh("ip link add va type veth peer name vb && ip addr add 192.0.2.1/24 dev va");
	env_sh("for d in va vb; do echo 1 >/proc/sys/net/ipv6/conf/$d/disable_ipv6; done");
	env_sh("ip link set va up && ip link set vb up");
	return (int)if_nametoindex("va");
}

static void configure_ingress(const struct wgx_ingress_maps *maps)
{
	struct wgx_addr local = {.addr = {[10] = 0xff, [11] = 0xff, 192, 0, 2, 1}};
	struct wgx_bpf_config config = {.collector = 9999};
	uint32_t port = PORT, iface = 1, zero = 0;
	uint8_t one = 1;

	assert_int_equal(bpf_map_update_elem(maps->ports, &port, &iface, 0), 0);
	assert_int_equal(bpf_map_update_elem(maps->locals, &local, &one, 0), 0);
	assert_int_equal(bpf_map_update_elem(maps->config, &zero, &config, 0), 0);
}

/* A data message for a receiver that nobody knows, from vb */
static void send_unknown(void)
{
	struct {
		struct ethhdr eth;
		struct iphdr ip;
		struct udphdr udp;
		uint32_t type, receiver;
		uint8_t rest[WGX_MSG_DATA_MIN - 8];
	} __attribute__((packed)) f = {
		.eth = {.h_dest = "\xff\xff\xff\xff\xff\xff", .h_proto = htons(ETH_P_IP)},
		.ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP},
		.type = htole32(WGX_MSG_DATA),
		.receiver = htole32(0x12345678),
	};
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex("vb")};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	f.ip.tot_len = htons(sizeof(f) - sizeof(f.eth));
	f.ip.saddr = inet_addr("192.0.2.2");
	f.ip.daddr = inet_addr("192.0.2.1");
	f.udp.source = f.udp.dest = htons(PORT);
	f.udp.len = htons(sizeof(f.udp) + WGX_MSG_DATA_MIN);
	assert_int_equal(sendto(fd, &f, sizeof(f), 0, (struct sockaddr *)&to, sizeof(to)),
			 sizeof(f));
	close(fd);
}

/* Whatever the mode: it looks at the maps that all attachments share, and is gone when detached. */
static void check_ingress(const char *disabled, enum wgx_ingress_mode mode)
{
	struct wgx_features f = all_but(disabled);
	struct wgx_ingress_attachment *a;
	struct wgx_ingress_prog *p;
	int ifindex = make_veth();
	uint64_t before;
	char msg[128];

	assert_int_equal(wgx_ingress_load(&f, &p), 0);
	configure_ingress(wgx_ingress_maps(p));
	assert_int_equal(wgx_ingress_attach(p, ifindex, mode, msg, sizeof(msg), &a), 0);
	assert_string_equal(msg, "");
	if (mode == WGX_INGRESS_TC)
		assert_int_equal(wgx_ingress_set_xsk(a, 0, 0), -EINVAL);
	send_unknown();
	await_count(wgx_ingress_maps(p)->drops, WGX_DROP_INGRESS_UNKNOWN_RECEIVER);
	wgx_ingress_detach(a);
	before = count_of(wgx_ingress_maps(p)->drops, WGX_DROP_INGRESS_UNKNOWN_RECEIVER);
	send_unknown();
	/* veth delivers within the send or right after it: attached again, the next is counted, this was not */
	assert_int_equal(wgx_ingress_attach(p, ifindex, mode, msg, sizeof(msg), &a), 0);
	wgx_ingress_detach(a);
	assert_int_equal(count_of(wgx_ingress_maps(p)->drops, WGX_DROP_INGRESS_UNKNOWN_RECEIVER),
			 before);
	wgx_ingress_free(p);
	assert_false(has_filter("va", "ingress"));
	env_sh("ip link del va");
}

static void test_ingress_modes(void **state)
{
	bpf_require();
	if (wgx_features_get()->tcx)
		check_ingress("", WGX_INGRESS_TC);
	check_ingress("tcx", WGX_INGRESS_TC);
	check_ingress("", WGX_INGRESS_XDP_NATIVE);
	check_ingress("", WGX_INGRESS_XDP_GENERIC);
	check_ingress("xsk_sg", WGX_INGRESS_XDP_NATIVE);
	check_ingress("generic_frags", WGX_INGRESS_XDP_GENERIC);
}

static void test_ingress_many(void **state)
{
	struct wgx_features f = all_but("");
	struct wgx_ingress_attachment *a, *b, *c = NULL;
	struct wgx_ingress_prog *p;
	int va, vb;
	char msg[128];

	bpf_require();
	va = make_veth();
	vb = (int)if_nametoindex("vb");
	assert_int_equal(wgx_ingress_load(&f, &p), 0);
	assert_int_equal(wgx_ingress_attach(p, va, WGX_INGRESS_TC, msg, sizeof(msg), &a), 0);
	assert_int_equal(wgx_ingress_attach(p, vb, WGX_INGRESS_TC, msg, sizeof(msg), &b), 0);
	wgx_ingress_detach(b);
	assert_int_equal(wgx_ingress_attach(p, vb, WGX_INGRESS_XDP_NATIVE, msg, sizeof(msg), &b),
			 0);
	/* one XDP program a device, whichever mode; the message says whose */
	assert_int_equal(wgx_ingress_attach(p, vb, WGX_INGRESS_XDP_NATIVE, msg, sizeof(msg), &c),
			 -EBUSY);
	assert_non_null(strstr(msg, "wgx_ingress_xdp"));
	assert_int_equal(wgx_ingress_attach(p, vb, WGX_INGRESS_XDP_GENERIC, msg, sizeof(msg), &c),
			 -EBUSY);
	assert_non_null(strstr(msg, "wgx_ingress_xdp"));
	assert_null(c);
	assert_int_equal(wgx_ingress_attach(p, (int)if_nametoindex("lo"), WGX_INGRESS_XDP_NATIVE,
					    msg, sizeof(msg), &c),
			 -EOPNOTSUPP);
	assert_string_not_equal(msg, "");
	assert_int_equal(wgx_ingress_attach(p, 9999, WGX_INGRESS_XDP_GENERIC, msg, sizeof(msg), &c),
			 -ENODEV);
	wgx_ingress_detach(b);
	wgx_ingress_detach(a);
	wgx_ingress_detach(NULL);
	wgx_ingress_free(p);
	wgx_ingress_free(NULL);
}

/* ---- ends ---- */

static void attach_all(const struct wgx_link *link, int va, int ready)
{
	struct wgx_features f = all_but("");
	struct wgx_ingress_attachment *a, *b;
	struct wgx_egress_prog *egress;
	struct wgx_ingress_prog *ingress;
	char msg[128], done = 1;

	if (wgx_egress_load(&f, &egress) ||
	    wgx_hook_attach(wgx_egress_hook(egress), link->ifindex) ||
	    wgx_ingress_load(&f, &ingress) ||
	    wgx_ingress_attach(ingress, va, WGX_INGRESS_TC, msg, sizeof(msg), &a) ||
	    wgx_ingress_attach(ingress, va, WGX_INGRESS_XDP_GENERIC, msg, sizeof(msg), &b))
		done = 0;
	if (write(ready, &done, 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* The daemon is killed: nothing stays attached. */
static void test_killed(void **state)
{
	struct bpf_xdp_query_opts query = {.sz = sizeof(query)};
	struct wgx_link link;
	int va, pipefd[2];
	char done = 0;
	pid_t pid;

	bpf_require();
	if (!wgx_features_get()->tcx)
		skip();
	link = env_create("wg0");
	va = make_veth();
	assert_int_equal(pipe2(pipefd, O_CLOEXEC), 0);
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		attach_all(&link, va, pipefd[1]);
	assert_int_equal(read(pipefd[0], &done, 1), 1);
	assert_int_equal(done, 1);
	assert_int_equal(count_tcx(link.ifindex, TCX_EGRESS), 1);
	assert_int_equal(count_tcx(va, TCX_INGRESS), 1);
	assert_int_equal(bpf_xdp_query(va, 0, &query), 0);
	assert_int_not_equal(query.skb_prog_id, 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* links are let go by a worker of the kernel's */
	env_await(!count_tcx(link.ifindex, TCX_EGRESS) && !count_tcx(va, TCX_INGRESS) &&
		  !bpf_xdp_query(va, 0, &query) && !query.skb_prog_id);
	close(pipefd[0]);
	close(pipefd[1]);
}

static void test_unprivileged(void **state)
{
	struct wgx_features f = all_but("");
	struct wgx_egress_prog *egress;
	struct wgx_steer_prog *steer;
	struct wgx_ingress_prog *ingress;
	int status;
	pid_t pid;

	env_require();
	fflush(stdout);
	pid = fork();
	if (pid == 0)
		_exit(setuid(65534) || wgx_egress_load(&f, &egress) != -EPERM ||
		      wgx_steer_load(&f, &steer) != -EPERM ||
		      wgx_ingress_load(&f, &ingress) != -EPERM);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		/* before anything asks for features, or starts a thread, which TSan lets no fork do */
		cmocka_unit_test(test_features_environment),
		env_test(test_features_release),
		env_test(test_features_disable),
		env_test(test_bpffs),
		env_test(test_bpffs_names),
		env_test(test_egress_tcx),
		env_test(test_egress_clsact),
		env_test(test_maps),
		env_test(test_steer),
		env_test(test_egress_to_steer),
		env_test(test_ingress_modes),
		env_test(test_ingress_many),
		env_test(test_killed),
		env_test(test_unprivileged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return env_main(run);
}
