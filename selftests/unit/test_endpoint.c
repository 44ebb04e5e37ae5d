/* SPDX-License-Identifier: MIT */
/* Endpoints: text, comparison, what the protocol is told, and the cell that many read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include "line_test.h"
#include "device/endpoint.h"
#include "proto/session.h"

static struct wgx_endpoint parse(const char *text)
{
	struct wgx_endpoint e;

	assert_int_equal(wgx_endpoint_parse(text, &e), 0);
	return e;
}

static void test_parse_and_format(void **state)
{
	static const char *const same[] = {
		"1.2.3.4:5",
		"0.0.0.0:0",
		"255.255.255.255:65535",
		"[::1]:51820",
		"[2001:db8::1]:80",
		"[fe80::1%lo]:1",
		"[::ffff:1.2.3.4]:7",
		"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
		"[fe80::2%4294967295]:9", /* no such device: the number stays */
	};
	char buf[WGX_ENDPOINT_TEXT];
	struct wgx_endpoint e;

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		e = parse(same[i]);
		assert_string_equal(wgx_endpoint_format(&e, buf), same[i]);
	}
	e = parse("[fe80::1%1]:1"); /* lo is 1 in every namespace */
	assert_string_equal(wgx_endpoint_format(&e, buf), "[fe80::1%lo]:1");
	e = parse("[2001:DB8:0::0:1]:00080");
	assert_string_equal(wgx_endpoint_format(&e, buf), "[2001:db8::1]:80");
	assert_int_equal(e.addr.v6.sin6_port, htons(80));
	e = (struct wgx_endpoint){0};
	assert_string_equal(wgx_endpoint_format(&e, buf), "(none)");
}

static void test_malformed(void **state)
{
	static const char *const bad[] = {
		"",
		":",
		":5",
		"1.2.3.4",
		"1.2.3.4:",
		"1.2.3.4:65536",
		"1.2.3.4:99999999999999999999",
		"1.2.3.4:-1",
		"1.2.3.4:+1",
		"1.2.3.4: 1",
		"1.2.3.4:0x5",
		"1.2.3.4:5 ",
		" 1.2.3.4:5",
		"1.2.3:5",
		"1.2.3.4.5:5",
		"1.2.3.256:5",
		"01.2.3.4:5",
		"localhost:5",
		"[1.2.3.4]:5",
		"::1:5",
		"[::1]",
		"[::1]5",
		"[::1]:",
		"[]:5",
		"[:5",
		"]:5",
		"[::1:5",
		"::1]:5",
		"[[::1]]:5",
		"[::g]:5",
		"[fe80::1%]:5",
		"[fe80::1%nosuchdevice0]:5",
		"[fe80::1%0]:5",
		"[fe80::1%4294967296]:5",
		"[fe80::1%lo%lo]:5",
		"[1:2:3:4:5:6:7:8:9]:5",
		"[0000000000000000000000000000000000000000000000000000000000000000000000::1]:5",
	};
	struct wgx_endpoint e, untouched;

	memset(&untouched, 0x5a, sizeof(untouched));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		e = untouched;
		if (wgx_endpoint_parse(bad[i], &e) != -EINVAL)
			fail_msg("taken: \"%s\"", bad[i]);
		assert_memory_equal(&e, &untouched, sizeof(e));
	}
}

static void test_equal(void **state)
{
	struct wgx_endpoint a = parse("1.2.3.4:5"), b = a, none = {0};

	assert_true(wgx_endpoint_equal(&a, &b));
	b.src4.s_addr = htonl(0x7f000001);
	assert_false(wgx_endpoint_equal(&a, &b));
	assert_true(wgx_endpoint_same_destination(&a, &b));
	b = a;
	b.src_if = 1;
	assert_false(wgx_endpoint_equal(&a, &b));
	assert_true(wgx_endpoint_same_destination(&a, &b));
	b = parse("1.2.3.4:6");
	assert_false(wgx_endpoint_same_destination(&a, &b));
	b = parse("1.2.3.5:5");
	assert_false(wgx_endpoint_equal(&a, &b));
	assert_false(wgx_endpoint_equal(&a, &none));
	assert_true(wgx_endpoint_equal(&none, &none));

	a = b = parse("[2001:db8::1]:5");
	b.addr.v6.sin6_flowinfo = 7;
	assert_true(wgx_endpoint_equal(&a, &b));
	b.src6.s6_addr[15] = 1;
	assert_false(wgx_endpoint_equal(&a, &b));
	assert_true(wgx_endpoint_same_destination(&a, &b));
	b = a;
	b.addr.v6.sin6_scope_id = 3;
	assert_false(wgx_endpoint_same_destination(&a, &b));
	b = a;
	b.addr.v6.sin6_addr.s6_addr[0]++;
	assert_false(wgx_endpoint_equal(&a, &b));
}

/* A source that was refused is not learnt from each packet anew, and is from one that came another way */
static void test_refused_source(void **state)
{
	struct wgx_endpoint from = parse("1.2.3.4:5"), known;
	struct wgx_endpoint_cell cell = {0};

	from.src4.s_addr = htonl(0x7f000001);
	from.src_if = 3;
	wgx_endpoint_read(&cell, &known);
	assert_true(wgx_endpoint_is_news(&known, &from));
	wgx_endpoint_write(&cell, &from);
	wgx_endpoint_read(&cell, &known);
	assert_false(wgx_endpoint_is_news(&known, &from));
	wgx_endpoint_refuse_source(&cell);
	wgx_endpoint_read(&cell, &known);
	assert_int_equal(known.src4.s_addr, 0);
	assert_false(wgx_endpoint_is_news(&known, &from));
	from.src_if = 4;
	assert_true(wgx_endpoint_is_news(&known, &from));
	from.src_if = 3;
	from.addr.v4.sin_port++;
	assert_true(wgx_endpoint_is_news(&known, &from));
	from.addr.v4.sin_port--;
	wgx_endpoint_clear_source(&cell);
	wgx_endpoint_read(&cell, &known);
	assert_true(wgx_endpoint_is_news(&known, &from));
}

static void test_from(void **state)
{
	static const uint8_t id4[6] = {1, 2, 3, 4, 0x12, 0x34};
	static const uint8_t id6[18] = {0x20, 1, 0x0d, 0xb8, 0, 0, 0, 7, 0,
					0,    0, 0,    0,    0, 0, 1, 0, 80};
	struct wgx_endpoint e = parse("1.2.3.4:4660"), other;
	struct wgx_from f, g;

	wgx_endpoint_from(&e, &f);
	assert_int_equal(f.cookie_id_len, 6);
	assert_memory_equal(f.cookie_id, id4, 6);
	assert_ptr_equal(f.endpoint, &e);
	assert_false(f.v6);
	other = parse("1.2.3.5:4660");
	wgx_endpoint_from(&other, &g);
	assert_true(f.limit_id != g.limit_id);
	other = parse("1.2.3.4:1");
	wgx_endpoint_from(&other, &g);
	assert_true(f.limit_id == g.limit_id);

	e = parse("[2001:db8:0:7::1]:80");
	wgx_endpoint_from(&e, &f);
	assert_int_equal(f.cookie_id_len, 18);
	assert_memory_equal(f.cookie_id, id6, 18);
	assert_true(f.v6);
	other = parse("[2001:db8:0:7:8::2]:81"); /* the same /64 */
	wgx_endpoint_from(&other, &g);
	assert_true(f.limit_id == g.limit_id);
	other = parse("[2001:db8:0:8::1]:80");
	wgx_endpoint_from(&other, &g);
	assert_true(f.limit_id != g.limit_id);
}

static void test_cell(void **state)
{
	struct wgx_endpoint_cell c = {0};
	struct wgx_endpoint e = parse("[2001:db8::1]:80"), got;

	wgx_endpoint_read(&c, &got);
	assert_int_equal(got.addr.sa.sa_family, AF_UNSPEC);
	e.src6.s6_addr[0] = 0xfd;
	wgx_endpoint_write(&c, &e);
	wgx_endpoint_read(&c, &got);
	assert_memory_equal(&e, &got, sizeof(e));
	wgx_endpoint_clear_source(&c);
	wgx_endpoint_read(&c, &got);
	assert_true(wgx_endpoint_same_destination(&e, &got));
	assert_true(IN6_IS_ADDR_UNSPECIFIED(&got.src6));
}

/* ---- a cell under way: every byte of an endpoint says which write it comes from ---- */

#define WRITES 100000
#define WRITERS 3
#define READERS 2

static struct wgx_endpoint_cell shared;
static pthread_barrier_t start;
static _Atomic int writing;

static void *write_many(void *arg)
{
	struct wgx_endpoint e;

	pthread_barrier_wait(&start);
	for (unsigned int i = 1; i <= WRITES; i++) {
		memset(&e, (int)(*(uint8_t *)arg + i % 100), sizeof(e));
		wgx_endpoint_write(&shared, &e);
	}
	writing--;
	return NULL;
}

static void *clear_many(void *arg)
{
	pthread_barrier_wait(&start);
	for (unsigned int i = 1; i <= WRITES; i++)
		wgx_endpoint_clear_source(&shared);
	writing--;
	return NULL;
}

/* The destination is of one write, and the source of the same one, or cleared. */
static void *read_many(void *arg)
{
	uintptr_t torn = 0;

	pthread_barrier_wait(&start);
	do {
		struct wgx_endpoint e;
		const uint8_t *p = (const uint8_t *)&e;

		wgx_endpoint_read(&shared, &e);
		for (size_t k = 1; k < sizeof(e.addr); k++)
			torn += p[k] != p[0];
		for (size_t k = 0; k < sizeof(e.src6); k++)
			torn += e.src6.s6_addr[k] != e.src6.s6_addr[0];
		torn += e.src6.s6_addr[0] && e.src6.s6_addr[0] != p[0];
	} while (writing);
	return (void *)torn;
}

static void test_cell_concurrently(void **state)
{
	void *(*const run[])(void *) = {write_many, write_many, clear_many, read_many, read_many};
	uint8_t base[] = {1, 101, 0, 0, 0};
	struct wgx_endpoint e;
	pthread_t threads[WRITERS + READERS];
	void *torn;

	memset(&e, 1, sizeof(e));
	wgx_endpoint_write(&shared, &e);
	writing = WRITERS;
	pthread_barrier_init(&start, NULL, WRITERS + READERS);
	for (int i = 0; i < WRITERS + READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run[i], &base[i]), 0);
	for (int i = 0; i < WRITERS + READERS; i++) {
		assert_int_equal(pthread_join(threads[i], &torn), 0);
		assert_null(torn);
	}
	pthread_barrier_destroy(&start);
	/* no write was lost */
	assert_int_equal(atomic_load(&shared.seq), 2 * (1 + WRITERS * WRITES));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_and_format),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_equal),
		cmocka_unit_test(test_refused_source),
		line_test("P-DOS-2 P-DOS-3", test_from),
		cmocka_unit_test(test_cell),
		cmocka_unit_test(test_cell_concurrently),
	};

	return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
