/* SPDX-License-Identifier: MIT */
/* Small files, whole or not at all. */
#ifndef WGX_CLI_FILE_H
#define WGX_CLI_FILE_H

#include <jansson.h>
#include <stddef.h>
#include <sys/types.h>

/**
 * wgx_file_write() - in the place of what is there: whoever reads, or kills us, finds the old one or the new one
 * @directory: a file descriptor; @mode: of a new file
 * It is on disk when this returns. Return: 0 or negative errno.
 */
int wgx_file_write(int directory, const char *name, const void *data, size_t len, mode_t mode);
/** wgx_file_write_json() - the same, with a newline */
int wgx_file_write_json(int directory, const char *name, const json_t *o, mode_t mode);

/**
 * wgx_file_read() - a regular file, no link, of at most @size - 1 bytes
 * @text: terminated. Return: its length, or negative errno: -EFBIG, -EINVAL for what is no regular file.
 */
ssize_t wgx_file_read(int directory, const char *name, char *text, size_t size);

#endif
