/* SPDX-License-Identifier: MIT */
/* wgx top: rates, peers known again, their order, and pictures of every size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "top/frame.h"
#include "top/model.h"

#define S UINT64_C(1000000000)
#define NOW 1700000000 /* 22:13:20 UTC */

/* A peer of the answer; its key is @key and zeros. */
static json_t *peer(char key, const char *name, uint64_t rx, uint64_t tx, int64_t handshake,
		    int drops)
{
	char text[WGX_KEY_TEXT_SIZE];

	memset(text, 'A', sizeof(text));
	text[0] = key;
	text[WGX_KEY_TEXT_LEN - 1] = '=';
	text[WGX_KEY_TEXT_LEN] = '\0';
	return json_pack("{s:s, s:s?, s:s, s:I, s:I, s:I, s:{s:i}}", "public_key", text, "name",
			 name, "endpoint", "192.0.2.2:51820", "rx_bytes", (json_int_t)rx,
			 "tx_bytes", (json_int_t)tx, "latest_handshake", (json_int_t)handshake,
			 "drops", "send_error", drops);
}

/* @peers: taken */
static json_t *answer(int pid, json_t *peers, int drops, uint64_t cpu)
{
	return json_pack("{s:i, s:[{s:s, s:b, s:i, s:{s:i, s:i}, s:o}], s:[{s:s, s:I}], s:{s:i}}",
			 "pid", pid, "interfaces", "name", "wg0", "up", 1, "listen_port", 51820,
			 "drops", "send_error", drops, "open_auth", 1, "peers", peers, "threads",
			 "name", "wgx-seal", "cpu_ns", (json_int_t)cpu, "drops", "open_stray", 3);
}

static void sample(struct wgx_top *t, json_t *show, uint64_t at)
{
	assert_int_equal(wgx_top_sample(t, show, at, NOW + (int64_t)(at / S)), 0);
	json_decref(show);
}

/* By its key's first character */
static const struct wgx_top_peer *find(const struct wgx_top *t, char key)
{
	for (size_t i = 0; i < t->n_peers; i++)
		if (t->peers[i].public_key[0] == key)
			return &t->peers[i];
	return NULL;
}

static void assert_rate(double got, double want)
{
	assert_true(got > want - 0.001 && got < want + 0.001);
}

/* ---- the model ---- */

static void test_rates(void **state)
{
	struct wgx_top t = {0};
	const struct wgx_top_peer *p;

	sample(&t,
	       answer(1,
		      json_pack("[o, o]", peer('a', "a", 1000, 500, 0, 0),
				peer('b', NULL, 7, 7, 0, 0)),
		      10, S),
	       5 * S);
	assert_false(t.rates);
	assert_rate(find(&t, 'a')->counts.rx_rate, 0);
	/* two seconds later, the other way round */
	sample(&t,
	       answer(1,
		      json_pack("[o, o]", peer('b', NULL, 7, 7, 0, 0),
				peer('a', "a", 3000, 1500, 0, 8)),
		      30, 2 * S),
	       7 * S);
	assert_true(t.rates);
	p = find(&t, 'a');
	assert_rate(p->counts.rx_rate, 1000);
	assert_rate(p->counts.tx_rate, 500);
	assert_rate(p->counts.drop_rate, 4);
	assert_int_equal(p->counts.drops, 8);
	assert_rate(p->history[WGX_TOP_HISTORY - 1], 1500);
	assert_rate(p->history[WGX_TOP_HISTORY - 2], 0);
	assert_rate(find(&t, 'b')->counts.rx_rate, 0);
	assert_rate(t.interfaces[0].counts.rx_rate, 1000);
	assert_rate(t.interfaces[0].counts.drop_rate, 10);
	assert_int_equal(t.interfaces[0].counts.drops, 31);
	assert_rate(t.threads[0].share, 0.5);
	assert_rate(wgx_top_sum(&t).tx_rate, 500);
	assert_int_equal(wgx_top_sum(&t).drops, 34);
	/* its history moves on */
	sample(&t, answer(1, json_pack("[o]", peer('a', "a", 3100, 1500, 0, 8)), 30, 2 * S), 8 * S);
	p = find(&t, 'a');
	assert_rate(p->history[WGX_TOP_HISTORY - 1], 100);
	assert_rate(p->history[WGX_TOP_HISTORY - 2], 1500);
	assert_null(find(&t, 'b'));
	wgx_top_free(&t);
}

/* Counts that begin anew, a new daemon, and two samples at once: no rate is wild. */
static void test_no_wild_rates(void **state)
{
	struct wgx_top t = {0};

	sample(&t, answer(1, json_pack("[o]", peer('a', NULL, 5000, 5000, 0, 5)), 9, 9 * S), 5 * S);
	sample(&t, answer(1, json_pack("[o]", peer('a', NULL, 10, 20, 0, 0)), 2, 10 * S), 6 * S);
	assert_rate(find(&t, 'a')->counts.rx_rate, 0);
	assert_rate(find(&t, 'a')->counts.drop_rate, 0);
	assert_rate(t.interfaces[0].counts.drop_rate, 0);
	sample(&t, answer(1, json_pack("[o]", peer('a', NULL, 20, 20, 0, 0)), 2, 10 * S), 6 * S);
	assert_false(t.rates);
	assert_rate(find(&t, 'a')->counts.rx_rate, 0);
	sample(&t, answer(2, json_pack("[o]", peer('a', NULL, 90000, 20, 0, 0)), 2, S), 9 * S);
	assert_false(t.rates);
	assert_rate(find(&t, 'a')->counts.rx_rate, 0);
	/* a new peer among old ones has no rate yet */
	sample(&t,
	       answer(2,
		      json_pack("[o, o]", peer('a', NULL, 90010, 20, 0, 0),
				peer('Z', NULL, 777, 0, 0, 0)),
		      2, S),
	       10 * S);
	assert_rate(find(&t, 'a')->counts.rx_rate, 10);
	assert_rate(find(&t, 'Z')->counts.rx_rate, 0);
	wgx_top_free(&t);
}

static void test_sort(void **state)
{
	static const struct {
		enum wgx_top_sort sort;
		const char *order;
	} cases[] = {
		{WGX_TOP_TRAFFIC, "cbad"}, /* a rate before a sum, and that before none */
		{WGX_TOP_HANDSHAKE, "adbc"},
		{WGX_TOP_DROPS, "dbac"},
		{WGX_TOP_NAME, "dbac"},
	};
	struct wgx_top t = {0};
	char order[5] = "";

	for (int i = 0; i < 2; i++)
		sample(&t,
		       answer(1,
			      json_pack("[o, o, o, o]", peer('d', "alice", 0, 0, 50, i * 9),
					peer('c', NULL, 10 + 100 * (unsigned int)i, 0, 0, 0),
					peer('a', NULL, 100, 0, 99, 0),
					peer('b', "bob", 1000, 0, 0, 1)),
			      0, 0),
		       (uint64_t)(i + 1) * S);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		t.sort = cases[i].sort;
		wgx_top_sort(&t);
		for (size_t n = 0; n < 4; n++)
			order[n] = t.peers[n].public_key[0];
		assert_string_equal(order, cases[i].order);
		assert_int_equal(wgx_top_sort_find(wgx_top_sort_name(cases[i].sort)),
				 cases[i].sort);
	}
	assert_int_equal(wgx_top_sort_find("size"), WGX_TOP_SORT_COUNT);
	wgx_top_free(&t);
}

static void test_many(void **state)
{
	struct wgx_top t = {0};

	for (int n = 0; n < 2; n++) {
		json_t *peers = json_array();

		for (int i = 0; i < 5000; i++) {
			json_t *p = peer('a', NULL, 100, 0, 0, 0);
			char key[WGX_KEY_TEXT_SIZE];

			snprintf(key, sizeof(key), "%043d=", n ? 4999 - i : i);
			json_object_set_new(p, "public_key", json_string(key));
			json_object_set_new(p, "rx_bytes", json_integer(n ? 100 + 4999 - i : 100));
			json_array_append_new(peers, p);
		}
		sample(&t, answer(1, peers, 0, 0), (uint64_t)(n + 1) * S);
	}
	assert_int_equal(t.n_peers, 5000);
	for (size_t i = 0; i < 5000; i++)
		assert_rate(t.peers[i].counts.rx_rate, 4999 - (double)i);
	wgx_top_free(&t);
}

static void test_nothing(void **state)
{
	struct wgx_top t = {0};
	json_t *empty = json_object();

	assert_int_equal(wgx_top_sample(&t, empty, S, NOW), 0);
	assert_int_equal(wgx_top_sample(&t, empty, 2 * S, NOW), 0);
	assert_int_equal(t.n_peers, 0);
	assert_rate(wgx_top_sum(&t).rx_rate, 0);
	json_decref(empty);
	wgx_top_free(&t);
}

/* ---- texts ---- */

static void test_amounts(void **state)
{
	static const struct {
		double value;
		const char *text;
	} cases[] = {{0, "0"},	      {1, "1"},		{999, "999"},	   {1000, "1.0K"},
		     {1536, "1.5K"},  {10240, "10K"},	{1023000, "999K"}, {1048576, "1.0M"},
		     {125e6, "119M"}, {1.25e9, "1.2G"}, {1.1e12, "1.0T"},  {1e15, "909T"},
		     {1e18, "888P"},  {1e21, "867E"}};
	char text[16];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		wgx_top_amount(cases[i].value, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
	}
}

static void test_ages(void **state)
{
	static const struct {
		int64_t age;
		const char *text;
	} cases[] = {{0, "0s"},	   {119, "119s"},   {120, "2m"},    {7199, "119m"},
		     {7200, "2h"}, {172799, "47h"}, {172800, "2d"}, {-5, "0s"}};
	char text[16];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		wgx_top_age(NOW - cases[i].age, NOW, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
	}
	wgx_top_age(0, NOW, text, sizeof(text));
	assert_string_equal(text, "-");
}

static void test_sparks(void **state)
{
	const float history[] = {99, 0, 1, 2, 4, 8};
	char text[64];

	wgx_top_spark(history, 6, 5, false, text, sizeof(text));
	assert_string_equal(text, " _.-#");
	wgx_top_spark(history, 6, 5, true, text, sizeof(text));
	assert_string_equal(text, " ▁▂▄█");
	wgx_top_spark(history, 2, 0, true, text, sizeof(text));
	assert_string_equal(text, "");
	wgx_top_spark(history + 1, 1, 9, true, text, sizeof(text));
	assert_string_equal(text, " ");
}

/* ---- pictures ---- */

#define PEERS 50

static void fill(struct wgx_top *t)
{
	for (int n = 0; n < 2; n++) {
		json_t *peers = json_array();

		for (int i = 0; i < PEERS; i++) {
			char name[16];

			snprintf(name, sizeof(name), "p%02d", i);
			json_array_append_new(peers, peer((char)('A' + i), name,
							  (uint64_t)(n * (PEERS - i) * 2048), 0,
							  NOW - 60, 0));
		}
		sample(t, answer(1, peers, n, (uint64_t)n * S / 4), (uint64_t)(n + 1) * S);
	}
}

static size_t columns_of(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void test_80x24(void **state)
{
	struct wgx_top_view v = {.width = 80, .height = 24, .sparklines = true, .live = true};
	struct wgx_top_line lines[24];
	struct wgx_top t = {0};

	fill(&t);
	assert_int_equal(wgx_top_frame(&t, &v, lines), 24);
	for (size_t i = 0; i < 24; i++)
		assert_true(columns_of(lines[i].text) <= 80);
	assert_string_equal(lines[0].text, "wgx top 22:13:22  1 interface, 50 peers  in 2.5MB/s  "
					   "out 0B/s  drops 1/s");
	assert_string_equal(lines[1].text, "cpu  wgx-seal 25%");
	assert_string_equal(lines[2].text, "wg0  up, port 51820  50 peers  in 2.5MB/s  out 0B/s  "
					   "drops 1/s, 2 in all");
	assert_string_equal(lines[3].text, "PEER           IFACE  ENDPOINT                AGE   "
					   "IN/s  OUT/s DROP/s TRAFFIC  ");
	assert_string_equal(lines[4].text, "p00            wg0    192.0.2.2:51820         62s   "
					   "100K      0      0         #");
	assert_int_equal(wgx_top_rows(&t, &v), 19);
	assert_memory_equal(lines[22].text, "p18 ", 4);
	assert_memory_equal(lines[23].text, "1-19 of 50 by traffic  q quit", 29);
	v.first = 31;
	assert_int_equal(wgx_top_frame(&t, &v, lines), 24);
	assert_memory_equal(lines[22].text, "p49 ", 4);
	assert_memory_equal(lines[23].text, "32-50 of 50 ", 12);
	v.paused = true;
	wgx_top_frame(&t, &v, lines);
	assert_non_null(strstr(lines[0].text, "PAUSED"));
	v.help = true;
	assert_true(wgx_top_frame(&t, &v, lines) <= 24);
	wgx_top_free(&t);
}

/* Nothing overflows, whatever the size, and names in UTF-8 are not torn. */
static void test_all_sizes(void **state)
{
	static struct wgx_top_line lines[64];
	struct wgx_top t = {0};

	fill(&t);
	for (size_t i = 0; i < t.n_peers; i++)
		snprintf(t.peers[i].interface, sizeof(t.peers[i].interface), "wgéééééé");
	for (size_t width = 0; width < 300; width++)
		for (size_t height = 0; height <= 64; height += width % 7 ? 13 : 1) {
			struct wgx_top_view v = {.width = width,
						 .height = height,
						 .first = width % PEERS,
						 .utf8 = true,
						 .sparklines = true,
						 .live = height % 2,
						 .help = width % 11 == 0};
			size_t n = wgx_top_frame(&t, &v, lines);

			assert_true(n <= height);
			for (size_t i = 0; i < n; i++) {
				json_t *valid = json_string(lines[i].text);

				assert_non_null(valid);
				json_decref(valid);
				assert_true(columns_of(lines[i].text) <= width);
			}
		}
	wgx_top_free(&t);
}

/* For scripts: whole keys, all peers, nothing at the end of lines. */
static void test_once(void **state)
{
	static struct wgx_top_line lines[64];
	struct wgx_top_view v = {.width = 132, .height = 64};
	struct wgx_top t = {0};

	fill(&t);
	t.peers[0].name[0] = '\0';
	assert_int_equal(wgx_top_frame(&t, &v, lines), 4 + PEERS);
	for (size_t i = 0; i < 4 + PEERS; i++) {
		size_t len = strlen(lines[i].text);

		assert_true(len && lines[i].text[len - 1] != ' ');
	}
	assert_memory_equal(lines[4].text, t.peers[0].public_key, WGX_KEY_TEXT_LEN);
	assert_null(strstr(lines[3].text, "TRAFFIC"));
	wgx_top_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rates),	cmocka_unit_test(test_no_wild_rates),
		cmocka_unit_test(test_sort),	cmocka_unit_test(test_many),
		cmocka_unit_test(test_nothing), cmocka_unit_test(test_amounts),
		cmocka_unit_test(test_ages),	cmocka_unit_test(test_sparks),
		cmocka_unit_test(test_80x24),	cmocka_unit_test(test_all_sizes),
		cmocka_unit_test(test_once),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
