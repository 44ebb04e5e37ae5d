/* SPDX-License-Identifier: MIT */
/* Programs that up and down run: the user's hooks, nft, resolvconf. */
#ifndef WGX_QUICK_RUN_H
#define WGX_QUICK_RUN_H

#include <stdbool.h>

/**
 * wgx_run_catch_signals() - from here on SIGINT, SIGTERM and SIGHUP interrupt what is done, and do not kill
 * So that what was done half can be undone. Return: 0 or negative errno.
 */
int wgx_run_catch_signals(void);
/** wgx_run_interrupted() - has one of them come? */
bool wgx_run_interrupted(void);
/** wgx_run_ignore_signals() - from here on nothing is interrupted any more: what was done is being undone */
void wgx_run_ignore_signals(void);

/**
 * wgx_run() - a program, until it ends
 * @argv: the first is looked for in $PATH
 * @input: what it reads on standard input; NULL: the caller's
 * @quiet: it writes to nowhere
 *
 * A signal as above ends it. Return: its exit status, 128 and more for its death by a signal; or -EINTR
 * (interrupted), or another negative errno.
 */
int wgx_run(const char *const argv[], const char *input, bool quiet);

/** wgx_run_exists() - is there such a program in $PATH? */
bool wgx_run_exists(const char *name);

#endif
