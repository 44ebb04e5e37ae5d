/* SPDX-License-Identifier: MIT */
/* The process that keeps the private network namespace; see netns.h. */
#ifndef WGX_NET_HOLDER_H
#define WGX_NET_HOLDER_H

/* bytes of the lock file: who has them locked */
#define WGX_HOLDER_BYTE 0
#define WGX_DAEMON_BYTE 1

#define WGX_FAR_PREFIX "wgx" /* of the names of far ends */

/**
 * wgx_holder_main() - what the forked process does for the rest of its life
 * @path: of the lock file, absolute; removed at the end
 * @ready_fd: the write end of a pipe; an int goes there: 0 once the namespace is kept, or negative errno
 *
 * Makes a network namespace and keeps it while a daemon lives or a far end is there. Only system calls: it may
 * be the child of a process with threads.
 */
_Noreturn void wgx_holder_main(const char *path, int ready_fd);

#endif
