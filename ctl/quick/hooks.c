/* SPDX-License-Identifier: MIT */
/* PreUp, PostUp, PreDown, PostDown. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "quick/quick.h"
#include "quick/run.h"

#define BASH "/bin/bash"

static const char *const names[] = {
	[WGX_HOOK_PRE_UP] = "PreUp",
	[WGX_HOOK_POST_UP] = "PostUp",
	[WGX_HOOK_PRE_DOWN] = "PreDown",
	[WGX_HOOK_POST_DOWN] = "PostDown",
};

/* %i is the interface. Return: for free(3), or NULL */
static char *expand(const char *hook, const char *interface)
{
	char *text = NULL;
	const char *at;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	while ((at = strstr(hook, "%i"))) {
		fprintf(f, "%.*s%s", (int)(at - hook), hook, interface);
		hook = at + 2;
	}
	fputs(hook, f);
	return fclose(f) ? NULL : text;
}

/* wg-quick's files are written for bash, and with its settings; what needs no bash does with less. */
static int run(const char *command)
{
	const char *const by_bash[] = {BASH,	  "-e", "-o",	 "pipefail", "-O",
				       "extglob", "-c", command, NULL};
	const char *const by_sh[] = {"/bin/sh", "-e", "-c", command, NULL};

	return wgx_run(access(BASH, X_OK) ? by_sh : by_bash, NULL, false);
}

static int run_hook(const struct wgx_conf *c, enum wgx_hook which, const char *hook)
{
	char *command = expand(hook, c->name);
	int status = command ? run(command) : -ENOMEM;

	free(command);
	if (!status)
		return WGX_EXIT_OK;
	if (status == -EINTR)
		return wgx_fail("%s: %s: interrupted: %s", c->file, names[which], hook);
	if (status < 0)
		return wgx_fail("%s: %s: %s: %s", c->file, names[which], strerror(-status), hook);
	return wgx_fail("%s: %s: exit status %d: %s", c->file, names[which], status, hook);
}

int wgx_quick_hooks(const struct wgx_conf *conf, enum wgx_hook hook)
{
	int status = WGX_EXIT_OK;

	for (size_t i = 0; i < conf->hooks[hook].n && !status; i++)
		status = run_hook(conf, hook, conf->hooks[hook].items[i]);
	return status;
}
