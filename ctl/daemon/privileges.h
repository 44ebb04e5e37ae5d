/* SPDX-License-Identifier: MIT */
/* What the daemon may do after it has started. */
#ifndef WGX_DAEMON_PRIVILEGES_H
#define WGX_DAEMON_PRIVILEGES_H

struct wgx_netns;

/**
 * wgx_privileges_drop() - in the calling thread, and so in those it starts, all capabilities but CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF,
 * CAP_PERFMON, CAP_IPC_LOCK and CAP_NET_BROADCAST; and no way to new ones
 * @ns: its thread drops them too
 *
 * Return: 0 or a negative errno.
 */
int wgx_privileges_drop(struct wgx_netns *ns);

/** wgx_privileges_none() - none at all, in the calling thread: for workers, who only send and receive */
int wgx_privileges_none(void);

#endif
