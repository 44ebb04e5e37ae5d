/* SPDX-License-Identifier: MIT */
/* The daemon: all wgx interfaces of one network namespace. */
#ifndef WGX_DAEMON_DAEMON_H
#define WGX_DAEMON_DAEMON_H

#include <stddef.h>

#define WGX_RUN_DIR "/run/wgx"
#define WGX_UAPI_DIR "/run/wireguard"
#define WGX_STATE_DIR "/var/lib/wgx" /* outlives a restart; environment: WGX_STATE_DIR */

/** wgx_control_path() - the control socket of the caller's network namespace: /run/wgx/<inode>.sock */
int wgx_control_path(char *path, size_t size);
/** wgx_run_path() - a file beside it, /run/wgx/<inode>.<suffix>; 0, -ENAMETOOLONG, or another negative errno */
int wgx_run_path(const char *suffix, char *path, size_t size);

/**
 * wgx_start_lock_path() - beside the control socket: the file that is locked while a daemon is looked for, started,
 * or about to end. 0, -ENAMETOOLONG, or another negative errno.
 */
int wgx_start_lock_path(char *path, size_t size);

/**
 * wgx_daemon_run() - be the daemon, beginning with the interface @name, until the last one is gone
 * @workers: that seal for it; 0: one
 * @ready_fd: when @name answers on its UAPI socket, one byte 0 is written there and it is closed; when
 *	it cannot be made, the error text is written instead. -1: errors go to the log.
 *
 * The caller has forked and detached already if it wants to. Return: exit status.
 */
int wgx_daemon_run(const char *name, unsigned int workers, int ready_fd);

#define WGX_DAEMON_OTHER_FORMAT 3
/**
 * wgx_daemon_succeed() - take the place of the daemon of this network namespace, with all that it has, and be it
 * @ready_fd: as above, when it has ended
 *
 * Return: exit status; WGX_DAEMON_OTHER_FORMAT: it hands over in another format, or not at all. The other daemon goes on
 * where this fails.
 */
int wgx_daemon_succeed(int ready_fd);

#endif
