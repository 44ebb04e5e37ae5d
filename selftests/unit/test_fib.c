/* SPDX-License-Identifier: MIT */
/* Addresses, routes and rules: made here, looked at with ip(8). */
#include "net_env.h"

#include <arpa/inet.h>
#include "net/addr.h"
#include "net/fib.h"

#define MANY 300 /* of addresses: more than one datagram of a dump */

static struct wgx_prefix address(const char *text)
{
	struct wgx_prefix p;

	assert_int_equal(wgx_prefix_parse_address(text, &p), 0);
	return p;
}

static int device(const char *name)
{
	struct wgx_link_info info;

	assert_int_equal(wgx_link_query(name, &info), 0);
	return info.ifindex;
}

/* d0, up, without addresses */
static void make_device(int mtu)
{
	env_sh("ip link add d0 mtu %d type veth peer d1", mtu);
	env_sh("ip link set d0 addrgenmode none && ip link set d0 up && ip link set d1 up");
}

/* What ip(8) prints, each run of white space as one space */
static void assert_ip(const char *command, const char *expected)
{
	char line[256], text[4096] = "";
	FILE *f = popen(command, "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		strncat(text, line, sizeof(text) - strlen(text) - 1);
	pclose(f);
	assert_string_equal(text, expected);
}

struct list {
	unsigned int n;
	char text[16][WGX_PREFIX_TEXT];
};

static int add_to_list(void *arg, const struct wgx_prefix *p)
{
	struct list *l = arg;

	if (l->n < 16)
		wgx_prefix_format(p, l->text[l->n]);
	l->n++;
	return 0;
}

static int stop_reading(void *arg, const struct wgx_prefix *p)
{
	++*(int *)arg;
	return -EINTR;
}

static void test_address_text(void **state)
{
	struct wgx_prefix p = address("10.7.0.1/24");
	char text[WGX_PREFIX_TEXT];

	assert_string_equal(wgx_prefix_format(&p, text), "10.7.0.1/24");
	p = address("fd07::1");
	assert_string_equal(wgx_prefix_format(&p, text), "fd07::1/128");
	assert_int_equal(wgx_prefix_parse_address("10.7.0.1/33", &p), -EINVAL);
}

static void test_addresses(void **state)
{
	struct wgx_prefix v4 = address("10.7.0.1/24"), v6 = address("fd07::1/64"),
			  lo = address("127.0.0.9/8");
	struct list l = {0};
	int ifindex, calls = 0;

	env_require();
	make_device(1500);
	ifindex = device("d0");
	assert_int_equal(wgx_addr_add(ifindex, &v6), 0);
	assert_int_equal(wgx_addr_add(ifindex, &v4), 0);
	assert_int_equal(wgx_addr_add(ifindex, &v4), -EEXIST);
	assert_int_equal(wgx_addr_add(ifindex, &lo), 0);
	assert_ip("ip -o addr show dev d0 | awk '{ print $3, $4, $5, $6 }'",
		  "inet 127.0.0.9/8 scope host\ninet 10.7.0.1/24 scope global\n"
		  "inet6 fd07::1/64 scope global\n");
	assert_int_equal(wgx_addr_each(ifindex, add_to_list, &l), 0);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.text[1], "10.7.0.1/24");
	assert_string_equal(l.text[2], "fd07::1/64");
	assert_int_equal(wgx_addr_each(ifindex, stop_reading, &calls), -EINTR);
	assert_int_equal(calls, 1);
	assert_int_equal(wgx_addr_delete(ifindex, &v4), 0);
	assert_int_equal(wgx_addr_delete(ifindex, &v4), -EADDRNOTAVAIL);
	assert_int_equal(wgx_addr_delete(ifindex, &v6), 0);
	assert_int_equal(wgx_addr_add(ifindex + 1000, &v4), -ENODEV);
	l.n = 0;
	assert_int_equal(wgx_addr_each(ifindex, add_to_list, &l), 0);
	assert_int_equal(l.n, 1);
}

static void test_many_addresses(void **state)
{
	struct list l = {0};
	int ifindex;

	env_require();
	make_device(1500);
	ifindex = device("d0");
	for (int i = 0; i < MANY; i++) {
		char text[32];
		struct wgx_prefix p;

		snprintf(text, sizeof(text), "10.%d.%d.1/32", i / 256, i % 256);
		p = address(text);
		assert_int_equal(wgx_addr_add(ifindex, &p), 0);
		assert_int_equal(wgx_addr_add(device("d1"), &p), 0);
	}
	assert_int_equal(wgx_addr_each(ifindex, add_to_list, &l), 0);
	assert_int_equal(l.n, MANY);
}

static void test_routes(void **state)
{
	struct wgx_prefix v4 = address("10.8.0.0/16"), v6 = address("fd08::/32"),
			  all4 = address("0.0.0.0/0"), all6 = address("::/0");
	struct list l = {0};
	int ifindex;

	env_require();
	make_device(1500);
	env_sh("ip addr add 10.9.0.1/24 dev d0");
	ifindex = device("d0");
	assert_int_equal(wgx_route_add(ifindex, &v4, WGX_TABLE_MAIN), 0);
	assert_int_equal(wgx_route_add(ifindex, &v4, WGX_TABLE_MAIN), -EEXIST);
	assert_int_equal(wgx_route_add(ifindex, &v6, WGX_TABLE_MAIN), 0);
	assert_int_equal(wgx_table_in_use(51820), 0);
	assert_int_equal(wgx_route_add(ifindex, &all6, 51820), 0);
	assert_int_equal(wgx_table_in_use(51820), 1);
	assert_int_equal(wgx_route_add(ifindex, &all4, 200), 0);
	assert_int_equal(wgx_table_in_use(200), 1);
	assert_ip("ip route show dev d0 | sed 's/ *$//'",
		  "10.8.0.0/16 scope link\n"
		  "10.9.0.0/24 proto kernel scope link src 10.9.0.1\n");
	assert_ip("ip -6 route show table 51820 | sed 's/ *$//'",
		  "default dev d0 metric 1024 pref medium\n");
	assert_ip("ip route show table 200 | sed 's/ *$//'", "default dev d0 scope link\n");
	assert_int_equal(wgx_route_each(AF_INET, ifindex, WGX_TABLE_MAIN, add_to_list, &l), 0);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.text[0], "10.8.0.0/16");
	assert_string_equal(l.text[1], "10.9.0.0/24");
	l.n = 0;
	assert_int_equal(wgx_route_each(AF_INET6, ifindex, 51820, add_to_list, &l), 0);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.text[0], "::/0");
	l.n = 0;
	assert_int_equal(wgx_route_each(AF_INET, device("d1"), WGX_TABLE_MAIN, add_to_list, &l), 0);
	assert_int_equal(wgx_route_each(AF_INET, ifindex, 12345, add_to_list, &l), 0);
	assert_int_equal(l.n, 0);
}

static int mtu_to(const char *text)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return wgx_route_mtu((struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return wgx_route_mtu((struct sockaddr *)&v6);
}

static void test_mtu(void **state)
{
	env_require();
	assert_int_equal(mtu_to("192.0.2.1"), 0);
	assert_int_equal(wgx_route_mtu(NULL), 0);
	make_device(1400);
	env_sh("ip addr add 192.0.2.1/24 dev d0 && ip addr add 2001:db8::1/64 dev d0 nodad");
	assert_int_equal(mtu_to("192.0.2.9"), 1400);
	assert_int_equal(mtu_to("2001:db8::9"), 1400);
	assert_int_equal(mtu_to("198.51.100.1"), 0);
	/* a default route elsewhere is none of the main table's */
	env_sh("ip route add default dev d0 table 7");
	assert_int_equal(wgx_route_mtu(NULL), 0);
	env_sh("ip route add default dev d0");
	assert_int_equal(wgx_route_mtu(NULL), 1400);
	assert_int_equal(mtu_to("198.51.100.1"), 1400);
	env_sh("ip route change default dev d0 mtu 1300");
	assert_int_equal(wgx_route_mtu(NULL), 1300);
	assert_int_equal(mtu_to("198.51.100.1"), 1300);
	assert_int_equal(wgx_link_set_mtu(device("d0"), 1350), 0);
	assert_int_equal(mtu_to("192.0.2.9"), 1350);
	assert_int_equal(wgx_link_set_mtu(device("d0"), 10), -EINVAL);
}

static void test_rules(void **state)
{
	struct wgx_rule marked = {.family = AF_INET,
				  .table = 51820,
				  .mark = 51820,
				  .inverted = true,
				  .suppress_prefixlength = -1},
			main4 = {.family = AF_INET, .table = WGX_TABLE_MAIN}, again = main4,
			marked6 = {.family = AF_INET6,
				   .table = 119,
				   .mark = 0x77,
				   .inverted = true,
				   .suppress_prefixlength = -1};

	env_require();
	assert_int_equal(wgx_rule_add(&marked), 0);
	assert_int_equal(wgx_rule_add(&main4), 0);
	assert_int_equal(wgx_rule_add(&again), 0);
	assert_int_equal(wgx_rule_add(&marked6), 0);
	assert_int_equal(marked.priority, 32765);
	assert_int_equal(main4.priority, 32764);
	assert_int_equal(again.priority, 32763);
	assert_ip("ip rule | tr '\\t' ' '", "0: from all lookup local\n"
					    "32763: from all lookup main suppress_prefixlength 0\n"
					    "32764: from all lookup main suppress_prefixlength 0\n"
					    "32765: not from all fwmark 0xca6c lookup 51820\n"
					    "32766: from all lookup main\n"
					    "32767: from all lookup default\n");
	assert_ip("ip -6 rule | tr '\\t' ' '", "0: from all lookup local\n"
					       "32765: not from all fwmark 0x77 lookup 119\n"
					       "32766: from all lookup main\n");
	/* each its own */
	assert_int_equal(wgx_rule_delete(&main4), 0);
	assert_int_equal(wgx_rule_delete(&main4), -ENOENT);
	assert_ip("ip rule | tr '\\t' ' ' | grep -c 32763", "1\n");
	assert_int_equal(wgx_rule_delete(&marked), 0);
	assert_int_equal(wgx_rule_delete(&again), 0);
	assert_int_equal(wgx_rule_delete(&marked6), 0);
	assert_ip("ip rule | wc -l; ip -6 rule | wc -l", "3\n2\n");
}

static int run(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_address_text),
		env_test(test_addresses),
		env_test(test_many_addresses),
		env_test(test_routes),
		env_test(test_mtu),
		env_test(test_rules),
	};

	return cmocka_run_group_tests_name("fib", tests, NULL, NULL);
}

int main(void)
{
	return env_main(run);
}
