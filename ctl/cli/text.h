/* SPDX-License-Identifier: MIT */
/* Text for people, in wg's units and colours. */
#ifndef WGX_CLI_TEXT_H
#define WGX_CLI_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Where text goes, and whether with colours. */
struct wgx_text {
	FILE *out;
	bool colour;
};

enum wgx_colour {
	WGX_RESET,
	WGX_BOLD,
	WGX_CYAN,
	WGX_RED,
	WGX_GREEN_BOLD,
	WGX_GREEN,
	WGX_YELLOW_BOLD,
	WGX_YELLOW,
};

/** wgx_text_init() - WG_COLOR_MODE=always|never decides on colours, else whether @out is a terminal */
void wgx_text_init(struct wgx_text *t, FILE *out);

/** wgx_sgr() - the escape sequence of @colour, or "" */
const char *wgx_sgr(const struct wgx_text *t, enum wgx_colour colour);

/** wgx_text_bytes() - "0 B", "3.00 MiB", "1.20 TiB" */
void wgx_text_bytes(const struct wgx_text *t, uint64_t bytes);

/** wgx_text_duration() - "1 minute, 3 seconds"; nothing for 0. A year has 365 days. */
void wgx_text_duration(const struct wgx_text *t, uint64_t seconds);

/** wgx_text_ago() - @then as seen at @now, both in Unix seconds: "Now", "2 hours ago", or a warning */
void wgx_text_ago(const struct wgx_text *t, int64_t then, int64_t now);

/** wgx_text_share() - @part of @whole as "99.9 %", rounded down: 100.0 % is all of it. @whole > 0 */
void wgx_text_share(const struct wgx_text *t, uint64_t part, uint64_t whole);

#endif
