/* SPDX-License-Identifier: MIT */
/* The sockets of an interface, on the loopback device of a namespace of their own. */
#include "path_env.h"
#include "line_test.h"

#include <net/if.h>

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
	assert_int_equal(path_fds(), before - 6);
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

/* The UDP checksum in what @fd, a raw socket, gets next; on lo the sum of the pseudo header, which is not 0 */
static uint16_t checksum_of(int fd, size_t ip_len)
{
	uint8_t buf[2000];
	struct udphdr udp;

	assert_true(path_receive(fd, buf, sizeof(buf), NULL) >= ip_len + sizeof(udp));
	memcpy(&udp, buf + ip_len, sizeof(udp));
	return udp.check;
}

/* P-DT-9: on IPv6, where it is a must, and on IPv4; alone and in a superframe */
static void test_checksums(void **state)
{
	static uint8_t out[3000];
	struct iovec iov = {out, sizeof(out)};
	struct wgx_endpoint to4, to6;
	struct wgx_bind *b;
	int raw4, raw6;

	path_require();
	b = bind_open(0);
	to4 = path_endpoint("127.0.0.1:45458");
	to6 = path_endpoint("[::1]:45458");
	raw4 = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP);
	raw6 = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP);
	assert_true(raw4 >= 0 && raw6 >= 0);
	assert_int_equal(send_text(b, &to4, 0, "hello"), 0);
	assert_true(checksum_of(raw4, 20) != 0);
	assert_int_equal(send_text(b, &to6, 0, "hello"), 0);
	assert_true(checksum_of(raw6, 0) != 0);
	assert_int_equal(wgx_bind_send(b, &to4, 0, &iov, 1, 1000), 0);
	assert_true(checksum_of(raw4, 20) != 0);
	assert_int_equal(wgx_bind_send(b, &to6, 0, &iov, 1, 1000), 0);
	assert_true(checksum_of(raw6, 0) != 0);
	close(raw4);
	close(raw6);
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
		from.src_if = to.src_if = if_nametoindex("lo");
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
	/* the kernel makes the route to an address later than the address */
	assert_int_equal(
		system("for a in fd00::5 fd00::9; do"
		       " ip -6 addr add $a/128 dev lo nodad || exit;"
		       " timeout 10 sh -c \"until ip -6 route show table local | grep -q $a;"
		       " do sleep 0.01; done\" || exit; done"),
		0);
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

static void send_sized(const struct wgx_bind *b, const char *to, size_t len, uint16_t size)
{
	static uint8_t out[65536] = {WGX_MSG_INITIATION};
	struct wgx_endpoint e = path_endpoint(to);
	struct iovec iov = {.iov_base = out, .iov_len = len};

	assert_int_equal(wgx_bind_send(b, &e, 0, &iov, 1, size), 0);
}

/* What waits when the sockets are closed is counted, by datagram; what comes after finds none. */
static void test_close_and_count(void **state)
{
	struct wgx_bind *b, *from;
	struct wgx_endpoint to;

	path_require();
	b = bind_open(45459);
	from = bind_open(0);
	assert_false(wgx_bind_pending(b));
	assert_int_equal(wgx_bind_drain(b), 0);
	send_sized(from, "127.0.0.1:45459", 5000, 1000);
	send_sized(from, "127.0.0.1:45459", 5001, 1000);
	send_sized(from, "127.0.0.1:45459", 100, 0);
	send_sized(from, "[::1]:45459", 60000, 1000);
	send_sized(from, "[::1]:45459", 0, 0);
	send_sized(from, "127.0.0.1:45459", 148, 0);
	send_sized(from, "[::1]:45459", 148, 0);
	assert_true(wgx_bind_pending(b));
	wgx_bind_deafen(b);
	to = path_endpoint("127.0.0.1:45459");
	(void)send_text(from, &to, 0, "late");
	to = path_endpoint("[::1]:45459");
	(void)send_text(from, &to, 0, "late");
	assert_true(wgx_bind_pending(b));
	send_sized(from, "127.0.0.1:45459", 148, 0);
	assert_int_equal(wgx_bind_drain(b), 5 + 6 + 1 + 60 + 1 + 2);
	assert_false(wgx_bind_pending(b));
	/* should they have to be used all the same, the first of a family gets all */
	wgx_bind_hear(b);
	send_sized(from, "127.0.0.1:45459", 100, 0);
	send_sized(from, "127.0.0.1:45459", 148, 0);
	send_sized(from, "[::1]:45459", 148, 0);
	assert_int_equal(wgx_bind_of(b, WGX_BIND_BARE, false), -1);
	assert_int_equal(wgx_bind_drain(b), 3);
	assert_int_equal(wgx_bind_refused(b->fd4), 0);
	assert_int_equal(wgx_bind_refused(-1), 0);
	wgx_bind_close(from);
	wgx_bind_close(b);
}

static void test_refused(void **state)
{
	struct wgx_bind *b, *from;
	int small = 1;

	path_require();
	b = bind_open(45460);
	from = bind_open(0);
	assert_int_equal(setsockopt(b->fd4, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (int i = 0; i < 100; i++)
		send_sized(from, "127.0.0.1:45460", 100, 0);
	assert_in_range(wgx_bind_refused(b->fd4), 1, 99);
	assert_int_equal(wgx_bind_refused(b->fd4) + wgx_bind_drain(b), 100);
	assert_int_equal(wgx_bind_refused(b->fd6), 0);
	wgx_bind_close(from);
	wgx_bind_close(b);
}

/* ---- the handshake sockets ---- */

#define FIRST WGX_BIND_FIRST
#define BARE WGX_BIND_BARE
#define COOKIE WGX_BIND_COOKIE

struct sample {
	uint8_t head[4];
	size_t len;
	bool mac2; /* the last 16 bytes are not zero */
	enum wgx_bind_queue where;
};

static const struct sample samples[] = {
	{{1, 0, 0, 0}, 148, false, BARE},
	{{1, 0, 0, 0}, 148, true, COOKIE},
	{{2, 0, 0, 0}, 92, false, BARE},
	{{2, 0, 0, 0}, 92, true, COOKIE},
	{{3, 0, 0, 0}, 64, false, COOKIE},
	{{3, 0, 0, 0}, 64, true, COOKIE},
	{{4, 0, 0, 0}, 148, true, FIRST},
	{{4, 0, 0, 0}, 64, true, FIRST},
	{{1, 0, 0, 0}, 147, true, FIRST},
	{{1, 0, 0, 0}, 149, true, FIRST},
	{{1, 0, 0, 1}, 148, true, FIRST},
	{{1, 1, 0, 0}, 148, true, FIRST},
	{{2, 0, 0, 0}, 148, true, FIRST},
	{{1, 0, 0, 0}, 92, true, FIRST},
	{{3, 0, 0, 0}, 92, true, FIRST},
	{{1, 0, 0, 0}, 3, true, FIRST},
	{{0}, 0, true, FIRST},
	{{2, 0, 0, 0}, 64, true, FIRST},
	{{3, 0, 0, 0}, 1000, true, FIRST},
};

static void check_sample(const struct wgx_bind *a, const struct wgx_bind *b,
			 const struct wgx_endpoint *to, const struct sample *sample)
{
	const bool v4 = to->addr.sa.sa_family == AF_INET;
	const int fd = wgx_bind_of(b, sample->where, !v4);
	struct wgx_handshake_item item;
	uint8_t out[1000], in[2000];
	struct iovec iov = {out, sample->len};
	struct wgx_datagrams d;

	fill(out, sizeof(out));
	memcpy(out, sample->head, sizeof(sample->head));
	if (!sample->mac2)
		memset(out + sample->len - 16, 0, 16);
	assert_int_equal(wgx_bind_send(a, to, 0, &iov, 1, 0), 0);
	if (sample->where == FIRST) {
		receive(fd, in, sizeof(in), &d);
		assert_int_equal(d.len, sample->len);
		assert_memory_equal(in, out, sample->len);
		return;
	}
	assert_true(path_readable(fd, WAIT_MS));
	assert_int_equal(wgx_bind_receive_handshakes(fd, &item, 1), 1);
	assert_int_equal(item.len, sample->len);
	assert_int_equal(item.datagrams, 1);
	assert_memory_equal(item.msg, out, sample->len);
	/* to be answered from the address that it reached */
	assert_int_equal(item.from.addr.v4.sin_port, htons(a->port)); /* as sin6_port */
	if (v4)
		assert_int_equal(item.from.src4.s_addr, to->addr.v4.sin_addr.s_addr);
	else
		assert_memory_equal(&item.from.src6, &to->addr.v6.sin6_addr, 16);
}

static void check_nothing_left(const struct wgx_bind *b)
{
	struct wgx_handshake_item item;
	struct wgx_datagrams d;
	uint8_t in[2000];

	assert_int_equal(wgx_bind_receive(b->fd4, in, sizeof(in), &d), 0);
	assert_int_equal(wgx_bind_receive(b->fd6, in, sizeof(in), &d), 0);
	for (int i = 2; i < WGX_BIND_SOCKETS; i++)
		assert_int_equal(wgx_bind_receive_handshakes(b->fds[i], &item, 1), 0);
}

/* What is one handshake message has sockets of its own; all else comes by the first. */
static void test_handshakes_apart(void **state)
{
	struct wgx_endpoint to4, to6;
	struct wgx_bind *a, *b;

	path_require();
	a = bind_open(0);
	b = bind_open(45459);
	to4 = path_endpoint("127.0.0.1:45459");
	to6 = path_endpoint("[::1]:45459");
	for (size_t i = 0; i < sizeof(samples) / sizeof(*samples); i++) {
		check_sample(a, b, &to4, &samples[i]);
		check_sample(a, b, &to6, &samples[i]);
	}
	check_nothing_left(b);
	wgx_bind_close(a);
	wgx_bind_close(b);
}

/* A superframe of handshake messages may have data in it as well: the open worker takes it apart. */
static void test_superframe_of_handshakes(void **state)
{
	static uint8_t out[2 * 148], in[2000];
	struct iovec iov = {out, sizeof(out)};
	struct wgx_endpoint to;
	struct wgx_bind *a, *b;
	struct wgx_datagrams d;

	path_require();
	a = bind_open(0);
	b = bind_open(45459);
	to = path_endpoint("127.0.0.1:45459");
	out[0] = out[148] = WGX_MSG_INITIATION;
	assert_int_equal(wgx_bind_send(a, &to, 0, &iov, 1, 148), 0);
	receive(b->fd4, in, sizeof(in), &d);
	assert_int_equal(d.len, sizeof(out));
	assert_int_equal(d.size, 148);
	check_nothing_left(b);
	wgx_bind_close(a);
	wgx_bind_close(b);
}

/* Two halves of a handshake message, of which GRO makes what looks like one, are none. */
static void test_superframe_of_halves(void **state)
{
	static uint8_t out[148] = {WGX_MSG_INITIATION};
	struct iovec iov = {out, sizeof(out)};
	struct wgx_handshake_item item = {0};
	struct wgx_endpoint to;
	struct wgx_bind *a, *b;
	int fd;

	path_require();
	a = bind_open(0);
	b = bind_open(45459);
	fd = wgx_bind_of(b, BARE, false);
	to = path_endpoint("127.0.0.1:45459");
	assert_int_equal(wgx_bind_send(a, &to, 0, &iov, 1, 74), 0);
	assert_true(path_readable(fd, WAIT_MS));
	assert_int_equal(wgx_bind_receive_handshakes(fd, &item, 1), 1);
	assert_int_equal(item.datagrams, 2);
	check_nothing_left(b);
	wgx_bind_close(a);
	wgx_bind_close(b);
}

static void send_numbered(const struct wgx_bind *a, const struct wgx_endpoint *to, uint8_t n)
{
	uint8_t out[148] = {WGX_MSG_INITIATION, [4] = n};
	struct iovec iov = {out, sizeof(out)};

	assert_int_equal(wgx_bind_send(a, to, 0, &iov, 1, 0), 0);
}

static void test_many_handshakes(void **state)
{
	static struct wgx_handshake_item items[2 * WGX_BIND_BATCH];
	const unsigned int n = WGX_BIND_BATCH + 6;
	struct wgx_endpoint to;
	struct wgx_bind *a, *b;

	path_require();
	a = bind_open(0);
	b = bind_open(45459);
	to = path_endpoint("127.0.0.1:45459");
	for (unsigned int i = 0; i < n; i++)
		send_numbered(a, &to, (uint8_t)i);
	assert_int_equal(wgx_bind_receive_handshakes(wgx_bind_of(b, BARE, false), items,
						     2 * WGX_BIND_BATCH),
			 WGX_BIND_BATCH);
	assert_int_equal(wgx_bind_receive_handshakes(wgx_bind_of(b, BARE, false),
						     items + WGX_BIND_BATCH, 10),
			 6);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(items[i].msg[4], i);
	assert_int_equal(wgx_bind_receive_handshakes(-1, items, 1), -EBADF);
	check_nothing_left(b);
	wgx_bind_close(a);
	wgx_bind_close(b);
}

/* The port is shared by three sockets of ours; a fourth one, of whose ever, gets nothing of it. */
static void test_shared_with_nobody(void **state)
{
	struct wgx_endpoint to;
	struct wgx_bind *b;
	int stranger, on = 1;

	path_require();
	b = bind_open(45459);
	to = path_endpoint("127.0.0.1:45459");
	stranger = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(setsockopt(stranger, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(
		bind(stranger,
		     &(struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(45459)},
		     sizeof(struct sockaddr_in)),
		0);
	for (uint8_t i = 0; i < 20; i++) {
		struct wgx_bind *a = bind_open(0); /* another flow */

		check_sample(a, b, &to, &samples[0]);
		check_sample(a, b, &to, &samples[1]);
		check_sample(a, b, &to, &samples[6]);
		wgx_bind_close(a);
	}
	path_no_more(stranger);
	close(stranger);
	wgx_bind_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_port),
		cmocka_unit_test(test_port_in_use),
		line_test("P-DT-11", test_mark),
		line_test("P-DT-8", test_no_path_mtu_discovery),
		cmocka_unit_test(test_round_trip4),
		cmocka_unit_test(test_round_trip6),
		line_test("P-DT-10", test_source),
		line_test("P-DT-9", test_checksums),
		cmocka_unit_test(test_missing_family),
		cmocka_unit_test(test_gso_and_gro),
		cmocka_unit_test(test_gso_plain_receiver),
		cmocka_unit_test(test_empty_and_largest),
		cmocka_unit_test(test_close_and_count),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_handshakes_apart),
		cmocka_unit_test(test_superframe_of_handshakes),
		cmocka_unit_test(test_superframe_of_halves),
		cmocka_unit_test(test_many_handshakes),
		cmocka_unit_test(test_shared_with_nobody),
	};

	return cmocka_run_group_tests_name("bind", tests, path_setup, NULL);
}
