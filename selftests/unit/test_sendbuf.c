/* SPDX-License-Identifier: MIT */
/* What goes into one send and what does not, seen by a receiver on the loopback device. */
#include "path_env.h"
#include "line_test.h"

#include "device/device.h"
#include "path/sendbuf.h"

#define PORT 45470
#define TO "127.0.0.1:45470"

struct env {
	struct wgx_sendbuf buf;
	struct wgx_bind *bind;
	struct wgx_seal_counters counters;
	struct wgx_peer *peer, *other;
	struct wgx_endpoint to;
	int fd; /* the receiver */
};

static struct wgx_peer *peer_make(void)
{
	struct wgx_peer *p = aligned_alloc(64, (sizeof(*p) + 63) / 64 * 64);

	assert_non_null(p);
	memset(p, 0, sizeof(*p));
	return p;
}

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	*state = e;
	if (!path_permitted)
		return 0;
	e->peer = peer_make();
	e->other = peer_make();
	e->to = path_endpoint(TO);
	e->fd = path_socket(TO);
	return wgx_sendbuf_init(&e->buf) || wgx_bind_open(0, 0, &e->bind);
}

static int teardown(void **state)
{
	struct env *e = *state;

	if (path_permitted) {
		wgx_sendbuf_free(&e->buf);
		assert_null(e->buf.data);
		wgx_bind_close(e->bind);
		close(e->fd);
		free(e->peer);
		free(e->other);
	}
	free(e);
	return 0;
}

static void aim(struct env *e)
{
	wgx_sendbuf_aim(&e->buf, e->peer, &e->to, 0, e->bind, &e->counters);
}

static void put(struct env *e, size_t len, uint8_t fill)
{
	memset(wgx_sendbuf_slot(&e->buf, len), fill, len);
	wgx_sendbuf_put(&e->buf, len);
}

static void expect(struct env *e, size_t len, uint8_t fill)
{
	static uint8_t in[65536];

	assert_int_equal(path_receive(e->fd, in, sizeof(in), NULL), len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(in[i], fill);
}

static uint64_t sends(const struct env *e)
{
	return atomic_load(&e->counters.sends);
}

/* All are of one peer. */
static uint64_t dropped(const struct env *e, enum wgx_drop_reason reason)
{
	uint64_t n = atomic_load(&e->counters.drops[reason]);

	assert_int_equal(wgx_peer_drops_get(&e->peer->drops, reason), n);
	assert_int_equal(wgx_peer_drops_get(&e->other->drops, reason), 0);
	return n;
}

static void expect_no_drops(const struct env *e)
{
	for (int i = 0; i < WGX_DROP_COUNT; i++)
		assert_int_equal(dropped(e, (enum wgx_drop_reason)i), 0);
}

static void test_equal_sizes(void **state)
{
	struct env *e = *state;

	path_require();
	aim(e);
	for (uint8_t i = 0; i < 10; i++)
		put(e, 1000, i);
	path_no_more(e->fd);
	assert_int_equal(sends(e), 0);
	wgx_sendbuf_flush(&e->buf);
	wgx_sendbuf_flush(&e->buf); /* nothing more to send */
	assert_int_equal(sends(e), 1);
	for (uint8_t i = 0; i < 10; i++)
		expect(e, 1000, i);
	path_no_more(e->fd);
	expect_no_drops(e);
}

/* A shorter one ends the send: nothing may follow it. */
static void test_short_closes(void **state)
{
	struct env *e = *state;

	path_require();
	aim(e);
	put(e, 100, 1);
	put(e, 100, 2);
	put(e, 60, 3);
	assert_int_equal(sends(e), 0);
	put(e, 60, 4);
	assert_int_equal(sends(e), 1);
	put(e, 60, 5);
	wgx_sendbuf_flush(&e->buf);
	assert_int_equal(sends(e), 2);
	expect(e, 100, 1);
	expect(e, 100, 2);
	expect(e, 60, 3);
	expect(e, 60, 4);
	expect(e, 60, 5);
	expect_no_drops(e);
}

/* A longer one goes after those before it, and begins the next send. */
static void test_longer(void **state)
{
	struct env *e = *state;

	path_require();
	aim(e);
	put(e, 60, 1);
	put(e, 60, 2);
	put(e, 1400, 3);
	assert_int_equal(sends(e), 1);
	put(e, 1400, 4);
	put(e, 32, 5);
	wgx_sendbuf_flush(&e->buf);
	assert_int_equal(sends(e), 2);
	expect(e, 60, 1);
	expect(e, 60, 2);
	expect(e, 1400, 3);
	expect(e, 1400, 4);
	expect(e, 32, 5);
	path_no_more(e->fd);
	expect_no_drops(e);
}

/* What was put may be shorter than the slot asked for. */
static void test_slot_larger(void **state)
{
	struct env *e = *state;

	path_require();
	aim(e);
	for (uint8_t i = 0; i < 3; i++) {
		memset(wgx_sendbuf_slot(&e->buf, 1500), i, 80);
		wgx_sendbuf_put(&e->buf, 80);
	}
	wgx_sendbuf_flush(&e->buf);
	assert_int_equal(sends(e), 1);
	for (uint8_t i = 0; i < 3; i++)
		expect(e, 80, i);
	expect_no_drops(e);
}

static void test_64_datagrams(void **state)
{
	struct env *e = *state;

	path_require();
	aim(e);
	for (int i = 0; i < 2 * WGX_SENDBUF_DATAGRAMS + 1; i++)
		put(e, 40, (uint8_t)i);
	assert_int_equal(sends(e), 2);
	wgx_sendbuf_flush(&e->buf);
	assert_int_equal(sends(e), 3);
	for (int i = 0; i < 2 * WGX_SENDBUF_DATAGRAMS + 1; i++)
		expect(e, 40, (uint8_t)i);
	path_no_more(e->fd);
	expect_no_drops(e);
}

static void test_65000_bytes(void **state)
{
	struct env *e = *state;

	path_require();
	aim(e);
	for (uint8_t i = 0; i < 15; i++) /* seven fit */
		put(e, 9000, i);
	wgx_sendbuf_flush(&e->buf);
	assert_int_equal(sends(e), 3);
	for (uint8_t i = 0; i < 15; i++)
		expect(e, 9000, i);
	put(e, 65507, 77); /* the largest there is, alone */
	put(e, 40, 78);
	wgx_sendbuf_flush(&e->buf);
	expect(e, 65507, 77);
	expect(e, 40, 78);
	expect_no_drops(e);
}

/* Another peer, endpoint, TOS or socket does not share a send. */
static void test_aim(void **state)
{
	struct env *e = *state;
	struct wgx_endpoint elsewhere = e->to;
	struct wgx_bind *bind = NULL;

	path_require();
	assert_int_equal(wgx_bind_open(0, 0, &bind), 0);
	elsewhere.src4.s_addr = inet_addr("127.0.0.3");
	aim(e);
	put(e, 50, 1);
	aim(e);
	put(e, 50, 2);
	assert_int_equal(sends(e), 0);
	wgx_sendbuf_aim(&e->buf, e->other, &e->to, 0, e->bind, &e->counters);
	assert_int_equal(sends(e), 1);
	put(e, 50, 3);
	wgx_sendbuf_aim(&e->buf, e->other, &elsewhere, 0, e->bind, &e->counters);
	assert_int_equal(sends(e), 2);
	put(e, 50, 4);
	wgx_sendbuf_aim(&e->buf, e->other, &elsewhere, 1, e->bind, &e->counters);
	assert_int_equal(sends(e), 3);
	put(e, 50, 5);
	wgx_sendbuf_aim(&e->buf, e->other, &elsewhere, 1, bind, &e->counters);
	assert_int_equal(sends(e), 4);
	put(e, 50, 6);
	wgx_sendbuf_flush(&e->buf);
	assert_int_equal(sends(e), 5);
	for (uint8_t i = 1; i <= 6; i++)
		expect(e, 50, i);
	wgx_bind_close(bind);
	expect_no_drops(e);
}

static void test_tos(void **state)
{
	struct env *e = *state;
	struct wgx_bind *there = NULL;
	struct wgx_datagrams d;
	char buf[100];

	path_require();
	assert_int_equal(wgx_bind_open(45471, 0, &there), 0);
	e->to = path_endpoint("127.0.0.1:45471");
	wgx_sendbuf_aim(&e->buf, e->peer, &e->to, 3, e->bind, &e->counters);
	put(e, 50, 1);
	wgx_sendbuf_flush(&e->buf);
	assert_true(path_readable(there->fd4, WAIT_MS));
	assert_int_equal(wgx_bind_receive(there->fd4, buf, sizeof(buf), &d), 1);
	assert_int_equal(d.tos, 3);
	wgx_bind_close(there);
}

/* Longer than the path takes: singly, and the kernel makes fragments (architecture, rule 7; P-DT-8). */
static void test_over_path_mtu(void **state)
{
	struct env *e = *state;
	struct in_addr source = {.s_addr = inet_addr("127.0.0.8")};
	struct wgx_endpoint after;

	path_require();
	e->to.src4 = source;
	wgx_endpoint_write(&e->peer->endpoint, &e->to);
	assert_int_equal(path_lo(1280, IFF_UP), 0);
	aim(e);
	for (uint8_t i = 0; i < 5; i++)
		put(e, 1452, i);
	put(e, 99, 5);
	wgx_sendbuf_flush(&e->buf);
	for (uint8_t i = 0; i < 5; i++)
		expect(e, 1452, i);
	expect(e, 99, 5);
	assert_int_equal(path_lo(65536, IFF_UP), 0);
	assert_int_equal(sends(e), 7); /* one that failed, and each */
	expect_no_drops(e);
	/* the source was not to blame */
	wgx_endpoint_read(&e->peer->endpoint, &after);
	assert_int_equal(after.src4.s_addr, source.s_addr);
}

/* More than IP can carry is lost and counted, the rest is not. */
static void test_too_big(void **state)
{
	struct env *e = *state;

	path_require();
	aim(e);
	put(e, 60, 1);
	put(e, 65508, 2);
	put(e, 60, 3);
	wgx_sendbuf_flush(&e->buf);
	expect(e, 60, 1);
	expect(e, 60, 3);
	path_no_more(e->fd);
	assert_int_equal(dropped(e, WGX_DROP_SEND_TOO_BIG), 1);
	assert_int_equal(dropped(e, WGX_DROP_SEND_ERROR), 0);
}

static void test_unreachable(void **state)
{
	struct env *e = *state;

	path_require();
	e->to = path_endpoint("198.51.100.1:1");
	aim(e);
	for (int i = 0; i < 5; i++)
		put(e, 100, 1);
	wgx_sendbuf_flush(&e->buf);
	assert_int_equal(dropped(e, WGX_DROP_SEND_ERROR), 5);
	e->to = path_endpoint(TO);
	aim(e);
	put(e, 60, 9); /* the buffer is clean again */
	wgx_sendbuf_flush(&e->buf);
	expect(e, 60, 9);
	assert_int_equal(dropped(e, WGX_DROP_SEND_ERROR), 5);
}

/* The source that we were reached at is not ours any more: the kernel chooses one (P-DT-10). */
static void source_gone(struct env *e, unsigned int n)
{
	struct wgx_endpoint after;

	wgx_endpoint_write(&e->peer->endpoint, &e->to);
	aim(e);
	for (unsigned int i = 0; i < n; i++)
		put(e, 200, (uint8_t)i);
	wgx_sendbuf_flush(&e->buf);
	for (unsigned int i = 0; i < n; i++)
		expect(e, 200, (uint8_t)i);
	path_no_more(e->fd);
	expect_no_drops(e);
	wgx_endpoint_read(&e->peer->endpoint, &after);
	assert_true(wgx_endpoint_same_destination(&after, &e->to));
	assert_memory_equal(&after.src6, &in6addr_any, 16);
}

static void test_source_gone(void **state)
{
	struct env *e = *state;

	path_require();
	e->to.src4.s_addr = inet_addr("198.51.100.9");
	source_gone(e, 1);
	source_gone(e, 6);
	close(e->fd);
	e->fd = path_socket("[::1]:45470");
	e->to = path_endpoint("[::1]:45470");
	inet_pton(AF_INET6, "2001:db8::9", &e->to.src6);
	source_gone(e, 1);
	source_gone(e, 6);
}

static void test_source_kept(void **state)
{
	struct env *e = *state;
	struct wgx_endpoint from;
	uint8_t in[100];

	path_require();
	e->to.src4.s_addr = inet_addr("127.0.0.6");
	wgx_endpoint_write(&e->peer->endpoint, &e->to);
	aim(e);
	put(e, 60, 1);
	put(e, 60, 2);
	wgx_sendbuf_flush(&e->buf);
	for (int i = 0; i < 2; i++) {
		path_receive(e->fd, in, sizeof(in), &from);
		assert_int_equal(from.addr.v4.sin_addr.s_addr, inet_addr("127.0.0.6"));
	}
	wgx_endpoint_read(&e->peer->endpoint, &from);
	assert_true(wgx_endpoint_equal(&from, &e->to));
}

#define with_env(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
#define line_with_env(line, fn) line_test_setup_teardown(line, fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		with_env(test_equal_sizes),
		with_env(test_short_closes),
		with_env(test_longer),
		with_env(test_slot_larger),
		with_env(test_64_datagrams),
		with_env(test_65000_bytes),
		with_env(test_aim),
		line_with_env("P-DT-7", test_tos),
		line_with_env("P-DT-8", test_over_path_mtu),
		with_env(test_too_big),
		with_env(test_unreachable),
		line_with_env("P-DT-10", test_source_gone),
		line_with_env("P-DT-10", test_source_kept),
	};

	return cmocka_run_group_tests_name("sendbuf", tests, path_setup, NULL);
}
