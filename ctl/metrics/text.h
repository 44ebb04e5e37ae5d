/* SPDX-License-Identifier: MIT */
/*
 * An answer to {"cmd":"show"}, or another object, in Prometheus' text format, version 0.0.4: piece by piece, since that
 * of 100,000 peers is a hundred megabytes. docs/metrics.md lists the families; those of the daemon are in families.c.
 */
#ifndef WGX_METRICS_TEXT_H
#define WGX_METRICS_TEXT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "metrics/families.h"

struct wgx_metrics_text;

/**
 * wgx_metrics_text_open() - at its beginning
 * @families: @n of them
 * @answer: what they are about, wgx_families[] the daemon's; a reference is taken. NULL: it has not answered
 * @took_ns: how long that took
 *
 * Return: NULL: no memory.
 */
struct wgx_metrics_text *wgx_metrics_text_open(const struct wgx_family *families, size_t n,
					       json_t *answer, uint64_t took_ns);
/** wgx_metrics_text_append() - @more, which becomes part of @t, is read when @t is at its end */
void wgx_metrics_text_append(struct wgx_metrics_text *t, struct wgx_metrics_text *more);
/** wgx_metrics_text_read() - the next at most @size bytes into @buf. Return: how many, 0 at the end, or -ENOMEM */
ssize_t wgx_metrics_text_read(struct wgx_metrics_text *t, char *buf, size_t size);
/** wgx_metrics_text_close() - with what was appended */
void wgx_metrics_text_close(struct wgx_metrics_text *t);

#endif
