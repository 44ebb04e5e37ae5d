/* SPDX-License-Identifier: MIT */
/* Listening UNIX sockets that only root, or a group besides, may use. */
#ifndef WGX_DAEMON_SOCKET_H
#define WGX_DAEMON_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * wgx_socket_allow_group() - members of a group may use the sockets made from now on, and who they are is checked
 * @name: a group's name or number; NULL or "": none, root alone may
 * @directories: of the sockets, NULL after the last; they must be there. They become the group's, which may
 *	go through them (2710), so that a daemon without CAP_CHOWN makes sockets of that group.
 *
 * Return: 0, -ENOENT if there is no such group, or another negative errno.
 */
int wgx_socket_allow_group(const char *name, const char *const *directories);

/**
 * wgx_socket_listen() - listen at @path
 * @directory: made (0700) if it is not there; NULL: it is the caller's affair
 * @mode: who may connect, whatever the umask is; and the group of wgx_socket_allow_group()
 *
 * A socket there to which nobody listens is replaced. Return: a non-blocking descriptor, -EADDRINUSE, or
 * another negative errno.
 */
int wgx_socket_listen(const char *directory, const char *path, mode_t mode);

/**
 * wgx_socket_may_use() - is a connection's other end root's, ours, or a member's of the group of wgx_socket_allow_group()?
 */
bool wgx_socket_may_use(int fd);

/** wgx_socket_is_ours() - is it root's, or this process's user's? The group is not enough. */
bool wgx_socket_is_ours(int fd);

#define WGX_SOCKET_FDS 200 /* in one message: the kernel takes 253 */
/** wgx_socket_send_fds() - @len bytes with @n descriptors, WGX_SOCKET_FDS at most; 0 or a negative errno */
int wgx_socket_send_fds(int fd, const void *bytes, size_t len, const int *fds, unsigned int n);
/**
 * wgx_socket_receive_fds() - up to @len bytes, and up to @n descriptors with them, which are the caller's
 * Return: bytes, with *@ret_n; 0: the other end hung up; or a negative errno: -ETIMEDOUT; -EMSGSIZE: there were more.
 */
int wgx_socket_receive_fds(int fd, void *bytes, size_t len, int *fds, unsigned int n,
			   unsigned int *ret_n);

/**
 * wgx_socket_accept() - a connection, if its other end is root's, ours, or a member's of the group
 * The mode of the socket's file keeps others out as well; but modes are changed, and descriptors handed on.
 *
 * Return: a non-blocking descriptor; -EPERM if refused, which is logged; or another negative errno.
 */
int wgx_socket_accept(int listener);

#endif
