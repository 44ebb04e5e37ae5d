/* SPDX-License-Identifier: MIT */
/* wg-keygen [--pub | --psk]: NetBSD's wg-keygen(8). */
#include <string.h>

#include "cli/cli.h"
#include "cli/key.h"

int wgx_wg_keygen(int argc, char **argv)
{
	if (argc > 2)
		return wgx_usage_error(NULL, "one option at a time: unexpected '%s'", argv[2]);
	if (argc < 2)
		return wgx_key_generate(true);
	if (!strcmp(argv[1], "--psk"))
		return wgx_key_generate(false);
	if (!strcmp(argv[1], "--pub"))
		return wgx_key_derive();
	return wgx_usage_error(NULL, "'%s' is none of --pub, --psk", argv[1]);
}
