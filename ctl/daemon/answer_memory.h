/* SPDX-License-Identifier: MIT */
/*
 * Has there been memory for all of an answer? Jansson leaves out what it has none for, and so would a sum that cannot
 * be made: an answer that is half there must not go out as if it were all.
 */
#ifndef WGX_DAEMON_ANSWER_MEMORY_H
#define WGX_DAEMON_ANSWER_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/** wgx_answer_memory_watch() - from now on, in this process; before there are threads that use Jansson */
void wgx_answer_memory_watch(void);
/** wgx_answer_memory_begin() - of the calling thread, forget what failed */
void wgx_answer_memory_begin(void);
/** wgx_answer_memory_failed() - has the calling thread been refused memory since then? */
bool wgx_answer_memory_failed(void);
/** wgx_answer_calloc() - calloc(3), noted where it fails */
void *wgx_answer_calloc(size_t n, size_t size);

#endif
