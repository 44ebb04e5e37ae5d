/* SPDX-License-Identifier: MIT */
/* Listening UNIX sockets. */
#ifndef WGX_DAEMON_SOCKET_H
#define WGX_DAEMON_SOCKET_H

#include <sys/types.h>

/**
 * wgx_socket_listen() - listen at @path
 * @directory: made (0700) if it is not there; NULL: it is the caller's affair
 * @mode: who may connect, whatever the umask is
 *
 * A socket there to which nobody listens is replaced. Return: a non-blocking descriptor, -EADDRINUSE, or
 * another negative errno.
 */
int wgx_socket_listen(const char *directory, const char *path, mode_t mode);

#endif
