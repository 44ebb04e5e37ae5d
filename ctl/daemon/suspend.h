/* SPDX-License-Identifier: MIT */
/*
 * Has the machine slept (P-TM-8)? CLOCK_BOOTTIME counts through a suspend and CLOCK_MONOTONIC does not: what
 * they differ by is how long it has slept since it was booted. A descriptor tells when to look.
 */
#ifndef WGX_DAEMON_SUSPEND_H
#define WGX_DAEMON_SUSPEND_H

#include <stdbool.h>
#include <stdint.h>

struct wgx_suspend {
	int fd; /* readable after a resume, and when the clock was set; -1: not open */
	uint64_t slept; /* ns, when last looked at */
};

/** wgx_suspend_open() - begin to watch; 0 or a negative errno */
int wgx_suspend_open(struct wgx_suspend *s);
void wgx_suspend_close(struct wgx_suspend *s);
/** wgx_suspend_seen() - has the machine slept since the last look? */
bool wgx_suspend_seen(struct wgx_suspend *s);

#endif
