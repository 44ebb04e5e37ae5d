/* SPDX-License-Identifier: MIT */
/*
 * Is a secret anywhere in this process's memory: heap, stacks, locked memory, libraries' data? What is
 * looked for is kept masked, so that it is not found here.
 */
#ifndef WGX_SELFTESTS_MEMORY_SCAN_H
#define WGX_SELFTESTS_MEMORY_SCAN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <ucontext.h>
#include <unistd.h>

#define SCAN_SECRETS 64
#define SCAN_PIECE \
	15 /* bytes that count as found: either half of a key, but for what clamping changes */
#define SCAN_MASK 0x5a
#define SCAN_CHUNK 65536
#define SCAN_MAPPING_MAX (UINT64_C(1) << 30)

struct scan {
	struct scan_secret {
		const char *name;
		uint8_t masked[2 * SCAN_PIECE];
	} secrets[SCAN_SECRETS];
	unsigned int n;
	uint8_t chunk[SCAN_CHUNK + SCAN_PIECE]; /* not looked into */
};

/* Look for @secret, 32 bytes, from now on. */
static inline void scan_for(struct scan *s, const char *name, const uint8_t *secret)
{
	struct scan_secret *e = &s->secrets[s->n];

	assert_true(s->n < SCAN_SECRETS);
	s->n++;
	e->name = name;
	for (unsigned int i = 0; i < 2 * SCAN_PIECE; i++)
		e->masked[i] = secret[i + 1] ^ SCAN_MASK;
}

static inline bool scan_matches(const uint8_t *masked, const uint8_t *at)
{
	for (unsigned int i = 0; i < SCAN_PIECE; i++) {
		if ((at[i] ^ SCAN_MASK) != masked[i])
			return false;
	}
	return true;
}

static inline unsigned int scan_chunk(const struct scan *s, size_t len, uint64_t at,
				      const char *mapping)
{
	bool first[256] = {false}; /* what a piece begins with */
	unsigned int found = 0;

	for (unsigned int k = 0; k < 2 * s->n; k++)
		first[s->secrets[k / 2].masked[k % 2 * SCAN_PIECE] ^ SCAN_MASK] = true;
	for (size_t i = 0; i + SCAN_PIECE <= len; i++) {
		if (!first[s->chunk[i]])
			continue;
		for (unsigned int k = 0; k < 2 * s->n; k++) {
			const struct scan_secret *e = &s->secrets[k / 2];

			if (!scan_matches(e->masked + k % 2 * SCAN_PIECE, s->chunk + i))
				continue;
			print_message("# %s at %llx in %s\n", e->name, (unsigned long long)(at + i),
				      mapping);
			found++;
		}
	}
	return found;
}

static inline unsigned int scan_range(struct scan *s, int mem, uint64_t from, uint64_t to,
				      const char *mapping)
{
	const uint64_t own = (uintptr_t)s, own_end = own + sizeof(*s);
	unsigned int found = 0;

	for (uint64_t at = from; at < to; at += SCAN_CHUNK) {
		size_t want = to - at < sizeof(s->chunk) ? to - at : sizeof(s->chunk);
		ssize_t n = pread(mem, s->chunk, want, (off_t)at);

		if (n <= 0)
			continue; /* a guard page */
		/* our own chunk holds what was read before */
		if (at < own_end && at + n > own) {
			uint64_t a = at > own ? at : own, b = at + n < own_end ? at + n : own_end;

			memset(s->chunk + (a - at), 0, b - a);
		}
		found += scan_chunk(s, (size_t)n, at, mapping);
	}
	return found;
}

/* How often any of them was found; each is printed. */
static inline unsigned int scan_memory(struct scan *s)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	unsigned long long from, to;
	unsigned int found = 0;
	char line[512], perms[8];

	assert_true(maps && mem >= 0);
	while (fgets(line, sizeof(line), maps)) {
		line[strcspn(line, "\n")] = 0;
		if (sscanf(line, "%llx-%llx %7s", &from, &to, perms) == 3 && perms[0] == 'r' &&
		    perms[1] == 'w' && to - from <= SCAN_MAPPING_MAX)
			found += scan_range(s, mem, from, to, line);
	}
	fclose(maps);
	close(mem);
	return found;
}

/* Run @f on a stack of its own, on which what it left there stays: nothing else is called on it. */
#define SCAN_STACK (128 * 1024)

static inline void scan_on_stack(uint8_t stack[SCAN_STACK], void (*f)(void))
{
	static ucontext_t here, there;

	assert_int_equal(getcontext(&there), 0);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = SCAN_STACK;
	there.uc_link = &here;
	makecontext(&there, f, 0);
	assert_int_equal(swapcontext(&here, &there), 0);
}

#endif
