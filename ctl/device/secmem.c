/* SPDX-License-Identifier: MIT */
/*
 * Slabs: a chunk from mmap() is cut into blocks of one class, that is of so many cache lines, and begins with
 * its own head, which a block finds by its address. A freed block waits, wiped, on its chunk's list. A chunk
 * of which no block is in use goes back to the kernel, but for one a class. Blocks of more than
 * WGX_SECMEM_SMALL bytes are mappings of their own.
 *
 * A child has none of it: the kernel wipes the mappings there (MADV_WIPEONFORK), and does not keep them
 * locked, so the child begins without chunks.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sodium.h>
#include <sys/mman.h>
#include <unistd.h>
#include <urcu/list.h>
#include "device/secmem.h"
#include "proto/poison.h"

#define LINE 64
#define WGX_SECMEM_SMALL 8192
#define CLASSES (WGX_SECMEM_SMALL / LINE)
#define CHUNK ((size_t)256 * 1024) /* and its alignment */

struct free_block {
	struct free_block *next;
};

struct chunk {
	struct cds_list_head room; /* class.room, while a block of it is free */
	struct free_block *free;
	size_t fresh; /* where the blocks begin that never were in use */
	uint32_t used, lines;
};
_Static_assert(sizeof(struct chunk) <= LINE, "the first line of a chunk");

/* of blocks of as many lines as its index says */
struct size_class {
	struct cds_list_head room; /* chunks with a free block; who has been emptied is the last */
	unsigned int empty; /* chunks without a block in use: 0 or 1 */
};

static struct {
	pthread_mutex_t lock;
	struct size_class classes[CLASSES + 1];
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER};

static _Atomic bool unlocked;
static _Atomic size_t used; /* bytes as asked for */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void forget_chunks(void)
{
	for (size_t i = 0; i <= CLASSES; i++) {
		CDS_INIT_LIST_HEAD(&pool.classes[i].room);
		pool.classes[i].empty = 0;
	}
}

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
	forget_chunks();
	atomic_store(&used, 0);
	pthread_mutex_unlock(&pool.lock);
}

static void begin(void)
{
	forget_chunks();
	pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

/* Locked as it is touched: a chunk of which little is used costs little. */
static void *keep(void *p, size_t size)
{
	/* RLIMIT_MEMLOCK may forbid it: better to work unlocked than not at all, but say so */
	if (mlock2(p, size, MLOCK_ONFAULT) < 0)
		atomic_store(&unlocked, true);
	madvise(p, size, MADV_DONTDUMP);
	madvise(p, size, MADV_WIPEONFORK);
	return p;
}

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

static void *map_locked(size_t size)
{
	void *p = map(size);

	return p ? keep(p, size) : NULL;
}

/* On either side of a chunk there is a page that cannot be touched, so that nobody reads on into it, nor out of it. */
static size_t guard(void)
{
	return (size_t)getpagesize();
}

static void unmap_guarded(uint8_t *chunk)
{
	munmap(chunk - guard(), CHUNK + 2 * guard());
}

/* Twice as much, of which an aligned half is kept. */
static struct chunk *map_chunk(void)
{
	const size_t size = 2 * (CHUNK + guard());
	uint8_t *p = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *chunk;

	if (p == MAP_FAILED)
		return NULL;
	chunk = p + guard() + -(uintptr_t)(p + guard()) % CHUNK;
	if (chunk - guard() > p)
		munmap(p, (size_t)(chunk - guard() - p));
	munmap(chunk + CHUNK + guard(), size - (size_t)(chunk + CHUNK + guard() - p));
	if (mprotect(chunk, CHUNK, PROT_READ | PROT_WRITE)) {
		unmap_guarded(chunk);
		return NULL;
	}
	return keep(chunk, CHUNK);
}

static void unmap_chunk(struct chunk *c)
{
	wgx_unpoison(c, CHUNK);
	unmap_guarded((uint8_t *)c);
}

static size_t lines_of(size_t size)
{
	return size ? (size + LINE - 1) / LINE : 1;
}

static size_t block_size(const struct chunk *c)
{
	return (size_t)c->lines * LINE;
}

static bool is_full(const struct chunk *c)
{
	return !c->free && c->fresh + block_size(c) > CHUNK;
}

static struct chunk *new_chunk(size_t lines)
{
	struct chunk *c = map_chunk();

	if (!c)
		return NULL;
	c->lines = (uint32_t)lines;
	c->fresh = LINE;
	cds_list_add(&c->room, &pool.classes[lines].room);
	pool.classes[lines].empty++;
	return c;
}

static void *take_block(struct chunk *c)
{
	struct free_block *b = c->free;
	void *fresh = (uint8_t *)c + c->fresh;

	if (!b) {
		c->fresh += block_size(c);
		return fresh;
	}
	wgx_unpoison(b, block_size(c));
	c->free = b->next;
	b->next = NULL; /* the rest was wiped when it came here */
	return b;
}

static void *alloc_small(size_t lines)
{
	struct size_class *class = &pool.classes[lines];
	struct chunk *c;
	void *p = NULL;

	pthread_mutex_lock(&pool.lock);
	c = cds_list_empty(&class->room) ? new_chunk(lines)
					 : cds_list_first_entry(&class->room, struct chunk, room);
	if (c) {
		p = take_block(c);
		if (!c->used++)
			class->empty--;
		if (is_full(c))
			cds_list_del(&c->room);
	}
	pthread_mutex_unlock(&pool.lock);
	return p;
}

static void give_back(struct chunk *c, struct free_block *b)
{
	struct size_class *class = &pool.classes[c->lines];

	if (is_full(c))
		cds_list_add(&c->room, &class->room);
	b->next = c->free;
	c->free = b;
	wgx_poison(b, block_size(c));
	if (--c->used)
		return;
	cds_list_del(&c->room);
	if (class->empty) {
		unmap_chunk(c);
		return;
	}
	class->empty = 1;
	cds_list_add_tail(&c->room, &class->room);
}

static void free_small(void *p)
{
	struct chunk *c = (struct chunk *)((uintptr_t)p & ~(uintptr_t)(CHUNK - 1));

	sodium_memzero(p, block_size(c));
	pthread_mutex_lock(&pool.lock);
	give_back(c, p);
	pthread_mutex_unlock(&pool.lock);
}

void *wgx_secmem_alloc(size_t size)
{
	void *p;

	pthread_once(&once, begin);
	p = size > WGX_SECMEM_SMALL ? map_locked(size) : alloc_small(lines_of(size));
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
	} else {
		free_small(p);
	}
}

bool wgx_secmem_locked(void)
{
	return !atomic_load(&unlocked);
}

size_t wgx_secmem_used(void)
{
	return atomic_load(&used);
}
