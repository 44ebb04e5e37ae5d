/* SPDX-License-Identifier: MIT */
#include "net/probe.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "net/link.h"

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif
#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1U << 5)
#endif

#define LOOPBACK_IFINDEX 1
#define PAYLOAD 9000 /* more than a page, so that no kernel can put it into a linear buffer */
#define HEADERS (sizeof(struct ether_header) + sizeof(struct iphdr) + sizeof(struct udphdr))
#define WAIT_MS 1000

enum shape {
	SHAPE_UNSEEN,
	SHAPE_LINEAR,
	SHAPE_FRAGS,
};

struct probe {
	bool uso;
	bool generic_frags;
};

struct frame {
	struct virtio_net_hdr vnet;
	struct ether_header eth;
	struct iphdr ip;
	struct udphdr udp;
	uint8_t payload[PAYLOAD];
} __attribute__((packed));

/* A UDP datagram to the discard port; what is said of it in virtio's header makes it nonlinear or GSO */
static void make_frame(struct frame *f, uint8_t gso_type, uint16_t gso_size)
{
	memset(f, 0, sizeof(*f));
	f->vnet.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	f->vnet.gso_type = gso_type;
	f->vnet.gso_size = gso_size;
	f->vnet.hdr_len = HEADERS;
	f->vnet.csum_start = sizeof(f->eth) + sizeof(f->ip);
	f->vnet.csum_offset = offsetof(struct udphdr, check);
	f->eth.ether_type = htons(ETHERTYPE_IP);
	f->ip.version = 4;
	f->ip.ihl = 5;
	f->ip.ttl = 1;
	f->ip.protocol = IPPROTO_UDP;
	f->ip.tot_len = htons(sizeof(*f) - offsetof(struct frame, ip));
	f->ip.saddr = f->ip.daddr = htonl(INADDR_LOOPBACK);
	f->udp.source = f->udp.dest = htons(9);
	f->udp.len = htons(sizeof(f->udp) + PAYLOAD);
}

static int open_packet_socket(void)
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_ifindex = LOOPBACK_IFINDEX};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1, err;

	if (fd < 0)
		return -errno;
	if (!setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) &&
	    !bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static bool send_frame(int fd, uint8_t gso_type, uint16_t gso_size)
{
	struct frame f;

	make_frame(&f, gso_type, gso_size);
	return send(fd, &f, sizeof(f), 0) == sizeof(f);
}

/* An XDP program that writes to @map what it sees: is all of the frame between data and data_end? */
static int load_observer(int map)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 6, .src_reg = 1, .off = 4},
		{.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 7, .src_reg = 1, .off = 0},
		{.code = BPF_ALU64 | BPF_SUB | BPF_X, .dst_reg = 6, .src_reg = 7},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_xdp_get_buff_len},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 7, .imm = SHAPE_LINEAR},
		{.code = BPF_JMP | BPF_JGE | BPF_X, .dst_reg = 6, .src_reg = 0, .off = 1},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 7, .imm = SHAPE_FRAGS},
		{.code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = 10, .off = -4, .imm = 0},
		{.code = BPF_STX | BPF_MEM | BPF_W, .dst_reg = 10, .src_reg = 7, .off = -8},
		{.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = 1, .imm = map},
		{.code = 0},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = -4},
		{.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 3, .src_reg = 10},
		{.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 3, .imm = -8},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 4, .imm = BPF_ANY},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_update_elem},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = XDP_DROP},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .prog_flags = BPF_F_XDP_HAS_FRAGS);

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "wgx_probe", "GPL", insns,
			     sizeof(insns) / sizeof(insns[0]), &opts);
}

/* Loopback delivers at once, unless ksoftirqd has it */
static enum shape wait_for_shape(int map)
{
	uint32_t key = 0, shape = SHAPE_UNSEEN;

	for (int ms = 0; ms < WAIT_MS && shape == SHAPE_UNSEEN; ms++) {
		if (ms)
			poll(NULL, 0, 1);
		bpf_map_lookup_elem(map, &key, &shape);
	}
	return shape;
}

static enum shape observe(int packet_fd, int map)
{
	LIBBPF_OPTS(bpf_link_create_opts, opts, .flags = XDP_FLAGS_SKB_MODE);
	enum shape shape = SHAPE_UNSEEN;
	int prog, link;

	prog = load_observer(map);
	if (prog < 0)
		return SHAPE_UNSEEN;
	link = bpf_link_create(prog, LOOPBACK_IFINDEX, BPF_XDP, &opts);
	if (link >= 0) {
		if (send_frame(packet_fd, VIRTIO_NET_HDR_GSO_NONE, 0))
			shape = wait_for_shape(map);
		close(link);
	}
	close(prog);
	return shape;
}

static bool probe_generic_frags(int packet_fd)
{
	enum shape shape;
	int map;

	map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "wgx_probe", 4, 4, 1, NULL);
	if (map < 0)
		return false;
	shape = observe(packet_fd, map);
	close(map);
	return shape == SHAPE_FRAGS;
}

static void *probe_thread(void *arg)
{
	struct probe *p = arg;
	int fd;

	if (unshare(CLONE_NEWNET) || wgx_link_set_up(LOOPBACK_IFINDEX, true))
		return NULL;
	fd = open_packet_socket();
	if (fd < 0)
		return NULL;
	p->uso = send_frame(fd, VIRTIO_NET_HDR_GSO_UDP_L4, PAYLOAD / 9);
	p->generic_frags = probe_generic_frags(fd);
	close(fd);
	return NULL;
}

void wgx_probe_network(bool *ret_uso, bool *ret_generic_frags)
{
	struct probe p = {0};
	pthread_t thread;

	if (!pthread_create(&thread, NULL, probe_thread, &p))
		pthread_join(thread, NULL);
	*ret_uso = p.uso;
	*ret_generic_frags = p.generic_frags;
}
