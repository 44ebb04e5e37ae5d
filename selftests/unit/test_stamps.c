/* SPDX-License-Identifier: MIT */
/* P-HS-3: the mark on disk that no stamp sent is beyond; in a directory of its own under TMPDIR. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "daemon/stamps.h"
#include "proto/noise.h"
#include "proto/timers.h"
#include "unit/line_test.h"

#define NOW (UINT64_C(1700000000) * WGX_SECOND) /* Unix time, ns */
#define HOUR (3600 * WGX_SECOND)

struct env {
	char dir[128], file[160], bad[160];
	struct wgx_stamps a, b; /* two daemons */
};

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct env *e = calloc(1, sizeof(*e));

	if (!e || sodium_init() < 0)
		return -1;
	snprintf(e->dir, sizeof(e->dir), "%s/wgx-stamps.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(e->dir))
		return -1;
	snprintf(e->file, sizeof(e->file), "%s/stamp", e->dir);
	snprintf(e->bad, sizeof(e->bad), "%s/stamp.bad", e->dir);
	wgx_stamps_open(&e->a, e->dir);
	wgx_stamps_open(&e->b, e->dir);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	wgx_stamps_close(&e->a);
	wgx_stamps_close(&e->b);
	unlink(e->file);
	unlink(e->bad);
	rmdir(e->dir);
	free(e);
	return 0;
}

/* The stamp of a clock that shows @real, for a peer that no stamp was sent to yet. */
static void stamp_at(uint8_t stamp[WGX_TIMESTAMP_LEN], uint64_t real)
{
	uint8_t last[WGX_TIMESTAMP_LEN] = {0}, key[WGX_KEY_LEN] = {9};
	struct wgx_handshake hs;

	wgx_handshake_init(&hs, key);
	wgx_noise_stamp(&hs, real, last, stamp);
}

static void reserve(struct wgx_stamps *s, uint64_t real)
{
	uint8_t stamp[WGX_TIMESTAMP_LEN];

	stamp_at(stamp, real);
	wgx_stamps_reserve(s, stamp);
}

static void assert_floor(struct wgx_stamps *s, uint64_t real)
{
	uint8_t floor[WGX_TIMESTAMP_LEN] = {0}, want[WGX_TIMESTAMP_LEN] = {0};

	wgx_stamps_floor(s, floor);
	if (real)
		stamp_at(want, real);
	assert_memory_equal(floor, want, sizeof(want));
}

static void restart(struct env *e)
{
	wgx_stamps_close(&e->a);
	wgx_stamps_open(&e->a, e->dir);
}

/* Each write makes a new file. */
static ino_t inode(const struct env *e)
{
	struct stat st;

	return stat(e->file, &st) ? 0 : st.st_ino;
}

static void put(const char *path, const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static size_t get(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, text, size);
	close(fd);
	assert_true(n >= 0);
	return (size_t)n;
}

/* A minute ahead, once a minute; what the next daemon begins with is later than all that was sent. */
static void write_ahead(void **state)
{
	struct env *e = *state;
	struct stat st;
	ino_t first;

	assert_floor(&e->a, 0);
	assert_int_equal(inode(e), 0);
	reserve(&e->a, NOW);
	first = inode(e);
	assert_true(first);
	assert_int_equal(stat(e->file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	reserve(&e->a, NOW + 59 * WGX_SECOND);
	reserve(&e->a, NOW - HOUR);
	assert_int_equal(inode(e), first);
	restart(e);
	assert_floor(&e->a, NOW + 60 * WGX_SECOND);
	reserve(&e->a, NOW + 61 * WGX_SECOND);
	restart(e);
	assert_floor(&e->a, NOW + 121 * WGX_SECOND);
}

/* Killed at any moment, and with the clock an hour back: the first stamp after is later than the last before. */
static void later_after_restart(void **state)
{
	struct env *e = *state;
	uint8_t sent[WGX_TIMESTAMP_LEN], next[WGX_TIMESTAMP_LEN], key[WGX_KEY_LEN] = {9};
	struct wgx_handshake hs;

	for (unsigned int i = 0; i < 200; i++) {
		uint64_t real = NOW - i * HOUR + i * 7 * WGX_SECOND;
		uint8_t last[WGX_TIMESTAMP_LEN] = {0};

		restart(e);
		wgx_stamps_floor(&e->a, last);
		wgx_handshake_init(&hs, key);
		wgx_stamp_raise(hs.last_stamp_sent, last);
		for (unsigned int k = 0; k <= i % 5; k++) {
			wgx_noise_stamp(&hs, real, last, next);
			wgx_stamps_reserve(&e->a, next);
			assert_true((!i && !k) || memcmp(next, sent, sizeof(sent)) > 0);
			memcpy(sent, next, sizeof(sent));
		}
	}
}

/* Another interface of the same daemon goes on from what was sent, not from the mark. */
static void second_interface(void **state)
{
	struct env *e = *state;

	assert_floor(&e->a, 0);
	reserve(&e->a, NOW);
	assert_floor(&e->a, NOW);
	reserve(&e->a, NOW - HOUR);
	assert_floor(&e->a, NOW);
}

static void two_daemons(void **state)
{
	struct env *e = *state;
	ino_t first;

	reserve(&e->a, NOW);
	first = inode(e);
	reserve(&e->b, NOW + 30 * WGX_SECOND); /* the other one's mark will do */
	assert_int_equal(inode(e), first);
	reserve(&e->b, NOW + 70 * WGX_SECOND);
	assert_int_not_equal(inode(e), first);
	first = inode(e);
	reserve(&e->a, NOW + 65 * WGX_SECOND);
	assert_int_equal(inode(e), first);
	/* a key that moves from b to a: b may have sent all up to its mark */
	assert_floor(&e->a, NOW + 130 * WGX_SECOND);
	/* the mark is the greatest of all */
	reserve(&e->b, NOW + HOUR);
	reserve(&e->a, NOW + 131 * WGX_SECOND);
	restart(e);
	assert_floor(&e->a, NOW + HOUR + 60 * WGX_SECOND);
}

/* Set aside, not overwritten; and never a reason to end. */
static void damaged(void **state)
{
	static const char *const texts[] = {
		"",
		"\n",
		"wgx stamp 1 400000006553f10a00000000", /* no newline */
		"wgx stamp 1 400000006553f10a00000000\n\n",
		"wgx stamp 2 400000006553f10a00000000\n",
		"wgx stamp 1 400000006553f10a0000000g\n",
		"wgx stamp 1 400000006553f10a3b9aca00\n", /* 10^9 ns */
		"wgx stamp 1 c00000006553f10a00000000\n", /* reserved */
		"wgx stamp 1 ffffffffffffffffffffffff\n",
		"wgx stamp 1 000000000000000000000000\n",
	};
	struct env *e = *state;
	char kept[64];

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		put(e->file, texts[i], strlen(texts[i]));
		restart(e);
		assert_floor(&e->a, 0);
		assert_int_equal(get(e->bad, kept, sizeof(kept)), strlen(texts[i]));
		assert_memory_equal(kept, texts[i], strlen(texts[i]));
		reserve(&e->a, NOW);
		restart(e);
		assert_floor(&e->a, NOW + 60 * WGX_SECOND);
	}
}

/* What we know is not lost with the file. */
static void damaged_meanwhile(void **state)
{
	struct env *e = *state;

	reserve(&e->a, NOW);
	put(e->file, "?", 1);
	assert_floor(&e->a, NOW);
	reserve(&e->a, NOW - HOUR); /* within the mark, but that is gone */
	restart(e);
	assert_floor(&e->a, NOW + 60 * WGX_SECOND);
	reserve(&e->a, NOW + HOUR);
	assert_int_equal(unlink(e->file), 0);
	reserve(&e->a, NOW + 2 * HOUR);
	restart(e);
	assert_floor(&e->a, NOW + 2 * HOUR + 60 * WGX_SECOND);
}

/* No directory, or one that goes: nothing is kept, and within the daemon all is as before. */
static void nowhere(void **state)
{
	struct env *e = *state;
	char path[192];

	put(e->file, "", 0);
	snprintf(path, sizeof(path), "%s/deeper", e->file);
	wgx_stamps_close(&e->a);
	wgx_stamps_open(&e->a, path);
	assert_int_equal(e->a.dir_fd, -1);
	assert_floor(&e->a, 0);
	reserve(&e->a, NOW);
	assert_floor(&e->a, NOW);

	unlink(e->file);
	assert_int_equal(rmdir(e->dir), 0);
	reserve(&e->b, NOW);
	assert_true(e->b.failing);
	assert_floor(&e->b, NOW);
	restart(e); /* makes it */
	assert_true(e->a.dir_fd >= 0);
	reserve(&e->a, NOW);
	assert_true(inode(e));
}

int main(void)
{
#define TEST(f) line_test_setup_teardown("P-HS-3", f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(write_ahead),	TEST(later_after_restart),
		TEST(second_interface), TEST(two_daemons),
		TEST(damaged),		TEST(damaged_meanwhile),
		TEST(nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
