/* SPDX-License-Identifier: MIT */
/* Messages for the person who runs wgx: stderr in the foreground, syslog in the background. */
#ifndef WGX_DAEMON_LOG_H
#define WGX_DAEMON_LOG_H

#include <stdbool.h>

enum wgx_log_level {
	WGX_LOG_ERR,
	WGX_LOG_WARN,
	WGX_LOG_INFO,
	WGX_LOG_DEBUG,
};

/**
 * wgx_log_init() - @background: to syslog(3) instead of stderr
 * WGX_LOG=err|warn|info|debug sets the level, WGX_LOG_FORMAT=text|json what lines on stderr look like.
 */
void wgx_log_init(bool background);
/** wgx_log_defuse() - what others have written, for a terminal: control characters become question marks; @s */
char *wgx_log_defuse(char *s);
/** wgx_log_is_json() - do programs read stderr? Then nothing else belongs there. */
bool wgx_log_is_json(void);
/** wgx_log() - one line, no newline at the end; never a secret, never on the packet path */
void wgx_log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
