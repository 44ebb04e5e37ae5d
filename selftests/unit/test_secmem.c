/* SPDX-License-Identifier: MIT */
/* Memory for secrets: what it promises about zeroes, alignment, wiping, fork, dumps and locking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "line_test.h"
#include "device/secmem.h"

static const size_t sizes[] = {1, 32, 64, 65, 1000, 1344, 8191, 8192, 8193, 100000};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static bool all_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i])
			return false;
	}
	return true;
}

static void test_zeroed_and_apart(void **state)
{
	uint8_t *p[SIZES][20];

	for (int round = 0; round < 3; round++) { /* the later ones get used memory again */
		for (size_t s = 0; s < SIZES; s++) {
			for (size_t i = 0; i < 20; i++) {
				p[s][i] = wgx_secmem_alloc(sizes[s]);
				assert_non_null(p[s][i]);
				assert_int_equal((uintptr_t)p[s][i] % 64, 0);
				assert_true(all_zero(p[s][i], sizes[s]));
				memset(p[s][i], (int)(s * 20 + i), sizes[s]);
			}
		}
		for (size_t s = 0; s < SIZES; s++) {
			for (size_t i = 0; i < 20; i++) {
				for (size_t k = 0; k < sizes[s]; k++)
					assert_int_equal(p[s][i][k], (uint8_t)(s * 20 + i));
				wgx_secmem_free(p[s][i], sizes[s]);
			}
		}
	}
	wgx_secmem_free(NULL, 100);
	assert_int_equal(wgx_secmem_used(), 0);
	p[0][0] = wgx_secmem_alloc(1000);
	assert_int_equal(wgx_secmem_used(), 1000);
	wgx_secmem_free(p[0][0], 1000);
}

static bool dies_at(const volatile uint8_t *p)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		(void)*p;
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

/* 256 KB, aligned to that: a page on either side cannot be read. */
static void test_guards(void **state)
{
	const uintptr_t size = 256 * 1024;
	uint8_t *p = wgx_secmem_alloc(100);
	const uint8_t *chunk = (const uint8_t *)((uintptr_t)p & ~(size - 1));

	assert_non_null(p);
	assert_true(dies_at(chunk - 1));
	assert_false(dies_at(chunk + size - 1));
	assert_true(dies_at(chunk + size));
	wgx_secmem_free(p, 100);
}

/* Under sanitizers mlock() does nothing, and freed memory may be poisoned. */
#ifndef WGX_SANITIZE
/* Freed memory is wiped at once, not at its next use. */
static void test_wiped(void **state)
{
	uint8_t *p = wgx_secmem_alloc(1024), *volatile dangling = p;

	memset(p, 0xa5, 1024);
	wgx_secmem_free(p, 1024);
	assert_true(
		all_zero(dangling + sizeof(void *), 1024 - sizeof(void *))); /* a link is first */
}
#else
static void test_wiped(void **state)
{
	skip();
}
#endif

static void *alloc_many(void *arg)
{
	uintptr_t wrong = 0;

	for (unsigned int i = 0; i < 4000; i++) {
		uint8_t *p = wgx_secmem_alloc(256);

		wrong += !all_zero(p, 256);
		memset(p, *(int *)arg, 256);
		for (int k = 0; k < 256; k++)
			wrong += p[k] != *(int *)arg;
		wgx_secmem_free(p, 256);
	}
	return (void *)wrong;
}

static void test_threads(void **state)
{
	int mark[4] = {1, 2, 3, 4};
	pthread_t threads[4];
	void *wrong;

	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, alloc_many, &mark[i]), 0);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &wrong), 0);
		assert_null(wrong);
	}
}

/* What the kernel says of the mapping that holds @p: "VmFlags: … lo dd wf" */
static void mapping_flags(const void *p, char flags[512])
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long from, to;
	bool here = false;
	char line[512];

	flags[0] = 0;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = (uintptr_t)p >= from && (uintptr_t)p < to;
		if (here && !strncmp(line, "VmFlags:", 8))
			strcpy(flags, line);
	}
	fclose(f);
}

/* A child sees zeroes where its parent has secrets, and can still allocate: memory that is locked, for
 * locks are not inherited. */
static int look_as_child(const uint8_t *secret, const uint8_t *large)
{
	char flags[512];
	uint8_t *p[50];

	if (!all_zero(secret, 512) || !all_zero(large, 20000))
		return 1;
	for (int i = 0; i < 50; i++) {
		p[i] = wgx_secmem_alloc(512);
		if (!p[i] || !all_zero(p[i], 512))
			return 2;
		memset(p[i], i + 1, 512);
#ifndef WGX_SANITIZE
		mapping_flags(p[i], flags);
		if (wgx_secmem_locked() && !strstr(flags, " lo"))
			return 4;
#else
		(void)flags;
#endif
	}
	for (int i = 0; i < 50; i++) {
		if (p[i][0] != i + 1 || p[i][511] != i + 1)
			return 3;
		wgx_secmem_free(p[i], 512);
	}
	return 0;
}

static void test_fork(void **state)
{
	uint8_t *secret = wgx_secmem_alloc(512), *large = wgx_secmem_alloc(20000);
	void *freed[8];
	int status;
	pid_t pid;

	memset(secret, 0x77, 512);
	memset(large, 0x77, 20000);
	for (int i = 0; i < 8; i++)
		freed[i] = wgx_secmem_alloc(512);
	for (int i = 0; i < 8;
	     i++) /* blocks on the free list, whose links the child must not follow */
		wgx_secmem_free(freed[i], 512);
	pid = fork();
	if (pid == 0)
		_exit(look_as_child(secret, large));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(secret[0], 0x77);
	wgx_secmem_free(secret, 512);
	wgx_secmem_free(large, 20000);
}

static void test_mapping(void **state)
{
	static const size_t both[] = {64, 100000};
	char flags[512];

	for (int i = 0; i < 2; i++) {
		void *p = wgx_secmem_alloc(both[i]);

		mapping_flags(p, flags);
		assert_non_null(strstr(flags, " dd"));
		assert_non_null(strstr(flags, " wf"));
#ifndef WGX_SANITIZE
		if (wgx_secmem_locked())
			assert_non_null(strstr(flags, " lo"));
#endif
		wgx_secmem_free(p, both[i]);
	}
}

#ifndef WGX_SANITIZE
static long locked_kilobytes(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[128];
	long n = -1;

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "VmLck: %ld", &n);
	fclose(f);
	return n;
}

/* What nobody has any more goes back to the kernel, in whatever order it is freed; what is left is packed. */
static void test_returned(void **state)
{
	enum { BLOCKS = 40000, SIZE = 1000 };
	static void *p[BLOCKS];
	void *kept = wgx_secmem_alloc(SIZE);
	long before = locked_kilobytes(), full;

	if (!wgx_secmem_locked())
		skip();
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < BLOCKS; i++) {
			p[i] = wgx_secmem_alloc(SIZE);
			assert_non_null(p[i]);
		}
		full = locked_kilobytes() - before;
		assert_in_range(full, BLOCKS * 1024 / 1024 - 256, BLOCKS * 1024 / 1024 + 512);
		for (int i = 0; i < BLOCKS; i++) /* 7919 is prime: each once, all over the place */
			wgx_secmem_free(p[i * 7919L % BLOCKS], SIZE);
		assert_in_range(locked_kilobytes() - before, 0, 256);
	}
	wgx_secmem_free(kept, SIZE);
}

/* Without leave to lock: it works, and says so. Root has CAP_IPC_LOCK, which the child gives up. */
static int alloc_unlocked(void)
{
	const struct rlimit none = {0, 0};
	uint8_t *p;

	if (!wgx_secmem_locked())
		return 77;
	if (setrlimit(RLIMIT_MEMLOCK, &none) < 0 || (!geteuid() && setuid(65534) < 0))
		return 1;
	p = wgx_secmem_alloc(100000);
	if (!p)
		return 2;
	p[99999] = 1;
	return wgx_secmem_locked() ? 3 : 0;
}

static void test_locking_forbidden(void **state)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		_exit(alloc_unlocked());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* it is forbidden here already */
	assert_int_equal(WEXITSTATUS(status), 0);
}
#else
static void test_returned(void **state)
{
	skip();
}

static void test_locking_forbidden(void **state)
{
	skip();
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zeroed_and_apart), line_test("P-HS-10", test_wiped),
		cmocka_unit_test(test_threads),		 line_test("P-HS-10", test_fork),
		line_test("P-HS-10", test_mapping),	 cmocka_unit_test(test_locking_forbidden),
		cmocka_unit_test(test_returned),	 cmocka_unit_test(test_guards),
	};

	return cmocka_run_group_tests_name("secmem", tests, NULL, NULL);
}
