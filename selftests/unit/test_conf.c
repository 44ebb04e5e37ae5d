/* SPDX-License-Identifier: MIT */
/* Files in wg-quick's format: every key, every error with its line, and damaged ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "device/secmem.h"
#include "proto/key_text.h"
#include "quick/conf.h"
#include "cli/secbuf.h"

#define KEY_A "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
#define KEY_B "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI="
#define KEY_C "Q0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0NDQ0M="

static int parse_bytes(const char *text, size_t len, struct wgx_conf **ret,
		       struct wgx_conf_error *error)
{
	char *copy = malloc(len + 1); /* exactly: a sanitizer sees what is read beyond */
	int err;

	assert_non_null(copy);
	memcpy(copy, text, len);
	copy[len] = '\0';
	err = wgx_conf_parse(copy, len, ret, error);
	free(copy);
	return err;
}

static struct wgx_conf *parse(const char *text)
{
	struct wgx_conf *conf = NULL;
	struct wgx_conf_error error;

	if (parse_bytes(text, strlen(text), &conf, &error))
		fail_msg("line %u: %s", error.line, error.text);
	return conf;
}

static const char whole[] = "# a comment = in front\n"
			    "[Interface]\n"
			    "PrivateKey = " KEY_A "\n"
			    "ListenPort = 51820 # where others find us\n"
			    "FwMark = 0xCA6c\n"
			    "Address = 10.7.0.1/24, fd07::1/64\n"
			    "Address = 10.7.1.1\n"
			    "DNS = 10.7.0.53,fd07::53 example.net, corp\n"
			    "MTU = 1380\n"
			    "Table = 1234\n"
			    "PreUp = echo pre-up %i; true\n"
			    "PostUp = echo one\n"
			    "PostUp = echo two = 2\n"
			    "PreDown = echo pre-down\n"
			    "PostDown = echo post-down\n"
			    "SaveConfig = true\n"
			    "Attach = eth0, eth1\n"
			    "Attach = eth0\n"
			    "AttachLan = eth1:native, eth2\n"
			    "AttachLan = eth1:tcx eth3:native eth4:native-copy\n"
			    "\n"
			    "[Peer]\n"
			    "# Name = old laptop\n"
			    "PublicKey = " KEY_B "\n"
			    "PresharedKey = " KEY_C "\n"
			    "AllowedIPs = 10.7.0.2/32, fd07::2\n"
			    "AllowedIPs = 192.168.7.9/24\n"
			    "Endpoint = [2001:db8::1]:51821\n"
			    "PersistentKeepalive = 25\n"
			    "[Peer]\n"
			    "PublicKey = " KEY_C "\n"
			    "Name = gateway\n"
			    "Endpoint = vpn.example.net:7\n"
			    "AllowedIPs = 0.0.0.0/0\n"
			    "PersistentKeepalive = off"; /* no newline at the end */

static void assert_prefix(const struct wgx_prefix *p, const char *expected)
{
	char text[WGX_PREFIX_TEXT];

	assert_string_equal(wgx_prefix_format(p, text), expected);
}

static void assert_key(const uint8_t key[WGX_KEY_LEN], const char *expected)
{
	char text[WGX_KEY_TEXT_SIZE];

	wgx_key_format(key, text);
	assert_string_equal(text, expected);
}

static void test_whole(void **state)
{
	struct wgx_conf *c = parse(whole);
	static const char *const hooks[] = {"echo pre-up %i; true", "echo one", "echo pre-down",
					    "echo post-down"};

	assert_true(c->private_key && c->has_listen_port && c->has_fwmark && c->save);
	assert_key(c->private_key, KEY_A);
	assert_int_equal(c->listen_port, 51820);
	assert_int_equal(c->fwmark, 0xca6c);
	assert_int_equal(c->addresses.n, 3);
	assert_prefix(&c->addresses.items[0], "10.7.0.1/24");
	assert_prefix(&c->addresses.items[1], "fd07::1/64");
	assert_prefix(&c->addresses.items[2], "10.7.1.1/32");
	assert_int_equal(c->dns.n, 2);
	assert_string_equal(c->dns.items[0], "10.7.0.53");
	assert_string_equal(c->dns.items[1], "fd07::53");
	assert_int_equal(c->dns_search.n, 2);
	assert_string_equal(c->dns_search.items[0], "example.net");
	assert_string_equal(c->dns_search.items[1], "corp");
	assert_int_equal(c->dns_line, 8);
	assert_int_equal(c->mtu, 1380);
	assert_int_equal(c->table, WGX_CONF_TABLE_NUMBER);
	assert_int_equal(c->table_number, 1234);
	assert_string_equal(c->table_text, "1234");
	for (int i = 0; i < WGX_HOOKS; i++)
		assert_string_equal(c->hooks[i].items[0], hooks[i]);
	assert_int_equal(c->hooks[WGX_HOOK_POST_UP].n, 2);
	assert_string_equal(c->hooks[WGX_HOOK_POST_UP].items[1], "echo two = 2");
	assert_int_equal(c->attach.n, 2);
	assert_string_equal(c->attach.items[1], "eth1");
	assert_int_equal(c->n_lans, 4);
	assert_string_equal(c->lans[0].device, "eth1");
	assert_false(c->lans[0].native); /* the latter counts */
	assert_string_equal(c->lans[1].device, "eth2");
	assert_false(c->lans[1].native);
	assert_true(c->lans[2].native && !c->lans[2].copy);
	assert_true(c->lans[3].native && c->lans[3].copy);
	assert_int_equal(c->n_peers, 2);
	wgx_conf_free(c);
}

static void test_peers(void **state)
{
	struct wgx_conf *c = parse(whole);
	const struct wgx_conf_peer *p = c->peers;

	assert_key(p[0].public_key, KEY_B);
	assert_true(p[0].has_preshared_key);
	assert_key(p[0].preshared_key, KEY_C);
	assert_string_equal(p[0].name, "old-laptop");
	assert_string_equal(p[0].host, "2001:db8::1");
	assert_int_equal(p[0].port, 51821);
	assert_false(p[0].host_is_name);
	assert_true(p[0].has_keepalive);
	assert_int_equal(p[0].keepalive, 25);
	assert_int_equal(p[0].line, 22);
	assert_int_equal(p[0].endpoint_line, 28);
	assert_int_equal(p[0].first_prefix, 0);
	assert_int_equal(p[0].n_prefixes, 3);
	assert_prefix(&c->allowed.items[1], "fd07::2/128");
	assert_prefix(&c->allowed.items[2], "192.168.7.0/24");
	assert_false(p[1].has_preshared_key);
	assert_string_equal(p[1].name, "gateway");
	assert_string_equal(p[1].host, "vpn.example.net");
	assert_true(p[1].host_is_name);
	assert_true(p[1].has_keepalive);
	assert_int_equal(p[1].keepalive, 0);
	assert_int_equal(p[1].first_prefix, 3);
	assert_int_equal(p[1].n_prefixes, 1);
	wgx_conf_free(c);
}

static void test_transmit(void **state)
{
	struct wgx_conf *c = parse("[Interface]\nPrivateKey = " KEY_A
				   "\nAttachTransmit = eth1, eth0\nAttachTransmit = eth1\n");

	assert_int_equal(c->transmit.n, 2);
	assert_string_equal(c->transmit.items[0], "eth1");
	assert_string_equal(c->transmit.items[1], "eth0");
	assert_int_equal(c->attach.n, 0);
	wgx_conf_free(c);
}

/* What other tools write, and people */
static void test_spelling(void **state)
{
	struct wgx_conf *c;

	c = parse("[INTERFACE]\r\n\tprivatekey=" KEY_A "\r\n LISTENPORT =\t1 \r\ntable=OFF\r\n"
		  "fwmark = Off\r\nsaveconfig = False\r\naddress=\r\ndns =\r\n[peer]\r\n"
		  "#friendly_name=x\r\nPUBLICKEY=" KEY_B "\r\nallowedips =\r\n"
		  "endpoint = [fe80::1%lo]:1\r\n");
	assert_int_equal(c->listen_port, 1);
	assert_int_equal(c->table, WGX_CONF_TABLE_OFF);
	assert_true(c->has_fwmark && !c->fwmark && !c->save);
	assert_int_equal(c->addresses.n, 0);
	assert_int_equal(c->peers[0].n_prefixes, 0);
	assert_string_equal(c->peers[0].name, "x");
	assert_string_equal(c->peers[0].host, "fe80::1%lo");
	wgx_conf_free(c);
	/* the last one counts, and all of what lists */
	c = parse("[Interface]\nMTU = 1400\nMTU = 1300\nWorkers = 3\nTable = 5\nTable = "
		  "auto\nTable = main\n"
		  "[Peer]\nPublicKey=" KEY_B "\nEndpoint = a:1\nEndpoint = 192.0.2.1:2\n"
		  "[Interface]\nListenPort = 9\n");
	assert_int_equal(c->mtu, 1300);
	assert_int_equal(c->workers, 3);
	assert_int_equal(c->table_number, 254);
	assert_string_equal(c->peers[0].host, "192.0.2.1");
	assert_false(c->peers[0].host_is_name);
	assert_int_equal(c->listen_port, 9);
	wgx_conf_free(c);
	c = parse("[Interface]\n");
	assert_int_equal(c->n_peers, 0);
	assert_int_equal(c->table, WGX_CONF_TABLE_AUTO);
	assert_false(c->private_key || c->has_listen_port || c->has_fwmark || c->mtu);
	wgx_conf_free(c);
}

/* A comment is never an error, and a name that is given wins. */
static void test_comments(void **state)
{
	struct wgx_conf *c;

	c = parse("# Name = nobody\n[Interface] # ours\n# Name = ours\n"
		  "[Peer]\n# Name = one\nPublicKey=" KEY_A "\n"
		  "[Peer]\n# Name = one\nPublicKey=" KEY_B "\n"
		  "[Peer]\n# Name = caf\xc3\xa9\nName = two\n# Name = three\nPublicKey=" KEY_C "\n"
		  "[Peer]\n#Name=\n# Name\n# = \n# Other = x\nPublicKey=" KEY_C "\n");
	assert_string_equal(c->peers[0].name, "one");
	assert_null(c->peers[1].name);
	assert_string_equal(c->peers[2].name, "two");
	assert_null(c->peers[3].name);
	wgx_conf_free(c);
}

#define IF "[Interface]\n"
#define PEER "[Interface]\n[Peer]\nPublicKey = " KEY_B "\n"

static const struct {
	const char *text;
	unsigned int line;
	const char *error;
} bad[] = {
	{"", 0, "no [Interface] section"},
	{"\n\n# nothing\n", 0, "no [Interface] section"},
	{"[Peer]\nPublicKey = " KEY_B "\n", 0, "no [Interface] section"},
	{"MTU = 1400\n", 1, "a line before [Interface] or [Peer]"},
	{"\nhello\n", 2, "a line before [Interface] or [Peer]"},
	{"[Interfaces]\n", 1, "'[Interfaces]' is neither [Interface] nor [Peer]"},
	{"[Interface\n", 1, "'[Interface' is neither [Interface] nor [Peer]"},
	{IF "hello\n", 2, "neither a section nor KEY = VALUE"},
	{IF "Hello = 1\n", 2, "Hello: no key of [Interface]"},
	{IF "= 1\n", 2, ": no key of [Interface]"},
	{IF "PublicKey = " KEY_B "\n", 2, "PublicKey does not belong into [Interface]"},
	{PEER "mtu = 1400\n", 4, "MTU does not belong into [Peer]"},
	{IF KEY_A "\n", 2, "no key of [Interface]"}, /* which must not be shown */
	{IF "PrivateKey =\n", 2, "PrivateKey: no value"},
	{IF "PrivateKey = # later\n", 2, "PrivateKey: no value"},
	{IF "privatekey = abc\n", 2, "privatekey: not a key of 44 characters in base64"},
	{IF "PrivateKey = " KEY_A "A\n", 2, "PrivateKey: not a key of 44 characters in base64"},
	{IF "ListenPort = 65536\n", 2, "ListenPort: '65536' is no number from 0 to 65535"},
	{IF "ListenPort = -1\n", 2, "ListenPort: '-1' is no number from 0 to 65535"},
	{IF "ListenPort = 1 2\n", 2, "ListenPort: '1 2' is no number from 0 to 65535"},
	{IF "FwMark = 0x\n", 2, "FwMark: '0x' is neither a number of 32 bits nor off"},
	{IF "FwMark = 4294967296\n", 2,
	 "FwMark: '4294967296' is neither a number of 32 bits nor off"},
	{IF "FwMark = -1\n", 2, "FwMark: '-1' is neither a number of 32 bits nor off"},
	{IF "FwMark = 5x\n", 2, "FwMark: '5x' is neither a number of 32 bits nor off"},
	{IF "Address = 10.0.0.1/24, 10.0.0.1/33\n", 2,
	 "Address: '10.0.0.1/33' is no address, nor one with a prefix length"},
	{IF "DNS = 10.0.0\n", 2, "DNS: '10.0.0' is no address"},
	{IF "DNS = fd00:::1\n", 2, "DNS: 'fd00:::1' is no address"},
	{IF "DNS = 10.0.0.1, $(reboot)\n", 2, "DNS: '$(reboot)' is no domain"},
	{IF "Workers = 0\n", 2, "Workers: '0' is no number from 1 to 16"},
	{IF "Workers = 17\n", 2, "Workers: '17' is no number from 1 to 16"},
	{IF "MTU = 67\n", 2, "MTU: '67' is no number from 68 to 65535"},
	{IF "MTU = big\n", 2, "MTU: 'big' is no number from 68 to 65535"},
	{IF "Table = 0\n", 2, "Table: '0' is no number, no name of a table, not off and not auto"},
	{IF "Table = nonesuch\n", 2,
	 "Table: 'nonesuch' is no number, no name of a table, not off and not auto"},
	{IF "PreUp =\n", 2, "PreUp: no value"},
	{IF "SaveConfig = yes\n", 2, "SaveConfig: 'yes' is neither true nor false"},
	{IF "Attach = eth/0\n", 2, "Attach: device name 'eth/0' contains '/'"},
	{IF "AttachTransmit = eth/0\n", 2, "AttachTransmit: device name 'eth/0' contains '/'"},
	{IF "AttachLan = eth/0\n", 2, "AttachLan: device name 'eth/0' contains '/'"},
	{IF "AttachLan = :tcx\n", 2, "AttachLan: device name '' is empty"},
	{IF "AttachLan = abcdefghijklmnop:tcx\n", 2,
	 "AttachLan: device name 'abcdefghijklmnop' is too long: the kernel takes 15 bytes"},
	{IF "AttachLan = eth1:warp\n", 2,
	 "AttachLan: router path 'warp' is none of tcx, native, native-copy"},
	{IF "AttachLan = eth1:native:\n", 2,
	 "AttachLan: router path 'native:' is none of tcx, native, native-copy"},
	{IF "[Peer]\n\n[Peer]\nPublicKey = " KEY_B "\n", 2, "[Peer] without a PublicKey"},
	{IF "[Peer]\n", 2, "[Peer] without a PublicKey"},
	{PEER "PublicKey = " KEY_C "\n", 4,
	 "PublicKey: a second one in the [Peer] section of line 2"},
	{IF "[Peer]\nPublicKey = abc\n", 3, "PublicKey: not a key of 44 characters in base64"},
	{PEER "PresharedKey = abc\n", 4, "PresharedKey: not a key of 44 characters in base64"},
	{PEER "AllowedIPs = 10.0.0.0/8, 10.0.0.0/33\n", 4,
	 "AllowedIPs: '10.0.0.0/33' is no address or network"},
	{PEER "AllowedIPs = localhost\n", 4, "AllowedIPs: 'localhost' is no address or network"},
	{PEER "Endpoint = 192.0.2.1\n", 4, "Endpoint: '192.0.2.1' has no port"},
	{PEER "Endpoint = [::1]\n", 4, "Endpoint: '[::1]' has no port"},
	{PEER "Endpoint = 2001:db8::1\n", 4, "Endpoint: '2001:db8::1' has no port"},
	{PEER "Endpoint = 2001:db8::x:1\n", 4, "Endpoint: '2001:db8::x' is no IPv6 address"},
	{PEER "Endpoint = []:5\n", 4, "Endpoint: '' is no IPv6 address"},
	{PEER "Endpoint = [:5\n", 4, "Endpoint: '[:5' has no port"},
	{PEER "Endpoint = :\n", 4, "Endpoint: '' is neither an address nor a host name"},
	{PEER "Endpoint = 192.0.2.1:0\n", 4, "Endpoint: '0' is no port"},
	{PEER "Endpoint = 192.0.2.1:65536\n", 4, "Endpoint: '65536' is no port"},
	{PEER "Endpoint = a:http\n", 4, "Endpoint: 'http' is no port"},
	{PEER "Endpoint = [a]:5\n", 4, "Endpoint: 'a' is no IPv6 address"},
	{PEER "Endpoint = :5\n", 4, "Endpoint: '' is neither an address nor a host name"},
	{PEER "Endpoint = 192.0.2.256:5\n", 4,
	 "Endpoint: '192.0.2.256' is neither an address nor a host name"},
	{PEER "Endpoint = a b:5\n", 4, "Endpoint: 'a b' is neither an address nor a host name"},
	{PEER "PersistentKeepalive = 65536\n", 4,
	 "PersistentKeepalive: '65536' is neither a number of seconds up to 65535 nor off"},
	{PEER "PersistentKeepalive = on\n", 4,
	 "PersistentKeepalive: 'on' is neither a number of seconds up to 65535 nor off"},
	{PEER "Name = two words\n", 4,
	 "Name: 'two words' has something else than printable ASCII characters, or a space"},
	{PEER "Name = a\n[Peer]\nPublicKey=" KEY_C "\nName = a\n", 7,
	 "Name: 'a' is the name of the peer of line 2"},
};

static void test_errors(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct wgx_conf *conf = (void *)&bad;
		struct wgx_conf_error error;
		int err = parse_bytes(bad[i].text, strlen(bad[i].text), &conf, &error);

		if (err != -EINVAL)
			fail_msg("no error in: %s", bad[i].text);
		assert_string_equal(error.text, bad[i].error);
		assert_int_equal(error.line, bad[i].line);
		assert_ptr_equal(conf, &bad);
	}
	assert_int_equal(wgx_secmem_used(), 0);
}

static void test_zero_byte(void **state)
{
	static const char text[] = "[Interface]\nMTU = 14\00000\n";
	struct wgx_conf *conf;
	struct wgx_conf_error error;

	assert_int_equal(parse_bytes(text, sizeof(text) - 1, &conf, &error), -EINVAL);
	assert_int_equal(error.line, 2);
	assert_string_equal(error.text, "a zero byte");
}

/* Whatever is cut off or changed: an answer, the same memory in use as before, and never a part of a secret */
static void test_damage(void **state)
{
	static const char bytes[] = {'\0', '\n', '#', '=', '[', ']', ':',
				     ',',  ' ',	 '/', '%', 'x', '0', '\xff'};
	size_t len = sizeof(whole) - 1, accepted = 0;
	char text[sizeof(whole)];

	for (size_t i = 0; i <= len; i++) {
		for (size_t j = 0; j <= sizeof(bytes); j++) {
			struct wgx_conf *conf = NULL;
			struct wgx_conf_error error = {0};
			size_t n = j < sizeof(bytes) ? len : i;

			memcpy(text, whole, sizeof(text));
			if (j < sizeof(bytes))
				text[i] = bytes[j];
			if (parse_bytes(text, n, &conf, &error)) {
				assert_true(*error.text);
				assert_null(strstr(error.text, "QUFBQUFB"));
				assert_null(strstr(error.text, "Q0NDQ0NDQ0"));
			} else {
				accepted++;
			}
			wgx_conf_free(conf);
		}
	}
	assert_in_range(accepted, 1, len * sizeof(bytes));
	assert_int_equal(wgx_secmem_used(), 0);
}

static void test_many_peers(void **state)
{
	struct wgx_secbuf b = {0};
	struct wgx_conf *c = NULL;
	struct wgx_conf_error error;

	wgx_secbuf_printf(&b, "[Interface]\n");
	for (int i = 0; i < 1000; i++)
		wgx_secbuf_printf(&b,
				  "[Peer]\nName = p%d\nPublicKey = " KEY_B "\nPresharedKey = " KEY_C
				  "\nAllowedIPs = 10.%d.%d.0/24,10.%d.%d.1/32\n",
				  i, i / 256, i % 256, i / 256, i % 256);
	assert_false(b.failed);
	assert_int_equal(wgx_conf_parse(b.data, b.len, &c, &error), 0);
	wgx_secbuf_free(&b);
	assert_int_equal(c->n_peers, 1000);
	assert_string_equal(c->peers[999].name, "p999");
	assert_key(c->peers[999].preshared_key, KEY_C);
	assert_int_equal(c->peers[999].first_prefix, 1998);
	assert_prefix(&c->allowed.items[1999], "10.3.231.1/32");
	wgx_conf_free(c);
	assert_int_equal(wgx_secmem_used(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),	   cmocka_unit_test(test_peers),
		cmocka_unit_test(test_transmit),   cmocka_unit_test(test_spelling),
		cmocka_unit_test(test_comments),   cmocka_unit_test(test_errors),
		cmocka_unit_test(test_zero_byte),  cmocka_unit_test(test_damage),
		cmocka_unit_test(test_many_peers),
	};

	return cmocka_run_group_tests_name("conf", tests, NULL, NULL);
}
