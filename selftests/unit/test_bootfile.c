/* SPDX-License-Identifier: MIT */
/* Boot files: their lines, words and parameters. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netbsd/bootfile.h"

static char path[] = "/tmp/wgx-bootfile.XXXXXX";
static char error[512];
static struct wgx_bootfile f;

static int read_bytes(const char *text, size_t len)
{
	FILE *out = fopen(path, "w");

	assert_non_null(out);
	assert_int_equal(fwrite(text, 1, len, out), len);
	fclose(out);
	return wgx_bootfile_read(path, &f, error, sizeof(error));
}

static void read_good(const char *text)
{
	if (read_bytes(text, strlen(text)))
		fail_msg("%s", error);
}

static void read_bad(const char *text, const char *want)
{
	char all[512];

	snprintf(all, sizeof(all), "%s:%s", path, want);
	assert_int_not_equal(read_bytes(text, strlen(text)), 0);
	assert_string_equal(error, all);
	assert_int_equal(f.n, 0);
}

static const struct wgx_ifconfig_op *op(size_t line, size_t i, enum wgx_ifconfig_op_kind kind)
{
	assert_in_range(line, 0, f.n - 1);
	assert_in_range(i, 0, f.lines[line].ifconfig.n - 1);
	assert_int_equal(f.lines[line].ifconfig.ops[i].kind, kind);
	return &f.lines[line].ifconfig.ops[i];
}

static void assert_address(size_t line, size_t i, enum wgx_ifconfig_op_kind kind, const char *want)
{
	char text[WGX_PREFIX_TEXT];

	assert_string_equal(wgx_prefix_format(&op(line, i, kind)->addr, text), want);
}

static void test_lines(void **state)
{
	read_good("");
	assert_int_equal(f.n, 0);
	wgx_bootfile_free(&f);
	read_good("\n \t\n# inet x\n  # y \\\n more of it\n\\\n");
	assert_int_equal(f.n, 0);
	wgx_bootfile_free(&f);

	read_good("up\n\n!echo 'a  b' | cat # c\n \t!x\nmtu \\\n\\\n1300 \\\n\ndown");
	assert_int_equal(f.n, 5);
	assert_int_equal(f.lines[0].number, 1);
	op(0, 0, WGX_IFCONFIG_UP);
	assert_int_equal(f.lines[1].number, 3);
	assert_true(f.lines[1].is_command);
	assert_string_equal(f.lines[1].text, "echo 'a  b' | cat # c");
	assert_string_equal(f.lines[2].text, "x");
	assert_int_equal(f.lines[3].number, 5);
	assert_int_equal(op(3, 0, WGX_IFCONFIG_MTU)->mtu, 1300);
	assert_int_equal(f.lines[4].number, 9);
	op(4, 0, WGX_IFCONFIG_DOWN);
	wgx_bootfile_free(&f);
	wgx_bootfile_free(&f);

	read_good("!a\\\nb\\"); /* the last one joins nothing */
	assert_string_equal(f.lines[0].text, "ab");
	wgx_bootfile_free(&f);
}

static void assert_description(const char *line, const char *want)
{
	char text[256];

	snprintf(text, sizeof(text), "description %s up\n", line);
	read_good(text);
	assert_string_equal(op(0, 0, WGX_IFCONFIG_DESCRIPTION)->text, want);
	op(0, 1, WGX_IFCONFIG_UP);
	wgx_bootfile_free(&f);
}

static void test_quotes(void **state)
{
	assert_description("a", "a");
	assert_description("'a b'", "a b");
	assert_description("'a \"$x`\\'", "a \"$x`\\");
	assert_description("\"it's; a\\\"b\\$\"", "it's; a\"b$");
	assert_description("a' 'b\" \"c\\ d", "a b c d");
	assert_description("''", "");
	read_bad("up\ndescription 'x", "2: a quote without its end");
	read_bad("description \"$x\"", "1: a character that is special to sh: quote it");
	read_bad("up;down", "1: a character that is special to sh: quote it");
	read_bad("description", "1: description: no value given");
}

static void test_addresses(void **state)
{
	read_good("inet 10.2.0.42/24 inet6 fd00:2::42/64 up\n"
		  "10.0.0.1 netmask 255.255.240.0 alias fd00::1 prefixlen 48\n"
		  "inet alias 10.1.1.1/32 inet 10.0.0.1 -alias fd00::1 delete\n"
		  "inet 10.0.0.1 netmask 0xff000000 10.0.0.2/0\n");
	assert_address(0, 0, WGX_IFCONFIG_ADDRESS, "10.2.0.42/24");
	assert_address(0, 1, WGX_IFCONFIG_ADDRESS, "fd00:2::42/64");
	op(0, 2, WGX_IFCONFIG_UP);
	assert_address(1, 0, WGX_IFCONFIG_ALIAS, "10.0.0.1/20");
	assert_address(1, 1, WGX_IFCONFIG_ADDRESS, "fd00::1/48");
	assert_address(2, 0, WGX_IFCONFIG_ALIAS, "10.1.1.1/32");
	assert_address(2, 1, WGX_IFCONFIG_REMOVE, "10.0.0.1/32");
	assert_address(2, 2, WGX_IFCONFIG_REMOVE, "fd00::1/128");
	assert_address(3, 0, WGX_IFCONFIG_ADDRESS, "10.0.0.1/8");
	assert_address(3, 1, WGX_IFCONFIG_ADDRESS, "10.0.0.2/0");
	wgx_bootfile_free(&f);
	read_bad("up\n\ninet 10.0.0.1", "3: the address has no length: say ADDRESS/LENGTH");
	read_bad("inet 10.0.0.1 netmask 255.0.255.0",
		 "1: netmask 255.0.255.0: no netmask of an IPv4 address");
	read_bad("inet6 fd00::1/64 netmask 255.0.0.0",
		 "1: netmask 255.0.0.0: no netmask of an IPv4 address");
	read_bad("inet", "1: inet: no address given");
	read_bad("inet up", "1: inet: no address given");
	read_bad("inet6 10.0.0.1/8", "1: '10.0.0.1/8' is no address of inet6");
	read_bad("alias up", "1: no address given");
	read_bad("mtu 1e3", "1: mtu 1e3: no number from 68 to 65535");
	read_bad("destroy", "1: destroy has no place here");
}

static void test_limits(void **state)
{
	char text[4096] = "";

	for (int i = 0; i < WGX_IFCONFIG_OPS_MAX; i++)
		strcat(text, "up ");
	read_good(text);
	wgx_bootfile_free(&f);
	strcat(text, "up ");
	read_bad(text, "1: more than 32 parameters");
	for (int i = 0; i < 64; i++)
		strcat(text, "mtu 99 ");
	read_bad(text, "1: more than 64 words");
	strcpy(text, "description ");
	memset(text + strlen(text), 'x', 256);
	text[strlen("description ") + 256] = 0;
	read_bad(text, "1: description: longer than 255 bytes");
	assert_int_equal(read_bytes("up\nu\0p\n", 7), -EILSEQ);
	assert_non_null(strstr(error, ":2: a NUL byte"));
	assert_int_equal(wgx_bootfile_read("/nowhere", &f, error, sizeof(error)), -ENOENT);
	assert_string_equal(error, "/nowhere: No such file or directory");
}

static int setup(void **state)
{
	int fd = mkstemp(path);

	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_quotes),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("bootfile", tests, setup, teardown);
}
