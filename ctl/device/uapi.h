/* SPDX-License-Identifier: MIT */
/* The cross-platform configuration protocol that `wg` speaks (P-UA-*). */
#ifndef WGX_DEVICE_UAPI_H
#define WGX_DEVICE_UAPI_H

struct wgx_device;
struct wgx_uapi_conn;

/**
 * wgx_uapi_open() - a conversation on the connected, non-blocking socket @fd, which it then owns
 * @dev must outlive it. Return: 0 or -ENOMEM (@fd stays the caller's).
 */
int wgx_uapi_open(struct wgx_device *dev, int fd, struct wgx_uapi_conn **ret);
void wgx_uapi_close(struct wgx_uapi_conn *c); /* NULL is legal */

/**
 * wgx_uapi_ready() - read and write what is possible now, answer what is complete
 * Takes the lock for each operation, with pauses. Never blocks. The calling thread is registered with RCU and online,
 * and holds no reference: it may become quiescent in here. Return: the epoll events to wait for next
 * (EPOLLIN, EPOLLOUT), 0 at the end of the conversation, or a negative errno.
 */
int wgx_uapi_ready(struct wgx_uapi_conn *c);

#endif
