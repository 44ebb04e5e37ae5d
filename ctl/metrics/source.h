/* SPDX-License-Identifier: MIT */
/* The daemon's answers, at most one a second however many ask for them. */
#ifndef WGX_METRICS_SOURCE_H
#define WGX_METRICS_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

/* As long as the daemon may take. Prometheus waits for 10 s. */
#define WGX_METRICS_PATIENCE_S 8

/** struct wgx_metrics_answer - one, good or not */
struct wgx_metrics_answer {
	json_t *answer; /* NULL: @err tells why */
	int err;
	uint64_t took_ns;
	uint64_t at_ns; /* when it was complete; 0: never asked */
};

/** struct wgx_metrics_source - zeroed: nothing asked yet */
struct wgx_metrics_source {
	struct wgx_metrics_answer all, short_one; /* with and without peers */
	bool logs; /* what the daemon's silence is about, once for each change */
	int told; /* the last error in the log */
};

/**
 * wgx_metrics_ask() - with all peers or, which costs little, without
 * What is asked again within a second gets the same answer, or the news that there was none in time. Waits for the
 * daemon WGX_METRICS_PATIENCE_S at most.
 *
 * Return: the source's; it is there until the next call, its @answer for as long as a reference is held.
 */
const struct wgx_metrics_answer *wgx_metrics_ask(struct wgx_metrics_source *s, bool peers);

/** wgx_metrics_forget() - let go of answers that are too old. Return: ms until the next one is, or -1 */
int wgx_metrics_forget(struct wgx_metrics_source *s);
/** wgx_metrics_source_close() - let go of all */
void wgx_metrics_source_close(struct wgx_metrics_source *s);

#endif
