/* SPDX-License-Identifier: MIT */
/*
 * Both workers of one interface, B, and its peer A, which the test plays itself:
 *
 *	A: keys, a UDP socket ======== lo ======== B's socket: open worker ─ inject ─► far ═ wg0 ─► AF_PACKET
 *	                                           B's socket ◄─ seal worker, or several (env_queues)
 *	                                           open worker: helpers (dp_helpers)
 *
 * The handshake between the two is real. A's allowed IP is 10.0.0.1 (fd0a::1), B's address 10.0.0.2.
 */
#ifndef WGX_TEST_DATAPATH_ENV_H
#define WGX_TEST_DATAPATH_ENV_H

#include "line_test.h"
#include "receive.h"
#include "net_env.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sodium.h>
#include <sys/eventfd.h>
#include <wgx/bpf_abi.h>
#include "device/device.h"
#include "device/rcu.h"
#include "path/checksum.h"
#include "path/iface.h"
#include "path/inject.h"
#include "path/inner.h"
#include "path/open.h"
#include "path/openers.h"
#include "path/seal.h"
#include "path/staged.h"
#include "proto/data.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define DP_A_PORT 40001
#define DP_B_PORT 40002
#define DP_MSG_MAX 2048
#define DP_MTU 1420

/* One end: A has no workers, its ops only keep the handshake message that was sent last. */
struct dp_host {
	struct wgx_iface iface; /* first: the workers' struct wgx_iface * is this */
	struct wgx_index *index;
	struct wgx_peer *peer; /* the other end */
	uint8_t key[WGX_KEY_LEN];
	uint8_t msg[256];
	size_t msg_len;
	struct wgx_endpoint address; /* as the other end sees it */
	struct wgx_worker *sealer; /* of B, once it runs */
	_Atomic unsigned int wakes;
};

static unsigned int dp_helpers; /* of the open worker */

struct dp {
	struct dp_host a, b;
	struct wgx_link link;
	int socket; /* A's */
	int wg0; /* AF_PACKET: what B's host gets */
	struct wgx_worker sealers[WGX_QUEUES_MAX], opener;
	struct wgx_openers openers;
	bool running;
	struct wgx_seal_env seal_env;
	struct wgx_open_env open_env;
	struct wgx_hsqueue handshakes;
	int hs_fd;
	_Atomic unsigned int roamed;
	/* for ports beside the sockets; those of wg0 are for the sealer of that number */
	struct wgx_port extra[1 + WGX_QUEUES_MAX];
	unsigned int extra_sealer[1 + WGX_QUEUES_MAX];
	unsigned int n_extra;
};

/* ---- what must come, sooner or later; not a measure of anything ---- */

#define DP_PATIENCE_MS 60000

#define dp_until(condition)                                                \
	do {                                                               \
		for (int dp_turns = 0; !(condition); dp_turns++) {         \
			if (dp_turns > DP_PATIENCE_MS * 10)                \
				fail_msg("never came about: " #condition); \
			usleep(100);                                       \
		}                                                          \
	} while (0)

static inline uint64_t dp_open_drop(const struct dp *d, enum wgx_drop_reason r)
{
	return atomic_load(&d->b.iface.open.drops[r]);
}

static inline uint64_t dp_seal_drop(const struct dp *d, enum wgx_drop_reason r)
{
	struct wgx_seal_counters sum;

	wgx_iface_sealed(&d->b.iface, &sum);
	return atomic_load(&sum.drops[r]);
}

/* Of those that are counted by peer, the peer's count is the interface's: there is one peer */
static inline void dp_expect_peer_drop(const struct dp *d, enum wgx_drop_reason reason,
				       uint64_t want)
{
	if (!d->b.peer || wgx_peer_drop_slot(reason) == WGX_PEER_DROP_COUNT)
		return;
	dp_until(wgx_peer_drops_get(&d->b.peer->drops, reason) >= want);
	assert_int_equal(wgx_peer_drops_get(&d->b.peer->drops, reason), want);
}

/* @want of that, and nothing else lost */
static inline void dp_expect_open_drops(struct dp *d, enum wgx_drop_reason reason, uint64_t want)
{
	dp_until(dp_open_drop(d, reason) >= want);
	for (int r = 0; r < WGX_DROP_COUNT; r++)
		assert_int_equal(dp_open_drop(d, (enum wgx_drop_reason)r),
				 r == (int)reason ? want : 0);
	dp_expect_peer_drop(d, reason, want);
}

static inline void dp_expect_seal_drops(struct dp *d, enum wgx_drop_reason reason, uint64_t want)
{
	dp_until(dp_seal_drop(d, reason) >= want);
	for (int r = 0; r < WGX_DROP_COUNT; r++)
		assert_int_equal(dp_seal_drop(d, (enum wgx_drop_reason)r),
				 r == (int)reason ? want : 0);
	dp_expect_peer_drop(d, reason, want);
}

#define DP_NO_DROP WGX_DROP_COUNT

/* ---- struct wgx_device_ops ---- */

static inline struct dp_host *dp_host_of(struct wgx_device *dev)
{
	return dev->env;
}

static inline int dp_rebind(struct wgx_device *dev, uint16_t port, uint32_t fwmark, uint16_t *ret)
{
	struct dp_host *h = dp_host_of(dev);
	struct wgx_bind *b;
	int err = wgx_bind_open(port, fwmark, &b);

	if (err)
		return err;
	wgx_publish(h->iface.bind, b);
	*ret = b->port;
	return 0;
}

static inline void dp_unbind(struct wgx_device *dev)
{
}

static inline void dp_send_handshake(struct wgx_device *dev, struct wgx_peer *peer, const void *msg,
				     size_t len)
{
	struct dp_host *h = dp_host_of(dev);

	assert_true(len <= sizeof(h->msg));
	memcpy(h->msg, msg, len);
	h->msg_len = len;
}

static inline void dp_send_reply(struct wgx_device *dev, const struct wgx_endpoint *to,
				 const void *msg, size_t len)
{
	fail_msg("no cookie is due");
}

static inline void dp_seal_command(struct wgx_device *dev, struct wgx_peer *peer, uint32_t commands)
{
	struct dp_host *h = dp_host_of(dev);

	if (h->sealer)
		wgx_seal_command(h->sealer, peer, commands);
}

static inline void dp_stamp_floor(struct wgx_device *dev, uint8_t stamp[WGX_TIMESTAMP_LEN])
{
}

static inline void dp_stamp_reserve(struct wgx_device *dev, const uint8_t stamp[WGX_TIMESTAMP_LEN])
{
}

static inline void dp_wake(struct wgx_device *dev, struct wgx_peer *peer)
{
	atomic_fetch_add(&dp_host_of(dev)->wakes, 1);
}

static inline void dp_mirror_prefix(struct wgx_device *dev, const struct wgx_prefix *prefix,
				    const struct wgx_peer *peer)
{
}

static inline void dp_mirror_peer(struct wgx_device *dev, const struct wgx_peer *peer,
				  enum wgx_peer_news news)
{
}

static inline void dp_mirror_prefixes(struct wgx_device *dev, bool all)
{
}

static inline void dp_mirror_peers(struct wgx_device *dev)
{
}

static inline void dp_mirror_receiver(struct wgx_device *dev, uint32_t index,
				      const struct wgx_peer *peer)
{
}

static inline void dp_mirror_identity(struct wgx_device *dev, const uint8_t *public_key)
{
}

static const struct wgx_device_ops dp_ops = {
	.rebind = dp_rebind,
	.unbind = dp_unbind,
	.send_handshake = dp_send_handshake,
	.send_reply = dp_send_reply,
	.seal_command = dp_seal_command,
	.stamp_floor = dp_stamp_floor,
	.stamp_reserve = dp_stamp_reserve,
	.wake = dp_wake,
	.free_staged = wgx_staged_free,
	.mirror_prefix = dp_mirror_prefix,
	.mirror_peer = dp_mirror_peer,
	.mirror_prefixes = dp_mirror_prefixes,
	.mirror_peers = dp_mirror_peers,
	.mirror_receiver = dp_mirror_receiver,
	.mirror_identity = dp_mirror_identity,
};

/* ---- the two ends ---- */

static inline struct wgx_endpoint dp_endpoint(const char *addr, uint16_t port)
{
	struct wgx_endpoint e = {0};

	e.addr.v4.sin_family = AF_INET;
	e.addr.v4.sin_port = htons(port);
	e.addr.v4.sin_addr.s_addr = inet_addr(addr);
	return e;
}

static inline void dp_host_make(struct dp_host *h, uint32_t id, uint16_t port)
{
	struct wgx_device *dev;

	assert_int_equal(wgx_index_create(&h->index), 0);
	assert_int_equal(wgx_device_create("wg0", id, h->index, &dp_ops, h, &dev), 0);
	h->iface.dev = dev;
	h->iface.inject_fd = h->iface.icmp_fd = -1;
	h->address = dp_endpoint("127.0.0.1", port);
	atomic_store(&dev->mtu, DP_MTU);
	randombytes_buf(h->key, sizeof(h->key));
	wgx_device_lock(dev);
	wgx_device_set_private_key(dev, h->key);
	assert_int_equal(wgx_device_set_listen_port(dev, port), 0);
	wgx_device_unlock(dev);
}

static inline void dp_add_prefix(struct wgx_peer *peer, int family, const char *addr, uint8_t cidr)
{
	struct wgx_prefix p = {.family = (uint8_t)family, .cidr = cidr};

	assert_int_equal(inet_pton(family, addr, p.addr), 1);
	assert_int_equal(wgx_peer_add_prefix(peer, &p), 0);
}

/* @h learns of @other, with the allowed IPs 10.0.0.@last and fd0a::@last */
static inline void dp_host_meet(struct dp_host *h, struct dp_host *other, int last)
{
	struct wgx_device *dev = h->iface.dev;
	char addr[32];

	wgx_device_lock(dev);
	assert_int_equal(wgx_peer_create(dev, other->iface.dev->local->public_key, &h->peer), 0);
	snprintf(addr, sizeof(addr), "10.0.0.%d", last);
	dp_add_prefix(h->peer, AF_INET, addr, 32);
	snprintf(addr, sizeof(addr), "fd0a::%d", last);
	dp_add_prefix(h->peer, AF_INET6, addr, 128);
	wgx_peer_set_endpoint(h->peer, &other->address);
	wgx_device_unlock(dev);
}

static inline void dp_host_up(struct dp_host *h)
{
	wgx_device_lock(h->iface.dev);
	assert_int_equal(wgx_device_up(h->iface.dev), 0);
	wgx_device_unlock(h->iface.dev);
}

static inline void dp_host_free(struct dp_host *h)
{
	wgx_device_destroy(h->iface.dev);
	wgx_rcu_barrier();
	wgx_index_destroy(h->index);
	wgx_bind_close(h->iface.bind);
}

/* What the protocol thread does when it is woken */
static inline void dp_run_session(struct dp_host *h)
{
	struct wgx_now now = wgx_now();

	wgx_device_lock(h->iface.dev);
	wgx_session_run(&h->peer->session, &now);
	wgx_device_unlock(h->iface.dev);
}

/* The last handshake message that @from sent, to @to */
static inline void dp_carry(struct dp_host *from, struct dp_host *to)
{
	struct wgx_endpoint e = from->address;
	struct wgx_now now = wgx_now();
	struct wgx_session *s = NULL;
	struct wgx_from f;

	assert_true(from->msg_len > 0);
	e.src4 = to->address.addr.v4.sin_addr;
	e.src_if = if_nametoindex("lo");
	wgx_endpoint_from(&e, &f);
	wgx_device_lock(to->iface.dev);
	assert_int_equal(receive_handshake(to->iface.dev->local, from->msg, from->msg_len, &f,
					   false, &now, &s),
			 WGX_HS_OK);
	wgx_device_unlock(to->iface.dev);
	assert_ptr_equal(s, &to->peer->session);
	from->msg_len = 0;
}

static inline void dp_initiate(struct dp_host *h)
{
	wgx_session_want_handshake(&h->peer->session, wgx_now().boot);
	dp_run_session(h);
	assert_int_equal(h->msg_len, sizeof(struct wgx_msg_initiation));
}

/* A initiates; B sends under the key once A has sent under it. */
static inline void dp_handshake(struct dp *d)
{
	dp_initiate(&d->a);
	dp_carry(&d->a, &d->b);
	assert_int_equal(d->b.msg_len, sizeof(struct wgx_msg_response));
	dp_carry(&d->b, &d->a);
}

/* B initiates, and may send at once. */
static inline void dp_handshake_by_b(struct dp *d)
{
	dp_initiate(&d->b);
	dp_carry(&d->b, &d->a);
	dp_carry(&d->a, &d->b);
}

static inline struct wgx_keypair *dp_key(struct dp_host *h)
{
	struct wgx_keypair *kp = atomic_load(&h->peer->session.keypairs.current);

	return kp ? kp : h->peer->session.keypairs.next;
}

/* ---- setup and teardown ---- */

static inline void dp_roamed(void *arg, struct wgx_peer *peer)
{
	struct dp *d = arg;

	atomic_fetch_add(&d->roamed, 1);
}

static inline int dp_open_far(void *arg)
{
	struct dp *d = arg;

	d->b.iface.inject_fd = wgx_inject_open(d->link.far_ifindex);
	d->b.iface.icmp_fd = wgx_inject_open(d->link.far_ifindex);
	return d->b.iface.inject_fd < 0 || d->b.iface.icmp_fd < 0;
}

static inline int dp_listen(int ifindex)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = ifindex};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1, room = 8 << 20;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static inline int dp_udp(const char *addr, uint16_t port)
{
	struct wgx_endpoint e = dp_endpoint(addr, port);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), room = 8 << 20;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)), 0);
	assert_int_equal(bind(fd, &e.addr.sa, sizeof(e.addr.v4)), 0);
	return fd;
}

static inline int dp_setup(void **state)
{
	struct dp *d = aligned_alloc(64, (sizeof(*d) + 63) / 64 * 64);

	memset(d, 0, sizeof(*d));
	*state = d;
	if (!env_permitted)
		return 0;
	if (env_setup(state) || sodium_init() < 0)
		return 1;
	env_sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
	d->link = env_create("wg0");
	env_sh("ip link set wg0 up");
	d->wg0 = dp_listen(d->link.ifindex);
	dp_host_make(&d->a, 1, DP_A_PORT);
	dp_host_make(&d->b, 2, DP_B_PORT);
	dp_host_meet(&d->a, &d->b, 2);
	dp_host_meet(&d->b, &d->a, 1);
	assert_int_equal(wgx_netns_call(env_ns, dp_open_far, d), 0);
	d->b.iface.coalescer = calloc(1, sizeof(*d->b.iface.coalescer));
	wgx_coalesce_init(d->b.iface.coalescer, d->link.mac, true);
	wgx_icmp_limit_init(&d->b.iface.icmp_limit, 1000, 50, wgx_now().boot);
	wgx_iface_set_mac(&d->b.iface, d->link.mac);
	/* without XDP nothing is credited */
	d->b.iface.n_queues = env_queues ?: 1;
	wgx_seal_env_init(&d->seal_env);
	d->b.iface.credit.map = calloc(WGX_CREDIT_ENTRIES, sizeof(struct wgx_credit));
	d->hs_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_int_equal(wgx_hsqueue_init(&d->handshakes, d->hs_fd), 0);
	d->socket = dp_udp("127.0.0.1", DP_A_PORT);
	/* A's device is up without sockets: the test sends itself */
	d->a.iface.dev->up = true;
	wgx_session_start(&d->a.peer->session, &(struct wgx_now){0});
	dp_host_up(&d->b);
	return 0;
}

static inline void dp_set_ports(struct dp *d, bool any)
{
	struct wgx_iface *iface = &d->b.iface;
	struct wgx_port seal_ports[WGX_QUEUES_MAX], open_ports[4];
	struct wgx_portset open = {.ports = open_ports, .ifaces = &iface, .n_ifaces = any};
	const int fds[] = {iface->bind->fd4, iface->bind->fd6};

	for (unsigned int i = 0; any && i < 2; i++)
		open_ports[open.n_ports++] =
			(struct wgx_port){.kind = WGX_PORT_SOCKET, .fd = fds[i], .iface = iface};
	for (unsigned int i = 0; any && i < d->n_extra; i++)
		if (d->extra[i].kind != WGX_PORT_WG)
			open_ports[open.n_ports++] = d->extra[i];
	for (unsigned int n = 0; n < iface->n_queues; n++) {
		struct wgx_portset seal = {.ports = seal_ports, .ifaces = &iface, .n_ifaces = any};

		for (unsigned int i = 0; any && i < d->n_extra; i++)
			if (d->extra[i].kind == WGX_PORT_WG && d->extra_sealer[i] == n)
				seal_ports[seal.n_ports++] = d->extra[i];
		assert_int_equal(wgx_worker_set(&d->sealers[n], &seal), 0);
	}
	assert_int_equal(wgx_worker_set(&d->opener, &open), 0);
}

/* Until here, what the workers own may be arranged. */
static inline void dp_start(struct dp *d)
{
	d->open_env = (struct wgx_open_env){.index = d->b.index,
					    .handshakes = &d->handshakes,
					    .openers = &d->openers,
					    .roamed = dp_roamed,
					    .arg = d};
	for (unsigned int n = 0; n < d->b.iface.n_queues; n++)
		assert_int_equal(
			wgx_worker_start(&d->sealers[n], &wgx_seal_ops, n, &d->seal_env, NULL), 0);
	assert_int_equal(wgx_worker_start(&d->opener, &wgx_open_ops, 0, &d->open_env, NULL), 0);
	for (unsigned int n = 0; n < dp_helpers; n++)
		assert_int_equal(wgx_openers_start(&d->openers, NULL), 0);
	d->b.sealer = &d->sealers[0];
	d->running = true;
	dp_set_ports(d, true);
}

/* What the open worker has taken is counted, of peers too. */
static inline void dp_settle(struct dp *d)
{
	wgx_worker_close(&d->opener);
	wgx_worker_open(&d->opener);
}

/* As the daemon deletes an interface: out of the sets, then peers, then the rest */
static inline void dp_end(struct dp *d)
{
	struct wgx_iface *i = &d->b.iface;
	struct wgx_peer *peer, *next;

	if (d->running)
		dp_set_ports(d, false);
	wgx_device_lock(i->dev);
	cds_list_for_each_entry_safe(peer, next, &i->dev->peers, all)
		wgx_peer_remove(peer);
	wgx_device_unlock(i->dev);
	wgx_rcu_synchronize();
	if (d->running) {
		wgx_worker_stop(&d->opener);
		wgx_openers_stop(&d->openers);
		for (unsigned int n = 0; n < i->n_queues; n++)
			wgx_worker_stop(&d->sealers[n]);
	}
	d->b.sealer = NULL;
	d->running = false;
}

static inline int dp_teardown(void **state)
{
	struct dp *d = *state;
	struct wgx_iface *i = &d->b.iface;

	if (!env_permitted) {
		free(d);
		return 0;
	}
	dp_end(d);
	dp_host_free(&d->a);
	dp_host_free(&d->b);
	close(i->inject_fd);
	close(i->icmp_fd);
	free(i->coalescer);
	free(i->credit.map);
	wgx_hsqueue_free(&d->handshakes);
	close(d->hs_fd);
	close(d->socket);
	close(d->wg0);
	free(d);
	return env_teardown(state);
}

/* ---- packets and messages ---- */

/* An IPv4 packet of protocol 200, which nobody coalesces, from 10.0.0.@src to 10.0.0.@dst */
static inline void dp_packet(uint8_t *p, size_t len, int src, int dst, uint32_t seed)
{
	struct iphdr ip = {.version = 4, .ihl = 5, .ttl = 64, .protocol = 200};
	uint16_t check;

	ip.tot_len = htons((uint16_t)len);
	ip.saddr = htonl(0x0a000000u + (uint32_t)src);
	ip.daddr = htonl(0x0a000000u + (uint32_t)dst);
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)((i * 31) ^ (i >> 8) ^ seed);
	memcpy(p, &ip, sizeof(ip));
	check = wgx_csum_ip4(p, sizeof(ip));
	memcpy(p + 10, &check, sizeof(check));
}

/* A's message for a plaintext, padded as it should be; bytes of the message */
static inline size_t dp_seal(struct dp *d, const uint8_t *plain, size_t len, uint8_t *msg)
{
	uint8_t padded[DP_MSG_MAX] = {0};
	size_t n = wgx_inner_pad(len, DP_MTU);

	memcpy(padded, plain, len);
	assert_int_equal(wgx_data_seal(dp_key(&d->a), padded, n, wgx_now().boot, msg), 0);
	return WGX_DATA_OVERHEAD + n;
}

/* @len bytes to B as datagrams of @size (0: one), from @fd */
static inline void dp_send(int fd, const void *buf, size_t len, uint16_t size, int tos)
{
	struct wgx_endpoint to = dp_endpoint("127.0.0.1", DP_B_PORT);
	int value = size;

	assert_int_equal(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &value, sizeof(value)), 0);
	assert_int_equal(setsockopt(fd, SOL_IP, IP_TOS, &tos, sizeof(tos)), 0);
	assert_int_equal(sendto(fd, buf, len, 0, &to.addr.sa, sizeof(to.addr.v4)), len);
}

static inline void dp_send_packet(struct dp *d, const uint8_t *packet, size_t len)
{
	uint8_t msg[DP_MSG_MAX];

	dp_send(d->socket, msg, dp_seal(d, packet, len, msg), 0, 0);
}

/* The next packet that B's host gets: Ethernet header looked at, the IP packet in @ip */
static inline size_t dp_arrive(struct dp *d, uint8_t *ip, size_t size)
{
	struct pollfd p = {.fd = d->wg0, .events = POLLIN};
	struct ethhdr eth;
	struct iovec iov[2] = {{&eth, sizeof(eth)}, {ip, size}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	ssize_t n;

	assert_int_equal(poll(&p, 1, DP_PATIENCE_MS), 1);
	n = recvmsg(d->wg0, &m, 0);
	assert_true(n > (ssize_t)sizeof(eth));
	assert_memory_equal(eth.h_dest, d->link.mac, ETH_ALEN);
	return (size_t)n - sizeof(eth);
}

static inline void dp_expect_packet(struct dp *d, const uint8_t *packet, size_t len)
{
	static uint8_t in[65536];

	assert_int_equal(dp_arrive(d, in, sizeof(in)), len);
	assert_memory_equal(in, packet, len);
}

static inline void dp_expect_nothing(struct dp *d)
{
	char c;

	assert_true(recv(d->wg0, &c, 1, MSG_DONTWAIT) < 0);
}

/* The next message that B sent to @fd, opened with A's keys: plaintext bytes */
static inline size_t dp_receive(struct dp *d, int fd, uint8_t *plain, uint64_t *ret_counter)
{
	static uint8_t msg[65536];
	struct pollfd p = {.fd = fd, .events = POLLIN};
	struct wgx_msg_data header;
	ssize_t n;

	assert_int_equal(poll(&p, 1, DP_PATIENCE_MS), 1);
	n = recv(fd, msg, sizeof(msg), 0);
	assert_true(n >= WGX_DATA_OVERHEAD);
	memcpy(&header, msg, sizeof(header));
	assert_int_equal(le32toh(header.receiver), dp_key(&d->a)->local_index);
	if (ret_counter)
		*ret_counter = le64toh(header.counter);
	assert_int_equal(wgx_data_open(dp_key(&d->a), msg, (size_t)n, wgx_now().boot, plain), 0);
	return (size_t)n - WGX_DATA_OVERHEAD;
}

/* All have been through the worker: one more is, and it works in order. */
static inline void dp_sync(struct dp *d)
{
	uint64_t before = atomic_load(&d->b.iface.open.keepalives_received);
	uint8_t msg[DP_MSG_MAX];

	dp_send(d->socket, msg, dp_seal(d, msg, 0, msg), 0, 0);
	dp_until(atomic_load(&d->b.iface.open.keepalives_received) > before);
}

#define dp_test(fn) cmocka_unit_test_setup_teardown(fn, dp_setup, dp_teardown)
#define dp_line_test(line, fn) line_test_setup_teardown(line, fn, dp_setup, dp_teardown)

static inline int dp_group_setup(void **state)
{
	wgx_rcu_register();
	return 0;
}

static inline int dp_group_teardown(void **state)
{
	wgx_rcu_barrier();
	wgx_rcu_unregister();
	return 0;
}

#endif
