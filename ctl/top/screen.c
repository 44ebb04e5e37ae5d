/* SPDX-License-Identifier: MIT */
/* wgx top on a terminal: pictures drawn by ncurses, and keys. */
#include <errno.h>
#include <locale.h>
#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/cli.h"
#include "device/device.h"
#include "top/top.h"

#define MS UINT64_C(1000000)

static volatile sig_atomic_t caught; /* a signal that ends us */

static void catch (int number)
{
	caught = number;
}

/* Without SA_RESTART, so that the wait for a key ends. */
static void catch_signals(void)
{
	const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction a = {.sa_handler = catch};

	sigemptyset(&a.sa_mask);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		sigaction(numbers[i], &a, NULL);
}

/* As if it had not been caught: who started us sees what ended us. */
static int end_by_signal(void)
{
	int number = caught;

	if (!number)
		return WGX_EXIT_OK;
	signal(number, SIG_DFL);
	raise(number);
	return WGX_EXIT_FAILURE;
}

/* ---- drawing ---- */

static attr_t attribute(enum wgx_top_style style)
{
	return style == WGX_TOP_REVERSE ? A_REVERSE : style == WGX_TOP_BOLD ? A_BOLD : A_NORMAL;
}

/* Where there is no memory for a picture the last one stays. */
static void draw(const struct wgx_top *t, struct wgx_top_view *v)
{
	struct wgx_top_line *lines;
	size_t n;

	v->width = COLS > 0 ? (size_t)COLS : 1;
	v->height = LINES > 0 ? (size_t)LINES : 1;
	lines = calloc(v->height, sizeof(*lines));
	if (!lines)
		return;
	n = wgx_top_frame(t, v, lines);
	erase();
	for (size_t i = 0; i < n; i++) {
		attrset(attribute(lines[i].style));
		mvaddstr((int)i, 0, lines[i].text);
	}
	attrset(A_NORMAL);
	refresh();
	free(lines);
}

/* ---- keys ---- */

/* The last page is full, where there are as many peers. */
static void scroll_to(const struct wgx_top *t, struct wgx_top_view *v, int64_t first)
{
	int64_t most = (int64_t)t->n_peers - (int64_t)wgx_top_rows(t, v);

	if (first > most)
		first = most;
	v->first = first < 0 ? 0 : (size_t)first;
}

static void turn(const struct wgx_top *t, struct wgx_top_view *v, int key)
{
	int64_t page = (int64_t)wgx_top_rows(t, v), first = (int64_t)v->first;

	switch (key) {
	case KEY_UP:
		scroll_to(t, v, first - 1);
		break;
	case KEY_DOWN:
		scroll_to(t, v, first + 1);
		break;
	case KEY_PPAGE:
		scroll_to(t, v, first - page);
		break;
	case KEY_NPAGE:
		scroll_to(t, v, first + page);
		break;
	case KEY_HOME:
		scroll_to(t, v, 0);
		break;
	case KEY_END:
		scroll_to(t, v, (int64_t)t->n_peers);
		break;
	default: /* a new size, say */
		scroll_to(t, v, first);
		break;
	}
}

/* Return: go on? */
static bool obey(struct wgx_top *t, struct wgx_top_view *v, int key)
{
	switch (key) {
	case 'q':
		return false;
	case 's':
		t->sort = (t->sort + 1) % WGX_TOP_SORT_COUNT;
		wgx_top_sort(t);
		return true;
	case 'p':
	case ' ':
		v->paused = !v->paused;
		return true;
	case 'h':
	case '?':
		v->help = !v->help;
		return true;
	default:
		turn(t, v, key);
		return true;
	}
}

/* ---- the loop ---- */

/* When the next sample is due, if this one was taken now */
static uint64_t sample(const struct wgx_top_source *s, struct wgx_top *t, struct wgx_top_view *v)
{
	if (!v->paused) {
		v->gone = wgx_top_ask(s, t) != 0;
		scroll_to(t, v, (int64_t)v->first);
	}
	return wgx_clock_ns(CLOCK_MONOTONIC) + s->interval;
}

static void run(const struct wgx_top_source *s, struct wgx_top *t)
{
	struct wgx_top_view v = {.utf8 = wgx_top_utf8(), .sparklines = true, .live = true};
	uint64_t due = wgx_clock_ns(CLOCK_MONOTONIC) + s->interval;
	bool goes_on = true;

	while (goes_on && !caught) {
		uint64_t now;
		int key;

		draw(t, &v);
		now = wgx_clock_ns(CLOCK_MONOTONIC);
		timeout(now < due ? (int)((due - now) / MS) + 1 : 0);
		key = getch();
		if (key != ERR)
			goes_on = obey(t, &v, key);
		if (wgx_clock_ns(CLOCK_MONOTONIC) >= due)
			due = sample(s, t, &v);
	}
}

int wgx_top_screen(const struct wgx_top_source *s, struct wgx_top *t)
{
	const char *term = getenv("TERM");
	SCREEN *screen = newterm(NULL, stdout, stdin);

	if (!screen)
		return wgx_fail("top: this terminal's type, '%s', is not known; wgx top --once "
				"prints one picture",
				term ? term : "");
	catch_signals();
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	(void)curs_set(0);
	run(s, t);
	endwin();
	delscreen(screen);
	return end_by_signal();
}
