/* SPDX-License-Identifier: MIT */
/*
 * What a daemon, maybe of another version, says on the control socket, as `wgx show`, `monitor`, `top`, `metrics` and
 * wgconfig read it. The input is what comes before it hangs up. Checked: each line is an object or refused; a picture of
 * `wgx top` fits its screen; metrics are in the text format, whatever the labels are; and all memory comes back.
 */
#include "netbsd/wgconfig.c"

#include "fuzz/fuzz.h"

#include <ctype.h>
#include <math.h>
#include <sys/socket.h>

#include "cli/monitor.h"
#include "cli/show.h"
#include "metrics/text.h"
#include "top/frame.h"

#define ANSWERS 32
#define NOW INT64_C(1700000000)
#define HEIGHT 40

static struct wgx_text out;

static void fuzz_begin(void)
{
	assert_true(sodium_init() >= 0);
	setenv("TZ", "UTC", 1);
	out.out = fopen("/dev/null", "we");
	assert_non_null(out.out);
	assert_non_null(freopen("/dev/null", "we", stdout));
}

/* ---- metrics ---- */

/* {NAME="TEXT",...}: what is behind it */
static const char *behind_labels(const char *p)
{
	assert_int_equal(*p++, '{');
	for (;;) {
		while (isalnum((unsigned char)*p) || *p == '_')
			p++;
		assert_int_equal(*p++, '=');
		assert_int_equal(*p++, '"');
		for (; *p != '"'; p++) {
			assert_true(*p && *p != '\n');
			if (*p != '\\')
				continue;
			p++;
			assert_true(*p == '\\' || *p == '"' || *p == 'n');
		}
		p++;
		if (*p != ',')
			break;
		p++;
	}
	assert_int_equal(*p, '}');
	return p + 1;
}

static void check_sample(const char *line)
{
	const char *p = line;
	char *end;

	while (isalnum((unsigned char)*p) || *p == '_')
		p++;
	assert_true(p > line);
	if (*p == '{')
		p = behind_labels(p);
	assert_int_equal(*p, ' ');
	assert_true(isfinite(strtod(p + 1, &end)));
	assert_ptr_not_equal(end, p + 1);
	assert_int_equal(*end, '\0');
}

static void check_metrics(char *text)
{
	for (char *line = text, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		assert_non_null(end);
		*end = '\0';
		if (*line == '#')
			assert_true(!strncmp(line, "# HELP wg", 9) ||
				    !strncmp(line, "# TYPE wg", 9) ||
				    !strncmp(line, "# HELP wireguard_", 17) ||
				    !strncmp(line, "# TYPE wireguard_", 17));
		else
			check_sample(line);
	}
}

static void write_metrics(json_t *answer)
{
	struct wgx_metrics_text *t =
		wgx_metrics_text_open(wgx_families, wgx_families_count, answer, 1000);
	size_t len = 0, room = 1 << 20;
	char *text = malloc(room);
	ssize_t n;

	assert_true(t && text);
	while (len + 1 < room && (n = wgx_metrics_text_read(t, text + len, room - len - 1)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	if (len + 1 < room)
		check_metrics(text);
	wgx_metrics_text_close(t);
	free(text);
}

/* ---- pictures ---- */

static size_t columns(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void draw(const struct wgx_top *t, bool live)
{
	static struct wgx_top_line lines[HEIGHT];
	struct wgx_top_view v = {.width = live ? 80 : 250,
				 .height = HEIGHT,
				 .utf8 = live,
				 .sparklines = true,
				 .live = live};
	size_t n;

	for (v.first = 0; v.first < 2; v.first++) {
		n = wgx_top_frame(t, &v, lines);
		assert_true(n <= HEIGHT);
		for (size_t i = 0; i < n; i++) {
			assert_non_null(memchr(lines[i].text, '\0', sizeof(lines[i].text)));
			assert_true(columns(lines[i].text) <= v.width);
		}
	}
}

static void look(struct wgx_top *t, const json_t *answer, unsigned int nth)
{
	t->sort = nth % WGX_TOP_SORT_COUNT;
	assert_int_equal(wgx_top_sample(t, answer, (nth + 1) * UINT64_C(1000000000), NOW + nth), 0);
	draw(t, nth % 2);
}

/* ---- all readers ---- */

static void print_peers(const json_t *answer)
{
	const json_t *peer;
	size_t i;

	json_array_foreach(json_object_get(interface_of(answer), "peers"), i, peer) {
		print_head(peer, "\t");
		print_rest(peer, "\t\t");
	}
}

static void read_all_ways(struct wgx_top *t, json_t *answer, unsigned int nth)
{
	out.colour = nth % 2;
	(void)wgx_client_error(answer);
	wgx_show_print(&out, answer, NOW);
	wgx_show_peer_print(&out, answer, NOW);
	wgx_show_drops_print(&out, answer);
	wgx_show_peer_drops_print(&out, answer);
	wgx_monitor_print(&out, answer);
	print_peers(answer);
	write_metrics(answer);
	look(t, answer, nth);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wgx_client_lines l = {0};
	struct wgx_top t = {0};
	json_t *answer;
	int fds[2], err = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(send(fds[1], data, size, MSG_NOSIGNAL | MSG_DONTWAIT), size);
	close(fds[1]);
	for (unsigned int n = 0; !err && n < ANSWERS; n++) {
		err = wgx_client_next(fds[0], &l, &answer);
		if (err == -EBADMSG) {
			err = 0;
			continue;
		}
		if (err)
			break;
		assert_true(json_is_object(answer));
		read_all_ways(&t, answer, n);
		json_decref(answer);
	}
	close(fds[0]);
	free(l.data);
	wgx_top_free(&t);
	return 0;
}
