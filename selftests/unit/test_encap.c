/* SPDX-License-Identifier: MIT */
/* Outer headers, looked at with the parser of the other direction and with a checksum of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <stdlib.h>
#include <string.h>
#include "path/encap.h"
#include "path/outer.h"

#define PORT 51820
#define TOS 0x03

static const uint8_t near[6] = {2, 0, 0, 0, 0, 1}, far[6] = {2, 0, 0, 0, 0, 2};

static struct wgx_endpoint endpoint4(void)
{
	struct wgx_endpoint e = {.addr.v4 = {.sin_family = AF_INET, .sin_port = htons(1234)}};

	inet_pton(AF_INET, "192.0.2.2", &e.addr.v4.sin_addr);
	inet_pton(AF_INET, "192.0.2.1", &e.src4);
	return e;
}

static struct wgx_endpoint endpoint6(void)
{
	struct wgx_endpoint e = {.addr.v6 = {.sin6_family = AF_INET6, .sin6_port = htons(1234)}};

	inet_pton(AF_INET6, "2001:db8::2", &e.addr.v6.sin6_addr);
	inet_pton(AF_INET6, "2001:db8::1", &e.src6);
	return e;
}

/* RFC 1071, a 16-bit word at a time */
static uint32_t sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void check_udp(const uint8_t *addrs, size_t addrs_len, const uint8_t *udp, size_t len)
{
	assert_int_equal(udp[4] << 8 | udp[5], len);
	assert_true(udp[6] || udp[7]);
	assert_int_equal(sum(sum(IPPROTO_UDP + (uint32_t)len, addrs, addrs_len), udp, len), 0xffff);
}

static void check(const struct wgx_endpoint *to, const uint8_t *payload, size_t len, uint16_t id)
{
	struct wgx_encap e;
	uint8_t *frame;
	struct wgx_outer o;
	const uint8_t *ip;
	size_t n;
	bool v6 = to->addr.sa.sa_family == AF_INET6;

	wgx_encap_init(&e, to, PORT, near, 17);
	/* as long as it says it is: AddressSanitizer sees a byte more */
	frame = malloc(e.len + len);
	n = wgx_encap_write(&e, far, TOS, id, payload, len, frame);
	assert_int_equal(n, e.len + len);
	assert_int_equal(wgx_encap_packet_len(&e, len), n - ETH_HLEN);
	assert_memory_equal(frame, far, 6);
	assert_memory_equal(frame + 6, near, 6);
	assert_int_equal(wgx_outer_parse(frame, n, n, &o), 0);
	assert_int_equal(o.port, 1234);
	assert_int_equal(o.tos, TOS);
	assert_int_equal(o.header_len, e.len);
	assert_int_equal(o.payload_len, len);
	assert_memory_equal(frame + e.len, payload, len);
	ip = frame + ETH_HLEN;
	if (v6) {
		assert_memory_equal(&o.from.addr.v6.sin6_addr, &to->src6, 16);
		assert_memory_equal(&o.from.src6, &to->addr.v6.sin6_addr, 16);
		assert_int_equal(o.from.addr.v6.sin6_port, htons(PORT));
		assert_int_equal(ip[7], 17);
		assert_int_equal((ip[1] & 0xf) << 16 | ip[2] << 8 | ip[3], 0); /* flow label */
		assert_int_equal(ip[4] << 8 | ip[5], 8 + len);
		check_udp(ip + 8, 32, ip + 40, 8 + len);
	} else {
		assert_memory_equal(&o.from.addr.v4.sin_addr, &to->src4, 4);
		assert_memory_equal(&o.from.src4, &to->addr.v4.sin_addr, 4);
		assert_int_equal(o.from.addr.v4.sin_port, htons(PORT));
		assert_int_equal(ip[8], 17);
		assert_int_equal(ip[2] << 8 | ip[3], 28 + len);
		assert_int_equal(ip[4] << 8 | ip[5], id);
		assert_int_equal(ip[6] << 8 | ip[7], 0); /* no flags: fragments are allowed */
		assert_int_equal(sum(0, ip, 20), 0xffff);
		check_udp(ip + 12, 8, ip + 20, 8 + len);
	}
	free(frame);
}

static void check_lengths(const struct wgx_endpoint *to)
{
	static uint8_t payload[2000];

	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 37 + i / 256);
	for (size_t len = 0; len < 300; len++)
		check(to, payload, len, (uint16_t)(0xfff0 + len));
	for (size_t len = 1400; len <= sizeof(payload); len += 75)
		check(to, payload, len, (uint16_t)len);
}

static void test_ip4(void **state)
{
	const struct wgx_endpoint to = endpoint4();

	check_lengths(&to);
}

static void test_ip6(void **state)
{
	const struct wgx_endpoint to = endpoint6();

	check_lengths(&to);
}

/* A checksum of zero means "none" in UDP: each sum is met once among these. */
static void test_no_zero_checksum(void **state)
{
	const struct wgx_endpoint to4 = endpoint4(), to6 = endpoint6();

	for (uint32_t i = 0; i < 65536; i++) {
		const uint8_t payload[2] = {(uint8_t)(i >> 8), (uint8_t)i};

		check(&to4, payload, sizeof(payload), 0);
		check(&to6, payload, sizeof(payload), 0);
	}
}

/* The longest UDP datagram of IPv4 */
static void test_long(void **state)
{
	const struct wgx_endpoint to4 = endpoint4(), to6 = endpoint6();
	const size_t len = 65535 - 28;
	uint8_t *payload = malloc(len);

	memset(payload, 0xff, len);
	check(&to4, payload, len, 1);
	check(&to6, payload, len, 1);
	free(payload);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ip4),
		cmocka_unit_test(test_ip6),
		cmocka_unit_test(test_no_zero_checksum),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
