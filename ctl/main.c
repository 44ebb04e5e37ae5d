/* SPDX-License-Identifier: MIT */
/* wgx: the table of subcommands. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static int cmd_help(int argc, char **argv);

static const struct wgx_command commands[] = {
	{"attach", wgx_cmd_attach, "DEV [--mode auto|tcx|native]",
	 "Accelerate the WireGuard traffic that arrives on an underlay device",
	 "Modes:\n"
	 "  auto     the best that the device can do (the default)\n"
	 "  tcx      tcx ingress, superframes to AF_XDP\n"
	 "  native   XDP in the driver, one packet a frame\n"},
	{"detach", wgx_cmd_detach, "DEV", "Take an attached device back to the plain UDP socket",
	 NULL},
	{"show", wgx_cmd_show, "[IFACE] [--json]",
	 "Show interfaces, peers, the data path's modes and counters, and attached devices", NULL},
	{"genkey", wgx_cmd_genkey, "", "Write a new private key to stdout", NULL},
	{"pubkey", wgx_cmd_pubkey, "",
	 "Read a private key from stdin, write its public key to stdout", NULL},
	{"genpsk", wgx_cmd_genpsk, "", "Write a new preshared key to stdout", NULL},
	{"help", cmd_help, "[COMMAND]", "Show this text, or a command's", NULL},
};
#define COMMANDS (sizeof(commands) / sizeof(*commands))

static const struct wgx_command *find_command(const char *name)
{
	for (size_t i = 0; i < COMMANDS; i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int print_help(void)
{
	puts("Usage: wgx [-f] IFACE\n"
	     "       wgx COMMAND [ARGUMENT ...]\n\n"
	     "wgx IFACE creates a WireGuard interface and starts the daemon if none runs; "
	     "configure it\n"
	     "with wg(8) and ip(8). -f, --foreground stays until the interface is gone.\n\n"
	     "Commands:");
	for (size_t i = 0; i < COMMANDS; i++)
		printf("  %-8s%s\n", commands[i].name, commands[i].summary);
	puts("\nwgx help COMMAND tells more; so does wgx(8). wgx --version prints the version.");
	return WGX_EXIT_OK;
}

static int print_command_help(const struct wgx_command *c)
{
	printf("Usage: wgx %s%s%s\n\n%s.\n", c->name, *c->args ? " " : "", c->args, c->summary);
	if (c->details)
		printf("\n%s", c->details);
	return WGX_EXIT_OK;
}

static int cmd_help(int argc, char **argv)
{
	const struct wgx_command *c;

	if (argc < 2)
		return print_help();
	if (argc > 2)
		return wgx_usage_error("help", "one command at a time: unexpected '%s'", argv[2]);
	c = find_command(argv[1]);
	if (!c)
		return wgx_usage_error(NULL, "no command is called '%s'", argv[1]);
	return print_command_help(c);
}

static bool is_help(const char *arg)
{
	return !strcmp(arg, "--help") || !strcmp(arg, "-h");
}

/* Is --help among the arguments, before a "--"? */
static bool wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (is_help(argv[i]))
			return true;
	return false;
}

static int run_command(const struct wgx_command *c, int argc, char **argv)
{
	return wants_help(argc, argv) ? print_command_help(c) : c->run(argc, argv);
}

/* wgx [-f] IFACE. A name that equals a command is the command, so it cannot be an interface's. */
static int run_interface(int argc, char **argv)
{
	if (wants_help(argc, argv))
		return print_help();
	for (int i = 1; i < argc; i++)
		if (find_command(argv[i]))
			return wgx_usage_error(NULL, "'%s' is a command, not an interface's name",
					       argv[i]);
	return wgx_cmd_interface(argc, argv);
}

static int dispatch(int argc, char **argv)
{
	const struct wgx_command *c;

	if (argc < 2)
		return wgx_usage_error(NULL, "no interface or command given");
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-v")) {
		puts("wgx " WGX_VERSION);
		return WGX_EXIT_OK;
	}
	c = find_command(argv[1]);
	return c ? run_command(c, argc - 1, argv + 1) : run_interface(argc, argv);
}

/* A file or socket of ours must not get the number of a standard stream that the caller has closed. */
static int fill_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	int status;

	if (fill_standard_streams())
		return WGX_EXIT_FAILURE;
	status = dispatch(argc, argv);
	if ((fflush(stdout) || ferror(stdout)) && status == WGX_EXIT_OK)
		status = wgx_fail("cannot write to standard output: %s", strerror(errno));
	return status;
}
