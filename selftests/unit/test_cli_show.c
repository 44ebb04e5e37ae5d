/* SPDX-License-Identifier: MIT */
/* What `wgx show` prints, to the letter. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <wgx/drops.h>

#include "cli/show.h"
#include "cli/text.h"

/* ---- text ---- */

static char *text_buf;
static size_t text_len;

static struct wgx_text open_text(bool colour)
{
	return (struct wgx_text){.out = open_memstream(&text_buf, &text_len), .colour = colour};
}

static void close_text(struct wgx_text *t, const char *want)
{
	fclose(t->out);
	assert_string_equal(text_buf, want);
	free(text_buf);
}

static void test_bytes(void **state)
{
	struct wgx_text t = open_text(false);
	static const uint64_t values[] = {0,	      1023,	  1024,	      1536,	 3 << 20,
					  1288490189, 1ull << 40, 5ull << 50, UINT64_MAX};

	for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
		wgx_text_bytes(&t, values[i]);
		fputc('\n', t.out);
	}
	close_text(&t, "0 B\n1023 B\n1.00 KiB\n1.50 KiB\n3.00 MiB\n1.20 GiB\n1.00 TiB\n"
		       "5120.00 TiB\n16777216.00 TiB\n");
	t = open_text(true);
	wgx_text_bytes(&t, 1024);
	close_text(&t, "1.00 \x1b[36mKiB\x1b[0m");
}

static void test_time(void **state)
{
	struct wgx_text t = open_text(false);

	wgx_text_duration(&t, 1);
	fputc('\n', t.out);
	wgx_text_duration(&t, 63);
	fputc('\n', t.out);
	wgx_text_duration(&t, 3600);
	fputc('\n', t.out);
	wgx_text_duration(&t, 2 * 31536000ull + 86400 + 2 * 3600 + 59 * 60 + 59);
	fputc('\n', t.out);
	wgx_text_ago(&t, 100, 100);
	fputc('\n', t.out);
	wgx_text_ago(&t, 100, 163);
	fputc('\n', t.out);
	wgx_text_ago(&t, 101, 100);
	close_text(&t, "1 second\n1 minute, 3 seconds\n1 hour\n"
		       "2 years, 1 day, 2 hours, 59 minutes, 59 seconds\nNow\n"
		       "1 minute, 3 seconds ago\n"
		       "(System clock wound backward; connection problems may ensue.)");
	t = open_text(true);
	wgx_text_ago(&t, 0, 2);
	close_text(&t, "2 \x1b[36mseconds\x1b[0m ago");
}

static void test_share(void **state)
{
	struct wgx_text t = open_text(false);

	wgx_text_share(&t, 0, 5);
	fputc(' ', t.out);
	wgx_text_share(&t, UINT64_MAX - 1, UINT64_MAX);
	fputc(' ', t.out);
	wgx_text_share(&t, 1, 3);
	fputc(' ', t.out);
	wgx_text_share(&t, 7, 7);
	fputc(' ', t.out);
	wgx_text_share(&t, 8, 7);
	close_text(&t, "0.0 % 99.9 % 33.3 % 100.0 % 100.0 %");
}

/* ---- show ---- */

static const char show_answer[] =
	"{\"ok\":true,\"version\":\"0.1.0\",\"pid\":12,\"interfaces\":[{\"name\":\"wg0\","
	"\"ifindex\":7,\"up\":true,\"mtu\":1420,"
	"\"public_key\":\"hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\",\"listen_port\":51820,"
	"\"fwmark\":255,\"aead\":\"ipsec-mb\",\"mode\":\"tcx stamp → generic XDP → AF_XDP\","
	"\"mode_in\":\"tcx → collector → AF_XDP\",\"mode_out\":\"UDP_SEGMENT\","
	"\"counters\":{\"xsk_rx_frames\":46210,\"xsk_rx_bytes\":1500000000,\"egress_bytes\":"
	"1503000000,"
	"\"sealed_packets\":1100000,\"sealed_bytes\":1503000000,\"opened_packets\":1234600,"
	"\"opened_bytes\":1728000000,\"opened_xsk_packets\":1234567,"
	"\"opened_xsk_bytes\":1727999999,\"opened_socket_packets\":33,"
	"\"opened_socket_bytes\":1,\"injected_packets\":28000,\"injected_segments\":1234000},"
	"\"drops\":{\"egress_credit\":12,\"open_auth\":0,\"open_replay\":1},\"peers\":["
	"{\"id\":1,\"public_key\":\"AAAA\",\"endpoint\":null,\"allowed_ips\":[],"
	"\"latest_handshake\":0,\"rx_bytes\":0,\"tx_bytes\":0,\"persistent_keepalive\":0},"
	"{\"id\":2,\"public_key\":\"BBBB\",\"name\":\"Bob\",\"endpoint\":\"192.0.2.1:51820\","
	"\"allowed_ips\":[\"10.0.0.0/8\",\"fd00::/8\"],\"latest_handshake\":1700000000,"
	"\"rx_bytes\":1288490189,\"tx_bytes\":3145728,\"persistent_keepalive\":25},"
	"{\"id\":3,\"public_key\":\"CCCC\",\"endpoint\":\"[2001:db8::1]:5\","
	"\"allowed_ips\":[\"::/0\"],\"latest_handshake\":1700000060,\"rx_bytes\":0,"
	"\"tx_bytes\":148,\"persistent_keepalive\":0}]},"
	"{\"name\":\"wg1\",\"ifindex\":9,\"up\":false,\"mtu\":1280,\"public_key\":null,"
	"\"listen_port\":0,\"fwmark\":0,\"counters\":{},\"drops\":{},\"peers\":[]}],"
	"\"attached\":[{\"device\":\"eth0\",\"mode\":\"tcx\",\"counters\":"
	"{\"ingress_steered\":40000,\"ingress_passed\":0,\"ingress_bytes\":9},\"strict\":null},"
	"{\"device\":\"eth1\",\"mode\":\"none\",\"af_xdp\":{\"queues\":4,\"zero_copy\":3,"
	"\"why_copy\":\"Invalid argument\"},\"counters\":{},\"strict\":{\"exempt\":[],"
	"\"report\":false,\"inherited\":false,\"all_plaintext\":false,\"drops\":{"
	"\"strict_egress\":0,\"strict_ingress\":0}}},"
	"{\"device\":\"eth2\",\"mode\":\"none\",\"counters\":{},\"strict\":{\"exempt\":["
	"\"192.0.2.0/24\",\"fd00::/8\"],\"report\":true,\"inherited\":true,"
	"\"all_plaintext\":true,\"drops\":{\"strict_egress\":7,\"strict_ingress\":0}}}]}\n";

static const char show_text[] =
	"interface: wg0\n"
	"  public key: hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=\n"
	"  listening port: 51820\n"
	"  fwmark: 0xff\n"
	"  state: up, mtu 1420\n"
	"  mode: tcx stamp → generic XDP → AF_XDP\n"
	"  mode in: tcx → collector → AF_XDP\n"
	"  mode out: UDP_SEGMENT\n"
	"  aead: ipsec-mb\n"
	"  sealed: 1100000 packets, 1.40 GiB\n"
	"  opened: 1234600 packets, 1.61 GiB\n"
	"  af_xdp: 1234567 packets in, 99.9 % of received data; "
	"46210 frames out, 99.8 % of sent data\n"
	"  socket: 33 packets, 1 B\n"
	"  injected: 28000 packets of 1234000 segments\n"
	"  drops: egress_credit 12, open_replay 1\n"
	"\n"
	"peer: CCCC\n"
	"  endpoint: [2001:db8::1]:5\n"
	"  allowed ips: ::/0\n"
	"  latest handshake: 3 seconds ago\n"
	"  transfer: 0 B received, 148 B sent\n"
	"\n"
	"peer: BBBB\n"
	"  name: Bob\n"
	"  endpoint: 192.0.2.1:51820\n"
	"  allowed ips: 10.0.0.0/8, fd00::/8\n"
	"  latest handshake: 1 minute, 3 seconds ago\n"
	"  transfer: 1.20 GiB received, 3.00 MiB sent\n"
	"  persistent keepalive: every 25 seconds\n"
	"\n"
	"peer: AAAA\n"
	"  allowed ips: (none)\n"
	"\n"
	"interface: wg1\n"
	"  state: down, mtu 1280\n"
	"\n"
	"attached: eth0\n"
	"  mode: tcx\n"
	"  counters: ingress_steered 40000, ingress_bytes 9\n"
	"\n"
	"attached: eth1\n"
	"  mode: none\n"
	"  af_xdp: zero-copy on 3 of 4 queues; copy mode: Invalid argument\n"
	"  strict: on\n"
	"\n"
	"attached: eth2\n"
	"  mode: none\n"
	"  strict: on; exempt 192.0.2.0/24, fd00::/8; as the daemon that died had it; "
	"all plaintext that is not exempt is dropped\n"
	"  drops: strict_egress 7\n";

static void test_show_text(void **state)
{
	struct wgx_text t = open_text(false);
	json_t *a = json_loads(show_answer, 0, NULL);

	assert_non_null(a);
	wgx_show_print(&t, a, 1700000063);
	close_text(&t, show_text);
	json_decref(a);
}

static void test_show_peer(void **state)
{
	struct wgx_text t = open_text(false);
	json_t *a =
		json_loads("{\"interfaces\":[{\"name\":\"wg0\",\"peers\":[{\"public_key\":\"K\","
			   "\"name\":\"Bob\",\"endpoint\":null,\"allowed_ips\":[\"::/0\"],"
			   "\"drops\":{\"open_replay\":7}}]}]}",
			   0, NULL);

	assert_non_null(a);
	wgx_show_peer_print(&t, a, 0);
	close_text(&t, "peer: K\n  name: Bob\n  allowed ips: ::/0\n  drops: open_replay 7\n");
	t = open_text(false);
	wgx_show_peer_drops_print(&t, a);
	close_text(&t, "peer: K (Bob)\n"
		       "  open_replay                         7  open worker           "
		       "counter seen before, or behind the window\n");
	json_decref(a);
	a = json_object();
	t = open_text(false);
	wgx_show_peer_print(&t, a, 0);
	wgx_show_peer_drops_print(&t, a);
	close_text(&t, "peer: (none)\n  allowed ips: (none)\npeer: (none)\n  none\n");
	json_decref(a);
}

static void test_show_colours(void **state)
{
	struct wgx_text t = open_text(true);
	json_t *a = json_loads("{\"interfaces\":[{\"name\":\"wg0\",\"mtu\":1420,\"peers\":"
			       "[{\"public_key\":\"K\",\"persistent_keepalive\":1}]}]}",
			       0, NULL);

	wgx_show_print(&t, a, 0);
	close_text(&t, "\x1b[32m\x1b[1minterface\x1b[0m: \x1b[32mwg0\x1b[0m\n"
		       "  \x1b[1mstate\x1b[0m: down, mtu 1420\n\n"
		       "\x1b[33m\x1b[1mpeer\x1b[0m: \x1b[33mK\x1b[0m\n"
		       "  \x1b[1mallowed ips\x1b[0m: (none)\n"
		       "  \x1b[1mpersistent keepalive\x1b[0m: every 1 \x1b[36msecond\x1b[0m\n");
	json_decref(a);
}

/* An answer of another version, or a broken one, is shown as far as it goes. */
static void test_show_odd(void **state)
{
	struct wgx_text t = open_text(false);
	json_t *a = json_loads("{\"interfaces\":[{\"name\":5,\"peers\":[null,{\"allowed_ips\":"
			       "[null]}],\"drops\":[1]},null],\"attached\":{}}",
			       0, NULL);

	wgx_show_print(&t, a, 0);
	close_text(
		&t,
		"interface: (none)\n  state: down, mtu 0\n\npeer: (none)\n  allowed ips: (none)\n"
		"\npeer: (none)\n  allowed ips: ?\n\ninterface: (none)\n"
		"  state: down, mtu 0\n");
	json_decref(a);
}

/* ---- show --drops ---- */

static void test_drops(void **state)
{
	static const char answer[] =
		"{\"interfaces\":[{\"name\":\"wg0\",\"drops\":{\"egress_credit\":12,\"open_auth\":"
		"0,"
		"\"open_replay\":123456789012},\"peers\":[{\"public_key\":\"AAAA\",\"drops\":{}},"
		"{\"public_key\":\"BBBB\",\"drops\":{\"open_replay\":7}},{\"public_key\":\"CCCC\"}]"
		"},"
		"{\"name\":\"wg1\",\"drops\":{\"send_error\":0},\"peers\":[]}],"
		"\"drops\":{\"steer_no_ring\":3,\"new_one\":4}}";
	struct wgx_text t = open_text(false);
	json_t *a = json_loads(answer, 0, NULL);

	assert_non_null(a);
	wgx_show_drops_print(&t, a);
	close_text(&t, "interface: wg0\n"
		       "  egress_credit                      12  wg0, outgoing         "
		       "seal ring over its credit: local congestion\n"
		       "  open_replay              123456789012  open worker           "
		       "counter seen before, or behind the window\n"
		       "peer: BBBB\n"
		       "  open_replay                         7  open worker           "
		       "counter seen before, or behind the window\n"
		       "interface: wg1\n"
		       "  none\n"
		       "of no interface:\n"
		       "  steer_no_ring                       3  AF_XDP ring           "
		       "no AF_XDP socket listens, or its ring is full\n"
		       "  new_one                             4  -                     "
		       "(unknown to this version)\n");
	json_decref(a);
	t = open_text(true);
	a = json_loads("{\"interfaces\":[{\"drops\":[1],\"peers\":[null,{\"drops\":5}]},null]}", 0,
		       NULL);
	wgx_show_drops_print(&t, a);
	close_text(&t, "\x1b[1minterface\x1b[0m: (none)\n  none\n\x1b[1minterface\x1b[0m: (none)\n"
		       "  none\n\x1b[1mof no interface\x1b[0m:\n  none\n");
	json_decref(a);
}

/* Every reason is lost somewhere. */
static void test_drop_places(void **state)
{
	static const char *const labels[] = {
#define X(name, label, text) label,
		WGX_DROP_REASONS(X)
#undef X
	};
	struct wgx_text t = open_text(false);
	json_t *a = json_pack("{s:{}}", "drops");

	for (size_t i = 0; i < WGX_DROP_COUNT; i++)
		json_object_set_new(json_object_get(a, "drops"), labels[i], json_integer(1));
	wgx_show_drops_print(&t, a);
	fclose(t.out);
	for (size_t i = 0; i < WGX_DROP_COUNT; i++)
		assert_non_null(strstr(text_buf, labels[i]));
	assert_null(strstr(text_buf, "(unknown"));
	assert_null(strstr(text_buf, "  -  "));
	free(text_buf);
	json_decref(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),	    cmocka_unit_test(test_time),
		cmocka_unit_test(test_share),	    cmocka_unit_test(test_show_text),
		cmocka_unit_test(test_show_peer),   cmocka_unit_test(test_show_colours),
		cmocka_unit_test(test_show_odd),    cmocka_unit_test(test_drops),
		cmocka_unit_test(test_drop_places),
	};

	return cmocka_run_group_tests_name("cli show", tests, NULL, NULL);
}
