/* SPDX-License-Identifier: MIT */
/* What `wgx doctor` has found. */
#ifndef WGX_DOCTOR_REPORT_H
#define WGX_DOCTOR_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "cli/text.h"

/** enum wgx_level - how bad it is; only problems make the exit status 1 */
enum wgx_level {
	WGX_FINE,
	WGX_NOTE, /* worth knowing: works, and something may be better */
	WGX_WARNING, /* works, but slower or weaker than it should */
	WGX_PROBLEM, /* does not work, or not for long */
	WGX_LEVELS,
};

/** struct wgx_report - findings in the order in which they were made; zero to begin with */
struct wgx_report {
	json_t *findings; /* as docs/json.md has them */
	unsigned int counts[WGX_LEVELS];
};

/**
 * wgx_found() - one finding, a sentence without its full stop
 * @check: the name of what was looked at
 * @object: the interface, device or file it is about; NULL: the host
 */
void wgx_found(struct wgx_report *r, enum wgx_level level, const char *check, const char *object,
	       const char *format, ...) __attribute__((format(printf, 5, 6)));
/** wgx_remedy() - what to do about the last finding: a command, or a sentence */
void wgx_remedy(struct wgx_report *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/** wgx_report_print() - for people: a line each, the remedies below */
void wgx_report_print(const struct wgx_report *r, const struct wgx_text *t);
/** wgx_report_json() - a new object */
json_t *wgx_report_json(const struct wgx_report *r);
void wgx_report_free(struct wgx_report *r);

#endif
