/* SPDX-License-Identifier: MIT */
/*
 * Packets written to one end of a veth pair, seen at the other, in a namespace of their own:
 *
 *	wgx_inject -> far ======== near -> AF_PACKET
 */
#include "path_env.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include "net/link.h"
#include "path/checksum.h"
#include "path/inject.h"

#define MTU 1000
#define SEGMENT 700

static const uint8_t mac[6] = {2, 1, 2, 3, 4, 5};

struct env {
	struct wgx_coalescer *coalescer;
	int fd; /* into far */
	int near; /* what comes out */
};

/* All that arrives at @name, each with its virtio-net header */
static int listen_at(const char *name)
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET,
				   .sll_protocol = htons(ETH_P_ALL),
				   .sll_ifindex = (int)if_nametoindex(name)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	*state = e;
	if (!path_permitted)
		return 0;
	assert_int_equal(system("sysctl -qw net.ipv6.conf.default.disable_ipv6=1 &&"
				"ip link add near mtu 1000 type veth peer name far mtu 65535 &&"
				"ip link set near arp off up && ip link set far arp off up"),
			 0);
	e->fd = wgx_inject_open((int)if_nametoindex("far"));
	assert_true(e->fd >= 0);
	e->near = listen_at("near");
	e->coalescer = calloc(1, sizeof(*e->coalescer));
	wgx_coalesce_init(e->coalescer, mac, true);
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	if (path_permitted) {
		close(e->fd);
		close(e->near);
		free(e->coalescer);
		assert_int_equal(system("ip link del near"), 0);
	}
	free(e);
	return 0;
}

/* An IPv4 packet of protocol 200, which nobody coalesces */
static void make_plain(uint8_t *p, size_t len, uint8_t fill)
{
	struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = 200};
	uint16_t check;

	ip.tot_len = htons((uint16_t)len);
	ip.saddr = htonl(0x0a000001);
	ip.daddr = htonl(0x0a000002);
	memset(p, fill, len);
	memcpy(p, &ip, sizeof(ip));
	check = wgx_csum_ip4(p, sizeof(ip));
	memcpy(p + 10, &check, sizeof(check));
}

/* One of consecutive TCP segments of a flow, its checksums right */
static void make_tcp(uint8_t *p, uint32_t seq, uint16_t id, size_t payload)
{
	struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_TCP};
	struct tcphdr tcp = {.source = htons(80), .dest = htons(1000), .doff = 5, .ack = 1};
	size_t l4 = sizeof(tcp) + payload;
	uint16_t check;

	ip.tot_len = htons((uint16_t)(sizeof(ip) + l4));
	ip.id = htons(id);
	ip.saddr = htonl(0x0a000001);
	ip.daddr = htonl(0x0a000002);
	tcp.seq = htonl(seq);
	memcpy(p, &ip, sizeof(ip));
	memcpy(p + 20, &tcp, sizeof(tcp));
	for (size_t i = 0; i < payload; i++)
		p[40 + i] = (uint8_t)(seq + i);
	check = wgx_csum_ip4(p, sizeof(ip));
	memcpy(p + 10, &check, sizeof(check));
	check = wgx_csum_fold(
		wgx_csum_add(wgx_csum_pseudo4(p + 12, IPPROTO_TCP, (uint32_t)l4), p + 20, l4));
	memcpy(p + 36, &check, sizeof(check));
}

static void add(struct env *e, uint8_t *p)
{
	size_t len = (size_t)p[2] << 8 | p[3];

	assert_int_equal(wgx_coalesce_add(e->coalescer, p, len), 0);
}

/* What came of it: GSO packets and IP packets, by their fate */
struct outcome {
	struct wgx_inject_result r;
	uint64_t gso[WGX_GSO_TOO_BIG + 1], ip[WGX_GSO_TOO_BIG + 1];
};

static struct outcome inject(struct env *e, uint32_t mtu)
{
	struct outcome o = {.r = {77, 77, 77, 77}};
	unsigned int n = wgx_coalesce_finish(e->coalescer);

	for (unsigned int i = 0; i < n; i++)
		e->coalescer->gso[i].fate = 77;
	wgx_inject(e->fd, e->coalescer->gso, n, mtu, &o.r);
	for (unsigned int i = 0; i < n; i++) {
		assert_in_range(e->coalescer->gso[i].fate, 0, WGX_GSO_TOO_BIG);
		o.gso[e->coalescer->gso[i].fate]++;
		o.ip[e->coalescer->gso[i].fate] += e->coalescer->gso[i].packets;
	}
	wgx_coalesce_reset(e->coalescer);
	return o;
}

static void check_result(struct outcome o, uint64_t packets, uint64_t segments, uint64_t refused,
			 uint64_t too_big)
{
	assert_int_equal(o.r.sent_packets, packets);
	assert_int_equal(o.r.sent_segments, segments);
	assert_int_equal(o.gso[WGX_GSO_SENT], packets);
	assert_int_equal(o.ip[WGX_GSO_SENT], segments);
	assert_int_equal(o.ip[WGX_GSO_REFUSED] + o.ip[WGX_GSO_DROPPED], refused);
	assert_int_equal(o.ip[WGX_GSO_TOO_BIG], too_big);
	assert_int_equal(o.r.dropped, o.gso[WGX_GSO_DROPPED]);
	assert_int_equal(o.r.lost, o.gso[WGX_GSO_REFUSED] + o.r.dropped + o.gso[WGX_GSO_TOO_BIG]);
}

/* What the kernel counts of far, in frames */
static uint64_t tx_dropped(void)
{
	struct wgx_link_info info;

	assert_int_equal(wgx_link_query("far", &info), 0);
	return info.tx_dropped;
}

/* The next packet at near: its IP part; Ethernet and virtio-net headers looked at */
static size_t arrive(struct env *e, uint8_t *ip, size_t size, struct virtio_net_hdr *ret_vnet)
{
	struct ethhdr eth;
	struct iovec iov[3] = {{ret_vnet, sizeof(*ret_vnet)}, {&eth, sizeof(eth)}, {ip, size}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 3};
	ssize_t n;

	assert_true(path_readable(e->near, WAIT_MS));
	n = recvmsg(e->near, &m, 0);
	assert_true(n > (ssize_t)(sizeof(*ret_vnet) + sizeof(eth)));
	assert_memory_equal(eth.h_dest, mac, sizeof(mac));
	assert_int_equal(eth.h_proto, htons(ETH_P_IP));
	return (size_t)n - sizeof(*ret_vnet) - sizeof(eth);
}

static void expect_plain(struct env *e, const uint8_t *p)
{
	static uint8_t in[65536];
	struct virtio_net_hdr vnet;
	size_t len = (size_t)p[2] << 8 | p[3];

	assert_int_equal(arrive(e, in, sizeof(in), &vnet), len);
	assert_memory_equal(in, p, len);
	assert_int_equal(vnet.gso_type, VIRTIO_NET_HDR_GSO_NONE);
}

static void test_in_order(void **state)
{
	static uint8_t packets[5][MTU];
	struct env *e = *state;

	path_require();
	for (uint8_t i = 0; i < 5; i++) {
		make_plain(packets[i], 20 + (size_t)i * 245, i);
		add(e, packets[i]);
	}
	check_result(inject(e, MTU), 5, 5, 0, 0);
	for (uint8_t i = 0; i < 5; i++)
		expect_plain(e, packets[i]);
	path_no_more(e->near);
	check_result(inject(e, MTU), 0, 0, 0, 0);
}

/* Those over the MTU are counted; those before and after arrive, in order. */
static void test_too_big(void **state)
{
	static const size_t lens[] = {MTU, MTU + 1, 60, 1400, MTU};
	static uint8_t packets[5][1500];
	struct env *e = *state;

	path_require();
	for (uint8_t i = 0; i < 5; i++) {
		make_plain(packets[i], lens[i], i);
		add(e, packets[i]);
	}
	check_result(inject(e, MTU), 3, 3, 0, 2);
	expect_plain(e, packets[0]);
	expect_plain(e, packets[2]);
	expect_plain(e, packets[4]);
	path_no_more(e->near);
}

/* As large as IP can be, where the MTU allows it */
static void test_largest(void **state)
{
	static uint8_t packet[65535];
	struct env *e = *state;

	path_require();
	assert_int_equal(system("ip link set near mtu 65535"), 0);
	make_plain(packet, sizeof(packet), 9);
	add(e, packet);
	check_result(inject(e, 65535), 1, 1, 0, 0);
	expect_plain(e, packet);
}

/* Segments of one flow cross as one packet, beyond any MTU. */
static void test_gso(void **state)
{
	static uint8_t packets[20][SEGMENT + 40], in[65536], other[100];
	struct env *e = *state;
	struct virtio_net_hdr vnet;

	path_require();
	for (unsigned int i = 0; i < 20; i++) {
		make_tcp(packets[i], i * SEGMENT, (uint16_t)i, SEGMENT);
		add(e, packets[i]);
	}
	make_plain(other, sizeof(other), 3);
	add(e, other);
	check_result(inject(e, MTU), 2, 21, 0, 0);
	assert_int_equal(arrive(e, in, sizeof(in), &vnet), 40 + 20 * SEGMENT);
	assert_int_equal(vnet.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(vnet.gso_size, SEGMENT);
	for (size_t i = 0; i < 20 * (size_t)SEGMENT; i++)
		assert_int_equal(in[40 + i], (uint8_t)i);
	expect_plain(e, other);
}

/* wg0 is down: all is counted. */
static void test_down(void **state)
{
	static uint8_t packets[3][SEGMENT + 40];
	struct env *e = *state;
	struct outcome o;
	uint64_t before;

	path_require();
	assert_int_equal(system("ip link set near down"), 0);
	for (unsigned int i = 0; i < 3; i++) {
		make_tcp(packets[i], i * SEGMENT, (uint16_t)i, SEGMENT);
		add(e, packets[i]);
	}
	before = tx_dropped();
	o = inject(e, MTU);
	check_result(o, 0, 0, 3, 0);
	/* so nothing is counted twice where both counts are added (ctl/daemon/drops.c) */
	assert_int_equal(tx_dropped() - before, o.r.dropped);
	assert_int_equal(o.r.dropped, 1);
	assert_int_equal(system("ip link set near up"), 0);
	make_plain(packets[0], 100, 5);
	add(e, packets[0]);
	check_result(inject(e, MTU), 1, 1, 0, 0);
	/* the socket at near was told of the link going down */
	recv(e->near, packets[1], 1, MSG_DONTWAIT | MSG_TRUNC);
}

/* wg0 is gone, and its far end with it. */
static void test_gone(void **state)
{
	static uint8_t packet[100];
	struct env *e = *state;

	path_require();
	assert_int_equal(system("ip link del near"), 0);
	make_plain(packet, sizeof(packet), 5);
	add(e, packet);
	check_result(inject(e, MTU), 0, 0, 1, 0);
	assert_int_equal(system("ip link add near type veth peer name far"), 0); /* for teardown */
}

static void test_open_fails(void **state)
{
	unsigned int before;

	path_require();
	before = path_fds();
	assert_int_equal(wgx_inject_open(123456), -ENODEV);
	assert_int_equal(path_fds(), before);
}

#define with_env(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_env(test_in_order),   with_env(test_too_big), with_env(test_largest),
		with_env(test_gso),	   with_env(test_down),	   with_env(test_gone),
		with_env(test_open_fails),
	};

	return cmocka_run_group_tests_name("inject", tests, path_setup, NULL);
}
