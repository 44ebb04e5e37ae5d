/* SPDX-License-Identifier: MIT */
/* Listening UNIX sockets that only root may use. */
#ifndef WGX_DAEMON_SOCKET_H
#define WGX_DAEMON_SOCKET_H

/**
 * wgx_socket_listen() - make the directory (0700) if it is not there, and listen at @path (0600)
 * A socket there to which nobody listens is replaced. Return: a non-blocking descriptor, -EADDRINUSE, or
 * another negative errno.
 */
int wgx_socket_listen(const char *directory, const char *path);

#endif
