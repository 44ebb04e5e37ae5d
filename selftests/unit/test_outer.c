/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "line_test.h"
#include "path/outer.h"

#define PAYLOAD 100

/* Ethernet, IP with @options words of options (IPv4), UDP, PAYLOAD bytes, @padding bytes */
static size_t make4(uint8_t *f, unsigned int options, size_t padding)
{
	struct ethhdr eth = {.h_proto = htons(ETH_P_IP)};
	struct iphdr ip = {
		.version = 4,
		.ihl = 5 + options,
		.tos = 0x8b,
		.protocol = IPPROTO_UDP,
		.frag_off = htons(IP_DF),
		.saddr = htonl(0xc0000201),
		.daddr = htonl(0xc0000202),
	};
	struct udphdr udp = {
		.source = htons(1234), .dest = htons(51820), .len = htons(8 + PAYLOAD)};
	uint8_t *p = f;

	ip.tot_len = htons((uint16_t)(ip.ihl * 4 + 8 + PAYLOAD));
	p = (uint8_t *)memcpy(p, &eth, sizeof(eth)) + sizeof(eth);
	p = (uint8_t *)memcpy(p, &ip, sizeof(ip)) + sizeof(ip);
	p = (uint8_t *)memset(p, 1, 4 * options) + 4 * options; /* no-operations */
	p = (uint8_t *)memcpy(p, &udp, sizeof(udp)) + sizeof(udp);
	p = (uint8_t *)memset(p, 0x5a, PAYLOAD + padding) + PAYLOAD + padding;
	return (size_t)(p - f);
}

static size_t make6(uint8_t *f)
{
	struct ethhdr eth = {.h_proto = htons(ETH_P_IPV6)};
	struct ip6_hdr ip = {.ip6_nxt = IPPROTO_UDP, .ip6_plen = htons(8 + PAYLOAD)};
	struct udphdr udp = {
		.source = htons(1234), .dest = htons(51820), .len = htons(8 + PAYLOAD)};
	uint8_t *p = f;

	ip.ip6_flow = htonl(0x68b12345);
	inet_pton(AF_INET6, "2001:db8::1", &ip.ip6_src);
	inet_pton(AF_INET6, "2001:db8::2", &ip.ip6_dst);
	p = (uint8_t *)memcpy(p, &eth, sizeof(eth)) + sizeof(eth);
	p = (uint8_t *)memcpy(p, &ip, sizeof(ip)) + sizeof(ip);
	p = (uint8_t *)memcpy(p, &udp, sizeof(udp)) + sizeof(udp);
	p = (uint8_t *)memset(p, 0x5a, PAYLOAD) + PAYLOAD;
	return (size_t)(p - f);
}

/* From memory that ends where @contiguous ends: AddressSanitizer sees a read past it. */
static int parse(const uint8_t *f, size_t contiguous, size_t len, struct wgx_outer *ret)
{
	uint8_t *copy = malloc(contiguous ? contiguous : 1);
	int err;

	memcpy(copy, f, contiguous);
	err = wgx_outer_parse(copy, contiguous, len, ret);
	free(copy);
	return err;
}

static void test_ip4(void **state)
{
	uint8_t f[2048];

	for (unsigned int options = 0; options <= 10; options++) {
		size_t len = make4(f, options, 0);
		struct wgx_outer o;

		assert_int_equal(parse(f, len, len, &o), 0);
		assert_int_equal(o.header_len, 14 + 20 + 4 * options + 8);
		assert_int_equal(o.payload_len, PAYLOAD);
		assert_int_equal(o.port, 51820);
		assert_int_equal(o.tos, 0x8b);
		assert_int_equal(o.from.addr.sa.sa_family, AF_INET);
		assert_int_equal(o.from.addr.v4.sin_port, htons(1234));
		assert_int_equal(o.from.addr.v4.sin_addr.s_addr, htonl(0xc0000201));
		assert_int_equal(o.from.src4.s_addr, htonl(0xc0000202));
	}
}

static void test_ip6(void **state)
{
	struct in6_addr one, two;
	struct wgx_outer o;
	uint8_t f[2048];
	size_t len = make6(f);

	inet_pton(AF_INET6, "2001:db8::1", &one);
	inet_pton(AF_INET6, "2001:db8::2", &two);
	assert_int_equal(parse(f, len, len, &o), 0);
	assert_int_equal(o.header_len, 14 + 40 + 8);
	assert_int_equal(o.payload_len, PAYLOAD);
	assert_int_equal(o.port, 51820);
	assert_int_equal(o.tos, 0x8b);
	assert_int_equal(o.from.addr.v6.sin6_family, AF_INET6);
	assert_int_equal(o.from.addr.v6.sin6_port, htons(1234));
	assert_memory_equal(&o.from.addr.v6.sin6_addr, &one, 16);
	assert_memory_equal(&o.from.src6, &two, 16);
	assert_int_equal(o.from.addr.v6.sin6_flowinfo, 0);
}

/* What the kernel tells of the same packet compares equal: no roaming for a packet that came by XDP. */
static void test_compares_with_socket(void **state)
{
	struct wgx_endpoint e = {0};
	struct wgx_outer o;
	uint8_t f[2048];
	size_t len = make4(f, 0, 0);

	e.addr.v4.sin_family = AF_INET;
	e.addr.v4.sin_port = htons(1234);
	e.addr.v4.sin_addr.s_addr = htonl(0xc0000201);
	e.src4.s_addr = htonl(0xc0000202);
	assert_int_equal(parse(f, len, len, &o), 0);
	assert_true(wgx_endpoint_equal(&e, &o.from));
	assert_memory_equal(&e, &o.from, sizeof(e));
}

/* Only the headers have to be contiguous, and all of the datagram has to be there. */
static void check_truncations(const uint8_t *f, size_t header_len, size_t len)
{
	for (size_t contiguous = 0; contiguous <= len; contiguous++) {
		for (size_t all = contiguous; all <= len; all++) {
			bool whole = contiguous >= header_len && all == len;
			struct wgx_outer o;

			assert_int_equal(parse(f, contiguous, all, &o), whole ? 0 : -EBADMSG);
			if (!whole)
				continue;
			assert_int_equal(o.header_len, header_len);
			assert_int_equal(o.payload_len, PAYLOAD);
		}
	}
}

static void test_truncations(void **state)
{
	uint8_t f[2048];
	size_t len;

	len = make4(f, 0, 0);
	check_truncations(f, 42, len);
	len = make4(f, 10, 0);
	check_truncations(f, 82, len);
	len = make6(f);
	check_truncations(f, 62, len);
}

static void set_udp_len(uint8_t *f, size_t at, unsigned int len)
{
	f[at + 4] = (uint8_t)(len >> 8);
	f[at + 5] = (uint8_t)len;
}

/* The UDP length governs (P-MSG-3). */
static void test_udp_length(void **state)
{
	struct wgx_outer o;
	uint8_t f[2048];
	size_t len = make4(f, 0, 18);

	assert_int_equal(parse(f, len, len, &o), 0);
	assert_int_equal(o.payload_len, PAYLOAD);
	for (unsigned int udp = 0; udp <= 8 + PAYLOAD + 18; udp++) {
		set_udp_len(f, 34, udp);
		assert_int_equal(parse(f, len, len, &o), udp < 8 ? -EBADMSG : 0);
		if (udp >= 8)
			assert_int_equal(o.payload_len, udp - 8);
	}
	set_udp_len(f, 34, 8 + PAYLOAD + 19);
	assert_int_equal(parse(f, len, len, &o), -EBADMSG);
	set_udp_len(f, 34, 65535);
	assert_int_equal(parse(f, len, len, &o), -EBADMSG);
}

static void expect_refused(void (*spoil)(uint8_t *f), bool v6)
{
	struct wgx_outer o;
	uint8_t f[2048];
	size_t len = v6 ? make6(f) : make4(f, 0, 0);

	assert_int_equal(parse(f, len, len, &o), 0);
	spoil(f);
	assert_int_equal(parse(f, len, len, &o), -EBADMSG);
}

static void more_fragments(uint8_t *f)
{
	f[20] = 0x20;
}

static void fragment_offset(uint8_t *f)
{
	f[21] = 1;
}

static void no_udp(uint8_t *f)
{
	f[23] = IPPROTO_TCP;
}

static void version5(uint8_t *f)
{
	f[14] = 0x55;
}

static void header_of_16(uint8_t *f)
{
	f[14] = 0x44;
}

static void vlan(uint8_t *f)
{
	f[12] = 0x81;
	f[13] = 0x00;
}

static void swap_family(uint8_t *f)
{
	f[12] ^= 0x08 ^ 0x86;
	f[13] ^= 0x00 ^ 0xdd;
}

static void fragment_header6(uint8_t *f)
{
	f[20] = IPPROTO_FRAGMENT;
}

static void version4_in_6(uint8_t *f)
{
	f[14] = 0x46;
}

static void test_refused(void **state)
{
	expect_refused(more_fragments, false);
	expect_refused(fragment_offset, false);
	expect_refused(no_udp, false);
	expect_refused(version5, false);
	expect_refused(header_of_16, false);
	expect_refused(vlan, false);
	expect_refused(swap_family, false);
	expect_refused(vlan, true);
	expect_refused(swap_family, true);
	expect_refused(fragment_header6, true);
	expect_refused(version4_in_6, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ip4),
		cmocka_unit_test(test_ip6),
		cmocka_unit_test(test_compares_with_socket),
		line_test("P-MSG-3", test_truncations),
		line_test("P-MSG-3", test_udp_length),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests_name("outer", tests, NULL, NULL);
}
