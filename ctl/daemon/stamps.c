/* SPDX-License-Identifier: MIT */
#include "daemon/stamps.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "daemon/log.h"
#include "proto/noise.h"

#define FILE_NAME "stamp"
#define NEW_NAME FILE_NAME ".new"
#define BAD_NAME FILE_NAME ".bad"
/* The whole file: this, the mark (TAI64N in hex) and a newline. The number is the format's version. */
#define HEADER "wgx stamp 1 "
#define TEXT_LEN (sizeof(HEADER) - 1 + 2 * WGX_TIMESTAMP_LEN + 1)

#define TAI64_1970 UINT64_C(0x400000000000000a) /* with 10 leap seconds, as in proto/noise.c */
#define AHEAD 60 /* seconds */
#define LOCK_TRIES 100 /* of 10 ms: others hold it for as long as a write takes */

/* ---- the file ---- */

static void format(char text[TEXT_LEN + 1], const uint8_t mark[WGX_TIMESTAMP_LEN])
{
	char hex[2 * WGX_TIMESTAMP_LEN + 1];

	sodium_bin2hex(hex, sizeof(hex), mark, WGX_TIMESTAMP_LEN);
	snprintf(text, TEXT_LEN + 1, HEADER "%s\n", hex);
}

static int parse(const char text[TEXT_LEN], uint8_t mark[WGX_TIMESTAMP_LEN])
{
	const char *hex = text + sizeof(HEADER) - 1;
	size_t len;
	__be32 ns;

	if (memcmp(text, HEADER, sizeof(HEADER) - 1) || text[TEXT_LEN - 1] != '\n')
		return -EBADMSG;
	if (sodium_hex2bin(mark, WGX_TIMESTAMP_LEN, hex, 2 * WGX_TIMESTAMP_LEN, NULL, &len, NULL) ||
	    len != WGX_TIMESTAMP_LEN)
		return -EBADMSG;
	memcpy(&ns, mark + sizeof(__be64), sizeof(ns));
	/* 1970 is 0x40 and seven bytes of zeros; the next byte counts from there in 2 billion years */
	return mark[0] != 0x40 || mark[1] || be32toh(ns) >= 1000000000 ? -EBADMSG : 0;
}

/* -ENOENT: there is none; -EBADMSG: damaged */
static int read_mark(const struct wgx_stamps *s, uint8_t mark[WGX_TIMESTAMP_LEN])
{
	char text[TEXT_LEN + 1];
	ssize_t n;
	int fd, err = 0;

	fd = openat(s->dir_fd, FILE_NAME, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text));
	if (n < 0)
		err = -errno;
	close(fd);
	if (err)
		return err;
	return n == TEXT_LEN ? parse(text, mark) : -EBADMSG;
}

static int write_and_sync(int fd, const char *text, size_t len)
{
	ssize_t n = write(fd, text, len);

	if (n != (ssize_t)len)
		return n < 0 ? -errno : -ENOSPC;
	return fsync(fd) ? -errno : 0;
}

/* All of the new one or all of the old one is there after a loss of power. */
static int write_mark(const struct wgx_stamps *s, const uint8_t mark[WGX_TIMESTAMP_LEN])
{
	char text[TEXT_LEN + 1];
	int fd, err;

	fd = openat(s->dir_fd, NEW_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd < 0)
		return -errno;
	format(text, mark);
	err = write_and_sync(fd, text, TEXT_LEN);
	close(fd);
	if (!err && renameat(s->dir_fd, NEW_NAME, s->dir_fd, FILE_NAME))
		err = -errno;
	if (!err && fsync(s->dir_fd))
		err = -errno;
	return err;
}

/* ---- what is known of it, under s->lock ---- */

static void tell(struct wgx_stamps *s, int err)
{
	if (err && !s->failing)
		wgx_log(WGX_LOG_WARN,
			"%s: %s: timestamps are not kept; should the clock be set back, peers "
			"refuse handshakes after a restart",
			s->path, strerror(-err));
	else if (!err && s->failing)
		wgx_log(WGX_LOG_INFO, "%s: timestamps are kept again", s->path);
	s->failing = err;
}

/* Out of the way, but not gone: it may hold a later mark than we know of. */
static void set_aside(struct wgx_stamps *s)
{
	int err = renameat(s->dir_fd, FILE_NAME, s->dir_fd, BAD_NAME) ? -errno : 0;

	if (!s->lost)
		wgx_log(WGX_LOG_WARN,
			"%s is damaged%s: if the clock has been set back, peers refuse handshakes "
			"until it has caught up",
			s->path, err ? "" : ", now " BAD_NAME);
	s->lost = true;
}

/* Look at the file, whose directory is locked. 0, or what a write will hardly mend. */
static int refresh(struct wgx_stamps *s)
{
	uint8_t mark[WGX_TIMESTAMP_LEN];
	int err;

	err = read_mark(s, mark);
	switch (err) {
	case 0:
		wgx_stamp_raise(s->mark, mark);
		s->lost = false;
		return 0;
	case -EBADMSG:
		set_aside(s);
		return 0;
	case -ENOENT:
		s->lost = true;
		return 0;
	default:
		return err;
	}
}

static int lock_dir(const struct wgx_stamps *s)
{
	for (int tries = 0; flock(s->dir_fd, LOCK_EX | LOCK_NB); tries++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (tries == LOCK_TRIES)
			return -EBUSY;
		poll(NULL, 0, 10);
	}
	return 0;
}

static void unlock_dir(const struct wgx_stamps *s)
{
	flock(s->dir_fd, LOCK_UN);
}

/* @mark = @stamp and @seconds */
static void later(uint8_t mark[WGX_TIMESTAMP_LEN], const uint8_t stamp[WGX_TIMESTAMP_LEN],
		  uint64_t seconds)
{
	__be64 s;

	memcpy(mark, stamp, WGX_TIMESTAMP_LEN);
	memcpy(&s, mark, sizeof(s));
	s = htobe64(be64toh(s) + seconds);
	memcpy(mark, &s, sizeof(s));
}

/* Other daemons write too: never a mark before theirs. */
static int write_ahead(struct wgx_stamps *s, const uint8_t stamp[WGX_TIMESTAMP_LEN])
{
	uint8_t mark[WGX_TIMESTAMP_LEN];
	int err;

	err = lock_dir(s);
	if (err)
		return err;
	err = refresh(s);
	if (!err && (s->lost || memcmp(stamp, s->mark, WGX_TIMESTAMP_LEN) > 0)) {
		later(mark, stamp, AHEAD);
		wgx_stamp_raise(mark, s->mark);
		err = write_mark(s, mark);
		if (!err) {
			memcpy(s->mark, mark, sizeof(mark));
			memcpy(s->written, mark, sizeof(mark));
			s->lost = false;
		}
	}
	unlock_dir(s);
	return err;
}

/* ---- the interface ---- */

void wgx_stamps_open(struct wgx_stamps *s, const char *dir)
{
	memset(s, 0, sizeof(*s));
	pthread_mutex_init(&s->lock, NULL);
	snprintf(s->path, sizeof(s->path), "%s/" FILE_NAME, dir);
	s->dir_fd = -1;
	if (!mkdir(dir, 0700) || errno == EEXIST)
		s->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0)
		tell(s, -errno);
}

void wgx_stamps_close(struct wgx_stamps *s)
{
	if (s->dir_fd >= 0)
		close(s->dir_fd);
	s->dir_fd = -1;
}

int wgx_stamps_read(const char *dir, uint64_t *ret)
{
	struct wgx_stamps s = {.dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
	uint8_t mark[WGX_TIMESTAMP_LEN];
	__be64 seconds;
	int err;

	if (s.dir_fd < 0)
		return -errno;
	err = read_mark(&s, mark);
	close(s.dir_fd);
	if (err)
		return err;
	memcpy(&seconds, mark, sizeof(seconds));
	*ret = be64toh(seconds) - TAI64_1970;
	return 0;
}

void wgx_stamps_floor(struct wgx_stamps *s, uint8_t stamp[WGX_TIMESTAMP_LEN])
{
	int err;

	pthread_mutex_lock(&s->lock);
	if (s->dir_fd >= 0) {
		err = lock_dir(s);
		if (!err) {
			err = refresh(s);
			unlock_dir(s);
		}
		if (err)
			tell(s, err);
	}
	/* a mark that another daemon wrote, or one before us: all up to it may have been sent */
	if (memcmp(s->mark, s->written, sizeof(s->mark)) > 0)
		wgx_stamp_raise(s->sent, s->mark);
	wgx_stamp_raise(stamp, s->sent);
	pthread_mutex_unlock(&s->lock);
}

void wgx_stamps_reserve(struct wgx_stamps *s, const uint8_t stamp[WGX_TIMESTAMP_LEN])
{
	pthread_mutex_lock(&s->lock);
	wgx_stamp_raise(s->sent, stamp);
	if (s->dir_fd >= 0 && (s->lost || memcmp(stamp, s->mark, WGX_TIMESTAMP_LEN) > 0))
		tell(s, write_ahead(s, stamp));
	pthread_mutex_unlock(&s->lock);
}
