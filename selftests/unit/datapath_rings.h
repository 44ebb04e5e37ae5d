/* SPDX-License-Identifier: MIT */
/*
 * The workers of datapath_env.h with their AF_XDP rings: packets that B's host sends, and frames that only somebody with
 * CAP_NET_RAW can write, on wg0 and on the collector.
 */
#ifndef WGX_TEST_DATAPATH_RINGS_H
#define WGX_TEST_DATAPATH_RINGS_H

#include "datapath_env.h"

#include <bpf/bpf.h>
#include <net/if.h>
#include "net/features.h"
#include "net/programs.h"

#define RING 1024

struct rings {
	const struct wgx_features *features;
	bool superframes;
	struct wgx_egress_prog *egress;
	struct wgx_steer_prog *steer[2]; /* of wg0's far end, of the collector's */
	struct wgx_xsk *xsk[2]; /* of wg0's queue 0, of the collector */
	struct wgx_xsk *more[WGX_QUEUES_MAX]; /* of wg0's other queues */
	struct wgx_link collector;
	void *plain_credit; /* dp_setup()'s */
	int raw; /* AF_PACKET on the collector's near end */
};

static struct rings rings;

static struct dp *the_dp; /* for what runs on the private namespace's thread */

static inline int open_ring(int n, const struct wgx_link *link)
{
	struct rings *r = &rings;

	return wgx_steer_load(r->features, &r->steer[n]) ||
	       wgx_xsk_create(link->far_name, 0, RING, false, r->superframes, &r->xsk[n]) ||
	       wgx_steer_set_xsk(r->steer[n], 0, r->xsk[n]->fd) ||
	       wgx_hook_attach(wgx_steer_hook(r->steer[n]), link->far_ifindex);
}

static inline int open_queue(unsigned int q)
{
	struct rings *r = &rings;

	return wgx_xsk_create(the_dp->link.far_name, q, RING, false, r->superframes, &r->more[q]) ||
	       wgx_steer_set_xsk(r->steer[0], q, r->more[q]->fd);
}

static inline int open_rings(void *arg)
{
	int err = open_ring(0, &the_dp->link) || open_ring(1, &rings.collector);

	for (unsigned int q = 1; !err && q < the_dp->b.iface.n_queues; q++)
		err = open_queue(q);
	return err;
}

static inline void add_port(enum wgx_port_kind kind, struct wgx_xsk *xsk, unsigned int sealer)
{
	struct dp *d = the_dp;

	d->extra_sealer[d->n_extra] = sealer;
	d->extra[d->n_extra++] =
		(struct wgx_port){kind, xsk->fd, xsk, kind == WGX_PORT_WG ? &d->b.iface : NULL, 0};
}

/* A socket that writes frames to a device, past any queue */
static inline int raw_socket(int ifindex)
{
	struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_ifindex = ifindex};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1, room = 8 << 20;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static inline int setup(void **state)
{
	const struct wgx_bpf_config config = {
		.credit_limit = 448, .credit_alpha = 8, .queues = env_queues};
	const uint32_t zero = 0;
	struct rings *r = &rings;
	struct dp *d;
	int err = dp_setup(state);

	d = the_dp = *state;
	if (err || !env_permitted)
		return err;
	memset(r, 0, sizeof(*r));
	r->features = wgx_features_get();
	r->superframes = wgx_features_superframes(r->features);
	assert_int_equal(wgx_egress_load(r->features, &r->egress), 0);
	assert_int_equal(bpf_map_update_elem(wgx_egress_maps(r->egress)->config, &zero, &config, 0),
			 0);
	r->plain_credit = d->b.iface.credit.map;
	assert_int_equal(wgx_credit_open(&d->b.iface.credit, wgx_egress_maps(r->egress)->credit,
					 d->b.iface.n_queues),
			 0);
	assert_int_equal(wgx_hook_attach(wgx_egress_hook(r->egress), d->link.ifindex), 0);
	assert_int_equal(wgx_link_collector_create(env_ns, &r->collector), 0);
	assert_int_equal(wgx_netns_call(env_ns, open_rings, NULL), 0);
	r->raw = raw_socket(r->collector.ifindex);
	add_port(WGX_PORT_WG, r->xsk[0], 0);
	add_port(WGX_PORT_COLLECTOR, r->xsk[1], 0);
	for (unsigned int q = 1; q < d->b.iface.n_queues; q++)
		add_port(WGX_PORT_WG, r->more[q], q);
	env_sh("ip addr add 10.0.0.2/24 dev wg0");
	return 0;
}

static inline int teardown(void **state)
{
	struct rings *r = &rings;
	struct dp *d = *state;

	if (env_permitted) {
		dp_end(d);
		close(r->raw);
		for (int i = 0; i < 2; i++) {
			wgx_steer_free(r->steer[i]);
			wgx_xsk_destroy(r->xsk[i]);
		}
		for (unsigned int q = 0; q < WGX_QUEUES_MAX; q++)
			wgx_xsk_destroy(r->more[q]);
		wgx_credit_close(&d->b.iface.credit);
		d->b.iface.credit.map = r->plain_credit;
		wgx_egress_free(r->egress);
	}
	return dp_teardown(state);
}

/* ---- what B's host sends ---- */

/* A user's socket on B's host, to 10.0.0.@last */
static inline int user_socket(int last)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(5000)};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	to.sin_addr.s_addr = htonl(0x0a000000u + (uint32_t)last);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static inline void fill(uint8_t *p, size_t len, unsigned int seed)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 17 + (i >> 8) + seed);
}

/* B's host sent these bytes in a UDP datagram to 10.0.0.1: A gets just that. */
static inline void expect_datagram(struct dp *d, const uint8_t *payload, size_t len)
{
	static uint8_t plain[65536];
	size_t n = dp_receive(d, d->socket, plain, NULL);

	assert_true(n >= 28 + len && n < 28 + len + 16);
	assert_int_equal(plain[2] << 8 | plain[3], 28 + len);
	assert_int_equal(plain[9], IPPROTO_UDP);
	assert_int_equal(wgx_csum_fold(wgx_csum_add(0, plain, 20)), 0);
	assert_int_equal(plain[24] << 8 | plain[25], 8 + len);
	assert_int_equal(wgx_csum_fold(wgx_csum_add(wgx_csum_pseudo4(plain + 12, IPPROTO_UDP,
								     (uint32_t)(8 + len)),
						    plain + 20, 8 + len)),
			 0);
	assert_memory_equal(plain + 28, payload, len);
}

/* ---- what the collector gets ---- */

/* Ethernet with a stamp, IPv4 and UDP to B's port before @len bytes of payload; the header's length */
static inline size_t outer(uint8_t *f, size_t len, uint16_t size, uint8_t flags, uint8_t tos)
{
	struct wgx_stamp stamp = {.magic = WGX_STAMP_MAGIC, .flags = flags, .gso_size = size};
	struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .tos = tos};
	struct udphdr udp = {.source = htons(DP_A_PORT), .dest = htons(DP_B_PORT)};

	udp.len = htons((uint16_t)(8 + len));
	ip.tot_len = htons((uint16_t)(28 + len));
	ip.saddr = ip.daddr = htonl(INADDR_LOOPBACK);
	memcpy(f, &stamp, sizeof(stamp));
	f[12] = 0x08;
	f[13] = 0;
	memcpy(f + 14, &ip, sizeof(ip));
	memcpy(f + 34, &udp, sizeof(udp));
	return 42;
}

/* What egress credited and the workers have not given back */
static inline uint64_t credit_out(void)
{
	uint64_t out = 0;

	for (uint32_t q = WGX_CREDIT_TOTAL; q < WGX_CREDIT_ENTRIES; q++) {
		struct wgx_credit c;

		assert_int_equal(bpf_map_lookup_elem(wgx_egress_maps(rings.egress)->credit, &q, &c),
				 0);
		out += c.produced - c.consumed;
	}
	return out;
}

#endif
