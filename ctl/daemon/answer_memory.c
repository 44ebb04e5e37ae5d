/* SPDX-License-Identifier: MIT */
#include "daemon/answer_memory.h"

#include <jansson.h>
#include <stdlib.h>

static _Thread_local bool failed;

static void *allocate(size_t size)
{
	void *p = malloc(size);

	failed |= !p;
	return p;
}

void wgx_answer_memory_watch(void)
{
	json_set_alloc_funcs(allocate, free);
}

void wgx_answer_memory_begin(void)
{
	failed = false;
}

bool wgx_answer_memory_failed(void)
{
	return failed;
}

void *wgx_answer_calloc(size_t n, size_t size)
{
	void *p = calloc(n, size);

	failed |= !p;
	return p;
}
