/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
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
static bool to_syslog, as_json;

static void init_format(void)
{
	const char *format = getenv("WGX_LOG_FORMAT");

	as_json = format && !strcmp(format, "json");
	if (format && *format && !as_json && strcmp(format, "text") != 0)
		wgx_log(WGX_LOG_WARN, "WGX_LOG_FORMAT=%s is neither text nor json", format);
}

void wgx_log_init(bool background)
{
	const char *name = getenv("WGX_LOG");
	int i = 0;

	to_syslog = background;
	init_format();
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

bool wgx_log_is_json(void)
{
	return as_json && !to_syslog;
}

/* Names of devices, say, may hold escape sequences, which no terminal should get. */
char *wgx_log_defuse(char *s)
{
	for (char *p = s; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	return s;
}

/* What wgx_log_defuse() has left, in a JSON string; what is no ASCII is ours, and UTF-8 */
static void quote(char *to, size_t size, const char *text)
{
	size_t n = 0;

	for (; *text && n + 3 < size; text++) {
		if (*text == '"' || *text == '\\')
			to[n++] = '\\';
		to[n++] = *text;
	}
	to[n] = '\0';
}

static int json_line(char *line, size_t size, int level, const char *text)
{
	char quoted[2 * LINE_SIZE];
	struct timespec now;
	struct tm tm;
	char stamp[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	quote(quoted, sizeof(quoted), text);
	return snprintf(
		line, size,
		"{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"program\":\"wgx\",\"msg\":\"%s\"}\n",
		stamp, now.tv_nsec / 1000000, levels[level].name, quoted);
}

/* One write(2) a line: lines of several threads do not mix. */
static void to_stderr(int level, const char *text)
{
	char line[2 * LINE_SIZE + 128];
	int n = as_json ? json_line(line, sizeof(line), level, text)
			: snprintf(line, sizeof(line), "wgx: %s%s\n", levels[level].prefix, text);

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
	wgx_log_defuse(text);
	if (to_syslog)
		syslog(levels[level].priority, "%s", text);
	else
		to_stderr(level, text);
	errno = saved;
}
