/* SPDX-License-Identifier: MIT */
#include "daemon/suspend.h"

#include <errno.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "device/device.h"

/* The two clocks are read one after the other: less than this between them is no suspend. */
#define SUSPEND_NS 500000000ull

static uint64_t slept_ns(void)
{
	uint64_t before, boot, after;

	do { /* anew where we were not running in between: that is no suspend */
		before = wgx_clock_ns(CLOCK_MONOTONIC);
		boot = wgx_clock_ns(CLOCK_BOOTTIME);
		after = wgx_clock_ns(CLOCK_MONOTONIC);
	} while (after - before > SUSPEND_NS / 2);
	return boot > before ? boot - before : 0;
}

/* A timer that never ends, but is cancelled where the time of day jumps: a resume makes it. */
int wgx_suspend_open(struct wgx_suspend *s)
{
	const struct itimerspec never = {.it_value.tv_sec = INT64_MAX};
	int err;

	s->slept = slept_ns();
	s->fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (s->fd < 0)
		return -errno;
	if (timerfd_settime(s->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL)) {
		err = -errno;
		wgx_suspend_close(s);
		return err;
	}
	return 0;
}

void wgx_suspend_close(struct wgx_suspend *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

bool wgx_suspend_seen(struct wgx_suspend *s)
{
	uint64_t slept = slept_ns();

	if (slept < s->slept + SUSPEND_NS)
		return false;
	s->slept = slept;
	return true;
}
