/* SPDX-License-Identifier: MIT */
/* Frames into an AF_XDP ring of a veth, seen at its other end; and what goes by the socket instead. */
#include "net_env.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/eventfd.h>
#include "device/device.h"
#include "path/outer.h"
#include "path/sendbuf.h"
#include "path/transmit.h"
#include "path/xsk.h"

#define PORT 51820
#define EPOCH 5
#define MTU 1400
#define SECOND UINT64_C(1000000000)

static const uint8_t near[6] = {2, 0, 0, 0, 0, 1}, far[6] = {2, 0, 0, 0, 0, 2};

struct env {
	struct wgx_xsk *xsk;
	struct wgx_transmits all;
	struct wgx_neighbour neighbour;
	struct wgx_hop hop;
	struct wgx_peer *peer;
	struct wgx_bind bind;
	struct wgx_seal_counters counters;
	struct wgx_sendbuf buf;
	uint64_t now;
	int fd; /* at the other end */
};

static void listen_at(struct env *e, const char *name)
{
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP)};
	struct timeval wait = {.tv_sec = 10};

	at.sll_ifindex = (int)if_nametoindex(name);
	e->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(e->fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(setsockopt(e->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
}

static struct wgx_endpoint endpoint(void)
{
	struct wgx_endpoint e = {.addr.v4 = {.sin_family = AF_INET, .sin_port = htons(1234)}};

	inet_pton(AF_INET, "192.0.2.2", &e.addr.v4.sin_addr);
	inet_pton(AF_INET, "192.0.2.1", &e.src4);
	return e;
}

static void begin(struct env *e, uint32_t ring_size)
{
	memset(e, 0, sizeof(*e));
	env_sh("ip link add d0 mtu 9000 type veth peer d1 mtu 9000");
	env_sh("ip link set d0 addrgenmode none && ip link set d1 addrgenmode none");
	env_sh("ip link set d0 up && ip link set d1 up");
	listen_at(e, "d1");
	assert_int_equal(wgx_xsk_create_sending("d0", 0, ring_size, false, false, WGX_TRANSMIT_RING,
						&e->xsk),
			 0);
	assert_int_equal(wgx_transmit_create(e->xsk, &e->hop.via), 0);
	e->peer = aligned_alloc(64, (sizeof(*e->peer) + 63) / 64 * 64);
	memset(e->peer, 0, sizeof(*e->peer));
	atomic_store(&e->peer->refs, 1);
	e->now = SECOND;
	e->neighbour.state = wgx_neighbour_state(far, WGX_NEIGHBOUR_USABLE);
	e->all.at[0] = e->hop.via;
	e->all.epoch = EPOCH;
	e->all.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	e->bind.port = PORT;
	e->hop.epoch = EPOCH;
	e->hop.again = 100 * SECOND;
	e->hop.to = endpoint();
	e->hop.port = PORT;
	e->hop.neighbour = &e->neighbour;
	e->hop.mtu = MTU;
	e->hop.id = 0xffff;
	wgx_encap_init(&e->hop.encap, &e->hop.to, PORT, near, 64);
	e->peer->hop = &e->hop;
	assert_int_equal(wgx_sendbuf_init(&e->buf), 0);
	e->buf.transmits = &e->all;
	e->buf.clock = &e->now;
	e->buf.peer = e->peer;
	e->buf.to = endpoint();
	e->buf.bind = &e->bind;
	e->buf.counters = &e->counters;
}

static void end(struct env *e)
{
	assert_int_equal(wgx_transmit_destroy(e->hop.via), 0);
	wgx_xsk_destroy(e->xsk);
	wgx_sendbuf_free(&e->buf);
	close(e->all.wake_fd);
	close(e->fd);
	free(e->peer);
}

/* @n datagrams, all of @size but the last, which is of @last */
static bool send_them(struct env *e, unsigned int n, size_t size, size_t last)
{
	e->buf.n = n;
	e->buf.size = size;
	e->buf.len = (n - 1) * size + last;
	for (size_t i = 0; i < e->buf.len; i++)
		e->buf.data[i] = (uint8_t)(i * 31 + i / size);
	return wgx_transmit_send(&e->buf);
}

static void expect(struct env *e, unsigned int n, size_t size, size_t last, uint16_t id)
{
	uint8_t frame[8192];
	struct wgx_outer o;

	for (unsigned int i = 0; i < n; i++) {
		size_t len = i + 1 < n ? size : last;
		ssize_t got = recv(e->fd, frame, sizeof(frame), 0);

		assert_int_equal(got, 42 + len);
		assert_memory_equal(frame, far, 6);
		assert_int_equal(wgx_outer_parse(frame, (size_t)got, (size_t)got, &o), 0);
		assert_int_equal(o.payload_len, len);
		assert_int_equal(frame[18] << 8 | frame[19], (uint16_t)(id + i));
		assert_memory_equal(frame + 42, e->buf.data + i * size, len);
	}
	assert_true(recv(e->fd, frame, sizeof(frame), MSG_DONTWAIT) < 0);
}

static bool asked(struct env *e)
{
	uint64_t n;
	bool told = read(e->all.wake_fd, &n, sizeof(n)) > 0;
	struct wgx_peer_link *l = wgx_peerqueue_take(&e->all.wanted);

	assert_int_equal(told, l != NULL);
	if (!l)
		return false;
	assert_ptr_equal(l, &e->peer->hop_link);
	wgx_peerqueue_done(l);
	assert_int_equal(atomic_fetch_sub(&e->peer->refs, 1), 2);
	return true;
}

static void test_frames(void **state)
{
	struct env e;

	env_require();
	begin(&e, 0);
	assert_true(send_them(&e, 1, 100, 100));
	expect(&e, 1, 100, 100, 0xffff);
	assert_true(send_them(&e, 10, 1360, 61));
	expect(&e, 10, 1360, 61, 0);
	assert_int_equal(e.counters.xdp_tx_packets, 11);
	assert_int_equal(e.hop.via->packets, 11);
	assert_int_equal(e.hop.via->bytes, 142 + 9 * 1402 + 103);
	assert_false(asked(&e));
	assert_false(wgx_transmit_poke(&e.all));
	end(&e);
}

/* Round and round: each chunk comes back, of a socket that receives as well too. */
static void test_many(void **state)
{
	static const uint32_t rings[] = {0, 64};
	struct env e;

	env_require();
	for (size_t r = 0; r < 2; r++) {
		begin(&e, rings[r]);
		for (unsigned int i = 0; i < 20; i++) {
			assert_true(send_them(&e, 64, 70, 32));
			expect(&e, 64, 70, 32, (uint16_t)(0xffff + 64 * i));
		}
		assert_int_equal(e.counters.xdp_tx_packets, 20 * 64);
		end(&e);
		env_sh("ip link del d0");
	}
}

static void test_by_the_socket(void **state)
{
	struct env e;

	env_require();
	begin(&e, 0);
	/* nothing known yet, or no more: it is asked for, once until it is answered */
	e.peer->hop = NULL;
	assert_false(send_them(&e, 2, 100, 100));
	assert_false(send_them(&e, 1, 100, 100));
	assert_int_equal(e.counters.xdp_tx_asked, 3);
	assert_true(asked(&e));
	e.peer->hop = &e.hop;
	e.hop.epoch--;
	assert_false(send_them(&e, 1, 100, 100));
	assert_true(asked(&e));
	e.hop.epoch++;
	e.bind.port++;
	assert_false(send_them(&e, 1, 100, 100));
	assert_true(asked(&e));
	e.bind.port--;
	e.buf.to.src4.s_addr = 0;
	assert_false(send_them(&e, 1, 100, 100));
	assert_true(asked(&e));
	e.buf.to = endpoint();
	assert_int_equal(e.counters.xdp_tx_asked, 6);
	/* old, but still right */
	e.now = e.hop.again;
	assert_true(send_them(&e, 1, 100, 100));
	assert_true(asked(&e));
	e.now = SECOND;
	/* the socket once, and then no more */
	e.neighbour.state |= WGX_NEIGHBOUR_CONFIRM;
	assert_false(send_them(&e, 1, 100, 100));
	assert_true(send_them(&e, 1, 100, 100));
	e.neighbour.state = 0;
	assert_false(send_them(&e, 1, 100, 100));
	e.neighbour.state = wgx_neighbour_state(far, WGX_NEIGHBOUR_USABLE);
	assert_int_equal(e.counters.xdp_tx_neighbour, 2);
	/* a byte too long, and not */
	assert_false(send_them(&e, 3, MTU - 27, 10));
	assert_true(send_them(&e, 1, MTU - 28, MTU - 28));
	e.hop.mtu = 9000;
	assert_true(send_them(&e, 1, 4096 - 42, 4096 - 42));
	assert_false(send_them(&e, 1, 4096 - 41, 4096 - 41));
	assert_int_equal(e.counters.xdp_tx_mtu, 4);
	e.hop.pass = WGX_TRANSMIT_PASS_ELSEWHERE;
	e.all.at[0] = e.hop.via;
	e.hop.via = NULL;
	assert_false(send_them(&e, 1, 100, 100));
	assert_int_equal(e.counters.xdp_tx_elsewhere, 1);
	e.hop.via = e.all.at[0];
	assert_false(asked(&e));
	e.all.epoch = 0; /* off */
	assert_false(send_them(&e, 1, 100, 100));
	assert_false(asked(&e));
	assert_int_equal(e.counters.xdp_tx_packets, 4);
	end(&e);
}

/* Chunks that do not come back: the socket has all, and a while longer. */
static void test_full(void **state)
{
	struct env e;
	uint32_t n;

	env_require();
	begin(&e, 0);
	n = e.hop.via->n_free;
	assert_int_equal(n, WGX_TRANSMIT_RING);
	e.hop.via->n_free = 3;
	assert_false(send_them(&e, 4, 100, 100));
	assert_int_equal(e.counters.xdp_tx_full, 4);
	e.hop.via->n_free = n;
	assert_false(send_them(&e, 1, 100, 100));
	e.now += SECOND / 50;
	assert_true(send_them(&e, 1, 100, 100));
	expect(&e, 1, 100, 100, 0xffff);
	/* another worker is at it */
	e.hop.via->busy = true;
	assert_false(send_them(&e, 1, 100, 100));
	e.hop.via->busy = false;
	assert_int_equal(e.counters.xdp_tx_full, 6);
	end(&e);
}

/* A device that is down takes nothing, and what was in the ring is a loss when that ends. */
static void test_down(void **state)
{
	struct env e;

	env_require();
	begin(&e, 0);
	env_sh("ip link set d0 down");
	assert_true(send_them(&e, 5, 100, 100));
	assert_false(wgx_transmit_poke(&e.all)); /* no reason to ask again and again */
	env_sh("ip link set d0 up");
	assert_true(send_them(&e, 1, 100, 100));
	assert_true(e.hop.via->n_free > WGX_TRANSMIT_RING - 6);
	env_sh("ip link set d0 down");
	assert_true(send_them(&e, 5, 100, 100));
	assert_int_equal(wgx_transmit_destroy(e.hop.via), 5);
	e.hop.via = NULL;
	end(&e);
}

/* With zero-copy the device says whether it has to be told; where it is not, what is left is looked at again. */
static void test_zero_copy(void **state)
{
	uint32_t flags = 0, *real;
	struct env e;

	env_require();
	begin(&e, 0);
	e.xsk->zero_copy = true; /* as far as it is told */
	real = e.xsk->tx.flags;
	e.xsk->tx.flags = &flags;
	assert_true(send_them(&e, 2, 100, 100));
	assert_int_equal(e.hop.via->sends, 0);
	assert_true(wgx_transmit_poke(&e.all));
	assert_int_equal(e.hop.via->sends, 0);
	flags = XDP_RING_NEED_WAKEUP;
	assert_false(wgx_transmit_poke(&e.all));
	assert_true(e.hop.via->sends > 0);
	expect(&e, 2, 100, 100, 0xffff);
	/* taken out of the ring, and not read from its chunk yet */
	assert_true(send_them(&e, 1, 100, 100));
	expect(&e, 1, 100, 100, 1);
	e.hop.via->n_free--;
	e.xsk->tx.flags = real;
	assert_int_equal(wgx_transmit_destroy(e.hop.via), 1);
	e.hop.via = NULL;
	end(&e);
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		env_test(test_frames), env_test(test_many), env_test(test_by_the_socket),
		env_test(test_full),   env_test(test_down), env_test(test_zero_copy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return env_main(run);
}
