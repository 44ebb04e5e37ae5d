/* SPDX-License-Identifier: MIT */
/*
 * The private network namespace: where the far ends of wgx devices are, so that users see one
 * interface and not two.
 *
 * A small process, the holder, keeps it: it outlives the daemon, and with it the devices and their
 * routes. It holds a write lock on RUNDIR/INODE.holder, INODE being that of the network namespace the
 * daemon serves; the lock names its process id (F_GETLK), so no stale file is ever believed. It ends by
 * itself when there is neither a daemon nor a far end any more. A thread of the daemon lives in the
 * namespace, since a socket belongs to the namespace it was made in.
 */
#ifndef WGX_NET_NETNS_H
#define WGX_NET_NETNS_H

#include <stdbool.h>

struct wgx_netns;

/**
 * wgx_netns_open() - find the holder of the caller's namespace or start one, and start the thread
 * @rundir: an existing directory, its path absolute, on tmpfs, root's alone
 *
 * Call it before secrets are read: a new holder is a fork of the caller (it drops its capabilities and
 * closes all files, but its memory is a copy). Safe with other threads running. One daemon for a
 * namespace at a time: a lock sees to that. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN; later calls on the
 * thread need what they do themselves, and capabilities are a thread's own: who drops them must do so on
 * this thread as well, by wgx_netns_call().
 *
 * In a new namespace: IPv6 off, no forwarding, lo down. Return: 0; -EBUSY: another daemon is there;
 * -EPERM: not permitted; negative errno.
 */
int wgx_netns_open(const char *rundir, struct wgx_netns **ret);

/** wgx_netns_lock_fd() - the lock that says a daemon is there; stays @ns's own. Whoever has a copy has the lock. */
int wgx_netns_lock_fd(const struct wgx_netns *ns);
/**
 * wgx_netns_succeed() - wgx_netns_open(), with the lock of the daemon whose place is taken
 * @lock_fd: a copy of its wgx_netns_lock_fd(), @ret's own on success. -ENOENT: there is no holder.
 */
int wgx_netns_succeed(const char *rundir, int lock_fd, struct wgx_netns **ret);

/**
 * wgx_netns_call() - run @fn on the thread in the private namespace and wait for it
 *
 * Any thread may call; calls run one after another. @fn may itself call this. Return: @fn's.
 */
int wgx_netns_call(struct wgx_netns *ns, int (*fn)(void *arg), void *arg);

/** wgx_netns_fd() - the namespace's file descriptor; stays @ns's own */
int wgx_netns_fd(const struct wgx_netns *ns);

/** wgx_netns_adopted() - the holder was there already: there may be devices of a dead daemon */
bool wgx_netns_adopted(const struct wgx_netns *ns);

/**
 * wgx_netns_close() - end the thread
 * @end_holder: end the holder too; the namespace, and the devices with an end in it, go with the last
 *	descriptor that refers to it
 *
 * NULL is legal.
 */
void wgx_netns_close(struct wgx_netns *ns, bool end_holder);

#endif
