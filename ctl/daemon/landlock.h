/* SPDX-License-Identifier: MIT */
/* The files that the daemon's threads get at; any other is refused (Landlock, Linux 5.13 and later). */
#ifndef WGX_DAEMON_LANDLOCK_H
#define WGX_DAEMON_LANDLOCK_H

/**
 * wgx_landlock_enter() - from now on the calling thread, and those it starts, get at no other files
 * @state_dir: of the daemon; need not be there
 *
 * Its own directories may be written; /proc and /sys be read, pins made below /sys/fs, and sysctls of the network set.
 * Nor is there TCP, nor are there abstract sockets. What is open stays open. no_new_privs has to be set.
 * WGX_LANDLOCK=off in the environment leaves it out; so do sanitizer builds, whose runtime writes reports.
 *
 * Return: 0, also where the kernel has no Landlock; or a negative errno.
 */
int wgx_landlock_enter(const char *state_dir);

/** wgx_landlock_read_only() - likewise, of a process that reads files and changes none; nor does it run programs */
int wgx_landlock_read_only(void);

#endif
