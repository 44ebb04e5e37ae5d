/* SPDX-License-Identifier: MIT */
#include "netbsd/bootfile.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64
#define SPACE " \t"

struct reader {
	const char *path;
	FILE *file;
	unsigned int number; /* of the line read last */
	char *error;
	size_t size;
};

/* ---- words ---- */

/* What a shell would take for more than itself, and we do not */
static bool is_special(char c)
{
	return strchr("$`;&|<>()*?[", c) != NULL;
}

/*
 * The next word of *@at, its quotes taken away, written over what it came from.
 * Return: NULL, and @problem where it is not the end.
 */
static char *next_word(char **at, const char **problem)
{
	char *in = *at + strspn(*at, SPACE), *out = in, *word = in, quote = 0;

	if (!*in)
		return NULL;
	for (; *in && (quote || !strchr(SPACE, *in)); in++) {
		if (quote ? *in == quote : *in == '\'' || *in == '"') {
			quote = quote ? 0 : *in;
		} else if (*in == '\\' && quote != '\'' && in[1]) {
			*out++ = *++in;
		} else if (quote != '\'' && is_special(*in) && (!quote || strchr("$`", *in))) {
			*problem = "a character that is special to sh: quote it";
			return NULL;
		} else {
			*out++ = *in;
		}
	}
	if (quote) {
		*problem = "a quote without its end";
		return NULL;
	}
	*at = in + !!*in;
	*out = '\0';
	return word;
}

static int parse_parameters(struct wgx_boot_line *line, char *error, size_t size)
{
	char *words[WORDS_MAX + 1], *at = line->text, *word;
	const char *problem = NULL;
	int n = 0;

	while (!problem && (word = next_word(&at, &problem))) {
		if (n == WORDS_MAX)
			problem = "more than 64 words";
		else
			words[n++] = word;
	}
	words[n] = NULL;
	if (problem) {
		snprintf(error, size, "%s", problem);
		return -EINVAL;
	}
	return wgx_ifconfig_parse(n, words, &line->ifconfig, error, size);
}

/* ---- lines ---- */

/* A line, which the caller frees; NULL: the end, or @err is set */
static char *read_one(struct reader *r, int *err)
{
	char *text = NULL;
	size_t size = 0;
	ssize_t len;

	errno = 0;
	len = getline(&text, &size, r->file);
	if (len < 0) {
		*err = -errno;
		free(text);
		return NULL;
	}
	r->number++;
	if (len && text[len - 1] == '\n')
		text[--len] = '\0';
	if ((size_t)len == strlen(text))
		return text;
	*err = -EILSEQ;
	free(text);
	return NULL;
}

/* Both texts are freed. */
static char *join(char *text, char *more, int *err)
{
	char *both = NULL;

	if (asprintf(&both, "%s%s", text, more) < 0) {
		both = NULL;
		*err = -ENOMEM;
	}
	free(text);
	free(more);
	return both;
}

static bool cut_backslash(char *text)
{
	size_t len = strlen(text);

	if (!len || text[len - 1] != '\\')
		return false;
	text[len - 1] = '\0';
	return true;
}

/* As read_one(), with the lines that a backslash joins to it */
static char *read_joined(struct reader *r, int *err)
{
	char *text = read_one(r, err), *more;

	while (text && cut_backslash(text)) {
		more = read_one(r, err);
		if (!more)
			break;
		text = join(text, more, err);
	}
	if (!*err)
		return text;
	free(text);
	return NULL;
}

static int parse_line(struct wgx_boot_line *line, char *error, size_t size)
{
	int err;

	line->is_command = line->text[0] == '!';
	if (line->is_command) {
		memmove(line->text, line->text + 1, strlen(line->text));
		return 0;
	}
	err = parse_parameters(line, error, size);
	for (size_t i = 0; !err && i < line->ifconfig.n; i++) {
		if (line->ifconfig.ops[i].kind != WGX_IFCONFIG_DESTROY)
			continue;
		snprintf(error, size, "destroy has no place here");
		err = -EINVAL;
	}
	return err;
}

/* @text becomes the file's, or is freed. */
static int add_line(struct reader *r, struct wgx_bootfile *f, unsigned int number, char *text)
{
	char *start = text + strspn(text, SPACE), error[192];
	struct wgx_boot_line *lines;
	int err;

	if (!*start || *start == '#') {
		free(text);
		return 0;
	}
	memmove(text, start, strlen(start) + 1);
	lines = realloc(f->lines, (f->n + 1) * sizeof(*lines));
	if (!lines) {
		free(text);
		return -ENOMEM;
	}
	f->lines = lines;
	lines[f->n] = (struct wgx_boot_line){.number = number, .text = text};
	err = parse_line(&lines[f->n++], error, sizeof(error));
	if (err)
		snprintf(r->error, r->size, "%s:%u: %s", r->path, number, error);
	return err;
}

static int read_lines(struct reader *r, struct wgx_bootfile *f)
{
	unsigned int number;
	int err = 0;
	char *text;

	for (;;) {
		number = r->number + 1;
		text = read_joined(r, &err);
		if (!text)
			break;
		err = add_line(r, f, number, text);
		if (err)
			return err;
	}
	if (err)
		snprintf(r->error, r->size, "%s:%u: %s", r->path, r->number + (err != -EILSEQ),
			 err == -EILSEQ ? "a NUL byte" : strerror(-err));
	return err;
}

int wgx_bootfile_read(const char *path, struct wgx_bootfile *ret, char *error, size_t size)
{
	struct reader r = {.path = path, .error = error, .size = size};
	struct wgx_bootfile f = {0};
	int err;

	r.file = fopen(path, "re");
	if (!r.file) {
		err = -errno;
		snprintf(error, size, "%s: %s", path, strerror(-err));
		return err;
	}
	snprintf(error, size, "%s: out of memory", path);
	err = read_lines(&r, &f);
	fclose(r.file);
	if (err)
		wgx_bootfile_free(&f);
	else
		*ret = f;
	return err;
}

void wgx_bootfile_free(struct wgx_bootfile *f)
{
	for (size_t i = 0; i < f->n; i++)
		free(f->lines[i].text);
	free(f->lines);
	*f = (struct wgx_bootfile){0};
}
