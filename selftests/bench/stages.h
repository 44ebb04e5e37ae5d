/* SPDX-License-Identifier: MIT */
/* Measuring one stage. */
#ifndef WGX_BENCH_STAGES_H
#define WGX_BENCH_STAGES_H

#include <stdint.h>
#include <stdio.h>
#include <time.h>

#define ROUNDS 20

static double seconds = 0.4; /* a stage */

static inline uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A stage does its work once and undoes nothing; prepare() is taken off the measure. */
struct stage {
	const char *name;
	void (*prepare)(void);
	void (*work)(void);
	unsigned int packets; /* that work() handles */
	size_t bytes;
};

static inline uint64_t time_loop(void (*fn)(void), void (*fn2)(void), uint64_t n)
{
	uint64_t start = now_ns();

	for (uint64_t i = 0; i < n; i++) {
		if (fn)
			fn();
		if (fn2)
			fn2();
	}
	return now_ns() - start;
}

static inline double best_of(void (*fn)(void), void (*fn2)(void))
{
	uint64_t n = 1, took;
	double best = 1e18;

	while (time_loop(fn, fn2, n) < seconds * 1e9 / ROUNDS)
		n *= 2;
	for (int i = 0; i < ROUNDS; i++) {
		took = time_loop(fn, fn2, n);
		if ((double)took / (double)n < best)
			best = (double)took / (double)n;
	}
	return best;
}

static inline void report(const struct stage *s)
{
	double ns = best_of(s->prepare, s->work);

	if (s->prepare)
		ns -= best_of(s->prepare, NULL);
	printf("%-28s %8.1f ns/packet %8.1f Gbit/s\n", s->name, ns / s->packets,
	       (double)s->bytes * 8 / ns);
	fflush(stdout);
}

#endif
