/* SPDX-License-Identifier: MIT */
/* What may come next on a command line, for the shells' completions. */
#ifndef WGX_CLI_COMPLETE_H
#define WGX_CLI_COMPLETE_H

#include <stddef.h>

#include "cli/cli.h"

/** struct wgx_vocabulary - all commands of wgx, and the programs that it is under other names */
struct wgx_vocabulary {
	const struct wgx_command *commands, *programs;
	size_t n_commands, n_programs;
};

/**
 * wgx_complete() - print what the last of @words may become
 * @words: a command line from its program on; the last is the one that is being typed, maybe empty
 *
 * A line for each, with a tab and what it is where there is more to tell; "@files" stands for names of files. The
 * grammar is that of the usage texts: capitals stand for something, brackets are optional, bars separate
 * alternatives, all else is literal. Interfaces and peers are asked of the daemon, and missing where it is silent.
 *
 * Return: WGX_EXIT_OK.
 */
int wgx_complete(const struct wgx_vocabulary *v, int n, char **words);

#endif
