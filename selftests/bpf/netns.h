/* SPDX-License-Identifier: MIT */
/* Real packets for the tests: private network namespaces, veth pairs, AF_PACKET with GSO metadata. */
#ifndef WGX_TEST_NETNS_H
#define WGX_TEST_NETNS_H

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <net/if.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include "harness.h"

/* libbpf 1.1 and its headers have no tcx yet */
#define ATTACH_TCX_INGRESS 46
#define ATTACH_TCX_EGRESS 47
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

/* Makes a network namespace and enters it. Returns its descriptor: closing it, and leaving, ends it. */
static __maybe_unused int netns_new(void)
{
	int fd;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static __maybe_unused int netns_self(void)
{
	return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

static __maybe_unused void netns_enter(int fd)
{
	assert_int_equal(setns(fd, CLONE_NEWNET), 0);
}

/* A shell command in the current namespace; it must succeed. */
static __maybe_unused void sh(const char *fmt, ...)
{
	char cmd[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, args);
	va_end(args);
	assert_int_equal(system(cmd), 0);
}

static __maybe_unused void link_up(const char *dev)
{
	sh("sysctl -qw net.ipv6.conf.%s.disable_ipv6=1 && ip link set %s arp off up", dev, dev);
}

/*
 * A veth pair of four queues, here and in another namespace, silent (no IPv6, no ARP). The end there
 * comes up first: the last one up has its carrier and its queueing discipline at once, while the
 * other waits for the kernel's linkwatch and until then loses what it sends. So send from here.
 */
static __maybe_unused void veth_new(const char *here, const char *there, int netns, int mtu)
{
	int self = netns_self();

	assert_true(self >= 0);
	sh("ip link add name %s mtu %d numtxqueues 4 numrxqueues 4 type veth "
	   "peer name %s mtu %d numtxqueues 4 numrxqueues 4",
	   here, mtu, there, mtu);
	sh("ip link set %s netns /proc/%d/fd/%d", there, getpid(), netns);
	netns_enter(netns);
	link_up(there);
	netns_enter(self);
	link_up(here);
	close(self);
}

/*
 * Loads a program of a few instructions and attaches it with tcx. Programs run in the order of their
 * attachment. Returns the link's descriptor.
 */
static __maybe_unused int tcx_attach_insns(const struct bpf_insn *insns, size_t n, const char *dev,
					   int type)
{
	int prog = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "test", "GPL", insns, n, NULL);
	int link;

	assert_true(prog >= 0);
	link = bpf_link_create(prog, if_nametoindex(dev), type, NULL);
	assert_true(link >= 0);
	close(prog);
	return link;
}

/*
 * An egress program that leaves a VLAN tag beside the frame, as a VLAN device with offload does. Returns the
 * link's descriptor.
 */
static __maybe_unused int vlan_push_attach(const char *dev)
{
	const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = htons(ETH_P_8021Q)},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = 5},
		{.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_vlan_push},
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = TC_ACT_UNSPEC},
		{.code = BPF_JMP | BPF_EXIT},
	};

	return tcx_attach_insns(insns, sizeof(insns) / sizeof(insns[0]), dev, ATTACH_TCX_EGRESS);
}

/* Returns the link's descriptor, or a negative errno (EINVAL: this kernel has no tcx). */
static __maybe_unused int tcx_attach(const struct bpf_program *prog, const char *dev, int type)
{
	int fd = bpf_link_create(bpf_program__fd(prog), if_nametoindex(dev), type, NULL);

	return fd < 0 ? -errno : fd;
}

/* An AF_PACKET socket on `dev`, with a virtio_net_hdr before each frame. */
static __maybe_unused int packet_socket(const char *dev)
{
	struct sockaddr_ll ll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(dev),
	};
	int one = 1, fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ll, sizeof(ll)), 0);
	return fd;
}

/* False: the device's egress dropped it, and told us so at once. */
static __maybe_unused bool packet_send(int fd, const struct virtio_net_hdr *hdr,
				       const struct packet *p)
{
	struct iovec iov[2] = {{(void *)hdr, sizeof(*hdr)}, {(void *)p->data, p->len}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n = sendmsg(fd, &msg, 0);

	if (n < 0 && errno == ENOBUFS)
		return false;
	assert_int_equal(n, sizeof(*hdr) + p->len);
	return true;
}

/* Receives one frame that came from the wire. False: none came for a while. */
static __maybe_unused bool packet_recv(int fd, struct virtio_net_hdr *hdr, struct packet *p)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	struct sockaddr_ll ll;
	struct iovec iov[2] = {{hdr, sizeof(*hdr)}, {p->data, sizeof(p->data)}};
	struct msghdr msg = {
		.msg_name = &ll, .msg_namelen = sizeof(ll), .msg_iov = iov, .msg_iovlen = 2};
	ssize_t n;

	while (poll(&pfd, 1, 1000) == 1) {
		n = recvmsg(fd, &msg, 0);
		if (n < (ssize_t)sizeof(*hdr) || ll.sll_pkttype == PACKET_OUTGOING)
			continue;
		p->len = n - sizeof(*hdr);
		return true;
	}
	return false;
}

#endif
