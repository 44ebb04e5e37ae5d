/* SPDX-License-Identifier: MIT */
#include "cli/file.h"

#include <errno.h>
#include <limits.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int write_all(int fd, const char *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int wgx_file_write(int directory, const char *name, const void *data, size_t len, mode_t mode)
{
	char new[NAME_MAX + 16];
	int fd, err;

	/* a name that is no record's, beside the file that it becomes */
	if (snprintf(new, sizeof(new), ".%s.new", name) > NAME_MAX)
		return -ENAMETOOLONG;
	unlinkat(directory, new, 0);
	fd = openat(directory, new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, data, len);
	if (!err && (fchmod(fd, mode) || fsync(fd)))
		err = -errno;
	if (close(fd) && !err)
		err = -errno;
	if (!err && renameat(directory, new, directory, name))
		err = -errno;
	if (err)
		unlinkat(directory, new, 0);
	else
		(void)fsync(directory); /* some file systems cannot, and need not */
	return err;
}

/* json_dumps() goes on where it has no memory for a member's name; this needs none but for our buffer. */
int wgx_file_write_json(int directory, const char *name, const json_t *o, mode_t mode)
{
	size_t len = o ? json_dumpb(o, NULL, 0, JSON_INDENT(1)) : 0;
	char *text = len ? malloc(len + 1) : NULL;
	int err = -ENOMEM;

	if (text && json_dumpb(o, text, len, JSON_INDENT(1)) == len) {
		text[len] = '\n';
		err = wgx_file_write(directory, name, text, len + 1, mode);
	}
	free(text);
	return err;
}

static ssize_t read_all(int fd, char *text, size_t size)
{
	size_t len = 0;

	for (;;) {
		ssize_t n = read(fd, text + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		len += (size_t)n;
		if (len == size)
			return -EFBIG;
		if (!n)
			break;
	}
	text[len] = '\0';
	return (ssize_t)len;
}

ssize_t wgx_file_read(int directory, const char *name, char *text, size_t size)
{
	int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st))
		n = -errno;
	else
		n = S_ISREG(st.st_mode) ? read_all(fd, text, size) : -EINVAL;
	close(fd);
	return n;
}
