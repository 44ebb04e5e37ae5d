/* SPDX-License-Identifier: MIT */
/*
 * LD_PRELOAD=nomem.so NOMEM=FILE COMMAND: one allocation of the main thread fails: malloc(3) and its kin, in wgx and in
 * the libraries, and mmap(2) by its own name.
 *
 * FILE is mapped by all processes of a run (struct shared below; selftests/netns/alloc_faults.py reads and writes it). It
 * says which allocation fails, counted from when it is armed. Armed for none, each leaves a number that stands for the way
 * that led there, so that of a loop's many the first and the last can be chosen, and which function of wgx asked for it. And each process counts what it has
 * allocated and not freed.
 *
 * Those of liburcu succeed always: it ends the process where they do not; and those of libseccomp, which (2.5.4) goes
 * round for ever where it has no memory for the nodes of its tree. Nothing here makes a system call after its
 * start but in place of mmap(2).
 */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FRAMES 12
#define WAYS 65536u
#define PROCESSES 4096u

struct frame {
	uint64_t offset;
	char object[40];
};

struct shared {
	_Atomic uint32_t armed;
	_Atomic uint32_t nth; /* fails, from 1; 0: none, ways are noted */
	_Atomic uint32_t seen; /* so many so far */
	_Atomic uint32_t hit; /* it has failed: at @frames */
	_Atomic uint32_t processes;
	uint32_t unused;
	struct frame frames[FRAMES];
	uint32_t ways[WAYS];
	uint64_t callers[WAYS]; /* the address in wgx that it returns to; 0: none */
	_Atomic int64_t live[PROCESSES]; /* by the order in which they started */
};

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *p);

static struct shared *shared;
static _Atomic int64_t *live;
static pthread_t main_thread;

static uint32_t hash_of(void *const *frames, int n)
{
	uint64_t h = 14695981039346656037u;

	for (int i = 0; i < n; i++)
		h = (h ^ (uint64_t)(uintptr_t)frames[i]) * 1099511628211u;
	return (uint32_t)(h ^ h >> 32) ?: 1;
}

static const char *object_of(const Dl_info *info)
{
	const char *slash = strrchr(info->dli_fname, '/');

	return slash ? slash + 1 : info->dli_fname;
}

static bool is_exempt(void *const *frames, int n)
{
	Dl_info info;

	for (int i = 0; i < n; i++)
		if (dladdr(frames[i], &info) && (!strncmp(object_of(&info), "liburcu", 7) ||
						 !strncmp(object_of(&info), "libseccomp", 10)))
			return true;
	return false;
}

/* The function of wgx that asked for it itself, or by the library that it called */
static uint64_t caller_of(void *const *frames, int n)
{
	bool library = true;
	uint64_t found = 0;

	for (int i = 0; i < n; i++) {
		Dl_info info;
		bool ours = dladdr(frames[i], &info) && !strcmp(object_of(&info), "wgx");

		if (ours && library)
			found = (uint64_t)((const char *)frames[i] - (const char *)info.dli_fbase);
		library = !ours;
	}
	return found;
}

static void note_frames(void *const *frames, int n)
{
	memset(shared->frames, 0, sizeof(shared->frames));
	for (int i = 0; i < n; i++) {
		Dl_info info;

		if (!dladdr(frames[i], &info))
			continue;
		shared->frames[i].offset =
			(uint64_t)((const char *)frames[i] - (const char *)info.dli_fbase);
		strncpy(shared->frames[i].object, object_of(&info),
			sizeof(shared->frames[i].object) - 1);
	}
}

/* Frames 0 and 1 are ours. */
static bool fails(void)
{
	static _Thread_local bool inside;
	void *frames[FRAMES + 2];
	uint32_t seen, nth;
	bool fail;
	int n;

	if (!shared || inside || !atomic_load(&shared->armed) ||
	    !pthread_equal(pthread_self(), main_thread))
		return false;
	nth = atomic_load(&shared->nth);
	seen = atomic_fetch_add(&shared->seen, 1) + 1;
	if (nth && seen != nth)
		return false;
	inside = true;
	n = backtrace(frames, FRAMES + 2) - 2;
	inside = false;
	if (n < 1)
		return false;
	if (!nth && seen <= WAYS) {
		shared->ways[seen - 1] = hash_of(frames + 2, n);
		shared->callers[seen - 1] = caller_of(frames + 2, n);
	}
	fail = nth && !is_exempt(frames + 2, n);
	if (fail) {
		note_frames(frames + 2, n);
		atomic_store(&shared->hit, 1);
	}
	return fail;
}

static void *counted(void *p)
{
	if (p && live)
		atomic_fetch_add(live, 1);
	return p;
}

static void *refuse(void)
{
	errno = ENOMEM;
	return NULL;
}

void *malloc(size_t size)
{
	return fails() ? refuse() : counted(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
	return fails() ? refuse() : counted(__libc_calloc(n, size));
}

void *realloc(void *p, size_t size)
{
	void *new;

	if (size && fails())
		return refuse();
	new = __libc_realloc(p, size);
	if (!p)
		return counted(new);
	if (!size && live)
		atomic_fetch_sub(live, 1);
	return new;
}

void *reallocarray(void *p, size_t n, size_t size)
{
	size_t all;

	return __builtin_mul_overflow(n, size, &all) ? refuse() : realloc(p, all);
}

void *memalign(size_t align, size_t size)
{
	return fails() ? refuse() : counted(__libc_memalign(align, size));
}

void *aligned_alloc(size_t align, size_t size)
{
	return fails() ? refuse() : counted(__libc_memalign(align, size));
}

int posix_memalign(void **ret, size_t align, size_t size)
{
	void *p = fails() ? NULL : counted(__libc_memalign(align, size));

	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

void free(void *p)
{
	if (p && live)
		atomic_fetch_sub(live, 1);
	__libc_free(p);
}

void *mmap(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
{
	if (fails()) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mmap, addr, size, prot, flags, fd, offset); /* NOLINT */
}

void *mmap64(void *addr, size_t size, int prot, int flags, int fd, off64_t offset)
{
	return mmap(addr, size, prot, flags, fd, offset);
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("NOMEM");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *frames[2], *map;

	if (fd < 0)
		return;
	map = (void *)syscall(SYS_mmap, NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
			      MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return;
	(void)backtrace(frames, 2); /* loads what it needs */
	main_thread = pthread_self();
	shared = map;
	live = &shared->live[atomic_fetch_add(&shared->processes, 1) % PROCESSES];
}
