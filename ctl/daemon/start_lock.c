/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include "daemon/daemon.h"

int wgx_start_lock_path(char *path, size_t size)
{
	static const char ending[] = ".lock";
	char *dot;
	int err = wgx_control_path(path, size);

	if (err < 0)
		return err;
	dot = strrchr(path, '.');
	if (!dot || dot + sizeof(ending) > path + size)
		return -ENAMETOOLONG;
	memcpy(dot, ending, sizeof(ending));
	return 0;
}
