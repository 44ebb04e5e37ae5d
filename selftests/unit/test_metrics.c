/* SPDX-License-Identifier: MIT */
/* What `wgx metrics` says of an answer, to the letter, in pieces of any size; where it listens. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "metrics/families.h"
#include "metrics/listen.h"
#include "metrics/text.h"

/* All of it, read @step bytes at a time; the caller frees */
static char *render(const char *answer, size_t step)
{
	json_t *o = answer ? json_loads(answer, 0, NULL) : NULL;
	struct wgx_metrics_text *t =
		wgx_metrics_text_open(wgx_families, wgx_families_count, o, 1500000000);
	size_t len = 0, size = 1 << 20;
	char *text = malloc(size);
	ssize_t n;

	assert_true(!answer || o);
	assert_non_null(t);
	json_decref(o); /* the text has a reference of its own */
	while ((n = wgx_metrics_text_read(t, text + len, step)) > 0) {
		len += (size_t)n;
		assert_true(len + step < size);
	}
	assert_int_equal(n, 0);
	assert_int_equal(wgx_metrics_text_read(t, text + len, step), 0);
	wgx_metrics_text_close(t);
	text[len] = '\0';
	return text;
}

/* The samples of one family, with what is said of it */
static void assert_family(const char *text, const char *name, const char *want)
{
	char start[128], *got, *end;
	const char *begin;

	snprintf(start, sizeof(start), "# HELP %s ", name);
	begin = strstr(text, start);
	assert_non_null(begin);
	got = strdup(strchr(begin, '\n') + 1);
	end = strstr(got, "# HELP");
	if (end)
		*end = '\0';
	assert_string_equal(got, want);
	free(got);
	assert_null(strstr(begin + 1, start)); /* a family is in one piece */
}

static const char answer[] =
	"{\"ok\":true,\"version\":\"0.1.0\",\"interfaces\":[{\"name\":\"wg0\",\"up\":true,"
	"\"mtu\":1420,\"public_key\":\"KEY=\",\"listen_port\":51820,\"mode\":\"a → b\","
	"\"mode_in\":\"in\",\"aead\":\"libsodium\",\"counters\":{\"sends\":9007199254740993},"
	"\"drops\":{\"open_auth\":3,\"open_replay\":0},\"peers\":["
	"{\"public_key\":\"AAAA\",\"name\":\"a\\\\b\\\"c\",\"allowed_ips\":[\"10.0.0.0/8\","
	"\"fd00::/8\"],\"latest_handshake\":1700000000,\"rx_bytes\":5,\"tx_bytes\":7,"
	"\"rx_packets\":1,\"tx_packets\":2,\"drops\":{\"open_auth\":3}},"
	"{\"public_key\":\"BBBB\",\"name\":null,\"allowed_ips\":[],\"latest_handshake\":0,"
	"\"rx_bytes\":0,\"tx_bytes\":0,\"rx_packets\":0,\"tx_packets\":0,\"drops\":{}}]},"
	"{\"name\":\"wg\\n1\",\"up\":false,\"public_key\":null,\"drops\":{},\"peers\":[]}],"
	"\"attached\":[{\"device\":\"eth0\",\"mode\":\"tcx\",\"strict\":null,\"counters\":"
	"{\"steered_frames\":4}},{\"device\":\"eth1\",\"mode\":\"none\",\"strict\":{},"
	"\"counters\":{\"steered_frames\":4}}],\"awaited\":[\"eth2\"],\"workers\":["
	"{\"name\":\"wgx-seal\",\"rounds\":8,\"sleeps\":1}],"
	"\"handshakes\":{\"initiations\":1,\"responses\":2,\"cookies\":0,\"waiting\":6},"
	"\"threads\":[{\"name\":\"wgx-seal\",\"cpu_ns\":2000000001},"
	"{\"name\":\"wgx-protocol\",\"cpu_ns\":50}],\"drops\":{\"ingress_mac1\":12}}";

static void test_families(void **state)
{
	char *text = render(answer, 4096);

	assert_memory_equal(text,
			    "# HELP wgx_up Whether the daemon of this network namespace answers.\n"
			    "# TYPE wgx_up gauge\nwgx_up 1\n",
			    86);
	assert_family(text, "wgx_build_info",
		      "# TYPE wgx_build_info gauge\nwgx_build_info{version=\"0.1.0\"} 1\n");
	assert_family(text, "wgx_answer_seconds",
		      "# TYPE wgx_answer_seconds gauge\nwgx_answer_seconds 1.500000000\n");
	assert_family(
		text, "wgx_interface_info",
		"# TYPE wgx_interface_info gauge\n"
		"wgx_interface_info{interface=\"wg0\",public_key=\"KEY=\",mode=\"a → b\","
		"mode_in=\"in\",aead=\"libsodium\"} 1\n"
		"wgx_interface_info{interface=\"wg\\n1\",public_key=\"\",mode=\"\",mode_in=\"\","
		"aead=\"\"} 1\n");
	assert_family(text, "wgx_interface_up",
		      "# TYPE wgx_interface_up gauge\nwgx_interface_up{interface=\"wg0\"} 1\n"
		      "wgx_interface_up{interface=\"wg\\n1\"} 0\n");
	assert_family(text, "wgx_interface_peers",
		      "# TYPE wgx_interface_peers gauge\nwgx_interface_peers{interface=\"wg0\"} 2\n"
		      "wgx_interface_peers{interface=\"wg\\n1\"} 0\n");
	assert_family(text, "wgx_sends_total",
		      "# TYPE wgx_sends_total counter\n"
		      "wgx_sends_total{interface=\"wg0\"} 9007199254740993\n");
	assert_family(text, "wgx_drops_total",
		      "# TYPE wgx_drops_total counter\n"
		      "wgx_drops_total{interface=\"wg0\",reason=\"open_auth\"} 3\n"
		      "wgx_drops_total{interface=\"wg0\",reason=\"open_replay\"} 0\n"
		      "wgx_drops_total{interface=\"\",reason=\"ingress_mac1\"} 12\n");
	assert_family(text, "wgx_attached",
		      "# TYPE wgx_attached gauge\n"
		      "wgx_attached{device=\"eth0\",mode=\"tcx\",strict=\"0\"} 1\n"
		      "wgx_attached{device=\"eth1\",mode=\"none\",strict=\"1\"} 1\n"
		      "wgx_attached{device=\"eth2\"} 0\n");
	assert_family(text, "wgx_ingress_steered_frames_total",
		      "# TYPE wgx_ingress_steered_frames_total counter\n"
		      "wgx_ingress_steered_frames_total 4\n");
	assert_family(text, "wgx_handshake_messages_total",
		      "# TYPE wgx_handshake_messages_total counter\n"
		      "wgx_handshake_messages_total{type=\"initiation\"} 1\n"
		      "wgx_handshake_messages_total{type=\"response\"} 2\n"
		      "wgx_handshake_messages_total{type=\"cookie_reply\"} 0\n");
	assert_family(text, "wgx_handshakes_waiting",
		      "# TYPE wgx_handshakes_waiting gauge\nwgx_handshakes_waiting 6\n");
	assert_family(text, "wgx_thread_cpu_seconds_total",
		      "# TYPE wgx_thread_cpu_seconds_total counter\n"
		      "wgx_thread_cpu_seconds_total{thread=\"wgx-seal\"} 2.000000001\n"
		      "wgx_thread_cpu_seconds_total{thread=\"wgx-protocol\"} 0.000000050\n");
	assert_family(text, "wireguard_sent_bytes_total",
		      "# TYPE wireguard_sent_bytes_total counter\n"
		      "wireguard_sent_bytes_total{interface=\"wg0\",public_key=\"AAAA\","
		      "allowed_ips=\"10.0.0.0/8,fd00::/8\",friendly_name=\"a\\\\b\\\"c\"} 7\n"
		      "wireguard_sent_bytes_total{interface=\"wg0\",public_key=\"BBBB\","
		      "allowed_ips=\"\",friendly_name=\"\"} 0\n");
	assert_family(text, "wireguard_latest_handshake_seconds",
		      "# TYPE wireguard_latest_handshake_seconds gauge\n"
		      "wireguard_latest_handshake_seconds{interface=\"wg0\",public_key=\"AAAA\","
		      "allowed_ips=\"10.0.0.0/8,fd00::/8\",friendly_name=\"a\\\\b\\\"c\"} "
		      "1700000000\n"
		      "wireguard_latest_handshake_seconds{interface=\"wg0\",public_key=\"BBBB\","
		      "allowed_ips=\"\",friendly_name=\"\"} 0\n");
	assert_family(text, "wgx_peer_drops_total",
		      "# TYPE wgx_peer_drops_total counter\n"
		      "wgx_peer_drops_total{interface=\"wg0\",public_key=\"AAAA\","
		      "friendly_name=\"a\\\\b\\\"c\",reason=\"open_auth\"} 3\n");
	assert_null(strstr(text, "wgx_egress_frames_total")); /* not in this answer */
	free(text);
}

static void test_pieces(void **state)
{
	char *whole = render(answer, 65536);

	for (size_t step = 1; step < 300; step += 7) {
		char *text = render(answer, step);

		assert_string_equal(text, whole);
		free(text);
	}
	free(whole);
}

static void test_nothing(void **state)
{
	static const char want[] =
		"# HELP wgx_up Whether the daemon of this network namespace answers.\n"
		"# TYPE wgx_up gauge\nwgx_up 0\n";
	char *text = render(NULL, 100);

	assert_string_equal(text, want);
	free(text);
	text = render("{\"ok\":true}", 100); /* a daemon of another time */
	assert_non_null(strstr(text, "wgx_up 1\n"));
	free(text);
}

static void test_long_list(void **state)
{
	json_t *list = json_array(), *o;
	char *text, *end, *label;

	for (int i = 0; i < 200; i++)
		json_array_append_new(list, json_sprintf("10.0.%d.0/24", i));
	o = json_pack("{s:[{s:s, s:[{s:o, s:i}]}]}", "interfaces", "name", "wg0", "peers",
		      "allowed_ips", list, "tx_bytes", 1);
	assert_non_null(o);
	text = json_dumps(o, 0);
	json_decref(o);
	label = render(text, 4096);
	free(text);
	text = strstr(label, "allowed_ips=\"") + strlen("allowed_ips=\"");
	end = strchr(text, '"');
	assert_true(end - text < 1024 && end - text > 1000);
	assert_memory_equal(text, "10.0.0.0/24,10.0.1.0/24,", 24);
	assert_memory_equal(end - 7, "/24,...\"", 8);
	free(label);
}

static void test_names(void **state)
{
	for (size_t i = 0; i < wgx_families_count; i++) {
		const struct wgx_family *f = &wgx_families[i];
		size_t len = strlen(f->name);
		int total = len > 6 && !strcmp(f->name + len - 6, "_total");

		assert_true(!f->write != !f->write_peer);
		assert_int_equal(total, !strcmp(f->type, "counter"));
		assert_true(total || !strcmp(f->type, "gauge"));
		assert_null(strpbrk(f->help, "\\\n"));
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(f->name, wgx_families[j].name);
	}
}

static void test_places(void **state)
{
	static const char *const wrong[] = {"",
					    "9586",
					    ":9586",
					    "localhost:9586",
					    "127.1:1",
					    "::1:80",
					    "127.0.0.1:65536",
					    "127.0.0.1:",
					    "relative/path"};
	struct wgx_metrics_place p;

	assert_int_equal(wgx_metrics_place_parse("127.0.0.1:9586", &p), 0);
	assert_null(p.path);
	assert_int_equal(ntohs(p.tcp.addr.v4.sin_port), 9586);
	assert_int_equal(wgx_metrics_place_parse("[::1]:80", &p), 0);
	assert_int_equal(p.tcp.addr.sa.sa_family, AF_INET6);
	assert_int_equal(wgx_metrics_place_parse("/run/x:1", &p), 0);
	assert_string_equal(p.path, "/run/x:1");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(wgx_metrics_place_parse(wrong[i], &p), -EINVAL);
	assert_string_equal(p.path, "/run/x:1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_families), cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_nothing),	 cmocka_unit_test(test_long_list),
		cmocka_unit_test(test_names),	 cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
