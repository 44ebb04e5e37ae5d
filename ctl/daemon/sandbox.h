/* SPDX-License-Identifier: MIT */
/* The system calls that the daemon's threads may make; any other kills the process (seccomp). */
#ifndef WGX_DAEMON_SANDBOX_H
#define WGX_DAEMON_SANDBOX_H

#include <stdbool.h>
#include <stdint.h>

/* Sanitizers' runtimes make system calls and read files of their own: in such builds nothing is kept from us. */
#ifdef WGX_SANITIZE
#define WGX_SANITIZED true
#else
#define WGX_SANITIZED false
#endif

/* Whose filter */
enum wgx_sandbox {
	WGX_SANDBOX_DAEMON = 1, /* every thread */
	WGX_SANDBOX_WORKER = 2, /* on top of that, the two that meet the packets */
};

/**
 * wgx_sandbox_enter() - from now on the calling thread, and those it starts, make no other system calls
 * @who: whose filter; a second one can only take away
 *
 * WGX_SECCOMP=off in the environment leaves it out, WGX_SECCOMP=log has the kernel's audit log tell of what
 * would have been forbidden. Without effect in sanitizer builds, whose runtime makes calls of its own.
 *
 * Return: 0 or a negative errno; 0 where the kernel has no seccomp (CONFIG_SECCOMP_FILTER).
 */
int wgx_sandbox_enter(enum wgx_sandbox who);

/**
 * wgx_sandbox_allows() - is a call in the filter? For tests
 * @who: whose filter
 * @nr: the system call's number, or libseccomp's pseudo-number where this architecture does not have it
 */
bool wgx_sandbox_allows(enum wgx_sandbox who, int nr);

#endif
