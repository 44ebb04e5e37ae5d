/* SPDX-License-Identifier: MIT */
/*
 * The stages at both ends of a worker: AF_XDP's rings, with a kernel that is played, and the system calls, into a
 * veth of a network namespace of our own, whose other end drops all.
 */
#ifndef WGX_BENCH_STAGES_KERNEL_H
#define WGX_BENCH_STAGES_KERNEL_H

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wgx/bpf_abi.h>
#include "path/bind.h"
#include "path/inject.h"
#include "path/xsk.h"
#include "stages.h"

#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif

/* ---- rings ---- */

#define RING 1024
#define BATCH 64 /* descriptors that come at once */

static struct {
	struct wgx_xsk xsk;
	struct xdp_desc descs[RING];
	uint64_t addrs[RING];
	uint32_t rx_prod, rx_cons, fill_prod, fill_cons, flags;
	unsigned int per_frame; /* descriptors */
	unsigned int len; /* of each */
} ring;

static uint8_t ring_memory[RING * WGX_CHUNK_SIZE];

static inline void make_ring(void)
{
	struct wgx_xsk *x = &ring.xsk;

	x->umem = (struct wgx_umem){
		.memfd = -1, .base = ring_memory, .size = sizeof(ring_memory), .chunks = RING};
	x->ring_size = RING;
	x->rx = (struct xsk_ring_cons){.mask = RING - 1,
				       .size = RING,
				       .producer = &ring.rx_prod,
				       .consumer = &ring.rx_cons,
				       .ring = ring.descs,
				       .flags = &ring.flags};
	x->fill = (struct xsk_ring_prod){.cached_prod = RING,
					 .cached_cons = RING,
					 .mask = RING - 1,
					 .size = RING,
					 .producer = &ring.fill_prod,
					 .consumer = &ring.fill_cons,
					 .ring = ring.addrs,
					 .flags = &ring.flags};
	ring.fill_prod = RING;
	for (uint32_t i = 0; i < RING; i++)
		ring.addrs[i] = (uint64_t)i * WGX_CHUNK_SIZE;
}

/* The kernel's part: chunks from the fill ring, their descriptors into the rx ring, a batch of whole frames */
static inline void ring_receive(void)
{
	for (unsigned int n = 0; n + ring.per_frame <= BATCH; n += ring.per_frame)
		for (unsigned int i = 0; i < ring.per_frame; i++) {
			struct xdp_desc *d = &ring.descs[ring.rx_prod++ % RING];

			d->addr = ring.addrs[ring.fill_cons++ % RING] + XDP_PACKET_HEADROOM;
			d->len = ring.len;
			d->options = i + 1 < ring.per_frame ? XDP_PKT_CONTD : 0;
		}
}

static inline void ring_serve(void)
{
	struct iovec iov[WGX_FRAME_SLICES_MAX];
	size_t len;

	while (wgx_xsk_next(&ring.xsk, iov, WGX_FRAME_SLICES_MAX, &len) > 0)
		ring.flags ^= ((const uint8_t *)iov[0].iov_base)[0];
	wgx_xsk_release(&ring.xsk);
}

/* One thread plays both: the kernel's part is some four nanoseconds a descriptor of it. */
static inline void ring_both(void)
{
	ring_receive();
	ring_serve();
}

static inline void bench_ring(const char *name, unsigned int per_frame, unsigned int len)
{
	struct stage s = {.name = name, .work = ring_both};

	ring.per_frame = per_frame;
	ring.len = len;
	s.packets = BATCH / per_frame;
	s.bytes = (size_t)s.packets * per_frame * len;
	report(&s);
}

static inline void bench_rings(void)
{
	make_ring();
	bench_ring("ring, 92 bytes a frame", 1, 92 + ETH_HLEN);
	bench_ring("ring, 60 KB a frame", 16, 3840);
}

/* ---- system calls ---- */

static struct {
	struct wgx_bind *bind;
	struct wgx_endpoint to;
	struct iovec iov;
	uint16_t size; /* of each datagram */
	int inject_fd;
	struct wgx_gso *gso;
	unsigned int n;
} port;

static uint8_t datagrams[65536];

/* Return: its ifindex; 0: not permitted */
static inline unsigned int make_device(void)
{
	if (geteuid() || unshare(CLONE_NEWNET) ||
	    system("PATH=$PATH:/usr/sbin:/sbin; ip link add d0 type veth peer name d1 && "
		   "ip addr add 192.0.2.1/24 dev d0 && ip link set d0 up && ip link set d1 up && "
		   "ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev d0 && "
		   "nft 'table netdev t { chain c { type filter hook ingress device d1 priority 0; "
		   "policy drop; }; }'"))
		return 0;
	return if_nametoindex("d0");
}

static inline void send_datagrams(void)
{
	if (wgx_bind_send(port.bind, &port.to, 0, &port.iov, 1, port.size)) {
		fprintf(stderr, "the socket refuses to send\n");
		exit(1);
	}
}

static inline void bench_send(const char *name, unsigned int n, unsigned int size)
{
	struct stage s = {
		.name = name, .work = send_datagrams, .packets = n, .bytes = (size_t)n * size};

	port.iov = (struct iovec){.iov_base = datagrams, .iov_len = s.bytes};
	port.size = (uint16_t)(n > 1 ? size : 0);
	report(&s);
}

static inline void inject_all(void)
{
	struct wgx_inject_result result;

	wgx_inject(port.inject_fd, port.gso, port.n, 1500, &result);
	if (result.lost) {
		fprintf(stderr, "the packet socket refuses to send\n");
		exit(1);
	}
}

static inline void fill_gso(struct wgx_gso *g, uint8_t *packet, size_t len)
{
	*g = (struct wgx_gso){.packets = 1, .len = len, .n = 2};
	g->link.eth.h_proto = htons(ETH_P_IP);
	memset(g->link.eth.h_dest, 2, ETH_ALEN);
	g->iov[0] = (struct iovec){.iov_base = &g->link, .iov_len = sizeof(g->link)};
	g->iov[1] = (struct iovec){.iov_base = packet, .iov_len = len};
}

static inline void bench_inject(uint8_t *superframe, size_t len, unsigned int mss)
{
	static struct wgx_gso gso[WGX_COALESCE_FLOWS];
	struct stage one = {.name = "inject 60 KB, TCP", .work = inject_all, .bytes = len};
	struct stage many = {.name = "inject 32 x 92 bytes",
			     .work = inject_all,
			     .packets = WGX_COALESCE_FLOWS,
			     .bytes = WGX_COALESCE_FLOWS * 92};

	port.gso = gso;
	fill_gso(&gso[0], superframe, len);
	one.packets = (unsigned int)((len - 52 + mss - 1) / mss);
	gso[0].link.vnet = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						   .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
						   .hdr_len = ETH_HLEN + 52,
						   .gso_size = (uint16_t)mss,
						   .csum_start = ETH_HLEN + 20,
						   .csum_offset = 16};
	port.n = 1;
	report(&one);
	for (unsigned int i = 0; i < WGX_COALESCE_FLOWS; i++)
		fill_gso(&gso[i], superframe, 92);
	port.n = WGX_COALESCE_FLOWS;
	report(&many);
}

static inline void bench_kernel(uint8_t *superframe, size_t len, unsigned int mss)
{
	unsigned int device = make_device();

	if (!device) {
		puts("send, inject: left out, they need root, ip and nft");
		return;
	}
	port.to.addr.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(51820)};
	inet_pton(AF_INET, "192.0.2.2", &port.to.addr.v4.sin_addr);
	port.inject_fd = wgx_inject_open((int)device);
	if (wgx_bind_open(0, 0, &port.bind) || port.inject_fd < 0) {
		fprintf(stderr, "no sockets\n");
		exit(1);
	}
	bench_send("send 1 x 1452", 1, 1452);
	bench_send("send 44 x 1452, UDP_SEGMENT", 44, 1452);
	bench_send("send 64 x 128, UDP_SEGMENT", 64, 128);
	bench_inject(superframe, len, mss);
	close(port.inject_fd);
	wgx_bind_close(port.bind);
}

#endif
