/* SPDX-License-Identifier: MIT */
/*
 * The lines of a file in the manner of NetBSD's ifconfig.if(5): empty, "# comment", "!command" for sh(1), or
 * parameters of ifconfig, with quotes as sh has them. A backslash at its end joins a line to the next.
 */
#ifndef WGX_NETBSD_BOOTFILE_H
#define WGX_NETBSD_BOOTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include "netbsd/ifconfig.h"

struct wgx_boot_line {
	unsigned int number; /* of its first line in the file, from 1 */
	char *text; /* owned; of the command, or what the parameters point into */
	bool is_command;
	struct wgx_ifconfig ifconfig; /* without a command */
};

struct wgx_bootfile {
	struct wgx_boot_line *lines;
	size_t n;
};

/**
 * wgx_bootfile_read() - and check all of it
 * @error: for the user, of @size bytes, on failure: "PATH:LINE: what is wrong"
 *
 * Return: 0, with @ret for wgx_bootfile_free(); or a negative errno.
 */
int wgx_bootfile_read(const char *path, struct wgx_bootfile *ret, char *error, size_t size);
void wgx_bootfile_free(struct wgx_bootfile *f);

#endif
