/* SPDX-License-Identifier: MIT */
/* Events, for people: when, where, who, what. */
#include <string.h>
#include <time.h>

#include "cli/monitor.h"

#define TIME_END 253402300800.0 /* the year 10000 */

static const char *string_of(const json_t *event, const char *key)
{
	return json_string_value(json_object_get(event, key));
}

static json_int_t number_of(const json_t *event, const char *key)
{
	return json_integer_value(json_object_get(event, key));
}

static void print_time(const struct wgx_text *t, const json_t *event)
{
	double when = json_number_value(json_object_get(event, "time"));
	time_t seconds;
	char text[32] = "";
	struct tm tm;

	if (!(when >= 0 && when < TIME_END))
		when = 0;
	seconds = (time_t)when;
	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%F %T", &tm);
	fprintf(t->out, "%s.%03d ", text, (int)((when - (double)seconds) * 1000 + 0.5) % 1000);
}

static void print_where(const struct wgx_text *t, const json_t *event)
{
	const char *interface = string_of(event, "interface"), *device = string_of(event, "device");

	if (interface || device)
		fprintf(t->out, "%s%s%s: ", wgx_sgr(t, WGX_GREEN), interface ? interface : device,
			wgx_sgr(t, WGX_RESET));
}

static void print_peer(const struct wgx_text *t, const json_t *event)
{
	const char *key = string_of(event, "public_key"), *name = string_of(event, "name");

	if (!key)
		return;
	fprintf(t->out, "peer %s%s%s", wgx_sgr(t, WGX_YELLOW), key, wgx_sgr(t, WGX_RESET));
	if (name)
		fprintf(t->out, " (%s)", name);
	fputs(": ", t->out);
}

/* ---- what ---- */

static void print_up(const struct wgx_text *t, const json_t *event)
{
	fprintf(t->out, "up, port %" JSON_INTEGER_FORMAT, number_of(event, "listen_port"));
}

static void print_named(const struct wgx_text *t, const json_t *event)
{
	fputs(string_of(event, "name") ? "has this name now" : "has no name any more", t->out);
}

static void print_endpoint(const struct wgx_text *t, const json_t *event)
{
	const char *endpoint = string_of(event, "endpoint");

	fprintf(t->out, "endpoint %s", endpoint ? endpoint : "(none)");
}

static void print_handshake(const struct wgx_text *t, const json_t *event)
{
	const char *endpoint = string_of(event, "endpoint");

	fputs("handshake completed", t->out);
	if (endpoint)
		fprintf(t->out, ", %s", endpoint);
}

static void print_drops(const struct wgx_text *t, const json_t *event)
{
	const char *reason = string_of(event, "reason");
	json_int_t packets = number_of(event, "packets"), seconds = number_of(event, "seconds");

	fprintf(t->out,
		"%s%" JSON_INTEGER_FORMAT " packet%s lost%s in %" JSON_INTEGER_FORMAT
		" second%s: %s",
		wgx_sgr(t, WGX_RED), packets, packets == 1 ? "" : "s", wgx_sgr(t, WGX_RESET),
		seconds, seconds == 1 ? "" : "s", reason ? reason : "?");
}

static void print_attached(const struct wgx_text *t, const json_t *event)
{
	const char *mode = string_of(event, "mode");

	fprintf(t->out, "attached, mode %s", mode ? mode : "?");
}

static void print_missed(const struct wgx_text *t, const json_t *event)
{
	fprintf(t->out, "too slow: %" JSON_INTEGER_FORMAT " events missed",
		number_of(event, "events"));
}

static void print_daemon(const struct wgx_text *t, const json_t *event)
{
	fprintf(t->out, "wgx daemon, process %" JSON_INTEGER_FORMAT ": listening",
		number_of(event, "pid"));
}

static const struct {
	const char *event;
	void (*print)(const struct wgx_text *t, const json_t *event);
	const char *text; /* where that is all */
} texts[] = {
	{"interface_added", NULL, "interface created"},
	{"interface_removed", NULL, "interface deleted"},
	{"up", print_up, NULL},
	{"down", NULL, "down"},
	{"peer_added", NULL, "added"},
	{"peer_removed", NULL, "removed"},
	{"peer_named", print_named, NULL},
	{"endpoint", print_endpoint, NULL},
	{"handshake", print_handshake, NULL},
	{"expired", NULL, "session keys expired"},
	{"unanswered", NULL, "handshake given up: no answer"},
	{"drops", print_drops, NULL},
	{"attached", print_attached, NULL},
	{"detached", NULL, "detached"},
	{"device_gone", NULL, "the device went away; attached again when it is back"},
	{"missed", print_missed, NULL},
	{"daemon_up", print_daemon, NULL},
	{"daemon_gone", NULL, "no wgx daemon"},
};

void wgx_monitor_print(const struct wgx_text *t, const json_t *event)
{
	const char *name = string_of(event, "event");

	print_time(t, event);
	print_where(t, event);
	print_peer(t, event);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		if (!name || strcmp(texts[i].event, name) != 0)
			continue;
		if (texts[i].print)
			texts[i].print(t, event);
		else
			fputs(texts[i].text, t->out);
		fputc('\n', t->out);
		return;
	}
	fprintf(t->out, "%s\n", name ? name : "?"); /* a later daemon's */
}
