/* SPDX-License-Identifier: MIT */
/* wgx doctor: what nft's rules do to a message, and what a report looks like. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "doctor/nft.h"
#include "doctor/report.h"

/* ---- nft ---- */

#define CHAIN(family, name, policy)                                              \
	"{\"chain\":{\"family\":\"" family "\",\"table\":\"t\",\"name\":\"" name \
	"\",\"type\":\"filter\",\"hook\":\"input\",\"prio\":0,\"policy\":\"" policy "\"}}"
#define SUBCHAIN(name) "{\"chain\":{\"family\":\"inet\",\"table\":\"t\",\"name\":\"" name "\"}}"
#define RULE(chain, expr)                                                                        \
	"{\"rule\":{\"family\":\"inet\",\"table\":\"t\",\"chain\":\"" chain "\",\"expr\":[" expr \
	"]}}"
#define MATCH(left, op, right) \
	"{\"match\":{\"op\":\"" op "\",\"left\":" left ",\"right\":" right "}}"
#define DPORT(right) MATCH("{\"payload\":{\"protocol\":\"udp\",\"field\":\"dport\"}}", "==", right)
#define TCP_DPORT(right) \
	MATCH("{\"payload\":{\"protocol\":\"tcp\",\"field\":\"dport\"}}", "==", right)
#define SADDR \
	MATCH("{\"payload\":{\"protocol\":\"ip\",\"field\":\"saddr\"}}", "==", "\"192.0.2.9\"")
#define META(key, op, right) MATCH("{\"meta\":{\"key\":\"" key "\"}}", op, right)
#define STATE(right) MATCH("{\"ct\":{\"key\":\"state\"}}", "in", right)
#define DROP "{\"drop\":null}"
#define ACCEPT "{\"accept\":null}"
#define COUNTER "{\"counter\":{\"packets\":0,\"bytes\":0}}"
#define JUMP(to) "{\"jump\":{\"target\":\"" to "\"}}"
#define GOTO(to) "{\"goto\":{\"target\":\"" to "\"}}"

#define IN CHAIN("inet", "input", "accept")
#define IN_DROP CHAIN("inet", "input", "drop")

static const struct {
	const char *what;
	const char *objects; /* of the ruleset */
	enum wgx_fate fate;
} cases[] = {
	{"no rule", IN, WGX_FATE_PASSES},
	{"a policy", IN_DROP, WGX_FATE_DROPPED},
	{"the port", IN "," RULE("input", DPORT("51820") "," COUNTER "," DROP), WGX_FATE_DROPPED},
	{"a rejection", IN "," RULE("input", DPORT("51820") ",{\"reject\":null}"),
	 WGX_FATE_DROPPED},
	{"another port", IN "," RULE("input", DPORT("51821") "," DROP), WGX_FATE_PASSES},
	{"a range", IN "," RULE("input", DPORT("{\"range\":[51000,52000]}") "," DROP),
	 WGX_FATE_DROPPED},
	{"a set", IN "," RULE("input", DPORT("{\"set\":[53,{\"range\":[51820,51821]}]}") "," DROP),
	 WGX_FATE_DROPPED},
	{"a set without it", IN "," RULE("input", DPORT("{\"set\":[53,67]}") "," DROP),
	 WGX_FATE_PASSES},
	{"a named set", IN "," RULE("input", DPORT("\"@ports\"") "," DROP), WGX_FATE_PASSES},
	{"of TCP", IN "," RULE("input", TCP_DPORT("51820") "," DROP), WGX_FATE_PASSES},
	{"not of TCP",
	 IN "," RULE("input", MATCH("{\"payload\":{\"protocol\":\"tcp\",\"field\":"
				    "\"dport\"}}",
				    "!=", "22") "," DROP),
	 WGX_FATE_PASSES},
	{"all of UDP", IN "," RULE("input", META("l4proto", "==", "\"udp\"") "," DROP),
	 WGX_FATE_DROPPED},
	{"all but TCP", IN "," RULE("input", META("l4proto", "!=", "\"tcp\"") "," DROP),
	 WGX_FATE_DROPPED},
	{"of one source", IN "," RULE("input", SADDR "," DPORT("51820") "," DROP), WGX_FATE_PASSES},
	{"by its device", IN "," RULE("input", META("iifname", "==", "\"eth0\"") "," DROP),
	 WGX_FATE_DROPPED},
	{"by another", IN "," RULE("input", META("iifname", "==", "\"eth1\"") "," DROP),
	 WGX_FATE_PASSES},
	{"by a pattern", IN "," RULE("input", META("iifname", "==", "\"eth*\"") "," DROP),
	 WGX_FATE_PASSES},
	{"accepted before", IN "," RULE("input", DPORT("51820") "," ACCEPT) "," RULE("input", DROP),
	 WGX_FATE_PASSES},
	{"accepted too late",
	 IN "," RULE("input", DROP) "," RULE("input", DPORT("51820") "," ACCEPT), WGX_FATE_DROPPED},
	{"accepted before a policy", IN_DROP "," RULE("input", DPORT("51820") "," ACCEPT),
	 WGX_FATE_PASSES},
	{"others accepted before a policy", IN_DROP "," RULE("input", TCP_DPORT("22") "," ACCEPT),
	 WGX_FATE_DROPPED},
	{"connections that are there",
	 IN_DROP "," RULE("input", STATE("[\"established\",\"related\"]") "," ACCEPT),
	 WGX_FATE_DROPPED},
	{"new ones", IN_DROP "," RULE("input", STATE("[\"established\",\"new\"]") "," ACCEPT),
	 WGX_FATE_PASSES},
	{"invalid ones", IN "," RULE("input", STATE("\"invalid\"") "," DROP), WGX_FATE_PASSES},
	{"some accepted", IN_DROP "," RULE("input", SADDR "," ACCEPT), WGX_FATE_DEPENDS},
	{"so many a second",
	 IN_DROP
	 "," RULE("input", DPORT("51820") ",{\"limit\":{\"rate\":9,\"per\":\"second\"}}," ACCEPT),
	 WGX_FATE_DEPENDS},
	{"a jump to a drop",
	 IN "," SUBCHAIN("sub") "," RULE("input", JUMP("sub")) "," RULE("sub",
									DPORT("51820") "," DROP),
	 WGX_FATE_DROPPED},
	{"a jump that returns",
	 IN_DROP "," SUBCHAIN("sub") "," RULE("input", JUMP("sub")) "," RULE(
		 "sub", "{\"return\":null}") "," RULE("sub",
						      ACCEPT) "," RULE("input",
								       DPORT("51820") "," ACCEPT),
	 WGX_FATE_PASSES},
	{"a goto that does not",
	 IN_DROP "," SUBCHAIN(
		 "sub") "," RULE("input", GOTO("sub")) "," RULE("input", DPORT("51820") "," ACCEPT),
	 WGX_FATE_DROPPED},
	{"a jump of some",
	 IN "," SUBCHAIN("sub") "," RULE("input", SADDR "," JUMP("sub")) "," RULE("sub", DROP),
	 WGX_FATE_PASSES},
	{"chains in a circle",
	 IN "," SUBCHAIN("sub") "," RULE("input", JUMP("sub")) "," RULE("sub", JUMP("sub")),
	 WGX_FATE_PASSES},
	{"of iptables",
	 IN_DROP "," RULE("input", "{\"xt\":{\"type\":\"match\",\"name\":\"u32\"}}," ACCEPT),
	 WGX_FATE_DEPENDS},
	{"IPv6 alone", CHAIN("ip6", "input", "drop"), WGX_FATE_PASSES},
	{"a later chain", IN "," CHAIN("inet", "late", "drop"), WGX_FATE_DROPPED},
	{"nonsense", "{\"rule\":5},{\"chain\":[]},{\"rule\":{\"expr\":[7]}},9", WGX_FATE_PASSES},
};

static void test_nft(void **state)
{
	const struct wgx_datagram m = {.device = "eth0", .port = 51820};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const json_t *chain = NULL;
		json_t *ruleset;
		char text[4096];
		enum wgx_fate fate;

		snprintf(text, sizeof(text), "{\"nftables\":[{\"metainfo\":{}},%s]}",
			 cases[i].objects);
		ruleset = json_loads(text, 0, NULL);
		if (!ruleset)
			fail_msg("%s: no JSON", cases[i].what);
		fate = wgx_nft_judge(ruleset, &m, &chain);
		if (fate != cases[i].fate)
			fail_msg("%s: %d", cases[i].what, fate);
		assert_int_equal(chain != NULL, fate != WGX_FATE_PASSES);
		json_decref(ruleset);
	}
}

static void test_nft_family(void **state)
{
	const struct wgx_datagram m = {.v6 = true, .device = "eth0", .port = 51820};
	json_t *v6 = json_loads("{\"nftables\":[" CHAIN("ip6", "input", "drop") "]}", 0, NULL);
	json_t *v4 = json_loads("{\"nftables\":[" CHAIN("ip", "input", "drop") "]}", 0, NULL);
	const json_t *chain;

	assert_int_equal(wgx_nft_judge(v6, &m, &chain), WGX_FATE_DROPPED);
	assert_string_equal(json_string_value(json_object_get(chain, "family")), "ip6");
	assert_int_equal(wgx_nft_judge(v4, &m, &chain), WGX_FATE_PASSES);
	assert_int_equal(wgx_nft_judge(NULL, &m, &chain), WGX_FATE_PASSES);
	json_decref(v4);
	json_decref(v6);
}

/* ---- the report ---- */

static void test_report(void **state)
{
	struct wgx_report r = {0};
	char *printed = NULL;
	size_t len;
	struct wgx_text t = {.out = open_memstream(&printed, &len)};
	json_t *o;

	wgx_found(&r, WGX_FINE, "kernel", NULL, "Linux %d.%d", 6, 9);
	wgx_found(&r, WGX_PROBLEM, "mtu", "wg0", "too large");
	wgx_remedy(&r, "ip link set %s mtu %u", "wg0", 1420u);
	wgx_found(&r, WGX_WARNING, "offloads", "eth0", "gro is off");
	wgx_found(&r, WGX_NOTE, "mode", "eth0", "not attached");
	wgx_report_print(&r, &t);
	fclose(t.out);
	assert_string_equal(printed, "ok       kernel       Linux 6.9\n"
				     "problem  mtu          wg0: too large\n"
				     "                      → ip link set wg0 mtu 1420\n"
				     "warning  offloads     eth0: gro is off\n"
				     "note     mode         eth0: not attached\n"
				     "\n1 problem, 1 warning\n");
	free(printed);
	o = wgx_report_json(&r);
	printed = json_dumps(o, JSON_COMPACT);
	assert_string_equal(
		printed,
		"{\"problems\":1,\"warnings\":1,\"findings\":["
		"{\"check\":\"kernel\",\"level\":\"ok\",\"object\":null,\"text\":\"Linux 6.9\","
		"\"remedy\":null},"
		"{\"check\":\"mtu\",\"level\":\"problem\",\"object\":\"wg0\",\"text\":\"too "
		"large\","
		"\"remedy\":\"ip link set wg0 mtu 1420\"},"
		"{\"check\":\"offloads\",\"level\":\"warning\",\"object\":\"eth0\","
		"\"text\":\"gro is off\",\"remedy\":null},"
		"{\"check\":\"mode\",\"level\":\"note\",\"object\":\"eth0\","
		"\"text\":\"not attached\",\"remedy\":null}]}");
	free(printed);
	json_decref(o);
	wgx_report_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nft),
		cmocka_unit_test(test_nft_family),
		cmocka_unit_test(test_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
