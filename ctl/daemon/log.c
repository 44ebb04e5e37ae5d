/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "daemon/log.h"

#define LINE_SIZE 1024

static const struct {
	const char *name; /* of WGX_LOG */
	const char *prefix;
	int priority;
} levels[] = {
	[WGX_LOG_ERR] = {"err", "error: ", LOG_ERR},
	[WGX_LOG_WARN] = {"warn", "warning: ", LOG_WARNING},
	[WGX_LOG_INFO] = {"info", "", LOG_INFO},
	[WGX_LOG_DEBUG] = {"debug", "", LOG_DEBUG},
};
#define LEVELS ((int)(sizeof(levels) / sizeof(*levels)))

/* Written by wgx_log_init() before there are threads, read by all. */
static int threshold = WGX_LOG_INFO;
static bool to_syslog;

void wgx_log_init(bool background)
{
	const char *name = getenv("WGX_LOG");
	int i = 0;

	to_syslog = background;
	threshold = WGX_LOG_INFO;
	if (background) /* the socket now: later a sandbox may forbid it */
		openlog("wgx", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	if (!name || !*name)
		return;
	while (i < LEVELS && strcmp(name, levels[i].name))
		i++;
	if (i < LEVELS)
		threshold = i;
	else
		wgx_log(WGX_LOG_WARN, "WGX_LOG=%s is none of err, warn, info, debug", name);
}

/* Names of devices may hold escape sequences, which no terminal should get. */
static void defuse(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = '?';
}

/* One write(2) a line: lines of several threads do not mix. */
static void to_stderr(int level, const char *text)
{
	char line[LINE_SIZE + 32];
	int n = snprintf(line, sizeof(line), "wgx: %s%s\n", levels[level].prefix, text);

	while (write(STDERR_FILENO, line, (size_t)n) < 0 && errno == EINTR)
		;
}

void wgx_log(int level, const char *format, ...)
{
	const int saved = errno;
	char text[LINE_SIZE];
	va_list ap;

	if (level < 0 || level >= LEVELS || level > threshold)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	defuse(text);
	if (to_syslog)
		syslog(levels[level].priority, "%s", text);
	else
		to_stderr(level, text);
	errno = saved;
}
