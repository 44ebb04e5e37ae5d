/* SPDX-License-Identifier: MIT */
#include "top/frame.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define INTERFACES_SHOWN 4 /* more are summed up, so that peers have room */
#define WIDTH_MAX 250

/* ---- numbers ---- */

void wgx_top_amount(double value, char *text, size_t size)
{
	static const char prefixes[] = "KMGTPE";
	const char *prefix = NULL;

	while (value >= 999.5 && (!prefix || prefix[1])) {
		value /= 1024;
		prefix = prefix ? prefix + 1 : prefixes;
	}
	if (!prefix)
		snprintf(text, size, "%.0f", value);
	else
		snprintf(text, size, value < 9.95 ? "%.1f%c" : "%.0f%c", value, *prefix);
}

void wgx_top_age(int64_t then, int64_t now, char *text, size_t size)
{
	static const struct {
		int64_t seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	int64_t age = now > then ? now - then : 0;
	size_t i = 0;

	if (!then) {
		snprintf(text, size, "-");
		return;
	}
	while (units[i].seconds > 1 && age < 2 * units[i].seconds)
		i++;
	snprintf(text, size, "%lld%c", (long long)(age / units[i].seconds), units[i].unit);
}

void wgx_top_spark(const float *history, size_t n, size_t columns, bool utf8, char *text,
		   size_t size)
{
	static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	static const char *const ascii[] = {" ", "_", ".", ":", "-", "=", "+", "*", "#"};
	const char *const *levels = utf8 ? blocks : ascii;
	size_t used = 0, first = n > columns ? n - columns : 0;
	float most = 0;

	for (size_t i = first; i < n; i++)
		most = history[i] > most ? history[i] : most;
	text[0] = '\0';
	for (size_t i = first; i < n && used + 4 < size; i++) {
		int level = history[i] > 0 ? 1 + (int)(history[i] / most * 7) : 0;

		used += (size_t)snprintf(text + used, size - used, "%s", levels[level]);
	}
}

/* ---- lines ---- */

struct picture {
	struct wgx_top_line *lines;
	size_t n, height, width;
};

/* What is left of @text in @width columns; a character of UTF-8 is one column. */
static size_t cut(const char *text, size_t width)
{
	size_t bytes = 0, columns = 0;

	while (text[bytes]) {
		if (((unsigned char)text[bytes] & 0xc0) != 0x80 && columns++ == width)
			break;
		bytes++;
	}
	return bytes;
}

static size_t columns_of(const char *text)
{
	size_t columns = 0;

	for (; *text; text++)
		columns += ((unsigned char)*text & 0xc0) != 0x80;
	return columns;
}

static void add_line(struct picture *p, enum wgx_top_style style, const char *text)
{
	struct wgx_top_line *l;

	if (p->n == p->height)
		return;
	l = &p->lines[p->n++];
	l->style = style;
	snprintf(l->text, sizeof(l->text), "%.*s", (int)cut(text, p->width), text);
}

static void add_format(struct picture *p, enum wgx_top_style style, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void add_format(struct picture *p, enum wgx_top_style style, const char *format, ...)
{
	char text[WGX_TOP_LINE];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	add_line(p, style, text);
}

/* ---- the head ---- */

static void add_sum(struct picture *p, const struct wgx_top *t, const struct wgx_top_view *v)
{
	const struct wgx_top_counts sum = wgx_top_sum(t);
	char rx[16], tx[16], drops[16], when[16] = "";
	time_t now = (time_t)t->now;
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(when, sizeof(when), "%T", &tm);
	wgx_top_amount(sum.rx_rate, rx, sizeof(rx));
	wgx_top_amount(sum.tx_rate, tx, sizeof(tx));
	wgx_top_amount(sum.drop_rate, drops, sizeof(drops));
	add_format(p, WGX_TOP_BOLD,
		   "wgx top %s%s  %zu interface%s, %zu peer%s  in %sB/s  out %sB/s  drops %s/s",
		   when,
		   v->gone     ? "  NO DAEMON"
		   : v->paused ? "  PAUSED"
			       : "",
		   t->n_interfaces, t->n_interfaces == 1 ? "" : "s", t->n_peers,
		   t->n_peers == 1 ? "" : "s", rx, tx, drops);
}

static void add_threads(struct picture *p, const struct wgx_top *t)
{
	char text[WGX_TOP_LINE] = "cpu";

	for (size_t i = 0; i < t->n_threads; i++) {
		size_t len = strlen(text);

		snprintf(text + len, sizeof(text) - len, "  %s %.0f%%", t->threads[i].name,
			 t->threads[i].share * 100);
	}
	add_line(p, WGX_TOP_PLAIN, text);
}

static void add_interface(struct picture *p, const struct wgx_top_interface *i)
{
	char rx[16], tx[16], drops[16];

	wgx_top_amount(i->counts.rx_rate, rx, sizeof(rx));
	wgx_top_amount(i->counts.tx_rate, tx, sizeof(tx));
	wgx_top_amount(i->counts.drop_rate, drops, sizeof(drops));
	add_format(p, WGX_TOP_PLAIN,
		   "%s  %s, port %u  %zu peer%s  in %sB/s  out %sB/s  drops %s/s, %llu in all",
		   i->name, i->up ? "up" : "down", i->port, i->n_peers, i->n_peers == 1 ? "" : "s",
		   rx, tx, drops, (unsigned long long)i->counts.drops);
}

static size_t interfaces_shown(const struct wgx_top *t, const struct wgx_top_view *v)
{
	return !v->live || t->n_interfaces <= INTERFACES_SHOWN ? t->n_interfaces : INTERFACES_SHOWN;
}

static void add_interfaces(struct picture *p, const struct wgx_top *t, const struct wgx_top_view *v)
{
	size_t n = interfaces_shown(t, v);

	if (n < t->n_interfaces)
		n--;
	for (size_t i = 0; i < n; i++)
		add_interface(p, &t->interfaces[i]);
	if (n < t->n_interfaces)
		add_format(p, WGX_TOP_PLAIN, "and %zu more interfaces", t->n_interfaces - n);
}

/* ---- peers ---- */

enum column { PEER, IFACE, ENDPOINT, AGE, IN, OUT, DROPS, SPARK, COLUMNS };

static const struct {
	const char *title;
	size_t least, most; /* columns of the screen */
	bool right; /* aligned */
} columns[] = {
	[PEER] = {"PEER", 14, WGX_KEY_TEXT_LEN, false},
	[IFACE] = {"IFACE", 6, 15, false},
	[ENDPOINT] = {"ENDPOINT", 21, 47, false},
	[AGE] = {"AGE", 5, 5, true},
	[IN] = {"IN/s", 6, 6, true},
	[OUT] = {"OUT/s", 6, 6, true},
	[DROPS] = {"DROP/s", 6, 6, true},
	[SPARK] = {"TRAFFIC", 9, WGX_TOP_HISTORY, false},
};

/* Which goes first, where there is no room for all, and which grows first, where there is more. */
static const enum column expendable[] = {SPARK, ENDPOINT, DROPS, IFACE};
static const enum column growing[] = {ENDPOINT, PEER, SPARK, IFACE};

static size_t sum_widths(const size_t widths[COLUMNS])
{
	size_t sum = 0;

	for (size_t c = 0; c < COLUMNS; c++)
		sum += widths[c] ? widths[c] + 1 : 0;
	return sum ? sum - 1 : 0;
}

static void choose_widths(const struct wgx_top_view *v, size_t width, size_t widths[COLUMNS])
{
	for (size_t c = 0; c < COLUMNS; c++)
		widths[c] = columns[c].least;
	if (!v->sparklines)
		widths[SPARK] = 0;
	for (size_t i = 0;
	     sum_widths(widths) > width && i < sizeof(expendable) / sizeof(*expendable); i++)
		widths[expendable[i]] = 0;
	for (size_t i = 0; i < sizeof(growing) / sizeof(*growing); i++) {
		enum column c = growing[i];

		while (widths[c] && widths[c] < columns[c].most && sum_widths(widths) < width)
			widths[c]++;
	}
}

/* One cell, and the gap before it */
static void put_cell(char *line, size_t size, enum column c, const char *text,
		     const size_t widths[COLUMNS])
{
	size_t len = strlen(line), bytes = cut(text, widths[c]);
	size_t pad = widths[c] - (columns_of(text) < widths[c] ? columns_of(text) : widths[c]);

	if (!widths[c])
		return;
	snprintf(line + len, size - len, "%s%*s%.*s%*s", len ? " " : "",
		 columns[c].right ? (int)pad : 0, "", (int)bytes, text,
		 columns[c].right ? 0 : (int)pad, "");
}

static void trim(char *line)
{
	size_t len = strlen(line);

	while (len && line[len - 1] == ' ')
		line[--len] = '\0';
}

static void add_titles(struct picture *p, const size_t widths[COLUMNS], bool live)
{
	char line[WGX_TOP_LINE] = "";

	for (enum column c = 0; c < COLUMNS; c++)
		put_cell(line, sizeof(line), c, columns[c].title, widths);
	if (live) /* a bar over the whole width */
		snprintf(line + strlen(line), sizeof(line) - strlen(line), "%*s",
			 (int)(p->width > columns_of(line) ? p->width - columns_of(line) : 0), "");
	else
		trim(line);
	add_line(p, WGX_TOP_REVERSE, line);
}

static void add_peer(struct picture *p, const struct wgx_top *t, const struct wgx_top_peer *peer,
		     const struct wgx_top_view *v, const size_t widths[COLUMNS])
{
	char line[WGX_TOP_LINE] = "", text[256];

	put_cell(line, sizeof(line), PEER, *peer->name ? peer->name : peer->public_key, widths);
	put_cell(line, sizeof(line), IFACE, peer->interface, widths);
	put_cell(line, sizeof(line), ENDPOINT, *peer->endpoint ? peer->endpoint : "-", widths);
	wgx_top_age(peer->handshake, t->now, text, sizeof(text));
	put_cell(line, sizeof(line), AGE, text, widths);
	wgx_top_amount(peer->counts.rx_rate, text, sizeof(text));
	put_cell(line, sizeof(line), IN, text, widths);
	wgx_top_amount(peer->counts.tx_rate, text, sizeof(text));
	put_cell(line, sizeof(line), OUT, text, widths);
	wgx_top_amount(peer->counts.drop_rate, text, sizeof(text));
	put_cell(line, sizeof(line), DROPS, text, widths);
	wgx_top_spark(peer->history, WGX_TOP_HISTORY, widths[SPARK], v->utf8, text, sizeof(text));
	put_cell(line, sizeof(line), SPARK, text, widths);
	trim(line);
	add_line(p, WGX_TOP_PLAIN, line);
}

/* ---- all of it ---- */

static size_t head_lines(const struct wgx_top *t, const struct wgx_top_view *v)
{
	return 3 + interfaces_shown(t, v); /* the sum, the threads, the titles */
}

size_t wgx_top_rows(const struct wgx_top *t, const struct wgx_top_view *v)
{
	size_t others = head_lines(t, v) + v->live;

	return v->height > others ? v->height - others : 0;
}

static void add_keys(struct picture *p, const struct wgx_top *t, const struct wgx_top_view *v,
		     size_t shown)
{
	while (p->n + 1 < p->height)
		add_line(p, WGX_TOP_PLAIN, "");
	p->n = p->height ? p->height - 1 : 0; /* on a low screen it takes the last line */
	add_format(p, WGX_TOP_REVERSE,
		   "%zu-%zu of %zu by %s  q quit  s sort  p pause  h help  arrows, PgUp, PgDn",
		   shown ? v->first + 1 : 0, v->first + shown, t->n_peers,
		   wgx_top_sort_name(t->sort));
}

static const char *const help[] = {
	"wgx top: peers, and what goes through them",
	"",
	"  q            quit",
	"  s            sort by the next: traffic, handshake, drops, name",
	"  p, space     pause, and go on",
	"  arrows       one peer up or down",
	"  PgUp, PgDn   a screen up or down",
	"  Home, End    to the first peer, to the last",
	"  h, ?         this text, and back",
	"",
	"AGE is the time since the latest handshake: 2 minutes are the most while there",
	"is traffic. IN and OUT are bytes a second of messages, with their headers, and",
	"TRAFFIC is both, over the last samples, against the highest of them. DROP counts",
	"lost packets of which the peer was known; wgx show --drops has the reasons.",
	"cpu is the share of one processor that each thread of the daemon uses.",
};

size_t wgx_top_frame(const struct wgx_top *t, const struct wgx_top_view *v,
		     struct wgx_top_line *lines)
{
	struct picture p = {.lines = lines, .height = v->height};
	size_t widths[COLUMNS], rows = wgx_top_rows(t, v), shown = 0;

	p.width = v->width < WIDTH_MAX ? v->width : WIDTH_MAX;
	if (v->help) {
		for (size_t i = 0; i < sizeof(help) / sizeof(*help); i++)
			add_line(&p, i ? WGX_TOP_PLAIN : WGX_TOP_BOLD, help[i]);
		return p.n;
	}
	choose_widths(v, p.width, widths);
	add_sum(&p, t, v);
	add_threads(&p, t);
	add_interfaces(&p, t, v);
	add_titles(&p, widths, v->live);
	for (; shown < rows && v->first + shown < t->n_peers; shown++)
		add_peer(&p, t, &t->peers[v->first + shown], v, widths);
	if (v->live)
		add_keys(&p, t, v, shown);
	return p.n;
}
