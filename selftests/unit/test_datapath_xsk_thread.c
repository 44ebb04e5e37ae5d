/* SPDX-License-Identifier: MIT */
/*
 * Both workers with their AF_XDP rings: real packets through wg0, and frames that only somebody with
 * CAP_NET_RAW can write, on wg0 and on the collector.
 *
 *	UDP, AF_PACKET -> wg0 -> wgx_egress -> far -> wgx_steer -> seal worker -> A's socket
 *	AF_PACKET -> wgx-rx -> far -> wgx_steer -> open worker -> wg0 -> AF_PACKET
 */
#include "datapath_rings.h"

#define xsk_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define xsk_line_test(line, fn) line_test_setup_teardown(line, fn, setup, teardown)

#define require_superframes()           \
	do {                            \
		env_require();          \
		if (!rings.superframes) \
			skip();         \
	} while (0)

/* ---- seal ---- */

static void test_datagrams(void **state)
{
	uint8_t payload[1392];
	struct dp *d = *state;
	int fd;

	env_require();
	dp_handshake_by_b(d);
	dp_start(d);
	fd = user_socket(1);
	for (unsigned int i = 0; i < 40; i++) {
		size_t len = i < 39 ? 1 + i * 35 : 1392;

		fill(payload, len, i);
		assert_int_equal(send(fd, payload, len, 0), len);
		expect_datagram(d, payload, len);
	}
	dp_until(atomic_load(&d->b.peer->tx_packets) == 40);
	assert_int_equal(atomic_load(&d->b.iface.seal[0].xsk_rx_frames), 40);
	assert_int_equal(atomic_load(&d->b.iface.seal[0].sealed_packets), 40);
	dp_until(credit_out() == 0);
	/* by the frames themselves, not by time */
	assert_true(atomic_load(&d->b.iface.seal[0].credit_healed) < 20);
	dp_expect_seal_drops(d, DP_NO_DROP, 0);
	close(fd);
}

/* Segmentation offload: one frame crosses, many messages leave. */
static void test_uso(void **state)
{
	static uint8_t payload[40 * 1000 + 123];
	const int size = 1000;
	struct dp *d = *state;
	int fd;

	require_superframes();
	if (!rings.features->uso)
		skip();
	dp_handshake_by_b(d);
	dp_start(d);
	fd = user_socket(1);
	assert_int_equal(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)), 0);
	for (unsigned int round = 0; round < 5; round++) {
		fill(payload, sizeof(payload), round);
		assert_int_equal(send(fd, payload, sizeof(payload), 0), sizeof(payload));
		for (size_t at = 0; at < sizeof(payload); at += 1000)
			expect_datagram(d, payload + at,
					sizeof(payload) - at < 1000 ? sizeof(payload) - at : 1000);
	}
	dp_until(atomic_load(&d->b.peer->tx_packets) == (uint64_t)5 * 41);
	assert_int_equal(atomic_load(&d->b.iface.seal[0].xsk_rx_frames), 5);
	assert_int_equal(atomic_load(&d->b.iface.seal[0].sends), 5);
	dp_until(credit_out() == 0);
	dp_expect_seal_drops(d, DP_NO_DROP, 0);
	close(fd);
}

/* Nobody's address: the sender is told, and every packet of a superframe is counted (P-DT-4). */
static void test_no_peer(void **state)
{
	static uint8_t payload[10 * 1000];
	const int size = 1000, on = 1;
	struct dp *d = *state;
	struct pollfd p = {0};
	char c;
	int fd;

	env_require();
	dp_handshake_by_b(d);
	dp_start(d);
	p.fd = fd = user_socket(77);
	assert_int_equal(setsockopt(fd, SOL_IP, IP_RECVERR, &on, sizeof(on)), 0);
	assert_int_equal(send(fd, payload, 100, 0), 100);
	assert_int_equal(poll(&p, 1, DP_PATIENCE_MS), 1);
	/* poll() may wake for the message in the error queue, before the kernel sets the error */
	dp_until(recv(fd, &c, 1, MSG_DONTWAIT) == -1 && errno != EAGAIN);
	assert_int_equal(errno, EHOSTUNREACH);
	dp_until(atomic_load(&d->b.iface.seal[0].icmp_sent) == 1);
	dp_expect_seal_drops(d, WGX_DROP_SEAL_NO_PEER, 1);
	if (rings.superframes && rings.features->uso) {
		assert_int_equal(setsockopt(fd, SOL_UDP, UDP_SEGMENT, &size, sizeof(size)), 0);
		assert_int_equal(send(fd, payload, sizeof(payload), 0), sizeof(payload));
		dp_expect_seal_drops(d, WGX_DROP_SEAL_NO_PEER, 11);
	}
	close(fd);
}

/* 128 wait for the handshake, the oldest go (P-DT-12); then all of them leave, in order. */
static void test_staged(void **state)
{
	struct dp *d = *state;
	uint8_t payload[100];
	int fd;

	env_require();
	dp_start(d);
	fd = user_socket(1);
	for (unsigned int i = 0; i < 140; i++) {
		fill(payload, sizeof(payload), i);
		assert_int_equal(send(fd, payload, sizeof(payload), 0), sizeof(payload));
		dp_until(atomic_load(&d->b.iface.seal[0].staged_packets) == i + 1);
	}
	dp_expect_seal_drops(d, WGX_DROP_SEAL_STAGED_FULL, 12);
	dp_until(atomic_load(&d->b.wakes) > 0);
	assert_true(atomic_load(
		&d->b.peer->stages)); /* else they would outlive a link that goes down */
	dp_run_session(&d->b);
	dp_carry(&d->b, &d->a);
	dp_carry(&d->a, &d->b);
	for (unsigned int i = 12; i < 140; i++) {
		fill(payload, sizeof(payload), i);
		expect_datagram(d, payload, sizeof(payload));
	}
	dp_expect_seal_drops(d, WGX_DROP_SEAL_STAGED_FULL, 12);
	close(fd);
}

/* An MTU as large as there is: what UDP can carry arrives, what it cannot is counted. */
static void test_mtu_65535(void **state)
{
	static uint8_t payload[65507];
	const int no_discovery = IP_PMTUDISC_DO;
	struct dp *d = *state;
	int fd;

	require_superframes();
	dp_handshake_by_b(d);
	atomic_store(&d->b.iface.dev->mtu, 65535);
	env_sh("ip link set wg0 mtu 65535");
	dp_start(d);
	fd = user_socket(1);
	assert_int_equal(setsockopt(fd, SOL_IP, IP_MTU_DISCOVER, &no_discovery, sizeof(int)), 0);
	for (unsigned int i = 0; i < 4; i++) {
		size_t len = 10000 + i * 18000;

		fill(payload, len, i);
		assert_int_equal(send(fd, payload, len, 0), len);
		expect_datagram(d, payload, len);
	}
	assert_int_equal(send(fd, payload, sizeof(payload), 0), sizeof(payload));
	dp_expect_seal_drops(d, WGX_DROP_SEND_TOO_BIG, 1);
	assert_int_equal(send(fd, payload, 200, 0), 200);
	expect_datagram(d, payload, 200);
	close(fd);
}

/* Frames that did not pass wgx_egress (architecture, rule 1) */
static void test_unstamped(void **state)
{
	uint8_t frame[200] = {0}, payload[50];
	struct dp *d = *state;
	int fd, raw;

	env_require();
	dp_handshake_by_b(d);
	dp_start(d);
	raw = raw_socket(d->link.ifindex);
	dp_packet(frame + ETH_HLEN, 100, 2, 1, 0);
	frame[12] = 0x08;
	for (size_t len = ETH_HLEN; len < ETH_HLEN + 60; len++)
		assert_int_equal(send(raw, frame, len, 0), len);
	dp_expect_seal_drops(d, WGX_DROP_SEAL_UNSTAMPED, 60);
	fd = user_socket(1);
	fill(payload, sizeof(payload), 1);
	assert_int_equal(send(fd, payload, sizeof(payload), 0), sizeof(payload));
	expect_datagram(d, payload, sizeof(payload));
	close(fd);
	close(raw);
}

static uint64_t all_seal_drops(const struct dp *d)
{
	uint64_t n = 0;

	for (int r = 0; r < WGX_DROP_COUNT; r++)
		n += dp_seal_drop(d, (enum wgx_drop_reason)r);
	return n;
}

/*
 * Stamps and headers of random numbers: no crash, no more credit than there was, no frame unaccounted
 * for, and the next honest packet arrives.
 */
static void test_forged_stamps(void **state)
{
	static uint8_t frame[9000];
	uint64_t seed = 2718281828459045, frames = 0;
	uint8_t payload[50], c;
	struct dp *d = *state;
	int fd, raw;

	env_require();
	dp_handshake_by_b(d);
	env_sh("ip link set wg0 mtu 9000");
	dp_start(d);
	raw = raw_socket(d->link.ifindex);
	for (unsigned int i = 0; i < 3000; i++) {
		struct wgx_stamp stamp;
		size_t len;

		seed = seed * 6364136223846793005 + 1442695040888963407;
		memcpy((uint8_t *)&stamp + 4, &seed, 8);
		stamp.magic = WGX_STAMP_MAGIC;
		stamp.flags = (uint8_t)(seed >> 17) & 3;
		stamp.csum_offset = (uint8_t)(seed >> 9);
		if (i % 3)
			stamp.gso_size = (uint16_t)(stamp.gso_size % 1500);
		len = 34 + (seed >> 40) % (sizeof(frame) - 34);
		dp_packet(frame + ETH_HLEN, len - ETH_HLEN, 2, 1, (uint32_t)seed);
		frame[ETH_HLEN + 9] = i & 1 ? IPPROTO_TCP : IPPROTO_UDP;
		if (i % 5 == 0)
			frame[ETH_HLEN + seed % 20] ^= (uint8_t)(seed >> 30);
		memcpy(frame, &stamp, sizeof(stamp));
		frames += send(raw, frame, len, 0) == (ssize_t)len;
		dp_until(atomic_load(&d->b.iface.seal[0].xsk_rx_frames) == frames);
		while (recv(d->socket, &c, 1, MSG_DONTWAIT) >= 0)
			;
	}
	assert_int_equal(frames, 3000);
	fd = user_socket(1);
	fill(payload, sizeof(payload), 1);
	assert_int_equal(send(fd, payload, sizeof(payload), 0), sizeof(payload));
	dp_until(atomic_load(&d->b.iface.seal[0].xsk_rx_frames) == frames + 1);
	dp_until(credit_out() == 0);
	assert_true(all_seal_drops(d) + atomic_load(&d->b.iface.seal[0].sealed_packets) >= frames);
	assert_true(dp_seal_drop(d, WGX_DROP_SEAL_MALFORMED) > 0);
	assert_true(atomic_load(&d->b.iface.seal[0].sealed_packets) > 0);
	close(fd);
	close(raw);
}

/* ---- open ---- */

static void test_collector(void **state)
{
	static uint8_t packets[60][1040], frame[65536];
	struct dp *d = *state;
	struct wgx_open_counters *c = &d->b.iface.open;

	require_superframes();
	dp_handshake(d);
	dp_start(d);
	/* messages of many sizes, so that they lie across chunks in many ways */
	for (unsigned int round = 0; round < 30; round++) {
		size_t n = 20 + round * 33, len = 0, size = wgx_inner_pad(n, DP_MTU) + 32;

		for (unsigned int i = 0; i < 60; i++) {
			dp_packet(packets[i], n, 1, 2, i * round);
			len += dp_seal(d, packets[i], n, frame + 42 + len);
		}
		outer(frame, len, (uint16_t)size, WGX_STAMP_INGRESS, 0);
		assert_int_equal(send(rings.raw, frame, 42 + len, 0), 42 + len);
		for (unsigned int i = 0; i < 60; i++)
			dp_expect_packet(d, packets[i], n);
	}
	dp_until(atomic_load(&c->injected_segments) == 30 * 60);
	assert_int_equal(atomic_load(&c->opened_xsk_packets), 30 * 60);
	assert_int_equal(atomic_load(&c->opened_socket_packets), 0);
	assert_int_equal(atomic_load(&c->opened_xsk_bytes), atomic_load(&c->opened_bytes));
	assert_int_equal(atomic_load(&d->open_env.stray), 0);
	dp_expect_open_drops(d, DP_NO_DROP, 0);
	dp_settle(d);
	assert_int_equal(atomic_load(&d->b.peer->rx_packets), 30 * 60);
}

/* Some messages of a superframe are bad: the others arrive (architecture, rule 3). */
static void test_collector_mixed(void **state)
{
	static uint8_t packets[40][1040], frame[65536];
	struct dp *d = *state;
	size_t len = 0;

	require_superframes();
	dp_handshake(d);
	dp_start(d);
	for (unsigned int i = 0; i < 40; i++) {
		dp_packet(packets[i], 1000, 1, 2, i);
		dp_seal(d, packets[i], 1000, frame + 42 + len);
		if (i % 4 == 1)
			frame[42 + len + 500] ^= 1;
		if (i % 4 == 2)
			frame[42 + len] = 9;
		if (i % 4 == 3)
			memset(frame + 42 + len + 4, 0xab, 4);
		len += 1008 + 32;
	}
	outer(frame, len, 1008 + 32, WGX_STAMP_INGRESS, 0);
	assert_int_equal(send(rings.raw, frame, 42 + len, 0), 42 + len);
	for (unsigned int i = 0; i < 40; i += 4)
		dp_expect_packet(d, packets[i], 1000);
	dp_sync(d);
	dp_expect_nothing(d);
	assert_int_equal(dp_open_drop(d, WGX_DROP_OPEN_AUTH), 10);
	assert_int_equal(dp_open_drop(d, WGX_DROP_OPEN_MALFORMED), 10);
	assert_int_equal(dp_open_drop(d, WGX_DROP_OPEN_UNKNOWN_RECEIVER), 10);
}

/* ECN and endpoint are those of the outer header. */
static void test_collector_headers(void **state)
{
	uint8_t packet[100], frame[2048], in[2048];
	struct dp *d = *state;
	struct wgx_endpoint e;
	uint16_t check;
	size_t len;

	env_require();
	dp_handshake(d);
	dp_start(d);
	dp_packet(packet, sizeof(packet), 1, 2, 1);
	packet[1] = 2;
	packet[10] = packet[11] = 0;
	check = wgx_csum_ip4(packet, 20);
	memcpy(packet + 10, &check, sizeof(check));
	len = dp_seal(d, packet, sizeof(packet), frame + 42);
	outer(frame, len, 0, WGX_STAMP_INGRESS, 3);
	frame[29] = 99; /* from 127.0.0.99 */
	assert_int_equal(send(rings.raw, frame, 42 + len, 0), 42 + len);
	assert_int_equal(dp_arrive(d, in, sizeof(in)), sizeof(packet));
	assert_int_equal(in[1], 3);
	dp_until(atomic_load(&d->roamed) == 1);
	wgx_endpoint_read(&d->b.peer->endpoint, &e);
	assert_int_equal(e.addr.v4.sin_addr.s_addr, inet_addr("127.0.0.99"));
	assert_int_equal(e.src4.s_addr, inet_addr("127.0.0.1"));
	assert_int_equal(e.addr.v4.sin_port, htons(DP_A_PORT));
}

/* Frames that cannot be ours are counted, and only that. */
static void test_collector_stray(void **state)
{
	static uint8_t frame[4096];
	struct dp *d = *state;
	uint64_t n = 0;
	size_t len;

	env_require();
	dp_handshake(d);
	dp_start(d);
	len = 42 + dp_seal(d, frame, 0, frame + 42);
	for (size_t cut = ETH_HLEN; cut < len; cut++, n++) {
		outer(frame, len - 42, 0, WGX_STAMP_INGRESS, 0);
		assert_int_equal(send(rings.raw, frame, cut, 0), cut);
	}
	outer(frame, len - 42, 0, WGX_STAMP_INGRESS, 0);
	frame[37]++; /* another port */
	assert_int_equal(send(rings.raw, frame, len, 0), len);
	dp_until(atomic_load(&d->open_env.stray) == n + 1);
	outer(frame, 1001, 250, WGX_STAMP_INGRESS, 0); /* a superframe counts its messages */
	frame[37]++;
	assert_int_equal(send(rings.raw, frame, 42 + 1001, 0), 42 + 1001);
	n += 5;
	dp_until(atomic_load(&d->open_env.stray) == n + 1);
	outer(frame, len - 42, 0, WGX_STAMP_INGRESS, 0);
	assert_int_equal(send(rings.raw, frame, len, 0), len);
	dp_until(atomic_load(&d->b.iface.open.keepalives_received) == 1);
	assert_int_equal(atomic_load(&d->open_env.stray), n + 1);
	dp_expect_open_drops(d, DP_NO_DROP, 0);
}

/* What is in a ring that is to be destroyed is counted, message by message. */
static void test_discard(void **state)
{
	static uint8_t frame[9042];
	struct wgx_xsk *x = rings.xsk[1];

	require_superframes();
	assert_true(wgx_xsk_idle(x));
	assert_int_equal(wgx_open_discard(x, true), 0);
	outer(frame, 9000, 1000, WGX_STAMP_INGRESS, 0);
	assert_int_equal(send(rings.raw, frame, 9042, 0), 9042);
	outer(frame, 8001, 1000, WGX_STAMP_INGRESS, 0);
	assert_int_equal(send(rings.raw, frame, 8043, 0), 8043);
	outer(frame, 1000, 0, WGX_STAMP_INGRESS, 0);
	assert_int_equal(send(rings.raw, frame, 1042, 0), 1042);
	frame[12] = 0; /* no IP */
	assert_int_equal(send(rings.raw, frame, 1042, 0), 1042);
	dp_until(!wgx_xsk_idle(x));
	usleep(100000); /* the others are behind it */
	assert_int_equal(wgx_open_discard(x, true), 9 + 9 + 1 + 1);
	assert_false(wgx_xsk_idle(x));
	wgx_xsk_release(x);
	assert_true(wgx_xsk_idle(x));
}

/* Whatever size a stamp claims, each byte is in one message, and each of these is counted. */
static void test_collector_forged(void **state)
{
	static const struct {
		uint16_t size;
		uint8_t flags;
		uint64_t messages;
	} forged[] = {
		{1, WGX_STAMP_INGRESS, 60000}, {2, WGX_STAMP_INGRESS, 30000},
		{7, WGX_STAMP_INGRESS, 8572},  {3840, WGX_STAMP_INGRESS, 16},
		{59999, WGX_STAMP_INGRESS, 2}, {65535, WGX_STAMP_INGRESS, 1},
		{0, WGX_STAMP_INGRESS, 1},     {100, 0, 1},
		{100, WGX_STAMP_PARTIAL, 1},
	};
	static uint8_t frame[65536];
	struct dp *d = *state;
	uint64_t want = 0;

	require_superframes();
	dp_handshake(d);
	dp_start(d);
	for (size_t i = 0; i < sizeof(forged) / sizeof(*forged); i++) {
		memset(frame, 0x77, sizeof(frame));
		outer(frame, 60000, forged[i].size, forged[i].flags, 0);
		assert_int_equal(send(rings.raw, frame, 60042, 0), 60042);
		want += forged[i].messages;
		dp_expect_open_drops(d, WGX_DROP_OPEN_MALFORMED, want);
	}
	dp_sync(d);
}

/* On a device's own queue there is no stamp: what looks like one is a MAC address. */
static void test_device_queue(void **state)
{
	static uint8_t frame[4096];
	struct dp *d = *state;
	uint8_t packet[500];
	size_t len;

	env_require();
	dp_handshake(d);
	d->extra[1].kind = WGX_PORT_DEVICE;
	dp_start(d);
	dp_packet(packet, sizeof(packet), 1, 2, 9);
	len = dp_seal(d, packet, sizeof(packet), frame + 42);
	outer(frame, len, 100, WGX_STAMP_INGRESS, 0);
	assert_int_equal(send(rings.raw, frame, 42 + len, 0), 42 + len);
	dp_expect_packet(d, packet, sizeof(packet));
	dp_expect_open_drops(d, DP_NO_DROP, 0);
}

/* More than the ring holds, in both directions at once: what is not lost arrives, what is lost is counted. */
static void test_flood(void **state)
{
	static uint8_t frame[65536], packet[1000];
	struct dp *d = *state;
	struct wgx_xsk_stats lost;
	size_t len = 0;
	uint64_t sent = 0;
	int fd;

	require_superframes();
	dp_handshake(d);
	dp_start(d);
	dp_sync(d);
	dp_run_session(&d->b);
	fd = user_socket(1);
	for (unsigned int i = 0; i < 300; i++) {
		len = 0;
		for (unsigned int n = 0; n < 50; n++) {
			dp_packet(packet, 300, 1, 2, i + n);
			len += dp_seal(d, packet, 300, frame + 42 + len);
		}
		outer(frame, len, 304 + 32, WGX_STAMP_INGRESS, 0);
		sent += send(rings.raw, frame, 42 + len, 0) > 0;
		(void)send(fd, packet, sizeof(packet), MSG_DONTWAIT);
	}
	assert_int_equal(sent, 300);
	dp_until((wgx_xsk_stats(rings.xsk[1], &lost), 1) &&
		 atomic_load(&d->b.iface.open.opened_xsk_packets) / 50 + lost.rx_dropped +
				 lost.rx_ring_full ==
			 300);
	dp_until(credit_out() == 0);
	dp_expect_open_drops(d, DP_NO_DROP, 0);
	close(fd);
}

/* A device has just been attached: what is older is in the socket, and comes first. */
static void test_socket_first(void **state)
{
	uint8_t packets[3][100], frame[2048];
	struct dp *d = *state;
	size_t len;

	env_require();
	dp_handshake(d);
	for (unsigned int i = 0; i < 3; i++)
		dp_packet(packets[i], sizeof(packets[i]), 1, 2, i);
	dp_send_packet(d, packets[0], sizeof(packets[0]));
	dp_send_packet(d, packets[1], sizeof(packets[1]));
	len = dp_seal(d, packets[2], sizeof(packets[2]), frame + 42);
	outer(frame, len, 0, WGX_STAMP_INGRESS, 0);
	assert_int_equal(send(rings.raw, frame, 42 + len, 0), 42 + len);
	dp_start(d);
	for (unsigned int i = 0; i < 3; i++)
		dp_expect_packet(d, packets[i], sizeof(packets[i]));
	dp_until(atomic_load(&d->b.iface.open.opened_xsk_packets) == 1);
	assert_int_equal(atomic_load(&d->b.iface.open.opened_socket_packets), 2);
}

/* A device is let go of: what its ring has is older, and comes before what the socket has, however late it is seen. */
static void test_sockets_wait(void **state)
{
	uint8_t packets[3][100], frame[2048];
	struct dp *d = *state;
	size_t len;

	env_require();
	dp_handshake(d);
	dp_start(d);
	for (unsigned int i = 0; i < 3; i++)
		dp_packet(packets[i], sizeof(packets[i]), 1, 2, i);
	len = dp_seal(d, packets[0], sizeof(packets[0]), frame + 42);
	wgx_open_hold_sockets(&d->open_env, true);
	dp_send_packet(d, packets[1], sizeof(packets[1]));
	dp_send_packet(d, packets[2], sizeof(packets[2]));
	usleep(10000); /* as on another processor's backlog */
	outer(frame, len, 0, WGX_STAMP_INGRESS, 0);
	assert_int_equal(send(rings.raw, frame, 42 + len, 0), 42 + len);
	dp_until(atomic_load(&d->b.iface.open.opened_xsk_packets) == 1);
	assert_int_equal(atomic_load(&d->b.iface.open.opened_socket_packets), 0);
	wgx_open_hold_sockets(&d->open_env, false);
	for (unsigned int i = 0; i < 3; i++)
		dp_expect_packet(d, packets[i], sizeof(packets[i]));
	assert_int_equal(atomic_load(&d->b.iface.open.opened_socket_packets), 2);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		xsk_test(test_datagrams),
		xsk_test(test_uso),
		xsk_line_test("P-DT-4", test_no_peer),
		xsk_line_test("P-DT-12", test_staged),
		xsk_test(test_mtu_65535),
		xsk_test(test_unstamped),
		xsk_test(test_forged_stamps),
		xsk_test(test_collector),
		xsk_test(test_collector_mixed),
		xsk_line_test("P-DT-1 P-DT-7", test_collector_headers),
		xsk_test(test_collector_stray),
		xsk_test(test_discard),
		xsk_test(test_collector_forged),
		xsk_test(test_device_queue),
		xsk_test(test_flood),
		xsk_test(test_socket_first),
		xsk_test(test_sockets_wait),
	};

	int failed = cmocka_run_group_tests_name("datapath_xsk", tests, dp_group_setup,
						 dp_group_teardown);

	dp_helpers = 2; /* of the open worker: all is as without */
	return failed + cmocka_run_group_tests_name("datapath_xsk, helpers", tests, dp_group_setup,
						    dp_group_teardown);
}

int main(void)
{
	return env_main(run);
}
