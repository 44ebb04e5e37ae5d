/* SPDX-License-Identifier: MIT */
/* Networks as people write them, and strict mode's exemptions made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "daemon/guard.h"
#include "proto/prefix.h"

static void test_parse(void **state)
{
	static const char *const good[][2] = {
		{"10.0.0.0/8", "10.0.0.0/8"},
		{"10.1.2.3/8", "10.0.0.0/8"},
		{"192.0.2.1", "192.0.2.1/32"},
		{"192.0.2.1/0", "0.0.0.0/0"},
		{"255.255.255.255/31", "255.255.255.254/31"},
		{"fd00:1::/16", "fd00::/16"},
		{"2001:db8::1", "2001:db8::1/128"},
		{"::/0", "::/0"},
		{"::ffff:192.0.2.1/128", "::ffff:192.0.2.1/128"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127"},
	};
	struct wgx_prefix p;
	char text[WGX_PREFIX_TEXT];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(wgx_prefix_parse(good[i][0], &p), 0);
		assert_string_equal(wgx_prefix_format(&p, text), good[i][1]);
	}
}

static void test_parse_bad(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		"/8",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/08",
		"10.0.0.0/-1",
		"10.0.0.0/+8",
		"10.0.0.0/8 ",
		" 10.0.0.0/8",
		"10.0.0/8",
		"10.0.0.0.0/8",
		"10.0.0.256",
		"fd00::/129",
		"fd00::/1x",
		"fd00:::/8",
		"localhost",
		"10.0.0.0/8/8",
		"10.0.0.0/4294967304",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127",
	};
	struct wgx_prefix p, before;

	memset(&p, 0x5a, sizeof(p));
	before = p;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(wgx_prefix_parse(bad[i], &p), -EINVAL);
		assert_memory_equal(&p, &before, sizeof(p));
	}
}

/* Return: what wgx_guard_parse() does. @request: with ' for " */
static int parse_guard(const char *request, struct wgx_guard *ret, char *error, size_t size)
{
	json_t *o;
	char *json = strdup(request);
	int err;

	assert_non_null(json);
	for (char *c = json; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	o = json_loads(json, 0, NULL);
	assert_non_null(o);
	error[0] = '\0';
	err = wgx_guard_parse(o, ret, error, size);
	json_decref(o);
	free(json);
	return err;
}

static void test_guard(void **state)
{
	struct wgx_guard g, copy;
	struct wgx_prefix p;
	char error[128], text[WGX_PREFIX_TEXT];

	assert_int_equal(parse_guard("{}", &g, error, sizeof(error)), 0);
	assert_false(g.on || g.report || g.no_exemptions || g.inherited || g.key || g.n_exempt);
	assert_int_equal(parse_guard("{'strict': true, 'exempt': []}", &g, error, sizeof(error)),
			 0);
	assert_true(g.on && g.no_exemptions && !g.report);
	/* each once, without host bits */
	assert_int_equal(parse_guard("{'strict': true, 'report': true, 'exempt': ['10.0.0.1/8', "
				     "'fd00::1', '10.0.0.0/8']}",
				     &g, error, sizeof(error)),
			 0);
	assert_true(g.on && g.report && !g.no_exemptions);
	assert_int_equal(g.n_exempt, 2);
	assert_string_equal(wgx_prefix_format(&g.exempt[0], text), "10.0.0.0/8");
	assert_string_equal(wgx_prefix_format(&g.exempt[1], text), "fd00::1/128");
	assert_false(g.keep || g.n_protect);
	wgx_guard_free(&g);
	assert_int_equal(parse_guard("{'strict': true, 'report': true, 'exempt': ['fd00::1'], "
				     "'protect': ['10.244.1.1/16', 'fd10::/48']}",
				     &g, error, sizeof(error)),
			 0);
	assert_true(g.keep);
	assert_int_equal(g.n_protect, 2);
	assert_string_equal(wgx_prefix_format(&g.protect[0], text), "10.244.0.0/16");
	g.key = 7;
	assert_int_equal(wgx_guard_copy(&copy, &g), 0);
	assert_true(copy.on && copy.report && !copy.key && copy.exempt != g.exempt);
	assert_true(copy.keep && copy.n_protect == 2 && copy.protect != g.protect);
	wgx_guard_free(&g);
	assert_false(g.on || g.n_exempt || g.exempt);
	assert_int_equal(wgx_prefix_parse("fd00::1", &p), 0);
	assert_true(wgx_guard_exempts(&copy, &p));
	assert_int_equal(wgx_prefix_parse("10.0.0.0/9", &p), 0);
	assert_false(wgx_guard_exempts(&copy, &p));
	wgx_guard_free(&copy);
}

static void test_guard_bad(void **state)
{
	static const char *const bad[][2] = {
		{"{'strict': true, 'exempt': ['10.0.0.0/8', '10.0.0.0/33']}",
		 "attach: exemption '10.0.0.0/33' is no address or network"},
		{"{'strict': true, 'exempt': [8]}",
		 "attach: exemption '' is no address or network"},
		{"{'strict': true, 'exempt': ['fd00::/8', '::/0']}",
		 "attach: exemption '::/0' would exempt everything"},
		{"{'strict': true, 'protect': ['10.0.0.0/8', 'x']}",
		 "attach: protected network 'x' is no address or network"},
		{"{'strict': true, 'protect': ['0.0.0.0/0']}",
		 "attach: protected network '0.0.0.0/0' would protect everything"},
		/* found by fuzz_control */
		{"{'strict': true, 'exempt': 'none'}", "attach: exemptions are no list"},
		{"{'exempt': ['10.0.0.0/8']}", "attach: exemptions, protected networks and reports "
					       "mean nothing without strict mode"},
		{"{'report': true}", "attach: exemptions, protected networks and reports mean "
				     "nothing without strict mode"},
	};
	struct wgx_guard g;
	char error[128];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(parse_guard(bad[i][0], &g, error, sizeof(error)), -EINVAL);
		assert_string_equal(error, bad[i][1]);
		assert_false(g.on || g.n_exempt || g.exempt);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_parse_bad),
		cmocka_unit_test(test_guard),
		cmocka_unit_test(test_guard_bad),
	};

	return cmocka_run_group_tests_name("prefix", tests, NULL, NULL);
}
