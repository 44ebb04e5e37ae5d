/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>
#include "daemon/daemon.h"

int wgx_run_path(const char *suffix, char *path, size_t size)
{
	char *dot;
	int err = wgx_control_path(path, size);

	if (err < 0)
		return err;
	dot = strrchr(path, '.');
	if (!dot || dot + 1 + strlen(suffix) >= path + size)
		return -ENAMETOOLONG;
	memcpy(dot + 1, suffix, strlen(suffix) + 1);
	return 0;
}

int wgx_start_lock_path(char *path, size_t size)
{
	return wgx_run_path("lock", path, size);
}
