/* SPDX-License-Identifier: MIT */
/* Events for `wgx monitor`: the ring, who was too slow for it, their JSON and their text, and bursts of losses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/monitor.h"
#include "daemon/burst.h"
#include "daemon/news.h"

static void add(struct wgx_news *n, uint16_t port)
{
	const struct wgx_news_item item = {.type = WGX_NEWS_UP, .interface = "wg0", .port = port};

	wgx_news_add(n, &item);
}

/* The next one's port; -1: there is none */
static int next(struct wgx_news *n, uint64_t *cursor, uint64_t *missed)
{
	struct wgx_news_item item;

	*missed = 0;
	return wgx_news_next(n, cursor, &item, missed) ? item.port : -1;
}

static bool awake(const struct wgx_news *n)
{
	uint64_t count;

	return read(n->fd, &count, sizeof(count)) == sizeof(count);
}

static void test_listeners(void **state)
{
	uint64_t a, b, missed;
	struct wgx_news n;

	assert_int_equal(wgx_news_init(&n), 0);
	assert_false(wgx_news_wanted(&n));
	add(&n, 1); /* nobody listens: not even memory is taken */
	assert_null(n.ring);
	assert_false(awake(&n));
	assert_int_equal(wgx_news_listen(&n, &a), 0);
	assert_true(wgx_news_wanted(&n));
	assert_int_equal(next(&n, &a, &missed), -1);
	add(&n, 2);
	assert_true(awake(&n));
	assert_int_equal(wgx_news_listen(&n, &b), 0);
	add(&n, 3);
	assert_int_equal(next(&n, &a, &missed), 2);
	assert_int_equal(next(&n, &a, &missed), 3);
	assert_int_equal(next(&n, &a, &missed), -1);
	assert_int_equal(next(&n, &b, &missed), 3); /* what was before is not told */
	wgx_news_leave(&n);
	add(&n, 4);
	assert_int_equal(next(&n, &b, &missed), 4);
	wgx_news_leave(&n);
	assert_null(n.ring);
	assert_int_equal(next(&n, &b, &missed), -1);
	/* and again, with a new ring */
	assert_int_equal(wgx_news_listen(&n, &a), 0);
	add(&n, 5);
	assert_int_equal(next(&n, &a, &missed), 5);
	assert_int_equal(missed, 0);
	wgx_news_leave(&n);
	wgx_news_free(&n);
}

static void test_too_slow(void **state)
{
	uint64_t slow, quick, missed;
	struct wgx_news n;

	assert_int_equal(wgx_news_init(&n), 0);
	assert_int_equal(wgx_news_listen(&n, &slow), 0);
	assert_int_equal(wgx_news_listen(&n, &quick), 0);
	for (uint16_t i = 0; i < WGX_NEWS_MAX + 10; i++) {
		add(&n, i);
		assert_int_equal(next(&n, &quick, &missed), i);
		assert_int_equal(missed, 0);
	}
	assert_int_equal(next(&n, &slow, &missed), 10);
	assert_int_equal(missed, 10);
	for (uint16_t i = 11; i < WGX_NEWS_MAX + 10; i++) {
		assert_int_equal(next(&n, &slow, &missed), i);
		assert_int_equal(missed, 0);
	}
	assert_int_equal(next(&n, &slow, &missed), -1);
	wgx_news_leave(&n);
	wgx_news_leave(&n);
	wgx_news_free(&n);
}

/* ---- JSON and text ---- */

#define KEY "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void check_event(json_t *event, const char *json, const char *text)
{
	char *dumped, *printed = NULL;
	size_t len;
	struct wgx_text t = {.out = open_memstream(&printed, &len)};

	assert_non_null(event);
	dumped = json_dumps(event, JSON_COMPACT | JSON_REAL_PRECISION(13));
	assert_string_equal(dumped, json);
	wgx_monitor_print(&t, event);
	fclose(t.out);
	assert_string_equal(printed, text);
	free(printed);
	free(dumped);
	json_decref(event);
}

#define AT UINT64_C(1700000000123456789)
#define TIME "{\"time\":1700000000.123,\"event\":"
#define CLOCK "2023-11-14 22:13:20.123 "

static void test_json(void **state)
{
	struct wgx_news_item peer = {.type = WGX_NEWS_HANDSHAKE,
				     .real = AT,
				     .interface = "wg0",
				     .of_peer = true,
				     .name = "B",
				     .endpoint = "192.0.2.2:51820"};
	struct wgx_news_item drops = {.type = WGX_NEWS_DROPS,
				      .real = AT,
				      .reason = WGX_DROP_EGRESS_NO_PEER,
				      .packets = 1,
				      .seconds = 10};
	struct wgx_news_item device = {
		.type = WGX_NEWS_ATTACHED, .real = AT, .device = "eth0", .mode = "tcx"};

	check_event(wgx_news_json(&peer),
		    TIME "\"handshake\",\"interface\":\"wg0\",\"public_key\":\"" KEY
			 "\",\"name\":\"B\",\"endpoint\":\"192.0.2.2:51820\"}",
		    CLOCK "wg0: peer " KEY " (B): handshake completed, 192.0.2.2:51820\n");
	peer.type = WGX_NEWS_EXPIRED;
	peer.name[0] = '\0';
	check_event(wgx_news_json(&peer),
		    TIME "\"expired\",\"interface\":\"wg0\",\"public_key\":\"" KEY
			 "\",\"name\":null}",
		    CLOCK "wg0: peer " KEY ": session keys expired\n");
	check_event(wgx_news_json(&drops),
		    TIME "\"drops\",\"interface\":null,\"reason\":\"egress_no_peer\","
			 "\"packets\":1,\"seconds\":10}",
		    CLOCK "1 packet lost in 10 seconds: egress_no_peer\n");
	check_event(wgx_news_json(&device),
		    TIME "\"attached\",\"device\":\"eth0\",\"mode\":\"tcx\"}",
		    CLOCK "eth0: attached, mode tcx\n");
	check_event(json_pack("{s:f, s:s, s:s}", "time", 1700000000.123, "event", "of_later",
			      "interface", "wg0"),
		    TIME "\"of_later\",\"interface\":\"wg0\"}", CLOCK "wg0: of_later\n");
}

/* Each type has a text of its own. */
static void test_all_texts(void **state)
{
	static const char *const events[] = {
#define X(name, event) event,
		WGX_NEWS_TYPES(X)
#undef X
			"missed",
		"daemon_up",
		"daemon_gone",
	};

	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		json_t *event = json_pack("{s:f, s:s}", "time", 0.0, "event", events[i]);
		char *printed = NULL, raw[64];
		size_t len;
		struct wgx_text t = {.out = open_memstream(&printed, &len)};

		wgx_monitor_print(&t, event);
		fclose(t.out);
		snprintf(raw, sizeof(raw), "1970-01-01 00:00:00.000 %s\n", events[i]);
		if (strcmp(events[i], "down") != 0 && strcmp(events[i], "detached") != 0)
			assert_string_not_equal(printed, raw);
		free(printed);
		json_decref(event);
	}
}

/* ---- bursts ---- */

static void test_bursts(void **state)
{
	uint64_t packets = 99, seconds = 99, told = 0, messages = 0;
	struct wgx_burst b = {0};

	wgx_burst_begin(&b, 5); /* old losses are no news */
	assert_false(wgx_burst_due(&b, 5, 100, &packets, &seconds));
	assert_true(wgx_burst_due(&b, 8, 101, &packets, &seconds)); /* the first at once */
	assert_int_equal(packets, 3);
	assert_int_equal(seconds, 1);
	/* then one in ten seconds, and none is forgotten */
	for (uint64_t now = 102; now <= 131; now++)
		if (wgx_burst_due(&b, 8 + now - 101, now, &packets, &seconds)) {
			assert_int_equal(seconds, 10);
			told += packets;
			messages++;
		}
	assert_int_equal(messages, 3);
	assert_int_equal(told, 30);
	/* quiet for long: the next is a new one */
	assert_false(wgx_burst_due(&b, 38, 200, &packets, &seconds));
	assert_true(wgx_burst_due(&b, 39, 201, &packets, &seconds));
	assert_int_equal(seconds, 1);
	/* a counter that began anew */
	assert_false(wgx_burst_due(&b, 2, 300, &packets, &seconds));
	assert_true(wgx_burst_due(&b, 3, 301, &packets, &seconds));
	assert_int_equal(packets, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listeners), cmocka_unit_test(test_too_slow),
		cmocka_unit_test(test_json),	  cmocka_unit_test(test_all_texts),
		cmocka_unit_test(test_bursts),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
