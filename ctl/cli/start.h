/* SPDX-License-Identifier: MIT */
/* Starting the daemon of this network namespace, once. */
#ifndef WGX_CLI_START_H
#define WGX_CLI_START_H

#include <stddef.h>

/**
 * wgx_start_lock() - the right to look for a daemon and to start one if there is none
 * Held by flock(2) on the control path's .lock neighbour until wgx_start_unlock() or until a daemon
 * that was started under it is ready. Waits for other holders.
 *
 * Return: a file descriptor, or a negative errno.
 */
int wgx_start_lock(void);
void wgx_start_unlock(int lock);

/**
 * wgx_start_background() - fork a daemon that begins with interface @name
 * @workers: that seal for it; 0: one
 * @lock: from wgx_start_lock(), still held afterwards.
 *
 * Return: an exit status, once the interface is there or cannot be made; the user has been told why.
 */
int wgx_start_background(const char *name, unsigned int workers, int lock);

/**
 * wgx_start_successor() - fork a daemon that takes the place of the one there is (wgx_daemon_succeed())
 * @lock: as above
 *
 * Return: an exit status, with the user told of a failure; or WGX_DAEMON_OTHER_FORMAT, and @text, of @size bytes, says why.
 */
int wgx_start_successor(int lock, char *text, size_t size);

/**
 * wgx_start_foreground() - become the daemon, beginning with interface @name
 * @lock: from wgx_start_lock(); given up when the daemon is ready or dead.
 *
 * Return: the daemon's exit status, at its end.
 */
int wgx_start_foreground(const char *name, unsigned int workers, int lock);

#endif
