/* SPDX-License-Identifier: MIT */
/* One picture of `wgx top`, as lines of text: made of the model, and drawn or printed by others. */
#ifndef WGX_TOP_FRAME_H
#define WGX_TOP_FRAME_H

#include <stdbool.h>
#include <stddef.h>

#include "top/model.h"

#define WGX_TOP_LINE 1024 /* bytes, with the terminator: 250 columns of UTF-8 */

enum wgx_top_style {
	WGX_TOP_PLAIN,
	WGX_TOP_BOLD,
	WGX_TOP_REVERSE,
};

struct wgx_top_line {
	enum wgx_top_style style;
	char text[WGX_TOP_LINE];
};

/**
 * struct wgx_top_view - how to look at the model
 * @width, @height: of the picture; the height may be more than there is to show, and then it is less
 * @first: the first peer to be shown
 * @utf8: sparklines of blocks; else of ASCII
 * @sparklines: where there is room
 * @live: with a line of keys; else all that is there, once
 */
struct wgx_top_view {
	size_t width, height, first;
	bool utf8, sparklines, live;
	bool paused, help;
	bool gone; /* the daemon: what is shown was */
};

/** wgx_top_rows() - how many peers such a picture has room for */
size_t wgx_top_rows(const struct wgx_top *t, const struct wgx_top_view *v);
/** wgx_top_frame() - into @lines, of which there are @v->height; their number */
size_t wgx_top_frame(const struct wgx_top *t, const struct wgx_top_view *v,
		     struct wgx_top_line *lines);

/** wgx_top_amount() - four significant places at most and a binary prefix: "0", "999", "1.5K", "102M" */
void wgx_top_amount(double value, char *text, size_t size);
/** wgx_top_age() - "12s", "3m", "2h", "5d"; "-" for @then 0 */
void wgx_top_age(int64_t then, int64_t now, char *text, size_t size);
/** wgx_top_spark() - the last @columns of @history, each as high as it is of the highest */
void wgx_top_spark(const float *history, size_t n, size_t columns, bool utf8, char *text,
		   size_t size);

#endif
