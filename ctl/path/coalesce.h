/* SPDX-License-Identifier: MIT */
/* From decrypted packets to GSO packets, by the rules of the kernel's GRO. */
#ifndef WGX_PATH_COALESCE_H
#define WGX_PATH_COALESCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>
#include <linux/if_ether.h>
#include <linux/virtio_net.h>

#define WGX_COALESCE_FLOWS 32 /* packets being built at once */
#define WGX_COALESCE_SLICES 66

/** enum wgx_gso_fate - what wgx_inject() did with it */
enum wgx_gso_fate {
	WGX_GSO_SENT,
	WGX_GSO_REFUSED, /* the packet socket did not take it */
	WGX_GSO_DROPPED, /* the kernel dropped it: no room in the backlog, or wg0 is down */
	WGX_GSO_TOO_BIG, /* over wg0's MTU: veth would lose it */
};

/** struct wgx_gso - one packet to inject: iov[0] is vnet, then the Ethernet header, then IP */
struct wgx_gso {
	struct iovec iov[WGX_COALESCE_SLICES + 1];
	unsigned int n; /* slices in iov */
	unsigned int packets; /* IP packets in it */
	size_t len; /* bytes from the IP header on */
	void *owner; /* whose packets these are: the coalescer's, when they were added */
	enum wgx_gso_fate fate;
	struct {
		struct virtio_net_hdr vnet;
		struct ethhdr eth;
	} __attribute__((packed)) link;
	/* private to coalesce.c */
	uint8_t *ip;
	unsigned int l3_len, header_len;
	uint16_t mss;
	uint32_t next_seq;
	uint8_t proto;
	bool v6;
	bool open; /* may still grow */
	bool verified; /* transport checksum was right: the kernel need not look */
	bool fixed_id; /* all IPv4 identifications are the same */
};

/** struct wgx_coalescer - packets of one interface on their way into wg0; about 40 KB */
struct wgx_coalescer {
	struct wgx_gso gso[WGX_COALESCE_FLOWS];
	uint32_t hash[WGX_COALESCE_FLOWS]; /* of addresses and ports of each; 0: not known */
	unsigned int n;
	bool udp_gso; /* the kernel takes VIRTIO_NET_HDR_GSO_UDP_L4 (6.2) */
	uint8_t mac[ETH_ALEN]; /* of wg0 */
	void *owner; /* of the packets that are added next; opaque, and never two in one wgx_gso */
};

void wgx_coalesce_init(struct wgx_coalescer *c, const uint8_t mac[ETH_ALEN], bool udp_gso);

/**
 * wgx_coalesce_add() - take one IP packet
 * @packet: checked IP packet (version and length fields right); its memory must stay as it is until
 *	the coalescer is reset, and its headers may be written to
 * @len: its length, from its own length field
 *
 * Order is kept within each flow. Only packets whose transport checksum is right are merged or
 * marked as verified: a wrong one goes on as it is, for the receiver to count. Return: 0, or
 * -ENOBUFS where the caller must hand over what is there (wgx_coalesce_finish) and add again.
 */
int wgx_coalesce_add(struct wgx_coalescer *c, uint8_t *packet, size_t len);

/**
 * wgx_coalesce_finish() - write the headers of all that was built
 *
 * Afterwards gso[0] to gso[n - 1] are ready to send, in order. Return: n.
 */
unsigned int wgx_coalesce_finish(struct wgx_coalescer *c);

/** wgx_coalesce_reset() - forget what was built: it has been sent */
void wgx_coalesce_reset(struct wgx_coalescer *c);

#endif
