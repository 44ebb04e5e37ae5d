/* SPDX-License-Identifier: MIT */
/* Both workers over UDP sockets: what arrives, byte for byte, and what is counted where it does not. */
#include "datapath_env.h"

static uint64_t count_of(const _Atomic uint64_t *c)
{
	return atomic_load(c);
}

/* ---- open: what is right arrives ---- */

static void test_deliver(void **state)
{
	static uint8_t packets[60][DP_MTU];
	struct dp *d = *state;
	struct wgx_open_counters *c = &d->b.iface.open;
	uint64_t plain = 0, wire = 0;

	env_require();
	dp_handshake(d);
	dp_start(d);
	for (unsigned int i = 0; i < 60; i++) {
		size_t len = i < 59 ? 20 + i * 23 : DP_MTU;

		dp_packet(packets[i], len, 1, 2, i);
		dp_send_packet(d, packets[i], len);
		plain += wgx_inner_pad(len, DP_MTU);
		wire += wgx_inner_pad(len, DP_MTU) + WGX_DATA_OVERHEAD;
	}
	for (unsigned int i = 0; i < 60; i++)
		dp_expect_packet(d, packets[i], i < 59 ? 20 + i * 23 : DP_MTU);
	dp_sync(d);
	dp_expect_nothing(d);
	assert_int_equal(count_of(&c->opened_packets), 61);
	assert_int_equal(count_of(&c->opened_socket_packets), 61);
	assert_int_equal(count_of(&c->opened_xsk_packets), 0);
	assert_int_equal(count_of(&c->opened_bytes), plain);
	assert_int_equal(count_of(&c->opened_socket_bytes), plain);
	assert_int_equal(count_of(&c->injected_segments), 60);
	assert_int_equal(count_of(&c->keepalives_received), 1);
	dp_settle(d);
	assert_int_equal(count_of(&d->b.peer->rx_packets), 61);
	assert_int_equal(count_of(&d->b.peer->rx_bytes), wire + 32);
	dp_expect_open_drops(d, DP_NO_DROP, 0);
}

/* Many messages in one superframe, the last one shorter */
static void test_superframe(void **state)
{
	static uint8_t packets[41][1000], buf[65536];
	struct dp *d = *state;
	size_t len = 0;

	env_require();
	dp_handshake(d);
	dp_start(d);
	for (unsigned int i = 0; i <= 40; i++) {
		size_t n = i < 40 ? 1000 : 333;

		dp_packet(packets[i], n, 1, 2, i);
		len += dp_seal(d, packets[i], n, buf + len);
	}
	dp_send(d->socket, buf, len, 1008 + WGX_DATA_OVERHEAD, 0);
	for (unsigned int i = 0; i <= 40; i++)
		dp_expect_packet(d, packets[i], i < 40 ? 1000 : 333);
	dp_sync(d);
	assert_int_equal(count_of(&d->b.iface.open.injected_segments), 41);
	dp_expect_open_drops(d, DP_NO_DROP, 0);
}

/* One TCP segment of 1000 bytes payload */
static void make_tcp(uint8_t *p, uint32_t seq, uint16_t id)
{
	struct tcphdr tcp = {.source = htons(80), .dest = htons(1000), .doff = 5, .ack = 1};
	uint16_t check;

	dp_packet(p, 1040, 1, 2, seq);
	p[4] = (uint8_t)(id >> 8);
	p[5] = (uint8_t)id;
	p[9] = IPPROTO_TCP;
	p[10] = p[11] = 0;
	check = wgx_csum_ip4(p, 20);
	memcpy(p + 10, &check, sizeof(check));
	tcp.seq = htonl(seq);
	memcpy(p + 20, &tcp, sizeof(tcp));
	check = wgx_csum_fold(
		wgx_csum_add(wgx_csum_pseudo4(p + 12, IPPROTO_TCP, 1020), p + 20, 1020));
	memcpy(p + 36, &check, sizeof(check));
}

/* A TCP flow's segments cross into wg0 as one packet. */
static void test_coalesced(void **state)
{
	static uint8_t packets[30][1040], buf[65536], in[65536];
	struct dp *d = *state;
	size_t len = 0;

	env_require();
	dp_handshake(d);
	dp_start(d);
	for (unsigned int i = 0; i < 30; i++) {
		make_tcp(packets[i], i * 1000, (uint16_t)i);
		len += dp_seal(d, packets[i], 1040, buf + len);
	}
	dp_send(d->socket, buf, len, 1040 + WGX_DATA_OVERHEAD, 0);
	assert_int_equal(dp_arrive(d, in, sizeof(in)), 40 + 30 * 1000);
	for (unsigned int i = 0; i < 30; i++)
		assert_memory_equal(in + 40 + (size_t)i * 1000, packets[i] + 40, 1000);
	dp_sync(d);
	assert_int_equal(count_of(&d->b.iface.open.injected_packets), 1);
	assert_int_equal(count_of(&d->b.iface.open.injected_segments), 30);
	dp_expect_open_drops(d, DP_NO_DROP, 0);
}

/*
 * Types 1, 4, 4, 1, 4 and 2 in one superframe, as GRO makes them (architecture, rule 3); all of 148 bytes but
 * the last.
 */
static void test_mixed_types(void **state)
{
	static uint8_t packets[3][116], buf[5 * 148 + 92];
	static const uint8_t types[] = {1, 4, 4, 1, 4, 2};
	const struct wgx_handshake_item *item;
	struct dp *d = *state;
	unsigned int n = 0;

	env_require();
	dp_handshake(d);
	dp_start(d);
	for (unsigned int i = 0; i < 6; i++) {
		uint8_t *msg = buf + (size_t)i * 148;

		if (types[i] == 4) {
			dp_packet(packets[n], 116, 1, 2, n);
			assert_int_equal(wgx_data_seal(dp_key(&d->a), packets[n++], 116,
						       wgx_now().boot, msg),
					 0);
		} else {
			memset(msg, (int)i + 40, types[i] == 1 ? 148 : 92);
			memcpy(msg, (uint8_t[]){types[i], 0, 0, 0}, 4);
		}
	}
	dp_send(d->socket, buf, sizeof(buf), 148, 0);
	for (unsigned int i = 0; i < 3; i++)
		dp_expect_packet(d, packets[i], 116);
	dp_until(count_of(&d->b.iface.open.handshakes_queued) == 3);
	for (unsigned int i = 0; i < 6; i++) {
		if (types[i] == 4)
			continue;
		item = wgx_hsqueue_get(&d->handshakes);
		assert_non_null(item);
		assert_int_equal(item->iface, 2);
		assert_int_equal(item->len, types[i] == 1 ? 148 : 92);
		assert_memory_equal(item->msg, buf + (size_t)i * 148, item->len);
		assert_int_equal(item->from.addr.v4.sin_port, htons(DP_A_PORT));
		assert_int_equal(item->from.src4.s_addr, inet_addr("127.0.0.1"));
		wgx_hsqueue_pop(&d->handshakes);
	}
	assert_null(wgx_hsqueue_get(&d->handshakes));
	dp_expect_open_drops(d, DP_NO_DROP, 0);
}

/* The responder sends under the new key once the initiator has (P-HS-7). */
static void test_confirm(void **state)
{
	struct dp *d = *state;

	env_require();
	dp_handshake(d);
	dp_start(d);
	assert_null(atomic_load(&d->b.peer->session.keypairs.current));
	dp_sync(d);
	assert_true(atomic_load(&d->b.wakes) > 0);
	dp_run_session(&d->b);
	assert_non_null(atomic_load(&d->b.peer->session.keypairs.current));
}

/* ---- open: what is not, is counted ---- */

static void test_replay(void **state)
{
	uint8_t packet[100], msg[DP_MSG_MAX];
	struct dp *d = *state;
	size_t len;

	env_require();
	dp_handshake(d);
	dp_start(d);
	dp_packet(packet, sizeof(packet), 1, 2, 1);
	len = dp_seal(d, packet, sizeof(packet), msg);
	for (int i = 0; i < 5; i++)
		dp_send(d->socket, msg, len, 0, 0);
	dp_expect_packet(d, packet, sizeof(packet));
	dp_expect_open_drops(d, WGX_DROP_OPEN_REPLAY, 4);
	dp_sync(d);
	dp_expect_nothing(d);
	assert_int_equal(count_of(&d->b.iface.open.opened_packets), 2);
}

static void send_with_counter(struct dp *d, uint64_t counter, bool forged)
{
	uint8_t msg[DP_MSG_MAX];
	size_t len;

	atomic_store(&dp_key(&d->a)->send_counter, counter);
	len = dp_seal(d, msg, 0, msg);
	msg[len - 1] ^= forged;
	dp_send(d->socket, msg, len, 0, 0);
}

/* BPF is told what is behind the window, now and then, and of nothing that did not authenticate. */
static void test_floor(void **state)
{
	static _Atomic uint64_t floor;
	struct dp *d = *state;

	env_require();
	atomic_store(&floor, 0);
	dp_handshake(d);
	dp_key(&d->b)->floor = &floor;
	dp_start(d);
	send_with_counter(d, 9000, false);
	dp_sync(d);
	assert_int_equal(atomic_load(&floor), 0); /* 872 are behind: not worth telling */
	send_with_counter(d, 1000000, true);
	dp_until(dp_open_drop(d, WGX_DROP_OPEN_AUTH) == 1);
	assert_int_equal(atomic_load(&floor), 0);
	send_with_counter(d, 20000, false);
	dp_sync(d);
	assert_int_equal(atomic_load(&floor), 20000 - WGX_REPLAY_WINDOW);
	send_with_counter(d, 21023, false);
	dp_until(count_of(&d->b.iface.open.keepalives_received) == 5);
	assert_int_equal(atomic_load(&floor), 20000 - WGX_REPLAY_WINDOW);
	send_with_counter(d, 21024, false);
	dp_sync(d);
	assert_int_equal(atomic_load(&floor), 21024 - WGX_REPLAY_WINDOW);
	/* in the window, but not at its top */
	send_with_counter(d, 20002, false);
	dp_until(count_of(&d->b.iface.open.keepalives_received) == 8);
	assert_int_equal(atomic_load(&floor), 21024 - WGX_REPLAY_WINDOW);
}

/* A forgery changes nothing: neither the endpoint nor the window (P-DT-1). */
static void test_forged(void **state)
{
	uint8_t packet[100], msg[DP_MSG_MAX], bad[DP_MSG_MAX];
	struct wgx_endpoint before, after;
	struct dp *d = *state;
	int elsewhere;
	size_t len;

	env_require();
	dp_handshake(d);
	wgx_endpoint_read(&d->b.peer->endpoint, &before);
	dp_start(d);
	elsewhere = dp_udp("127.0.0.7", 7777);
	dp_packet(packet, sizeof(packet), 1, 2, 1);
	len = dp_seal(d, packet, sizeof(packet), msg);
	for (size_t at = 8; at < len; at += 5) { /* counter, ciphertext and tag */
		memcpy(bad, msg, len);
		bad[at] ^= 0x10;
		dp_send(elsewhere, bad, len, 0, 0);
	}
	dp_expect_open_drops(d, WGX_DROP_OPEN_AUTH, (len - 8 + 4) / 5);
	assert_int_equal(atomic_load(&d->roamed), 0);
	wgx_endpoint_read(&d->b.peer->endpoint, &after);
	assert_true(wgx_endpoint_equal(&before, &after));
	dp_send(d->socket, msg, len, 0, 0);
	dp_expect_packet(d, packet, sizeof(packet));
	close(elsewhere);
}

/* Cryptokey routing (P-DT-3) */
static void test_source(void **state)
{
	struct dp *d = *state;
	struct wgx_device *dev = d->b.iface.dev;
	uint8_t packet[100] = {0}, good[100], key[WGX_KEY_LEN];
	struct wgx_peer *third;

	env_require();
	dp_handshake(d);
	randombytes_buf(key, sizeof(key));
	wgx_device_lock(dev);
	assert_int_equal(wgx_peer_create(dev, key, &third), 0);
	dp_add_prefix(third, AF_INET, "10.0.0.3", 32); /* another peer's; beyond it is nobody's */
	wgx_device_unlock(dev);
	dp_start(d);
	dp_packet(good, sizeof(good), 1, 2, 0);
	for (int i = 0; i < 4; i++) {
		dp_packet(packet, sizeof(packet), 3 + i, 2, 0);
		dp_send_packet(d, packet, sizeof(packet));
		dp_send_packet(d, good, sizeof(good));
	}
	memset(packet, 0, sizeof(packet));
	packet[0] = 0x60; /* IPv6 from :: */
	packet[5] = 60;
	dp_send_packet(d, packet, sizeof(packet));
	for (int i = 0; i < 4; i++)
		dp_expect_packet(d, good, sizeof(good));
	dp_expect_open_drops(d, WGX_DROP_OPEN_SOURCE, 5);
	inet_pton(AF_INET6, "fd0a::1", packet + 8);
	dp_send_packet(d, packet, sizeof(packet));
	dp_expect_packet(d, packet, sizeof(packet));
	dp_expect_open_drops(d, WGX_DROP_OPEN_SOURCE, 5);
}

static void test_unknown_receiver(void **state)
{
	uint8_t packet[100], msg[DP_MSG_MAX];
	struct dp *d = *state;
	uint32_t index;
	size_t len;

	env_require();
	dp_handshake(d);
	dp_start(d);
	dp_packet(packet, sizeof(packet), 1, 2, 1);
	for (uint32_t i = 1; i <= 10; i++) {
		len = dp_seal(d, packet, sizeof(packet), msg);
		index = htole32(dp_key(&d->a)->remote_index + i);
		memcpy(msg + 4, &index, sizeof(index));
		dp_send(d->socket, msg, len, 0, 0);
	}
	dp_expect_open_drops(d, WGX_DROP_OPEN_UNKNOWN_RECEIVER, 10);
	dp_sync(d);
	dp_expect_nothing(d);
}

/* An index that stands for a handshake under way has no key yet. */
static void test_index_without_key(void **state)
{
	struct dp *d = *state;
	uint8_t msg[100] = {WGX_MSG_DATA};

	env_require();
	dp_initiate(&d->b);
	dp_start(d);
	memcpy(msg + 4, d->b.msg + 4, 4);
	dp_send(d->socket, msg, sizeof(msg), 0, 0);
	dp_expect_open_drops(d, WGX_DROP_OPEN_UNKNOWN_RECEIVER, 1);
}

/* Another interface's index means nothing on this one's port. */
static void test_foreign_index(void **state)
{
	struct wgx_device *real;
	uint8_t packet[100];
	struct dp *d = *state;

	env_require();
	dp_handshake(d);
	real = d->b.peer->dev;
	d->b.peer->dev = d->a.iface.dev;
	dp_start(d);
	dp_packet(packet, sizeof(packet), 1, 2, 1);
	dp_send_packet(d, packet, sizeof(packet));
	dp_expect_open_drops(d, WGX_DROP_OPEN_UNKNOWN_RECEIVER, 1);
	dp_set_ports(d, false);
	d->b.peer->dev = real;
}

static void test_malformed(void **state)
{
	static const struct {
		uint8_t head[4];
		size_t len;
	} bad[] = {
		{{0}, 0},
		{{4}, 1},
		{{4, 0, 0, 0}, 3},
		{{4, 0, 0, 0}, 4},
		{{4, 0, 0, 0}, 16},
		{{4, 0, 0, 0}, 31},
		{{4, 1, 0, 0}, 100},
		{{4, 0, 0, 0x80}, 100},
		{{0, 0, 0, 0}, 100},
		{{5, 0, 0, 0}, 100},
		{{255, 255, 255, 255}, 64},
		{{1, 0, 0, 0}, 147},
		{{1, 0, 0, 0}, 149},
		{{1, 0, 0, 0}, 1400},
		{{2, 0, 0, 0}, 91},
		{{2, 0, 0, 0}, 148},
		{{3, 0, 0, 0}, 63},
		{{3, 0, 0, 0}, 65},
		{{1, 0, 1, 0}, 148},
		{{1, 0, 0, 0}, 4},
	};
	struct dp *d = *state;
	uint8_t buf[1500];

	env_require();
	dp_handshake(d);
	dp_start(d);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		memset(buf, 0, sizeof(buf));
		memcpy(buf, bad[i].head, 4);
		dp_send(d->socket, buf, bad[i].len, 0, 0);
	}
	dp_expect_open_drops(d, WGX_DROP_OPEN_MALFORMED, sizeof(bad) / sizeof(*bad));
	assert_int_equal(count_of(&d->b.iface.open.handshakes_queued), 0);
}

/* Authenticated, but no IP packet inside */
static void test_inner_malformed(void **state)
{
	struct dp *d = *state;
	uint8_t packet[112];

	env_require();
	dp_handshake(d);
	dp_start(d);
	memset(packet, 0x55, sizeof(packet));
	dp_send_packet(d, packet, sizeof(packet)); /* version 5 */
	dp_packet(packet, sizeof(packet), 1, 2, 0);
	dp_send_packet(d, packet, 16); /* shorter than a header */
	packet[3] = sizeof(packet) + 1;
	dp_send_packet(d, packet, sizeof(packet)); /* claims more than there is */
	packet[3] = 19;
	dp_send_packet(d, packet, sizeof(packet)); /* less than its header */
	packet[0] = 0x44;
	dp_send_packet(d, packet, sizeof(packet)); /* header of 16 bytes */
	dp_expect_open_drops(d, WGX_DROP_OPEN_INNER_MALFORMED, 5);
	/* and one that is trimmed to its own length */
	dp_packet(packet, 50, 1, 2, 0);
	dp_send_packet(d, packet, sizeof(packet));
	dp_expect_packet(d, packet, 50);
}

static void test_key_expired(void **state)
{
	struct dp *d = *state;
	uint8_t packet[100];

	env_require();
	dp_handshake(d);
	dp_key(&d->b)->created -= 180 * UINT64_C(1000000000);
	dp_start(d);
	dp_packet(packet, sizeof(packet), 1, 2, 1);
	for (int i = 0; i < 3; i++)
		dp_send_packet(d, packet, sizeof(packet));
	dp_expect_open_drops(d, WGX_DROP_OPEN_KEY_EXPIRED, 3);
	dp_expect_nothing(d);
}

/* RFC 6040 4.2; but CE on Not-ECT is delivered unmarked, as the Linux driver does */
static void test_ecn(void **state)
{
	uint8_t packet[100], msg[DP_MSG_MAX], in[2048];
	struct dp *d = *state;
	uint16_t check;

	env_require();
	dp_handshake(d);
	dp_start(d);
	dp_packet(packet, sizeof(packet), 1, 2, 1);
	dp_send(d->socket, msg, dp_seal(d, packet, sizeof(packet), msg), 0, 3);
	assert_int_equal(dp_arrive(d, in, sizeof(in)), sizeof(packet));
	assert_memory_equal(in, packet, sizeof(packet));
	packet[1] = 2; /* ECT(0) */
	packet[10] = packet[11] = 0;
	check = wgx_csum_ip4(packet, 20);
	memcpy(packet + 10, &check, sizeof(check));
	dp_send(d->socket, msg, dp_seal(d, packet, sizeof(packet), msg), 0, 3);
	assert_int_equal(dp_arrive(d, in, sizeof(in)), sizeof(packet));
	assert_int_equal(in[1], 3);
	memcpy(&check, in + 10, sizeof(check));
	assert_int_equal(wgx_csum_ip4(in, 20), check);
	assert_memory_equal(in + 20, packet + 20, sizeof(packet) - 20);
}

static void test_wg0_mtu(void **state)
{
	struct dp *d = *state;
	uint8_t packet[DP_MTU];

	env_require();
	dp_handshake(d);
	atomic_store(&d->b.iface.dev->mtu, 500);
	dp_start(d);
	for (unsigned int i = 0; i < 6; i++) {
		dp_packet(packet, i % 2 ? 501 : 500, 1, 2, i);
		dp_send_packet(d, packet, i % 2 ? 501 : 500);
	}
	dp_expect_open_drops(d, WGX_DROP_INJECT_MTU, 3);
	dp_sync(d);
	assert_int_equal(count_of(&d->b.iface.open.injected_segments), 3);
}

/* Of which the worker has not been told: to it the kernel had no room */
static void test_wg0_down(void **state)
{
	struct dp *d = *state;
	uint8_t packet[100];

	env_require();
	dp_handshake(d);
	dp_start(d);
	env_sh("ip link set wg0 down");
	dp_packet(packet, sizeof(packet), 1, 2, 1);
	for (int i = 0; i < 7; i++)
		dp_send_packet(d, packet, sizeof(packet));
	dp_expect_open_drops(d, WGX_DROP_INJECT_BACKLOG, 7);
	assert_int_equal(count_of(&d->b.iface.open.injected_segments), 0);
}

/* 4096 handshakes wait, and no more (P-DT-12); data goes on. */
static void test_handshake_queue_full(void **state)
{
	static uint8_t buf[64 * 148];
	struct dp *d = *state;
	uint8_t packet[100];

	env_require();
	dp_handshake(d);
	dp_start(d);
	for (int i = 0; i < 64; i++)
		buf[i * 148] = WGX_MSG_INITIATION;
	for (unsigned int i = 1; i <= WGX_HSQUEUE_SIZE / 64; i++) {
		dp_send(d->socket, buf, sizeof(buf), 148, 0);
		dp_until(count_of(&d->b.iface.open.handshakes_queued) == 64 * i);
	}
	dp_send(d->socket, buf, 5 * 148, 148, 0);
	dp_expect_open_drops(d, WGX_DROP_HANDSHAKE_QUEUE, 5);
	dp_packet(packet, sizeof(packet), 1, 2, 1);
	dp_send_packet(d, packet, sizeof(packet));
	dp_expect_packet(d, packet, sizeof(packet));
	assert_int_equal(count_of(&d->b.iface.open.handshakes_queued), WGX_HSQUEUE_SIZE);
}

static void test_roaming(void **state)
{
	struct wgx_endpoint want = dp_endpoint("127.0.0.9", 9999), e;
	uint8_t packet[100], msg[DP_MSG_MAX];
	struct dp *d = *state;
	int elsewhere;

	env_require();
	dp_handshake(d);
	dp_start(d);
	dp_sync(d);
	assert_int_equal(atomic_load(&d->roamed), 0); /* the handshake told of it already */
	elsewhere = dp_udp("127.0.0.9", 9999);
	dp_packet(packet, sizeof(packet), 1, 2, 1);
	dp_send(elsewhere, msg, dp_seal(d, packet, sizeof(packet), msg), 0, 0);
	dp_expect_packet(d, packet, sizeof(packet));
	dp_until(atomic_load(&d->roamed) == 1);
	want.src4.s_addr = inet_addr("127.0.0.1");
	want.src_if = if_nametoindex("lo");
	wgx_endpoint_read(&d->b.peer->endpoint, &e);
	assert_true(wgx_endpoint_equal(&e, &want));
	dp_send(elsewhere, msg, dp_seal(d, packet, sizeof(packet), msg), 0, 0);
	dp_expect_packet(d, packet, sizeof(packet));
	assert_int_equal(atomic_load(&d->roamed), 1);
	/* what B sends now goes there */
	dp_run_session(&d->b);
	wgx_seal_command(&d->sealers[0], d->b.peer, WGX_SEAL_KEEPALIVE);
	assert_int_equal(dp_receive(d, elsewhere, msg, NULL), 0);
	close(elsewhere);
}

/* ---- seal ---- */

static void expect_padded(struct dp *d, const uint8_t *packet, size_t len, uint64_t counter)
{
	static uint8_t plain[65536];
	uint64_t got;
	size_t n = dp_receive(d, d->socket, plain, &got);

	assert_int_equal(got, counter);
	assert_int_equal(n, wgx_inner_pad(len, DP_MTU));
	assert_memory_equal(plain, packet, len);
	for (size_t i = len; i < n; i++)
		assert_int_equal(plain[i], 0);
}

static void stage(struct dp *d, uint8_t *bytes, size_t len, uint16_t gso_size, unsigned int packets)
{
	struct wgx_frame f = {.n = 1, .len = len, .gso_size = gso_size};

	f.iov[0] = (struct iovec){bytes, len};
	assert_int_equal(wgx_staged_put(&d->b.peer->staged, &f, packets), 0);
	atomic_store(&d->b.peer->stages, true);
}

static void test_keepalive(void **state)
{
	struct dp *d = *state;
	uint8_t plain[DP_MSG_MAX];
	uint64_t counter;

	env_require();
	dp_handshake_by_b(d);
	dp_start(d);
	for (uint64_t i = 0; i < 3; i++) {
		wgx_seal_command(&d->sealers[0], d->b.peer, WGX_SEAL_KEEPALIVE);
		assert_int_equal(dp_receive(d, d->socket, plain, &counter), 0);
		assert_int_equal(counter, i);
	}
	/* with nothing staged, a flush is a keepalive */
	wgx_seal_command(&d->sealers[0], d->b.peer, WGX_SEAL_FLUSH);
	assert_int_equal(dp_receive(d, d->socket, plain, &counter), 0);
	dp_until(count_of(&d->b.iface.seal[0].keepalives_sent) == 4);
	dp_until(count_of(&d->b.peer->tx_bytes) == (uint64_t)4 * 32);
	assert_int_equal(count_of(&d->b.iface.seal[0].sealed_packets), 0);
	dp_expect_seal_drops(d, DP_NO_DROP, 0);
}

static void test_flush(void **state)
{
	static uint8_t packets[40][DP_MTU];
	struct dp *d = *state;
	uint64_t bytes = 0, wire = 0;

	env_require();
	dp_handshake_by_b(d);
	for (unsigned int i = 0; i < 40; i++) {
		size_t len = 20 + i * 35;

		dp_packet(packets[i], len, 2, 1, i);
		stage(d, packets[i], len, 0, 1);
		bytes += len;
		wire += wgx_inner_pad(len, DP_MTU) + WGX_DATA_OVERHEAD;
	}
	dp_start(d);
	wgx_seal_command(&d->sealers[0], d->b.peer, WGX_SEAL_FLUSH);
	for (unsigned int i = 0; i < 40; i++)
		expect_padded(d, packets[i], 20 + i * 35, i);
	dp_until(count_of(&d->b.peer->tx_packets) == 40);
	assert_int_equal(count_of(&d->b.iface.seal[0].sealed_packets), 40);
	assert_int_equal(count_of(&d->b.iface.seal[0].sealed_bytes), bytes);
	assert_int_equal(count_of(&d->b.peer->tx_bytes), wire);
	assert_int_equal(count_of(&d->b.iface.seal[0].keepalives_sent), 0);
	dp_expect_seal_drops(d, DP_NO_DROP, 0);
}

/* A TCP superframe becomes segments whose checksums are right. */
static void test_flush_superframe(void **state)
{
	static uint8_t frame[40 + 20 * 1000 + 77], plain[65536];
	struct dp *d = *state;

	env_require();
	dp_handshake_by_b(d);
	make_tcp(frame, 5000, 100);
	for (size_t i = 40; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i % 251);
	frame[2] = (uint8_t)(sizeof(frame) >> 8);
	frame[3] = (uint8_t)sizeof(frame);
	memcpy(frame + 12, (uint8_t[]){10, 0, 0, 2, 10, 0, 0, 1}, 8);
	stage(d, frame, sizeof(frame), 1000, 21);
	dp_start(d);
	wgx_seal_command(&d->sealers[0], d->b.peer, WGX_SEAL_FLUSH);
	for (unsigned int i = 0; i < 21; i++) {
		size_t payload = i < 20 ? 1000 : 77, l4 = 20 + payload;
		uint32_t seq;

		assert_int_equal(dp_receive(d, d->socket, plain, NULL),
				 wgx_inner_pad(40 + payload, DP_MTU));
		assert_int_equal(plain[2] << 8 | plain[3], 40 + payload);
		memcpy(&seq, plain + 24, sizeof(seq));
		assert_int_equal(ntohl(seq), 5000 + i * 1000);
		assert_memory_equal(plain + 40, frame + 40 + (size_t)i * 1000, payload);
		assert_int_equal(wgx_csum_fold(wgx_csum_add(0, plain, 20)), 0);
		assert_int_equal(wgx_csum_fold(wgx_csum_add(
					 wgx_csum_pseudo4(plain + 12, IPPROTO_TCP, (uint32_t)l4),
					 plain + 20, l4)),
				 0);
	}
	dp_until(count_of(&d->b.peer->tx_packets) == 21);
	assert_int_equal(count_of(&d->b.iface.seal[0].sealed_packets), 21);
	assert_int_equal(count_of(&d->b.iface.seal[0].sends), 1);
	dp_expect_seal_drops(d, DP_NO_DROP, 0);
}

/* Without a key: a handshake is asked for, and what is staged stays until there is one. */
static void test_flush_without_key(void **state)
{
	struct dp *d = *state;
	uint8_t packet[100];

	env_require();
	dp_packet(packet, sizeof(packet), 2, 1, 1);
	stage(d, packet, sizeof(packet), 0, 1);
	dp_start(d);
	atomic_store(&d->b.wakes, 0);
	wgx_seal_command(&d->sealers[0], d->b.peer, WGX_SEAL_FLUSH);
	dp_until(atomic_load(&d->b.wakes) > 0);
	dp_run_session(&d->b);
	assert_int_equal(d->b.msg_len, sizeof(struct wgx_msg_initiation));
	dp_carry(&d->b, &d->a);
	dp_carry(&d->a, &d->b); /* and that flushes */
	expect_padded(d, packet, sizeof(packet), 0);
	dp_expect_seal_drops(d, DP_NO_DROP, 0);
}

/* A key that is spent but for fewer messages than a superframe needs (P-TM-3): no endless loop */
static void test_flush_key_nearly_spent(void **state)
{
	static uint8_t frame[40 + 3 * 1000];
	struct dp *d = *state;
	uint8_t plain[DP_MSG_MAX];

	env_require();
	dp_handshake_by_b(d);
	make_tcp(frame, 5000, 100);
	frame[2] = (uint8_t)(sizeof(frame) >> 8);
	frame[3] = (uint8_t)sizeof(frame);
	memcpy(frame + 12, (uint8_t[]){10, 0, 0, 2, 10, 0, 0, 1}, 8);
	stage(d, frame, sizeof(frame), 1000, 3);
	atomic_store(&dp_key(&d->b)->send_counter, UINT64_MAX - (1 << 13) - 1);
	atomic_store(&d->b.wakes, 0);
	dp_start(d);
	wgx_seal_command(&d->sealers[0], d->b.peer, WGX_SEAL_FLUSH);
	dp_until(atomic_load(&d->b.wakes) > 0);
	/* the worker is still there for others */
	wgx_seal_command(&d->sealers[0], d->b.peer, WGX_SEAL_DROP);
	dp_expect_seal_drops(d, WGX_DROP_SEAL_STAGED_EXPIRED, 3);
	assert_true(recv(d->socket, plain, 1, MSG_DONTWAIT) < 0);
	assert_int_equal(count_of(&d->b.iface.seal[0].sealed_packets), 0);
}

static void test_drop(void **state)
{
	struct dp *d = *state;
	uint8_t packet[100];

	env_require();
	for (int i = 0; i < 9; i++) {
		dp_packet(packet, sizeof(packet), 2, 1, (uint32_t)i);
		stage(d, packet, sizeof(packet), 0, 1);
	}
	dp_start(d);
	wgx_seal_command(&d->sealers[0], d->b.peer, WGX_SEAL_DROP);
	dp_expect_seal_drops(d, WGX_DROP_SEAL_STAGED_EXPIRED, 9);
	wgx_seal_command(&d->sealers[0], d->b.peer, WGX_SEAL_DROP);
	dp_expect_seal_drops(d, WGX_DROP_SEAL_STAGED_EXPIRED, 9);
}

/* What a peer had staged when it was removed is counted as well. */
static void test_removed_peer(void **state)
{
	struct dp *d = *state;
	uint8_t packet[100];

	env_require();
	dp_packet(packet, sizeof(packet), 2, 1, 1);
	for (int i = 0; i < 6; i++)
		stage(d, packet, sizeof(packet), 0, 1);
	dp_start(d);
	wgx_device_lock(d->b.iface.dev);
	wgx_peer_remove(d->b.peer);
	wgx_device_unlock(d->b.iface.dev);
	d->b.peer = NULL;
	dp_expect_seal_drops(d, WGX_DROP_SEAL_STAGED_EXPIRED, 6);
}

/* Nobody knows where it is. */
static void test_no_endpoint(void **state)
{
	struct wgx_endpoint none = {0};
	struct dp *d = *state;
	uint8_t packet[100], in[2048];

	env_require();
	dp_handshake_by_b(d);
	wgx_endpoint_write(&d->b.peer->endpoint, &none);
	dp_packet(packet, sizeof(packet), 2, 1, 1);
	stage(d, packet, sizeof(packet), 0, 1);
	dp_start(d);
	wgx_seal_command(&d->sealers[0], d->b.peer, WGX_SEAL_FLUSH);
	dp_expect_seal_drops(d, WGX_DROP_SEAL_NO_ENDPOINT, 1);
	/* and whoever sent it is told so (P-DT-4) */
	assert_true(dp_arrive(d, in, sizeof(in)) >= 56);
	assert_int_equal(in[9], IPPROTO_ICMP);
	assert_int_equal(in[20], 3);
	assert_int_equal(in[21], 1);
	assert_memory_equal(in + 28, packet, 20);
	dp_until(count_of(&d->b.iface.seal[0].icmp_sent) == 1);
}

static void test_send_error(void **state)
{
	struct wgx_endpoint nowhere = dp_endpoint("198.51.100.1", 1);
	struct dp *d = *state;
	uint8_t packet[100];

	env_require();
	dp_handshake_by_b(d);
	wgx_endpoint_write(&d->b.peer->endpoint, &nowhere);
	dp_packet(packet, sizeof(packet), 2, 1, 1);
	for (int i = 0; i < 3; i++)
		stage(d, packet, sizeof(packet), 0, 1);
	dp_start(d);
	wgx_seal_command(&d->sealers[0], d->b.peer, WGX_SEAL_FLUSH);
	dp_expect_seal_drops(d, WGX_DROP_SEND_ERROR, 3);
}

/* Commands from everywhere while peers come and go: sanitizers watch. */
static void *command_many(void *arg)
{
	struct dp *d = arg;

	wgx_rcu_register();
	for (int i = 0; i < 2000; i++) {
		wgx_seal_command(&d->sealers[0], d->b.peer,
				 i % 3 ? WGX_SEAL_KEEPALIVE : WGX_SEAL_FLUSH);
		wgx_rcu_quiescent();
	}
	wgx_rcu_unregister();
	return NULL;
}

static void test_storm(void **state)
{
	struct dp *d = *state;
	uint8_t packet[200], msg[DP_MSG_MAX];
	pthread_t thread;

	env_require();
	dp_handshake_by_b(d);
	dp_start(d);
	wgx_peer_get(d->b.peer);
	assert_int_equal(pthread_create(&thread, NULL, command_many, d), 0);
	for (unsigned int i = 0; i < 2000; i++) {
		struct wgx_endpoint e = dp_endpoint("127.0.0.1", DP_A_PORT);

		dp_packet(packet, sizeof(packet), 1, 2, i);
		dp_send(d->socket, msg, dp_seal(d, packet, sizeof(packet), msg), 0, 0);
		if (i % 4 == 0)
			wgx_endpoint_write(&d->b.peer->endpoint, &e);
		if (i % 64 == 0)
			dp_set_ports(d, true);
		if (i == 1500) {
			wgx_device_lock(d->b.iface.dev);
			wgx_peer_remove(d->b.peer);
			wgx_device_unlock(d->b.iface.dev);
		}
		wgx_rcu_quiescent();
	}
	wgx_rcu_offline();
	assert_int_equal(pthread_join(thread, NULL), 0);
	wgx_rcu_online();
	/* every message is accounted for */
	dp_until(count_of(&d->b.iface.open.opened_packets) +
			 dp_open_drop(d, WGX_DROP_OPEN_UNKNOWN_RECEIVER) ==
		 2000);
	wgx_peer_put(d->b.peer);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		dp_line_test("P-DT-1", test_deliver),
		dp_test(test_superframe),
		dp_test(test_coalesced),
		dp_line_test("P-MSG-2", test_mixed_types),
		dp_line_test("P-HS-7", test_confirm),
		dp_line_test("P-DT-2", test_replay),
		dp_line_test("P-DT-2", test_floor),
		dp_line_test("P-DT-1", test_forged),
		dp_line_test("P-DT-3", test_source),
		dp_line_test("P-DT-1", test_unknown_receiver),
		dp_test(test_index_without_key),
		dp_line_test("P-HS-5", test_foreign_index),
		dp_line_test("P-MSG-1 P-MSG-2", test_malformed),
		dp_line_test("P-DT-3", test_inner_malformed),
		dp_line_test("P-TM-3", test_key_expired),
		dp_line_test("P-DT-7", test_ecn),
		dp_test(test_wg0_mtu),
		dp_test(test_wg0_down),
		dp_line_test("P-DT-12", test_handshake_queue_full),
		dp_line_test("P-DT-1", test_roaming),
		dp_line_test("P-DT-5 P-DT-6", test_keepalive),
		dp_line_test("P-DT-5", test_flush),
		dp_test(test_flush_superframe),
		dp_test(test_flush_without_key),
		dp_line_test("P-TM-3", test_flush_key_nearly_spent),
		dp_line_test("P-TM-1", test_drop),
		dp_test(test_removed_peer),
		dp_line_test("P-DT-4", test_no_endpoint),
		dp_test(test_send_error),
		dp_test(test_storm),
	};

	int failed =
		cmocka_run_group_tests_name("datapath", tests, dp_group_setup, dp_group_teardown);

	dp_helpers = 2; /* of the open worker: all is as without */
	return failed + cmocka_run_group_tests_name("datapath, helpers", tests, dp_group_setup,
						    dp_group_teardown);
}

int main(void)
{
	return env_main(run);
}
