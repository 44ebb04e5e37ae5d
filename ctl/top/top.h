/* SPDX-License-Identifier: MIT */
/* wgx top: where samples come from, and the screen. */
#ifndef WGX_TOP_TOP_H
#define WGX_TOP_TOP_H

#include <stdint.h>

#include "top/frame.h"
#include "top/model.h"

/** struct wgx_top_source - what to ask the daemon for; @interface NULL: all */
struct wgx_top_source {
	const char *interface;
	uint64_t interval; /* ns between two samples */
};

/**
 * wgx_top_ask() - one sample into @t
 * Return: 0; -ENOENT: there is no such interface; or as wgx_client_call(), wgx_client_connect()
 */
int wgx_top_ask(const struct wgx_top_source *s, struct wgx_top *t);

/** wgx_top_utf8() - does the terminal's locale have blocks? */
bool wgx_top_utf8(void);

/**
 * wgx_top_screen() - draw and obey keys until q or a signal; the terminal is as before then
 * @t: with a sample. Return: an exit status; the user has been told of a failure.
 */
int wgx_top_screen(const struct wgx_top_source *s, struct wgx_top *t);

#endif
