/* SPDX-License-Identifier: MIT */
/* What the daemon may do after it has started. */
#ifndef WGX_DAEMON_PRIVILEGES_H
#define WGX_DAEMON_PRIVILEGES_H

struct wgx_netns;

/**
 * wgx_privileges_drop() - what the daemon has after its start, in the calling thread and in those it starts
 * @ns: its thread drops them too
 * @state_dir: where the daemon keeps what outlives it
 *
 * All capabilities go but CAP_NET_ADMIN, CAP_NET_RAW, CAP_BPF, CAP_PERFMON, CAP_IPC_LOCK and CAP_NET_BROADCAST; there is
 * no way to new ones (no_new_privs), files are its own (daemon/landlock.h), and system calls are filtered
 * (daemon/sandbox.h).
 *
 * Return: 0 or a negative errno.
 */
int wgx_privileges_drop(struct wgx_netns *ns, const char *state_dir);

/** wgx_privileges_worker() - no capability, in the calling thread, and the system calls of a worker only */
int wgx_privileges_worker(void);

/** wgx_privileges_none() - no capability at all, in the calling thread; system calls stay as they are */
int wgx_privileges_none(void);

#endif
