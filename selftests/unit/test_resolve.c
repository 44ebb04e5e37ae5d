/* SPDX-License-Identifier: MIT */
/* When an endpoint's host name is resolved again, and which address is tried. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netdb.h>
#include <string.h>
#include "quick/resolve.h"

static struct wgx_endpoint endpoint(const char *text)
{
	struct wgx_endpoint e = {0};

	assert_int_equal(wgx_endpoint_parse(text, &e), 0);
	return e;
}

#define V6 "[2001:db8::1]:5"
#define V4 "192.0.2.1:5"
#define NEW "192.0.2.9:5"

/* A peer, as it is seen each second */
static struct {
	struct wgx_trial trial;
	struct wgx_look look;
	struct wgx_resolved dns;
	bool dns_fails;
	unsigned int resolved, set;
} w;

static void begin(const char *at)
{
	memset(&w, 0, sizeof(w));
	w.look.now = 1000;
	w.look.handshake_age = -1;
	if (at)
		w.look.endpoint = endpoint(at);
}

static void dns_says(const char *first, const char *second)
{
	w.dns.n = 0;
	if (first)
		w.dns.items[w.dns.n++] = endpoint(first);
	if (second)
		w.dns.items[w.dns.n++] = endpoint(second);
}

/* @seconds go by, in each of which @bytes are sent. */
static void pass(unsigned int seconds, unsigned int bytes)
{
	struct wgx_endpoint e;

	for (; seconds; seconds--) {
		enum wgx_trial_action action = wgx_trial_look(&w.trial, &w.look, &e);

		if (action == WGX_TRIAL_RESOLVE) {
			w.resolved++;
			action = wgx_trial_resolved(&w.trial, &w.look, w.dns_fails ? NULL : &w.dns,
						    &e);
		}
		if (action == WGX_TRIAL_SET) {
			w.set++;
			w.look.endpoint = e;
		}
		w.look.now++;
		w.look.tx += bytes;
		if (w.look.handshake_age >= 0)
			w.look.handshake_age++;
	}
}

static void assert_at(const char *text, unsigned int resolved, unsigned int set)
{
	char at[WGX_ENDPOINT_TEXT];

	assert_string_equal(wgx_endpoint_format(&w.look.endpoint, at), text);
	assert_int_equal(w.resolved, resolved);
	assert_int_equal(w.set, set);
}

/* No answer over IPv6: IPv4, and again, as long as somebody sends. */
static void test_families(void **state)
{
	begin(V6);
	dns_says(V6, V4);
	pass(WGX_TRY_S + 1, 148);
	assert_at(V6, 0, 0);
	pass(1, 148);
	assert_at(V4, 1, 1);
	pass(WGX_TRY_S, 148);
	assert_at(V6, 2, 2);
	pass(WGX_TRY_S, 148);
	assert_at(V4, 2, 3);
	w.look.handshake_age = 0; /* an answer */
	pass(WGX_STALE_S, 148);
	assert_at(V4, 2, 3);
}

/* It is new addresses that are tried when a handshake is stale. */
static void test_stale(void **state)
{
	begin(V4);
	dns_says(NEW, NULL);
	w.look.handshake_age = 0;
	pass(WGX_STALE_S + 1, 148);
	assert_at(V4, 0, 0);
	pass(WGX_TRY_S, 148);
	assert_at(NEW, 1, 1);
	w.look.handshake_age = 0;
	pass(100, 148);
	assert_at(NEW, 1, 1);
}

/* Where nobody sends, nobody asks; the peer may be anywhere. */
static void test_idle(void **state)
{
	begin(V4);
	dns_says(NEW, NULL);
	pass(1000, 0);
	w.look.handshake_age = 0;
	pass(1000, 0);
	assert_at(V4, 0, 0);
	/* one try, given up */
	w.look.tx += 148;
	pass(WGX_TRY_S, 0);
	w.look.handshake_age = 0;
	pass(1000, 0);
	assert_at(V4, 0, 0);
	/* a keepalive each 25 s that is answered by a handshake in time */
	w.look.handshake_age = 0;
	for (int i = 0; i < 100; i++) {
		w.look.tx += 32;
		pass(25, 0);
		if (w.look.handshake_age > 120)
			w.look.handshake_age = 0;
	}
	assert_at(V4, 0, 0);
}

/* A peer that has roamed is left there while it answers, and looked for at its name when it does not. */
static void test_roamed(void **state)
{
	begin(NEW);
	dns_says(V4, NULL);
	w.look.handshake_age = 0;
	pass(WGX_STALE_S, 100);
	assert_at(NEW, 0, 0);
	pass(WGX_TRY_S + 1, 100);
	assert_at(V4, 1, 1);
	/* nothing else to try: only asked again */
	pass(10 * WGX_TRY_S, 100);
	assert_at(V4, 11, 1);
}

/* Without name servers: what was known is tried again. */
static void test_no_dns(void **state)
{
	begin(NULL);
	dns_says(V6, V4);
	w.dns_fails = true;
	pass(1, 0);
	assert_int_equal(w.resolved, 1);
	pass(WGX_TRY_S, 0);
	assert_int_equal(w.resolved, 2);
	w.dns_fails = false;
	pass(WGX_TRY_S, 0);
	assert_at(V6, 3, 1);
	w.dns_fails = true;
	pass(WGX_TRY_S + 2, 148);
	assert_at(V4, 3, 2);
	pass(WGX_TRY_S, 148);
	assert_at(V6, 4, 3);
}

static void test_numbers(void **state)
{
	struct wgx_resolved r = {.n = 7};
	char text[WGX_ENDPOINT_TEXT];

	assert_int_equal(wgx_resolve("192.0.2.7", 9, &r), 0);
	assert_int_equal(r.n, 1);
	assert_string_equal(wgx_endpoint_format(&r.items[0], text), "192.0.2.7:9");
	r.n = 7;
	assert_int_not_equal(wgx_resolve("no such name", 9, &r), 0);
	assert_int_equal(r.n, 7);
	assert_true(wgx_resolve_is_temporary(EAI_AGAIN));
	assert_false(wgx_resolve_is_temporary(EAI_NONAME));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_families), cmocka_unit_test(test_stale),
		cmocka_unit_test(test_idle),	 cmocka_unit_test(test_roamed),
		cmocka_unit_test(test_no_dns),	 cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
