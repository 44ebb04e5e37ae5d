/* SPDX-License-Identifier: MIT */
/* The sockets of an interface, on the loopback device of a namespace of their own. */
#include "path_env.h"

#include "path/bind.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

static struct wgx_bind *bind_open(uint16_t port)
{
	struct wgx_bind *b = NULL;

	assert_int_equal(wgx_bind_open(port, 0, &b), 0);
	assert_true(b->fd4 >= 0 && b->fd6 >= 0);
	return b;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_in6 a;
	socklen_t len = sizeof(a);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	return ntohs(a.sin6_port);
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static int send_text(const struct wgx_bind *b, const struct wgx_endpoint *to, uint8_t tos,
		     const char *text)
{
	struct iovec iov = {.iov_base = (void *)text, .iov_len = strlen(text)};

	return wgx_bind_send(b, to, tos, &iov, 1, 0);
}

static void receive(int fd, void *buf, size_t size, struct wgx_datagrams *d)
{
	assert_true(path_readable(fd, WAIT_MS));
	assert_int_equal(wgx_bind_receive(fd, buf, size, d), 1);
}

static void test_random_port(void **state)
{
	path_require();
	for (int i = 0; i < 50; i++) {
		struct wgx_bind *b = bind_open(0);

		assert_true(b->port != 0);
		assert_int_equal(port_of(b->fd4), b->port);
		assert_int_equal(port_of(b->fd6), b->port);
		wgx_bind_close(b);
	}
	wgx_bind_close(NULL);
}

static void test_port_in_use(void **state)
{
	struct wgx_bind *b, *other = NULL;
	unsigned int before;
	int fd;

	path_require();
	b = bind_open(0);
	before = path_fds();
	assert_int_equal(wgx_bind_open(b->port, 0, &other), -EADDRINUSE);
	wgx_bind_close(b);
	/* in one family only is in use as well */
	fd = path_socket("[::1]:45454");
	assert_int_equal(wgx_bind_open(45454, 0, &other), -EADDRINUSE);
	close(fd);
	fd = path_socket("127.0.0.1:45454");
	assert_int_equal(wgx_bind_open(45454, 0, &other), -EADDRINUSE);
	close(fd);
	assert_null(other);
	assert_int_equal(path_fds(), before - 2);
	b = bind_open(45454);
	assert_int_equal(b->port, 45454);
	wgx_bind_close(b);
}

static void test_mark(void **state)
{
	struct wgx_bind *b = NULL;

	path_require();
	assert_int_equal(wgx_bind_open(0, 0xdeadbeef, &b), 0);
	assert_int_equal(option(b->fd4, SOL_SOCKET, SO_MARK), (int)0xdeadbeef);
	assert_int_equal(option(b->fd6, SOL_SOCKET, SO_MARK), (int)0xdeadbeef);
	assert_int_equal(wgx_bind_set_mark(b, 7), 0);
	assert_int_equal(option(b->fd4, SOL_SOCKET, SO_MARK), 7);
	assert_int_equal(option(b->fd6, SOL_SOCKET, SO_MARK), 7);
	assert_int_equal(wgx_bind_set_mark(b, 0), 0);
	assert_int_equal(option(b->fd4, SOL_SOCKET, SO_MARK), 0);
	wgx_bind_close(b);
}

/* P-DT-8: DF is clear. */
static void test_no_path_mtu_discovery(void **state)
{
	struct wgx_bind *b;

	path_require();
	b = bind_open(0);
	assert_int_equal(option(b->fd4, SOL_IP, IP_MTU_DISCOVER), IP_PMTUDISC_DONT);
	assert_int_equal(option(b->fd6, SOL_IPV6, IPV6_MTU_DISCOVER), IPV6_PMTUDISC_DONT);
	assert_int_equal(option(b->fd6, SOL_IPV6, IPV6_V6ONLY), 1);
	wgx_bind_close(b);
}

/* From @a at @from_text to @b at @to_text: who, to which address, with which TOS */
static void round_trip(const char *from_text, const char *to_text, uint8_t tos)
{
	struct wgx_bind *a = bind_open(0), *b = bind_open(0);
	struct wgx_endpoint to = path_endpoint(to_text), from = path_endpoint(from_text);
	bool v4 = to.addr.sa.sa_family == AF_INET;
	struct wgx_datagrams d;
	char buf[64];

	if (v4) {
		to.addr.v4.sin_port = htons(b->port);
		to.src4 = from.addr.v4.sin_addr;
		from.addr.v4.sin_port = htons(a->port);
		from.src4 = to.addr.v4.sin_addr;
	} else {
		to.addr.v6.sin6_port = htons(b->port);
		to.src6 = from.addr.v6.sin6_addr;
		from.addr.v6.sin6_port = htons(a->port);
		from.src6 = to.addr.v6.sin6_addr;
	}
	assert_int_equal(send_text(a, &to, tos, "question"), 0);
	receive(wgx_bind_fd(b, &to), buf, sizeof(buf), &d);
	assert_int_equal(d.len, 8);
	assert_int_equal(d.size, 8);
	assert_memory_equal(buf, "question", 8);
	assert_int_equal(d.tos, tos);
	assert_true(wgx_endpoint_equal(&d.from, &from));
	/* the answer goes back the way it came */
	assert_int_equal(send_text(b, &d.from, 0, "answer"), 0);
	receive(wgx_bind_fd(a, &to), buf, sizeof(buf), &d);
	assert_int_equal(d.len, 6);
	assert_int_equal(d.tos, 0);
	assert_true(wgx_endpoint_equal(&d.from, &to));
	wgx_bind_close(a);
	wgx_bind_close(b);
}

static void test_round_trip4(void **state)
{
	path_require();
	round_trip("127.0.0.1:0", "127.0.0.1:0", 0);
	round_trip("127.0.0.5:0", "127.0.0.9:0", 0x88);
	round_trip("127.0.0.5:0", "127.0.0.9:0", 0x03);
}

static void test_round_trip6(void **state)
{
	path_require();
	assert_int_equal(system("ip -6 addr add fd00::5/128 dev lo nodad"), 0);
	assert_int_equal(system("ip -6 addr add fd00::9/128 dev lo nodad"), 0);
	round_trip("[::1]:0", "[::1]:0", 0);
	round_trip("[fd00::5]:0", "[fd00::9]:0", 0x88);
	round_trip("[fd00::9]:0", "[fd00::5]:0", 0x01);
}

/* A sticky source that is not ours, and one that the kernel chooses */
static void test_source(void **state)
{
	struct wgx_endpoint to, from;
	struct wgx_bind *b;
	char buf[16];
	int fd;

	path_require();
	b = bind_open(0);
	fd = path_socket("127.0.0.1:45455");
	to = path_endpoint("127.0.0.1:45455");
	to.src4.s_addr = inet_addr("198.51.100.7");
	assert_true(send_text(b, &to, 0, "x") < 0);
	path_no_more(fd);
	to.src4.s_addr = 0;
	assert_int_equal(send_text(b, &to, 0, "x"), 0);
	path_receive(fd, buf, sizeof(buf), &from);
	assert_int_equal(from.addr.v4.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
	close(fd);
	wgx_bind_close(b);
}

static void test_missing_family(void **state)
{
	struct wgx_endpoint to6 = path_endpoint("[::1]:1"), none = {0};
	struct wgx_bind *b;
	int fd6;

	path_require();
	b = bind_open(0);
	fd6 = b->fd6;
	b->fd6 = -EAFNOSUPPORT;
	assert_int_equal(send_text(b, &to6, 0, "x"), -EAFNOSUPPORT);
	assert_int_equal(send_text(b, &none, 0, "x"), -EAFNOSUPPORT);
	assert_int_equal(wgx_bind_set_mark(b, 3), 0);
	b->fd6 = fd6;
	wgx_bind_close(b);
}

static void fill(uint8_t *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = (uint8_t)(i * 7 + (i >> 8));
}

/* Many datagrams in one send come out of one receive; a plain receiver sees each. */
static void check_gso(const char *text)
{
	static uint8_t out[10 * 1000 + 400], in[65536];
	struct iovec iov = {.iov_base = out, .iov_len = sizeof(out)};
	struct wgx_endpoint to = path_endpoint(text);
	struct wgx_bind *a = bind_open(0), *b = bind_open(45456);
	struct wgx_datagrams d;
	size_t len = 0;

	fill(out, sizeof(out));
	assert_int_equal(wgx_bind_send(a, &to, 2, &iov, 1, 1000), 0);
	while (len < sizeof(out)) {
		receive(wgx_bind_fd(b, &to), in + len, sizeof(in) - len, &d);
		assert_int_equal(d.tos, 2);
		assert_true(d.size == 1000 || d.len == 400);
		len += d.len;
		if (option(wgx_bind_fd(b, &to), SOL_UDP, UDP_GRO))
			assert_int_equal(d.len, sizeof(out));
	}
	assert_int_equal(len, sizeof(out));
	assert_memory_equal(in, out, sizeof(out));
	assert_int_equal(wgx_bind_receive(wgx_bind_fd(b, &to), in, sizeof(in), &d), 0);
	wgx_bind_close(a);
	wgx_bind_close(b);
}

static void test_gso_and_gro(void **state)
{
	path_require();
	check_gso("127.0.0.1:45456");
	check_gso("[::1]:45456");
}

static void test_gso_plain_receiver(void **state)
{
	static uint8_t out[3500], in[2000];
	struct iovec iov[2] = {{out, 1300}, {out + 1300, sizeof(out) - 1300}};
	struct wgx_endpoint to;
	struct wgx_bind *b;
	int fd;

	path_require();
	b = bind_open(0);
	to = path_endpoint("127.0.0.1:45457");
	fd = path_socket("127.0.0.1:45457");
	fill(out, sizeof(out));
	assert_int_equal(wgx_bind_send(b, &to, 0, iov, 2, 1000), 0);
	for (size_t at = 0; at < sizeof(out); at += 1000) {
		size_t want = sizeof(out) - at < 1000 ? sizeof(out) - at : 1000;

		assert_int_equal(path_receive(fd, in, sizeof(in), NULL), want);
		assert_memory_equal(in, out + at, want);
	}
	path_no_more(fd);
	close(fd);
	wgx_bind_close(b);
}

static void test_empty_and_largest(void **state)
{
	static uint8_t out[65507], in[65536];
	struct iovec iov = {.iov_base = out, .iov_len = 0};
	struct wgx_datagrams d;
	struct wgx_endpoint to;
	struct wgx_bind *b;

	path_require();
	b = bind_open(45458);
	to = path_endpoint("127.0.0.1:45458");
	assert_int_equal(wgx_bind_receive(b->fd4, in, sizeof(in), &d), 0);
	assert_int_equal(wgx_bind_send(b, &to, 0, &iov, 1, 0), 0);
	receive(b->fd4, in, sizeof(in), &d);
	assert_int_equal(d.len, 0);
	fill(out, sizeof(out));
	iov.iov_len = sizeof(out);
	assert_int_equal(wgx_bind_send(b, &to, 0, &iov, 1, 0), 0);
	receive(b->fd4, in, sizeof(in), &d);
	assert_int_equal(d.len, sizeof(out));
	assert_int_equal(d.size, sizeof(out));
	assert_memory_equal(in, out, sizeof(out));
	assert_int_equal(wgx_bind_receive(-1, in, sizeof(in), &d), -EBADF);
	wgx_bind_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_port),
		cmocka_unit_test(test_port_in_use),
		cmocka_unit_test(test_mark),
		cmocka_unit_test(test_no_path_mtu_discovery),
		cmocka_unit_test(test_round_trip4),
		cmocka_unit_test(test_round_trip6),
		cmocka_unit_test(test_source),
		cmocka_unit_test(test_missing_family),
		cmocka_unit_test(test_gso_and_gro),
		cmocka_unit_test(test_gso_plain_receiver),
		cmocka_unit_test(test_empty_and_largest),
	};

	return cmocka_run_group_tests_name("bind", tests, path_setup, NULL);
}
