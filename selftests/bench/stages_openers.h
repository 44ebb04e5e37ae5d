/* SPDX-License-Identifier: MIT */
/*
 * What a helper of the open worker brings, by the length of a list (path/openers.h): the best time of a list, each
 * message of 1424 bytes, decrypted by one thread, with a helper that is awake, and with one that sleeps when the list
 * begins and is woken. Where the last is less than the first, waking is worth it: WAKE_WORK of path/openers.c.
 */
#ifndef WGX_BENCH_STAGES_OPENERS_H
#define WGX_BENCH_STAGES_OPENERS_H

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "path/aead.h"
#include "path/openers.h"
#include "proto/keypair.h"

#define OPENERS_LEN 1424
#define OPENERS_STRIDE 2048

static struct wgx_openers openers;
static struct wgx_keypair openers_key;
static uint8_t openers_sealed[WGX_OPENINGS_MAX][OPENERS_LEN + 16];
static uint8_t openers_memory[WGX_OPENINGS_MAX][OPENERS_STRIDE];

static inline uint64_t openers_list(struct wgx_aead *a, unsigned int n, bool asleep)
{
	uint64_t begin;

	for (unsigned int i = 0; i < n; i++) {
		struct wgx_opening *m = wgx_openers_next(&openers);

		memcpy(openers_memory[i], openers_sealed[i], OPENERS_LEN + 16);
		m->kp = &openers_key;
		m->payload = openers_memory[i];
		m->counter = i;
		m->plain = OPENERS_LEN;
		wgx_openers_add(&openers);
	}
	for (int turns = 0; asleep && !atomic_load(&openers.asleep[0]) && turns < 1000; turns++)
		usleep(100);
	begin = now_ns();
	wgx_openers_begin(&openers);
	if (atomic_exchange(&openers.asleep[0], false) && asleep)
		wgx_worker_wake(&openers.helpers[0]); /* however short it is */
	for (unsigned int i = 0; i < n; i++)
		if (wgx_openers_wait(&openers, i, a)) {
			fprintf(stderr, "a list does not open\n");
			exit(1);
		}
	begin = now_ns() - begin;
	wgx_openers_end(&openers);
	return begin;
}

static inline double openers_best(struct wgx_aead *a, unsigned int n, bool asleep)
{
	uint64_t best = UINT64_MAX, end = now_ns() + (uint64_t)(seconds * 1e9);

	do {
		uint64_t took = openers_list(a, n, asleep);

		if (took < best)
			best = took;
	} while (now_ns() < end);
	return (double)best * 1e-3;
}

static inline void bench_openers(void)
{
	static const unsigned int lengths[] = {8, 12, 16, 24, 32, 48, 64, 128, 256};
	enum { N = sizeof(lengths) / sizeof(*lengths) };
	struct wgx_aead *a = wgx_aead_create();
	double alone[N];

	if (!a)
		exit(1);
	for (unsigned int i = 0; i < WGX_OPENINGS_MAX; i++)
		wgx_aead_seal(a, openers_key.recv_key, i, openers_sealed[i], openers_sealed[i],
			      OPENERS_LEN);
	for (unsigned int i = 0; i < N; i++)
		alone[i] = openers_best(a, lengths[i], false);
	if (wgx_openers_start(&openers, NULL))
		exit(1);
	for (unsigned int i = 0; i < N; i++) {
		double awake = openers_best(a, lengths[i], false);
		double asleep = openers_best(a, lengths[i], true);

		printf("open a list of %-13u %8.1f us alone, %8.1f with a helper, %8.1f waking "
		       "it\n",
		       lengths[i], alone[i], awake, asleep);
		fflush(stdout);
	}
	wgx_openers_stop(&openers);
	wgx_aead_destroy(a);
}

#endif
