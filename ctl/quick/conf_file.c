/* SPDX-License-Identifier: MIT */
/* Which file the user means, and who else can read it. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "quick/conf.h"
#include "cli/secbuf.h"

#define CONF_DIR "/etc/wireguard"
#define ENDING ".conf"
/* Names stand in hooks and in nft's commands as they are; wg-quick takes the same. */
#define NAME_CHARACTERS "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_=+.-"
#define FILE_MAX (256u << 20)

/* The interface's name is the file's. */
static int name_of(const char *command, const char *path, char name[IFNAMSIZ])
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t len = strlen(base), ending = strlen(ENDING);
	char text[256];

	if (len <= ending || strcmp(base + len - ending, ENDING))
		return wgx_usage_error(command,
				       "file '%s' is not called as an interface, "
				       "followed by " ENDING,
				       path);
	snprintf(text, sizeof(text), "%.*s", (int)(len - ending), base);
	if (wgx_name_check(command, "interface", text))
		return WGX_EXIT_USAGE;
	if (text[strspn(text, NAME_CHARACTERS)])
		return wgx_usage_error(
			command,
			"interface name '%s' has something else than letters, digits "
			"and _=+.-",
			text);
	memcpy(name, text, strlen(text) + 1);
	return WGX_EXIT_OK;
}

static int path_of(const char *command, const char *arg, char **ret)
{
	int status;

	if (strchr(arg, '/')) {
		*ret = strdup(arg);
	} else {
		status = wgx_name_check(command, "interface", arg);
		if (status)
			return status;
		if (asprintf(ret, CONF_DIR "/%s" ENDING, arg) < 0)
			*ret = NULL;
	}
	if (*ret)
		return WGX_EXIT_OK;
	wgx_fail("no memory left");
	return WGX_EXIT_FAILURE;
}

/* As wg-quick does: whoever may look into a directory and read a file in it reaches the secrets. */
static void warn_if_open(const char *file, int fd)
{
	char *path = realpath(file, NULL);
	struct stat st, dir;

	if (path && !fstat(fd, &st) && S_ISREG(st.st_mode) && !stat(dirname(path), &dir) &&
	    (st.st_mode & dir.st_mode & S_IRWXO))
		fprintf(stderr, "wgx: warning: %s is world accessible\n", file);
	free(path);
}

static int cannot_read(const char *arg, const char *file, int err)
{
	size_t len = strlen(arg), ending = strlen(ENDING);

	if (err == -ENOENT && !strchr(arg, '/') && len > ending &&
	    !strcmp(arg + len - ending, ENDING))
		return wgx_fail("cannot read %s: %s; a path has a slash in it: ./%s", file,
				strerror(-err), arg);
	return wgx_fail("cannot read %s: %s", file, strerror(-err));
}

static int read_file(const char *arg, const char *file, struct wgx_secbuf *b)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return cannot_read(arg, file, -errno);
	warn_if_open(file, fd);
	err = wgx_secbuf_read(b, fd, FILE_MAX);
	close(fd);
	return err ? cannot_read(arg, file, err) : WGX_EXIT_OK;
}

static int parse(const char *file, struct wgx_secbuf *b, struct wgx_conf **ret)
{
	struct wgx_conf_error error;

	if (!wgx_conf_parse(b->data, b->len, ret, &error))
		return WGX_EXIT_OK;
	return error.line ? wgx_fail("%s:%u: %s", file, error.line, error.text)
			  : wgx_fail("%s: %s", file, error.text);
}

int wgx_conf_load(const char *command, const char *arg, struct wgx_conf **ret)
{
	struct wgx_secbuf b = {0};
	char name[IFNAMSIZ], *file = NULL;
	int status = path_of(command, arg, &file);

	if (!status)
		status = name_of(command, file, name);
	if (!status)
		status = read_file(arg, file, &b);
	if (!status)
		status = parse(file, &b, ret);
	wgx_secbuf_free(&b);
	if (status) {
		free(file);
		return status;
	}
	(*ret)->file = file;
	memcpy((*ret)->name, name, sizeof(name));
	return WGX_EXIT_OK;
}
