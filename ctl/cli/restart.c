/* SPDX-License-Identifier: MIT */
/* wgx restart: the daemon of this network namespace ends, and this program is it, with all that it had. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/client.h"
#include "cli/cold.h"
#include "cli/start.h"
#include "daemon/daemon.h"

/* Is there one? Not asked further: what it hands over is the successor's affair. */
static int look(void)
{
	int fd = wgx_client_connect();

	if (fd >= 0)
		close(fd);
	return fd < 0 ? wgx_client_perror(fd) : WGX_EXIT_OK;
}

int wgx_cmd_restart(int argc, char **argv)
{
	static const struct option options[] = {{0}};
	int c, lock, status;
	char why[256];

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1)
		return wgx_option_error("restart", c, argv);
	if (optind < argc)
		return wgx_usage_error("restart", "unexpected '%s'", argv[optind]);
	status = wgx_need_net_admin("restart", "the daemon");
	if (status)
		return status;
	lock = wgx_start_lock();
	if (lock < 0)
		return wgx_fail("cannot lock the start of the daemon: %s", strerror(-lock));
	status = look();
	if (!status)
		status = wgx_start_successor(lock, why, sizeof(why));
	if (status == WGX_DAEMON_OTHER_FORMAT) {
		fprintf(stderr, "wgx: %s: starting cold, each peer needs a handshake\n", why);
		status = wgx_cold_restart(lock);
	}
	wgx_start_unlock(lock);
	return status;
}
