/* SPDX-License-Identifier: MIT */
#include "path/inject.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <sys/socket.h>
#include <unistd.h>

/* A GSO packet is charged at its true size; the default allows three of them. */
#define SEND_BUFFER (16 << 20)

int wgx_inject_open(int far_ifindex)
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_ifindex = far_ifindex};
	int fd, on = 1, buffer = SEND_BUFFER, err;

	/* protocol 0: it receives nothing */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = -errno;
		close(fd);
		return err;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer)))
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	return fd;
}

static bool over_mtu(const struct wgx_gso *g, uint32_t mtu)
{
	return g->link.vnet.gso_type == VIRTIO_NET_HDR_GSO_NONE && g->len > mtu;
}

/* Messages for all that fit wg0's MTU; which[] tells whose message is whose. */
static unsigned int prepare(struct wgx_gso *gso, unsigned int n, uint32_t mtu, struct mmsghdr *msgs,
			    struct wgx_gso **which, struct wgx_inject_result *ret)
{
	unsigned int m = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (over_mtu(&gso[i], mtu)) {
			gso[i].fate = WGX_GSO_TOO_BIG;
			ret->lost++;
			continue;
		}
		msgs[m] = (struct mmsghdr){
			.msg_hdr = {.msg_iov = gso[i].iov, .msg_iovlen = gso[i].n},
		};
		which[m++] = &gso[i];
	}
	return m;
}

void wgx_inject(int fd, struct wgx_gso *gso, unsigned int n, uint32_t mtu,
		struct wgx_inject_result *ret)
{
	struct mmsghdr msgs[WGX_COALESCE_FLOWS];
	struct wgx_gso *which[WGX_COALESCE_FLOWS];
	unsigned int m, at = 0;

	*ret = (struct wgx_inject_result){0};
	m = prepare(gso, n, mtu, msgs, which, ret);
	while (at < m) {
		int done = sendmmsg(fd, msgs + at, m - at, 0);

		if (done <= 0) {
			/* veth's NET_XMIT_DROP, and that of a device without a carrier */
			bool dropped = errno == ENOBUFS;

			which[at++]->fate = dropped ? WGX_GSO_DROPPED : WGX_GSO_REFUSED;
			ret->dropped += dropped;
			ret->lost++;
			continue;
		}
		for (int i = 0; i < done && at < m; i++, at++) {
			which[at]->fate = WGX_GSO_SENT;
			ret->sent_packets++;
			ret->sent_segments += which[at]->packets;
		}
	}
}
