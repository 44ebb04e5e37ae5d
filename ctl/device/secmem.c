/* SPDX-License-Identifier: MIT */
/*
 * Chunks from mmap() are cut into blocks by the number of cache lines; a freed block waits, wiped, on its
 * class's list. Blocks of more than WGX_SECMEM_SMALL bytes are mappings of their own.
 *
 * A child has none of it: the kernel wipes the mappings there (MADV_WIPEONFORK), and does not keep them
 * locked, so the child begins with empty lists and a chunk of its own.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sodium.h>
#include <sys/mman.h>
#include "device/secmem.h"

#if defined(__SANITIZE_ADDRESS__)
#define WGX_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WGX_ASAN 1
#endif
#endif

#ifdef WGX_ASAN
#include <sanitizer/asan_interface.h>
#define poison(p, n) __asan_poison_memory_region(p, n)
#define unpoison(p, n) __asan_unpoison_memory_region(p, n)
#else
#define poison(p, n) ((void)(p), (void)(n))
#define unpoison(p, n) ((void)(p), (void)(n))
#endif

#define LINE 64
#define WGX_SECMEM_SMALL 8192
#define CLASSES (WGX_SECMEM_SMALL / LINE)
#define CHUNK (256 * 1024)

struct free_block {
	struct free_block *next;
};

static struct {
	pthread_mutex_t lock;
	struct free_block *free[CLASSES + 1]; /* by lines */
	uint8_t *chunk; /* what is left of the newest one */
	size_t left;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Atomic bool unlocked;
static _Atomic size_t used; /* bytes as asked for */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void before_fork(void)
{
	pthread_mutex_lock(&pool.lock);
}

static void after_fork_parent(void)
{
	pthread_mutex_unlock(&pool.lock);
}

static void after_fork_child(void)
{
	memset(pool.free, 0, sizeof(pool.free));
	atomic_store(&used, 0);
	pool.chunk = NULL;
	pool.left = 0;
	pthread_mutex_unlock(&pool.lock);
}

static void watch_forks(void)
{
	pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	/* RLIMIT_MEMLOCK may forbid it: better to work unlocked than not at all, but say so */
	if (mlock(p, size) < 0)
		atomic_store(&unlocked, true);
	madvise(p, size, MADV_DONTDUMP);
	madvise(p, size, MADV_WIPEONFORK);
	return p;
}

static size_t lines_of(size_t size)
{
	return size ? (size + LINE - 1) / LINE : 1;
}

static void push(void *p, size_t lines)
{
	struct free_block *b = p;

	b->next = pool.free[lines];
	pool.free[lines] = b;
	poison(p, lines * LINE);
}

static void *pop(size_t lines)
{
	struct free_block *b = pool.free[lines];

	if (!b)
		return NULL;
	unpoison(b, lines * LINE);
	pool.free[lines] = b->next;
	b->next = NULL; /* the rest was wiped when it came here */
	return b;
}

static void *cut(size_t lines)
{
	uint8_t *p;

	if (pool.left < lines * LINE) {
		p = map(CHUNK);
		if (!p)
			return NULL;
		while (pool.left) { /* what is left of the old one serves smaller blocks */
			size_t rest = pool.left / LINE < CLASSES ? pool.left / LINE : CLASSES;

			push(pool.chunk, rest);
			pool.chunk += rest * LINE;
			pool.left -= rest * LINE;
		}
		pool.chunk = p;
		pool.left = CHUNK;
	}
	p = pool.chunk;
	pool.chunk += lines * LINE;
	pool.left -= lines * LINE;
	return p;
}

static void *alloc_small(size_t lines)
{
	void *p;

	pthread_mutex_lock(&pool.lock);
	p = pop(lines);
	if (!p)
		p = cut(lines);
	pthread_mutex_unlock(&pool.lock);
	return p;
}

void *wgx_secmem_alloc(size_t size)
{
	void *p;

	pthread_once(&once, watch_forks);
	p = size > WGX_SECMEM_SMALL ? map(size) : alloc_small(lines_of(size));
	if (p)
		atomic_fetch_add_explicit(&used, size, memory_order_relaxed);
	return p;
}

void wgx_secmem_free(void *p, size_t size)
{
	if (!p)
		return;
	atomic_fetch_sub_explicit(&used, size, memory_order_relaxed);
	if (size > WGX_SECMEM_SMALL) {
		sodium_memzero(p, size);
		munmap(p, size);
		return;
	}
	sodium_memzero(p, lines_of(size) * LINE);
	pthread_mutex_lock(&pool.lock);
	push(p, lines_of(size));
	pthread_mutex_unlock(&pool.lock);
}

bool wgx_secmem_locked(void)
{
	return !atomic_load(&unlocked);
}

size_t wgx_secmem_used(void)
{
	return atomic_load(&used);
}
