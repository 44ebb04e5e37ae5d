/* SPDX-License-Identifier: MIT */
/* wgx boot IFACE [FILE]: create an interface and do what its file says, as NetBSD does with /etc/ifconfig.IFACE. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "net/link.h"
#include "netbsd/bootfile.h"

#define DEFAULT_FILE "/etc/ifconfig."

struct boot {
	char *interface;
	const char *path;
	struct wgx_bootfile file;
};

static int parse(int argc, char **argv, struct boot *b)
{
	static const struct option options[] = {{0}};
	static char path[sizeof(DEFAULT_FILE) + IFNAMSIZ];
	int c, status;

	opterr = 0;
	c = getopt_long(argc, argv, ":", options, NULL);
	if (c != -1)
		return wgx_option_error("boot", c, argv);
	if (optind == argc)
		return wgx_usage_error("boot", "no interface given");
	if (optind + 2 < argc)
		return wgx_usage_error("boot", "one file at a time: unexpected '%s'",
				       argv[optind + 2]);
	b->interface = argv[optind];
	status = wgx_name_check("boot", "interface", b->interface);
	if (status)
		return status;
	snprintf(path, sizeof(path), DEFAULT_FILE "%s", b->interface);
	b->path = optind + 1 < argc ? argv[optind + 1] : path;
	return WGX_EXIT_OK;
}

static int create(char *interface)
{
	char *argv[] = {"wgx", interface, NULL};

	optind = 0;
	return wgx_cmd_interface(2, argv);
}

/* By sh, with the interface's name in $int. Return: what waitpid(2) says, or -1 */
static int run_shell(const struct boot *b, const char *command)
{
	int status = -1;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (!pid) {
		setenv("int", b->interface, 1);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

static int run_command(const struct boot *b, const struct wgx_boot_line *line)
{
	int status = run_shell(b, line->text);

	if (!status)
		return WGX_EXIT_OK;
	if (status == -1)
		return wgx_fail("%s:%u: cannot run sh: %s", b->path, line->number, strerror(errno));
	if (WIFSIGNALED(status))
		return wgx_fail("%s:%u: the command died: %s", b->path, line->number,
				strsignal(WTERMSIG(status)));
	return wgx_fail("%s:%u: the command failed: exit status %d", b->path, line->number,
			WEXITSTATUS(status));
}

static int run_line(const struct boot *b, const struct wgx_boot_line *line)
{
	char error[192];

	if (line->is_command)
		return run_command(b, line);
	if (wgx_ifconfig_apply(b->interface, &line->ifconfig, error, sizeof(error)))
		return wgx_fail("%s:%u: %s", b->path, line->number, error);
	return WGX_EXIT_OK;
}

/* An interface that a dead daemon has left behind stays, whatever comes: routes lead into it. */
static int boot(const struct boot *b)
{
	struct wgx_link_info info;
	bool left_behind = !wgx_link_query(b->interface, &info);
	int status = create(b->interface);

	if (status)
		return status;
	for (size_t i = 0; i < b->file.n && !status; i++)
		status = run_line(b, &b->file.lines[i]);
	if (status && !left_behind)
		wgx_delete_interface(b->interface);
	return status;
}

int wgx_cmd_boot(int argc, char **argv)
{
	struct boot b = {0};
	int status = parse(argc, argv, &b);
	char error[512];

	if (status)
		return status;
	if (wgx_bootfile_read(b.path, &b.file, error, sizeof(error)))
		return wgx_fail("%s", error);
	status = wgx_need_net_admin("create", b.interface);
	if (!status)
		status = boot(&b);
	wgx_bootfile_free(&b.file);
	return status;
}
